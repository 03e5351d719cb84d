//! Statistics, leases and evictions: every number is right, and who holds too long is found, told and cut off.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use framebroker_client::{Frame, Subscription};
use framebroker_tests::actor::figure;
use framebroker_tests::broker::run;
use framebroker_tests::{Actor, Broker, binaries, wait_for};
use serde_json::{Value, json};

const SMALL: &str = "--segments 8 --fps 100 --width 320 --height 240";

fn framectl(broker: &Broker, words: &str) -> String {
    let mut command = Command::new(binaries::framectl());
    let (status, output, errors) = run(command.arg("--socket").arg(broker.socket()).args(words.split_whitespace()));
    assert!(status.success(), "{words}: {errors}");
    output
}

fn stats(broker: &Broker, words: &str) -> Value {
    serde_json::from_str(&framectl(broker, &format!("stats {words} --json"))).unwrap()
}

/// A client's figures, by its process.
fn client(stats: &Value, pid: u32) -> &Value {
    let clients = stats["clients"].as_array().unwrap();
    // A process has a session for its questions and one for each subscription.
    let reads = |client: &&Value| client["pid"] == pid && client["subscriptions"][0].is_object();
    clients.iter().find(reads).unwrap_or_else(|| panic!("no client {pid}: {stats}"))
}

/// The segment of a frame.
fn segment(stats: &Value, context: u64) -> &Value {
    let segments = stats["streams"][0]["segments"].as_array().unwrap();
    let buffer = 1000 + (context & 0xffff);
    segments
        .iter()
        .find(|segment| segment["buffer_context"] == buffer)
        .unwrap_or_else(|| panic!("no {buffer}: {stats}"))
}

/// Frames that a lossless reader lets the ring have: it goes on only as far as the reader does.
struct History {
    broker: Broker,
    leader: Actor,
    /// The last frame the leader took and gave back.
    cursor: u64,
    /// The newest frame.
    head: u64,
}

const SEGMENTS: u64 = 8;

impl History {
    fn begin() -> Self {
        // Built before the lease begins to count.
        let _built = binaries::framectl();
        let ring = "--segments 8 --max-segments 8 --history 0 --fps 2000 --width 100 --height 50";
        let broker = Broker::start(&format!("{ring} --lossless-timeout 600000 --lease 3000 --evict"));
        let mut leader = broker.actor();
        leader.must("subscribe policy=lossless max_held=1");
        let taken = leader.take();
        leader.must("release");
        let mut history = Self { broker, leader, cursor: taken >> 16, head: 0 };
        history.settle(0);
        history
    }

    /// Waits until the source waits for the leader: `held` frames behind it are held, all others after it.
    fn settle(&mut self, held: u64) {
        self.head = self.cursor + SEGMENTS - held;
        let head = self.head;
        wait_for("the ring to wait", Duration::from_secs(5), || (self.broker.stats().published == head).then_some(()));
    }

    /// The leader takes so many frames and gives them back.
    fn advance(&mut self, frames: u64, held: u64) {
        let ran = self.leader.ask(&format!("run count={frames}"));
        assert_eq!((figure(&ran, "lost"), figure(&ran, "bad")), (0, 0), "{ran}");
        self.cursor += frames;
        self.settle(held);
    }
}

/// Goal: each number of the statistics is exact. Method: a scripted history of a ring that goes on only as a lossless
/// reader does, so that what every other reader gets and misses can be counted by hand; every number is compared.
#[test]
fn every_number_of_a_scripted_history_is_exact() {
    let mut history = History::begin();
    let mut slow = history.broker.actor();
    slow.must("subscribe max_held=2");
    let mut newest = history.broker.actor();
    newest.must("subscribe policy=latest max_held=1");
    let first = history.head + 1;

    history.advance(20, 0);
    // What is left of the ring begins after the leader's cursor.
    let held = slow.take();
    assert_eq!(held >> 16, history.cursor + 1);
    let lost = history.cursor + 1 - first;
    assert_eq!(newest.take() >> 16, history.head);
    newest.must("release");
    let skipped = history.head - first;
    // The frame that is held stays behind the leader, in a segment that the ring must do without.
    history.advance(5, 1);

    let seen = stats(&history.broker, "--segments --clients");
    check_stream(&seen, history.head, [8, 0, 8, 0, 0]);
    let timings = &seen["streams"][0]["timings"];
    assert_eq!((&timings["allocate"]["count"], &timings["publish"]["count"]), (&json!(8), &json!(history.head)));
    for what in ["allocate", "publish", "retire"] {
        let timing = |name: &str| timings[what][name].as_u64().unwrap();
        assert!(0 < timing("mean_ns") && timing("mean_ns") <= timing("max_ns"), "{what}: {timings}");
    }
    check_segments(&seen, history.head, held, &slow);
    for (actor, received, lost, skipped, held) in
        [(&history.leader, 26, 0, 0, 0), (&slow, 1, lost, 0, 1), (&newest, 1, 0, skipped, 0)]
    {
        let client = client(&seen, actor.pid());
        let found = ["received", "lost", "skipped", "held"].map(|name| client[name].as_u64().unwrap());
        assert_eq!(found, [received, lost, skipped, held], "{client}");
        assert_eq!((&client["name"], &client["uid"]), (&json!("actor"), &json!(nix::unistd::getuid().as_raw())));
    }

    // The hold outlives its lease: its segment is given up, and another takes its place.
    wait_for("the eviction", Duration::from_secs(20), || (history.broker.stats().evicted == 1).then_some(()));
    history.settle(0);
    wait_for("the segment to be given up", Duration::from_secs(5), || {
        (history.broker.stats().total_freed == 1).then_some(())
    });
    check_stream(&stats(&history.broker, ""), history.head, [9, 1, 8, 1, 1]);
    assert_eq!(slow.ask("check"), "good 1");
    let History { broker, leader, head, .. } = history;
    drop((slow, newest, leader));
    let said = broker.end_clean();
    assert!(said.contains("total allocated  9 buffers\n  total freed      9 buffers\n  active           0"), "{said}");
    // Nobody holds the ring up any more.
    let published: u64 = said.split_whitespace().nth(2).unwrap().parse().unwrap();
    assert!(published >= head, "{said}");
}

/// Compares the stream's figures; `buffers` are those allocated, freed and active, those given up to a reader that was
/// evicted, and how often that happened.
fn check_stream(seen: &Value, head: u64, buffers: [u32; 5]) {
    let stream = &seen["streams"][0];
    let [allocated, freed, active, given_up, evicted] = buffers;
    let mb = |segments: u32, bytes: u32| json!(f64::from(segments * bytes) / f64::from(1 << 20));
    for (name, expected) in [
        ("name", json!("cam0")),
        ("total_allocated", json!(allocated)),
        ("total_freed", json!(freed)),
        ("active_buffers", json!(active)),
        ("max_buffers", json!(8)),
        ("current_memory_mb", mb(active, 5000)),
        ("mapped_mb", mb(active, 8192)),
        ("given_up_mb", mb(given_up, 5000)),
        ("grabbed", json!(head)),
        ("published", json!(head)),
        ("incomplete", json!(0)),
        ("lost_at_camera", json!(0)),
        ("starved", json!(0)),
        ("overdue", json!(evicted)),
        ("evicted", json!(evicted)),
    ] {
        assert_eq!(stream[name], expected, "{name}: {stream}");
    }
    // The replacement may come before the ring is done with what it replaces.
    let peak = &stream["peak_memory_mb"];
    assert!(*peak == mb(8, 5000) || (evicted > 0 && *peak == mb(9, 5000)), "{stream}");
}

fn check_segments(seen: &Value, head: u64, held: u64, holder: &Actor) {
    let segments = seen["streams"][0]["segments"].as_array().unwrap();
    let contexts: Vec<u64> = segments.iter().map(|segment| segment["buffer_context"].as_u64().unwrap()).collect();
    assert_eq!(contexts, (1000..1008).collect::<Vec<_>>());
    let used: u64 = segments.iter().map(|segment| segment["usage_count"].as_u64().unwrap()).sum();
    assert_eq!(used, head, "each frame was in one segment");
    let mut states = BTreeMap::new();
    segments.iter().for_each(|segment| *states.entry(segment["state"].as_str().unwrap()).or_insert(0) += 1);
    assert_eq!(states, BTreeMap::from([("held", 1), ("published", 7)]), "{seen}");
    let now_ns = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos()).unwrap();
    for segment in segments {
        assert_eq!(segment["bytes"], 5000);
        let allocated_ns = segment["allocated_realtime_ns"].as_u64().unwrap();
        assert!(allocated_ns < now_ns && now_ns - allocated_ns < 600_000_000_000, "{allocated_ns} at {now_ns}");
    }
    let holders = segment(seen, held)["held_by"].as_array().unwrap();
    assert_eq!(holders.len(), 1, "{seen}");
    assert_eq!((&holders[0]["pid"], &holders[0]["name"]), (&json!(holder.pid()), &json!("actor")));
}

/// Goal: the source's segment is told from those that wait behind it. Method: a camera so slow that it always is filling.
#[test]
fn the_segment_that_is_filled_next_is_told() {
    let broker = Broker::start("--segments 4 --fps 0.5 --width 64 --height 64");
    let states = wait_for("a frame", Duration::from_secs(10), || {
        let seen = stats(&broker, "cam0 --segments");
        assert!(seen.get("clients").is_none(), "{seen}");
        let segments = seen["streams"][0]["segments"].as_array().unwrap().clone();
        let states: Vec<String> = segments.iter().map(|s| s["state"].as_str().unwrap().to_owned()).collect();
        states.contains(&"published".to_owned()).then_some(states)
    });
    // Each is used once before the first is used again.
    let published = states.iter().filter(|state| *state == "published").count();
    let mut expected = vec!["published"; published];
    expected.push("filling");
    expected.resize(4, "queued");
    assert_eq!(states, expected);
    assert!(framectl(&broker, "stats --segments").contains("filling"));
    let seen = stats(&broker, "--clients");
    assert!(seen["streams"][0].get("segments").is_none() && seen["clients"].is_array(), "{seen}");
    broker.end_clean();
}

/// Goal: a frame with more holders than are named says how many more there are.
#[test]
fn holders_beyond_the_eighth_are_counted() {
    let broker = Broker::start("--segments 8 --fps 4 --width 64 --height 64 --max-segments 64");
    let connection = broker.connect();
    let mut readers: Vec<Subscription> =
        (0..11).map(|_| connection.subscribe("cam0").max_held(1).open().unwrap()).collect();
    let first = readers[0].next(Duration::from_secs(5)).unwrap();
    let context = first.context();
    let mut held: Vec<Frame> = readers[1..].iter_mut().map(|reader| reader.acquire(context).unwrap()).collect();
    held.push(first);
    let seen = stats(&broker, "");
    let segment = segment(&seen, context.as_u64());
    assert_eq!((segment["held_by"].as_array().unwrap().len(), &segment["more_holders"]), (8, &json!(3)), "{segment}");
    assert!(framectl(&broker, "stats").contains("and 3 more"));
    drop((held, readers, connection));
    broker.end_clean();
}

/// Goal: a hold older than the lease is reported once, with its holder, and seen in the statistics while it stands and as
/// the longest after it; short holds are not reported.
#[test]
fn a_hold_older_than_the_lease_is_reported_once() {
    for delivery in ["shared", "socket"] {
        let broker = Broker::start(&format!("{SMALL} --lease 300"));
        let mut quick = broker.actor();
        quick.must("subscribe");
        let ran = quick.ask("run count=20");
        assert_eq!(figure(&ran, "received"), 20);
        let mut actor = broker.actor();
        actor.must(&format!("subscribe max_held=1 delivery={delivery}"));
        let began = Instant::now();
        let context = actor.take();
        wait_for("the report", Duration::from_secs(5), || broker.log().contains("longer than the lease").then_some(()));
        assert!(began.elapsed() >= Duration::from_millis(300), "not before the lease is over");
        std::thread::sleep(Duration::from_millis(700));
        let log = broker.log();
        let reports: Vec<&str> = log.lines().filter(|line| line.contains("longer than the lease")).collect();
        assert_eq!(reports.len(), 1, "{log}");
        for word in [format!("pid={}", actor.pid()), format!("context={context}"), "name=actor".to_owned()] {
            assert!(reports[0].contains(&word), "{word}: {log}");
        }
        let seen = stats(&broker, "");
        let holder = &segment(&seen, context)["held_by"][0];
        assert_eq!((&holder["pid"], &holder["overdue"]), (&json!(actor.pid()), &json!(true)), "{seen}");
        let held_ms = holder["held_ms"].as_f64().unwrap();
        assert!((700.0..=began.elapsed().as_secs_f64() * 1000.0).contains(&held_ms), "{held_ms}");
        assert_eq!((&seen["streams"][0]["overdue"], &seen["streams"][0]["evicted"]), (&json!(1), &json!(0)));
        assert_eq!(client(&seen, actor.pid())["overdue"], 1);
        assert!(framectl(&broker, "stats").contains("OVERDUE"));
        actor.must("release");
        let taken = actor.take();
        assert!(taken > context, "it was only reported");
        let seen = stats(&broker, "");
        let longest_ms = client(&seen, actor.pid())["longest_hold_ms"].as_f64().unwrap();
        assert!(longest_ms >= held_ms, "{longest_ms} after {held_ms}");
        assert_eq!(client(&seen, actor.pid())["overdue"], 0);
        assert!(client(&seen, quick.pid())["longest_hold_ms"].as_f64().unwrap() < 300.0, "{seen}");
        drop((quick, actor));
        broker.end_clean();
    }
}

/// Goal: with --evict, who holds too long is told why, gets nothing more, and what it reads on never changes; what it was
/// granted others get, its segments are replaced, and nobody beside it notices. Also where it is stopped.
#[test]
fn an_evicted_reader_is_told_and_reads_on_undisturbed() {
    for (delivery, stopped) in [("shared", false), ("shared", true), ("socket", false)] {
        let broker = Broker::start(&format!("{SMALL} --max-segments 8 --lease 200 --evict"));
        let mut beside = broker.actor();
        beside.must("subscribe max_held=2");
        beside.must("watch");
        let mut victim = broker.actor();
        victim.must(&format!("subscribe max_held=4 delivery={delivery}"));
        assert!((0..4).all(|_| victim.take() > 0));
        let refused = broker.connect().subscribe("cam0").max_held(1).open();
        assert!(refused.is_err(), "all is granted");
        if stopped {
            victim.signal(nix::sys::signal::Signal::SIGSTOP);
        }
        wait_for("the eviction", Duration::from_secs(5), || (broker.stats().evicted == 1).then_some(()));
        let mut other = broker.actor();
        other.must("subscribe max_held=4");
        let ran = other.ask("run count=100");
        assert_eq!((figure(&ran, "bad"), figure(&ran, "lost")), (0, 0), "{ran}");
        victim.signal(nix::sys::signal::Signal::SIGCONT);
        assert_eq!(victim.ask("check"), "good 4", "{delivery}");
        let answer = victim.ask("take 2000");
        assert!(
            answer.starts_with("error evicted") && answer.contains("200 ms") && answer.contains("--lease"),
            "{answer}"
        );
        assert_eq!(victim.ask("check"), "good 4", "{delivery}");
        let stats = broker.stats();
        let ring = broker.connect().streams().unwrap()[0].segments;
        assert_eq!((ring, stats.active_buffers, stats.evicted), (8, 8, 1), "four new segments: {stats:?}");
        assert_eq!((stats.total_allocated, stats.given_up_bytes), (12, 4 * 320 * 240));
        assert_eq!(stats.starved, 0);
        victim.must("release");
        victim.kill();
        wait_for("the end of what it was owed", Duration::from_secs(5), || {
            (broker.stats().given_up_bytes == 0).then_some(())
        });
        let ran = beside.ask("stop");
        assert_eq!((figure(&ran, "bad"), figure(&ran, "lost")), (0, 0), "{ran}");
        assert_eq!(beside.answer(), "ok");
        drop((beside, other));
        broker.end_clean();
    }
}

/// Evicts the subscription of an actor that keeps the frames it has: takes one more and waits.
fn be_evicted(actor: &mut Actor) -> Result<u64, String> {
    let subscribed = actor.ask("subscribe max_held=1");
    if subscribed != "ok" {
        return Err(subscribed);
    }
    let context = actor.take();
    wait_for("the eviction", Duration::from_secs(5), || {
        let answer = actor.ask("take 100");
        assert!(answer.starts_with("error full") || answer.starts_with("error evicted"), "{answer}");
        answer.starts_with("error evicted").then_some(())
    });
    Ok(context)
}

/// Goal: a hundred evictions in a row leave memory bounded and every frame as it was. Method: one process that is evicted
/// again and again and keeps all frames; the broker's books and its resident memory; then its death pays all.
#[test]
fn a_hundred_evictions_leave_memory_bounded() {
    const FRAME: u64 = 256 * 256;
    let broker = Broker::start("--segments 8 --max-segments 16 --fps 200 --width 256 --height 256 --lease 20 --evict");
    let mut beside = broker.actor();
    beside.must("subscribe");
    beside.must("watch");
    let mut victim = broker.actor();
    be_evicted(&mut victim).unwrap();
    let before_kb = resident_kb(broker.pid());
    for _ in 1..100 {
        be_evicted(&mut victim).unwrap();
        let active = broker.stats().active_buffers;
        assert!(active <= 16, "{active} buffers");
    }
    assert_eq!(victim.ask("check"), "good 100");
    wait_for("the last segment to be given up", Duration::from_secs(5), || {
        (broker.stats().given_up_bytes == 100 * FRAME).then_some(())
    });
    let stats = broker.stats();
    assert_eq!((stats.evicted, stats.starved), (100, 0), "{stats:?}");
    assert_eq!(stats.total_allocated - stats.total_freed, stats.active_buffers);
    let grown_kb = resident_kb(broker.pid()).saturating_sub(before_kb);
    assert!(grown_kb < 16 * FRAME / 1024, "the broker has {grown_kb} kB more than after the first");
    victim.kill();
    wait_for("all to be paid", Duration::from_secs(5), || (broker.stats().given_up_bytes == 0).then_some(()));
    let ran = beside.ask("stop");
    assert_eq!((figure(&ran, "bad"), figure(&ran, "lost")), (0, 0), "{ran}");
    drop(beside);
    broker.end_clean();
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Goal: what evicted processes keep counts against the memory limit: the ring shrinks to what the source needs, and no
/// further; then nobody is admitted, and the source does not starve. The death of the process gives all of it back.
#[test]
fn evictions_never_exceed_the_memory_limit() {
    const MB: u64 = 1 << 20;
    let broker =
        Broker::start("--segments 6 --memory-limit 12 --fps 100 --width 1024 --height 1024 --lease 40 --evict");
    let mut victim = broker.actor();
    let mut kept = 0;
    let refusal = loop {
        match be_evicted(&mut victim) {
            Ok(_) => kept += 1,
            Err(refusal) => break refusal,
        }
        let stats = broker.stats();
        assert!(stats.current_bytes + stats.given_up_bytes <= 12 * MB, "{stats:?}");
        assert!(kept <= 12, "it is admitted for ever");
    };
    assert!(refusal.starts_with("error refused"), "{refusal}");
    assert_eq!(victim.ask("check"), format!("good {kept}"));
    let before = broker.stats();
    wait_for("more frames", Duration::from_secs(5), || {
        (broker.stats().published > before.published + 20).then_some(())
    });
    assert_eq!(broker.stats().starved, 0);
    victim.kill();
    wait_for("the ring to grow back", Duration::from_secs(5), || {
        (broker.connect().streams().unwrap()[0].segments >= 6).then_some(())
    });
    let mut next = broker.actor();
    wait_for("room for the next", Duration::from_secs(5), || (next.ask("subscribe max_held=3") == "ok").then_some(()));
    let ran = next.ask("run count=30");
    assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    drop(next);
    broker.end_clean();
}

/// Goal: the log has the figures at the interval asked for, and one warning when memory exceeds what is liked; the summary
/// at the end has the figures.
#[test]
fn figures_and_the_warning_about_memory_are_logged() {
    let broker = Broker::start(
        "--segments 3 --fps 50 --width 1024 --height 512 --memory-warn 2 --stats-interval 0.2 --max-segments 16",
    );
    let lines = |word: &str| broker.log().lines().filter(|line| line.contains(word)).count();
    wait_for("figures", Duration::from_secs(5), || (lines("statistics stream=cam0") >= 3).then_some(()));
    assert_eq!(lines("--memory-warn"), 0, "three segments are 1.5 MB");
    for _ in 0..3 {
        // Each makes the ring grow.
        let mut actor = broker.actor();
        actor.must("subscribe max_held=4");
        assert!(actor.take() > 0);
    }
    assert_eq!(lines("--memory-warn"), 1, "{}", broker.log());
    let log = broker.log();
    for figure in ["grabbed=", "published=", "starved=0", "active_buffers=", "peak_memory_mb=", "readers=", "held="] {
        assert!(log.contains(figure), "{figure}: {log}");
    }
    let said = broker.end_clean();
    for line in ["total allocated", "total freed", "peak memory", "maximum          16 buffers", "publish", "usage"] {
        assert!(said.contains(line), "{line}: {said}");
    }
}

/// Goal: a segment that is never freed is named at the end, and makes the broker fail. Method: a broker whose factory keeps
/// the third, beside one that is sound.
#[test]
fn a_leak_is_named_and_makes_the_broker_fail() {
    let words = "--segments 5 --frames 20 --fps 200 --width 320 --height 240";
    for (program, leaks) in [(binaries::leaky_broker(), true), (binaries::broker(), false)] {
        let mut broker = Broker::start_program(&mut Command::new(program), words);
        let (status, said) = broker.ended();
        assert_eq!(status.success(), !leaks, "{said}");
        let warning = "WARNING: 1 buffers leaked, allocated and not freed: contexts 1002";
        assert_eq!(said.contains(warning), leaks, "{said}");
        assert!(
            said.contains(if leaks { "total freed      4 buffers" } else { "total freed      5 buffers" }),
            "{said}"
        );
    }
}
