//! Lists, watches and saves the streams of a framebroker.
fn main() {}
