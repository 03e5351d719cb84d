//! Subscribers that were written from PROTOCOL.md alone, in other languages: `tests/foreign`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::binaries;

/// What a subscriber is written in, with nothing but the standard library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Python 3.
    Python,
    /// Go.
    Go,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Python, Self::Go];

    /// Its subscriber, to be given words.
    #[must_use]
    pub fn subscriber(self) -> Command {
        match self {
            Self::Python => {
                let mut python = Command::new("python3");
                python.arg("-B").arg(sources().join("python/subscriber.py"));
                python
            }
            Self::Go => Command::new(go_subscriber()),
        }
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign")
}

/// Built once for all tests of a program.
fn go_subscriber() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let program = binaries::target().join(binaries::profile()).join("go-subscriber");
        let built = Command::new("go")
            .arg("build")
            .arg("-o")
            .arg(&program)
            .current_dir(sources().join("go"))
            .env("GOCACHE", binaries::target().join("go-cache"))
            .env("GOFLAGS", "-mod=mod")
            .env("GOPROXY", "off")
            .status()
            .expect("go can be started: scripts/setup.sh installs it");
        assert!(built.success(), "the subscriber in Go cannot be built");
        program
    })
}
