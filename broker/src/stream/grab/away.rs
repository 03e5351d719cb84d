//! The source comes and goes: its start, its loss, and how it is found again.

use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use framebroker_protocol::{PixelFormat, SEGMENT_LIMIT, StreamState};

use super::{COMMAND_INTERVAL, Grab};
use crate::events::Event;
use crate::factory::Epoch;
use crate::source::{self, Source};

/// The first pause before a lost camera is looked for again; it doubles up to [`MAX_BACK_OFF`].
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);
const MAX_BACK_OFF: Duration = Duration::from_secs(5);

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
        let started = self.source.as_mut().map_or(Ok(()), |source| source.start());
        match started {
            Ok(()) => {
                self.announce(StreamState::Live);
                self.events.send(Event::Online { stream: self.core.id, epoch: self.epoch, description, needs });
            }
            Err(error) => self.go_offline(error.to_string()),
        }
    }

    pub(super) fn go_offline(&mut self, reason: String) {
        self.stop_source();
        self.announce(StreamState::Offline);
        self.events.send(Event::Offline { stream: self.core.id, epoch: self.epoch, reason });
    }

    pub(super) fn stop_source(&mut self) {
        if let Some(mut source) = self.source.take() {
            self.idle.append(&mut source.stop());
            self.core.counters.set_transport(source.counters());
            self.core.counters.end_transport();
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
        let mut back_off = FIRST_BACK_OFF;
        while !self.stopping && self.source.is_none() {
            let Some(open) = self.open.clone().filter(|_| self.returning.is_none()) else {
                // A producer, or the segments of a source that is back, come by command.
                self.handle_commands_for(COMMAND_INTERVAL);
                if self.returning.is_some() {
                    // They have not come yet: there may be no memory for them beside the old ones.
                    self.retire_outdated();
                    self.take_freed();
                }
                continue;
            };
            self.handle_commands_for(back_off);
            back_off = (back_off * 2).min(MAX_BACK_OFF);
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
    /// which go as their frames are retired: a held frame keeps its own and delays nothing.
    fn take_back(&mut self, source: Box<dyn Source>) {
        let needs = source.requirements();
        self.payload_bytes = needs.payload_bytes;
        self.surplus = 0;
        let outdated = self.parked.iter().flatten().filter(|(_, segment)| !self.fits(segment)).count();
        self.outdated = (outdated, self.core.page.head().next());
        self.events.send(Event::Resized { stream: self.core.id, epoch: self.epoch, needs });
        self.queue_idle();
        self.returning = Some(source);
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
