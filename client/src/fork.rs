//! Which process this is: the one that opened a subscription, or a forked child of it.
//!
//! A child has its parent's objects and descriptors but must not use them: the consumer page is not mapped in it, what it
//! sends would speak for the parent, and its parent's holds do not cover what it reads. So everything that could touch
//! them compares a number first that every fork raises in the child.
//!
//! Public for libraries that put this one behind handles of their own, which a child must not use either.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;

use crate::{Error, Result};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// The process that made an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u32);

impl Generation {
    /// This process.
    ///
    /// # Errors
    /// [`Error::System`] where forks cannot be watched.
    pub fn current() -> Result<Self> {
        static WATCHED: OnceLock<i32> = OnceLock::new();
        match *WATCHED.get_or_init(watch_forks) {
            0 => Ok(Self(GENERATION.load(Ordering::Relaxed))),
            errno => Err(Error::System { what: "watch for forks", source: Errno::from_raw(errno) }),
        }
    }

    /// Whether it is still this process.
    #[must_use]
    pub fn is_current(self) -> bool {
        // Relaxed: the number only changes in a child before any of its code runs.
        self.0 == GENERATION.load(Ordering::Relaxed)
    }

    /// An error in a forked child.
    ///
    /// # Errors
    /// [`Error::Forked`].
    pub fn check(self) -> Result<()> {
        if self.is_current() { Ok(()) } else { Err(Error::Forked) }
    }

    /// Forks that lie between the process that called this library first and this one: no two processes in a line of
    /// descent have the same number.
    #[must_use]
    pub fn forks(self) -> u32 {
        self.0
    }
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "fork handlers have no safe interface")]
fn watch_forks() -> i32 {
    // SAFETY: the handler is a function of this library with the signature the call asks for, and does nothing in the
    // child but raise an atomic, which any context may.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) }
}
