//! Messages to and from a broker, on a connection that several threads may send on.
//!
//! That the broker is gone is only ever learned by receiving: what it said last is still to be read then.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use framebroker_protocol::codec::{decode, encode};
use framebroker_protocol::limits::SHORTAGE_PAUSE;
use framebroker_protocol::message::{Ask, Reply, Request, Tell};
use framebroker_protocol::socket::{Buffer, Channel, ChannelError};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, shutdown};

use crate::fork::Generation;
use crate::{Error, Result};

/// A connection. Sending never waits. Nothing may be sent or received in a forked child.
#[derive(Debug)]
pub struct Link {
    channel: Channel,
    /// The process that connected.
    generation: Generation,
    /// What there was no room for. It stays short: what is sent without an answer is one `Mapped` and a `Release` per
    /// frame held, and a socket's buffer has room for all of them unless the broker has stopped reading.
    outbox: Mutex<VecDeque<Vec<u8>>>,
    /// The kernel had no memory for a message. Whether the socket is ready says nothing of that: the next wait is a pause.
    is_short: AtomicBool,
}

/// A message as it came.
#[derive(Debug)]
pub struct Incoming {
    /// The request it answers; 0 for news.
    pub request: u32,
    /// What is said.
    pub body: Tell,
    /// Its descriptors.
    pub fds: Vec<OwnedFd>,
}

impl Link {
    pub fn new(channel: Channel, generation: Generation) -> Self {
        Self { channel, generation, outbox: Mutex::new(VecDeque::new()), is_short: AtomicBool::new(false) }
    }

    /// Whether this is the process that connected, not a forked child of it.
    pub fn is_ours(&self) -> bool {
        self.generation.is_current()
    }

    /// An error in a forked child.
    pub fn check(&self) -> Result<()> {
        self.generation.check()
    }

    /// Sends a message, now or as soon as there is room.
    pub fn post(&self, id: u32, body: Ask) -> Result<()> {
        let bytes = encode(&Request { id, body })?;
        let mut outbox = self.outbox();
        outbox.push_back(bytes);
        self.send_from(&mut outbox)
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&self) -> Result<()> {
        self.send_from(&mut self.outbox())
    }

    fn send_from(&self, outbox: &mut VecDeque<Vec<u8>>) -> Result<()> {
        while let Some(bytes) = outbox.front() {
            match self.channel.try_send(bytes, &[]) {
                Ok(()) => drop(outbox.pop_front()),
                Err(ChannelError::WouldBlock) => return Ok(()),
                Err(ChannelError::Short) => {
                    self.is_short.store(true, Ordering::Relaxed);
                    return Ok(());
                }
                Err(ChannelError::Closed) => outbox.clear(),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn outbox(&self) -> MutexGuard<'_, VecDeque<Vec<u8>>> {
        // A panic while it was held cannot have left a message half sent.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the connection: whoever waits for a message learns that there is none.
    pub fn end(&self) {
        // There is nothing to be done if it fails.
        let _gone_already = shutdown(self.channel.as_fd().as_raw_fd(), Shutdown::Both);
    }

    /// The next message, if one is there.
    pub fn receive(&self, buffer: &mut Buffer) -> Result<Option<Incoming>> {
        let mut is_closed = false;
        loop {
            match self.channel.try_receive(buffer) {
                Ok(received) => {
                    let Reply { request, body } = decode(received.bytes)?;
                    return Ok(Some(Incoming { request, body, fds: received.fds }));
                }
                Err(ChannelError::WouldBlock) => return Ok(None),
                Err(ChannelError::Short) => {
                    self.is_short.store(true, Ordering::Relaxed);
                    return Ok(None);
                }
                // A broker that ends with something of ours unread resets the connection, and the kernel says so once,
                // before it hands out what the broker sent last.
                Err(ChannelError::Closed) if !is_closed => is_closed = true,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sleeps until a message is there or can be sent, or the connection has ended, at most `longest`. It may return for no
    /// reason.
    pub fn wait(&self, longest: Duration) -> Result<()> {
        if self.is_short.swap(false, Ordering::Relaxed) {
            std::thread::sleep(longest.min(SHORTAGE_PAUSE));
            return Ok(());
        }
        let mut events = PollFlags::POLLIN;
        if !self.outbox().is_empty() {
            events |= PollFlags::POLLOUT;
        }
        // Rounded up, so that a wait for less than a millisecond is none for nothing.
        let ms = longest.as_micros().div_ceil(1000);
        let timeout = PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.channel.as_fd(), events)], timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(source) => Err(Error::System { what: "wait for the broker", source }),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.is_ours() {
            // Closing would not do where a forked child still has the socket.
            self.end();
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(channel: Channel) -> Link {
        Link::new(channel, Generation::current().unwrap())
    }

    #[test]
    fn what_finds_no_room_waits_and_goes_out_in_order() {
        let (ours, theirs) = Channel::pair().unwrap();
        let link = link(ours);
        for id in 1..=2000 {
            link.post(id, Ask::Ping).unwrap();
        }
        assert!(!link.outbox().is_empty(), "the socket has no room for so many");
        let mut buffer = Buffer::default();
        for expected in 1..=2000 {
            let request: Request = decode(theirs.try_receive(&mut buffer).unwrap().bytes).unwrap();
            assert_eq!(request.id, expected);
            link.flush().unwrap();
        }
    }

    #[test]
    fn what_was_said_last_is_read_before_the_end() {
        let (ours, theirs) = Channel::pair().unwrap();
        let link = link(ours);
        link.post(1, Ask::Ping).unwrap();
        theirs.try_send(&encode(&Reply { request: 1, body: Tell::Pong }).unwrap(), &[]).unwrap();
        // With the Ping unread, this resets the connection.
        drop(theirs);
        link.post(2, Ask::Ping).unwrap();
        link.wait(Duration::from_secs(60)).unwrap();
        let mut buffer = Buffer::default();
        assert!(matches!(link.receive(&mut buffer), Ok(Some(Incoming { request: 1, body: Tell::Pong, .. }))));
        assert!(matches!(link.receive(&mut buffer), Err(Error::BrokerGone)));
        assert!(matches!(link.receive(&mut buffer), Err(Error::BrokerGone)));
    }

    #[test]
    fn a_connection_ends_though_another_process_has_its_socket() {
        let (ours, theirs) = Channel::pair().unwrap();
        let link = link(ours);
        let _of_a_child = link.as_fd().try_clone_to_owned().unwrap();
        drop(link);
        assert!(matches!(theirs.try_receive(&mut Buffer::default()), Err(ChannelError::Closed)));
    }
}
