//! The file of `broker --config`: it is a configuration, or what is wrong is named.
#![no_main]

use std::sync::LazyLock;

use framebroker::config::Config;
use framebroker_fuzz::Scratch;
use libfuzzer_sys::fuzz_target;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::default);

fuzz_target!(|input: &[u8]| {
    let path = SCRATCH.write("broker.toml", input);
    let words = ["broker".as_ref(), "--config".as_ref(), path.as_os_str()];
    match Config::try_parse_from(words) {
        Ok(config) => assert!(!config.streams.is_empty(), "a broker has a stream"),
        Err(error) => assert!(!error.to_string().is_empty(), "an error says something"),
    }
});
