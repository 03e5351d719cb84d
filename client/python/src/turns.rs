//! One subscription, many threads: they take turns.
//!
//! Whoever has the turn has the subscription out, and may wait with it for as long as it likes. What others want to know
//! meanwhile they read off the last [`Status`], which a waiting thread renews several times a second. No lock is held for
//! longer than it takes to move a pointer, and none while Python code runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use framebroker_client::{BrokerId, Counters, Policy, StreamState, Subscription};
use pyo3::prelude::*;

use crate::error::ClosedError;
use crate::frame::check_process;

/// How often a thread that waits for its turn looks for signals.
const SLICE: Duration = Duration::from_millis(50);

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

impl Status {
    pub fn of(subscription: &Subscription) -> Self {
        Self {
            counters: subscription.counters(),
            state: subscription.state(),
            policy: subscription.policy(),
            offline_reason: subscription.offline_reason().map(str::to_owned),
            demotion_reason: subscription.demotion_reason().map(str::to_owned),
            reconnects: subscription.reconnects(),
            broker: subscription.broker_id(),
        }
    }
}

#[derive(Debug)]
enum Place {
    Free(Box<Subscription>),
    Taken,
    Closed,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    /// As of the last look.
    status: Status,
}

/// A subscription that threads take turns with.
#[derive(Debug)]
pub struct Turns {
    inner: Mutex<Inner>,
    freed: Condvar,
    is_closing: AtomicBool,
    process: u32,
}

/// The turn. Dropping it lets the next thread have it.
#[derive(Debug)]
pub struct Turn<'a> {
    turns: &'a Turns,
    subscription: Option<Box<Subscription>>,
}

impl Turns {
    pub fn new(subscription: Subscription) -> Self {
        let status = Status::of(&subscription);
        Self {
            inner: Mutex::new(Inner { place: Place::Free(Box::new(subscription)), status }),
            freed: Condvar::new(),
            is_closing: AtomicBool::new(false),
            process: std::process::id(),
        }
    }

    /// Waits for the turn until the deadline; `None` if it did not come by then.
    ///
    /// # Errors
    /// In a forked child, after [`Self::close`], and what a signal handler raises.
    pub fn take(&self, py: Python<'_>, deadline: Option<Instant>) -> PyResult<Option<Turn<'_>>> {
        check_process(self.process)?;
        loop {
            if self.is_closing() {
                return Err(closed());
            }
            if let Some(turn) = py.detach(|| self.take_within(deadline)) {
                return Ok(Some(turn));
            }
            py.check_signals()?;
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(None);
            }
        }
    }

    fn take_within(&self, deadline: Option<Instant>) -> Option<Turn<'_>> {
        let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()).min(SLICE));
        let mut inner = self.inner();
        if !matches!(inner.place, Place::Free(_)) && !left.is_zero() {
            inner = self.freed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        match std::mem::replace(&mut inner.place, Place::Taken) {
            Place::Free(subscription) => {
                inner.status = Status::of(&subscription);
                Some(Turn { turns: self, subscription: Some(subscription) })
            }
            other => {
                inner.place = other;
                None
            }
        }
    }

    /// What the subscription says now; while a thread has the turn, what it said some moments ago.
    ///
    /// # Errors
    /// In a forked child.
    pub fn status(&self) -> PyResult<Status> {
        check_process(self.process)?;
        let mut inner = self.inner();
        if let Place::Free(subscription) = &inner.place {
            inner.status = Status::of(subscription);
        }
        Ok(inner.status.clone())
    }

    /// Says how things are while the turn goes on.
    pub fn renew(&self, subscription: &Subscription) {
        self.inner().status = Status::of(subscription);
    }

    /// Ends the subscription; at once, or when the turn that is taken ends, which it is told to.
    pub fn close(&self, py: Python<'_>) {
        if check_process(self.process).is_err() {
            return;
        }
        self.is_closing.store(true, Ordering::Relaxed);
        let mut inner = self.inner();
        if let Place::Free(subscription) = &inner.place {
            inner.status = Status::of(subscription);
            let place = std::mem::replace(&mut inner.place, Place::Closed);
            drop(inner);
            py.detach(|| drop(place));
        }
    }

    /// Whether [`Self::close`] was called. The lock is what orders everything else about it.
    pub fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Only whole values are moved in and out.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The subscription.
    pub fn subscription(&mut self) -> PyResult<&mut Subscription> {
        self.subscription.as_deref_mut().ok_or_else(closed)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(subscription) = self.subscription.take() else { return };
        let mut inner = self.turns.inner();
        inner.status = Status::of(&subscription);
        if self.turns.is_closing() {
            inner.place = Place::Closed;
            drop(inner);
            drop(subscription);
        } else {
            inner.place = Place::Free(subscription);
            drop(inner);
        }
        self.turns.freed.notify_one();
    }
}

/// What is raised after `close()`.
pub fn closed() -> PyErr {
    ClosedError::new_err("this subscription was closed by this program")
}
