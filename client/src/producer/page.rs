//! One producer page and what was taken by it: shared by the producer and what it handed out, in whatever threads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use framebroker_protocol::ring::{Filler, Lend};
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::{FrameInfo, ProducerPage, ProducerState};

use super::lent::LentSegment;
use crate::fork::Generation;
use crate::{Error, Result};

/// Used from the answer of the broker that brought it to the next.
#[derive(Debug)]
pub struct Page {
    /// Always there, but while it is dropped.
    mapped: Option<Arc<Mapped<ProducerPage>>>,
    segments: Mutex<TakenSegments>,
    generation: Generation,
    /// Bytes that every segment offers.
    pub payload_bytes: usize,
}

/// A segment that is this process's to fill.
#[derive(Debug)]
pub struct Taken {
    pub lend: Lend,
    pub segment: Arc<LentSegment>,
}

#[derive(Debug)]
struct TakenSegments {
    filler: Filler,
    /// Taken and given back unfilled.
    spare: Vec<Taken>,
    /// Kept by their buffer contexts.
    kept: BTreeMap<u32, Taken>,
    /// Blanks that live.
    blanks: usize,
    /// The producer was dropped: nobody would take what is filled.
    is_closed: bool,
}

impl Page {
    pub fn new(page: Arc<Mapped<ProducerPage>>, payload_bytes: usize) -> Result<Self> {
        let filler = Filler::new(Arc::clone(&page));
        let segments = TakenSegments { filler, spare: Vec::new(), kept: BTreeMap::new(), blanks: 0, is_closed: false };
        Ok(Self {
            mapped: Some(page),
            segments: Mutex::new(segments),
            generation: Generation::current()?,
            payload_bytes,
        })
    }

    /// Whether this is the process that produces, not a forked child of it.
    pub fn is_ours(&self) -> bool {
        self.generation.is_current()
    }

    fn segments(&self) -> MutexGuard<'_, TakenSegments> {
        // A panic while it was held cannot have left a segment in two places.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is published from now on.
    pub fn close(&self) {
        if self.is_ours() {
            self.segments().is_closed = true;
        }
    }

    /// A segment that was given back unfilled.
    pub fn spare(&self) -> Option<Taken> {
        self.segments().spare.pop()
    }

    /// A blank begins to live.
    pub fn lend_out(&self) {
        self.segments().blanks += 1;
    }

    /// Blanks that live, and segments that are kept.
    pub fn filling(&self) -> usize {
        let segments = self.segments();
        segments.blanks + segments.kept.len()
    }

    /// A blank is over: its segment is spare.
    pub fn give_back(&self, taken: Taken) {
        {
            let mut segments = self.segments();
            segments.blanks -= 1;
            segments.spare.push(taken);
        }
        self.call();
    }

    /// Wakes whoever waits for a segment.
    pub fn call(&self) {
        if let Some(page) = &self.mapped {
            page.call_producer();
        }
    }

    /// A blank is over: its segment is kept by its buffer context.
    pub fn keep(&self, taken: Taken) {
        let mut segments = self.segments();
        segments.blanks -= 1;
        segments.kept.insert(taken.segment.index.buffer_context(), taken);
    }

    /// Publishes what a blank was filled with; where that fails the segment is returned.
    pub fn publish(&self, taken: Taken, info: &FrameInfo) -> Result<(), (Taken, Error)> {
        if let Err(error) = self.check(info) {
            return Err((taken, error));
        }
        let mut segments = self.segments();
        if segments.is_closed {
            return Err((taken, Error::Stopped));
        }
        segments.blanks -= 1;
        segments.filler.fill(taken.lend, &info.header());
        Ok(())
    }

    /// Publishes a segment that is kept.
    pub fn publish_kept(&self, context: u32, info: &FrameInfo) -> Result<()> {
        self.check(info)?;
        let mut segments = self.segments();
        if segments.is_closed {
            return Err(Error::Stopped);
        }
        let taken = segments.kept.remove(&context).ok_or(Error::NotKept { context })?;
        segments.filler.fill(taken.lend, &info.header());
        Ok(())
    }

    fn check(&self, info: &FrameInfo) -> Result<()> {
        // Before the lock: in a forked child another thread of the parent may seem to hold it for ever.
        self.generation.check()?;
        FrameInfo::checked(&info.header(), self.payload_bytes).map_err(|fault| Error::Frame { fault })?;
        let is_stopped = self.mapped.as_ref().is_none_or(|page| page.state() == ProducerState::Stopped);
        if is_stopped { Err(Error::Stopped) } else { Ok(()) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if !self.is_ours() {
            // The page is not mapped in a forked child; something else may lie at its address, which unmapping would
            // destroy. This keeps its reference count above zero.
            std::mem::forget(self.mapped.take());
        }
    }
}
