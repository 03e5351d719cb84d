//! The reader that the session thread runs for a client without one of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use framebroker_protocol::ContextId;
use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::{Claim, Hold, Reader, Taken};
use nix::sys::eventfd::EventFd;

use super::poll::Watched;

/// Takes frames from the ring on a client's behalf.
#[derive(Debug)]
pub struct SocketReader {
    /// Raised by the writer.
    bell: Watched<Arc<EventFd>>,
    /// Takes the frames, from when the first is known.
    reader: Option<Reader>,
    /// Frames the client holds.
    holds: Vec<Hold>,
    /// Frames taken and not yet sent, each with the request it answers, if any: the descriptor of its segment goes first.
    unsent: VecDeque<(Option<u32>, Hold)>,
}

impl SocketReader {
    /// One that hears this bell.
    #[must_use]
    pub fn new(bell: Watched<Arc<EventFd>>) -> Self {
        Self { bell, reader: None, holds: Vec::new(), unsent: VecDeque::new() }
    }

    /// Takes frames from now on.
    pub fn begin(&mut self, reader: Reader) {
        self.reader = Some(reader);
    }

    /// Hears the bell out: it rings again from now on.
    pub fn hear_bell(&self) {
        let _was_silent = self.bell.read();
    }

    /// The ring no longer waits for it.
    pub fn demote(&mut self) {
        if let Some(reader) = &mut self.reader {
            reader.demote();
        }
    }

    /// The next frame to be sent, and the request it answers, if any; it must be [`Self::sent`] or [`Self::put_back`]. Where there
    /// is none, the bell rings for the next; where the client holds enough, it is left silent.
    pub fn take(&mut self) -> Option<(Option<u32>, Hold)> {
        if let Some(unsent) = self.unsent.pop_front() {
            return Some(unsent);
        }
        let reader = self.reader.as_mut()?;
        loop {
            reader.see_state();
            match reader.try_take() {
                Taken::Frame(hold) => return Some((None, hold)),
                Taken::Empty if reader.ask_for_notify() => return None,
                Taken::Empty => {}
                Taken::Full | Taken::Revoked => {
                    reader.end_notify();
                    return None;
                }
            }
        }
    }

    /// The client has been sent it.
    pub fn sent(&mut self, hold: Hold) {
        self.holds.push(hold);
    }

    /// It is sent later.
    pub fn put_back(&mut self, request: Option<u32>, hold: Hold) {
        self.unsent.push_front((request, hold));
    }

    /// The client gives back a frame. False if it does not hold it.
    #[must_use]
    pub fn release(&mut self, context: ContextId) -> bool {
        let Some(at) = self.holds.iter().position(|hold| hold.context == context) else { return false };
        let hold = self.holds.swap_remove(at);
        if let Some(reader) = &mut self.reader {
            reader.pages().release(hold.slot);
            if reader.policy() == Policy::Upcoming {
                // The client is ready now: what was published before is not upcoming.
                reader.skip_to_head();
            }
        }
        true
    }

    /// Takes one certain frame, to be sent in answer to a request.
    ///
    /// # Errors
    /// It was retired, or the client holds as many frames as it may.
    pub fn acquire(&mut self, request: u32, context: ContextId) -> Result<(), Unavailable> {
        let Some(reader) = &mut self.reader else { return Err(Unavailable::Gone) };
        match reader.take_context(context) {
            Claim::Held(hold) => {
                self.unsent.push_back((Some(request), hold));
                Ok(())
            }
            Claim::Gone => Err(Unavailable::Gone),
            Claim::Full => Err(Unavailable::Full),
        }
    }
}

/// Why a certain frame cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// It was retired.
    Gone,
    /// The client holds as many frames as it may.
    Full,
}
