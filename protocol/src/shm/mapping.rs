//! Mapped memory.

use std::os::fd::{AsRawFd, BorrowedFd};

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::ShmError;
use super::aligned::{AlignedMap, PAGE_BYTES};

/// A shared mapping. Keeps its address while it lives; what lies there is reached by raw pointer only, because another
/// process may write it.
#[derive(Debug)]
pub struct Mapping(Map);

#[derive(Debug)]
enum Map {
    /// Where the kernel put it.
    Anywhere(MmapRaw),
    /// At a multiple of more than a page.
    Aligned(AlignedMap),
}

impl Mapping {
    /// Maps `len` bytes for writing, at an address that is a multiple of `align`.
    pub(super) fn writable(fd: BorrowedFd<'_>, len: usize, align: usize) -> Result<Self, ShmError> {
        let failed = |source| ShmError::Map { bytes: len, source };
        if align > PAGE_BYTES {
            return AlignedMap::writable(fd, len, align).map(|map| Self(Map::Aligned(map))).map_err(failed);
        }
        let map = MmapOptions::new().len(len).map_raw(fd.as_raw_fd());
        map.map(|map| Self(Map::Anywhere(map))).map_err(failed)
    }

    /// Maps `len` bytes for reading, at an address that is a multiple of `align`.
    pub(super) fn read_only(fd: BorrowedFd<'_>, len: usize, align: usize) -> Result<Self, ShmError> {
        let failed = |source| ShmError::Map { bytes: len, source };
        if align > PAGE_BYTES {
            return AlignedMap::read_only(fd, len, align).map(|map| Self(Map::Aligned(map))).map_err(failed);
        }
        let map = MmapOptions::new().len(len).map_raw_read_only(fd.as_raw_fd());
        map.map(|map| Self(Map::Anywhere(map))).map_err(failed)
    }

    /// Where the mapping begins.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.as_mut_ptr()
    }

    /// Where the mapping begins, for whoever may write it; writing through a read-only mapping faults.
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        match &self.0 {
            Map::Anywhere(map) => map.as_mut_ptr(),
            Map::Aligned(map) => map.as_mut_ptr(),
        }
    }

    /// Bytes mapped.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no mapping is empty")]
    pub fn len(&self) -> usize {
        match &self.0 {
            Map::Anywhere(map) => map.len(),
            Map::Aligned(map) => map.len(),
        }
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
        loop {
            let advised = match &self.0 {
                Map::Anywhere(map) => map.advise(advice),
                Map::Aligned(map) => map.advise(advice as i32),
            };
            match advised {
                // Populating goes on where a signal has stopped it.
                Err(source) if source.kind() == std::io::ErrorKind::Interrupted => {}
                advised => return advised.map_err(|source| ShmError::Populate { bytes: self.len(), source }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::SharedObject;

    #[test]
    fn mappings_begin_where_they_are_asked_to() {
        for align in [64, 4096, 1 << 16, 1 << 21, 1 << 22] {
            let object = SharedObject::create("aligned", 3 * PAGE_BYTES).unwrap();
            let (writer, reader) = (object.map_writable_at(align).unwrap(), object.map_read_only_at(align).unwrap());
            for mapping in [&writer, &reader] {
                assert!(mapping.as_ptr().addr().is_multiple_of(align), "{align}");
                assert_eq!(mapping.len(), 3 * PAGE_BYTES);
            }
            writer.populate_write().unwrap();
            reader.populate_read().unwrap();
        }
    }

    #[test]
    fn nothing_is_left_of_an_aligned_mapping() {
        let mapped = || {
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            maps.lines().filter(|line| line.contains("gone-again")).count()
        };
        let object = SharedObject::create("gone-again", PAGE_BYTES).unwrap();
        let mapping = object.map_writable_at(1 << 21).unwrap();
        assert_eq!(mapped(), 1);
        drop(mapping);
        assert_eq!(mapped(), 0);
    }
}
