//! Consumers that write into their pages whatever they like: what they cost is what they were granted.

use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;
use crate::ring::{Calls, Start};
use crate::{HOLD_LIMIT, SEGMENT_LIMIT};

/// A segment for the newest, one that the source fills, and as many as may be held: then one always comes back.
const RESERVE: usize = 2;

#[test]
fn holds_that_name_nothing_veto_nothing() {
    let mut ring = Ring::new(3);
    let (_, page) = ring.member(1);
    ring.publish(3);
    let beyond = SEGMENT_LIMIT as u64;
    for garbage in [u64::MAX, 1, beyond, (1 << 16) | beyond, (9 << 16) | 1, (1 << 16) | 1, 0xffff_ffff_ffff_0000] {
        page.hold[0].store(garbage, Ordering::Relaxed);
        let freed = ring.retire(1);
        assert_eq!(freed.len(), 1, "{garbage:#x}");
        ring.publish(1);
    }
}

#[test]
fn holds_beyond_the_grant_veto_nothing() {
    let mut ring = Ring::new(4);
    let (_, page) = ring.member(2);
    ring.publish(4);
    for hold in &page.hold[2..] {
        hold.store(context(1, 0).as_u64(), Ordering::Relaxed);
    }
    assert_eq!(ring.retire(1), [Retired::Reusable(segment(0))]);
    let (member, _) = ring.member(usize::MAX);
    assert_eq!(member.granted(), HOLD_LIMIT);
}

#[test]
fn many_holds_on_one_frame_veto_one_frame() {
    let mut ring = Ring::new(4);
    let (_, page) = ring.member(4);
    ring.publish(4);
    for hold in &page.hold {
        hold.store(context(1, 0).as_u64(), Ordering::Relaxed);
    }
    assert_eq!(ring.retire(9), [1, 2].map(|at| Retired::Reusable(segment(at))));
}

#[test]
fn every_place_of_a_single_hold_leaves_a_segment_to_retire() {
    for at in 0..3 {
        let mut ring = Ring::new(RESERVE + 1);
        let (_, page) = ring.member(1);
        ring.publish(3);
        page.hold[0].store(context(at as u64 + 1, at).as_u64(), Ordering::Relaxed);
        assert_eq!(ring.retire(1), [Retired::Reusable(segment(usize::from(at == 0)))]);
    }
}

#[test]
fn a_cursor_that_lies_gates_only_a_lossless_reader() {
    let mut ring = Ring::new(3);
    let (member, page) = ring.member(1);
    ring.publish(3);
    for cursor in [0, 1, u64::MAX] {
        page.progress.cursor.store(cursor, Ordering::Relaxed);
        assert_eq!(ring.retire(1).len(), 1, "{cursor}");
        assert!(ring.writer.slowest_lossless().is_none());
        ring.publish(1);
    }
    ring.writer.adopt_lossless(&member, Start::Next);
    for (cursor, retired) in [(0, 0), (u64::MAX, 2)] {
        page.progress.cursor.store(cursor, Ordering::Relaxed);
        assert_eq!(ring.writer.slowest_lossless().is_some(), cursor == 0);
        assert_eq!(ring.retire(9).len(), retired, "{cursor}");
    }
}

#[test]
fn a_waiting_word_that_means_nothing_calls_nobody() {
    let mut ring = Ring::new(1);
    let bytes = Bytes::default();
    let (_, page) = ring.member_with(1, bytes.clone());
    page.call.waiting.store(77, Ordering::Relaxed);
    let segment = ring.free.pop().unwrap();
    let (_, calls) = ring.writer.publish(segment, header(), 0);
    assert_eq!(calls, Calls { bell: false, each: false });
    ring.writer.wake(Calls { bell: true, each: true });
    assert_eq!(bytes.0.load(Ordering::Relaxed), 0);
}

/// A thread moves all its holds onto whatever it sees being retired, as fast as it can. No frame time goes by without a
/// segment. Each round is one frame.
#[test]
fn holds_that_chase_the_retired_frame_never_starve_the_writer() {
    const ROUNDS: usize = 40_000;
    for granted in [1, 3] {
        let mut ring = Ring::new(RESERVE + granted);
        let (_, page) = ring.member(granted);
        ring.publish(RESERVE + granted);
        let (stream, done) = (Arc::clone(&ring.page), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| chase(&stream, &page, granted, &done));
            for round in 0..ROUNDS {
                let freed = ring.retire(1).len();
                if freed != 1 {
                    done.store(true, Ordering::Relaxed);
                    panic!("no segment in round {round} with {granted} hostile holds");
                }
                ring.publish(1);
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}

/// Names in its holds, in turn, the frames whose slots were just cleared, and where none was the oldest frame.
fn chase(stream: &StreamPage, page: &ConsumerPage, granted: usize, done: &AtomicBool) {
    let mut frames = vec![0; RESERVE + granted];
    let mut holds = page.hold.iter().take(granted).cycle();
    while !done.load(Ordering::Relaxed) {
        let oldest = frames.iter().copied().min().unwrap_or(0);
        for (at, frame) in frames.iter_mut().enumerate() {
            let now = stream.slot(segment(at)).load(Ordering::Relaxed);
            let target = if now == 0 { *frame } else { oldest };
            holds.next().expect("a cycle").store(target, Ordering::Relaxed);
            if now != 0 {
                *frame = now;
            }
        }
    }
}
