//! What a stream is made of.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use framebroker_protocol::message::{Content, Policy};
use framebroker_protocol::{ClientId, Text};

use crate::factory::BufferFactory;
use crate::source::{Description, Requirements};
use crate::stream::StreamCore;
use crate::stream::grab::Command;
use crate::stream::pool::Pool;

/// What a stream is made of.
#[derive(Debug)]
pub struct StreamParts {
    /// Shared with the grab thread.
    pub core: Arc<StreamCore>,
    /// Allocates its segments.
    pub factory: Arc<dyn BufferFactory>,
    /// Its segments.
    pub pool: Pool,
    /// To the grab thread.
    pub commands: Sender<Command>,
    /// What the source needs.
    pub needs: Requirements,
    /// What the source is.
    pub description: Description,
    /// Kind of source.
    pub source: &'static str,
    /// Whether consumers can verify what it delivers.
    pub content: Content,
    /// How large the stream may grow.
    pub limits: Limits,
}

/// How large a stream may grow, and whom it waits for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Segments it never falls below.
    pub min_segments: usize,
    /// How long segments stay that are no longer needed.
    pub shrink_after: Duration,
    /// Segments.
    pub max_segments: usize,
    /// Bytes of segments.
    pub memory_bytes: u64,
    /// Bytes of segments above which is warned, once.
    pub memory_warn_bytes: Option<u64>,
    /// Frames kept beyond all holds.
    pub history: usize,
    /// Whether lossless subscriptions are granted.
    pub lossless: bool,
    /// The policy of subscriptions that name none.
    pub default_policy: Policy,
}

/// The session that has sole control of a source's features.
#[derive(Debug, Clone)]
pub struct Controller {
    /// Which session.
    pub client: ClientId,
    /// Who it is, for people.
    pub called: Text,
}

/// What became of holds that lasted too long.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeaseCounts {
    /// Holds that became older than the lease.
    pub overdue: u64,
    /// Subscriptions that were ended for one.
    pub evicted: u64,
}
