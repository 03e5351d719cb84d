//! Frames: who wrote them, who holds them, and what came with them.

use std::collections::BTreeSet;
use std::time::Duration;

use framebroker_tests::actor::figure;
use framebroker_tests::{Actor, Broker, wait_for};

use super::{must_be_balanced, started, subscribed, wait_for_state};

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

/// Goal: a segment whose reader was evicted is never filled again, nor unmapped while the SDK knows it, and the ring has its
/// size again when the camera comes back. Method: readers that hold beyond their lease; what they hold is checked all the time.
#[test]
fn an_evicted_readers_frame_is_never_filled_again() {
    let (cameras, broker) = started("fps=60 width=64 height=48", "--segments 8 --lease 150 --evict");
    let mut evicted = evicted(&broker);
    let mut healthy = subscribed(&broker, "policy=lossless");
    // The camera is not stopped for it while somebody was promised every frame.
    let ran = healthy.ask("run count=200 content=ramp");
    assert_eq!((figure(&ran, "bad"), figure(&ran, "lost")), (0, 0), "{ran}");
    for actor in &mut evicted {
        assert!(actor.ask("check ramp").starts_with("good"));
    }
    assert_eq!(broker.stats().starved, 0);
    cameras.unplug("4001");
    wait_for_state(&mut healthy, "offline");
    let before = cameras.buffers("4001", "allocate").len();
    assert_eq!(cameras.buffers("4001", "free").len(), before, "the SDK gave back what it had");
    cameras.plug("4001", "fps=60 width=64 height=48");
    wait_for_state(&mut healthy, "live");
    assert_eq!(cameras.buffers("4001", "allocate").len(), before + 8, "eight again");
    let ran = healthy.ask("run count=50 content=ramp");
    assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    for actor in &mut evicted {
        assert!(actor.ask("check ramp").starts_with("good"));
    }
    drop((healthy, evicted));
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}

/// Two readers, one of each delivery, that have held a frame for longer than the lease and still do.
fn evicted(broker: &Broker) -> Vec<Actor> {
    let mut evicted: Vec<Actor> = ["", "delivery=socket"].iter().map(|terms| subscribed(broker, terms)).collect();
    for actor in &mut evicted {
        actor.take();
        wait_for("its eviction", Duration::from_secs(20), || actor.ask("take 100").contains("evicted").then_some(()));
    }
    evicted
}

fn segments(broker: &Broker) -> u32 {
    broker.connect().streams().unwrap().remove(0).segments
}

/// Goal: a ring that lost segments to evictions has as many again though its camera never went, the readers lose no frame that
/// was in it, and what the evicted hold is left alone. Method: two evictions while a third reader reads on and holds a frame.
#[test]
fn a_ring_that_lost_segments_is_made_whole_again() {
    let (cameras, broker) =
        started("fps=30 width=64 height=48", "--segments 8 --lease 150 --evict --stats-interval 0.2");
    let mut healthy = subscribed(&broker, "");
    let mut evicted = evicted(&broker);
    healthy.tell("run count=250 content=ramp");
    wait_for("a whole ring", Duration::from_secs(20), || {
        let log = broker.log();
        (log.contains("the ring is whole again") && log.contains("missing_buffers=0 renewals=1")).then_some(())
    });
    let ran = healthy.answer();
    assert_eq!((figure(&ran, "bad"), figure(&ran, "lost")), (0, 0), "{ran}");
    assert_eq!(segments(&broker), 8);
    assert!(healthy.ask("state").starts_with("live"), "it was never offline");
    assert!(!broker.log().contains("offline"), "{}", broker.log());
    let held: Vec<String> = evicted.iter_mut().map(|actor| actor.ask("check ramp")).collect();
    assert!(held.iter().all(|held| held.starts_with("good")), "{held:?}");
    let (taken, given) = (cameras.buffers("4001", "allocate").len(), cameras.buffers("4001", "free").len());
    assert_eq!((taken, given), (16, 8), "the camera was started once more, with eight");
    assert!(broker.log().contains("the ring is smaller"), "{}", broker.log());
    // Three readers with two holds each fit again.
    let more = ["", "delivery=socket"].map(|terms| subscribed(&broker, terms));
    drop((healthy, evicted, more));
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}

/// Goal: a lossless reader loses nothing to that: it is made whole when that reader has gone. Method: such a reader, for longer
/// than the wait after an eviction; the SDK's notes tell when it was stopped.
#[test]
fn a_lossless_reader_keeps_the_camera_running() {
    let (cameras, broker) = started("fps=60 width=64 height=48", "--segments 8 --lease 150 --evict");
    let mut lossless = subscribed(&broker, "policy=lossless");
    lossless.tell("run count=6000 content=ramp");
    let evicted = evicted(&broker);
    wait_for("word of it", Duration::from_secs(20), || {
        broker.log().contains("until no lossless reader is there").then_some(())
    });
    let (there, taken) = (segments(&broker), cameras.buffers("4001", "allocate").len());
    assert!(there < 8 && taken == 8, "{there} segments, the camera was started with {taken}");
    lossless.kill();
    wait_for("a whole ring", Duration::from_secs(20), || (segments(&broker) == 8).then_some(()));
    drop((lossless, evicted));
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
    // The log has a thread of its own.
    wait_for("what is said of it", Duration::from_secs(20), || {
        broker.log().contains("chunk data cannot be passed on").then_some(())
    });
    drop(actors);
    broker.end_clean();
}
