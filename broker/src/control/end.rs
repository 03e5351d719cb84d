//! How the broker ends: told to by a signal, or because all streams have.

use std::time::{Duration, Instant};

use framebroker_protocol::message::Tell;
use framebroker_protocol::{StreamName, SubscriptionId, Text};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use tracing::info;

use super::Control;
use crate::stream::grab::Command;
use crate::stream::served::Stream;

/// Readers have this long to take the last frames of a stream that ended by itself.
pub(super) const DRAIN: Duration = Duration::from_secs(1);
/// How often is looked whether they have.
pub(super) const DRAIN_LOOK: Duration = Duration::from_millis(10);

/// So long after the first signal to end, another one is not its echo: Ctrl-C in a terminal and a script's own signal come
/// together.
const INSISTENCE: Duration = Duration::from_secs(1);

/// The broker ends.
#[derive(Debug)]
pub(super) struct Ending {
    /// Until when readers may still take frames.
    deadline: Instant,
    /// Told to the clients.
    reason: String,
    /// When a signal asked for it.
    told: Option<Instant>,
    /// Another signal came [`INSISTENCE`] later: nothing is waited for.
    is_urgent: bool,
}

/// Why the control thread stopped before its streams did.
#[derive(Debug)]
pub enum Failure {
    /// The kernel's word.
    System(Errno),
    /// It was told twice to end; grab threads of these streams were still in their drivers.
    Urgent(Vec<StreamName>),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

impl Control {
    pub(super) fn take_signal(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let name = i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            info!(signal = name.map_or("unknown", Signal::as_str), "ending");
            self.begin_end(Duration::ZERO, "the broker was told to end");
            if let Some(ending) = &mut self.ending {
                ending.is_urgent = ending.told.get_or_insert_with(Instant::now).elapsed() >= INSISTENCE;
            }
        }
    }

    pub(super) fn begin_end(&mut self, drain: Duration, reason: &str) {
        let deadline = Instant::now() + drain;
        match &mut self.ending {
            Some(ending) => ending.deadline = ending.deadline.min(deadline),
            None => {
                let reason = reason.to_owned();
                self.ending = Some(Ending { deadline, reason, told: None, is_urgent: false });
            }
        }
        for stream in &self.streams {
            // Where the grab thread has ended by itself, nothing is left to stop.
            stream.tell_grab(Command::Stop);
        }
    }

    /// When to look whether the broker can end.
    pub(super) fn end_at(&self, now: Instant) -> Option<Instant> {
        self.ending.as_ref().map(|ending| ending.deadline.min(now + DRAIN_LOOK))
    }

    pub(super) fn is_done(&self) -> bool {
        let Some(ending) = &self.ending else { return false };
        let all_finished = self.streams.iter().all(|stream| stream.life().finished().is_some());
        all_finished && (Instant::now() >= ending.deadline || self.streams.iter().all(Stream::is_drained))
    }

    /// An error where the broker was told again to end, and a driver keeps it from that.
    pub(super) fn check_urgency(&self) -> Result<(), Failure> {
        if !self.ending.as_ref().is_some_and(|ending| ending.is_urgent) {
            return Ok(());
        }
        let stuck = self.streams.iter().filter(|stream| stream.life().finished().is_none());
        Err(Failure::Urgent(stuck.map(|stream| stream.name().clone()).collect()))
    }

    /// Tells everyone that the streams have ended, and stops their threads.
    pub(super) fn close(&mut self) {
        for stream in &mut self.streams {
            stream.close();
        }
        let reason = self.ending.as_ref().map_or("the broker ends", |ending| ending.reason.as_str()).to_owned();
        for session in self.sessions.values_mut() {
            let untold = session.subscriptions.iter().filter(|(_, subscription)| {
                let finished = self.streams.get(subscription.stream).and_then(|stream| stream.life().finished());
                finished.is_none_or(|finished| !finished.is_closed)
            });
            let untold: Vec<SubscriptionId> = untold.map(|(id, _)| *id).collect();
            for subscription in untold {
                session.tell(0, Tell::Closed { subscription, reason: Text::cut(&reason) });
            }
        }
        self.dismiss_producers(&reason);
    }
}
