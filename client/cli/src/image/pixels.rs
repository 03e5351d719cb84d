//! An image, value by value.

use super::samples::{Depth, Raw};

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

impl Image {
    /// An image that has room for its pixels and none of them yet.
    pub(super) fn empty(raw: &Raw, colour: Colour, depth: Depth) -> Self {
        let pixels = raw.width as usize * raw.height as usize;
        let bytes = Vec::with_capacity(pixels * colour.channels() * depth.bytes());
        Self { width: raw.width, height: raw.height, colour, depth, bytes }
    }

    /// Adds a value, which fits into the depth.
    pub(super) fn push(&mut self, value: u16) {
        let [high, low] = value.to_be_bytes();
        if self.depth == Depth::Sixteen {
            self.bytes.push(high);
        }
        self.bytes.push(low);
    }
}

impl Colour {
    pub(super) fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}
