//! Subscribers that were written from PROTOCOL.md alone: the page and its vectors suffice to join in another language.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::path::Path;
use std::time::Duration;

use framebroker_tests::broker::run;
use framebroker_tests::foreign::Language;
use framebroker_tests::process::Process;
use framebroker_tests::{Actor, Broker, PATIENCE, wait_for};
use serde_json::Value;

fn start(language: Language, broker: &Broker, words: &str) -> Process {
    let mut command = language.subscriber();
    Process::start(command.args(["cam0", "--socket"]).arg(broker.socket()).args(words.split_whitespace()))
}

/// Waits for the end of a subscriber; returns what it counted.
fn ended(subscriber: &mut Process, good: bool) -> Value {
    let said = subscriber.rest(Duration::from_secs(60));
    assert_eq!(subscriber.ended(PATIENCE).success(), good, "{said:?}");
    serde_json::from_str(said.last().unwrap()).unwrap()
}

/// Goal: both programs read and write every golden message, refuse the bad ones, and compute the test pattern.
#[test]
fn the_golden_vectors_pass() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/vectors");
    for language in Language::ALL {
        let (status, said, errors) = run(language.subscriber().arg("--vectors").arg(&vectors));
        assert!(status.success(), "{language:?}: {said} {errors}");
        let counts: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(counts["differences"], 0, "{counts}");
        for (file, kind) in [("messages.json", "messages"), ("refused.json", "refused"), ("headers.json", "headers")] {
            let entries: Vec<Value> = serde_json::from_slice(&std::fs::read(vectors.join(file)).unwrap()).unwrap();
            assert_eq!(counts[kind], entries.len(), "{language:?}: all of {file}");
        }
    }
}

/// Goal: every byte of frames of all kinds of formats is right, in sealed objects and in named ones.
#[test]
fn frames_of_every_layout_are_verified() {
    for (format, backing) in [
        ("Mono8", "memfd"),
        ("Mono12", "memfd"),
        ("RGB8", "memfd"),
        ("Mono12p", "posix"),
        ("YUV422_8", "posix"),
        ("BayerRG16", "posix"),
    ] {
        let words =
            format!("--segments 8 --fps 100 --width 322 --height 123 --pixel-format {format} --backing {backing}");
        let broker = Broker::start(&words);
        for language in Language::ALL {
            let counts = ended(&mut start(language, &broker, "--count 60 --policy lossless"), true);
            assert_eq!(
                (&counts["frames"], &counts["bad"], &counts["lost"]),
                (&60.into(), &0.into(), &0.into()),
                "{words}"
            );
        }
        broker.end_clean();
    }
}

/// Goal: the ring may grow and shrink meanwhile, with objects that come and go, named ones above all.
#[test]
fn a_ring_that_grows_and_shrinks_is_followed() {
    for backing in ["memfd", "posix"] {
        let words = format!("--segments 10 --shrink-after 0 --fps 200 --width 320 --height 240 --backing {backing}");
        let broker = Broker::start(&words);
        let mut subscribers = Language::ALL.map(|language| start(language, &broker, "--count 1000 --policy lossless"));
        for _ in 0..4 {
            let mut others: Vec<Actor> = (0..6).map(|_| broker.actor()).collect();
            others.iter_mut().for_each(|other| other.must("subscribe delivery=socket max_held=4"));
            assert!(broker.stats().active_buffers > 20);
            drop(others);
            wait_for("the ring to shrink", PATIENCE, || (broker.stats().active_buffers == 10).then_some(()));
        }
        for subscriber in &mut subscribers {
            let counts = ended(subscriber, true);
            assert_eq!((&counts["bad"], &counts["lost"]), (&0.into(), &0.into()), "{counts}");
        }
        broker.end_clean();
    }
}

/// Goal: what is held stays as it is, though the broker is killed; and its end is told apart from a death.
#[test]
fn a_held_frame_outlives_the_broker() {
    for (language, kills) in
        [(Language::Python, true), (Language::Go, true), (Language::Python, false), (Language::Go, false)]
    {
        let mut broker = Broker::start("--segments 8 --fps 100 --width 320 --height 240");
        let mut subscriber = start(language, &broker, "--count 100000 --hold");
        let holding = subscriber.line(PATIENCE).unwrap();
        assert!(holding.starts_with("holding "), "{holding}");
        if kills {
            broker.kill();
        } else {
            broker.end();
        }
        subscriber.say("go on");
        let counts = ended(&mut subscriber, !kills);
        assert_eq!(counts["bad"], 0, "{language:?}, killed: {kills}: {counts}");
    }
}
