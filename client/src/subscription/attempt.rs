//! An attempt to join a broker that keeps nobody waiting.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

use framebroker_protocol::StreamName;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::attachment::Attachment;
use super::terms::Terms;
use crate::connect::Connector;
use crate::deadline::Deadline;
use crate::limits::ADMISSION_TIMEOUT;
use crate::{Error, Result};

/// All that is needed to subscribe once more.
#[derive(Debug)]
pub struct Aim {
    pub connector: Connector,
    pub stream: StreamName,
    pub terms: Terms,
}

impl Aim {
    /// Connects to a broker and subscribes.
    pub fn join(&self, deadline: Deadline) -> Result<Attachment> {
        Attachment::new(self.terms.subscribe(&self.connector, &self.stream, deadline)?, &self.terms)
    }
}

/// A thread that joins. Its descriptor becomes readable when it has ended.
#[derive(Debug)]
pub struct Attempt {
    joined: Receiver<Result<Attachment>>,
    ended: Arc<EventFd>,
}

impl Attempt {
    /// # Errors
    /// The system can start no thread, or has no descriptor.
    pub fn start(aim: Arc<Aim>) -> std::io::Result<Self> {
        let ended = Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
        let (tell, joined) = sync_channel(1);
        let end = Arc::clone(&ended);
        let join = move || {
            // Where nobody listens any more, what was joined is left again.
            let _left = tell.send(aim.join(Deadline::after(Some(ADMISSION_TIMEOUT))));
            let _readable_already = end.write(1);
        };
        std::thread::Builder::new().name("framebroker-join".into()).spawn(join)?;
        Ok(Self { joined, ended })
    }

    /// What it came to, once it has ended.
    pub fn result(&self) -> Option<Result<Attachment>> {
        match self.joined.try_recv() {
            Ok(joined) => Some(joined),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(Error::BrokerGone)),
        }
    }

    /// As [`Self::result`], after so long a wait at most.
    pub fn wait(&self, longest: Duration) -> Option<Result<Attachment>> {
        match self.joined.recv_timeout(longest) {
            Ok(joined) => Some(joined),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(Error::BrokerGone)),
        }
    }
}

impl AsFd for Attempt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }
}
