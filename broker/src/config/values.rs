//! The values that options take.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use framebroker_protocol::MAX_SEGMENTS;
use framebroker_protocol::message::{Policy, Roles};
use framebroker_protocol::units::{NotAQuantity, parse_bytes, parse_time};

use crate::factory::{HugePage, MAX_ALIGN, MIN_ALIGN};

/// Which source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceChoice {
    /// The test pattern.
    Pattern,
    /// A GigE Vision or USB3 Vision camera, by device ID or the first one.
    Aravis(Option<String>),
    /// Recorded frames.
    Replay(PathBuf),
    /// A process of its own.
    Producer,
    /// A Basler camera, by serial number, user-defined name or model, or the first one.
    Pylon(Option<String>),
}

/// Which kind of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SourceKind {
    Pattern,
    Aravis,
    Pylon,
    Replay,
    Producer,
}

impl SourceKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pattern => "pattern",
            Self::Aravis => "aravis",
            Self::Pylon => "pylon",
            Self::Replay => "replay",
            Self::Producer => "producer",
        }
    }

    /// Why an option is not for this kind of source, if it is not.
    pub(super) fn takes_not(self, option: &str) -> Option<&'static str> {
        use SourceKind::{Aravis, Pattern, Producer, Pylon, Replay};
        match (option, self) {
            ("packet-size" | "socket-buffer", Pattern | Pylon | Replay | Producer) => {
                Some("is for cameras of --source aravis")
            }
            ("load", Pattern | Aravis | Replay | Producer) => Some("is for cameras of --source pylon"),
            ("set" | "wait", Pattern | Replay | Producer) => {
                Some("is for cameras, those of --source aravis or --source pylon")
            }
            ("replay-loop" | "replay-errors", Pattern | Aravis | Pylon | Producer) => {
                Some("is for replays, those of --source replay=PATH")
            }
            ("width" | "height" | "pixel-format", Replay) => {
                Some("is not for a replay, whose frames are as they were recorded")
            }
            ("width" | "height" | "pixel-format" | "fps", Producer) => {
                Some("is set by the producer when it attaches; leave it out")
            }
            _ => None,
        }
    }
}

impl SourceChoice {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    pub(super) fn kind(&self) -> SourceKind {
        match self {
            Self::Pattern => SourceKind::Pattern,
            Self::Aravis(_) => SourceKind::Aravis,
            Self::Pylon(_) => SourceKind::Pylon,
            Self::Replay(_) => SourceKind::Replay,
            Self::Producer => SourceKind::Producer,
        }
    }
}

impl FromStr for SourceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, device) = text.split_once('=').map_or((text, None), |(kind, device)| (kind, Some(device)));
        match (kind, device) {
            ("pattern", None) => Ok(Self::Pattern),
            ("pattern", Some(_)) => Err("pattern takes no device; its options are --width, --height, …".to_owned()),
            ("producer", None) => Ok(Self::Producer),
            ("producer", Some(_)) => Err("producer takes no device; the producer attaches by itself".to_owned()),
            ("aravis" | "pylon", Some("")) => {
                Err(format!("name a device after {kind}=, or leave the = out for the first one"))
            }
            ("aravis", device) => Ok(Self::Aravis(device.map(str::to_owned))),
            ("replay", None | Some("")) => Err("say what to replay: replay=PATH".to_owned()),
            ("replay", Some(path)) => Ok(Self::Replay(PathBuf::from(path))),
            ("pylon", device) => Ok(Self::Pylon(device.map(str::to_owned))),
            _ => Err("this broker has the sources pattern, aravis[=DEVICE], pylon[=DEVICE], replay=PATH and producer"
                .to_owned()),
        }
    }
}

/// pylon's names for what a reader gets; here each subscription chooses for itself, and this is for those that do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum GrabStrategy {
    /// All in order.
    OneByOne,
    /// The newest.
    LatestImageOnly,
    /// As `OneByOne`: the ring keeps the latest images.
    LatestImages,
    /// Only those published after they were asked for.
    UpcomingImage,
}

impl GrabStrategy {
    /// The policy of that meaning.
    #[must_use]
    pub fn policy(self) -> Policy {
        match self {
            Self::OneByOne | Self::LatestImages => Policy::Sequential,
            Self::LatestImageOnly => Policy::Latest,
            Self::UpcomingImage => Policy::Upcoming,
        }
    }
}

/// What segments are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackingChoice {
    /// Sealed memfds.
    Memfd,
    /// Sealed memfds of huge pages.
    HugeTlb(HugePage),
    /// Named objects in `/dev/shm`.
    Posix,
}

impl FromStr for BackingChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "memfd" => Ok(Self::Memfd),
            "hugetlb" | "hugetlb=2M" => Ok(Self::HugeTlb(HugePage::Mega2)),
            "hugetlb=1G" => Ok(Self::HugeTlb(HugePage::Giga1)),
            "posix" => Ok(Self::Posix),
            _ => Err("this broker has the backings memfd, hugetlb[=2M|1G] and posix".to_owned()),
        }
    }
}

/// A feature and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureSetting {
    /// GenICam SFNC name.
    pub feature: String,
    /// As text.
    pub value: String,
}

impl FromStr for FeatureSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((feature, value)) if !feature.is_empty() => {
                Ok(Self { feature: feature.to_owned(), value: value.to_owned() })
            }
            _ => Err("write FEATURE=VALUE, as in ExposureTime=5000".to_owned()),
        }
    }
}

/// A user who may connect, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllowedUser {
    /// The user.
    pub uid: u32,
    /// What it may ask to be.
    pub roles: Roles,
}

impl FromStr for AllowedUser {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (uid, roles) = text.split_once(':').map_or((text, None), |(uid, roles)| (uid, Some(roles)));
        let uid = uid
            .parse()
            .map_err(|_not_a_number| format!("{uid:?} is not a user ID (a number); `id -u NAME` shows it"))?;
        let roles = roles.map_or(Ok(Roles::CONSUMER), |roles| {
            roles.split(',').try_fold(Roles::CONSUMER, |all, role| Ok::<_, String>(all.with(self::role(role)?)))
        })?;
        Ok(Self { uid, roles })
    }
}

fn role(name: &str) -> Result<Roles, String> {
    match name {
        "consumer" => Ok(Roles::CONSUMER),
        "producer" => Ok(Roles::PRODUCER),
        "control" => Ok(Roles::CONTROL),
        _ => Err(format!("{name:?} is not a role; the roles are consumer, producer and control")),
    }
}

pub(super) fn segment_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=MAX_SEGMENTS).contains(&count) => Ok(count),
        _ => Err(format!("it must be 1 to {MAX_SEGMENTS}")),
    }
}

/// More than there can be segments would be no more history.
pub(super) fn history(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(frames) if frames <= MAX_SEGMENTS => Ok(frames),
        _ => Err(format!("it must be 0 to {MAX_SEGMENTS}")),
    }
}

/// In bytes.
pub(super) fn megabytes(text: &str) -> Result<u64, NotAQuantity> {
    parse_bytes(text, "M")
}

pub(super) fn byte_count(text: &str) -> Result<u32, String> {
    let bytes = parse_bytes(text, "B").map_err(|error| error.to_string())?;
    u32::try_from(bytes).map_err(|_too_many| "it must be less than 4G".to_owned())
}

pub(super) fn sessions(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => Err("it must be 1 or more".to_owned()),
    }
}

pub(super) fn group(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_not_a_number| format!("{text:?} is not a group ID (a number); `getent group NAME` shows it"))
}

pub(super) fn seconds(text: &str) -> Result<Duration, NotAQuantity> {
    time(text, "s")
}

pub(super) fn milliseconds(text: &str) -> Result<Duration, NotAQuantity> {
    time(text, "ms")
}

/// A hundred years are as good as for ever, and can be added to any point in time.
fn time(text: &str, bare: &'static str) -> Result<Duration, NotAQuantity> {
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    parse_time(text, Some(bare)).map(|time| time.min(LONGEST))
}

pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let time = seconds(text).map_err(|error| error.to_string())?;
    if time >= Duration::from_millis(1) { Ok(time) } else { Err("it must be 1ms or more".to_owned()) }
}

pub(super) fn alignment(text: &str) -> Result<usize, String> {
    let bytes = parse_bytes(text, "B").ok().and_then(|bytes| usize::try_from(bytes).ok());
    bytes
        .filter(|bytes| bytes.is_power_of_two() && (MIN_ALIGN..=MAX_ALIGN).contains(bytes))
        .ok_or_else(|| "give a power of two from 64 to 2M, as in 64, 4096, 64K or 2M".to_owned())
}

pub(super) fn frame_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(fps) if (0.0..=1e6).contains(&fps) => Ok(fps),
        _ => Err("it must be 0 to 1000000".to_owned()),
    }
}
