//! What clients say to a broker, with descriptors, in any order, beside what its other threads tell: no panic, and what was
//! granted, opened and sent stays balanced.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Without the flags of scripts/fuzz.sh the broker has no way in for this.
    #[cfg(fuzzing)]
    framebroker::fuzzing::sessions(input);
    #[cfg(not(fuzzing))]
    let _ = input;
});
