//! How a frame's pixels are laid out as an array. Pure: numbers in, shape and strides out.

use framebroker_client::{FrameHeader, PixelFormat};
use framebroker_protocol::{Container, Layout};

/// What an element of the array is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A byte.
    U8,
    /// Two bytes, little-endian.
    U16,
}

impl Item {
    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
        }
    }

    /// NumPy's name of it.
    pub const fn dtype(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::U16 => "uint16",
        }
    }
}

/// Shape and strides of an array. Strides are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// What an element is.
    pub item: Item,
    /// Dimensions in use, 1 to 3; the others of the arrays below are 0.
    dimensions: usize,
    shape: [isize; 3],
    strides: [isize; 3],
}

/// Elements of a pixel: what each is and how many there are; `None` where pixels share bytes or nothing is known.
pub fn elements(format: PixelFormat) -> Option<(Item, usize)> {
    match format.layout() {
        Layout::Unpacked { samples, container, .. } => {
            let item = match container {
                Container::U8 => Item::U8,
                Container::U16 => Item::U16,
            };
            Some((item, usize::from(samples.channels())))
        }
        // Y and one of the two chroma values: what OpenCV takes for YUYV and UYVY.
        Layout::Yuv422(_) => Some((Item::U8, 2)),
        Layout::Packed { .. } | Layout::Opaque => None,
    }
}

impl Geometry {
    /// All bytes one after the other.
    pub fn bytes(len: usize) -> Self {
        Self { item: Item::U8, dimensions: 1, shape: [signed(len), 0, 0], strides: [1, 0, 0] }
    }

    /// The pixels of a frame of `len` bytes: rows, columns and, where a pixel has more than one element, those. For
    /// formats whose pixels share bytes, the bytes.
    ///
    /// # Errors
    /// Where the pixels do not fit into the frame.
    pub fn of(header: &FrameHeader, len: usize) -> Result<Self, String> {
        let Some((item, count)) = elements(header.pixel_format) else { return Ok(Self::bytes(len)) };
        let (width, height) = (header.width as usize, header.height as usize);
        let pixel_bytes = count * item.bytes();
        let row_bytes = width.checked_mul(pixel_bytes);
        let stride = if header.stride == 0 { row_bytes } else { Some(header.stride as usize) };
        let (Some(row_bytes), Some(stride)) = (row_bytes, stride) else { return Err(too_short(header, len)) };
        let end = stride.checked_mul(height.saturating_sub(1)).and_then(|last| last.checked_add(row_bytes));
        if (stride < row_bytes && height > 1) || end.is_none_or(|end| end > len) {
            return Err(too_short(header, len));
        }
        let dimensions = if count == 1 { 2 } else { 3 };
        let last = if count == 1 { 0 } else { signed(item.bytes()) };
        Ok(Self {
            item,
            dimensions,
            shape: [signed(height), signed(width), if count == 1 { 0 } else { signed(count) }],
            strides: [signed(stride), signed(pixel_bytes), last],
        })
    }

    /// Elements along each dimension.
    pub fn shape(&self) -> &[isize] {
        self.shape.get(..self.dimensions).unwrap_or_default()
    }

    /// Bytes from one element to the next along each dimension.
    pub fn strides(&self) -> &[isize] {
        self.strides.get(..self.dimensions).unwrap_or_default()
    }

    /// Elements.
    pub fn len(&self) -> usize {
        self.shape().iter().product::<isize>().unsigned_abs()
    }

    /// Whether elements follow each other without gaps, the last dimension fastest.
    pub fn is_contiguous(&self) -> bool {
        let mut expected = signed(self.item.bytes());
        let mut dimensions = self.shape().iter().zip(self.strides()).rev();
        self.len() == 0
            || dimensions.all(|(&extent, &stride)| {
                let fits = extent == 1 || stride == expected;
                expected *= extent;
                fits
            })
    }
}

fn too_short(header: &FrameHeader, len: usize) -> String {
    let FrameHeader { width, height, stride, pixel_format, .. } = header;
    format!("the frame has {len} bytes, too few for {width}x{height} {pixel_format} with rows of {stride} bytes")
}

/// Sizes of what lies in memory always fit.
fn signed(size: usize) -> isize {
    isize::try_from(size).unwrap_or(isize::MAX)
}
