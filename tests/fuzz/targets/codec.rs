//! Messages in both directions, and what is read from a frame: whatever comes is refused or understood, and what is
//! understood is said again in the same way.
#![no_main]

use std::fmt::Debug;

use framebroker_protocol::PixelFormat;
use framebroker_protocol::chunks::Chunks;
use framebroker_protocol::codec::{decode, encode, hello_version};
use framebroker_protocol::message::{Reply, Request};
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|input: &[u8]| {
    said_again::<Request>(input);
    said_again::<Reply>(input);
    let _version = hello_version(input);
    if let Some(chunks) = Chunks::parse(input) {
        for chunk in chunks {
            assert!(input.len() >= chunk.name.len(), "a chunk's name lies in the data");
        }
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Ok(format) = text.parse::<PixelFormat>()
    {
        assert_eq!(format.to_string().parse::<PixelFormat>().ok(), Some(format), "a name is read as it is written");
    }
});

fn said_again<T: Serialize + DeserializeOwned + Debug>(input: &[u8]) {
    let Ok(message) = decode::<T>(input) else { return };
    let bytes = encode(&message).unwrap_or_else(|error| panic!("{message:?} was read and cannot be written: {error}"));
    let again = decode::<T>(&bytes).unwrap_or_else(|error| panic!("{message:?} was written and not read: {error}"));
    assert_eq!(encode(&again).ok(), Some(bytes), "{message:?} is another one the second time");
}
