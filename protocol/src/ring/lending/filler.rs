//! The producer's side: one thread takes, one thread at a time fills.

use std::time::Duration;

use super::Lend;
use crate::layout::ProducerState;
use crate::shm::Mapped;
use crate::sync::{Arc, Ordering, fence};
use crate::{FrameHeader, ProducerPage, stop_point};

/// Takes lent segments.
#[derive(Debug)]
pub struct Taker {
    page: Arc<Mapped<ProducerPage>>,
    /// Lends taken so far, modulo 2^32.
    taken: u32,
}

/// Gives segments back filled.
#[derive(Debug)]
pub struct Filler {
    page: Arc<Mapped<ProducerPage>>,
    /// Segments filled so far, modulo 2^32.
    filled: u32,
}

/// The broker wrote something that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the producer page holds a lend that cannot be ({0:#x})")]
pub struct Lie(pub u64);

impl Taker {
    /// The taker of a page that was just mapped.
    #[must_use]
    pub fn new(page: Arc<Mapped<ProducerPage>>) -> Self {
        Self { page, taken: 0 }
    }

    /// The next segment that was lent: from here on it is this process's to write.
    ///
    /// # Errors
    /// The broker does not keep to the rules.
    pub fn try_take(&mut self) -> Result<Option<Lend>, Lie> {
        // Shows the entry, and that nobody reads the segment any more; pairs with the store in `Lender::lend`.
        let head = self.page.lent.head.word().load(Ordering::Acquire);
        if head == self.taken {
            return Ok(None);
        }
        self.taken = self.taken.wrapping_add(1);
        stop_point("lend.taken");
        let entry = self.page.lend(self.taken).load(Ordering::Relaxed);
        Lend::from_u64(entry).map(Some).ok_or(Lie(entry))
    }

    /// Sleeps until there may be a lend, at most so long; at once if there is one.
    pub fn wait(&self, longest: Duration) {
        self.page.producer_waits.0.store(1, Ordering::Relaxed);
        // Against the fence in `Lender::lend`: the broker sees that this thread sleeps, or the kernel another head.
        fence(Ordering::SeqCst);
        self.page.lent.head.wait(self.taken, longest);
        self.page.producer_waits.0.store(0, Ordering::Relaxed);
    }
}

impl Filler {
    /// The filler of a page that was just mapped.
    #[must_use]
    pub fn new(page: Arc<Mapped<ProducerPage>>) -> Self {
        Self { page, filled: 0 }
    }

    /// Gives a segment back that was taken and is filled now (rule F). `record` tells what is in it.
    pub fn fill(&mut self, lend: Lend, record: &FrameHeader) {
        self.page.write_record(self.filled, &FrameHeader { context: lend.as_u64(), ..*record });
        stop_point("fill.recorded");
        self.filled = self.filled.wrapping_add(1);
        // Publishes record and payload; pairs with the load in `Lender::collect`.
        self.page.filled.head.word().store(self.filled, Ordering::Release);
        stop_point("fill.told");
        // Against the fence in `Lender::wait`: the grab thread sees the head, or this thread that it sleeps.
        fence(Ordering::SeqCst);
        if self.page.broker_waits.0.load(Ordering::Relaxed) != 0 {
            self.page.filled.head.wake_all();
        }
    }

    /// Whether what is filled is taken.
    #[must_use]
    pub fn state(&self) -> ProducerState {
        self.page.state()
    }
}
