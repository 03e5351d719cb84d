//! Streams that another process fills.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::time::Duration;

use framebroker_client::{Frame, Subscription};
use framebroker_protocol::FrameHeader;
use framebroker_protocol::message::{Ask, Delivery, ErrorCode, Policy, Roles, Tell};
use framebroker_protocol::ring::Lend;
use framebroker_tests::actor::figure;
use framebroker_tests::attack::ways_to_write;
use framebroker_tests::raw::Heard;
use framebroker_tests::raw_producer::{produce, record};
use framebroker_tests::{Actor, Broker, PATIENCE, RawProducer, wait_for};
use nix::sys::signal::Signal;

/// Whether every byte of a frame is this one.
fn shows(frame: &Frame, byte: u8) -> bool {
    !frame.data().is_empty() && frame.data().iter().all(|other| *other == byte)
}

/// Ends what a producer does until it is told to stop.
fn stop(producer: &mut Actor) {
    let published = producer.ask("stop");
    assert!(published.starts_with("published"), "{published}");
    assert_eq!(producer.answer(), "ok");
}

/// Waits until a reader hears that its stream has no producer; returns the reason.
fn offline(subscription: &mut Subscription) -> String {
    wait_for("the end of the producer", PATIENCE, || {
        let _none = subscription.next(Duration::from_millis(10));
        subscription.offline_reason().map(str::to_owned)
    })
}

/// Goal: frames of a producer reach consumers of both deliveries whole and in order, and subscribers may come before it.
/// Method: consumers that check every byte.
#[test]
fn a_producer_feeds_both_deliveries() {
    let broker = Broker::start("--source producer");
    assert!(broker.ready().contains("source=producer") && broker.ready().contains("segments=0"), "{}", broker.ready());
    let mut actors = [broker.actor(), broker.actor()];
    actors[0].must("subscribe max_held=3 policy=lossless");
    actors[1].must("subscribe max_held=3 policy=lossless delivery=socket");
    for actor in &mut actors {
        let answer = actor.ask("take 100");
        assert!(answer.contains("no producer has come yet"), "{answer}");
        assert!(actor.ask("state").starts_with("offline"));
    }
    let mut producer = broker.producer();
    let answer = producer.ask("produce width=640 height=480 interval_us=1000 pause=yes");
    assert_eq!((figure(&answer, "first"), figure(&answer, "segments")), (1, 13), "2 + 1 + 6 granted + 4 of history");
    producer.tell("publish count=400 interval_us=1000");
    actors.iter_mut().for_each(|actor| actor.tell("run count=400"));
    for actor in &mut actors {
        let ran = actor.answer();
        let (bad, lost, first, last) =
            (figure(&ran, "bad"), figure(&ran, "lost"), figure(&ran, "first"), figure(&ran, "last"));
        assert_eq!((bad, lost, first, last), (0, 0, 1, 400), "{ran}");
    }
    assert_eq!(producer.answer(), "published last=400");
    let stats = broker.stats();
    assert_eq!((stats.published, stats.grabbed, stats.starved), (400, 400, 0), "{stats:?}");
    let stream = broker.connect().streams().unwrap().remove(0);
    assert_eq!((stream.model.as_str(), stream.serial.as_str(), stream.millihertz), ("scripted", "7", 1_000_000));
    assert_eq!((stream.width, stream.height, stream.state), (640, 480, 1));
    drop((actors, producer));
    broker.end_clean();
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

/// Goal: a stream has one producer, which is named to the next; and only who has the role. Method: ask in vain.
#[test]
fn a_second_producer_is_refused() {
    let broker = Broker::start("--source producer --max-segments 16");
    let mut producer = broker.producer();
    assert_eq!(figure(&producer.ask("produce"), "segments"), 8);
    let mut second = broker.producer();
    let answer = second.ask("produce");
    assert!(answer.contains(&format!("filled by producer (pid {}", producer.pid())), "{answer}");
    let mut raw = broker.raw();
    raw.hello();
    raw.send(Ask::Produce(produce()));
    assert_eq!(raw.error().0, ErrorCode::Forbidden);
    drop(producer);
    let first = wait_for("the first to go", PATIENCE, || {
        let answer = second.ask("produce min=3");
        answer.starts_with("ok").then_some(answer)
    });
    assert_eq!(figure(&first, "first"), 1);
    assert!(second.ask("change min=16").contains("--max-segments"));
    assert_eq!(second.ask("publish count=5"), "published last=5", "it goes on as before");
    let pattern = Broker::start("");
    let answer = pattern.producer().ask("produce");
    assert!(answer.contains("start a broker with --source producer"), "{answer}");
    drop(second);
    pattern.end_clean();
    broker.end_clean();
}

/// Goal: a producer can change its frames while they are read and held: smaller ones, another format, larger ones. Method:
/// consumers that check every byte, the stream never offline.
#[test]
fn frames_change_while_they_are_read() {
    let broker = Broker::start("--source producer");
    let mut producer = broker.producer();
    assert!(producer.ask("produce width=320 height=240 pause=yes").starts_with("ok"));
    let mut actors = [broker.actor(), broker.actor()];
    actors[0].must("subscribe max_held=8 policy=lossless");
    actors[1].must("subscribe max_held=8 policy=lossless delivery=socket");
    let mut take_all = |producer: &mut Actor, what: &str| {
        actors.iter_mut().for_each(|actor| actor.tell("run count=60"));
        let published = producer.ask("publish count=60 interval_us=500");
        assert!(published.starts_with("published"), "{what}: {published}");
        for actor in &mut actors {
            let ran = actor.answer();
            assert_eq!((figure(&ran, "bad"), figure(&ran, "lost")), (0, 0), "{what}: {ran}");
            assert!(actor.ask("state").starts_with("live"), "{what}");
        }
        // Each keeps one frame of every kind.
        producer.ask("publish");
        for actor in &mut actors {
            assert!(actor.take() > 0);
            assert!(actor.ask("check").starts_with("good"), "{what}");
        }
    };
    take_all(&mut producer, "the first");
    assert_eq!(producer.ask("shape width=100 height=50"), "ok");
    take_all(&mut producer, "smaller, without a word");
    assert_eq!(producer.ask("shape width=100 height=50 format=Mono12"), "ok");
    take_all(&mut producer, "another format, without a word");
    let stream = broker.connect().streams().unwrap().remove(0);
    assert_eq!((stream.width, stream.height, stream.pixel_format.name()), (100, 50, Some("Mono12")), "{stream:?}");
    assert_eq!(producer.ask("blank count=1"), "ok");
    assert!(producer.ask("change width=640 height=480 format=RGB8").contains("still being filled"));
    assert_eq!(producer.ask("unblank"), "ok");
    assert!(producer.ask("change width=640 height=480 format=RGB8 pause=yes").starts_with("ok"));
    take_all(&mut producer, "larger");
    assert!(producer.ask("change width=32 height=32 format=Mono8 pause=yes").starts_with("ok"));
    take_all(&mut producer, "small again");
    drop(actors);
    let log = broker.log();
    assert!(!log.contains("offline"), "{log}");
    drop(producer);
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

/// Goal: a producer that is silent or stopped costs its readers nothing but frames: the broker serves on. Method: one that
/// takes all and fills nothing, then SIGSTOP while it fills.
#[test]
fn a_silent_producer_is_only_silent() {
    let broker = Broker::start("--source producer");
    let mut producer = broker.producer();
    assert_eq!(figure(&producer.ask("produce width=320 height=240"), "segments"), 8);
    producer.must("blank count=8");
    let mut actors = [broker.actor(), broker.actor()];
    actors[0].must("subscribe");
    actors[1].must("subscribe delivery=socket");
    for actor in &mut actors {
        assert!(actor.ask("take 300").starts_with("error timeout"));
        assert!(actor.ask("state").starts_with("live"));
    }
    assert_eq!(producer.ask("publish count=20 interval_us=2000"), "published last=20");
    producer.must("stream");
    for actor in &mut actors {
        assert!(actor.take() > 0);
    }
    producer.signal(Signal::SIGSTOP);
    broker.connect().ping().unwrap();
    let mut late = broker.actor();
    late.must("subscribe start=oldest");
    assert!(late.take() > 0);
    assert!(actors[0].ask("check").starts_with("good"));
    broker.must_be_idle();
    producer.signal(Signal::SIGCONT);
    for actor in &mut actors {
        actor.must("release");
        let ran = actor.ask("run count=20");
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    }
    stop(&mut producer);
    drop((actors, late, producer));
    broker.end_clean();
}

/// Goal: a ring that grows lends its new segments to the producer first, and what is no longer needed is taken back. Method:
/// readers that come and go beside a producer that fills on.
#[test]
fn the_ring_grows_and_shrinks_with_a_producer() {
    let broker = Broker::start("--source producer --segments 8 --shrink-after 1");
    let mut producer = broker.producer();
    assert_eq!(figure(&producer.ask("produce"), "segments"), 8);
    producer.must("stream");
    let mut others: Vec<Actor> = (0..6).map(|_| broker.actor()).collect();
    others.iter_mut().for_each(|other| other.must("subscribe max_held=4"));
    for other in &mut others {
        let ran = other.ask("run count=30");
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    }
    assert!(broker.stats().active_buffers >= 3 + 24 + 4);
    stop(&mut producer);
    assert_eq!(producer.ask("segments"), broker.stats().active_buffers.to_string());
    producer.must("stream");
    drop(others);
    wait_for("the ring to shrink", PATIENCE, || (broker.stats().active_buffers == 8).then_some(()));
    stop(&mut producer);
    wait_for("the producer to let go", PATIENCE, || (producer.ask("segments") == "8").then_some(()));
    drop(producer);
    broker.end_clean();
}

/// Goal: a driver that has all its buffers from the start can produce, naming segments by their buffer contexts in any order.
/// Method: keep all, publish the last first; those that come back are handed out again.
#[test]
fn buffers_are_published_by_context_in_any_order() {
    let broker = Broker::start("--source producer --segments 10");
    let mut producer = broker.producer();
    assert_eq!(figure(&producer.ask("produce fixed=yes min=3"), "segments"), 10);
    let mut actor = broker.actor();
    actor.must("subscribe max_held=6");
    let refused = broker.actor().ask("subscribe max_held=1");
    assert!(refused.contains("--segments"), "a fixed pool does not grow: {refused}");
    let all: Vec<String> = (1000..1010).map(|context| context.to_string()).collect();
    assert_eq!(producer.ask("keep"), format!("kept {}", all.join(",")));
    assert!(producer.ask("publish-kept context=1010").contains("not kept"));
    for context in [1009u64, 1003, 1007] {
        assert!(producer.ask(&format!("publish-kept context={context}")).starts_with("published"));
        assert_eq!(context - 1000, actor.take() & 0xffff);
        assert!(producer.ask(&format!("publish-kept context={context}")).contains("not kept"));
    }
    assert_eq!(producer.ask("keep"), "kept ", "nothing has come back");
    assert_eq!(actor.ask("check"), "good 3");
    actor.must("release");
    for context in [1000, 1001, 1002, 1004, 1005, 1006] {
        assert!(producer.ask(&format!("publish-kept context={context}")).starts_with("published"));
    }
    let back = wait_for("segments to come back", PATIENCE, || {
        let kept = producer.ask("keep");
        (kept != "kept ").then_some(kept)
    });
    assert!(back.starts_with("kept 10") && !back.contains("1008"), "{back}");
    drop((actor, producer));
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

/// Goal: the client library's rules for forks hold for producers. Method: a child that tries everything.
#[test]
fn a_forked_child_does_not_produce() {
    let broker = Broker::start("--source producer");
    let mut producer = broker.producer();
    assert!(producer.ask("produce").starts_with("ok"));
    producer.must("blank count=2");
    assert_eq!(producer.ask("fork"), "forked=1 hidden=1");
    assert_eq!(producer.ask("publish count=20"), "published last=20");
    drop(producer);
    broker.end_clean();
}

/// Goal: a producer learns that its broker has ended, and why, within a second. Method: end one, kill another.
#[test]
fn a_producer_learns_of_the_brokers_end() {
    let broker = Broker::start("--source producer");
    let mut producer = broker.producer();
    assert!(producer.ask("produce").starts_with("ok"));
    producer.must("stream");
    broker.end_clean();
    let answer = producer.answer();
    assert!(answer.contains("the stream has ended"), "{answer}");

    let mut broker = Broker::start("--source producer");
    let mut producer = broker.producer();
    assert!(producer.ask("produce").starts_with("ok"));
    producer.must("stream");
    broker.kill();
    let answer = producer.answer();
    assert!(answer.contains("the broker is gone"), "{answer}");

    let mut broker = Broker::start("--source producer --frames 10");
    let mut producer = broker.producer();
    assert!(producer.ask("produce").starts_with("ok"));
    producer.must("stream");
    let answer = producer.answer();
    assert!(answer.contains("the stream has ended"), "{answer}");
    assert!(broker.ended().0.success());
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
            connection.streams().unwrap()[0].state.eq(&0).then(|| RawProducer::attach(&broker))
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
