//! The source pylon against the stand-in for Basler's SDK (`pylon-sdk/`): a software camera that keeps the SDK's contract.
//! What Basler's own runtime does is checked by hand; see CONTRIBUTING.md.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::collections::BTreeSet;
use std::time::Duration;

use framebroker_tests::actor::figure;
use framebroker_tests::broker::run;
use framebroker_tests::{Actor, Broker, Cameras, wait_for};

/// A camera like that, and a broker for it.
fn started(settings: &str, words: &str) -> (Cameras, Broker) {
    let cameras = Cameras::default();
    cameras.plug("4001", settings);
    let broker = Broker::start_program(&mut cameras.broker(), &format!("--source pylon {words}"));
    (cameras, broker)
}

fn subscribed(broker: &Broker, terms: &str) -> Actor {
    let mut actor = broker.actor();
    actor.must(&format!("subscribe {terms}"));
    actor
}

/// Waits for news of the stream, and gives back the frames that come meanwhile: of a delivery by socket, both come together.
fn wait_for_state(actor: &mut Actor, state: &str) {
    wait_for(state, Duration::from_secs(20), || {
        if let Some(context) = actor.ask("take 50").strip_prefix("frame ") {
            actor.must(&format!("release {context}"));
        }
        actor.ask("state").starts_with(state).then_some(())
    });
}

/// Every buffer that was taken was given back.
fn must_be_balanced(cameras: &Cameras, serial: &str) {
    let (taken, given) = (cameras.buffers(serial, "allocate"), cameras.buffers(serial, "free"));
    assert_eq!(taken.len(), given.len(), "{:?}", cameras.notes(serial));
    assert!(given.iter().all(|buffer| taken.contains(buffer)), "{:?}", cameras.notes(serial));
}

/// Goal: three consumers fit on eight segments, every byte they see is the camera's, and the SDK wrote it into the segments
/// itself. Method: 300 frames each against the camera's ramp; the SDK's notes name its buffers, which must be the eight
/// segments, 1000 to 1007, each in a memfd of the broker's.
#[test]
fn three_consumers_see_what_the_sdk_wrote_into_the_segments() {
    let (cameras, broker) = started("model=acA640 fps=50 offset_x=8 offset_y=6", "--segments 8");
    assert!(
        broker.ready().contains("source=pylon width=640 height=480 pixel_format=Mono8 fps=50"),
        "{}",
        broker.ready()
    );
    let buffers = wait_for("the SDK's buffers", Duration::from_secs(20), || {
        let buffers = cameras.buffers("4001", "allocate");
        (buffers.len() >= 8).then_some(buffers)
    });
    let contexts: Vec<u64> = buffers.iter().map(|buffer| buffer.context).collect();
    assert_eq!(contexts, (1000..1008).collect::<Vec<_>>());
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", broker.pid())).unwrap();
    for buffer in &buffers {
        let holds = |line: &&str| {
            let (begin, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
            let [begin, end] = [begin, end].map(|address| usize::from_str_radix(address, 16).unwrap());
            begin <= buffer.address && buffer.address + buffer.bytes <= end
        };
        let mapping = maps.lines().find(holds).unwrap_or_else(|| panic!("{buffer:?} is not mapped"));
        assert!(mapping.contains("memfd:"), "{buffer:?} lies in {mapping}");
    }

    let mut actors = ["", "delivery=socket", "policy=latest"].map(|terms| (subscribed(&broker, terms), terms));
    actors.iter_mut().for_each(|(actor, _)| actor.tell("run count=300 content=ramp"));
    for (actor, terms) in &mut actors {
        let ran = actor.answer();
        assert_eq!((figure(&ran, "bad"), figure(&ran, "received")), (0, 300), "{terms}: {ran}");
        if !terms.contains("latest") {
            assert_eq!((figure(&ran, "lost"), figure(&ran, "skipped")), (0, 0), "{terms}: {ran}");
        }
    }
    actors[0].0.take();
    let described = actors[0].0.ask("describe");
    assert!(described.contains("x=8 y=6") && described.contains("complete=1"), "{described}");
    // 125 MHz, 1000 ticks a frame.
    assert_eq!(figure(&described, "ns"), figure(&described, "block") * 8000, "{described}");
    let stats = broker.stats();
    assert_eq!((stats.starved, stats.lost_at_camera, stats.active_buffers), (0, 0, 8), "{stats:?}");
    drop(actors);
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}

/// Goal: what is held is never filled, whatever the camera does, and three consumers that hold all they may starve nobody.
/// Method: three consumers hold two frames each of eight segments while a hundred frames pass; what they hold is checked.
#[test]
fn held_frames_are_never_filled_and_starve_nobody() {
    let (cameras, broker) = started("fps=60", "--segments 8");
    let mut actors = ["", "delivery=socket", "policy=latest"].map(|terms| subscribed(&broker, terms));
    for actor in &mut actors {
        actor.take();
        // So that the six frames are six.
        actor.take();
    }
    let published = broker.stats().published;
    wait_for("a hundred frames", Duration::from_secs(20), || {
        (broker.stats().published > published + 100).then_some(())
    });
    for actor in &mut actors {
        assert_eq!(actor.ask("check ramp"), "good 2");
    }
    let mut fourth = broker.actor();
    let refused = fourth.ask("subscribe");
    assert!(refused.contains("refused") && refused.contains("--segments"), "{refused}");
    drop(actors);
    assert_eq!(broker.stats().starved, 0);
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}

/// Goal: a camera that is unplugged and plugged in again, larger, while its frames are held takes nothing with it. Method:
/// three consumers hold frames through three such turns; the SDK gets no segment whose frame is held.
#[test]
fn held_frames_outlive_a_camera_that_comes_back_larger() {
    let (cameras, broker) = started("fps=50 width=320 height=240", "--segments 8");
    let mut actors = ["", "delivery=socket", "policy=latest"].map(|terms| subscribed(&broker, terms));
    for (turn, size) in ["width=640 height=480", "width=640 height=480", "width=64 height=48"].iter().enumerate() {
        let held: BTreeSet<u64> = actors.iter_mut().map(|actor| 1000 + (actor.take() & 0xffff)).collect();
        let before = cameras.buffers("4001", "allocate").len();
        cameras.unplug("4001");
        for actor in &mut actors {
            wait_for_state(actor, "offline");
        }
        cameras.plug("4001", &format!("fps=50 {size}"));
        for actor in &mut actors {
            wait_for_state(actor, "live");
            assert_eq!(actor.ask("check ramp"), "good 1", "turn {turn}");
        }
        let again = cameras.buffers("4001", "allocate").split_off(before);
        assert_eq!(again.len(), 8, "as many as before, not more: {again:?}");
        let reused = again.iter().filter(|buffer| held.contains(&buffer.context)).count();
        assert_eq!(reused, 0, "held {held:?}, and given to the SDK {again:?}");
        for actor in &mut actors {
            actor.must("release");
            let ran = actor.ask("run count=60 content=ramp");
            assert_eq!(figure(&ran, "bad"), 0, "turn {turn}: {ran}");
            actor.take();
            let described = actor.ask("describe");
            let width = size.split_whitespace().next().unwrap();
            assert!(described.contains(width), "turn {turn}: {described}");
            actor.must("release");
        }
    }
    assert_eq!(broker.stats().active_buffers, 8, "what was left behind is given up");
    drop(actors);
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}

/// Goal: name and value of chunks reach consumers by either delivery, without a copy of the image; rows may be padded. Method:
/// chunk mode by `--set`, and the camera's own numbers.
#[test]
fn chunks_reach_consumers_by_name_and_value() {
    let (cameras, broker) = started(
        "fps=50 width=64 height=48 padding=16",
        "--segments 8 --set ChunkModeActive=on --set ExposureTime=1500.5",
    );
    let mut actors = ["", "delivery=socket"].map(|terms| subscribed(&broker, terms));
    for actor in &mut actors {
        let ran = actor.ask("run count=20 content=ramp");
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
        actor.take();
        let described = actor.ask("describe");
        assert!(described.contains("width=64 height=48 stride=80") && described.contains("bytes=3840"), "{described}");
        let block = figure(&described, "block");
        for chunk in [
            format!("ChunkFramecounter=Integer({block})"),
            format!("ChunkTimestamp=Integer({})", block * 1000),
            "ChunkExposureTime=Float(1500.5)".to_owned(),
            "ChunkSyncLocked=Boolean(true)".to_owned(),
            "ChunkPixelFormat=Text(\"Mono8\")".to_owned(),
        ] {
            assert!(described.contains(&chunk), "no {chunk} in {described}");
        }
        assert!(!described.contains("ChunkModeActive") && !described.contains("ChunkGain"), "{described}");
    }
    cameras.tell("4001", "fps=50 throw=chunks");
    actors[0].must("release");
    wait_for("frames without chunks", Duration::from_secs(20), || {
        actors[0].take();
        let described = actors[0].ask("describe");
        actors[0].must("release");
        (!described.contains("Chunk")).then_some(())
    });
    assert!(broker.log().contains("chunk data cannot be passed on"), "{}", broker.log());
    drop(actors);
    broker.end_clean();
}

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
    assert!(unknown.contains("Exposure") && unknown.contains("pylon Viewer"), "{unknown}");
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

/// Goal: partial frames are counted, and published on request; failed grabs and gaps are counted. Block IDs that begin again
/// are no gap. Method: a camera that does so at known frames, on both sides of the end of 16-bit IDs.
#[test]
fn losses_are_counted_to_the_frame() {
    let settings = "frames=120 fps=100 incomplete_every=10 error_every=7 gap_every=25 first_block=65500";
    let (_cameras, broker) = started(settings, "--segments 8");
    let count = |of: &dyn Fn(u64) -> bool| (1..=120).filter(|at| of(*at)).count() as u64;
    let is_gap = |at: u64| at % 25 == 0;
    let is_partial = |at: u64| at % 10 == 0 && !is_gap(at);
    let is_failed = |at: u64| at % 7 == 0 && !is_partial(at) && !is_gap(at);
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
    assert!(broker.log().contains("waiting for the camera"), "{}", broker.log());
    broker.kill();
    let broker = Broker::start_program(&mut cameras.broker(), "--source pylon=4001 --segments 8");
    let mut actor = subscribed(&broker, "");
    let ran = actor.ask("run count=20 content=ramp");
    assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    drop(actor);
    broker.end_clean();
}
