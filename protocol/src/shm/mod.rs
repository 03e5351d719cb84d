//! Shared-memory objects: memfds that only their one writer can ever write, and typed views of mapped pages.
//!
//! The order is what makes frames read-only for everyone else. [`SharedObject::create`] makes a memfd that can neither
//! grow nor shrink; its writer maps it; [`SharedObject::seal`] then forbids every new writable mapping and every write
//! for good, and only after that may the descriptor be shown to readers.

mod error;
#[cfg(not(loom))]
mod mapped;
#[cfg(not(loom))]
mod mapping;
#[cfg(not(loom))]
mod object;

#[cfg(loom)]
mod model;

pub use error::ShmError;
#[cfg(not(loom))]
pub use mapped::{Mapped, Page};
#[cfg(not(loom))]
pub use mapping::Mapping;
#[cfg(loom)]
pub use model::Mapped;
#[cfg(not(loom))]
pub use object::SharedObject;
