//! Memory that was given up to clients that may still read it: it counts against the stream's limit while they live.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use framebroker_protocol::{ClientId, ClientName};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long memory counts where the process cannot be watched.
const UNWATCHED: Duration = Duration::from_secs(60);

/// A client's process, as far as it can be watched.
#[derive(Debug)]
pub struct Process {
    /// Its session.
    pub client: ClientId,
    /// What it calls itself.
    pub name: ClientName,
    /// Its user.
    pub uid: u32,
    /// Its number.
    pub pid: i32,
    /// Readable once it has ended.
    pub pidfd: Option<OwnedFd>,
}

/// What is owed, and to whom.
#[derive(Debug, Default)]
pub struct Debts {
    /// Each process once: clients that come, hold and leave again and again cost one descriptor.
    processes: Vec<Watched>,
    /// Each group of processes once.
    debts: Vec<Debt>,
}

#[derive(Debug)]
struct Watched {
    pid: i32,
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
    pids: BTreeSet<i32>,
}

impl Debts {
    /// Watches a process, so that memory can be owed to it.
    pub fn watch(&mut self, pid: i32, uid: u32, pidfd: Option<OwnedFd>) {
        self.forget_the_dead();
        let until = pidfd.map_or_else(|| Until::Time(Instant::now() + UNWATCHED), Until::End);
        match self.processes.iter_mut().find(|watched| watched.pid == pid) {
            // A process that was watched by its pidfd still is.
            Some(Watched { until: Until::End(_), .. }) if matches!(until, Until::Time(_)) => {}
            Some(known) => known.until = until,
            None => self.processes.push(Watched { pid, uid, until }),
        }
    }

    /// Memory that processes, which are watched, may still read.
    pub fn add(&mut self, bytes: u64, pids: BTreeSet<i32>) {
        match self.debts.iter_mut().find(|debt| debt.pids == pids) {
            Some(debt) => debt.bytes += bytes,
            None => self.debts.push(Debt { bytes, pids }),
        }
    }

    /// Bytes that may still be read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        if self.debts.is_empty() {
            return 0;
        }
        let alive = self.alive();
        self.debts.iter().filter(|debt| !debt.pids.is_disjoint(&alive)).map(|debt| debt.bytes).sum()
    }

    /// Bytes that a process may still read, or any process of a user.
    #[must_use]
    pub fn bytes_of(&self, pid: i32, uid: Option<u32>) -> u64 {
        let theirs = |watched: &&Watched| watched.pid == pid || Some(watched.uid) == uid;
        let pids: BTreeSet<i32> = self
            .processes
            .iter()
            .filter(theirs)
            .filter(|watched| watched.is_alive())
            .map(|watched| watched.pid)
            .collect();
        self.debts.iter().filter(|debt| !debt.pids.is_disjoint(&pids)).map(|debt| debt.bytes).sum()
    }

    fn alive(&self) -> BTreeSet<i32> {
        self.processes.iter().filter(|watched| watched.is_alive()).map(|watched| watched.pid).collect()
    }

    /// A number that is given to another process must find no debts of the one that had it.
    fn forget_the_dead(&mut self) {
        let alive = self.alive();
        self.processes.retain(|watched| alive.contains(&watched.pid));
        self.debts.iter_mut().for_each(|debt| debt.pids.retain(|pid| alive.contains(pid)));
        self.debts.retain(|debt| !debt.pids.is_empty());
    }
}

impl Watched {
    fn is_alive(&self) -> bool {
        match &self.until {
            // Its number is not given to another process while it can still be seen running.
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
        let mut debts = Debts::default();
        let (first, end_first) = std::io::pipe().unwrap();
        let (second, end_second) = std::io::pipe().unwrap();
        debts.watch(1, 7, Some(first.try_clone().unwrap().into()));
        debts.watch(1, 7, Some(first.into()));
        debts.watch(2, 8, Some(second.into()));
        debts.watch(3, 7, None);
        debts.add(60, [1].into());
        debts.add(40, [1].into());
        debts.add(20, [1, 2].into());
        debts.add(5, [3].into());
        assert_eq!((debts.bytes(), debts.processes.len(), debts.debts.len()), (125, 3, 3));
        assert_eq!((debts.bytes_of(2, None), debts.bytes_of(3, Some(7)), debts.bytes_of(9, Some(8))), (20, 125, 20));
        drop(end_first);
        assert_eq!(debts.bytes(), 25);
        drop(end_second);
        assert_eq!(debts.bytes(), 5);
        debts.watch(1, 7, None);
        assert_eq!((debts.bytes(), debts.debts.len()), (5, 1), "process 1 is another one now");
    }
}
