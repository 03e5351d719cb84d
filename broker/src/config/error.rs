//! What is wrong with the command line or its file.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

/// The exit status of clap for a wrong command line.
const WRONG_OPTIONS: i32 = 2;
/// That of a broker that fails.
const FAILED: i32 = 1;

/// What is wrong with the command line or its file.
#[derive(Debug)]
pub enum ConfigError {
    /// The command line is wrong, or asks for help.
    CommandLine(Box<clap::Error>),
    /// Help that was asked for, to be printed as it is.
    Answer(String),
    /// The manual page cannot be written.
    Manual {
        /// Where to.
        directory: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is wrong or cannot be read.
    File {
        /// Its path.
        path: PathBuf,
        /// Where, counted from 1; `None` where it is about more than one line.
        line: Option<usize>,
        /// What is wrong, and what would do.
        reason: String,
    },
}

impl ConfigError {
    /// Prints it and ends the process, as clap does.
    pub fn exit(&self) -> ! {
        match self {
            Self::CommandLine(error) => error.exit(),
            Self::Answer(text) => {
                // Whoever closed our standard output does not want it.
                let _unread = std::io::stdout().write_all(text.as_bytes());
                std::process::exit(0)
            }
            Self::Manual { .. } => {
                eprintln!("broker: {self}");
                std::process::exit(FAILED)
            }
            Self::File { .. } => {
                eprintln!("broker: {self}");
                std::process::exit(WRONG_OPTIONS)
            }
        }
    }
}

impl From<clap::Error> for ConfigError {
    fn from(error: clap::Error) -> Self {
        Self::CommandLine(Box::new(error))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(error) => error.fmt(f),
            Self::Answer(text) => f.write_str(text),
            Self::Manual { directory, source } => {
                write!(
                    f,
                    "cannot write the manual into {}: {source}; name a directory that exists",
                    directory.display()
                )
            }
            Self::File { path, line: Some(line), reason } => write!(f, "{}:{line}: {reason}", path.display()),
            Self::File { path, line: None, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for ConfigError {}
