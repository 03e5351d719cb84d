//! A writer without a segment, and the release that ends it: the writer's own look succeeds, or it is woken.

use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::{Start, Taken};
use loom::thread;

use crate::stage::{Silent, Stage, THREE_THREADS, TWO_THREADS, check};

/// All that may be retired is held, and the writer knows it. It sleeps until the reader gives the frame back.
#[test]
fn a_release_ends_a_known_veto() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let Taken::Frame(hold) = consumer.take() else { panic!("a frame is there") };
        assert_eq!(source.retire(1), 0, "it is held");
        let reading = thread::spawn(move || {
            consumer.reader.pages().release(hold.slot);
            consumer
        });
        while source.retire_or_wait(1) == 0 {}
        assert!(source.deliver());
        reading.join().unwrap().account();
    });
}

/// The same where the veto is found only while the writer already waits, by two readers of one frame.
#[test]
fn the_last_of_two_releases_ends_a_veto() {
    check(THREE_THREADS, || {
        let stage = Stage::new();
        let mut source = stage.source(2);
        source.deliver_each(2);
        let holders = [(); 2].map(|()| {
            let mut consumer = stage.subscribe(Policy::Sequential, 1);
            let Taken::Frame(hold) = consumer.take() else { panic!("a frame is there") };
            thread::spawn(move || consumer.reader.pages().release(hold.slot))
        });
        while source.retire_or_wait(1) == 0 {}
        assert!(source.deliver());
        holders.into_iter().for_each(|holder| holder.join().unwrap());
    });
}

/// The ring waits for a lossless reader: every frame arrives, and the cursor that lets the writer go on wakes it.
#[test]
fn a_lossless_reader_loses_nothing_and_lets_the_writer_go_on() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let (member, page) = stage.member(1, Silent);
        stage.attach(&member);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let first = source.writer.adopt_lossless(&member, Start::Oldest);
        let mut consumer = stage.consumer(page, 1, Policy::Lossless, first.0);
        let reading = thread::spawn(move || {
            consumer.use_one();
            consumer.use_one();
            consumer
        });
        while source.retire_or_wait(1) == 0 {}
        source.deliver_each(1);
        let mut consumer = reading.join().unwrap();
        consumer.drain();
        let (got, counters) = consumer.account();
        assert_eq!((got, counters.lost), (&[1, 2, 3][..], 0));
    });
}

/// A cursor alone gates the ring: a reader that only passes frames over lets the writer go on, too.
#[test]
fn a_cursor_that_moves_without_a_hold_lets_the_writer_go_on() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let (member, page) = stage.member(1, Silent);
        stage.attach(&member);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let first = source.writer.adopt_lossless(&member, Start::Oldest);
        let mut consumer = stage.consumer(page, 1, Policy::Lossless, first.0);
        let reading = thread::spawn(move || consumer.reader.skip_to_head());
        while source.retire_or_wait(1) == 0 {}
        assert!(source.deliver());
        reading.join().unwrap();
    });
}
