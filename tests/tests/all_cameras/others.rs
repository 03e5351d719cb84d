//! Consumers that are no scripted ones: `framectl watch`, and programs in other languages.

use std::path::Path;
use std::process::Command;

use framebroker_tests::actor::figure;
use framebroker_tests::c_library::{build, program};
use framebroker_tests::foreign::Language;
use framebroker_tests::process::Process;
use framebroker_tests::rig::{Device, Rig, STREAMS};
use framebroker_tests::{PATIENCE, Scratch, binaries};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Frames that the programs without a library take.
const COUNT: u64 = 250;

/// Consumers in other languages.
pub struct Others {
    /// `framectl watch` of each stream.
    watches: Vec<Process>,
    /// With the C library, of the streams of cameras.
    of_c: Vec<Process>,
    /// Written from PROTOCOL.md alone, in Python and Go, of the pattern.
    foreign: Vec<Process>,
    _scratch: Scratch,
}

impl Others {
    pub fn start(rig: &Rig) -> Self {
        let scratch = Scratch::default();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all_cameras/reader.c");
        let reader = build(&source, &["-pedantic"], &scratch);
        let socket = rig.broker.socket();
        let watch = |(stream, _)| {
            let mut command = Command::new(binaries::framectl());
            Process::start(command.arg("--socket").arg(socket).args(["watch", stream, "--json"]))
        };
        let cameras = Device::ALL.into_iter().filter(|device| *device != Device::Producer);
        let foreign = |language: Language| {
            let mut command = language.subscriber();
            Process::start(command.args(["pattern", "--count", &COUNT.to_string(), "--socket"]).arg(socket))
        };
        Self {
            watches: STREAMS.into_iter().map(watch).collect(),
            of_c: cameras.map(|device| Process::start(program(&reader).arg(socket).arg(device.stream()))).collect(),
            foreign: Language::ALL.into_iter().map(foreign).collect(),
            _scratch: scratch,
        }
    }

    /// Ends them; each has got every frame, through so many losses of all sources.
    pub fn must_have_seen_all(mut self, losses: u64) {
        for watch in &mut self.watches {
            watch.signal(Signal::SIGINT);
            let line = last_line(watch);
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            assert!(line["received"].as_u64() > Some(40) && line["lost"] == 0, "{line}");
        }
        for reader in &mut self.of_c {
            reader.say("stop");
            let line = last_line(reader);
            let [bad, away, lost] = ["bad", "away", "lost"].map(|name| figure(&line, name));
            assert!((bad, away, lost) == (0, losses, 0) && figure(&line, "received") > 40, "{line}");
        }
        for subscriber in &mut self.foreign {
            let line = last_line(subscriber);
            let counts: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let [frames, bad, lost] = ["frames", "bad", "lost"].map(|name| counts[name].as_u64());
            assert_eq!((frames, bad, lost), (Some(COUNT), Some(0), Some(0)), "{counts}");
        }
    }
}

/// What it says last; it must end well.
fn last_line(process: &mut Process) -> String {
    let line = process.rest(PATIENCE).pop().unwrap_or_default();
    assert!(process.ended(PATIENCE).success(), "{line}");
    line
}
