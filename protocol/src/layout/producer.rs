//! The page of a producer: which segments it was lent, and which of them it has filled.
//!
//! Every word has one writer. Both sides map the page for writing, so the broker copies what it reads and believes it only
//! after it has looked, and the producer, who trusts its broker, does likewise.

use super::{HeaderCell, LayoutError, check_magic, number};
use crate::header::FrameHeader;
use crate::limits::{LAYOUT_VERSION, SEGMENT_LIMIT};
use crate::sync::{AtomicU32, AtomicU64, FutexWord, Ordering};
use crate::{ClientId, StreamId};

/// First bytes of a producer page: `FBFILLER`.
pub const PRODUCER_MAGIC: u64 = u64::from_le_bytes(*b"FBFILLER");

/// Page of a producer: two rings of as many places as there can be segments, so that neither can overflow while both sides
/// keep to the rules.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct ProducerPage {
    identity: ProducerIdentity,
    pub(crate) lent: Lent,
    pub(crate) broker_waits: Waits,
    pub(crate) filled: Filled,
    pub(crate) producer_waits: Waits,
    lend: [AtomicU64; SEGMENT_LIMIT],
    record: [HeaderCell; SEGMENT_LIMIT],
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct ProducerIdentity {
    magic: AtomicU64,
    layout_version: AtomicU32,
    ring_len: AtomicU32,
    client: AtomicU64,
    stream_id: AtomicU32,
    lend_offset: AtomicU32,
    record_offset: AtomicU32,
}

/// What the broker says; written by its grab thread alone.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Lent {
    /// Lends so far, modulo 2^32; the producer sleeps on it.
    pub head: FutexWord,
    /// A [`ProducerState`].
    pub state: AtomicU32,
}

/// What the producer says; written by it alone.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Filled {
    /// Segments filled so far, modulo 2^32; the grab thread sleeps on it.
    pub head: FutexWord,
}

/// 1 while one side sleeps and wants to be woken by the other.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Waits(pub AtomicU32);

/// Whether the broker takes what the producer fills.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProducerState {
    /// Not yet.
    Preparing,
    /// It does.
    Running,
    /// No longer: what is not filled yet is no longer lent.
    Stopped,
}

impl ProducerState {
    /// The number in the page.
    #[must_use]
    pub fn to_bits(self) -> u32 {
        match self {
            Self::Preparing => 0,
            Self::Running => 1,
            Self::Stopped => 2,
        }
    }

    /// The state of a number; unknown ones count as stopped.
    #[must_use]
    pub fn from_bits(bits: u32) -> Self {
        match bits {
            0 => Self::Preparing,
            1 => Self::Running,
            _ => Self::Stopped,
        }
    }
}

impl ProducerPage {
    /// Writes what the page is. Done by the broker before the producer sees it.
    pub fn initialise(&self, client: ClientId, stream: StreamId) {
        let id = &self.identity;
        id.client.store(client.0, Ordering::Relaxed);
        for (field, value) in [
            (&id.layout_version, LAYOUT_VERSION),
            (&id.stream_id, stream.0),
            (&id.ring_len, number(SEGMENT_LIMIT)),
            (&id.lend_offset, number(std::mem::offset_of!(Self, lend))),
            (&id.record_offset, number(std::mem::offset_of!(Self, record))),
        ] {
            field.store(value, Ordering::Relaxed);
        }
        id.magic.store(PRODUCER_MAGIC, Ordering::Relaxed);
    }

    /// Checks that the page is what this code was built for.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn check(&self) -> Result<(), LayoutError> {
        let id = &self.identity;
        check_magic(&id.magic, PRODUCER_MAGIC)?;
        for (field, word, expected) in [
            ("layout version", &id.layout_version, LAYOUT_VERSION),
            ("ring length", &id.ring_len, number(SEGMENT_LIMIT)),
            ("lend offset", &id.lend_offset, number(std::mem::offset_of!(Self, lend))),
            ("record offset", &id.record_offset, number(std::mem::offset_of!(Self, record))),
        ] {
            let found = word.load(Ordering::Relaxed);
            if found != expected {
                return Err(LayoutError { field, found: found.into(), expected: expected.into() });
            }
        }
        Ok(())
    }

    /// Wakes the grab thread, whatever the producer does: there is a command for it.
    pub fn call_broker(&self) {
        self.filled.head.wake_all();
    }

    /// Wakes whoever waits for a lend: something came back within the process.
    pub fn call_producer(&self) {
        self.lent.head.wake_all();
    }

    /// Whether what the producer fills is taken.
    #[must_use]
    pub fn state(&self) -> ProducerState {
        ProducerState::from_bits(self.lent.state.load(Ordering::Relaxed))
    }

    /// Where the lend of this number stands.
    #[expect(clippy::indexing_slicing, reason = "the remainder is below SEGMENT_LIMIT")]
    pub(crate) fn lend(&self, number: u32) -> &AtomicU64 {
        &self.lend[number as usize % SEGMENT_LIMIT]
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below SEGMENT_LIMIT")]
    pub(crate) fn write_record(&self, number: u32, record: &FrameHeader) {
        self.record[number as usize % SEGMENT_LIMIT].write(record);
    }

    /// A copy of what stands there: the producer may change it at any time.
    #[expect(clippy::indexing_slicing, reason = "the remainder is below SEGMENT_LIMIT")]
    pub(crate) fn read_record(&self, number: u32) -> FrameHeader {
        self.record[number as usize % SEGMENT_LIMIT].read()
    }
}

impl Default for ProducerPage {
    fn default() -> Self {
        Self {
            identity: ProducerIdentity::default(),
            lent: Lent::default(),
            broker_waits: Waits::default(),
            filled: Filled::default(),
            producer_waits: Waits::default(),
            lend: std::array::from_fn(|_| AtomicU64::default()),
            record: std::array::from_fn(|_| HeaderCell::default()),
        }
    }
}

// Counts modulo 2^32 find the same place in a ring of this length.
const _: () = assert!(SEGMENT_LIMIT.is_power_of_two());

#[cfg(not(loom))]
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(ProducerPage, lent) == 64 && offset_of!(Lent, state) == 4);
    assert!(offset_of!(ProducerPage, broker_waits) == 128);
    assert!(offset_of!(ProducerPage, filled) == 192 && offset_of!(ProducerPage, producer_waits) == 256);
    assert!(offset_of!(ProducerPage, lend) == 320);
    assert!(offset_of!(ProducerPage, record) == 8576);
    assert!(size_of::<ProducerPage>() == 143_360);
};
