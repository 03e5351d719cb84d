//! One subscription: what was asked for, how far it is, and what its client knows.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::message::{Delivery, Subscribed};
use framebroker_protocol::{Backing, ContextId, SegmentIndex, Sequence, StreamId, SubscriptionId};

use super::membership::Membership;
use super::news::{News, StreamState};
use super::socket_reader::SocketReader;
use super::terms::Terms;
use crate::factory::Segment;
use crate::stream::StreamCore;
use crate::stream::hold_times::HoldTimes;
use crate::stream::served::Stream;

/// How far a subscription is.
#[derive(Debug)]
enum Phase {
    /// The ring must grow first, to so many segments.
    Waiting {
        request: u32,
        needed: usize,
    },
    /// In the ring; the grab thread is asked to wait for it.
    Adopting {
        request: u32,
        membership: Membership,
    },
    /// In the ring; the client does not know yet.
    Announcing {
        request: u32,
        first: Sequence,
        membership: Membership,
    },
    Active {
        membership: Membership,
    },
}

/// A subscription of a session.
#[derive(Debug)]
pub struct Subscription {
    id: SubscriptionId,
    stream: StreamId,
    terms: Terms,
    phase: Phase,
    /// What was waited for it is noted.
    is_charged: bool,
    /// How long it holds what it holds.
    hold_times: HoldTimes,
    /// What its client is still to be told.
    news: News,
    /// Segments whose descriptors the client has been sent.
    known: BTreeMap<SegmentIndex, Backing>,
}

impl Subscription {
    /// A subscription that waits to begin, until the ring has so many segments.
    pub fn waiting(id: SubscriptionId, stream: StreamId, terms: Terms, request: u32, needed: usize) -> Self {
        Self {
            id,
            stream,
            terms,
            phase: Phase::Waiting { request, needed },
            is_charged: false,
            hold_times: HoldTimes::default(),
            news: News::default(),
            known: BTreeMap::new(),
        }
    }

    pub fn id(&self) -> SubscriptionId {
        self.id
    }

    pub fn stream(&self) -> StreamId {
        self.stream
    }

    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Where it waits for the ring to grow: the request to be answered, and segments without which it cannot begin.
    pub fn waits_for(&self) -> Option<(u32, usize)> {
        if let Phase::Waiting { request, needed } = self.phase { Some((request, needed)) } else { None }
    }

    /// The request that asked for it, where that is not answered.
    pub fn unanswered(&self) -> Option<u32> {
        match self.phase {
            Phase::Waiting { request, .. } | Phase::Adopting { request, .. } | Phase::Announcing { request, .. } => {
                Some(request)
            }
            Phase::Active { .. } => None,
        }
    }

    /// Whether the client knows that it has begun.
    pub fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Active { .. })
    }

    /// In the ring, from when it has begun.
    pub fn membership(&self) -> Option<&Membership> {
        match &self.phase {
            Phase::Waiting { .. } => None,
            Phase::Adopting { membership, .. }
            | Phase::Announcing { membership, .. }
            | Phase::Active { membership } => Some(membership),
        }
    }

    /// In the ring, from when it has begun.
    pub fn membership_mut(&mut self) -> Option<&mut Membership> {
        match &mut self.phase {
            Phase::Waiting { .. } => None,
            Phase::Adopting { membership, .. }
            | Phase::Announcing { membership, .. }
            | Phase::Active { membership } => Some(membership),
        }
    }

    /// Takes frames for a client that knows of its socket delivery.
    pub fn socket_reader(&mut self) -> Option<&mut SocketReader> {
        if let Phase::Active { membership } = &mut self.phase { membership.socket_reader() } else { None }
    }

    /// It is in the ring, and the grab thread has been asked to wait for it.
    pub fn adopt(&mut self, membership: Membership) {
        if let Phase::Waiting { request, .. } = self.phase {
            self.phase = Phase::Adopting { request, membership };
        }
    }

    /// It is in the ring, and its first frame is known: the client can be told.
    pub fn begin(&mut self, membership: Membership, stream: &Stream, first: Sequence) {
        if let Phase::Waiting { request, .. } = self.phase {
            self.phase = Phase::Adopting { request, membership };
            self.announce(stream, first);
        }
    }

    /// The grab thread waits for it from this frame on: the client can be told.
    pub fn announce(&mut self, stream: &Stream, first: Sequence) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Waiting { request: 0, needed: 0 }) {
            Phase::Adopting { request, mut membership } => {
                membership.begin(stream.core(), self.terms, first);
                self.news.begin(StreamState::of(stream));
                Phase::Announcing { request, first, membership }
            }
            other => other,
        };
    }

    /// The request and the first frame, where the client is still to be told that it has begun.
    pub fn to_be_announced(&self) -> Option<(u32, Sequence)> {
        if let Phase::Announcing { request, first, .. } = self.phase { Some((request, first)) } else { None }
    }

    /// The client has been sent these segments, and thereby knows that it has begun.
    pub fn has_sent(&mut self, segments: &[Arc<Segment>]) {
        self.known.extend(segments.iter().map(|segment| (segment.index(), segment.backing())));
        self.phase = match std::mem::replace(&mut self.phase, Phase::Waiting { request: 0, needed: 0 }) {
            Phase::Announcing { membership, .. } => Phase::Active { membership },
            other => other,
        };
    }

    /// Whether the client has the descriptor of this object.
    pub fn knows(&self, index: SegmentIndex, backing: Backing) -> bool {
        self.known.get(&index) == Some(&backing)
    }

    /// The segments whose descriptors the client has not been sent, at most `limit`.
    pub fn unknown<'a>(&self, segments: impl Iterator<Item = &'a Arc<Segment>>, limit: usize) -> Vec<Arc<Segment>> {
        let unknown = segments.filter(|segment| !self.knows(segment.index(), segment.backing()));
        unknown.take(limit).cloned().collect()
    }

    /// The ring has given up what is at this index: to be told to a client that does not see it in the stream page.
    pub fn note_removed(&mut self, index: SegmentIndex) {
        if let Some(backing) = self.known.remove(&index)
            && self.terms.delivery == Delivery::Socket
        {
            self.news.remove(index, backing);
        }
    }

    /// How long the source has paused for it since it has got on; only once, where it is no longer waited for.
    pub fn take_waited(&mut self) -> Option<Duration> {
        let waited_ns = self.membership()?.member().waited_ns();
        (!std::mem::replace(&mut self.is_charged, true)).then_some(Duration::from_nanos(waited_ns))
    }

    /// The ring no longer waits for it.
    pub fn demote(&mut self) {
        self.news.demote();
        if let Some(membership) = self.membership_mut() {
            membership.demote();
        }
    }

    /// What its client is still to be told.
    pub fn news(&mut self) -> &mut News {
        &mut self.news
    }

    /// Whether its client has been told that the stream has ended.
    pub fn knows_the_end(&self) -> bool {
        self.news.is_closed()
    }

    pub fn look_at_holds(&mut self, stream: &StreamCore, now: Instant) {
        let Self { phase, hold_times, .. } = self;
        let (Phase::Adopting { membership, .. } | Phase::Announcing { membership, .. } | Phase::Active { membership }) =
            phase
        else {
            return;
        };
        let held = membership.held().filter_map(ContextId::from_u64);
        hold_times.look(now, held, |context| stream.page.readable_in(context.segment()) == Some(context));
    }

    /// How long it holds what it holds.
    pub fn hold_times(&self) -> &HoldTimes {
        &self.hold_times
    }

    /// How long it holds what it holds; to ask what is overdue and was not said.
    pub fn hold_times_mut(&mut self) -> &mut HoldTimes {
        &mut self.hold_times
    }

    /// The message that announces it, and its descriptors.
    pub fn announcement<'a>(
        &'a self,
        core: &'a StreamCore,
        first: Sequence,
        segments: &'a [Arc<Segment>],
    ) -> (Subscribed, Vec<BorrowedFd<'a>>) {
        let Terms { policy, delivery, max_held, .. } = self.terms;
        let message = Subscribed {
            subscription: self.id,
            stream: core.id,
            policy,
            delivery,
            max_held: u32::try_from(max_held).unwrap_or(u32::MAX),
            first,
            segments: segments.iter().map(|segment| segment.info()).collect(),
        };
        let mut fds = Vec::with_capacity(segments.len() + 3);
        if delivery == Delivery::Shared {
            fds.push(core.page_object.as_fd());
        }
        fds.extend(self.membership().into_iter().flat_map(Membership::descriptors));
        fds.extend(segments.iter().filter_map(|segment| segment.descriptor()));
        (message, fds)
    }
}
