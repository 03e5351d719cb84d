//! GigE Vision and USB3 Vision cameras through libaravis (cargo feature `aravis`).
//!
//! libaravis receives straight into the ring's segments: each queued [`WritableSegment`] lies under an `ArvBuffer` made once
//! per segment and run. Who owns what, and when:
//! * The source holds every queued [`WritableSegment`] in its [`Slot`]; it leaves the slot only when the driver has given the
//!   buffer back ([`Event::Filled`]) or can write nothing any more ([`Source::stop`]).
//! * A [`Run`] is one start: the stream with its receiving thread, and after it (fields are dropped in order) all buffers.
//!   Nothing writes to a segment once its `Run` is gone.
//!
//! No GLib main loop is needed: buffers are popped from the stream's queue, and libaravis calls the handler of `control-lost`
//! from its heartbeat thread.

#[expect(unsafe_code, reason = "libaravis is a C library; every call to it is in this module")]
mod ffi;
mod feature;
mod frame;
mod open;

use std::time::{Duration, Instant};

use framebroker_protocol::PixelFormat;

use self::ffi::{Buffer, Camera, SocketBuffer, Statistics, Status, Stream};
use self::frame::{Layout, Losses, Transport};
use super::{Description, Event, FrameInfo, Requirements, Source, SourceError, TransportCounters, WritableSegment};

pub use self::ffi::DeviceInfo;
pub use self::open::list;

/// How often a wait looks whether the camera is gone.
const LOOK_AFTER_CAMERA: Duration = Duration::from_millis(100);

/// The driver fills one segment and needs the next one before that is done.
const MIN_QUEUED: usize = 2;

/// Which camera, and how to set it up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// ID, serial number, address or user-defined name; without one, the first camera found (never the simulated one).
    pub device: Option<String>,
    /// Features by their GenICam names, set in this order after everything below: they have the last word.
    pub features: Vec<(String, String)>,
    /// Width in pixels; without it, the camera's present one. The same holds for all that follow.
    pub width: Option<u32>,
    /// Height in pixels.
    pub height: Option<u32>,
    /// Frames per second; setting them switches triggers off.
    pub fps: Option<f64>,
    /// PFNC pixel format.
    pub pixel_format: Option<PixelFormat>,
    /// Bytes of a GigE Vision packet with its IP and UDP headers; without it, the camera's if test packets get through, else
    /// the largest that do; over loopback 1400.
    pub packet_size: Option<u32>,
    /// Bytes of the socket's receive buffer; without it, one frame. The kernel allows `net.core.rmem_max`.
    pub socket_buffer: Option<u32>,
    /// Deliver frames of which a part was lost, as not complete. Otherwise their segment is filled again at once, and they
    /// count as lost at the camera.
    pub publish_incomplete: bool,
}

/// One camera.
#[derive(Debug)]
pub struct AravisSource {
    // Before `camera`: the stream is dropped first.
    run: Option<Run>,
    camera: Camera,
    transport: Transport,
    description: Description,
    layout: Layout,
    socket_buffer: SocketBuffer,
    publish_incomplete: bool,
    /// By segment index.
    slots: Vec<Slot>,
    /// Segments that could not be given to the driver.
    refused: Vec<WritableSegment>,
    /// Figures of earlier runs.
    earlier: TransportCounters,
}

/// The place of one segment index.
#[derive(Debug, Default)]
struct Slot {
    /// The segment while it is queued.
    segment: Option<WritableSegment>,
    /// The buffer that was made for it in this run.
    buffer: Option<SlotBuffer>,
}

/// A buffer, and which memory it lies over.
#[derive(Debug)]
struct SlotBuffer {
    buffer: Buffer,
    address: usize,
    len: usize,
}

/// One start, up to the stop.
#[derive(Debug)]
struct Run {
    stream: Stream,
    losses: Losses,
    /// Segments the driver has.
    queued: usize,
    /// Frames that were no image or did not fit; the first one is logged.
    unusable: u64,
    /// A frame that waits until the starved ones before it are reported.
    next: Option<(WritableSegment, FrameInfo)>,
    /// Buffers whose segment was replaced by another one of the same index: never dropped before the stream.
    retired: Vec<SlotBuffer>,
}

impl AravisSource {
    /// Finds, opens and sets up the camera. May take seconds; can be called again after any error or loss.
    pub fn open(options: &Options) -> Result<Self, SourceError> {
        let opened = open::open(options)?;
        let socket_buffer = options.socket_buffer.map_or(SocketBuffer::Automatic, SocketBuffer::Bytes);
        Ok(Self {
            run: None,
            camera: opened.camera,
            transport: opened.transport,
            description: opened.description,
            layout: opened.layout,
            socket_buffer,
            publish_incomplete: options.publish_incomplete,
            slots: Vec::new(),
            refused: Vec::new(),
            earlier: TransportCounters::default(),
        })
    }

    /// Gives the segment of this slot to the driver.
    fn push(run: &mut Run, slot_number: usize, slot: &mut Slot) -> Result<(), WritableSegment> {
        let Some(mut segment) = slot.segment.take() else { return Ok(()) };
        let memory = segment.as_mut_ptr();
        let (address, len) = (memory.addr(), segment.len());
        if slot.buffer.as_ref().is_some_and(|buffer| (buffer.address, buffer.len) != (address, len)) {
            run.retired.extend(slot.buffer.take());
        }
        if slot.buffer.is_none() {
            let Some(buffer) = Buffer::new(memory, len, slot_number) else { return Err(segment) };
            slot.buffer = Some(SlotBuffer { buffer, address, len });
        }
        if let Some(buffer) = &slot.buffer {
            run.stream.push(&buffer.buffer);
            run.queued += 1;
        }
        slot.segment = Some(segment);
        Ok(())
    }
}
