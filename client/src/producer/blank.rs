//! Segments to be filled.

use std::sync::Arc;

use framebroker_protocol::{FrameInfo, SegmentIndex, stop_point};

use super::lent::LentSegment;
use super::page::{Page, Taken};
use crate::{Error, Result};

/// A segment that is this process's alone to fill. Publishing it makes it a frame; dropping it unfilled keeps it for the next
/// [`crate::Producer::take`]. May be filled and published in any thread, and in any order with others.
#[derive(Debug)]
pub struct Blank {
    page: Arc<Page>,
    /// Always there, but while it is published or dropped.
    taken: Option<Taken>,
    index: SegmentIndex,
}

/// A segment that is filled by whoever has its address, such as a driver: see [`Blank::keep`]. While this lives, it stays
/// mapped.
#[derive(Debug, Clone)]
pub struct KeptSegment {
    segment: Arc<LentSegment>,
    payload_bytes: usize,
}

impl Blank {
    pub(super) fn new(page: &Arc<Page>, taken: Taken) -> Self {
        page.lend_out();
        stop_point("fill.begun");
        let index = taken.segment.index;
        Self { page: Arc::clone(page), taken: Some(taken), index }
    }

    /// Which segment.
    #[must_use]
    pub fn index(&self) -> SegmentIndex {
        self.index
    }

    /// Its buffer context: 1000 + index.
    #[must_use]
    pub fn buffer_context(&self) -> u32 {
        self.index.buffer_context()
    }

    /// Where it begins in this process, for whoever fills it by address. Null in a forked child.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.taken.as_ref().map_or(std::ptr::null_mut(), |taken| taken.segment.memory().0)
    }

    /// Bytes there are: as many as the producer said its largest frame has.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no segment is empty")]
    pub fn len(&self) -> usize {
        self.page.payload_bytes
    }

    /// Its bytes, with what the last frame in it left. None in a forked child.
    #[expect(unsafe_code, reason = "the one place where a lent segment becomes plain memory")]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let Some(taken) = &mut self.taken else { return &mut [] };
        let (start, mapped) = taken.segment.memory();
        if start.is_null() {
            return &mut [];
        }
        let len = self.page.payload_bytes.min(mapped);
        // SAFETY: the segment has `mapped` bytes mapped for writing, for as long as `taken` lives, and cannot shrink
        // (`SharedObject::received`). Nobody else in this process writes or borrows them: a lend is in one `Taken` only, a
        // segment is lent once at a time, and `self` is borrowed mutably. No other process writes them but those that this
        // one handed its memory to; readers hold no frame in a segment that is lent, as the broker has seen (rule T).
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    /// Makes it a frame. Costs no system call, but for one that wakes the broker where it sleeps.
    ///
    /// # Errors
    /// [`Error::Frame`] where `info` cannot be true of this segment, [`Error::Stopped`] where the broker takes nothing more,
    /// [`Error::Forked`]. The segment is then spare again.
    pub fn publish(mut self, info: &FrameInfo) -> Result<()> {
        let Some(taken) = self.taken.take() else { return Err(Error::Stopped) };
        self.page.publish(taken, info).map_err(|(taken, error)| {
            self.taken = Some(taken);
            error
        })
    }

    /// Leaves it to whoever fills it by its address. [`crate::Producer::publish`] makes it a frame, named by its buffer
    /// context.
    #[must_use]
    pub fn keep(mut self) -> Option<KeptSegment> {
        let taken = self.taken.take().filter(|_| self.page.is_ours())?;
        let kept = KeptSegment { segment: Arc::clone(&taken.segment), payload_bytes: self.page.payload_bytes };
        self.page.keep(taken);
        Some(kept)
    }
}

impl Drop for Blank {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take().filter(|_| self.page.is_ours()) {
            self.page.give_back(taken);
        }
    }
}

impl KeptSegment {
    /// Which segment.
    #[must_use]
    pub fn index(&self) -> SegmentIndex {
        self.segment.index
    }

    /// Its buffer context: 1000 + index.
    #[must_use]
    pub fn buffer_context(&self) -> u32 {
        self.segment.index.buffer_context()
    }

    /// Where it begins in this process; null in a forked child. May be written until its segment is published, and again when
    /// it was taken anew.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.segment.memory().0
    }

    /// Bytes there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no segment is empty")]
    pub fn len(&self) -> usize {
        self.payload_bytes
    }
}
