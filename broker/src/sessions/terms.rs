//! The terms of a subscription.

use framebroker_protocol::message::{Delivery, Policy, Start};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Which frames.
    pub policy: Policy,
    /// By which way.
    pub delivery: Delivery,
    /// Frames it may hold.
    pub max_held: usize,
    /// Where it begins.
    pub start: Start,
}
