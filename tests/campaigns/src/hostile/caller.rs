//! A connection on which anything is said, and nothing that comes of it is a surprise.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use framebroker_protocol::codec::{decode, encode};
use framebroker_protocol::message::{Ask, Reply, Request, Roles, Tell};
use framebroker_protocol::socket::{Buffer, Channel, ChannelError};
use framebroker_protocol::{ClientName, PROTOCOL_VERSION};

/// A connection to a broker, which may have ended it.
pub struct Caller {
    channel: Channel,
    buffer: Buffer,
    asked: u32,
}

impl Caller {
    /// Connects, where the broker still has room.
    pub fn connect(socket: &Path) -> Option<Self> {
        let channel = Channel::connect(socket).ok()?;
        Some(Self { channel, buffer: Buffer::default(), asked: 0 })
    }

    /// Connects, and says hello with each role but that of changing settings: who has that may change what others see.
    pub fn greet(socket: &Path) -> Option<Self> {
        let mut caller = Self::connect(socket)?;
        let (name, roles) = (ClientName::cut("hostile"), Roles::CONSUMER.with(Roles::PRODUCER));
        caller.ask(Ask::Hello { version: PROTOCOL_VERSION, name, roles }).then_some(caller)
    }

    /// Asks something; false where that could not be sent.
    pub fn ask(&mut self, body: Ask) -> bool {
        self.asked += 1;
        let bytes = encode(&Request { id: self.asked, body }).unwrap();
        self.say(&bytes, 0)
    }

    /// Sends bytes with so many descriptors; false where the broker takes no more, now or ever.
    pub fn say(&mut self, bytes: &[u8], descriptors: usize) -> bool {
        let input = std::io::stdin();
        let descriptors: Vec<BorrowedFd<'_>> = vec![input.as_fd(); descriptors];
        self.channel.try_send(bytes, &descriptors).is_ok()
    }

    /// Reads what there is, with its descriptors; `None` where the broker has ended the connection.
    pub fn read(&mut self) -> Option<Vec<Tell>> {
        let mut told = Vec::new();
        loop {
            match self.channel.try_receive(&mut self.buffer) {
                Ok(received) => told.push(decode::<Reply>(received.bytes).expect("a message of the protocol").body),
                Err(ChannelError::WouldBlock) => return Some(told),
                Err(_) => return None,
            }
        }
    }
}
