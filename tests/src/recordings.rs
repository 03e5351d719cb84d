//! Recordings to be replayed by a broker, beside each other.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::{Broker, Scratch};

/// Bytes of a frame of [`record`].
pub const BYTES: usize = 64;

/// Writes a recording of 8x8 frames whose bytes are their block ID: 50 ms apart by their times, without those left out. It
/// is replayed twice as fast, so that the times of arrival say nothing.
///
/// # Panics
/// When a file cannot be written.
pub fn record(scratch: &Scratch, name: &str, late_ns: u64, left_out: &[u64]) {
    let numbers = (1..=100).filter(|number| !left_out.contains(number));
    let mut bytes = Vec::new();
    let mut index = format!("{{\"framebroker_recording\": 1, \"data\": \"{name}.raw\"}}\n");
    for number in numbers {
        let (offset, time_ns) = (bytes.len(), number * 50_000_000 + late_ns);
        bytes.extend([u8::try_from(number).expect("a byte"); BYTES]);
        writeln!(index, "{{\"offset\": {offset}, \"width\": 8, \"height\": 8, \"pixel_format\": \"Mono8\", \"timestamp_ns\": {time_ns}, \"block_id\": {number}}}").expect("memory");
    }
    std::fs::write(scratch.file(&format!("{name}.raw")), bytes).expect("a file");
    std::fs::write(scratch.file(&format!("{name}.jsonl")), index).expect("a file");
}

/// The table of a stream that replays a recording, for a file of the broker's.
#[must_use]
pub fn table(directory: &Path, name: &str, more: &str) -> String {
    let path = directory.join(format!("{name}.jsonl"));
    format!("[[stream]]\nname = '{name}'\nsource = 'replay={}'\nfps = 40\n{more}\n", path.display())
}

/// Starts a broker with such a file.
///
/// # Panics
/// When it does not get ready; shows what it says.
pub fn start(scratch: &Scratch, program: &mut Command, text: &str) -> Broker {
    let path = scratch.file("cameras.toml");
    std::fs::write(&path, text).expect("a file");
    Broker::start_program(program, &format!("--config {}", path.display()))
}
