//! The life of the pool: rings that grow, shrink, and change their segments while frames are held.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::time::Duration;

use framebroker_tests::actor::figure;
use framebroker_tests::{Actor, Broker, Network, wait_for};

/// Goal: segments that were made for readers go when the readers have gone, a while later and without anyone noticing: not
/// beside them, not in the source, and clients let go of their mappings. Method: eight readers come and leave beside one of
/// each delivery.
#[test]
fn a_ring_gives_up_what_its_readers_no_longer_need() {
    let broker = Broker::start("--segments 10 --shrink-after 1 --fps 100 --width 640 --height 480");
    let mut beside = broker.actor();
    beside.must("subscribe");
    assert!(beside.take() > 0);
    beside.must("release");
    let mut by_socket = broker.actor();
    by_socket.must("subscribe delivery=socket");
    for round in 0..2 {
        let mut others: Vec<Actor> = (0..8).map(|_| broker.actor()).collect();
        others.iter_mut().for_each(|other| other.must("subscribe max_held=3"));
        let grown = broker.stats();
        assert!(grown.active_buffers >= 2 + 4 + 8 * 3, "{grown:?}");
        let ran = beside.ask("run count=60");
        assert_eq!((figure(&ran, "lost"), figure(&ran, "bad")), (0, 0), "round {round}: {ran}");
        let ran = by_socket.ask("run count=20");
        assert_eq!(figure(&ran, "bad"), 0, "round {round}: {ran}");
        for reader in [&mut beside, &mut by_socket] {
            assert!(reader.ask("mappings").parse::<u64>().unwrap() >= grown.active_buffers);
        }
        drop(others);
        beside.must("watch");
        let shrunk = wait_for("the ring to shrink", Duration::from_secs(15), || {
            let stats = broker.stats();
            (stats.active_buffers == 10).then_some(stats)
        });
        let watched = beside.ask("stop");
        assert_eq!((figure(&watched, "lost"), figure(&watched, "bad")), (0, 0), "round {round}: {watched}");
        assert_eq!(beside.answer(), "ok");
        assert_eq!(shrunk.current_bytes, 10 * 640 * 480, "{shrunk:?}");
        assert_eq!(shrunk.total_allocated - shrunk.total_freed, 10, "{shrunk:?}");
        assert_eq!(shrunk.starved, 0, "{shrunk:?}");
        for reader in [&mut beside, &mut by_socket] {
            wait_for("the reader to let go", Duration::from_secs(5), || {
                let ran = reader.ask("run count=5");
                assert_eq!(figure(&ran, "bad"), 0, "{ran}");
                (reader.ask("mappings") == "10").then_some(())
            });
        }
    }
    drop((beside, by_socket));
    broker.end_clean();
}

/// Goal: a camera that comes back with larger frames gets larger segments; readers need do nothing, and a frame that is held
/// delays nothing and stays as it is. Method: a camera that forgets its region of interest when it is started again.
#[test]
fn a_camera_that_comes_back_larger_gets_larger_segments() {
    let network = Network::default();
    let mut camera = network.camera("GV01", "127.0.0.1", &[]);
    let small = "--source aravis --fps 20 --width 256 --height 128";
    Broker::start_program(&mut network.broker(), small).end_clean();
    // Takes the region as the camera has it now.
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    assert!(broker.ready().contains("width=256 height=128"), "{}", broker.ready());
    let mut actors = [broker.actor(), broker.actor()];
    actors[0].must("subscribe max_held=3");
    actors[1].must("subscribe max_held=3 delivery=socket");
    let held: Vec<u64> = actors.iter_mut().map(Actor::take).collect();
    camera.kill();
    for actor in &mut actors {
        wait_for("the loss of the camera", Duration::from_secs(20), || {
            actor.ask("state").starts_with("offline").then_some(()).or_else(|| {
                let answer = actor.ask("take 300");
                if let Some(context) = answer.strip_prefix("frame ") {
                    actor.must(&format!("release {context}"));
                }
                None
            })
        });
    }
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    for (actor, held) in actors.iter_mut().zip(held) {
        let ran = wait_for("frames of the new size", Duration::from_secs(30), || {
            let ran = actor.ask("run count=20 content=ramp");
            ran.starts_with("ran ").then_some(ran)
        });
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
        assert_eq!(actor.ask("check ramp"), "good 1", "frame {held} of the old size");
    }
    let stream = broker.connect().streams().unwrap().remove(0);
    assert_eq!((stream.width, stream.height), (512, 512), "{stream:?}");
    for actor in &mut actors {
        actor.must("release");
    }
    let stats = wait_for("the old segments to go", Duration::from_secs(10), || {
        let stats = broker.stats();
        (stats.current_bytes == stats.active_buffers * 512 * 512).then_some(stats)
    });
    assert!(stats.active_buffers >= 8 && stats.starved == 0, "{stats:?}");
    drop(actors);
    broker.end_clean();
}
