//! The real thing: the command `broker`, and consumers and a producer that use the client library.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use framebroker_client::{Broker, FrameInfo, PixelFormat};
use framebroker_protocol::monotonic_ns;

use crate::Result;
use crate::frames::{PATIENCE, RATE, Seen, Wait, Window, pace, record};
use crate::process::Process;

/// What the broker's pattern source makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    pub fill: &'static str,
}

/// A full-HD Mono8 camera that writes by DMA: the processor touches no pixel.
pub const FULL_HD: Picture = Picture { width: 1920, height: 1080, fill: "none" };

/// Starts a broker on a socket of its own and waits until it is ready. Gives its socket for all consumers.
pub fn start(picture: Picture, directory: &Path) -> Result<(Vec<Process>, Vec<String>)> {
    let Picture { width, height, fill } = picture;
    let (broker, socket) = launch(&format!("--fps {RATE} --width {width} --height {height} --fill {fill}"), directory)?;
    Ok((vec![broker], vec![socket]))
}

/// As [`start`], with a producer beside it that fills the segments as such a camera would.
pub fn start_with_producer(directory: &Path) -> Result<(Vec<Process>, Vec<String>)> {
    let (broker, socket) = launch("--source producer", directory)?;
    let mut producer = Process::start(&format!("produce {socket}"))?;
    producer.line()?;
    Ok((vec![broker, producer], vec![socket]))
}

fn launch(options: &str, directory: &Path) -> Result<(Process, String)> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let socket = directory.join(format!("{}.sock", STARTED.fetch_add(1, Ordering::Relaxed)));
    let socket = socket.display().to_string();
    let mut broker = Process::start(&format!("broker -- --socket {socket} --max-segments 256 {options}"))?;
    broker.line()?;
    Ok((broker, socket))
}

/// Produces; a frame's camera timestamp says when it was given to the broker.
pub fn produce(socket: &Path) -> Result<()> {
    let Picture { width, height, .. } = FULL_HD;
    let broker = Broker::builder().socket(socket).name("ringbench").connect()?;
    let mut producer = broker.produce("cam0").geometry(width, height, PixelFormat::MONO8).open()?;
    println!("ready");
    pace(|now_ns| {
        let info = FrameInfo { camera_timestamp_ns: now_ns, ..FrameInfo::new(width, height, PixelFormat::MONO8) };
        Ok(producer.take(PATIENCE)?.publish(&info)?)
    })
}

/// Receives. A producer's frames begin where it gave them to the broker.
pub fn consume(paths: &[PathBuf], wait: Wait, window: Window, of_producer: bool) -> Result<()> {
    let [socket] = paths else { return Err("one path is needed".into()) };
    let broker = Broker::builder().socket(socket).name("ringbench").connect()?;
    let mut frames = broker.subscribe("cam0").max_held(1).wait_mode(wait.mode()).open()?;
    drop(broker);
    record(window, || {
        let frame = frames.next(PATIENCE)?;
        let seen_ns = monotonic_ns();
        let given_ns = frame.camera_timestamp_ns().filter(|_| of_producer);
        let published_ns = given_ns.unwrap_or_else(|| frame.monotonic_ns());
        Ok(Seen { sequence: frame.sequence().0, published_ns, seen_ns })
    })
}
