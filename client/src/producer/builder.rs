//! What a producer says of its frames.

use std::time::Duration;

use framebroker_protocol::message::Produce;
use framebroker_protocol::{PixelFormat, StreamName, Text, TextError};

use crate::connect::Connector;
use crate::{Error, Result};

/// A producer in preparation. [`Self::geometry`] is needed, the rest has defaults.
#[derive(Debug, Clone)]
#[must_use = "nothing is produced until open()"]
pub struct ProducerBuilder {
    pub(super) connector: Connector,
    stream: Result<StreamName, TextError>,
    payload_bytes: Option<u64>,
    min_queued: u32,
    fixed_pool: bool,
    can_pause: bool,
    geometry: Option<(u32, u32, PixelFormat)>,
    millihertz: u64,
    model: Text,
    serial: Text,
}

impl ProducerBuilder {
    pub(crate) fn new(connector: Connector, stream: &str) -> Self {
        Self {
            connector,
            stream: stream.parse(),
            payload_bytes: None,
            min_queued: 2,
            fixed_pool: false,
            can_pause: false,
            geometry: None,
            millihertz: 0,
            model: Text::cut("producer"),
            serial: Text::cut(""),
        }
    }

    /// What the frames are like. Each frame carries its own geometry: this one is shown, and without
    /// [`Self::payload_bytes`] it says how large segments must be.
    pub fn geometry(mut self, width: u32, height: u32, pixel_format: PixelFormat) -> Self {
        self.geometry = Some((width, height, pixel_format));
        self
    }

    /// Bytes of image and chunk data of the largest frame. Default: those of the image, where the pixel format is known.
    pub fn payload_bytes(mut self, bytes: u64) -> Self {
        self.payload_bytes = Some(bytes);
        self
    }

    /// Segments that are needed at all times so as to lose nothing; the broker grants no hold that would take one of them.
    /// Default: 2, one to be filled while the next is awaited.
    pub fn min_queued(mut self, segments: u32) -> Self {
        self.min_queued = segments;
        self
    }

    /// Whether no segment can come once it has begun, as where a driver has them all from the start. The ring then cannot
    /// grow for new readers: start the broker with as many `--segments` as they will need. Default: no.
    pub fn fixed_pool(mut self, fixed: bool) -> Self {
        self.fixed_pool = fixed;
        self
    }

    /// Whether frames can be delayed, as recorded ones can and those of a camera cannot: the ring may then wait for lossless
    /// readers. Default: no.
    pub fn can_pause(mut self, can: bool) -> Self {
        self.can_pause = can;
        self
    }

    /// Nominal time between frames, to be shown. Default: unknown.
    pub fn interval(mut self, interval: Duration) -> Self {
        let picoseconds = interval.as_nanos().saturating_mul(1000);
        self.millihertz = 1_000_000_000_000_000u128
            .checked_div(picoseconds)
            .map_or(0, |millihertz| u64::try_from(millihertz).unwrap_or(u64::MAX));
        self
    }

    /// Vendor and model of what the frames come from. Default: `producer`.
    pub fn model(mut self, model: &str) -> Self {
        self.model = Text::label(model);
        self
    }

    /// Its serial number. Default: none.
    pub fn serial(mut self, serial: &str) -> Self {
        self.serial = Text::label(serial);
        self
    }

    /// The request.
    pub(super) fn request(&self) -> Result<Produce> {
        let missing = Error::Frame { fault: "its geometry is not known; say geometry(width, height, pixel_format)" };
        let (width, height, pixel_format) = self.geometry.ok_or(missing)?;
        let image = || pixel_format.image_bytes(width, height).map(|bytes| bytes as u64);
        let unknown = Error::Frame { fault: "the size of its pixel format is not known; say payload_bytes(n)" };
        Ok(Produce {
            stream: self.stream.clone()?,
            payload_bytes: self.payload_bytes.or_else(image).ok_or(unknown)?,
            min_queued: self.min_queued,
            fixed_pool: self.fixed_pool,
            can_pause: self.can_pause,
            width,
            height,
            pixel_format,
            millihertz: self.millihertz,
            model: self.model.clone(),
            serial: self.serial.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_says_how_large_segments_are_and_the_interval_the_rate() {
        let builder = ProducerBuilder::new(Connector::default(), "cam0");
        assert!(builder.request().unwrap_err().to_string().contains("geometry("));
        let builder = builder.geometry(4, 3, PixelFormat::MONO12).interval(Duration::from_millis(40));
        let request = builder.request().unwrap();
        assert_eq!((request.payload_bytes, request.millihertz), (24, 25_000));
        let request = builder.payload_bytes(99).interval(Duration::ZERO).request().unwrap();
        assert_eq!((request.payload_bytes, request.millihertz), (99, 0));
    }
}
