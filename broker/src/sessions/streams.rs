//! All streams of the broker, and the worker that makes their segments.

use std::time::Instant;

use framebroker_protocol::{StreamId, StreamName};

use crate::stream::admission::Verdict;
use crate::stream::served::Stream;
use crate::worker::Worker;

/// All streams.
#[derive(Debug)]
pub struct Streams {
    all: Vec<Stream>,
    worker: Worker,
}

impl Streams {
    pub fn new(all: Vec<Stream>, worker: Worker) -> Self {
        Self { all, worker }
    }

    pub fn into_all(self) -> Vec<Stream> {
        self.all
    }

    pub fn get(&self, id: StreamId) -> Option<&Stream> {
        self.all.iter().find(|stream| stream.id() == id)
    }

    /// A stream by its number, to be changed.
    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.all.iter_mut().find(|stream| stream.id() == id)
    }

    /// The number of the stream of this name.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub fn named(&self, name: &StreamName) -> Result<StreamId, String> {
        let found = self.all.iter().find(|stream| stream.name() == name);
        found.map(Stream::id).ok_or_else(|| {
            let known: Vec<&str> = self.all.iter().map(|stream| stream.name().as_str()).collect();
            format!("there is no stream \"{name}\"; there is {}", known.join(", "))
        })
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Stream> {
        self.all.iter()
    }

    /// All of them in their order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.all.iter_mut()
    }

    pub fn have_all_finished(&self) -> bool {
        self.all.iter().all(|stream| stream.life().finished().is_some())
    }

    /// Grants holds of a stream where there are or will be segments for them.
    pub fn grant(&mut self, id: StreamId, max_held: usize) -> Option<Verdict> {
        let Self { all, worker } = self;
        all.iter_mut().find(|stream| stream.id() == id).map(|stream| stream.grant(worker, max_held))
    }

    /// Orders segments in place of those that a stream has given up.
    pub fn restore(&mut self, id: StreamId) {
        let Self { all, worker } = self;
        all.iter_mut().filter(|stream| stream.id() == id).for_each(|stream| stream.restore(worker));
    }

    /// The same for all: a process that has ended owes nothing any more.
    pub fn restore_all(&mut self) {
        let Self { all, worker } = self;
        all.iter_mut().for_each(|stream| stream.restore(worker));
    }

    /// The grab thread of a stream has made room for other segments, or has found none.
    pub fn made_room(&mut self, id: StreamId, has_made_room: bool) {
        let Self { all, worker } = self;
        let stream = all.iter_mut().find(|stream| stream.id() == id);
        stream.into_iter().for_each(|stream| stream.made_room(worker, has_made_room));
    }

    /// Does what is due; returns when to look again, if nothing happens before.
    pub fn pass_time(&mut self, now: Instant) -> Option<Instant> {
        self.all.iter_mut().filter_map(|stream| stream.pass_time(now)).min()
    }

    /// Closes those that have ended while others go on and whose readers have taken the last frames. True if there were any.
    pub fn close_drained(&mut self, now: Instant) -> bool {
        self.all.iter_mut().filter_map(|stream| stream.close_if_drained(now).then_some(())).count() > 0
    }
}
