//! The mailbox by which a new roster reaches the writer: what is left is seen whole, by one side only, and freed once.

use std::sync::atomic::{AtomicUsize, Ordering};

use framebroker_protocol::sync::{Arc, Mailbox};
use loom::cell::UnsafeCell;
use loom::thread;

use crate::stage::{TWO_THREADS, check};

/// What is left; loom watches it, and it is counted while it exists.
struct Letter {
    number: UnsafeCell<u64>,
    existing: Arc<AtomicUsize>,
}

// SAFETY: loom panics where two threads touch the cell at the same time and one of them writes.
unsafe impl Sync for Letter {}

impl Letter {
    fn write(number: u64, existing: &Arc<AtomicUsize>) -> Arc<Self> {
        existing.fetch_add(1, Ordering::Relaxed);
        let letter = Self { number: UnsafeCell::new(0), existing: Arc::clone(existing) };
        // SAFETY: loom panics where another thread reads or writes the cell at the same time.
        letter.number.with_mut(|cell| unsafe { *cell = number });
        Arc::new(letter)
    }

    fn read(&self) -> u64 {
        // SAFETY: loom panics where another thread writes the cell at the same time.
        self.number.with(|cell| unsafe { *cell })
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        self.existing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Two values are left while somebody looks for the newest.
#[test]
fn the_newest_is_taken_whole_and_once() {
    check(TWO_THREADS, || {
        let existing = Arc::default();
        let mailbox = Arc::new(Mailbox::<Letter>::default());
        let leaving = thread::spawn({
            let (mailbox, existing) = (Arc::clone(&mailbox), Arc::clone(&existing));
            move || {
                assert!(mailbox.leave(Letter::write(1, &existing)).is_none(), "there was none before");
                mailbox.leave(Letter::write(2, &existing)).map(|unread| unread.read())
            }
        });
        let mut taken: Vec<u64> = (0..2).filter_map(|_| mailbox.take()).map(|letter| letter.read()).collect();
        let unread = leaving.join().unwrap();
        taken.extend(mailbox.take().map(|letter| letter.read()));
        let expected: &[u64] = if unread == Some(1) { &[2] } else { &[1, 2] };
        assert_eq!(taken, expected);
        assert_eq!(existing.load(Ordering::Relaxed), 0, "each is freed");
    });
}

/// What nobody takes goes with the mailbox.
#[test]
fn what_is_not_taken_is_freed() {
    check(TWO_THREADS, || {
        let existing = Arc::default();
        let mailbox = Mailbox::<Letter>::default();
        drop(mailbox.leave(Letter::write(1, &existing)));
        drop(mailbox);
        assert_eq!(existing.load(Ordering::Relaxed), 0);
    });
}
