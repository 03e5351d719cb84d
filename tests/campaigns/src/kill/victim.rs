//! Who is killed: readers and producers in three languages.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use framebroker_tests::PATIENCE;
use framebroker_tests::process::Process;
use nix::sys::signal::Signal;

use super::blow::{Blow, End, Struck};
use super::programs::Programs;

/// What a victim is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    Rust,
    C,
    Python,
}

/// A policy or a delivery: its word, and its number in C.
pub type Term = (&'static str, u32);

pub const POLICIES: [Term; 4] = [("sequential", 1), ("latest", 2), ("lossless", 3), ("upcoming", 4)];
pub const SHARED: Term = ("shared", 0);
pub const SOCKET: Term = ("socket", 1);

/// How often each does what it does, if it is let.
const TURNS: usize = 4;

impl Language {
    /// How long one of them is at work, at most, on a machine with nothing else to do.
    pub fn work(self) -> Duration {
        Duration::from_millis(if self == Self::Python { 400 } else { 200 })
    }
}

/// Starts a reader of a stream.
pub fn reader(
    programs: &Programs,
    language: Language,
    (policy, delivery): (Term, Term),
    stream: &str,
    socket: &Path,
    blow: &Blow,
) -> Process {
    let mut command = match language {
        Language::Rust => {
            let turn = format!("subscribe stream={stream} policy={} delivery={} max_held=3\n", policy.0, delivery.0)
                + &"take 10000\ntake 10000\ncheck\nrelease\n".repeat(3)
                + "run count=2 timeout=10000\ndrop\n";
            return scripted(programs.actor(), socket, blow, &turn.repeat(TURNS));
        }
        Language::C => {
            let mut reader = programs.of_c("reader");
            reader.arg(socket).arg(policy.1.to_string()).arg(delivery.1.to_string());
            reader
        }
        Language::Python => {
            let mut reader = programs.of_python("reader");
            reader.arg(socket).arg(policy.0).arg(delivery.0);
            reader
        }
    };
    blow.arm(&mut command);
    Process::start(command.arg(TURNS.to_string()).arg(stream))
}

/// Starts a producer of `made`.
pub fn producer(programs: &Programs, language: Language, socket: &Path, blow: &Blow) -> Process {
    let mut command = match language {
        Language::Rust => {
            let turn = "publish count=12 interval_us=1000\nchange width=128 pause=yes\npublish count=12 interval_us=1000\nchange width=64 pause=yes\n";
            let script = format!("produce stream=made interval_us=2000 pause=yes\n{}drop\n", turn.repeat(TURNS / 2));
            return scripted(programs.producer(), socket, blow, &script);
        }
        Language::C => programs.of_c("producer"),
        Language::Python => programs.of_python("producer"),
    };
    blow.arm(&mut command);
    Process::start(command.arg(socket).arg(TURNS.to_string()))
}

/// Starts a reader that holds two frames for longer than it may.
pub fn holder(programs: &Programs, delivery: Term, socket: &Path, blow: &Blow) -> Process {
    let script = format!(
        "subscribe delivery={} max_held=2\ntake 10000\ntake 10000\nsleep 150\ncheck\ntake 0\nsleep 50\ncheck\nrelease\n",
        delivery.0
    );
    scripted(programs.actor(), socket, blow, &script)
}

/// A scripted program that is told all it does at once.
fn scripted(mut command: Command, socket: &Path, blow: &Blow, script: &str) -> Process {
    blow.arm(&mut command);
    let mut process = Process::start(command.arg(socket));
    process.say_all(script);
    process
}

/// Does to a victim that was struck what is left to be done, after something else is done where it is stopped.
///
/// # Panics
/// When it ended by itself, or has seen what cannot be.
pub fn finish(mut victim: Process, blow: &Blow, struck: Struck, while_stopped: impl FnOnce()) {
    match struck {
        Struck::Dead => assert_eq!(blow.end, End::Killed, "it died by itself"),
        Struck::Ended(status) => assert!(status.success(), "it ended by itself: {status}"),
        Struck::Stopped => {
            while_stopped();
            if blow.end == End::StoppedAndKilled {
                victim.kill();
            } else {
                victim.signal(Signal::SIGCONT);
                let status = victim.ended(PATIENCE * 3);
                assert!(status.success(), "it was stopped, went on, and ended with {status}");
            }
        }
    }
    assert_eq!(complaint(&mut victim), None, "a victim saw what cannot be");
}

/// What a victim that is over has said that is not as it should be.
fn complaint(process: &mut Process) -> Option<String> {
    let is_good = |line: &str| {
        line == "ok"
            || ["frame ", "good ", "ok first=", "published last=", "error full", "error evicted"]
                .iter()
                .any(|word| line.starts_with(word))
            || line.contains(" bad=0")
    };
    process.rest(PATIENCE).into_iter().find(|line| !is_good(line))
}
