//! Frames from a broker to consumers in other processes: complete, in order, every byte right, nothing copied.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::path::PathBuf;
use std::time::Duration;

use framebroker_client::{Broker as Connection, Delivery, Error, ErrorCode, Policy, Predictive, WaitMode};
use framebroker_tests::actor::{self, figure};
use framebroker_tests::{Actor, Broker, wait_for};

/// Goal: eight consumers of all policies and deliveries get 500 full-HD frames each, every byte right, and those that take
/// all frames lose none. Method: the pattern at 40 frames/s; each process verifies every byte it gets.
#[test]
fn eight_consumers_get_every_byte() {
    let broker = Broker::start("--segments 8 --fps 40");
    let mut actors: Vec<(Actor, &str)> = actor::EIGHT.iter().map(|terms| (broker.actor(), *terms)).collect();
    for (actor, terms) in &mut actors {
        actor.must(&format!("subscribe {terms}"));
    }
    actors.iter_mut().for_each(|(actor, _)| actor.tell("run count=500"));
    for (actor, terms) in &mut actors {
        let ran = actor.answer();
        assert_eq!((figure(&ran, "bad"), figure(&ran, "received")), (0, 500), "{terms}: {ran}");
        let takes_all = !terms.contains("latest") && !terms.contains("upcoming");
        if takes_all {
            assert_eq!((figure(&ran, "lost"), figure(&ran, "skipped")), (0, 0), "{terms}: {ran}");
            assert_eq!(figure(&ran, "last") - figure(&ran, "first"), 499, "{terms}: {ran}");
        }
    }
    assert_eq!(broker.stats().starved, 0);
    drop(actors);
    broker.end_clean();
}

/// Goal: a subscription that names no policy gets the one the broker was started with, one that does its own. Method: the
/// broker's and the reader's word on it, for both deliveries.
#[test]
fn a_subscription_without_a_policy_gets_the_streams() {
    for (strategy, policy) in [("OneByOne", "Sequential"), ("LatestImageOnly", "Latest"), ("UpcomingImage", "Upcoming")]
    {
        let broker =
            Broker::start(&format!("--segments 8 --fps 100 --width 64 --height 64 --grab-strategy {strategy}"));
        for (terms, expected) in [("", policy), ("delivery=socket", policy), ("policy=lossless", "Lossless")] {
            let mut actor = broker.actor();
            actor.must(&format!("subscribe {terms}"));
            assert_eq!(format!("{:?}", broker.subscription(actor.pid()).policy), expected, "{strategy} {terms}");
            let ran = actor.ask("run count=10 pause=25");
            let (lost, skipped) = (figure(&ran, "lost"), figure(&ran, "skipped"));
            let skips = expected == "Latest" || expected == "Upcoming";
            assert!(
                figure(&ran, "bad") == 0 && (skipped > 0) == skips && (lost == 0 || !skips),
                "{strategy} {terms}: {ran}"
            );
        }
        broker.end_clean();
    }
}

/// Goal: whatever a reader that cannot keep up loses or skips is counted to the frame. Method: readers that pause longer
/// than the ring lasts; received + lost + skipped is the span of sequences.
#[test]
fn what_a_slow_reader_misses_is_counted_exactly() {
    let broker = Broker::start("--segments 8 --fps 400 --width 64 --height 64");
    let terms = ["", "delivery=socket", "policy=latest", "policy=latest delivery=socket", "policy=upcoming"];
    let mut actors: Vec<Actor> = terms.iter().map(|_| broker.actor()).collect();
    for (actor, terms) in actors.iter_mut().zip(terms) {
        actor.must(&format!("subscribe {terms}"));
        actor.tell("run count=40 pause=60");
    }
    for (actor, terms) in actors.iter_mut().zip(terms) {
        let ran = actor.answer();
        let (received, lost, skipped) = (figure(&ran, "received"), figure(&ran, "lost"), figure(&ran, "skipped"));
        assert_eq!((figure(&ran, "bad"), received), (0, 40), "{terms}: {ran}");
        // Counting begins with the first sequence the subscription may get, at or shortly before the first one taken.
        let span = figure(&ran, "last") - figure(&ran, "first") + 1;
        let before = figure(&ran, "first") - 1;
        let counted = received + lost + skipped;
        assert!((span..=span + before).contains(&counted), "{terms}: {ran}");
        match terms {
            "" | "delivery=socket" => assert!(lost > 0 && skipped == 0, "{terms}: {ran}"),
            _ => assert!(lost == 0 && skipped > 0, "{terms}: {ran}"),
        }
        let stats = broker.subscription(actor.pid());
        // By socket the broker is ahead of the client, so it may count as received what the client passes over.
        assert!(
            stats.received + stats.lost + stats.skipped >= counted && stats.received >= received,
            "{stats:?} {ran}"
        );
    }
    drop(actors);
    broker.end_clean();
}

/// Goal: an exact account. Method: one reader in lockstep, so that the first sequence is known to be the first taken.
#[test]
fn the_account_of_a_lapped_reader_is_exact() {
    let broker = Broker::start("--segments 8 --fps 500 --width 64 --height 64");
    for delivery in ["shared", "socket"] {
        let mut actor = broker.actor();
        actor.must(&format!("subscribe delivery={delivery}"));
        let first = actor.take() >> 16;
        actor.must("release");
        let mut last = first;
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(40));
            last = actor.take() >> 16;
            actor.must("release");
        }
        let counters = actor.ask("counters");
        let counted = figure(&counters, "received") + figure(&counters, "lost");
        assert_eq!(figure(&counters, "received"), 21, "{counters}");
        assert_eq!(counted, last - first + 1, "{delivery}: {counters}, {first} to {last}");
    }
    broker.end_clean();
}

/// Goal: neither side allocates memory or takes a page fault per frame. Method: the consumer counts its own; the kernel
/// counts the broker's, over a thousand frames after the ring is up.
#[test]
fn nothing_is_allocated_and_no_page_faults_once_the_ring_is_up() {
    let broker = Broker::start("--segments 8 --fps 300 --width 640 --height 480");
    let mut actor = broker.actor();
    actor.must("subscribe");
    let warm = actor.ask("run count=200");
    assert_eq!(figure(&warm, "bad"), 0, "{warm}");
    let before = grab_thread_faults(broker.pid());
    let ran = actor.ask("run count=1000 warm=10");
    let after = grab_thread_faults(broker.pid());
    assert_eq!((figure(&ran, "allocations"), figure(&ran, "faults"), figure(&ran, "bad")), (0, 0, 0), "{ran}");
    assert_eq!(after - before, 0, "page faults of the grab thread");
    drop(actor);
    broker.end_clean();
}

/// Minor and major page faults of the thread that grabs.
fn grab_thread_faults(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(grab_thread(pid).join("stat")).expect("a thread's figures");
    let (_, figures) = stat.rsplit_once(") ").expect("a name in parentheses");
    let figure = |at: usize| figures.split(' ').nth(at).and_then(|text| text.parse::<u64>().ok());
    figure(7).expect("minflt") + figure(9).expect("majflt")
}

/// The directory in /proc of the broker's grab thread.
fn grab_thread(pid: u32) -> PathBuf {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the broker's threads");
    let mut tasks = tasks.map(|task| task.expect("a thread").path());
    let grabs = |task: &PathBuf| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("grab-"));
    tasks.find(grabs).expect("a grab thread")
}

/// Goal: a consumer that holds all it may gets an error that says so, not a deadlock, and can go on.
#[test]
fn holding_all_that_was_granted_is_an_error() {
    let broker = Broker::start("--segments 8 --fps 100 --width 64 --height 64");
    for delivery in ["shared", "socket"] {
        let mut actor = broker.actor();
        actor.must(&format!("subscribe max_held=2 delivery={delivery}"));
        let (first, second) = (actor.take(), actor.take());
        let full = actor.ask("take 5000");
        assert!(full.starts_with("error full") && full.contains("max_held"), "{full}");
        assert_eq!(actor.ask("check"), "good 2");
        actor.must(&format!("release {first}"));
        let third = actor.take();
        assert!(third > second);
    }
    broker.end_clean();
}

/// Goal: a frame can be held by the name that another process gives it, or is known to be gone.
#[test]
fn a_frame_can_be_acquired_by_its_context_id() {
    let broker = Broker::start("--segments 8 --fps 50 --width 64 --height 64");
    let mut owner = broker.actor();
    owner.must("subscribe");
    let context = owner.take();
    for delivery in ["shared", "socket"] {
        let mut other = broker.actor();
        other.must(&format!("subscribe delivery={delivery}"));
        assert_eq!(other.ask(&format!("acquire {context}")), format!("frame {context}"));
        assert_eq!(other.ask("check"), "good 1");
        let gone = other.ask(&format!("acquire {}", 0xffff_0000_0001_u64));
        assert!(gone.starts_with("error gone"), "{gone}");
    }
    owner.must("release");
    let mut late = broker.actor();
    late.must("subscribe");
    wait_for("the frame's retirement", Duration::from_secs(5), || {
        let answer = late.ask(&format!("acquire {context}"));
        late.must("release");
        answer.starts_with("error gone").then_some(())
    });
    broker.end_clean();
}

/// Goal: eight default subscriptions attach to a plain `broker --segments 8`; where the ring may not grow, the one too many
/// is told which `--segments` would do.
#[test]
fn the_ring_grows_for_subscriptions_or_says_what_would_do() {
    let broker = Broker::start("--segments 8 --width 64 --height 64");
    let mut actors: Vec<Actor> = (0..8).map(|_| broker.actor()).collect();
    actors.iter_mut().for_each(|actor| actor.must("subscribe"));
    let streams = broker.connect().streams().unwrap();
    assert!(streams[0].segments >= 2 + 16, "{streams:?}");
    actors.iter_mut().for_each(|actor| assert!(actor.take() > 0));
    drop(actors);
    broker.end_clean();

    let small = Broker::start("--segments 8 --max-segments 8 --width 64 --height 64");
    let (mut fits, mut too_many) = (small.actor(), small.actor());
    fits.must("subscribe max_held=6");
    let refused = too_many.ask("subscribe max_held=3");
    assert!(refused.starts_with("error refused") && refused.contains("--segments 11"), "{refused}");
    assert!(fits.take() > 0, "the first one notices nothing");
    small.end_clean();
}

/// Goal: `--frames N` ends with every frame delivered to those that read all, then `Closed`; the buffer statistics account
/// for every segment.
#[test]
fn a_stream_ends_after_its_last_frame() {
    let mut broker = Broker::start("--segments 8 --fps 100 --frames 60 --width 64 --height 64");
    let mut actors = [broker.actor(), broker.actor()];
    actors[0].must("subscribe start=oldest");
    actors[1].must("subscribe start=oldest delivery=socket");
    actors.iter_mut().for_each(|actor| actor.tell("drain 5000"));
    for actor in &mut actors {
        let drained = actor.answer();
        assert_eq!((figure(&drained, "last"), figure(&drained, "lost")), (60, 0), "{drained}");
        assert!(drained.contains("error closed"), "{drained}");
    }
    let (status, said) = broker.ended();
    assert!(status.success() && said.contains("60 frames published"), "{said}");
    let number = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name)).expect(name);
        line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).expect(name)
    };
    assert!(number("total allocated") >= 8, "{said}");
    assert_eq!((number("total freed"), number("active")), (number("total allocated"), 0), "{said}");
}

/// Goal: the ring waits for a lossless reader within its bound and no longer: it is then demoted, told so, and the frames it
/// loses are counted.
#[test]
fn a_lossless_reader_is_waited_for_within_a_bound() {
    for delivery in ["shared", "socket"] {
        let broker = Broker::start("--segments 8 --fps 200 --width 64 --height 64 --lossless-timeout 400");
        let mut actor = broker.actor();
        actor.must(&format!("subscribe policy=lossless delivery={delivery}"));
        // Slower than the camera, but within the bound: nothing is lost.
        let ran = actor.ask("run count=60 pause=8");
        assert_eq!((figure(&ran, "lost"), figure(&ran, "bad")), (0, 0), "{ran}");
        let state = actor.ask("state");
        assert!(state.contains("demoted=0"), "{state}");
        // Stops reading: demoted.
        wait_for("the ring to go on", Duration::from_secs(10), || {
            let before = broker.stats().published;
            std::thread::sleep(Duration::from_millis(100));
            (broker.stats().published > before + 10).then_some(())
        });
        let ran = actor.ask("run count=20");
        assert!(figure(&ran, "lost") > 0 && figure(&ran, "bad") == 0, "{ran}");
        let state = actor.ask("state");
        assert!(state.contains("demoted=1"), "{state}");
        drop(actor);
        broker.end_clean();
    }
    let broker = Broker::start("--segments 8 --lossless-timeout 0 --width 64 --height 64");
    let refused = broker.actor().ask("subscribe policy=lossless");
    assert!(refused.starts_with("error refused") && refused.contains("--lossless-timeout"), "{refused}");
    broker.end_clean();
}

/// Goal: a program that reads nothing cannot make the source pause again and again. Method: it is demoted once, and asks again.
#[test]
fn a_program_that_was_waited_for_in_vain_is_not_waited_for_again() {
    let broker = Broker::start("--segments 8 --fps 300 --width 64 --height 64 --lossless-timeout 300");
    let connection = broker.connect();
    let ask = |policy| connection.subscribe("cam0").policy(policy).max_held(1).open();
    let mut first = ask(Policy::Lossless).unwrap();
    let stopped_at = wait_for("the ring to be full", Duration::from_secs(10), || {
        let published = broker.stats().published;
        std::thread::sleep(Duration::from_millis(20));
        (published > 0 && broker.stats().published == published).then_some(published)
    });
    wait_for("the ring to go on", Duration::from_secs(10), || (broker.stats().published > stopped_at).then_some(()));
    wait_for("the reader to be told", Duration::from_secs(10), || {
        drop(first.next(Duration::from_millis(50)).unwrap());
        first.is_demoted().then_some(())
    });
    drop(first);
    let refused = ask(Policy::Lossless).unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::NotAdmitted));
    assert!(refused.to_string().contains("policy sequential, or again in"), "{refused}");
    drop(ask(Policy::Sequential).unwrap());
    broker.actor().must("subscribe policy=lossless");
    broker.end_clean();
}

/// Goal: a program that reads nothing and leaves before it is demoted cannot make the source pause again and again. Method: it
/// leaves each time when the source has paused for most of the timeout.
#[test]
fn leaving_before_the_demotion_gains_nothing() {
    let broker = Broker::start("--segments 8 --fps 300 --width 64 --height 64 --lossless-timeout 2000");
    let connection = broker.connect();
    let ask = || connection.subscribe("cam0").policy(Policy::Lossless).max_held(1).open();
    let refused = wait_for("a refusal", Duration::from_secs(20), || {
        let reader = match ask() {
            Ok(reader) => reader,
            Err(refused) => return Some(refused),
        };
        wait_for("the ring to be full", Duration::from_secs(10), || {
            let published = broker.stats().published;
            std::thread::sleep(Duration::from_millis(20));
            (published > 0 && broker.stats().published == published).then_some(())
        });
        std::thread::sleep(Duration::from_millis(1400));
        drop(reader);
        None
    });
    assert_eq!(refused.code(), Some(ErrorCode::NotAdmitted));
    assert!(refused.to_string().contains("policy sequential, or again in"), "{refused}");
    broker.end_clean();
}

/// Goal: programs that have no number here do not share a refusal. Method: a broker in a PID namespace of its own, for which all
/// of them have the number 0; one has it wait in vain.
#[test]
fn programs_that_cannot_be_numbered_are_told_apart() {
    let mut command = std::process::Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child"]).arg(framebroker_tests::binaries::broker());
    let broker =
        Broker::start_program(&mut command, "--segments 8 --fps 300 --width 64 --height 64 --lossless-timeout 300");
    let (mut slow, mut other) = (broker.actor(), broker.actor());
    slow.must("subscribe policy=lossless");
    wait_for("the demotion", Duration::from_secs(10), || {
        slow.take();
        slow.must("release");
        slow.ask("state").contains("demoted=1").then_some(()).or_else(|| {
            std::thread::sleep(Duration::from_millis(500));
            None
        })
    });
    other.must("subscribe policy=lossless");
    drop(broker);
}

/// Goal: no time that a caller may give is too long or too short. Method: the longest, none, and the shortest, for everything that
/// takes a time.
#[test]
fn any_time_may_be_given() {
    let broker = Broker::start("--segments 8 --fps 200 --width 64 --height 64");
    for time in [Duration::MAX, Duration::from_millis(u64::MAX), Duration::ZERO, Duration::from_nanos(1)] {
        let connected = Connection::builder().socket(broker.socket()).timeout(time).connect();
        // None at all may be too short for an answer.
        assert!(connected.is_ok() || time < Duration::from_millis(1), "{time:?}: {:?}", connected.err());
        let connection = broker.connect();
        let modes = [
            WaitMode::Block,
            WaitMode::SpinThenBlock(time),
            WaitMode::Predictive(Predictive { lead: time, patience: time }),
            WaitMode::Predictive(Predictive { patience: time, ..Predictive::default() }),
        ];
        for mode in modes {
            for delivery in [Delivery::Shared, Delivery::Socket] {
                let mut reader = connection.subscribe("cam0").wait_mode(mode).delivery(delivery).open().unwrap();
                for _ in 0..5 {
                    match reader.next(time) {
                        Ok(frame) => drop(frame),
                        Err(Error::Timeout { .. }) if time < Duration::from_millis(1) => {}
                        Err(error) => panic!("{mode:?} for {time:?}: {error}"),
                    }
                }
            }
        }
    }
    broker.end_clean();
}

/// Goal: the broker's work per frame does not grow with the frame: it copies nothing. Method: processor time of the grab
/// thread over the same number of frames of 4 kB and of 12 MB, in turns.
#[test]
fn the_cost_of_a_frame_does_not_grow_with_its_size() {
    let brokers = ["--width 64 --height 64", "--width 4096 --height 3000"]
        .map(|size| Broker::start(&format!("--segments 6 --fps 300 --fill none {size}")));
    let mut actors = brokers.each_ref().map(Broker::actor);
    actors.iter_mut().for_each(|actor| actor.must("subscribe"));
    let mut spent = [const { Vec::new() }; 2];
    for _ in 0..5 {
        for ((broker, actor), spent) in brokers.iter().zip(&mut actors).zip(&mut spent) {
            let before = (grab_thread_time(broker.pid()), broker.stats().published);
            let ran = actor.ask("run count=200 content=none");
            assert_eq!(figure(&ran, "bad"), 0, "{ran}");
            let frames = broker.stats().published - before.1;
            spent.push((grab_thread_time(broker.pid()) - before.0) / frames);
        }
    }
    let [small, large] = spent.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    assert!(large < 3 * small, "{large} ns for a frame of 12 MB, {small} ns for one of 4 kB");
    drop(actors);
    brokers.into_iter().for_each(|broker| drop(broker.end_clean()));
}

/// Nanoseconds on a processor of the thread that grabs.
fn grab_thread_time(pid: u32) -> u64 {
    let schedule = std::fs::read_to_string(grab_thread(pid).join("schedstat")).expect("a thread's times");
    schedule.split(' ').next().and_then(|text| text.parse().ok()).expect("nanoseconds")
}
