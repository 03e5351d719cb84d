//! What the broker has told about a subscription. Pure: messages in, state out.

use std::collections::VecDeque;

use framebroker_protocol::message::{ErrorCode, FeatureValue, Tell};
use framebroker_protocol::{FeatureName, stop_point};

use crate::connect::refused;
use crate::error::Violation;
use crate::limits::CHANGES_KEPT;
use crate::settings_version::SettingsVersion;
use crate::{Error, Result};

/// News: somebody has set a feature of the stream, or executed a command that is no trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsChange {
    /// The settings version that began. Where it is not one more than in the news before, others were left out because they
    /// were not read in time.
    pub version: u32,
    /// Which feature.
    pub feature: FeatureName,
    /// Its value now; [`FeatureValue::None`] for a command.
    pub value: FeatureValue,
    /// Who has done it, for people.
    pub by: String,
}

impl From<&SettingsChange> for SettingsVersion {
    fn from(change: &SettingsChange) -> Self {
        Self(change.version)
    }
}

/// The state of a subscription by the broker's messages.
#[derive(Debug, Default)]
pub struct Status {
    /// Why the source is away, while it is.
    pub offline: Option<String>,
    /// Why the broker no longer waits for a lossless subscription.
    pub demoted: Option<String>,
    /// What was changed in the camera's settings and not asked for yet.
    pub changes: VecDeque<SettingsChange>,
    /// Why no more frames come.
    ended: Option<Error>,
}

impl Status {
    /// Takes in a message that is no frame and brings no segments.
    pub fn hear(&mut self, news: Tell) -> Result<(), Violation> {
        match news {
            Tell::Offline { reason, .. } => self.offline = Some(reason.into()),
            Tell::Online { .. } => self.offline = None,
            Tell::Demoted { reason, .. } => self.demoted = Some(reason.into()),
            Tell::SettingsChanged { version, feature, value, by, .. } => {
                if self.changes.len() >= CHANGES_KEPT {
                    self.changes.pop_front();
                }
                self.changes.push_back(SettingsChange { version, feature, value, by: by.into() });
            }
            Tell::Evicted { reason, .. } => {
                stop_point("eviction.heard");
                self.end(Error::Evicted { reason: reason.into() });
            }
            Tell::Closed { reason, .. } => self.end(Error::Closed { reason: reason.into() }),
            // A frame was given back just as the broker ended the subscription, which it says as well.
            Tell::Error { code: ErrorCode::NotHeld | ErrorCode::UnknownSubscription, .. } => {}
            Tell::Error { code, text } => self.end(refused(code, text.as_str())),
            _ => return Err(Violation::Unexpected("not news of a subscription")),
        }
        Ok(())
    }

    /// No more frames come, for this reason. The first reason stays: what follows it is its consequence.
    pub fn end(&mut self, reason: Error) {
        self.ended.get_or_insert(reason);
    }

    /// Another reason counts now: no other broker could be joined.
    pub fn replace_end(&mut self, reason: Error) {
        self.ended = Some(reason);
    }

    /// Why no more frames come, if so.
    pub fn ended(&self) -> Option<&Error> {
        self.ended.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use framebroker_protocol::{SubscriptionId, Text};

    const ID: SubscriptionId = SubscriptionId(1);

    #[test]
    fn the_first_reason_stays() {
        let mut status = Status::default();
        status.hear(Tell::Closed { subscription: ID, reason: Text::cut("done") }).unwrap();
        status.end(Error::BrokerGone);
        assert!(matches!(status.ended(), Some(Error::Closed { reason }) if reason == "done"));
    }

    #[test]
    fn a_source_goes_and_comes_back() {
        let mut status = Status::default();
        status.hear(Tell::Offline { subscription: ID, reason: Text::cut("unplugged") }).unwrap();
        assert_eq!(status.offline.as_deref(), Some("unplugged"));
        status.hear(Tell::Online { subscription: ID }).unwrap();
        assert!(status.offline.is_none() && status.ended().is_none());
    }

    #[test]
    fn a_session_that_fails_keeps_the_brokers_code() {
        let mut status = Status::default();
        status.hear(Tell::Error { code: ErrorCode::TooSlow, text: Text::cut("read") }).unwrap();
        assert_eq!(status.ended().and_then(Error::code), Some(ErrorCode::TooSlow));
    }

    #[test]
    fn the_newest_changes_are_kept() {
        let mut status = Status::default();
        for version in 0..100 {
            let (feature, by) = ("Gain".parse().unwrap(), Text::cut("somebody"));
            status.hear(Tell::SettingsChanged { subscription: ID, version, feature, value: 1.into(), by }).unwrap();
        }
        let versions = status.changes.iter().map(|change| change.version);
        assert!(versions.eq(36..100), "{:?}", status.changes);
    }

    #[test]
    fn other_messages_are_no_news() {
        assert!(Status::default().hear(Tell::Pong).is_err());
    }
}
