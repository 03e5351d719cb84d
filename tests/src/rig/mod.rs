//! Every kind of source in one broker at once, and consumers that watch all of it: two simulated GigE Vision cameras, two Basler
//! cameras of the stand-in for the pylon SDK, a test pattern, a replay and a producer.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod reader;
pub mod settings;

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use framebroker_client::{self as client, StreamState};
use nix::sys::signal::Signal;

pub use self::reader::Reader;
use crate::broker::run;
use crate::process::Process;
use crate::{Actor, Broker, Cameras, Network, PATIENCE, Scratch, binaries, wait_for};

/// Longer than a camera takes to be missed or found again on a busy machine.
pub const RETURN: Duration = Duration::from_secs(60);

/// Of every stream but the pattern and the replay: a source that can go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A GigE Vision camera.
    GigeA,
    /// Another.
    GigeB,
    /// A Basler camera on GigE.
    BaslerA,
    /// One on USB.
    BaslerB,
    /// A producer's process.
    Producer,
}

impl Device {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::GigeA, Self::GigeB, Self::BaslerA, Self::BaslerB, Self::Producer];

    /// Its stream.
    #[must_use]
    pub fn stream(self) -> &'static str {
        match self {
            Self::GigeA => "gige-a",
            Self::GigeB => "gige-b",
            Self::BaslerA => "basler-a",
            Self::BaslerB => "basler-b",
            Self::Producer => "made",
        }
    }

    /// Serial number of the camera.
    fn serial(self) -> &'static str {
        match self {
            Self::GigeA => "GV01",
            Self::GigeB => "GV02",
            Self::BaslerA => "4001",
            Self::BaslerB => "4002",
            Self::Producer => "7",
        }
    }

    /// Address of a GigE Vision camera.
    fn address(self) -> &'static str {
        if self == Self::GigeA { "127.0.0.1" } else { "127.0.0.2" }
    }

    /// What a Basler camera of the stand-in is like when it gets power: one on GigE, one on USB.
    fn settings(self) -> &'static str {
        match self {
            Self::BaslerA => "fps=25 width=64 height=48",
            _ => "fps=25 width=64 height=48 class=BaslerUsb",
        }
    }
}

/// Every stream, and what its frames show.
pub const STREAMS: [(&str, &str); 7] = [
    ("gige-a", "ramp"),
    ("gige-b", "ramp"),
    ("basler-a", "ramp"),
    ("basler-b", "ramp"),
    ("pattern", "pattern"),
    ("replay", "ramp"),
    ("made", "pattern"),
];

/// Frames stay readable for four seconds, so that a reader that waits for a processor loses none.
const COMMON: &str = "segments = 100\nmax-segments = 160\n";
/// Of what can be told its geometry.
const GEOMETRY: &str = "fps = 25\nwidth = 64\nheight = 48\n";

/// All sources and their broker.
#[derive(Debug)]
pub struct Rig {
    /// The broker.
    pub broker: Broker,
    /// The Basler cameras.
    pub cameras: Cameras,
    /// A connection for questions.
    pub connection: client::Broker,
    network: Network,
    gige: [Option<Process>; 2],
    producer: Option<Actor>,
    _scratch: Scratch,
}

impl Rig {
    /// Starts all of it.
    ///
    /// # Panics
    /// When one of the streams does not come up.
    #[must_use]
    pub fn start() -> Self {
        let (scratch, network, cameras) = (Scratch::default(), Network::default(), Cameras::default());
        for device in [Device::BaslerA, Device::BaslerB] {
            cameras.plug(device.serial(), device.settings());
        }
        let gige =
            [Device::GigeA, Device::GigeB].map(|device| Some(network.camera(device.serial(), device.address(), &[])));
        record(&scratch);
        let file = scratch.file("cameras.toml");
        std::fs::write(&file, configuration(scratch.path())).unwrap();
        let mut program = network.broker();
        cameras.show(&mut program);
        let broker = Broker::start_program(&mut program, &format!("--config {}", file.display()));
        assert!(broker.ready().ends_with(" streams=7"), "{}", broker.ready());
        let connection = broker.connect();
        let mut rig = Self { broker, cameras, connection, network, gige, producer: None, _scratch: scratch };
        rig.bring_back(Device::Producer);
        for (stream, _) in STREAMS {
            rig.wait_for_state(stream, StreamState::Live);
        }
        rig
    }

    /// Unplugs or kills a source.
    ///
    /// # Panics
    /// When it is not there.
    pub fn take_away(&mut self, device: Device) {
        match device {
            Device::GigeA => self.gige[0] = None,
            Device::GigeB => self.gige[1] = None,
            Device::BaslerA | Device::BaslerB => self.cameras.unplug(device.serial()),
            Device::Producer => self.producer = None,
        }
    }

    /// Plugs it in or starts it again. It has forgotten everything.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn bring_back(&mut self, device: Device) {
        match device {
            Device::GigeA => self.gige[0] = Some(self.network.camera(device.serial(), device.address(), &[])),
            Device::GigeB => self.gige[1] = Some(self.network.camera(device.serial(), device.address(), &[])),
            Device::BaslerA | Device::BaslerB => self.cameras.plug(device.serial(), device.settings()),
            Device::Producer => {
                let mut producer = self.broker.producer();
                // The broker may not have noticed yet that the one before has died.
                wait_for("the producer's place", RETURN, || {
                    producer.ask("produce stream=made interval_us=40000").starts_with("ok ").then_some(())
                });
                producer.tell("stream interval_us=40000");
                assert_eq!(producer.answer(), "ok");
                self.producer = Some(producer);
            }
        }
    }

    /// Sends a signal to the process that is a simulated camera or the producer.
    ///
    /// # Panics
    /// When it has none.
    pub fn signal(&self, device: Device, signal: Signal) {
        match device {
            Device::GigeA => self.gige[0].as_ref().unwrap().signal(signal),
            Device::GigeB => self.gige[1].as_ref().unwrap().signal(signal),
            Device::BaslerA | Device::BaslerB => panic!("{device:?} has no process"),
            Device::Producer => self.producer.as_ref().unwrap().signal(signal),
        }
    }

    /// Says more of a Basler camera that stays plugged in: see the stand-in's own page.
    pub fn tell(&self, device: Device, more: &str) {
        self.cameras.tell(device.serial(), &format!("{} {more}", device.settings()));
    }

    /// Whether a Basler camera works on something that takes long.
    #[must_use]
    pub fn was_asked(&self, device: Device) -> bool {
        self.cameras.notes(device.serial()).iter().any(|note| note.starts_with("asked"))
    }

    /// A connection that may set features.
    ///
    /// # Panics
    /// When it cannot be had.
    #[must_use]
    pub fn controller(&self) -> client::Broker {
        client::Broker::builder()
            .socket(self.broker.socket())
            .name("control")
            .control(true)
            .timeout(PATIENCE)
            .connect()
            .unwrap()
    }

    /// Runs `framectl` with these words.
    #[must_use]
    pub fn framectl(&self, words: &[&str]) -> (ExitStatus, String, String) {
        run(Command::new(binaries::framectl()).arg("--socket").arg(self.broker.socket()).args(words))
    }

    /// Waits until a stream is in a state.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn wait_for_state(&self, stream: &str, state: StreamState) {
        wait_for(&format!("{stream} {state:?}"), RETURN, || {
            let streams = self.connection.streams().unwrap();
            let found = streams.iter().find(|info| info.name.as_str() == stream).unwrap();
            (found.state == state).then_some(())
        });
    }

    /// Waits until every stream has published more.
    ///
    /// # Panics
    /// When that takes too long.
    pub fn wait_for_frames(&self, count: u64) {
        let published = || self.connection.stats().unwrap().iter().map(|stats| stats.published).collect::<Vec<_>>();
        let before = published();
        wait_for("frames of every stream", RETURN, || {
            published().iter().zip(&before).all(|(now, before)| *now >= before + count).then_some(())
        });
    }

    /// Ends everything, in order but for these devices, whose drivers may be waited for longer than the broker does.
    ///
    /// # Panics
    /// When something else is left, on our side or the SDK's.
    pub fn end_without(self, silent: &[Device]) {
        let Self { broker, cameras, producer, .. } = self;
        drop(producer);
        broker.end_without(&silent.iter().map(|device| device.stream()).collect::<Vec<_>>());
        for device in [Device::BaslerA, Device::BaslerB] {
            cameras.must_have_given_back(device.serial());
        }
    }

    /// Ends everything in order.
    ///
    /// # Panics
    /// When something is left, on our side or the SDK's.
    pub fn end(self) {
        let Self { broker, cameras, producer, .. } = self;
        drop(producer);
        broker.end_clean();
        for device in [Device::BaslerA, Device::BaslerB] {
            cameras.must_have_given_back(device.serial());
        }
    }
}

/// The streams of the broker.
fn configuration(directory: &Path) -> String {
    let replay = format!("replay={}", directory.join("recording.jsonl").display());
    let sources = [
        ("gige-a", "aravis=Aravis-Fake-GV01", GEOMETRY),
        ("gige-b", "aravis=Aravis-Fake-GV02", GEOMETRY),
        ("basler-a", "pylon=4001", GEOMETRY),
        ("basler-b", "pylon=4002", GEOMETRY),
        ("pattern", "pattern", GEOMETRY),
        ("replay", &replay, "fps = 25\nreplay-loop = true\n"),
        ("made", "producer", ""),
    ];
    let table = |(name, source, more)| format!("[[stream]]\nname = '{name}'\nsource = '{source}'\n{more}");
    format!("{COMMON}{}", sources.map(table).concat())
}

/// A recording of ramps, as the simulated cameras send them: all there are, since numbers go on when it begins again.
fn record(scratch: &Scratch) {
    let (mut bytes, mut index) =
        (Vec::new(), "{\"framebroker_recording\": 1, \"data\": \"recording.raw\"}\n".to_owned());
    for number in 1..=255_u64 {
        let offset = bytes.len();
        let pixel = |x: u64, y: u64| u8::try_from((x + y + number) % 255).unwrap_or(0);
        bytes.extend((0..48).flat_map(|y| (0..64).map(move |x| pixel(x, y))));
        index += &format!(
            "{{\"offset\": {offset}, \"width\": 64, \"height\": 48, \"pixel_format\": \"Mono8\", \"block_id\": {number}}}\n"
        );
    }
    std::fs::write(scratch.file("recording.raw"), bytes).unwrap();
    std::fs::write(scratch.file("recording.jsonl"), index).unwrap();
}
