//! Pixel formats as Python sees them.

use framebroker_client::PixelFormat as Format;
use framebroker_protocol::{BayerOrder, Layout, Samples};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::geometry::{Item, elements};

/// How pixels are stored: a format of the GenICam Pixel Format Naming Convention (PFNC), by name or by code.
///
/// ``PixelFormat("Mono8")`` and ``PixelFormat(0x01080001)`` are equal. A code that is not known is not an error: the frames
/// of such a format are bytes.
#[pyclass(frozen, eq, hash, module = "framebroker")]
#[derive(PartialEq, Eq, Hash)]
pub struct PixelFormat(pub Format);

impl PixelFormat {
    /// By name, by code, or already one.
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(format: &Bound<'_, PyAny>) -> PyResult<Format> {
        if let Ok(other) = format.cast::<Self>() {
            return Ok(other.get().0);
        }
        if let Ok(text) = format.extract::<String>() {
            let parsed: Result<Format, _> = text.parse();
            return parsed.map_err(|unknown| PyValueError::new_err(unknown.to_string()));
        }
        match format.extract::<u32>() {
            Ok(code) => Ok(Format::from_code(code)),
            Err(_) => Err(PyTypeError::new_err("a pixel format is a PFNC name or a 32-bit code")),
        }
    }
}

#[pymethods]
impl PixelFormat {
    #[new]
    fn new(format: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::parse(format).map(Self)
    }

    /// Every format that is known.
    #[staticmethod]
    fn all() -> Vec<Self> {
        Format::all().map(Self).collect()
    }

    /// The PFNC name, or the code in hexadecimal where it is not known.
    #[getter]
    fn name(&self) -> String {
        self.0.to_string()
    }

    /// The PFNC code.
    #[getter]
    fn code(&self) -> u32 {
        self.0.code()
    }

    /// Bits a pixel takes in memory, padding included; 0 where the code does not say.
    #[getter]
    fn bits_per_pixel(&self) -> u32 {
        self.0.bits_per_pixel()
    }

    /// Bits of a value: 10 for ``Mono10`` and ``Mono10p``; ``None`` where the format is not known.
    #[getter]
    fn significant_bits(&self) -> Option<u8> {
        match self.0.layout() {
            Layout::Unpacked { significant_bits, .. } | Layout::Packed { significant_bits, .. } => {
                Some(significant_bits)
            }
            Layout::Yuv422(_) => Some(8),
            Layout::Opaque => None,
        }
    }

    /// Values of a pixel in ``Frame.array``: 1, 3 or 4, and 2 for 4:2:2; 1 where the format is not known.
    #[getter]
    fn channels(&self) -> usize {
        elements(self.0).map_or(1, |(_, count)| count)
    }

    /// NumPy's name for the elements of ``Frame.array``: ``"uint8"`` or ``"uint16"``.
    #[getter]
    fn dtype(&self) -> &'static str {
        elements(self.0).map_or(Item::U8, |(item, _)| item).dtype()
    }

    /// NumPy's name for the elements of ``Frame.unpack()``.
    #[getter]
    fn unpacked_dtype(&self) -> &'static str {
        if self.is_packed() { Item::U16.dtype() } else { self.dtype() }
    }

    /// Whether pixels share bytes, so that ``Frame.array`` is the bytes and ``Frame.unpack()`` the pixels.
    #[getter]
    fn is_packed(&self) -> bool {
        matches!(self.0.layout(), Layout::Packed { .. })
    }

    /// Whether anything but its size is known.
    #[getter]
    fn is_known(&self) -> bool {
        self.0.name().is_some()
    }

    /// What the values of a pixel are, in memory order: ``"Mono"``, ``"RGB"``, ``"BGR"``, ``"RGBA"``, ``"BGRA"``, for a
    /// colour filter its first two colours as in ``"BayerRG"``, ``"YUYV"`` or ``"UYVY"``; ``None`` where it is not known.
    #[getter]
    fn samples(&self) -> Option<&'static str> {
        use framebroker_protocol::Yuv422Order::{Uyvy, Yuyv};
        let samples = match self.0.layout() {
            Layout::Unpacked { samples, .. } | Layout::Packed { samples, .. } => samples,
            Layout::Yuv422(Yuyv) => return Some("YUYV"),
            Layout::Yuv422(Uyvy) => return Some("UYVY"),
            Layout::Opaque => return None,
        };
        Some(match samples {
            Samples::Mono => "Mono",
            Samples::Bayer(BayerOrder::Rg) => "BayerRG",
            Samples::Bayer(BayerOrder::Gr) => "BayerGR",
            Samples::Bayer(BayerOrder::Gb) => "BayerGB",
            Samples::Bayer(BayerOrder::Bg) => "BayerBG",
            Samples::Rgb => "RGB",
            Samples::Bgr => "BGR",
            Samples::Rgba => "RGBA",
            Samples::Bgra => "BGRA",
        })
    }

    /// Bytes of an image of so many pixels, without padding between its rows; ``None`` where the code does not say.
    fn image_bytes(&self, width: u32, height: u32) -> Option<usize> {
        self.0.image_bytes(width, height)
    }

    fn __str__(&self) -> String {
        self.name()
    }

    fn __repr__(&self) -> String {
        format!("PixelFormat('{}')", self.0)
    }
}
