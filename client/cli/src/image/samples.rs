//! The values of a frame, one after the other, however they lie in memory.

use framebroker_protocol::{Container, Layout, Packing, PixelFormat};

use super::error::ConvertError;

/// Bits of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// A byte.
    Eight,
    /// Two bytes.
    Sixteen,
}

impl Depth {
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Eight => 1,
            Self::Sixteen => 2,
        }
    }
}

/// A frame's pixels as they came.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    /// The image's bytes.
    pub data: &'a [u8],
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Bytes from row to row; `None` where rows follow each other without padding.
    pub stride: Option<usize>,
    /// How pixels are stored.
    pub format: PixelFormat,
}

/// How a value lies in memory.
#[derive(Debug, Clone, Copy)]
pub struct Coding {
    place: Place,
    bits: u8,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Byte,
    TwoBytes,
    Packed(Packing),
}

/// A row: its first value is value `first` of `bytes`.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// From the row's first byte on, or all of the image where rows do not begin on a byte.
    pub bytes: &'a [u8],
    first: usize,
}

impl<'a> Raw<'a> {
    /// Whether the bytes are as many as the geometry says: then no conversion runs out of them.
    pub fn check(&self) -> Result<(), ConvertError> {
        let Self { width, height, format, .. } = *self;
        if width == 0 || height == 0 {
            return Err(ConvertError::Empty { width, height });
        }
        if format.bits_per_pixel() == 0 {
            return Err(ConvertError::UnknownFormat(format));
        }
        let row_bits = u64::from(width) * u64::from(format.bits_per_pixel());
        let needed = match self.stride {
            Some(stride) => {
                let row_bytes = row_bits.div_ceil(8);
                if row_bytes > stride as u64 {
                    return Err(ConvertError::Stride { row_bytes, stride });
                }
                stride as u128 * u128::from(height - 1) + u128::from(row_bytes)
            }
            None => (u128::from(row_bits) * u128::from(height)).div_ceil(8),
        };
        let found = self.data.len();
        if needed > found as u128 {
            return Err(ConvertError::TooShort { width, height, format, needed, found });
        }
        Ok(())
    }

    /// The rows from top to bottom. `values` says how many values a row has.
    pub fn rows(&self, values: usize) -> impl Iterator<Item = Row<'a>> {
        (0..self.height as usize).map(move |y| self.row(y, values))
    }

    /// One row.
    pub fn row(&self, y: usize, values: usize) -> Row<'a> {
        let stride = self.stride.or_else(|| self.format.stride(self.width).map(|stride| stride as usize));
        match stride {
            Some(stride) => Row { bytes: self.data.get(y * stride..).unwrap_or_default(), first: 0 },
            None => Row { bytes: self.data, first: y * values },
        }
    }
}

impl Coding {
    /// How the values of a format lie; `None` for those that are no plain values.
    pub fn of(format: PixelFormat) -> Option<Self> {
        match format.layout() {
            Layout::Unpacked { container: Container::U8, significant_bits: bits, .. } => {
                Some(Self { place: Place::Byte, bits })
            }
            Layout::Unpacked { container: Container::U16, significant_bits: bits, .. } => {
                Some(Self { place: Place::TwoBytes, bits })
            }
            Layout::Packed { packing, significant_bits: bits, .. } => {
                Some(Self { place: Place::Packed(packing), bits })
            }
            Layout::Yuv422(_) | Layout::Opaque => None,
        }
    }

    /// Bits of the values that [`Self::values`] gives.
    pub fn depth(self) -> Depth {
        if self.bits > 8 { Depth::Sixteen } else { Depth::Eight }
    }

    /// The first `count` values of a row, stretched to the full range of [`Self::depth`].
    pub fn values(self, row: Row<'_>, count: usize) -> impl Iterator<Item = u16> {
        (row.first..row.first + count).map(move |at| self.stretch(self.value(row.bytes, at)))
    }

    /// Value `at` as it was stored.
    fn value(self, bytes: &[u8], at: usize) -> u16 {
        // Raw::check has made sure that every value is there; the last group of a packed image may lack bytes of the next.
        let byte = |at: usize| u16::from(bytes.get(at).copied().unwrap_or(0));
        match self.place {
            Place::Byte => byte(at),
            Place::TwoBytes => byte(2 * at) | (byte(2 * at + 1) << 8),
            Place::Packed(Packing::Lsb) => {
                let bit = at * usize::from(self.bits);
                let pair = byte(bit / 8) | (byte(bit / 8 + 1) << 8);
                // Values of 10 and 12 bits begin at even bits: two bytes always hold the whole.
                pair >> (bit % 8)
            }
            Place::Packed(Packing::Gvsp) => {
                let group = at / 2 * 3;
                let (high, low) = if at.is_multiple_of(2) {
                    (byte(group), byte(group + 1))
                } else {
                    (byte(group + 2), byte(group + 1) >> 4)
                };
                let low_bits = self.bits - 8;
                (high << low_bits) | (low & ((1 << low_bits) - 1))
            }
        }
    }

    /// Repeats the significant bits from the top, so that the brightest value stays the brightest.
    fn stretch(self, value: u16) -> u16 {
        match self.bits {
            bits @ 9..16 => {
                let value = value & (u16::MAX >> (16 - bits));
                // Once more is enough: there are more than 8.
                (value << (16 - bits)) | (value >> (2 * bits - 16))
            }
            _ => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a contiguous image of one row.
    fn values(format: PixelFormat, data: &[u8], count: u32) -> Vec<u16> {
        let raw = Raw { data, width: count, height: 1, stride: None, format };
        raw.check().unwrap();
        Coding::of(format).unwrap().values(raw.row(0, count as usize), count as usize).collect()
    }

    #[test]
    fn the_brightest_becomes_full_white_and_black_stays_black() {
        assert_eq!(values(PixelFormat::MONO10, &[0xFF, 0x03, 0, 0], 2), [0xFFFF, 0]);
        assert_eq!(values(PixelFormat::MONO12, &[0xFF, 0x0F, 0, 0], 2), [0xFFFF, 0]);
        assert_eq!(values(PixelFormat::MONO16, &[0x34, 0x12], 1), [0x1234]);
        assert_eq!(values(PixelFormat::MONO8, &[7, 255], 2), [7, 255]);
    }

    #[test]
    fn bits_are_repeated_from_the_top() {
        assert_eq!(values(PixelFormat::MONO12, &[0xBC, 0x0A], 1), [0xABCA]);
        assert_eq!(values(PixelFormat::MONO10, &[0x01, 0x02], 1), [0x8060]);
    }

    #[test]
    fn bits_above_the_significant_ones_are_ignored() {
        assert_eq!(values(PixelFormat::MONO12, &[0xBC, 0xFA], 1), [0xABCA]);
    }

    /// 0x3FF, 0x000, 0x201, 0x155 as a stream of bits, least significant first.
    #[test]
    fn mono10p() {
        let stream: u64 = 0x3FF | (0x201 << 20) | (0x155 << 30);
        let bytes: Vec<u8> = stream.to_le_bytes()[..5].to_vec();
        assert_eq!(values(PixelFormat::MONO10P, &bytes, 4), [0xFFFF, 0, 0x8060, 0x5555]);
    }

    #[test]
    fn mono12p() {
        assert_eq!(values(PixelFormat::MONO12P, &[0xBC, 0x3A, 0x12], 2), [0xABCA, 0x1231]);
    }

    /// The middle byte holds the low bits: of the first pixel in its lower half, of the second in its upper.
    #[test]
    fn mono12_packed_and_mono10_packed() {
        assert_eq!(values(PixelFormat::MONO12_PACKED, &[0xAB, 0x3C, 0x12], 2), [0xABCA, 0x1231]);
        assert_eq!(values(PixelFormat::MONO10_PACKED, &[0xFF, 0x13, 0x80], 2), [0xFFFF, 0x8060]);
    }

    /// Goal: rows of an odd width that do not begin on a byte are read. Method: 3 pixels wide, 2 rows, 12 bits.
    #[test]
    fn rows_may_begin_within_a_byte() {
        let data = [0x01, 0x20, 0x00, 0x03, 0x40, 0x00, 0x05, 0x60, 0x00];
        let raw = Raw { data: &data, width: 3, height: 2, stride: None, format: PixelFormat::MONO12P };
        raw.check().unwrap();
        let coding = Coding::of(raw.format).unwrap();
        let second: Vec<u16> = coding.values(raw.row(1, 3), 3).map(|value| value >> 4).collect();
        assert_eq!(second, [4, 5, 6]);
    }

    #[test]
    fn padding_between_rows_is_passed_over() {
        let data = [1, 2, 0xEE, 0xEE, 3, 4];
        let raw = Raw { data: &data, width: 2, height: 2, stride: Some(4), format: PixelFormat::MONO8 };
        raw.check().unwrap();
        let coding = Coding::of(raw.format).unwrap();
        let all: Vec<u16> = raw.rows(2).flat_map(|row| coding.values(row, 2)).collect();
        assert_eq!(all, [1, 2, 3, 4]);
    }

    #[test]
    fn wrong_geometries_are_refused() {
        let good = Raw { data: &[0; 6], width: 3, height: 2, stride: None, format: PixelFormat::MONO8 };
        good.check().unwrap();
        assert!(matches!(Raw { width: 0, ..good }.check(), Err(ConvertError::Empty { .. })));
        assert!(matches!(Raw { height: 3, ..good }.check(), Err(ConvertError::TooShort { .. })));
        assert!(matches!(Raw { stride: Some(4), ..good }.check(), Err(ConvertError::TooShort { .. })));
        assert!(matches!(Raw { stride: Some(2), ..good }.check(), Err(ConvertError::Stride { .. })));
        let huge = Raw { width: u32::MAX, height: u32::MAX, format: PixelFormat::RGB16, ..good };
        assert!(matches!(huge.check(), Err(ConvertError::TooShort { .. })));
        let stride = Raw { stride: Some(usize::MAX), ..good };
        assert!(matches!(stride.check(), Err(ConvertError::TooShort { .. })));
        let no_size = PixelFormat::from_code(0x0100_7777);
        assert!(matches!(Raw { format: no_size, ..good }.check(), Err(ConvertError::UnknownFormat(_))));
    }
}
