//! Cameras: found, set up, waited for, and how each kind counts.

use std::fs::File;
use std::time::Duration;

use framebroker_tests::actor::figure;
use framebroker_tests::broker::run;
use framebroker_tests::process::Process;
use framebroker_tests::{Broker, Cameras, Scratch, wait_for};

use super::{started, subscribed, wait_for_state};

/// Goal: cameras are listed, and opened by serial number, user-defined name or model; one that is absent, busy or misnamed is an
/// error that says which there are and what to do.
#[test]
fn cameras_that_cannot_be_had_are_explained() {
    let cameras = Cameras::default();
    let list = || run(cameras.broker().args(["--source", "pylon", "--list"])).1;
    assert!(list().contains("no camera found"));
    cameras.plug("4001", "model=acA640 name=left fps=30");
    cameras.plug("4002", "model=a2A1920 name=right fps=30 class=BaslerUsb");
    let listed = list();
    assert!(listed.lines().count() == 2 && listed.contains("4001") && listed.contains("a2A1920"), "{listed}");

    let socket = cameras.path("socket").display().to_string();
    let fails = |words: &[&str]| {
        let (status, _, errors) = run(cameras.broker().args(["--socket", &socket]).args(words));
        assert!(!status.success(), "{words:?}");
        errors
    };
    let absent = fails(&["--source", "pylon=4007"]);
    assert!(absent.contains("4007") && absent.contains("4001 (acA640)") && absent.contains("--wait"), "{absent}");
    let unknown = fails(&["--source", "pylon", "--set", "Exposure=1"]);
    assert!(unknown.contains("the nearest is ExposureAuto, ExposureTime"), "{unknown}");
    let wrong = fails(&["--source", "pylon", "--set", "GainRaw=100"]);
    assert!(wrong.contains("GainRaw") && wrong.contains("0 to 63"), "{wrong}");
    let no_entry = fails(&["--source", "pylon", "--set", "PixelFormat=RGB8"]);
    assert!(no_entry.contains("Mono8, Mono12, BayerRG8"), "{no_entry}");
    let read_only = fails(&["--source", "pylon", "--set", "PayloadSize=7"]);
    assert!(read_only.contains("read-only"), "{read_only}");
    let off_grid = fails(&["--source", "pylon", "--width", "17"]);
    assert!(off_grid.contains("in steps of 4"), "{off_grid}");

    for (device, serial) in [("=4001", "4001"), ("=right", "4002"), ("=a2A1920", "4002"), ("", "4001")] {
        let broker = Broker::start_program(&mut cameras.broker(), &format!("--source pylon{device} --fps 40"));
        assert!(broker.ready().contains("fps=40"), "{}", broker.ready());
        assert_eq!(broker.stats().active_buffers, 16, "a ring that cannot grow begins larger");
        let info = broker.connect().streams().unwrap().remove(0);
        assert_eq!((info.serial.as_str(), info.source.as_str()), (serial, "pylon"));
        let busy = fails(&["--source", &format!("pylon={serial}")]);
        assert!(busy.contains("open in another program") && busy.contains(serial), "{busy}");
        broker.end_clean();
    }
}

/// Goal: settings come from a file of pylon Viewer's, then from the options, and again when the camera comes back. Method: a
/// `.pfs` file with a size and a format; an option that overrules a part; the camera forgets all when it is unplugged.
#[test]
fn settings_are_loaded_and_come_back_with_the_camera() {
    let cameras = Cameras::default();
    cameras.plug("4001", "fps=30");
    let file = cameras.path("camera.pfs");
    std::fs::write(&file, "# {05D8C294-F295-4dfb-9D01-096BD04049F4}\nWidth\t128\nHeight\t64\nPixelFormat\tMono12\n")
        .unwrap();
    let words = format!("--source pylon --segments 8 --load {} --height 32 --fps 50", file.display());
    let broker = Broker::start_program(&mut cameras.broker(), &words);
    assert!(broker.ready().contains("width=128 height=32 pixel_format=Mono12 fps=50"), "{}", broker.ready());
    let mut actor = subscribed(&broker, "");
    for turn in 0..2 {
        actor.take();
        let described = actor.ask("describe");
        assert!(described.contains("width=128 height=32 stride=256"), "turn {turn}: {described}");
        actor.must("release");
        cameras.unplug("4001");
        wait_for_state(&mut actor, "offline");
        cameras.plug("4001", "fps=30");
        wait_for_state(&mut actor, "live");
    }
    drop(actor);
    broker.end_clean();

    let socket = cameras.path("socket").display().to_string();
    let words = ["--source", "pylon", "--socket", &socket, "--load", "/nonexistent.pfs"];
    let (status, _, errors) = run(cameras.broker().args(words));
    assert!(!status.success() && errors.contains("/nonexistent.pfs") && errors.contains("Failed to open"), "{errors}");
}

/// Goal: a crashed owner's camera can be had again, and waited for until it is there.
#[test]
fn a_camera_can_be_waited_for_and_is_free_after_a_crash() {
    let cameras = Cameras::default();
    let mut program = cameras.broker();
    let waiting =
        std::thread::spawn(move || Broker::start_program(&mut program, "--source pylon=4001 --wait --segments 8"));
    std::thread::sleep(Duration::from_millis(1500));
    cameras.plug("4001", "fps=50");
    let mut broker = waiting.join().unwrap();
    broker.must_log("waiting for the camera");
    broker.kill();
    let broker = Broker::start_program(&mut cameras.broker(), "--source pylon=4001 --segments 8");
    let mut actor = subscribed(&broker, "");
    let ran = actor.ask("run count=20 content=ramp");
    assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    drop(actor);
    broker.end_clean();
}

/// Goal: a broker that finds its camera taken tries again for as long as a crashed owner's camera may be: it has it when that is
/// gone. Method: the owner is killed when the other broker has said that it waits.
#[test]
fn a_camera_that_is_taken_is_tried_again() {
    let (cameras, mut owner) = started("fps=50", "--segments 8");
    let (mut program, log) = (cameras.broker(), cameras.path("next.log"));
    let next = Scratch::default();
    program.args(["--source", "pylon=4001", "--segments", "8", "--socket"]).arg(next.file("s"));
    let mut next = Process::start(program.stderr(File::create(&log).unwrap()));
    wait_for("word of it", Duration::from_secs(20), || {
        let said = std::fs::read_to_string(&log).unwrap();
        (said.contains("waiting for the camera") && said.contains("open in another program")).then_some(())
    });
    owner.kill();
    assert!(next.line(Duration::from_secs(20)).is_some_and(|line| line.starts_with("ready ")));
}

/// Goal: a camera that waits for its trigger is silent, and neither gone nor starved.
#[test]
fn a_camera_that_waits_for_its_trigger_is_silent() {
    let (_cameras, broker) = started("fps=50", "--segments 8 --set TriggerMode=On");
    assert!(broker.ready().contains("fps=0.00"), "{}", broker.ready());
    let mut actor = subscribed(&broker, "");
    assert!(actor.ask("take 400").contains("timeout"));
    assert!(actor.ask("state").starts_with("live"));
    let stats = broker.stats();
    assert_eq!((stats.grabbed, stats.starved), (0, 0), "{stats:?}");
    drop(actor);
    broker.end_clean();
}

/// Goal: an emulated camera, which does not count its frames, has no block ID; a USB camera counts from 0, in nanoseconds.
#[test]
fn cameras_differ_in_how_they_count() {
    let (_cameras, broker) = started("fps=50 class=BaslerCamEmu", "--segments 8");
    let mut actor = subscribed(&broker, "");
    actor.take();
    assert_eq!(actor.ask("check ramp"), "good 1");
    assert_eq!(figure(&actor.ask("describe"), "block"), 0);
    drop(actor);
    broker.end_clean();

    let (_cameras, broker) = started("fps=50 class=BaslerUsb", "--segments 8");
    let mut actor = subscribed(&broker, "");
    actor.take();
    let described = actor.ask("describe");
    assert_eq!(figure(&described, "ns"), (figure(&described, "block") + 1) * 1000, "{described}");
    drop(actor);
    broker.end_clean();
}
