//! Producers that die, break the rules, or are not to be trusted: what becomes of their streams and of what is held.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::os::fd::OwnedFd;
use std::time::Duration;

use framebroker_client::{Frame, Subscription};
use framebroker_protocol::message::{Ask, Delivery, ErrorCode, Policy, Produce, Roles, Tell};
use framebroker_protocol::ring::Lend;
use framebroker_protocol::{FrameHeader, StreamState};
use framebroker_tests::actor::figure;
use framebroker_tests::attack::ways_to_write;
use framebroker_tests::raw::Heard;
use framebroker_tests::raw_producer::{produce, record};
use framebroker_tests::{Broker, PATIENCE, Raw, RawProducer, wait_for};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};

/// Whether every byte of a frame is this one.
fn shows(frame: &Frame, byte: u8) -> bool {
    !frame.data().is_empty() && frame.data().iter().all(|other| *other == byte)
}

/// Waits until a reader hears that its stream has no producer; returns the reason.
fn offline(subscription: &mut Subscription) -> String {
    wait_for("the end of the producer", PATIENCE, || {
        let _none = subscription.next(Duration::from_millis(10));
        subscription.offline_reason().map(str::to_owned)
    })
}

/// Goal: when a producer goes its stream is offline with a reason, held frames stay as they are, and the next one goes on
/// with other objects: nothing that the first can still write reaches a frame of the second. Method: readers that hold; a
/// producer of which a mapping of every segment is left, as in a child that it forked before they were sealed.
#[test]
fn the_next_producer_gets_other_objects() {
    let broker = Broker::start("--source producer");
    let mut first = RawProducer::attach(&broker);
    let mut subscription = broker.connect().subscribe("cam0").max_held(3).open().unwrap();
    let index = first.publish(1);
    let held = subscription.next(PATIENCE).unwrap();
    assert!(shows(&held, 1));
    let mut left_behind = std::mem::take(&mut first.segments);
    // The frame that is held is the first's to spoil, since it is trusted with it.
    left_behind.remove(&index).unwrap();
    drop(first);
    let reason = offline(&mut subscription);
    assert!(reason.contains("the producer raw, pid") && reason.contains("has ended"), "{reason}");
    let mut second = RawProducer::attach(&broker);
    let mut frames = Vec::new();
    for byte in 2..60 {
        std::mem::swap(&mut second.segments, &mut left_behind);
        second.segments.keys().for_each(|index| second.paint(*index, 99));
        std::mem::swap(&mut second.segments, &mut left_behind);
        second.publish(byte);
        let frame = subscription.next(PATIENCE).unwrap();
        assert_eq!(frame.sequence().0, u64::from(byte), "sequences go on");
        assert!(shows(&frame, byte), "frame {byte}");
        frames.push(frame);
        frames.drain(..frames.len().saturating_sub(1));
        assert!(shows(&held, 1));
    }
    drop((held, frames, subscription, second));
    broker.end_clean();
}

/// Goal: killing a producer harms no consumer, and what it gave back before is still published. Method: SIGKILL right after it
/// said so, with consumers of both deliveries that hold; again and again.
#[test]
fn a_killed_producer_leaves_whole_frames() {
    let broker = Broker::start("--source producer");
    let mut actors = [broker.actor(), broker.actor()];
    actors[0].must("subscribe max_held=4");
    actors[1].must("subscribe max_held=4 delivery=socket");
    let mut last = 0;
    for round in 0..3 {
        let mut producer = broker.producer();
        let answer = producer.ask("produce width=320 height=240");
        assert_eq!(figure(&answer, "first"), last + 1, "{answer}");
        assert_eq!(producer.ask("blank count=1"), "ok");
        assert_eq!(producer.ask("unblank"), "ok");
        assert_eq!(producer.ask("publish count=3 interval_us=20000"), "published last=3");
        producer.kill();
        last += 3;
        for actor in &mut actors {
            assert!(actor.take() >> 16 > 0);
            let drained = actor.ask("drain 300");
            assert_eq!(figure(&drained, "last"), last, "{drained}");
            wait_for("the news", PATIENCE, || {
                actor.ask("state").starts_with("offline").then_some(()).or_else(|| {
                    actor.ask("try");
                    None
                })
            });
            assert_eq!(actor.ask("check"), format!("good {}", round + 1));
        }
    }
    let stats = broker.stats();
    assert_eq!(stats.published, 9, "{stats:?}");
    drop(actors);
    broker.end_clean();
}

/// What a hostile producer does, and what it is told.
type Violation = (&'static str, fn(&mut RawProducer), &'static str);

const VIOLATIONS: [Violation; 9] = [
    (
        "fills what it was not lent",
        |producer| {
            producer.filler.fill(Lend::from_u64(7 << 32 | 3).unwrap(), &record());
        },
        "not lent",
    ),
    (
        "fills twice",
        |producer| {
            let lend = producer.take();
            producer.filler.fill(lend, &record());
            producer.filler.fill(lend, &record());
        },
        "twice",
    ),
    (
        "names no lend",
        |producer| {
            let lend = Lend::from_u64(1 << 16 | 1023).unwrap();
            producer.filler.fill(lend, &record());
        },
        "not lent",
    ),
    ("an absurd head", |producer| producer.poke(192, 1 << 31), "was lent"),
    (
        "a head that goes back",
        |producer| {
            producer.publish(1);
            producer.poke(192, u32::MAX);
        },
        "was lent",
    ),
    (
        "an image beyond the segment",
        |producer| {
            let lend = producer.take();
            let large = 4097;
            producer.filler.fill(lend, &FrameHeader { payload_bytes: large, chunk_offset: large, ..record() });
        },
        "do not fit",
    ),
    (
        "chunk data without end",
        |producer| {
            let lend = producer.take();
            producer.filler.fill(lend, &FrameHeader { chunk_bytes: u64::MAX, ..record() });
        },
        "do not fit",
    ),
    (
        "rows beyond the image",
        |producer| {
            let lend = producer.take();
            producer.filler.fill(lend, &FrameHeader { height: 49, ..record() });
        },
        "fewer bytes than its rows",
    ),
    (
        "reserved bytes",
        |producer| {
            let lend = producer.take();
            producer.filler.fill(lend, &FrameHeader { reserved: 1, ..record() });
        },
        "must be 0",
    ),
];

/// Goal: a producer that breaks a rule is disconnected with a reason, and its readers notice nothing but that it is gone.
/// Method: break each, beside a reader that holds a frame; the same broker throughout.
#[test]
fn violations_disconnect_with_a_reason() {
    let broker = Broker::start("--source producer");
    let mut subscription = broker.connect().subscribe("cam0").max_held(3).open().unwrap();
    for (what, violate, expected) in VIOLATIONS {
        let mut producer = RawProducer::attach(&broker);
        producer.publish(7);
        let held = subscription.next(PATIENCE).unwrap();
        violate(&mut producer);
        let (code, text) = producer.raw.error();
        assert_eq!(code, ErrorCode::Breach, "{what}: {text}");
        assert!(text.contains(expected) && text.contains("the producer raw"), "{what}: {text}");
        assert!(offline(&mut subscription).contains(expected), "{what}");
        assert!(shows(&held, 7), "{what}");
        producer.raw.must_end();
    }
    drop(subscription);
    broker.end_clean();
}

/// Goal: floods are bounded: of frames, and of wake-ups for nothing. Method: a low limit; wake the grab thread without end.
#[test]
fn floods_disconnect_with_a_reason() {
    let broker = Broker::start("--source producer --producer-rate 100");
    let mut producer = RawProducer::attach(&broker);
    for _ in 0..101 {
        producer.publish(1);
    }
    let (code, text) = producer.raw.error();
    assert!(code == ErrorCode::Breach && text.contains("--producer-rate"), "{text}");
    let mut producer = RawProducer::attach(&broker);
    let text = wait_for("a reason", PATIENCE, || {
        (0..100).for_each(|_| producer.wake(192));
        producer.raw.wait(Duration::ZERO);
        match broker.log().contains("again and again") {
            true => Some(producer.raw.error().1),
            false => None,
        }
    });
    assert!(text.contains("again and again"), "{text}");
    let mut honest = broker.producer();
    assert!(honest.ask("produce").starts_with("ok"));
    assert_eq!(honest.ask("publish count=50 interval_us=15000"), "published last=50");
    drop(honest);
    broker.end_clean();
}

/// Goal: a producer that does not map what it is lent loses its session, and harms nobody meanwhile. Method: one that never
/// says `Mapped`, of its page and of its segments.
#[test]
fn a_producer_that_never_maps_is_disconnected() {
    let broker = Broker::start("--source producer");
    for mapped in [false, true] {
        let mut raw = broker.raw();
        raw.hello_as(Roles::PRODUCER);
        raw.send(Ask::Produce(produce()));
        assert!(matches!(raw.answer().0, Tell::Producing { .. }));
        if mapped {
            raw.send(Ask::Mapped);
            assert!(matches!(raw.hear(), Heard::Message(reply, _) if matches!(reply.body, Tell::SegmentsLent { .. })));
        }
        let mut actor = broker.actor();
        actor.must("subscribe");
        let (code, text) = raw.error();
        assert!(code == ErrorCode::TooSlow && text.contains("Mapped"), "{text}");
    }
    let mut producer = broker.producer();
    assert!(producer.ask("produce").starts_with("ok"));
    drop(producer);
    broker.end_clean();
}

/// Goal: nobody but their producer writes its segments, and it makes no new way in once it has mapped them. Method: attack
/// every descriptor of a consumer, and those the producer has kept.
#[test]
fn segments_of_a_producer_are_sealed() {
    let broker = Broker::start("--source producer");
    let mut producer = RawProducer::attach(&broker);
    let mut raw = broker.raw();
    raw.hello();
    let (subscribed, fds) = raw.subscribe(Policy::Sequential, Delivery::Socket, 2);
    assert_eq!((fds.len(), subscribed.segments.len()), (8, 8), "the producer has not mapped the ninth");
    for (fd, info) in fds.iter().zip(&subscribed.segments) {
        assert_eq!(ways_to_write(fd, usize::try_from(info.bytes).unwrap()), [""; 0]);
    }
    for (fd, mapping) in producer.segments.values() {
        assert_eq!(ways_to_write(fd, mapping.len()), [""; 0]);
    }
    producer.publish(3);
    drop((producer, raw));
    broker.end_clean();
}

/// The descriptors of the segments that come next.
fn lent(raw: &mut Raw) -> Vec<OwnedFd> {
    match raw.hear() {
        Heard::Message(reply, fds) if matches!(reply.body, Tell::SegmentsLent { .. }) => fds,
        other => panic!("not segments but {other:?}"),
    }
}

/// Goal: producers that keep the broker from sealing what they were lent take nothing from those that come after. Method: each
/// seals one segment against further seals before it says `Mapped`; the memory limit has room for one ring.
#[test]
fn segments_that_cannot_be_sealed_count_no_longer() {
    let broker = Broker::start("--source producer --memory-limit 1");
    for round in 0..8 {
        let mut raw = broker.raw();
        raw.hello_as(Roles::PRODUCER);
        let large = Produce { payload_bytes: 100_000, ..produce() };
        wait_for("the one before to go", PATIENCE, || {
            raw.send(Ask::Produce(large.clone()));
            matches!(raw.answer().0, Tell::Producing { .. }).then_some(())
        });
        raw.send(Ask::Mapped);
        // Mostly the first comes alone; the others are made while it is not mapped, and come together.
        let mut count = 0;
        let fds = loop {
            let fds = lent(&mut raw);
            count += fds.len();
            if count == 8 {
                break fds;
            }
            wait_for(&format!("all segments of round {round}"), PATIENCE, || {
                (broker.stats().active_buffers == 8).then_some(())
            });
            raw.send(Ask::Mapped);
        };
        fcntl(&fds[0], FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SEAL)).unwrap();
        raw.send(Ask::Mapped);
        let (code, text) = raw.error();
        assert_eq!(code, ErrorCode::Unavailable, "{text}");
        raw.must_end();
    }
    let mut producer = broker.producer();
    let answer = producer.ask("produce width=300 height=300");
    assert!(answer.starts_with("ok"), "{answer}");
    assert_eq!(producer.ask("publish count=50 interval_us=1000"), "published last=50");
    assert_eq!(broker.stats().active_buffers, 8);
    drop(producer);
    broker.end_clean();
}

/// Goal: nothing is left of producers that are gone. Method: a hundred of them, of which some die while they attach and some
/// while they fill, beside a reader that holds a frame of the first.
#[test]
fn nothing_is_left_of_producers_that_are_gone() {
    let broker = Broker::start("--source producer");
    let mut subscription = broker.connect().subscribe("cam0").max_held(2).open().unwrap();
    let mut first = RawProducer::attach(&broker);
    first.publish(5);
    let held = subscription.next(PATIENCE).unwrap();
    drop(first);
    offline(&mut subscription);
    // One for all that is asked: each that is closed stays a moment, until its process is seen to live.
    let connection = broker.connect();
    wait_for("the segments to go", PATIENCE, || (connection.stats().unwrap()[0].active_buffers == 1).then_some(()));
    let before = broker.open_files();
    for round in 0..100 {
        if round % 3 == 0 {
            let mut raw = broker.raw();
            raw.hello_as(Roles::PRODUCER);
            wait_for("the one before to go", PATIENCE, || {
                raw.send(Ask::Produce(produce()));
                matches!(raw.answer().0, Tell::Producing { .. }).then_some(())
            });
            continue;
        }
        let mut producer = wait_for("the one before to go", PATIENCE, || {
            connection.streams().unwrap()[0].state.eq(&StreamState::Offline).then(|| RawProducer::attach(&broker))
        });
        producer.publish(6);
        drop(producer);
        let frame = subscription.next(PATIENCE).unwrap();
        assert!(shows(&frame, 6));
        assert!(shows(&held, 5));
    }
    drop(held);
    let after = wait_for("segments and descriptors to go", PATIENCE, || {
        let stats = connection.stats().unwrap().remove(0);
        (stats.active_buffers <= 3 && broker.open_files() <= before + 4).then_some(stats)
    });
    assert_eq!(after.published, 1 + 66, "{after:?}");
    broker.must_be_idle();
    drop((subscription, connection));
    broker.end_clean();
}
