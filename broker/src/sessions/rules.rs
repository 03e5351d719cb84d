//! What the command line says about clients.

use std::time::Duration;

use super::access::Access;
use crate::config::Lease;

/// How many may come.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    pub in_all: usize,
    /// Sessions at once of one user other than the broker's.
    pub per_user: usize,
}

/// What the command line says about clients.
#[derive(Debug)]
pub struct Rules {
    pub access: Access,
    pub limits: ClientLimits,
    /// How long they may hold a frame.
    pub lease: Lease,
    /// How often the figures of each stream are logged, if at all.
    pub stats_interval: Option<Duration>,
    /// Frames a second that a producer may fill at most.
    pub producer_rate: u32,
}
