//! A consumer that wakes everybody all the time: whoever may read a futex word may wake its sleepers.
#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::fs::read_to_string;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use framebroker_protocol::StreamPage;
use framebroker_protocol::message::{Ask, Delivery, Policy};
use framebroker_protocol::shm::Mapped;
use framebroker_tests::actor::figure;
use framebroker_tests::{Broker, Raw, wait_for};

/// Where the two words that others sleep on lie in the stream page.
const BELL: usize = 68;
const STARVED: usize = 128;
const MEASURED: Duration = Duration::from_secs(2);

/// A consumer with a stream page that it may only read.
struct Ringer {
    _raw: Raw,
    page: Mapped<StreamPage>,
}

impl Ringer {
    fn enter(broker: &Broker, policy: Policy) -> Self {
        let mut raw = broker.raw();
        raw.hello();
        let (_, fds) = raw.subscribe(policy, Delivery::Shared, 1);
        let page = Mapped::<StreamPage>::read_only(fds.into_iter().next().unwrap()).unwrap();
        raw.send(Ask::Mapped);
        Self { _raw: raw, page }
    }

    /// What `measure` returns while a word of the page is rung without a pause.
    fn ringing<T>(&self, word: usize, measure: impl FnOnce() -> T) -> T {
        let done = AtomicBool::new(false);
        let word = std::ptr::from_ref::<StreamPage>(&self.page).addr() + word;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    wake_all(word);
                }
            });
            // Also where it panics.
            let measured = catch_unwind(AssertUnwindSafe(measure));
            done.store(true, Ordering::Relaxed);
            measured.unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

#[expect(unsafe_code, reason = "the kernel is asked for what the library would not do")]
fn wake_all(word: usize) {
    // SAFETY: FUTEX_WAKE takes the address of a word and touches no memory of this process.
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX, 0usize, 0usize, 0u32) };
}

/// Processor time that these threads take within [`MEASURED`].
fn busy(threads: &[PathBuf]) -> Duration {
    let spent = || {
        let figures = threads.iter().map(|thread| read_to_string(thread.join("schedstat")).unwrap());
        let ns = figures.map(|text| text.split_whitespace().next().unwrap().parse::<u64>().unwrap());
        Duration::from_nanos(ns.sum())
    };
    let (before, began) = (spent(), Instant::now());
    std::thread::sleep(MEASURED);
    // A busy machine may have slept longer.
    (spent() - before).mul_f64(MEASURED.as_secs_f64() / began.elapsed().as_secs_f64())
}

/// The threads of a process whose name begins so.
fn threads(pid: u32, name: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|thread| thread.unwrap().path());
    all.filter(|thread| read_to_string(thread.join("comm")).is_ok_and(|comm| comm.starts_with(name))).collect()
}

/// Goal: a consumer that rings the bell all the time takes no processor time from another that sleeps on it, and no frame comes
/// later or not at all. Method: the processor time of a consumer beside one that rings, and before.
#[test]
fn a_reader_that_rings_all_the_time_keeps_nobody_awake() {
    let broker = Broker::start("--segments 8 --fps 100 --width 64 --height 64");
    let mut actor = broker.actor();
    actor.must("subscribe");
    actor.must("watch");
    let ringer = Ringer::enter(&broker, Policy::Latest);
    let actor_threads = threads(actor.pid(), "");
    let quiet = busy(&actor_threads);
    let disturbed = ringer.ringing(BELL, || busy(&actor_threads));
    let ran = actor.ask("stop");
    assert_eq!((figure(&ran, "lost"), figure(&ran, "bad")), (0, 0), "{ran}");
    assert!(figure(&ran, "received") > 100, "{ran}");
    assert!(disturbed < quiet * 5, "{quiet:?} of processor time alone, {disturbed:?} beside one that rings");
    drop((ringer, actor));
    broker.end_clean();
}

/// Goal: nor does it keep the grab thread awake where that waits for a lossless reader. Method: one that takes nothing, and the
/// processor time of the grab thread beside one that rings, and before.
#[test]
fn a_reader_that_rings_all_the_time_keeps_no_grab_thread_awake() {
    let broker = Broker::start("--segments 8 --fps 100 --width 64 --height 64 --lossless-timeout 60000");
    let ringer = Ringer::enter(&broker, Policy::Lossless);
    let grab = threads(broker.pid(), "grab-");
    assert_eq!(grab.len(), 1);
    let mut published = 0;
    wait_for("a ring that waits", Duration::from_secs(20), || {
        let before = std::mem::replace(&mut published, broker.stats().published);
        std::thread::sleep(Duration::from_millis(50));
        (published > 0 && before == published).then_some(())
    });
    let quiet = busy(&grab);
    let disturbed = ringer.ringing(STARVED, || busy(&grab));
    assert_eq!(broker.stats().published, published, "the ring waits still");
    assert!(disturbed < quiet * 5, "{quiet:?} of processor time alone, {disturbed:?} beside one that rings");
    drop(ringer);
    broker.end_clean();
}
