//! The broker's side.

use std::time::Duration;

use super::Lend;
use crate::layout::ProducerState;
use crate::shm::Mapped;
use crate::sync::{Arc, Ordering, fence};
use crate::{FrameHeader, ProducerPage, SEGMENT_LIMIT, SegmentIndex, stop_point};

/// Lends segments to a producer, and takes back what it has filled.
#[derive(Debug)]
pub struct Lender {
    page: Arc<Mapped<ProducerPage>>,
    /// Lends so far.
    lent: u64,
    /// Records taken so far, modulo 2^32.
    taken: u32,
    /// The lend that stands for each segment.
    standing: Vec<Option<Lend>>,
    /// How many stand.
    out: u32,
}

/// How a producer broke the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// It says to have filled more than it was lent.
    #[error("it says that it filled {filled} segments, but it was lent {lent}")]
    TooMany {
        /// Records it says to have written.
        filled: u32,
        /// Lends that stand.
        lent: u32,
    },
    /// It names a lend that does not stand: never made, or filled already.
    #[error("it filled a segment that it was not lent, or twice (record {record:#x})")]
    NotLent {
        /// What stands in the record.
        record: u64,
    },
}

impl Lender {
    /// The lender of a new page.
    #[must_use]
    pub fn new(page: Arc<Mapped<ProducerPage>>) -> Self {
        Self { page, lent: 0, taken: 0, standing: vec![None; SEGMENT_LIMIT], out: 0 }
    }

    /// Lends a segment that nobody else writes or reads (rule G).
    pub fn lend(&mut self, segment: SegmentIndex) {
        self.lent += 1;
        let lend = Lend::new(self.lent, segment);
        if let Some(place) = self.standing.get_mut(segment.as_usize()) {
            self.out += u32::from(place.replace(lend).is_none());
        }
        let head = modulo(self.lent);
        self.page.lend(head).store(lend.as_u64(), Ordering::Relaxed);
        // Publishes the entry, and that reading the frame before is over; pairs with the load in `Taker::try_take`.
        self.page.lent.head.word().store(head, Ordering::Release);
        stop_point("lend.told");
        // Against the fence in `Taker::wait`: the producer sees the head, or this thread that it sleeps.
        fence(Ordering::SeqCst);
        if self.page.producer_waits.0.load(Ordering::Relaxed) != 0 {
            self.page.lent.head.wake_all();
        }
    }

    /// The oldest record that was not taken yet, and the segment that it is about: that is the broker's again, with all that
    /// was written to it.
    ///
    /// # Errors
    /// The producer broke the rules; nothing more is to be taken from it.
    pub fn collect(&mut self) -> Result<Option<(SegmentIndex, FrameHeader)>, Breach> {
        // Shows record and payload; pairs with the store in `Filler::fill`.
        let head = self.page.filled.head.word().load(Ordering::Acquire);
        let filled = head.wrapping_sub(self.taken);
        if filled == 0 {
            return Ok(None);
        }
        if filled > self.out {
            return Err(Breach::TooMany { filled, lent: self.out });
        }
        let record = self.page.read_record(self.taken);
        self.taken = self.taken.wrapping_add(1);
        let named = Lend::from_u64(record.context);
        let place = named.and_then(|lend| self.standing.get_mut(lend.segment().as_usize()));
        let Some(lend) = place.and_then(|place| place.take_if(|standing| Some(*standing) == named)) else {
            return Err(Breach::NotLent { record: record.context });
        };
        self.out -= 1;
        stop_point("lend.collected");
        Ok(Some((lend.segment(), record)))
    }

    /// Sleeps until there may be a record, at most so long; at once if there is one.
    pub fn wait(&self, longest: Duration) {
        self.page.broker_waits.0.store(1, Ordering::Relaxed);
        // Against the fence in `Filler::fill`: the producer sees that this thread sleeps, or the kernel another head.
        fence(Ordering::SeqCst);
        self.page.filled.head.wait(self.taken, longest);
        self.page.broker_waits.0.store(0, Ordering::Relaxed);
    }

    /// Tells the producer whether what it fills is taken.
    pub fn set_state(&mut self, state: ProducerState) {
        // Relaxed: nothing is read on the strength of it. A producer that sleeps looks at it when it wakes.
        self.page.lent.state.store(state.to_bits(), Ordering::Relaxed);
        self.page.lent.head.wake_all();
    }
}

#[expect(clippy::cast_possible_truncation, reason = "counts in the page are modulo 2^32")]
fn modulo(count: u64) -> u32 {
    count as u32
}
