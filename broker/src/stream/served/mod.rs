//! A stream as the session thread serves it: how far it is, its segments, who reads it and who fills it.

mod facts;
mod life;
mod members;
mod parts;
mod producer_place;
mod readers;
mod renewal;
mod segments;
mod size;
mod threads;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use framebroker_protocol::message::Content;
use framebroker_protocol::ring::Member;
use framebroker_protocol::{ClientId, ClientName, SegmentIndex};
use tracing::{info, warn};

use super::StreamCore;
use super::command::{Attached, Command};
use super::device::DeviceThread;
use super::health::Health;
use super::waits::{Debtor, Waits};
use crate::events::SubscriptionKey;
use crate::factory::{Epoch, Segment, WritableSegment};
use crate::source::{Description, Requirements, Source};
use crate::worker::Worker;

pub use life::{Finished, Life};
pub use members::{Lingering, ReaderProcess};
pub use parts::{Controller, LeaseCounts, Limits, StreamParts};
pub use producer_place::{Producer, vacant_needs};

use members::Members;
use producer_place::{NO_PRODUCER, ProducerPlace};
use renewal::{Obstacle, Renewal};
use segments::Segments;
use threads::Threads;

/// How often is looked whether the readers of a stream that has ended have taken its last frames.
const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// A stream, its segments, and who waits for it to grow.
#[derive(Debug)]
pub struct Stream {
    core: Arc<StreamCore>,
    threads: Threads,
    description: Description,
    source: &'static str,
    content: Content,
    life: Life,
    /// How often the source went, and why it did last.
    outages: u64,
    last_outage: String,
    segments: Segments,
    members: Members,
    /// When a fixed pool gets segments in place of those that it lost.
    renewal: Renewal,
    /// Who fills its segments, where that is a process of its own.
    producer_place: Option<ProducerPlace>,
    /// Holds granted, to subscriptions that wait for growth too.
    granted: usize,
    /// Subscriptions that wait for growth, in their order.
    waiting: VecDeque<SubscriptionKey>,
    controller: Option<Controller>,
    lease_counts: LeaseCounts,
    health: Health,
    waits: Waits,
}

/// Its beginning and its end.
impl Stream {
    /// A stream whose grab thread is about to start.
    pub fn new(parts: StreamParts) -> Self {
        let StreamParts { core, factory, pool, commands, needs, description, source, content, limits } = parts;
        Self {
            threads: Threads::new(commands),
            description,
            source,
            content,
            life: Life::Live,
            outages: 0,
            last_outage: String::new(),
            members: Members::new(Arc::clone(&core.roster)),
            segments: Segments::new(Arc::clone(&core), factory, pool, needs, limits),
            renewal: Renewal::default(),
            producer_place: None,
            granted: 0,
            waiting: VecDeque::new(),
            controller: None,
            lease_counts: LeaseCounts::default(),
            health: Health::default(),
            waits: Waits::default(),
            core,
        }
    }

    /// The source is not there yet. The stream begins without segments: they are made when the source tells what it needs.
    pub fn await_source(mut self, reason: String) -> Self {
        warn!(stream = %self.core.name, reason, "offline from the start");
        self.life = Life::Unseen(reason.clone());
        (self.outages, self.last_outage) = (1, reason);
        self
    }

    /// Its frames come from a process of its own, which is not there yet.
    pub fn for_producers(mut self) -> Self {
        self.producer_place = Some(ProducerPlace::default());
        self.life = Life::Offline(NO_PRODUCER.to_owned());
        (self.outages, self.last_outage) = (1, NO_PRODUCER.to_owned());
        self
    }

    pub fn set_device_thread(&mut self, thread: DeviceThread) {
        self.threads.set_device(thread);
    }

    pub fn set_grab_thread(&mut self, thread: JoinHandle<()>) {
        self.threads.set_grab(thread);
    }

    /// Asks the grab thread for something, if it has not ended.
    pub fn tell_grab(&self, command: Command) {
        self.threads.tell_grab(command);
    }

    /// The grab thread takes no more frames. Readers may take the last ones until then.
    pub fn finish(&mut self, reason: &str, drain_until: Instant) {
        self.life.finish(reason.to_owned(), drain_until);
    }

    /// Closes a stream that has ended while others go on, once its readers have taken the last frames. True when it does.
    pub fn close_if_drained(&mut self, now: Instant) -> bool {
        let is_drained = self.is_drained();
        let Life::Finished(finished) = &mut self.life else { return false };
        if finished.is_closed || !is_drained && now < finished.drain_until {
            return false;
        }
        finished.is_closed = true;
        info!(stream = %self.core.name, reason = finished.reason, "the stream has ended");
        // The grab thread says so in the page, and ends; it is waited for when the broker ends.
        self.tell_grab(Command::Close);
        true
    }

    /// Whether every reader has taken the newest frame and released all.
    pub fn is_drained(&self) -> bool {
        let head = self.core.page.head();
        let roster = self.core.roster.current();
        let is_done =
            |member: &Member| member.cursor() >= head && member.page().holds(member.granted()).next().is_none();
        roster.members.iter().all(|member| is_done(member))
    }

    /// Stops the grab thread and waits for it, where nobody reads yet.
    pub fn end(&mut self) {
        self.tell_grab(Command::Stop);
        self.close();
    }

    /// Says in the page that the stream has ended, and waits for its threads.
    pub fn close(&mut self) {
        self.threads.close(&self.core.name);
    }

    /// Frees its segments; returns the contexts of those that somebody else in this process still has.
    pub fn free_segments(&mut self) -> Vec<u32> {
        self.segments.free_all()
    }
}

/// Its source.
impl Stream {
    /// The source is, and needs, something else: a setting was changed.
    pub fn describe(&mut self, description: Description, needs: Requirements) {
        self.description = description;
        self.segments.set_needs(needs);
    }

    /// Frames come. True where the source was away.
    pub fn come_online(&mut self, description: Description, needs: Requirements) -> bool {
        self.describe(description, needs);
        let was_offline = self.life.come_online();
        if was_offline {
            info!(stream = %self.core.name, "online");
        }
        was_offline
    }

    /// The source has paused so long for a reader that has got no further; that has ended, or `was_demoted`. A source that cannot
    /// pause waits for nobody.
    pub fn note_wait(&mut self, debtor: Debtor, waited: Duration, was_demoted: bool, now: Instant) {
        let timeout = self.limits().lossless_timeout;
        if self.needs().can_pause {
            self.waits.note(debtor, if was_demoted { waited.max(timeout) } else { waited }, timeout, now);
        }
    }

    /// How long this one is not waited for, if so.
    #[must_use]
    pub fn rest_of(&self, debtor: Debtor, now: Instant) -> Option<Duration> {
        self.waits.rest_of(debtor, self.limits().lossless_timeout, now)
    }

    pub fn go_offline(&mut self, reason: String) {
        if self.life.finished().is_some() {
            return;
        }
        warn!(stream = %self.core.name, reason, "offline");
        self.outages += 1;
        self.last_outage.clone_from(&reason);
        self.life.go_offline(reason);
    }

    /// The source is still away, perhaps for another reason.
    pub fn stay_offline(&mut self, reason: String) {
        if self.life.offline() != Some(&reason) {
            warn!(stream = %self.core.name, reason, "still offline");
        }
        self.life.go_offline(reason);
    }

    /// The source is stopped and needs other segments: those that do not fit, and those left behind, no longer count. It is
    /// resumed when enough have come.
    pub fn require(&mut self, needs: Requirements, restart: u64, left_behind: &[SegmentIndex]) {
        let (epoch, max_segments) = (self.epoch(), self.limits().max_segments);
        self.segments.require(needs, epoch);
        self.segments.leave_behind(left_behind);
        let least = self.segments.reserve() + self.granted;
        if matches!(self.life, Life::Unseen(_)) || self.takes_producers() {
            let limits = self.limits();
            let wanted = (least + limits.history).max(limits.min_segments).min(max_segments);
            self.segments.size_mut().set(wanted);
        }
        self.life.await_segments(restart);
        // It may need more than before: its rate was set.
        self.segments.size_mut().raise(least.min(max_segments));
    }

    /// Has the source resumed once there are segments for all holds that are granted, or as many as there can be. Frames that
    /// are still held in the old ones delay nothing.
    pub fn resume(&mut self) {
        let (pool, limits) = (self.pool(), self.limits());
        let excess = self.segments.expected().saturating_sub(limits.max_segments);
        // A source that takes segments only while it is stopped must have them all; a producer likes to know them all.
        let is_partial = (self.needs().fixed_pool || self.takes_producers()) && pool.ordered() > 0;
        let is_enough = self.has(self.segments.reserve() + self.granted) && excess == 0 && !is_partial;
        if !self.is_resuming() || !is_enough && pool.ordered() > 0 {
            return;
        }
        let there = pool.installed().saturating_sub(self.members.unconfirmed());
        let needed = self.segments.reserve();
        if there < needed {
            return self.ask_for_room(needed, there);
        }
        if let Some(restart) = self.life.end_waiting() {
            self.tell_grab(Command::Resume(restart));
        }
        // Segments that were too small for the frames before may fit again.
        self.give_up(excess);
    }

    fn ask_for_room(&mut self, needed: usize, there: usize) {
        let (bytes, limit_mb) = (self.needs().payload_bytes, self.limits().memory_bytes >> 20);
        let reason = format!(
            "the source is back, and needs {needed} segments of {bytes} bytes: with --memory-limit {limit_mb} there are {there}. \
             Raise the limit, or end programs that hold frames"
        );
        if self.life.offline().is_some() {
            self.stay_offline(reason.clone());
        }
        if self.segments.size_mut().ask_for_room() {
            self.tell_grab(Command::MakeRoom(reason));
        }
    }

    /// The grab thread has made room for other segments, or has found none.
    pub fn made_room(&mut self, worker: &Worker, has_made_room: bool) {
        self.segments.size_mut().room_was_made();
        if has_made_room {
            self.restore(worker);
        }
    }

    fn is_resuming(&self) -> bool {
        matches!(self.life, Life::Resuming { .. })
    }
}

/// Who sets its source's features.
impl Stream {
    /// Gives sole control to a session, or to nobody.
    pub fn set_controller(&mut self, controller: Option<Controller>) {
        self.controller = controller;
    }

    /// A session that may have had sole control has ended.
    pub fn end_control(&mut self, client: ClientId) {
        self.controller.take_if(|controller| controller.client == client);
    }

    /// What sets the source's features, while it may be asked.
    pub fn device(&mut self) -> Option<&mut DeviceThread> {
        self.threads.device()
    }
}

/// Its producer.
impl Stream {
    pub fn takes_producers(&self) -> bool {
        self.producer_place.is_some()
    }

    pub fn producer(&self) -> Option<&Producer> {
        self.producer_place.as_ref()?.producer()
    }

    pub fn epoch(&self) -> Epoch {
        self.producer().map_or_else(Epoch::default, |producer| producer.epoch)
    }

    /// Gives the producer's place to a session, whose producer is known by the number that is returned.
    pub fn take_producer(&mut self, client: ClientId, name: ClientName, pid: i32, uid: u32) -> Epoch {
        self.producer_place.get_or_insert_default().take(client, name, pid, uid)
    }

    /// Has the grab thread take the producer's frames, once there are segments for them: it answers with what it needs.
    /// Until then nothing is granted that would leave it less.
    pub fn attach(&mut self, source: Box<dyn Source>) {
        let (now, next) = (self.needs(), source.requirements());
        self.segments.set_needs(Requirements { min_queued: now.min_queued.max(next.min_queued), ..now });
        self.tell_grab(Command::Attach(Attached { source, epoch: self.epoch() }));
    }

    /// The producer has gone. No segment that it can write counts any more.
    pub fn lose_producer(&mut self, reason: &str) {
        let epoch = self.epoch();
        if let Some(place) = &mut self.producer_place {
            place.leave();
        }
        self.segments.require(vacant_needs(), Epoch::default());
        self.segments.size_mut().set(0);
        self.life.end_waiting();
        self.tell_grab(Command::Detach { epoch, reason: reason.to_owned() });
        if self.life.offline().is_none() {
            self.go_offline(reason.to_owned());
        } else {
            // It never began, or the grab thread has told what it did.
            self.life.go_offline(reason.to_owned());
        }
    }
}

/// Its segments.
impl Stream {
    /// Whether there are so many segments that stay. Where the source has not been there yet a subscription need not wait for
    /// them: there is nothing to hold before they are made, for all holds granted by then.
    fn has(&self, needed: usize) -> bool {
        self.is_ringless() || self.segments.staying(self.members.unconfirmed()) >= needed
    }

    /// Whether there are no segments because nobody knows what the source needs: it has not been there yet, or is a producer
    /// that has gone, or has just come and is still to be seen by the grab thread.
    fn is_ringless(&self) -> bool {
        self.needs().payload_bytes == 0 || matches!(self.life, Life::Unseen(_))
    }

    /// Orders segments in place of those that were given up, as far as the limits go. Without, the ring still has enough for
    /// the holds that are granted: what was given up was held.
    pub fn restore(&mut self, worker: &Worker) {
        let wanted = self.segments.size().wanted();
        if !self.is_ringless() && self.life.finished().is_none() && self.segments.expected() < wanted {
            self.segments.order(worker, wanted.min(self.capacity().growable_to));
        }
        self.resume();
    }

    fn order(&mut self, worker: &Worker, target: usize) {
        if !self.is_ringless() {
            self.segments.order(worker, target);
        }
    }

    /// Whether the segment that was ordered at this index is to be mapped by the producer first.
    pub fn awaits(&self, index: SegmentIndex) -> bool {
        self.pool().awaits(index)
    }

    /// A segment that was ordered has come.
    pub fn install(&mut self, segment: &Arc<Segment>, writable: WritableSegment) {
        self.segments.install(segment);
        self.tell_grab(Command::Install(writable));
    }

    /// A segment that was ordered cannot be had, or is not wanted any more.
    pub fn do_without(&mut self, index: SegmentIndex) {
        self.segments.do_without(index);
    }

    /// The ring has given up a segment.
    pub fn release(&mut self, index: SegmentIndex) {
        self.segments.release(index);
    }

    /// Has the ring give up so many segments, one with each frame.
    fn give_up(&mut self, segments: usize) {
        if segments > 0 {
            self.segments.size_mut().give_up(segments);
            self.tell_grab(Command::Shrink(segments));
        }
    }

    /// Warns, once, when the segments take more memory than is liked.
    pub fn watch_memory(&mut self) {
        self.segments.watch_memory();
    }
}

/// What is done when time passes.
impl Stream {
    /// Does what is due; returns when to look again, if nothing happens before.
    pub fn pass_time(&mut self, now: Instant) -> Option<Instant> {
        self.shrink(now);
        self.renew(now);
        self.health.look(&self.core, now);
        let close = self.life.finished().filter(|finished| !finished.is_closed);
        let close = close.map(|finished| finished.drain_until.min(now + DRAIN_LOOK));
        let debts = self.segments.debts_mut().look(now);
        let times =
            [self.segments.size().shrink_at(), self.renewal.look_at(), Some(self.health.next_look()), close, debts];
        times.into_iter().flatten().min()
    }

    /// Has the ring give up what it has not needed for a while.
    pub fn shrink(&mut self, now: Instant) {
        let Limits { history, min_segments, shrink_after, .. } = *self.limits();
        let needed = (self.segments.reserve() + self.granted + history).max(min_segments);
        let is_fixed = self.needs().fixed_pool || self.is_resuming() || !self.waiting.is_empty();
        // Those that are only ordered, or may turn out to be quarantined, cannot stand in for what is given up.
        let surplus = self.segments.staying(self.members.unconfirmed()).saturating_sub(needed);
        let surplus = if is_fixed { 0 } else { surplus };
        if self.segments.size_mut().is_shrinking_due(now, surplus, shrink_after) {
            self.segments.size_mut().set(needed);
            self.give_up(surplus);
        }
    }

    /// Has the source stopped, and started with as many segments as the ring had, where some are missing and it is time.
    pub fn renew(&mut self, now: Instant) {
        let (missing, is_live) = (self.missing(), matches!(self.life, Life::Live));
        if !self.renewal.look(now, &self.core.name, missing, self.segments.size().wanted(), is_live) {
            return;
        }
        if let Some(obstacle) = self.obstacle() {
            return self.renewal.put_off(now, &self.core.name, obstacle);
        }
        info!(stream = %self.core.name, missing, "the source is stopped for a moment, to make the ring whole again");
        self.renewal.begin(now);
        self.tell_grab(Command::Renew);
    }

    /// All that is published is left where it is, so that nobody who lags loses a frame by it: there must be room beside it.
    fn obstacle(&self) -> Option<Obstacle> {
        if self.members.unconfirmed() > 0 || self.pool().ordered() > 0 || !self.waiting.is_empty() {
            return Some(Obstacle::Unsettled);
        }
        if self.members.any_lossless() {
            return Some(Obstacle::LosslessReader);
        }
        (!self.segments.has_room_for_another_ring()).then_some(Obstacle::NoMemory)
    }
}
