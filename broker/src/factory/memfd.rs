//! Segments in sealed memfds: the default.

use framebroker_protocol::shm::SharedObject;

use super::{BufferFactory, FactoryError, Memory, Registry, Request, Sharing};

/// Sealed memfds of ordinary pages.
#[derive(Debug, Default)]
pub struct Memfd {
    registry: Registry,
}

impl Memfd {
    /// A factory with this registry.
    #[must_use]
    pub fn new(registry: Registry) -> Self {
        Self { registry }
    }
}

impl BufferFactory for Memfd {
    fn name(&self) -> &'static str {
        "memfd"
    }

    fn sharing(&self) -> Sharing {
        Sharing::Sealed
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn create(&self, request: &Request) -> Result<Memory, FactoryError> {
        let name = format!("framebroker-segment-{}", request.index);
        Memory::of(SharedObject::create(&name, request.bytes)?, request)
    }
}
