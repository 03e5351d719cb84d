//! Memory that was given up to clients that may still read it: it counts against the stream's limit while they live.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long memory counts where the process cannot be watched.
const UNWATCHED: Duration = Duration::from_secs(60);

/// A process, as far as it can be watched.
#[derive(Debug)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Readable once it has ended.
    pub pidfd: Option<OwnedFd>,
}

/// What is owed, one debt for each process.
#[derive(Debug, Default)]
pub struct Owed(Vec<Debt>);

#[derive(Debug)]
struct Debt {
    pid: i32,
    uid: u32,
    bytes: u64,
    until: Until,
}

#[derive(Debug)]
enum Until {
    /// The end of a process, by its pidfd.
    End(OwnedFd),
    Time(Instant),
}

impl Owed {
    /// A process may still read so many bytes more.
    pub fn add(&mut self, bytes: u64, process: Process) {
        self.0.retain(Debt::is_open);
        let Process { pid, uid, pidfd } = process;
        let until = pidfd.map_or_else(|| Until::Time(Instant::now() + UNWATCHED), Until::End);
        match self.0.iter_mut().find(|debt| debt.pid == pid) {
            Some(debt) => {
                debt.bytes += bytes;
                if matches!(until, Until::End(_)) {
                    debt.until = until;
                }
            }
            None => self.0.push(Debt { pid, uid, bytes, until }),
        }
    }

    /// Bytes that a process may still read, or any process of a user.
    #[must_use]
    pub fn bytes_of(&self, pid: i32, uid: Option<u32>) -> u64 {
        let theirs = self.0.iter().filter(|debt| debt.pid == pid || Some(debt.uid) == uid);
        theirs.filter(|debt| debt.is_open()).map(|debt| debt.bytes).sum()
    }

    /// Bytes that may still be read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.iter().filter(|debt| debt.is_open()).map(|debt| debt.bytes).sum()
    }
}

impl Debt {
    fn is_open(&self) -> bool {
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

    #[test]
    fn a_debt_ends_with_its_process() {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut owed = Owed::default();
        // An empty pipe is like a pidfd: readable only at the end.
        owed.add(60, Process { pid: 1, uid: 7, pidfd: Some(reader.try_clone().unwrap().into()) });
        owed.add(40, Process { pid: 1, uid: 7, pidfd: Some(reader.into()) });
        owed.add(20, Process { pid: 2, uid: 7, pidfd: None });
        assert_eq!((owed.bytes(), owed.0.len()), (120, 2));
        assert_eq!((owed.bytes_of(1, None), owed.bytes_of(2, None), owed.bytes_of(9, Some(7))), (100, 20, 120));
        std::io::Write::write_all(&mut &writer, &[1]).unwrap();
        assert_eq!(owed.bytes(), 20);
    }
}
