//! Which frames a subscription has out, and which line of the program took each.

use std::sync::{Arc, Mutex, PoisonError};

use framebroker_client::ContextId;
use framebroker_client::fork::Generation;
use pyo3::prelude::*;

use crate::error::raised;

/// A line of a program. Cheap to note: text is made of it only when someone asks.
#[derive(Debug)]
pub struct Place {
    code: Py<PyAny>,
    line: Py<PyAny>,
}

/// The frames that a subscription has out.
#[derive(Debug, Clone)]
pub struct Ledger {
    lines: Arc<Mutex<Lines>>,
    generation: Generation,
}

type Lines = Vec<(ContextId, Arc<Place>)>;

/// A frame in the ledger. Strikes itself off when dropped.
#[derive(Debug)]
pub struct Entry {
    ledger: Ledger,
    place: Arc<Place>,
}

impl Place {
    /// The line that a Python frame (of the interpreter, not of a camera) is at.
    pub fn of(frame: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self { code: frame.getattr("f_code")?.unbind(), line: frame.getattr("f_lineno")?.unbind() })
    }

    /// The line of the program that has called into this library.
    pub fn here(py: Python<'_>) -> PyResult<Self> {
        Self::of(&py.import("sys")?.call_method0("_getframe")?)
    }

    /// `file:line`.
    pub fn text(&self, py: Python<'_>) -> String {
        let file = self.code.bind(py).getattr("co_filename").map_or_else(|_| "?".to_owned(), |file| file.to_string());
        format!("{file}:{}", self.line.bind(py))
    }
}

impl Ledger {
    /// # Errors
    /// Where forks cannot be watched.
    pub fn new() -> PyResult<Self> {
        let generation = Generation::current().map_err(|error| raised(&error))?;
        Ok(Self { lines: Arc::default(), generation })
    }

    /// A frame has been taken, as the only one of this ledger by this line just now.
    pub fn enter(&self, context: ContextId, place: Arc<Place>) -> Entry {
        self.lines().push((context, Arc::clone(&place)));
        Entry { ledger: self.clone(), place }
    }

    /// Frames that are out.
    pub fn len(&self) -> usize {
        self.lines().len()
    }

    /// The frames that are out, each with its `file:line`.
    pub fn places(&self, py: Python<'_>) -> Vec<(u64, String)> {
        let lines = self.lines().clone();
        lines.iter().map(|(context, place)| (context.as_u64(), place.text(py))).collect()
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Lines> {
        // Whoever panicked with it left a whole list: it is changed by single calls.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Where the frame was taken.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if !self.ledger.generation.is_current() {
            // In a forked child another thread of the parent may seem to have the lock for ever.
            return;
        }
        let mut lines = self.ledger.lines();
        // The same frame may be out more than once.
        let struck = lines.iter().position(|(_, place)| Arc::ptr_eq(place, &self.place)).map(|at| lines.remove(at));
        // The code object that the line refers to is dropped outside the lock, for dropping it may run other code.
        drop(lines);
        drop(struck);
    }
}
