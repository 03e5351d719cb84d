//! Retire: no segment is refilled while its frame is held.

use framebroker_protocol::message::Policy;
use loom::thread;

use crate::stage::{Stage, THREE_THREADS, TWO_THREADS, check};

/// A reader takes frames while the writer takes their segments back and refills them.
#[test]
fn a_held_frame_is_not_refilled() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let reading = thread::spawn(move || {
            consumer.use_one();
            consumer.use_one();
            consumer
        });
        source.retire(1);
        source.deliver();
        let mut consumer = reading.join().unwrap();
        consumer.drain();
        consumer.account();
    });
}

/// Two readers at two frames, the writer wants both segments.
#[test]
fn frames_held_by_two_readers_are_not_refilled() {
    check(THREE_THREADS, || {
        let stage = Stage::new();
        let mut in_order = stage.subscribe(Policy::Sequential, 1);
        let mut newest = stage.subscribe(Policy::Latest, 1);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let one = thread::spawn(move || {
            in_order.use_one();
            in_order
        });
        let other = thread::spawn(move || {
            newest.use_one();
            newest
        });
        source.retire(1);
        if source.deliver() {
            source.retire(1);
            source.deliver();
        }
        for consumer in [one, other] {
            let mut consumer = consumer.join().unwrap();
            consumer.drain();
            consumer.account();
        }
    });
}

/// The oldest frame is held for good, so the writer clears all in one batch while a reader takes one of them.
#[test]
fn a_frame_held_in_a_batch_is_not_refilled() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut source = stage.source(3);
        let mut consumer = stage.subscribe(Policy::Sequential, 2);
        source.deliver_each(3);
        let _held_for_good = stage.hog(1, 0);
        let reading = thread::spawn(move || {
            consumer.use_one();
            consumer
        });
        // Whoever vetoes the batch, all grants together leave nothing for certain here; what comes back is refilled.
        source.retire(1);
        source.deliver();
        let mut consumer = reading.join().unwrap();
        consumer.drain();
        consumer.account();
    });
}

/// A reader with one hold that goes from frame to frame vetoes one frame of a batch, not all: with a segment for the newest
/// and one for each grant, one always comes back.
#[test]
fn one_hold_cannot_keep_the_writer_from_a_segment() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(3);
        source.deliver_each(3);
        let reading = thread::spawn(move || {
            consumer.use_one();
            consumer.take();
            consumer
        });
        assert_eq!(source.retire(1), 1, "a single hold starves the writer");
        source.deliver_each(1);
        reading.join().unwrap().account();
    });
}
