//! GigE Vision and USB3 Vision cameras through libaravis (cargo feature `aravis`).
//!
//! libaravis receives straight into the ring's segments: each queued [`WritableSegment`] lies under an `ArvBuffer`, which is
//! made once per segment and start and used again whenever the segment is. The driver's segments belong to the [`Receiver`],
//! which gives one back only when the driver is done with it; `ffi/receiver.rs` argues why that is sound.
//!
//! No GLib main loop is needed: buffers are popped from the stream's queue, and libaravis calls the handler of `control-lost`
//! from its heartbeat thread.

mod feature;
#[expect(unsafe_code, reason = "libaravis is a C library; every call to it is in this module")]
mod ffi;
mod frame;
mod open;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::feature::{CameraFeatures, Shared, lock};
use self::ffi::{Receiver, Report, Statistics, Status};
use self::frame::{Layout, Losses, Transport, frame_info};
use super::camera::{CameraOptions, LOOK_AFTER_CAMERA, segments_for_late_grab};
use super::{
    Description, Event, Features, FrameInfo, Requirements, Source, SourceError, TransportCounters, WritableSegment,
};

pub use self::ffi::DeviceInfo;
pub use self::open::list;

/// The driver fills one segment and needs the next one before that is done.
const MIN_QUEUED: usize = 2;

/// The least that the socket's receive buffer is made by itself: many small frames are as large a burst as one large frame.
const SMALLEST_SOCKET_BUFFER: usize = 1 << 20;

/// The kernel takes the size as an int and doubles it.
const LARGEST_SOCKET_BUFFER: usize = (1 << 30) - 1;

/// Which camera, and how to set it up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Options {
    /// The device is an ID, serial number, address or user-defined name; the first one found is never the simulated one. Setting
    /// a rate switches triggers off.
    pub camera: CameraOptions,
    /// Bytes of a GigE Vision packet with its IP and UDP headers; without it, the camera's if test packets get through, else
    /// the largest that do; over loopback 1400.
    pub packet_size: Option<u32>,
    /// Bytes of the socket's receive buffer (GigE Vision); without it, two frames and at least 1 MiB. The kernel gives no more
    /// than `net.core.rmem_max` to a process without `CAP_NET_ADMIN`.
    pub socket_buffer: Option<u32>,
}

/// One camera.
#[derive(Debug)]
pub struct AravisSource {
    // Before `camera`: the stream is dropped first.
    run: Option<Run>,
    camera: Shared,
    /// Set by the driver when the camera is lost.
    lost: Arc<AtomicBool>,
    transport: Transport,
    description: Description,
    layout: Layout,
    socket_buffer: Option<u32>,
    /// Segments queued while stopped, and those that the driver could not take.
    kept: Vec<WritableSegment>,
    /// Figures of earlier runs.
    earlier: TransportCounters,
}

/// One start, up to the stop.
#[derive(Debug)]
struct Run {
    receiver: Receiver,
    losses: Losses,
    /// A frame that waits until the starved ones before it are reported.
    next: Option<(WritableSegment, FrameInfo)>,
    /// Buffers that came back with no frame that fits the segment.
    unusable: u64,
}

impl AravisSource {
    /// Finds, opens and sets up the camera. Takes a second or more; can be called again after any error or loss.
    pub fn open(options: &Options) -> Result<Self, SourceError> {
        let opened = open::open(options)?;
        let lost = lock(&opened.camera).lost();
        Ok(Self {
            run: None,
            lost,
            camera: opened.camera,
            transport: opened.transport,
            description: opened.description,
            layout: opened.layout,
            socket_buffer: options.socket_buffer,
            kept: Vec::new(),
            earlier: TransportCounters::default(),
        })
    }

    fn is_lost(&self) -> bool {
        // Pairs with the handler's store in `ffi/camera.rs`; publishes nothing but itself.
        self.lost.load(Ordering::Acquire)
    }

    /// Makes room for the packets that arrive while the receiving thread waits for a processor.
    fn size_socket_buffer(&self, receiver: &Receiver) {
        if self.transport != Transport::GigE {
            return;
        }
        let automatic =
            self.layout.payload_bytes.saturating_mul(2).clamp(SMALLEST_SOCKET_BUFFER, LARGEST_SOCKET_BUFFER);
        let wanted = self.socket_buffer.map_or(automatic, |bytes| usize::try_from(bytes).unwrap_or(automatic));
        match receiver.size_socket_buffer(wanted.min(LARGEST_SOCKET_BUFFER)) {
            Some(bytes) if bytes < wanted.min(self.layout.payload_bytes) => tracing::warn!(
                bytes,
                wanted,
                "the kernel's receive buffer takes less than a frame, packets may be lost; \
                 `sysctl -w net.core.rmem_max={wanted}` allows more"
            ),
            Some(bytes) => tracing::debug!(bytes, wanted, "receive buffer sized"),
            None => {
                tracing::warn!("the receive buffer keeps the kernel's default size; the first frames may be incomplete")
            }
        }
    }

    /// Takes in what came back from the driver. `None` where it holds no frame and was queued again.
    fn take(&mut self, segment: WritableSegment, report: &Report) -> Option<Event> {
        let run = self.run.as_mut()?;
        run.losses.observe(&run.receiver.statistics(), false);
        let info = frame_info(report, &self.layout, segment.len());
        let lost_at_camera = match report.status {
            Status::NoFrame => 0,
            Status::Complete | Status::Incomplete => run.losses.arrived(report.frame_id, info.is_some()),
        };
        let Some(info) = info else {
            run.note_unusable(report, segment.len());
            self.kept.extend(run.receiver.queue(segment).err());
            return None;
        };
        if run.receiver.queued() == 0 {
            run.losses.ran_dry();
        }
        run.next = Some((segment, FrameInfo { lost_at_camera, ..info }));
        run.due()
    }
}

impl Run {
    /// The next event that is known already.
    fn due(&mut self) -> Option<Event> {
        if self.losses.take_starved() {
            return Some(Event::Starved);
        }
        self.next.take().map(|(segment, info)| Event::Filled(segment, info))
    }

    /// Nothing came for a while.
    fn idle(&mut self) -> Option<Event> {
        self.losses.observe(&self.receiver.statistics(), true);
        self.due()
    }

    /// Counts a buffer without a frame, and logs the first one.
    fn note_unusable(&mut self, report: &Report, segment_bytes: usize) {
        if self.unusable == 0 {
            tracing::warn!(?report, segment_bytes, "a frame was dropped: it is no image or does not fit its segment");
        }
        self.unusable += 1;
    }

    fn counters(&self) -> TransportCounters {
        let Statistics { failures, resent_packets, missing_packets, .. } = self.receiver.statistics();
        TransportCounters { resent_packets, missing_packets, failed_frames: failures + self.losses.starved_total() }
    }
}

impl Source for AravisSource {
    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn requirements(&self) -> Requirements {
        let min_queued = MIN_QUEUED.max(segments_for_late_grab(self.description.fps));
        Requirements {
            min_queued,
            wanted_queued: min_queued,
            fixed_pool: false,
            can_pause: false,
            payload_bytes: self.layout.payload_bytes,
        }
    }

    fn start(&mut self) -> Result<(), SourceError> {
        if self.run.is_some() {
            return Ok(());
        }
        let driver = |failure: ffi::Failure| SourceError::Driver(failure.text);
        let mut receiver = Receiver::new(&lock(&self.camera)).map_err(driver)?;
        self.size_socket_buffer(&receiver);
        self.kept =
            std::mem::take(&mut self.kept).into_iter().filter_map(|segment| receiver.queue(segment).err()).collect();
        // From here on `stop` ends what was begun, so that a failure loses no segment.
        let run = Run { receiver, losses: Losses::new(self.transport), next: None, unusable: 0 };
        self.run = Some(run);
        lock(&self.camera).start_acquisition().map_err(driver)
    }

    fn queue(&mut self, segment: WritableSegment) {
        let refused = match &mut self.run {
            Some(run) => run.receiver.queue(segment).err(),
            None => Some(segment),
        };
        self.kept.extend(refused);
    }

    fn wait(&mut self, timeout: Duration) -> Event {
        let deadline = Instant::now() + timeout;
        loop {
            let is_lost = self.is_lost();
            let Some(run) = &mut self.run else {
                std::thread::sleep(timeout);
                return Event::Timeout;
            };
            if let Some(event) = run.due() {
                return event;
            }
            if is_lost {
                return Event::Gone(
                    "the camera gave no sign of life, or another program took control of it".to_owned(),
                );
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match run.receiver.pop(left.min(LOOK_AFTER_CAMERA)) {
                Some((segment, report)) => {
                    if let Some(event) = self.take(segment, &report) {
                        return event;
                    }
                }
                None => {
                    if let Some(event) = run.idle() {
                        return event;
                    }
                    if left.is_zero() {
                        return Event::Timeout;
                    }
                }
            }
        }
    }

    fn stop(&mut self) -> Vec<WritableSegment> {
        let mut segments = std::mem::take(&mut self.kept);
        let Some(run) = self.run.take() else { return segments };
        if !self.is_lost() {
            // Without an answer this takes seconds, and ends nothing that closing the receiver does not.
            if let Err(failure) = lock(&self.camera).stop_acquisition() {
                tracing::warn!(reason = failure.text, "the camera did not confirm the stop");
            }
        }
        let counters = run.counters();
        self.earlier = self.earlier + counters;
        segments.extend(run.next.map(|(segment, _)| segment));
        segments.extend(run.receiver.close());
        segments
    }

    fn counters(&self) -> TransportCounters {
        self.run.as_ref().map_or(self.earlier, |run| self.earlier + run.counters())
    }

    fn features(&self) -> Option<Box<dyn Features>> {
        Some(Box::new(CameraFeatures::of(&self.camera)))
    }

    fn refresh(&mut self) -> Result<(), SourceError> {
        let described = open::describe(&lock(&self.camera));
        let (description, layout) = described.map_err(|failure| SourceError::Driver(failure.text))?;
        (self.description, self.layout) = (description, layout);
        Ok(())
    }
}

impl Drop for AravisSource {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

#[cfg(test)]
mod tests;
