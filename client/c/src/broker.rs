//! Connections: `fb_broker_…`.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use framebroker_client::stats::{StreamStats, Timing};
use framebroker_client::{Broker, Content, StreamInfo};

use crate::boundary::{
    HandlePlace, Options, Place, Places, Sized_, end, fixed, guard, list, needed_text, options, text, time, timeout,
};
use crate::handles::tables;
use crate::status::{Failure, fb_status};
use crate::types::{
    fb_broker, fb_broker_info, fb_connect_options, fb_frame, fb_stream_info, fb_stream_stats, fb_timing,
};

// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_connect_options {
    const NAME: &'static str = "fb_connect_options";
}
// SAFETY: integers and pointers.
unsafe impl Options for fb_connect_options {
    // Before there was `control`.
    const EARLIER: &'static [usize] = &[std::mem::offset_of!(fb_connect_options, control)];
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_broker_info {
    const NAME: &'static str = "fb_broker_info";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_stream_info {
    const NAME: &'static str = "fb_stream_info";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_stream_stats {
    const NAME: &'static str = "fb_stream_stats";
}

/// The version of this library, as "0.1.0". Compare with FB_VERSION, the header's. Static: do not free it. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version with a NUL"),
    };
    VERSION.as_ptr()
}

/// Connects to a broker.
///
/// options may be NULL. The new handle is put to *broker, NULL if the call fails, and belongs to the caller, who closes it
/// with fb_broker_close. Thread-safe, as all functions on brokers are: several threads may use one, and take turns.
///
/// When the broker has ended, the next question goes to the one that is there then: fb_broker_describe tells which. What belonged
/// to the connection, as sole control of a camera, is gone with the broker that gave it.
///
/// FB_ERROR_NO_BROKER, FB_ERROR_FORBIDDEN, FB_ERROR_REFUSED, FB_ERROR_PROTOCOL, FB_ERROR_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_broker_connect(
    options: *const fb_connect_options,
    broker: Option<&mut MaybeUninit<*mut fb_broker>>,
) -> fb_status {
    guard(|| {
        let place = HandlePlace::new("broker", broker)?;
        // SAFETY: the caller's pointer leads to options of their size, or is NULL.
        let options = unsafe { self::options(options) }?;
        let mut builder = Broker::builder();
        if let Some(options) = options {
            // SAFETY: the caller's pointer leads to a text, or is NULL.
            if let Some(socket) = unsafe { text("socket", options.socket) }? {
                builder = builder.socket(socket);
            }
            // SAFETY: the caller's pointer leads to a text, or is NULL.
            if let Some(name) = unsafe { text("name", options.name) }? {
                builder = builder.name(name);
            }
            // SAFETY: the caller's pointer leads to as many numbers as the caller says.
            for uid in unsafe { list("server_uids", options.server_uids, options.server_uid_count) }? {
                builder = builder.server_uid(*uid);
            }
            if options.timeout_ms != 0 {
                builder = builder.timeout(Duration::from_millis(options.timeout_ms));
            }
            builder = builder.control(options.control != 0).wait(time("wait_ms", options.wait_ms)?);
            if options.max_acquired != 0 {
                builder = builder.max_acquired(options.max_acquired);
            }
        }
        place.put(tables()?.brokers.insert(Arc::new(builder.connect()?))?);
        Ok(())
    })
}

/// Closes a connection. Its subscriptions and their frames have connections of their own, and go on. A call on it that
/// another thread is in ends as usual.
///
/// FB_ERROR_HANDLE, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_broker_close(broker: *mut fb_broker) -> fb_status {
    end(broker.addr(), || tables()?.brokers.remove(broker.addr()).map(drop))
}

/// Triggers a camera (TriggerSoftware) and waits for its frame, at most timeout_ms from then on: the first that comes after the
/// trigger. The camera waits for triggers: its TriggerMode is On, its TriggerSource Software. The connection was made with control.
///
/// Subscribes to the stream when it is first called, on a connection that is kept until fb_broker_close, for two frames: one may be
/// held while the next is waited for. Threads that trigger the same camera take turns.
///
/// FB_TIMEOUT: no frame came, as where the camera ignored the trigger. FB_ERROR_FULL: release one of two. Else as
/// fb_feature_execute, fb_subscribe and fb_subscription_next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_broker_trigger(
    broker: *mut fb_broker,
    stream: *const c_char,
    timeout_ms: i64,
    frame: Option<&mut MaybeUninit<*mut fb_frame>>,
) -> fb_status {
    guard(|| {
        let place = HandlePlace::new("frame", frame)?;
        let broker = find(broker)?;
        // SAFETY: the caller's pointer leads to a text, or is NULL.
        let stream = unsafe { needed_text("stream", stream) }?;
        let taken = broker.trigger(stream, timeout(timeout_ms)?)?;
        place.put(tables()?.frames.insert(taken)?);
        Ok(())
    })
}

/// Tells to whom this is a connection.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_broker_describe(broker: *mut fb_broker, info: *mut fb_broker_info) -> fb_status {
    guard(|| {
        let broker = find(broker)?;
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(info) }?;
        place.put(fb_broker_info {
            struct_size: size_of::<fb_broker_info>(),
            broker_id: broker.id().0,
            client_id: broker.client_id().0,
            pid: broker.pid(),
            socket: fixed(&broker.socket().to_string_lossy()),
        });
        Ok(())
    })
}

/// Asks whether the broker is still there. round_trip_ns, which may be NULL, gets how long the answer took.
///
/// FB_ERROR_HANDLE, FB_ERROR_FORKED, FB_ERROR_BROKER_GONE, FB_ERROR_NO_ANSWER, FB_ERROR_PROTOCOL, FB_ERROR_CONNECTION.
#[unsafe(no_mangle)]
pub extern "C" fn fb_broker_ping(broker: *mut fb_broker, round_trip_ns: Option<&mut MaybeUninit<u64>>) -> fb_status {
    guard(|| {
        let took = find(broker)?.ping()?;
        if let Some(place) = round_trip_ns {
            place.write(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        }
        Ok(())
    })
}

/// Lists the streams.
///
/// Fills at most capacity elements of streams, of which the first must have its struct_size set: it counts for all. *count
/// gets how many streams there are, which may be more. With a capacity of 0, streams may be NULL.
///
/// As fb_broker_ping, and FB_ERROR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_broker_streams(
    broker: *mut fb_broker,
    streams: *mut fb_stream_info,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        let broker = find(broker)?;
        // SAFETY: the caller's pointer leads to so many structures of their size.
        let places = unsafe { Places::new(streams, capacity, count) }?;
        let found = broker.streams()?;
        places.put(found.iter().map(fb_stream_info::from));
        Ok(())
    })
}

/// Figures of all streams, as the broker counts them. Arguments and errors as those of fb_broker_streams.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_broker_stats(
    broker: *mut fb_broker,
    stats: *mut fb_stream_stats,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        let broker = find(broker)?;
        // SAFETY: the caller's pointer leads to so many structures of their size.
        let places = unsafe { Places::new(stats, capacity, count) }?;
        let found = broker.stats()?;
        places.put(found.iter().map(fb_stream_stats::from));
        Ok(())
    })
}

/// The broker of a handle; kept while it is used, though another thread closes it.
pub fn find(broker: *mut fb_broker) -> Result<Arc<Broker>, Failure> {
    tables()?.brokers.find(broker.addr())
}

impl From<&StreamInfo> for fb_stream_info {
    fn from(info: &StreamInfo) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            name: fixed(info.name.as_str()),
            source: fixed(info.source.as_str()),
            model: fixed(info.model.as_str()),
            serial: fixed(info.serial.as_str()),
            backing: fixed(info.backing.as_str()),
            head: info.head.0,
            millihertz: info.millihertz,
            id: info.id.0,
            state: info.state.to_bits(),
            width: info.width,
            height: info.height,
            pixel_format: info.pixel_format.code(),
            segments: info.segments,
            max_segments: info.max_segments,
            holds_left: info.holds_left,
            is_shared: info.shared,
            is_pattern: info.content == Content::Pattern,
            producer: fixed(info.producer.as_str()),
        }
    }
}

impl From<Timing> for fb_timing {
    fn from(timing: Timing) -> Self {
        let Timing { count, mean_ns, max_ns } = timing;
        Self { count, mean_ns, max_ns }
    }
}

impl From<&StreamStats> for fb_stream_stats {
    fn from(stats: &StreamStats) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            name: fixed(stats.name.as_str()),
            total_allocated: stats.total_allocated,
            total_freed: stats.total_freed,
            active_buffers: stats.active_buffers,
            max_buffers: stats.max_buffers,
            current_bytes: stats.current_bytes,
            peak_bytes: stats.peak_bytes,
            mapped_bytes: stats.mapped_bytes,
            given_up_bytes: stats.given_up_bytes,
            grabbed: stats.grabbed,
            published: stats.published,
            incomplete: stats.incomplete,
            lost_at_camera: stats.lost_at_camera,
            starved: stats.starved,
            overdue: stats.overdue,
            evicted: stats.evicted,
            resent_packets: stats.resent_packets,
            missing_packets: stats.missing_packets,
            failed_frames: stats.failed_frames,
            allocate: stats.allocate.into(),
            publish: stats.publish.into(),
            retire: stats.retire.into(),
        }
    }
}
