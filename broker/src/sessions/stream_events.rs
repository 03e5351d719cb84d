//! What the other threads tell of the streams: segments, sources that come and go, subscriptions that can begin.
//!
//! What concerns readers is not told here: it changes the state of a stream or a subscription, and whoever is settled is told.

use std::sync::Arc;
use std::time::Instant;

use framebroker_protocol::message::ErrorCode;
use framebroker_protocol::ring::Member;
use framebroker_protocol::{SegmentIndex, StreamId};
use tracing::{info, warn};

use super::end::DRAIN;
use super::features::{self, Questions};
use super::log_limit::CLIENTS;
use super::news::Change;
use super::produce;
use super::session::Session;
use super::streams::Streams;
use super::subscribe;
use super::subscription::Subscription;
use super::table::Sessions;
use crate::events::Event;
use crate::factory::{FactoryError, Segment, WritableSegment};

/// A segment and the right to fill it, or why there is none.
type Allocated = Result<(Arc<Segment>, WritableSegment), FactoryError>;

/// Takes what another thread tells.
pub fn take(event: Event, sessions: &mut Sessions, streams: &mut Streams, questions: &mut Questions) {
    match event {
        Event::Allocated { stream, index, result } => allocated(sessions, streams, stream, index, result),
        Event::Adopted { key, first } => subscribe::adopted(sessions, streams, key, first),
        Event::Demoted { stream, member } => demoted(sessions, streams, stream, &member),
        Event::Quarantined { stream: id, kept, stale, client } => {
            if let Some(stream) = streams.get_mut(id) {
                stream.quarantine(client, &kept, &stale);
            }
            streams.restore(id);
        }
        Event::Vacated { stream: id, context } => {
            if let Some(stream) = streams.get_mut(id) {
                stream.vacate(context);
            }
            // It counted until now where it was retired before it was known to be quarantined.
            streams.restore(id);
            removed(sessions, streams, id, context.segment());
        }
        Event::Released { stream: id, index } => {
            if let Some(stream) = streams.get_mut(id) {
                stream.release(index);
            }
            streams.restore(id);
            removed(sessions, streams, id, index);
        }
        Event::Resized { stream: id, epoch, needs, restart, left_behind, given_up } => {
            let Some(stream) = streams.get_mut(id) else { return };
            // Else that producer has gone; what it had is given up all the same.
            if stream.epoch() == epoch {
                stream.require(needs, restart, &left_behind);
            }
            given_up.iter().for_each(|index| stream.release(*index));
            streams.restore(id);
            given_up.into_iter().for_each(|index| removed(sessions, streams, id, index));
        }
        Event::MadeRoom { stream, has_made_room } => streams.made_room(stream, has_made_room),
        Event::Described { stream: id, epoch, description, needs } => {
            if let Some(stream) = streams.get_mut(id).filter(|stream| stream.epoch() == epoch) {
                stream.describe(description, needs);
            }
        }
        Event::Online { stream: id, epoch, description, needs } => {
            // What a producer that has gone did was told then.
            let Some(stream) = streams.get_mut(id).filter(|stream| stream.epoch() == epoch) else { return };
            stream.come_online(description, needs);
            tell_readers(sessions, streams);
            produce::started(sessions, streams, id);
        }
        Event::Offline { stream: id, epoch, reason } => {
            let Some(stream) = streams.get_mut(id).filter(|stream| stream.epoch() == epoch) else { return };
            stream.go_offline(reason.clone());
            tell_readers(sessions, streams);
            produce::fail_running(sessions, streams, id, &reason);
        }
        Event::StillOffline { stream, reason } => {
            if let Some(stream) = streams.get_mut(stream) {
                stream.stay_offline(reason);
            }
        }
        Event::Answered { stream, question, result } => {
            features::answered(sessions, streams, questions, stream, question, result);
        }
        Event::SettingsChanged { stream, version, feature, value, by } => {
            setting_changed(sessions, streams, stream, &Change { version, feature, value, by });
        }
        Event::Finished { stream, reason } => finished(sessions, streams, stream, &reason),
    }
}

/// Tells who reads before who fills: a producer that knows that it has begun, or has failed, finds readers that know it too.
fn tell_readers(sessions: &mut Sessions, streams: &Streams) {
    sessions.iter_mut().for_each(|session| subscribe::tell_news(session, streams));
    sessions.settle_all();
}

fn allocated(sessions: &mut Sessions, streams: &mut Streams, id: StreamId, index: SegmentIndex, result: Allocated) {
    match result {
        Ok((segment, writable)) => produce::take_segment(sessions, streams, id, &segment, writable),
        Err(error) => {
            let Some(stream) = streams.get_mut(id) else { return };
            warn!(stream = %stream.name(), %error, "the ring cannot grow");
            stream.do_without(index);
            stream.resume();
        }
    }
    sessions.settle_all();
}

/// The ring has given up a segment.
fn removed(sessions: &mut Sessions, streams: &Streams, id: StreamId, index: SegmentIndex) {
    produce::withdraw(sessions, streams, id, index);
    of_stream(sessions, id).for_each(|subscription| subscription.note_removed(index));
    sessions.settle_all();
}

fn demoted(sessions: &mut Sessions, streams: &mut Streams, id: StreamId, member: &Arc<Member>) {
    if CLIENTS.may_speak() {
        warn!(
            "a lossless reader was too slow and goes on as a sequential one; `framectl stats` tells whose losses grow"
        );
    }
    let is_it = |subscription: &Subscription| {
        subscription.membership().is_some_and(|membership| Arc::ptr_eq(membership.member(), member))
    };
    for Session { client, subscriptions, .. } in sessions.iter_mut() {
        if let Some(subscription) = subscriptions.values_mut().find(|subscription| is_it(subscription)) {
            subscription.demote();
            if let Some(stream) = streams.get_mut(id) {
                subscribe::note_wait(subscription, stream, client, true);
            }
        }
    }
    sessions.settle_all();
}

fn setting_changed(sessions: &mut Sessions, streams: &Streams, id: StreamId, change: &Change) {
    if CLIENTS.may_speak()
        && let Some(stream) = streams.get(id)
    {
        // As debug output escapes it: a text may hold whatever its client likes, also what looks like another line.
        let Change { version, feature, value, by } = change;
        let value = value.to_string();
        info!(stream = %stream.name(), version, %feature, ?value, %by, "setting changed");
    }
    of_stream(sessions, id).for_each(|subscription| subscription.news().add_change(change.clone()));
    sessions.settle_all();
}

fn finished(sessions: &mut Sessions, streams: &mut Streams, id: StreamId, reason: &str) {
    let Some(stream) = streams.get_mut(id) else { return };
    stream.finish(reason, Instant::now() + DRAIN);
    produce::fail(sessions, stream, ErrorCode::StreamClosed, "the stream has ended: it takes no more frames");
}

fn of_stream(sessions: &mut Sessions, id: StreamId) -> impl Iterator<Item = &mut Subscription> {
    let subscriptions = sessions.iter_mut().flat_map(|session| session.subscriptions.values_mut());
    subscriptions.filter(move |subscription| subscription.stream() == id)
}
