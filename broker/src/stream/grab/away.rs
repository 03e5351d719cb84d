//! The source comes and goes: its start, its loss, and how it is found again.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use framebroker_protocol::{SEGMENT_LIMIT, SegmentIndex, StreamState};

use super::{COMMAND_INTERVAL, Grab};
use crate::events::Event;
use crate::source::Source;

/// The first pause before a lost camera is looked for again; it doubles up to [`MAX_BACK_OFF`].
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);
const MAX_BACK_OFF: Duration = Duration::from_secs(5);

impl Grab {
    /// Starts a source and says that the stream is live.
    pub(super) fn start(&mut self, source: Box<dyn Source>) {
        self.queued.clear();
        let (description, needs) = (source.describe(), source.requirements());
        self.source = Some(source);
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
                self.events.send(Event::Online { stream: self.core.id, description, needs });
            }
            Err(error) => self.go_offline(error.to_string()),
        }
    }

    pub(super) fn go_offline(&mut self, reason: String) {
        self.stop_source();
        self.announce(StreamState::Offline);
        self.events.send(Event::Offline { stream: self.core.id, reason });
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

    /// Opens the source again, on a thread of its own so that commands are handled meanwhile.
    pub(super) fn reopen(&mut self) {
        let mut back_off = FIRST_BACK_OFF;
        while !self.stopping && self.source.is_none() {
            if self.returning.is_some() {
                // Its segments come by command.
                self.handle_commands_for(COMMAND_INTERVAL);
                continue;
            }
            self.handle_commands_for(back_off);
            back_off = (back_off * 2).min(MAX_BACK_OFF);
            let open = Arc::clone(&self.open);
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
        let left_behind = if needs.fixed_pool { self.leave_behind() } else { Vec::new() };
        self.events.send(Event::Resized { stream: self.core.id, needs, left_behind });
        let idle = std::mem::take(&mut self.idle);
        idle.into_iter().for_each(|segment| self.queue(segment));
        self.returning = Some(source);
    }

    /// A source whose pool is fixed takes no segment while it runs. So it begins without those whose frames are in the ring,
    /// which are as few as can be, and gets others in their place; they go as their frames are retired.
    fn leave_behind(&mut self) -> Vec<SegmentIndex> {
        self.writer.retire(SEGMENT_LIMIT, &mut self.freed);
        self.take_freed();
        let parked = self.parked.iter().flatten().map(|(context, _)| context.segment());
        let left_behind: Vec<_> = parked.collect();
        left_behind.iter().for_each(|index| self.left_behind.insert(*index));
        left_behind
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
