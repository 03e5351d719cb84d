//! Lossless readers: from the moment the ring begins to wait for one to the moment it no longer does.

use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::Start;
use framebroker_protocol::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::stage::{Silent, Stage, TWO_THREADS, check};

/// The subscription enters the roster in one thread, and the ring begins to wait for it in another, which retires and publishes
/// all the while. From the first frame that it is promised, it gets every one.
#[test]
fn an_adopted_reader_gets_every_frame_from_its_first_on() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let (member, page) = stage.member(1, Silent);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let has_entered = Arc::new(AtomicBool::new(false));
        let entering = thread::spawn({
            let (stage, member, has_entered) = (stage.clone(), Arc::clone(&member), Arc::clone(&has_entered));
            move || {
                stage.attach(&member);
                // The command to the grab thread.
                has_entered.store(true, Ordering::Release);
            }
        });
        source.retire(1);
        source.deliver();
        while !has_entered.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let first = source.writer.adopt_lossless(&member, Start::Oldest);
        let mut consumer = stage.consumer(page, 1, Policy::Lossless, first.0);
        let reading = thread::spawn(move || {
            consumer.use_one();
            consumer
        });
        source.retire(1);
        source.deliver();
        entering.join().unwrap();
        let mut consumer = reading.join().unwrap();
        consumer.drain();
        let (got, counters) = consumer.account();
        let every: Vec<u64> = (first.0..=stage.page.head().0).collect();
        assert_eq!((got, counters.lost), (every.as_slice(), 0));
    });
}

/// The ring stops waiting for a reader that has not heard of it. Until then it loses nothing; what it then loses was retired, and it
/// counts each.
#[test]
fn a_demoted_reader_counts_what_it_then_loses() {
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
            consumer.reader.demote();
            consumer.use_one();
            consumer
        });
        let retired_before = source.retire(1);
        member.set_lossless(false);
        let retired_then = source.retire(1);
        source.deliver();
        let mut consumer = reading.join().unwrap();
        consumer.drain();
        let (got, counters) = consumer.account();
        assert!(retired_before == 0 || got.first() == Some(&1), "a frame is retired that the ring waits for");
        assert!(counters.lost <= retired_then as u64, "a frame is lost that is still there");
    });
}
