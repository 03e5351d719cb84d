//! What whoever fills a segment says about the frame in it.

use crate::{FrameHeader, PixelFormat};

/// The metadata of one filled segment (GenICam SFNC meanings). The image begins where the segment does, chunk data follow somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameInfo {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from one row to the next; 0 where rows do not begin on a byte.
    pub stride: u32,
    /// Offset of the region of interest, in pixels.
    pub offset_x: u32,
    /// Offset of the region of interest, in pixels.
    pub offset_y: u32,
    /// PFNC pixel format.
    pub pixel_format: PixelFormat,
    /// Bytes of image data from the start of the segment's payload.
    pub image_bytes: usize,
    /// Where chunk data begins, in bytes from the start of the segment's payload; 0, or less than the image has, for where
    /// the image ends.
    pub chunk_offset: usize,
    /// Bytes of chunk data; 0 for none.
    pub chunk_bytes: usize,
    /// The camera's own clock in ns; 0 where it has none.
    pub camera_timestamp_ns: u64,
    /// The camera's block (frame) id; 0 where it has none.
    pub block_id: u64,
    /// False where part of the frame was lost on the way.
    pub complete: bool,
    /// Frames known to be lost between the camera and the segment since the last one reported.
    pub lost_at_camera: u32,
}

impl FrameInfo {
    /// A complete frame of whole rows without padding, and nothing else known about it. A format whose sizes are not known
    /// has no bytes: say how many.
    #[must_use]
    pub fn new(width: u32, height: u32, pixel_format: PixelFormat) -> Self {
        Self {
            width,
            height,
            stride: pixel_format.stride(width).unwrap_or(0),
            offset_x: 0,
            offset_y: 0,
            pixel_format,
            image_bytes: pixel_format.image_bytes(width, height).unwrap_or(0),
            chunk_offset: 0,
            chunk_bytes: 0,
            camera_timestamp_ns: 0,
            block_id: 0,
            complete: true,
            lost_at_camera: 0,
        }
    }

    /// Chunk data never begin within the image; without any, they begin at its end.
    fn chunk_begin(&self) -> usize {
        if self.chunk_bytes == 0 { self.image_bytes } else { self.chunk_offset.max(self.image_bytes) }
    }

    /// As a frame header, but for what the ring knows.
    #[must_use]
    pub fn header(&self) -> FrameHeader {
        FrameHeader {
            context: 0,
            usage_count: 0,
            camera_timestamp_ns: self.camera_timestamp_ns,
            monotonic_ns: 0,
            realtime_ns: 0,
            block_id: self.block_id,
            payload_offset: 0,
            payload_bytes: self.image_bytes as u64,
            chunk_offset: self.chunk_begin() as u64,
            chunk_bytes: self.chunk_bytes as u64,
            buffer_context: 0,
            width: self.width,
            height: self.height,
            stride: self.stride,
            offset_x: self.offset_x,
            offset_y: self.offset_y,
            pixel_format: self.pixel_format,
            status: u32::from(!self.complete),
            lost_at_camera: self.lost_at_camera,
            settings_version: 0,
            reserved: 0,
        }
    }

    /// What a producer's record says, if it can be true of a segment with so many payload bytes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn checked(record: &FrameHeader, segment_bytes: usize) -> Result<Self, &'static str> {
        let FrameHeader { width, height, stride, pixel_format, .. } = *record;
        let zero =
            [record.usage_count, record.monotonic_ns, record.realtime_ns, record.payload_offset, record.reserved];
        if zero != [0; 5] || record.buffer_context != 0 || record.settings_version != 0 {
            return Err("a field that must be 0 is not");
        }
        if record.status > 1 {
            return Err("the status is neither 0 (complete) nor 1 (incomplete)");
        }
        if record.chunk_offset < record.payload_bytes {
            return Err("chunk data must not begin before the image ends");
        }
        if width == 0 || height == 0 || pixel_format.code() == 0 {
            return Err("width, height or pixel format is 0");
        }
        let fits = record.chunk_offset.checked_add(record.chunk_bytes).is_some_and(|end| end <= segment_bytes as u64);
        let [image_bytes, chunk_offset, chunk_bytes] =
            [record.payload_bytes, record.chunk_offset, record.chunk_bytes].map(usize::try_from);
        let (Ok(image_bytes), Ok(chunk_offset), Ok(chunk_bytes), true) = (image_bytes, chunk_offset, chunk_bytes, fits)
        else {
            return Err("image and chunk data do not fit in the segment");
        };
        let row_bytes = pixel_format.stride(width);
        if stride != 0 && row_bytes.is_some_and(|row| stride < row) {
            return Err("the stride is shorter than a row");
        }
        // Rows but the last are a stride long; without a stride the format tells the size, where it is known.
        let rows = u64::from(stride) * u64::from(height - 1) + u64::from(row_bytes.unwrap_or(stride));
        let needed = if stride == 0 { pixel_format.image_bytes(width, height).unwrap_or(0) as u64 } else { rows };
        if needed > record.payload_bytes {
            return Err("the image has fewer bytes than its rows");
        }
        Ok(Self {
            width,
            height,
            stride,
            offset_x: record.offset_x,
            offset_y: record.offset_y,
            pixel_format,
            image_bytes,
            chunk_offset,
            chunk_bytes,
            camera_timestamp_ns: record.camera_timestamp_ns,
            block_id: record.block_id,
            complete: record.status == 0,
            lost_at_camera: record.lost_at_camera,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_heard() {
        let said =
            FrameInfo { chunk_offset: 12, chunk_bytes: 5, block_id: 7, ..FrameInfo::new(4, 3, PixelFormat::MONO8) };
        assert_eq!((said.stride, said.image_bytes), (4, 12));
        assert_eq!(FrameInfo::checked(&said.header(), 17), Ok(said));
        assert!(FrameInfo::checked(&said.header(), 16).is_err());
    }

    #[test]
    fn rows_lie_within_the_image_and_the_image_within_the_segment() {
        let plain = FrameInfo::new(4, 3, PixelFormat::MONO8);
        let refused = |change: fn(&mut FrameInfo)| {
            let mut info = plain;
            change(&mut info);
            FrameInfo::checked(&info.header(), 100).is_err()
        };
        assert!(!refused(|info| (info.stride, info.image_bytes) = (8, 20)), "the last row needs no padding");
        assert!(!refused(|info| info.pixel_format = PixelFormat::from_code(0x8000_0001)));
        assert!(refused(|info| info.image_bytes = 11));
        assert!(refused(|info| info.stride = 3));
        assert!(refused(|info| info.stride = 5));
        assert!(refused(|info| info.stride = u32::MAX));
        assert!(refused(|info| info.height = u32::MAX));
        assert!(refused(|info| info.width = 0));
        assert!(refused(|info| info.image_bytes = 101));
        assert!(refused(|info| info.chunk_bytes = usize::MAX));
        assert!(!refused(|info| (info.chunk_offset, info.chunk_bytes) = (90, 10)));
        assert!(refused(|info| (info.chunk_offset, info.chunk_bytes) = (90, 11)));
        let twelve_bit = FrameInfo::new(4, 3, PixelFormat::MONO12P);
        assert!(FrameInfo::checked(&twelve_bit.header(), 100).is_ok());
        let short = FrameInfo { stride: 0, image_bytes: twelve_bit.image_bytes - 1, ..twelve_bit };
        assert!(FrameInfo::checked(&short.header(), 100).is_err());
    }

    #[test]
    fn what_must_be_zero_is_looked_at() {
        let record = FrameInfo::new(4, 3, PixelFormat::MONO8).header();
        for wrong in [
            FrameHeader { reserved: 1, ..record },
            FrameHeader { payload_offset: 1, ..record },
            FrameHeader { settings_version: 1, ..record },
            FrameHeader { status: 2, ..record },
            FrameHeader { chunk_offset: 0, ..record },
            FrameHeader { pixel_format: PixelFormat::from_code(0), ..record },
        ] {
            assert!(FrameInfo::checked(&wrong, 100).is_err(), "{wrong:?}");
        }
    }
}
