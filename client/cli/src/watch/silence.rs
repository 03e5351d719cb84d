//! When to say that a stream which is live brings no frames. Pure: time is passed in.

use std::time::{Duration, Instant};

/// A silence of this length is remarked upon, once.
const LONG: Duration = Duration::from_secs(5);

/// What is said then.
pub const HINT: &str = "no frame for 5 s; `framectl stats` tells whether frames arrive incomplete";

/// For how long a live stream has brought nothing.
#[derive(Debug, Default)]
pub struct Silence {
    since: Option<Instant>,
    is_told: bool,
}

impl Silence {
    /// A frame came, or the stream is away, which is told elsewhere.
    pub fn end(&mut self) {
        self.since = None;
    }

    /// The stream is live and nothing came. True if that is to be remarked upon now.
    pub fn goes_on(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let is_news = !self.is_told && now.saturating_duration_since(since) >= LONG;
        self.is_told |= is_news;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_silence_is_told_once() {
        let (mut silence, begin) = (Silence::default(), Instant::now());
        let told = (0..20).filter(|s| silence.goes_on(begin + Duration::from_secs(*s))).collect::<Vec<_>>();
        assert_eq!(told, [5]);
        silence.end();
        assert!((20..40).all(|s| !silence.goes_on(begin + Duration::from_secs(s))), "only once");
    }

    #[test]
    fn a_frame_ends_the_silence() {
        let (mut silence, begin) = (Silence::default(), Instant::now());
        for s in 0..20 {
            assert!(!silence.goes_on(begin + Duration::from_secs(s)));
            if s % 4 == 0 {
                silence.end();
            }
        }
    }
}
