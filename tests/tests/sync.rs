//! Frames of several streams that belong together.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]
#![allow(clippy::cast_possible_truncation, reason = "any bytes will do in an image")]

use std::process::Command;
use std::time::{Duration, Instant};

use framebroker_client::{self as client, Error, Incomplete, Start, SyncBy, SyncedSubscription};
use framebroker_tests::broker::run;
use framebroker_tests::recordings::{BYTES, record, start, table};
use framebroker_tests::{Broker, Network, Scratch, binaries, wait_for};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

fn joined(broker: &Broker, names: &[&str], by: SyncBy, incomplete: Incomplete) -> SyncedSubscription {
    let connection = broker.connect();
    let subscribe = |name: &&str| connection.subscribe(name).max_held(16).start(Start::Oldest).open().unwrap();
    SyncedSubscription::new(names.iter().map(subscribe).collect(), by).incomplete(incomplete)
}

/// Goal: frames are matched by their cameras' times and by their numbers, though they arrive at other times; those without
/// partner are counted, and delivered where that is wanted. Method: recordings with a known skew from which frames are missing.
#[test]
fn sets_are_matched_by_time_and_by_number() {
    let scratch = Scratch::default();
    record(&scratch, "a", 0, &[20]);
    record(&scratch, "b", 1_000_000, &[30, 31]);
    let tables = ["a", "b"].map(|name| table(scratch.path(), name, "segments = 40\nmax-segments = 200\nhistory = 30"));
    for by in [SyncBy::CameraTime(Duration::from_millis(2)), SyncBy::BlockId] {
        let mut broker = start(&scratch, &mut Command::new(binaries::broker()), &tables.concat());
        let mut synced = joined(&broker, &["a", "b"], by, Incomplete::Deliver);
        let (mut complete, mut alone) = (Vec::new(), Vec::new());
        let ended = loop {
            match synced.next(Duration::from_secs(5)) {
                Ok(set) => {
                    let numbers: Vec<Option<u64>> =
                        set.frames().iter().map(|frame| frame.as_ref().and_then(|frame| frame.block_id())).collect();
                    for frame in set.frames().iter().flatten() {
                        assert!(frame.data() == [frame.block_id().unwrap() as u8; BYTES]);
                    }
                    match numbers[..] {
                        [Some(left), Some(right)] => {
                            assert_eq!(left, right);
                            let skew = if by == SyncBy::BlockId { 0 } else { 1_000_000 };
                            assert_eq!(set.skew(), Duration::from_nanos(skew));
                            complete.push(left);
                        }
                        [left, right] => alone.push((left, right)),
                        _ => panic!("{numbers:?}"),
                    }
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(ended, Error::Closed { .. }), "{ended}");
        let begin = complete[0];
        let expected: Vec<u64> = (begin..=100).filter(|number| ![20, 30, 31].contains(number)).collect();
        assert!(begin < 20, "both were there early: {begin}");
        assert_eq!(complete, expected, "{by:?}");
        let later: Vec<_> = alone
            .iter()
            .copied()
            .filter(|(left, right)| left.or(*right).is_some_and(|number| number >= begin))
            .collect();
        assert_eq!(later, [(None, Some(20)), (Some(30), None), (Some(31), None)], "{by:?}");
        let stats = synced.stats();
        assert_eq!((stats.complete, stats.incomplete), (complete.len() as u64, alone.len() as u64));
        drop(synced);
        assert!(broker.ended().0.success());
    }
}

/// Goal: a stream that stalls holds up the others by no more than the patience, and no more frames than were granted; when
/// it goes on, so do complete sets. Method: a camera that is stopped and let go on, beside a pattern.
#[test]
fn a_stream_that_stalls_delays_the_others_within_bounds() {
    let scratch = Scratch::default();
    let network = Network::default();
    let camera = network.camera("GV01", "127.0.0.1", &[]);
    let text = "fps = 20\nsegments = 40\n[[stream]]\nname = 'pattern'\nwidth = 64\nheight = 48\n\
                [[stream]]\nname = 'camera'\nsource = 'aravis=Aravis-Fake-GV01'\nwidth = 64\nheight = 48\n";
    let broker = start(&scratch, &mut network.broker(), text);
    // Half the interval: whatever the phase is, the nearest belongs together.
    let by = SyncBy::Arrival(Duration::from_millis(25));
    let mut synced = joined(&broker, &["pattern", "camera"], by, Incomplete::Drop).patience(Duration::from_millis(300));
    let complete = |synced: &mut SyncedSubscription, time| {
        wait_for("complete sets", time, || {
            let set = synced.next(Duration::from_secs(1)).ok()?;
            assert!(set.is_complete() && set.skew() <= Duration::from_millis(25), "{set:?}");
            synced.stats().complete.is_multiple_of(10).then_some(())
        });
    };
    complete(&mut synced, Duration::from_secs(20));
    camera.signal(nix::sys::signal::Signal::SIGSTOP);
    let (began, before) = (Instant::now(), synced.stats().unmatched[0]);
    wait_for("frames that are given up", Duration::from_secs(20), || {
        let stalled = synced.next(Duration::from_millis(200));
        assert!(stalled.is_ok() || stalled.is_err_and(|error| error.is_timeout()));
        let held: Vec<u32> = synced.subscriptions().map(|subscription| subscription.held()).collect();
        assert!(held.iter().all(|held| *held <= 16), "{held:?}");
        (synced.stats().unmatched[0] > before + 20).then_some(())
    });
    assert!(began.elapsed() > Duration::from_millis(300), "they were waited for");
    let lost = synced.subscriptions().next().unwrap().counters().lost;
    assert_eq!(lost, 0, "who is waited with loses nothing");
    camera.signal(nix::sys::signal::Signal::SIGCONT);
    wait_for("complete sets again", Duration::from_secs(40), || {
        synced.next(Duration::from_millis(500)).ok().filter(|set| set.is_complete()).map(drop)
    });
    complete(&mut synced, Duration::from_secs(20));
    drop(synced);
    broker.end_clean();
}

/// Goal: a stream that is offline is not waited for, and one whose frames have no such property says so.
#[test]
fn what_cannot_be_matched_is_told() {
    let scratch = Scratch::default();
    record(&scratch, "a", 0, &[]);
    let timeless =
        std::fs::read_to_string(scratch.file("a.jsonl")).unwrap().replace("\"timestamp_ns\"", "\"offset_x\"");
    let timeless = timeless.replace("000000,", ",");
    std::fs::write(scratch.file("b.jsonl"), timeless).unwrap();
    let tables = ["a", "b"].map(|name| table(scratch.path(), name, "replay-loop = true"));
    let broker = start(&scratch, &mut Command::new(binaries::broker()), &tables.concat());
    let mut synced = joined(&broker, &["a", "b"], SyncBy::CameraTime(Duration::from_millis(1)), Incomplete::Drop);
    let error = wait_for("the complaint", Duration::from_secs(10), || synced.next(Duration::from_secs(2)).err());
    assert!(error.to_string().contains("frames of stream b have no camera timestamp"), "{error}");
    // Who keeps all that may be held is told so.
    let mut synced = joined(&broker, &["a", "b"], SyncBy::BlockId, Incomplete::Deliver);
    let mut kept = Vec::new();
    let full =
        wait_for("the end of its grants", Duration::from_secs(20), || match synced.next(Duration::from_secs(2)) {
            Ok(set) => {
                kept.push(set);
                None
            }
            Err(error) => Some(error),
        });
    assert!(matches!(full, Error::Full { max_held: 16 }), "{full}");
    drop((kept, synced));
    broker.end_clean();
}

/// Goal: who waits for sets can be stopped, hears of changed settings, and may wait in a poll of its own. Method: two patterns,
/// one of which makes a frame for a trigger only.
#[test]
fn a_wait_for_sets_is_stopped_and_polled() {
    let scratch = Scratch::default();
    let tables = ["a", "b"].map(|name| format!("[[stream]]\nname = '{name}'\nfps = 50\nwidth = 64\nheight = 48\n"));
    let broker = start(&scratch, &mut Command::new(binaries::broker()), &tables.concat());
    let control = client::Broker::builder().socket(broker.socket()).control(true).connect().unwrap();
    let version = control.set_feature("b", "TriggerMode", "On").unwrap().version;
    let mut subscriptions = ["a", "b"].map(|name| control.subscribe(name).max_held(2).open().unwrap());
    // A frame may have been on its way.
    while subscriptions[1].next(Duration::from_millis(200)).is_ok() {}
    let by = SyncBy::Arrival(Duration::from_secs(1));
    let mut synced = SyncedSubscription::new(subscriptions.into(), by).patience(Duration::from_secs(60));
    let mut looks = 0;
    let stopped = synced.next_while(None, |waiting| {
        assert_eq!(waiting.stats().complete, 0);
        looks += 1;
        looks < 3
    });
    assert!(stopped.is_ok_and(|set| set.is_none()) && looks == 3);
    let begun = Instant::now();
    // Its stream `a` is always full, so that sets without partner are dropped one after the other.
    assert!(synced.next(Duration::from_millis(300)).is_err_and(|error| error.is_timeout()));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    control.set_feature("b", "OffsetX", 8).unwrap();
    let set = wait_for("a set", Duration::from_secs(20), || {
        let _has_no_room_yet = control.execute("b", "TriggerSoftware");
        let mut descriptors: Vec<_> = synced.descriptors().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let within = PollTimeout::try_from(synced.look_within()).unwrap();
        poll(&mut descriptors, within).unwrap();
        synced.try_next().unwrap()
    });
    assert!(set.is_complete());
    let change = wait_for("the news", Duration::from_secs(20), || {
        drop(synced.try_next().unwrap());
        synced.next_change(1).filter(|change| change.feature.as_str() == "OffsetX")
    });
    assert_eq!((change.version, change.value), (version + 1, 8.into()));
    assert!(synced.next_change(0).is_none() && synced.next_change(7).is_none());
    drop((set, synced));
    broker.end_clean();
}

/// Goal: `framectl watch` of several streams tells how well they match.
#[test]
fn framectl_watches_several_streams() {
    let scratch = Scratch::default();
    record(&scratch, "a", 0, &[]);
    record(&scratch, "b", 700_000, &[]);
    let tables = ["a", "b"].map(|name| table(scratch.path(), name, "replay-loop = true"));
    let broker = start(&scratch, &mut Command::new(binaries::broker()), &tables.concat());
    let watch = |words: &str| {
        let mut command = Command::new(binaries::framectl());
        run(command.arg("--socket").arg(broker.socket()).arg("watch").args(words.split_whitespace()))
    };
    let (status, said, errors) = watch("a b --sync camera:2ms --count 30 --max-held 16 --timeout 10 --json");
    let line: Value = serde_json::from_str(said.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {said} {errors}"));
    assert!(status.success() && line["complete"] == 30, "{line}");
    assert_eq!(
        (line["skew_us"]["mean"].as_f64(), line["skew_us"]["max"].as_f64()),
        (Some(700.0), Some(700.0)),
        "{line}"
    );
    assert_eq!((&line["streams"][0]["stream"], &line["streams"][1]["stream"]), (&"a".into(), &"b".into()), "{line}");
    let (status, said, _) = watch("a b --sync block-id --count 20 --max-held 16 --timeout 10");
    assert!(status.success() && said.contains("20 complete") && said.contains("a: "), "{said}");
    let (status, _, errors) = watch("a b");
    assert!(!status.success() && errors.contains("--sync"), "{errors}");
    let (status, _, errors) = watch("a nobody --sync 2ms");
    assert!(!status.success() && errors.contains("there is no stream \"nobody\"; there is a, b"), "{errors}");
    broker.end_clean();
}
