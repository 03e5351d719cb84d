//! PFNC pixel formats: codes, names, sizes and memory layouts.
//!
//! A [`PixelFormat`] is the 32-bit code of the GenICam Pixel Format Naming Convention (PFNC). Bits 24..31 say mono (1) or
//! colour (2), bits 16..23 the *effective* bits per pixel, bits 0..15 identify the format. Codes and names here are those of
//! "GenICam Pixel Format Names and Values" (EMVA, 7 October 2025); layouts are those of PFNC 2.x, and of GigE Vision 2.0
//! for the `…Packed` formats.
//!
//! A code that is not in the table is not an error: its frames pass through as opaque bytes, sized by the code's own bits.
//!
//! **Rows.** An image is one contiguous run of pixels, row after row, without padding. Where a row is no whole number of
//! bytes, the next one begins in the middle of a byte (GigE Vision says so of `Mono12Packed`: at an odd width the second row
//! does not begin on a 3-byte boundary); such a width has no [`PixelFormat::stride`]. A camera that pads its rows says so
//! in the stride of the frame header, which then counts, not the numbers here. Most cameras only offer multiples of
//! [`PixelFormat::width_multiple`], and 4:2:2 images of an odd width have no meaning for their last chroma sample, but the
//! size of such an image is still defined, so they are carried like any other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A PFNC pixel format code, known to this table or not.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[repr(transparent)]
pub struct PixelFormat(u32);

/// How the components of a pixel lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Every component in a container of its own, the channels of a pixel side by side. Values are little-endian and occupy
    /// the low `significant_bits`; the bits above are zero.
    Unpacked {
        /// What the components of a pixel are.
        samples: Samples,
        /// The memory each component takes.
        container: Container,
        /// Bits of the container that carry the value.
        significant_bits: u8,
    },
    /// Components share bytes.
    Packed {
        /// What the components of a pixel are.
        samples: Samples,
        /// How the bits are arranged.
        packing: Packing,
        /// Bits per component.
        significant_bits: u8,
    },
    /// 4:2:2, four bytes for two pixels, which share one pair of chroma samples.
    Yuv422(Yuv422Order),
    /// A code that is not in the table: only its size is known.
    Opaque,
}

/// What the components of a pixel are, in memory order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Samples {
    /// One grey value.
    Mono,
    /// One value behind the colour filter at that place.
    Bayer(BayerOrder),
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue, alpha.
    Rgba,
    /// Blue, green, red, alpha.
    Bgra,
}

/// The first two colours of the first row; the second row begins with the other two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BayerOrder {
    /// Rows `RGRG…`, `GBGB…`.
    Rg,
    /// Rows `GRGR…`, `BGBG…`.
    Gr,
    /// Rows `GBGB…`, `RGRG…`.
    Gb,
    /// Rows `BGBG…`, `GRGR…`.
    Bg,
}

/// The memory one unpacked component takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Container {
    /// One byte.
    U8,
    /// Two bytes, little-endian.
    U16,
}

/// How packed components share bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// PFNC `p`: a stream of bits, least significant first, without gaps. Four 10-bit pixels take 5 bytes, two 12-bit 3.
    Lsb,
    /// GigE Vision `Packed`: two pixels A, B in 3 bytes: the top 8 bits of A; the low bits of A from bit 0 and those of B
    /// from bit 4; the top 8 bits of B. With 10 bits, bits 2, 3, 6 and 7 of the middle byte are unused.
    Gvsp,
}

/// The order of the four bytes of two 4:2:2 pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Yuv422Order {
    /// Y0 U Y1 V (Y Cb Y Cr), also known as YUY2.
    Yuyv,
    /// U Y0 V Y1 (Cb Y Cr Y).
    Uyvy,
}

/// A pixel format given as text is neither a name of the table nor a hexadecimal code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown pixel format {given:?}: give a PFNC code such as 0x01080001, or one of {}", known_names())]
pub struct UnknownPixelFormat {
    /// The text as given.
    pub given: String,
}

struct Known {
    format: PixelFormat,
    name: &'static str,
    layout: Layout,
}

macro_rules! known_formats {
    ($($constant:ident = $code:literal, $name:literal, $layout:expr;)*) => {
        impl PixelFormat {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $constant: Self = Self($code);
            )*
        }

        const KNOWN: &[Known] = &[
            $(Known { format: PixelFormat::$constant, name: $name, layout: $layout },)*
        ];
    };
}

known_formats! {
    MONO8 = 0x0108_0001, "Mono8", unpacked(Samples::Mono, 8);
    MONO10 = 0x0110_0003, "Mono10", unpacked(Samples::Mono, 10);
    MONO12 = 0x0110_0005, "Mono12", unpacked(Samples::Mono, 12);
    MONO16 = 0x0110_0007, "Mono16", unpacked(Samples::Mono, 16);
    MONO10P = 0x010A_0046, "Mono10p", lsb(Samples::Mono, 10);
    MONO12P = 0x010C_0047, "Mono12p", lsb(Samples::Mono, 12);
    MONO10_PACKED = 0x010C_0004, "Mono10Packed", gvsp(Samples::Mono, 10);
    MONO12_PACKED = 0x010C_0006, "Mono12Packed", gvsp(Samples::Mono, 12);
    BAYER_GR8 = 0x0108_0008, "BayerGR8", unpacked(GR, 8);
    BAYER_RG8 = 0x0108_0009, "BayerRG8", unpacked(RG, 8);
    BAYER_GB8 = 0x0108_000A, "BayerGB8", unpacked(GB, 8);
    BAYER_BG8 = 0x0108_000B, "BayerBG8", unpacked(BG, 8);
    BAYER_GR10 = 0x0110_000C, "BayerGR10", unpacked(GR, 10);
    BAYER_RG10 = 0x0110_000D, "BayerRG10", unpacked(RG, 10);
    BAYER_GB10 = 0x0110_000E, "BayerGB10", unpacked(GB, 10);
    BAYER_BG10 = 0x0110_000F, "BayerBG10", unpacked(BG, 10);
    BAYER_GR12 = 0x0110_0010, "BayerGR12", unpacked(GR, 12);
    BAYER_RG12 = 0x0110_0011, "BayerRG12", unpacked(RG, 12);
    BAYER_GB12 = 0x0110_0012, "BayerGB12", unpacked(GB, 12);
    BAYER_BG12 = 0x0110_0013, "BayerBG12", unpacked(BG, 12);
    BAYER_GR16 = 0x0110_002E, "BayerGR16", unpacked(GR, 16);
    BAYER_RG16 = 0x0110_002F, "BayerRG16", unpacked(RG, 16);
    BAYER_GB16 = 0x0110_0030, "BayerGB16", unpacked(GB, 16);
    BAYER_BG16 = 0x0110_0031, "BayerBG16", unpacked(BG, 16);
    BAYER_GR10P = 0x010A_0056, "BayerGR10p", lsb(GR, 10);
    BAYER_RG10P = 0x010A_0058, "BayerRG10p", lsb(RG, 10);
    BAYER_GB10P = 0x010A_0054, "BayerGB10p", lsb(GB, 10);
    BAYER_BG10P = 0x010A_0052, "BayerBG10p", lsb(BG, 10);
    BAYER_GR12P = 0x010C_0057, "BayerGR12p", lsb(GR, 12);
    BAYER_RG12P = 0x010C_0059, "BayerRG12p", lsb(RG, 12);
    BAYER_GB12P = 0x010C_0055, "BayerGB12p", lsb(GB, 12);
    BAYER_BG12P = 0x010C_0053, "BayerBG12p", lsb(BG, 12);
    BAYER_GR10_PACKED = 0x010C_0026, "BayerGR10Packed", gvsp(GR, 10);
    BAYER_RG10_PACKED = 0x010C_0027, "BayerRG10Packed", gvsp(RG, 10);
    BAYER_GB10_PACKED = 0x010C_0028, "BayerGB10Packed", gvsp(GB, 10);
    BAYER_BG10_PACKED = 0x010C_0029, "BayerBG10Packed", gvsp(BG, 10);
    BAYER_GR12_PACKED = 0x010C_002A, "BayerGR12Packed", gvsp(GR, 12);
    BAYER_RG12_PACKED = 0x010C_002B, "BayerRG12Packed", gvsp(RG, 12);
    BAYER_GB12_PACKED = 0x010C_002C, "BayerGB12Packed", gvsp(GB, 12);
    BAYER_BG12_PACKED = 0x010C_002D, "BayerBG12Packed", gvsp(BG, 12);
    RGB8 = 0x0218_0014, "RGB8", unpacked(Samples::Rgb, 8);
    BGR8 = 0x0218_0015, "BGR8", unpacked(Samples::Bgr, 8);
    RGBA8 = 0x0220_0016, "RGBa8", unpacked(Samples::Rgba, 8);
    BGRA8 = 0x0220_0017, "BGRa8", unpacked(Samples::Bgra, 8);
    RGB16 = 0x0230_0033, "RGB16", unpacked(Samples::Rgb, 16);
    YUV422_8 = 0x0210_0032, "YUV422_8", Layout::Yuv422(Yuv422Order::Yuyv);
    YUV422_8_UYVY = 0x0210_001F, "YUV422_8_UYVY", Layout::Yuv422(Yuv422Order::Uyvy);
    YCBCR422_8 = 0x0210_003B, "YCbCr422_8", Layout::Yuv422(Yuv422Order::Yuyv);
    YCBCR422_8_CBYCRY = 0x0210_0043, "YCbCr422_8_CbYCrY", Layout::Yuv422(Yuv422Order::Uyvy);
}

const RG: Samples = Samples::Bayer(BayerOrder::Rg);
const GR: Samples = Samples::Bayer(BayerOrder::Gr);
const GB: Samples = Samples::Bayer(BayerOrder::Gb);
const BG: Samples = Samples::Bayer(BayerOrder::Bg);

const fn unpacked(samples: Samples, significant_bits: u8) -> Layout {
    let container = if significant_bits > 8 { Container::U16 } else { Container::U8 };
    Layout::Unpacked { samples, container, significant_bits }
}

const fn lsb(samples: Samples, significant_bits: u8) -> Layout {
    Layout::Packed { samples, packing: Packing::Lsb, significant_bits }
}

const fn gvsp(samples: Samples, significant_bits: u8) -> Layout {
    Layout::Packed { samples, packing: Packing::Gvsp, significant_bits }
}

impl PixelFormat {
    /// The format with this PFNC code; any code is accepted.
    pub const fn from_code(code: u32) -> Self {
        Self(code)
    }

    /// The PFNC code.
    pub const fn code(self) -> u32 {
        self.0
    }

    /// Every format of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        KNOWN.iter().map(|known| known.format)
    }

    /// The format with this PFNC name, in upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        let known = KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))?;
        Some(known.format)
    }

    /// The PFNC name; `None` if the code is not in the table.
    pub fn name(self) -> Option<&'static str> {
        self.known().map(|known| known.name)
    }

    /// How a pixel lies in memory; [`Layout::Opaque`] if the code is not in the table.
    pub fn layout(self) -> Layout {
        self.known().map_or(Layout::Opaque, |known| known.layout)
    }

    /// Bits a pixel takes in memory, padding included: bits 16..23 of the code. 0 where the code does not say.
    pub const fn bits_per_pixel(self) -> u32 {
        (self.0 >> 16) & 0xFF
    }

    /// Bytes of a contiguous image, the last one rounded up. `None` if the code does not say how large a pixel is, or the
    /// image would not fit into the address space.
    pub fn image_bytes(self, width: u32, height: u32) -> Option<usize> {
        if self.bits_per_pixel() == 0 {
            return None;
        }
        let pixels = u128::from(width) * u128::from(height);
        let bits = pixels * u128::from(self.bits_per_pixel());
        usize::try_from(bits.div_ceil(8)).ok()
    }

    /// Bytes from one row of a contiguous image to the next. `None` where a row is no whole number of bytes (Mono10p, 3
    /// pixels wide), if the code does not say how large a pixel is, or the row would take 4 GiB or more.
    pub fn stride(self, width: u32) -> Option<u32> {
        let bits = u64::from(width) * u64::from(self.bits_per_pixel());
        if self.bits_per_pixel() == 0 || !bits.is_multiple_of(8) {
            return None;
        }
        u32::try_from(bits / 8).ok()
    }

    /// Pixels that fill a whole group of bytes: rows of a multiple of it begin on a group. 1 for unpacked formats, 2 for
    /// 4:2:2 and 12 bits, 4 for 10 bits; for other codes as many as fill whole bytes.
    pub fn width_multiple(self) -> u32 {
        if matches!(self.layout(), Layout::Yuv422(_)) {
            return 2;
        }
        // bits * n is a multiple of 8 = 2^3 as soon as n brings the factors 2 that bits lacks.
        8 >> self.bits_per_pixel().trailing_zeros().min(3)
    }

    fn known(self) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.format == self)
    }
}

impl Samples {
    /// Components of a pixel.
    pub const fn channels(self) -> u8 {
        match self {
            Self::Mono | Self::Bayer(_) => 1,
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba | Self::Bgra => 4,
        }
    }
}

impl Container {
    /// Bytes of a component.
    pub const fn bytes(self) -> u8 {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
        }
    }
}

/// The PFNC name, or the code in hexadecimal; [`FromStr`] reads both.
impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("0x{:08X}", self.0)),
        }
    }
}

impl fmt::Debug for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PixelFormat({self})")
    }
}

impl FromStr for PixelFormat {
    type Err = UnknownPixelFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_name(text)
            .or_else(|| hexadecimal_code(text).map(Self))
            .ok_or_else(|| UnknownPixelFormat { given: text.to_owned() })
    }
}

fn hexadecimal_code(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    // from_str_radix alone would take a sign.
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

fn known_names() -> String {
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const OPAQUE_14_BITS: PixelFormat = PixelFormat::from_code(0x010E_7777);
    const NO_SIZE: PixelFormat = PixelFormat::from_code(0x0100_7777);

    /// Goal: no entry shadows another. Method: count distinct codes and names, ignoring case.
    #[test]
    fn codes_and_names_are_unique() {
        let codes: HashSet<u32> = PixelFormat::all().map(PixelFormat::code).collect();
        let names: HashSet<String> = KNOWN.iter().map(|k| k.name.to_lowercase()).collect();
        assert_eq!(codes.len(), KNOWN.len());
        assert_eq!(names.len(), KNOWN.len());
    }

    /// Goal: name, code and text lead back to the format. Method: round trips over the table.
    #[test]
    fn every_format_round_trips() {
        for format in PixelFormat::all() {
            let name = format.name().unwrap();
            assert_eq!(PixelFormat::from_code(format.code()), format);
            assert_eq!(PixelFormat::from_name(&name.to_uppercase()), Some(format));
            assert_eq!(name.to_lowercase().parse(), Ok(format));
            assert_eq!(format.to_string(), name);
            assert_eq!(format!("0x{:x}", format.code()).parse(), Ok(format));
        }
    }

    /// Goal: the table agrees with the codes' own fields. Method: derive size, kind and names again from each layout.
    #[test]
    fn layouts_agree_with_codes_and_names() {
        for format in PixelFormat::all() {
            let name = format.name().unwrap();
            let (samples, bits, suffix) = match format.layout() {
                Layout::Unpacked { samples, container, significant_bits } => {
                    assert!(significant_bits <= 8 * container.bytes());
                    let bits = u32::from(samples.channels()) * u32::from(container.bytes()) * 8;
                    (samples, bits, significant_bits.to_string())
                }
                Layout::Packed { samples, packing: Packing::Lsb, significant_bits: bits } => {
                    (samples, u32::from(bits), format!("{bits}p"))
                }
                Layout::Packed { samples, packing: Packing::Gvsp, significant_bits: bits } => {
                    (samples, 12, format!("{bits}Packed"))
                }
                Layout::Yuv422(_) => (Samples::Rgb, 16, "422_8".to_owned()),
                Layout::Opaque => unreachable!("{format} is in the table"),
            };
            assert_eq!(format.bits_per_pixel(), bits, "{format}");
            let colour = matches!(format.code() >> 24, 2);
            assert_eq!(colour, samples.channels() > 1, "{format}");
            assert!(name.contains(&suffix), "{format}");
            if let Samples::Bayer(order) = samples {
                let letters = format!("{order:?}").to_uppercase();
                assert!(name.starts_with(&format!("Bayer{letters}")), "{format}");
            }
        }
    }

    /// Goal: sizes follow from the bits, rows from the size. Method: every format at every width up to 64, three heights.
    #[test]
    fn sizes_and_strides_agree() {
        for format in PixelFormat::all().chain([OPAQUE_14_BITS]) {
            for width in 0..=64 {
                let stride = format.stride(width);
                let whole = (width * format.bits_per_pixel()).is_multiple_of(8);
                assert_eq!(stride.is_some(), whole, "{format} {width}");
                if width.is_multiple_of(format.width_multiple()) {
                    assert!(stride.is_some(), "{format} {width}");
                }
                for height in [0, 1, 7] {
                    let bits = (width * height * format.bits_per_pixel()) as usize;
                    let bytes = format.image_bytes(width, height).unwrap();
                    assert_eq!(bytes, bits.div_ceil(8));
                    if let Some(stride) = stride {
                        assert_eq!(bytes, (stride * height) as usize);
                    }
                }
            }
        }
    }

    /// Goal: sizes a person can check by hand.
    #[test]
    fn sizes_of_real_images() {
        assert_eq!(PixelFormat::MONO8.image_bytes(1920, 1080), Some(2_073_600));
        assert_eq!(PixelFormat::MONO12.image_bytes(1920, 1080), Some(4_147_200));
        assert_eq!(PixelFormat::MONO12P.image_bytes(3, 3), Some(14));
        assert_eq!(PixelFormat::MONO12P.stride(3), None);
        assert_eq!(PixelFormat::MONO10P.image_bytes(3, 1), Some(4));
        assert_eq!(PixelFormat::MONO10P.stride(4), Some(5));
        assert_eq!(PixelFormat::MONO10_PACKED.image_bytes(4, 1), Some(6));
        assert_eq!(PixelFormat::RGB16.stride(5), Some(30));
        assert_eq!(PixelFormat::YUV422_8.image_bytes(3, 1), Some(6));
        let multiples = [
            (PixelFormat::BAYER_RG16, 1),
            (PixelFormat::YUV422_8_UYVY, 2),
            (PixelFormat::MONO10_PACKED, 2),
            (PixelFormat::MONO10P, 4),
            (OPAQUE_14_BITS, 4),
        ];
        for (format, multiple) in multiples {
            assert_eq!(format.width_multiple(), multiple, "{format}");
        }
    }

    /// Goal: no size overflows. Method: the largest width and height, in the smallest and the larger formats.
    #[test]
    fn huge_images_have_no_size() {
        let side = u32::MAX;
        let largest = usize::try_from(u128::from(side) * u128::from(side)).ok();
        assert_eq!(PixelFormat::MONO8.image_bytes(side, side), largest);
        assert_eq!(PixelFormat::MONO10P.image_bytes(side, side), None);
        assert_eq!(PixelFormat::RGB16.image_bytes(side, side), None);
        assert_eq!(PixelFormat::MONO8.stride(side), Some(side));
        assert_eq!(PixelFormat::MONO16.stride(side), None);
        let widest_pixel = PixelFormat::from_code(0x02FF_FFFF);
        assert_eq!(widest_pixel.image_bytes(side, side), None);
    }

    /// Goal: codes outside the table pass through. Method: one with a size, one without.
    #[test]
    fn unknown_codes_are_opaque() {
        assert_eq!(OPAQUE_14_BITS.name(), None);
        assert_eq!(OPAQUE_14_BITS.layout(), Layout::Opaque);
        assert_eq!(OPAQUE_14_BITS.to_string(), "0x010E7777");
        assert_eq!("0x010e7777".parse(), Ok(OPAQUE_14_BITS));
        assert_eq!(OPAQUE_14_BITS.image_bytes(4, 1), Some(7));
        assert_eq!(NO_SIZE.image_bytes(4, 1), None);
        assert_eq!(NO_SIZE.stride(4), None);
        assert_eq!(NO_SIZE.width_multiple(), 1);
    }

    /// Goal: bad text is refused with a message that helps. Method: near misses, and the message's content.
    #[test]
    fn bad_text_is_refused() {
        for text in ["", "Mono", "Mono8 ", "0x", "0x+1", "0x-1", "0x1_0", "0x101080001", "17301505"] {
            let error = text.parse::<PixelFormat>().unwrap_err();
            assert_eq!(error.given, text);
            let message = error.to_string();
            assert!(message.contains("Mono8, Mono10,"), "{message}");
            assert!(message.contains("YCbCr422_8_CbYCrY"), "{message}");
        }
    }

    /// Goal: on the wire a format is its code and nothing else. Method: compare the encodings.
    #[test]
    fn serialises_as_its_code() {
        let config = bincode::config::standard().with_fixed_int_encoding();
        let format = PixelFormat::BAYER_RG8;
        let bytes = bincode::serde::encode_to_vec(format, config).unwrap();
        assert_eq!(bytes, format.code().to_le_bytes());
        let (read, used): (PixelFormat, usize) = bincode::serde::decode_from_slice(&bytes, config).unwrap();
        assert_eq!((read, used), (format, 4));
    }
}
