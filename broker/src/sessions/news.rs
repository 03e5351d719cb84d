//! What a subscription's client is still to be told. Pure.
//!
//! News are kept as a state, and not as a history: what the client knows is compared with what is. So nothing grows while a
//! client does not read, or does not know yet that its subscription has begun.

use std::collections::VecDeque;

use framebroker_protocol::message::{FeatureValue, Tell};
use framebroker_protocol::{Backing, FeatureName, SegmentIndex, SubscriptionId, Text};

use crate::stream::served::Stream;

/// Changed settings kept for a client that does not read: the newest. The settings version tells how many were left out.
const KEPT_CHANGES: usize = 16;

const DEMOTED: &str = "the ring could not wait any longer; frames may be lost from here on. Read faster, or start the broker with more --segments or a longer --lossless-timeout";

/// A setting that was changed.
#[derive(Debug, Clone)]
pub struct Change {
    /// The settings version that began.
    pub version: u32,
    /// Which feature.
    pub feature: FeatureName,
    /// Its value now.
    pub value: FeatureValue,
    /// Who has done it.
    pub by: Text,
}

/// What is told of a stream to all who read it.
#[derive(Debug, Clone, Copy)]
pub struct StreamState<'a> {
    /// How often its source went.
    pub outages: u64,
    /// Why it went last.
    pub last_outage: &'a str,
    /// It is away.
    pub is_offline: bool,
    /// The source delivers nothing any more.
    pub has_ended: bool,
    /// Why the stream has ended, if it has.
    pub closed: Option<&'a str>,
}

impl<'a> StreamState<'a> {
    /// As it is now.
    pub fn of(stream: &'a Stream) -> Self {
        let finished = stream.life().finished();
        let closed = finished.filter(|finished| finished.is_closed);
        Self {
            outages: stream.outages(),
            last_outage: stream.life().offline().unwrap_or(stream.last_outage()),
            is_offline: stream.life().offline().is_some(),
            has_ended: finished.is_some(),
            closed: closed.map(|finished| finished.reason.as_str()),
        }
    }
}

/// What one client knows, and what it does not.
#[derive(Debug, Default)]
pub struct News {
    /// Outages that it knows of.
    outages: u64,
    /// It takes the source to be away.
    is_offline: bool,
    /// It takes the stream to have ended.
    is_closed: bool,
    /// Its subscription was demoted, and it does not know.
    is_demoted: bool,
    /// Segments that were given up and not told.
    removed: VecDeque<(SegmentIndex, Backing)>,
    /// Changed settings that were not told.
    changes: VecDeque<Change>,
}

impl News {
    /// The client is about to learn that its subscription has begun: what happened before concerns it only where it lasts.
    pub fn begin(&mut self, stream: StreamState<'_>) {
        self.outages = stream.outages - u64::from(stream.is_offline);
        self.is_offline = false;
    }

    /// What it is to be told next.
    pub fn next(&mut self, subscription: SubscriptionId, stream: StreamState<'_>) -> Option<Tell> {
        if self.is_closed {
            return None;
        }
        if stream.outages > self.outages {
            (self.outages, self.is_offline) = (stream.outages, true);
            return Some(Tell::Offline { subscription, reason: Text::cut(stream.last_outage) });
        }
        if self.is_offline && !stream.is_offline && !stream.has_ended {
            self.is_offline = false;
            return Some(Tell::Online { subscription });
        }
        if std::mem::take(&mut self.is_demoted) {
            return Some(Tell::Demoted { subscription, reason: Text::cut(DEMOTED) });
        }
        let reason = Text::cut(stream.closed?);
        self.is_closed = true;
        Some(Tell::Closed { subscription, reason })
    }

    /// Whether the client knows that the stream has ended.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The subscription was demoted.
    pub fn demote(&mut self) {
        self.is_demoted = true;
    }

    /// A segment was given up whose descriptor the client has.
    pub fn remove(&mut self, index: SegmentIndex, backing: Backing) {
        self.removed.push_back((index, backing));
    }

    /// The first segment that was given up and not told.
    pub fn next_removed(&mut self, subscription: SubscriptionId) -> Option<Tell> {
        let (index, backing) = self.removed.pop_front()?;
        Some(Tell::SegmentRemoved { subscription, index, backing })
    }

    /// A setting was changed; the oldest change has to go where there are too many.
    pub fn add_change(&mut self, change: Change) {
        if self.changes.len() >= KEPT_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// The oldest change that was not told.
    pub fn next_change(&mut self, subscription: SubscriptionId) -> Option<Tell> {
        let Change { version, feature, value, by } = self.changes.pop_front()?;
        Some(Tell::SettingsChanged { subscription, version, feature, value, by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SubscriptionId = SubscriptionId(1);
    const LIVE: StreamState<'_> =
        StreamState { outages: 3, last_outage: "cable", is_offline: false, has_ended: false, closed: None };

    fn all(news: &mut News, stream: StreamState<'_>) -> Vec<Tell> {
        std::iter::from_fn(|| news.next(ID, stream)).collect()
    }

    fn offline() -> Tell {
        Tell::Offline { subscription: ID, reason: Text::cut("cable") }
    }

    #[test]
    fn what_was_over_before_a_subscription_began_is_no_news() {
        let mut news = News::default();
        news.begin(LIVE);
        assert_eq!(all(&mut news, LIVE), []);
        news.begin(StreamState { is_offline: true, ..LIVE });
        assert_eq!(all(&mut news, StreamState { is_offline: true, ..LIVE }), [offline()]);
        assert_eq!(all(&mut news, LIVE), [Tell::Online { subscription: ID }]);
    }

    /// Goal: a source that comes and goes while its reader does not read, or does not know that it has begun, leaves two news.
    #[test]
    fn outages_do_not_pile_up() {
        let mut news = News::default();
        news.begin(LIVE);
        let stream = StreamState { outages: 1_000_000, ..LIVE };
        assert_eq!(all(&mut news, stream), [offline(), Tell::Online { subscription: ID }]);
        assert_eq!(all(&mut news, stream), []);
    }

    #[test]
    fn the_end_comes_last_and_once() {
        let mut news = News::default();
        news.begin(LIVE);
        news.demote();
        let closed = StreamState { outages: 4, has_ended: true, closed: Some("over"), ..LIVE };
        let told = all(&mut news, closed);
        assert!(matches!(told.as_slice(), [Tell::Offline { .. }, Tell::Demoted { .. }, Tell::Closed { .. }]));
        assert!(news.is_closed() && all(&mut news, StreamState { outages: 5, ..closed }).is_empty());
    }

    #[test]
    fn the_newest_changes_are_kept() {
        let mut news = News::default();
        (0..100).for_each(|version| {
            let (feature, by) = ("Gain".parse().unwrap(), Text::cut(""));
            news.add_change(Change { version, feature, value: 1.into(), by });
        });
        let kept = std::iter::from_fn(|| news.next_change(ID));
        let versions: Vec<u32> =
            kept.map(|news| if let Tell::SettingsChanged { version, .. } = news { version } else { 0 }).collect();
        assert_eq!(versions, (84..100).collect::<Vec<_>>());
    }
}
