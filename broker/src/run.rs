//! A broker's life: listen, start the streams (`start`), serve, and account for every buffer at the end.

mod start;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use framebroker_protocol::shm::ShmError;
use framebroker_protocol::{BrokerId, StreamName};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{debug, info, warn};

use crate::config::{BrokerOptions, Config, SourceChoice, StreamOptions};
use crate::control::access::Access;
use crate::control::listener::{ListenError, Listener};
use crate::control::{ClientLimits, Control, Failure, Rules, Summary, end_signals};
use crate::events::event_channel;
use crate::factory::{BufferFactory, FactoryError, Placement, Sharing, remove_leftovers};
use crate::source::SourceError;
use crate::source::open::{list as cameras, opener};
use crate::stream::scheduling::SchedulingError;
use crate::stream::served::Stream;
use crate::worker::Worker;
use start::Plan;

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
        /// The kernel's word.
        source: std::io::Error,
    },
    /// A second signal came before all streams had ended.
    #[error(
        "ended at once, as told: the driver of {} had not returned. What it held is freed with this process; its camera may be \
         taken for some seconds", names(.0)
    )]
    Urgent(Vec<StreamName>),
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

/// Lists the cameras of the first stream's source.
///
/// # Errors
/// The source has none to list, or the driver failed.
pub fn list(config: &Config) -> Result<Report, RunError> {
    let cameras = config.streams.first().map_or(Ok(Vec::new()), cameras)?;
    Ok(Report::Cameras(cameras))
}

/// Serves the streams until a signal comes or all have ended. After [`prepare_process`].
///
/// # Errors
/// Says what to do.
pub fn run(config: &Config) -> Result<Report, RunError> {
    run_with(config, |stream, id, placement| stream.factory(id, placement))
}

/// As [`run`], with segments of factories of the caller's, whatever `--backing` says. Each stream has its own, which is made
/// for the broker of this number, and shall put segments where it is told to. After [`prepare_process`].
///
/// # Errors
/// Says what to do.
pub fn run_with(
    config: &Config,
    factory: impl Fn(&StreamOptions, BrokerId, Placement) -> Arc<dyn BufferFactory>,
) -> Result<Report, RunError> {
    let access = Access::of(&config.broker);
    let id = broker_id();
    let plans: Vec<Plan> = config
        .streams
        .iter()
        .map(|options| {
            let placement = options.placement();
            placement.check()?;
            placement.raise_limits();
            let factory = factory(options, id, placement);
            check_sharing(&*factory, &access)?;
            check_lending(options, &*factory)?;
            Ok(Plan { options, factory, opener: opener(options, config.streams.len()) })
        })
        .collect::<Result<_, RunError>>()?;
    // First: a second broker must not take a camera before it learns that it is the second.
    let listener = Listener::open(config.broker.socket.as_deref(), access.is_shared())?;
    let path = listener.path().to_owned();
    for name in remove_leftovers() {
        info!(name, "removed what a dead broker left in /dev/shm");
    }
    let (events, received) = event_channel().map_err(system("make an event channel"))?;
    let worker = Worker::start(events.clone()).map_err(|source| RunError::System { what: "start a thread", source })?;
    let streams = start::start_all(plans, &events)?;
    let ready = ready(&path, &streams);
    let BrokerOptions { max_clients, max_clients_per_user, stats_interval, producer_rate, .. } = config.broker;
    let limits = ClientLimits { in_all: max_clients, per_user: max_clients_per_user };
    let rules = Rules { access, limits, lease: config.broker.lease(), stats_interval, producer_rate };
    let control = Control::new(id, listener, received, worker, rules, streams).map_err(system("watch the socket"))?;
    announce(&ready);
    let streams = control.run().map_err(|failure| match failure {
        Failure::System(errno) => system("wait for clients")(errno),
        Failure::Urgent(streams) => RunError::Urgent(streams),
    })?;
    Ok(Report::Buffers(streams.into_iter().map(Summary::of).collect()))
}

/// One line for a broker with one stream; else a line that tells how many follow, and one for each.
fn ready(path: &Path, streams: &[Stream]) -> String {
    let path = path.display();
    match streams {
        [only] => format!("ready socket={path} {}", only.facts()),
        several => {
            let lines = several.iter().map(|stream| format!("\n{}", stream.facts()));
            format!("ready socket={path} streams={}{}", several.len(), lines.collect::<String>())
        }
    }
}

fn names(streams: &[StreamName]) -> String {
    streams.iter().map(StreamName::as_str).collect::<Vec<_>>().join(", ")
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
fn check_lending(options: &StreamOptions, factory: &dyn BufferFactory) -> Result<(), RunError> {
    let takes_producers = options.source == SourceChoice::Producer;
    if !takes_producers || factory.sharing() == Sharing::Sealed && factory.books().is_lending() {
        return Ok(());
    }
    let backing = factory.name();
    Err(RunError::Limit(format!(
        "the source producer needs segments that are lent and then sealed, which the backing {backing} does not offer; use \
         --backing memfd or hugetlb"
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
