//! Images as PNG.

use std::io::Write;

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError};

use super::pixels::{Colour, Image};
use super::samples::Depth;

/// Writes the image as a PNG file.
pub fn write(image: &Image, to: impl Write) -> Result<(), EncodingError> {
    let mut encoder = Encoder::new(to, image.width, image.height);
    encoder.set_color(match image.colour {
        Colour::Grey => ColorType::Grayscale,
        Colour::Rgb => ColorType::Rgb,
        Colour::Rgba => ColorType::Rgba,
    });
    encoder.set_depth(match image.depth {
        Depth::Eight => BitDepth::Eight,
        Depth::Sixteen => BitDepth::Sixteen,
    });
    // Frames keep coming while one is written.
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&image.bytes)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// Goal: a reader finds the pixels again. Method: each colour and depth through the decoder of the same crate.
    #[test]
    fn images_are_read_back_as_they_were() {
        for colour in [Colour::Grey, Colour::Rgb, Colour::Rgba] {
            for depth in [Depth::Eight, Depth::Sixteen] {
                let len = 5 * 3 * colour.channels() * depth.bytes();
                let bytes: Vec<u8> = (0..=u8::MAX).step_by(7).cycle().take(len).collect();
                let image = Image { width: 5, height: 3, colour, depth, bytes };
                let mut file = Vec::new();
                write(&image, &mut file).unwrap();
                let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
                let mut found = vec![0; reader.output_buffer_size().unwrap()];
                let info = reader.next_frame(&mut found).unwrap();
                assert_eq!((info.width, info.height), (5, 3));
                assert_eq!(found, image.bytes, "{colour:?} {depth:?}");
            }
        }
    }
}
