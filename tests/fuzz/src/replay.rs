//! Replays whatever lies in a folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use framebroker::factory::{BufferFactory, Memfd};
use framebroker::source::{Event, OnError, ReplayOptions, ReplaySource, Source};

/// The most bytes of a frame: a larger claim is refused, as with `--memory-limit`.
const MOST_BYTES: u64 = 1 << 20;

/// A folder of this process. Where libFuzzer ends the process it stays: scripts/fuzz.sh names a `TMPDIR` that it removes.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Default for Scratch {
    /// # Panics
    /// Where the folder cannot be made.
    fn default() -> Self {
        let folder = std::env::temp_dir().join(format!("framebroker-fuzz.{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

impl Scratch {
    /// Writes a file; the input is all that is in it.
    ///
    /// # Panics
    /// Where that is not possible.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }
}

/// Opens what lies there and reads at most four frames of it.
///
/// # Panics
/// Where a frame says that it is more than its segment has room for.
pub fn replay(path: &Path, on_error: OnError) {
    let options =
        ReplayOptions { path: path.to_owned(), fps: Some(0.0), repeat: true, on_error, most_bytes: MOST_BYTES };
    let Ok(mut source) = ReplaySource::open(&options) else { return };
    let needs = source.requirements();
    assert!(needs.payload_bytes as u64 <= MOST_BYTES, "{} bytes of a frame were let through", needs.payload_bytes);
    let Ok(segment) = Memfd::default().allocate(needs.payload_bytes) else { return };
    let _described = source.describe();
    if source.start().is_err() {
        return;
    }
    source.queue(segment);
    for _ in 0..4 {
        match source.wait(Duration::ZERO) {
            Event::Filled(segment, info) => {
                let header = info.header();
                let bytes = header.chunk_offset.saturating_add(header.chunk_bytes);
                assert!(
                    bytes <= needs.payload_bytes as u64,
                    "a frame of {bytes} in a segment for {}",
                    needs.payload_bytes
                );
                source.queue(segment);
            }
            Event::Ended(_) | Event::Gone(_) => break,
            Event::Starved | Event::Timeout => {}
        }
    }
    drop(source.stop());
}
