//! What is wrong with the command line or its file.

use std::fmt;
use std::path::PathBuf;

/// The exit status of clap for a wrong command line.
const WRONG_OPTIONS: i32 = 2;

/// What is wrong with the command line or its file.
#[derive(Debug)]
pub enum ConfigError {
    /// The command line is wrong, or asks for help.
    CommandLine(Box<clap::Error>),
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
            Self::File { path, line: Some(line), reason } => write!(f, "{}:{line}: {reason}", path.display()),
            Self::File { path, line: None, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for ConfigError {}
