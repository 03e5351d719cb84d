//! Starts the streams: opens their sources, allocates their rings, starts their grab threads.
//!
//! A broker with one stream has nothing to do without its camera. One with several comes up without a camera that is away:
//! the stream is offline, and its grab thread looks for the camera as it does for one that was lost. What no patience
//! mends (a wrong option, too little memory) is an error in both.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use framebroker_protocol::{PixelFormat, StreamId};
use nix::sys::time::TimeSpec;
use tracing::warn;

use super::RunError;
use crate::config::StreamOptions;
use crate::control::end_signals;
use crate::events::EventSender;
use crate::factory::BufferFactory;
use crate::source::open::{Opener, kind};
use crate::source::{Description, Source, SourceError};
use crate::stream::StreamCore;
use crate::stream::device::journal::Settings;
use crate::stream::device::{self, DeviceThread};
use crate::stream::grab::{Command, Grab, GrabOptions};
use crate::stream::pool::Pool;
use crate::stream::served::{Limits, Stream, StreamParts, vacant_needs};

/// How often a camera that is waited for is looked for.
const LOOK_FOR_CAMERA: Duration = Duration::from_secs(1);

/// The same for one that somebody else has.
const LOOK_IF_FREE: Duration = Duration::from_millis(250);

/// A GigE Vision camera whose owner has crashed is free after its heartbeat timeout, which sources set to 3 s: a broker that was
/// killed and is started again has its camera by then.
const CRASHED_OWNER: Duration = Duration::from_secs(5);

/// A stream to be started.
pub(super) struct Plan<'a> {
    /// What is said of it.
    pub options: &'a StreamOptions,
    /// Allocates its segments.
    pub factory: Arc<dyn BufferFactory>,
    /// Opens its source; `None` where it comes by itself.
    pub opener: Option<Opener>,
}

/// What there is of a source.
enum Opened {
    /// It is open.
    Source(Box<dyn Source>),
    /// It is away; why.
    Away(String),
    /// It comes by itself.
    Producer,
}

/// Starts all streams, or none: one that cannot be started stops those that were.
pub(super) fn start_all(plans: Vec<Plan<'_>>, events: &EventSender) -> Result<Vec<Stream>, RunError> {
    let sources = open_all(&plans)?;
    let streams = plans.len();
    let mut started = Vec::new();
    for (at, (plan, source)) in plans.into_iter().zip(sources).enumerate() {
        let name = plan.options.name.clone();
        let id = StreamId(u32::try_from(at).unwrap_or(u32::MAX));
        match start(plan, id, source, events.clone(), streams) {
            Ok(stream) => started.push(stream),
            Err(why) => {
                started.iter_mut().for_each(Stream::end);
                return Err(named(name, why, streams));
            }
        }
    }
    Ok(started)
}

/// Names the stream where there are several.
fn named(name: framebroker_protocol::StreamName, why: RunError, streams: usize) -> RunError {
    if streams > 1 { RunError::Stream { name, why: Box::new(why) } } else { why }
}

fn open_all(plans: &[Plan<'_>]) -> Result<Vec<Opened>, RunError> {
    if let [Plan { opener: Some(opener), options, .. }] = plans {
        return Ok(vec![Opened::Source(open(opener, options.wait)?)]);
    }
    // At once: a camera that takes long to answer, or not to, keeps no other from its start.
    let opened: Vec<_> = std::thread::scope(|scope| {
        let openers = plans.iter().map(|plan| plan.opener.as_ref());
        let opening: Vec<_> = openers.map(|opener| opener.map(|open| scope.spawn(|| open()))).collect();
        opening.into_iter().map(|thread| thread.map(|thread| thread.join())).collect()
    });
    let each = plans.iter().zip(opened).map(|(plan, opened)| match opened {
        None => Ok(Opened::Producer),
        Some(Ok(Ok(source))) => Ok(Opened::Source(source)),
        Some(Ok(Err(error @ SourceError::Invalid(_)))) => {
            Err(named(plan.options.name.clone(), error.into(), plans.len()))
        }
        Some(Ok(Err(error))) => Ok(Opened::Away(error.to_string())),
        Some(Err(_panic)) => Ok(Opened::Away("opening the source panicked; please report this".to_owned())),
    });
    each.collect()
}

/// Opens the source of an only stream; with `wait`, again and again until the camera is there. One that another program has may
/// be that of a crashed one, and is waited for as long as that takes to show.
fn open(opener: &Opener, wait: bool) -> Result<Box<dyn Source>, RunError> {
    let (mut said, mut busy_until) = (None, None);
    loop {
        let (reason, pause) = match opener() {
            Err(SourceError::Absent(reason)) if wait => (reason, LOOK_FOR_CAMERA),
            Err(SourceError::Absent(reason)) => {
                return Err(SourceError::Absent(format!("{reason}; --wait waits for the camera")).into());
            }
            Err(SourceError::Busy(reason))
                if Instant::now() < *busy_until.get_or_insert_with(|| Instant::now() + CRASHED_OWNER) =>
            {
                (reason, LOOK_IF_FREE)
            }
            opened => return Ok(opened?),
        };
        if said.as_ref() != Some(&reason) {
            warn!(reason, "waiting for the camera");
            said = Some(reason);
        }
        if signal_within(pause) {
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

/// Allocates the ring and starts the stream's grab thread, as one of so many streams.
fn start(
    plan: Plan<'_>,
    id: StreamId,
    source: Opened,
    events: EventSender,
    streams: usize,
) -> Result<Stream, RunError> {
    let Plan { options, factory, opener } = plan;
    let core = Arc::new(StreamCore::create(options.name.clone(), id)?);
    let (commands, todo) = channel();
    let limits = limits(options, streams)?;
    let (memory_bytes, max_segments) = (limits.memory_bytes, limits.max_segments);
    let mut pool = Pool::default();
    let (needs, description) = match &source {
        Opened::Source(source) => (source.requirements(), source.describe()),
        Opened::Away(_) => (vacant_needs(), unknown_description(options)),
        Opened::Producer => (vacant_needs(), Description::default()),
    };
    check_segments(options.segments(), needs.min_queued + 1)?;
    if matches!(source, Opened::Source(_)) {
        check_memory(options, needs.payload_bytes as u64, limits.memory_bytes)?;
        factory.foresee(options.segments(), needs.payload_bytes)?;
        allocate(&*factory, &mut pool, &commands, options.segments(), needs.payload_bytes)?;
    }
    let grab_options = GrabOptions {
        frames: options.frames,
        publish_incomplete: options.publish_incomplete,
        lossless_timeout: Duration::from_millis(options.lossless_timeout),
    };
    let (kind, content) = kind(options);
    let new = Stream::new(StreamParts {
        core: Arc::clone(&core),
        factory,
        pool,
        commands: commands.clone(),
        needs,
        description,
        source: kind,
        content,
        limits,
    });
    let (mut stream, source) = match source {
        Opened::Source(source) => (new, Some(source)),
        Opened::Away(reason) => (new.await_source(reason), None),
        Opened::Producer => (new.for_producers(), None),
    };
    let (settings, jobs) = (Settings::default(), device::jobs());
    let parts = device::Parts {
        core: Arc::clone(&core),
        events: events.clone(),
        commands,
        settings: settings.clone(),
        memory_bytes,
        max_segments,
    };
    let features = source.as_ref().and_then(|source| source.features());
    // Its receiver lives in the device thread's state, which is not started yet.
    let _will_be_read = jobs.0.send(device::Job::Source(device::Handle(features)));
    let opener = opener.map(|opener| settings.kept_by(opener));
    let grab = Grab::new(core, grab_options, todo, events, opener, source, jobs.0.clone());
    let no_thread = |source| RunError::System { what: "start a thread", source };
    stream.set_device_thread(DeviceThread::start(jobs, parts).map_err(no_thread)?);
    stream.watch_memory();
    start_thread(&mut stream, options, grab)?;
    Ok(stream)
}

/// Starts the grab thread, and waits until it is scheduled as wanted.
fn start_thread(stream: &mut Stream, options: &StreamOptions, grab: Grab) -> Result<(), RunError> {
    let scheduling = options.scheduling();
    let (applied, scheduled) = channel();
    let run = move || {
        let result = scheduling.apply();
        let is_fine = result.is_ok();
        // Its receiver waits below.
        let _will_be_read = applied.send(result);
        if is_fine {
            grab.run();
        }
    };
    let thread = std::thread::Builder::new().name(format!("grab-{}", options.name));
    let started = thread.spawn(run).map_err(|source| RunError::System { what: "start a thread", source });
    stream.set_grab_thread(started?);
    // It sends unless it is killed with the whole process.
    scheduled.recv().map_or(Ok(()), |result| Ok(result?))
}

/// What is said of a camera that has not been there yet.
fn unknown_description(options: &StreamOptions) -> Description {
    let (width, height, fps) = (options.width.unwrap_or(0), options.height.unwrap_or(0), options.fps.unwrap_or(0.0));
    let pixel_format = options.pixel_format.unwrap_or(PixelFormat::MONO8);
    Description { width, height, pixel_format, fps, ..Description::default() }
}

fn limits(options: &StreamOptions, streams: usize) -> Result<Limits, RunError> {
    Ok(Limits {
        min_segments: options.segments(),
        shrink_after: Duration::from_secs(options.shrink_after),
        max_segments: options.max_segments,
        memory_bytes: options.memory_limit_bytes(streams).map_err(RunError::Limit)?,
        memory_warn_bytes: options.memory_warn.map(|megabytes| megabytes.saturating_mul(1 << 20)),
        history: options.history,
        lossless: options.lossless_timeout > 0,
        default_policy: options.grab_strategy.policy(),
    })
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

fn check_segments(segments: usize, reserve: usize) -> Result<(), RunError> {
    if segments >= reserve {
        return Ok(());
    }
    Err(RunError::Limit(format!(
        "--segments {segments} is too few: the source and the newest frame need {reserve}, and every frame that is held one more"
    )))
}

fn check_memory(options: &StreamOptions, payload_bytes: u64, limit_bytes: u64) -> Result<(), RunError> {
    let asked = payload_bytes.saturating_mul(options.segments() as u64);
    if asked <= limit_bytes {
        return Ok(());
    }
    let (segments, asked_mb, limit_mb) = (options.segments(), asked.div_ceil(1 << 20), limit_bytes >> 20);
    Err(RunError::Limit(format!(
        "{segments} segments of {payload_bytes} bytes take {asked_mb} MB, the limit is {limit_mb} MB; use fewer --segments or raise --memory-limit"
    )))
}
