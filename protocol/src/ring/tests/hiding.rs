//! Frames that the writer hides while it looks through the holds.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::super::Claim;
use super::*;

/// The frame is hidden when it is asked for, and put back when the hold is seen. A test that does not get the processor in
/// time is as a writer that is stopped: so not each of its tries must succeed.
#[test]
fn a_hidden_frame_is_found_when_it_is_put_back() {
    const TRIES: usize = 50;
    let found = (0..TRIES).filter(|_| {
        let mut ring = Ring::new(2);
        let mut reader = ring.reader(1, Policy::Latest, 1);
        ring.publish(2);
        let (slot, retiring, wanted) = (ring.page.slot(segment(0)), &ring.page.retiring.0, context(1, 0));
        retiring.store(1, Ordering::Relaxed);
        slot.store(0, Ordering::Release);
        let (pages, done) = (Arc::clone(reader.pages()), AtomicBool::new(false));
        let claim = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let claim = reader.take_context(wanted);
                done.store(true, Ordering::Relaxed);
                claim
            });
            while pages.consumer.holds(1).next().is_none() && !done.load(Ordering::Relaxed) {}
            slot.store(wanted.as_u64(), Ordering::Relaxed);
            retiring.store(2, Ordering::Release);
            asking.join().unwrap()
        });
        matches!(claim, Claim::Held(hold) if hold.context == wanted)
    });
    assert_ne!(found.count(), 0, "hidden frames found, of {TRIES}");
}

/// The broker is stopped while it hides frames: a reader looks for them for a moment, once for all of them, and goes on.
#[test]
fn a_writer_that_is_stopped_while_it_hides_frames_stops_no_reader() {
    let skipping = |hidden: usize| {
        let mut ring = Ring::new(hidden + 1);
        let mut reader = ring.reader(1, Policy::Sequential, 1);
        ring.publish(hidden + 1);
        ring.page.retiring.0.store(1, Ordering::Relaxed);
        (0..hidden).for_each(|at| ring.page.slot(segment(at)).store(0, Ordering::Relaxed));
        let began = Instant::now();
        assert_eq!(use_one(&mut reader), Some(hidden as u64 + 1));
        let took = began.elapsed();
        assert_eq!(counters(&reader), [1, hidden as u64, 0]);
        took
    };
    let (one, many) = (skipping(1), skipping(200));
    assert!(many < 20 * one + Duration::from_millis(1), "{many:?} for 200 hidden frames, {one:?} for one");
}

/// What is retired is known to be gone at the first look: a reader that was lapped waits for nothing.
#[test]
fn a_retired_frame_is_not_looked_for() {
    let asking = |is_hiding: bool| {
        let mut ring = Ring::new(3);
        let mut reader = ring.reader(1, Policy::Latest, 1);
        ring.publish(3);
        assert_eq!(ring.retire(1).len(), 1);
        let retiring = &ring.page.retiring.0;
        retiring.store(retiring.load(Ordering::Relaxed) + u32::from(is_hiding), Ordering::Relaxed);
        let began = Instant::now();
        assert_eq!(reader.take_context(context(1, 0)), Claim::Gone);
        began.elapsed()
    };
    let fastest = |is_hiding| (0..5).map(|_| asking(is_hiding)).min().unwrap();
    let (retired, hidden) = (fastest(false), fastest(true));
    assert!(20 * retired < hidden, "{retired:?}, {hidden:?} where the writer hides frames");
}
