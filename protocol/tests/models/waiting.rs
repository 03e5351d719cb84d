//! Wait and wake: nobody sleeps through news. A lost wake-up leaves a thread asleep for ever, which loom reports.

use std::time::Duration;

use framebroker_protocol::StreamState;
use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::Notify;
use framebroker_protocol::sync::Arc;
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::stage::{Consumer, Stage, THREE_THREADS, TWO_THREADS, check};

const SLICE: Duration = Duration::from_millis(250);

/// Takes frames until it has so many, asleep on the bell in between.
fn take_sleeping(consumer: &mut Consumer, frames: usize) {
    while consumer.account().0.len() < frames {
        if !consumer.use_one() {
            consumer.reader.wait(SLICE);
        }
    }
}

#[test]
fn a_sleeper_is_woken_by_each_frame() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(2);
        let reading = thread::spawn(move || {
            take_sleeping(&mut consumer, 2);
            consumer
        });
        source.deliver_each(2);
        let consumer = reading.join().unwrap();
        assert_eq!(consumer.account().0, [1, 2]);
    });
}

/// A reader that no longer listens to the bell of all sleeps on its own.
#[test]
fn a_sleeper_apart_is_woken_by_each_frame() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(2);
        let reading = thread::spawn(move || {
            while consumer.account().0.len() < 2 {
                if !consumer.use_one() {
                    consumer.reader.wait_apart(SLICE);
                }
            }
            consumer
        });
        source.deliver_each(2);
        assert_eq!(reading.join().unwrap().account().0, [1, 2]);
    });
}

/// It goes back to the bell of all, while the call for it alone may still be under way.
#[test]
fn a_sleeper_apart_that_listens_again_is_woken() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(2);
        let reading = thread::spawn(move || {
            consumer.reader.wait_apart(SLICE);
            take_sleeping(&mut consumer, 2);
            consumer
        });
        source.deliver_each(2);
        assert_eq!(reading.join().unwrap().account().0, [1, 2]);
    });
}

#[test]
fn two_sleepers_are_woken_by_one_call() {
    check(THREE_THREADS, || {
        let stage = Stage::new();
        let readers = [Policy::Sequential, Policy::Latest].map(|policy| stage.subscribe(policy, 1));
        let mut source = stage.source(1);
        let reading = readers.map(|mut consumer| thread::spawn(move || take_sleeping(&mut consumer, 1)));
        source.deliver_each(1);
        reading.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// A reader that attaches and sleeps while the writer publishes is found in the new roster.
#[test]
fn a_sleeper_that_attaches_during_a_publish_is_woken() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut source = stage.source(1);
        let reading = thread::spawn({
            let stage = stage.clone();
            move || take_sleeping(&mut stage.subscribe(Policy::Sequential, 1), 1)
        });
        source.deliver_each(1);
        reading.join().unwrap();
    });
}

/// The end of the stream wakes a sleeper, and who sees the end sees every frame before it.
#[test]
fn the_end_is_seen_and_no_frame_before_it_is_missed() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(1);
        let reading = thread::spawn(move || {
            while consumer.reader.see_state() != StreamState::Closed {
                consumer.reader.wait(SLICE);
                // Not here: frames are taken after the end.
                if consumer.reader.has_news() && consumer.reader.see_state() != StreamState::Closed {
                    consumer.use_one();
                }
            }
            consumer.drain();
            consumer
        });
        source.deliver_each(1);
        source.set_state(StreamState::Closed);
        let consumer = reading.join().unwrap();
        assert_eq!(consumer.account().0, [1]);
    });
}

/// The notify socket of a reader that polls: a byte lies there until it is read.
#[derive(Debug, Clone, Default)]
struct Socket(Arc<(Mutex<bool>, Condvar)>);

const UNPOISONED: &str = "a panic ends the model";

impl Notify for Socket {
    fn notify(&self) {
        *self.0.0.lock().expect(UNPOISONED) = true;
        self.0.1.notify_one();
    }
}

impl Socket {
    fn poll(&self) {
        let mut byte = self.0.0.lock().expect(UNPOISONED);
        while !*byte {
            byte = self.0.1.wait(byte).expect(UNPOISONED);
        }
        *byte = false;
    }
}

#[test]
fn a_poller_gets_a_byte_for_each_frame_it_asked_for() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let socket = Socket::default();
        let (member, page) = stage.member(1, socket.clone());
        stage.attach(&member);
        let mut consumer = stage.consumer(page, 1, Policy::Sequential, 1);
        let mut source = stage.source(2);
        let reading = thread::spawn(move || {
            while consumer.account().0.len() < 2 {
                if !consumer.use_one() && consumer.reader.ask_for_notify() {
                    socket.poll();
                }
                consumer.reader.end_notify();
            }
            consumer
        });
        source.deliver_each(2);
        assert_eq!(reading.join().unwrap().account().0, [1, 2]);
    });
}

/// A sleeper and a poller side by side: both hear of one frame.
#[test]
fn a_sleeper_and_a_poller_hear_of_the_same_frame() {
    check(THREE_THREADS, || {
        let stage = Stage::new();
        let mut sleeper = stage.subscribe(Policy::Sequential, 1);
        let socket = Socket::default();
        let (member, page) = stage.member(1, socket.clone());
        stage.attach(&member);
        let mut poller = stage.consumer(page, 1, Policy::Sequential, 1);
        let mut source = stage.source(1);
        let sleeping = thread::spawn(move || take_sleeping(&mut sleeper, 1));
        let polling = thread::spawn(move || {
            if poller.reader.ask_for_notify() {
                socket.poll();
            }
            assert!(poller.use_one(), "a byte without a frame");
        });
        source.deliver_each(1);
        sleeping.join().unwrap();
        polling.join().unwrap();
    });
}

/// A change of state reaches a poller as a frame does.
#[test]
fn a_poller_gets_a_byte_for_the_end() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let socket = Socket::default();
        let (member, page) = stage.member(1, socket.clone());
        stage.attach(&member);
        let mut consumer = stage.consumer(page, 1, Policy::Sequential, 1);
        let mut source = stage.source(1);
        let reading = thread::spawn(move || {
            while consumer.reader.see_state() != StreamState::Closed {
                if consumer.reader.ask_for_notify() {
                    socket.poll();
                }
            }
        });
        source.set_state(StreamState::Closed);
        reading.join().unwrap();
    });
}
