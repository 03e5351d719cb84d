//! Memory that was given up to clients that may still read it: it counts against the stream's limit while they live.

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

/// What is owed, one debt for each process.
#[derive(Debug, Default)]
pub struct Owed(Vec<Debt>);

#[derive(Debug)]
struct Debt {
    pid: i32,
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
        let Process { pid, pidfd, .. } = process;
        let until = pidfd.map_or_else(|| Until::Time(Instant::now() + UNWATCHED), Until::End);
        match self.0.iter_mut().find(|debt| debt.pid == pid) {
            Some(debt) => *debt = Debt { pid, bytes: debt.bytes + bytes, until },
            None => self.0.push(Debt { pid, bytes, until }),
        }
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
        let process = |pid, pidfd| Process { client: ClientId(1), name: ClientName::cut("x"), uid: 0, pid, pidfd };
        // An empty pipe is like a pidfd: readable only at the end.
        owed.add(60, process(1, Some(reader.try_clone().unwrap().into())));
        owed.add(40, process(1, Some(reader.into())));
        owed.add(20, process(2, None));
        assert_eq!((owed.bytes(), owed.0.len()), (120, 2));
        std::io::Write::write_all(&mut &writer, &[1]).unwrap();
        assert_eq!(owed.bytes(), 20);
    }
}
