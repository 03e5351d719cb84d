//! A broker's life: listen, start the streams (`start`), serve, and account for every buffer at the end.

mod error;
mod open;
mod plan;
mod start;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use framebroker_protocol::BrokerId;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::{debug, info, warn};

use crate::config::{BrokerOptions, Config, StreamOptions};
use crate::events::event_channel;
use crate::factory::{BufferFactory, Placement, remove_leftovers};
use crate::sessions::access::Access;
use crate::sessions::listener::Listener;
use crate::sessions::{ClientLimits, Rules, ServeError, Server, Summary, end_signals};
use crate::stream::served::Stream;
use crate::worker::Worker;
use plan::Plan;

pub use error::RunError;

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
    let cameras = config.streams.first().map_or(Ok(Vec::new()), open::list)?;
    Ok(Report::Cameras(cameras))
}

/// Serves the streams until a signal comes or all have ended. After [`prepare_process`].
///
/// # Errors
/// Says what to do.
pub fn run(config: &Config) -> Result<Report, RunError> {
    run_with(config, plan::factory)
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
            Plan::new(options, factory(options, id, placement), &access, config.streams.len())
        })
        .collect::<Result<_, RunError>>()?;
    // First: a second broker must not take a camera before it learns that it is the second.
    let listener = Listener::open(config.broker.socket.as_deref(), access.is_shared())?;
    let path = listener.path().to_owned();
    for name in remove_leftovers() {
        info!(name, "removed what a dead broker left in /dev/shm");
    }
    let (events, received) = event_channel().map_err(RunError::system("make an event channel"))?;
    let worker = Worker::start(events.clone()).map_err(RunError::system("start a thread"))?;
    let streams = start::start_all(plans, &events)?;
    let ready = ready(&path, &streams);
    let BrokerOptions { max_clients, max_clients_per_user, stats_interval, producer_rate, .. } = config.broker;
    let limits = ClientLimits { in_all: max_clients, per_user: max_clients_per_user };
    let rules = Rules { access, limits, lease: config.broker.lease(), stats_interval, producer_rate };
    let server =
        Server::new(id, listener, received, worker, rules, streams).map_err(RunError::system("watch the socket"))?;
    announce(&ready);
    let streams = server.run().map_err(|failure| match failure {
        ServeError::System(errno) => RunError::system("wait for clients")(errno),
        ServeError::Stuck(why, streams) => RunError::Stuck(why, streams),
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

/// What holds for the whole process: to be called before it has a second thread.
///
/// # Errors
/// The kernel refused.
pub fn prepare_process() -> Result<(), RunError> {
    // They are read from a descriptor; threads inherit that they are blocked.
    end_signals().thread_block().map_err(RunError::system("block signals"))?;
    // A process that may not ptrace the broker cannot open its memory through /proc either.
    nix::sys::prctl::set_dumpable(false).map_err(RunError::system("protect the broker's memory"))?;
    // Each client costs a few descriptors; the soft limit is made for programs that use select().
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(RunError::system("read the limit on open files"))?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(RunError::system("raise the limit on open files"))
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
