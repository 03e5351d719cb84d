//! What is for one thread at a time: a subscription, a producer. Another thread is told so and never waits.

use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::status::{Failure, fb_status};

/// Such a thing, until it is closed.
#[derive(Debug)]
pub struct Shared<T> {
    /// What it is called in errors.
    name: &'static str,
    value: Mutex<Option<T>>,
}

impl<T> Shared<T> {
    pub fn new(name: &'static str, value: T) -> Self {
        Self { name, value: Mutex::new(Some(value)) }
    }

    /// Does something with it, however long that takes.
    pub fn with<R>(&self, run: impl FnOnce(&mut T) -> Result<R, Failure>) -> Result<R, Failure> {
        let mut guard = self.lock()?;
        // Closed between the look-up and the lock.
        let closed = || Failure::new(fb_status::FB_ERROR_HANDLE, format!("this {} was closed", self.name));
        run(guard.as_mut().ok_or_else(closed)?)
    }

    /// Takes it out, to be closed; nothing if another thread was faster.
    pub fn take(&self) -> Result<Option<T>, Failure> {
        Ok(self.lock()?.take())
    }

    fn lock(&self) -> Result<MutexGuard<'_, Option<T>>, Failure> {
        match self.value.try_lock() {
            Ok(guard) => Ok(guard),
            // A panic in a call before this one was reported there.
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => Err(Failure::new(
                fb_status::FB_ERROR_BUSY,
                format!("another thread is in a call on this {0}: a {0} is for one thread at a time", self.name),
            )),
        }
    }
}
