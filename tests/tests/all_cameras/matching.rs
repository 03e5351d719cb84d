//! Sets of frames of three kinds of source, matched by the time they arrived.

use std::time::Duration;

use framebroker_client::{Incomplete, StreamState, SyncBy, SyncedSubscription};
use framebroker_tests::rig::{Device, RETURN, Rig};
use framebroker_tests::{PATIENCE, wait_for};
use serde_json::Value;

const TRIO: [&str; 3] = ["gige-a", "basler-a", "pattern"];
/// They run freely, a frame every 40 ms each: the nearest three are at most two thirds of that apart, whatever the phases are.
const TOLERANCE: Duration = Duration::from_millis(30);

fn joined(rig: &Rig, incomplete: Incomplete) -> SyncedSubscription {
    let connection = rig.broker.connect();
    let subscribe = |name| connection.subscribe(name).max_held(12).open().unwrap();
    SyncedSubscription::new(TRIO.map(subscribe).into(), SyncBy::Arrival(TOLERANCE)).incomplete(incomplete)
}

/// Takes sets until so many more are complete; each is within the tolerance, and names every stream's own frame.
fn take_complete(synced: &mut SyncedSubscription, count: u64) {
    let goal = synced.stats().complete + count;
    wait_for("complete sets", RETURN, || {
        let set = synced.next(PATIENCE).unwrap();
        let frames: Vec<_> = set.frames().iter().flatten().collect();
        let arrivals = || frames.iter().map(|frame| frame.monotonic_ns());
        let skew = arrivals().max().unwrap() - arrivals().min().unwrap();
        assert!(Duration::from_nanos(skew) <= TOLERANCE && set.skew() == Duration::from_nanos(skew), "{set:?}");
        (synced.stats().complete >= goal).then_some(())
    });
    let stats = synced.stats();
    assert!(stats.max_skew <= TOLERANCE && stats.mean_skew() <= stats.max_skew, "{stats:?}");
    assert!(stats.mean_skew() > Duration::ZERO, "three clocks never agree: {stats:?}");
}

/// Goal: frames of a GigE Vision camera, a Basler camera and the pattern are joined within the tolerance; while one of them is
/// away, sets without it are delivered or dropped, as was asked for, and when it is back they are complete again.
#[test]
fn sets_of_three_kinds_survive_the_loss_of_each() {
    let mut rig = Rig::start();
    let mut delivering = joined(&rig, Incomplete::Deliver);
    let mut dropping = joined(&rig, Incomplete::Drop);
    for (at, device) in [(0, Device::GigeA), (1, Device::BaslerA)] {
        take_complete(&mut delivering, 20);
        take_complete(&mut dropping, 20);
        rig.take_away(device);
        rig.wait_for_state(device.stream(), StreamState::Offline);
        let mut alone = 0;
        wait_for("sets without the lost camera", RETURN, || {
            let set = delivering.next(PATIENCE).unwrap();
            alone += u64::from(set.frames()[at].is_none() && set.frames().iter().flatten().count() == 2);
            // What it does not hand out, it must give back.
            if let Ok(set) = dropping.next(Duration::from_millis(1)) {
                assert!(set.is_complete(), "{set:?}");
            }
            (alone >= 20).then_some(())
        });
        let unmatched = dropping.stats().unmatched.clone();
        assert!(dropping.stats().incomplete > 0 && unmatched[2] > 0, "{:?}", dropping.stats());
        rig.bring_back(device);
        rig.wait_for_state(device.stream(), StreamState::Live);
    }
    take_complete(&mut delivering, 20);
    take_complete(&mut dropping, 20);
    for synced in [&delivering, &dropping] {
        for subscription in synced.subscriptions() {
            assert!(!subscription.is_offline() && subscription.held() <= 12, "{subscription:?}");
        }
    }
    drop((delivering, dropping));
    rig.end();
}

/// Goal: cameras of three kinds that are triggered one after the other, over the socket, give a set for each trigger, and none
/// besides. Method: software triggers; all frames of before are taken first.
#[test]
fn one_trigger_to_each_makes_one_set() {
    let rig = Rig::start();
    let control = rig.controller();
    for (name, value) in [("TriggerSelector", "FrameStart"), ("TriggerSource", "Software"), ("TriggerMode", "On")] {
        for stream in TRIO {
            // The pattern has neither selector nor source.
            let has_it = control.feature(stream, name).is_ok();
            assert!(has_it || name != "TriggerMode", "{stream} {name}");
            if has_it {
                control.set_feature(stream, name, value).unwrap();
            }
        }
    }
    let subscribe = |name| rig.broker.connect().subscribe(name).max_held(12).open().unwrap();
    let mut subscriptions: Vec<_> = TRIO.map(subscribe).into();
    for frames in &mut subscriptions {
        wait_for("the end of frames without a trigger", PATIENCE, || frames.next(Duration::from_millis(500)).err());
    }
    // However long a trigger takes on a busy machine: the next are sent only when this one's set was taken.
    let mut synced = SyncedSubscription::new(subscriptions, SyncBy::Arrival(PATIENCE)).patience(PATIENCE);
    for count in 1..=10 {
        for stream in TRIO {
            control.execute(stream, "TriggerSoftware").unwrap();
        }
        let set = synced.next(PATIENCE).unwrap();
        assert!(set.is_complete() && set.skew() > Duration::ZERO, "{count}: {set:?}");
    }
    assert_eq!((synced.stats().complete, synced.stats().incomplete), (10, 0));
    assert!(
        synced.next(Duration::from_millis(300)).is_err_and(|error| error.is_timeout()),
        "no frame without a trigger"
    );
    drop((synced, control));
    rig.end();
}

/// Goal: `framectl watch` of three streams tells how well they match.
#[test]
fn framectl_watches_three_kinds() {
    let rig = Rig::start();
    let (status, said, errors) = rig.framectl(&[
        "watch",
        TRIO[0],
        TRIO[1],
        TRIO[2],
        "--sync",
        "30ms",
        "--count",
        "50",
        "--max-held",
        "12",
        "--timeout",
        "20",
        "--json",
    ]);
    let last = said.lines().last().unwrap_or_default();
    let line: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {said} {errors}"));
    assert!(status.success() && line["complete"] == 50, "{line}");
    let skew = |name: &str| line["skew_us"][name].as_f64().unwrap();
    assert!(0.0 < skew("mean") && skew("mean") <= skew("max") && skew("max") <= 30_000.0, "{line}");
    for (at, name) in TRIO.iter().enumerate() {
        let stream = &line["streams"][at];
        assert!(stream["stream"] == *name && stream["lost"] == 0, "{line}");
    }
    rig.end();
}
