//! One subscription, set of them or producer, many threads: they take turns.
//!
//! Whoever has the turn has it out, and may wait with it for as long as it likes. What others want to know
//! meanwhile they read off the last [`Status`], which a waiting thread renews several times a second. No lock is held for
//! longer than it takes to move a pointer, and none while Python code runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use framebroker_client::fork::Generation;
use framebroker_client::{BrokerId, Counters, Policy, Producer, StreamState, Subscription};
use pyo3::prelude::*;

use crate::error::{ClosedError, JoinedError, raised};

/// How often a thread that waits for its turn looks for signals.
const SLICE: Duration = Duration::from_millis(50);

/// What threads take turns with.
pub trait Shared: Send {
    /// What can be asked of it at any time.
    type Status: Clone + Send;
    /// What it is called.
    const WHAT: &'static str;
    /// As it is now.
    fn status(&self) -> Self::Status;
}

/// What can be asked of a subscription at any time.
#[derive(Debug, Clone)]
pub struct Status {
    pub counters: Counters,
    pub state: StreamState,
    pub policy: Policy,
    pub offline_reason: Option<String>,
    pub demotion_reason: Option<String>,
    pub reconnects: u64,
    pub broker: BrokerId,
}

impl Shared for Subscription {
    type Status = Status;
    const WHAT: &'static str = "subscription";

    fn status(&self) -> Status {
        Status {
            counters: self.counters(),
            state: self.state(),
            policy: self.policy(),
            offline_reason: self.offline_reason().map(str::to_owned),
            demotion_reason: self.demotion_reason().map(str::to_owned),
            reconnects: self.reconnects(),
            broker: self.broker_id(),
        }
    }
}

impl Shared for Producer {
    /// The sequence its frames begin with.
    type Status = u64;
    const WHAT: &'static str = "producer";

    fn status(&self) -> u64 {
        self.first_sequence().0
    }
}

enum Place<T> {
    Free(Box<T>),
    Taken,
    /// For good, by [`Turn::join`].
    Joined,
    Closed,
}

struct Inner<T: Shared> {
    place: Place<T>,
    /// As of the last look.
    status: T::Status,
}

/// A subscription, set of them or producer that threads take turns with.
pub struct Turns<T: Shared> {
    inner: Mutex<Inner<T>>,
    freed: Condvar,
    is_closing: AtomicBool,
    generation: Generation,
}

/// The turn. Dropping it lets the next thread have it.
pub struct Turn<'a, T: Shared> {
    turns: &'a Turns<T>,
    taken: Option<Box<T>>,
}

impl<T: Shared> Turns<T> {
    /// # Errors
    /// Where forks cannot be watched.
    pub fn new(shared: T) -> PyResult<Self> {
        let status = shared.status();
        Ok(Self {
            inner: Mutex::new(Inner { place: Place::Free(Box::new(shared)), status }),
            freed: Condvar::new(),
            is_closing: AtomicBool::new(false),
            generation: Generation::current().map_err(|error| raised(&error))?,
        })
    }

    /// Waits for the turn until the deadline; `None` if it did not come by then.
    ///
    /// # Errors
    /// In a forked child, after [`Self::close`] or [`Turn::join`], and what a signal handler raises.
    pub fn take(&self, py: Python<'_>, deadline: Option<Instant>) -> PyResult<Option<Turn<'_, T>>> {
        loop {
            self.check()?;
            if let Some(turn) = py.detach(|| self.take_within(deadline)) {
                return Ok(Some(turn));
            }
            py.check_signals()?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
        }
    }

    /// Whether a turn can be had, now or later.
    ///
    /// # Errors
    /// In a forked child, after [`Self::close`] or [`Turn::join`].
    pub fn check(&self) -> PyResult<()> {
        self.check_process()?;
        if self.is_closing() {
            return Err(closed::<T>());
        }
        if matches!(self.inner().place, Place::Joined) {
            return Err(joined::<T>());
        }
        Ok(())
    }

    /// # Errors
    /// In a forked child. To be asked before any lock: there another thread of the parent may seem to have it for ever.
    pub fn check_process(&self) -> PyResult<()> {
        self.generation.check().map_err(|error| raised(&error))
    }

    fn take_within(&self, deadline: Option<Instant>) -> Option<Turn<'_, T>> {
        let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()).min(SLICE));
        let mut inner = self.inner();
        if !matches!(inner.place, Place::Free(_)) && !left.is_zero() {
            inner = self.freed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        match std::mem::replace(&mut inner.place, Place::Taken) {
            Place::Free(shared) => {
                inner.status = shared.status();
                Some(Turn { turns: self, taken: Some(shared) })
            }
            other => {
                inner.place = other;
                None
            }
        }
    }

    /// What it says now; while a thread has the turn, what it said some moments ago.
    ///
    /// # Errors
    /// In a forked child.
    pub fn status(&self) -> PyResult<T::Status> {
        self.check_process()?;
        let mut inner = self.inner();
        if let Place::Free(shared) = &inner.place {
            inner.status = shared.status();
        }
        Ok(inner.status.clone())
    }

    /// Says how things are while the turn goes on.
    pub fn renew(&self, shared: &T) {
        self.inner().status = shared.status();
    }

    /// Ends it; at once, or when the turn that is taken ends, which it is told to.
    pub fn close(&self, py: Python<'_>) {
        if !self.generation.is_current() {
            return;
        }
        self.is_closing.store(true, Ordering::Relaxed);
        let mut inner = self.inner();
        if let Place::Free(shared) = &inner.place {
            inner.status = shared.status();
            let place = std::mem::replace(&mut inner.place, Place::Closed);
            drop(inner);
            py.detach(|| drop(place));
        }
    }

    /// Whether [`Self::close`] was called. The lock is what orders everything else about it.
    pub fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    fn inner(&self) -> MutexGuard<'_, Inner<T>> {
        // Only whole values are moved in and out.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Shared> Turn<'_, T> {
    /// What the turn is about.
    pub fn taken(&mut self) -> PyResult<&mut T> {
        self.taken.as_deref_mut().ok_or_else(closed::<T>)
    }

    /// Takes it away for good, to be joined with others.
    pub fn join(mut self) -> PyResult<T> {
        let shared = self.taken.take().ok_or_else(closed::<T>)?;
        self.turns.inner().place = Place::Joined;
        Ok(*shared)
    }
}

impl<T: Shared> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let Some(shared) = self.taken.take() else { return };
        let mut inner = self.turns.inner();
        inner.status = shared.status();
        if self.turns.is_closing() {
            inner.place = Place::Closed;
            drop(inner);
            drop(shared);
        } else {
            inner.place = Place::Free(shared);
            drop(inner);
        }
        self.turns.freed.notify_one();
    }
}

/// What is raised after `close()`.
pub fn closed<T: Shared>() -> PyErr {
    ClosedError::new_err(format!("this {} was closed by this program", T::WHAT))
}

/// What is raised after [`Turn::join`].
fn joined<T: Shared>() -> PyErr {
    JoinedError::new_err(format!("this {} was joined with others: ask the SyncedSubscription for its frames", T::WHAT))
}
