//! Frames by message: the broker takes them from the ring, and is told when they are given back.

use std::collections::VecDeque;
use std::sync::Arc;

use framebroker_protocol::message::Policy;
use framebroker_protocol::{Backing, ContextId, Counters, FrameHeader, HOLD_LIMIT, Sequence};

use crate::connection::{Connection, Held};
use crate::error::Violation;
use crate::frame::Claimed;
use crate::{Error, Result};

/// Frames that have come and wait to be taken.
#[derive(Debug)]
pub struct BySocket {
    queue: VecDeque<Claimed>,
    tally: Tally,
    max_held: u32,
}

impl BySocket {
    pub fn new(policy: Policy, first: Sequence, max_held: u32) -> Self {
        Self { queue: VecDeque::new(), tally: Tally::new(policy, first), max_held }
    }

    /// A frame has come.
    pub fn put(
        &mut self,
        connection: &Arc<Connection>,
        backing: Backing,
        header: FrameHeader,
    ) -> Result<(), Violation> {
        if self.queue.len() >= HOLD_LIMIT {
            return Err(Violation::Unexpected("more frames than may be held"));
        }
        self.queue.push_back(claimed(connection, backing, header)?);
        Ok(())
    }

    /// The next frame, if there is one. `held` is what the caller holds.
    pub fn take(&mut self, held: u32) -> Result<Option<Claimed>> {
        if held >= self.max_held {
            return Err(Error::Full { max_held: self.max_held });
        }
        if self.tally.policy == Policy::Latest {
            self.keep_newest();
        }
        let taken = self.queue.pop_front();
        if let Some(claimed) = &taken {
            self.tally.take(claimed.context.sequence());
        }
        Ok(taken)
    }

    /// Gives back what waits: only frames published from now on are wanted.
    pub fn skip(&mut self) {
        self.queue.clear();
    }

    fn keep_newest(&mut self) {
        let older = self.queue.len().saturating_sub(1);
        self.queue.drain(..older);
    }

    /// Takes one certain frame out of the queue.
    pub fn take_context(&mut self, context: ContextId) -> Option<Claimed> {
        let at = self.queue.iter().position(|claimed| claimed.context == context)?;
        let taken = self.queue.remove(at)?;
        self.tally.take_early(taken.context.sequence());
        Some(taken)
    }

    /// Gives the oldest frame back if the queue and the caller together could hold as many as are granted.
    pub fn make_room(&mut self, held: u32) {
        let waiting = u32::try_from(self.queue.len()).unwrap_or(u32::MAX);
        if held.saturating_add(waiting) >= self.max_held {
            self.queue.pop_front();
        }
    }

    pub fn demote(&mut self) {
        self.tally.policy = Policy::Sequential;
    }

    /// Frames that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Which policy is in force.
    pub fn policy(&self) -> Policy {
        self.tally.policy
    }

    pub fn counters(&self) -> Counters {
        self.tally.counters
    }
}

/// A frame the broker holds for us.
pub fn claimed(connection: &Arc<Connection>, backing: Backing, header: FrameHeader) -> Result<Claimed, Violation> {
    let context = header.context_id().ok_or(Violation::Unexpected("a frame without a context ID"))?;
    Ok(Claimed { hold: connection.hold(Held::BySocket { context }), context, backing, header })
}

/// What became of the sequences, told by the gaps between those that were taken.
#[derive(Debug)]
struct Tally {
    policy: Policy,
    next: Sequence,
    /// Taken by their context ID while older ones waited.
    early: Vec<Sequence>,
    counters: Counters,
}

impl Tally {
    fn new(policy: Policy, first: Sequence) -> Self {
        Self { policy, next: first, early: Vec::new(), counters: Counters::default() }
    }

    fn take_early(&mut self, sequence: Sequence) {
        if self.early.len() >= HOLD_LIMIT {
            // The older ones have given way long ago: nobody takes frames in order here.
            return self.take(sequence);
        }
        self.early.push(sequence);
        self.counters.received += 1;
    }

    fn take(&mut self, sequence: Sequence) {
        let before = self.early.len();
        self.early.retain(|early| *early > sequence);
        let taken_early = u64::try_from(before - self.early.len()).unwrap_or(u64::MAX);
        let missed = sequence.since(self.next).saturating_sub(taken_early);
        match self.policy {
            Policy::Latest | Policy::Upcoming => self.counters.skipped += missed,
            Policy::Sequential | Policy::Lossless => self.counters.lost += missed,
        }
        self.counters.received += 1;
        self.next = self.next.max(sequence.next());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(policy: Policy, sequences: &[u64]) -> Counters {
        let mut tally = Tally::new(policy, Sequence(10));
        sequences.iter().for_each(|sequence| tally.take(Sequence(*sequence)));
        tally.counters
    }

    #[test]
    fn gaps_are_lost_or_skipped_by_policy() {
        let taken = [10, 11, 15];
        assert_eq!(tally(Policy::Sequential, &taken), Counters { received: 3, lost: 3, skipped: 0 });
        assert_eq!(tally(Policy::Lossless, &taken), Counters { received: 3, lost: 3, skipped: 0 });
        assert_eq!(tally(Policy::Latest, &taken), Counters { received: 3, lost: 0, skipped: 3 });
        assert_eq!(tally(Policy::Upcoming, &[12]), Counters { received: 1, lost: 0, skipped: 2 });
    }

    #[test]
    fn frames_taken_early_leave_no_gap() {
        let mut tally = Tally::new(Policy::Sequential, Sequence(1));
        tally.take_early(Sequence(2));
        for sequence in [1, 3, 5] {
            tally.take(Sequence(sequence));
        }
        assert_eq!(tally.counters, Counters { received: 4, lost: 1, skipped: 0 });
    }
}
