//! How many descriptors may be in flight: the kernel limits those of a user, whoever they are sent to. Pure.

use std::time::Duration;

use framebroker_protocol::limits::SEGMENTS_PER_MESSAGE;
use nix::errno::Errno;

/// What a shared delivery gets beside its segments: two pages and a socket.
pub const PAGE_DESCRIPTORS: usize = 3;
/// How soon descriptors are tried again that were too many in flight.
pub const RETRY: Duration = Duration::from_millis(50);

/// What all clients together may leave unreceived.
#[derive(Debug, Clone, Copy)]
pub struct DescriptorBudget(usize);

impl DescriptorBudget {
    /// The kernel limits a user's descriptors in flight to its limit on open files; half is left to others.
    pub fn of(open_files: u64) -> Self {
        Self(usize::try_from(open_files / 2).unwrap_or(usize::MAX))
    }

    /// Segments that fit in one message.
    pub fn segments_at_once(self) -> usize {
        SEGMENTS_PER_MESSAGE.min(self.0.saturating_sub(PAGE_DESCRIPTORS)).max(1)
    }

    /// Whether so many more may be sent. Where there are none, one message always may: else nobody would ever get any.
    pub fn allows(self, in_flight: usize, more: usize) -> bool {
        in_flight == 0 || in_flight + more <= self.0
    }
}

/// What to do where the kernel has no more descriptors, or no more memory for them.
pub fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::EMFILE => "raise its limit on open files (ulimit -n)",
        Errno::ENFILE => "the machine has too many open files; raise fs.file-max",
        Errno::ENOSPC => "raise fs.epoll.max_user_watches",
        _ => "the machine is short of memory; try again later",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_fits_in_the_budget() {
        for open_files in [0, 8, 64, 1024, u64::MAX] {
            let budget = DescriptorBudget::of(open_files);
            let at_once = budget.segments_at_once();
            assert!((1..=SEGMENTS_PER_MESSAGE).contains(&at_once) && budget.allows(0, at_once + PAGE_DESCRIPTORS));
        }
        let budget = DescriptorBudget::of(100);
        assert!(budget.allows(40, 10) && !budget.allows(40, 11));
    }
}
