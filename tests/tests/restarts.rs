//! A broker object outlives its broker, and one may be made before there is a broker.
#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use framebroker_client::{Broker as Client, BrokerBuilder, Error, ErrorCode};
use framebroker_tests::settings::{controller, refusal};
use framebroker_tests::{Broker, PATIENCE, Scratch};

const SMALL: &str = "--segments 8 --fps 50 --width 64 --height 48";
const CAM0: &str = "cam0";

fn builder(broker: &Broker) -> BrokerBuilder {
    Client::builder().socket(broker.socket()).wait(PATIENCE)
}

/// Goal: a broker object asks the broker that is there; what was given by the one that is gone is not taken from anybody else.
/// Method: SIGKILL, another broker on the socket, and another program with sole control there.
#[test]
fn a_broker_object_asks_the_next_broker() {
    let mut broker = Broker::start(SMALL);
    let (client, first) = (controller(&broker, "first"), controller(&broker, "second").id());
    let control = client.take_control(CAM0).unwrap();
    assert_eq!((client.id(), client.streams().unwrap().len()), (first, 1));
    broker.kill();
    for _ in 0..2 {
        let error = client.streams().unwrap_err();
        assert!(matches!(error, Error::NoBroker { .. }), "{error}");
    }
    let broker = broker.start_again(SMALL);
    let other = controller(&broker, "other");
    let others = other.take_control(CAM0).unwrap();
    control.give().unwrap();
    drop(control);
    assert_eq!(refusal(client.set_feature(CAM0, "OffsetX", 8)).0, ErrorCode::Controlled);
    assert_eq!((client.id(), client.pid()), (other.id(), i32::try_from(broker.pid()).unwrap()));
    assert_ne!(client.id(), first);
    assert_eq!(client.clients().unwrap().iter().filter(|session| session.id == client.client_id()).count(), 1);
    // Dropped, it is given back.
    drop(others);
    assert_eq!(client.set_feature(CAM0, "OffsetX", 8).unwrap().version, 1);
    drop(other);
    broker.end_clean();
}

/// Goal: who may wait for a broker gets it when it is there; who may not is told at once, and who is stopped stops. Method: a broker that
/// starts while one waits.
#[test]
fn a_broker_that_is_not_there_yet_is_waited_for() {
    let mut broker = Broker::start(SMALL);
    broker.kill();
    let is_waiting = AtomicBool::new(false);
    let stopped = builder(&broker).wait(None).connect_while(|| false).unwrap();
    assert!(stopped.is_none());
    let began = Instant::now();
    let error = builder(&broker).wait(Duration::from_millis(300)).connect().unwrap_err();
    assert!(matches!(error, Error::NoBroker { .. }) && began.elapsed() >= Duration::from_millis(300), "{error}");
    std::thread::scope(|scope| {
        let builder = builder(&broker);
        let waiting = scope.spawn(|| {
            builder.connect_while(|| {
                is_waiting.store(true, Ordering::Relaxed);
                true
            })
        });
        framebroker_tests::wait_for("the wait", PATIENCE, || is_waiting.load(Ordering::Relaxed).then_some(()));
        let broker = broker.start_again(SMALL);
        let client = waiting.join().unwrap().unwrap().unwrap();
        assert_eq!(client.streams().unwrap().len(), 1);
        drop(client);
        broker.end_clean();
    });
}

/// Goal: what no time mends is told at once. Method: a path that is longer than a socket's may be.
#[test]
fn what_will_not_pass_is_not_waited_for() {
    let scratch = Scratch::default();
    let error = Client::builder().socket(scratch.file(&"x".repeat(200))).wait(None).connect().unwrap_err();
    assert!(matches!(error, Error::NoBroker { .. }), "{error}");
}
