//! What the session thread and the device thread ask of the grab thread.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use framebroker_protocol::message::Start;
use framebroker_protocol::ring::Member;
use framebroker_protocol::{ClientId, ContextId};

use crate::events::SubscriptionKey;
use crate::factory::Epoch;
use crate::source::{Source, WritableSegment};

/// What the session thread asks of the grab thread.
#[derive(Debug)]
pub enum Command {
    /// Uses a new segment.
    Install(WritableSegment),
    /// Waits for a lossless subscription from now on; answered by [`Event::Adopted`](crate::events::Event).
    Adopt {
        /// The subscription.
        key: SubscriptionKey,
        /// As the ring knows it.
        member: Arc<Member>,
        /// Where it begins.
        start: Start,
    },
    /// Says which of these frames are in the ring and so will be given up: answered by [`Event::Quarantined`](crate::events::Event).
    Confirm {
        /// The frames.
        held: Vec<ContextId>,
        /// Whose subscription it was.
        client: ClientId,
    },
    /// Starts the source that is back: there are segments for it. Answers [`Event::Resized`](crate::events::Event), of this
    /// restart; means nothing where the source has been stopped again since.
    Resume(u64),
    /// Takes the frames of a producer from now on; answered by [`Event::Resized`](crate::events::Event).
    Attach(Attached),
    /// That producer has gone: what it filled before is published, what it can write is given up.
    Detach {
        /// Which producer.
        epoch: Epoch,
        /// Why.
        reason: String,
    },
    /// Stops the source and lends it to the device thread; drops the sender where there is none.
    Lend(Sender<Lent>),
    /// The lent source is back, or is lost for this reason.
    Return {
        /// The source, stopped.
        source: Result<Lent, String>,
        /// Told when it has started.
        started: Sender<()>,
    },
    /// The source that is back cannot start, for this reason: there is no memory for its segments. Gives up frames whose segments
    /// are too small for it; where there are none, the stream is offline. Answered by [`Event::MadeRoom`](crate::events::Event).
    MakeRoom(String),
    /// Stops the source and starts it with new segments: its pool is fixed and has lost some. Answered by
    /// [`Event::Resized`](crate::events::Event), unless the source is away and comes back so in any case.
    Renew,
    /// Gives up so many segments more, one with each frame; each answered by [`Event::Released`](crate::events::Event).
    Shrink(usize),
    /// Ends: no more frames are taken.
    Stop,
    /// Says in the page that the stream has ended. After [`Command::Stop`].
    Close,
}

/// A producer's source.
pub struct Attached {
    /// The source, not started.
    pub source: Box<dyn Source>,
    /// Which producer: only segments made for it may be lent to it.
    pub epoch: Epoch,
}

impl std::fmt::Debug for Attached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attached").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

/// A source that is stopped and in other hands.
pub struct Lent(pub Box<dyn Source>);

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lent({:?})", self.0.describe())
    }
}
