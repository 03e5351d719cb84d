//! A stream as the control thread keeps it.

mod members;
mod renewal;
mod seat;
mod size;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use framebroker_protocol::message::{Content, Policy, StreamInfo};
use framebroker_protocol::ring::Roster;
use framebroker_protocol::{ClientId, Text};
use tracing::warn;

use super::StreamCore;
use super::device::DeviceThread;
use super::grab::Command;
use super::health::Health;
use super::owed::Owed;
use super::pool::Pool;
use crate::events::SubscriptionKey;
use crate::factory::{BufferFactory, Sharing};
use crate::source::{Description, Requirements};

pub use members::{Lingering, Reader};
use renewal::Renewal;
pub use seat::{Producer, Seat, vacant_needs};

/// A stream, its segments, and who waits for it to grow.
#[derive(Debug)]
pub struct Stream {
    /// Shared with the grab thread.
    pub core: Arc<StreamCore>,
    /// Allocates its segments.
    pub factory: Arc<dyn BufferFactory>,
    /// Its segments.
    pub pool: Pool,
    /// To the grab thread.
    pub commands: Sender<Command>,
    /// The grab thread.
    pub thread: Option<JoinHandle<()>>,
    /// Sets the source's features.
    pub device: Option<DeviceThread>,
    /// The session that has sole control of them.
    pub controller: Option<ClientId>,
    /// What the source needs.
    pub needs: Requirements,
    /// What the source is.
    pub description: Description,
    /// Kind of source.
    pub source: &'static str,
    /// Whether consumers can verify it.
    pub content: Content,
    /// How large it may grow.
    pub limits: Limits,
    /// Holds granted, to subscriptions that wait for growth too.
    pub granted: usize,
    /// Subscriptions that wait for growth, in their order.
    pub waiting: VecDeque<SubscriptionKey>,
    /// The grab thread takes no more frames.
    pub finished: Option<Finished>,
    /// Why the source is away, if it is.
    pub offline: Option<String>,
    /// What is wrong with it.
    pub health: Health,
    /// Segments that were given up while somebody may read them.
    pub owed: Owed,
    /// Holds that became older than the lease.
    pub overdue: u64,
    /// Subscriptions that were ended for one.
    pub evicted: u64,
    /// The place of its producer, where it takes one.
    seat: Option<Seat>,
    /// Who may still read what the ring still has, though its subscription has ended.
    lingering: Vec<Lingering>,
    /// Frames that revoked subscriptions held, of which the grab thread has not yet said which are in the ring.
    unconfirmed: usize,
    /// Segments the ring should have, once memory allows.
    size: usize,
    /// Segments that the ring is giving up.
    leaving: usize,
    /// The source is stopped until there are segments that fit its frames.
    resuming: bool,
    /// Which restart of the source that is.
    restart: u64,
    /// The source has not been there yet: what it needs is not known, and there are no segments.
    unseen: bool,
    /// The grab thread was asked to give up frames for that.
    making_room: bool,
    /// When it does so with those that are too many now.
    shrink_at: Option<Instant>,
    /// When a fixed pool gets segments in place of those that it lost.
    renewal: Renewal,
    /// The warning of `--memory-warn` was given.
    warned: bool,
    /// Rosters that the grab thread may still use.
    old_rosters: Vec<Arc<Roster>>,
}

/// How a stream ended.
#[derive(Debug)]
pub struct Finished {
    /// Why; told to its readers.
    pub reason: String,
    /// Until when they may take the last frames.
    pub drain_until: Instant,
    /// They have been told.
    pub told: bool,
}

/// How large a stream may grow.
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

impl Stream {
    /// A stream whose grab thread is about to start.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the stream, named once")]
    pub fn new(
        core: Arc<StreamCore>,
        factory: Arc<dyn BufferFactory>,
        pool: Pool,
        commands: Sender<Command>,
        needs: Requirements,
        description: Description,
        kind: (&'static str, Content),
        limits: Limits,
    ) -> Self {
        let size = pool.expected();
        Self {
            core,
            factory,
            pool,
            commands,
            thread: None,
            device: None,
            controller: None,
            needs,
            description,
            source: kind.0,
            content: kind.1,
            limits,
            granted: 0,
            waiting: VecDeque::new(),
            finished: None,
            offline: None,
            health: Health::default(),
            owed: Owed::default(),
            overdue: 0,
            evicted: 0,
            seat: None,
            lingering: Vec::new(),
            unconfirmed: 0,
            size,
            leaving: 0,
            resuming: false,
            restart: 0,
            unseen: false,
            making_room: false,
            shrink_at: None,
            renewal: Renewal::default(),
            warned: false,
            old_rosters: Vec::new(),
        }
    }

    /// The source is not there yet. The stream begins without segments: they are made when the source tells what it needs.
    #[must_use]
    pub fn await_source(mut self, reason: String) -> Self {
        warn!(stream = %self.core.name, reason, "offline from the start");
        self.offline = Some(reason);
        self.unseen = true;
        self
    }

    /// A session that may have had sole control has ended.
    pub fn end_control(&mut self, client: ClientId) {
        self.controller = self.controller.filter(|controller| *controller != client);
    }

    /// The source is still away, perhaps for another reason.
    pub fn stay_offline(&mut self, reason: String) {
        if self.offline.as_deref() != Some(&reason) {
            warn!(stream = %self.core.name, reason, "still offline");
        }
        self.offline = Some(reason);
    }

    /// The stream in one line, for the ready line.
    #[must_use]
    pub fn facts(&self) -> String {
        if self.unseen {
            return format!("stream={} source={} state=offline", self.core.name, self.source);
        }
        let Description { width, height, pixel_format, fps, .. } = &self.description;
        format!(
            "stream={} source={} width={width} height={height} pixel_format={pixel_format} fps={fps:.2} segments={} \
             backing={} holds_left={}",
            self.core.name,
            self.source,
            self.pool.installed(),
            self.factory.name(),
            self.capacity().holds_left(),
        )
    }

    /// Whether its segments may be shared with readers of their own: those of named objects are not protected.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.factory.sharing() == Sharing::Sealed
    }

    /// The stream as it is listed.
    #[must_use]
    pub fn info(&self) -> StreamInfo {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let Description { model, serial, width, height, pixel_format, fps } = &self.description;
        let (width, height, pixel_format) = self.core.geometry().unwrap_or((*width, *height, *pixel_format));
        StreamInfo {
            name: self.core.name.clone(),
            id: self.core.id,
            state: self.core.page.state().to_bits(),
            source: Text::label(self.source),
            model: Text::label(model),
            serial: Text::label(serial),
            width,
            height,
            pixel_format,
            millihertz: millihertz(*fps),
            content: self.content,
            backing: Text::label(self.factory.name()),
            shared: self.is_sealed(),
            segments: number(self.pool.installed()),
            max_segments: number(self.limits.max_segments),
            holds_left: number(self.capacity().holds_left()),
            head: self.core.page.head(),
            producer: self.producer().map_or_else(|| Text::label(""), Text::label),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate; rates are positive")]
fn millihertz(fps: f64) -> u64 {
    (fps * 1000.0).round() as u64
}
