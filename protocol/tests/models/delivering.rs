//! Publish and acquire: frames arrive whole, once and in order.

use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::{Claim, Taken};
use framebroker_protocol::sync::Arc;
use loom::thread;

use crate::stage::{Stage, THREE_THREADS, TWO_THREADS, check, context, read_held};

/// What nobody retires nobody loses: a reader that sees the head finds the frames up to it.
#[test]
fn every_frame_that_stays_arrives() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(2);
        let reading = thread::spawn(move || {
            consumer.drain();
            consumer
        });
        source.deliver_each(2);
        let mut consumer = reading.join().unwrap();
        consumer.drain();
        let (got, counters) = consumer.account();
        assert_eq!((got, counters.lost), (&[1, 2][..], 0));
    });
}

/// A reader that knows a context ID before its frame exists, and never looked at the head, gets the whole frame or none.
#[test]
fn a_frame_claimed_by_name_is_whole() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(1);
        let reading = thread::spawn(move || {
            if let Claim::Held(hold) = consumer.reader.take_context(context(1, 0)) {
                read_held(&consumer.payload, &hold);
            }
        });
        source.deliver_each(1);
        reading.join().unwrap();
    });
}

/// A newest-only reader: what it passes over is skipped, what it gets is whole, and nothing comes twice.
#[test]
fn the_newest_frame_arrives_once() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Latest, 1);
        let mut source = stage.source(2);
        let reading = thread::spawn(move || {
            consumer.use_one();
            consumer
        });
        source.deliver_each(2);
        source.retire(1);
        source.deliver();
        let mut consumer = reading.join().unwrap();
        consumer.drain();
        let (got, counters) = consumer.account();
        assert_eq!((got.last(), counters.lost), (Some(&consumer.reader.cursor().0), 0));
    });
}

/// One slot, two threads: what another thread gave back, this one fills anew, and the writer that finds the new hold there
/// knows that the old frame's reader is done.
#[test]
fn a_slot_released_by_another_thread_is_used_again() {
    check(THREE_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let Taken::Frame(first) = consumer.take() else { panic!("a frame is there") };
        let (pages, payload) = (Arc::clone(consumer.reader.pages()), Arc::clone(&consumer.payload));
        let releasing = thread::spawn(move || {
            read_held(&payload, &first);
            pages.release(first.slot);
        });
        // By name: no look at the head orders the two threads.
        let reading = thread::spawn(move || consumer.reader.take_context(context(2, 1)));
        source.retire(1);
        source.deliver();
        releasing.join().unwrap();
        if let Claim::Held(second) = reading.join().unwrap() {
            read_held(&stage.payload, &second);
        }
    });
}
