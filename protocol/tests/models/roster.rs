//! Attach and revoke: the roster changes while the writer retires.

use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::Taken;
use loom::thread;

use crate::stage::{Silent, Stage, THREE_THREADS, TWO_THREADS, check, read_held};

/// A subscription that begins during a retire: its page is in the roster before it reads, so what it holds is seen.
#[test]
fn a_reader_that_attaches_during_a_retire_is_seen() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut source = stage.source(2);
        source.deliver_each(2);
        let reading = thread::spawn({
            let stage = stage.clone();
            move || {
                let mut consumer = stage.subscribe(Policy::Sequential, 1);
                consumer.use_one();
                consumer
            }
        });
        source.retire(1);
        source.deliver();
        reading.join().unwrap().account();
    });
}

/// The same during a batch: the new reader takes a frame that the batch has cleared or is about to.
#[test]
fn a_reader_that_attaches_during_a_batch_is_seen() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut source = stage.source(3);
        source.deliver_each(3);
        let _held_for_good = stage.hog(1, 0);
        let reading = thread::spawn({
            let stage = stage.clone();
            move || {
                let mut consumer = stage.subscribe(Policy::Sequential, 2);
                consumer.use_one();
                consumer
            }
        });
        source.retire(1);
        source.deliver();
        reading.join().unwrap().account();
    });
}

/// A subscription is ended while it reads and while the writer retires. What it held is quarantined in the change that drops
/// its page: it may read on for ever, and nobody refills it. What it takes later is refused.
#[test]
fn a_revoked_reader_keeps_what_it_held() {
    check(THREE_THREADS, || {
        let stage = Stage::new();
        let (member, page) = stage.member(1, Silent);
        stage.attach(&member);
        let mut consumer = stage.consumer(page, 1, Policy::Sequential, 1);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let reading = thread::spawn(move || consumer.use_one());
        let revoking = thread::spawn(move || stage.end(&member));
        source.retire(1);
        source.deliver();
        revoking.join().unwrap();
        reading.join().unwrap();
    });
}

/// The same, seen from the end: once the subscription is gone from the roster, what its reader still holds comes out of the
/// ring as quarantined and never as reusable.
#[test]
fn what_is_held_at_the_end_of_a_subscription_is_quarantined() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let (member, page) = stage.member(1, Silent);
        stage.attach(&member);
        let mut consumer = stage.consumer(page, 1, Policy::Sequential, 1);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let reading = thread::spawn(move || {
            let taken = consumer.take();
            (consumer, taken)
        });
        stage.end(&member);
        assert_eq!(source.retire(1), 1, "nobody in the roster holds the frame");
        source.deliver();
        let (mut consumer, taken) = reading.join().unwrap();
        if let Taken::Frame(hold) = taken {
            read_held(&consumer.payload, &hold);
            consumer.reader.pages().release(hold.slot);
        }
        assert_eq!(consumer.take(), Taken::Revoked);
    });
}

/// The same in a batch: another frame is held for good, so the writer clears all at once while the subscription ends.
#[test]
fn a_batch_leaves_a_revoked_reader_what_it_held() {
    check(THREE_THREADS, || {
        let stage = Stage::new();
        let mut source = stage.source(3);
        source.deliver_each(3);
        let _held_for_good = stage.hog(1, 0);
        let (member, page) = stage.member(1, Silent);
        stage.attach(&member);
        let mut consumer = stage.consumer(page, 1, Policy::Sequential, 2);
        let reading = thread::spawn(move || consumer.use_one());
        let revoking = thread::spawn(move || stage.end(&member));
        source.retire(1);
        source.deliver();
        revoking.join().unwrap();
        reading.join().unwrap();
    });
}
