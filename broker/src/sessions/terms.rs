//! The terms of a subscription.

use framebroker_protocol::message::{Delivery, Policy, Start};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub policy: Policy,
    pub delivery: Delivery,
    pub max_held: usize,
    pub start: Start,
}
