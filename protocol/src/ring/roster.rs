//! The roster: which consumer pages the writer looks through.
//!
//! The session thread replaces the roster as a whole and leaves the new one in a mailbox, where the writer finds it. Neither
//! waits for the other.

use crate::layout::{ConsumerPage, WAITING_APART, WAITING_NOTIFY};
use crate::shm::Mapped;
use crate::sync::{Arc, AtomicBool, AtomicU64, Mailbox, Mutex, Ordering, fence};
use crate::{ContextId, HOLD_LIMIT, Sequence};

/// Wakes a reader that waits in a poll of its own. Must not block.
pub trait Notify: Send + Sync + std::fmt::Debug {
    /// There is news on the stream.
    fn notify(&self);
}

/// One subscription as the writer sees it.
#[derive(Debug)]
pub struct Member {
    page: Arc<Mapped<ConsumerPage>>,
    granted: usize,
    lossless: AtomicBool,
    waited_ns: AtomicU64,
    notify: Box<dyn Notify>,
}

impl Member {
    /// A subscription that may hold `granted` frames, at most [`HOLD_LIMIT`].
    pub fn new(page: Arc<Mapped<ConsumerPage>>, granted: usize, notify: Box<dyn Notify>) -> Self {
        Self {
            page,
            granted: granted.min(HOLD_LIMIT),
            lossless: AtomicBool::new(false),
            waited_ns: AtomicU64::new(0),
            notify,
        }
    }

    /// The subscription's page.
    pub fn page(&self) -> &ConsumerPage {
        &self.page
    }

    /// Frames it may hold.
    pub fn granted(&self) -> usize {
        self.granted
    }

    /// Whether the ring waits for it.
    pub fn is_lossless(&self) -> bool {
        self.lossless.load(Ordering::Relaxed)
    }

    /// Makes the ring wait for it, or not. Only for the grab thread, which alone may gate the ring.
    pub fn set_lossless(&self, lossless: bool) {
        self.lossless.store(lossless, Ordering::Relaxed);
    }

    /// The ring has waited so much longer for it. Only for the grab thread.
    pub fn charge(&self, waited_ns: u64) {
        self.waited_ns.store(self.waited_ns().saturating_add(waited_ns), Ordering::Relaxed);
    }

    /// How long the ring has waited for it since it was last forgiven, in ns.
    pub fn waited_ns(&self) -> u64 {
        self.waited_ns.load(Ordering::Relaxed)
    }

    /// Counts the waiting for it anew. Only for the grab thread.
    pub fn forgive(&self) {
        self.waited_ns.store(0, Ordering::Relaxed);
    }

    pub(super) fn set_cursor(&self, cursor: Sequence) {
        self.page.progress.cursor.store(cursor.0, Ordering::Relaxed);
    }

    /// The last sequence it says it took; it may say anything.
    pub fn cursor(&self) -> Sequence {
        Sequence(self.page.progress.cursor.load(Ordering::Relaxed))
    }

    pub(super) fn waiting(&self) -> u32 {
        self.page.call.waiting.load(Ordering::Relaxed)
    }

    /// Wakes it alone, if it wants to be woken so. Only for the writer.
    pub(super) fn call(&self) {
        match self.waiting() {
            WAITING_NOTIFY => self.notify.notify(),
            WAITING_APART => {
                let bell = &self.page.call.bell;
                // Relaxed: the reader that sees the new bell looks for what the fence in `Writer::ring_bell` published.
                bell.word().store(bell.word().load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
                bell.wake_all();
            }
            _ => {}
        }
    }

    /// Rule R: ends the subscription and returns what it holds, to be quarantined if its process may still read it.
    /// What the reader acquires from here on fails.
    #[must_use]
    pub fn revoke(&self) -> Vec<ContextId> {
        self.page.revoked.0.store(1, Ordering::Relaxed);
        // Pairs with the reader's fence in `Reader::claim`: it sees `revoked`, or this thread sees its hold.
        fence(Ordering::SeqCst);
        self.page.holds(self.granted).filter_map(ContextId::from_u64).collect()
    }
}

/// Who reads the stream, and which frames nobody may refill.
#[derive(Debug, Default, Clone)]
pub struct Roster {
    /// The subscriptions.
    pub members: Vec<Arc<Member>>,
    /// Frames that a revoked subscription held: their segments are given up when the ring is done with them.
    pub quarantined: Vec<ContextId>,
}

impl Roster {
    /// Frames that all subscriptions together may hold.
    #[must_use]
    pub fn granted(&self) -> usize {
        self.members.iter().map(|member| member.granted).sum()
    }
}

/// The roster as session thread and writer share it.
#[derive(Debug, Default)]
pub struct SharedRoster {
    /// For those who change it. The writer never takes this lock: a thread of a lower priority may hold it.
    current: Mutex<Arc<Roster>>,
    /// The newest one, for the writer.
    news: Mailbox<Roster>,
}

impl SharedRoster {
    /// Replaces the roster by what `change` makes of it. Returns the old one: the caller keeps it until nobody else
    /// does, so that the writer never frees memory.
    #[must_use = "keep it until the writer no longer uses it"]
    pub fn change(&self, change: impl FnOnce(&mut Roster)) -> Arc<Roster> {
        let mut current = self.lock();
        let mut roster = Roster::clone(&current);
        change(&mut roster);
        let roster = Arc::new(roster);
        // A reader learns of its subscription only after this, so its fence in `Reader::claim` or `Reader::wait` shows the
        // writer, behind its own, that there is a new roster.
        drop(self.news.leave(Arc::clone(&roster)));
        std::mem::replace(&mut current, roster)
    }

    /// The roster as it is.
    pub fn current(&self) -> Arc<Roster> {
        Arc::clone(&self.lock())
    }

    /// The newest roster, if the writer has not had it yet. For the one writer.
    pub(super) fn take_new(&self) -> Option<Arc<Roster>> {
        self.news.take()
    }

    #[cfg(not(loom))]
    fn lock(&self) -> std::sync::MutexGuard<'_, Arc<Roster>> {
        // A panic while it was held cannot have left the pointer half exchanged.
        self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    #[cfg(loom)]
    fn lock(&self) -> loom::sync::MutexGuard<'_, Arc<Roster>> {
        self.current.lock().expect("no model panics with the roster locked")
    }
}
