//! Handles: what a program gets for a broker, a subscription, a frame and whatever else it must end.
//!
//! A handle looks like a pointer in C, so that the compiler tells the kinds apart, but it is a number:
//!
//! ```text
//! generation of the place (32) | process (8) | place in the table (20) | kind (4)
//! ```
//!
//! Rules: a handle is looked up before anything is done with it. A place gets a new generation whenever it becomes vacant,
//! and is left unused for ever when its generations run out, so a handle that was given up never names anything again. A
//! forked child has tables of its own and never locks its parent's, which another thread may have held when it was forked.
//!
//! Taking a place and leaving it allocates nothing, unless more are taken than ever before.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use framebroker_client::fork::Generation;
use framebroker_client::{Blank, Broker, Feature, Frame, Producer, Subscription, SyncedSubscription};

use crate::shared::Shared;
use crate::status::{Failure, fb_status};

const KIND_BITS: u32 = 4;
const PLACE_BITS: u32 = 20;
const PROCESS_BITS: u32 = 8;
const GENERATION_BITS: u32 = 64 - KIND_BITS - PLACE_BITS - PROCESS_BITS;
const LAST_GENERATION: u64 = (1 << GENERATION_BITS) - 1;
/// Forks of forked children that are told apart.
const PROCESSES: usize = 1 << PROCESS_BITS;

/// The tables of one process.
#[derive(Debug)]
pub struct Tables {
    pub brokers: Table<Arc<Broker>>,
    pub subscriptions: Table<Arc<Shared<Subscription>>>,
    pub frames: Table<Frame>,
    pub producers: Table<Arc<Shared<Producer>>>,
    pub blanks: Table<Blank>,
    pub features: Table<Arc<Vec<Feature>>>,
    pub synced: Table<Arc<Shared<SyncedSubscription>>>,
}

/// Everything of one kind that a process has.
#[derive(Debug)]
pub struct Table<T> {
    kind: Kind,
    process: u64,
    places: Mutex<Places<T>>,
}

/// What a handle is for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Broker = 1,
    Subscription = 2,
    Frame = 3,
    Producer = 4,
    Blank = 5,
    Features = 6,
    Synced = 7,
}

#[derive(Debug)]
struct Places<T> {
    places: Vec<Place<T>>,
    /// The first of a list of vacant places.
    vacant: Option<usize>,
}

#[derive(Debug)]
struct Place<T> {
    generation: u64,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Taken(T),
    Vacant { next: Option<usize> },
}

/// The parts of a handle's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    generation: u64,
    process: u64,
    place: usize,
    kind: u64,
}

/// The tables of this process.
pub fn tables() -> Result<&'static Tables, Failure> {
    static TABLES: [OnceLock<Box<Tables>>; PROCESSES] = [const { OnceLock::new() }; PROCESSES];
    let forks = Generation::current()?.forks();
    let process = usize::try_from(forks).unwrap_or(usize::MAX);
    let tables = TABLES.get(process).ok_or_else(|| {
        Failure::new(
            fb_status::FB_ERROR_FORKED,
            format!(
                "this process is the child of {forks} forks, more than can be told apart: start the program again (exec)"
            ),
        )
    })?;
    Ok(tables.get_or_init(|| Box::new(Tables::new(u64::from(forks)))))
}

impl Tables {
    fn new(process: u64) -> Self {
        Self {
            brokers: Table::new(Kind::Broker, process),
            subscriptions: Table::new(Kind::Subscription, process),
            frames: Table::new(Kind::Frame, process),
            producers: Table::new(Kind::Producer, process),
            blanks: Table::new(Kind::Blank, process),
            features: Table::new(Kind::Features, process),
            synced: Table::new(Kind::Synced, process),
        }
    }
}

impl<T> Table<T> {
    fn new(kind: Kind, process: u64) -> Self {
        Self { kind, process, places: Mutex::new(Places { places: Vec::new(), vacant: None }) }
    }

    /// Keeps a value; returns its handle.
    pub fn insert(&self, value: T) -> Result<usize, Failure> {
        let (place, generation) = self.lock().take(value)?;
        Ok(Parts { generation, process: self.process, place, kind: self.kind as u64 }.to_handle())
    }

    /// Does something with the value of a handle, briefly: all handles of this kind wait meanwhile.
    pub fn with<R>(&self, handle: usize, run: impl FnOnce(&mut T) -> R) -> Result<R, Failure> {
        let parts = self.parts(handle)?;
        self.lock().find(parts).map(run).ok_or_else(|| self.not_valid(handle))
    }

    /// Takes the value of a handle out; the handle names nothing any more.
    pub fn remove(&self, handle: usize) -> Result<T, Failure> {
        let parts = self.parts(handle)?;
        // What was taken out is dropped by the caller, when the lock is free again.
        let removed = self.lock().leave(parts);
        removed.ok_or_else(|| self.not_valid(handle))
    }

    fn parts(&self, handle: usize) -> Result<Parts, Failure> {
        let parts = Parts::from_handle(handle);
        if handle == 0 || parts.kind != self.kind as u64 {
            return Err(self.not_valid(handle));
        }
        // Only a parent's handles can be told: those of a child exist nowhere else.
        if parts.process != self.process {
            return Err(framebroker_client::Error::Forked.into());
        }
        Ok(parts)
    }

    fn not_valid(&self, handle: usize) -> Failure {
        let (name, over) = match self.kind {
            Kind::Broker => ("broker", "closed"),
            Kind::Subscription => ("subscription", "closed or taken over by fb_synchronise"),
            Kind::Frame => ("frame", "released"),
            Kind::Producer => ("producer", "closed"),
            Kind::Blank => ("blank", "published, kept or dropped"),
            Kind::Features => ("list of features", "closed"),
            Kind::Synced => ("synced subscription", "closed"),
        };
        let text = match handle {
            0 => format!("the {name} is NULL"),
            _ => format!("this is no {name}, or it was {over}"),
        };
        Failure::new(fb_status::FB_ERROR_HANDLE, text)
    }

    fn lock(&self) -> MutexGuard<'_, Places<T>> {
        // Nothing that is done under it leaves the list half changed.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Table<Arc<T>> {
    /// What a handle is for; kept while it is used, though another thread gives the handle up.
    pub fn find(&self, handle: usize) -> Result<Arc<T>, Failure> {
        self.with(handle, |value| Arc::clone(value))
    }
}

impl<T> Table<Arc<Shared<T>>> {
    /// Ends what is for one thread at a time; refused while another thread is in a call on it.
    pub fn close(&self, handle: usize) -> Result<(), Failure> {
        let taken = self.find(handle)?.take()?;
        self.remove(handle)?;
        drop(taken);
        Ok(())
    }
}

impl<T> Places<T> {
    fn take(&mut self, value: T) -> Result<(usize, u64), Failure> {
        let at = match self.vacant {
            Some(at) => at,
            None => self.grow()?,
        };
        let Some(Place { generation, content }) = self.places.get_mut(at) else { return Err(full()) };
        if let Content::Vacant { next } = *content {
            self.vacant = next;
        }
        *content = Content::Taken(value);
        Ok((at, *generation))
    }

    /// Adds a vacant place, the only one.
    fn grow(&mut self) -> Result<usize, Failure> {
        let at = self.places.len();
        if at >> PLACE_BITS != 0 {
            return Err(full());
        }
        self.places.push(Place { generation: 0, content: Content::Vacant { next: None } });
        Ok(at)
    }

    fn find(&mut self, parts: Parts) -> Option<&mut T> {
        match self.places.get_mut(parts.place)? {
            Place { generation, content: Content::Taken(value) } if *generation == parts.generation => Some(value),
            _ => None,
        }
    }

    fn leave(&mut self, parts: Parts) -> Option<T> {
        self.find(parts)?;
        let place = self.places.get_mut(parts.place)?;
        let is_used_up = place.generation == LAST_GENERATION;
        let next = if is_used_up { None } else { self.vacant };
        let Content::Taken(value) = std::mem::replace(&mut place.content, Content::Vacant { next }) else {
            return None;
        };
        if !is_used_up {
            place.generation += 1;
            self.vacant = Some(parts.place);
        }
        Some(value)
    }
}

fn full() -> Failure {
    Failure::new(fb_status::FB_ERROR_SYSTEM, "a million handles are open: release or close those that are not needed")
}

impl Parts {
    #[expect(clippy::cast_possible_truncation, reason = "the protocol demands a 64-bit host")]
    fn to_handle(self) -> usize {
        let process = (self.generation << PROCESS_BITS) | self.process;
        let place = (process << PLACE_BITS) | self.place as u64;
        ((place << KIND_BITS) | self.kind) as usize
    }

    #[expect(clippy::cast_possible_truncation, reason = "twenty bits")]
    fn from_handle(handle: usize) -> Self {
        let low = |value: u64, bits: u32| value & ((1 << bits) - 1);
        let handle = handle as u64;
        let kind = low(handle, KIND_BITS);
        let handle = handle >> KIND_BITS;
        let place = low(handle, PLACE_BITS) as usize;
        let handle = handle >> PLACE_BITS;
        Self { generation: handle >> PROCESS_BITS, process: low(handle, PROCESS_BITS), place, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<u32> {
        Table::new(Kind::Frame, 0)
    }

    fn status(result: Result<u32, Failure>) -> fb_status {
        result.unwrap_err().status
    }

    #[test]
    fn parts_survive_a_handle() {
        let last = (1 << PLACE_BITS) - 1;
        for (generation, process, place, kind) in [(0, 0, 0, 1), (LAST_GENERATION, 255, last, 15), (77, 3, 12, 2)] {
            let parts = Parts { generation, process, place, kind };
            assert_eq!(Parts::from_handle(parts.to_handle()), parts);
        }
    }

    #[test]
    fn a_handle_that_was_given_up_names_nothing_though_its_place_is_taken_again() {
        let table = table();
        let first = table.insert(1).unwrap();
        assert_eq!(table.remove(first).unwrap(), 1);
        let second = table.insert(2).unwrap();
        assert_eq!(Parts::from_handle(first).place, Parts::from_handle(second).place);
        assert_eq!(status(table.remove(first)), fb_status::FB_ERROR_HANDLE);
        assert_eq!(status(table.with(first, |value| *value)), fb_status::FB_ERROR_HANDLE);
        assert_eq!(table.with(second, |value| *value).unwrap(), 2);
    }

    #[test]
    fn nothing_another_kind_and_another_process_are_told_apart() {
        let table = table();
        let handle = table.insert(1).unwrap();
        let subscriptions: Table<u32> = Table::new(Kind::Subscription, 0);
        let child: Table<u32> = Table::new(Kind::Frame, 1);
        assert!(table.remove(0).unwrap_err().text.contains("NULL"));
        assert_eq!(status(subscriptions.remove(handle)), fb_status::FB_ERROR_HANDLE);
        assert_eq!(status(child.remove(handle)), fb_status::FB_ERROR_FORKED);
    }

    #[test]
    fn a_place_whose_generations_are_used_up_is_not_used_again() {
        let table = table();
        table.insert(1).unwrap();
        table.lock().places[0].generation = LAST_GENERATION;
        let last = Parts { generation: LAST_GENERATION, process: 0, place: 0, kind: Kind::Frame as u64 }.to_handle();
        assert_eq!(table.remove(last).unwrap(), 1);
        assert_eq!(Parts::from_handle(table.insert(2).unwrap()).place, 1);
        assert_eq!(status(table.remove(last)), fb_status::FB_ERROR_HANDLE);
    }

    #[test]
    fn vacant_places_are_used_before_the_table_grows() {
        let table = table();
        let handles: Vec<usize> = (0..100).map(|value| table.insert(value).unwrap()).collect();
        for handle in handles.iter().rev() {
            table.remove(*handle).unwrap();
        }
        for value in 0..100 {
            table.insert(value).unwrap();
        }
        assert_eq!(table.lock().places.len(), 100);
    }
}
