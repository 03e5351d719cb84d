//! The memory of one segment, as a strategy makes it.

use std::any::Any;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use framebroker_protocol::shm::{Mapping, SharedObject, ShmError};
use framebroker_protocol::{Backing, SegmentIndex, Text};

use super::FactoryError;

/// What memory is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Of which segment.
    pub index: SegmentIndex,
    /// Which object at that index: no two that live have both in common.
    pub backing: Backing,
    /// Bytes, whole pages of the strategy.
    pub bytes: usize,
    /// The mapping begins at a multiple of this power of two.
    pub align: usize,
    /// A producer process is to map it for writing before it is sealed: [`Memory::of`] leaves that open.
    pub lent: bool,
}

/// How other processes get at a strategy's segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// By descriptor; nobody but the broker can ever write them, and they vanish with their last mapping.
    Sealed,
    /// By name: whoever may open the file may write it, so that only socket delivery and the broker's own user are served.
    Named,
}

/// Memory mapped for writing, and what other processes open it by.
pub struct Memory {
    // Unmapped before its name goes.
    mapping: Mapping,
    handle: Handle,
}

enum Handle {
    Sealed(SharedObject),
    /// To be sealed once a producer has it mapped.
    Lent(SharedObject),
    Named {
        path: Text,
        /// Takes the name away when it is dropped.
        _keeper: Box<dyn Any + Send + Sync>,
    },
}

impl Memory {
    /// Maps a new object and seals it: from then on no route to write it is open but this mapping.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn sealed(object: SharedObject, align: usize) -> Result<Self, FactoryError> {
        let mapping = object.map_writable_at(align)?;
        object.seal()?;
        Ok(Self { mapping, handle: Handle::Sealed(object) })
    }

    /// Maps a new object, and seals it unless it is to be lent.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn of(object: SharedObject, request: &Request) -> Result<Self, FactoryError> {
        if !request.lent {
            return Self::sealed(object, request.align);
        }
        let mapping = object.map_writable_at(request.align)?;
        Ok(Self { mapping, handle: Handle::Lent(object) })
    }

    /// Maps an object that has a name. `keeper` is dropped when the memory goes, and takes the name away.
    ///
    /// # Errors
    /// What the kernel refuses, or a path that is not absolute, too long or no UTF-8.
    pub fn named(
        path: &Path,
        object: &SharedObject,
        align: usize,
        keeper: impl Any + Send + Sync,
    ) -> Result<Self, FactoryError> {
        let wrong = || FactoryError::Named {
            path: path.to_owned(),
            reason: "its path must be absolute, UTF-8 and at most 2048 bytes long".to_owned(),
        };
        let text = path.to_str().filter(|_| path.is_absolute()).ok_or_else(wrong)?;
        let path = Text::try_from(text.to_owned()).map_err(|_too_long| wrong())?;
        let mapping = object.map_writable_at(align)?;
        Ok(Self { mapping, handle: Handle::Named { path, _keeper: Box::new(keeper) } })
    }

    pub(super) fn check(&self, sharing: Sharing, request: &Request) -> Result<(), FactoryError> {
        let Request { bytes, align, lent, .. } = *request;
        if lent != matches!(self.handle, Handle::Lent(_)) {
            return Err(FactoryError::Contract("cannot be lent to a producer, or is lent to none"));
        }
        let is_named = matches!(self.handle, Handle::Named { .. });
        if is_named != (sharing == Sharing::Named) {
            return Err(FactoryError::Contract("is not shared as it says"));
        }
        if self.mapping.len() < bytes {
            return Err(FactoryError::Contract("is smaller than asked for"));
        }
        if !self.mapping.as_ptr().addr().is_multiple_of(align) {
            return Err(FactoryError::Contract("is not aligned"));
        }
        Ok(())
    }

    /// What an error means for this memory: files lie in file systems that may be full.
    pub(super) fn explain(&self, error: FactoryError) -> FactoryError {
        match (&self.handle, error) {
            (Handle::Named { path, .. }, FactoryError::Memory(error @ ShmError::Populate { .. })) => {
                let path = PathBuf::from(path.as_str());
                let reason = format!("{error}; or make its file system larger (a container's --shm-size)");
                FactoryError::Named { path, reason }
            }
            (_, error) => error,
        }
    }

    /// Closes every route to write it but the mappings that exist: the broker's, and that of the producer it was lent to.
    pub(super) fn seal(&self) -> Result<(), ShmError> {
        match &self.handle {
            Handle::Lent(object) => object.seal(),
            Handle::Sealed(_) | Handle::Named { .. } => Ok(()),
        }
    }

    pub(super) fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// Empty where a descriptor goes out.
    pub(super) fn path(&self) -> Text {
        match &self.handle {
            Handle::Sealed(_) | Handle::Lent(_) => Text::cut(""),
            Handle::Named { path, .. } => path.clone(),
        }
    }

    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.handle {
            Handle::Sealed(object) | Handle::Lent(object) => Some(object.as_fd()),
            Handle::Named { .. } => None,
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        f.debug_struct("Memory").field("mapping", &self.mapping).field("path", &path).finish_non_exhaustive()
    }
}
