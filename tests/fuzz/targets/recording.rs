//! A recording, replayed: its index is made up, and 4 KiB of data lie beside it.
#![no_main]

use std::sync::LazyLock;

use framebroker::source::OnError;
use framebroker_fuzz::{Scratch, replay};
use libfuzzer_sys::fuzz_target;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(|| {
    let scratch = Scratch::default();
    scratch.write("run.raw", &[7; 4096]);
    scratch
});

fuzz_target!(|input: &[u8]| {
    let index = SCRATCH.write("run.index", input);
    for on_error in [OnError::Stop, OnError::Skip] {
        replay(&index, on_error);
    }
});
