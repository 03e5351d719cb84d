//! A folder with one PNG file, replayed.
#![no_main]

use std::sync::LazyLock;

use framebroker::source::OnError;
use framebroker_fuzz::{Scratch, replay};
use libfuzzer_sys::fuzz_target;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::default);

fuzz_target!(|input: &[u8]| {
    SCRATCH.write("0.png", input);
    replay(SCRATCH.folder(), OnError::Stop);
});
