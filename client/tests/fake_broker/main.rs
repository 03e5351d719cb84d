//! The library against a broker in the test's own process.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod fake;
mod hostile;
mod no_alloc;
mod waiting;
