//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use framebroker_client::{Delivery, Policy, Predictive, Start, SyncBy, WaitMode};
use framebroker_protocol::units::parse_time;
use framebroker_protocol::{HOLD_LIMIT, UnknownWord};

use crate::failure::Failure;

/// Behind the options of `framectl --help`.
const AFTER: &str = "\
Examples:
  framectl list                             the streams there are
  framectl watch cam0                       rate, latency, received, lost
  framectl save cam0 frame.png              a frame as an image
  framectl stats cam0                       buffers, who holds them, clients
  framectl stats --watch                    the same, again and again
  framectl set cam0 ExposureTime=5000       a camera's settings
  framectl list --json                      for programs

Exit status: 0 if all went well; 1 if frames were bad or something failed, as where there is no broker or no frame came within \
--timeout; 2 if the command line is wrong or the broker refused what was asked.

Environment:
  FRAMEBROKER_SOCKET  the broker's socket, unless --socket names it";

/// Lists, watches and saves the streams of a framebroker, and sets their cameras.
#[derive(Debug, Parser)]
#[command(name = "framectl", version, max_term_width = 120, after_long_help = AFTER)]
pub struct Options {
    /// For all commands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where the help of each command shows the options of all.
const OF_ALL: &str = "Connection and output";

/// Options of all commands.
#[derive(Debug, Args)]
pub struct Global {
    /// The broker's socket [default: $FRAMEBROKER_SOCKET, else the first of $XDG_RUNTIME_DIR/framebroker.sock,
    /// /run/framebroker/broker.sock and /tmp/framebroker-$UID/broker.sock on which a broker answers]
    #[arg(long, value_name = "PATH", global = true, help_heading = OF_ALL)]
    pub socket: Option<PathBuf>,
    /// Print JSON on standard output, and nothing else [default: text for people]
    #[arg(long, global = true, help_heading = OF_ALL)]
    pub json: bool,
    /// Trust a broker that runs as this user; may be given more than once [default: only this user's and root's]
    #[arg(long, value_name = "UID", global = true, help_heading = OF_ALL, value_parser = user)]
    pub server_uid: Vec<u32>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the streams
    ///
    /// SEGMENTS: how many there are, and how many there may be. HOLDS LEFT: frames that further readers can ask to hold at once.
    /// HEAD: number of the newest frame.
    List(ListOptions),
    /// Show statistics: buffers and frames of each stream, who holds which buffer, and the other clients
    ///
    /// Memory: current and peak of all buffers, mapped in whole pages, given up because a program that still runs may read
    /// it. Frames: starved were dropped because no segment was free, incomplete lack packets, lost at camera never came.
    /// Overdue holds were older than the lease.
    Stats(StatsOptions),
    /// Receive a stream's frames; print rate, latency and losses once a second, and all of it at the end
    ///
    /// With --json each line is an object. `fps` and `latency_us` are those of the time since the line before; in the last, whose
    /// `is_last` is true, those of all. `received`, `lost` and `skipped` count from the beginning.
    ///
    /// The rate at the end is that from the first frame to the last. It is left open (`-`, with --json null) where they are
    /// less than 0.1 s apart, as are latencies where no frame came.
    Watch(WatchOptions),
    /// Write a stream's next frames as PNG files
    Save(SaveOptions),
    /// Show a camera's features: names, values and what they take; or all of one
    Get(GetOptions),
    /// Set features of a camera, one after the other; shows the values that the camera made of them
    ///
    /// Where one cannot be set, those after it are left as they are.
    #[command(
        override_usage = "framectl set [OPTIONS] <STREAM> <FEATURE=VALUE>...\n       framectl set [OPTIONS] <STREAM> <FEATURE> <VALUE>"
    )]
    Set(SetOptions),
    /// Execute a command of a camera
    Exec(ExecOptions),
    /// Keep the settings of a stream as they are: all others are refused meanwhile, and told by whom
    ///
    /// Sole control belongs to this command's connection, and nobody else can use it or give it back: it ends with the
    /// command, on Ctrl-C or when COMMAND has ended. COMMAND cannot make settings of the stream either; it reads frames of which
    /// it is sure that nobody changes them. The exit status is that of COMMAND.
    Control(ControlOptions),
    /// Print the completion script for a shell: source <(framectl completions bash)
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages of framectl and its commands into a directory
    Manual {
        /// Where to, as in ~/.local/share/man/man1
        directory: PathBuf,
    },
}

impl Command {
    /// The command's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "list",
            Self::Stats(_) => "stats",
            Self::Watch(_) => "watch",
            Self::Save(_) => "save",
            Self::Get(_) => "get",
            Self::Set(_) => "set",
            Self::Exec(_) => "exec",
            Self::Control(_) => "control",
            Self::Completions { .. } => "completions",
            Self::Manual { .. } => "manual",
        }
    }
}

/// Options of `list`.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// Only this stream [default: all]
    pub stream: Option<String>,
}

/// Options of `stats`.
#[derive(Debug, Args)]
pub struct StatsOptions {
    /// Only this stream and its readers [default: all]
    pub stream: Option<String>,
    /// Show of the tables only that of the segments: what each is doing, who holds it and for how long
    /// [default: both tables]
    #[arg(long)]
    pub segments: bool,
    /// Show of the tables only that of the clients: received, lost, skipped, held, longest hold [default: both tables]
    #[arg(long)]
    pub clients: bool,
    /// Show them again and again until Ctrl-C, in place on a terminal: every second, or every TIME, as in --watch=500ms, without a
    /// unit in s [default: once]
    #[arg(short, long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1",
        value_parser = seconds)]
    pub watch: Option<Duration>,
}

/// Options of `watch`.
#[derive(Debug, Args)]
pub struct WatchOptions {
    /// The stream, as in cam0
    pub stream: String,
    /// More streams, to be watched with --sync
    #[arg(value_name = "STREAM", requires = "sync")]
    pub others: Vec<String>,
    /// Match the frames of several streams and print how well that goes: TIME, as in 2ms, by when they arrived; camera:TIME by
    /// the cameras' own times; block-id by the number that the camera gives them [default: watch one stream]
    #[arg(long, value_name = "BY", value_parser = sync_by, requires = "others", conflicts_with = "verify")]
    pub sync: Option<SyncBy>,
    /// End after this many frames, with --sync complete sets [default: go on until the stream ends]
    #[arg(short = 'n', long, value_name = "N", value_parser = above_zero)]
    pub count: Option<u64>,
    /// How often a line comes, as in 500ms, without a unit in s
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = seconds)]
    pub interval: Duration,
    /// Which frames [default: what the broker was started with (--grab-strategy), usually sequential]
    #[arg(long, value_parser = policies())]
    pub policy: Option<Policy>,
    /// By which way they come [default: shared; socket where the broker grants no other, as with --backing posix]
    #[arg(long, value_parser = deliveries())]
    pub delivery: Option<Delivery>,
    /// With which frame to begin
    #[arg(long, value_parser = starts(), default_value_t)]
    pub start: Start,
    /// How to wait with shared delivery: block, spin (a whole core), spin-then-block[=TIME] (spins for 50us, or so long,
    /// before it blocks), or predictive (sleeps until shortly before the next frame is due, then spins)
    #[arg(long, value_name = "MODE", default_value = "block", value_parser = wait_mode)]
    pub wait_mode: WaitMode,
    /// Frames the broker shall grant this reader at once, 1 to 64; with socket delivery so many may be on their way. A watch
    /// looks at one after the other, so that 1 does; with --sync it is at least 4; the library's default is 2
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=HOLD_LIMIT as i64))]
    pub max_held: u32,
    /// Check every byte of every frame; for streams of the test pattern [default: do not]
    #[arg(long)]
    pub verify: bool,
    /// Go on with the next broker when this one dies or ends [default: end with it]
    #[arg(long)]
    pub reconnect: bool,
    /// Give up when no frame comes for so long, as in 500ms or 2s, without a unit in s [default: wait]
    #[arg(short, long, value_name = "TIME", value_parser = seconds)]
    pub timeout: Option<Duration>,
}

/// Options of `save`.
#[derive(Debug, Args)]
pub struct SaveOptions {
    /// The stream, as in cam0
    pub stream: String,
    /// The file; with --count above 1 each name gets the frame's sequence: FILE-000042.png
    #[arg(value_name = "FILE.png")]
    pub file: PathBuf,
    /// Frames to save, in order; those that come while one is being written may be missed
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = above_zero)]
    pub count: u64,
    /// Give up when no frame comes for so long, as in 500ms or 2s, without a unit in s [default: wait]
    #[arg(short, long, value_name = "TIME", value_parser = seconds)]
    pub timeout: Option<Duration>,
}

/// Options of `get`.
#[derive(Debug, Args)]
pub struct GetOptions {
    /// The stream, as in cam0
    pub stream: String,
    /// The features by their GenICam names, as in ExposureTime [default: all]
    #[arg(value_name = "FEATURE")]
    pub features: Vec<String>,
}

/// Options of `set`.
#[derive(Debug, Args)]
pub struct SetOptions {
    /// The stream, as in cam0
    pub stream: String,
    /// A feature by its GenICam name and its value, as in ExposureTime=5000: a number (0x… for a hexadecimal one), true or false,
    /// the name of an entry, or a text
    #[arg(value_name = "FEATURE=VALUE")]
    first: String,
    /// The value, where only a FEATURE stands before it; else another FEATURE=VALUE
    #[arg(value_name = "VALUE", allow_hyphen_values = true)]
    second: Option<String>,
    /// More of them
    #[arg(value_name = "FEATURE=VALUE")]
    others: Vec<String>,
}

impl SetOptions {
    /// Features and values in the order given.
    pub fn assignments(&self) -> Result<Vec<(&str, &str)>, Failure> {
        if let (false, Some(value), true) = (self.first.contains('='), &self.second, self.others.is_empty()) {
            return Ok(vec![(&self.first, value)]);
        }
        let words = std::iter::once(&self.first).chain(&self.second).chain(&self.others);
        words.map(|word| word.split_once('=').ok_or_else(|| Failure::NoAssignment(word.clone()))).collect()
    }
}

/// Options of `control`.
#[derive(Debug, Args)]
pub struct ControlOptions {
    /// The stream, as in cam0
    pub stream: String,
    /// What to run meanwhile, with its arguments [default: wait for Ctrl-C]
    #[arg(value_name = "COMMAND", last = true)]
    pub command: Vec<OsString>,
}

/// Options of `exec`.
#[derive(Debug, Args)]
pub struct ExecOptions {
    /// The stream, as in cam0
    pub stream: String,
    /// The command by its GenICam name, as in TriggerSoftware
    pub command: String,
}

/// The words of a value, each with its help.
fn words<T>(choices: impl IntoIterator<Item = (&'static str, &'static str)>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = UnknownWord> + Clone + Send + Sync + 'static,
{
    let possible = choices.into_iter().map(|(word, help)| PossibleValue::new(word).help(help));
    PossibleValuesParser::new(possible).try_map(|word| word.parse())
}

fn policies() -> impl TypedValueParser<Value = Policy> {
    words([
        (Policy::Sequential.name(), "All in order; frames that were overwritten too early are lost"),
        (Policy::Latest.name(), "The newest; those passed over are skipped"),
        (Policy::Lossless.name(), "All in order, and the ring waits within a bound"),
        (Policy::Upcoming.name(), "Only frames published after they were asked for"),
    ])
}

fn deliveries() -> impl TypedValueParser<Value = Delivery> {
    words([
        (Delivery::Shared.name(), "Through the ring in shared memory"),
        (Delivery::Socket.name(), "By a message for each frame"),
    ])
}

fn starts() -> impl TypedValueParser<Value = Start> {
    words([
        (Start::Next.name(), "The first that is published from now on"),
        (Start::Oldest.name(), "The oldest that can still be read"),
    ])
}

/// What `spin-then-block` spins for unless it is told.
const DEFAULT_SPIN: Duration = Duration::from_micros(50);

fn wait_mode(text: &str) -> Result<WaitMode, String> {
    let advice = || "it must be block, spin, spin-then-block[=TIME] or predictive".to_owned();
    match text.split_once('=') {
        None => match text {
            "block" => Ok(WaitMode::Block),
            "spin" => Ok(WaitMode::Spin),
            "spin-then-block" => Ok(WaitMode::SpinThenBlock(DEFAULT_SPIN)),
            "predictive" => Ok(WaitMode::Predictive(Predictive::default())),
            _ => Err(advice()),
        },
        Some(("spin-then-block", time)) => {
            parse_time(time, Some("us")).map(WaitMode::SpinThenBlock).map_err(|error| error.to_string())
        }
        Some(_) => Err(advice()),
    }
}

fn user(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_not_a_number| format!("{text:?} is not a user ID (a number); `id -u NAME` shows it"))
}

fn above_zero(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "it must be a number above 0".to_owned())
}

fn sync_by(text: &str) -> Result<SyncBy, String> {
    match text.strip_prefix("camera:") {
        _ if text == "block-id" => Ok(SyncBy::BlockId),
        Some(time) => tolerance(time).map(SyncBy::CameraTime),
        None => tolerance(text).map(SyncBy::Arrival),
    }
}

fn tolerance(text: &str) -> Result<Duration, String> {
    parse_time(text, None).map_err(|error| format!("{error}; or camera:2ms, or block-id"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let time = parse_time(text, Some("s")).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("it must be above 0".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests;
