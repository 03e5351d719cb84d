//! The frame header: what is known about the frame in a segment.

use serde::{Deserialize, Serialize};

use crate::{ContextId, PixelFormat};

/// Describes one frame. Lies in the stream page, one per segment, and travels in `Frame` messages; PROTOCOL.md gives the
/// offsets. Units: pixels, bytes, nanoseconds. The field names follow the GenICam SFNC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[repr(C)]
pub struct FrameHeader {
    /// The frame's context ID.
    pub context: u64,
    /// How many times this segment was published, this frame included.
    pub usage_count: u64,
    /// The camera's own clock in ns; 0 where it has none.
    pub camera_timestamp_ns: u64,
    /// `CLOCK_MONOTONIC` of the host in ns when the frame was complete in memory.
    pub monotonic_ns: u64,
    /// `CLOCK_REALTIME` of the host in ns at the same moment.
    pub realtime_ns: u64,
    /// The camera's block id; 0 where it has none.
    pub block_id: u64,
    /// Where the image begins in the segment.
    pub payload_offset: u64,
    /// Bytes of image.
    pub payload_bytes: u64,
    /// Where chunk data begins in the segment.
    pub chunk_offset: u64,
    /// Bytes of chunk data; 0 for none.
    pub chunk_bytes: u64,
    /// 1000 + segment index.
    pub buffer_context: u32,
    /// Width of the image in pixels.
    pub width: u32,
    /// Height of the image in pixels.
    pub height: u32,
    /// Bytes from row to row; 0 where rows do not begin on a byte.
    pub stride: u32,
    /// Where the image lies on the sensor, in pixels.
    pub offset_x: u32,
    /// Where the image lies on the sensor, in pixels.
    pub offset_y: u32,
    /// PFNC code of the pixels.
    pub pixel_format: PixelFormat,
    /// 0 complete, 1 incomplete.
    pub status: u32,
    /// Frames lost between camera and broker since the frame before.
    pub lost_at_camera: u32,
    /// Raised by every change of a camera setting; stamped into the frames exposed after it.
    pub settings_version: u32,
    /// Zero.
    pub reserved: u64,
}

/// Bytes of a [`FrameHeader`].
pub const HEADER_BYTES: usize = 128;
/// 64-bit words of a [`FrameHeader`].
pub const HEADER_WORDS: usize = HEADER_BYTES / 8;

const _: () = {
    assert!(size_of::<FrameHeader>() == HEADER_BYTES);
    assert!(std::mem::offset_of!(FrameHeader, buffer_context) == 80);
    assert!(std::mem::offset_of!(FrameHeader, pixel_format) == 104);
    assert!(std::mem::offset_of!(FrameHeader, reserved) == 120);
};

impl FrameHeader {
    /// Whether every packet of the frame arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.status == 0
    }

    /// The frame's context ID, or `None` where the number names no frame.
    #[must_use]
    pub fn context_id(&self) -> Option<ContextId> {
        ContextId::from_u64(self.context)
    }

    /// The header as words for shared memory: exactly its bytes, little-endian.
    #[must_use]
    pub fn to_words(&self) -> [u64; HEADER_WORDS] {
        let pair = |low: u32, high: u32| u64::from(low) | (u64::from(high) << 32);
        [
            self.context,
            self.usage_count,
            self.camera_timestamp_ns,
            self.monotonic_ns,
            self.realtime_ns,
            self.block_id,
            self.payload_offset,
            self.payload_bytes,
            self.chunk_offset,
            self.chunk_bytes,
            pair(self.buffer_context, self.width),
            pair(self.height, self.stride),
            pair(self.offset_x, self.offset_y),
            pair(self.pixel_format.code(), self.status),
            pair(self.lost_at_camera, self.settings_version),
            self.reserved,
        ]
    }

    /// The header from its words.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "each word is split into its two halves")]
    pub fn from_words(words: &[u64; HEADER_WORDS]) -> Self {
        let [
            context,
            usage_count,
            camera_timestamp_ns,
            monotonic_ns,
            realtime_ns,
            block_id,
            payload_offset,
            payload_bytes,
            chunk_offset,
            chunk_bytes,
            a,
            b,
            c,
            d,
            e,
            reserved,
        ] = *words;
        let low = |word: u64| word as u32;
        let high = |word: u64| (word >> 32) as u32;
        Self {
            context,
            usage_count,
            camera_timestamp_ns,
            monotonic_ns,
            realtime_ns,
            block_id,
            payload_offset,
            payload_bytes,
            chunk_offset,
            chunk_bytes,
            buffer_context: low(a),
            width: high(a),
            height: low(b),
            stride: high(b),
            offset_x: low(c),
            offset_y: high(c),
            pixel_format: PixelFormat::from_code(low(d)),
            status: high(d),
            lost_at_camera: low(e),
            settings_version: high(e),
            reserved,
        }
    }
}

#[cfg(test)]
pub(crate) fn sample() -> FrameHeader {
    FrameHeader {
        context: (9 << 16) | 3,
        usage_count: 2,
        camera_timestamp_ns: 11,
        monotonic_ns: 22,
        realtime_ns: 33,
        block_id: 44,
        payload_offset: 0,
        payload_bytes: 2_073_600,
        chunk_offset: 2_073_600,
        chunk_bytes: 16,
        buffer_context: 1003,
        width: 1920,
        height: 1080,
        stride: 1920,
        offset_x: 8,
        offset_y: 16,
        pixel_format: PixelFormat::from_code(0x0108_0001),
        status: 0,
        lost_at_camera: 5,
        settings_version: 6,
        reserved: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_shared_memory() {
        assert_eq!(FrameHeader::from_words(&sample().to_words()), sample());
    }

    #[test]
    fn words_are_the_fields_in_their_declared_order() {
        let words = sample().to_words();
        assert_eq!(words[10], 1003 | (1920 << 32));
        assert_eq!(words[13], 0x0108_0001);
    }
}
