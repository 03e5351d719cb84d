//! What can go wrong, by who is to blame.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use framebroker_protocol::codec::CodecError;
use framebroker_protocol::message::ErrorCode;
use framebroker_protocol::shm::ShmError;
use framebroker_protocol::socket::ChannelError;
use framebroker_protocol::{BrokerId, ContextId, FrameRef, StreamName, TextError};
use nix::errno::Errno;

/// The result of most calls of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. Errors that end a subscription are given again by every later call.
///
/// `Debug` prints the message too: it is what `unwrap` and a `main` that returns an error show.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // The caller.
    /// A stream name that no stream can have.
    #[error(transparent)]
    Name(#[from] TextError),
    /// The caller holds as many frames as the subscription was granted. Waiting would be in vain: only the caller can
    /// drop one.
    #[error(
        "{max_held} frames are held, as many as this subscription may hold at once: drop one before asking for the next, or subscribe with a larger max_held"
    )]
    Full {
        /// Frames the subscription may hold.
        max_held: u32,
    },
    /// The frame asked for is gone.
    #[error("frame {context} is gone: {reason}")]
    Gone {
        /// The frame.
        context: ContextId,
        /// In what way.
        reason: GoneReason,
    },
    /// The frame asked for is of another stream than the subscription.
    #[error(
        "frame {frame} is of stream {}, and this subscription is to {stream}: acquire it by a subscription to its own stream, or by the broker object",
        .frame.stream
    )]
    OtherStream {
        /// The frame.
        frame: FrameRef,
        /// The subscription's stream.
        stream: StreamName,
    },
    /// Frames of this stream cannot be compared with those of others in the way that was asked for.
    #[error("frames of stream {stream} have no {missing}: match by another property, as by the time of arrival")]
    NotComparable {
        /// The stream.
        stream: String,
        /// What its frames would need.
        missing: &'static str,
    },
    /// A forked child used what its parent opened.
    #[error("this belongs to the process that was forked; connect, and subscribe or produce, again in the child")]
    Forked,

    /// What was said about a frame cannot be true of the segment it is in. Nothing was published.
    #[error("this frame cannot be published: {fault}")]
    Frame {
        /// What is wrong.
        fault: &'static str,
    },
    /// A buffer context that this producer does not keep.
    #[error(
        "segment {context} is not kept by this producer: only what was taken, kept and not published yet can be published"
    )]
    NotKept {
        /// The buffer context.
        context: u32,
    },
    /// The frames cannot change while segments are being filled.
    #[error("{count} segments are still being filled: publish or drop them before the frames change")]
    StillFilling {
        /// How many.
        count: usize,
    },
    /// The broker takes nothing more from this producer, or its frames have changed since the segment was taken, or it was
    /// dropped.
    #[error("what was lent before is no longer accepted: the producer was closed, or its next take says why")]
    Stopped,

    // Nobody: it may come later.
    /// Time is up. The subscription goes on; call again.
    #[error("{}", timeout_text(*.waited, .waiting_for))]
    Timeout {
        /// How long was waited.
        waited: Duration,
        /// What did not come.
        waiting_for: WaitingFor,
    },

    // The broker, with reason.
    /// The broker answered a request with an error.
    #[error("the broker refused: {text}")]
    Refused {
        /// Kind of failure.
        code: ErrorCode,
        /// What happened and what to do.
        text: String,
    },
    /// The stream has ended, and its last frame has been taken.
    #[error("the stream has ended: {reason}")]
    Closed {
        /// In the broker's words.
        reason: String,
    },
    /// The broker has ended this subscription.
    #[error("the broker has ended this subscription: {reason}")]
    Evicted {
        /// In the broker's words.
        reason: String,
    },

    // The connection.
    /// No broker was found.
    #[error("no broker found{}", list(.tried))]
    NoBroker {
        /// Every path tried, and what came of it.
        tried: Vec<Attempt>,
    },
    /// The broker died or closed the connection without giving a reason.
    #[error("the broker is gone. Frames that are held stay valid; connect again, or subscribe with reconnect(true)")]
    BrokerGone,
    /// The connection failed in another way.
    #[error(transparent)]
    Connection(Arc<ChannelError>),

    // The broker, without reason.
    /// The broker does not keep to the protocol.
    #[error("{0}; broker and client must be of matching versions")]
    Violation(#[source] Violation),

    // This machine.
    /// Shared memory cannot be used.
    #[error(transparent)]
    Memory(Arc<ShmError>),
    /// The kernel refuses something else.
    #[error("cannot {what}: {source}{}", files_hint(*.source))]
    System {
        /// What was tried.
        what: &'static str,
        /// The kernel's error.
        source: Errno,
    },
}

/// In what way a frame is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GoneReason {
    /// It was retired, or never existed.
    #[error(
        "its segment was filled again. Take frames sooner, or keep more with --segments or --history of the broker"
    )]
    Retired,
    /// It is of another run of the broker. The frames of a run end with it.
    #[error("it is of an earlier or other run of the broker, {of}, and this is {at}")]
    OtherBroker {
        /// The run that the frame is of.
        of: BrokerId,
        /// The run that was asked.
        at: BrokerId,
    },
}

/// What did not come in time.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitingFor {
    /// The next frame of a stream that is live.
    Frame,
    /// Frames of several streams that belong together, where frames came and do not.
    Set {
        /// Frames that came since the last set.
        frames: u64,
        /// How far apart the nearest of them were; `None` where not all streams had frames.
        nearest: Option<Apart>,
    },
    /// A frame exposed with a setting. Frames came, and were exposed before it, or may have been.
    Setting {
        /// The setting's version.
        version: u32,
        /// How many frames came.
        frames: u64,
        /// The settings version of the last of them.
        last: u32,
    },
    /// A segment to fill.
    Segment,
    /// The source, which is away.
    Source {
        /// What the broker says of it; empty if nothing.
        reason: String,
    },
    /// A broker to connect to again.
    Broker {
        /// What the last attempt ended with.
        last: String,
    },
    /// The broker's answer to a request of this name.
    Answer(&'static str),
}

/// How far apart frames are that do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Apart {
    /// In time, by which they are matched.
    Time {
        /// So far.
        apart: Duration,
        /// So far they may be.
        tolerance: Duration,
    },
    /// In the numbers that their cameras give them.
    BlockIds(u64),
}

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time { apart, tolerance } => {
                write!(f, "the nearest were {apart:.1?} apart, and the tolerance is {tolerance:?}")
            }
            Self::BlockIds(apart) => write!(f, "the block IDs of the nearest were {apart} apart"),
        }
    }
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame => f.write_str("no frame came"),
            Self::Set { frames, nearest: Some(nearest) } => {
                write!(f, "the {frames} frames that came since the last set do not belong together: {nearest}")
            }
            Self::Set { frames, nearest: None } => {
                write!(f, "{frames} frames came since the last set, and none of some of the streams")
            }
            Self::Setting { version, frames, last } => write!(
                f,
                "no frame came that was exposed with settings version {version}: of {frames} that came the last has {last}"
            ),
            Self::Segment => f.write_str("no segment came back to be filled (readers may hold them all)"),
            Self::Source { reason } if reason.is_empty() => f.write_str("no frame came (the camera is away)"),
            Self::Source { reason } => write!(f, "no frame came (the camera is away: {reason})"),
            Self::Broker { .. } => f.write_str("no broker came back"),
            Self::Answer(request) => write!(f, "the broker did not answer {request} (it may be stopped or overloaded)"),
        }
    }
}

/// One attempt to reach a broker.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {reason}", .path.display())]
pub struct Attempt {
    /// The socket tried.
    pub path: PathBuf,
    /// Why it did not do.
    #[source]
    pub reason: Unreachable,
}

impl Unreachable {
    /// Whether a broker may be there later with nothing else done: one starts, or has more clients than it takes.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Connect(errno) => {
                !matches!(errno, Errno::EACCES | Errno::EPERM | Errno::ENAMETOOLONG | Errno::EINVAL)
            }
            Self::WrongServer { .. } => false,
            Self::Greeting(error) => match &**error {
                Error::BrokerGone | Error::Timeout { .. } => true,
                Error::Refused { code, .. } => matches!(code, ErrorCode::Unavailable | ErrorCode::TooManyClients),
                _ => false,
            },
        }
    }
}

/// Why a socket did not do.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Unreachable {
    /// Nobody listens there.
    #[error("{}", connect_text(*.0))]
    Connect(#[source] Errno),
    /// Another user listens there than may.
    #[error(
        "the server there runs as user {uid}, not as this user or root; if you trust it, name it with server_uid({uid})"
    )]
    WrongServer {
        /// Its user.
        uid: u32,
    },
    /// A broker is there, and the greeting failed.
    #[error("{0}")]
    Greeting(#[source] Box<Error>),
}

/// How the broker broke the protocol.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A message that cannot be read.
    #[error(transparent)]
    Message(Arc<CodecError>),
    /// A message that nobody waits for.
    #[error("the broker sent an unexpected message ({0})")]
    Unexpected(&'static str),
    /// More or fewer descriptors than a message needs.
    #[error("a message carries {found} descriptors instead of {expected}")]
    Descriptors {
        /// Needed.
        expected: usize,
        /// Received.
        found: usize,
    },
    /// Another version than asked for.
    #[error("the broker speaks version {0} of the protocol")]
    Version(u32),
    /// Other terms than asked for.
    #[error("the broker granted other terms than were asked for ({0})")]
    Terms(&'static str),
    /// A frame header that cannot be true. The frame was given back; the subscription goes on.
    #[error("the header of frame {context} is wrong: {fault}")]
    Header {
        /// The frame.
        context: ContextId,
        /// What is wrong.
        fault: &'static str,
    },
    /// A frame in a segment whose descriptor never came. The frame was given back; the subscription goes on.
    #[error("the segment of frame {context} was never handed over")]
    Unmapped {
        /// The frame.
        context: ContextId,
    },
}

impl Error {
    /// The broker's code, where the broker has refused something: also where it refused the connection.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::NoBroker { tried } => tried.iter().find_map(|attempt| match &attempt.reason {
                Unreachable::Greeting(error) => error.code(),
                _ => None,
            }),
            _ => None,
        }
    }

    /// Whether the same call may well succeed later, with nothing else done: [`Error::Timeout`].
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout { .. })
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<CodecError> for Error {
    fn from(error: CodecError) -> Self {
        Self::Violation(Violation::Message(Arc::new(error)))
    }
}

impl From<ShmError> for Error {
    fn from(error: ShmError) -> Self {
        Self::Memory(Arc::new(error))
    }
}

impl From<ChannelError> for Error {
    fn from(error: ChannelError) -> Self {
        match error {
            ChannelError::Closed => Self::BrokerGone,
            error => Self::Connection(Arc::new(error)),
        }
    }
}

fn timeout_text(waited: Duration, waiting_for: &WaitingFor) -> String {
    let ms = waited.as_millis();
    match waiting_for {
        WaitingFor::Broker { last } => format!("{waiting_for} within {ms} ms; the last attempt: {last}"),
        WaitingFor::Setting { .. } => format!("within {ms} ms {waiting_for}"),
        WaitingFor::Set { .. } => format!("no set came within {ms} ms: {waiting_for}"),
        _ => format!("{waiting_for} within {ms} ms"),
    }
}

fn list(tried: &[Attempt]) -> String {
    let lines: String = tried.iter().map(|attempt| format!("\n  {attempt}")).collect();
    format!("{lines}{}", advice(tried))
}

/// What to do about it. Where a broker is, it is not to start a second one.
fn advice(tried: &[Attempt]) -> String {
    let some = |is: fn(&Unreachable) -> bool| tried.iter().any(|attempt| is(&attempt.reason));
    if some(|reason| {
        !matches!(reason, Unreachable::Connect(_)) || matches!(reason, Unreachable::Connect(Errno::EAGAIN))
    }) {
        // The attempt itself says it.
        return String::new();
    }
    let other = "name its socket (--socket, or the variable FRAMEBROKER_SOCKET)";
    if some(|reason| matches!(reason, Unreachable::Connect(Errno::EACCES | Errno::EPERM))) {
        let uid = nix::unistd::geteuid();
        return format!(
            "\nstart the broker there with `--allow-uid {uid}`, on a socket in a directory that user {uid} may enter; for another broker, {other}"
        );
    }
    format!("\nstart one with `broker --segments 8`, or {other}")
}

fn connect_text(errno: Errno) -> String {
    match errno {
        Errno::ENOENT => "no such socket".to_owned(),
        Errno::ECONNREFUSED => "no broker listens on it any more".to_owned(),
        Errno::EACCES | Errno::EPERM => "this user may not open it".to_owned(),
        Errno::EAGAIN => "a broker is there, but it accepts no connections; it may be stopped or overloaded".to_owned(),
        Errno::EPROTOTYPE => "a socket is there, but not of a broker".to_owned(),
        Errno::ENAMETOOLONG => "the path is too long for a socket".to_owned(),
        errno => format!("{errno}{}", files_hint(errno)),
    }
}

fn files_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::EMFILE | Errno::ENFILE => "; raise the limit on open files (ulimit -n)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(path: &str, reason: Unreachable) -> Attempt {
        Attempt { path: path.into(), reason }
    }

    #[test]
    fn no_broker_names_every_path_and_says_how_to_start_one() {
        let tried = vec![
            attempt("/run/a.sock", Unreachable::Connect(Errno::ENOENT)),
            attempt("/tmp/b.sock", Unreachable::Connect(Errno::ECONNREFUSED)),
        ];
        let text = Error::NoBroker { tried }.to_string();
        for part in ["/run/a.sock: no such socket", "/tmp/b.sock", "broker --segments 8", "FRAMEBROKER_SOCKET"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
    }

    #[test]
    fn a_refused_greeting_keeps_its_code_and_advises_no_second_broker() {
        let refused = Error::Refused { code: ErrorCode::Forbidden, text: "see --allow-uid".into() };
        let error = Error::NoBroker { tried: vec![attempt("/x", Unreachable::Greeting(Box::new(refused)))] };
        assert_eq!(error.code(), Some(ErrorCode::Forbidden));
        assert!(error.to_string().contains("--allow-uid") && !error.to_string().contains("start one"));
    }

    #[test]
    fn a_socket_that_may_not_be_opened_advises_to_be_let_in() {
        let tried = vec![
            attempt("/run/a.sock", Unreachable::Connect(Errno::EACCES)),
            attempt("/tmp/b.sock", Unreachable::Connect(Errno::ENOENT)),
        ];
        let text = Error::NoBroker { tried }.to_string();
        let advice = format!("--allow-uid {}", nix::unistd::geteuid());
        assert!(text.contains("/run/a.sock: this user may not open it") && text.contains(&advice), "{text}");
        assert!(!text.contains("--segments"), "{text}");
    }

    #[test]
    fn timeouts_say_what_did_not_come() {
        let waiting_for = WaitingFor::Source { reason: "unplugged".into() };
        let error = Error::Timeout { waited: Duration::from_secs(2), waiting_for };
        assert_eq!(error.to_string(), "no frame came (the camera is away: unplugged) within 2000 ms");
        let late = |nearest| {
            let waiting_for = WaitingFor::Set { frames: 300, nearest };
            Error::Timeout { waited: Duration::from_secs(2), waiting_for }.to_string()
        };
        let (apart, tolerance) = (Duration::from_micros(16_666), Duration::from_millis(2));
        let texts = [Some(Apart::Time { apart, tolerance }), Some(Apart::BlockIds(17)), None].map(late);
        let begin = "no set came within 2000 ms: the 300 frames that came since the last set do not belong together: ";
        assert_eq!(texts[0], format!("{begin}the nearest were 16.7ms apart, and the tolerance is 2ms"));
        assert_eq!(texts[1], format!("{begin}the block IDs of the nearest were 17 apart"));
        assert!(
            texts[2].ends_with("300 frames came since the last set, and none of some of the streams"),
            "{}",
            texts[2]
        );
    }
}
