//! Setting features over the socket, of any stream.

use framebroker_client as client;

/// Of every stream that can be set, a feature and two values that it does not have at the start. None of them changes the image.
pub const SETTINGS: [(&str, &str, [&str; 2]); 5] = [
    ("gige-a", "TestRegister", ["5", "2"]),
    ("gige-b", "TestRegister", ["6", "3"]),
    ("basler-a", "GainRaw", ["7", "8"]),
    ("basler-b", "GainRaw", ["9", "10"]),
    ("pattern", "DeviceUserID", ["six", "two"]),
];

/// Sets a feature by a text, as anyone can who does not know its kind; returns its settings version.
///
/// # Panics
/// When it cannot be set.
pub fn set(control: &client::Broker, stream: &str, name: &str, value: &str) -> u32 {
    let set = control.set_feature(stream, name, value).unwrap();
    assert_eq!(set.feature.value.to_string(), value, "{stream} {name}");
    set.version
}

/// What a feature is now, as a text.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn value_of(control: &client::Broker, stream: &str, name: &str) -> String {
    control.feature(stream, name).unwrap().value.to_string()
}
