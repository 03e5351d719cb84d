//! What the writer takes back, in which order, and what a revoked subscription leaves behind.

use super::*;

#[test]
fn the_oldest_goes_first_and_the_newest_stays() {
    let mut ring = Ring::new(4);
    ring.publish(4);
    assert_eq!(ring.retire(2), [0, 1].map(|at| Retired::Reusable(segment(at))));
    assert_eq!(ring.retire(9), [Retired::Reusable(segment(2))]);
    assert_eq!((ring.retire(1), ring.writer.published()), (vec![], 1), "the newest is always there");
    assert_eq!(use_all(&mut ring.reader(1, Policy::Sequential, 1)), [4]);
}

#[test]
fn held_frames_are_passed_over() {
    let mut ring = Ring::new(5);
    let mut reader = ring.reader(2, Policy::Sequential, 1);
    ring.publish(5);
    let (first, second) = (take(&mut reader), take(&mut reader));
    assert_eq!(ring.retire(1), [Retired::Reusable(segment(2))]);
    reader.pages().release(first.slot);
    let expected = [3, 0].map(|at| Retired::Reusable(segment(at)));
    assert_eq!(ring.retire(9), expected, "what was held at the last look is tried last");
    reader.pages().release(second.slot);
    assert_eq!(ring.retire(9), [Retired::Reusable(segment(1))]);
}

#[test]
fn a_frame_that_was_put_back_is_read_as_before() {
    let mut ring = Ring::new(3);
    let mut holder = ring.reader(1, Policy::Sequential, 1);
    let mut other = ring.reader(1, Policy::Sequential, 1);
    ring.publish(2);
    let _hold = take(&mut holder);
    assert_eq!(ring.retire(1), [], "frame 1 is held, frame 2 is the newest");
    assert_eq!(use_all(&mut other), [1, 2]);
    assert_eq!(counters(&other), [2, 0, 0]);
}

#[test]
fn what_a_revoked_reader_holds_is_quarantined_and_all_else_is_reused() {
    let mut ring = Ring::new(4);
    let (member, page) = ring.member(2);
    let mut reader = ring.reader_of(page, 2, Policy::Sequential, 1);
    ring.publish(4);
    let (first, third) = (take(&mut reader), (use_one(&mut reader), take(&mut reader)).1);
    let held = member.revoke();
    assert_eq!(held, [first.context, third.context]);
    drop(ring.roster.change(|roster| {
        roster.members.clear();
        roster.quarantined.extend(held);
    }));
    assert_eq!(reader.try_take(), Taken::Revoked);
    assert_eq!(reader.take_context(context(4, 3)), super::super::Claim::Full);
    reader.pages().release(third.slot);
    assert_eq!(reader.take_context(context(4, 3)), super::super::Claim::Gone, "revoked readers get nothing");

    let expected = [Retired::Quarantined(segment(0)), Retired::Reusable(segment(1)), Retired::Quarantined(segment(2))];
    assert_eq!(ring.retire(9), expected, "even if it was released since: the broker cannot trust that");
}

/// Another frame of the same segment is not in quarantine: the object under the index is a new one.
#[test]
fn quarantine_names_a_frame_and_not_its_segment_index() {
    let mut ring = Ring::new(2);
    drop(ring.roster.change(|roster| roster.quarantined.push(context(1, 0))));
    ring.publish(2);
    assert_eq!(ring.retire(1), [Retired::Quarantined(segment(0))]);
    ring.writer.set_backing(segment(0), crate::Backing(1));
    ring.free.push(segment(0));
    ring.publish(1);
    assert_eq!(ring.retire(1), [Retired::Reusable(segment(1))]);
    ring.publish(1);
    assert_eq!(ring.retire(1), [Retired::Reusable(segment(0))]);
}

#[test]
fn quarantined_frames_in_a_batch_do_not_count_as_wanted() {
    let mut ring = Ring::new(6);
    let mut reader = ring.reader(1, Policy::Sequential, 1);
    ring.publish(6);
    let _hold = take(&mut reader);
    drop(ring.roster.change(|roster| roster.quarantined.push(context(2, 1))));
    assert_eq!(
        ring.retire(2),
        [Retired::Quarantined(segment(1)), Retired::Reusable(segment(2)), Retired::Reusable(segment(3))]
    );
}

#[test]
fn waiting_for_a_release_is_bounded_and_then_retires() {
    let mut ring = Ring::new(2);
    let mut reader = ring.reader(1, Policy::Sequential, 1);
    ring.publish(2);
    let hold = take(&mut reader);
    let mut freed = Vec::new();
    assert!(ring.writer.retire_or_ask(1, &mut freed), "the frame is held");
    // It comes back although nobody releases.
    ring.writer.releases().wait();
    assert_eq!(freed, []);
    reader.pages().release(hold.slot);
    assert!(!ring.writer.retire_or_ask(1, &mut freed), "there is nothing to wait for");
    assert_eq!(freed, [Retired::Reusable(segment(0))]);
}
