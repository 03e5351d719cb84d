//! Why a frame has no image.

use framebroker_protocol::PixelFormat;

/// Why a frame has no image.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// Nothing is known about the format but its code.
    #[error(
        "nothing is known about pixel format 0x{:08X} but its code; set the camera to a format such as Mono8, BayerRG8 or RGB8",
        .0.code()
    )]
    UnknownFormat(PixelFormat),
    /// No pixels.
    #[error("it has no pixels ({width}x{height})")]
    Empty {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// A row is longer than the distance to the next.
    #[error("its rows of {row_bytes} bytes do not fit into a stride of {stride}")]
    Stride {
        /// Bytes of a row.
        row_bytes: u64,
        /// From the header.
        stride: usize,
    },
    /// The frame has fewer bytes than its geometry needs.
    #[error("it has {found} bytes, and {width}x{height} in {format} takes {needed}")]
    TooShort {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// Its format.
        format: PixelFormat,
        /// Bytes there should be.
        needed: u128,
        /// Bytes there are.
        found: usize,
    },
    /// A single row or column of a colour filter lacks a colour.
    #[error("a Bayer image of {width}x{height} does not have every colour: 2x2 is the least; choose a larger one")]
    NoColours {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// The library that finds the colours refuses.
    #[error("cannot find its colours: {0}")]
    Demosaic(#[from] demosaic::DemosaicError),
}
