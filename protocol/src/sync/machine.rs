//! The machine's own atomics, and futexes on words that processes share.

pub use std::hint::spin_loop;
#[cfg(not(thread_sanitizer))]
pub use std::sync::atomic::fence;
pub use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
pub use std::sync::{Arc, Mutex};
pub use std::thread::sleep;
use std::time::Duration;

/// A fence that ThreadSanitizer sees: an operation on a word that all threads share. It orders more than a fence does.
#[cfg(thread_sanitizer)]
pub fn fence(_order: Ordering) {
    static WORD: AtomicU32 = AtomicU32::new(0);
    WORD.fetch_add(1, Ordering::SeqCst);
}

/// A 32-bit word that threads of several processes can sleep on until it changes and they are woken.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct FutexWord(AtomicU32);

impl FutexWord {
    /// The word itself.
    #[inline]
    pub fn word(&self) -> &AtomicU32 {
        &self.0
    }

    /// Sleeps while the word is `expected`, until woken or `timeout` has passed. It may also return for no reason. True if
    /// it slept and was woken.
    pub fn wait(&self, expected: u32, timeout: Duration) -> bool {
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
        };
        futex(&self.0, libc::FUTEX_WAIT, expected, Some(&timeout)) == 0
    }

    /// Wakes every thread that sleeps on the word. Works on memory mapped read-only.
    pub fn wake_all(&self) {
        futex(&self.0, libc::FUTEX_WAKE, i32::MAX.unsigned_abs(), None);
    }
}

/// One futex call, and the kernel's answer. A waiter looks again whatever the reason it returned for, and a wake of no
/// sleepers is as good as one of many.
#[expect(unsafe_code, reason = "futexes have no safe interface in libc")]
fn futex(word: &AtomicU32, operation: libc::c_int, value: u32, timeout: Option<&libc::timespec>) -> libc::c_long {
    let timeout = timeout.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `word` is a live, aligned 32-bit word for the whole call (it is borrowed); the kernel only reads it for
    // FUTEX_WAIT and FUTEX_WAKE; `timeout` is null or points to a timespec that outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, timeout, std::ptr::null::<u32>(), 0u32) }
}
