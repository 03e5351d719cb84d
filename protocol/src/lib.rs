//! What two framebroker processes must agree on.
//!
//! * [`message`] and [`codec`]: what is said on the socket, and its bytes; [`socket`] carries them with descriptors.
//! * [`feature`]: a camera's settings as they travel.
//! * [`layout`] and [`shm`]: what lies in shared memory, and how that memory is made so that only its writer can write.
//! * [`ring`]: the lock-free rules by which frames pass from one writer to many readers.
//! * [`chunks`]: what a camera sends with an image, as a list of names and values.
//! * [`pattern`]: the test image whose every byte a consumer can check.
//! * [`units`]: times and sizes as people write them.
//!
//! `PROTOCOL.md` beside this crate specifies all of it for programs in any language.
#![deny(unsafe_code)]

pub mod address;
pub mod chunks;
pub mod codec;
pub mod feature;
mod frame_info;
mod frame_ref;
pub mod header;
mod ids;
pub mod layout;
pub mod limits;
pub mod message;
pub mod pattern;
mod pixel_format;
pub mod ring;
pub mod shm;
pub mod socket;
pub mod stats;
mod stop_point;
pub mod sync;
mod text;
pub mod units;
mod words;

pub use frame_info::FrameInfo;
pub use frame_ref::{FrameRef, NoFrameRef};
pub use header::FrameHeader;
pub use ids::{
    Backing, BrokerId, ClientId, ConsumerId, ContextId, FIRST_BUFFER_CONTEXT, NoFrame, NoSegment, SegmentIndex,
    SegmentSet, Sequence, StreamId, SubscriptionId,
};
pub use layout::{ConsumerPage, Counters, LayoutError, ProducerPage, ProducerState, StreamPage, StreamState};
pub use limits::{DEFAULT_MAX_HELD, HOLD_LIMIT, MAX_SEGMENTS, PROTOCOL_VERSION, SEGMENT_LIMIT};
pub use pixel_format::{BayerOrder, Container, Layout, Packing, PixelFormat, Samples, UnknownPixelFormat, Yuv422Order};
pub use stop_point::stop_point;
pub use text::{ClientName, FeatureName, StreamName, Text, TextError};
pub use words::UnknownWord;

#[cfg(not(target_endian = "little"))]
compile_error!("framebroker's shared memory is little-endian");
#[cfg(not(target_pointer_width = "64"))]
compile_error!("framebroker needs a 64-bit host");

/// `CLOCK_MONOTONIC` in nanoseconds: the clock of the frame headers.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_ns(nix::time::ClockId::CLOCK_MONOTONIC)
}

/// `CLOCK_REALTIME` in nanoseconds.
#[must_use]
pub fn realtime_ns() -> u64 {
    clock_ns(nix::time::ClockId::CLOCK_REALTIME)
}

/// A clock that every Linux has cannot fail; its seconds stay positive until long after these numbers end.
fn clock_ns(clock: nix::time::ClockId) -> u64 {
    let now = nix::time::clock_gettime(clock).map_or(std::time::Duration::ZERO, Into::into);
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
