//! A subscription that was joined with others: what it can still be asked, it asks the set.

use std::sync::Arc;
use std::time::Instant;

use framebroker_client as client;
use pyo3::prelude::*;

use crate::turns::{Shared, Status, Turns};

/// What can be asked of a set of subscriptions at any time.
#[derive(Debug, Clone)]
pub struct SyncedStatus {
    pub stats: client::SyncStats,
    /// Of each subscription.
    members: Vec<Status>,
}

impl Shared for client::SyncedSubscription {
    type Status = SyncedStatus;
    const WHAT: &'static str = "synchronised subscription";

    fn status(&self) -> SyncedStatus {
        SyncedStatus { stats: self.stats().clone(), members: self.subscriptions().map(Shared::status).collect() }
    }
}

/// What a subscription that was joined asks.
pub struct Member {
    synced: Arc<Turns<client::SyncedSubscription>>,
    /// Its place in the set.
    at: usize,
}

impl Member {
    pub fn new(synced: &Arc<Turns<client::SyncedSubscription>>, at: usize) -> Self {
        Self { synced: Arc::clone(synced), at }
    }

    /// As it is now; while a thread waits for sets, as it was some moments ago.
    ///
    /// # Errors
    /// In a forked child.
    pub fn status(&self) -> PyResult<Option<Status>> {
        Ok(self.synced.status()?.members.into_iter().nth(self.at))
    }

    /// Whether the set was closed.
    pub fn is_closing(&self) -> bool {
        self.synced.is_closing()
    }

    /// Closes the set.
    pub fn close(&self, py: Python<'_>) {
        self.synced.close(py);
    }

    /// The oldest news of changed settings; none while another thread waits for sets.
    ///
    /// # Errors
    /// In a forked child, and when the set was closed.
    pub fn next_change(&self, py: Python<'_>) -> PyResult<Option<client::SettingsChange>> {
        let Some(mut turn) = self.synced.take(py, Some(Instant::now()))? else { return Ok(None) };
        Ok(turn.taken()?.next_change(self.at))
    }
}
