//! Frames.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use framebroker_protocol::chunks::Chunks;
use framebroker_protocol::{
    Backing, BrokerId, ContextId, FrameHeader, FrameRef, PixelFormat, Sequence, StreamName, monotonic_ns, stop_point,
};

use crate::connection::HoldGuard;
use crate::error::Violation;
use crate::payload::{Extent, bytes};
use crate::segments::Segment;
use crate::settings_version::SettingsVersion;

/// A frame that is held: its segment is not filled again until this is dropped.
///
/// The bytes are the ones the camera's driver wrote; nothing was copied. A frame may be sent to and shared with other
/// threads, and lives as long as it is wanted: beyond its subscription, and beyond the broker.
pub struct Frame {
    hold: HoldGuard,
    segment: Arc<Segment>,
    header: FrameHeader,
    context: ContextId,
    image: Extent,
    chunk: Extent,
}

/// A frame that is held, before its segment is known to be mapped.
#[derive(Debug)]
pub struct Claimed {
    pub hold: HoldGuard,
    pub context: ContextId,
    pub backing: Backing,
    pub header: FrameHeader,
}

impl Frame {
    /// Checks the header once, so that nothing else has to. If it is wrong the frame is given back.
    pub(crate) fn new(claimed: Claimed, segment: &Arc<Segment>) -> Result<Self, Violation> {
        let Claimed { hold, context, header, .. } = claimed;
        let wrong = |fault| Violation::Header { context, fault };
        if header.context != context.as_u64() || header.buffer_context != segment.index.buffer_context() {
            return Err(wrong("it is another frame's"));
        }
        let mapped = segment.mapping.len();
        let image = Extent::within(mapped, header.payload_offset, header.payload_bytes)
            .ok_or_else(|| wrong("the image does not lie within its segment"))?;
        if !header.payload_offset.is_multiple_of(segment.align) {
            return Err(wrong("the image is not aligned as its segment promises"));
        }
        let chunk = match header.chunk_bytes {
            0 => Extent::default(),
            bytes => Extent::within(mapped, header.chunk_offset, bytes)
                .ok_or_else(|| wrong("the chunk data do not lie within their segment"))?,
        };
        stop_point("hold.begun");
        Ok(Self { hold, segment: Arc::clone(segment), header, context, image, chunk })
    }

    /// The frame's address: what to hand to other threads and processes, which get this frame by it, or an error:
    /// [`Broker::acquire`](crate::Broker::acquire). The frame must stay held until they have it, or it may be gone.
    #[must_use]
    pub fn reference(&self) -> FrameRef {
        self.hold.connection().reference(self.context)
    }

    /// The stream it is of.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        &self.hold.connection().stream
    }

    /// Which run of a broker it is of.
    #[must_use]
    pub fn broker_id(&self) -> BrokerId {
        self.hold.connection().broker
    }

    /// The context ID, which names this frame within its stream and in the life of its broker:
    /// [`Self::reference`] names it everywhere.
    #[must_use]
    pub fn context(&self) -> ContextId {
        self.context
    }

    /// The frame's number in its stream: 1, 2, 3, … Gaps are frames that this subscription did not get.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.context.sequence()
    }

    /// 1000 + index of the segment the frame lies in.
    #[must_use]
    pub fn buffer_context(&self) -> u32 {
        self.header.buffer_context
    }

    /// All that is known about the frame.
    #[must_use]
    pub fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// The image: rows of [`Self::stride`] bytes from top to bottom, pixels as [`Self::pixel_format`] says.
    ///
    /// Empty in a forked child: the hold is the parent's, who may give the frame back at any moment, and then the camera
    /// writes here.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.bytes(self.image)
    }

    /// Name and value of what the camera sent with the image, as its time of exposure; `None` if it sent none, if they are
    /// in the camera's own form ([`Self::chunk_data`] has the bytes), and in a forked child.
    #[must_use]
    pub fn chunks(&self) -> Option<Chunks<'_>> {
        Chunks::parse(self.chunk_data())
    }

    /// The bytes of the chunk data the camera sent behind the image; empty if it sent none, and in a forked child.
    #[must_use]
    pub fn chunk_data(&self) -> &[u8] {
        self.bytes(self.chunk)
    }

    /// Whether the bytes may be read: not in a forked child, where [`Self::data`] is empty.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.hold.is_ours()
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.header.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.header.height
    }

    /// Bytes from row to row; `None` for packed formats whose rows do not begin on a byte.
    #[must_use]
    pub fn stride(&self) -> Option<usize> {
        usize::try_from(self.header.stride).ok().filter(|stride| *stride != 0)
    }

    /// Where the image lies on the sensor: x and y in pixels.
    #[must_use]
    pub fn offset(&self) -> (u32, u32) {
        (self.header.offset_x, self.header.offset_y)
    }

    /// How pixels are stored (PFNC).
    #[must_use]
    pub fn pixel_format(&self) -> PixelFormat {
        self.header.pixel_format
    }

    /// The camera's own timestamp in ns, by its own clock; `None` where it has none.
    #[must_use]
    pub fn camera_timestamp_ns(&self) -> Option<u64> {
        Some(self.header.camera_timestamp_ns).filter(|ns| *ns != 0)
    }

    /// `CLOCK_MONOTONIC` of this machine in ns when the frame was complete in memory.
    #[must_use]
    pub fn monotonic_ns(&self) -> u64 {
        self.header.monotonic_ns
    }

    /// `CLOCK_REALTIME` of this machine in ns (since 1970) when the frame was complete in memory.
    #[must_use]
    pub fn realtime_ns(&self) -> u64 {
        self.header.realtime_ns
    }

    /// Time since the frame was complete in memory.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_nanos(monotonic_ns().saturating_sub(self.header.monotonic_ns))
    }

    /// The camera's block ID; `None` where it has none.
    #[must_use]
    pub fn block_id(&self) -> Option<u64> {
        Some(self.header.block_id).filter(|id| *id != 0)
    }

    /// Whether every packet of the frame arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.header.is_complete()
    }

    /// Frames lost between camera and broker since the frame before.
    #[must_use]
    pub fn lost_at_camera(&self) -> u32 {
        self.header.lost_at_camera
    }

    /// How many times this segment was published, this frame included.
    #[must_use]
    pub fn usage_count(&self) -> u64 {
        self.header.usage_count
    }

    /// Whether it was exposed with a setting, or with a later one: `frame.is_exposed_with(&setting)`. Where that is not known, as
    /// of a frame that was under way when the camera was set, it is false.
    #[must_use]
    pub fn is_exposed_with(&self, setting: impl Into<SettingsVersion>) -> bool {
        setting.into().is_reached_by(self.header.settings_version)
    }

    /// Raised by every change of a camera setting: a frame with the version of a change, or a later one, was exposed after that
    /// change: see [`Self::is_exposed_with`]. Up to three frames that arrive right after it keep the version before, as their
    /// exposure may have begun earlier; none where the camera exposes for software triggers only, and was not exposing.
    #[must_use]
    pub fn settings_version(&self) -> u32 {
        self.header.settings_version
    }

    fn bytes(&self, extent: Extent) -> &[u8] {
        if self.is_valid() { bytes(&self.segment.mapping, extent) } else { &[] }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("context", &self.context)
            .field("buffer_context", &self.header.buffer_context)
            .field("width", &self.header.width)
            .field("height", &self.header.height)
            .field("pixel_format", &self.header.pixel_format)
            .finish_non_exhaustive()
    }
}

const _: () = {
    const fn crosses_threads<T: Send + Sync + 'static>() {}
    crosses_threads::<Frame>();
};
