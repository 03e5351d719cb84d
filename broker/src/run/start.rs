//! Starts the streams: opens their sources, allocates their rings, starts their grab threads.
//!
//! A broker with one stream has nothing to do without its camera. One with several comes up without a camera that is away:
//! the stream is offline, and its grab thread looks for the camera as it does for one that was lost. What no patience
//! mends (a wrong option, too little memory) is an error in both.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use framebroker_protocol::StreamId;
use nix::sys::time::TimeSpec;
use tracing::warn;

use super::error::RunError;
use super::open::kind;
use super::plan::Plan;
use crate::events::EventSender;
use crate::factory::BufferFactory;
use crate::sessions::end_signals;
use crate::source::{Description, Opener, Source, SourceError};
use crate::stream::StreamCore;
use crate::stream::command::Command;
use crate::stream::device::journal::Settings;
use crate::stream::device::{self, DeviceThread};
use crate::stream::grab::{Grab, GrabThread};
use crate::stream::pool::Pool;
use crate::stream::served::{Stream, StreamParts, vacant_needs};

/// How often a camera that is waited for is looked for.
const LOOK_FOR_CAMERA: Duration = Duration::from_secs(1);

/// The same for one that somebody else has.
const LOOK_IF_FREE: Duration = Duration::from_millis(250);

/// A GigE Vision camera whose owner has crashed is free after its heartbeat timeout, which sources set to 3 s: a broker that was
/// killed and is started again has its camera by then.
const CRASHED_OWNER: Duration = Duration::from_secs(5);

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
    let mut started = Vec::new();
    for (at, (plan, source)) in plans.iter().zip(sources).enumerate() {
        let id = StreamId(u32::try_from(at).unwrap_or(u32::MAX));
        match start(plan, id, source, events.clone()) {
            Ok(stream) => started.push(stream),
            Err(why) => {
                started.iter_mut().for_each(Stream::end);
                return Err(why.of_stream(&plan.options.name, plans.len()));
            }
        }
    }
    Ok(started)
}

fn open_all(plans: &[Plan<'_>]) -> Result<Vec<Opened>, RunError> {
    if let [Plan { opener: Some(opener), options, .. }] = plans {
        return Ok(vec![Opened::Source(open(opener, options.wait)?)]);
    }
    // At once: a camera that takes long to answer, or not to, keeps no other from its start.
    let opened: Vec<_> = std::thread::scope(|scope| {
        let openers = plans.iter().map(|plan| plan.opener.as_ref());
        let begun = openers
            .map(|opener| opener.map(|open| std::thread::Builder::new().spawn_scoped(scope, || open())).transpose());
        let opening: Vec<_> = begun.collect::<Result<_, _>>().map_err(RunError::system("start a thread"))?;
        Ok::<_, RunError>(opening.into_iter().map(|thread| thread.map(|thread| thread.join())).collect())
    })?;
    let each = plans.iter().zip(opened).map(|(plan, opened)| match opened {
        None => Ok(Opened::Producer),
        Some(Ok(Ok(source))) => Ok(Opened::Source(source)),
        Some(Ok(Err(error @ SourceError::Invalid(_)))) => {
            Err(RunError::from(error).of_stream(&plan.options.name, plans.len()))
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

/// Allocates the ring and starts the stream's grab thread.
fn start(plan: &Plan<'_>, id: StreamId, source: Opened, events: EventSender) -> Result<Stream, RunError> {
    let Plan { options, factory, memory_bytes, opener } = plan;
    let core = Arc::new(StreamCore::create(options.name.clone(), id)?);
    let (commands, todo) = channel();
    let mut pool = Pool::default();
    let (needs, description) = match &source {
        Opened::Source(source) => (source.requirements(), source.describe()),
        Opened::Away(_) => (vacant_needs(), plan.unknown_description()),
        Opened::Producer => (vacant_needs(), Description::default()),
    };
    plan.check_segments(needs.min_queued + 1)?;
    if matches!(source, Opened::Source(_)) {
        plan.check_memory(needs.payload_bytes)?;
        factory.foresee(options.segments(), needs.payload_bytes)?;
        allocate(&**factory, &mut pool, &commands, options.segments(), needs.payload_bytes)?;
    }
    let (kind, content) = kind(options);
    let new = Stream::new(StreamParts {
        core: Arc::clone(&core),
        factory: Arc::clone(factory),
        pool,
        commands: commands.clone(),
        needs,
        description,
        source: kind,
        content,
        limits: plan.limits(),
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
        memory_bytes: *memory_bytes,
        max_segments: options.max_segments,
    };
    let features = source.as_ref().and_then(|source| source.features());
    // Its receiver lives in the device thread's state, which is not started yet.
    let _will_be_read = jobs.0.send(device::Job::Source(device::Handle(features)));
    let opener = opener.clone().map(|opener| settings.kept_by(opener));
    let grab = Grab::new(core, plan.grab_options(), events, opener, source, jobs.0.clone());
    let grab = GrabThread::new(grab, todo);
    stream.set_device_thread(DeviceThread::start(jobs, parts).map_err(RunError::system("start a thread"))?);
    stream.watch_memory();
    start_thread(&mut stream, plan, grab)?;
    Ok(stream)
}

/// Starts the grab thread, and waits until it is scheduled as wanted.
fn start_thread(stream: &mut Stream, plan: &Plan<'_>, grab: GrabThread) -> Result<(), RunError> {
    let scheduling = plan.scheduling();
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
    let thread = std::thread::Builder::new().name(format!("grab-{}", plan.options.name));
    stream.set_grab_thread(thread.spawn(run).map_err(RunError::system("start a thread"))?);
    // It sends unless it is killed with the whole process.
    scheduled.recv().map_or(Ok(()), |result| Ok(result?))
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
