//! What the broker tells, as objects with attributes.

use std::time::Duration;

use framebroker_client as client;
use framebroker_client::stats;
use pyo3::prelude::*;
use pyo3::{BoundObject, IntoPyObject};

use crate::pixel_format::PixelFormat;

/// Declares a class with read-only attributes, made from a structure of the Rust library.
macro_rules! record {
    (
        $(#[$doc:meta])*
        $name:ident($from:ident: $source:ty) {
            $( $(#[$field_doc:meta])* $field:ident: $type:ty = $value:expr, )*
        }
    ) => {
        $(#[$doc])*
        #[pyclass(frozen, get_all, module = "framebroker")]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $type, )*
        }

        impl $name {
            /// From what the broker said.
            pub fn from_broker(py: Python<'_>, $from: &$source) -> PyResult<Py<Self>> {
                Py::new(py, Self { $( $field: $value.into_attribute(py)?, )* })
            }
        }

        #[pymethods]
        impl $name {
            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                let fields = [$( (stringify!($field), slf.getattr(stringify!($field))?.repr()?), )*];
                let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
                Ok(format!("{}({})", stringify!($name), fields.join(", ")))
            }
        }
    };
}

pub(crate) use record;

/// Turns a field into what the attribute holds.
pub trait IntoAttribute<T> {
    /// # Errors
    /// Where the interpreter has no memory.
    fn into_attribute(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> IntoAttribute<T> for T {
    fn into_attribute(self, _py: Python<'_>) -> PyResult<T> {
        Ok(self)
    }
}

/// A plain value as an object.
///
/// # Errors
/// Where the interpreter has no memory.
pub fn object<'py, T: IntoPyObject<'py>>(py: Python<'py>, value: T) -> PyResult<Py<PyAny>> {
    Ok(value.into_pyobject(py).map_err(Into::into)?.into_any().unbind())
}

/// A record within a record.
pub struct Nested<'a, T>(pub &'a T);

/// Lets records have others of these classes in them, one or a list.
macro_rules! nested {
    ($($record:ident: $source:ty;)*) => { $(
        impl IntoAttribute<Py<$record>> for Nested<'_, $source> {
            fn into_attribute(self, py: Python<'_>) -> PyResult<Py<$record>> {
                $record::from_broker(py, self.0)
            }
        }

        impl IntoAttribute<Vec<Py<$record>>> for Nested<'_, Vec<$source>> {
            fn into_attribute(self, py: Python<'_>) -> PyResult<Vec<Py<$record>>> {
                self.0.iter().map(|entry| $record::from_broker(py, entry)).collect()
            }
        }
    )* };
}

pub(crate) use nested;

nested! {
    Timing: stats::Timing;
    Holder: stats::Holder;
    SubscriptionStats: stats::SubscriptionStats;
}

impl IntoAttribute<Py<PixelFormat>> for client::PixelFormat {
    fn into_attribute(self, py: Python<'_>) -> PyResult<Py<PixelFormat>> {
        Py::new(py, PixelFormat(self))
    }
}

record! {
    /// A stream, as it is at the moment. Every frame has a geometry of its own.
    StreamInfo(info: client::StreamInfo) {
        /// Its name.
        name: String = info.name.to_string(),
        /// Its number in the broker.
        id: u32 = info.id.0,
        /// Whether frames can come: ``"live"``, ``"offline"`` (the camera is away) or ``"closed"``.
        state: &'static str = info.state.name(),
        /// What fills it: ``"pattern"``, ``"aravis"``, …
        source: String = info.source.to_string(),
        /// Vendor and model.
        model: String = info.model.to_string(),
        /// Serial number; empty for none.
        serial: String = info.serial.to_string(),
        /// In pixels.
        width: u32 = info.width,
        /// In pixels.
        height: u32 = info.height,
        /// How pixels are stored.
        pixel_format: Py<PixelFormat> = info.pixel_format,
        /// Nominal frames per second; 0 unknown, or as fast as possible.
        fps: f64 = millihertz(info.millihertz),
        /// ``"pattern"`` if every byte can be verified, else ``"opaque"``.
        content: &'static str = info.content.name(),
        /// What its segments are made of: ``"memfd"``, ``"hugetlb"``, ``"posix"``, …
        backing: String = info.backing.to_string(),
        /// Whether shared delivery is granted; else ``delivery="socket"`` must be asked for.
        shared: bool = info.shared,
        /// Segments now.
        segments: u32 = info.segments,
        /// Segments it may grow to.
        max_segments: u32 = info.max_segments,
        /// Frames that further subscriptions can ask to hold.
        holds_left: u32 = info.holds_left,
        /// The newest sequence; 0 before the first.
        head: u64 = info.head.0,
        /// The process that fills it, where that is not the broker: name and process ID; else empty.
        producer: String = info.producer.to_string(),
    }
}

record! {
    /// How often something was done and how long it took.
    Timing(timing: stats::Timing) {
        /// Times done.
        count: u64 = timing.count,
        /// Mean duration in ns.
        mean_ns: u64 = timing.mean_ns,
        /// Longest duration in ns.
        max_ns: u64 = timing.max_ns,
    }
}

record! {
    /// Figures of a stream. Bytes are payload asked for; ``mapped_bytes`` is what it takes in pages.
    StreamStats(figures: stats::StreamStats) {
        /// The stream.
        name: String = figures.name.to_string(),
        /// Its number.
        id: u32 = figures.id.0,
        /// Segments ever allocated.
        total_allocated: u64 = figures.total_allocated,
        /// Segments freed.
        total_freed: u64 = figures.total_freed,
        /// Segments now.
        active_buffers: u64 = figures.active_buffers,
        /// Payload bytes of the segments now.
        current_bytes: u64 = figures.current_bytes,
        /// The most payload bytes at any time.
        peak_bytes: u64 = figures.peak_bytes,
        /// Bytes of the segments' pages now.
        mapped_bytes: u64 = figures.mapped_bytes,
        /// Payload bytes of segments given up because a living process may still read them.
        given_up_bytes: u64 = figures.given_up_bytes,
        /// Segments the stream may grow to.
        max_buffers: u64 = figures.max_buffers,
        /// Frames the source delivered.
        grabbed: u64 = figures.grabbed,
        /// Frames published.
        published: u64 = figures.published,
        /// Frames of which a part was lost on the way.
        incomplete: u64 = figures.incomplete,
        /// Frames lost between camera and broker.
        lost_at_camera: u64 = figures.lost_at_camera,
        /// Frames dropped because no segment was free.
        starved: u64 = figures.starved,
        /// Holds that became older than the lease.
        overdue: u64 = figures.overdue,
        /// Subscriptions that were ended for such a hold.
        evicted: u64 = figures.evicted,
        /// Packets asked for again.
        resent_packets: u64 = figures.resent_packets,
        /// Packets that never came.
        missing_packets: u64 = figures.missing_packets,
        /// Frames the driver gave up.
        failed_frames: u64 = figures.failed_frames,
        /// Making a segment.
        allocate: Py<Timing> = Nested(&figures.allocate),
        /// Publishing a frame, without waking its readers.
        publish: Py<Timing> = Nested(&figures.publish),
        /// Retiring frames.
        retire: Py<Timing> = Nested(&figures.retire),
    }
}

record! {
    /// Who holds a frame.
    Holder(holder: stats::Holder) {
        /// Number of the session.
        client: u64 = holder.client.0,
        /// Its name.
        name: String = holder.name.to_string(),
        /// Its process.
        pid: u32 = holder.pid,
        /// Its user.
        uid: u32 = holder.uid,
        /// For how long in ns, as the broker has seen it.
        held_ns: u64 = holder.held_ns,
        /// Whether that is longer than the lease.
        is_overdue: bool = holder.is_overdue,
    }
}

record! {
    /// Figures of a segment.
    SegmentStats(segment: stats::SegmentStats) {
        /// 1000 + its index: the ``buffer_context`` of its frames.
        buffer_context: u32 = segment.context,
        /// Payload bytes.
        bytes: u64 = segment.bytes,
        /// When it was allocated: ns since 1970.
        allocated_realtime_ns: u64 = segment.allocated_realtime_ns,
        /// What it is doing: ``"queued"``, ``"filling"``, ``"published"``, ``"held"`` or ``"quarantined"``.
        state: &'static str = segment.state.name(),
        /// Times it was published.
        usage_count: u64 = segment.usage_count,
        /// Who holds its frame; the first 8.
        held_by: Vec<Py<Holder>> = Nested(&segment.held_by),
        /// How many more hold it.
        more_holders: u32 = segment.more_holders,
    }
}

record! {
    /// Figures of a subscription, as the broker has them.
    SubscriptionStats(figures: stats::SubscriptionStats) {
        /// Its number in its session.
        id: u32 = figures.id.0,
        /// The stream's name.
        stream: String = figures.stream.to_string(),
        /// Which frames, now: a demoted lossless subscription is ``"sequential"``.
        policy: &'static str = figures.policy.name(),
        /// By which way.
        delivery: &'static str = figures.delivery.name(),
        /// Frames taken.
        received: u64 = figures.received,
        /// Frames retired before they were taken.
        lost: u64 = figures.lost,
        /// Frames passed over for a newer one.
        skipped: u64 = figures.skipped,
        /// Frames held.
        held: u32 = figures.held,
        /// Frames it may hold.
        max_held: u32 = figures.max_held,
        /// Its longest hold in ns.
        longest_hold_ns: u64 = figures.longest_hold_ns,
        /// Holds that are older than the lease.
        overdue: u32 = figures.overdue,
    }
}

record! {
    /// Figures of a session.
    ClientStats(figures: stats::ClientStats) {
        /// Number of the session.
        id: u64 = figures.id.0,
        /// Its name.
        name: String = figures.name.to_string(),
        /// Its process.
        pid: u32 = figures.pid,
        /// Its user.
        uid: u32 = figures.uid,
        /// What it reads.
        subscriptions: Vec<Py<SubscriptionStats>> = Nested(&figures.subscriptions),
    }
}

record! {
    /// What became of the frames. Their sum is the number of frames published, from the first that the subscription could
    /// have got to the one taken last.
    Counters(counters: client::Counters) {
        /// Frames taken.
        received: u64 = counters.received,
        /// Frames retired before they were taken.
        lost: u64 = counters.lost,
        /// Frames passed over by policy.
        skipped: u64 = counters.skipped,
    }
}

record! {
    /// What became of the frames of streams that were joined.
    SyncStats(stats: client::SyncStats) {
        /// Sets with a frame of every stream.
        complete: u64 = stats.complete,
        /// Sets without: dropped, or delivered, as was asked for.
        incomplete: u64 = stats.incomplete,
        /// Of each stream, frames that are in no complete set.
        unmatched: Vec<u64> = stats.unmatched.clone(),
        /// Mean skew of complete sets in ns; 0 before the first.
        mean_skew_ns: u64 = nanoseconds(stats.mean_skew()),
        /// Largest skew of a complete set in ns.
        max_skew_ns: u64 = nanoseconds(stats.max_skew),
    }
}

record! {
    /// A segment as it is mapped in this process, at the same address for as long as a frame in it is held.
    MappedSegment(segment: client::MappedSegment) {
        /// Its index.
        index: usize = segment.index.as_usize(),
        /// 1000 + index: the ``buffer_context`` of its frames.
        buffer_context: u32 = segment.index.buffer_context(),
        /// Which object is behind the index.
        backing: u32 = segment.backing.0,
        /// Where it begins in the memory of this process.
        address: usize = segment.address,
        /// Bytes mapped.
        length: usize = segment.length,
    }
}

#[expect(clippy::cast_precision_loss, reason = "no frame rate needs 53 bits")]
fn millihertz(thousandths: u64) -> f64 {
    thousandths as f64 / 1000.0
}

/// A duration in ns, as the classes here have them.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
