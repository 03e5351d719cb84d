//! A frame's address brings that frame or an error, and never another frame: of another stream, or of the next broker.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::collections::BTreeSet;

use framebroker_client::{
    Broker as Client, ContextId, Delivery, Error, ErrorCode, Frame, FrameRef, GoneReason, Start, Subscription,
};
use framebroker_tests::{Broker, PATIENCE, Scratch, wait_for};

/// Two streams whose frames have the same context IDs.
const TWO_STREAMS: &str = "segments = 16\nhistory = 12\nwidth = 64\nheight = 48\nfps = 50\n\
                           [[stream]]\nname = \"left\"\n[[stream]]\nname = \"right\"\n";

fn two_streams(scratch: &Scratch) -> String {
    let file = scratch.file("two.toml");
    std::fs::write(&file, TWO_STREAMS).unwrap();
    format!("--config {}", file.display())
}

fn subscribe(client: &Client, stream: &str, delivery: Delivery) -> Subscription {
    client.subscribe(stream).start(Start::Oldest).delivery(delivery).max_held(4).reconnect(true).open().unwrap()
}

/// A frame of a reader, given back before it is asked for, so that its segment may hold another one by then.
fn address_of_next(frames: &mut Subscription) -> FrameRef {
    frames.next(PATIENCE).unwrap().reference()
}

fn is_same(one: &Frame, other: &Frame) -> bool {
    (one.reference(), one.monotonic_ns()) == (other.reference(), other.monotonic_ns())
}

/// Goal: a frame's address says where it is from, as a text too, and brings that very frame, in this subscription, in another and by
/// the broker object alone. Method: one frame, by every way.
#[test]
fn an_address_brings_its_frame() {
    let scratch = Scratch::default();
    let broker = Broker::start(&two_streams(&scratch));
    let client = broker.connect();
    for delivery in [Delivery::Shared, Delivery::Socket] {
        let mut frames = subscribe(&client, "left", delivery);
        let frame = frames.next(PATIENCE).unwrap();
        assert_eq!((frame.stream().as_str(), frame.broker_id()), ("left", client.id()));
        let address: FrameRef = frame.reference().to_string().parse().unwrap();
        assert_eq!(
            address,
            FrameRef { broker: client.id(), stream: "left".parse().unwrap(), context: frame.context() }
        );
        assert!(is_same(&frames.acquire(&address).unwrap(), &frame));
        assert!(is_same(&subscribe(&client, "left", Delivery::Socket).acquire(&address).unwrap(), &frame));
        assert!(is_same(&client.acquire(&address).unwrap(), &frame));
    }
    broker.end_clean();
}

/// Goal: an address of one stream is refused by subscriptions to another, though the number alone names a frame there. Method: the
/// numbers of frames that are held.
#[test]
fn an_address_of_another_stream_is_refused() {
    let scratch = Scratch::default();
    let broker = Broker::start(&two_streams(&scratch));
    let client = broker.connect();
    for delivery in [Delivery::Shared, Delivery::Socket] {
        let mut right = subscribe(&client, "right", delivery);
        for _ in 0..4 {
            let frame = right.next(PATIENCE).unwrap();
            let of_left = FrameRef { stream: "left".parse().unwrap(), ..frame.reference() };
            let refused = right.acquire(&of_left).unwrap_err();
            assert!(matches!(&refused, Error::OtherStream { stream, .. } if stream.as_str() == "right"), "{refused}");
            assert!(refused.to_string().contains("of stream left, and this subscription is to right"), "{refused}");
            assert!(is_same(&right.acquire(frame.context()).unwrap(), &frame));
        }
    }
    broker.end_clean();
}

/// Goal: an address of a broker that has ended is refused by what goes on at the next one, though the number alone names a frame
/// there; who only acquires goes on too. Method: SIGKILL, and the number is asked for until it names a frame.
#[test]
fn an_address_of_an_earlier_broker_is_refused() {
    let scratch = Scratch::default();
    let options = two_streams(&scratch);
    for delivery in [Delivery::Shared, Delivery::Socket] {
        let mut broker = Broker::start(&options);
        let client = broker.connect();
        let [mut reader, mut worker, mut idle] = std::array::from_fn(|_| subscribe(&client, "left", delivery));
        let old = address_of_next(&mut reader);
        drop(client.acquire(&old).unwrap());
        broker.kill();
        let broker = broker.start_again(&options);
        // The client has not heard of the end, and asks for a frame of the next broker.
        let new = wait_for("a frame of the next broker", PATIENCE, || {
            // What the first had published may come before.
            reader.next(PATIENCE).ok().filter(|frame| frame.broker_id() != old.broker)
        });
        let new = new.reference();
        let next = reader.broker_id();
        assert_ne!(next, old.broker);
        let is_refused = |taken: Result<Frame, Error>| match taken.unwrap_err() {
            Error::Gone { context, reason: GoneReason::OtherBroker { of, at } } => {
                assert_eq!((context, of, at), (old.context, old.broker, next));
            }
            error => panic!("{error}"),
        };
        // Who has not heard of the end may still read the very frame: a broker's death takes nothing from its readers.
        for taken in [client.acquire(&old), idle.acquire(&old)] {
            assert!(taken.is_err() || taken.unwrap().reference() == old);
        }
        assert!(is_known(idle.acquire(&new), &new) && is_known(client.acquire(&new), &new));
        assert_eq!(idle.reconnects(), 1, "who only acquires goes on at the next broker");
        is_refused(client.acquire(&old));
        is_refused(idle.acquire(&old));
        assert!(is_known(worker.acquire(&new), &new));
        wait_for("the number to name another frame", PATIENCE, || {
            is_refused(worker.acquire(&old));
            is_refused(client.acquire(&old));
            worker.acquire(old.context).ok()
        });
        broker.end_clean();
    }
}

/// Whether an address was known: its frame has come, or was retired by now.
fn is_known(taken: Result<Frame, Error>, address: &FrameRef) -> bool {
    match taken {
        Ok(frame) => frame.reference() == *address,
        Err(error) => matches!(error, Error::Gone { reason: GoneReason::Retired, .. }),
    }
}

/// Goal: a broker object acquires frames of any stream in any thread, by one subscription each, within its bound, and ends them
/// with itself. Method: four threads, two streams; then all it may hold, then one more.
#[test]
fn a_broker_object_acquires_without_a_subscription() {
    let scratch = Scratch::default();
    let broker = Broker::start(&two_streams(&scratch));
    let client = Client::builder().socket(broker.socket()).max_acquired(3).connect().unwrap();
    let source = broker.connect();
    let readers = ["left", "right"].map(|stream| subscribe(&source, stream, Delivery::Shared));
    let held: Vec<Frame> =
        readers.into_iter().flat_map(|mut frames| [(); 3].map(|()| frames.next(PATIENCE).unwrap())).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for frame in held.iter().cycle().take(120) {
                    match client.acquire(&frame.reference()) {
                        Ok(acquired) => assert!(is_same(&acquired, frame)),
                        Err(error) => assert!(matches!(error, Error::Full { max_held: 3 }), "{error}"),
                    }
                }
            });
        }
    });
    let sessions = |streams: BTreeSet<&str>| {
        let clients = source.clients().unwrap();
        let found = clients.iter().flat_map(|client| &client.subscriptions).filter(|one| one.max_held == 3);
        let found: Vec<&str> = found.map(|one| one.stream.as_str()).collect();
        found.len() == streams.len() && found.into_iter().collect::<BTreeSet<_>>() == streams
    };
    assert!(sessions(["left", "right"].into()), "one subscription for each stream");
    let all = [0, 1, 2].map(|at: usize| client.acquire(&held[at].reference()).unwrap());
    assert!(matches!(client.acquire(&held[0].reference()), Err(Error::Full { max_held: 3 })));
    let other = FrameRef { stream: "middle".parse().unwrap(), ..held[0].reference() };
    let unknown = client.acquire(&other).unwrap_err();
    assert_eq!(unknown.code(), Some(ErrorCode::UnknownStream), "{unknown}");
    let never = ContextId::new(framebroker_client::Sequence(1 << 40), held[0].context().segment());
    let never = client.acquire(&FrameRef { context: never, ..held[0].reference() });
    assert!(matches!(never, Err(Error::Gone { reason: GoneReason::Retired, .. } | Error::Full { .. })), "{never:?}");
    drop(client);
    drop(all);
    wait_for("its subscriptions to end", PATIENCE, || sessions(BTreeSet::new()).then_some(()));
    drop(held);
    broker.end_clean();
}
