//! The source comes and goes: its start, its loss, how it is found again, and how it is lent to be set.

use std::sync::mpsc::{RecvTimeoutError, SendError, Sender};
use std::time::{Duration, Instant};

use framebroker_protocol::{PixelFormat, SEGMENT_LIMIT, SegmentIndex, StreamState};

use super::{COMMAND_INTERVAL, Grab, Lent};
use crate::events::Event;
use crate::factory::Epoch;
use crate::source::{self, Source};
use crate::stream::device::{Handle, Job};
use crate::stream::stamp::Stamp;

/// The first pause before a lost camera is looked for again; it doubles up to [`MAX_BACK_OFF`].
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);
const MAX_BACK_OFF: Duration = Duration::from_secs(5);

/// A source that was there for less is not back yet: one that comes and goes is not opened ever faster.
const SETTLED: Duration = MAX_BACK_OFF;

/// The pauses between two looks for a lost source.
#[derive(Debug)]
pub(super) struct BackOff {
    next: Duration,
    /// When the source started that was lost.
    started: Option<Instant>,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { next: FIRST_BACK_OFF, started: None }
    }
}

impl BackOff {
    fn source_started(&mut self, now: Instant) {
        self.started = Some(now);
    }

    fn source_lost(&mut self, now: Instant) {
        if self.started.take().is_some_and(|started| now.saturating_duration_since(started) >= SETTLED) {
            self.next = FIRST_BACK_OFF;
        }
    }

    fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(MAX_BACK_OFF);
        pause
    }
}

impl Grab {
    /// Starts a source and says that the stream is live.
    pub(super) fn start(&mut self, source: Box<dyn Source>) {
        self.queued.clear();
        let (description, needs) = (source.describe(), source.requirements());
        self.source = Some(source);
        self.core.set_geometry(0, 0, PixelFormat::from_code(0));
        // The source gets them in their order.
        self.idle.reverse();
        while let Some(segment) = self.idle.pop() {
            self.queue(segment);
        }
        self.refill();
        self.stamp = Stamp::begin(self.core.settings_version());
        let started = self.source.as_mut().map_or(Ok(()), |source| source.start());
        match started {
            Ok(()) => {
                self.back_off.source_started(Instant::now());
                self.announce(StreamState::Live);
                self.hand_over_features();
                self.events.send(Event::Online { stream: self.core.id, epoch: self.epoch, description, needs });
            }
            Err(error) => self.go_offline(error.to_string()),
        }
        if let Some(started) = self.started.take() {
            // It may have waited long enough.
            let _nobody_waits = started.send(());
        }
    }

    /// Gives the device thread the features of the source.
    fn hand_over_features(&self) {
        let features = self.source.as_ref().and_then(|source| source.features());
        // Where the device thread has ended, nobody asks for them.
        let _ended = self.device.send(Job::Source(Handle(features)));
    }

    /// The settings version of the frame that has come. Has the control thread look at a source that was changed.
    pub(super) fn stamp(&mut self) -> u32 {
        let newest = self.settings_version;
        let Some(source) = &self.source else { return newest };
        if newest != self.stamp.newest() {
            let (description, needs) = (source.describe(), source.requirements());
            self.events.send(Event::Online { stream: self.core.id, epoch: self.epoch, description, needs });
        }
        self.stamp.next(newest, source.frames_under_way())
    }

    /// Stops the source and lends it. Its stream stays live: it comes back soon.
    pub(super) fn lend(&mut self, to: &Sender<Lent>) {
        self.halt_source();
        let Some(source) = self.source.take().or_else(|| self.returning.take()) else { return };
        match to.send(Lent(source)) {
            Ok(()) => self.is_lent = true,
            Err(SendError(Lent(source))) => self.take_back(source),
        }
    }

    /// Takes back what was lent.
    pub(super) fn take_lent(&mut self, source: Result<Lent, String>, started: Sender<()>) {
        self.is_lent = false;
        self.started = Some(started);
        match source {
            Ok(Lent(source)) => self.take_back(source),
            Err(reason) => {
                self.core.counters.end_transport();
                self.go_offline(reason);
            }
        }
    }

    pub(super) fn go_offline(&mut self, reason: String) {
        self.stop_source();
        self.back_off.source_lost(Instant::now());
        self.started = None;
        self.hand_over_features();
        self.announce(StreamState::Offline);
        self.events.send(Event::Offline { stream: self.core.id, epoch: self.epoch, reason });
    }

    pub(super) fn stop_source(&mut self) {
        self.halt_source();
        if self.source.take().is_some() {
            self.core.counters.end_transport();
        }
    }

    /// Stops the source and takes its segments; its figures go on when it starts again.
    fn halt_source(&mut self) {
        if let Some(source) = &mut self.source {
            self.idle.append(&mut source.stop());
            self.core.counters.set_transport(source.counters());
            self.queued.clear();
            self.core.set_filling(None);
        }
    }

    /// Takes the frames of a producer: of a new one, or of the same whose frames change.
    pub(super) fn attach(&mut self, source: Box<dyn Source>, epoch: Epoch) {
        if self.stopping {
            return;
        }
        self.take_rest();
        self.stop_source();
        self.epoch = epoch;
        self.take_back(source);
    }

    /// The producer has gone. Nobody else is ever given what it can write.
    pub(super) fn detach(&mut self, epoch: Epoch, reason: String) {
        if self.epoch != epoch {
            return;
        }
        self.take_rest();
        if self.returning.take().is_some() || self.source.is_some() {
            self.go_offline(reason);
        }
        self.epoch = Epoch::default();
        self.surplus = 0;
        self.queue_idle();
    }

    /// Publishes what the source has filled already. A producer that fills on meanwhile does not keep the thread.
    fn take_rest(&mut self) {
        for _ in 0..SEGMENT_LIMIT {
            match self.source.as_mut().map(|source| source.wait(Duration::ZERO)) {
                Some(source::Event::Filled(segment, info)) => self.take_filled(segment, &info),
                Some(source::Event::Starved) => self.core.counters.starved.add(1),
                _ => return,
            }
        }
    }

    /// Gives the segments that nobody has to the source that is there, or keeps those that fit.
    fn queue_idle(&mut self) {
        let idle = std::mem::take(&mut self.idle);
        idle.into_iter().for_each(|segment| self.queue(segment));
    }

    /// Opens the source again, on a thread of its own so that commands are handled meanwhile.
    pub(super) fn reopen(&mut self) {
        while !self.stopping && self.source.is_none() {
            let open = self.open.clone().filter(|_| self.returning.is_none() && !self.is_lent);
            let Some(open) = open else {
                // A producer, the source that is lent, or the segments of one that is back, come by command.
                self.handle_commands_for(COMMAND_INTERVAL);
                if self.returning.is_some() {
                    // They have not come yet: there may be no memory for them beside the old ones.
                    self.retire_outdated();
                    self.take_freed();
                }
                continue;
            };
            let pause = self.back_off.pause();
            self.handle_commands_for(pause);
            let opening = std::thread::spawn(move || open());
            while !opening.is_finished() && !self.stopping {
                self.handle_commands_for(Duration::from_millis(10));
            }
            if self.stopping {
                return;
            }
            match opening.join() {
                Ok(Ok(source)) => self.take_back(source),
                Ok(Err(error)) => {
                    self.events.send(Event::StillOffline { stream: self.core.id, reason: error.to_string() })
                }
                Err(_panic) => self.events.send(Event::StillOffline {
                    stream: self.core.id,
                    reason: "opening the source panicked; please report this".to_owned(),
                }),
            }
        }
    }

    /// Takes a source that is open again. Where its frames are larger than before, new segments are made beside the old ones,
    /// which go as their frames are retired: a held frame keeps its own and delays nothing. The same where its pool is fixed.
    fn take_back(&mut self, source: Box<dyn Source>) {
        let needs = source.requirements();
        self.payload_bytes = needs.payload_bytes;
        self.surplus = 0;
        self.given_up = Some(Vec::new());
        if needs.fixed_pool {
            // What it must do without is as little as can be.
            self.writer.retire(SEGMENT_LIMIT, &mut self.freed);
            self.take_freed();
        }
        self.begin_anew(source);
    }

    /// Stops a source whose pool is fixed, to start it with new segments beside those whose frames are in the ring: nothing that
    /// somebody may still want is retired for it. Its stream stays live.
    pub(super) fn renew(&mut self) {
        self.take_rest();
        if self.stopping {
            return;
        }
        self.halt_source();
        if let Some(source) = self.source.take() {
            self.begin_anew(source);
        }
    }

    /// Has the control thread make the segments that a stopped source needs.
    fn begin_anew(&mut self, source: Box<dyn Source>) {
        let needs = source.requirements();
        self.given_up.get_or_insert_default();
        let left_behind = if needs.fixed_pool { self.leave_behind() } else { Vec::new() };
        let outdated = self.parked.iter().flatten().filter(|(_, segment)| !self.fits(segment)).count();
        self.outdated = (outdated, self.core.page.head().next());
        self.queue_idle();
        let given_up = self.given_up.take().unwrap_or_default();
        let (stream, epoch) = (self.core.id, self.epoch);
        self.restart += 1;
        let restart = self.restart;
        self.events.send(Event::Resized { stream, epoch, needs, restart, left_behind, given_up });
        self.returning = Some(source);
    }

    /// A source whose pool is fixed takes no segment while it runs. So it begins without those whose frames are in the ring,
    /// and gets others in their place; they go as their frames are retired.
    fn leave_behind(&mut self) -> Vec<SegmentIndex> {
        let parked = self.parked.iter().flatten().map(|(context, _)| context.segment());
        let left_behind: Vec<_> = parked.collect();
        left_behind.iter().for_each(|index| self.left_behind.insert(*index));
        left_behind
    }

    /// The source that is back needs more memory than there is. What older frames take can be had at once, unless they are held.
    pub(super) fn make_room(&mut self, reason: String) {
        let stream = self.core.id;
        let is_waiting = self.returning.is_some();
        // All at once, and those again that were found held before.
        if is_waiting && self.outdated.0 > 0 {
            self.writer.retire(self.outdated.0, &mut self.freed);
        }
        // Each is told as released.
        let has_made_room = self.take_freed();
        if is_waiting && !has_made_room && self.core.page.state() == StreamState::Live {
            self.announce(StreamState::Offline);
            self.events.send(Event::Offline { stream, epoch: self.epoch, reason });
        }
        self.events.send(Event::MadeRoom { stream, has_made_room });
    }

    /// Handles commands, at most so long and until there is a source.
    fn handle_commands_for(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while !self.stopping && self.source.is_none() {
            match self.commands.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(command) => self.handle(command),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => self.stopping = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: pauses grow while a source is away, and also where it only shows itself; one that stayed is looked for at once.
    #[test]
    fn pauses_grow_until_a_source_stays() {
        let (mut back_off, mut now) = (BackOff::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..6 {
            pauses.push(back_off.pause().as_millis());
            back_off.source_started(now);
            now += SETTLED / 2;
            back_off.source_lost(now);
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000]);
        back_off.source_started(now);
        back_off.source_lost(now + SETTLED);
        assert_eq!(back_off.pause(), FIRST_BACK_OFF);
    }
}
