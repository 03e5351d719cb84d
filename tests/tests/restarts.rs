//! A broker object outlives its broker, and one may be made before there is a broker.
#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use framebroker_client::{Broker as Client, BrokerBuilder, Error, ErrorCode};
use framebroker_tests::settings::{controller, refusal};
use framebroker_tests::{Broker, PATIENCE, Scratch, wait_for};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

const SMALL: &str = "--segments 8 --fps 50 --width 64 --height 48";
const CAM0: &str = "cam0";
/// In which an attempt to join would be waited for many times.
const A_WHILE: Duration = Duration::from_secs(3);

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
        wait_for("the wait", PATIENCE, || is_waiting.load(Ordering::Relaxed).then_some(()));
        let broker = broker.start_again(SMALL);
        let client = waiting.join().unwrap().unwrap().unwrap();
        assert_eq!(client.streams().unwrap().len(), 1);
        drop(client);
        broker.end_clean();
    });
}

/// Goal: `try_next` waits for nobody, also where the next broker is there and does not answer; its descriptor tells when the broker does.
/// Method: a broker that is stopped as soon as it listens; calls are counted.
#[test]
fn a_reader_that_polls_is_kept_by_no_broker() {
    let mut broker = Broker::start(SMALL);
    let mut frames = broker.connect().subscribe(CAM0).reconnect(true).open().unwrap();
    frames.next(PATIENCE).unwrap();
    broker.kill();
    let broker = broker.start_again(SMALL);
    broker.signal(Signal::SIGSTOP);
    let (began, mut calls) = (Instant::now(), 0);
    while began.elapsed() < A_WHILE {
        // What was there before the end may still come.
        drop(frames.try_next().unwrap());
        calls += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(calls > 100, "{calls} calls in {A_WHILE:?}");
    assert_eq!(frames.reconnects(), 0);
    broker.signal(Signal::SIGCONT);
    let mut is_joined = false;
    wait_for("a frame of the next broker", PATIENCE, || {
        let mut waited = [PollFd::new(frames.as_fd(), PollFlags::POLLIN)];
        assert!(poll(&mut waited, PollTimeout::from(20_000_u16)).unwrap() > 0, "nothing makes it readable");
        let frame = frames.try_next().unwrap();
        is_joined |= frame.is_some();
        is_joined.then_some(())
    });
    assert_eq!(frames.reconnects(), 1);
    drop(frames);
    broker.end_clean();
}

/// Goal: what no time mends is told at once. Method: a path that is longer than a socket's may be.
#[test]
fn what_will_not_pass_is_not_waited_for() {
    let scratch = Scratch::default();
    let error = Client::builder().socket(scratch.file(&"x".repeat(200))).wait(None).connect().unwrap_err();
    assert!(matches!(error, Error::NoBroker { .. }), "{error}");
}
