//! Consumers that watch the streams.

use std::path::Path;

use super::{RETURN, Rig, STREAMS};
use crate::actor::figure;
use crate::{Actor, wait_for};

/// Terms of the two consumers of each stream: one shared and lossless, one by socket.
const TERMS: [&str; 2] = ["policy=lossless", "delivery=socket"];

/// A consumer of a stream that holds a frame all the time and watches those that follow.
#[derive(Debug)]
pub struct Reader {
    /// The stream.
    pub stream: &'static str,
    content: &'static str,
    /// The terms it has subscribed on.
    pub terms: &'static str,
    /// Sequence of the frame it holds, the first it got.
    first: u64,
    /// Frames that it had counted when it got that one.
    counted: u64,
    /// Sequence of the newest frame it has told of.
    last: u64,
    actor: Actor,
}

impl Reader {
    /// Two for every stream.
    #[must_use]
    pub fn two_of_each(rig: &Rig) -> Vec<Self> {
        let subscribed = |stream| TERMS.map(|terms| Self::subscribed(rig.broker.socket(), stream, terms));
        let mut readers: Vec<Self> = STREAMS.into_iter().flat_map(subscribed).collect();
        readers.iter_mut().for_each(Self::begin);
        readers
    }

    /// One of a stream and its content, on these terms.
    ///
    /// # Panics
    /// When it is refused.
    #[must_use]
    pub fn subscribed(socket: &Path, (stream, content): (&'static str, &'static str), terms: &'static str) -> Self {
        let mut actor = Actor::start(socket);
        actor.must(&format!("subscribe stream={stream} max_held=3 {terms}"));
        Self { stream, content, terms, first: 0, counted: 0, last: 0, actor }
    }

    /// Holds the first frame that comes, and watches from then on.
    ///
    /// # Panics
    /// When none comes.
    pub fn begin(&mut self) {
        let context: u64 = wait_for("a reader's first frame", RETURN, || {
            self.actor.ask("take 5000").strip_prefix("frame ").map(|context| context.parse().unwrap())
        });
        self.first = context >> 16;
        self.counted = counted(&self.actor.ask("counters"));
        self.last = self.first;
        self.watch();
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.actor.pid()
    }

    /// Kills it while it holds and watches; another one subscribes in its place and begins, maybe while the source is away.
    pub fn replace(&mut self, socket: &Path) {
        self.actor.kill();
        *self = Self::subscribed(socket, (self.stream, self.content), self.terms);
        self.begin();
    }

    fn watch(&mut self) {
        self.actor.must(&format!("watch content={}", self.content));
    }

    /// What it has seen since it was asked last. It goes on.
    ///
    /// # Panics
    /// When something it saw was wrong, what it holds is not as it was, it is no longer attached, or it does not know of each frame
    /// since its first whether it got it.
    pub fn look(&mut self) -> String {
        self.actor.tell("stop");
        self.hear()
    }

    /// As [`Self::look`] for each of them, at once.
    pub fn look_all(readers: &mut [Self]) -> Vec<String> {
        readers.iter_mut().for_each(|reader| reader.actor.tell("stop"));
        readers.iter_mut().map(Self::hear).collect()
    }

    fn hear(&mut self) -> String {
        let seen = self.actor.answer();
        assert!(seen.starts_with("watched "), "{}: {seen}", self.stream);
        assert_eq!(self.actor.answer(), "ok");
        assert_eq!(figure(&seen, "bad"), 0, "{}: {seen}", self.stream);
        let held = self.actor.ask(&format!("check {}", self.content));
        assert_eq!(held, "good 1", "{}", self.stream);
        let state = self.actor.ask("state");
        assert!(state.contains("demoted=0 reconnects=0"), "{}: {state}", self.stream);
        self.last = self.last.max(figure(&seen, "last"));
        assert_eq!(
            counted(&seen) - self.counted,
            self.last - self.first,
            "{} since {}: {seen}",
            self.stream,
            self.first
        );
        self.watch();
        seen
    }

    /// Checks that its broker has ended, that it was told so, and that what it holds is as it was.
    ///
    /// # Panics
    /// When one of that is not so.
    pub fn must_have_ended(&mut self) {
        // It stops watching by itself.
        let said = self.actor.answer();
        assert!(said.starts_with("error closed"), "{}: {said}", self.stream);
        self.actor.must("stop");
        assert_eq!(self.actor.ask(&format!("check {}", self.content)), "good 1", "{}", self.stream);
    }

    /// Checks that its stream was there all the time and that it got every frame.
    ///
    /// # Panics
    /// When one of that is not so.
    pub fn noticed_nothing(&mut self) {
        let seen = self.look();
        let harm = ["missing", "resized", "away"].map(|name| figure(&seen, name));
        assert!(harm == [0; 3], "{} {}: {seen}", self.stream, self.terms);
    }
}

/// Sequences that a reader has accounted for.
fn counted(answer: &str) -> u64 {
    ["received", "lost", "skipped"].iter().map(|name| figure(answer, name)).sum()
}
