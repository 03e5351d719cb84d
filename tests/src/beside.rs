//! A witness: a consumer beside others that do harm.

use crate::actor::figure;
use crate::{Actor, Broker};

/// A consumer that must notice nothing of what happens beside it.
#[derive(Debug)]
pub struct Beside(Actor);

impl Beside {
    /// Starts one.
    ///
    /// # Panics
    /// When it cannot subscribe.
    #[must_use]
    pub fn start(broker: &Broker) -> Self {
        let mut actor = broker.actor();
        actor.must("subscribe");
        actor.must("watch");
        Self(actor)
    }

    /// Checks that it got frames all the time, lost none, and found every byte right.
    ///
    /// # Panics
    /// When it did not.
    pub fn noticed_nothing(mut self) {
        let ran = self.0.ask("stop");
        assert_eq!((figure(&ran, "lost"), figure(&ran, "bad")), (0, 0), "{ran}");
        assert!(figure(&ran, "received") > 0, "{ran}");
        assert_eq!(self.0.answer(), "ok");
    }

    /// The consumer itself, which goes on watching until it is told to stop.
    #[must_use]
    pub fn into_actor(self) -> Actor {
        self.0
    }
}
