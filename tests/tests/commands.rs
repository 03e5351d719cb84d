//! The command line tools as a person or a script uses them.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use framebroker_tests::broker::run;
use framebroker_tests::process::Process;
use framebroker_tests::{Broker, PATIENCE, Scratch, binaries, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

const SMALL: &str = "--segments 8 --fps 200 --width 64 --height 48";

fn framectl(broker: &Broker, words: &str) -> Command {
    let mut command = Command::new(binaries::framectl());
    command.arg("--socket").arg(broker.socket()).args(words.split_whitespace());
    command
}

/// Runs framectl with `--json`; returns its exit status and the last line that it printed.
fn json(broker: &Broker, words: &str) -> (i32, Value) {
    let (status, output, errors) = run(framectl(broker, words).arg("--json"));
    let last = output.lines().last().unwrap_or_default();
    let value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{words}: {error}: {output:?} {errors}"));
    (status.code().unwrap(), value)
}

/// Goal: `watch` ends with one line of figures that add up, for every policy, delivery and wait mode, every byte verified.
#[test]
fn watch_verifies_and_ends_with_one_line() {
    let broker = Broker::start(SMALL);
    for terms in [
        "",
        "--delivery socket",
        "--policy latest",
        "--policy lossless",
        "--policy upcoming",
        "--wait-mode spin",
        "--wait-mode spin-then-block",
        "--wait-mode predictive",
    ] {
        let (status, line) = json(&broker, &format!("watch cam0 --count 60 --verify {terms}"));
        assert_eq!(status, 0, "{terms}: {line}");
        for (name, value) in [("received", 60), ("verified", 60), ("bad", 0), ("bytes", 60 * 64 * 48)] {
            assert_eq!(line[name], value, "{terms}: {line}");
        }
        assert_eq!(line["stream"], "cam0");
        let latency = &line["latency_us"];
        assert!(latency["p50"].as_f64().unwrap() <= latency["max"].as_f64().unwrap(), "{line}");
        assert!(latency["p50"].as_f64().unwrap() <= latency["p99"].as_f64().unwrap(), "{line}");
        assert!(line["fps"].as_f64().unwrap() > 0.0 && line["skipped"].is_u64() && line["lost"].is_u64(), "{line}");
    }
    broker.end_clean();
}

/// Goal: whatever time is given on a command line, the longest, the shortest or none, is a time or an error that says what would
/// do. Method: all of them, with a broker that has the longest for everything, and whose readers make its ring grow, leave and stop.
#[test]
fn any_time_may_be_given_on_the_command_line() {
    let scratch = Scratch::default();
    let longest = "--stats-interval 1000000000 --lease 1e300h --lossless-timeout 18446744073709551615";
    let broker = Broker::start(&format!("{SMALL} {longest} --shrink-after 1000000000"));
    let mut stopped = broker.actor();
    stopped.must("subscribe max_held=8 policy=lossless");
    stopped.take();
    // The ring is full by now, and the source waits.
    std::thread::sleep(Duration::from_millis(200));
    drop(stopped);
    for time in ["0", "1e-300", "0.000000001", "1e9", "1e300", "inf", "nan", "-1", "soon"] {
        let save = format!("save cam0 {} --timeout={time}", scratch.file("frame.png").display());
        let sync = format!("watch cam0 cam0 --count 3 --sync={time}s");
        for words in [&format!("watch cam0 --count 3 --timeout={time}"), &save, &sync] {
            let (status, _, errors) = run(&mut framectl(&broker, words));
            match status.code().unwrap() {
                0 => {}
                1 => assert!(errors.contains("within") || errors.contains("came for"), "{words}: {errors}"),
                2 => assert!(errors.contains("give a time") || errors.contains("above 0"), "{words}: {errors}"),
                code => panic!("{words}: {code}: {errors}"),
            }
        }
    }
    let (status, _, errors) =
        run(&mut framectl(&broker, "watch cam0 --count 3 --wait-mode spin-then-block=4294967295"));
    assert!(status.success(), "{errors}");
    broker.must_be_idle();
    broker.end_clean();
}

/// Goal: what cannot be verified is refused, and wrong words are answered with what is right.
#[test]
fn framectl_says_what_is_wrong() {
    let broker = Broker::start(&format!("{SMALL} --fill none"));
    for (words, code, advice) in [
        ("watch cam0 --verify", 2, "verif"),
        ("watch cam7", 2, "cam0"),
        ("watch cam0 --policy fastest", 2, "sequential"),
        ("save cam0 /nonexistent/x.png", 2, "/nonexistent"),
    ] {
        let (status, _, errors) = run(&mut framectl(&broker, words));
        assert_eq!(status.code(), Some(code), "{words}: {errors}");
        assert!(errors.contains(advice), "{words}: {errors}");
    }
    broker.end_clean();
    let (status, _, errors) = run(Command::new(binaries::framectl()).args(["--socket", "/nonexistent/s", "list"]));
    assert!(
        !status.success() && errors.contains("/nonexistent/s") && errors.contains("broker --segments 8"),
        "{errors}"
    );
}

/// Goal: a bad frame is found. Method: while the consumer is stopped with frames before it, and the broker too, one byte of
/// every segment is changed through the broker's memory, which only root can do.
#[test]
fn watch_finds_a_single_wrong_byte() {
    let broker = Broker::start("--segments 8 --fps 100 --width 640 --height 480");
    let mut watch = Process::start(framectl(&broker, "watch cam0 --verify --json").stderr(std::process::Stdio::null()));
    wait_for("the consumer", PATIENCE, || broker.client(watch.pid()));
    watch.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(300));
    broker.signal(Signal::SIGSTOP);
    spoil_every_segment(broker.pid());
    watch.signal(Signal::SIGCONT);
    std::thread::sleep(Duration::from_millis(300));
    broker.signal(Signal::SIGCONT);
    watch.signal(Signal::SIGINT);
    let line: Value = serde_json::from_str(watch.rest(PATIENCE).last().unwrap()).unwrap();
    assert!(line["bad"].as_u64().unwrap() > 0, "{line}");
    assert_eq!(watch.ended(PATIENCE).code(), Some(1));
    broker.end_clean();
}

fn spoil_every_segment(pid: u32) {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let memory = std::fs::OpenOptions::new().write(true).open(format!("/proc/{pid}/mem")).unwrap();
    let segments: Vec<&str> = maps.lines().filter(|line| line.contains("framebroker-segment")).collect();
    assert!(segments.len() >= 8, "{maps}");
    for line in segments {
        let address = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
        // Neighbours differ by one in the pattern: two alike are wrong.
        std::os::unix::fs::FileExt::write_at(&memory, &[0xEE, 0xEE], address + 1000).unwrap();
    }
}

/// Goal: `list` and `stats` tell what there is, to people and to programs.
#[test]
fn list_and_stats_tell_what_there_is() {
    let broker = Broker::start(SMALL);
    let mut actor = broker.actor();
    actor.must("subscribe max_held=3");
    let context = actor.take();
    let (_, list) = json(&broker, "list");
    let stream = list.as_array().map_or(&list["streams"][0], |streams| &streams[0]);
    assert_eq!(
        (&stream["name"], &stream["width"], &stream["height"]),
        (&"cam0".into(), &64.into(), &48.into()),
        "{list}"
    );
    let (_, stats) = json(&broker, "stats cam0");
    let text = stats.to_string();
    assert!(text.contains("\"held\"") && text.contains(&actor.pid().to_string()), "{text}");
    let people = run(&mut framectl(&broker, "stats cam0")).1;
    let buffer = 1000 + (context & 0xffff);
    assert!(people.contains(&buffer.to_string()) && people.contains(&actor.pid().to_string()), "{people}");
    assert!(run(&mut framectl(&broker, "list")).1.contains("cam0"));
    drop(actor);
    broker.end_clean();
}

/// Goal: `save` writes images that other programs read, in grey, colour and Bayer formats. Method: the pattern's own values.
#[test]
fn saved_images_show_what_was_grabbed() {
    use framebroker_protocol::PixelFormat;
    use framebroker_protocol::pattern::Pattern;
    let scratch = Scratch::default();
    for (format, depth) in
        [("Mono8", 8), ("Mono12", 16), ("RGB8", 8), ("BayerRG8", 8), ("BayerGB12", 16), ("Mono12p", 16)]
    {
        let broker = Broker::start(&format!("{SMALL} --pixel-format {format}"));
        let file = scratch.file(&format!("{format}.png"));
        let (status, line) = json(&broker, &format!("save cam0 {}", file.display()));
        assert_eq!(status, 0, "{line}");
        let (info, pixels) = decode(&file);
        assert_eq!((info.width, info.height, info.bit_depth as u8), (64, 48, depth), "{format}");
        let sequence = line["sequence"].as_u64().unwrap();
        match format {
            "Mono8" | "RGB8" => {
                let pattern = Pattern::new(format.parse::<PixelFormat>().unwrap(), 64, 48).unwrap();
                pattern.verify(&pixels, sequence).unwrap();
            }
            _ => assert!(pixels.iter().any(|byte| *byte != pixels[0]), "{format} is not one colour"),
        }
        broker.end_clean();
    }
}

fn decode(file: &Path) -> (png::OutputInfo, Vec<u8>) {
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(file).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    pixels.truncate(info.buffer_size());
    (info, pixels)
}

/// Goal: `scripts/run.sh` shows a broker and two consumers at work; Ctrl-C ends all of them and leaves nothing behind.
#[test]
fn the_demonstration_runs_and_ends_with_ctrl_c() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/run.sh");
    let scratch = Scratch::default();
    let _whatever_happens = EndsAll(scratch.path());
    let mut demonstration = Process::start(
        Command::new(script)
            .args(["--width", "320", "--height", "240"])
            .env("TMPDIR", scratch.path())
            .stderr(std::process::Stdio::null()),
    );
    // Its first build of the release takes a while.
    let mut said = Vec::new();
    let mut wanted = vec!["ready ", "all frames", "newest only"];
    while !wanted.is_empty() {
        let line = demonstration.line(Duration::from_secs(600)).expect("figures");
        wanted.retain(|start| !line.starts_with(start));
        said.push(line);
        assert!(said.len() < 500, "{said:?}");
    }
    let started = processes_in(scratch.path());
    assert!(started.len() >= 3, "a broker and two consumers: {started:?}");
    demonstration.signal(Signal::SIGINT);
    let rest = demonstration.rest(PATIENCE).join("\n");
    assert!(demonstration.ended(PATIENCE).success());
    assert!(rest.contains("total freed"), "{rest}");
    assert_eq!(rest.lines().filter(|line| line.contains("received") && line.contains("p99")).count(), 2, "{rest}");
    for pid in started {
        assert!(kill(Pid::from_raw(pid), None).is_err(), "process {pid} is still there");
    }
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "its directory is removed");
}

/// Kills what the script started, where the script itself was killed by a test that failed.
struct EndsAll<'a>(&'a Path);

impl Drop for EndsAll<'_> {
    fn drop(&mut self) {
        for pid in processes_in(self.0) {
            let _ended_meanwhile = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Brokers and consumers with a directory in their environment.
fn processes_in(directory: &Path) -> Vec<i32> {
    let pids =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let read = |pid: &i32, file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let ours = |pid: &i32| {
        let is_started = matches!(read(pid, "comm").trim_ascii(), b"broker" | b"framectl");
        is_started && String::from_utf8_lossy(&read(pid, "environ")).contains(&directory.display().to_string())
    };
    pids.filter(ours).collect()
}

/// Goal: a text that a client sets can neither forge a line of the broker's log nor command the terminal of who watches. Method: a
/// line end and an escape in a feature that takes any text.
#[test]
fn what_is_set_commands_neither_log_nor_terminal() {
    let broker = Broker::start(SMALL);
    let scratch = Scratch::default();
    let said = scratch.file("said");
    let watch = Process::start(framectl(&broker, "watch cam0").stderr(std::fs::File::create(&said).unwrap()));
    wait_for("the watch", PATIENCE, || broker.client(watch.pid()));
    let mut set = framectl(&broker, "set cam0 DeviceUserID");
    let (status, _, errors) = run(set.arg("one\nforged \u{1b}[2J"));
    assert!(status.success(), "{errors}");
    let heard = |text: &str| text.contains("forged").then(|| text.to_owned());
    let watched = wait_for("the news", PATIENCE, || heard(&std::fs::read_to_string(&said).unwrap()));
    let logged = wait_for("the log", PATIENCE, || heard(&broker.log()));
    for text in [watched, logged] {
        assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("forged")), "{text:?}");
    }
    drop(watch);
    broker.end_clean();
}

/// Goal: the service of `packaging` starts, and systemd is told when it is ready. Method: its file of streams, on a socket of our own
/// and with ourselves for systemd.
#[test]
fn the_service_tells_its_manager_when_it_is_ready() {
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    let unit = std::fs::read_to_string(packaging.join("framebroker.service")).unwrap();
    assert!(unit.contains("\nType=notify\n"), "{unit}");
    assert!(unit.contains("/broker --config /etc/framebroker.toml\n"), "{unit}");
    let scratch = Scratch::default();
    let (socket, manager) = (scratch.file("s"), scratch.file("manager"));
    let notices = std::os::unix::net::UnixDatagram::bind(&manager).unwrap();
    notices.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = Command::new(binaries::broker());
    command.arg("--config").arg(packaging.join("framebroker.toml")).arg("--socket").arg(&socket);
    let mut broker = Process::start(command.env("NOTIFY_SOCKET", &manager));
    let mut notice = [0; 256];
    let bytes = notices.recv(&mut notice).unwrap();
    assert_eq!(notice[..bytes], *b"READY=1\n");
    let (status, listed, errors) = run(Command::new(binaries::framectl()).arg("--socket").arg(&socket).arg("list"));
    assert!(status.success() && listed.contains("cam0"), "{listed} {errors}");
    broker.signal(Signal::SIGTERM);
    assert!(broker.ended(PATIENCE).success());
}

/// Goal: a program that reads the figures of a watch has them while it runs. Method: the lines of one that never ends by itself; what
/// the last says is the sum of all.
#[test]
fn a_watch_tells_its_figures_on_the_way() {
    let broker = Broker::start(SMALL);
    for (words, total) in [("watch cam0", "received"), ("watch cam0 cam0 --sync 1ms", "complete")] {
        let mut watch = Process::start(&mut framectl(&broker, &format!("{words} --json --interval 50ms")));
        let figures =
            |line: &str| -> Value { serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")) };
        let mut seen = 0;
        for _ in 0..5 {
            let line = figures(&watch.line(PATIENCE).unwrap());
            assert_eq!(line["is_last"], false, "{line}");
            let now = line[total].as_u64().unwrap();
            assert!(now >= seen, "{line}");
            seen = now;
        }
        watch.signal(Signal::SIGINT);
        let last = figures(watch.rest(PATIENCE).last().unwrap());
        assert!(last["is_last"] == true && seen > 0 && last[total].as_u64().unwrap() >= seen, "{last}");
        assert!(watch.ended(PATIENCE).success());
    }
    broker.end_clean();
}

/// Goal: `stats --watch` shows the figures as they become, to programs and people, and Ctrl-C ends it well; so does a reader that
/// has seen enough.
#[test]
fn statistics_are_shown_until_ctrl_c() {
    let broker = Broker::start(SMALL);
    let mut stats = Process::start(&mut framectl(&broker, "stats --watch=50ms --json cam0"));
    let published = |line: &str| {
        let report: Value = serde_json::from_str(line).unwrap();
        report["streams"][0]["published"].as_u64().unwrap()
    };
    let figures: Vec<u64> = (0..4).map(|_| published(&stats.line(PATIENCE).unwrap())).collect();
    assert!(figures.is_sorted() && figures.first() < figures.last(), "{figures:?}");
    stats.signal(Signal::SIGINT);
    assert!(stats.ended(PATIENCE).success());

    let mut stats = Process::start(&mut framectl(&broker, "stats -w=0.05 cam0"));
    let mut blocks = 0;
    while blocks < 3 {
        let line = stats.line(PATIENCE).unwrap();
        assert!(!line.contains('\u{1b}'), "only a terminal is written over: {line:?}");
        blocks += usize::from(line == "stream cam0");
    }
    stats.signal(Signal::SIGTERM);
    assert!(stats.ended(PATIENCE).success());

    let mut ends = framectl(&broker, "stats --watch=10ms").stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(ends.stdout.take());
    let ended = wait_for("its end", PATIENCE, || ends.try_wait().unwrap());
    assert!(ended.success(), "{ended}");
    broker.end_clean();
}

/// Goal: `list` shows one stream where one is named, and says which there are where it is another.
#[test]
fn one_stream_is_listed_by_its_name() {
    let broker = Broker::start(SMALL);
    let (status, list) = json(&broker, "list cam0");
    assert_eq!((status, list.as_array().unwrap().len()), (0, 1), "{list}");
    assert!(list[0]["content"] == "pattern" && list[0]["head"].is_u64(), "{list}");
    let (status, _, errors) = run(&mut framectl(&broker, "list cam7"));
    assert!(status.code() == Some(2) && errors.contains("there is cam0"), "{errors}");
    broker.end_clean();
}

/// Goal: several features are read and set by one command; where one cannot be set it is told which were, and which were not tried.
#[test]
fn several_features_are_read_and_set_at_once() {
    let broker = Broker::start(SMALL);
    let (status, set) = json(&broker, "set cam0 Width=48 Height=32");
    assert_eq!((status, &set[0]["value"], &set[1]["value"]), (0, &48.into(), &32.into()), "{set}");
    let (_, read) = json(&broker, "get cam0 Height Width");
    assert_eq!((&read[0]["name"], &read[1]["name"]), (&"Height".into(), &"Width".into()), "{read}");
    let (_, table, _) = run(&mut framectl(&broker, "get cam0 Height Width"));
    assert!(table.lines().count() == 3 && table.contains("Width"), "{table}");

    let (status, said, errors) = run(&mut framectl(&broker, "set cam0 Width=64 Widht=3 Height=48"));
    assert_eq!(status.code(), Some(2), "{errors}");
    assert!(said.starts_with("Width = 64"), "{said}");
    for part in ["Widht is not set", "set before it: Width", "left as they were: Height"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert_eq!(json(&broker, "get cam0 Height").1["value"], 32);
    broker.end_clean();
}

/// Goal: while `framectl control` runs, or what it runs, nobody else makes settings, and afterwards everybody can. Method: the
/// command that it runs is one that would.
#[test]
fn nobody_changes_settings_while_control_is_held() {
    let broker = Broker::start(SMALL);
    let set = || run(&mut framectl(&broker, "set cam0 Width=48"));
    let mut control = Process::start(&mut framectl(&broker, "control cam0"));
    assert!(control.line(PATIENCE).unwrap().starts_with("sole control of cam0"));
    let (status, _, errors) = set();
    assert!(status.code() == Some(2) && errors.contains("framectl control"), "{status} {errors}");
    control.signal(Signal::SIGINT);
    assert!(control.ended(PATIENCE).success());
    assert!(set().0.success());

    let inner = |words: &str| {
        let mut control = framectl(&broker, "control cam0 --");
        control.arg(binaries::framectl()).arg("--socket").arg(broker.socket()).args(words.split_whitespace());
        run(&mut control)
    };
    assert!(inner("get cam0 Width").0.success());
    let (status, _, errors) = inner("set cam0 Width=64");
    assert!(status.code() == Some(2) && errors.contains("framectl control"), "{status} {errors}");
    assert_eq!(inner("list cam7").0.code(), Some(2), "the exit status of what ran");
    assert!(set().0.success());
    let (status, _, errors) = run(&mut framectl(&broker, "control cam0 -- /nonexistent/command"));
    assert!(status.code() == Some(1) && errors.contains("cannot run /nonexistent/command"), "{errors}");
    broker.end_clean();
}
