//! Who sets a camera's features, and what is refused.

use framebroker_client::{self as client, Error, ErrorCode};

use crate::Broker;

/// A connection of this name that may set features.
///
/// # Panics
/// When it cannot be had.
#[must_use]
pub fn controller(broker: &Broker, name: &str) -> client::Broker {
    let connected = client::Broker::builder().socket(broker.socket()).name(name).control(true).connect();
    connected.expect("a connection that may set features")
}

/// Code and text of a refusal.
///
/// # Panics
/// When it is none.
pub fn refusal<T: std::fmt::Debug>(result: client::Result<T>) -> (ErrorCode, String) {
    match result {
        Err(Error::Refused { code, text }) => (code, text),
        other => panic!("not refused: {other:?}"),
    }
}
