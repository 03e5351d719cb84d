//! Formats behind a colour filter: two of each pixel's three colours are found from its neighbours.
//!
//! The `demosaic` crate does that, by the gradient-corrected interpolation of Malvar, He and Cutler ("High-quality linear
//! interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004): each measured value stays as it is. It
//! looks two pixels far. It would repeat the edge beyond the image, which puts colours where others belong; so it gets a
//! margin of mirrored pixels, which keep their places in the filter. Bands of rows bound the memory.

use demosaic::{Algorithm, CfaPattern};
use framebroker_protocol::BayerOrder;

use super::error::ConvertError;
use super::pixels::{Colour, Image};
use super::samples::{Coding, Depth, Raw};

/// How far the interpolation looks; even, so that the margin begins with the colours the image begins with.
const MARGIN: usize = 2;
/// Rows converted at once; even, for the same reason.
const BAND_ROWS: usize = 32;

const _: () = assert!(MARGIN.is_multiple_of(2) && BAND_ROWS.is_multiple_of(2));

/// Finds the colours.
pub fn convert(raw: &Raw, coding: Coding, order: BayerOrder) -> Result<Image, ConvertError> {
    let (width, height) = (raw.width as usize, raw.height as usize);
    if width < 2 || height < 2 {
        return Err(ConvertError::NoColours { width: raw.width, height: raw.height });
    }
    let filter = filter(order);
    let mut image = Image::empty(raw, Colour::Rgb, coding.depth());
    let padded_width = width + 2 * MARGIN;
    let (mut mosaic, mut planes) = (Vec::new(), Vec::new());
    for top in (0..height).step_by(BAND_ROWS) {
        let rows = BAND_ROWS.min(height - top);
        mosaic.clear();
        for padded_y in 0..rows + 2 * MARGIN {
            let row = raw.row(mirrored(top + padded_y, height), width);
            let values: Vec<u16> = coding.values(row, width).collect();
            let value = |padded_x| values.get(mirrored(padded_x, width)).copied().unwrap_or(0);
            mosaic.extend((0..padded_width).map(|padded_x| f32::from(value(padded_x))));
        }
        planes.resize(3 * mosaic.len(), 0.0);
        let padded_rows = rows + 2 * MARGIN;
        demosaic::demosaic(&mosaic, padded_width, padded_rows, &filter, Algorithm::Mhc, &mut planes)?;
        append(&mut image, &planes, padded_width, rows);
    }
    Ok(image)
}

/// Adds the rows of a band, without its margin.
fn append(image: &mut Image, planes: &[f32], padded_width: usize, rows: usize) {
    let width = padded_width - 2 * MARGIN;
    let plane_len = planes.len() / 3;
    let brightest = match image.depth {
        Depth::Eight => f32::from(u8::MAX),
        Depth::Sixteen => f32::from(u16::MAX),
    };
    for y in MARGIN..MARGIN + rows {
        for x in MARGIN..MARGIN + width {
            for plane in 0..3 {
                let at = plane * plane_len + y * padded_width + x;
                image.push(rounded(planes.get(at).copied().unwrap_or(0.0), brightest));
            }
        }
    }
}

/// The interpolation overshoots at edges.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 65535 after clamp")]
fn rounded(value: f32, brightest: f32) -> u16 {
    value.round().clamp(0.0, brightest) as u16
}

/// Which of `len` (2 or more) pixels stands at `padded` of a row with margins: those beyond the edge are mirrored at the
/// outermost pixel, as often as it takes.
fn mirrored(padded: usize, len: usize) -> usize {
    let period = 2 * (len - 1);
    // A multiple of the period keeps the difference positive and changes nothing.
    let at = (padded + MARGIN * period - MARGIN) % period;
    if at < len { at } else { period - at }
}

fn filter(order: BayerOrder) -> CfaPattern {
    match order {
        BayerOrder::Rg => CfaPattern::bayer_rggb(),
        BayerOrder::Gr => CfaPattern::bayer_grbg(),
        BayerOrder::Gb => CfaPattern::bayer_gbrg(),
        BayerOrder::Bg => CfaPattern::bayer_bggr(),
    }
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::{Layout, PixelFormat, Samples};

    use super::*;

    /// Which of red (0), green (1) and blue (2) is measured at a place; from the names of PFNC, not from the crate.
    fn measured(name: &str, x: usize, y: usize) -> usize {
        let rows = match &name[5..7] {
            "RG" => ["RG", "GB"],
            "GR" => ["GR", "BG"],
            "GB" => ["GB", "RG"],
            "BG" => ["BG", "GR"],
            other => panic!("{other}"),
        };
        match rows[y % 2].as_bytes()[x % 2] {
            b'R' => 0,
            b'G' => 1,
            _ => 2,
        }
    }

    fn formats() -> impl Iterator<Item = PixelFormat> {
        PixelFormat::all().filter(|format| {
            matches!(
                format.layout(),
                Layout::Unpacked { samples: Samples::Bayer(_), .. } | Layout::Packed { samples: Samples::Bayer(_), .. }
            )
        })
    }

    fn bits(format: PixelFormat) -> u32 {
        match format.layout() {
            Layout::Unpacked { significant_bits, .. } | Layout::Packed { significant_bits, .. } => {
                significant_bits.into()
            }
            _ => panic!("{format}"),
        }
    }

    /// Stores values of a format's bits as the format has them; written apart from the code under test.
    fn store(format: PixelFormat, values: &[u16]) -> Vec<u8> {
        let name = format.name().unwrap();
        let bits = bits(format);
        if name.ends_with("Packed") {
            let pair = |pair: &[u16]| {
                let second = pair.get(1).copied().unwrap_or(0);
                let (low, shift) = ((1 << (bits - 8)) - 1, bits - 8);
                [pair[0] >> shift, (pair[0] & low) | ((second & low) << 4), second >> shift].map(low_byte)
            };
            values.chunks(2).flat_map(pair).collect()
        } else if name.ends_with('p') {
            let stream = values.iter().flat_map(|value| (0..bits).map(move |bit| (value >> bit) & 1 == 1));
            let stream: Vec<bool> = stream.collect();
            let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| (byte << 1) | u8::from(*bit));
            stream.chunks(8).map(byte).collect()
        } else if bits == 8 {
            values.iter().copied().map(low_byte).collect()
        } else {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        }
    }

    fn low_byte(value: u16) -> u8 {
        value.to_le_bytes()[0]
    }

    fn convert(format: PixelFormat, width: usize, height: usize, data: &[u8]) -> Image {
        let [width, height] = [width, height].map(|side| u32::try_from(side).unwrap());
        Image::convert(&Raw { data, width, height, stride: None, format }).unwrap()
    }

    /// The values of pixel x, y of an image.
    fn pixel(image: &Image, x: usize, y: usize) -> [u16; 3] {
        let at = 3 * (y * image.width as usize + x);
        [0, 1, 2].map(|channel| match image.depth {
            Depth::Eight => image.bytes[at + channel].into(),
            Depth::Sixteen => {
                u16::from_be_bytes([image.bytes[2 * (at + channel)], image.bytes[2 * (at + channel) + 1]])
            }
        })
    }

    /// Goal: every order, depth and packing finds a uniform colour, to the last pixel of the edge, at odd sizes too.
    /// Method: full red, no green, half blue, as each format would have measured it.
    #[test]
    fn a_uniform_colour_is_found_everywhere() {
        for format in formats() {
            let brightest = u16::MAX >> (16 - bits(format));
            let half = 1 << (bits(format) - 1);
            for (width, height) in [(2, 2), (2, 3), (3, 2), (5, 7), (8, 6), (6, 67)] {
                let place = |at: usize| measured(format.name().unwrap(), at % width, at / width);
                let values: Vec<u16> = (0..width * height).map(|at| [brightest, 0, half][place(at)]).collect();
                let data = store(format, &values);
                let image = convert(format, width, height, &data);
                let (red, blue) = if bits(format) == 8 { (0xFF, 0x80) } else { (0xFFFF, pixel(&image, 0, 0)[2]) };
                assert_eq!(blue >> (if bits(format) == 8 { 4 } else { 12 }), 8, "{format}");
                for at in 0..width * height {
                    let found = pixel(&image, at % width, at / width);
                    assert_eq!(found, [red, 0, blue], "{format} {width}x{height} at {at}");
                }
            }
        }
    }

    /// Goal: what was measured stays. Method: values without any order; each is found again in its own channel.
    #[test]
    fn measured_values_stay_as_they_are() {
        for format in formats().filter(|format| matches!(bits(*format), 8 | 16)) {
            let (width, height) = (9, 71);
            let mask = usize::from(u16::MAX >> (16 - bits(format)));
            let values: Vec<u16> =
                (0..width * height).map(|at| u16::try_from((at * 40_503 + 7) & mask).unwrap()).collect();
            let data = store(format, &values);
            let image = convert(format, width, height, &data);
            for (at, value) in values.iter().enumerate() {
                let (x, y) = (at % width, at / width);
                assert_eq!(pixel(&image, x, y)[measured(format.name().unwrap(), x, y)], *value, "{format} at {at}");
            }
        }
    }

    /// Goal: padding between rows is not seen. Method: the same image with and without it.
    #[test]
    fn padding_changes_nothing() {
        let tight: Vec<u8> = (0..5 * 4).map(|at: u8| at.wrapping_mul(37)).collect();
        let padded: Vec<u8> = tight.chunks(5).flat_map(|row| row.iter().copied().chain([0xEE; 3])).collect();
        let format = PixelFormat::BAYER_GB8;
        let raw = Raw { data: &tight, width: 5, height: 4, stride: None, format };
        let with_padding = Raw { data: &padded, stride: Some(8), ..raw };
        assert_eq!(Image::convert(&raw).unwrap(), Image::convert(&with_padding).unwrap());
    }

    #[test]
    fn mirrors_keep_their_colour() {
        let around = |len: usize| (0..len + 2 * MARGIN).map(|at| mirrored(at, len)).collect::<Vec<_>>();
        assert_eq!(around(2), [0, 1, 0, 1, 0, 1]);
        assert_eq!(around(3), [2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(around(5), [2, 1, 0, 1, 2, 3, 4, 3, 2]);
    }

    #[test]
    fn one_row_has_no_colours() {
        let raw = Raw { data: &[0; 9], width: 9, height: 1, stride: None, format: PixelFormat::BAYER_RG8 };
        assert!(matches!(Image::convert(&raw), Err(ConvertError::NoColours { .. })));
    }
}
