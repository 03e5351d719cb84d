//! Every bound of the protocol in one place.

use std::time::Duration;

/// The protocol's version; a broker refuses clients of another.
pub const PROTOCOL_VERSION: u32 = 1;
/// The version of the shared-memory layout.
pub const LAYOUT_VERSION: u32 = 1;
/// Bytes in a message, without descriptors.
pub const MESSAGE_BYTES: usize = 64 * 1024;
/// Descriptors in a message; the kernel takes 253, in-flight budgets are kept small.
pub const MESSAGE_FDS: usize = 64;
/// Segments a stream page has room for; twice the segments a stream may use, so that new ones fit beside the old.
#[cfg(not(loom))]
pub const SEGMENT_LIMIT: usize = 1024;
/// Models stay small.
#[cfg(loom)]
pub const SEGMENT_LIMIT: usize = 4;
/// Segments a stream may use at once.
pub const MAX_SEGMENTS: usize = SEGMENT_LIMIT / 2;
/// Entries of the window that maps sequences to context IDs.
pub const WINDOW_LEN: usize = 2 * SEGMENT_LIMIT;
/// Frames one subscription may hold.
#[cfg(not(loom))]
pub const HOLD_LIMIT: usize = 64;
/// Models stay small.
#[cfg(loom)]
pub const HOLD_LIMIT: usize = 2;
/// Frames a subscription may hold unless it asks otherwise: `frame = next()` still holds the old one while it waits.
pub const DEFAULT_MAX_HELD: u32 = 2;
/// Bytes in a client's name.
pub const CLIENT_NAME_BYTES: usize = 63;
/// Bytes in a stream's name.
pub const STREAM_NAME_BYTES: usize = 63;
/// Bytes in the name of a feature or of an enumeration's entry.
pub const FEATURE_NAME_BYTES: usize = 127;
/// Entries of an enumeration that are told; a camera's further ones are left out.
pub const FEATURE_ENTRIES: usize = 256;
/// Bytes in the description of a feature; longer ones are cut.
pub const DESCRIPTION_BYTES: usize = 1024;
/// Bytes in an error's, reason's or description's text; longer ones are cut.
pub const TEXT_BYTES: usize = 2048;
/// Bytes in a text that describes an entry of a list; longer ones are cut, so that a page of them fits in a message.
pub const LABEL_BYTES: usize = 256;
/// Subscriptions in one session.
pub const SUBSCRIPTIONS_PER_SESSION: usize = 16;
/// Entries of a list in one message; longer lists are paged.
pub const PAGE_ENTRIES: usize = 32;
/// Segments described in one message: their descriptors and the three of a subscription fit in [`MESSAGE_FDS`].
pub const SEGMENTS_PER_MESSAGE: usize = 60;
/// A reader sleeps at most this long before it looks whether the broker is still there.
pub const WAIT_SLICE: Duration = Duration::from_millis(250);
/// Who was refused a message for want of memory tries again after this time: a socket that is ready tells nothing of memory.
pub const SHORTAGE_PAUSE: Duration = Duration::from_millis(20);
/// The writer sleeps at most this long before it tries again to retire a frame: a reader's wake-up can fall between its
/// last try and its sleep, because readers cannot change the word it sleeps on.
pub const STARVED_SLICE: Duration = Duration::from_millis(2);
/// Payload bytes of one segment.
pub const SEGMENT_BYTES: u64 = 1 << 40;
/// The largest alignment of a segment: a huge page.
pub const SEGMENT_ALIGN: u32 = 1 << 30;
