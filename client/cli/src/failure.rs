//! Why a command ended without doing what was asked, and the exit code that says so.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use framebroker_client::{Attempt, Error, ErrorCode, Unreachable};

use crate::image::ConvertError;

/// Bad frames, or something failed.
const FAILED: u8 = 1;
/// The command line is wrong, or the broker refused what was asked.
const REFUSED: u8 = 2;

/// Why a command ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    // The user.
    /// The broker has no such stream.
    #[error("there is no stream {name:?}; {}", known_streams(.known))]
    UnknownStream {
        /// As given.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// Nobody knows what the frames should be.
    #[error(
        "the frames of {stream} (source {source_kind}) cannot be verified: only the test pattern can (`broker --source pattern`, without --fill none); leave --verify out"
    )]
    NotVerifiable {
        /// The stream.
        stream: String,
        /// What fills it.
        source_kind: String,
    },
    /// A word of `set` that is no assignment.
    #[error("{0:?} is no FEATURE=VALUE, as in ExposureTime=5000")]
    NoAssignment(String),
    /// One of several features was not set.
    #[error("{feature} is not set: {source}{}", in_part(.done, .left))]
    SetInPart {
        /// Which.
        feature: String,
        /// Those that were set before it.
        done: Vec<String>,
        /// Those after it, which nobody tried to set.
        left: Vec<String>,
        /// Why.
        source: Box<Error>,
    },
    /// The name cannot become a file.
    #[error("cannot write {}: {reason}", .path.display())]
    Target {
        /// As given.
        path: PathBuf,
        /// What is wrong, and what would do.
        reason: &'static str,
    },

    // The frames.
    /// Frames were not what they should be; each was named before.
    #[error("{0} bad frames")]
    BadFrames(u64),
    /// A frame that cannot become an image.
    #[error("frame {sequence} cannot be saved: {source}")]
    Convert {
        /// Its sequence.
        sequence: u64,
        /// Why.
        source: ConvertError,
    },
    /// The source or the broker is silent.
    #[error("{reason} within {} s; a longer --timeout waits longer", .waited.as_secs_f64())]
    Silence {
        /// As long as was asked for.
        waited: Duration,
        /// What did not come.
        reason: String,
    },
    /// A signal, or the stream's end, came before all frames did.
    #[error("saved {done} of {wanted} frames: {reason}")]
    Unfinished {
        /// Written.
        done: u64,
        /// Asked for.
        wanted: u64,
        /// What came between.
        reason: String,
    },

    // Broker and connection.
    /// A broker is there, but of a user whom nobody named.
    #[error("no broker found that you trust{}", attempts(.tried))]
    Untrusted {
        /// Every path tried.
        tried: Vec<Attempt>,
    },
    /// The broker died.
    #[error("the broker is gone; start it again (`watch --reconnect` would go on with it)")]
    BrokerGone,
    /// The client library says what to do.
    #[error(transparent)]
    Client(#[from] Error),

    /// Another broker has come, of which this command has control of nothing.
    #[error("sole control has ended: the broker was started anew")]
    ControlLost,

    // This machine.
    /// What was to be run while control is held.
    #[error("cannot run {command}: {source}")]
    Command {
        /// Its name.
        command: String,
        /// The kernel's error.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}; name a place where this user may write and there is room", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// Standard output is closed. No failure: see `main`.
    #[error("nobody reads the output")]
    NobodyReads,
    /// Standard output fails in another way.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// Ctrl-C would not end the command in order.
    #[error("cannot listen to signals: {0}")]
    Signals(#[source] io::Error),
}

impl Failure {
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownStream { .. } | Self::NotVerifiable { .. } | Self::Target { .. } => REFUSED,
            Self::Untrusted { .. } | Self::NoAssignment(_) => REFUSED,
            Self::SetInPart { source, .. } => source.code().map_or(FAILED, refusal),
            Self::ControlLost | Self::Command { .. } => FAILED,
            Self::Client(Error::Name(_)) => REFUSED,
            Self::Client(error) => error.code().map_or(FAILED, refusal),
            _ => FAILED,
        }
    }
}

/// Why there is no connection, in the words of the command line.
pub fn no_connection(error: Error) -> Failure {
    match error {
        Error::NoBroker { tried }
            if tried.iter().any(|attempt| matches!(attempt.reason, Unreachable::WrongServer { .. })) =>
        {
            Failure::Untrusted { tried }
        }
        error => error.into(),
    }
}

/// A line for each. The library's own speaks of the call that trusts a user, which nobody can make here.
fn attempts(tried: &[Attempt]) -> String {
    let line = |attempt: &Attempt| match attempt.reason {
        Unreachable::WrongServer { uid } => format!(
            "\n  {}: the server there runs as user {uid}, not as this user or root; if you trust it, add --server-uid {uid}",
            attempt.path.display()
        ),
        _ => format!("\n  {attempt}"),
    };
    tried.iter().map(line).collect()
}

/// Broker errors of which another command line, or another user, would not get.
fn refusal(code: ErrorCode) -> u8 {
    match code {
        ErrorCode::Malformed | ErrorCode::NoHello | ErrorCode::TooSlow | ErrorCode::Unavailable => FAILED,
        ErrorCode::Busy | ErrorCode::CameraFailed => FAILED,
        _ => REFUSED,
    }
}

fn in_part(done: &[String], left: &[String]) -> String {
    let list = |what: &str, features: &[String]| {
        if features.is_empty() { String::new() } else { format!("\n  {what}: {}", features.join(", ")) }
    };
    list("set before it", done) + &list("left as they were", left)
}

fn known_streams(known: &[String]) -> String {
    if known.is_empty() { "this broker has none".to_owned() } else { format!("there is {}", known.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_can_change_is_a_refusal() {
        let refused = |code| Failure::from(Error::Refused { code, text: String::new() }).exit_code();
        assert_eq!(refused(ErrorCode::UnknownStream), REFUSED);
        assert_eq!(refused(ErrorCode::NotAdmitted), REFUSED);
        assert_eq!(refused(ErrorCode::Unavailable), FAILED);
        assert_eq!(Failure::from(Error::BrokerGone).exit_code(), FAILED);
        assert_eq!(Failure::from(Error::NoBroker { tried: Vec::new() }).exit_code(), FAILED);
        assert_eq!(Failure::BadFrames(1).exit_code(), FAILED);
    }

    #[test]
    fn a_broker_of_another_user_is_trusted_by_an_option() {
        let attempt = Attempt { path: "/x".into(), reason: Unreachable::WrongServer { uid: 7 } };
        let failure = no_connection(Error::NoBroker { tried: vec![attempt] });
        assert!(failure.to_string().ends_with("--server-uid 7"), "{failure}");
        assert!(!failure.to_string().contains("server_uid("), "{failure}");
        assert_eq!(failure.exit_code(), REFUSED);
    }
}
