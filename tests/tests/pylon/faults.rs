//! What goes wrong in pylon and on the way.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use framebroker_tests::actor::figure;
use framebroker_tests::broker::run;
use framebroker_tests::{Broker, Cameras, wait_for};
use nix::sys::signal::Signal;

use super::{must_be_balanced, started, subscribed, wait_for_state};

/// Goal: whatever pylon throws, at any moment, is an error or a loss that the broker survives, and its text is told. Method:
/// the camera is told to throw, exceptions of pylon's and such as nobody knows.
#[test]
fn whatever_pylon_throws_is_told_and_survived() {
    let cameras = Cameras::default();
    let scratch = cameras.path("socket").display().to_string();
    cameras.plug("4001", "throw=open");
    let (status, _, errors) = run(cameras.broker().args(["--source", "pylon", "--socket", &scratch]));
    assert!(!status.success() && errors.contains("4001") && errors.contains("told to fail in open"), "{errors}");
    for place in ["start", "allocate"] {
        cameras.plug("4001", &format!("fps=50 throw={place}"));
        let broker = Broker::start_program(&mut cameras.broker(), "--source pylon --segments 8");
        wait_for("what pylon said", Duration::from_secs(20), || {
            broker.log().contains(&format!("told to fail in {place}")).then_some(())
        });
        let mut actor = subscribed(&broker, "");
        cameras.plug("4001", "fps=50");
        wait_for("frames", Duration::from_secs(20), || actor.ask("take 1000").starts_with("frame ").then_some(()));
        drop(actor);
        broker.end_clean();
        must_be_balanced(&cameras, "4001");
    }

    for place in ["retrieve", "retrieve-unknown"] {
        cameras.plug("4001", "fps=50");
        let broker = Broker::start_program(&mut cameras.broker(), "--source pylon --segments 8");
        let mut actor = subscribed(&broker, "");
        let before = actor.take();
        cameras.tell("4001", &format!("fps=50 throw={place}"));
        wait_for_state(&mut actor, "offline");
        assert_eq!(actor.ask("check ramp"), "good 1");
        cameras.tell("4001", "fps=50");
        wait_for_state(&mut actor, "live");
        actor.must("release");
        let ran = actor.ask("run count=20 content=ramp");
        assert!(figure(&ran, "bad") == 0 && figure(&ran, "first") > before >> 16, "{ran}");
        drop(actor);
        broker.end_clean();
        must_be_balanced(&cameras, "4001");
    }
}

/// Goal: a camera that starts and fails each time is looked for at growing pauses, though it is there each time. Method: the times
/// at which it is lost.
#[test]
fn a_camera_that_comes_and_goes_is_not_looked_for_ever_faster() {
    let cameras = Cameras::default();
    cameras.plug("4001", "fps=50 throw=retrieve");
    let broker = Broker::start_program(&mut cameras.broker(), "--source pylon --segments 8");
    let lost: Vec<Instant> = (1..=5)
        .map(|times| {
            wait_for("a loss", Duration::from_secs(20), || {
                (broker.log().matches("told to fail in retrieve").count() >= times).then(Instant::now)
            })
        })
        .collect();
    let pauses: Vec<Duration> = lost.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses[3] > pauses[0] * 2, "{pauses:?}");
    cameras.plug("4001", "fps=50");
    let mut actor = subscribed(&broker, "");
    wait_for("frames", Duration::from_secs(20), || actor.ask("take 1000").starts_with("frame ").then_some(()));
    drop(actor);
    broker.end_clean();
}

/// Goal: partial frames are counted, and published on request; failed grabs and gaps are counted. Block IDs that begin again
/// are no gap. Method: a camera that does so at known frames, on both sides of the end of 16-bit IDs.
#[test]
fn losses_are_counted_to_the_frame() {
    let settings = "frames=120 fps=100 incomplete_every=10 error_every=7 gap_every=25 first_block=65500";
    let (_cameras, broker) = started(settings, "--segments 8");
    let count = |of: &dyn Fn(u64) -> bool| (1..=120).filter(|at| of(*at)).count() as u64;
    let is_gap = |at: u64| at.is_multiple_of(25);
    let is_partial = |at: u64| at.is_multiple_of(10) && !is_gap(at);
    let is_failed = |at: u64| at.is_multiple_of(7) && !is_partial(at) && !is_gap(at);
    let grabbed = count(&|at| !is_gap(at) && !is_failed(at));
    let stats = wait_for("the camera's frames", Duration::from_secs(20), || {
        let stats = broker.stats();
        (stats.grabbed >= grabbed).then_some(stats)
    });
    assert_eq!((stats.grabbed, stats.incomplete, stats.starved), (grabbed, count(&is_partial), 0), "{stats:?}");
    assert_eq!(stats.published, grabbed - stats.incomplete, "{stats:?}");
    assert_eq!(stats.failed_frames, count(&is_failed), "{stats:?}");
    assert_eq!(stats.lost_at_camera, count(&|at| is_gap(at) || is_failed(at)), "{stats:?}");
    broker.end_clean();

    let (_cameras, broker) = started("fps=50 incomplete_every=2", "--segments 8 --publish-incomplete");
    let mut actor = subscribed(&broker, "");
    let mut complete = BTreeSet::new();
    for _ in 0..4 {
        actor.take();
        complete.insert(figure(&actor.ask("describe"), "complete"));
        actor.must("release");
    }
    assert_eq!(complete, BTreeSet::from([0, 1]));
    drop(actor);
    broker.end_clean();
}

/// Goal: a driver that does not return keeps the broker from ending in order, but not from ending. Method: the camera hangs where
/// frames are awaited; signals come together, and again later.
#[test]
fn a_driver_that_hangs_does_not_keep_the_broker_alive() {
    let cameras = Cameras::default();
    cameras.plug("4001", "fps=50");
    let mut broker = Broker::start_program(&mut cameras.broker(), "--source pylon --segments 8");
    let mut actor = subscribed(&broker, "policy=latest");
    actor.take();
    cameras.tell("4001", "fps=50 hang=retrieve");
    actor.ask("drain 500");
    let begun = Instant::now();
    broker.signal(Signal::SIGINT);
    broker.must_log("SIGINT");
    broker.signal(Signal::SIGTERM);
    broker.must_log("SIGTERM");
    let at_once = "ended at once, because of a second signal: the driver of cam0";
    assert!(begun.elapsed() > Duration::from_secs(1) || !broker.log().contains(at_once), "both came together");
    std::thread::sleep(Duration::from_millis(1200));
    broker.signal(Signal::SIGTERM);
    let (status, said) = broker.ended();
    assert!(!status.success() && said.is_empty(), "{status}: {said}");
    broker.must_log(at_once);
    let told = actor.ask("take 1000");
    assert!(told.starts_with("error closed"), "{told}");
}

/// Goal: one signal is enough, whatever a driver does. Method: it never returns.
#[test]
fn a_driver_that_hangs_is_waited_for_a_while() {
    let cameras = Cameras::default();
    cameras.plug("4001", "fps=50");
    let mut broker = Broker::start_program(&mut cameras.broker(), "--source pylon --segments 8");
    let mut actor = subscribed(&broker, "policy=latest");
    actor.take();
    cameras.tell("4001", "fps=50 hang=retrieve");
    // No more frames: it hangs.
    actor.ask("drain 500");
    broker.signal(Signal::SIGTERM);
    let (status, said) = broker.ended();
    assert!(!status.success() && said.is_empty(), "{status}: {said}");
    broker.must_log("s after the signal: the driver of cam0 had not returned");
}
