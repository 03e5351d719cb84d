//! Several streams in one broker: each has its own fate, and none costs another anything.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use framebroker_client::StreamState;
use framebroker_tests::actor::figure;
use framebroker_tests::broker::run;
use framebroker_tests::{Actor, Broker, Network, Scratch, binaries, wait_for};

const SMALL: &str = "fps = 100\nwidth = 64\nheight = 48\n";

fn file(scratch: &Scratch, text: &str) -> PathBuf {
    let path = scratch.file("cameras.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// A broker with the streams of a file.
fn start(program: &mut Command, text: &str) -> Broker {
    let scratch = Scratch::default();
    Broker::start_program(program, &format!("--config {}", file(&scratch, text).display()))
}

fn state(broker: &Broker, name: &str) -> StreamState {
    let streams = broker.connect().streams().unwrap();
    let stream = streams.iter().find(|stream| stream.name.as_str() == name).unwrap();
    stream.state
}

fn reader(broker: &Broker, terms: &str) -> Actor {
    let mut actor = broker.actor();
    actor.must(&format!("subscribe {terms}"));
    actor
}

/// Checks that a watching reader has lost nothing.
fn noticed_nothing(actor: &mut Actor) {
    let ran = actor.ask("stop");
    assert_eq!((figure(&ran, "lost"), figure(&ran, "bad")), (0, 0), "{ran}");
    assert_eq!(actor.answer(), "ok");
}

/// Goal: cameras and patterns grab side by side in one broker; one camera is lost and comes back, and readers of the others
/// lose no frame. Method: three patterns and two simulated cameras.
#[test]
fn a_camera_that_is_lost_costs_the_others_nothing() {
    let network = Network::default();
    let first = network.camera("GV01", "127.0.0.1", &[]);
    let mut second = network.camera("GV02", "127.0.0.2", &[]);
    let patterns = ["a", "b", "c"].map(|name| format!("[[stream]]\nname = '{name}'\nwidth = 320\nheight = 200\n"));
    let cameras = ["GV01", "GV02"].map(|serial| {
        format!("[[stream]]\nname = '{serial}'\nsource = 'aravis=Aravis-Fake-{serial}'\nsegments = 200\nwidth = 256\nheight = 128\n")
    });
    let text = format!("fps = 20\nsegments = 10\nmax-segments = 300\n{}{}", patterns.concat(), cameras.concat());
    let mut broker = start(&mut network.broker(), &text);
    assert!(broker.ready().ends_with(" streams=5"), "{}", broker.ready());
    for (name, source) in [("a", "pattern"), ("b", "pattern"), ("c", "pattern"), ("GV01", "aravis"), ("GV02", "aravis")]
    {
        let line = broker.line();
        assert!(line.starts_with(&format!("stream={name} source={source} width=")), "{line}");
    }
    let mut beside: Vec<Actor> = ["a", "b", "c"].map(|name| reader(&broker, &format!("stream={name}"))).into();
    beside.iter_mut().for_each(|actor| actor.must("watch"));
    let mut steady = reader(&broker, "stream=GV01");
    let mut bereft = reader(&broker, "stream=GV02");
    let ran = bereft.ask("run count=20 content=ramp");
    assert_eq!((figure(&ran, "bad"), figure(&ran, "lost")), (0, 0), "{ran}");

    second.kill();
    steady.tell("run count=60 content=ramp");
    wait_for("the loss of the camera", Duration::from_secs(20), || {
        (state(&broker, "GV02") == StreamState::Offline).then_some(())
    });
    let ran = steady.answer();
    assert_eq!((figure(&ran, "bad"), figure(&ran, "lost"), figure(&ran, "received")), (0, 0, 60), "{ran}");
    let _second = network.camera("GV02", "127.0.0.2", &[]);
    steady.tell("run count=60 content=ramp");
    let ran = wait_for("the camera's return", Duration::from_secs(30), || {
        let ran = bereft.ask("run count=20 content=ramp");
        ran.starts_with("ran ").then_some(ran)
    });
    assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    let ran = steady.answer();
    assert_eq!((figure(&ran, "bad"), figure(&ran, "lost"), figure(&ran, "received")), (0, 0, 120), "{ran}");
    beside.iter_mut().for_each(noticed_nothing);
    drop((beside, steady, bereft));
    let said = broker.end_clean();
    drop(first);
    for name in ["a", "b", "c", "GV01", "GV02"] {
        assert!(said.contains(&format!("stream {name}: ")), "{said}");
    }
}

/// Goal: a camera that is absent at the start keeps no other from serving; its stream takes readers, and their frames come
/// when it does. Method: readers of both deliveries, and a lossless one, that ask before the camera is there.
#[test]
fn a_camera_that_is_absent_at_the_start_comes_up_later() {
    let network = Network::default();
    let text = "segments = 4\nfps = 20\n[[stream]]\nname = 'pattern'\nwidth = 64\nheight = 48\n\
                [[stream]]\nname = 'late'\nsource = 'aravis=Aravis-Fake-GV01'\n";
    let mut broker = start(&mut network.broker(), text);
    broker.line();
    assert_eq!(broker.line(), "stream=late source=aravis state=offline");
    broker.must_log("offline from the start");
    let mut beside = reader(&broker, "stream=pattern");
    beside.must("watch");
    let terms = ["max_held=3", "max_held=3 delivery=socket", "policy=lossless"];
    let mut waiting: Vec<Actor> = terms.iter().map(|terms| reader(&broker, &format!("stream=late {terms}"))).collect();
    for actor in &mut waiting {
        let away = actor.ask("take 100");
        assert!(away.contains("camera is away"), "{away}");
        assert!(actor.ask("state").starts_with("offline"));
    }
    assert_eq!(broker.stats_of("late").active_buffers, 0, "nobody knows how large they must be");
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    for actor in &mut waiting {
        let ran = wait_for("the camera", Duration::from_secs(30), || {
            let ran = actor.ask("run count=20 content=ramp");
            ran.starts_with("ran ").then_some(ran)
        });
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
        // All they were granted can be held at once, and the camera goes on.
        (0..2).for_each(|_| assert!(actor.take() > 0));
    }
    let before = broker.stats_of("late").published;
    wait_for("more frames", Duration::from_secs(10), || {
        (broker.stats_of("late").published > before + 20).then_some(())
    });
    let stats = broker.stats_of("late");
    assert_eq!(stats.starved, 0, "{stats:?}");
    noticed_nothing(&mut beside);
    drop((waiting, beside));
    broker.end_clean();
}

/// Goal: a stream that ends tells its readers, who get every frame; the others go on, and the broker ends with the last.
#[test]
fn a_stream_ends_alone() {
    let text = format!("{SMALL}[[stream]]\nname = 'short'\nframes = 150\n[[stream]]\nname = 'long'\nframes = 700\n");
    let mut broker = start(&mut Command::new(binaries::broker()), &text);
    let mut long = reader(&broker, "stream=long");
    long.must("watch");
    let mut short = [reader(&broker, "stream=short"), reader(&broker, "stream=short delivery=socket")];
    short.iter_mut().for_each(|actor| actor.tell("drain 5000"));
    for actor in &mut short {
        let drained = actor.answer();
        assert!(drained.contains("error closed") && drained.contains("frames it was asked for"), "{drained}");
        assert_eq!((figure(&drained, "last"), figure(&drained, "lost")), (150, 0), "{drained}");
    }
    assert_eq!(state(&broker, "short"), StreamState::Closed);
    let mut late = broker.actor();
    assert!(late.ask("subscribe stream=short").contains("has ended"));
    noticed_nothing(&mut long);
    let drained = long.ask("drain 5000");
    assert_eq!((figure(&drained, "last"), figure(&drained, "lost")), (700, 0), "{drained}");
    let (status, said) = broker.ended();
    assert!(status.success() && said.contains("stream short: 150 frames published"), "{said}");
    assert!(said.contains("stream long: 700 frames published"), "{said}");
}

/// Goal: what readers do in one stream costs another no frame and no memory: each has a limit of its own.
#[test]
fn readers_of_one_stream_take_nothing_from_another() {
    let text = format!("{SMALL}memory-limit = 1\nmax-segments = 500\n[[stream]]\nname = 'a'\n[[stream]]\nname = 'b'\n");
    let broker = start(&mut Command::new(binaries::broker()), &text);
    let mut beside = reader(&broker, "stream=b");
    beside.must("watch");
    let mut greedy: Vec<Actor> = (0..6).map(|_| broker.actor()).collect();
    let answers: Vec<String> = greedy.iter_mut().map(|actor| actor.ask("subscribe stream=a max_held=64")).collect();
    let granted = answers.iter().filter(|answer| *answer == "ok").count();
    assert!((1..6).contains(&granted), "1 MB has room for 341 of these segments: {answers:?}");
    for (actor, _) in greedy.iter_mut().zip(&answers).filter(|(_, answer)| *answer == "ok") {
        (0..64).for_each(|_| assert!(actor.take() > 0));
    }
    let mut modest = reader(&broker, "stream=b max_held=64");
    let ran = modest.ask("run count=50");
    assert_eq!((figure(&ran, "lost"), figure(&ran, "bad")), (0, 0), "{ran}");
    noticed_nothing(&mut beside);
    for name in ["a", "b"] {
        assert_eq!(broker.stats_of(name).starved, 0);
    }
    drop((greedy, modest, beside));
    broker.end_clean();
}

/// Goal: a file that is wrong is refused with the line and what would do, and nothing is left running.
#[test]
fn a_wrong_file_is_refused_with_its_line() {
    let scratch = Scratch::default();
    let socket = scratch.file("s");
    let fails = |text: &str| {
        let path = file(&scratch, text);
        let mut command = Command::new(binaries::broker());
        let (status, said, errors) = run(command.arg("--config").arg(path).arg("--socket").arg(&socket));
        assert!(!status.success() && said.is_empty(), "{text}: {said}");
        assert!(!errors.contains("panicked"), "{errors}");
        errors
    };
    for (text, advice) in [
        ("segmets = 9\n", "cameras.toml:1: there is no option segmets: did you mean segments?"),
        ("[[stream]]\nname = 'a'\nfps = 'x'\n", "cameras.toml:3: stream a: fps: "),
        ("[[stream]]\n[[stream]]\n", "cameras.toml:2: two streams have the name cam0"),
        ("[[stream]\n", "cameras.toml:1: this is not valid TOML"),
        (
            "[[stream]]\n[[stream]]\nname = 'big'\nmemory-limit = 100\nwidth = 60000\nheight = 60000\n",
            "stream big: 8 segments of 3600000000",
        ),
        ("[[stream]]\n[[stream]]\nname = 'c'\nsource = 'aravis'\n", "stream c: this broker was built without"),
        ("[[stream]]\n[[stream]]\nname = 'c'\ngrab-cpu = 1000\n", "stream c: --grab-cpu 1000: this process may run on"),
    ] {
        let errors = fails(text);
        assert!(errors.contains(advice), "{text}: {errors}");
    }
    // The socket is free: the last of them has let go of it.
    let text = format!("socket = '{}'\n{SMALL}", socket.display());
    let broker = start(&mut Command::new(binaries::broker()), &text);
    assert!(broker.ready().contains("stream=cam0 source=pattern width=64"), "{}", broker.ready());
    broker.end_clean();
}

/// Goal: a grab thread runs where and how it was told, or the broker says what is missing. Method: what the kernel says of the
/// thread; a broker without the right to real-time priorities.
#[test]
fn grab_threads_are_scheduled_as_told() {
    let scratch = Scratch::default();
    let text = format!("{SMALL}[[stream]]\nname = 'a'\ngrab-cpu = 0\n[[stream]]\nname = 'b'\n");
    let broker = start(&mut Command::new(binaries::broker()), &text);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", broker.pid())).unwrap();
    let pinned = tasks
        .map(|task| task.unwrap().path())
        .find(|task| std::fs::read_to_string(task.join("comm")).unwrap().trim() == "grab-a");
    let status = std::fs::read_to_string(pinned.unwrap().join("status")).unwrap();
    assert!(status.lines().any(|line| line == "Cpus_allowed_list:\t0"), "{status}");
    broker.end_clean();

    let path = file(&scratch, &format!("grab-priority = 10\n{SMALL}"));
    let mut without = Command::new("setpriv");
    without.args(["--bounding-set=-sys_nice", "--inh-caps=-sys_nice"]).arg(binaries::broker());
    let (status, _, errors) = run(without.arg("--socket").arg(scratch.file("s")).arg("--config").arg(path));
    assert!(!status.success() && errors.contains("--grab-priority 10 is not permitted"), "{errors}");
    assert!(errors.contains("CAP_SYS_NICE") && errors.contains("LimitRTPRIO=10"), "{errors}");
}
