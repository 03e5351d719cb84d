//! Pixel formats and test images, for programs that compute them in another language.

use framebroker_protocol::pattern::Pattern;
use framebroker_protocol::{BayerOrder, Layout, Packing, PixelFormat, Samples, Yuv422Order};

use crate::document::Table;
use crate::golden::{Line, check, from_hex, to_hex};

/// Goal: codes, names, layouts and sizes of the known formats stay what they are. Method: compare with the golden table.
#[test]
fn pixel_formats_are_as_listed() {
    let lines: Vec<Line> = PixelFormat::all().map(format_line).collect();
    check("pixel_formats.json", &lines);
}

fn format_line(format: PixelFormat) -> Line {
    let line = Line::default()
        .with("name", &format.name())
        .with("code", &format.code())
        .with("hex_code", &format!("0x{:08x}", format.code()))
        .with("bits_per_pixel", &format.bits_per_pixel())
        .with("width_multiple", &format.width_multiple())
        .with("bytes_5x3", &format.image_bytes(5, 3));
    match format.layout() {
        Layout::Unpacked { samples, container, significant_bits } => line
            .with("layout", &"unpacked")
            .with("samples", &samples_name(samples))
            .with("channels", &samples.channels())
            .with("container_bytes", &container.bytes())
            .with("significant_bits", &significant_bits),
        Layout::Packed { samples, packing, significant_bits } => line
            .with("layout", &if packing == Packing::Lsb { "lsb" } else { "gvsp" })
            .with("samples", &samples_name(samples))
            .with("channels", &samples.channels())
            .with("significant_bits", &significant_bits),
        Layout::Yuv422(order) => line.with("layout", &if order == Yuv422Order::Yuyv { "yuyv" } else { "uyvy" }),
        Layout::Opaque => panic!("{format} is in the table"),
    }
}

fn samples_name(samples: Samples) -> &'static str {
    match samples {
        Samples::Mono => "mono",
        Samples::Bayer(BayerOrder::Rg) => "bayer_rg",
        Samples::Bayer(BayerOrder::Gr) => "bayer_gr",
        Samples::Bayer(BayerOrder::Gb) => "bayer_gb",
        Samples::Bayer(BayerOrder::Bg) => "bayer_bg",
        Samples::Rgb => "rgb",
        Samples::Bgr => "bgr",
        Samples::Rgba => "rgba",
        Samples::Bgra => "bgra",
    }
}

/// Goal: test images stay what they are. Method: every format small and odd, some large and late; compare beginnings and
/// checksums.
#[test]
fn test_images_are_as_listed() {
    let opaque = PixelFormat::from_code(0x010e_7777);
    let small = PixelFormat::all().chain([opaque]).map(|format| (format, 5, 3, 1));
    let last = (1 << 48) - 1;
    let large = [
        (PixelFormat::MONO8, 1920, 1080, 1),
        (PixelFormat::MONO8, 640, 480, 255),
        (PixelFormat::MONO8, 640, 480, 256),
        (PixelFormat::MONO8, 640, 480, last),
        (PixelFormat::MONO10, 333, 77, 1000),
        (PixelFormat::MONO12P, 333, 77, 1000),
        (PixelFormat::RGB8, 333, 77, 1000),
        (PixelFormat::RGB16, 333, 77, last),
    ];
    let lines: Vec<Line> =
        small.chain(large).map(|(format, w, h, sequence)| image_line(format, w, h, sequence)).collect();
    check("pattern.json", &lines);
}

fn image_line(format: PixelFormat, width: u32, height: u32, sequence: u64) -> Line {
    let image = image(format, width, height, sequence);
    Line::default()
        .with("pixel_format", &format.to_string())
        .with("code", &format.code())
        .with("width", &width)
        .with("height", &height)
        .with("sequence", &sequence)
        .with("bytes", &image.len())
        .with("first", &to_hex(&image[..image.len().min(16)]))
        .with("crc32", &crc32(&image))
}

/// Goal: the examples in the pages are right. Method: make each image.
#[test]
fn the_pages_examples_are_test_images() {
    let table = Table::below("Test pattern");
    assert_eq!(table.rows().count(), 4);
    for row in table.rows() {
        let format: PixelFormat = row.cell("format, 3x1, sequence 1").parse().unwrap();
        assert_eq!(image(format, 3, 1, 1), from_hex(&row.cell("bytes").replace(' ', "")), "{format}");
    }
}

fn image(format: PixelFormat, width: u32, height: u32, sequence: u64) -> Vec<u8> {
    let pattern = Pattern::new(format, width, height).unwrap();
    let mut image = vec![0; pattern.image_bytes()];
    pattern.fill(&mut image, sequence);
    image
}

/// The CRC-32 of zlib, PNG and Ethernet (ISO 3309), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

/// Goal: the checksum is the one everybody has. Method: its check value.
#[test]
fn the_checksum_is_crc_32() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}
