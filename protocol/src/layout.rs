//! The shared-memory layout: what lies where in the stream page, in a consumer page and in a producer page.
//!
//! Two rules hold for everything here. Memory that another process can write is only ever touched through atomics or
//! copied word by word, never borrowed as plain data. And what was read from it is checked after it was copied, once.
//!
//! Each group of fields that is written together has cache lines of its own. PROTOCOL.md repeats the offsets; the
//! assertions at the end keep the two from drifting apart.

mod producer;

use serde::{Deserialize, Serialize};

use crate::header::FrameHeader;
use crate::limits::{HOLD_LIMIT, LAYOUT_VERSION, SEGMENT_LIMIT, WINDOW_LEN};
use crate::sync::{AtomicU32, AtomicU64, FutexWord, Ordering, load_acquire, load_acquire_u32};
use crate::words::words;
use crate::{Backing, ConsumerId, ContextId, SegmentIndex, Sequence, StreamId};

pub use producer::{PRODUCER_MAGIC, ProducerPage, ProducerState};

/// First bytes of a stream page: `FBSTREAM`.
pub const STREAM_MAGIC: u64 = u64::from_le_bytes(*b"FBSTREAM");
/// First bytes of a consumer page: `FBREADER`.
pub const CONSUMER_MAGIC: u64 = u64::from_le_bytes(*b"FBREADER");

/// Page of a stream: written by the broker's grab thread, mapped read-only by every consumer.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct StreamPage {
    identity: StreamIdentity,
    pub(crate) news: News,
    pub(crate) starved: Starved,
    slot: [AtomicU64; SEGMENT_LIMIT],
    backing: [AtomicU32; SEGMENT_LIMIT],
    pub(crate) retiring: Retiring,
    header: [HeaderCell; SEGMENT_LIMIT],
    window: [AtomicU64; WINDOW_LEN],
}

/// What the page is; written once, before anyone else sees it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct StreamIdentity {
    magic: AtomicU64,
    layout_version: AtomicU32,
    stream_id: AtomicU32,
    segment_limit: AtomicU32,
    window_len: AtomicU32,
    slot_offset: AtomicU32,
    backing_offset: AtomicU32,
    header_offset: AtomicU32,
    window_offset: AtomicU32,
}

/// What a publish changes, on one cache line.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct News {
    /// A [`StreamState`].
    pub state: AtomicU32,
    /// Raised at every publish and every change of state; readers sleep on it.
    pub bell: FutexWord,
    /// Sequence of the newest frame, 0 before the first.
    pub head: AtomicU64,
    /// Smoothed time between frames in ns, 0 while unknown.
    pub interval_ns: AtomicU64,
    /// `CLOCK_MONOTONIC` in ns when the newest frame was published.
    pub published_ns: AtomicU64,
}

/// The word on which a writer without a segment sleeps; alone on its line, since every release reads it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Starved(pub FutexWord);

/// Raised before the writer hides frames, and again when each is put back or retired: odd while a slot of 0 may be a frame
/// that comes back. Alone on its line, since readers look here only where they find such a slot.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Retiring(pub AtomicU32);

/// One frame header in shared memory.
#[cfg(not(loom))]
#[derive(Debug, Default)]
#[repr(C, align(128))]
struct HeaderCell([AtomicU64; crate::header::HEADER_WORDS]);

#[cfg(not(loom))]
impl HeaderCell {
    fn write(&self, header: &FrameHeader) {
        for (word, value) in self.0.iter().zip(header.to_words()) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn read(&self) -> FrameHeader {
        FrameHeader::from_words(&std::array::from_fn(|i| self.0.get(i).map_or(0, |word| word.load(Ordering::Relaxed))))
    }
}

/// In models the header is plain memory, so that loom reports a writer beside a reader.
#[cfg(loom)]
#[derive(Debug)]
struct HeaderCell(loom::cell::UnsafeCell<FrameHeader>);

// SAFETY: loom panics where two threads touch the cell at the same time and one of them writes.
#[cfg(loom)]
#[expect(unsafe_code, reason = "see the line above")]
unsafe impl Sync for HeaderCell {}

#[cfg(loom)]
impl Default for HeaderCell {
    fn default() -> Self {
        Self(loom::cell::UnsafeCell::new(FrameHeader::from_words(&[0; crate::header::HEADER_WORDS])))
    }
}

#[cfg(loom)]
#[expect(unsafe_code, reason = "loom's cell hands out raw pointers and checks every access itself")]
impl HeaderCell {
    fn write(&self, header: &FrameHeader) {
        // SAFETY: loom panics where another thread reads or writes the cell at the same time.
        self.0.with_mut(|cell| unsafe { *cell = *header });
    }

    fn read(&self) -> FrameHeader {
        // SAFETY: loom panics where another thread writes the cell at the same time.
        self.0.with(|cell| unsafe { *cell })
    }
}

impl StreamPage {
    /// Writes what the page is. Done by the broker before anyone else sees the page.
    pub fn initialise(&self, stream: StreamId) {
        let id = &self.identity;
        for (field, value) in [
            (&id.layout_version, LAYOUT_VERSION),
            (&id.stream_id, stream.0),
            (&id.segment_limit, number(SEGMENT_LIMIT)),
            (&id.window_len, number(WINDOW_LEN)),
            (&id.slot_offset, number(std::mem::offset_of!(Self, slot))),
            (&id.backing_offset, number(std::mem::offset_of!(Self, backing))),
            (&id.header_offset, number(std::mem::offset_of!(Self, header))),
            (&id.window_offset, number(std::mem::offset_of!(Self, window))),
        ] {
            field.store(value, Ordering::Relaxed);
        }
        id.magic.store(STREAM_MAGIC, Ordering::Relaxed);
    }

    /// Checks that the page is what this code was built for.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn check(&self) -> Result<(), LayoutError> {
        let id = &self.identity;
        let expected = [
            ("layout version", &id.layout_version, LAYOUT_VERSION),
            ("segment limit", &id.segment_limit, number(SEGMENT_LIMIT)),
            ("window length", &id.window_len, number(WINDOW_LEN)),
            ("slot offset", &id.slot_offset, number(std::mem::offset_of!(Self, slot))),
            ("backing offset", &id.backing_offset, number(std::mem::offset_of!(Self, backing))),
            ("header offset", &id.header_offset, number(std::mem::offset_of!(Self, header))),
            ("window offset", &id.window_offset, number(std::mem::offset_of!(Self, window))),
        ];
        check_magic(&id.magic, STREAM_MAGIC)?;
        for (field, word, expected) in expected {
            let found = word.load(Ordering::Relaxed);
            if found != expected {
                return Err(LayoutError { field, found: u64::from(found), expected: u64::from(expected) });
            }
        }
        Ok(())
    }

    /// The newest sequence; 0 before the first.
    #[must_use]
    pub fn head(&self) -> Sequence {
        Sequence(load_acquire(&self.news.head))
    }

    /// Whether frames are coming.
    #[must_use]
    pub fn state(&self) -> StreamState {
        StreamState::from_bits(load_acquire_u32(&self.news.state))
    }

    /// The oldest sequence that is readable now, if any is.
    #[must_use]
    pub fn oldest(&self) -> Option<Sequence> {
        let contexts = self.slot.iter().filter_map(|slot| ContextId::from_u64(slot.load(Ordering::Relaxed)));
        contexts.map(ContextId::sequence).min()
    }

    /// The frame that is readable in a segment now, if any is.
    #[must_use]
    pub fn readable_in(&self, segment: SegmentIndex) -> Option<ContextId> {
        ContextId::from_u64(self.slot(segment).load(Ordering::Relaxed))
    }

    /// Smoothed time between frames in ns and when the newest was published (`CLOCK_MONOTONIC`, ns).
    #[must_use]
    pub fn rhythm(&self) -> (u64, u64) {
        (self.news.interval_ns.load(Ordering::Relaxed), self.news.published_ns.load(Ordering::Relaxed))
    }

    /// The context ID readable in a segment, 0 for none.
    #[expect(clippy::indexing_slicing, reason = "a SegmentIndex is below SEGMENT_LIMIT")]
    pub(crate) fn slot(&self, segment: SegmentIndex) -> &AtomicU64 {
        &self.slot[segment.as_usize()]
    }

    #[expect(clippy::indexing_slicing, reason = "a SegmentIndex is below SEGMENT_LIMIT")]
    pub(crate) fn backing_word(&self, segment: SegmentIndex) -> &AtomicU32 {
        &self.backing[segment.as_usize()]
    }

    /// Which object backs a segment. Steady while a frame in the segment is held.
    #[must_use]
    pub fn backing(&self, segment: SegmentIndex) -> Backing {
        Backing(self.backing_word(segment).load(Ordering::Relaxed))
    }

    /// Where the context ID of a sequence stands, if it is not older than the window.
    #[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "the remainder is below WINDOW_LEN")]
    pub(crate) fn window(&self, sequence: Sequence) -> &AtomicU64 {
        &self.window[(sequence.0 % WINDOW_LEN as u64) as usize]
    }

    /// The context ID of a sequence, or `None` where the window has moved past it or is not there yet. Sees the entries of
    /// all sequences up to the [`Self::head`] read before it.
    #[must_use]
    pub fn context_of(&self, sequence: Sequence) -> Option<ContextId> {
        // Relaxed: the head publishes the entry, and what it names is only believed after `Reader::claim`.
        ContextId::from_u64(self.window(sequence).load(Ordering::Relaxed))
            .filter(|context| context.sequence() == sequence)
    }

    /// Describes the frame in a segment: for the writer before it publishes the frame.
    #[expect(clippy::indexing_slicing, reason = "a SegmentIndex is below SEGMENT_LIMIT")]
    pub(crate) fn write_header(&self, segment: SegmentIndex, header: &FrameHeader) {
        self.header[segment.as_usize()].write(header);
    }

    /// The header of the frame in a segment: for a reader that holds the frame.
    #[expect(clippy::indexing_slicing, reason = "a SegmentIndex is below SEGMENT_LIMIT")]
    pub(crate) fn read_header(&self, segment: SegmentIndex) -> FrameHeader {
        self.header[segment.as_usize()].read()
    }
}

impl Default for StreamPage {
    fn default() -> Self {
        Self {
            identity: StreamIdentity::default(),
            news: News::default(),
            starved: Starved::default(),
            slot: std::array::from_fn(|_| AtomicU64::default()),
            backing: std::array::from_fn(|_| AtomicU32::default()),
            retiring: Retiring::default(),
            header: std::array::from_fn(|_| HeaderCell::default()),
            window: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

/// Page of a consumer: written by that consumer, and by the broker only in `revoked`, in `bell` and, for a lossless
/// subscription before it begins, in `cursor`.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct ConsumerPage {
    identity: ConsumerIdentity,
    pub(crate) call: Call,
    pub(crate) revoked: Revoked,
    pub(crate) progress: Progress,
    pub(crate) hold: [AtomicU64; HOLD_LIMIT],
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct ConsumerIdentity {
    magic: AtomicU64,
    layout_version: AtomicU32,
    hold_limit: AtomicU32,
    id: AtomicU64,
}

/// How the consumer wants to be woken: read by the writer at every publish.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Call {
    /// One of [`WAITING_NO`], [`WAITING_FUTEX`], [`WAITING_NOTIFY`] and [`WAITING_APART`].
    pub waiting: AtomicU32,
    /// Raised by the writer for a consumer that waits apart, which sleeps on it.
    pub bell: FutexWord,
}

/// The consumer is not asleep.
pub const WAITING_NO: u32 = 0;
/// The consumer sleeps on the stream's bell.
pub const WAITING_FUTEX: u32 = 1;
/// The consumer wants a byte on its notify socket.
pub const WAITING_NOTIFY: u32 = 2;
/// The consumer sleeps on the bell of its own page, which nobody else can ring but the broker.
pub const WAITING_APART: u32 = 3;

/// Non-zero when the broker has ended the subscription.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Revoked(pub AtomicU32);

/// How far the consumer is.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Progress {
    /// The last sequence taken or passed; gates the ring for lossless subscriptions.
    pub cursor: AtomicU64,
    pub received: AtomicU64,
    pub lost: AtomicU64,
    pub skipped: AtomicU64,
}

impl ConsumerPage {
    /// Writes what the page is. Done by the broker before the consumer sees it.
    pub fn initialise(&self, id: ConsumerId) {
        self.identity.layout_version.store(LAYOUT_VERSION, Ordering::Relaxed);
        self.identity.hold_limit.store(number(HOLD_LIMIT), Ordering::Relaxed);
        self.identity.id.store(id.0, Ordering::Relaxed);
        self.identity.magic.store(CONSUMER_MAGIC, Ordering::Relaxed);
    }

    /// Checks that the page is what this code was built for.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn check(&self) -> Result<(), LayoutError> {
        check_magic(&self.identity.magic, CONSUMER_MAGIC)?;
        let found = self.identity.layout_version.load(Ordering::Relaxed);
        if found == LAYOUT_VERSION {
            return Ok(());
        }
        Err(LayoutError { field: "layout version", found: found.into(), expected: LAYOUT_VERSION.into() })
    }

    /// What the consumer says of itself. Only for display: it may say anything.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            received: self.progress.received.load(Ordering::Relaxed),
            lost: self.progress.lost.load(Ordering::Relaxed),
            skipped: self.progress.skipped.load(Ordering::Relaxed),
        }
    }

    /// Whether the broker has ended the subscription.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.0.load(Ordering::Relaxed) != 0
    }

    /// The context IDs in the first `granted` hold slots. What they name may be nothing.
    pub fn holds(&self, granted: usize) -> impl Iterator<Item = u64> {
        self.hold.iter().take(granted).map(|hold| hold.load(Ordering::Acquire)).filter(|context| *context != 0)
    }
}

impl Default for ConsumerPage {
    fn default() -> Self {
        Self {
            identity: ConsumerIdentity::default(),
            call: Call::default(),
            revoked: Revoked::default(),
            progress: Progress::default(),
            hold: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

/// What a consumer did with the sequences it passed: together they are their number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Frames taken.
    pub received: u64,
    /// Frames that were retired before the consumer came to them.
    pub lost: u64,
    /// Frames passed over because a newer one was wanted.
    pub skipped: u64,
}

/// Whether frames are coming, and why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub enum StreamState {
    /// The source delivers.
    Live,
    /// The source is away; the stream goes on when it is back.
    Offline,
    /// The stream has ended.
    Closed,
}

impl StreamState {
    /// The number in the stream page.
    #[must_use]
    pub fn to_bits(self) -> u32 {
        match self {
            Self::Offline => 0,
            Self::Live => 1,
            Self::Closed => 2,
        }
    }

    /// The state of a number; unknown ones count as offline, as frames may not come.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        match bits {
            1 => Self::Live,
            2 => Self::Closed,
            _ => Self::Offline,
        }
    }
}

impl From<u32> for StreamState {
    fn from(bits: u32) -> Self {
        Self::from_bits(bits)
    }
}

impl From<StreamState> for u32 {
    fn from(state: StreamState) -> Self {
        state.to_bits()
    }
}

words!(StreamState, "state": Live "live", Offline "offline", Closed "closed");

/// A page is not what this code was built for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "shared memory has another layout ({field} is {found}, this program expects {expected}); broker and client must be of matching versions"
)]
pub struct LayoutError {
    /// Which field differs.
    pub field: &'static str,
    /// What stands there.
    pub found: u64,
    /// What should.
    pub expected: u64,
}

fn check_magic(word: &AtomicU64, expected: u64) -> Result<(), LayoutError> {
    let found = word.load(Ordering::Relaxed);
    if found == expected { Ok(()) } else { Err(LayoutError { field: "magic", found, expected }) }
}

#[expect(clippy::cast_possible_truncation, reason = "lengths and offsets of the layout are far below 4 GiB")]
fn number(value: usize) -> u32 {
    value as u32
}

#[cfg(not(loom))]
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(StreamPage, news) == 64);
    assert!(offset_of!(News, bell) == 4 && offset_of!(News, head) == 8);
    assert!(offset_of!(News, interval_ns) == 16 && offset_of!(News, published_ns) == 24);
    assert!(offset_of!(StreamPage, starved) == 128);
    assert!(offset_of!(StreamPage, slot) == 192);
    assert!(offset_of!(StreamPage, backing) == 192 + 8192);
    assert!(offset_of!(StreamPage, retiring) == 12_480);
    assert!(offset_of!(StreamPage, header) == 12_544);
    assert!(size_of::<HeaderCell>() == crate::header::HEADER_BYTES);
    assert!(offset_of!(StreamPage, window) == 12_544 + 128 * 1024);
    assert!(size_of::<StreamPage>() == 163_840);
    assert!(offset_of!(ConsumerPage, call) == 64 && offset_of!(ConsumerPage, revoked) == 128);
    assert!(offset_of!(Call, bell) == 4);
    assert!(offset_of!(ConsumerPage, progress) == 192 && offset_of!(ConsumerPage, hold) == 256);
    assert!(offset_of!(Progress, lost) == 16 && offset_of!(Progress, skipped) == 24);
    assert!(size_of::<ConsumerPage>() == 4096);
};
