//! The real thing: the command `broker`, and consumers that use the client library.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use framebroker_client::Broker;
use framebroker_protocol::monotonic_ns;

use crate::Result;
use crate::frames::{PATIENCE, RATE, Seen, Wait, Window, record};
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
pub fn start(picture: Picture, directory: &Path) -> Result<(Process, Vec<String>)> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let socket = directory.join(format!("{}.sock", STARTED.fetch_add(1, Ordering::Relaxed)));
    let socket = socket.display().to_string();
    let Picture { width, height, fill } = picture;
    let options = format!("--fps {RATE} --width {width} --height {height} --fill {fill} --max-segments 256");
    let mut broker = Process::start(&format!("broker -- --socket {socket} {options}"))?;
    broker.line()?;
    Ok((broker, vec![socket]))
}

/// Receives.
pub fn consume(paths: &[PathBuf], wait: Wait, window: Window) -> Result<()> {
    let [socket] = paths else { return Err("one path is needed".into()) };
    let broker = Broker::builder().socket(socket).name("ringbench").connect()?;
    let mut frames = broker.subscribe("cam0").max_held(1).wait_mode(wait.mode()).open()?;
    drop(broker);
    record(window, || {
        let frame = frames.next(PATIENCE)?;
        let seen_ns = monotonic_ns();
        Ok(Seen { sequence: frame.sequence().0, published_ns: frame.monotonic_ns(), seen_ns })
    })
}
