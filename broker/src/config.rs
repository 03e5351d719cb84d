//! The command line, and the file that can stand for it (`file`): options of the broker, and of each stream.

mod error;
mod file;
mod help;
mod lease;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use framebroker_protocol::{PixelFormat, StreamName};

use crate::factory::Placement;
use crate::source::{Fill, OnError};
use values::{
    SourceKind, alignment, byte_count, frame_rate, group, history, interval, megabytes, milliseconds, seconds,
    segment_count, sessions,
};

pub use error::ConfigError;
pub use lease::Lease;
pub use values::{AllowedUser, BackingChoice, FeatureSetting, GrabStrategy, SourceChoice};

/// Headings of `--help`.
const CAMERAS: &str = "Cameras";
const CLIENTS: &str = "Clients";

/// Grabs camera frames into a ring of shared memory that other processes read with no copy.
///
/// Consumers attach over the broker's Unix socket. Without --socket that is $FRAMEBROKER_SOCKET, else
/// $XDG_RUNTIME_DIR/framebroker.sock, else /run/framebroker/broker.sock (root, or with --allow-uid or --allow-gid), else
/// /tmp/framebroker-$UID/broker.sock.
#[derive(Debug, Clone, Parser)]
#[command(name = "broker", version, max_term_width = 120, after_long_help = help::AFTER, mut_args(help::take_negative))]
struct CommandLine {
    /// Read the streams and all else from this TOML file: its keys are the options below without the dashes, each camera's
    /// in a table [[stream]]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// List the cameras that the source can open, and end
    #[arg(long, help_heading = CAMERAS)]
    list: bool,
    #[command(flatten)]
    help: help::HelpOptions,
    #[command(flatten)]
    stream: StreamOptions,
    #[command(flatten)]
    broker: BrokerOptions,
}

/// What is said of each stream.
#[derive(Debug, Clone, Args)]
pub struct StreamOptions {
    /// Segments to begin with, 512 at most [default: 8; for pylon, whose ring cannot grow, 16]
    #[arg(long, value_name = "N", value_parser = segment_count)]
    pub segments: Option<usize>,
    /// Segments the ring may grow to when subscriptions need them, 512 at most
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = segment_count)]
    pub max_segments: usize,
    /// Time after which the ring gives up segments that subscriptions no longer need, down to --segments; without a unit in s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = seconds)]
    pub shrink_after: Duration,
    /// Frames to keep beyond all holds, so that a reader may lag
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = history)]
    pub history: usize,
    /// Name of the stream
    #[arg(long, default_value = "cam0")]
    pub name: StreamName,
    /// What fills the segments: pattern, aravis[=DEVICE], pylon[=SERIAL|NAME|MODEL], replay=PATH (a directory of PNG and TIFF
    /// files, or the index of a recording), or producer (another process, which attaches by the client library)
    #[arg(long, default_value = "pattern", value_name = "SOURCE")]
    pub source: SourceChoice,
    /// Wait for a camera that is not there yet
    #[arg(long, help_heading = CAMERAS)]
    pub wait: bool,
    /// Set a camera feature before grabbing; may be given more than once
    #[arg(long, value_name = "FEATURE=VALUE", help_heading = CAMERAS)]
    pub set: Vec<FeatureSetting>,
    /// Load a file of camera settings, as pylon Viewer saves it (.pfs), before all other settings; pylon only
    #[arg(long, value_name = "FILE", help_heading = CAMERAS)]
    pub load: Option<PathBuf>,
    /// Width in pixels [default: 1920 for the pattern, else the camera's]
    #[arg(long)]
    pub width: Option<u32>,
    /// Height in pixels [default: 1080 for the pattern, else the camera's]
    #[arg(long)]
    pub height: Option<u32>,
    /// PFNC pixel format [default: Mono8 for the pattern, else the camera's]
    #[arg(long, value_name = "FORMAT")]
    pub pixel_format: Option<PixelFormat>,
    /// Frames per second; the pattern and a replay take 0 for as many as possible [default: 30 for the pattern and images,
    /// else the camera's or the recording's]
    #[arg(long, value_parser = frame_rate)]
    pub fps: Option<f64>,
    /// Begin a replay again after its last frame, instead of ending the stream
    #[arg(long)]
    pub replay_loop: bool,
    /// What a replay does at a frame that cannot be read
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub replay_errors: OnError,
    /// What the pattern writes
    #[arg(long, value_enum, default_value_t)]
    pub fill: Fill,
    /// Size of a GigE Vision packet [default: what the network takes; 1400 over loopback]
    #[arg(long, value_name = "BYTES", help_heading = CAMERAS, value_parser = byte_count)]
    pub packet_size: Option<u32>,
    /// Size of the receive buffer of a GigE Vision stream, as in 8M [default: by frame size]
    #[arg(long, value_name = "BYTES", help_heading = CAMERAS, value_parser = byte_count)]
    pub socket_buffer: Option<u32>,
    /// Publish frames of which a part was lost on the way, marked incomplete, instead of only counting them
    #[arg(long, help_heading = CAMERAS)]
    pub publish_incomplete: bool,
    /// Which frames a subscription gets that names no policy, in pylon's words: OneByOne and LatestImages are policy
    /// sequential, LatestImageOnly latest, UpcomingImage upcoming
    #[arg(long, value_name = "STRATEGY", default_value = "OneByOne", help_heading = CLIENTS)]
    pub grab_strategy: GrabStrategy,
    /// What segments are made of: memfd, hugetlb[=2M|1G] (huge pages, which the machine's owner sets aside), or posix (named
    /// objects in /dev/shm for languages that cannot receive descriptors: socket delivery and own user only, and any
    /// program that may open an object may also write it)
    #[arg(long, value_name = "BACKING", default_value = "memfd")]
    pub backing: BackingChoice,
    /// Begin every payload at a multiple of this many bytes: a power of two from 64 to 2M
    #[arg(long, value_name = "BYTES", default_value = "4096", value_parser = alignment)]
    pub align: usize,
    /// Lock segments in memory, so that they are never swapped out
    #[arg(long)]
    pub mlock: bool,
    /// Allocate segments on this NUMA node only [default: where the thread that first writes them runs]
    #[arg(long, value_name = "N")]
    pub numa_node: Option<u32>,
    /// Most memory for the stream's segments, as in 500M or 2G; without a unit in MB of 2^20 bytes [default: a quarter of the
    /// machine's, divided among the streams]
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    pub memory_limit: Option<u64>,
    /// Warn once in the log when the stream's segments take more memory than this, as in 500M or 2G; without a unit in MB of
    /// 2^20 bytes [default: do not]
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    pub memory_warn: Option<u64>,
    /// How long the pattern may wait for lossless readers within one ring of frames, without a unit in ms; cameras never
    /// wait. 0 refuses lossless
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = milliseconds, help_heading = CLIENTS)]
    pub lossless_timeout: Duration,
    /// End the stream after this many frames; the broker ends with its last stream
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: Option<u64>,
    /// Run the grab thread, and threads that a camera's driver starts from it, on this CPU only [default: on any]
    #[arg(long, value_name = "N")]
    pub grab_cpu: Option<u32>,
    /// Run the grab thread at this real-time priority (SCHED_FIFO), 1 to 99: before all programs without one
    /// [default: without one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=99))]
    pub grab_priority: Option<u8>,
}

/// What is said of the broker as a whole.
#[derive(Debug, Clone, Args)]
pub struct BrokerOptions {
    /// Socket to listen on [default: as above]
    #[arg(long, value_name = "PATH", help_heading = CLIENTS)]
    pub socket: Option<PathBuf>,
    /// How long a frame may be held, as in 500ms or 2s, without a unit in ms: a longer hold is reported in the log and in the
    /// statistics; 0 means no limit
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = milliseconds)]
    pub lease: Duration,
    /// End a subscription that holds a frame longer than the lease. The frames it held stay unchanged; new segments replace
    /// theirs
    #[arg(long)]
    pub evict: bool,
    /// Log the figures of each stream in this interval, without a unit in s [default: only at the end]
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub stats_interval: Option<Duration>,
    /// Frames a second that a producer may fill: one that fills more is disconnected
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..), help_heading = CLIENTS)]
    pub producer_rate: u32,
    /// Sessions at once
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = sessions, help_heading = CLIENTS)]
    pub max_clients: usize,
    /// Sessions at once of one user other than the broker's
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = sessions, help_heading = CLIENTS)]
    pub max_clients_per_user: usize,
    /// Let this user connect, as consumer or with the roles given: producer (fills a stream), control (sets cameras); may be
    /// given more than once
    #[arg(long, value_name = "UID[:ROLE,ROLE]", help_heading = CLIENTS)]
    pub allow_uid: Vec<AllowedUser>,
    /// Let users of this group connect as consumers; may be given more than once
    #[arg(long, value_name = "GID", value_parser = group, help_heading = CLIENTS)]
    pub allow_gid: Vec<u32>,
}

/// What the broker is told to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// List the cameras that the first stream's source can open, and end.
    pub list: bool,
    /// What holds for all streams.
    pub broker: BrokerOptions,
    /// The streams, at least one, each with a name of its own.
    pub streams: Vec<StreamOptions>,
}

impl Config {
    /// Reads the command line, and the file that it names; prints help or what is wrong and ends the process where the
    /// command line asks for that or is wrong.
    #[must_use]
    pub fn parse() -> Self {
        Self::parse_from(std::env::args_os())
    }

    /// As [`Self::parse`], from these words, of which the first is the program's name.
    #[must_use]
    pub fn parse_from(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Self {
        Self::try_parse_from(words).unwrap_or_else(|error| error.exit())
    }

    /// As [`Self::parse_from`], but returns what is wrong.
    ///
    /// # Errors
    /// Names the option, in a file also the line, and says what would do.
    pub fn try_parse_from(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, ConfigError> {
        let matches = CommandLine::command().try_get_matches_from(words)?;
        let line = CommandLine::from_arg_matches(&matches)?;
        if let Some(answer) = line.help.clone().answer(CommandLine::command()) {
            return Err(answer);
        }
        let (config, lines) = match &line.config {
            Some(path) => file::read(path, &matches)?,
            None => (Self { list: line.list, broker: line.broker, streams: vec![line.stream] }, Vec::new()),
        };
        match config.check() {
            Ok(()) => Ok(config),
            Err(Conflict { stream, advice }) => Err(match line.config {
                Some(path) => {
                    let line = stream.and_then(|stream| lines.get(stream).copied());
                    ConfigError::File { path, line, reason: advice }
                }
                None => CommandLine::command().error(ErrorKind::ArgumentConflict, advice).into(),
            }),
        }
    }

    /// What is wrong with the options together, if anything.
    fn check(&self) -> Result<(), Conflict> {
        self.broker.check().map_err(|advice| Conflict { stream: None, advice })?;
        for (at, stream) in self.streams.iter().enumerate() {
            let name = &stream.name;
            let conflict = |advice| Conflict { stream: Some(at), advice };
            if self.streams.iter().take(at).any(|earlier| earlier.name == *name) {
                let advice = format!("two streams have the name {name}; give each [[stream]] a name of its own");
                return Err(conflict(advice));
            }
            let named = |advice| if self.streams.len() > 1 { format!("stream {name}: {advice}") } else { advice };
            stream.check().map_err(|advice| conflict(named(advice)))?;
        }
        Ok(())
    }
}

/// Options that are right one by one and not together.
struct Conflict {
    /// Of which stream, where it is one's.
    stream: Option<usize>,
    advice: String,
}

impl BrokerOptions {
    fn check(&self) -> Result<(), String> {
        if self.evict && self.lease.is_zero() {
            return Err(
                "--evict needs to know how long a frame may be held; give --lease TIME, as in --lease 2s".to_owned()
            );
        }
        Ok(())
    }

    /// How long frames may be held.
    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease { time: Some(self.lease).filter(|time| !time.is_zero()), evict: self.evict }
    }
}

impl StreamOptions {
    fn check(&self) -> Result<(), String> {
        let (segments, max_segments) = (self.segments(), self.max_segments);
        if segments > max_segments {
            return Err(format!("--segments {segments} is above --max-segments {max_segments}; raise the second"));
        }
        self.check_source_options()
    }

    /// Refuses options that are not for every source, nor for this one.
    fn check_source_options(&self) -> Result<(), String> {
        let kind = self.source.kind();
        let given = [
            ("packet-size", self.packet_size.is_some()),
            ("socket-buffer", self.socket_buffer.is_some()),
            ("load", self.load.is_some()),
            ("set", !self.set.is_empty()),
            ("wait", self.wait),
            ("replay-loop", self.replay_loop),
            ("replay-errors", self.replay_errors != OnError::default()),
            ("width", self.width.is_some()),
            ("height", self.height.is_some()),
            ("pixel-format", self.pixel_format.is_some()),
            ("fps", self.fps.is_some()),
        ];
        for (key, _) in given.into_iter().filter(|(_, is_given)| *is_given) {
            if let Some(why) = kind.takes_not(key) {
                return Err(format!("--{key} {why}; the source is {}", kind.name()));
            }
        }
        if self.backing == BackingChoice::Posix && kind == SourceKind::Producer {
            return Err(
                "--backing posix cannot be sealed, as a producer's segments must be; use --backing memfd or hugetlb"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Segments to begin with.
    #[must_use]
    pub fn segments(&self) -> usize {
        // A ring that cannot grow must be large enough for those who come later.
        let default = if self.source.kind() == SourceKind::Pylon { 16 } else { 8 };
        self.segments.unwrap_or(default)
    }

    /// Where segments shall lie.
    #[must_use]
    pub fn placement(&self) -> Placement {
        Placement { align: self.align, lock: self.mlock, numa_node: self.numa_node }
    }
}

#[cfg(test)]
mod tests;
