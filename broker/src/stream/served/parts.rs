//! What a stream is made of.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use framebroker_protocol::message::{Content, Policy};
use framebroker_protocol::{ClientId, Text};

use crate::factory::BufferFactory;
use crate::source::{Description, Requirements};
use crate::stream::StreamCore;
use crate::stream::command::Command;
use crate::stream::pool::Pool;

/// What a stream is made of.
#[derive(Debug)]
pub struct StreamParts {
    pub core: Arc<StreamCore>,
    pub factory: Arc<dyn BufferFactory>,
    pub pool: Pool,
    pub commands: Sender<Command>,
    pub needs: Requirements,
    pub description: Description,
    pub source: &'static str,
    /// Whether consumers can verify what it delivers.
    pub content: Content,
    pub limits: Limits,
}

/// How large a stream may grow, and whom it waits for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub min_segments: usize,
    /// How long segments stay that are no longer needed.
    pub shrink_after: Duration,
    pub max_segments: usize,
    pub memory_bytes: u64,
    /// Bytes of segments above which is warned, once.
    pub memory_warn_bytes: Option<u64>,
    pub history: usize,
    pub lossless_timeout: Duration,
    /// The policy of subscriptions that name none.
    pub default_policy: Policy,
}

/// The session that has sole control of a source's features.
#[derive(Debug, Clone)]
pub struct Controller {
    pub client: ClientId,
    pub called: Text,
}

/// What became of holds that lasted too long.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeaseCounts {
    /// Holds that became older than the lease.
    pub overdue: u64,
    pub evicted: u64,
}
