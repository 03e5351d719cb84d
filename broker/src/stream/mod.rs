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

use std::sync::Arc;

use framebroker_protocol::ring::SharedRoster;
use framebroker_protocol::shm::{Mapped, SharedObject, ShmError};
use framebroker_protocol::{StreamId, StreamName, StreamPage};

use self::counters::StreamCounters;

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
        })
    }
}
