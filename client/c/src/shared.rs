//! What is for one thread at a time: a subscription, a producer, a synced subscription. Another thread is told so and never waits.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

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

    /// A place for one, where every call finds it closed until it is filled.
    pub fn vacant(name: &'static str) -> Self {
        Self { name, value: Mutex::new(None) }
    }

    pub fn fill(&self, value: T) -> Result<(), Failure> {
        *self.lock()? = Some(value);
        Ok(())
    }

    /// Does something with it, however long that takes.
    pub fn with<R>(&self, run: impl FnOnce(&mut T) -> Result<R, Failure>) -> Result<R, Failure> {
        run(self.lock()?.as_mut().ok_or_else(|| self.closed())?)
    }

    /// Takes it out, to be closed; nothing if another thread was faster.
    pub fn take(&self) -> Result<Option<T>, Failure> {
        Ok(self.lock()?.take())
    }

    /// Takes all of them out, or none: where one is in use or closed, that is the error.
    pub fn take_all(all: &[Arc<Self>]) -> Result<Vec<T>, Failure> {
        let mut guards = all.iter().map(|shared| shared.lock()).collect::<Result<Vec<_>, _>>()?;
        if let Some((shared, _)) = all.iter().zip(&guards).find(|(_, guard)| guard.is_none()) {
            return Err(shared.closed());
        }
        Ok(guards.iter_mut().filter_map(|guard| guard.take()).collect())
    }

    /// For what was closed between the look-up and the lock.
    fn closed(&self) -> Failure {
        Failure::new(fb_status::FB_ERROR_HANDLE, format!("this {} was closed", self.name))
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
