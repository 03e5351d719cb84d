//! Memory that was given up to clients that may still read it: it counts against the stream's limit while they live.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::process::ProcessKey;

/// How long memory counts where the process cannot be watched.
const UNWATCHED: Duration = Duration::from_secs(60);
/// How often is looked whether processes have ended, whose descriptors are then closed.
const LOOK: Duration = Duration::from_secs(1);

/// What is owed, and to whom.
#[derive(Debug, Default)]
pub struct Debts {
    /// Each process once: clients that come, hold and leave again and again cost one descriptor.
    processes: Vec<Watched>,
    /// Each group of processes once.
    debts: Vec<Debt>,
    /// When to look whether they have ended.
    look_at: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    process: ProcessKey,
    uid: u32,
    until: Until,
}

#[derive(Debug)]
enum Until {
    /// The end of a process, by its pidfd.
    End(OwnedFd),
    Time(Instant),
}

/// Memory that is free when all of these processes have ended.
#[derive(Debug)]
struct Debt {
    bytes: u64,
    processes: BTreeSet<ProcessKey>,
}

impl Debts {
    /// Watches a process, so that memory can be owed to it.
    pub fn watch(&mut self, process: ProcessKey, uid: u32, pidfd: Option<OwnedFd>) {
        self.forget_the_dead();
        // One of which only the session is known would be watched anew for each of its sessions.
        let pidfd = pidfd.filter(|_| !matches!(process, ProcessKey::Session(_)));
        let until = pidfd.map_or_else(|| Until::Time(Instant::now() + UNWATCHED), Until::End);
        match self.processes.iter_mut().find(|watched| watched.process == process) {
            // A process that was watched by its pidfd still is.
            Some(Watched { until: Until::End(_), .. }) if matches!(until, Until::Time(_)) => {}
            Some(known) => known.until = until,
            None => self.processes.push(Watched { process, uid, until }),
        }
    }

    /// Memory that processes, which are watched, may still read.
    pub fn add(&mut self, bytes: u64, processes: BTreeSet<ProcessKey>) {
        match self.debts.iter_mut().find(|debt| debt.processes == processes) {
            Some(debt) => debt.bytes += bytes,
            None => self.debts.push(Debt { bytes, processes }),
        }
    }

    /// Bytes that may still be read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        if self.debts.is_empty() {
            return 0;
        }
        self.bytes_owed_by(&self.living(|_| true))
    }

    /// Bytes that a process may still read, or any process of a user.
    #[must_use]
    pub fn bytes_of(&self, process: ProcessKey, uid: Option<u32>) -> u64 {
        self.bytes_owed_by(&self.living(|watched| watched.process == process || Some(watched.uid) == uid))
    }

    fn bytes_owed_by(&self, processes: &BTreeSet<ProcessKey>) -> u64 {
        self.debts.iter().filter(|debt| !debt.processes.is_disjoint(processes)).map(|debt| debt.bytes).sum()
    }

    fn living(&self, wanted: impl Fn(&Watched) -> bool) -> BTreeSet<ProcessKey> {
        let processes = self.processes.iter().filter(|watched| wanted(watched) && watched.is_alive());
        processes.map(|watched| watched.process).collect()
    }

    /// Forgets whoever has ended, if it is time. Says when to look again; never where nobody is watched.
    pub fn look(&mut self, now: Instant) -> Option<Instant> {
        if self.look_at.is_some_and(|at| now >= at) {
            self.forget_the_dead();
            self.look_at = None;
        }
        self.look_at = self.look_at.or(Some(now + LOOK)).filter(|_| !self.processes.is_empty());
        self.look_at
    }

    fn forget_the_dead(&mut self) {
        let alive = self.living(|_| true);
        self.processes.retain(|watched| alive.contains(&watched.process));
        self.debts.iter_mut().for_each(|debt| debt.processes.retain(|process| alive.contains(process)));
        self.debts.retain(|debt| !debt.processes.is_empty());
    }
}

impl Watched {
    fn is_alive(&self) -> bool {
        match &self.until {
            Until::End(pidfd) => {
                let mut ended = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
                !poll(&mut ended, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
            }
            Until::Time(end) => Instant::now() < *end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty pipe is like a pidfd: readable only at the end.
    #[test]
    fn a_debt_ends_with_the_last_of_its_processes() {
        let (mut debts, process) = (Debts::default(), ProcessKey::Inode);
        let (first, end_first) = std::io::pipe().unwrap();
        let (second, end_second) = std::io::pipe().unwrap();
        debts.watch(process(1), 7, Some(first.try_clone().unwrap().into()));
        debts.watch(process(1), 7, Some(first.into()));
        debts.watch(process(2), 8, Some(second.into()));
        debts.watch(process(3), 7, None);
        debts.add(60, [process(1)].into());
        debts.add(40, [process(1)].into());
        debts.add(20, [process(1), process(2)].into());
        debts.add(5, [process(3)].into());
        assert_eq!((debts.bytes(), debts.processes.len(), debts.debts.len()), (125, 3, 3));
        let owed = [(2, None), (3, Some(7)), (9, Some(8))].map(|(inode, user)| debts.bytes_of(process(inode), user));
        assert_eq!(owed, [20, 125, 20]);
        drop(end_first);
        assert_eq!(debts.bytes(), 25);
        drop(end_second);
        assert_eq!(debts.bytes(), 5);
    }

    /// Goal: no descriptor of a process that has ended is kept. Method: one ends, and time passes; nothing else happens.
    #[test]
    fn the_dead_are_forgotten_by_themselves() {
        let (mut debts, now) = (Debts::default(), Instant::now());
        assert_eq!(debts.look(now), None, "nobody is watched");
        let (pidfd, end) = std::io::pipe().unwrap();
        debts.watch(ProcessKey::Inode(1), 7, Some(pidfd.into()));
        debts.add(60, [ProcessKey::Inode(1)].into());
        assert_eq!(debts.look(now), Some(now + LOOK));
        drop(end);
        assert_eq!((debts.look(now + LOOK / 2), debts.processes.len()), (Some(now + LOOK), 1));
        assert_eq!((debts.look(now + LOOK), debts.processes.len(), debts.debts.len()), (None, 0, 0));
    }

    /// Goal: one of which only sessions are known costs no descriptor for each of them.
    #[test]
    fn a_session_without_a_known_process_is_watched_by_time() {
        let mut debts = Debts::default();
        let (pidfd, _end) = std::io::pipe().unwrap();
        debts.watch(ProcessKey::Session(framebroker_protocol::ClientId(1)), 7, Some(pidfd.into()));
        assert!(matches!(debts.processes[..], [Watched { until: Until::Time(_), .. }]));
    }
}
