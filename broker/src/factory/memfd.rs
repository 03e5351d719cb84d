//! Segments in sealed memfds: the default.

use framebroker_protocol::shm::SharedObject;

use super::{Books, BufferFactory, FactoryError, Memory, Request, Sharing};

/// Sealed memfds of ordinary pages.
#[derive(Debug, Default)]
pub struct Memfd {
    books: Books,
}

impl Memfd {
    /// A factory with these books.
    #[must_use]
    pub fn new(books: Books) -> Self {
        Self { books }
    }
}

impl BufferFactory for Memfd {
    fn name(&self) -> &'static str {
        "memfd"
    }

    fn sharing(&self) -> Sharing {
        Sharing::Sealed
    }

    fn books(&self) -> &Books {
        &self.books
    }

    fn create(&self, request: &Request) -> Result<Memory, FactoryError> {
        let name = format!("framebroker-segment-{}", request.index);
        Memory::of(SharedObject::create(&name, request.bytes)?, request)
    }
}
