//! Consumers that watch the streams.

use std::path::Path;

use framebroker_tests::actor::figure;
use framebroker_tests::{Actor, wait_for};

use crate::RETURN;
use crate::rig::{Rig, STREAMS};

/// Terms of the two consumers of each stream: one shared and lossless, one by socket.
const TERMS: [&str; 2] = ["policy=lossless", "delivery=socket"];

/// A consumer of a stream that holds a frame all the time and watches those that follow.
pub struct Reader {
    pub stream: &'static str,
    content: &'static str,
    terms: &'static str,
    /// Sequence of the frame it holds, the first it got.
    first: u64,
    actor: Actor,
}

impl Reader {
    /// Two for every stream.
    pub fn two_of_each(rig: &Rig) -> Vec<Self> {
        let subscribed = |stream| TERMS.map(|terms| Self::subscribed(rig.broker.socket(), stream, terms));
        let mut readers: Vec<Self> = STREAMS.into_iter().flat_map(subscribed).collect();
        readers.iter_mut().for_each(Self::begin);
        readers
    }

    fn subscribed(socket: &Path, (stream, content): (&'static str, &'static str), terms: &'static str) -> Self {
        let mut actor = Actor::start(socket);
        actor.must(&format!("subscribe stream={stream} max_held=3 {terms}"));
        Self { stream, content, terms, first: 0, actor }
    }

    /// Holds the first frame that comes, and watches from then on.
    pub fn begin(&mut self) {
        let context: u64 = wait_for("a reader's first frame", RETURN, || {
            self.actor.ask("take 5000").strip_prefix("frame ").map(|context| context.parse().unwrap())
        });
        self.first = context >> 16;
        self.watch();
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

    /// What it has seen since it was asked last. Checks that all it saw was right, that what it holds is as it was, that it is still
    /// attached, and that it knows of each frame since its first whether it got it. It goes on.
    pub fn look(&mut self) -> String {
        let seen = self.actor.ask("stop");
        assert!(seen.starts_with("watched "), "{}: {seen}", self.stream);
        assert_eq!(self.actor.answer(), "ok");
        assert_eq!(figure(&seen, "bad"), 0, "{}: {seen}", self.stream);
        let held = self.actor.ask(&format!("check {}", self.content));
        assert_eq!(held, "good 1", "{}", self.stream);
        let state = self.actor.ask("state");
        assert!(state.contains("demoted=0 reconnects=0"), "{}: {state}", self.stream);
        let counted = figure(&seen, "received") + figure(&seen, "lost") + figure(&seen, "skipped");
        assert_eq!(counted, figure(&seen, "last") - self.first + 1, "{} since {}: {seen}", self.stream, self.first);
        self.watch();
        seen
    }

    /// Checks that its broker has ended, that it was told so, and that what it holds is as it was.
    pub fn must_have_ended(&mut self) {
        self.actor.tell("stop");
        let said = self.actor.answer();
        assert!(said.starts_with("error closed"), "{}: {said}", self.stream);
        assert_eq!(self.actor.answer(), "ok");
        assert_eq!(self.actor.ask(&format!("check {}", self.content)), "good 1", "{}", self.stream);
    }

    /// Checks that its stream was there all the time and that it got every frame.
    pub fn noticed_nothing(&mut self) {
        let seen = self.look();
        let harm = ["missing", "resized", "away"].map(|name| figure(&seen, name));
        assert!(harm == [0; 3], "{} {}: {seen}", self.stream, self.terms);
    }
}
