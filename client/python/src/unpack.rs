//! Packed formats to 16-bit values, one after the other, little-endian.

use framebroker_client::FrameHeader;
use framebroker_protocol::{Layout, Packing};

/// A packed image.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a> {
    data: &'a [u8],
    packing: Packing,
    bits: u8,
    width: usize,
    height: usize,
    /// Bytes from row to row; `None` where a row may begin in the middle of a byte.
    stride: Option<usize>,
}

impl<'a> Packed<'a> {
    /// The image of a frame; `None` if its format is not packed.
    ///
    /// # Errors
    /// Where the pixels do not fit into the frame.
    pub fn of(header: &FrameHeader, data: &'a [u8]) -> Option<Result<Self, String>> {
        let Layout::Packed { packing, significant_bits: bits, .. } = header.pixel_format.layout() else { return None };
        let (width, height) = (header.width as usize, header.height as usize);
        let stride = (header.stride != 0).then_some(header.stride as usize);
        let row_bits = u128::from(header.width) * u128::from(header.pixel_format.bits_per_pixel());
        let needed = match stride {
            Some(stride) => stride as u128 * u128::from(header.height.saturating_sub(1)) + row_bits.div_ceil(8),
            None => (row_bits * u128::from(header.height)).div_ceil(8),
        };
        let overlaps = stride.is_some_and(|stride| height > 1 && (stride as u128) < row_bits.div_ceil(8));
        if overlaps || needed > data.len() as u128 {
            let FrameHeader { width, height, pixel_format, .. } = header;
            let len = data.len();
            return Some(Err(format!("the frame has {len} bytes, and {width}x{height} {pixel_format} takes {needed}")));
        }
        Some(Ok(Self { data, packing, bits, width, height, stride }))
    }

    /// Bytes of the values: two for each pixel.
    pub fn unpacked_bytes(&self) -> usize {
        2 * self.width * self.height
    }

    /// Writes all values. `out` has [`Self::unpacked_bytes`] bytes.
    pub fn write(&self, out: &mut [u8]) {
        match self.stride {
            None => self.write_run(self.data, out),
            Some(stride) if self.width > 0 => {
                let rows = out.chunks_exact_mut(2 * self.width);
                rows.zip(self.data.chunks(stride.max(1))).for_each(|(out, row)| self.write_run(row, out));
            }
            Some(_) => {}
        }
    }

    /// Pixels without a gap, from the first bit of `bytes` on.
    fn write_run(&self, bytes: &[u8], out: &mut [u8]) {
        match (self.packing, self.bits) {
            (Packing::Lsb, 10) => groups(bytes, out, lsb10),
            (Packing::Lsb, _) => groups(bytes, out, lsb12),
            (Packing::Gvsp, 10) => groups(bytes, out, gvsp10),
            (Packing::Gvsp, _) => groups(bytes, out, gvsp12),
        }
    }
}

/// Applies `unpack` to groups of `B` bytes that hold `P` pixels. The last group may lack pixels, and then bytes.
fn groups<const B: usize, const P: usize>(bytes: &[u8], out: &mut [u8], unpack: impl Fn(&[u8; B]) -> [u16; P]) {
    let (sources, source_rest) = bytes.as_chunks::<B>();
    let (targets, target_rest) = out.as_chunks_mut::<2>();
    debug_assert!(target_rest.is_empty());
    let (whole, rest) = targets.as_chunks_mut::<P>();
    for (source, target) in sources.iter().zip(whole.iter_mut()) {
        put(unpack(source), target);
    }
    if !rest.is_empty() {
        let last = sources.get(whole.len()).map_or(source_rest, |group| &group[..]);
        let mut padded = [0; B];
        padded.iter_mut().zip(last).for_each(|(to, from)| *to = *from);
        put(unpack(&padded), rest);
    }
}

fn put<const P: usize>(values: [u16; P], target: &mut [[u8; 2]]) {
    target.iter_mut().zip(values).for_each(|(to, value)| *to = value.to_le_bytes());
}

/// PFNC `…10p`: a stream of bits, least significant first.
fn lsb10(bytes: &[u8; 5]) -> [u16; 4] {
    let [a, b, c, d, e] = bytes.map(u16::from);
    [a | (b & 0x03) << 8, b >> 2 | (c & 0x0F) << 6, c >> 4 | (d & 0x3F) << 4, d >> 6 | e << 2]
}

/// PFNC `…12p`.
fn lsb12(bytes: &[u8; 3]) -> [u16; 2] {
    let [a, b, c] = bytes.map(u16::from);
    [a | (b & 0x0F) << 8, b >> 4 | c << 4]
}

/// GigE Vision `…10Packed`: the high bits of the first pixel, the low bits of both, the high bits of the second.
fn gvsp10(bytes: &[u8; 3]) -> [u16; 2] {
    let [a, b, c] = bytes.map(u16::from);
    [a << 2 | (b & 0x03), c << 2 | (b >> 4 & 0x03)]
}

/// GigE Vision `…12Packed`.
fn gvsp12(bytes: &[u8; 3]) -> [u16; 2] {
    let [a, b, c] = bytes.map(u16::from);
    [a << 4 | (b & 0x0F), c << 4 | b >> 4]
}
