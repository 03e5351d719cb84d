//! While the kernel has no memory for any message, nobody spins: a socket is ready all the time, and tells nothing of memory.
//!
//! Method: every call of a kind fails for a while in which there is something to be sent or received. Counted is how often it is
//! tried, against the time that went by, so that a busy machine changes nothing.

use std::time::{Duration, Instant};

use framebroker_protocol::message::{Ask, Delivery, Policy, Start, Tell};
use framebroker_tests::{Broker, Raw};
use libc::{ENOBUFS, ENOMEM};

use super::calls::CALLS;
use super::shortages::{Plan, Shortages};
use super::visit::Guests;

/// How long each lasts: less than anyone's patience with a message that cannot be sent.
const SHORTAGE: Duration = Duration::from_millis(500);

/// The broker is asked what it answers with an ordinary message, and what it answers with descriptors.
pub fn broker_must_not_spin(broker: &Broker, shortages: &Shortages) {
    for (call, error) in [("sendmsg", ENOMEM), ("sendmsg", ENOBUFS), ("recvmsg", ENOMEM), ("recvmsg", ENOBUFS)] {
        let [mut asks, mut subscribes] = [(); 2].map(|()| Raw::connect(broker.socket()));
        asks.hello();
        subscribes.hello();
        must_not_spin(shortages, call, error, || {
            asks.send(Ask::Ping);
            let (stream, policy) = ("cam0".parse().unwrap(), Policy::default().into());
            let (delivery, max_held, start) = (Delivery::Shared, 1, Start::Next);
            subscribes.send(Ask::Subscribe { stream, policy, delivery, max_held, start });
            std::thread::sleep(SHORTAGE);
        });
        // Nobody has lost its session.
        assert!(matches!(asks.answer(), (Tell::Pong, _)));
        assert!(matches!(subscribes.answer(), (Tell::Subscribed(_), fds) if !fds.is_empty()));
    }
}

/// A consumer waits for frames that come by socket.
pub fn consumer_must_not_spin(guests: &mut Guests, shortages: &Shortages) {
    guests.consumer.must("subscribe stream=cam0 max_held=2 delivery=socket");
    // By `sendmsg` it gives frames back.
    for (call, error) in [("recvmsg", ENOMEM), ("recvmsg", ENOBUFS), ("sendmsg", ENOMEM), ("sendmsg", ENOBUFS)] {
        must_not_spin(shortages, call, error, || {
            let began = Instant::now();
            while began.elapsed() < SHORTAGE {
                guests.consumer.ask("take 100");
                guests.consumer.must("release");
            }
        });
        // Frames come again, more than those that had come before.
        for _ in 0..6 {
            let answer = guests.consumer.ask("take 5000");
            assert!(answer.starts_with("frame"), "{call}: {answer}");
            guests.consumer.must("release");
        }
    }
    guests.consumer.must("drop");
}

/// Of this call nothing comes but this error while something is done: it is tried, and not more than once in a millisecond.
fn must_not_spin(shortages: &Shortages, call: &'static str, error: i32, during: impl FnOnce()) {
    let at = CALLS.iter().position(|known| known.name == call).unwrap();
    shortages.plan(Plan::Each { call: at, error });
    let began = Instant::now();
    during();
    let ms = began.elapsed().as_millis();
    let (_, failed) = shortages.end();
    let tried = failed.get(&(call, error)).copied().unwrap_or(0);
    assert!(tried > 0 && u128::from(tried) <= ms, "{call} was tried {tried} times in {ms} ms without memory");
}
