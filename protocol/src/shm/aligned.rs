//! Mappings at an address of the caller's alignment, which `mmap` itself promises only for pages.
//!
//! More address space than needed is reserved, the object is mapped over the aligned part of it, and what is left on both
//! sides is given back.
#![expect(unsafe_code, reason = "mmap at a chosen address has no safe interface")]

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null_mut;

/// A page of ordinary memory: any mapping begins at a multiple of this.
pub const PAGE_BYTES: usize = 4096;

/// A shared mapping at an aligned address.
#[derive(Debug)]
pub struct AlignedMap {
    start: *mut u8,
    len: usize,
}

// SAFETY: the value is an address and a length. Nothing here reads or writes what lies there but the kernel, whose calls
// may come from any thread; whoever dereferences the pointer argues for it there.
unsafe impl Send for AlignedMap {}
// SAFETY: as above; `&self` offers no more than the address, the length and madvise.
unsafe impl Sync for AlignedMap {}

impl AlignedMap {
    /// Maps for writing; `align` is a power of two and at least a page.
    pub fn writable(fd: BorrowedFd<'_>, len: usize, align: usize) -> Result<Self> {
        Self::map(fd, len, align, libc::PROT_READ | libc::PROT_WRITE)
    }

    /// Maps for reading; `align` is a power of two and at least a page.
    pub fn read_only(fd: BorrowedFd<'_>, len: usize, align: usize) -> Result<Self> {
        Self::map(fd, len, align, libc::PROT_READ)
    }

    fn map(fd: BorrowedFd<'_>, len: usize, align: usize, protection: i32) -> Result<Self> {
        debug_assert!(align.is_power_of_two());
        let too_large = || Error::from_raw_os_error(libc::ENOMEM);
        // Whole pages: what is trimmed begins and ends with one.
        let pages = len.checked_next_multiple_of(PAGE_BYTES).ok_or_else(too_large)?;
        let reserved = pages.checked_add(align).ok_or_else(too_large)?;
        let reserve = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
        let begin = unsafe { libc::mmap(null_mut(), reserved, libc::PROT_NONE, reserve, -1, 0) };
        if begin == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        let begin = begin.cast::<u8>();
        let before = begin.addr().next_multiple_of(align) - begin.addr();
        // At most align - 1 bytes lie before, so `pages` bytes follow within the reservation.
        let start = begin.wrapping_add(before);
        // SAFETY: MAP_FIXED replaces only `pages` bytes of the reservation made above, which nobody else knows.
        let mapped =
            unsafe { libc::mmap(start.cast(), len, protection, libc::MAP_SHARED | libc::MAP_FIXED, fd.as_raw_fd(), 0) };
        if mapped == libc::MAP_FAILED {
            let error = Error::last_os_error();
            unmap(begin, reserved);
            return Err(error);
        }
        unmap(begin, before);
        unmap(start.wrapping_add(pages), reserved - before - pages);
        Ok(Self { start, len })
    }

    /// Where the mapping begins.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.start
    }

    /// Bytes mapped.
    pub fn len(&self) -> usize {
        self.len
    }

    /// madvise for all of it; the advice must not change what the memory holds.
    pub fn advise(&self, advice: i32) -> Result<()> {
        // SAFETY: the range is this mapping, which lives as long as `self`; `Mapping` passes only populating and fork
        // advice, which leaves its bytes as they are.
        let done = unsafe { libc::madvise(self.start.cast(), self.len, advice) };
        if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
    }
}

impl Drop for AlignedMap {
    fn drop(&mut self) {
        unmap(self.start, self.len);
    }
}

/// Gives address space back. Whoever calls it owns the range, and nobody uses it any more.
fn unmap(start: *mut u8, len: usize) {
    if len > 0 {
        // SAFETY: only called for parts of a reservation made here and for the mapping of a value being dropped. It can
        // only fail for a range that is none.
        unsafe { libc::munmap(start.cast(), len) };
    }
}
