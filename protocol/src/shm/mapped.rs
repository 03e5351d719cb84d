//! Pages of atomics, seen through their mapping.

use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use super::{Mapping, SharedObject, ShmError};
use crate::{ConsumerPage, ProducerPage, StreamPage};

/// A page that can be laid over shared memory.
///
/// # Safety
/// The type is `repr(C)`, consists of atomics alone, and is valid for every bit pattern, so that a reference to it stays
/// sound while other processes write the memory.
#[expect(unsafe_code, reason = "the promise is the trait's whole meaning")]
pub unsafe trait Page {
    /// Shows in `/proc/PID/maps`.
    const NAME: &'static str;

    /// Checks identity and layout version.
    ///
    /// # Errors
    /// What differs.
    fn check(&self) -> Result<(), crate::LayoutError>;
}

// SAFETY: `StreamPage` is repr(C) and all its fields are atomics, arrays of atomics or repr(C) structs of them.
#[expect(unsafe_code, reason = "see the line above")]
unsafe impl Page for StreamPage {
    const NAME: &'static str = "framebroker-stream";

    fn check(&self) -> Result<(), crate::LayoutError> {
        self.check()
    }
}

// SAFETY: `ConsumerPage` is repr(C) and all its fields are atomics, arrays of atomics or repr(C) structs of them.
#[expect(unsafe_code, reason = "see the line above")]
unsafe impl Page for ConsumerPage {
    const NAME: &'static str = "framebroker-consumer";

    fn check(&self) -> Result<(), crate::LayoutError> {
        self.check()
    }
}

// SAFETY: `ProducerPage` is repr(C) and all its fields are atomics, arrays of atomics or repr(C) structs of them.
#[expect(unsafe_code, reason = "see the line above")]
unsafe impl Page for ProducerPage {
    const NAME: &'static str = "framebroker-producer";

    fn check(&self) -> Result<(), crate::LayoutError> {
        self.check()
    }
}

/// A mapped page. Which of its fields this process may write is the page's business; a store into a page that is mapped
/// read-only faults.
#[derive(Debug)]
pub struct Mapped<T: Page> {
    mapping: Mapping,
    page: PhantomData<T>,
}

impl<T: Page> Mapped<T> {
    /// A new page of zeros, writable here, and the object to hand to its peer.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn create() -> Result<(Self, SharedObject), ShmError> {
        let object = SharedObject::create(T::NAME, size_of::<T>())?;
        let mapping = object.map_writable()?;
        mapping.populate_write()?;
        Ok((Self { mapping, page: PhantomData }, object))
    }

    /// Maps a received page that this process only reads.
    ///
    /// # Errors
    /// What the kernel refuses, or another layout.
    pub fn read_only(fd: OwnedFd) -> Result<Self, ShmError> {
        let mapping = SharedObject::received(fd, size_of::<T>())?.map_read_only()?;
        mapping.populate_read()?;
        Self::checked(mapping)
    }

    /// Maps a received page that this process writes; it stays out of forked children, who must not write it too.
    ///
    /// # Errors
    /// What the kernel refuses, or another layout.
    pub fn writable(fd: OwnedFd) -> Result<Self, ShmError> {
        let mapping = SharedObject::received(fd, size_of::<T>())?.map_writable()?;
        mapping.populate_write()?;
        mapping.dont_fork()?;
        Self::checked(mapping)
    }

    fn checked(mapping: Mapping) -> Result<Self, ShmError> {
        let page = Self { mapping, page: PhantomData };
        page.check()?;
        Ok(page)
    }
}

impl<T: Page> std::ops::Deref for Mapped<T> {
    type Target = T;

    #[expect(unsafe_code, reason = "the one place where mapped memory becomes a typed page")]
    fn deref(&self) -> &T {
        // SAFETY: the mapping is at least size_of::<T>() bytes (every constructor maps exactly that many of an object
        // sealed against shrinking), page-aligned as T's alignment of at most 4096 needs, and lives as long as `self`;
        // T promises by `Page` to be sound whatever other processes write.
        unsafe { &*self.mapping.as_ptr().cast::<T>() }
    }
}
