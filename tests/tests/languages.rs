//! One process of each language on one stream at once.
#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

use framebroker_client::StreamId;
use framebroker_tests::actor::figure;
use framebroker_tests::c_library::{build, program};
use framebroker_tests::foreign::Language;
use framebroker_tests::process::Process;
use framebroker_tests::{Actor, Broker, PATIENCE, Scratch, wait_for};
use serde_json::Value;

/// Mono12 has its bytes from two places of a value: no reader that mixes them up
/// passes. Frames stay readable for more than three seconds, so that only a reader that was kept from reading loses any.
const STREAM: &str = "--segments 96 --max-segments 96 --fps 25 --width 161 --height 120 --pixel-format Mono12";
const KINDS: [Kind; 5] = [Kind::Rust, Kind::C, Kind::Cpp, Kind::Python, Kind::Go];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// The Rust library: the scripted consumer of these tests.
    Rust,
    /// The C library.
    C,
    /// The C library, from C++.
    Cpp,
    /// The Python package.
    Python,
    /// No library: written from PROTOCOL.md.
    Go,
}

/// A reader that verifies every byte, until it is told to hold a frame or to stop.
enum Reader {
    Actor(Actor),
    Process(Process),
}

/// What a reader says of itself.
#[derive(Debug)]
struct Said {
    context: u64,
    bad: u64,
    received: u64,
    lost: u64,
}

/// What is built for the readers.
struct Programs {
    c: PathBuf,
    cpp: PathBuf,
    python: PathBuf,
    _scratch: [Scratch; 2],
}

impl Programs {
    fn build() -> Self {
        let scratch = [Scratch::default(), Scratch::default()];
        let [of_c, of_cpp] = &scratch;
        let c = build(&source("reader.c"), &["-pedantic"], of_c);
        let cpp = build(&source("reader.cpp"), &["-pedantic"], of_cpp);
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python");
        let imports = Command::new(&python).args(["-c", "import framebroker, numpy"]).status();
        assert!(
            imports.is_ok_and(|status| status.success()),
            "the Python package is not there: scripts/python.sh builds and installs it into target/python"
        );
        Self { c, cpp, python, _scratch: scratch }
    }

    fn start(&self, kind: Kind, broker: &Broker) -> Reader {
        let mut command = match kind {
            Kind::Rust => {
                let mut actor = broker.actor();
                actor.must("subscribe");
                actor.must("watch");
                return Reader::Actor(actor);
            }
            Kind::C => program(&self.c),
            Kind::Cpp => program(&self.cpp),
            Kind::Python => {
                let mut python = Command::new(&self.python);
                python.arg("-B").arg(source("reader.py"));
                python
            }
            Kind::Go => {
                let mut go = Language::Go.subscriber();
                go.args(["--obey", "--socket"]).arg(broker.socket()).arg("cam0");
                return Reader::Process(Process::start(&mut go));
            }
        };
        Reader::Process(Process::start(command.arg(broker.socket())))
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/languages").join(name)
}

impl Reader {
    fn pid(&self) -> u32 {
        match self {
            Self::Actor(actor) => actor.pid(),
            Self::Process(process) => process.pid(),
        }
    }

    /// Makes it hold the next frame, which it has verified.
    fn hold(&mut self) -> Said {
        match self {
            Self::Actor(actor) => {
                actor.tell("take 5000");
                let watched = actor.answer();
                let context = actor.answer().strip_prefix("frame ").and_then(|text| text.parse().ok()).unwrap();
                assert_eq!(actor.ask("check"), "good 1");
                Said { context, ..Said::of(&watched) }
            }
            Self::Process(process) => {
                process.say("hold");
                let line = process.line(PATIENCE).unwrap();
                assert!(line.starts_with("holding "), "{line}");
                Said::of(&line)
            }
        }
    }

    /// Ends it.
    fn stop(&mut self) -> Said {
        match self {
            Self::Actor(actor) => {
                let watched = actor.ask("stop");
                assert_eq!(actor.answer(), "ok");
                Said::of(&watched)
            }
            Self::Process(process) => {
                process.say("stop");
                let line = process.line(PATIENCE).unwrap();
                assert!(process.ended(PATIENCE).success(), "{line}");
                Said::of(&line)
            }
        }
    }

    fn kill(&mut self) {
        match self {
            Self::Actor(actor) => actor.kill(),
            Self::Process(process) => process.kill(),
        }
    }
}

impl Said {
    /// Reads `name=value`, or what the reader in Go says: JSON, maybe behind a word and a context ID.
    fn of(line: &str) -> Self {
        let Some((words, json)) = line.split_once('{') else {
            let context = if line.contains("context=") { figure(line, "context") } else { 0 };
            let [bad, received, lost] = ["bad", "received", "lost"].map(|name| figure(line, name));
            return Self { context, bad, received, lost };
        };
        let context = words.split_whitespace().nth(1).map_or(0, |text| text.parse().unwrap());
        let counts: Value = serde_json::from_str(&format!("{{{json}")).unwrap();
        let [bad, received, lost] =
            ["bad", "frames", "lost"].map(|name| counts.get(name).and_then(Value::as_u64).unwrap());
        Self { context, bad, received, lost }
    }

    fn must_be_whole(&self, kind: Kind) {
        assert!(self.received > 0 && (self.bad, self.lost) == (0, 0), "{kind:?}: {self:?}");
    }
}

/// Buffer contexts of the segments that a process holds, as the broker sees it.
fn held_by(broker: &Broker, stream: StreamId, pid: u32) -> Vec<u32> {
    let segments = broker.connect().segments(stream).unwrap();
    let held = segments.iter().filter(|segment| segment.held_by.iter().any(|holder| holder.pid == pid));
    held.map(|segment| segment.context).collect()
}

/// Goal: readers in Rust, C, C++, Python and Go share a stream, and the death of one is nothing to the others. Method: all five
/// verify every byte; each in its turn holds a frame and is killed with SIGKILL, and a new one takes its place. What it held comes
/// back, nobody else loses a frame, and the broker's account is even in the end.
#[test]
fn one_of_each_is_killed_and_the_rest_lose_nothing() {
    let programs = Programs::build();
    let broker = Broker::start(STREAM);
    let stream = broker.connect().streams().unwrap().first().unwrap().id;
    let start = |kind| {
        let reader = programs.start(kind, &broker);
        wait_for("its first frame", PATIENCE, || {
            let client = broker.client(reader.pid())?;
            client.subscriptions.iter().any(|subscription| subscription.received > 0).then_some(())
        });
        reader
    };
    let mut readers = KINDS.map(start);
    for (kind, reader) in KINDS.into_iter().zip(&mut readers) {
        let said = reader.hold();
        said.must_be_whole(kind);
        let pid = reader.pid();
        let context = u32::try_from(said.context & 0xffff).unwrap() + 1000;
        wait_for("its hold", PATIENCE, || held_by(&broker, stream, pid).contains(&context).then_some(()));
        reader.kill();
        broker.wait_until_gone(pid, PATIENCE);
        assert!(held_by(&broker, stream, pid).is_empty(), "{kind:?} is dead and holds a frame");
        *reader = start(kind);
    }
    for (kind, reader) in KINDS.into_iter().zip(&mut readers) {
        reader.stop().must_be_whole(kind);
        if let Reader::Actor(actor) = reader {
            actor.must("drop");
        }
        broker.wait_until_gone(reader.pid(), PATIENCE);
    }
    let stats = broker.stats();
    assert_eq!((stats.starved, stats.overdue, stats.evicted, stats.given_up_bytes), (0, 0, 0, 0), "{stats:?}");
    assert_eq!(stats.active_buffers, 96, "{stats:?}");
    broker.end_clean();
}
