//! Memory that was given up to clients that may still read it: it counts against the stream's limit while they live.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long memory counts where the process cannot be watched.
const UNWATCHED: Duration = Duration::from_secs(60);

/// What is owed, by whom.
#[derive(Debug, Default)]
pub struct Owed(Vec<Debt>);

#[derive(Debug)]
struct Debt {
    bytes: u64,
    until: Until,
}

#[derive(Debug)]
enum Until {
    /// The end of a process, by its pidfd.
    Process(OwnedFd),
    Time(Instant),
}

impl Owed {
    /// A process may still read so many bytes.
    pub fn add(&mut self, bytes: u64, process: Option<OwnedFd>) {
        self.0.retain(Debt::is_open);
        let until = process.map_or_else(|| Until::Time(Instant::now() + UNWATCHED), Until::Process);
        self.0.push(Debt { bytes, until });
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
            // A pidfd is readable once its process has ended.
            Until::Process(pidfd) => {
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
        owed.add(100, Some(reader.into()));
        owed.add(20, None);
        assert_eq!(owed.bytes(), 120);
        std::io::Write::write_all(&mut &writer, &[1]).unwrap();
        assert_eq!(owed.bytes(), 20);
    }
}
