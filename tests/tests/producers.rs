//! Streams that another process fills.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use framebroker_tests::Broker;
use framebroker_tests::actor::figure;

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
