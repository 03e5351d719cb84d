//! A broker's life: open the source, listen, fill the ring, serve, and account for every buffer at the end.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use framebroker_protocol::shm::ShmError;
use framebroker_protocol::{BrokerId, StreamId};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::time::TimeSpec;
use tracing::{debug, info, warn};

use crate::config::{Config, SourceChoice};
use crate::control::access::Access;
use crate::control::listener::{ListenError, Listener};
use crate::control::{ClientLimits, Control, Rules, Summary, end_signals};
use crate::events::{EventSender, event_channel};
use crate::factory::{BufferFactory, FactoryError, Placement, Sharing, remove_leftovers};
use crate::source::open::{Opener, kind, list as cameras, opener};
use crate::source::{Description, Source, SourceError};
use crate::stream::StreamCore;
use crate::stream::device::journal::Settings;
use crate::stream::device::{self, DeviceThread};
use crate::stream::grab::{Command, Grab, GrabOptions};
use crate::stream::live::{Limits, Stream, vacant_needs};
use crate::stream::pool::Pool;
use crate::worker::Worker;

/// How often a camera that is waited for is looked for.
const LOOK_FOR_CAMERA: Duration = Duration::from_secs(1);

/// Why a broker cannot run.
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
    /// The options ask for more memory than they allow.
    #[error("{0}")]
    Limit(String),
    /// The kernel refused something else.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The kernel's word.
        source: std::io::Error,
    },
    /// A signal came before the broker was ready.
    #[error("ended by a signal while waiting for the camera")]
    Interrupted,
}

/// What a run leaves to be said on standard output.
#[derive(Debug)]
pub enum Report {
    /// The cameras there are, one a line.
    Cameras(Vec<String>),
    /// The buffer statistics of every stream.
    Buffers(Vec<Summary>),
}

impl Report {
    /// Whether every buffer was freed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        match self {
            Self::Cameras(_) => true,
            Self::Buffers(summaries) => summaries.iter().all(Summary::is_clean),
        }
    }

    /// The broker's exit status: a leak is a failure.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        if self.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cameras(cameras) if cameras.is_empty() => writeln!(f, "no camera found"),
            Self::Cameras(cameras) => cameras.iter().try_for_each(|camera| writeln!(f, "{camera}")),
            Self::Buffers(summaries) => summaries.iter().try_for_each(|summary| write!(f, "{summary}")),
        }
    }
}

/// Lists the cameras of the source.
///
/// # Errors
/// The source has none to list, or the driver failed.
pub fn list(config: &Config) -> Result<Report, RunError> {
    Ok(Report::Cameras(cameras(config)?))
}

/// Serves one stream until a signal comes or it has ended. After [`prepare_process`].
///
/// # Errors
/// Says what to do.
pub fn run(config: &Config) -> Result<Report, RunError> {
    run_with(config, |config, id, placement| config.factory(id, placement))
}

/// As [`run`], with segments of a factory of the caller's, whatever `--backing` says. It is made for the broker of this
/// number, and shall put segments where it is told to. After [`prepare_process`].
///
/// # Errors
/// Says what to do.
pub fn run_with(
    config: &Config,
    factory: impl FnOnce(&Config, BrokerId, Placement) -> Arc<dyn BufferFactory>,
) -> Result<Report, RunError> {
    let access = Access::of(config);
    let (id, placement) = (broker_id(), config.placement());
    placement.check()?;
    placement.raise_limits();
    let factory = factory(config, id, placement);
    check_sharing(&*factory, &access)?;
    check_lending(config, &*factory)?;
    // First: a second broker must not take the camera before it learns that it is the second.
    let listener = Listener::open(config.socket.as_deref(), access.is_shared())?;
    let path = listener.path().to_owned();
    for name in remove_leftovers() {
        info!(name, "removed what a dead broker left in /dev/shm");
    }
    let source = match opener(config) {
        Some(opener) => {
            let source = open(&opener, config.wait)?;
            Some((opener, source))
        }
        None => None,
    };
    let (events, received) = event_channel().map_err(system("make an event channel"))?;
    let worker = Worker::start(events.clone()).map_err(|source| RunError::System { what: "start a thread", source })?;
    let stream = start_stream(config, factory, source, events)?;
    let ready = format!("ready socket={} {}", path.display(), stream.facts());
    let limits = ClientLimits { in_all: config.max_clients, per_user: config.max_clients_per_user };
    let (stats_interval, producer_rate) = (config.stats_interval, config.producer_rate);
    let rules = Rules { access, limits, lease: config.lease(), stats_interval, producer_rate };
    let control =
        Control::new(id, listener, received, worker, rules, vec![stream]).map_err(system("watch the socket"))?;
    announce(&ready);
    let streams = control.run().map_err(system("wait for clients"))?;
    Ok(Report::Buffers(streams.into_iter().map(Summary::of).collect()))
}

fn system(what: &'static str) -> impl Fn(Errno) -> RunError {
    move |source| RunError::System { what, source: source.into() }
}

/// What holds for the whole process: to be called before it has a second thread.
///
/// # Errors
/// The kernel's word.
pub fn prepare_process() -> Result<(), RunError> {
    // They are read from a descriptor; threads inherit that they are blocked.
    end_signals().thread_block().map_err(system("block signals"))?;
    // A process that may not ptrace the broker cannot open its memory through /proc either.
    nix::sys::prctl::set_dumpable(false).map_err(system("protect the broker's memory"))?;
    // Each client costs a few descriptors; the soft limit is made for programs that use select().
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(system("read the limit on open files"))?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(system("raise the limit on open files"))
}

/// Opens the source; with `wait`, again and again until the camera is there.
fn open(opener: &Opener, wait: bool) -> Result<Box<dyn Source>, RunError> {
    let mut said = None;
    loop {
        let absent = match opener() {
            Err(SourceError::Absent(reason)) if wait => reason,
            Err(SourceError::Absent(reason)) => {
                return Err(SourceError::Absent(format!("{reason}; --wait waits for the camera")).into());
            }
            opened => return Ok(opened?),
        };
        if said.as_ref() != Some(&absent) {
            warn!(reason = absent, "waiting for the camera");
            said = Some(absent);
        }
        if signal_within(LOOK_FOR_CAMERA) {
            return Err(RunError::Interrupted);
        }
    }
}

/// Sleeps; true if a signal told the broker to end.
#[expect(unsafe_code, reason = "sigtimedwait has no safe interface in nix")]
fn signal_within(time: Duration) -> bool {
    let (set, time) = (end_signals(), TimeSpec::from_duration(time));
    // SAFETY: both pointers are to values that outlive the call; the information on the signal is not wanted.
    unsafe { libc::sigtimedwait(set.as_ref(), std::ptr::null_mut(), time.as_ref()) > 0 }
}

/// Allocates the ring and starts the stream's grab thread.
fn start_stream(
    config: &Config,
    factory: Arc<dyn BufferFactory>,
    source: Option<(Opener, Box<dyn Source>)>,
    events: EventSender,
) -> Result<Stream, RunError> {
    let needs = source.as_ref().map_or_else(vacant_needs, |(_, source)| source.requirements());
    // A producer's segments are made when it comes.
    let segments = if source.is_some() { config.segments() } else { 0 };
    let memory_bytes = config.memory_limit_bytes().map_err(RunError::Limit)?;
    check_segments(config.segments(), needs.min_queued + 1)?;
    check_memory(config, needs.payload_bytes as u64, memory_bytes)?;
    factory.foresee(segments, needs.payload_bytes)?;
    let core = Arc::new(StreamCore::create(config.name.clone(), StreamId(0))?);
    let (commands, todo) = channel();
    let limits = Limits {
        min_segments: config.segments(),
        shrink_after: Duration::from_secs(config.shrink_after),
        max_segments: config.max_segments,
        memory_bytes,
        memory_warn_bytes: config.memory_warn.map(|megabytes| megabytes.saturating_mul(1 << 20)),
        history: config.history,
        lossless: config.lossless_timeout > 0,
        default_policy: config.grab_strategy.policy(),
    };
    let mut pool = Pool::default();
    allocate(&*factory, &mut pool, &commands, segments, needs.payload_bytes)?;
    let options = GrabOptions {
        frames: config.frames,
        publish_incomplete: config.publish_incomplete,
        lossless_timeout: Duration::from_millis(config.lossless_timeout),
    };
    let takes_producers = source.is_none();
    let description = source.as_ref().map_or_else(Description::default, |(_, source)| source.describe());
    let (settings, jobs) = (Settings::default(), device::jobs());
    let parts = device::Parts {
        core: Arc::clone(&core),
        events: events.clone(),
        commands: commands.clone(),
        settings: settings.clone(),
        memory_bytes,
    };
    let features = source.as_ref().and_then(|(_, source)| source.features());
    // Its receiver lives in the device thread's state, which is not started yet.
    let _will_be_read = jobs.0.send(device::Job::Source(device::Handle(features)));
    let source = source.map(|(opener, source)| (settings.kept_by(opener), source));
    let grab = Grab::new(Arc::clone(&core), options, todo, events, source, jobs.0.clone());
    let mut stream = Stream::new(core, factory, pool, commands, needs, description, kind(config), limits);
    if takes_producers {
        stream = stream.for_producers();
    }
    stream.watch_memory();
    let no_thread = |source| RunError::System { what: "start a thread", source };
    stream.device = Some(DeviceThread::start(jobs, parts).map_err(no_thread)?);
    stream.thread = Some(
        std::thread::Builder::new()
            .name(format!("grab-{}", config.name))
            .spawn(move || grab.run())
            .map_err(no_thread)?,
    );
    Ok(stream)
}

/// Allocates the first segments.
fn allocate(
    factory: &dyn BufferFactory,
    pool: &mut Pool,
    commands: &Sender<Command>,
    segments: usize,
    bytes: usize,
) -> Result<(), RunError> {
    for _ in 0..segments {
        let Some((index, backing)) = pool.order(bytes) else { break };
        let (segment, writable) = factory.allocate_at(index, backing, bytes)?;
        pool.install(&segment);
        // Its receiver lives in the grab thread's state, which is not started yet.
        let _will_be_read = commands.send(Command::Install(writable));
    }
    Ok(())
}

/// Named objects are for the broker's own user, and keep less than is promised elsewhere.
fn check_sharing(factory: &dyn BufferFactory, access: &Access) -> Result<(), RunError> {
    if factory.sharing() == Sharing::Sealed {
        return Ok(());
    }
    let backing = factory.name();
    if access.is_shared() {
        return Err(RunError::Limit(format!(
            "--backing {backing} serves the broker's own user only, since its objects cannot be protected from other users \
             who may read them; leave --allow-uid and --allow-gid out, or use --backing memfd"
        )));
    }
    warn!(
        backing,
        "weak mode: segments are named files that every program of this user can write, and that a killed broker leaves \
         behind until the next one starts; promises 1 to 4 of the README do not hold, and only delivery by socket is granted"
    );
    Ok(())
}

/// A producer's segments are sealed once it has mapped them.
fn check_lending(config: &Config, factory: &dyn BufferFactory) -> Result<(), RunError> {
    let takes_producers = config.source == SourceChoice::Producer;
    if !takes_producers || factory.sharing() == Sharing::Sealed && factory.books().is_lending() {
        return Ok(());
    }
    let backing = factory.name();
    Err(RunError::Limit(format!(
        "the source producer needs segments that are lent and then sealed, which the backing {backing} does not offer; use          --backing memfd or hugetlb"
    )))
}

fn check_segments(segments: usize, reserve: usize) -> Result<(), RunError> {
    if segments >= reserve {
        return Ok(());
    }
    Err(RunError::Limit(format!(
        "--segments {segments} is too few: the source and the newest frame need {reserve}, and every frame that is held one more"
    )))
}

fn check_memory(config: &Config, payload_bytes: u64, limit_bytes: u64) -> Result<(), RunError> {
    let asked = payload_bytes.saturating_mul(config.segments() as u64);
    if asked <= limit_bytes {
        return Ok(());
    }
    let (segments, asked_mb, limit_mb) = (config.segments(), asked.div_ceil(1 << 20), limit_bytes >> 20);
    Err(RunError::Limit(format!(
        "{segments} segments of {payload_bytes} bytes take {asked_mb} MB, the limit is {limit_mb} MB; use fewer --segments or raise --memory-limit"
    )))
}

/// A number that no other run of a broker has.
fn broker_id() -> BrokerId {
    // The standard library's hash keys are the system's random numbers.
    BrokerId(RandomState::new().build_hasher().finish())
}

/// Says that clients can connect: on standard output, to the service manager, in the log.
fn announce(ready: &str) {
    let mut out = std::io::stdout();
    if writeln!(out, "{ready}").and_then(|()| out.flush()).is_err() {
        warn!("nobody reads standard output");
    }
    if let Err(error) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
        warn!(%error, "cannot tell the service manager that the broker is ready");
    }
    debug!("{ready}");
}
