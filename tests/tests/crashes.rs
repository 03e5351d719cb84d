//! Processes that die, stop or fork: nothing to repair, and nobody else notices.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::time::{Duration, Instant};

use framebroker_client::stats::SegmentState;
use framebroker_tests::actor::figure;
use framebroker_tests::broker::run_broker;
use framebroker_tests::process::Process;
use framebroker_tests::{Broker, binaries, wait_for};
use nix::sys::signal::Signal;

/// With room for readers that wait for a processor on a busy machine.
const SMALL: &str = "--segments 8 --history 32 --fps 100 --width 320 --height 240";

/// Goal: a consumer killed while it holds frames loses its holds within 100 ms, also where a forked child keeps its socket
/// open; a consumer beside it loses nothing and the source never starves.
#[test]
fn a_killed_consumer_frees_what_it_held() {
    for (delivery, forked) in [("shared", false), ("shared", true), ("socket", false), ("socket", true)] {
        let broker = Broker::start(SMALL);
        let mut beside = broker.actor();
        beside.must("subscribe");
        beside.tell("run count=300");
        let mut victim = broker.actor();
        victim.must(&format!("subscribe max_held=3 delivery={delivery}"));
        (0..3).for_each(|_| assert!(victim.take() > 0));
        let child = forked.then(|| victim.ask("fork").parse::<i32>().unwrap());
        let connection = broker.connect();
        let stream = connection.streams().unwrap()[0].id;
        let held = || {
            let segments = connection.segments(stream).unwrap();
            let by_victim = segments.iter().filter(|s| s.held_by.iter().any(|holder| holder.pid == victim.pid()));
            by_victim.count()
        };
        assert_eq!(held(), 3);
        let pid = victim.pid();
        let killed = Instant::now();
        victim.kill();
        wait_for("the holds to end", Duration::from_millis(100), || (count_held(&connection, pid) == 0).then_some(()));
        assert!(killed.elapsed() < Duration::from_millis(100));
        if let Some(child) = child {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), Signal::SIGKILL).unwrap();
        }
        let segments = connection.segments(stream).unwrap();
        assert!(segments.iter().all(|s| s.state != SegmentState::Quarantined), "the dead read nothing: {segments:?}");
        let ran = beside.answer();
        assert_eq!((figure(&ran, "lost"), figure(&ran, "bad")), (0, 0), "{delivery} {forked}: {ran}");
        assert_eq!(broker.stats().starved, 0);
        drop((beside, connection));
        broker.end_clean();
    }
}

fn count_held(broker: &framebroker_client::Broker, pid: u32) -> usize {
    let stream = broker.streams().unwrap()[0].id;
    let segments = broker.segments(stream).unwrap();
    segments.iter().filter(|s| s.held_by.iter().any(|holder| holder.pid == pid)).count()
}

/// Goal: a consumer stopped for ten seconds while it holds frames keeps them, unchanged; the others lose nothing and the
/// source never starves.
#[test]
fn a_stopped_consumer_keeps_its_frames_and_harms_nobody() {
    let broker = Broker::start(SMALL);
    let mut beside = broker.actor();
    beside.must("subscribe");
    let mut stopped = broker.actor();
    stopped.must("subscribe max_held=2");
    let mut by_socket = broker.actor();
    by_socket.must("subscribe max_held=2 delivery=socket");
    for actor in [&mut stopped, &mut by_socket] {
        (0..2).for_each(|_| assert!(actor.take() > 0));
        actor.signal(Signal::SIGSTOP);
    }
    beside.tell("run count=1000");
    let ran = beside.answer();
    assert_eq!((figure(&ran, "lost"), figure(&ran, "bad"), figure(&ran, "received")), (0, 0, 1000), "{ran}");
    for actor in [&mut stopped, &mut by_socket] {
        actor.signal(Signal::SIGCONT);
        assert_eq!(actor.ask("check"), "good 2");
        actor.must("release");
        assert!(actor.take() > 0);
    }
    assert_eq!(broker.stats().starved, 0);
    drop((beside, stopped, by_socket));
    broker.end_clean();
}

/// Goal: when the broker is killed, clients learn it within a second, held frames stay readable and unchanged, and those
/// that want to go on with the next broker, which starts on the same path.
#[test]
fn a_killed_broker_leaves_held_frames_readable() {
    for delivery in ["shared", "socket"] {
        let mut broker = Broker::start(SMALL);
        let mut holder = broker.actor();
        holder.must(&format!("subscribe max_held=4 delivery={delivery}"));
        let mut faithful = broker.actor();
        faithful.must(&format!("subscribe max_held=4 reconnect=yes delivery={delivery}"));
        for actor in [&mut holder, &mut faithful] {
            (0..2).for_each(|_| assert!(actor.take() > 0));
        }
        let killed = Instant::now();
        broker.kill();
        // Frames that were published before may still be taken; they never fill the four holds twice.
        let answer = wait_for("the broker's death to be noticed", Duration::from_secs(1), || {
            let answer = holder.ask("take 2000");
            let gone = answer.starts_with("error broker-gone");
            assert!(gone || answer.starts_with("frame") || answer.starts_with("error full"), "{answer}");
            if !gone {
                holder.must("release");
            }
            gone.then_some(answer)
        });
        assert!(killed.elapsed() < Duration::from_secs(1), "{answer}");
        assert!(holder.ask("check").starts_with("good"));
        assert_eq!(faithful.ask("check"), "good 2");
        assert!(holder.ask("state").starts_with("closed"));
        wait_for("the next broker to be waited for", Duration::from_secs(5), || {
            let answer = faithful.ask("take 50");
            if answer.starts_with("frame") || answer.starts_with("error full") {
                faithful.must("release");
            }
            let state = faithful.ask("state");
            assert!(!state.starts_with("closed"), "{state}");
            state.starts_with("offline").then_some(())
        });

        let next = broker.start_again(SMALL);
        let taken = wait_for("a frame of the next broker", Duration::from_secs(10), || {
            let answer = faithful.ask("take 2000");
            faithful.ask("state").contains("reconnects=1").then_some(answer)
        });
        assert!(taken.starts_with("frame"), "{taken}");
        assert!(faithful.ask("check").starts_with("good"), "frames of both brokers");
        drop((holder, faithful));
        next.end_clean();
    }
}

/// Goal: the objects of a killed broker vanish with it; its socket does not keep the next one from starting. Method: no
/// name in /dev/shm, and `start_again` above.
#[test]
fn a_killed_broker_leaves_nothing_in_dev_shm() {
    let names = || {
        std::fs::read_dir("/dev/shm").map_or(0, |entries| {
            let ours = entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_name().to_string_lossy().contains("framebroker"));
            ours.count()
        })
    };
    let before = names();
    let mut broker = Broker::start(SMALL);
    broker.kill();
    assert_eq!(names(), before);
}

/// Goal: the places where tests stop a broker are not in one that is built as it is by default.
#[test]
fn the_default_build_has_no_stop_points() {
    let program = std::fs::read(binaries::broker()).unwrap();
    let has = |text: &str| program.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(has("FRAMEBROKER_SOCKET"), "texts of the environment can be found");
    for text in ["FRAMEBROKER_STOP_POINT", "stop_point", "publish.head_moved", "acquire.written", "growth.allocated"] {
        assert!(!has(text), "{text}");
    }
}

/// Goal: of two brokers started at once on one path one serves, and the other says who does.
#[test]
fn of_two_brokers_on_one_path_one_serves() {
    let scratch = framebroker_tests::Scratch::default();
    let socket = scratch.file("s");
    for _ in 0..5 {
        let logs = ["log0", "log1"].map(|name| scratch.file(name));
        let mut both: Vec<Process> = logs
            .iter()
            .map(|log| {
                let mut command = std::process::Command::new(binaries::broker());
                let log = std::fs::File::create(log).unwrap();
                Process::start(
                    command.arg("--socket").arg(&socket).args(["--width", "64", "--height", "64"]).stderr(log),
                )
            })
            .collect();
        let lines: Vec<Option<String>> = both.iter_mut().map(|broker| broker.line(Duration::from_secs(10))).collect();
        assert_eq!(lines.iter().flatten().count(), 1, "one is ready: {lines:?}");
        let served = lines.iter().position(Option::is_some).unwrap();
        let log = std::fs::read_to_string(&logs[1 - served]).unwrap();
        assert!(log.contains("already running") && log.contains("--socket"), "{log}");
        assert!(log.contains(&format!("pid {}", both[served].pid())), "{log}");
        assert!(!both[1 - served].ended(Duration::from_secs(5)).success());
        let client = framebroker_client::Broker::builder().socket(&socket).connect().unwrap();
        assert_eq!(client.streams().unwrap().len(), 1);
    }
}

/// Goal: a forked child of a consumer cannot use, release or spoil what its parent reads.
#[test]
fn a_forked_child_spoils_nothing() {
    let broker = Broker::start(SMALL);
    for delivery in ["shared", "socket"] {
        let mut actor = broker.actor();
        actor.must(&format!("subscribe max_held=2 delivery={delivery}"));
        let context = actor.take();
        assert_eq!(actor.ask("fork-use"), "forked=1 hidden=1", "{delivery}");
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(actor.ask("check"), "good 1", "the child dropped its copy of the frame");
        // By socket another frame may be on its way.
        let held = broker.subscription(actor.pid()).held;
        assert!(held >= 1, "{delivery}: {context} is still held");
        let ran = actor.ask("run count=20");
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    }
    broker.end_clean();
}

/// Goal: a consumer that drops its subscription leaves at once, whatever it held.
#[test]
fn a_dropped_subscription_ends_with_its_last_frame() {
    let broker = Broker::start(SMALL);
    let mut actor = broker.actor();
    actor.must("subscribe max_held=2");
    assert!(actor.take() > 0);
    actor.must("drop");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(actor.ask("check"), "good 1", "the frame outlives its subscription");
    assert_eq!(broker.subscription(actor.pid()).held, 1);
    actor.must("release");
    broker.wait_until_gone(actor.pid(), Duration::from_secs(1));
    broker.end_clean();
}

/// Goal: options that cannot work are refused with what would.
#[test]
fn wrong_options_say_what_would_do() {
    for (words, advice) in [
        ("--segments 0", "1 to 512"),
        ("--segments 8 --memory-limit 1", "--memory-limit"),
        ("--segments 1 --width 64 --height 64", "need 2"),
        ("--segments 9 --max-segments 8", "--max-segments"),
        ("--pixel-format Mono9", "Mono8"),
        ("--width 0", "pattern"),
        ("--source aravis", "--features aravis"),
        ("--list", "--source aravis --list"),
        ("--socket /nonexistent/directory/s", "--socket PATH"),
    ] {
        let (status, _, errors) = run_broker(words);
        assert!(!status.success(), "{words}");
        assert!(errors.contains(advice), "{words}: {errors}");
    }
    let (status, _, errors) = run_broker(&format!("--socket /tmp/{}", "s".repeat(103)));
    assert!(!status.success() && errors.contains("at most 107 bytes"), "{errors}");
}

/// Goal: a path that was mistyped costs nobody a file: only the socket of a dead broker is replaced.
#[test]
fn what_is_no_socket_is_not_replaced_by_one() {
    let scratch = framebroker_tests::Scratch::default();
    let [file, directory, link, pointed] = ["file", "directory", "link", "pointed"].map(|name| scratch.file(name));
    std::fs::write(&file, "precious").unwrap();
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(&pointed, "precious").unwrap();
    std::os::unix::fs::symlink(&pointed, &link).unwrap();
    for path in [&file, &directory, &link] {
        let (status, _, errors) = run_broker(&format!("--width 64 --height 64 --socket {}", path.display()));
        assert!(!status.success(), "{errors}");
        assert!(errors.contains("is no socket") && errors.contains("--socket PATH"), "{errors}");
        let lock = path.with_extension("lock");
        assert!(!lock.exists(), "{} is left behind", lock.display());
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(std::fs::read_link(&link).unwrap(), pointed);
    let lock = scratch.file("cargo.lock");
    std::fs::write(&lock, "precious").unwrap();
    let words = format!("--width 64 --height 64 --socket {}", scratch.file("cargo").display());
    let (status, _, errors) = run_broker(&words);
    assert!(!status.success() && errors.contains("is no lock"), "{errors}");
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "precious");
    // What a killed broker leaves is replaced.
    let socket = scratch.file("socket");
    for _ in 0..2 {
        let mut command = std::process::Command::new(binaries::broker());
        let mut broker = Process::start(command.arg("--socket").arg(&socket).args(["--width", "64", "--height", "64"]));
        assert!(broker.line(Duration::from_secs(10)).is_some_and(|line| line.starts_with("ready")));
        broker.kill();
        assert!(socket.exists());
    }
}
