//! News of changed settings, which nobody may be able to drown a reader in.
//!
//! A client that sets features as fast as it can must not end the sessions of others, of which some may be stopped. So these news
//! never wait in a session's output: they are sent while the client reads them, else the newest are kept here, and older ones
//! are left out. The settings version tells how many.

use std::collections::VecDeque;

use framebroker_protocol::message::Tell;

/// News kept for a subscription whose client does not read.
const KEPT: usize = 16;
/// News that may lie unread in a session's socket.
pub const UNREAD: usize = 16;

/// The news for one subscription that were not sent.
#[derive(Debug, Default)]
pub struct Changes(VecDeque<Tell>);

impl Changes {
    /// One more; the oldest has to go if they are too many.
    pub fn add(&mut self, news: Tell) {
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back(news);
    }

    /// The oldest.
    pub fn take(&mut self) -> Option<Tell> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept() {
        let mut changes = Changes::default();
        (0..100).for_each(|version| {
            let (feature, by) = ("Gain".parse().unwrap(), framebroker_protocol::Text::cut(""));
            let subscription = framebroker_protocol::SubscriptionId(1);
            changes.add(Tell::SettingsChanged { subscription, version, feature, value: 1.into(), by });
        });
        let kept = std::iter::from_fn(|| changes.take());
        let versions: Vec<u32> =
            kept.map(|news| if let Tell::SettingsChanged { version, .. } = news { version } else { 0 }).collect();
        assert_eq!(versions, (84..100).collect::<Vec<_>>());
    }
}
