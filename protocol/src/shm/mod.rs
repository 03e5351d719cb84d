//! Shared-memory objects: memfds that only their one writer can ever write, and typed views of mapped pages.
//!
//! The order is what makes frames read-only for everyone else. [`SharedObject::create`] makes a memfd that can neither
//! grow nor shrink; its writer maps it; [`SharedObject::seal`] then forbids every new writable mapping and every write
//! for good, and only after that may the descriptor be shown to readers.
//!
//! [`SharedObject::unsealed`] and [`SharedObject::open`] are the exception, for memory that has a name: nothing protects it
//! but the mode of its file.

#[cfg(not(loom))]
mod aligned;
mod error;
#[cfg(not(loom))]
mod mapped;
#[cfg(not(loom))]
mod mapping;
#[cfg(not(loom))]
mod object;
#[cfg(not(loom))]
mod placing;

#[cfg(loom)]
mod model;

#[cfg(not(loom))]
pub use aligned::PAGE_BYTES;
pub use error::ShmError;
#[cfg(not(loom))]
pub use mapped::{Mapped, Page};
#[cfg(not(loom))]
pub use mapping::Mapping;
#[cfg(loom)]
pub use model::Mapped;
#[cfg(not(loom))]
pub use object::{HugePage, SharedObject};
