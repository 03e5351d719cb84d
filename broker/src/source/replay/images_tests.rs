use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;

/// A file of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(kind: Kind, bytes: &[u8]) -> Self {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let ending = if kind == Kind::Png { "png" } else { "tif" };
        let name = format!("fb-image-{}-{}.{ending}", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// Looks at a file and reads it, as a replay does.
fn read(kind: Kind, bytes: &[u8]) -> Result<(Shape, Vec<u8>), String> {
    let file = Scratch::new(kind, bytes);
    let image = ImageFile::look_at(file.0.clone(), kind).map_err(|broken| broken.to_string())?;
    assert!(image.shape.bytes() <= bytes.len() * 4096, "memory for what cannot be there");
    let mut to = vec![0; image.shape.bytes()];
    image.read(&mut to).map(|()| (image.shape, to))
}

fn png_of(colour: png::ColorType, depth: png::BitDepth, width: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, 2);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if colour == png::ColorType::Indexed {
        encoder.set_palette(vec![0; 12]);
    }
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

/// One directory entry of a TIFF file.
fn entry(tag: u16, kind: u16, count: u32, value: u32) -> Vec<u8> {
    let mut bytes = [tag, kind].map(u16::to_le_bytes).concat();
    bytes.extend([count, value].map(u32::to_le_bytes).concat());
    bytes
}

/// A TIFF file by hand: one strip, or one tile where `tile` gives its side.
fn tiff_of(bits: u32, samples: u32, photometric: u32, compression: u32, tile: Option<u32>, data: &[u8]) -> Vec<u8> {
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    let (width, height) = (16, 16);
    let data_at = 8;
    let bits_at = data_at + u32::try_from(data.len()).unwrap();
    let bits_value = if samples > 2 { bits_at } else { bits | bits << 16 };
    let length = u32::try_from(data.len()).unwrap();
    let mut entries = vec![
        entry(256, LONG, 1, width),
        entry(257, LONG, 1, height),
        entry(258, SHORT, samples, bits_value),
        entry(259, SHORT, 1, compression),
        entry(262, SHORT, 1, photometric),
        entry(277, SHORT, 1, samples),
    ];
    match tile {
        None => {
            entries.extend([entry(273, LONG, 1, data_at), entry(278, LONG, 1, height), entry(279, LONG, 1, length)])
        }
        Some(side) => entries.extend([
            entry(322, LONG, 1, side),
            entry(323, LONG, 1, side),
            entry(324, LONG, 1, data_at),
            entry(325, LONG, 1, length),
        ]),
    }
    entries.sort_by_key(|entry| u16::from_le_bytes([entry[0], entry[1]]));
    let directory_at = bits_at + 2 * samples;
    let mut bytes = b"II*\0".to_vec();
    bytes.extend(directory_at.to_le_bytes());
    bytes.extend(data);
    (0..samples).for_each(|_| bytes.extend(u16::try_from(bits).unwrap().to_le_bytes()));
    bytes.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
    bytes.extend(entries.concat());
    bytes.extend([0; 4]);
    bytes
}

/// Goal: what a picture of another kind is, is said, and none is shown as what it is not.
#[test]
fn other_kinds_of_images_are_refused_by_name() {
    use png::{BitDepth, ColorType};
    for (colour, depth, data, said) in [
        (ColorType::Grayscale, BitDepth::One, vec![0; 2], "Grayscale of One bits"),
        (ColorType::Grayscale, BitDepth::Four, vec![0; 8], "Grayscale of Four bits"),
        (ColorType::Indexed, BitDepth::Eight, vec![0; 16], "Indexed of Eight bits"),
        (ColorType::GrayscaleAlpha, BitDepth::Eight, vec![0; 32], "GrayscaleAlpha of Eight bits"),
        (ColorType::Rgba, BitDepth::Sixteen, vec![0; 128], "Rgba of Sixteen bits"),
    ] {
        let error = read(Kind::Png, &png_of(colour, depth, 8, &data)).unwrap_err();
        assert!(error.contains(said) && error.contains("convert it"), "{error}");
    }
    for (bits, samples, photometric, compression, said) in [
        (1, 1, 1, 1, "Gray(1)"),
        (8, 4, 5, 1, "CMYK"),
        (8, 1, 3, 1, "alette"),
        (32, 1, 1, 1, "Gray(32)"),
        (8, 1, 1, 7, ""),
        (8, 1, 1, 34712, ""),
    ] {
        let data = vec![7; (bits * samples * 32) as usize];
        let error = read(Kind::Tiff, &tiff_of(bits, samples, photometric, compression, None, &data)).unwrap_err();
        assert!(error.contains(said) && !error.is_empty(), "{said}: {error}");
    }
}

/// Goal: tiles come in rows, and white-is-zero as one sees it.
#[test]
fn arrangements_of_tiff_are_undone() {
    let ramp: Vec<u8> = (0..=255).collect();
    let (shape, plain) = read(Kind::Tiff, &tiff_of(8, 1, 1, 1, None, &ramp)).unwrap();
    assert_eq!((shape.width, shape.height, shape.pixel_format, plain == ramp), (16, 16, PixelFormat::MONO8, true));
    let (_, tiled) = read(Kind::Tiff, &tiff_of(8, 1, 1, 1, Some(16), &ramp)).unwrap();
    assert_eq!(tiled, ramp);
    let (_, inverted) = read(Kind::Tiff, &tiff_of(8, 1, 0, 1, None, &ramp)).unwrap();
    assert!(inverted.iter().eq(ramp.iter().rev()), "{inverted:?}");
}

/// Goal: a file that claims an image which it cannot hold is refused before there is memory for it.
#[test]
fn claims_of_size_are_not_believed() {
    let mut png = png_of(png::ColorType::Grayscale, png::BitDepth::Eight, 8, &[0; 16]);
    // Behind signature, length and name of the first chunk; its checksum does not fit any more, so it is made anew.
    png[16..24].copy_from_slice(&[60_000_u32, 60_000].map(u32::to_be_bytes).concat());
    let sum = crc(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    let error = read(Kind::Png, &png).unwrap_err();
    assert!(error.contains("cannot hold an image of 60000x60000"), "{error}");
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Goal: whatever is in a file, it is read or refused. Method: whole files with bytes changed and the end cut off.
    #[test]
    fn no_file_makes_the_broker_panic(
        which in 0..6_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let ramp: Vec<u8> = (0..=255).collect();
        let (kind, mut bytes) = match which {
            0 => (Kind::Png, png_of(png::ColorType::Grayscale, png::BitDepth::Eight, 128, &ramp)),
            1 => (Kind::Png, png_of(png::ColorType::Rgb, png::BitDepth::Sixteen, 16, &ramp[..192])),
            2 => (Kind::Tiff, tiff_of(8, 1, 1, 1, None, &ramp)),
            3 => (Kind::Tiff, tiff_of(8, 1, 1, 1, Some(16), &ramp)),
            4 => (Kind::Tiff, tiff_of(8, 1, 1, 5, None, &ramp)),
            _ => (Kind::Tiff, tiff_of(16, 1, 1, 8, None, &[&ramp[..], &ramp[..]].concat())),
        };
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if is_cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let _read_or_refused = read(kind, &bytes);
    }
}
