//! Which frames of several streams belong together. Pure: keys and times are passed in.
//!
//! Each stream has a queue of frames in the order of their keys. The frames at the heads belong together if their keys are no
//! further apart than the tolerance. If they are, those with the smallest keys have no partner in the stream with the largest,
//! whose earlier frames are gone already: they are let go, as an incomplete set. Where a queue is empty, the others wait for
//! it: until their patience is over, or one of them can hold no more. The last frame that a stream can hold waits all the same:
//! who keeps many, or may hold one only, gets sets of frames that do not come at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Frames that belong together, a place for each stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched<T> {
    /// In the order of the streams; `None` where a stream has none.
    pub members: Vec<Option<T>>,
    /// Between the smallest and the largest key.
    pub skew: u64,
}

/// How a stream is, beside what is in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Frames may come.
    Open,
    /// It can hold no more until one of its frames is let go.
    Full,
    /// None will come for now: it is offline or has ended.
    Silent,
}

/// The queues.
#[derive(Debug)]
pub struct Matcher<T> {
    tolerance: u64,
    patience: Duration,
    queues: Vec<VecDeque<Waiting<T>>>,
    /// Frames that came since the last set that was handed out, and how far apart those were that might have been one.
    since_last: Unmatched,
}

/// Frames that came and belong to no set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unmatched {
    pub frames: u64,
    /// How far apart the nearest were, where every stream had one.
    pub nearest: Option<u64>,
}

#[derive(Debug)]
struct Waiting<T> {
    key: u64,
    since: Instant,
    frame: T,
}

impl<T> Matcher<T> {
    /// For so many streams.
    pub fn new(streams: usize, tolerance: u64, patience: Duration) -> Self {
        let queues = std::iter::repeat_with(VecDeque::new).take(streams).collect();
        Self { tolerance, patience, queues, since_last: Unmatched::default() }
    }

    /// How long frames wait for others from now on.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// A stream's next frame. One whose key is not above that of the frame before belongs to another count: those before it
    /// are returned, since nothing can be compared with them any more.
    pub fn push(&mut self, stream: usize, key: u64, now: Instant, frame: T) -> Vec<T> {
        let Some(queue) = self.queues.get_mut(stream) else { return Vec::new() };
        let begins_anew = queue.back().is_some_and(|last| last.key >= key);
        let outdated = if begins_anew { queue.drain(..).map(|waiting| waiting.frame).collect() } else { Vec::new() };
        queue.push_back(Waiting { key, since: now, frame });
        self.since_last.frames += 1;
        outdated
    }

    /// The next set that is decided, if one is. `outlook` is that of each stream.
    pub fn next(&mut self, now: Instant, outlook: &[Outlook]) -> Option<Matched<T>> {
        let lowest = self.queues.iter().filter_map(VecDeque::front).map(|head| head.key).min()?;
        let all_are_there = self.queues.iter().all(|queue| !queue.is_empty());
        if all_are_there {
            let highest = self.queues.iter().filter_map(VecDeque::front).map(|head| head.key).max()?;
            let apart = highest.saturating_sub(lowest);
            self.since_last.nearest = Some(self.since_last.nearest.map_or(apart, |nearest| nearest.min(apart)));
        }
        let decided = all_are_there || self.is_given_up(now, outlook);
        decided.then(|| self.take_up_to(lowest.saturating_add(self.tolerance)))
    }

    /// When an undecided set is given up, unless something happens before.
    pub fn decides_at(&self) -> Option<Instant> {
        let oldest = self.queues.iter().filter_map(|queue| queue.front().map(|head| head.since)).min()?;
        oldest.checked_add(self.patience)
    }

    /// What has come since the last set that was handed out.
    pub fn since_last(&self) -> Unmatched {
        self.since_last
    }

    /// A set is handed out: what comes from here on is counted anew, and what waits.
    pub fn count_anew(&mut self) {
        let waiting: usize = self.queues.iter().map(VecDeque::len).sum();
        self.since_last = Unmatched { frames: waiting as u64, nearest: None };
    }

    /// Frames of one stream that wait.
    pub fn waiting(&self, stream: usize) -> usize {
        self.queues.get(stream).map_or(0, VecDeque::len)
    }

    /// Whether those whose queue is empty are no longer waited for.
    fn is_given_up(&self, now: Instant, outlook: &[Outlook]) -> bool {
        let streams = || self.queues.iter().zip(outlook);
        let is_awaited = streams().any(|(queue, outlook)| queue.is_empty() && *outlook != Outlook::Silent);
        let cannot_wait = streams().any(|(queue, outlook)| queue.len() > 1 && *outlook == Outlook::Full);
        !is_awaited || cannot_wait || self.decides_at().is_some_and(|at| now >= at)
    }

    fn take_up_to(&mut self, bound: u64) -> Matched<T> {
        let (mut lowest, mut highest) = (u64::MAX, 0);
        let take = |queue: &mut VecDeque<Waiting<T>>| {
            queue.front().filter(|head| head.key <= bound)?;
            let waiting = queue.pop_front()?;
            lowest = lowest.min(waiting.key);
            highest = highest.max(waiting.key);
            Some(waiting.frame)
        };
        let members = self.queues.iter_mut().map(take).collect();
        Matched { members, skew: highest.saturating_sub(lowest) }
    }
}

#[cfg(test)]
#[path = "matcher_tests.rs"]
mod tests;
