//! A stream: one source, its segments and its page. The grab thread ([`grab`]) moves frames through the ring, the control
//! thread admits subscriptions ([`admission`]) and gives segments to both ([`pool`]).

pub mod admission;
pub mod counters;
pub mod grab;
pub mod health;
pub mod live;
pub mod owed;
pub mod patience;
pub mod pool;
pub mod scheduling;
pub mod tenure;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use framebroker_protocol::ring::SharedRoster;
use framebroker_protocol::shm::{Mapped, SharedObject, ShmError};
use framebroker_protocol::{SegmentIndex, StreamId, StreamName, StreamPage};

use self::counters::StreamCounters;

/// No index of a segment.
const NO_SEGMENT: u32 = u32::MAX;

/// What grab thread and control thread share of a stream.
#[derive(Debug)]
pub struct StreamCore {
    /// The stream's name.
    pub name: StreamName,
    /// Its number.
    pub id: StreamId,
    /// Its page, writable; only the grab thread's `Writer` writes it.
    pub page: Arc<Mapped<StreamPage>>,
    /// The page's descriptor, sealed.
    pub page_object: SharedObject,
    /// Who reads.
    pub roster: Arc<SharedRoster>,
    /// What happened.
    pub counters: StreamCounters,
    /// The segment the source writes, or will write next: [`Self::filling`].
    filling: AtomicU32,
}

impl StreamCore {
    /// A new stream with an empty ring.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn create(name: StreamName, id: StreamId) -> Result<Self, ShmError> {
        let (page, page_object) = Mapped::<StreamPage>::create()?;
        page.initialise(id);
        page_object.seal()?;
        Ok(Self {
            name,
            id,
            page: Arc::new(page),
            page_object,
            roster: Arc::default(),
            counters: StreamCounters::default(),
            filling: AtomicU32::new(NO_SEGMENT),
        })
    }

    /// The segment the source writes, or will write next: of those it was given, the first.
    #[must_use]
    pub fn filling(&self) -> Option<SegmentIndex> {
        usize::try_from(self.filling.load(Ordering::Relaxed)).ok().and_then(SegmentIndex::new)
    }

    /// For the grab thread alone.
    fn set_filling(&self, segment: Option<SegmentIndex>) {
        let number = segment.map_or(NO_SEGMENT, |segment| u32::from(u16::from(segment)));
        self.filling.store(number, Ordering::Relaxed);
    }
}
