//! The loop of the grab thread: the only place that waits, for the source, for commands, and for a lossless reader.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};

use framebroker_protocol::ring::Releases;

use super::Grab;
use crate::stream::command::Command;

/// The grab thread looks for commands at least this often.
const COMMAND_INTERVAL: Duration = Duration::from_millis(100);

/// Shows that its owner may wait. Only the loop has one: what handles commands and frames is given none, and so cannot wait.
#[derive(Debug)]
pub struct MayWait(());

/// A grab thread that has not begun.
#[derive(Debug)]
pub struct GrabThread {
    grab: Grab,
    commands: Receiver<Command>,
    releases: Releases,
    may_wait: MayWait,
}

impl GrabThread {
    /// The thread that does the work of `grab` and takes its commands here.
    #[must_use]
    pub fn new(grab: Grab, commands: Receiver<Command>) -> Self {
        Self { releases: grab.releases(), grab, commands, may_wait: MayWait(()) }
    }

    /// Grabs until told to stop; returns when the stream is closed and every segment is dropped.
    pub fn run(mut self) {
        self.begin();
        while !self.grab.is_ending() {
            self.turn(COMMAND_INTERVAL, Instant::now);
        }
        self.grab.finish();
        while !self.grab.is_closing()
            && let Ok(command) = self.commands.recv()
        {
            self.grab.handle(command);
        }
        self.grab.close();
    }

    /// The first segments come by command, and so may who wants to set the source.
    #[doc(hidden)]
    pub fn begin(&mut self) {
        self.obey();
        self.grab.begin();
    }

    /// Waits for something to do, at most so long, and does it; then handles the commands that have come.
    #[doc(hidden)]
    pub fn turn(&mut self, longest: Duration, clock: impl Fn() -> Instant) {
        if !self.grab.is_running() {
            match self.commands.recv_timeout(self.grab.quiet_time(clock()).min(longest)) {
                Ok(command) => self.grab.handle(command),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.grab.handle(Command::Stop),
            }
        } else if self.grab.awaits_reader() {
            self.await_release(longest);
        } else {
            self.grab.wait(&self.may_wait, longest);
        }
        self.grab.set_time(clock());
        self.obey();
        self.grab.look();
    }

    /// What it does.
    #[doc(hidden)]
    #[must_use]
    pub fn grab(&self) -> &Grab {
        &self.grab
    }

    /// Waits a moment for the slowest lossless reader.
    fn await_release(&mut self, longest: Duration) {
        self.grab.take_ready();
        if self.grab.ask_for_release() {
            let began = Instant::now();
            if !longest.is_zero() {
                self.releases.wait();
            }
            self.grab.charge(began.elapsed());
        }
        self.grab.refill();
    }

    fn obey(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.grab.handle(command),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return self.grab.handle(Command::Stop),
            }
        }
    }
}
