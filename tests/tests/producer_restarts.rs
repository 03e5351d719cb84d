//! Producers that end, are killed and are started again at once, as a supervisor does, while a lossless reader lags. The ring is
//! then full of frames that nobody may retire, and segments are wanted that are not there: the worst moment for a change.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::time::{Duration, Instant};

use framebroker_client::{
    Broker as Connection, Error, ErrorCode, FrameInfo, PixelFormat, Policy, Producer, StreamState, Subscription,
};
use framebroker_tests::{Broker, PATIENCE, wait_for};

const OPTIONS: &str = "--source producer --segments 8 --max-segments 16 --lossless-timeout 20000";
/// More than a broker needs for one producer after another; a fault made hundreds of thousands.
const FEW_SEGMENTS: u64 = 64;

/// A producer that can pause. As soon as the place is free.
fn produce(connection: &Connection) -> Producer {
    wait_for("the place of the producer", PATIENCE, || {
        let asked = connection.produce("cam0").geometry(64, 64, PixelFormat::MONO8).min_queued(4).can_pause(true);
        match asked.open() {
            Ok(producer) => Some(producer),
            Err(error) if error.code() == Some(ErrorCode::Busy) => None,
            Err(error) => panic!("{error}"),
        }
    })
}

fn is_live(connection: &Connection) -> bool {
    connection.streams().unwrap()[0].state == StreamState::Live
}

fn lossless(connection: &Connection) -> Subscription {
    let reader = connection.subscribe("cam0").policy(Policy::Lossless).max_held(2).open().unwrap();
    assert_eq!(reader.policy(), Policy::Lossless);
    reader
}

/// Fills the ring until no segment comes back; returns how many frames that were.
fn fill_the_ring(producer: &mut Producer) -> u64 {
    let info = FrameInfo::new(64, 64, PixelFormat::MONO8);
    for published in 0..100 {
        match producer.take(Duration::from_millis(300)) {
            Ok(blank) => blank.publish(&info).unwrap(),
            Err(_everything_is_waited_for) => return published,
        }
    }
    panic!("the ring does not wait for its lossless reader");
}

/// Takes all that is there; asserts that none is missing.
fn take_all(reader: &mut Subscription, frames: u64) {
    for _ in 0..frames {
        drop(reader.next(PATIENCE).unwrap());
    }
    assert_eq!(reader.counters().lost, 0, "{:?}", reader.counters());
}

/// Goal: a producer that comes at once after another has the stream at once, and the reader loses no frame of either. Method: the
/// first ends while the ring is full of frames that a lossless reader has not taken.
#[test]
fn the_next_producer_has_the_stream_at_once() {
    let broker = Broker::start(OPTIONS);
    let connection = broker.connect();
    let mut first = produce(&connection);
    let mut reader = lossless(&connection);
    let published = fill_the_ring(&mut first);
    drop(first);
    let mut second = produce(&connection);
    let stats = broker.stats();
    assert!(stats.total_allocated < FEW_SEGMENTS, "{stats:?}");
    assert!(is_live(&connection));
    take_all(&mut reader, published);
    let more = fill_the_ring(&mut second);
    take_all(&mut reader, more);
    drop((reader, second));
    broker.end_clean();
}

/// Goal: a producer can change its frames while the ring is full; where it is killed then, the stream is offline with the reason,
/// and the next has it. Method: the change comes while the ring is full, or nearly, of frames that a lossless reader has not taken.
#[test]
fn a_stream_whose_producer_died_after_a_change_is_offline() {
    for frames in [8, 11] {
        let broker = Broker::start(OPTIONS);
        let connection = broker.connect();
        let mut first = broker.producer();
        assert!(first.ask("produce width=64 height=64 min=4 pause=yes").starts_with("ok"));
        let mut reader = lossless(&connection);
        assert_eq!(first.ask(&format!("publish count={frames} interval_us=2000")), format!("published last={frames}"));
        first.tell("change width=32 height=32 min=4 pause=yes");
        assert!(first.answer().starts_with("ok"), "a change waits for no reader");
        first.kill();
        wait_for("the stream to be offline", PATIENCE, || (!is_live(&connection)).then_some(()));
        take_all(&mut reader, frames);
        wait_for("the reader to be told", PATIENCE, || {
            assert!(reader.next(Duration::ZERO).is_err(), "there was no other frame");
            reader.offline_reason().filter(|reason| reason.contains("has ended")).map(str::to_owned)
        });
        let mut second = produce(&connection);
        let more = fill_the_ring(&mut second);
        take_all(&mut reader, more);
        assert!(broker.stats().total_allocated < 2 * FEW_SEGMENTS, "{:?}", broker.stats());
        drop((reader, second));
        broker.end_clean();
    }
}

/// Goal: restarts in any order of moments keep the stream: every producer begins, is disconnected only by its own end, and each
/// frame arrives. Method: many producers one after the other, ended at random; a lossless reader that pauses at random.
#[test]
fn restarts_at_random_lose_nothing() {
    const PRODUCERS: u64 = 60;
    let broker = Broker::start(OPTIONS);
    let connection = broker.connect();
    let mut reader = lossless(&connection);
    let seed = framebroker_protocol::realtime_ns();
    println!("seed {seed}");
    let mut random = seed | 1;
    let mut next = move |below: u64| {
        // xorshift64, of Marsaglia.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let mut pauses: Vec<u64> = (0..997).map(|_| next(60)).collect();
    let (done, is_done) = std::sync::mpsc::channel::<u64>();
    let reading = std::thread::spawn(move || {
        let (mut got, mut wanted) = (0, None);
        let deadline = Instant::now() + 4 * PATIENCE;
        while wanted.is_none_or(|wanted| got < wanted) {
            assert!(Instant::now() < deadline, "{got} frames of {wanted:?}");
            wanted = wanted.or_else(|| is_done.try_recv().ok());
            match reader.next(Duration::from_millis(50)) {
                Ok(frame) => {
                    got += 1;
                    assert_eq!(frame.sequence().0, got, "none is missing");
                }
                Err(Error::Timeout { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            if got % 8 == 0 {
                std::thread::sleep(Duration::from_millis(pauses.pop().unwrap_or(0)));
            }
        }
        (got, reader.counters())
    });
    let info = FrameInfo::new(64, 64, PixelFormat::MONO8);
    let mut published = 0;
    for _ in 0..PRODUCERS {
        let mut producer = produce(&connection);
        for _ in 0..next(24) {
            producer.take(PATIENCE).unwrap().publish(&info).unwrap();
            published += 1;
        }
        if next(4) == 0 {
            producer.change(|builder| builder.geometry(32, 32, PixelFormat::MONO8)).unwrap();
        }
    }
    done.send(published).unwrap();
    let (got, counters) = reading.join().unwrap();
    assert_eq!((got, counters.lost), (published, 0));
    let stats = broker.stats();
    assert!(stats.total_allocated < PRODUCERS * FEW_SEGMENTS, "{stats:?}");
    broker.end_clean();
}
