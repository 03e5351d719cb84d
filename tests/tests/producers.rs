//! Streams that another process fills.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use framebroker_protocol::StreamState;
use framebroker_protocol::message::{Ask, Delivery, ErrorCode, Policy, Reply, Tell};
use framebroker_tests::actor::figure;
use framebroker_tests::raw::Heard;
use framebroker_tests::raw_producer::produce;
use framebroker_tests::{Actor, Broker, PATIENCE, wait_for};
use nix::sys::signal::Signal;

/// Ends what a producer does until it is told to stop.
fn stop(producer: &mut Actor) {
    let published = producer.ask("stop");
    assert!(published.starts_with("published"), "{published}");
    assert_eq!(producer.answer(), "ok");
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
    assert_eq!((stream.width, stream.height, stream.state), (640, 480, StreamState::Live));
    assert_eq!(stream.producer.as_str(), format!("producer, pid {}", producer.pid()));
    drop((actors, producer));
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
    let changed = producer.ask("change width=640 height=480 format=RGB8 pause=yes");
    assert!(changed.starts_with("ok"), "{changed} {}", broker.log());
    take_all(&mut producer, "larger");
    let changed = producer.ask("change width=32 height=32 format=Mono8 pause=yes");
    assert!(changed.starts_with("ok"), "{changed} {}", broker.log());
    take_all(&mut producer, "small again");
    drop(actors);
    let log = broker.log();
    assert!(!log.contains("offline"), "{log}");
    drop(producer);
    broker.end_clean();
}

/// Goal: a producer whose new frames find no memory beside those that are held waits for it, and goes on: it broke no rule.
/// Method: a limit with room for either; a reader that holds, then releases.
#[test]
fn a_producer_whose_new_frames_find_no_memory_waits_for_it() {
    let broker = Broker::start("--source producer --memory-limit 2");
    let mut producer = broker.producer();
    assert!(producer.ask("produce width=640 height=480").starts_with("ok"));
    let mut holder = broker.actor();
    holder.must("subscribe max_held=3");
    assert_eq!(producer.ask("publish count=2"), "published last=2");
    holder.take();
    holder.take();
    assert_eq!(producer.ask("publish"), "published last=3");
    producer.tell("change width=800 height=600");
    wait_for("the lack of memory", PATIENCE, || broker.log().contains("--memory-limit 2").then_some(()));
    wait_for("the news", PATIENCE, || holder.ask("state").starts_with("offline").then_some(()));
    assert_eq!(holder.ask("check"), "good 2");
    holder.must("release");
    let changed = producer.answer();
    assert!(changed.starts_with("ok"), "{changed} {}", broker.log());
    producer.tell("publish count=20 interval_us=5000");
    assert!(holder.take() >> 16 > 2);
    assert!(holder.take() >> 16 > 3);
    assert_eq!(holder.ask("check"), "good 2");
    assert_eq!(producer.answer(), "published last=23");
    drop(holder);
    broker.end_clean();
}

/// Goal: frames of another size find the memory of those before, where nobody holds them: the stream stays live. Method: a limit
/// with room for one ring; a producer that changes its frames when only the newest is in it.
#[test]
fn new_frames_take_the_memory_of_the_old() {
    let broker = Broker::start("--source producer --memory-limit 2");
    let mut producer = broker.producer();
    assert!(producer.ask("produce width=640 height=480").starts_with("ok"));
    assert_eq!(producer.ask("publish"), "published last=1");
    for (width, last) in [(720, 2), (640, 3), (700, 4)] {
        let changed = producer.ask(&format!("change width={width} height=480"));
        assert!(changed.starts_with("ok"), "{width}: {changed}");
        assert_eq!(producer.ask("publish"), format!("published last={last}"));
    }
    assert!(!broker.log().contains("offline"), "{}", broker.log());
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

/// Goal: a ring whose memory is used up by frames of a producer that has gone makes room for the next: old frames go, but for
/// the newest and those that are held. Method: a limit of four segments, three of which the producer and the newest need.
#[test]
fn a_full_ring_makes_room_for_the_next_producer() {
    let broker = Broker::start("--source producer --segments 4 --memory-limit 1");
    for round in 0..3 {
        let mut producer = broker.producer();
        let answer = producer.ask("produce width=512 height=512");
        assert_eq!(figure(&answer, "first"), round * 10 + 1, "{answer}");
        assert_eq!(producer.ask("publish count=10"), "published last=10");
        // The last one takes the place of the newest frame of the producer before.
        let stats =
            wait_for("a whole ring", PATIENCE, || Some(broker.stats()).filter(|stats| stats.active_buffers == 4));
        assert!(stats.current_bytes <= 1 << 20, "{stats:?}");
        drop(producer);
        wait_for("the end of the producer", PATIENCE, || {
            (broker.connect().streams().unwrap()[0].state == StreamState::Offline).then_some(())
        });
    }
    assert!(broker.producer().ask("produce width=1024 height=512").contains("--memory-limit"));
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

/// Goal: who subscribes to a stream whose source is away is told so once. Method: every way to subscribe, and the answer to a
/// request that was sent afterwards.
#[test]
fn a_subscriber_is_told_once_that_the_source_is_away() {
    let broker = Broker::start("--source producer");
    for policy in [Policy::Sequential, Policy::Latest, Policy::Lossless, Policy::Upcoming] {
        for delivery in [Delivery::Shared, Delivery::Socket] {
            let mut raw = broker.raw();
            raw.hello();
            raw.subscribe(policy, delivery, 2);
            raw.send(Ask::Mapped);
            let ping = raw.send(Ask::Ping);
            let said = std::iter::from_fn(|| match raw.hear() {
                Heard::Message(reply, _) => (reply.request != ping).then_some(reply.body),
                Heard::End => panic!("closed"),
            });
            let said: Vec<Tell> = said.collect();
            assert!(matches!(said[..], [Tell::Offline { .. }]), "{policy:?} {delivery:?}: {said:?}");
        }
    }
    broker.end_clean();
}

/// Goal: a reader by socket that does something else for a moment keeps its session while a whole ring is given up, and learns of
/// each segment. Method: more segments and subscriptions than messages fit in a socket; nothing is read until all are gone.
#[test]
fn a_ring_that_is_given_up_floods_no_reader() {
    let broker = Broker::start("--source producer --segments 60");
    let mut producer = broker.producer();
    assert_eq!(figure(&producer.ask("produce width=64 height=48"), "segments"), 60);
    let mut raw = broker.raw();
    raw.hello();
    let all = 8 * 60;
    for _ in 0..8 {
        let (subscribed, _) = raw.subscribe(Policy::Latest, Delivery::Socket, 1);
        assert_eq!(subscribed.segments.len(), 60);
        raw.send(Ask::Mapped);
    }
    producer.kill();
    wait_for("the segments to go", PATIENCE, || (broker.stats().active_buffers == 0).then_some(()));
    let mut removed = 0;
    while removed < all {
        match raw.hear() {
            Heard::Message(Reply { body: Tell::SegmentRemoved { .. }, .. }, _) => removed += 1,
            Heard::Message(Reply { body: Tell::Offline { .. }, .. }, _) => {}
            other => panic!("{other:?} after {removed}"),
        }
    }
    drop((producer, raw));
    broker.end_clean();
}
