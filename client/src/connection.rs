//! A subscription's connection as its frames share it: what keeps them held, and how they are given back.
//!
//! The broker ends a subscription when its socket closes. So every [`HoldGuard`] keeps the connection open, and the
//! subscription ends when its object and its last frame are dropped.
//!
//! In a forked child nothing here touches a page or sends a message, not even while it is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use framebroker_protocol::message::Ask;
use framebroker_protocol::ring::Pages;
use framebroker_protocol::{BrokerId, ContextId, FrameRef, StreamName, SubscriptionId, stop_point};

use crate::Result;
use crate::link::Link;

/// The connection of one subscription.
#[derive(Debug)]
pub struct Connection {
    pub link: Link,
    /// Which run of a broker it leads to.
    pub broker: BrokerId,
    /// The stream that is subscribed to.
    pub stream: StreamName,
    pub subscription: SubscriptionId,
    /// Of a shared delivery.
    pages: Option<Arc<Pages>>,
    holds: AtomicU32,
}

/// One hold. Gives it back when dropped, from any thread.
#[derive(Debug)]
pub struct HoldGuard {
    connection: Arc<Connection>,
    held: Held,
}

/// How a hold is given back.
#[derive(Debug, Clone, Copy)]
pub enum Held {
    /// By clearing a hold slot of the consumer page.
    InPage {
        /// Which one.
        slot: usize,
    },
    /// By a message.
    BySocket {
        /// Which frame.
        context: ContextId,
    },
}

impl Connection {
    pub fn new(
        link: Link,
        broker: BrokerId,
        stream: StreamName,
        subscription: SubscriptionId,
        pages: Option<Arc<Pages>>,
    ) -> Self {
        Self { link, broker, stream, subscription, pages, holds: AtomicU32::new(0) }
    }

    /// The address of one of its frames.
    pub fn reference(&self, context: ContextId) -> FrameRef {
        FrameRef { broker: self.broker, stream: self.stream.clone(), context }
    }

    /// Whether this is the process that subscribed, not a forked child of it.
    pub fn is_ours(&self) -> bool {
        self.link.is_ours()
    }

    /// An error in a forked child.
    pub fn check(&self) -> Result<()> {
        self.link.check()
    }

    /// Takes charge of a hold.
    pub fn hold(self: &Arc<Self>, held: Held) -> HoldGuard {
        self.holds.fetch_add(1, Ordering::Relaxed);
        HoldGuard { connection: Arc::clone(self), held }
    }

    /// Holds that stand.
    pub fn holds(&self) -> u32 {
        self.holds.load(Ordering::Relaxed)
    }
}

impl HoldGuard {
    /// By which it is held.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether the hold is this process's own, not the parent's.
    pub fn is_ours(&self) -> bool {
        self.connection.is_ours()
    }
}

impl Drop for HoldGuard {
    fn drop(&mut self) {
        let connection = &*self.connection;
        if !connection.is_ours() {
            return;
        }
        stop_point("release.begun");
        connection.holds.fetch_sub(1, Ordering::Relaxed);
        match (self.held, &connection.pages) {
            (Held::InPage { slot }, Some(pages)) => pages.release(slot),
            (Held::InPage { .. }, None) => {}
            (Held::BySocket { context }, _) => {
                let subscription = connection.subscription;
                // Where the broker is gone there is nobody to give it back to.
                let _gone = connection.link.post(0, Ask::Release { subscription, context });
                stop_point("release.sent");
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if !self.is_ours() {
            // The consumer page is not mapped in a forked child; something else may lie at its address, which unmapping
            // would destroy. This keeps every reference count of the pages above zero.
            std::mem::forget(self.pages.take());
        }
    }
}
