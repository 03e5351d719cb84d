//! A broker that lies to the client library, with descriptors, in any order, before and after it has granted a subscription: no panic,
//! nobody waits longer than the library's times, and no descriptor is left.
#![no_main]

#[cfg(fuzzing)]
mod liar;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    // Without the flags of scripts/fuzz.sh the library has no way in for this.
    #[cfg(fuzzing)]
    liar::run(input);
    #[cfg(not(fuzzing))]
    let _ = input;
});
