//! Why a broker cannot run.

use framebroker_protocol::StreamName;
use framebroker_protocol::shm::ShmError;

use crate::factory::FactoryError;
use crate::sessions::end::{DRIVER_TIME, Impatience};
use crate::sessions::listener::ListenError;
use crate::source::SourceError;
use crate::stream::scheduling::SchedulingError;

/// Why a broker cannot run. Each text says what would do.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The source cannot be opened.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Nobody could connect.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No memory to share.
    #[error(transparent)]
    Memory(#[from] ShmError),
    /// No segments.
    #[error(transparent)]
    Factory(#[from] FactoryError),
    /// The source and the newest frame take more segments than there are to be.
    #[error(
        "--segments {segments} is too few: the source and the newest frame need {reserve}, and every frame that is held one \
         more"
    )]
    TooFewSegments {
        /// As the options say.
        segments: usize,
        /// How many are needed.
        reserve: usize,
    },
    /// The options ask for more memory than they allow.
    #[error(
        "{segments} segments of {payload_bytes} bytes take {asked_mb} MB, the limit is {limit_mb} MB; use fewer --segments or \
         raise --memory-limit"
    )]
    TooMuchMemory {
        /// As the options say.
        segments: usize,
        /// Of one segment.
        payload_bytes: u64,
        /// In MB of 2^20 bytes, rounded up.
        asked_mb: u64,
        /// The same, rounded down.
        limit_mb: u64,
    },
    /// How much memory there is cannot be told.
    #[error("cannot read the machine's memory from /proc/meminfo; give --memory-limit")]
    UnknownMemory,
    /// Other users may connect, and could write the segments.
    #[error(
        "--backing {backing} serves the broker's own user only, since its objects cannot be protected from other users who \
         may read them; leave --allow-uid and --allow-gid out, or use --backing memfd"
    )]
    Unprotected {
        /// What segments are made of.
        backing: String,
    },
    /// A producer could write the segments for ever.
    #[error(
        "the source producer needs segments that are lent and then sealed, which the backing {backing} does not offer; use \
         --backing memfd or hugetlb"
    )]
    Unsealed {
        /// What segments are made of.
        backing: String,
    },
    /// A grab thread cannot run as wanted.
    #[error(transparent)]
    Scheduling(#[from] SchedulingError),
    /// One of several streams cannot be started.
    #[error("stream {name}: {why}")]
    Stream {
        /// Its name.
        name: StreamName,
        /// Why.
        why: Box<RunError>,
    },
    /// The kernel refused something else.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// A signal came, and not all streams had ended when nothing was waited for any more.
    #[error(
        "ended {}: the driver of {} had not returned. What it held is freed with this process; its camera may be unavailable for \
         some seconds", because(*.0), names(.1)
    )]
    Stuck(Impatience, Vec<StreamName>),
    /// A signal came before the broker was ready.
    #[error("ended by a signal while waiting for the camera")]
    Interrupted,
}

impl RunError {
    /// For what the kernel refuses, by what was tried.
    pub(super) fn system<E: Into<std::io::Error>>(what: &'static str) -> impl Fn(E) -> Self {
        move |source| Self::System { what, source: source.into() }
    }

    /// Names the stream where there are several.
    pub(super) fn of_stream(self, name: &StreamName, streams: usize) -> Self {
        if streams > 1 { Self::Stream { name: name.clone(), why: Box::new(self) } } else { self }
    }
}

fn because(why: Impatience) -> String {
    match why {
        Impatience::Insisted => "at once, because of a second signal".to_owned(),
        Impatience::TookTooLong => format!("{} s after the signal", DRIVER_TIME.as_secs()),
    }
}

fn names(streams: &[StreamName]) -> String {
    streams.iter().map(StreamName::as_str).collect::<Vec<_>>().join(", ")
}
