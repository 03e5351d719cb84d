//! The grab thread: wait for a frame, publish it, retire an old one, queue its segment. It takes no lock a client can
//! hold, and per frame it allocates nothing.

mod away;
mod command;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use framebroker_protocol::ring::{Member, Retired, Writer};
use framebroker_protocol::{
    ContextId, FrameHeader, SEGMENT_LIMIT, SegmentIndex, SegmentSet, Sequence, StreamState, monotonic_ns, realtime_ns,
};

use super::StreamCore;
use super::device::Job;
use super::patience::Patience;
use super::stamp::Stamp;
use crate::events::{Event, EventSender};
use crate::factory::Epoch;
use crate::source::{self, FrameInfo, Opener, Source, WritableSegment};
use away::BackOff;

pub use command::{Attached, Command, GrabOptions, Lent};

/// The grab thread looks for commands at least this often.
const COMMAND_INTERVAL: Duration = Duration::from_millis(100);

/// Everything the grab thread owns.
pub struct Grab {
    core: Arc<StreamCore>,
    options: GrabOptions,
    writer: Writer,
    commands: Receiver<Command>,
    events: EventSender,
    /// How a lost source is opened again; a producer comes by itself.
    open: Option<Opener>,
    source: Option<Box<dyn Source>>,
    /// Segments the source has, in the order it was given them.
    queued: VecDeque<SegmentIndex>,
    /// Published frames and their segments, by index.
    parked: Vec<Option<(ContextId, WritableSegment)>>,
    /// Segments nobody has: the source is away.
    idle: Vec<WritableSegment>,
    freed: Vec<Retired>,
    /// Bytes that a segment must offer: smaller ones are given up.
    payload_bytes: usize,
    /// Whom a segment must be made for: others are given up.
    epoch: Epoch,
    /// Segments to be given up.
    surplus: usize,
    /// Published frames in segments that no longer fit, and the first frame after them.
    outdated: (usize, Sequence),
    /// Segments whose frames are in the ring while the source, which can take no more, has started without them.
    left_behind: SegmentSet,
    /// While a source is taken back: segments that were given up for it, to be told with what it needs. Told before, others of
    /// the old size would be made in their place; told after, memory would seem to be short.
    given_up: Option<Vec<SegmentIndex>>,
    /// A source that is open again and waits for [`Command::Resume`].
    returning: Option<Box<dyn Source>>,
    /// How often one was.
    restart: u64,
    /// The device thread has the source, and gives it back by [`Command::Return`].
    is_lent: bool,
    /// Whom to tell when the source that was lent has started.
    started: Option<Sender<()>>,
    /// To the device thread.
    device: Sender<Job>,
    /// The newest settings version when the present frame was not waited for yet.
    settings_version: u32,
    stamp: Stamp,
    patience: Patience,
    back_off: BackOff,
    stopping: bool,
    closing: bool,
    /// Why it stops.
    end: String,
}

impl Grab {
    /// A grab thread's state; `source` is opened and not started. Without one it is looked for, or where there is no way to
    /// open one, a producer is waited for.
    pub fn new(
        core: Arc<StreamCore>,
        options: GrabOptions,
        commands: Receiver<Command>,
        events: EventSender,
        open: Option<Opener>,
        source: Option<Box<dyn Source>>,
        device: Sender<Job>,
    ) -> Self {
        let writer = Writer::new(Arc::clone(&core.page), Arc::clone(&core.roster));
        let payload_bytes = source.as_ref().map_or(0, |source| source.requirements().payload_bytes);
        Self {
            core,
            options,
            writer,
            commands,
            events,
            open,
            source,
            queued: VecDeque::with_capacity(SEGMENT_LIMIT),
            parked: std::iter::repeat_with(|| None).take(SEGMENT_LIMIT).collect(),
            idle: Vec::with_capacity(SEGMENT_LIMIT),
            freed: Vec::with_capacity(SEGMENT_LIMIT),
            payload_bytes,
            epoch: Epoch::default(),
            surplus: 0,
            outdated: (0, Sequence(0)),
            left_behind: SegmentSet::EMPTY,
            given_up: None,
            returning: None,
            restart: 0,
            is_lent: false,
            started: None,
            device,
            settings_version: 0,
            stamp: Stamp::default(),
            patience: Patience::default(),
            back_off: BackOff::default(),
            stopping: false,
            closing: false,
            end: "the broker was told to end".to_owned(),
        }
    }

    /// Grabs until told to stop; returns when the stream is closed and every segment is dropped.
    pub fn run(mut self) {
        // Its first segments come by command, and so may who wants to set it.
        self.returning = self.source.take();
        self.handle_commands();
        // One that has come meanwhile, or was set, waits for the segments it then needs.
        if self.restart == 0
            && let Some(source) = self.returning.take()
        {
            self.start(source);
        }
        while !self.stopping {
            if self.source.is_some() {
                self.grab_one();
                self.handle_commands();
            } else {
                self.reopen();
            }
        }
        self.stop_source();
        self.events.send(Event::Finished { stream: self.core.id, reason: self.end.clone() });
        while !self.closing
            && let Ok(command) = self.commands.recv()
        {
            self.handle(command);
        }
        self.announce(StreamState::Closed);
    }

    fn grab_one(&mut self) {
        let Some(source) = &mut self.source else { return };
        // Before the frame: what is set while it is waited for may come too late for it.
        self.settings_version = self.core.settings_version();
        match source.wait(COMMAND_INTERVAL) {
            source::Event::Filled(segment, info) => self.take_filled(segment, &info),
            source::Event::Starved => {
                self.core.counters.starved.add(1);
                self.refill();
            }
            // Where there was no segment for it, one may have been released.
            source::Event::Timeout => self.refill(),
            source::Event::Gone(reason) => self.go_offline(reason),
            source::Event::Ended(reason) => self.finish(&reason),
        }
    }

    fn take_filled(&mut self, segment: WritableSegment, info: &FrameInfo) {
        let index = segment.index();
        self.queued.retain(|queued| *queued != index);
        self.core.set_filling(self.queued.front().copied());
        self.take(segment, info);
    }

    /// Publishes a filled segment and gives the source another.
    fn take(&mut self, segment: WritableSegment, info: &FrameInfo) {
        let counters = &self.core.counters;
        counters.grabbed.add(1);
        counters.lost_at_camera.add(u64::from(info.lost_at_camera));
        counters.incomplete.add(u64::from(!info.complete));
        if info.complete || self.options.publish_incomplete {
            self.publish(segment, info);
        } else {
            self.queue(segment);
        }
        self.shed();
        self.refill();
        if let Some(source) = &self.source {
            self.core.counters.set_transport(source.counters());
        }
    }

    fn publish(&mut self, mut segment: WritableSegment, info: &FrameInfo) {
        let index = segment.index();
        segment.count_use();
        let settings_version = self.stamp();
        let now_ns = monotonic_ns();
        let header = FrameHeader { settings_version, ..header(info, now_ns) };
        let (context, calls) = self.writer.publish(index, header, now_ns);
        let took_ns = monotonic_ns() - now_ns;
        // Before the books, so that nobody sleeps longer than need be.
        self.writer.wake(calls);
        self.core.set_geometry(info.width, info.height, info.pixel_format);
        if let Some(place) = self.parked.get_mut(index.as_usize()) {
            *place = Some((context, segment));
        }
        let counters = &self.core.counters;
        counters.publish.add(took_ns);
        counters.published.add(1);
        if self.options.frames.is_some_and(|frames| context.sequence() >= Sequence(frames)) {
            self.finish("the broker has grabbed the frames it was asked for");
        }
    }

    /// Takes no more frames.
    fn finish(&mut self, reason: &str) {
        self.stopping = true;
        reason.clone_into(&mut self.end);
    }

    /// Retires frames until the source has as many segments as it needs.
    fn refill(&mut self) {
        // Commands that are handled while it waits may change or take the source.
        while let Some(needs) = self.source.as_ref().map(|source| source.requirements())
            && self.queued.len() < needs.min_queued
            && !self.stopping
        {
            let wanted = needs.min_queued - self.queued.len();
            let began_ns = monotonic_ns();
            self.writer.retire(wanted, &mut self.freed);
            self.core.counters.retire.add(monotonic_ns() - began_ns);
            if self.take_freed() {
                continue;
            }
            let Some(slowest) = self.writer.slowest_lossless() else {
                // The cursor that was in the way may have moved since.
                self.writer.retire(wanted, &mut self.freed);
                if self.take_freed() {
                    continue;
                }
                return;
            };
            if !needs.can_pause {
                self.demote(&slowest);
            } else if self.patience_is_over(slowest.cursor()) {
                let worst = self.writer.lossless().max_by_key(|member| member.waited_ns()).map(Arc::clone);
                self.demote(&worst.unwrap_or(slowest));
            } else {
                self.wait_for(&slowest);
            }
        }
        let wanted = self.source.as_ref().map_or(0, |source| source.requirements().wanted_queued);
        let short = wanted.saturating_sub(self.queued.len());
        if short > 0 && !self.stopping {
            self.writer.retire(short, &mut self.freed);
            self.take_freed();
        }
    }

    fn patience_is_over(&mut self, slowest: Sequence) -> bool {
        if self.patience.renews_at(slowest, self.writer.published() as u64) {
            self.writer.lossless().for_each(|member| member.forgive());
        }
        self.patience.is_over(self.options.lossless_timeout)
    }

    /// Waits a moment for the slowest lossless reader, on its account and that of all.
    fn wait_for(&mut self, slowest: &Member) {
        let began = Instant::now();
        self.writer.retire_or_wait(1, &mut self.freed);
        let waited = began.elapsed();
        self.patience.charge(waited);
        slowest.charge(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
        self.take_freed();
        self.handle_commands();
    }

    fn demote(&mut self, member: &Arc<Member>) {
        member.set_lossless(false);
        self.patience = Patience::default();
        self.events.send(Event::Demoted { stream: self.core.id, member: Arc::clone(member) });
    }

    /// Gives up one of the segments that are too many, and one that no longer fits, with each frame: so none takes long, and a
    /// reader that lags finds as many frames as ever.
    fn shed(&mut self) {
        self.retire_outdated();
        if self.surplus > 0 {
            self.writer.retire(1, &mut self.freed);
        }
        while let Some(retired) = self.freed.pop() {
            match self.reclaim(retired) {
                Some(segment) if self.surplus > 0 && self.fits(&segment) => {
                    self.surplus -= 1;
                    self.give_up(segment);
                }
                Some(segment) => self.queue(segment),
                None => {}
            }
        }
    }

    fn retire_outdated(&mut self) {
        if self.outdated.0 > 0 {
            self.writer.retire_older(self.outdated.1, &mut self.freed);
        }
    }

    /// Gives the segments of retired frames to the source. True if there were any.
    fn take_freed(&mut self) -> bool {
        let mut got = false;
        while let Some(retired) = self.freed.pop() {
            if let Some(segment) = self.reclaim(retired) {
                self.queue(segment);
                got = true;
            }
        }
        got
    }

    /// The segment of a retired frame, if it may be filled again.
    fn reclaim(&mut self, retired: Retired) -> Option<WritableSegment> {
        match retired {
            Retired::Reusable(index) => self.unpark(index).map(|(_, segment)| segment),
            Retired::Quarantined(index) => {
                self.left_behind.remove(index);
                if let Some((context, _given_up)) = self.unpark(index) {
                    self.writer.vacate(index);
                    self.events.send(Event::Vacated { stream: self.core.id, context });
                }
                None
            }
        }
    }

    fn give_up(&mut self, segment: WritableSegment) {
        let index = segment.index();
        self.left_behind.remove(index);
        self.writer.vacate(index);
        drop(segment);
        match &mut self.given_up {
            Some(given_up) => given_up.push(index),
            None => self.events.send(Event::Released { stream: self.core.id, index }),
        }
    }

    fn unpark(&mut self, index: SegmentIndex) -> Option<(ContextId, WritableSegment)> {
        let (context, segment) = self.parked.get_mut(index.as_usize())?.take()?;
        if !self.fits(&segment) {
            self.outdated.0 = self.outdated.0.saturating_sub(1);
        }
        Some((context, segment))
    }

    fn fits(&self, segment: &WritableSegment) -> bool {
        segment.len() >= self.payload_bytes
            && segment.epoch() == self.epoch
            && !self.left_behind.contains(segment.index())
    }

    fn queue(&mut self, segment: WritableSegment) {
        if !self.fits(&segment) {
            return self.give_up(segment);
        }
        match &mut self.source {
            Some(source) => {
                self.queued.push_back(segment.index());
                source.queue(segment);
                self.core.set_filling(self.queued.front().copied());
            }
            None => self.idle.push(segment),
        }
    }

    fn handle_commands(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.handle(command),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
            }
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Install(segment) => {
                self.writer.set_backing(segment.index(), segment.backing());
                self.queue(segment);
            }
            Command::Resume(restart) => {
                if restart == self.restart
                    && !self.stopping
                    && let Some(source) = self.returning.take()
                {
                    self.start(source);
                }
            }
            Command::Renew => self.renew(),
            Command::Lend(to) => self.lend(&to),
            Command::Return { source, started } => self.take_lent(source, started),
            Command::MakeRoom(reason) => self.make_room(reason),
            Command::Attach(Attached { source, epoch }) => self.attach(source, epoch),
            Command::Detach { epoch, reason } => self.detach(epoch, reason),
            // Sent before the control thread heard of the source's return, and void since.
            Command::Shrink(_) if self.returning.is_some() => {}
            Command::Shrink(segments) => {
                self.surplus += segments;
                // While the source is away there are no frames to give them up with.
                while self.surplus > 0
                    && let Some(segment) = self.idle.pop()
                {
                    self.surplus -= 1;
                    self.give_up(segment);
                }
            }
            Command::Adopt { key, member, start } => {
                let first = self.writer.adopt_lossless(&member, start);
                self.events.send(Event::Adopted { key, first });
            }
            Command::Confirm { held, client } => {
                let (kept, stale) = held.into_iter().partition(|context| self.writer.is_published(*context));
                self.events.send(Event::Quarantined { stream: self.core.id, kept, stale, client });
            }
            Command::Stop => self.stopping = true,
            Command::Close => {
                self.stopping = true;
                self.closing = true;
            }
        }
    }

    fn announce(&mut self, state: StreamState) {
        let calls = self.writer.set_state(state);
        self.writer.wake(calls);
    }
}

impl Drop for Grab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody publishes any more: the broker must not go on as if somebody did.
            let reason = "the grab thread panicked; please report this".to_owned();
            self.events.send(Event::Finished { stream: self.core.id, reason });
        }
    }
}

fn header(info: &FrameInfo, monotonic_ns: u64) -> FrameHeader {
    // Context, usage count and buffer context are the writer's to set.
    FrameHeader { monotonic_ns, realtime_ns: realtime_ns(), ..info.header() }
}

#[cfg(test)]
mod tests;
