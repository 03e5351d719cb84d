//! Where the pages of a mapping lie: locked in memory, on one NUMA node.
#![expect(unsafe_code, reason = "mlock and mbind have no safe interface for memory reached by pointer")]

use std::io::{Error, Result};

use super::mapping::Mapping;

/// Allocate on the given nodes and nowhere else (linux/mempolicy.h).
const MPOL_BIND: libc::c_ulong = 2;
/// The highest node number that is passed on.
const MAX_NODE: u32 = 1023;
const WORD_BITS: u32 = libc::c_ulong::BITS;

impl Mapping {
    /// Keeps every page in memory from now on: none is swapped out.
    ///
    /// # Errors
    /// What the kernel answers: `ENOMEM` or `EPERM` where `RLIMIT_MEMLOCK` forbids it.
    pub fn lock(&self) -> Result<()> {
        // SAFETY: the range is the mapping, which outlives the call; locking changes no byte of it.
        let done = unsafe { libc::mlock2(self.as_ptr().cast(), self.len(), 0) };
        if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
    }

    /// Has the pages that do not exist yet allocated on this NUMA node only.
    ///
    /// # Errors
    /// What the kernel answers: `EINVAL` where there is no such node.
    pub fn bind_to_node(&self, node: u32) -> Result<()> {
        let mut mask = [0 as libc::c_ulong; (MAX_NODE / WORD_BITS + 1) as usize];
        let word = mask.get_mut((node / WORD_BITS) as usize).ok_or_else(|| Error::from_raw_os_error(libc::EINVAL))?;
        *word |= 1 << (node % WORD_BITS);
        // The kernel reads one bit less than it is told.
        let bits = libc::c_ulong::from(MAX_NODE) + 2;
        let (start, len, no_flags) = (self.as_mut_ptr(), self.len(), 0 as libc::c_ulong);
        // SAFETY: the range is the mapping, the mask has as many bits as stated, both outlive the call; a policy changes no
        // byte.
        let done = unsafe { libc::syscall(libc::SYS_mbind, start, len, MPOL_BIND, mask.as_ptr(), bits, no_flags) };
        if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
    }
}
