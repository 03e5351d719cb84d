//! How far a stream is, from before its source was first there to its end. Pure.

use std::time::Instant;

/// How far a stream is.
#[derive(Debug)]
pub enum Life {
    /// The source has not been there yet, for this reason: what it needs is not known, and there are no segments.
    Unseen(String),
    /// Frames come.
    Live,
    /// The source is away, for this reason.
    Offline(String),
    /// The source is there, and stopped until there are segments that fit its frames.
    Resuming {
        /// Which restart of the source that is.
        restart: u64,
        /// Why readers take it to be away, if they do: a source that is only set stays live for them.
        offline: Option<String>,
    },
    /// No more frames come.
    Finished(Finished),
}

/// How a stream ended.
#[derive(Debug)]
pub struct Finished {
    /// Why; told to its readers.
    pub reason: String,
    /// Until when they may take the last frames.
    pub drain_until: Instant,
    /// They may be told.
    pub is_closed: bool,
}

impl Life {
    /// Why readers take the source to be away, if they do.
    #[must_use]
    pub fn offline(&self) -> Option<&str> {
        match self {
            Self::Unseen(reason) | Self::Offline(reason) | Self::Resuming { offline: Some(reason), .. } => Some(reason),
            Self::Live | Self::Resuming { offline: None, .. } | Self::Finished(_) => None,
        }
    }

    /// How it ended, if it did.
    #[must_use]
    pub fn finished(&self) -> Option<&Finished> {
        if let Self::Finished(finished) = self { Some(finished) } else { None }
    }

    /// The source is away, perhaps for another reason than before. A source that waits for segments still does.
    pub(super) fn go_offline(&mut self, reason: String) {
        match self {
            Self::Unseen(before) | Self::Offline(before) => *before = reason,
            Self::Live => *self = Self::Offline(reason),
            Self::Resuming { offline, .. } => *offline = Some(reason),
            Self::Finished(_) => {}
        }
    }

    /// Frames come. True where readers took the source to be away.
    pub(super) fn come_online(&mut self) -> bool {
        let was_offline = self.offline().is_some();
        match self {
            Self::Unseen(_) | Self::Offline(_) => *self = Self::Live,
            Self::Resuming { offline, .. } => *offline = None,
            Self::Live | Self::Finished(_) => {}
        }
        was_offline
    }

    /// The source is there and needs other segments.
    pub(super) fn await_segments(&mut self, restart: u64) {
        if matches!(self, Self::Finished(_)) {
            return;
        }
        *self = Self::Resuming { restart, offline: self.offline().map(str::to_owned) };
    }

    /// The source need not wait for segments any more: they are there, or it has gone. Returns which restart waited, if any did.
    pub(super) fn end_waiting(&mut self) -> Option<u64> {
        let Self::Resuming { restart, offline } = self else { return None };
        let restart = *restart;
        *self = offline.take().map_or(Self::Live, Self::Offline);
        Some(restart)
    }

    /// No more frames come.
    pub(super) fn finish(&mut self, reason: String, drain_until: Instant) {
        *self = Self::Finished(Finished { reason, drain_until, is_closed: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_is_set_stays_live_for_readers() {
        let mut life = Life::Live;
        life.await_segments(1);
        assert_eq!(life.offline(), None);
        assert_eq!((life.end_waiting(), life.end_waiting()), (Some(1), None));
        assert!(matches!(life, Life::Live) && !life.come_online());
    }

    #[test]
    fn a_source_that_is_back_is_away_until_it_delivers() {
        let mut life = Life::Unseen("no camera".to_owned());
        life.await_segments(1);
        life.go_offline("no memory".to_owned());
        assert_eq!(life.end_waiting(), Some(1));
        assert_eq!(life.offline(), Some("no memory"));
        assert!(life.come_online() && life.offline().is_none());
    }

    #[test]
    fn nothing_follows_the_end() {
        let mut life = Life::Live;
        life.finish("over".to_owned(), Instant::now());
        life.await_segments(1);
        life.go_offline("away".to_owned());
        assert!(!life.come_online() && life.end_waiting().is_none());
        assert_eq!((life.offline(), life.finished().unwrap().reason.as_str()), (None, "over"));
    }
}
