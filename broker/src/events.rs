//! What other threads tell the session thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use framebroker_protocol::message::{FeatureValue, Tell};
use framebroker_protocol::ring::Member;
use framebroker_protocol::{ClientId, ContextId, FeatureName, SegmentIndex, Sequence, StreamId, SubscriptionId, Text};
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::factory::{Epoch, FactoryError, Segment, WritableSegment};
use crate::source::{Description, FeatureError, Requirements};

/// Names a subscription among all sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionKey {
    /// The session.
    pub client: ClientId,
    /// Its subscription.
    pub subscription: SubscriptionId,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The worker has allocated a segment, or could not.
    Allocated {
        /// For which stream.
        stream: StreamId,
        /// At which index.
        index: SegmentIndex,
        /// The segment and the right to fill it.
        result: Result<(Arc<Segment>, WritableSegment), FactoryError>,
    },
    /// The ring waits for a lossless subscription.
    Adopted {
        /// Which one.
        key: SubscriptionKey,
        /// Its first frame.
        first: Sequence,
    },
    /// The ring no longer waits for a lossless subscription.
    Demoted {
        /// Of which stream.
        stream: StreamId,
        /// Which one: no other can have its address while this names it.
        member: Arc<Member>,
    },
    /// Of the frames that a revoked subscription held, these are in the ring.
    Quarantined {
        /// Of which stream.
        stream: StreamId,
        /// In the ring: their segments will be given up.
        kept: Vec<ContextId>,
        /// Not in the ring.
        stale: Vec<ContextId>,
        /// Whose subscription it was.
        client: ClientId,
    },
    /// The ring is done with a quarantined frame: its segment is given up and the index is free.
    Vacated {
        /// Of which stream.
        stream: StreamId,
        /// Which frame.
        context: ContextId,
    },
    /// The source delivers.
    Online {
        /// Which stream.
        stream: StreamId,
        /// Whose frames they are.
        epoch: Epoch,
        /// What it delivers.
        description: Description,
        /// What it needs.
        needs: Requirements,
    },
    /// The source delivers on, and was changed.
    Described {
        /// Which stream.
        stream: StreamId,
        /// Whose frames they are.
        epoch: Epoch,
        /// What it delivers.
        description: Description,
        /// What it needs.
        needs: Requirements,
    },
    /// The source is back, perhaps with frames for which segments must have another size, or there is another producer.
    Resized {
        /// Which stream.
        stream: StreamId,
        /// Whose frames they are.
        epoch: Epoch,
        /// What it needs from now on.
        needs: Requirements,
        /// Which restart of the stream's source it is: [`Command::Resume`](crate::stream::command::Command) repeats it.
        restart: u64,
        /// Segments that it cannot start with, since their frames are in the ring, and can take no later.
        left_behind: Vec<SegmentIndex>,
        /// Segments that do not fit and had no frame: the ring has given them up.
        given_up: Vec<SegmentIndex>,
    },
    /// The ring has given up a segment: it was one too many, or too small.
    Released {
        /// Of which stream.
        stream: StreamId,
        /// Which segment.
        index: SegmentIndex,
    },
    /// The ring has given up frames so that there may be memory for others, or had none to give up.
    MadeRoom {
        /// Of which stream.
        stream: StreamId,
        /// Whether it had some.
        has_made_room: bool,
    },
    /// The source is gone.
    Offline {
        /// Which stream.
        stream: StreamId,
        /// Whose frames came.
        epoch: Epoch,
        /// How that was noticed.
        reason: String,
    },
    /// The source was looked for in vain.
    StillOffline {
        /// Which stream.
        stream: StreamId,
        /// Why it cannot be opened.
        reason: String,
    },
    /// The device thread has answered a question, or passed over it.
    Answered {
        /// Of which stream.
        stream: StreamId,
        /// Which question.
        question: u64,
        /// The answer.
        result: Result<Tell, FeatureError>,
    },
    /// A feature of the source was set, or a command executed.
    SettingsChanged {
        /// Of which stream.
        stream: StreamId,
        /// The settings version that began.
        version: u32,
        /// Which feature.
        feature: FeatureName,
        /// Its value now.
        value: FeatureValue,
        /// Who has done it.
        by: Text,
    },
    /// The grab thread takes no more frames.
    Finished {
        /// Which stream.
        stream: StreamId,
        /// Why.
        reason: String,
    },
}

/// Sends events and wakes the session thread.
#[derive(Debug, Clone)]
pub struct EventSender {
    events: Sender<Event>,
    bell: Arc<EventFd>,
}

impl EventSender {
    /// Sends an event; where the session thread has ended, nobody wants it.
    pub fn send(&self, event: Event) {
        if self.events.send(event).is_ok() {
            // A full counter wakes as well as a raised one.
            let _raised = self.bell.write(1);
        }
    }
}

/// The session thread's end.
#[derive(Debug)]
pub struct EventReceiver {
    events: Receiver<Event>,
    bell: Arc<EventFd>,
}

impl EventReceiver {
    /// The next event that is there.
    pub fn next(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Hears the bell out: it rings again for events sent from now on. Before [`Self::next`].
    pub fn quiet(&self) {
        let _was_silent = self.bell.read();
    }
}

impl AsFd for EventReceiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// A way to the session thread.
///
/// # Errors
/// What the kernel answered.
pub fn event_channel() -> Result<(EventSender, EventReceiver), Errno> {
    let (sender, receiver) = channel();
    let bell = Arc::new(EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?);
    Ok((EventSender { events: sender, bell: Arc::clone(&bell) }, EventReceiver { events: receiver, bell }))
}
