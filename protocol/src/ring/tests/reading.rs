//! Policies, counters and holds, as one reader sees them.

use super::super::Claim;
use super::*;
use crate::limits::WINDOW_LEN;
use crate::ring::Start;

#[test]
fn a_sequential_reader_counts_exactly_what_it_was_lapped_by() {
    let mut ring = Ring::new(4);
    let mut reader = ring.reader(1, Policy::Sequential, 1);
    ring.run(2);
    assert_eq!(use_all(&mut reader), [1, 2]);
    ring.run(7);
    assert_eq!(use_all(&mut reader), [6, 7, 8, 9], "four segments hold the newest four");
    assert_eq!((counters(&reader), reader.cursor()), ([6, 3, 0], Sequence(9)));
}

#[test]
fn a_reader_lapped_by_more_than_the_window_still_counts_exactly() {
    let mut ring = Ring::new(3);
    let mut reader = ring.reader(1, Policy::Sequential, 1);
    let frames = 3 * WINDOW_LEN + 5;
    ring.run(frames);
    let newest = frames as u64;
    assert_eq!(use_all(&mut reader), [newest - 2, newest - 1, newest]);
    assert_eq!(counters(&reader), [3, newest - 3, 0]);
}

#[test]
fn the_latest_policy_skips_to_the_newest() {
    let mut ring = Ring::new(4);
    let mut reader = ring.reader(1, Policy::Latest, 1);
    ring.run(3);
    assert_eq!(use_all(&mut reader), [3]);
    assert_eq!(use_one(&mut reader), None, "it was taken already");
    ring.run(6);
    assert_eq!(use_all(&mut reader), [9]);
    assert_eq!(counters(&reader), [2, 0, 7]);
}

#[test]
fn the_upcoming_policy_takes_only_what_is_published_after_the_call() {
    let mut ring = Ring::new(4);
    let mut reader = ring.reader(1, Policy::Upcoming, 1);
    ring.run(2);
    reader.skip_to_head();
    assert_eq!(use_one(&mut reader), None);
    ring.run(1);
    assert_eq!(use_all(&mut reader), [3]);
    assert_eq!(counters(&reader), [1, 0, 2]);
}

#[test]
fn a_reader_begins_with_the_sequence_it_was_given() {
    let mut ring = Ring::new(4);
    ring.run(3);
    let mut reader = ring.reader(1, Policy::Sequential, 4);
    assert_eq!(use_one(&mut reader), None);
    ring.run(2);
    assert_eq!(use_all(&mut reader), [4, 5]);
    assert_eq!(counters(&reader), [2, 0, 0], "what came before counts nowhere");
}

#[test]
fn a_reader_holds_no_more_than_it_was_granted() {
    let mut ring = Ring::new(5);
    let mut reader = ring.reader(2, Policy::Sequential, 1);
    ring.run(4);
    let (first, second) = (take(&mut reader), take(&mut reader));
    assert_ne!(first.slot, second.slot);
    assert_eq!((reader.try_take(), reader.held()), (Taken::Full, 2));
    assert_eq!(reader.take_context(context(3, 2)), Claim::Full);
    reader.pages().release(first.slot);
    assert_eq!(take(&mut reader).context, context(3, 2));
    assert_eq!(counters(&reader), [3, 0, 0]);
}

#[test]
fn a_certain_frame_is_held_or_gone() {
    let mut ring = Ring::new(3);
    ring.run(5);
    let mut reader = ring.reader(2, Policy::Sequential, 6);
    let Claim::Held(hold) = reader.take_context(context(4, 0)) else { panic!("frame 4 is in segment 0") };
    assert_eq!((hold.header.context_id(), reader.held()), (Some(context(4, 0)), 1));
    assert_eq!(reader.take_context(context(1, 0)), Claim::Gone, "retired");
    assert_eq!(reader.take_context(context(6, 2)), Claim::Gone, "not published yet");
    assert_eq!((reader.held(), reader.cursor()), (1, Sequence(5)), "a failed claim leaves no hold and no trace");
    reader.pages().release(hold.slot);
    assert_eq!((reader.held(), counters(&reader)), (0, [0, 0, 0]));
}

#[test]
fn releasing_a_slot_that_is_none_does_nothing() {
    let ring = Ring::new(2);
    ring.reader(1, Policy::Sequential, 1).pages().release(usize::MAX);
}

#[test]
fn the_header_is_what_was_published_with_context_and_usage_filled_in() {
    let mut ring = Ring::new(2);
    let mut reader = ring.reader(1, Policy::Latest, 1);
    ring.run(5);
    let hold = take(&mut reader);
    let expected = FrameHeader { context: context(5, 0).as_u64(), buffer_context: 1000, usage_count: 3, ..header() };
    assert_eq!(hold.header, expected);
}

#[test]
fn usage_counts_publishes_and_begins_anew_with_a_new_object() {
    let mut ring = Ring::new(2);
    ring.run(5);
    assert_eq!([0, 1, 2].map(|at| ring.writer.usage_count(segment(at))), [3, 2, 0]);
    let freed = ring.retire(1);
    assert_eq!(freed, [Retired::Reusable(segment(1))]);
    ring.writer.set_backing(segment(1), crate::Backing(7));
    assert_eq!(ring.writer.usage_count(segment(1)), 0);
    let mut reader = ring.reader(1, Policy::Latest, 1);
    ring.publish(1);
    let hold = take(&mut reader);
    assert_eq!((hold.backing, hold.header.usage_count), (crate::Backing(7), 1));
}

#[test]
fn a_lossless_reader_gates_the_ring_until_it_has_taken_the_frame() {
    let mut ring = Ring::new(4);
    ring.run(4);
    let (member, page) = ring.member(1);
    let first = ring.writer.adopt_lossless(&member, Start::Oldest);
    assert_eq!(first, Sequence(1));
    let mut reader = ring.reader_of(page, 1, Policy::Lossless, first.0);
    assert_eq!(ring.retire(1), [], "frame 1 is not taken yet");
    assert!(ring.writer.slowest_lossless().is_some_and(|slowest| Arc::ptr_eq(slowest, &member)));

    let held = take(&mut reader);
    assert_eq!(ring.retire(1), [], "frame 1 is held, frame 2 is not taken yet");
    reader.pages().release(held.slot);
    assert_eq!(ring.retire(4), [Retired::Reusable(segment(0))]);

    assert_eq!(use_all(&mut reader), [2, 3, 4]);
    assert!(ring.writer.slowest_lossless().is_none(), "only the newest is left to take");
    assert_eq!(ring.retire(4).len(), 2);
    assert_eq!(counters(&reader), [4, 0, 0]);
}

#[test]
fn the_slowest_of_several_lossless_readers_is_named_until_it_is_demoted() {
    let mut ring = Ring::new(3);
    let [(fast, fast_page), (slow, slow_page)] = [ring.member(1), ring.member(1)];
    ring.run(3);
    let [mut fast_reader, mut slow_reader] = [(&fast, fast_page), (&slow, slow_page)].map(|(member, page)| {
        let first = ring.writer.adopt_lossless(member, Start::Oldest);
        ring.reader_of(page, 1, Policy::Lossless, first.0)
    });
    use_all(&mut fast_reader);
    assert!(ring.writer.slowest_lossless().is_some_and(|slowest| Arc::ptr_eq(slowest, &slow)));
    assert_eq!(ring.retire(1), []);

    slow.set_lossless(false);
    slow_reader.demote();
    ring.run(2);
    assert_eq!(use_all(&mut slow_reader), [3, 4, 5]);
    assert_eq!(counters(&slow_reader), [3, 2, 0]);
    assert_eq!(use_all(&mut fast_reader), [4, 5]);
}

/// The roster change and the adoption come in this order, with no publish in between.
#[test]
fn a_lossless_reader_gates_the_ring_from_its_adoption_on() {
    for (start, first, retired) in [(Start::Oldest, 1, 0), (Start::Next, 4, 2)] {
        let mut ring = Ring::new(3);
        ring.run(3);
        let (member, page) = ring.member(1);
        assert_eq!(ring.writer.adopt_lossless(&member, start), Sequence(first));
        assert_eq!(ring.retire(3).len(), retired, "{start:?}");
        let mut reader = ring.reader_of(page, 1, Policy::Lossless, first);
        ring.publish(retired.min(1));
        assert_eq!(use_one(&mut reader), Some(first), "{start:?}");
    }
}

#[test]
fn a_lossless_reader_of_an_empty_stream_begins_with_the_first_frame() {
    let mut ring = Ring::new(2);
    let (member, page) = ring.member(1);
    assert_eq!(ring.writer.adopt_lossless(&member, Start::Oldest), Sequence(1));
    let mut reader = ring.reader_of(page, 1, Policy::Lossless, 1);
    ring.publish(2);
    assert_eq!(use_all(&mut reader), [1, 2]);
}
