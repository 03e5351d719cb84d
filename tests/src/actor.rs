//! Consumers and producers in processes of their own that do what they are told: `src/bin/actor`, `src/bin/producer.rs`.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::process::Process;
use crate::{PATIENCE, binaries};

/// Every policy and delivery, as words of `subscribe`.
pub const EIGHT: [&str; 8] = [
    "",
    "delivery=socket",
    "policy=latest",
    "policy=latest delivery=socket",
    "policy=lossless",
    "policy=lossless delivery=socket",
    "policy=upcoming wait=predictive",
    "policy=upcoming delivery=socket",
];

/// A scripted consumer or producer. Dropping it kills it.
#[derive(Debug)]
pub struct Actor {
    process: Process,
}

impl Actor {
    /// Starts one for the broker at a socket; it connects when it subscribes.
    #[must_use]
    pub fn start(socket: &Path) -> Self {
        Self::start_program(&mut Command::new(binaries::actor()), socket)
    }

    /// As [`Self::start`], by another command.
    #[must_use]
    pub fn start_program(command: &mut Command, socket: &Path) -> Self {
        Self { process: Process::start(command.arg(socket)) }
    }

    /// Starts a producer; it connects when it is told to produce.
    #[must_use]
    pub fn start_producer(socket: &Path) -> Self {
        Self { process: Process::start(Command::new(binaries::producer()).arg(socket)) }
    }

    /// Tells it something and waits for the answer.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    /// Tells it something.
    pub fn tell(&mut self, command: &str) {
        self.process.say(command);
    }

    /// Waits for its next answer.
    ///
    /// # Panics
    /// When there is none.
    pub fn answer(&mut self) -> String {
        self.process.line(PATIENCE * 3).expect("an answer of the actor")
    }

    /// Tells it something that must be answered with `ok`.
    ///
    /// # Panics
    /// When it is not.
    pub fn must(&mut self, command: &str) {
        let answer = self.ask(command);
        assert_eq!(answer, "ok", "{command}");
    }

    /// Takes and keeps the next frame; returns its context ID.
    ///
    /// # Panics
    /// When there is none.
    pub fn take(&mut self) -> u64 {
        let answer = self.ask("take 5000");
        let context = answer.strip_prefix("frame ").unwrap_or_else(|| panic!("take: {answer}"));
        context.parse().expect("a context ID")
    }

    /// Its process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// The number that follows `name=` in an answer.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn figure(answer: &str, name: &str) -> u64 {
    let word = answer.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    word.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no figure {name} in {answer:?}"))
}
