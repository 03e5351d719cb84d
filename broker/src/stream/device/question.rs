//! What a client asks of a stream's source.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use framebroker_protocol::message::FeatureValue;
use framebroker_protocol::{FeatureName, Text};

/// What a client asks.
#[derive(Debug)]
pub struct Question {
    /// Names it in the answer.
    pub id: u64,
    /// What is asked.
    pub what: What,
    /// Who asks, for those who are told of a change.
    pub by: Text,
    /// Who asks has the role control, and comes before those who only read.
    pub may_change: bool,
    /// Nobody waits for the answer any more: what has not begun need not be done.
    pub dropped: Arc<AtomicBool>,
}

/// What can be asked.
#[derive(Debug)]
pub enum What {
    /// A page of features.
    List {
        /// How many to pass over.
        from: usize,
    },
    /// A feature.
    Get(FeatureName),
    /// A feature to be set.
    Set(FeatureName, FeatureValue),
    /// A command to be executed.
    Execute(FeatureName),
}
