//! The descriptor that a subscription shows to a poll of the caller's own.
//!
//! One rule keeps it from ever missing a wake-up: whenever the caller may go to sleep on it, either it is readable, or
//! the broker has been asked to make it so. [`PollDescriptor::raise`] makes it readable from here, and only
//! [`crate::Subscription::try_next`], having found nothing and asked, calls [`PollDescriptor::lower`].

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::{Error, Result};

/// An epoll set of the broker's descriptors and a timer.
#[derive(Debug)]
pub struct PollDescriptor {
    epoll: Epoll,
    /// Readable after its time: at once when raised, later while a broker is sought.
    timer: TimerFd,
    is_raised: bool,
}

impl PollDescriptor {
    /// A descriptor that is readable, since nobody has asked for anything yet.
    pub fn new() -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags).map_err(failed)?;
        epoll.add(&timer, readable()).map_err(failed)?;
        let mut descriptor = Self { epoll, timer, is_raised: false };
        descriptor.raise()?;
        Ok(descriptor)
    }

    /// PollDescriptores a descriptor of the broker's.
    pub fn add(&self, fd: BorrowedFd<'_>) -> Result<()> {
        self.epoll.add(fd, readable()).map_err(failed)
    }

    /// No longer watches a descriptor. A closed one would stay, if a forked child keeps it open.
    pub fn remove(&self, fd: BorrowedFd<'_>) {
        // Not watched is as good.
        let _not_there = self.epoll.delete(fd);
    }

    /// Makes it readable until it is lowered.
    pub fn raise(&mut self) -> Result<()> {
        if !self.is_raised {
            self.readable_in(Duration::from_nanos(1))?;
            self.is_raised = true;
        }
        Ok(())
    }

    /// From now on only the broker makes it readable.
    pub fn lower(&mut self) -> Result<()> {
        if self.is_raised {
            self.timer.unset().map_err(failed)?;
            self.is_raised = false;
        }
        Ok(())
    }

    /// Makes it readable after a pause.
    pub fn raise_in(&mut self, pause: Duration) -> Result<()> {
        // Not raised yet; lowered when it is found readable.
        self.is_raised = true;
        self.readable_in(pause.max(Duration::from_nanos(1)))
    }

    fn readable_in(&self, pause: Duration) -> Result<()> {
        let once = Expiration::OneShot(TimeSpec::from_duration(pause));
        self.timer.set(once, TimerSetTimeFlags::empty()).map_err(failed)
    }
}

impl AsFd for PollDescriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

fn readable() -> EpollEvent {
    EpollEvent::new(EpollFlags::EPOLLIN, 0)
}

fn failed(source: Errno) -> Error {
    Error::System { what: "make a pollable descriptor", source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framebroker_protocol::socket::Channel;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn is_readable(descriptor: &PollDescriptor, ms: u16) -> bool {
        poll(&mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)], PollTimeout::from(ms)).unwrap() == 1
    }

    #[test]
    fn it_is_readable_from_the_start_until_lowered() {
        let mut descriptor = PollDescriptor::new().unwrap();
        assert!(is_readable(&descriptor, 1000) && is_readable(&descriptor, 1000));
        descriptor.lower().unwrap();
        assert!(!is_readable(&descriptor, 20));
        descriptor.raise_in(Duration::from_millis(5)).unwrap();
        assert!(is_readable(&descriptor, 1000));
    }

    #[test]
    fn what_the_broker_sends_makes_it_readable() {
        let mut descriptor = PollDescriptor::new().unwrap();
        descriptor.lower().unwrap();
        let (ours, theirs) = Channel::pair().unwrap();
        descriptor.add(ours.as_fd()).unwrap();
        theirs.try_send(&[1], &[]).unwrap();
        assert!(is_readable(&descriptor, 1000));
        descriptor.remove(ours.as_fd());
        assert!(!is_readable(&descriptor, 20));
    }
}
