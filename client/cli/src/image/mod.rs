//! From a frame's pixels, in whatever format, to an image that a PNG file can hold.
//!
//! Grey and colour values of more than 8 bits become 16: their bits are repeated from the top, so that the darkest stays 0
//! and the brightest becomes 65535. Alpha stays, colours are put in the order red, green, blue.

mod bayer;
mod colour;
mod error;
pub mod pixels;
mod png;
pub mod samples;
mod yuv;

use framebroker_protocol::{Layout, Samples};

pub use self::error::ConvertError;
pub use self::pixels::Image;
pub use self::png::write;
pub use self::samples::Raw;

use self::samples::Coding;

impl Image {
    /// Converts a frame's pixels.
    pub fn convert(raw: &Raw) -> Result<Self, ConvertError> {
        raw.check()?;
        let unknown = || ConvertError::UnknownFormat(raw.format);
        match raw.format.layout() {
            Layout::Unpacked { samples, .. } | Layout::Packed { samples, .. } => {
                let coding = Coding::of(raw.format).ok_or_else(unknown)?;
                match samples {
                    Samples::Bayer(order) => bayer::convert(raw, coding, order),
                    _ => Ok(colour::convert(raw, coding, samples)),
                }
            }
            Layout::Yuv422(order) => Ok(yuv::convert(raw, order)),
            Layout::Opaque => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::PixelFormat;
    use framebroker_protocol::pattern::Pattern;

    use super::*;

    /// Goal: every format of the table has an image, at odd sizes too, and never a panic. Method: the test pattern.
    #[test]
    fn every_known_format_converts() {
        for format in PixelFormat::all() {
            for (width, height) in [(2, 2), (3, 5), (17, 4), (64, 48)] {
                let pattern = Pattern::new(format, width, height).unwrap();
                let mut data = vec![0; pattern.image_bytes()];
                pattern.fill(&mut data, 3);
                let raw = Raw { data: &data, width, height, stride: None, format };
                let image = Image::convert(&raw).unwrap_or_else(|error| panic!("{format} {width}x{height}: {error}"));
                let pixels = width as usize * height as usize;
                assert_eq!(image.bytes.len(), pixels * image.colour.channels() * image.depth.bytes(), "{format}");
            }
        }
    }

    #[test]
    fn unknown_formats_are_named_by_their_code() {
        let format = PixelFormat::from_code(0x0108_7777);
        let raw = Raw { data: &[0; 4], width: 2, height: 2, stride: None, format };
        assert!(Image::convert(&raw).unwrap_err().to_string().contains("0x01087777"));
    }
}
