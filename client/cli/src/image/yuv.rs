//! 4:2:2 formats: two pixels share their chroma.

use framebroker_protocol::Yuv422Order;

use super::pixels::{Colour, Image};
use super::samples::{Depth, Raw};

/// Chroma of grey.
const NEUTRAL: u8 = 128;

/// Converts luma and chroma of the full range 0 to 255 (PFNC's YCbCr and YUV formats without a standard in their name) to
/// red, green and blue by ITU-R BT.601.
pub fn convert(raw: &Raw, order: Yuv422Order) -> Image {
    let width = raw.width as usize;
    let mut image = Image::empty(raw, Colour::Rgb, Depth::Eight);
    for row in raw.rows(width) {
        let bytes = row.bytes.get(..2 * width).unwrap_or(row.bytes);
        let mut chroma = (NEUTRAL, NEUTRAL);
        for pair in bytes.chunks(4) {
            let (lumas, blue, red) = split(pair, order);
            // The last pixel of an odd width has one chroma value; the other goes on from its neighbour.
            chroma = (blue.unwrap_or(chroma.0), red.unwrap_or(chroma.1));
            for luma in lumas.into_iter().flatten() {
                image.bytes.extend(rgb(luma, chroma.0, chroma.1));
            }
        }
    }
    image
}

/// The luma values, blue chroma and red chroma of a pair of pixels, as far as they are there.
fn split(pair: &[u8], order: Yuv422Order) -> ([Option<u8>; 2], Option<u8>, Option<u8>) {
    let byte = |at: usize| pair.get(at).copied();
    match order {
        Yuv422Order::Yuyv => ([byte(0), byte(2)], byte(1), byte(3)),
        Yuv422Order::Uyvy => ([byte(1), byte(3)], byte(0), byte(2)),
    }
}

/// Coefficients in units of 2^-16; ITU-R BT.601 with Kr = 0.299 and Kb = 0.114: 1.402, 0.344136, 0.714136, 1.772.
fn rgb(luma: u8, blue: u8, red: u8) -> [u8; 3] {
    let y = i32::from(luma) << 16;
    let (cb, cr) = (i32::from(blue) - i32::from(NEUTRAL), i32::from(red) - i32::from(NEUTRAL));
    [y + 91_881 * cr, y - 22_554 * cb - 46_802 * cr, y + 116_130 * cb].map(rounded)
}

fn rounded(value: i32) -> u8 {
    u8::try_from(((value + (1 << 15)) >> 16).clamp(0, 255)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::PixelFormat;

    use super::*;

    /// BT.601 full-range values of well-known colours.
    const COLOURS: [([u8; 3], [u8; 3]); 7] = [
        ([0, 128, 128], [0, 0, 0]),
        ([255, 128, 128], [255, 255, 255]),
        ([128, 128, 128], [128, 128, 128]),
        ([76, 85, 255], [254, 0, 0]),
        ([150, 44, 21], [0, 255, 1]),
        ([29, 255, 107], [0, 0, 254]),
        ([255, 255, 255], [255, 121, 255]),
    ];

    #[test]
    fn known_colours() {
        for ([y, cb, cr], expected) in COLOURS {
            assert_eq!(rgb(y, cb, cr), expected, "{y} {cb} {cr}");
        }
    }

    #[test]
    fn both_orders_of_bytes() {
        let convert = |format, data: &[u8]| {
            Image::convert(&Raw { data, width: 2, height: 1, stride: None, format }).unwrap().bytes
        };
        let expected = [rgb(76, 85, 255), rgb(200, 85, 255)].concat();
        assert_eq!(convert(PixelFormat::YUV422_8, &[76, 85, 200, 255]), expected);
        assert_eq!(convert(PixelFormat::YCBCR422_8, &[76, 85, 200, 255]), expected);
        assert_eq!(convert(PixelFormat::YUV422_8_UYVY, &[85, 76, 255, 200]), expected);
        assert_eq!(convert(PixelFormat::YCBCR422_8_CBYCRY, &[85, 76, 255, 200]), expected);
    }

    #[test]
    fn an_odd_width_borrows_chroma_from_its_neighbour() {
        let data = [128, 128, 128, 255, 76, 85];
        let raw = Raw { data: &data, width: 3, height: 1, stride: None, format: PixelFormat::YUV422_8 };
        assert_eq!(Image::convert(&raw).unwrap().bytes[6..], rgb(76, 85, 255));
    }
}
