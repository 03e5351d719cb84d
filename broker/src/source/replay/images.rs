//! Image files: PNG and TIFF, grey or colour, of 8 or 16 bits.

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use framebroker_protocol::PixelFormat;

use super::usable::{Broken, Known, open_file};
use super::{Shape, invalid};
use crate::source::SourceError;

/// What can be replayed.
pub(super) const WANTED: &str =
    "a directory needs files whose names end in .png, .tif or .tiff, a recording an index with frames";

/// Memory that a decoder may take beside the image; what needs more was made to.
const DECODER_BYTES: usize = 64 << 20;

/// More than a byte of a file can stand for: LZW and deflate make up to 2600 of one.
const MOST_EXPANSION: u64 = 4096;

/// A file with an image of a known shape.
#[derive(Debug)]
pub(super) struct ImageFile {
    pub path: PathBuf,
    pub shape: Shape,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Png,
    Tiff,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let extension = path.extension().and_then(OsStr::to_str)?.to_ascii_lowercase();
        match extension.as_str() {
            "png" => Some(Self::Png),
            "tif" | "tiff" => Some(Self::Tiff),
            _ => None,
        }
    }
}

/// The images of a directory, in the order of their names; each by what its beginning says.
pub(super) fn list(directory: &Path) -> Result<Vec<Result<ImageFile, Broken>>, SourceError> {
    let cannot = |error: std::io::Error| invalid(format!("cannot list {}: {error}", directory.display()));
    let entries = std::fs::read_dir(directory).map_err(cannot)?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        paths.extend(Kind::of(&path).map(|kind| (path, kind)));
    }
    paths.sort_by(|(path, _), (other, _)| path.cmp(other));
    Ok(paths.into_iter().map(|(path, kind)| ImageFile::look_at(path, kind)).collect())
}

impl ImageFile {
    fn look_at(path: PathBuf, kind: Kind) -> Result<Self, Broken> {
        match shape_of(&path, kind) {
            Ok(shape) => Ok(Self { path, shape, kind }),
            Err(reason) => Err(Broken::new(&path, reason)),
        }
    }

    /// Decodes the image to the beginning of `to`.
    pub(super) fn read(&self, to: &mut [u8]) -> Result<(), String> {
        let to = to.get_mut(..self.shape.bytes()).ok_or("it is larger than its segment")?;
        let file = open(&self.path)?;
        match self.kind {
            Kind::Png => read_png(file, self.shape, to),
            Kind::Tiff => read_tiff(file, self.shape, to),
        }
    }
}

impl Known for ImageFile {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn bytes(&self) -> usize {
        self.shape.bytes()
    }
}

fn open(path: &Path) -> Result<BufReader<File>, String> {
    open_file(path).map(BufReader::new).map_err(|error| error.to_string())
}

/// What the beginning of a file says. It is not believed that there is more in the file than there can be: segments are made for
/// it long before its end is read.
fn shape_of(path: &Path, kind: Kind) -> Result<Shape, String> {
    let file = open(path)?;
    let file_bytes = file.get_ref().metadata().map_err(|error| error.to_string())?.len();
    let shape = match kind {
        Kind::Png => png_header(file)?.1,
        Kind::Tiff => tiff_header(file)?.1,
    };
    if shape.bytes() as u64 > file_bytes.saturating_mul(MOST_EXPANSION) {
        let Shape { width, height, .. } = shape;
        return Err(format!("its {file_bytes} bytes cannot hold an image of {width}x{height}"));
    }
    Ok(shape)
}

/// A file is looked at when the replay is opened and again when its frame is due.
fn check_unchanged(found: Shape, known: Shape) -> Result<(), String> {
    if found == known { Ok(()) } else { Err("it has changed since the replay began".to_owned()) }
}

type PngReader = png::Reader<BufReader<File>>;

fn png_header(file: BufReader<File>) -> Result<(PngReader, Shape), String> {
    let limits = png::Limits { bytes: DECODER_BYTES };
    let reader = png::Decoder::new_with_limits(file, limits).read_info().map_err(|error| error.to_string())?;
    let (colour, depth) = reader.output_color_type();
    let pixel_format = match (colour, depth) {
        (png::ColorType::Grayscale, png::BitDepth::Eight) => PixelFormat::MONO8,
        (png::ColorType::Grayscale, png::BitDepth::Sixteen) => PixelFormat::MONO16,
        (png::ColorType::Rgb, png::BitDepth::Eight) => PixelFormat::RGB8,
        (png::ColorType::Rgb, png::BitDepth::Sixteen) => PixelFormat::RGB16,
        (png::ColorType::Rgba, png::BitDepth::Eight) => PixelFormat::RGBA8,
        _ => return Err(unsupported(format_args!("{colour:?} of {depth:?} bits"))),
    };
    let info = reader.info();
    let shape = Shape::new(info.width, info.height, pixel_format)?;
    Ok((reader, shape))
}

fn unsupported(what: std::fmt::Arguments<'_>) -> String {
    format!("{what} is not supported; convert it to grey or RGB with 8 or 16 bits")
}

fn read_png(file: BufReader<File>, known: Shape, to: &mut [u8]) -> Result<(), String> {
    let (mut reader, shape) = png_header(file)?;
    check_unchanged(shape, known)?;
    reader.next_frame(to).map_err(|error| error.to_string())?;
    // To its last byte: a file that was cut off is not whole.
    reader.finish().map_err(|error| error.to_string())?;
    if matches!(shape.pixel_format, PixelFormat::MONO16 | PixelFormat::RGB16) {
        // PNG is big-endian.
        to.as_chunks_mut::<2>().0.iter_mut().for_each(|value| value.reverse());
    }
    Ok(())
}

type TiffDecoder = tiff::decoder::Decoder<BufReader<File>>;

fn tiff_header(file: BufReader<File>) -> Result<(TiffDecoder, Shape), String> {
    let mut limits = tiff::decoder::Limits::default();
    limits.intermediate_buffer_size = DECODER_BYTES;
    let mut decoder = tiff::decoder::Decoder::new(file).map_err(|error| error.to_string())?.with_limits(limits);
    let colour = decoder.colortype().map_err(|error| error.to_string())?;
    let pixel_format = match colour {
        tiff::ColorType::Gray(8) => PixelFormat::MONO8,
        tiff::ColorType::Gray(16) => PixelFormat::MONO16,
        tiff::ColorType::RGB(8) => PixelFormat::RGB8,
        tiff::ColorType::RGB(16) => PixelFormat::RGB16,
        tiff::ColorType::RGBA(8) => PixelFormat::RGBA8,
        _ => return Err(unsupported(format_args!("{colour:?}"))),
    };
    let (width, height) = decoder.dimensions().map_err(|error| error.to_string())?;
    let shape = Shape::new(width, height, pixel_format)?;
    let layout = decoder.image_buffer_layout().map_err(|error| error.to_string())?;
    // Signed or floating-point samples, separate colour planes, and rows with padding give other sizes or kinds.
    let is_plain = layout.sample_format == tiff::tags::SampleFormat::Uint && layout.planes == 1;
    if !is_plain || layout.complete_len != shape.bytes() {
        return Err(unsupported(format_args!("its arrangement of samples")));
    }
    Ok((decoder, shape))
}

fn read_tiff(file: BufReader<File>, known: Shape, to: &mut [u8]) -> Result<(), String> {
    let (decoder, shape) = tiff_header(file)?;
    check_unchanged(shape, known)?;
    let mut limits = tiff::decoder::Limits::default();
    limits.intermediate_buffer_size = DECODER_BYTES;
    limits.decoding_buffer_size = to.len();
    // Sixteen bits come in the machine's order, which is little-endian.
    decoder.with_limits(limits).read_image_bytes(to).map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
