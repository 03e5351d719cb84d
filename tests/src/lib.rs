//! What the tests with real processes share: brokers and consumers that are started, watched and always ended.
#![deny(unsafe_code)]
