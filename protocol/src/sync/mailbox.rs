//! A place where one thread leaves the newest value for another. Neither waits for the other, as it might with a lock whose holder
//! has lost its processor.

use std::marker::PhantomData;

use super::{Arc, AtomicPtr, Ordering};

/// Holds what was left last, until it is taken.
#[derive(Debug)]
pub struct Mailbox<T> {
    /// From [`Arc::into_raw`], or null. Who swaps it out owns that reference.
    newest: AtomicPtr<T>,
    /// What is left here goes from thread to thread.
    owns: PhantomData<Arc<T>>,
}

impl<T> Mailbox<T> {
    /// Leaves a value. Returns the one before, if nobody has taken it.
    pub fn leave(&self, value: Arc<T>) -> Option<Arc<T>> {
        // Publishes the value to `take`. What comes back was left here by this side.
        owned(self.newest.swap(Arc::into_raw(value).cast_mut(), Ordering::Release))
    }

    /// Takes the newest value, if it was not taken yet.
    pub fn take(&self) -> Option<Arc<T>> {
        // Relaxed: a look that costs no exchange where there is nothing.
        if self.newest.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Pairs with the exchange in `leave`: the value is seen.
        owned(self.newest.swap(std::ptr::null_mut(), Ordering::Acquire))
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self { newest: AtomicPtr::new(std::ptr::null_mut()), owns: PhantomData }
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// The reference that was swapped out.
#[expect(unsafe_code, reason = "an Arc crosses between threads as a pointer")]
fn owned<T>(swapped_out: *mut T) -> Option<Arc<T>> {
    // SAFETY: what is not null came from `Arc::into_raw` in `leave`, and each such pointer is swapped out once: so this is the one
    // value made of that reference.
    (!swapped_out.is_null()).then(|| unsafe { Arc::from_raw(swapped_out) })
}
