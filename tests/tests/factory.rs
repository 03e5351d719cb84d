//! Segments of every backing, in the place they were asked to, with real processes.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::path::Path;
use std::process::Command;
use std::sync::RwLock;

use framebroker_client::{Delivery, Error, ErrorCode};
use framebroker_tests::actor::figure;
use framebroker_tests::broker::{run, run_broker};
use framebroker_tests::{Broker, HugePages, PATIENCE, Scratch, binaries, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

/// Every broker that starts removes leftovers: the test of that must be the only one meanwhile.
static BESIDE: RwLock<()> = RwLock::new(());

const SMALL: &str = "--segments 8 --fps 200 --width 320 --height 240";

fn framectl(broker: &Broker, words: &str) -> (i32, Value) {
    let mut command = Command::new(binaries::framectl());
    command.arg("--socket").arg(broker.socket()).args(words.split_whitespace()).arg("--json");
    let (status, output, errors) = run(&mut command);
    let last = output.lines().last().unwrap_or_default();
    let value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{words}: {error}: {output:?} {errors}"));
    (status.code().unwrap(), value)
}

/// Watches every byte of many frames by this delivery, and has the ring grow meanwhile.
fn verify(broker: &Broker, delivery: &str) {
    let (status, line) = framectl(broker, &format!("watch cam0 --count 200 --verify --delivery {delivery}"));
    assert_eq!((status, &line["verified"], &line["bad"]), (0, &200.into(), &0.into()), "{line}");
    let mut actor = broker.actor();
    actor.must(&format!("subscribe max_held=8 delivery={delivery}"));
    let ran = actor.ask("run count=200");
    assert_eq!(figure(&ran, "bad"), 0, "{ran}");
}

fn backing_is_named(broker: &Broker, backing: &str) {
    assert!(broker.ready().contains(&format!(" backing={backing} ")), "{}", broker.ready());
    assert_eq!(framectl(broker, "list").1[0]["backing"], backing);
}

/// The named objects of brokers in `/dev/shm`, of one stream: tests run beside each other.
fn named(stream: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/dev/shm").unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("framebroker-") && name.contains(&format!("-{stream}-"))).collect()
}

/// Goal: frames in sealed memfds are whole, by both deliveries.
#[test]
fn memfd_serves_every_byte() {
    let _beside = BESIDE.read();
    let broker = Broker::start(SMALL);
    backing_is_named(&broker, "memfd");
    verify(&broker, "shared");
    verify(&broker, "socket");
    broker.end_clean();
}

/// Goal: the same with huge pages, which are there for the time of the test, where they may be set aside.
#[test]
fn hugetlb_serves_every_byte() {
    let _beside = BESIDE.read();
    let pages = match HugePages::more(2048, 24) {
        Ok(pages) => pages,
        Err(reason) => return eprintln!("skipped: no huge pages of 2 MiB can be set aside here: {reason}"),
    };
    let broker = Broker::start(&format!("{SMALL} --max-segments 20 --backing hugetlb"));
    backing_is_named(&broker, "hugetlb");
    verify(&broker, "shared");
    verify(&broker, "socket");
    let mut subscription = broker.connect().subscribe("cam0").open().unwrap();
    drop(subscription.next(PATIENCE).unwrap());
    for segment in subscription.mappings() {
        assert!(segment.address.is_multiple_of(2 << 20) && segment.length == 2 << 20, "{segment:?}");
    }
    drop(subscription);
    broker.end_clean();
    drop(pages);
}

/// Goal: frames lie in pages of 1 GiB. Method: with three pages every byte is verified; many machines have no more than two in
/// one piece, which are enough to grab into.
#[test]
fn pages_of_a_gibibyte_hold_frames() {
    let _beside = BESIDE.read();
    let words = "--backing hugetlb=1G --fps 200 --width 320 --height 240 --memory-limit 4096";
    let pages = match HugePages::more(1 << 20, 3) {
        Ok(pages) => {
            let broker = Broker::start(&format!("{words} --segments 3 --max-segments 3"));
            let (status, line) = framectl(&broker, "watch cam0 --count 200 --verify");
            assert_eq!((status, &line["verified"], &line["bad"]), (0, &200.into(), &0.into()), "{line}");
            broker.end_clean();
            pages
        }
        Err(few) => match HugePages::more(1 << 20, 2) {
            Ok(pages) => {
                eprintln!("without a reader, since three huge pages of 1 GiB cannot be set aside here: {few}");
                pages
            }
            Err(reason) => return eprintln!("skipped: no huge pages of 1 GiB can be set aside here: {reason}"),
        },
    };
    let mut broker = Broker::start(&format!("{words} --segments 2 --max-segments 2 --frames 200"));
    assert!(broker.ready().contains(" backing=hugetlb "), "{}", broker.ready());
    let (status, said) = broker.ended();
    assert!(
        status.success() && said.contains("200 frames published") && said.contains("1000 x100, 1001 x100"),
        "{said}"
    );
    drop(pages);
}

/// Goal: where there are too few huge pages, the broker says how many to set, and where.
#[test]
fn missing_huge_pages_are_asked_for() {
    let _beside = BESIDE.read();
    let scratch = Scratch::default();
    let socket = scratch.file("s");
    let (status, _, errors) = run_broker(&format!(
        "--socket {} --segments 500 --max-segments 500 --width 16384 --height 16384 --memory-limit 999999999 \
         --backing hugetlb",
        socket.display()
    ));
    assert!(!status.success());
    for word in ["64000 huge pages of 2 MiB", "set at least", "/proc/sys/vm/nr_hugepages", "--backing memfd"] {
        assert!(errors.contains(word), "{word}: {errors}");
    }
}

/// Goal: frames in named objects are whole, by socket delivery; the objects are of the owner's mode and vanish with the
/// broker; and a broker says that it protects nothing.
#[test]
fn posix_serves_every_byte_and_leaves_nothing() {
    let _beside = BESIDE.read();
    let broker = Broker::start(&format!("{SMALL} --name posix-whole --backing posix"));
    broker.must_log("promises 1 to 4");
    assert!(broker.ready().contains(" backing=posix "), "{}", broker.ready());
    let names = named("posix-whole");
    assert_eq!(names.len(), 8, "{names:?}");
    for name in &names {
        let found = std::fs::metadata(Path::new("/dev/shm").join(name)).unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&found) & 0o777, 0o600, "{name}");
    }
    // framectl chooses the delivery that is granted.
    let (status, line) = framectl(&broker, "watch posix-whole --count 200 --verify");
    assert_eq!((status, &line["verified"], &line["bad"]), (0, &200.into(), &0.into()), "{line}");
    let mut actor = broker.actor();
    actor.must("subscribe stream=posix-whole max_held=8 delivery=socket");
    let ran = actor.ask("run count=200");
    assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    assert!(named("posix-whole").len() > 8, "the ring grew");
    drop(actor);
    broker.end_clean();
    assert!(named("posix-whole").is_empty(), "{:?}", named("posix-whole"));
}

/// Goal: what posix cannot protect it refuses, with what to do: shared delivery, and other users.
#[test]
fn posix_refuses_what_it_cannot_protect() {
    let _beside = BESIDE.read();
    let broker = Broker::start(&format!("{SMALL} --name posix-refuses --backing posix"));
    let refused = broker.connect().subscribe("posix-refuses").open().unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, Error::Refused { code: ErrorCode::Invalid, .. }), "{text}");
    assert!(text.contains("--delivery socket") && text.contains("--backing memfd"), "{text}");
    // The session is as good as before.
    let by_socket = broker.connect().subscribe("posix-refuses").delivery(Delivery::Socket).open();
    drop(by_socket.unwrap().next(PATIENCE).unwrap());
    broker.end_clean();
    for option in ["--allow-uid 7", "--allow-gid 7"] {
        let (status, _, errors) = run_broker(&format!("--socket /tmp/never --backing posix {option}"));
        assert!(!status.success() && errors.contains("own user only") && errors.contains("--allow-uid"), "{errors}");
    }
}

/// Goal: the objects of a broker that was killed are removed by the next one that starts, those of a living one stay.
#[test]
fn leftovers_of_the_dead_are_removed_and_the_living_keep_theirs() {
    let _alone = BESIDE.write();
    let living = Broker::start(&format!("{SMALL} --name posix-living --backing posix"));
    let mut dead = Broker::start(&format!("{SMALL} --name posix-dead --backing posix"));
    let mut holder = dead.actor();
    holder.must("subscribe stream=posix-dead max_held=2 delivery=socket");
    assert!(holder.take() > 0);
    dead.kill();
    assert_eq!(named("posix-dead").len(), 8, "a killed broker cannot remove them");
    // A stopped broker lives.
    living.signal(Signal::SIGSTOP);
    let next = Broker::start(&format!("{SMALL} --name posix-next --backing posix"));
    living.signal(Signal::SIGCONT);
    assert!(named("posix-dead").is_empty(), "{:?}", named("posix-dead"));
    next.must_log("dead broker");
    assert_eq!((named("posix-living").len(), named("posix-next").len()), (8, 8));
    assert_eq!(holder.ask("check"), "good 1", "what is mapped stays readable");
    let (status, line) = framectl(&living, "watch posix-living --count 100 --verify --delivery socket");
    assert_eq!((status, &line["bad"]), (0, &0.into()), "{line}");
    living.end_clean();
    next.end_clean();
    for stream in ["posix-living", "posix-dead", "posix-next"] {
        assert!(named(stream).is_empty(), "{:?}", named(stream));
    }
}

/// Goal: a name that is gone when its reader comes to open it is no error: the ring has given the segment up since. Method: the
/// reader is stopped while the ring grows for others and shrinks again, until all that it was told of has gone.
#[test]
fn a_name_that_is_gone_already_is_passed_over() {
    let _beside = BESIDE.read();
    let broker = Broker::start(&format!("{SMALL} --name posix-brief --backing posix --shrink-after 0"));
    let mut reader = broker.actor();
    reader.must("subscribe stream=posix-brief max_held=2 delivery=socket");
    assert!(reader.take() > 0);
    reader.must("release");
    let before = named("posix-brief").len();
    reader.signal(Signal::SIGSTOP);
    for _ in 0..5 {
        let by_socket = broker.connect().subscribe("posix-brief").max_held(30).delivery(Delivery::Socket).open();
        assert!(named("posix-brief").len() > before, "the ring grew");
        drop(by_socket.unwrap());
        // What the guest was sent while the reader holds it is given up beside the ring, and stays.
        wait_for("the ring to shrink", PATIENCE, || (named("posix-brief").len() <= before + 2).then_some(()));
    }
    reader.signal(Signal::SIGCONT);
    let ran = reader.ask("run count=50");
    assert!(ran.starts_with("ran bad=0 "), "{ran}");
    drop(reader);
    broker.end_clean();
}

/// Goal: payload lies at the alignment asked for, in the broker and in its clients, by both deliveries.
#[test]
fn payload_is_aligned_as_asked() {
    let _beside = BESIDE.read();
    for (align, bytes) in [("64", 64), ("64K", 1 << 16), ("2M", 2 << 20)] {
        let broker = Broker::start(&format!("{SMALL} --align {align}"));
        let addresses = mapped_by(broker.pid());
        assert_eq!(addresses.len(), 8);
        assert!(addresses.iter().all(|address| address.is_multiple_of(bytes)), "{align}: {addresses:x?}");
        for delivery in [Delivery::Shared, Delivery::Socket] {
            let mut subscription = broker.connect().subscribe("cam0").delivery(delivery).open().unwrap();
            let frame = subscription.next(PATIENCE).unwrap();
            assert!(frame.data().as_ptr().addr().is_multiple_of(bytes), "{align}");
            assert!(subscription.mappings().iter().all(|segment| segment.address.is_multiple_of(bytes)), "{align}");
        }
        verify(&broker, "shared");
        broker.end_clean();
    }
    let broker = Broker::start(&format!("{SMALL} --name posix-aligned --backing posix --align 2M"));
    let by_socket = broker.connect().subscribe("posix-aligned").delivery(Delivery::Socket).open();
    let mut subscription = by_socket.unwrap();
    assert!(subscription.next(PATIENCE).unwrap().data().as_ptr().addr().is_multiple_of(2 << 20));
    drop(subscription);
    broker.end_clean();
}

/// Where a process has segments, by its own account of its memory.
fn mapped_by(pid: u32) -> Vec<usize> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let segments = maps.lines().filter(|line| line.contains("framebroker-segment"));
    segments.map(|line| usize::from_str_radix(line.split('-').next().unwrap(), 16).unwrap()).collect()
}

/// Goal: segments are locked in memory where that is asked for, and on the node asked for; the broker works as before.
#[test]
fn segments_are_locked_and_bound() {
    let _beside = BESIDE.read();
    let broker = Broker::start(&format!("{SMALL} --mlock --numa-node 0"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.pid())).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    let locked: usize = locked.trim().trim_end_matches("kB").trim().parse().unwrap();
    assert!(locked << 10 >= 8 * 320 * 240, "{locked} kB");
    // A kernel without nodes has no such file.
    if let Ok(map) = std::fs::read_to_string(format!("/proc/{}/numa_maps", broker.pid())) {
        let segments: Vec<&str> = map.lines().filter(|line| line.contains("framebroker-segment")).collect();
        assert!(segments.len() == 8 && segments.iter().all(|line| line.contains(" bind:0 ")), "{map}");
    }
    verify(&broker, "shared");
    broker.end_clean();
    let (status, _, errors) = run_broker("--socket /tmp/never --numa-node 1000");
    assert!(!status.success() && errors.contains("--numa-node 1000") && errors.contains("node 0"), "{errors}");
}

/// Goal: where the limit forbids to lock so much, the broker names it. Method: a lower limit, and no right to pass it, which
/// only root has.
#[test]
fn a_limit_on_locked_memory_is_named() {
    let _beside = BESIDE.read();
    let socket = Scratch::default();
    let mut command = Command::new("prlimit");
    command.arg("--memlock=65536");
    if nix::unistd::geteuid().is_root() {
        command.args(["setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock", "--"]);
    }
    command.arg(binaries::broker()).arg("--socket").arg(socket.file("s"));
    let (status, _, errors) = run(command.args(SMALL.split_whitespace()).arg("--mlock"));
    assert!(!status.success(), "{errors}");
    for word in ["RLIMIT_MEMLOCK is 65536 bytes", "ulimit -l", "CAP_IPC_LOCK", "--mlock"] {
        assert!(errors.contains(word), "{word}: {errors}");
    }
}

/// Goal: a strategy from outside the broker serves frames: the example does.
#[test]
fn the_example_serves_from_files() {
    let _beside = BESIDE.read();
    let directory = Scratch::default();
    let files = directory.file("segments");
    std::fs::create_dir(&files).unwrap();
    let broker = Broker::start_program(Command::new(binaries::example("file_backing")).arg(&files), SMALL);
    backing_is_named(&broker, "file");
    verify(&broker, "socket");
    let count = || std::fs::read_dir(&files).unwrap().count();
    assert!(count() >= 8);
    broker.end_clean();
    wait_for("the files to be removed", PATIENCE, || (count() == 0).then_some(()));
}

/// Goal: where `/dev/shm` is too small, the broker says so and what to do. Method: one of its own, which only root can have.
#[test]
fn a_full_dev_shm_is_named() {
    let _beside = BESIDE.read();
    let scratch = Scratch::default();
    let mut command = Command::new("unshare");
    let mounted = "mount -t tmpfs -o size=256k none /dev/shm && exec \"$@\"";
    command.args(["--mount", "sh", "-c", mounted, "sh"]).arg(binaries::broker()).arg("--socket").arg(scratch.file("s"));
    let (status, _, errors) = run(command.args(SMALL.split_whitespace()).args(["--backing", "posix"]));
    if !nix::unistd::geteuid().is_root() && errors.contains("unshare") {
        return eprintln!("skipped: no right to a mount of its own: {errors}");
    }
    assert!(!status.success() && errors.contains("--shm-size") && errors.contains("/dev/shm/framebroker-"), "{errors}");
}
