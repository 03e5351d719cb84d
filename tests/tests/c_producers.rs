//! The C library's producers: what C programs fill the segments of a stream with, and what becomes of those that misuse it.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::process::Command;

use framebroker_client::StreamState;
use framebroker_tests::actor::figure;
use framebroker_tests::broker::run;
use framebroker_tests::c_library::{example, program, test_program, valgrind};
use framebroker_tests::process::Process;
use framebroker_tests::{Broker, PATIENCE, Scratch, wait_for};

/// Starts `produce.c`; returns the sequence of its first frame, too.
fn start(produce: &mut Command, broker: &Broker, words: &str) -> (Process, u64) {
    let mut process = Process::start(produce.arg(broker.socket()).args(words.split_whitespace()));
    let line = process.line(PATIENCE).unwrap();
    assert!(line.starts_with("producing "), "{line}");
    (process, figure(&line, "first"))
}

/// Goal: frames of a C producer reach readers of both deliveries whole and in order, however it fills the segments, and the
/// program leaks nothing. Method: the self-verifying pattern, stamped in C, checked by the Rust client and by a C program
/// that knows PROTOCOL.md only; one by one, kept and by buffer context, and with geometries that change; also under
/// valgrind.
#[test]
fn every_byte_of_a_c_producer_arrives() {
    let scratch = Scratch::default();
    let (produce, verify) = (test_program("produce.c", &scratch), test_program("verify.c", &scratch));
    for way in ["blanks", "kept", "change"] {
        for (mut command, count) in [(program(&produce), 90), (valgrind(&produce), 12)] {
            let broker = Broker::start("--source producer --segments 20");
            let mut actors = [broker.actor(), broker.actor()];
            actors[0].must("subscribe max_held=3 policy=lossless");
            actors[1].must("subscribe max_held=3 policy=lossless delivery=socket");
            let mut verifying = program(&verify);
            verifying.arg(broker.socket()).arg(count.to_string()).args(["3", "0", "0", "producer"]);
            let verifier = (way != "change").then(|| Process::start(&mut verifying));
            if let Some(verifier) = &verifier {
                wait_for("the C reader", PATIENCE, || broker.client(verifier.pid()));
            }
            let (mut producer, first) = start(&mut command, &broker, &format!("{way} {count} 10000"));
            assert_eq!(first, 1);
            actors.iter_mut().for_each(|actor| actor.tell(&format!("run count={count}")));
            producer.say("go on");
            for actor in &mut actors {
                let ran = actor.answer();
                let figures = ["bad", "lost", "first", "last"].map(|name| figure(&ran, name));
                assert_eq!(figures, [0, 0, 1, count], "{way}: {ran}");
            }
            assert_eq!(producer.line(PATIENCE).unwrap(), format!("published last={count}"));
            if let Some(mut verifier) = verifier {
                let line = verifier.line(PATIENCE);
                let expected = format!("first 1 last {count} received {count} lost 0 skipped 0");
                assert!(verifier.ended(PATIENCE).success() && line == Some(expected.clone()), "{line:?} {expected}");
            }
            let stats = broker.stats();
            assert_eq!((stats.published, stats.grabbed, stats.starved), (count, count, 0), "{way}: {stats:?}");
            let stream = broker.connect().streams().unwrap().remove(0);
            assert_eq!((stream.model.as_str(), stream.serial.as_str()), ("C", "42"));
            producer.say("enough");
            assert!(producer.ended(PATIENCE).success(), "{way}");
            drop(actors);
            broker.end_clean();
        }
    }
}

/// Goal: what a producer does wrong is an error with advice, harms nothing else, and is told from the end of the broker.
/// Method: a C program that does it all, and whose broker is killed at last; also under valgrind.
#[test]
fn misuse_is_an_error() {
    let scratch = Scratch::default();
    let misproduce = test_program("misproduce.c", &scratch);
    let other = Broker::start("--segments 8 --width 64 --height 64");
    for mut command in [program(&misproduce), valgrind(&misproduce)] {
        let mut broker = Broker::start("--source producer --segments 8");
        let mut process = Process::start(command.arg(broker.socket()).arg(other.socket()));
        assert_eq!(process.line(PATIENCE * 3).as_deref(), Some("holding"), "{command:?}");
        broker.kill();
        process.say("go on");
        assert!(process.ended(PATIENCE).success(), "{command:?}");
    }
    other.end_clean();
}

/// Goal: killing a C producer tears no frame that is held, and readers go on with the next one. Method: SIGKILL while it fills,
/// again and again, beside readers of both deliveries that hold and check every byte.
#[test]
fn a_killed_c_producer_tears_nothing() {
    let scratch = Scratch::default();
    let produce = test_program("produce.c", &scratch);
    let broker = Broker::start("--source producer --segments 16");
    let mut actors = [broker.actor(), broker.actor()];
    actors[0].must("subscribe max_held=4 policy=latest");
    actors[1].must("subscribe max_held=4 policy=latest delivery=socket");
    let mut last = 0;
    for round in 1..=3 {
        let way = if round == 2 { "kept" } else { "blanks" };
        let (mut producer, first) = start(&mut program(&produce), &broker, &format!("{way} 1000000 1000"));
        assert!(first > last, "round {round}: frame {first} after {last}");
        producer.say("go on");
        for actor in &mut actors {
            // By socket, frames of the producer before may have been under way.
            let sequence = wait_for("a frame of this producer", PATIENCE, || {
                let context = actor.take();
                let is_new = context >> 16 >= first;
                if !is_new {
                    actor.must(&format!("release {context}"));
                }
                is_new.then_some(context >> 16)
            });
            last = last.max(sequence);
        }
        producer.kill();
        broker.wait_until_gone(producer.pid(), PATIENCE);
        wait_for("the end of the stream", PATIENCE, || {
            broker.connect().streams().unwrap().iter().all(|stream| stream.state == StreamState::Offline).then_some(())
        });
        for actor in &mut actors {
            assert_eq!(actor.ask("check"), format!("good {round}"));
        }
    }
    let (mut producer, first) = start(&mut program(&produce), &broker, "blanks 20 1000");
    actors.iter_mut().for_each(|actor| assert_eq!(actor.ask("check"), "good 3"));
    producer.say("go on");
    assert_eq!(producer.line(PATIENCE).unwrap(), format!("published last={}", first + 19));
    producer.say("enough");
    assert!(producer.ended(PATIENCE).success());
    drop(actors);
    broker.end_clean();
}

/// Goal: the example shows what it says. Method: its square is where it should be in every frame; again under valgrind.
#[test]
fn the_example_draws_its_square() {
    let scratch = Scratch::default();
    let produce = example("produce.c", &[], &scratch);
    for mut command in [program(&produce), valgrind(&produce)] {
        let broker = Broker::start("--source producer");
        let mut subscription = broker.connect().subscribe("cam0").max_held(1).open().unwrap();
        let mut process = Process::start(command.args(["cam0", "20", "20"]).env("FRAMEBROKER_SOCKET", broker.socket()));
        assert_eq!(process.line(PATIENCE).as_deref(), Some("producing cam0 from frame 1 on"));
        for number in 1..=20 {
            let frame = subscription.next(PATIENCE).unwrap();
            assert_eq!((frame.width(), frame.height(), frame.header().block_id), (640, 480, number));
            let (left, top) = (number * 4 % (640 - 48), number * 3 % (480 - 48));
            let is_inside = |at: u64, begin: u64| (begin..begin + 48).contains(&at);
            let wrong = frame.data().iter().zip(0..).find(|(byte, at)| {
                let bright = is_inside(at % 640, left) && is_inside(at / 640, top);
                **byte != if bright { 235 } else { 16 }
            });
            assert_eq!(wrong, None, "frame {number}");
        }
        assert_eq!(process.line(PATIENCE).as_deref(), Some("published 20 frames"));
        assert!(process.ended(PATIENCE).success(), "{command:?}");
        drop(subscription);
        broker.end_clean();
    }
    let broker = Broker::start("--segments 8 --width 64 --height 64");
    let (status, _, errors) = run(program(&produce).env("FRAMEBROKER_SOCKET", broker.socket()));
    assert!(!status.success() && errors.contains("--source producer"), "{errors}");
    broker.end_clean();
}
