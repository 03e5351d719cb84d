//! The test image: it moves, and every byte of it can be checked by anyone who knows the formula.
//!
//! A byte depends on the frame's sequence, pixel format, width and height, and on its own place, and on nothing else. All
//! numbers are unsigned integers, `/` rounds down, `x` and `y` count from 0 at the top left, `offset` from the first byte of
//! the image.
//!
//! *Unpacked formats* of `n` channels in containers of `c` bytes (1 or 2), of which `b` bits are significant:
//!
//! ```text
//! pixel   = offset / (n * c)          x = pixel mod width      y = pixel / width
//! channel = offset mod (n * c) / c    k = offset mod c         (k: 0 is the low byte, 1 the high byte)
//! t       = (x + y + 85 * channel + 17 * sequence) mod 256
//! value   = (t << (b - 8)) | (t >> (16 - b))
//! byte    = (value >> (8 * k)) mod 256
//! ```
//!
//! `value` is `t` stretched to `b` bits: `t` itself in 8 bits, `257 * t` in 16; bits above the significant ones are 0.
//!
//! *All other formats* (packed, 4:2:2, and codes that are not in the table):
//!
//! ```text
//! byte    = (offset + 17 * sequence) mod 256
//! ```
//!
//! | format, 3×1, sequence 1 | bytes (hexadecimal) |
//! |---|---|
//! | Mono8 | `11 12 13` |
//! | Mono12 | `11 01 21 01 31 01` |
//! | RGB8 | `11 66 BB 12 67 BC 13 68 BD` |
//! | Mono12p | `11 12 13 14 15` |
//!
//! What follows from it:
//! * Two frames at most 255 apart differ in every low byte, and in every byte of 8-bit, packed and 4:2:2 formats; 256 apart
//!   they are alike. (17 is odd, and `t` to low byte is one to one.)
//! * Consecutive frames differ in every byte, except that the high bytes of 10-bit values, which hold 2 bits, may coincide.
//! * Seen on a screen, it is a diagonal gradient that moves 17 pixels to the left with each frame.

use crate::pixel_format::{Layout, PixelFormat};

/// How far the image moves from one frame to the next. Odd, so that 256 frames differ; at least 16, so that the high byte
/// of a 12-bit value changes with every frame; small enough for the eye to follow.
const STEP_PER_FRAME: u64 = 17;

/// What sets the channels of a pixel apart: a third of the period.
const STEP_PER_CHANNEL: u64 = 85;

/// The image repeats after so many pixels (or bytes, where it is a ramp of bytes).
const PERIOD: usize = 256;

/// The longest run copied or compared at once, in pixels: whole periods, so that every run of a row begins alike.
const MAX_RUN_PIXELS: usize = 16 * PERIOD;

/// The test images of one format and size, ready to be written and checked at the speed of memory.
///
/// Owns a template of one run of pixels and a period more: every row of every frame is a part of it.
/// Only [`Pattern::new`] allocates.
#[derive(Clone, Debug)]
pub struct Pattern {
    shape: Shape,
    width: u32,
    image_bytes: usize,
    /// Bytes after which the phase moves on by one pixel: a row, or the whole image where it is a ramp of bytes.
    row_bytes: usize,
    run_bytes: usize,
    template: Vec<u8>,
}

/// Where a test image first differs from what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset} the image has {}, the pattern {}", byte_or_end(*.found), byte_or_end(*.expected))]
pub struct Mismatch {
    /// Byte from the start of the image.
    pub offset: usize,
    /// The byte of the pattern; `None` if the image is longer than it should be.
    pub expected: Option<u8>,
    /// The byte of the image; `None` if it is shorter than it should be.
    pub found: Option<u8>,
}

/// There is no test image of that format and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The width or the height is zero.
    #[error("a test image of {width}x{height} has no pixels: width and height must be at least 1")]
    Empty {
        /// As given, in pixels.
        width: u32,
        /// As given, in pixels.
        height: u32,
    },
    /// The code does not say how large a pixel is.
    #[error("pixel format {format} does not say how many bits a pixel has: choose one by its PFNC name")]
    NoPixelSize {
        /// As given.
        format: PixelFormat,
    },
    /// The image does not fit into the address space.
    #[error("a test image of {width}x{height} in {format} does not fit into memory: choose a smaller one")]
    TooLarge {
        /// As given.
        format: PixelFormat,
        /// As given, in pixels.
        width: u32,
        /// As given, in pixels.
        height: u32,
    },
}

/// Which of the two formulas holds.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Pixels { channels: u8, container_bytes: u8, significant_bits: u8 },
    Bytes,
}

impl Pattern {
    /// Prepares the test images of this format and size.
    pub fn new(format: PixelFormat, width: u32, height: u32) -> Result<Self, PatternError> {
        if width == 0 || height == 0 {
            return Err(PatternError::Empty { width, height });
        }
        if format.bits_per_pixel() == 0 {
            return Err(PatternError::NoPixelSize { format });
        }
        let image_bytes = format.image_bytes(width, height).ok_or(PatternError::TooLarge { format, width, height })?;
        let shape = Shape::of(format);
        let pixel_bytes = shape.pixel_bytes();
        let row_bytes = match shape {
            Shape::Pixels { .. } => pixel_bytes.saturating_mul(width as usize),
            Shape::Bytes => image_bytes,
        };
        let run_pixels = (row_bytes / pixel_bytes).min(MAX_RUN_PIXELS);
        Ok(Self {
            shape,
            width,
            image_bytes,
            row_bytes,
            run_bytes: run_pixels * pixel_bytes,
            template: shape.template(run_pixels + PERIOD),
        })
    }

    /// Bytes of an image.
    pub fn image_bytes(&self) -> usize {
        self.image_bytes
    }

    /// Writes the image of this sequence. What `payload` has beyond [`Pattern::image_bytes`] stays as it is; a shorter one
    /// gets the first part of the image.
    pub fn fill(&self, payload: &mut [u8], sequence: u64) {
        let bytes = payload.len().min(self.image_bytes);
        let (image, _) = payload.split_at_mut(bytes);
        for (y, row) in image.chunks_mut(self.row_bytes).enumerate() {
            for run in row.chunks_mut(self.run_bytes) {
                run.copy_from_slice(self.run(sequence, y, run.len()));
            }
        }
    }

    /// Compares `image`, exactly [`Pattern::image_bytes`] long, with the image of this sequence; the error tells the first
    /// byte that differs.
    pub fn verify(&self, image: &[u8], sequence: u64) -> Result<(), Mismatch> {
        let common = image.split_at(image.len().min(self.image_bytes)).0;
        for (y, row) in common.chunks(self.row_bytes).enumerate() {
            for (index, run) in row.chunks(self.run_bytes).enumerate() {
                let expected = self.run(sequence, y, run.len());
                if run != expected {
                    let start = y * self.row_bytes + index * self.run_bytes;
                    return Err(first_difference(start, run, expected));
                }
            }
        }
        if image.len() == self.image_bytes {
            return Ok(());
        }
        Err(Mismatch {
            offset: common.len(),
            expected: self.byte_at(sequence, common.len()),
            found: image.get(common.len()).copied(),
        })
    }

    /// One byte of the image of this sequence, straight from the formula: slow, and independent of the template.
    /// `None` beyond the end.
    pub fn byte_at(&self, sequence: u64, offset: usize) -> Option<u8> {
        if offset >= self.image_bytes {
            return None;
        }
        let offset = offset as u64;
        // Wrapping at 2^64 leaves the remainder by 256 as it is.
        let motion = sequence.wrapping_mul(STEP_PER_FRAME);
        let Shape::Pixels { channels, container_bytes, significant_bits: b } = self.shape else {
            return Some(low_byte(offset.wrapping_add(motion)));
        };
        let (n, c) = (u64::from(channels), u64::from(container_bytes));
        let pixel = offset / (n * c);
        let (x, y) = (pixel % u64::from(self.width), pixel / u64::from(self.width));
        let channel = offset % (n * c) / c;
        let k = offset % c;
        let t = (x + y + STEP_PER_CHANNEL * channel).wrapping_add(motion) % 256;
        let value = (t << (b - 8)) | (t >> (16 - b));
        Some(low_byte(value >> (8 * k)))
    }

    /// What a run of `bytes` (at most `run_bytes`) in row `y` must be.
    #[expect(
        clippy::indexing_slicing,
        reason = "start < PERIOD pixels, bytes <= run_bytes: the template has both together"
    )]
    fn run(&self, sequence: u64, y: usize, bytes: usize) -> &[u8] {
        let phase = low_byte((y as u64).wrapping_add(sequence.wrapping_mul(STEP_PER_FRAME)));
        let start = usize::from(phase) * self.shape.pixel_bytes();
        &self.template[start..start + bytes]
    }
}

impl Shape {
    fn of(format: PixelFormat) -> Self {
        match format.layout() {
            Layout::Unpacked { samples, container, significant_bits } => {
                Self::Pixels { channels: samples.channels(), container_bytes: container.bytes(), significant_bits }
            }
            Layout::Packed { .. } | Layout::Yuv422(_) | Layout::Opaque => Self::Bytes,
        }
    }

    fn pixel_bytes(self) -> usize {
        match self {
            Self::Pixels { channels, container_bytes, .. } => usize::from(channels) * usize::from(container_bytes),
            Self::Bytes => 1,
        }
    }

    /// `pixels` pixels (or bytes), from phase 0 on.
    fn template(self, pixels: usize) -> Vec<u8> {
        let mut template = Vec::with_capacity(pixels * self.pixel_bytes());
        for phase in (0..=u8::MAX).cycle().take(pixels) {
            match self {
                Self::Bytes => template.push(phase),
                Self::Pixels { channels, container_bytes, significant_bits } => {
                    for channel in 0..u64::from(channels) {
                        let t = low_byte(u64::from(phase) + STEP_PER_CHANNEL * channel);
                        let value = stretch(t, significant_bits).to_le_bytes();
                        template.extend(value.iter().take(usize::from(container_bytes)));
                    }
                }
            }
        }
        template
    }
}

/// `t` repeated from the top over the low `bits` (8 to 16) of a value.
fn stretch(t: u8, bits: u8) -> u16 {
    let t = u16::from(t);
    (t << (bits - 8)) | (t >> (16 - bits))
}

fn low_byte(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

#[cold]
fn first_difference(start: usize, run: &[u8], expected: &[u8]) -> Mismatch {
    let mut pairs = run.iter().zip(expected);
    let index = pairs.position(|(found, expected)| found != expected);
    let index = index.unwrap_or(run.len());
    Mismatch { offset: start + index, expected: expected.get(index).copied(), found: run.get(index).copied() }
}

fn byte_or_end(byte: Option<u8>) -> String {
    byte.map_or_else(|| "ended".to_owned(), |byte| format!("{byte:#04x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(u32, u32); 6] = [(1, 1), (3, 5), (7, 3), (16, 2), (257, 3), (4099, 2)];
    const SEQUENCES: [u64; 8] = [0, 1, 2, 15, 64, 255, 256, u64::MAX];

    /// Every known format, and opaque codes of whole and of broken bytes.
    fn formats() -> impl Iterator<Item = PixelFormat> {
        let opaque = [0x0218_7777, 0x010E_7777, 0x0101_7777];
        PixelFormat::all().chain(opaque.map(PixelFormat::from_code))
    }

    fn image(pattern: &Pattern, sequence: u64) -> Vec<u8> {
        let mut image = vec![0xA5; pattern.image_bytes()];
        pattern.fill(&mut image, sequence);
        image
    }

    /// Goal: fill and the formula are one. Method: every byte of every format, at odd sizes that also exceed a run.
    #[test]
    fn fill_follows_the_formula() {
        for format in formats() {
            for (width, height) in SIZES {
                let pattern = Pattern::new(format, width, height).unwrap();
                for sequence in SEQUENCES {
                    let image = image(&pattern, sequence);
                    for (offset, byte) in image.iter().enumerate() {
                        let expected = pattern.byte_at(sequence, offset);
                        assert_eq!(Some(*byte), expected, "{format} {width}x{height} {offset}");
                    }
                    assert_eq!(pattern.byte_at(sequence, image.len()), None);
                    assert_eq!(pattern.verify(&image, sequence), Ok(()));
                }
            }
        }
    }

    /// Goal: the formula is the one written down. Method: the examples of the module's head, and some by hand.
    #[test]
    fn known_images() {
        let cases: [(PixelFormat, u64, &[u8]); 8] = [
            (PixelFormat::MONO8, 1, &[0x11, 0x12, 0x13]),
            (PixelFormat::MONO12, 1, &[0x11, 0x01, 0x21, 0x01, 0x31, 0x01]),
            (PixelFormat::RGB8, 1, &[0x11, 0x66, 0xBB, 0x12, 0x67, 0xBC, 0x13, 0x68, 0xBD]),
            (PixelFormat::MONO12P, 1, &[0x11, 0x12, 0x13, 0x14, 0x15]),
            (PixelFormat::BAYER_RG8, u64::MAX, &[0xEF, 0xF0, 0xF1]),
            (PixelFormat::MONO10, 15, &[0xFF, 0x03, 0x00, 0x00, 0x04, 0x00]),
            (PixelFormat::MONO16, 15, &[0xFF, 0xFF, 0x00, 0x00, 0x01, 0x01]),
            (PixelFormat::YUV422_8, 15, &[0xFF, 0, 1, 2, 3, 4]),
        ];
        for (format, sequence, expected) in cases {
            let pattern = Pattern::new(format, 3, 1).unwrap();
            assert_eq!(image(&pattern, sequence), expected, "{format}");
        }
        let pattern = Pattern::new(PixelFormat::MONO8, 3, 2).unwrap();
        assert_eq!(image(&pattern, 0), [0, 1, 2, 1, 2, 3]);
    }

    /// Goal: frames cannot be taken for each other. Method: compare each byte of frames 1 to 255 apart.
    #[test]
    fn frames_differ_in_every_byte() {
        for format in formats() {
            let pattern = Pattern::new(format, 37, 3).unwrap();
            let (container_bytes, bits) = match pattern.shape {
                Shape::Pixels { container_bytes, significant_bits, .. } => {
                    (usize::from(container_bytes), significant_bits)
                }
                Shape::Bytes => (1, 8),
            };
            for sequence in [0, 9, 200, u64::MAX - 300] {
                let frame = image(&pattern, sequence);
                for apart in 1..=255 {
                    let other = image(&pattern, sequence + apart);
                    for (offset, (a, b)) in frame.iter().zip(&other).enumerate() {
                        let low = offset % container_bytes == 0;
                        let must_differ = low || bits == 16 || (bits == 12 && apart == 1);
                        assert!(!must_differ || a != b, "{format} {sequence}+{apart} {offset}");
                    }
                }
                assert_eq!(frame, image(&pattern, sequence + 256), "{format}");
            }
        }
    }

    /// Goal: pixel values are valid. Method: no 10- or 12-bit value exceeds its range, and both ends of it are reached.
    #[test]
    fn unused_high_bits_are_zero() {
        for format in PixelFormat::all() {
            let Layout::Unpacked { significant_bits: bits @ (10 | 12 | 16), .. } = format.layout() else {
                continue;
            };
            let pattern = Pattern::new(format, 300, 2).unwrap();
            let image = image(&pattern, 77);
            let values = image.chunks(2).map(|v| u16::from_le_bytes([v[0], v[1]]));
            assert_eq!(values.clone().min(), Some(0), "{format}");
            assert_eq!(values.max(), Some(u16::MAX >> (16 - bits)), "{format}");
        }
    }

    /// Goal: no damage goes unseen. Method: flip one bit of each byte in turn.
    #[test]
    fn verify_finds_any_flipped_byte() {
        for format in formats() {
            for (width, height) in [(1, 1), (7, 3), (4099, 1)] {
                let pattern = Pattern::new(format, width, height).unwrap();
                let mut image = image(&pattern, 5);
                for offset in 0..image.len() {
                    let expected = image[offset];
                    let found = expected ^ (1 << (offset % 8));
                    image[offset] = found;
                    let mismatch = Mismatch { offset, expected: Some(expected), found: Some(found) };
                    assert_eq!(pattern.verify(&image, 5), Err(mismatch), "{format}");
                    image[offset] = expected;
                }
                assert!(pattern.verify(&image, 6).is_err());
                assert!(pattern.verify(&image, 4).is_err());
            }
        }
    }

    /// Goal: a torn frame is told by its first foreign byte. Method: the tail of the next frame behind the head of this one.
    #[test]
    fn verify_finds_where_a_frame_is_torn() {
        let pattern = Pattern::new(PixelFormat::RGB8, 31, 9).unwrap();
        let (this, next) = (image(&pattern, 41), image(&pattern, 42));
        for tear in 0..this.len() {
            let torn = [&this[..tear], &next[tear..]].concat();
            assert_eq!(pattern.verify(&torn, 41).unwrap_err().offset, tear);
        }
    }

    /// Goal: a wrong length is a mismatch, and fill stays inside the image. Method: one byte less, one byte more, none.
    #[test]
    fn lengths_are_checked() {
        for format in formats() {
            let pattern = Pattern::new(format, 7, 3).unwrap();
            let exact = image(&pattern, 3);
            let mut longer = vec![0xEE; exact.len() + 1];
            pattern.fill(&mut longer, 3);
            assert_eq!(longer.split_last(), Some((&0xEE, &exact[..])));
            let mismatch = pattern.verify(&longer, 3).unwrap_err();
            assert_eq!((mismatch.offset, mismatch.expected), (exact.len(), None));
            assert_eq!(mismatch.found, Some(0xEE));

            let mut shorter = vec![0; exact.len() - 1];
            pattern.fill(&mut shorter, 3);
            let mismatch = pattern.verify(&shorter, 3).unwrap_err();
            assert_eq!((mismatch.offset, mismatch.found), (shorter.len(), None));
            assert_eq!(mismatch.expected, exact.last().copied());

            pattern.fill(&mut [], 3);
            assert_eq!(pattern.verify(&[], 3).unwrap_err().offset, 0);
        }
    }

    /// Goal: impossible images are refused, and enormous ones cost no memory to prepare.
    #[test]
    fn limits() {
        let new = Pattern::new;
        let side = u32::MAX;
        assert!(matches!(new(PixelFormat::MONO8, 0, 1), Err(PatternError::Empty { .. })));
        assert!(matches!(new(PixelFormat::MONO8, 1, 0), Err(PatternError::Empty { .. })));
        assert!(matches!(new(PixelFormat::RGB16, side, side), Err(PatternError::TooLarge { .. })));
        assert!(matches!(new(PixelFormat::from_code(0x0100_0000), 1, 1), Err(PatternError::NoPixelSize { .. })));
        let enormous = new(PixelFormat::MONO8, side, side).unwrap();
        assert!(enormous.template.len() <= MAX_RUN_PIXELS + PERIOD);
        let last = enormous.image_bytes() - 1;
        assert_eq!(enormous.byte_at(0, last), Some(0xFC));
    }
}
