//! One subscription: from the asking for it to its page in the ring.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use framebroker_protocol::message::{Delivery, Policy, Start, Subscribed, Tell};
use framebroker_protocol::ring::{Hold, Member, Notify, Pages, Reader};
use framebroker_protocol::shm::{Mapped, SharedObject, ShmError};
use framebroker_protocol::socket::Channel;
use framebroker_protocol::{
    Backing, ConsumerId, ConsumerPage, ContextId, Counters, SegmentIndex, Sequence, SubscriptionId,
};
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::changes::Changes;
use crate::factory::Segment;
use crate::stream::StreamCore;
use crate::stream::hold_times::HoldTimes;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Which frames.
    pub policy: Policy,
    /// By which way.
    pub delivery: Delivery,
    /// Frames it may hold.
    pub max_held: usize,
    /// Where it begins.
    pub start: Start,
}

/// A subscription of a session.
#[derive(Debug)]
pub struct Subscription {
    /// Which of the broker's streams.
    pub stream: usize,
    /// What was asked for.
    pub terms: Terms,
    /// How far it is.
    pub phase: Phase,
    /// In the ring, from when it is admitted.
    pub place: Option<Place>,
    /// How long it holds what it holds.
    pub hold_times: HoldTimes,
    /// What happened before the client knew that it has begun.
    pub early_news: Vec<Tell>,
    /// What was changed in the stream's settings and not told.
    pub changes: Changes,
    /// Segments that were given up and not told.
    removed: VecDeque<(SegmentIndex, Backing)>,
    /// Segments whose descriptors the client has been sent.
    told: BTreeMap<SegmentIndex, Backing>,
}

/// How far a subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The ring must grow first.
    Waiting {
        /// To be answered.
        request: u32,
        /// Segments without which it cannot be admitted.
        needed: usize,
    },
    /// The grab thread is asked to wait for it.
    Adopting {
        /// To be answered.
        request: u32,
    },
    /// In the ring; the client does not know yet.
    Announcing {
        /// To be answered.
        request: u32,
        /// Its first frame.
        first: Sequence,
    },
    /// The client knows.
    Active,
}

/// A subscription's place in the ring.
#[derive(Debug)]
pub struct Place {
    /// As the writer knows it.
    pub member: Arc<Member>,
    page: Arc<Mapped<ConsumerPage>>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// What the client is handed, until it has mapped it.
    Shared(Option<HandOver>),
    Socket(Box<Delivering>),
}

#[derive(Debug)]
struct HandOver {
    page: SharedObject,
    /// The client's end; ours is with the member.
    notify: Channel,
}

/// The reader that the control thread runs for a client without one of its own.
#[derive(Debug)]
pub struct Delivering {
    /// Raised by the writer.
    pub bell: Arc<EventFd>,
    /// Takes the frames.
    pub reader: Option<Reader>,
    /// Frames the client holds.
    pub holds: Vec<Hold>,
    /// Frames taken and not yet sent, each with the request it answers, if any: the descriptor of its segment goes first.
    pub unsent: VecDeque<(Option<u32>, Hold)>,
}

#[derive(Debug)]
struct NotifySocket(Channel);

impl Notify for NotifySocket {
    fn notify(&self) {
        // A client that does not read has enough bytes to wake it; one that is gone needs none.
        let _full_or_gone = self.0.try_send(&[1], &[]);
    }
}

#[derive(Debug)]
struct NotifyBell(Arc<EventFd>);

impl Notify for NotifyBell {
    fn notify(&self) {
        // A full counter wakes as well as a raised one.
        let _full = self.0.write(1);
    }
}

/// A subscription's page or sockets cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The page.
    #[error(transparent)]
    Page(#[from] ShmError),
    /// The notify socket.
    #[error("cannot make a notify socket: {0}")]
    Notify(#[from] Errno),
}

impl Place {
    /// A page of its own for a subscription, not yet in the ring.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn create(id: ConsumerId, terms: Terms) -> Result<Self, PlaceError> {
        let (page, page_object) = Mapped::<ConsumerPage>::create()?;
        page.initialise(id);
        let page = Arc::new(page);
        let (notify, kind): (Box<dyn Notify>, Kind) = match terms.delivery {
            Delivery::Shared => {
                let (ours, theirs) = Channel::pair()?;
                let hand_over = HandOver { page: page_object, notify: theirs };
                (Box::new(NotifySocket(ours)), Kind::Shared(Some(hand_over)))
            }
            Delivery::Socket => {
                let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
                let bell = Arc::new(EventFd::from_value_and_flags(0, flags)?);
                let delivering =
                    Delivering { bell: Arc::clone(&bell), reader: None, holds: Vec::new(), unsent: VecDeque::new() };
                (Box::new(NotifyBell(bell)), Kind::Socket(Box::new(delivering)))
            }
        };
        let member = Arc::new(Member::new(Arc::clone(&page), terms.max_held, notify));
        Ok(Self { member, page, kind })
    }

    /// The client has mapped its page: nobody else will ever write it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn seal(&mut self) -> Result<(), ShmError> {
        match &mut self.kind {
            Kind::Shared(hand_over) => hand_over.take().map_or(Ok(()), |done| done.page.seal()),
            Kind::Socket(_) => Ok(()),
        }
    }

    /// The control thread's reader, for a socket delivery.
    pub fn delivering(&mut self) -> Option<&mut Delivering> {
        match &mut self.kind {
            Kind::Shared(_) => None,
            Kind::Socket(delivering) => Some(delivering),
        }
    }

    /// The first frame is known: a socket delivery can begin.
    pub fn begin(&mut self, core: &StreamCore, terms: Terms, first: Sequence) {
        let pages = Pages { stream: Arc::clone(&core.page), consumer: Arc::clone(&self.page) };
        if let Kind::Socket(delivering) = &mut self.kind {
            delivering.reader = Some(Reader::new(Arc::new(pages), terms.max_held, terms.policy, first));
        }
    }

    /// How frames are chosen now: a lossless subscription that was demoted is sequential.
    #[must_use]
    pub fn policy(&self, terms: Terms) -> Policy {
        match terms.policy {
            Policy::Lossless if !self.member.is_lossless() => Policy::Sequential,
            policy => policy,
        }
    }

    /// What it did, by its own word for a shared delivery.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.page.counters()
    }

    /// Context IDs it holds, by its own word.
    pub fn held(&self) -> impl Iterator<Item = u64> {
        self.page.holds(self.member.granted())
    }
}

impl Subscription {
    /// A subscription that waits to be admitted.
    #[must_use]
    pub fn waiting(stream: usize, terms: Terms, request: u32, needed: usize) -> Self {
        Self {
            stream,
            terms,
            phase: Phase::Waiting { request, needed },
            place: None,
            hold_times: HoldTimes::default(),
            early_news: Vec::new(),
            changes: Changes::default(),
            removed: VecDeque::new(),
            told: BTreeMap::new(),
        }
    }

    /// Looks what it holds.
    pub fn look_at_holds(&mut self, stream: &StreamCore, now: Instant) {
        let Some(place) = &self.place else { return };
        let held = place.held().filter_map(ContextId::from_u64);
        self.hold_times.look(now, held, |context| stream.page.readable_in(context.segment()) == Some(context));
    }

    /// Whether the client has the descriptor of this object.
    #[must_use]
    pub fn is_told(&self, index: SegmentIndex, backing: Backing) -> bool {
        self.told.get(&index) == Some(&backing)
    }

    /// The segments whose descriptors the client has not been sent, at most `limit`.
    pub fn untold<'a>(&self, segments: impl Iterator<Item = &'a Arc<Segment>>, limit: usize) -> Vec<Arc<Segment>> {
        let untold = segments.filter(|segment| !self.is_told(segment.index(), segment.backing()));
        untold.take(limit).cloned().collect()
    }

    /// The client has been sent these.
    pub fn tell_of(&mut self, segments: &[Arc<Segment>]) {
        self.told.extend(segments.iter().map(|segment| (segment.index(), segment.backing())));
    }

    /// The ring has given up what is at this index: to be told to a client that does not see it in the stream page.
    pub fn note_removed(&mut self, index: SegmentIndex) {
        if let Some(backing) = self.told.remove(&index)
            && self.terms.delivery == Delivery::Socket
        {
            self.removed.push_back((index, backing));
        }
    }

    /// The news of the first segment that was given up and not told.
    pub fn take_removed(&mut self, id: SubscriptionId) -> Option<Tell> {
        let (index, backing) = self.removed.pop_front()?;
        Some(Tell::SegmentRemoved { subscription: id, index, backing })
    }

    /// The message that announces it, and its descriptors.
    #[must_use]
    pub fn announcement<'a>(
        &'a self,
        id: SubscriptionId,
        core: &'a StreamCore,
        first: Sequence,
        segments: &'a [Arc<Segment>],
    ) -> (Subscribed, Vec<BorrowedFd<'a>>) {
        let Terms { policy, delivery, max_held, .. } = self.terms;
        let message = Subscribed {
            subscription: id,
            stream: core.id,
            policy,
            delivery,
            max_held: u32::try_from(max_held).unwrap_or(u32::MAX),
            first,
            segments: segments.iter().map(|segment| segment.info()).collect(),
        };
        let mut fds = Vec::with_capacity(segments.len() + 3);
        if let Some(Place { kind: Kind::Shared(Some(HandOver { page, notify })), .. }) = &self.place {
            fds.extend([core.page_object.as_fd(), page.as_fd(), notify.as_fd()]);
        }
        fds.extend(segments.iter().filter_map(|segment| segment.descriptor()));
        (message, fds)
    }
}
