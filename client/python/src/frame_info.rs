//! What a program says of a frame that it publishes: keywords, and what stands for those that are left out.

use framebroker_client::{Error, FrameInfo, PixelFormat as Format};
use pyo3::prelude::*;

use crate::error::raised;
use crate::pixel_format::PixelFormat;

/// What a producer said that its frames are like.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// How pixels are stored.
    pub pixel_format: Format,
}

/// The keywords of `publish`. `None` is what was left out.
pub struct Given<'py> {
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub pixel_format: Option<Bound<'py, PyAny>>,
    pub stride: Option<u32>,
    pub offset_x: u32,
    pub offset_y: u32,
    pub image_bytes: Option<usize>,
    pub chunk_bytes: usize,
    pub camera_timestamp_ns: Option<u64>,
    pub block_id: Option<u64>,
    pub complete: bool,
    pub lost_at_camera: u32,
}

impl Given<'_> {
    /// The frame that is meant. An image with a stride of its own has as many bytes as its rows need, unless that is said.
    ///
    /// # Errors
    /// A pixel format that is none.
    pub fn info(self, usual: Shape) -> PyResult<FrameInfo> {
        let pixel_format = self.pixel_format.map_or(Ok(usual.pixel_format), |given| PixelFormat::parse(&given))?;
        let plain =
            FrameInfo::new(self.width.unwrap_or(usual.width), self.height.unwrap_or(usual.height), pixel_format);
        let stride = self.stride.unwrap_or(plain.stride);
        let rows_bytes = || match self.stride {
            Some(stride) if stride > 0 => (stride as usize).saturating_mul(plain.height as usize),
            _ => plain.image_bytes,
        };
        Ok(FrameInfo {
            stride,
            offset_x: self.offset_x,
            offset_y: self.offset_y,
            image_bytes: self.image_bytes.unwrap_or_else(rows_bytes),
            chunk_bytes: self.chunk_bytes,
            camera_timestamp_ns: self.camera_timestamp_ns.unwrap_or(0),
            block_id: self.block_id.unwrap_or(0),
            complete: self.complete,
            lost_at_camera: self.lost_at_camera,
            ..plain
        })
    }
}

/// # Errors
/// `InvalidFrameError` where `info` cannot be true of a segment with so many bytes.
pub fn check(info: &FrameInfo, segment_bytes: usize) -> PyResult<()> {
    FrameInfo::checked(&info.header(), segment_bytes).map(drop).map_err(|fault| raised(&Error::Frame { fault }))
}
