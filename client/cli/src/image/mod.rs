//! From a frame's pixels, in whatever format, to an image that a PNG file can hold.
//!
//! Grey and colour values of more than 8 bits become 16: their bits are repeated from the top, so that the darkest stays 0
//! and the brightest becomes 65535. Alpha stays, colours are put in the order red, green, blue.

mod bayer;
mod colour;
mod png;
mod samples;
mod yuv;

use framebroker_protocol::{Layout, PixelFormat, Samples};

pub use self::png::write;
pub use self::samples::Raw;

use self::samples::Coding;

/// An image as PNG wants it: rows without padding, 16-bit values big-endian.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// What a pixel is made of.
    pub colour: Colour,
    /// Bits of each value.
    pub depth: Depth,
    /// The pixels.
    pub bytes: Vec<u8>,
}

/// What a pixel is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// One grey value.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha.
    Rgba,
}

/// Bits of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// A byte.
    Eight,
    /// Two bytes.
    Sixteen,
}

/// Why a frame has no image.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Nothing is known about the format but its code.
    #[error(
        "nothing is known about pixel format 0x{:08X} but its code; set the camera to a format such as Mono8, BayerRG8 or RGB8",
        .0.code()
    )]
    UnknownFormat(PixelFormat),
    /// No pixels.
    #[error("it has no pixels ({width}x{height})")]
    Empty {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// A row is longer than the distance to the next.
    #[error("its rows of {row_bytes} bytes do not fit into a stride of {stride}")]
    Stride {
        /// Bytes of a row.
        row_bytes: u64,
        /// From the header.
        stride: usize,
    },
    /// The frame has fewer bytes than its geometry needs.
    #[error("it has {found} bytes, and {width}x{height} in {format} takes {needed}")]
    TooShort {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// Its format.
        format: PixelFormat,
        /// Bytes there should be.
        needed: u128,
        /// Bytes there are.
        found: usize,
    },
    /// A single row or column of a colour filter lacks a colour.
    #[error("a Bayer image of {width}x{height} does not have every colour: 2x2 is the least; choose a larger one")]
    NoColours {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// The library that finds the colours refuses.
    #[error("cannot find its colours: {0}")]
    Demosaic(#[from] demosaic::DemosaicError),
}

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

    /// An image that has room for its pixels and none of them yet.
    fn empty(raw: &Raw, colour: Colour, depth: Depth) -> Self {
        let pixels = raw.width as usize * raw.height as usize;
        let bytes = Vec::with_capacity(pixels * colour.channels() * depth.bytes());
        Self { width: raw.width, height: raw.height, colour, depth, bytes }
    }

    /// Adds a value, which fits into the depth.
    fn push(&mut self, value: u16) {
        let [high, low] = value.to_be_bytes();
        if self.depth == Depth::Sixteen {
            self.bytes.push(high);
        }
        self.bytes.push(low);
    }
}

impl Colour {
    fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

impl Depth {
    fn bytes(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Sixteen => 2,
        }
    }
}

#[cfg(test)]
mod tests {
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
