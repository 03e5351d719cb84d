//! Names of what is told by numbers.

#![expect(unsafe_code, reason = "exported functions")]

use std::ffi::{CStr, c_char};

/// Of what is no such number: a later version may have it.
const UNKNOWN: &CStr = c"unknown";

/// The name of an fb_policy, as "latest"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_policy_name(policy: u32) -> *const c_char {
    name(&[c"of the stream", c"sequential", c"latest", c"lossless", c"upcoming"], policy)
}

/// The name of an fb_state, as "live"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_state_name(state: u32) -> *const c_char {
    name(&[c"offline", c"live", c"closed"], state)
}

/// The name of an fb_access, as "read-write"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_access_name(access: u32) -> *const c_char {
    name(&[c"read-write", c"read-only", c"write-only", c"locked", c"not available"], access)
}

/// The name of an fb_feature_kind, as "integer"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_feature_kind_name(kind: u32) -> *const c_char {
    name(&[UNKNOWN, c"integer", c"float", c"boolean", c"enumeration", c"string", c"command"], kind)
}

fn name(names: &[&'static CStr], number: u32) -> *const c_char {
    let name = usize::try_from(number).ok().and_then(|number| names.get(number));
    name.copied().unwrap_or(UNKNOWN).as_ptr()
}

#[cfg(test)]
mod tests {
    use framebroker_client::{Policy, StreamState};

    use super::*;

    #[expect(unsafe_code, reason = "reads as C would")]
    fn read(name: *const c_char) -> &'static str {
        // SAFETY: a static text that ends with a NUL.
        unsafe { CStr::from_ptr(name) }.to_str().unwrap()
    }

    #[test]
    fn names_are_those_of_the_other_languages() {
        let policies = [Policy::Sequential, Policy::Latest, Policy::Lossless, Policy::Upcoming];
        for (number, policy) in (1..).zip(policies) {
            assert_eq!(read(fb_policy_name(number)), policy.name());
        }
        for state in [StreamState::Offline, StreamState::Live, StreamState::Closed] {
            assert_eq!(read(fb_state_name(state.to_bits())), state.name());
        }
    }
}
