//! A stream as the control thread keeps it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use framebroker_protocol::message::{Content, StreamInfo};
use framebroker_protocol::ring::{Member, Roster};
use framebroker_protocol::{ContextId, SegmentIndex, Text};

use super::StreamCore;
use super::admission::Capacity;
use super::grab::Command;
use super::owed::{Owed, Process};
use super::pool::Pool;
use crate::events::SubscriptionKey;
use crate::factory::{BufferFactory, Sharing};
use crate::source::{Description, Requirements};
use crate::worker::{Order, Worker};

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
    pub finished: bool,
    /// Why the source is away, if it is.
    pub offline: Option<String>,
    /// Segments that were given up while somebody may read them.
    pub owed: Owed,
    /// Rosters that the grab thread may still use.
    old_rosters: Vec<Arc<Roster>>,
}

/// Whether the process of a subscription that ends may still read what it held.
#[derive(Debug)]
pub enum Reader {
    /// It has ended.
    Dead,
    /// It may live.
    MayLive(Process),
}

/// How large a stream may grow.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Segments.
    pub max_segments: usize,
    /// Bytes of segments.
    pub memory_bytes: u64,
    /// Frames kept beyond all holds.
    pub history: usize,
    /// Whether lossless subscriptions are granted.
    pub lossless: bool,
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
        Self {
            core,
            factory,
            pool,
            commands,
            thread: None,
            needs,
            description,
            source: kind.0,
            content: kind.1,
            limits,
            granted: 0,
            waiting: VecDeque::new(),
            finished: false,
            offline: None,
            owed: Owed::default(),
            old_rosters: Vec::new(),
        }
    }

    /// The numbers that decide about admission.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        let segments = self.pool.expected();
        let memory_bytes = self.limits.memory_bytes.saturating_sub(self.owed.bytes());
        let by_memory = memory_bytes / (self.needs.payload_bytes.max(1) as u64);
        let by_memory = usize::try_from(by_memory).unwrap_or(usize::MAX);
        let growable_to = if self.needs.fixed_pool { segments } else { self.limits.max_segments.min(by_memory) };
        Capacity {
            segments,
            growable_to,
            // The newest frame is never retired.
            reserve: self.needs.min_queued + 1,
            history: self.limits.history,
            granted: self.granted,
        }
    }

    /// Orders segments until the ring will have `target`.
    pub fn grow(&mut self, worker: &Worker, target: usize) {
        while self.pool.expected() < target {
            let Some((index, backing)) = self.pool.order() else { return };
            let (stream, factory) = (self.core.id, Arc::clone(&self.factory));
            worker.order(Order { stream, factory, index, backing, bytes: self.needs.payload_bytes });
        }
    }

    /// Orders segments in place of those that were given up, as far as the limits go. Without, the ring still has enough for
    /// the holds that are granted: what was given up was held.
    pub fn replace(&mut self, worker: &Worker, target: usize) {
        self.grow(worker, target.min(self.capacity().growable_to));
    }

    /// Puts a subscription into the ring.
    pub fn enter(&mut self, member: &Arc<Member>) {
        let member = Arc::clone(member);
        self.change_roster(move |roster| roster.members.push(member));
    }

    /// Takes a subscription out of the ring. What it held is given up if its process may still read it.
    pub fn leave(&mut self, member: &Arc<Member>, reader: Reader) {
        let (held, process) = match reader {
            Reader::Dead => (Vec::new(), None),
            Reader::MayLive(process) => (member.revoke(), Some(process)),
        };
        self.change_roster(|roster| {
            roster.members.retain(|other| !Arc::ptr_eq(other, member));
            roster.quarantined.extend(&held);
        });
        if let Some(process) = process.filter(|_| !held.is_empty()) {
            // Where the grab thread has ended, nothing is refilled any more.
            let _ended = self.commands.send(Command::Confirm { held, process });
        }
    }

    /// These frames were never in the ring when they were quarantined.
    pub fn forget_quarantined(&mut self, stale: &[ContextId]) {
        if !stale.is_empty() {
            self.change_roster(|roster| roster.quarantined.retain(|context| !stale.contains(context)));
        }
    }

    /// The ring is done with a quarantined segment.
    pub fn vacate(&mut self, index: SegmentIndex) {
        self.pool.vacate(index);
        self.change_roster(|roster| roster.quarantined.retain(|context| context.segment() != index));
    }

    fn change_roster(&mut self, change: impl FnOnce(&mut Roster)) {
        let old = self.core.roster.change(change);
        self.old_rosters.push(old);
    }

    /// Frees the rosters, with their members' pages and sockets, that the grab thread no longer has in hand.
    pub fn forget_rosters(&mut self) {
        self.old_rosters.retain(|roster| Arc::strong_count(roster) > 1);
    }

    /// The stream in one line, for the ready line.
    #[must_use]
    pub fn facts(&self) -> String {
        let Description { width, height, pixel_format, fps, .. } = &self.description;
        format!(
            "stream={} source={} width={width} height={height} pixel_format={pixel_format} fps={fps} segments={} \
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
        StreamInfo {
            name: self.core.name.clone(),
            id: self.core.id,
            state: self.core.page.state().to_bits(),
            source: Text::label(self.source),
            model: Text::label(model),
            serial: Text::label(serial),
            width: *width,
            height: *height,
            pixel_format: *pixel_format,
            millihertz: millihertz(*fps),
            content: self.content,
            backing: Text::label(self.factory.name()),
            shared: self.is_sealed(),
            segments: number(self.pool.installed()),
            max_segments: number(self.limits.max_segments),
            holds_left: number(self.capacity().holds_left()),
            head: self.core.page.head(),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate; rates are positive")]
fn millihertz(fps: f64) -> u64 {
    (fps * 1000.0).round() as u64
}
