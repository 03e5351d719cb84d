//! Producers: `fb_produce`, `fb_producer_take` and what goes with them.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use framebroker_client::{Blank, PixelFormat, Producer, ProducerBuilder};

use crate::blank::frame_info;
use crate::boundary::{HandlePlace, Options, Places, Sized_, end, guard, needed_text, options, place, text, timeout};
use crate::broker;
use crate::handles::tables;
use crate::shared::Shared;
use crate::status::{Failure, fb_status};
use crate::types::{fb_blank, fb_broker, fb_frame_fill, fb_lent_segment, fb_produce_options, fb_producer};

// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_produce_options {
    const NAME: &'static str = "fb_produce_options";
}
// SAFETY: integers and pointers.
unsafe impl Options for fb_produce_options {}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_lent_segment {
    const NAME: &'static str = "fb_lent_segment";
}

/// Becomes the producer of a stream, by its name ("cam0"), on a connection of its own: fills its segments in place of a
/// camera of the broker's, which was started with --source producer. A stream has one producer at a time. Returns when every
/// segment is mapped and frames can be published, which may take as long as the broker needs to allocate segments, at most
/// 30 s.
///
/// The new handle is put to *producer, NULL if the call fails, and belongs to the caller, who closes it with
/// fb_producer_close. A thread of the library hears the broker and maps the segments that come as the ring grows. What is
/// done per frame costs no system call, but for one that wakes the broker where it sleeps.
///
/// A producer is for one thread at a time; it need not always be the same. A call while another thread is in one returns
/// FB_ERROR_BUSY and does nothing.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT (also where the stream has another source), FB_ERROR_FORKED, FB_ERROR_NO_BROKER,
/// FB_ERROR_FORBIDDEN (the broker's --allow-uid UID:producer lets another user produce), FB_ERROR_HAS_PRODUCER,
/// FB_ERROR_UNKNOWN_STREAM, FB_ERROR_NOT_ADMITTED, FB_ERROR_CLOSED, FB_ERROR_REFUSED, FB_ERROR_NO_ANSWER, FB_ERROR_MEMORY,
/// FB_ERROR_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_produce(
    broker: *mut fb_broker,
    stream: *const c_char,
    options: *const fb_produce_options,
    producer: Option<&mut MaybeUninit<*mut fb_producer>>,
) -> fb_status {
    guard(|| {
        let place = HandlePlace::new("producer", producer)?;
        let broker = broker::find(broker)?;
        // SAFETY: the caller's pointer leads to a text, or is NULL.
        let stream = unsafe { needed_text("stream", stream) }?;
        // SAFETY: the caller's pointer leads to options of their size, or is NULL.
        let options = unsafe { self::options(options) }?.ok_or_else(|| no_geometry("options is NULL"))?;
        // SAFETY: the caller's texts are texts, or NULL.
        let said = unsafe { Said::new(&options) }?;
        if said.geometry.is_none() {
            return Err(no_geometry("the geometry is 0"));
        }
        let shared = Shared::new("producer", said.describe(broker.produce(stream)).open()?);
        place.put(tables()?.producers.insert(Arc::new(shared))?);
        Ok(())
    })
}

/// Ends a producer: what was published is still shown, and the stream's readers wait for the next producer. Blanks that live
/// cannot be published any more (FB_ERROR_STOPPED); their memory stays valid until they are dropped. That of segments that
/// were kept does not: see to it that no driver writes them any more.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_producer_close(producer: *mut fb_producer) -> fb_status {
    end(producer.addr(), || tables()?.producers.close(producer.addr()))
}

/// Waits for a segment to fill, at most timeout_ms: 0 does not wait, FB_FOREVER waits as long as it takes.
///
/// The blank is put to *blank, NULL if the call does not return FB_OK, and belongs to the caller, who ends it with
/// fb_blank_publish, fb_blank_keep or fb_blank_drop. Several may be had at once, and ended in any order and in any thread.
///
/// FB_TIMEOUT: readers may hold all segments; call again. For good: FB_ERROR_CLOSED, FB_ERROR_REFUSED (the broker has
/// disconnected this producer; the text says why), FB_ERROR_BROKER_GONE, FB_ERROR_PROTOCOL, FB_ERROR_MEMORY,
/// FB_ERROR_CONNECTION. Also FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_producer_take(
    producer: *mut fb_producer,
    timeout_ms: i64,
    blank: Option<&mut MaybeUninit<*mut fb_blank>>,
) -> fb_status {
    hand_out(producer, blank, |producer| Ok(producer.take(timeout(timeout_ms)?)?))
}

/// A segment to fill if there is one now, as fb_producer_take gives it; else FB_EMPTY. Never waits.
///
/// Errors as those of fb_producer_take.
#[unsafe(no_mangle)]
pub extern "C" fn fb_producer_try_take(
    producer: *mut fb_producer,
    blank: Option<&mut MaybeUninit<*mut fb_blank>>,
) -> fb_status {
    hand_out(producer, blank, |producer| producer.try_take()?.ok_or_else(|| Failure::new(fb_status::FB_EMPTY, "")))
}

/// Publishes the segment of a buffer context, which was taken and kept (fb_blank_keep) and has been filled by its address. It
/// comes back by fb_producer_take, under the same buffer context.
///
/// A driver with a fixed pool of buffers goes like this. Say fixed_pool. Take every segment with fb_producer_try_take, until
/// FB_EMPTY; keep each, and give its address and buffer context to the driver. When the driver says that a buffer is filled,
/// publish its context. Now and then fb_producer_try_take; keep what comes, and let the driver have it again. A driver that tells of
/// filled buffers in a thread of its own while another one waits in fb_producer_take had better have the blanks beside their contexts:
/// fb_blank_publish is for any thread.
///
/// FB_ERROR_NOT_KEPT; FB_ERROR_ARGUMENT: fill cannot be true of the segment, which stays kept. FB_ERROR_STOPPED: see
/// fb_producer_check. Also FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_producer_publish(
    producer: *mut fb_producer,
    buffer_context: u32,
    fill: *const fb_frame_fill,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let info = unsafe { frame_info(fill) }?;
        with(producer, |producer| Ok(producer.publish(buffer_context, &info)?))
    })
}

/// Whether the broker still takes what is filled: FB_OK, or else why not, as fb_producer_take would say for good. Never waits.
///
/// Also FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_producer_check(producer: *mut fb_producer) -> fb_status {
    guard(|| with(producer, |producer| Ok(producer.check()?)))
}

/// Says that the frames change: to another geometry, or a size that needs other segments. Frames of another geometry that
/// fit in the segments need not be told. Nothing may be taken or kept meanwhile. The stream stays live, and its readers notice
/// nothing but the new frames; addresses of segments may be others afterwards.
///
/// What is 0 or NULL in options stays as it is, all three of width, height and pixel_format or none of them; so does
/// payload_bytes where it was said, and else it follows the geometry. Takes as long as fb_produce.
///
/// FB_ERROR_FILLING; else as fb_produce. If the broker refuses, the producer goes on as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_producer_change(
    producer: *mut fb_producer,
    options: *const fb_produce_options,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to options of their size, or is NULL.
        let options = unsafe { self::options(options) }?.ok_or_else(|| Failure::argument("options is NULL"))?;
        // SAFETY: the caller's texts are texts, or NULL.
        let said = unsafe { Said::new(&options) }?;
        with(producer, |producer| Ok(producer.change(|builder| said.describe(builder))?))
    })
}

/// The sequence that the first frame got, or the first after the last change. Those that follow are numbered without a gap,
/// but for incomplete ones that the broker does not publish.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_producer_first_sequence(
    producer: *mut fb_producer,
    sequence: Option<&mut MaybeUninit<u64>>,
) -> fb_status {
    guard(|| {
        let place = place("sequence", sequence)?;
        place.write(with(producer, |producer| Ok(producer.first_sequence().0))?);
        Ok(())
    })
}

/// Lists every segment that is lent to the producer now or will be again, by index.
///
/// Fills at most capacity elements of segments, of which the first must have its struct_size set: it counts for all. *count
/// gets how many there are, which may be more. With a capacity of 0, segments may be NULL.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_producer_segments(
    producer: *mut fb_producer,
    segments: *mut fb_lent_segment,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to so many structures of their size.
        let places = unsafe { Places::new(segments, capacity, count) }?;
        let mappings = with(producer, |producer| Ok(producer.segments()))?;
        places.put(mappings.iter().map(|mapping| fb_lent_segment {
            struct_size: size_of::<fb_lent_segment>(),
            address: std::ptr::with_exposed_provenance_mut(mapping.address),
            length: mapping.length,
            buffer_context: mapping.index.buffer_context(),
            backing: mapping.backing.0,
        }));
        Ok(())
    })
}

/// Takes a segment of a producer and makes a handle of it.
fn hand_out(
    producer: *mut fb_producer,
    blank: Option<&mut MaybeUninit<*mut fb_blank>>,
    take: impl FnOnce(&mut Producer) -> Result<Blank, Failure>,
) -> fb_status {
    guard(|| {
        let place = HandlePlace::new("blank", blank)?;
        place.put(tables()?.blanks.insert(with(producer, take)?)?);
        Ok(())
    })
}

fn with<R>(producer: *mut fb_producer, run: impl FnOnce(&mut Producer) -> Result<R, Failure>) -> Result<R, Failure> {
    tables()?.producers.find(producer.addr())?.with(run)
}

/// Options that were checked.
struct Said<'a> {
    geometry: Option<(u32, u32, PixelFormat)>,
    model: Option<&'a str>,
    serial: Option<&'a str>,
    options: &'a fb_produce_options,
}

impl<'a> Said<'a> {
    /// Checks options.
    ///
    /// # Safety
    /// The texts are NULL or texts that end with a NUL and do not change during `'a`.
    unsafe fn new(options: &'a fb_produce_options) -> Result<Self, Failure> {
        // SAFETY: the caller vouches for a text, or NULL.
        let model = unsafe { text("model", options.model) }?;
        // SAFETY: as above.
        let serial = unsafe { text("serial", options.serial) }?;
        Ok(Self { geometry: geometry(options)?, model, serial, options })
    }

    /// Adds what was said to what is known.
    fn describe(&self, mut builder: ProducerBuilder) -> ProducerBuilder {
        let options = self.options;
        if let Some((width, height, pixel_format)) = self.geometry {
            builder = builder.geometry(width, height, pixel_format);
        }
        if options.payload_bytes != 0 {
            builder = builder.payload_bytes(options.payload_bytes);
        }
        if options.min_queued != 0 {
            builder = builder.min_queued(options.min_queued);
        }
        if options.fixed_pool != 0 {
            builder = builder.fixed_pool(true);
        }
        if options.can_pause != 0 {
            builder = builder.can_pause(true);
        }
        if options.interval_ns != 0 {
            builder = builder.interval(Duration::from_nanos(options.interval_ns));
        }
        if let Some(model) = self.model {
            builder = builder.model(model);
        }
        match self.serial {
            Some(serial) => builder.serial(serial),
            None => builder,
        }
    }
}

/// The geometry, if one is said.
fn geometry(options: &fb_produce_options) -> Result<Option<(u32, u32, PixelFormat)>, Failure> {
    match (options.width, options.height, options.pixel_format) {
        (0, 0, 0) => Ok(None),
        (width, height, code) if width != 0 && height != 0 && code != 0 => {
            Ok(Some((width, height, PixelFormat::from_code(code))))
        }
        _ => Err(no_geometry("a part of the geometry is 0")),
    }
}

fn no_geometry(what: &str) -> Failure {
    Failure::argument(format!("{what}: say width, height and pixel_format"))
}
