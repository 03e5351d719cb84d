//! Sleeping and waking on real futexes.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::StreamState;
use crate::limits::STARVED_SLICE;
use crate::ring::{Calls, Predictive, WaitMode};

/// Far beyond what any wake-up takes: a test that reaches it has lost one.
const LONG: Duration = Duration::from_secs(30);

#[test]
fn every_way_to_wait_ends_with_the_next_frame() {
    let modes = [
        WaitMode::Block,
        WaitMode::Spin,
        WaitMode::SpinThenBlock(Duration::from_micros(50)),
        WaitMode::Predictive(Predictive::default()),
    ];
    for mode in modes {
        let mut ring = Ring::new(40);
        let mut reader = ring.reader(1, Policy::Sequential, 1);
        thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let begin = Instant::now();
                let mut got = 0;
                while got < 40 {
                    match use_one(&mut reader) {
                        Some(_) => got += 1,
                        None => reader.wait_by(mode, LONG),
                    }
                }
                begin.elapsed()
            });
            for _ in 0..40 {
                thread::yield_now();
                ring.publish(1);
            }
            assert!(reading.join().unwrap() < LONG, "{mode:?} slept through a frame");
        });
    }
}

#[test]
fn a_wait_without_news_ends_with_its_time() {
    let mut ring = Ring::new(2);
    let mut reader = ring.reader(1, Policy::Sequential, 1);
    ring.publish(1);
    assert_eq!(use_one(&mut reader), Some(1));
    for mode in [WaitMode::Block, WaitMode::Spin, WaitMode::Predictive(Predictive::default())] {
        let begin = Instant::now();
        reader.wait_by(mode, Duration::from_millis(2));
        assert!(begin.elapsed() < LONG);
    }
    assert_eq!(reader.try_take(), Taken::Empty);
}

#[test]
fn a_change_of_state_is_news_once() {
    let mut ring = Ring::new(1);
    let mut reader = ring.reader(1, Policy::Sequential, 1);
    assert_eq!(reader.see_state(), StreamState::Offline);
    let calls = ring.writer.set_state(StreamState::Live);
    assert_eq!(calls, Calls { bell: false, each: false }, "nobody sleeps");
    assert!(reader.has_news());
    assert_eq!(reader.see_state(), StreamState::Live);
    assert!(!reader.has_news());
}

#[test]
fn a_poller_is_notified_only_while_it_asks() {
    let mut ring = Ring::new(4);
    let bytes = Bytes::default();
    let (_, page) = ring.member_with(1, bytes.clone());
    let mut poller = ring.reader_of(page, 1, Policy::Sequential, 1);
    let sent = || bytes.0.load(Ordering::Relaxed);
    ring.publish(1);
    assert_eq!(sent(), 0, "it has not asked");
    assert!(!poller.ask_for_notify(), "there is news already");
    assert_eq!(use_all(&mut poller), [1]);
    assert!(poller.ask_for_notify());
    ring.publish(1);
    assert_eq!(sent(), 1);
    poller.end_notify();
    ring.publish(1);
    assert_eq!(sent(), 1);
}

/// Somebody wakes everybody all the time. The reader soon sleeps out its time, and is woken for a frame all the same.
#[test]
fn false_alarms_keep_no_reader_awake() {
    const WAITS: usize = 30;
    const TIME: Duration = Duration::from_millis(5);
    let mut ring = Ring::new(1);
    let mut reader = ring.reader(1, Policy::Sequential, 1);
    let (page, done) = (Arc::clone(&ring.page), AtomicBool::new(false));
    let (cut_short, took) = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                page.news.bell.wake_all();
            }
        });
        let waits = (0..WAITS).map(|_| elapsed(|| reader.wait(TIME)));
        let cut_short = waits.filter(|time| *time < TIME).count();
        let sleeping = scope.spawn(|| {
            elapsed(|| {
                while use_one(&mut reader).is_none() {
                    reader.wait(LONG);
                }
            })
        });
        ring.publish(1);
        let took = sleeping.join();
        done.store(true, Ordering::Relaxed);
        (cut_short, took.unwrap())
    });
    assert!(took < LONG, "it slept through a frame");
    assert!(cut_short < WAITS / 3, "{cut_short} of {WAITS} waits were cut short");
}

/// The same where the writer waits for a release.
#[test]
fn false_alarms_do_not_keep_the_writer_awake() {
    const WAITS: u32 = 300;
    let mut ring = Ring::new(2);
    let mut reader = ring.reader(1, Policy::Sequential, 1);
    ring.publish(2);
    let _hold = take(&mut reader);
    let (page, done) = (Arc::clone(&ring.page), AtomicBool::new(false));
    let took = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                page.starved.0.wake_all();
            }
        });
        let mut releases = ring.writer.releases();
        let took = elapsed(|| {
            for _ in 0..WAITS {
                ring.writer.retire_or_ask(1, &mut Vec::new());
                releases.wait();
            }
        });
        done.store(true, Ordering::Relaxed);
        took
    });
    assert!(took > STARVED_SLICE * WAITS / 4, "{took:?} for {WAITS} slices of {STARVED_SLICE:?}");
}

fn elapsed(of: impl FnOnce()) -> Duration {
    let began = Instant::now();
    of();
    began.elapsed()
}

#[test]
fn the_end_of_a_subscription_is_news() {
    let ring = Ring::new(1);
    let (member, page) = ring.member(1);
    let mut reader = ring.reader_of(page, 1, Policy::Sequential, 1);
    assert!(!reader.has_news());
    assert_eq!(member.revoke(), []);
    assert!(reader.has_news() && reader.try_take() == Taken::Revoked);
    reader.wait(LONG);
}
