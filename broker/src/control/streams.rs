//! What the other threads tell: segments, sources that come and go, and subscriptions that can begin.

use std::sync::Arc;
use std::time::Instant;

use framebroker_protocol::message::{ErrorCode, Tell};
use framebroker_protocol::ring::Member;
use framebroker_protocol::{ClientId, SegmentIndex, StreamId, SubscriptionId, Text};
use tracing::warn;

use super::Control;
use super::end::DRAIN;
use super::log_limit::CLIENTS;
use super::subscription::{Phase, Place, Subscription};
use crate::events::{Event, SubscriptionKey};
use crate::factory::{FactoryError, Segment, WritableSegment};
use crate::source::{Description, Requirements};

/// A segment and the right to fill it, or why there is none.
type Allocated = Result<(Arc<Segment>, WritableSegment), FactoryError>;

impl Control {
    pub(super) fn take_events(&mut self) {
        self.events.quiet();
        while let Some(event) = self.events.next() {
            self.take_event(event);
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Allocated { stream, index, result } => self.take_allocated(stream, index, result),
            Event::Released { stream: id, index } => {
                let Some(stream) = self.streams.iter_mut().find(|known| known.id() == id) else { return };
                stream.release(index);
                stream.restore(&self.worker);
                self.tell_removed(id, index);
            }
            Event::MadeRoom { stream, has_made_room } => {
                let Some(stream) = self.streams.iter_mut().find(|known| known.id() == stream) else { return };
                stream.made_room(&self.worker, has_made_room);
            }
            Event::Adopted { key, first } => self.announce(key, first),
            Event::Demoted { stream, member } => self.tell_demoted(stream, &member),
            Event::Quarantined { stream, kept, stale, client } => {
                let Some(stream) = self.streams.iter_mut().find(|known| known.id() == stream) else { return };
                stream.quarantine(client, &kept, &stale);
                stream.restore(&self.worker);
                self.admit_waiting();
            }
            Event::Vacated { stream: id, context } => {
                let Some(stream) = self.streams.iter_mut().find(|known| known.id() == id) else { return };
                stream.vacate(context);
                // It counted until now where it was retired before it was known to be quarantined.
                stream.restore(&self.worker);
                self.tell_removed(id, context.segment());
            }
            Event::Resized { stream: id, epoch, needs, restart, left_behind, given_up } => {
                let Some(stream) = self.streams.iter_mut().find(|known| known.id() == id) else { return };
                // Else that producer has gone; what it had is given up all the same.
                if stream.epoch() == epoch {
                    stream.require(needs, restart, &left_behind);
                }
                given_up.iter().for_each(|index| stream.release(*index));
                stream.restore(&self.worker);
                given_up.into_iter().for_each(|index| self.tell_removed(id, index));
            }
            Event::Online { stream, epoch, .. } | Event::Offline { stream, epoch, .. } => {
                // What a producer that has gone did was told then.
                if self.stream_at(stream).is_some_and(|known| known.epoch() == epoch) {
                    self.take_change(event);
                }
            }
            Event::StillOffline { stream, reason } => {
                let Some(stream) = self.stream_at(stream) else { return };
                stream.stay_offline(reason);
            }
            Event::Answered { stream, question, result } => self.take_answer(stream, question, result),
            Event::SettingsChanged { stream, version, feature, value, by } => {
                self.tell_changed(stream, version, &feature, &value, &by);
            }
            Event::Finished { stream, reason } => self.take_finished(stream, &reason),
        }
    }

    /// A source comes or goes.
    fn take_change(&mut self, event: Event) {
        match event {
            Event::Online { stream, description, needs, .. } => {
                self.tell_online(stream, description, needs);
                self.tell_started(stream);
            }
            Event::Offline { stream, reason, .. } => {
                self.tell_offline(stream, &reason);
                if self.has_begun(stream) {
                    self.fail_producer(stream, ErrorCode::Breach, &reason);
                }
            }
            _ => {}
        }
    }

    fn take_allocated(&mut self, id: StreamId, index: SegmentIndex, result: Allocated) {
        match result {
            Ok((segment, writable)) => self.take_segment(id, &segment, writable),
            Err(error) => {
                let Some(stream) = self.stream_at(id) else { return };
                warn!(stream = %stream.name(), %error, "the ring cannot grow");
                stream.do_without(index);
                stream.resume();
            }
        }
        self.admit_waiting();
        self.settle_all();
    }

    /// A segment has been made: for the ring, or for its producer to map first.
    fn take_segment(&mut self, id: StreamId, segment: &Arc<Segment>, writable: WritableSegment) {
        let Self { streams, sessions, worker, .. } = self;
        let Some(stream) = streams.iter_mut().find(|known| known.id() == id) else { return };
        let producer = stream.producer().and_then(|producer| sessions.get_mut(&producer.client));
        let production = producer.and_then(|session| session.production.as_mut());
        match production {
            Some(production) if stream.awaits(segment.index()) => production.take_segment(segment, writable),
            None if !stream.takes_producers() => stream.install(segment, writable),
            // It was made for a producer that has gone.
            _ => stream.do_without(segment.index()),
        }
        // It may have become too small meanwhile.
        stream.restore(worker);
    }

    fn take_finished(&mut self, id: StreamId, reason: &str) {
        if let Some(stream) = self.stream_at(id) {
            stream.finish(reason, Instant::now() + DRAIN);
        }
        self.fail_producer(id, ErrorCode::StreamClosed, "the stream has ended: nothing more is to be filled");
        if self.streams.iter().all(|stream| stream.life().finished().is_some()) && self.ending.is_none() {
            self.begin_end(DRAIN, reason);
        }
    }

    fn stream_at(&mut self, id: StreamId) -> Option<&mut crate::stream::served::Stream> {
        self.streams.iter_mut().find(|stream| stream.id() == id)
    }

    /// Lets subscriptions begin that waited for the ring to grow; refuses those that wait in vain.
    pub(super) fn admit_waiting(&mut self) {
        for at in 0..self.streams.len() {
            while let Some(key) = self.streams.get(at).and_then(|stream| stream.first_in_line()) {
                if !self.admit_or_refuse(at, key) {
                    break;
                }
            }
        }
    }

    /// True if the subscription no longer waits.
    fn admit_or_refuse(&mut self, at: usize, key: SubscriptionKey) -> bool {
        let Some(stream) = self.streams.get_mut(at) else { return true };
        let session = self.sessions.get_mut(&key.client);
        let waiting = session.and_then(|session| {
            let subscription = session.subscriptions.get(&key.subscription)?;
            let Phase::Waiting { request, needed } = subscription.phase else { return None };
            Some((request, needed, subscription.terms.max_held))
        });
        let Some((request, needed, max_held)) = waiting else {
            stream.leave_line();
            return true;
        };
        match stream.may_begin(needed) {
            Some(false) => return false,
            Some(true) => {
                stream.leave_line();
                self.begin(at, key);
                return true;
            }
            None => stream.leave_line(),
        }
        stream.take_back_grant(max_held);
        if let Some(session) = self.sessions.get_mut(&key.client) {
            session.subscriptions.remove(&key.subscription);
            session.refuse(
                request,
                ErrorCode::Unavailable,
                "the broker's machine has no memory for the segments this subscription needs; ask for fewer holds",
            );
        }
        true
    }

    fn tell_demoted(&mut self, stream: StreamId, demoted: &Arc<Member>) {
        let reason = Text::cut(
            "the ring could not wait any longer; frames may be lost from here on. Read faster, or start the broker with more --segments or a longer --lossless-timeout",
        );
        if CLIENTS.may_speak() {
            warn!(
                "a lossless reader was too slow and goes on as a sequential one; `framectl stats` tells whose losses grow"
            );
        }
        self.tell_where(stream, |subscription, place| {
            if !Arc::ptr_eq(&place.member, demoted) {
                return None;
            }
            if let Some(reader) = place.delivering().and_then(|delivering| delivering.reader.as_mut()) {
                reader.demote();
            }
            Some(Tell::Demoted { subscription, reason: reason.clone() })
        });
    }

    fn tell_online(&mut self, id: StreamId, description: Description, needs: Requirements) {
        let Some(stream) = self.stream_at(id) else { return };
        if stream.come_online(description, needs) {
            self.tell_where(id, |subscription, _| Some(Tell::Online { subscription }));
        }
    }

    pub(super) fn tell_offline(&mut self, id: StreamId, reason: &str) {
        let Some(stream) = self.stream_at(id) else { return };
        stream.go_offline(reason.to_owned());
        self.tell_of_outage(id, reason);
    }

    pub(super) fn tell_of_outage(&mut self, id: StreamId, reason: &str) {
        self.tell_where(id, |subscription, _| Some(Tell::Offline { subscription, reason: Text::cut(reason) }));
    }

    /// Tells readers of a stream that has ended while others go on, once they have taken its last frames.
    pub(super) fn close_finished(&mut self, now: Instant) {
        let closed: Vec<(StreamId, Text)> = self
            .streams
            .iter_mut()
            .filter_map(|stream| {
                stream
                    .close_if_drained(now)
                    .then(|| stream.life().finished().map(|finished| (stream.id(), Text::cut(&finished.reason))))?
            })
            .collect();
        for (id, reason) in closed {
            self.tell_each(id, |subscription, _| Some(Tell::Closed { subscription, reason: reason.clone() }));
        }
    }

    fn tell_removed(&mut self, stream: StreamId, index: SegmentIndex) {
        self.tell_withdrawn(stream, index);
        self.tell_each(stream, |_, subscription| {
            subscription.note_removed(index);
            None
        });
    }

    /// Tells the subscriptions of a stream that have begun.
    fn tell_where(&mut self, stream: StreamId, tell: impl Fn(SubscriptionId, &mut Place) -> Option<Tell>) {
        self.tell_each(stream, |id, subscription| tell(id, subscription.place.as_mut()?));
    }

    fn tell_each(&mut self, stream: StreamId, tell: impl Fn(SubscriptionId, &mut Subscription) -> Option<Tell>) {
        let Some(at) = self.streams.iter().position(|known| known.id() == stream) else { return };
        for session in self.sessions.values_mut() {
            let mut subscriptions = std::mem::take(&mut session.subscriptions);
            for (id, subscription) in subscriptions.iter_mut().filter(|(_, subscription)| subscription.stream == at) {
                let Some(news) = tell(*id, subscription) else { continue };
                if subscription.phase == Phase::Active {
                    session.tell(0, news);
                } else {
                    // It is told once it knows that it has begun.
                    subscription.early_news.push(news);
                }
            }
            session.subscriptions = subscriptions;
        }
        self.settle_all();
    }

    pub(super) fn settle_all(&mut self) {
        let clients: Vec<ClientId> = self.sessions.keys().copied().collect();
        for client in clients {
            self.settle(client);
        }
    }
}
