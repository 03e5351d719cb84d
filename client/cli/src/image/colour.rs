//! Formats whose pixels have all their values side by side.

use framebroker_protocol::Samples;

use super::pixels::{Colour, Image};
use super::samples::{Coding, Raw};

/// Puts values in the order of PNG.
pub fn convert(raw: &Raw, coding: Coding, samples: Samples) -> Image {
    let colour = match samples {
        Samples::Mono | Samples::Bayer(_) => Colour::Grey,
        Samples::Rgb | Samples::Bgr => Colour::Rgb,
        Samples::Rgba | Samples::Bgra => Colour::Rgba,
    };
    let is_blue_first = matches!(samples, Samples::Bgr | Samples::Bgra);
    let mut image = Image::empty(raw, colour, coding.depth());
    let values = raw.width as usize * colour.channels();
    let mut line = Vec::with_capacity(values);
    for row in raw.rows(values) {
        line.clear();
        line.extend(coding.values(row, values));
        if is_blue_first {
            line.chunks_exact_mut(colour.channels()).for_each(swap_red_and_blue);
        }
        line.iter().for_each(|value| image.push(*value));
    }
    image
}

fn swap_red_and_blue(pixel: &mut [u16]) {
    if let [first, _, third, ..] = pixel {
        std::mem::swap(first, third);
    }
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::PixelFormat;

    use super::super::samples::Depth;
    use super::*;

    fn image(format: PixelFormat, data: &[u8], width: u32) -> Image {
        Image::convert(&Raw { data, width, height: 1, stride: None, format }).unwrap()
    }

    #[test]
    fn grey() {
        let found = image(PixelFormat::MONO8, &[1, 2, 3], 3);
        assert_eq!((found.colour, found.depth, &found.bytes[..]), (Colour::Grey, Depth::Eight, &[1, 2, 3][..]));
        let found = image(PixelFormat::MONO16, &[0x34, 0x12], 1);
        assert_eq!((found.colour, found.depth, &found.bytes[..]), (Colour::Grey, Depth::Sixteen, &[0x12, 0x34][..]));
    }

    #[test]
    fn red_comes_first() {
        assert_eq!(image(PixelFormat::RGB8, &[1, 2, 3, 4, 5, 6], 2).bytes, [1, 2, 3, 4, 5, 6]);
        assert_eq!(image(PixelFormat::BGR8, &[1, 2, 3, 4, 5, 6], 2).bytes, [3, 2, 1, 6, 5, 4]);
    }

    #[test]
    fn alpha_stays_last() {
        let rgba = image(PixelFormat::RGBA8, &[1, 2, 3, 4], 1);
        assert_eq!((rgba.colour, &rgba.bytes[..]), (Colour::Rgba, &[1, 2, 3, 4][..]));
        assert_eq!(image(PixelFormat::BGRA8, &[1, 2, 3, 4], 1).bytes, [3, 2, 1, 4]);
    }

    #[test]
    fn rgb16_is_big_endian_in_the_file() {
        let found = image(PixelFormat::RGB16, &[1, 2, 3, 4, 5, 6], 1);
        assert_eq!((found.colour, found.depth), (Colour::Rgb, Depth::Sixteen));
        assert_eq!(found.bytes, [2, 1, 4, 3, 6, 5]);
    }
}
