//! The receiving side: buffers over segments, and the thread that fills them.

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;
use std::time::Duration;

use aravis_sys::{ArvBuffer, ArvStream};

use super::{Failure, Region};

/// One reference to an `ArvBuffer` over memory that somebody else owns.
#[derive(Debug)]
pub(in super::super) struct Buffer(NonNull<ArvBuffer>);

// SAFETY: GObject counts references atomically, and libaravis ties a buffer to no thread.
unsafe impl Send for Buffer {}

/// How a buffer came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Status {
    /// A frame, whole.
    Complete,
    /// A frame with parts missing.
    Incomplete,
    /// No frame: given back unfilled when the stream ended, or a payload libaravis cannot receive.
    NoFrame,
}

/// What libaravis says about a buffer that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Report {
    pub(in super::super) status: Status,
    /// The payload is an image; the geometry below is valid. Known only of complete frames: of others, the packet that
    /// tells may be among those that are missing, and libaravis logs an assertion when it is asked.
    pub(in super::super) is_image: bool,
    pub(in super::super) has_chunks: bool,
    pub(in super::super) frame_id: u64,
    pub(in super::super) timestamp_ns: u64,
    pub(in super::super) region: Region,
    /// PFNC code.
    pub(in super::super) pixel_format: u32,
    /// Bytes received; releases of libaravis before 0.8.23 tell the size of the buffer instead.
    pub(in super::super) data_bytes: usize,
}

impl Buffer {
    /// A buffer over `len` bytes at `memory`, which comes back from [`Stream::pop`] under the number `slot`.
    ///
    /// Creating one touches no memory: see [`Stream::push`].
    pub(in super::super) fn new(memory: *mut u8, len: usize, slot: usize) -> Option<Self> {
        if memory.is_null() {
            return None; // libaravis would allocate memory of its own
        }
        let slot: *mut c_void = std::ptr::without_provenance_mut(slot);
        // SAFETY: stores `memory`, `len` and `slot`, without reading or writing any; with no destroy function and memory
        // of the caller's (not null, see above) it frees neither.
        let buffer = unsafe { aravis_sys::arv_buffer_new_full(len, memory.cast(), slot, None) };
        NonNull::new(buffer).map(Self)
    }

    /// What the stream left in it.
    pub(in super::super) fn report(&self) -> Report {
        let buffer = self.0.as_ptr();
        // SAFETY: `buffer` is alive (one reference is ours).
        let status = status(unsafe { aravis_sys::arv_buffer_get_status(buffer) });
        // SAFETY: as above.
        let payload = unsafe { aravis_sys::arv_buffer_get_payload_type(buffer) };
        // SAFETY: as above.
        let has_chunks = unsafe { aravis_sys::arv_buffer_has_chunks(buffer) } != 0;
        // SAFETY: as above.
        let frame_id = unsafe { aravis_sys::arv_buffer_get_frame_id(buffer) };
        // SAFETY: as above.
        let timestamp_ns = unsafe { aravis_sys::arv_buffer_get_timestamp(buffer) };
        let mut data_bytes = 0;
        // SAFETY: as above; `data_bytes` is a live size_t; the pointer returned is not used.
        let _ = unsafe { aravis_sys::arv_buffer_get_data(buffer, &raw mut data_bytes) };
        let is_image = status == Status::Complete && is_image(payload);
        let mut report = Report {
            status,
            is_image,
            has_chunks,
            frame_id,
            timestamp_ns,
            region: Region::default(),
            pixel_format: 0,
            data_bytes,
        };
        if is_image {
            self.read_geometry(&mut report);
        }
        report
    }

    /// Fills in what libaravis answers only for images.
    fn read_geometry(&self, report: &mut Report) {
        let (mut x, mut y, mut width, mut height): (c_int, c_int, c_int, c_int) = (0, 0, 0, 0);
        // SAFETY: the buffer is alive and holds an image; the four pointers are to live integers.
        unsafe {
            aravis_sys::arv_buffer_get_image_region(
                self.0.as_ptr(),
                &raw mut x,
                &raw mut y,
                &raw mut width,
                &raw mut height,
            );
        };
        // SAFETY: the buffer is alive and holds an image.
        report.pixel_format = unsafe { aravis_sys::arv_buffer_get_image_pixel_format(self.0.as_ptr()) };
        report.region = Region::from_c(x, y, width, height);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: gives back the one reference that `new` got; the memory is not ours and is not touched.
        unsafe { gobject_sys::g_object_unref(self.0.as_ptr().cast()) };
    }
}

fn status(status: aravis_sys::ArvBufferStatus) -> Status {
    match status {
        aravis_sys::ARV_BUFFER_STATUS_SUCCESS => Status::Complete,
        aravis_sys::ARV_BUFFER_STATUS_TIMEOUT
        | aravis_sys::ARV_BUFFER_STATUS_MISSING_PACKETS
        | aravis_sys::ARV_BUFFER_STATUS_WRONG_PACKET_ID
        | aravis_sys::ARV_BUFFER_STATUS_SIZE_MISMATCH => Status::Incomplete,
        _ => Status::NoFrame,
    }
}

fn is_image(payload: aravis_sys::ArvBufferPayloadType) -> bool {
    matches!(
        payload,
        aravis_sys::ARV_BUFFER_PAYLOAD_TYPE_IMAGE
            | aravis_sys::ARV_BUFFER_PAYLOAD_TYPE_CHUNK_DATA
            | aravis_sys::ARV_BUFFER_PAYLOAD_TYPE_EXTENDED_CHUNK_DATA
    )
}

/// The stream's own figures since it was created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Statistics {
    pub(in super::super) failures: u64,
    /// How often no buffer was queued when one was wanted: counts frames (`Fake`) or packets and polls (the others).
    pub(in super::super) underruns: u64,
    pub(in super::super) resent_packets: u64,
    pub(in super::super) missing_packets: u64,
}

/// A stream: two queues of buffers and the thread that fills those of the one and puts them into the other.
#[derive(Debug)]
pub(in super::super) struct Stream {
    stream: NonNull<ArvStream>,
    is_gige: bool,
}

// SAFETY: libaravis ties a stream to no thread (its queues are GAsyncQueues) and counts references atomically.
unsafe impl Send for Stream {}

impl Stream {
    /// Takes over the one reference to a stream that was just created.
    ///
    /// # Safety
    /// `stream` is null or a live `ArvStream` of which the caller gives away the only reference.
    pub(super) unsafe fn adopt(stream: *mut ArvStream) -> Result<Self, Failure> {
        let stream = NonNull::new(stream).ok_or_else(|| Failure::other("libaravis created no stream"))?;
        // SAFETY: no arguments; returns the type's number.
        let gige = unsafe { aravis_sys::arv_gv_stream_get_type() };
        // SAFETY: `stream` is a live GObject (the caller's promise), `gige` a registered type.
        let is_gige = unsafe { gobject_sys::g_type_check_instance_is_a(stream.as_ptr().cast(), gige) } != 0;
        Ok(Self { stream, is_gige })
    }

    /// The UDP port of a GigE Vision stream; others have none.
    pub(super) fn port(&self) -> Option<u16> {
        // SAFETY: a live ArvGvStream (`is_gige`).
        self.is_gige.then(|| unsafe { aravis_sys::arv_gv_stream_get_port(self.stream.as_ptr().cast()) })
    }

    /// Gives a buffer to the receiving thread, which writes to its memory until the buffer is popped or the stream dropped.
    ///
    /// # Safety
    /// Until then the buffer's memory stays mapped and writable, nobody else reads or writes it, and the buffer is neither
    /// pushed again nor dropped.
    pub(in super::super) unsafe fn push(&self, buffer: &Buffer) {
        // SAFETY: the buffer is alive; this reference is the one the stream gets.
        unsafe { gobject_sys::g_object_ref(buffer.0.as_ptr().cast()) };
        // SAFETY: both are alive; the stream takes over the reference made above; the memory is as the caller promises.
        unsafe { aravis_sys::arv_stream_push_buffer(self.stream.as_ptr(), buffer.0.as_ptr()) };
    }

    /// Waits for a buffer to come back, and answers the slot number it was made with.
    pub(in super::super) fn pop(&self, timeout: Duration) -> Option<usize> {
        let timeout_us = u64::try_from(timeout.as_micros()).unwrap_or(u64::MAX);
        // SAFETY: the stream is alive.
        let buffer = unsafe { aravis_sys::arv_stream_timeout_pop_buffer(self.stream.as_ptr(), timeout_us) };
        let buffer = NonNull::new(buffer)?;
        // SAFETY: alive, as its reference came with it; a plain getter of what `Buffer::new` stored.
        let slot = unsafe { aravis_sys::arv_buffer_get_user_data(buffer.as_ptr()) };
        // SAFETY: gives back the reference that `push` made; the `Buffer` has one of its own.
        unsafe { gobject_sys::g_object_unref(buffer.as_ptr().cast()) };
        Some(slot.addr())
    }

    /// The figures so far.
    pub(in super::super) fn statistics(&self) -> Statistics {
        let (mut completed, mut failures, mut underruns) = (0, 0, 0);
        // SAFETY: the stream is alive, the three pointers are to live integers.
        unsafe {
            aravis_sys::arv_stream_get_statistics(
                self.stream.as_ptr(),
                &raw mut completed,
                &raw mut failures,
                &raw mut underruns,
            );
        };
        let (mut resent_packets, mut missing_packets) = (0, 0);
        if self.is_gige {
            let stream = self.stream.as_ptr().cast();
            // SAFETY: a live ArvGvStream (`is_gige`), the two pointers are to live integers.
            unsafe {
                aravis_sys::arv_gv_stream_get_statistics(stream, &raw mut resent_packets, &raw mut missing_packets);
            };
        }
        Statistics { failures, underruns, resent_packets, missing_packets }
    }
}

impl Drop for Stream {
    /// Ends the receiving thread and waits for it: after this nothing is written to any buffer.
    fn drop(&mut self) {
        // SAFETY: gives back the only reference (`adopt`). That finalizes the stream, which joins its thread and then drops the
        // references of the buffers in its queues; those stay alive through the ones their `Buffer`s have.
        // (No arv_stream_stop_thread before: finalizing calls it too, and a second call is a GLib assertion in 0.8.26.)
        unsafe { gobject_sys::g_object_unref(self.stream.as_ptr().cast()) };
    }
}
