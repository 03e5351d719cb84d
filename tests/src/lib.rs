//! What the tests with real processes share: brokers and consumers that are started, asked, and always ended.
//!
//! Everything a test starts is a value here that ends its process when it is dropped, also where the test fails. Every wait
//! has an end. Sockets lie in a directory of their own for each test, so that tests can run beside each other.
#![deny(unsafe_code)]

pub mod actor;
pub mod attack;
pub mod beside;
pub mod binaries;
pub mod broker;
pub mod c_library;
pub mod chance;
pub mod commands;
pub mod foreign;
pub mod huge_pages;
pub mod intruder;
pub mod network;
pub mod process;
pub mod pylon;
pub mod raw;
pub mod raw_producer;
pub mod recordings;
pub mod rig;
pub mod scratch;
pub mod settings;

pub use actor::Actor;
pub use beside::Beside;
pub use broker::Broker;
pub use c_library::CLibrary;
pub use chance::Chance;
pub use huge_pages::HugePages;
pub use intruder::Intruder;
pub use network::Network;
pub use pylon::Cameras;
pub use raw::Raw;
pub use raw_producer::RawProducer;
pub use scratch::Scratch;

use std::time::{Duration, Instant};

/// Longer than anything takes that does not hang.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again and again until `seen` gives a value.
///
/// # Panics
/// When it does not within `time`.
pub fn wait_for<T>(what: &str, time: Duration, mut seen: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + time;
    loop {
        if let Some(value) = seen() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {time:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
