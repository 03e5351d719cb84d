//! A client without the client library: for what a well-behaved one never does.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use framebroker_protocol::codec::{decode, encode};
use framebroker_protocol::message::{Ask, Delivery, ErrorCode, Policy, Reply, Request, Roles, Start, Subscribed, Tell};
use framebroker_protocol::socket::{Buffer, Channel, ChannelError};
use framebroker_protocol::{ClientName, PROTOCOL_VERSION};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::PATIENCE;

/// A connection.
#[derive(Debug)]
pub struct Raw {
    channel: Channel,
    buffer: Buffer,
    asked: u32,
}

/// A message of the broker, or the end of the connection.
#[derive(Debug)]
pub enum Heard {
    /// A message and its descriptors.
    Message(Reply, Vec<OwnedFd>),
    /// The broker has closed the connection.
    End,
}

impl Raw {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn connect(socket: &Path) -> Self {
        let channel = Channel::connect(socket).expect("a connection to the broker");
        Self { channel, buffer: Buffer::default(), asked: 0 }
    }

    /// The bare connection.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Sends a request; returns its number.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn send(&mut self, body: Ask) -> u32 {
        self.asked += 1;
        let bytes = encode(&Request { id: self.asked, body }).expect("a request that can be encoded");
        self.channel.send(&bytes).expect("a connection that takes it");
        self.asked
    }

    /// The next message, or the end.
    ///
    /// # Panics
    /// When neither comes.
    pub fn hear(&mut self) -> Heard {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.channel.try_receive(&mut self.buffer) {
                Ok(received) => {
                    let reply = decode(received.bytes).expect("a message of the protocol");
                    return Heard::Message(reply, received.fds);
                }
                Err(ChannelError::WouldBlock) => {}
                Err(ChannelError::Closed) => return Heard::End,
                Err(error) => panic!("cannot receive: {error}"),
            }
            assert!(Instant::now() < deadline, "the broker says nothing");
            self.wait(Duration::from_millis(500));
        }
    }

    /// Waits until there is something to read.
    pub fn wait(&self, time: Duration) {
        let timeout = PollTimeout::try_from(time).expect("a short time");
        let _ready = poll(&mut [PollFd::new(self.channel.as_fd(), PollFlags::POLLIN)], timeout);
    }

    /// The next message that is not news.
    ///
    /// # Panics
    /// When the connection ends.
    pub fn answer(&mut self) -> (Tell, Vec<OwnedFd>) {
        loop {
            match self.hear() {
                Heard::Message(reply, fds) if reply.request != 0 || matches!(reply.body, Tell::Error { .. }) => {
                    return (reply.body, fds);
                }
                Heard::Message(..) => {}
                Heard::End => panic!("the broker closed the connection"),
            }
        }
    }

    /// Says hello as a consumer.
    ///
    /// # Panics
    /// When the broker does not welcome it.
    pub fn hello(&mut self) {
        self.hello_as(Roles::CONSUMER);
    }

    /// Says hello in these roles.
    ///
    /// # Panics
    /// When the broker does not welcome it.
    pub fn hello_as(&mut self, roles: Roles) {
        let name = ClientName::cut("raw");
        self.send(Ask::Hello { version: PROTOCOL_VERSION, name, roles });
        let (answer, _) = self.answer();
        assert!(matches!(answer, Tell::Welcome { .. }), "{answer:?}");
    }

    /// Subscribes to `cam0`; the descriptors are the caller's to map and acknowledge.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn subscribe(&mut self, policy: Policy, delivery: Delivery, max_held: u32) -> (Subscribed, Vec<OwnedFd>) {
        self.subscribe_to("cam0", policy, delivery, max_held)
    }

    /// As [`Self::subscribe`], to a stream of this name.
    ///
    /// # Panics
    /// When the broker refuses.
    pub fn subscribe_to(
        &mut self,
        stream: &str,
        policy: Policy,
        delivery: Delivery,
        max_held: u32,
    ) -> (Subscribed, Vec<OwnedFd>) {
        let stream = stream.parse().expect("a stream name");
        self.send(Ask::Subscribe { stream, policy: policy.into(), delivery, max_held, start: Start::Next });
        match self.answer() {
            (Tell::Subscribed(subscribed), fds) => (subscribed, fds),
            (answer, _) => panic!("subscribe: {answer:?}"),
        }
    }

    /// The error that comes next.
    ///
    /// # Panics
    /// When something else comes.
    pub fn error(&mut self) -> (ErrorCode, String) {
        match self.answer() {
            (Tell::Error { code, text }, _) => (code, text.to_string()),
            (answer, _) => panic!("no error but {answer:?}"),
        }
    }

    /// Checks that the broker closes the connection.
    ///
    /// # Panics
    /// When it does not.
    pub fn must_end(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while let Heard::Message(..) = self.hear() {
            assert!(Instant::now() < deadline, "the connection does not end");
        }
    }
}
