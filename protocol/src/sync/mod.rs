//! The one place that chooses between the machine's atomics and loom's model of them.
//!
//! Everything lock-free in this crate takes its atomics from here, so that the model checker sees every access. Two things
//! go beyond `std`: [`load_acquire`] works on memory mapped read-only (only relaxed loads are certain to, so it is a
//! relaxed load and a fence), and [`FutexWord`] is an atomic that threads of other processes can sleep on.

#[cfg(not(loom))]
mod machine;
mod mailbox;
#[cfg(loom)]
mod model;

#[cfg(not(loom))]
pub use machine::{
    Arc, AtomicBool, AtomicPtr, AtomicU32, AtomicU64, FutexWord, Mutex, Ordering, fence, sleep, spin_loop,
};
#[cfg(loom)]
pub use model::{
    Arc, AtomicBool, AtomicPtr, AtomicU32, AtomicU64, FutexWord, Mutex, Ordering, fence, mutants, sleep, spin_loop,
};

pub use mailbox::Mailbox;

/// How a word is loaded in front of a fence. ThreadSanitizer sees no fences, and is used on writable memory only.
const BEFORE_FENCE: Ordering = if cfg!(thread_sanitizer) { Ordering::Acquire } else { Ordering::Relaxed };

/// An acquire load that is sound on memory this process cannot write.
#[cfg_attr(loom, track_caller)]
#[inline]
pub fn load_acquire(word: &AtomicU64) -> u64 {
    let value = word.load(BEFORE_FENCE);
    fence(Ordering::Acquire);
    value
}

/// [`load_acquire`] for 32-bit words.
#[cfg_attr(loom, track_caller)]
#[inline]
pub fn load_acquire_u32(word: &AtomicU32) -> u32 {
    let value = word.load(BEFORE_FENCE);
    fence(Ordering::Acquire);
    value
}
