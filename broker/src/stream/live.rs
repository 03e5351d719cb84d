//! A stream as the control thread keeps it.

mod renewal;
mod seat;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use framebroker_protocol::message::{Content, Policy, StreamInfo};
use framebroker_protocol::ring::{Member, Roster};
use framebroker_protocol::{ClientId, ClientName, ContextId, SegmentIndex, Text};
use tracing::warn;

use super::StreamCore;
use super::admission::Capacity;
use super::device::DeviceThread;
use super::grab::Command;
use super::health::Health;
use super::owed::{Owed, Process};
use super::pool::Pool;
use crate::events::SubscriptionKey;
use crate::factory::{BufferFactory, Segment, Sharing, WritableSegment};
use crate::source::{Description, Requirements};
use crate::worker::{Order, Worker};

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

/// Whether the process of a subscription that ends may still read what it held.
#[derive(Debug)]
pub enum Reader {
    /// It has ended.
    Dead,
    /// It may live.
    MayLive(Process),
}

/// Somebody whose subscription was ended while it held a frame.
#[derive(Debug)]
pub struct Lingering {
    /// The frame.
    pub context: ContextId,
    /// Its session.
    pub client: ClientId,
    /// What it called itself.
    pub name: ClientName,
    /// Its process.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// When its subscription was ended.
    pub since: Instant,
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

    /// The numbers that decide about admission.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        if self.is_ringless() {
            // The ring is made when the source comes.
            let (segments, growable_to) = (self.limits.max_segments, self.limits.max_segments);
            let (reserve, history, granted) = (self.reserve(), self.limits.history, self.granted);
            return Capacity { segments, growable_to, reserve, history, granted };
        }
        let expected = self.expected();
        let growable_to = if self.can_grow() {
            let free = self.limits.memory_bytes.saturating_sub(self.owed.bytes() + self.pool.bytes());
            let more = usize::try_from(free / self.needs.payload_bytes.max(1) as u64).unwrap_or(usize::MAX);
            self.limits.max_segments.saturating_sub(self.leaving).min(expected.saturating_add(more))
        } else {
            expected
        };
        Capacity {
            // Each of the unconfirmed may turn out to be a segment less. What is beyond the limit, since segments that had
            // been too small fit again, is given up.
            segments: expected.saturating_sub(self.unconfirmed).min(self.limits.max_segments),
            growable_to,
            reserve: self.reserve(),
            history: self.limits.history,
            granted: self.granted,
        }
    }

    /// Whether there are no segments because nobody knows what the source needs: it has not been there yet, or is a producer
    /// that has gone.
    fn is_ringless(&self) -> bool {
        self.unseen || self.is_vacant()
    }

    fn can_grow(&self) -> bool {
        !self.needs.fixed_pool || self.resuming
    }

    /// Whether a subscription that was admitted on condition of `needed` segments can begin. Where the source has not been
    /// there yet it can: there is nothing to hold before the segments are made, for all holds granted by then.
    #[must_use]
    pub fn has(&self, needed: usize) -> bool {
        self.is_ringless() || self.pool.installed().saturating_sub(self.unconfirmed + self.leaving) >= needed
    }

    /// Whether it will be able to.
    #[must_use]
    pub fn will_have(&self, needed: usize) -> bool {
        self.is_ringless() || self.expected() >= needed
    }

    /// Segments in use and ordered that stay.
    fn expected(&self) -> usize {
        self.pool.expected().saturating_sub(self.leaving)
    }

    /// Orders segments until the ring will have `target`.
    pub fn grow(&mut self, worker: &Worker, target: usize) {
        self.size = self.size.max(target);
        self.order(worker, target);
    }

    /// Orders segments in place of those that were given up, as far as the limits go. Without, the ring still has enough for
    /// the holds that are granted: what was given up was held.
    pub fn restore(&mut self, worker: &Worker) {
        if !self.is_ringless() && self.expected() < self.size {
            self.order(worker, self.size.min(self.capacity().growable_to));
        }
        self.resume();
    }

    fn order(&mut self, worker: &Worker, target: usize) {
        while !self.is_ringless() && self.expected() < target {
            let Some((index, backing)) = self.pool.order(self.needs.payload_bytes) else { return };
            let (stream, factory) = (self.core.id, Arc::clone(&self.factory));
            worker.order(Order { stream, factory, index, backing, bytes: self.needs.payload_bytes });
        }
    }

    /// The source is stopped and needs other segments: those that do not fit, and those left behind, no longer count. It is
    /// resumed when enough have come.
    pub fn require(&mut self, needs: Requirements, left_behind: &[SegmentIndex]) {
        self.needs = needs;
        self.pool.require(needs.payload_bytes, self.epoch());
        left_behind.iter().for_each(|index| self.pool.leave_behind(*index));
        self.resuming = true;
        if std::mem::take(&mut self.unseen) || self.takes_producers() {
            let needed = self.reserve() + self.granted + self.limits.history;
            self.size = needed.max(self.limits.min_segments).min(self.limits.max_segments);
        }
        // It may need more than before: its rate was set.
        self.size = self.size.max((self.reserve() + self.granted).min(self.limits.max_segments));
        // The grab thread takes it back as well.
        self.leaving = 0;
    }

    /// Has the source resumed once there are segments for all holds that are granted, or as many as there can be. Frames that
    /// are still held in the old ones delay nothing.
    pub fn resume(&mut self) {
        let excess = self.expected().saturating_sub(self.limits.max_segments);
        // A source that takes segments only while it is stopped must have them all; a producer likes to know them all.
        let is_partial = (self.needs.fixed_pool || self.takes_producers()) && self.pool.ordered() > 0;
        let is_enough = self.has(self.reserve() + self.granted) && excess == 0 && !is_partial;
        if !self.resuming || !is_enough && self.pool.ordered() > 0 {
            return;
        }
        let (needed, there) = (self.reserve(), self.pool.installed().saturating_sub(self.unconfirmed));
        if there >= needed {
            self.resuming = false;
            // Where the grab thread has ended, there is nothing to be resumed.
            let _ended = self.commands.send(Command::Resume);
            // Segments that were too small for the frames before may fit again.
            self.give_up(excess);
            return;
        }
        let (bytes, limit_mb) = (self.needs.payload_bytes, self.limits.memory_bytes >> 20);
        let reason = format!(
            "the source is back, and needs {needed} segments of {bytes} bytes: with --memory-limit {limit_mb} there are {there}. \
             Raise the limit, or end programs that hold frames"
        );
        if self.offline.is_some() {
            self.stay_offline(reason.clone());
        }
        if !std::mem::replace(&mut self.making_room, true) {
            // Where the grab thread has ended, nobody needs it.
            let _ended = self.commands.send(Command::MakeRoom(reason));
        }
    }

    /// The grab thread has made room for other segments, or has found none.
    pub fn made_room(&mut self, worker: &Worker, has_made_room: bool) {
        self.making_room = false;
        if has_made_room {
            self.restore(worker);
        }
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

    /// Segments that the source needs, and the newest frame, which is never retired.
    fn reserve(&self) -> usize {
        self.needs.min_queued + 1
    }

    /// The ring has given up a segment.
    pub fn release(&mut self, index: SegmentIndex) {
        if self.pool.counts(index) {
            self.leaving = self.leaving.saturating_sub(1);
        }
        self.pool.vacate(index);
    }

    /// When there is something to be done about the size of the ring.
    #[must_use]
    pub fn shrink_at(&self) -> Option<Instant> {
        self.shrink_at
    }

    /// Has the ring give up what it has not needed for a while.
    pub fn shrink(&mut self, now: Instant) {
        let Capacity { reserve, history, granted, .. } = self.capacity();
        let needed = (reserve + granted + history).max(self.limits.min_segments);
        // Those that are only ordered, or may turn out to be quarantined, cannot stand in for what is given up.
        let surplus = self.pool.installed().saturating_sub(needed + self.leaving + self.unconfirmed);
        if surplus == 0 || self.needs.fixed_pool || self.resuming || !self.waiting.is_empty() {
            self.shrink_at = None;
        } else if now >= *self.shrink_at.get_or_insert(now + self.limits.shrink_after) {
            self.shrink_at = None;
            self.size = needed;
            self.give_up(surplus);
        }
    }

    /// Has the ring give up so many segments, one with each frame.
    fn give_up(&mut self, segments: usize) {
        if segments > 0 {
            self.leaving += segments;
            // Where the grab thread has ended, all segments go next.
            let _ended = self.commands.send(Command::Shrink(segments));
        }
    }

    /// A segment that was ordered has come.
    pub fn install(&mut self, segment: &Arc<Segment>, writable: WritableSegment) {
        self.pool.install(segment);
        // Where the grab thread has ended, nothing is filled any more.
        let _ended = self.commands.send(Command::Install(writable));
        self.watch_memory();
    }

    /// Warns, once, when the segments take more memory than is liked.
    pub fn watch_memory(&mut self) {
        let Some(limit) = self.limits.memory_warn_bytes.filter(|_| !self.warned) else { return };
        let current = self.factory.stats().current_bytes;
        if current > limit {
            self.warned = true;
            let (current_mb, warn_mb) = (current.div_ceil(1 << 20), limit >> 20);
            warn!(stream = %self.core.name, current_mb, warn_mb, "segments take more memory than --memory-warn");
        }
    }

    /// Puts a subscription into the ring.
    pub fn enter(&mut self, member: &Arc<Member>) {
        let member = Arc::clone(member);
        self.change_roster(move |roster| roster.members.push(member));
    }

    /// Takes a subscription out of the ring. What it held is given up if its process may still read it.
    pub fn leave(&mut self, member: &Arc<Member>, reader: Reader, now: Instant) {
        let (held, process) = match reader {
            Reader::Dead => (Vec::new(), None),
            Reader::MayLive(process) => (member.revoke(), Some(process)),
        };
        let client = process.filter(|_| !held.is_empty()).map(|process| self.linger(&held, process, now));
        self.change_roster(|roster| {
            roster.members.retain(|other| !Arc::ptr_eq(other, member));
            roster.quarantined.extend(&held);
        });
        if let Some(client) = client {
            self.unconfirmed += held.len();
            // Where the grab thread has ended, nothing is refilled any more.
            let _ended = self.commands.send(Command::Confirm { held, client });
        }
    }

    /// Writes down who may still read what it held, before the ring can be done with any of it.
    fn linger(&mut self, held: &[ContextId], process: Process, since: Instant) -> ClientId {
        let Process { client, name, uid, pid, pidfd } = process;
        self.owed.watch(pid, uid, pidfd);
        let each =
            held.iter().map(|context| Lingering { context: *context, client, name: name.clone(), pid, uid, since });
        self.lingering.extend(each);
        client
    }

    /// Of the frames that a client's subscription held when it was ended, these are in the ring; the others are not, or no
    /// longer.
    pub fn quarantine(&mut self, client: ClientId, kept: &[ContextId], stale: &[ContextId]) {
        self.unconfirmed -= kept.len() + stale.len();
        if !stale.is_empty() {
            self.change_roster(|roster| roster.quarantined.retain(|context| !stale.contains(context)));
            self.lingering.retain(|other| other.client != client || !stale.contains(&other.context));
        }
        kept.iter().for_each(|context| self.pool.quarantine(context.segment()));
    }

    /// The ring is done with a quarantined frame: the index of its segment is free, its memory is owed to who may read it.
    pub fn vacate(&mut self, context: ContextId) {
        let bytes = self.pool.vacate(context.segment());
        let pids = self.lingering(context).map(|lingering| lingering.pid).collect();
        self.owed.add(bytes, pids);
        self.lingering.retain(|lingering| lingering.context != context);
        self.change_roster(|roster| roster.quarantined.retain(|other| other.segment() != context.segment()));
    }

    /// Who was cut off while it held this frame.
    pub fn lingering(&self, context: ContextId) -> impl Iterator<Item = &Lingering> {
        self.lingering.iter().filter(move |lingering| lingering.context == context)
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
