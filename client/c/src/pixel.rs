//! Pixel formats: the codes of the PFNC, their names and sizes.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

use framebroker_client::PixelFormat;

use crate::boundary::text;

/// Pixel formats whose layout this library knows, by their codes in "GenICam Pixel Format Names and Values" (EMVA). Frames
/// may have other codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs, reason = "the PFNC says what they are")]
pub enum fb_pixel_format {
    FB_PIXEL_MONO8 = 0x0108_0001,
    FB_PIXEL_MONO10 = 0x0110_0003,
    FB_PIXEL_MONO12 = 0x0110_0005,
    FB_PIXEL_MONO16 = 0x0110_0007,
    FB_PIXEL_MONO10P = 0x010A_0046,
    FB_PIXEL_MONO12P = 0x010C_0047,
    FB_PIXEL_MONO10_PACKED = 0x010C_0004,
    FB_PIXEL_MONO12_PACKED = 0x010C_0006,
    FB_PIXEL_BAYER_GR8 = 0x0108_0008,
    FB_PIXEL_BAYER_RG8 = 0x0108_0009,
    FB_PIXEL_BAYER_GB8 = 0x0108_000A,
    FB_PIXEL_BAYER_BG8 = 0x0108_000B,
    FB_PIXEL_BAYER_GR10 = 0x0110_000C,
    FB_PIXEL_BAYER_RG10 = 0x0110_000D,
    FB_PIXEL_BAYER_GB10 = 0x0110_000E,
    FB_PIXEL_BAYER_BG10 = 0x0110_000F,
    FB_PIXEL_BAYER_GR12 = 0x0110_0010,
    FB_PIXEL_BAYER_RG12 = 0x0110_0011,
    FB_PIXEL_BAYER_GB12 = 0x0110_0012,
    FB_PIXEL_BAYER_BG12 = 0x0110_0013,
    FB_PIXEL_BAYER_GR16 = 0x0110_002E,
    FB_PIXEL_BAYER_RG16 = 0x0110_002F,
    FB_PIXEL_BAYER_GB16 = 0x0110_0030,
    FB_PIXEL_BAYER_BG16 = 0x0110_0031,
    FB_PIXEL_BAYER_GR10P = 0x010A_0056,
    FB_PIXEL_BAYER_RG10P = 0x010A_0058,
    FB_PIXEL_BAYER_GB10P = 0x010A_0054,
    FB_PIXEL_BAYER_BG10P = 0x010A_0052,
    FB_PIXEL_BAYER_GR12P = 0x010C_0057,
    FB_PIXEL_BAYER_RG12P = 0x010C_0059,
    FB_PIXEL_BAYER_GB12P = 0x010C_0055,
    FB_PIXEL_BAYER_BG12P = 0x010C_0053,
    FB_PIXEL_BAYER_GR10_PACKED = 0x010C_0026,
    FB_PIXEL_BAYER_RG10_PACKED = 0x010C_0027,
    FB_PIXEL_BAYER_GB10_PACKED = 0x010C_0028,
    FB_PIXEL_BAYER_BG10_PACKED = 0x010C_0029,
    FB_PIXEL_BAYER_GR12_PACKED = 0x010C_002A,
    FB_PIXEL_BAYER_RG12_PACKED = 0x010C_002B,
    FB_PIXEL_BAYER_GB12_PACKED = 0x010C_002C,
    FB_PIXEL_BAYER_BG12_PACKED = 0x010C_002D,
    FB_PIXEL_RGB8 = 0x0218_0014,
    FB_PIXEL_BGR8 = 0x0218_0015,
    FB_PIXEL_RGBA8 = 0x0220_0016,
    FB_PIXEL_BGRA8 = 0x0220_0017,
    FB_PIXEL_RGB16 = 0x0230_0033,
    FB_PIXEL_YUV422_8 = 0x0210_0032,
    FB_PIXEL_YUV422_8_UYVY = 0x0210_001F,
    FB_PIXEL_YCBCR422_8 = 0x0210_003B,
    FB_PIXEL_YCBCR422_8_CBYCRY = 0x0210_0043,
}

/// The PFNC name of a pixel format, as "Mono8"; NULL if the code is not in fb_pixel_format. Static: do not free it.
/// Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_pixel_format_name(code: u32) -> *const c_char {
    static NAMES: OnceLock<Vec<(u32, CString)>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let named = |format: PixelFormat| Some((format.code(), CString::new(format.name()?).ok()?));
        PixelFormat::all().filter_map(named).collect()
    });
    let found = names.iter().find(|(known, _)| *known == code);
    found.map_or(std::ptr::null(), |(_, name)| CStr::as_ptr(name))
}

/// The code of a PFNC name, in upper or lower case; 0 if it is none of fb_pixel_format, or NULL. Thread-safe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_pixel_format_from_name(name: *const c_char) -> u32 {
    // SAFETY: the caller's pointer leads to a text, or is NULL.
    let name = unsafe { text("name", name) };
    name.ok().flatten().and_then(PixelFormat::from_name).map_or(0, PixelFormat::code)
}

/// Bits that a pixel takes in memory, padding included: 8 for Mono8, 16 for Mono12, 12 for Mono12p. Of any code, since the
/// code says it; 0 where it does not. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_pixel_format_bits(code: u32) -> u32 {
    PixelFormat::from_code(code).bits_per_pixel()
}

/// Bytes of an image without padding between its rows, the last byte rounded up. 0 if the code does not say how large a
/// pixel is, or the image would not fit into the address space. Thread-safe.
#[unsafe(no_mangle)]
pub extern "C" fn fb_pixel_format_image_bytes(code: u32, width: u32, height: u32) -> usize {
    PixelFormat::from_code(code).image_bytes(width, height).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(code: u32) -> Option<String> {
        let name = fb_pixel_format_name(code);
        // SAFETY: it is NULL or a static text.
        (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_owned())
    }

    fn code_of(name: &str) -> u32 {
        let name = CString::new(name).unwrap();
        // SAFETY: a text that ends with a NUL.
        unsafe { fb_pixel_format_from_name(name.as_ptr()) }
    }

    /// Goal: the header lists exactly the formats of the protocol. Method: each by its constant there, and their number.
    #[test]
    fn the_header_lists_every_known_format() {
        let listed = [
            (fb_pixel_format::FB_PIXEL_MONO8 as u32, PixelFormat::MONO8),
            (fb_pixel_format::FB_PIXEL_MONO10 as u32, PixelFormat::MONO10),
            (fb_pixel_format::FB_PIXEL_MONO12 as u32, PixelFormat::MONO12),
            (fb_pixel_format::FB_PIXEL_MONO16 as u32, PixelFormat::MONO16),
            (fb_pixel_format::FB_PIXEL_MONO10P as u32, PixelFormat::MONO10P),
            (fb_pixel_format::FB_PIXEL_MONO12P as u32, PixelFormat::MONO12P),
            (fb_pixel_format::FB_PIXEL_MONO10_PACKED as u32, PixelFormat::MONO10_PACKED),
            (fb_pixel_format::FB_PIXEL_MONO12_PACKED as u32, PixelFormat::MONO12_PACKED),
            (fb_pixel_format::FB_PIXEL_BAYER_GR8 as u32, PixelFormat::BAYER_GR8),
            (fb_pixel_format::FB_PIXEL_BAYER_RG8 as u32, PixelFormat::BAYER_RG8),
            (fb_pixel_format::FB_PIXEL_BAYER_GB8 as u32, PixelFormat::BAYER_GB8),
            (fb_pixel_format::FB_PIXEL_BAYER_BG8 as u32, PixelFormat::BAYER_BG8),
            (fb_pixel_format::FB_PIXEL_BAYER_GR10 as u32, PixelFormat::BAYER_GR10),
            (fb_pixel_format::FB_PIXEL_BAYER_RG10 as u32, PixelFormat::BAYER_RG10),
            (fb_pixel_format::FB_PIXEL_BAYER_GB10 as u32, PixelFormat::BAYER_GB10),
            (fb_pixel_format::FB_PIXEL_BAYER_BG10 as u32, PixelFormat::BAYER_BG10),
            (fb_pixel_format::FB_PIXEL_BAYER_GR12 as u32, PixelFormat::BAYER_GR12),
            (fb_pixel_format::FB_PIXEL_BAYER_RG12 as u32, PixelFormat::BAYER_RG12),
            (fb_pixel_format::FB_PIXEL_BAYER_GB12 as u32, PixelFormat::BAYER_GB12),
            (fb_pixel_format::FB_PIXEL_BAYER_BG12 as u32, PixelFormat::BAYER_BG12),
            (fb_pixel_format::FB_PIXEL_BAYER_GR16 as u32, PixelFormat::BAYER_GR16),
            (fb_pixel_format::FB_PIXEL_BAYER_RG16 as u32, PixelFormat::BAYER_RG16),
            (fb_pixel_format::FB_PIXEL_BAYER_GB16 as u32, PixelFormat::BAYER_GB16),
            (fb_pixel_format::FB_PIXEL_BAYER_BG16 as u32, PixelFormat::BAYER_BG16),
            (fb_pixel_format::FB_PIXEL_BAYER_GR10P as u32, PixelFormat::BAYER_GR10P),
            (fb_pixel_format::FB_PIXEL_BAYER_RG10P as u32, PixelFormat::BAYER_RG10P),
            (fb_pixel_format::FB_PIXEL_BAYER_GB10P as u32, PixelFormat::BAYER_GB10P),
            (fb_pixel_format::FB_PIXEL_BAYER_BG10P as u32, PixelFormat::BAYER_BG10P),
            (fb_pixel_format::FB_PIXEL_BAYER_GR12P as u32, PixelFormat::BAYER_GR12P),
            (fb_pixel_format::FB_PIXEL_BAYER_RG12P as u32, PixelFormat::BAYER_RG12P),
            (fb_pixel_format::FB_PIXEL_BAYER_GB12P as u32, PixelFormat::BAYER_GB12P),
            (fb_pixel_format::FB_PIXEL_BAYER_BG12P as u32, PixelFormat::BAYER_BG12P),
            (fb_pixel_format::FB_PIXEL_BAYER_GR10_PACKED as u32, PixelFormat::BAYER_GR10_PACKED),
            (fb_pixel_format::FB_PIXEL_BAYER_RG10_PACKED as u32, PixelFormat::BAYER_RG10_PACKED),
            (fb_pixel_format::FB_PIXEL_BAYER_GB10_PACKED as u32, PixelFormat::BAYER_GB10_PACKED),
            (fb_pixel_format::FB_PIXEL_BAYER_BG10_PACKED as u32, PixelFormat::BAYER_BG10_PACKED),
            (fb_pixel_format::FB_PIXEL_BAYER_GR12_PACKED as u32, PixelFormat::BAYER_GR12_PACKED),
            (fb_pixel_format::FB_PIXEL_BAYER_RG12_PACKED as u32, PixelFormat::BAYER_RG12_PACKED),
            (fb_pixel_format::FB_PIXEL_BAYER_GB12_PACKED as u32, PixelFormat::BAYER_GB12_PACKED),
            (fb_pixel_format::FB_PIXEL_BAYER_BG12_PACKED as u32, PixelFormat::BAYER_BG12_PACKED),
            (fb_pixel_format::FB_PIXEL_RGB8 as u32, PixelFormat::RGB8),
            (fb_pixel_format::FB_PIXEL_BGR8 as u32, PixelFormat::BGR8),
            (fb_pixel_format::FB_PIXEL_RGBA8 as u32, PixelFormat::RGBA8),
            (fb_pixel_format::FB_PIXEL_BGRA8 as u32, PixelFormat::BGRA8),
            (fb_pixel_format::FB_PIXEL_RGB16 as u32, PixelFormat::RGB16),
            (fb_pixel_format::FB_PIXEL_YUV422_8 as u32, PixelFormat::YUV422_8),
            (fb_pixel_format::FB_PIXEL_YUV422_8_UYVY as u32, PixelFormat::YUV422_8_UYVY),
            (fb_pixel_format::FB_PIXEL_YCBCR422_8 as u32, PixelFormat::YCBCR422_8),
            (fb_pixel_format::FB_PIXEL_YCBCR422_8_CBYCRY as u32, PixelFormat::YCBCR422_8_CBYCRY),
        ];
        assert_eq!(listed.len(), PixelFormat::all().count());
        for (code, format) in listed {
            assert_eq!(PixelFormat::from_code(code), format);
            assert_eq!(name(code).as_deref(), format.name());
        }
    }

    #[test]
    fn names_and_sizes_are_those_of_the_protocol() {
        for format in PixelFormat::all() {
            let name = name(format.code()).unwrap();
            assert_eq!(code_of(&name.to_lowercase()), format.code());
            assert_eq!(fb_pixel_format_bits(format.code()), format.bits_per_pixel());
            assert_eq!(Some(fb_pixel_format_image_bytes(format.code(), 7, 3)), format.image_bytes(7, 3));
        }
        assert_eq!((name(0x0108_7777), code_of("Mono9")), (None, 0));
        assert_eq!((fb_pixel_format_bits(0x0218_7777), fb_pixel_format_image_bytes(0x0100_0000, 1, 1)), (24, 0));
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { fb_pixel_format_from_name(std::ptr::null()) }, 0);
    }
}
