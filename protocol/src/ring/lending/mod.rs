//! Lending: how the right to write a segment passes to a producer process and back.
//!
//! The broker has a [`Lender`], the producer a [`Taker`] and a [`Filler`], over one [`ProducerPage`]. Each has a ring of its own in it, with as
//! many places as there can be segments, and a head that counts what was written, modulo 2^32.
//!
//! * **G, lend**: the broker, which has seen that nobody holds a frame in the segment, writes down a [`Lend`], then raises
//!   its head (release; the producer's acquire load shows it that reading is over); a fence; then it looks whether the
//!   producer sleeps.
//! * **F, fill**: the producer writes payload and record, names the lend, and raises its head (release; the broker's acquire
//!   load shows it both); a fence; then it looks whether the grab thread sleeps.
//! * **Wait**, either side: it says that it sleeps, a fence, and sleeps on the other's head as long as that is the one it
//!   knows. Of a store and a load on both sides of two fences, one side sees the other's.
//!
//! The broker believes nothing: [`Lender::collect`] copies a record once and then asks whether that very lend stands. A lend
//! has a number that is never used again, so a record cannot be used twice either.
//!
//! [`ProducerPage`]: crate::ProducerPage

mod filler;
mod lender;

pub use filler::{Filler, Lie, Taker};
pub use lender::{Breach, Lender};

use crate::SegmentIndex;

/// Names one lending of a segment: `number << 16 | segment index`; 0 names none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Lend(u64);

impl Lend {
    fn new(number: u64, segment: SegmentIndex) -> Self {
        Self(number << 16 | u64::from(u16::from(segment)))
    }

    /// The lend of a number, or `None` where it names none.
    #[must_use]
    pub fn from_u64(value: u64) -> Option<Self> {
        let index = usize::try_from(value & 0xffff).ok()?;
        SegmentIndex::new(index).filter(|_| value >> 16 != 0).map(|_| Self(value))
    }

    /// Its number in shared memory.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// Which lending of this page it is, from 1.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0 >> 16
    }

    /// The segment that is lent.
    #[must_use]
    #[expect(clippy::missing_panics_doc, clippy::expect_used, reason = "both constructors have seen the index")]
    pub fn segment(self) -> SegmentIndex {
        usize::try_from(self.0 & 0xffff).ok().and_then(SegmentIndex::new).expect("a lend names a segment")
    }
}
