//! What the device thread has to do, in its order: news of the source first, then those who may change it, then readers.
//!
//! Anyone may read features, and a camera may take its time for each. Whoever reads them in a loop delays other readers only.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use super::job::Job;
use super::question::Question;

/// The jobs of a device thread.
#[derive(Debug)]
pub struct Queue {
    jobs: Receiver<Job>,
    /// Of sessions of the role control.
    first: VecDeque<Question>,
    others: VecDeque<Question>,
}

impl Queue {
    /// The jobs that come by this way.
    #[must_use]
    pub fn new(jobs: Receiver<Job>) -> Self {
        Self { jobs, first: VecDeque::new(), others: VecDeque::new() }
    }

    /// Waits for the next job; `None` when none is left and none can come.
    pub fn next(&mut self) -> Option<Job> {
        loop {
            let is_empty = self.first.is_empty() && self.others.is_empty();
            let come = if is_empty { Some(self.jobs.recv().ok()?) } else { self.jobs.try_recv().ok() };
            match come {
                Some(Job::Ask(question)) if question.may_change => self.first.push_back(question),
                Some(Job::Ask(question)) => self.others.push_back(question),
                Some(source @ Job::Source(_)) => return Some(source),
                None => break,
            }
        }
        self.first.pop_front().or_else(|| self.others.pop_front()).map(Job::Ask)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use framebroker_protocol::Text;

    use super::super::{Handle, What, jobs};
    use super::*;

    fn question(id: u64, may_change: bool) -> Job {
        let (what, by) = (What::List { from: 0 }, Text::cut("somebody"));
        Job::Ask(Question { id, what, by, may_change, dropped: Arc::default() })
    }

    fn order(queue: &mut Queue) -> Vec<u64> {
        let ids = std::iter::from_fn(|| queue.next());
        ids.map(|job| if let Job::Ask(question) = job { question.id } else { 0 }).collect()
    }

    #[test]
    fn who_may_change_the_camera_does_not_wait_for_readers() {
        let (sender, receiver) = jobs();
        let mut queue = Queue::new(receiver);
        (1..=3).for_each(|id| sender.send(question(id, false)).unwrap());
        assert!(matches!(queue.next(), Some(Job::Ask(Question { id: 1, .. }))), "it began before");
        (4..=5).for_each(|id| sender.send(question(id, true)).unwrap());
        sender.send(question(6, false)).unwrap();
        sender.send(Job::Source(Handle(None))).unwrap();
        drop(sender);
        assert_eq!(order(&mut queue), [0, 4, 5, 2, 3, 6]);
    }
}
