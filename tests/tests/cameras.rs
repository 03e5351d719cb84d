//! Frames of a real GigE Vision stream: a simulated camera (Debian's package aravis-tools) in a network of its own.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::time::{Duration, Instant};

use framebroker_tests::actor::{self, figure};
use framebroker_tests::broker::run;
use framebroker_tests::{Actor, Broker, Network, binaries, wait_for};

/// Goal: frames of a GigE Vision stream reach eight consumers of all policies and deliveries, the pixels are the camera's
/// own, and lie in the segments. Method: 500 frames each at 20 frames/s, compared with the camera's ramp by block id.
#[test]
fn a_gige_camera_reaches_eight_consumers() {
    let network = Network::default();
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 25");
    assert!(broker.ready().contains("source=aravis width=512 height=512 pixel_format=Mono8"), "{}", broker.ready());
    let mut actors: Vec<(Actor, &str)> = actor::EIGHT.iter().map(|terms| (broker.actor(), *terms)).collect();
    for (actor, terms) in &mut actors {
        actor.must(&format!("subscribe {terms}"));
    }
    actors.iter_mut().for_each(|(actor, _)| actor.tell("run count=500 content=ramp"));
    for (actor, terms) in &mut actors {
        let ran = actor.answer();
        assert_eq!((figure(&ran, "bad"), figure(&ran, "received")), (0, 500), "{terms}: {ran}");
        if !terms.contains("latest") && !terms.contains("upcoming") {
            assert_eq!((figure(&ran, "lost"), figure(&ran, "skipped")), (0, 0), "{terms}: {ran}");
        }
    }
    let stats = broker.stats();
    assert_eq!(stats.starved, 0, "{stats:?}");
    assert_eq!(stats.published + stats.incomplete, stats.grabbed, "{stats:?}");
    drop(actors);
    broker.end_clean();
}

/// Goal: a camera that goes away takes nothing with it: consumers are told, keep their frames and their subscription, and
/// get the next frames when it is back.
#[test]
fn a_camera_that_goes_and_comes_back_keeps_its_subscriptions() {
    let network = Network::default();
    let mut camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    let mut actors = [broker.actor(), broker.actor()];
    actors[0].must("subscribe");
    actors[1].must("subscribe delivery=socket");
    let before: Vec<u64> = actors.iter_mut().map(Actor::take).collect();
    camera.kill();
    for actor in &mut actors {
        wait_for("the loss of the camera", Duration::from_secs(20), || {
            let answer = actor.ask("take 500");
            if answer.starts_with("frame ") {
                actor.must(&format!("release {}", answer.trim_start_matches("frame ")));
            }
            actor.ask("state").starts_with("offline").then_some(())
        });
        let away = actor.ask("take 300");
        assert!(away.contains("camera is away"), "{away}");
    }
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    for (actor, before) in actors.iter_mut().zip(before) {
        wait_for("the camera's return", Duration::from_secs(30), || {
            actor.ask("take 1000").starts_with("frame ").then_some(())
        });
        assert!(actor.ask("state").starts_with("live"));
        actor.must("release");
        let ran = actor.ask("run count=20 content=ramp");
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
        assert!(figure(&ran, "first") > before >> 16, "sequences go on");
    }
    ["offline", "online"].iter().for_each(|words| broker.must_log(words));
    drop(actors);
    broker.end_clean();
}

/// Goal: a broker that is started where another one was killed has its camera within seconds, since the camera
/// forgets a dead owner. Method: SIGKILL while frames flow, and the next broker at once; a reader that reconnects goes on.
#[test]
fn a_camera_whose_owner_was_killed_is_taken_over() {
    let network = Network::default();
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    let words = "--source aravis=GV01 --segments 8 --fps 20 --set GainRaw=0";
    let mut first = Broker::start_program(&mut network.broker(), words);
    let mut actor = first.actor();
    actor.must("subscribe reconnect=yes");
    actor.take();
    actor.must("release");
    first.kill();
    let killed = Instant::now();
    let second = first.start_program_again(&mut network.broker(), words);
    println!("ready {:?} after the kill", killed.elapsed());
    wait_for("its reader", Duration::from_secs(20), || actor.ask("take 1000").starts_with("frame ").then_some(()));
    assert_eq!(actor.ask("check ramp"), "good 1");
    drop(actor);
    second.end_clean();
}

/// Goal: a camera that is not there is an error that lists those seen, or is waited for; one that another program has open is
/// called that; wrong features and values are named with what is allowed.
#[test]
fn cameras_that_cannot_be_had_are_explained() {
    let network = Network::default();
    let list = |words: &[&str]| run(network.broker().args(["--source", "aravis", "--list"]).args(words));
    assert!(list(&[]).1.contains("no camera found"));
    let _first = network.camera("GV01", "127.0.0.1", &[]);
    let _second = network.camera("GV02", "127.0.0.2", &[]);
    let (status, cameras, _) = list(&[]);
    assert!(status.success() && cameras.contains("Aravis-Fake-GV01") && cameras.contains("GV02"), "{cameras}");

    let scratch = framebroker_tests::Scratch::default();
    let socket = scratch.file("s").display().to_string();
    let fails = |words: &[&str]| {
        let (status, _, errors) = run(network.broker().args(["--socket", &socket]).args(words));
        assert!(!status.success(), "{words:?}");
        errors
    };
    let absent = fails(&["--source", "aravis=GV07"]);
    assert!(absent.contains("GV07") && absent.contains("Aravis-Fake-GV01") && absent.contains("--wait"), "{absent}");
    let unknown = fails(&["--source", "aravis=Aravis-Fake-GV01", "--set", "Exposure=1"]);
    assert!(unknown.contains("Exposure"), "{unknown}");
    let too_much = fails(&["--source", "aravis=Aravis-Fake-GV01", "--set", "GainRaw=100000"]);
    assert!(too_much.contains("GainRaw"), "{too_much}");

    let first = Broker::start_program(&mut network.broker(), "--source aravis=Aravis-Fake-GV01 --fps 20");
    let busy = fails(&["--source", "aravis=Aravis-Fake-GV01"]);
    assert!(busy.contains("open in another program"), "{busy}");
    let second = Broker::start_program(
        &mut network.broker(),
        "--source aravis=Aravis-Fake-GV02 --fps 20 --width 256 --height 128 --set GainRaw=0",
    );
    assert!(second.ready().contains("width=256 height=128"), "{}", second.ready());
    for broker in [first, second] {
        let mut actor = broker.actor();
        actor.must("subscribe");
        let ran = actor.ask("run count=30 content=ramp");
        assert_eq!((figure(&ran, "bad"), figure(&ran, "lost")), (0, 0), "{ran}");
        drop(actor);
        broker.end_clean();
    }
}

/// Goal: with `--wait` a broker waits for its camera, and ends in order when told to while it waits.
#[test]
fn a_camera_can_be_waited_for() {
    let network = Network::default();
    let mut program = network.broker();
    let waiting =
        std::thread::spawn(move || Broker::start_program(&mut program, "--source aravis=GV01 --wait --fps 20"));
    std::thread::sleep(Duration::from_millis(2500));
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = waiting.join().unwrap();
    broker.must_log("waiting for the camera");
    let mut actor = broker.actor();
    actor.must("subscribe");
    assert!(actor.take() > 0);
    drop(actor);
    broker.end_clean();

    let (status, said, errors) =
        run(network.command("timeout").args(["--signal=INT", "3"]).arg(binaries::camera_broker()).args([
            "--source=aravis=GV07",
            "--wait",
            "--socket",
            &framebroker_tests::Scratch::default().file("s").display().to_string(),
        ]));
    assert!(said.is_empty() && !errors.contains("panicked"), "{status} {said} {errors}");
}

/// Goal: frames of which packets were lost are counted and not published, unless asked for. Method: a camera that leaves out
/// packets.
#[test]
fn incomplete_frames_are_counted_and_only_published_on_request() {
    let network = Network::default();
    let _camera = network.camera("GV01", "127.0.0.1", &["-r", "10"]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    let mut actor = broker.actor();
    actor.must("subscribe");
    let ran = actor.ask("run count=20 content=ramp timeout=20000");
    assert_eq!((figure(&ran, "bad"), figure(&ran, "lost")), (0, 0), "{ran}");
    let stats = wait_for("an incomplete frame", Duration::from_secs(20), || {
        let stats = broker.stats();
        (stats.incomplete > 0).then_some(stats)
    });
    assert!(stats.missing_packets > 0, "{stats:?}");
    drop(actor);
    broker.end_clean();

    // The camera is free again when its last owner let go of it.
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --fps 20 --publish-incomplete");
    let published = wait_for("an incomplete frame that is published", Duration::from_secs(20), || {
        let stats = broker.stats();
        (stats.incomplete > 0).then_some(stats)
    });
    assert_eq!(published.published, published.grabbed, "{published:?}");
    broker.end_clean();
}
