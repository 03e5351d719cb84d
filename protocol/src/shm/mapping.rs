//! Mapped memory.

use std::os::fd::{AsRawFd, BorrowedFd};

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::ShmError;

/// A shared mapping. Keeps its address while it lives; what lies there is reached by raw pointer only, because another
/// process may write it.
#[derive(Debug)]
pub struct Mapping(MmapRaw);

impl Mapping {
    pub(super) fn writable(fd: BorrowedFd<'_>, len: usize) -> Result<Self, ShmError> {
        let map = MmapOptions::new().len(len).map_raw(fd.as_raw_fd());
        map.map(Self).map_err(|source| ShmError::Map { bytes: len, source })
    }

    pub(super) fn read_only(fd: BorrowedFd<'_>, len: usize) -> Result<Self, ShmError> {
        let map = MmapOptions::new().len(len).map_raw_read_only(fd.as_raw_fd());
        map.map(Self).map_err(|source| ShmError::Map { bytes: len, source })
    }

    /// Where the mapping begins.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    /// Where the mapping begins, for whoever may write it; writing through a read-only mapping faults.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    /// Bytes mapped.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no mapping is empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Allocates and maps every page for writing now, so that no later access faults or finds no memory.
    ///
    /// # Errors
    /// [`ShmError::Populate`].
    pub fn populate_write(&self) -> Result<(), ShmError> {
        self.advise(Advice::PopulateWrite)
    }

    /// Maps every page for reading now.
    ///
    /// # Errors
    /// [`ShmError::Populate`].
    pub fn populate_read(&self) -> Result<(), ShmError> {
        self.advise(Advice::PopulateRead)
    }

    /// Keeps the mapping out of forked children.
    ///
    /// # Errors
    /// [`ShmError::Populate`].
    pub fn dont_fork(&self) -> Result<(), ShmError> {
        self.advise(Advice::DontFork)
    }

    fn advise(&self, advice: Advice) -> Result<(), ShmError> {
        self.0.advise(advice).map_err(|source| ShmError::Populate { bytes: self.len(), source })
    }
}
