//! Who sets a camera's features, and what is refused.

use std::time::Duration;

use framebroker_client::{self as client, Error, ErrorCode, FeatureValue, Frame, Subscription};

use crate::{Broker, PATIENCE};

/// For how long no frame comes where there is no trigger.
const SILENCE: Duration = Duration::from_millis(50);

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

/// Sets a camera that waits for software triggers, and triggers it: the one frame that comes has exactly the setting's version.
///
/// # Panics
/// When it has not, or another comes.
pub fn trigger_exactly(
    control: &client::Broker,
    frames: &mut Subscription,
    feature: &str,
    value: impl Into<FeatureValue>,
) -> Frame {
    let stream = frames.name().to_string();
    let set = control.set_feature(&stream, feature, value).expect("the setting");
    let triggered = control.execute(&stream, "TriggerSoftware").expect("the trigger");
    assert_eq!(triggered.version, set.version, "a trigger changes no setting");
    let frame = frames.next_with(&set, PATIENCE).expect("the frame exposed with it");
    assert_eq!((frame.settings_version(), frame.sequence()), (set.version, triggered.head.next()));
    assert!(frame.is_exposed_with(&set) && !frame.is_exposed_with(set.version.wrapping_add(1)));
    let silent = frames.next(SILENCE);
    assert!(matches!(silent, Err(Error::Timeout { .. })), "{silent:?}");
    frame
}
