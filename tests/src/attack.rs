//! Every way to write an object that a process was only given to read.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};

/// Tries them all; returns those that worked. An object that is sealed as it should be leaves none.
///
/// # Panics
/// When the descriptor cannot even be read.
#[must_use]
pub fn ways_to_write(fd: &OwnedFd, len: usize) -> Vec<&'static str> {
    let mut worked = Vec::new();
    let mut record = |way: &'static str, done: bool| {
        if done {
            worked.push(way);
        }
    };
    record("mmap", mapped(fd.as_fd(), len, libc::PROT_READ | libc::PROT_WRITE).is_some());
    record("mprotect", mprotect(fd.as_fd(), len));
    record("remove pages (MADV_REMOVE)", madvise_remove(fd.as_fd(), len));
    record("write", write(fd.as_fd()));
    record("truncate", file(fd.as_fd()).set_len(0).is_ok());
    record("extend", file(fd.as_fd()).set_len(len as u64 * 2).is_ok());
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    record("punch a hole", fallocate(fd, punch, 0, 4096).is_ok());
    record("zero a range", fallocate(fd, FallocateFlags::FALLOC_FL_ZERO_RANGE, 0, 4096).is_ok());
    record("add a seal", fcntl(fd, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)).is_ok());
    if let Ok(again) = OpenOptions::new().read(true).write(true).open(format!("/proc/self/fd/{}", fd.as_raw_fd())) {
        record("write after opening again", write(again.as_fd()));
        record("mmap after opening again", mapped(again.as_fd(), len, libc::PROT_READ | libc::PROT_WRITE).is_some());
        record("truncate after opening again", again.set_len(0).is_ok());
        record("punch a hole after opening again", fallocate(&again, punch, 0, 4096).is_ok());
    }
    let _truncating = OpenOptions::new().write(true).truncate(true).open(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let size = file(fd.as_fd()).metadata().expect("the object's size").len();
    record("truncate while opening again", size != len as u64);
    worked
}

fn file(fd: BorrowedFd<'_>) -> File {
    File::from(fd.try_clone_to_owned().expect("a second descriptor"))
}

fn write(fd: BorrowedFd<'_>) -> bool {
    file(fd).write_at(&[0xEE], 0).is_ok()
}

/// A shared mapping that is unmapped when dropped.
struct Map(*mut libc::c_void, usize);

impl Drop for Map {
    #[expect(unsafe_code, reason = "attacks are raw system calls")]
    fn drop(&mut self) {
        // SAFETY: this mapping was made by `mapped` and nothing else refers to it.
        unsafe { libc::munmap(self.0, self.1) };
    }
}

#[expect(unsafe_code, reason = "attacks are raw system calls")]
fn mapped(fd: BorrowedFd<'_>, len: usize, protection: i32) -> Option<Map> {
    // SAFETY: the kernel chooses a free address.
    let address = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, fd.as_raw_fd(), 0) };
    (address != libc::MAP_FAILED).then_some(Map(address, len))
}

#[expect(unsafe_code, reason = "attacks are raw system calls")]
fn mprotect(fd: BorrowedFd<'_>, len: usize) -> bool {
    let Some(map) = mapped(fd, len, libc::PROT_READ) else { return false };
    // SAFETY: `map` is ours alone.
    unsafe { libc::mprotect(map.0, len, libc::PROT_READ | libc::PROT_WRITE) == 0 }
}

#[expect(unsafe_code, reason = "attacks are raw system calls")]
fn madvise_remove(fd: BorrowedFd<'_>, len: usize) -> bool {
    let Some(map) = mapped(fd, len, libc::PROT_READ) else { return false };
    // SAFETY: `map` is ours alone, and nothing reads it.
    unsafe { libc::madvise(map.0, len, libc::MADV_REMOVE) == 0 }
}
