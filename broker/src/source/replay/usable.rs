//! Which frames can be replayed, and what is said of those that cannot. Nothing that lies in a directory is trusted.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path};

use tracing::warn;

use super::{OnError, ReplayOptions, invalid};
use crate::source::SourceError;

/// A frame that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot replay {name}: {reason}")]
pub(super) struct Broken {
    pub(super) name: String,
    pub(super) reason: String,
}

impl Broken {
    pub(super) fn new(name: &(impl AsRef<Path> + ?Sized), reason: String) -> Self {
        Self { name: name.as_ref().display().to_string(), reason }
    }

    pub(super) fn nameless() -> Self {
        Self { name: "a frame".to_owned(), reason: "it is not in the list".to_owned() }
    }
}

/// What is known of a frame before it is read.
pub(super) trait Known {
    fn name(&self) -> String;
    fn bytes(&self) -> usize;
}

impl ReplayOptions {
    /// A frame for which there can be segments.
    fn fitting<T: Known>(&self, frame: T) -> Result<T, Broken> {
        if frame.bytes() as u64 <= self.most_bytes {
            return Ok(frame);
        }
        let (bytes, most_mb) = (frame.bytes(), self.most_bytes >> 20);
        let reason = format!(
            "a frame of {bytes} bytes is too large: --memory-limit has {most_mb} MB for each of the --segments; raise it or use \
             fewer segments"
        );
        Err(Broken { name: frame.name(), reason })
    }
}

/// Opens a file that the user has named. Not a pipe or a device: opening one, or reading from it, might take for ever.
pub(super) fn open_file(path: &Path) -> std::io::Result<File> {
    open_with(path, 0)
}

/// Opens a file that another file names by its name alone: one beside it, and no link, which could lead anywhere.
pub(super) fn open_beside(other: &Path, name: &str) -> std::io::Result<File> {
    let mut parts = Path::new(name).components();
    let is_plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
    if !is_plain {
        return Err(std::io::Error::other("it must be the name of a file beside the index, without a directory"));
    }
    open_with(&other.with_file_name(name), libc::O_NOFOLLOW).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => std::io::Error::other("it is a link; the data must be a file beside the index"),
        _ => error,
    })
}

fn open_with(path: &Path, flags: i32) -> std::io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(flags | libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is no regular file")) }
}

/// The frames that can be replayed, by what is known of them beforehand.
pub(super) fn usable<T: Known>(frames: Vec<Result<T, Broken>>, options: &ReplayOptions) -> Result<Vec<T>, SourceError> {
    let mut usable = Vec::new();
    for frame in frames {
        match (frame.and_then(|frame| options.fitting(frame)), options.on_error) {
            (Ok(frame), _) => usable.push(frame),
            (Err(broken), OnError::Skip) => warn!(%broken, "skipped"),
            (Err(broken), OnError::Stop) => {
                return Err(invalid(format!("{broken}; --replay-errors skip goes on without it")));
            }
        }
    }
    Ok(usable)
}
