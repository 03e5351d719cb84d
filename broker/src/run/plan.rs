//! What a stream's options come to on this machine: its factory, its limits, how its source is opened.

use std::sync::Arc;

use framebroker_protocol::{BrokerId, PixelFormat};
use tracing::warn;

use super::error::RunError;
use super::open::opener;
use crate::config::{BackingChoice, SourceChoice, StreamOptions};
use crate::factory::{BufferFactory, HugeTlb, Memfd, Placement, Posix, Registry, Sharing};
use crate::sessions::access::Access;
use crate::source::{Description, Opener};
use crate::stream::grab::GrabOptions;
use crate::stream::scheduling::Scheduling;
use crate::stream::served::Limits;

/// A stream to be started.
pub(super) struct Plan<'a> {
    /// What is said of it.
    pub options: &'a StreamOptions,
    /// Allocates its segments.
    pub factory: Arc<dyn BufferFactory>,
    /// Bytes that all its segments together may take.
    pub memory_bytes: u64,
    /// Opens its source; `None` where it comes by itself.
    pub opener: Option<Opener>,
}

impl<'a> Plan<'a> {
    /// Of one of so many streams, whose segments this factory makes.
    pub fn new(
        options: &'a StreamOptions,
        factory: Arc<dyn BufferFactory>,
        access: &Access,
        streams: usize,
    ) -> Result<Self, RunError> {
        check_sharing(&*factory, access)?;
        check_lending(options, &*factory)?;
        let memory_bytes = memory_bytes(options, streams)?;
        Ok(Self { options, factory, memory_bytes, opener: opener(options, memory_bytes) })
    }

    /// How large its ring may become, and what it does for readers.
    pub fn limits(&self) -> Limits {
        let options = self.options;
        Limits {
            min_segments: options.segments(),
            shrink_after: options.shrink_after,
            max_segments: options.max_segments,
            memory_bytes: self.memory_bytes,
            memory_warn_bytes: options.memory_warn,
            history: options.history,
            lossless_timeout: options.lossless_timeout,
            default_policy: options.grab_strategy.policy(),
        }
    }

    /// What its grab thread does.
    pub fn grab_options(&self) -> GrabOptions {
        GrabOptions {
            frames: self.options.frames,
            publish_incomplete: self.options.publish_incomplete,
            lossless_timeout: self.options.lossless_timeout,
        }
    }

    /// How its grab thread runs.
    pub fn scheduling(&self) -> Scheduling {
        Scheduling { cpu: self.options.grab_cpu, priority: self.options.grab_priority }
    }

    /// What is said of its camera as long as that has not been there yet.
    pub fn unknown_description(&self) -> Description {
        let StreamOptions { width, height, fps, pixel_format, .. } = self.options;
        Description {
            width: width.unwrap_or(0),
            height: height.unwrap_or(0),
            pixel_format: pixel_format.unwrap_or(PixelFormat::MONO8),
            fps: fps.unwrap_or(0.0),
            ..Description::default()
        }
    }

    /// Whether the segments to begin with are enough for the source and the newest frame, which need so many.
    pub fn check_segments(&self, reserve: usize) -> Result<(), RunError> {
        let segments = self.options.segments();
        if segments < reserve { Err(RunError::TooFewSegments { segments, reserve }) } else { Ok(()) }
    }

    /// Whether the segments to begin with, of so many bytes each, are within the limit.
    pub fn check_memory(&self, payload_bytes: usize) -> Result<(), RunError> {
        let (segments, payload_bytes) = (self.options.segments(), payload_bytes as u64);
        let asked = payload_bytes.saturating_mul(segments as u64);
        if asked <= self.memory_bytes {
            return Ok(());
        }
        let (asked_mb, limit_mb) = (asked.div_ceil(1 << 20), self.memory_bytes >> 20);
        Err(RunError::TooMuchMemory { segments, payload_bytes, asked_mb, limit_mb })
    }
}

/// The factory that a stream's options ask for, of the broker of this number.
pub(super) fn factory(options: &StreamOptions, broker: BrokerId, placement: Placement) -> Arc<dyn BufferFactory> {
    let registry = match options.source {
        SourceChoice::Producer => Registry::lending(placement),
        SourceChoice::Pattern | SourceChoice::Aravis(_) | SourceChoice::Replay(_) | SourceChoice::Pylon(_) => {
            Registry::new(placement)
        }
    };
    match options.backing {
        BackingChoice::Memfd => Arc::new(Memfd::new(registry)),
        BackingChoice::HugeTlb(page) => Arc::new(HugeTlb::new(registry, page)),
        BackingChoice::Posix => Arc::new(Posix::new(registry, broker, options.name.clone())),
    }
}

/// Bytes that all segments together may take, as one of so many streams.
fn memory_bytes(options: &StreamOptions, streams: usize) -> Result<u64, RunError> {
    match options.memory_limit {
        Some(bytes) => Ok(bytes),
        None => machine_memory().map(|bytes| bytes / 4 / (streams as u64).max(1)).ok_or(RunError::UnknownMemory),
    }
}

/// Bytes of memory that this machine has.
fn machine_memory() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Named objects are for the broker's own user, and keep less than is promised elsewhere.
fn check_sharing(factory: &dyn BufferFactory, access: &Access) -> Result<(), RunError> {
    if factory.sharing() == Sharing::Sealed {
        return Ok(());
    }
    let backing = factory.name();
    if access.is_shared() {
        return Err(RunError::Unprotected { backing: backing.to_owned() });
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
    if !takes_producers || factory.sharing() == Sharing::Sealed && factory.registry().is_lending() {
        return Ok(());
    }
    Err(RunError::Unsealed { backing: factory.name().to_owned() })
}
