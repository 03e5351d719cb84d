use proptest::prelude::*;

use super::*;

const TOLERANCE: u64 = 20;
const INTERVAL: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(1);

/// A frame of a test: its stream and the moment it was taken at.
type Frame = (usize, u64);

impl<T> Matched<T> {
    fn is_complete(&self) -> bool {
        self.members.iter().all(Option::is_some)
    }
}

fn open(streams: usize) -> Vec<Outlook> {
    vec![Outlook::Open; streams]
}

fn matcher(streams: usize) -> (Matcher<Frame>, Instant) {
    (Matcher::new(streams, TOLERANCE, PATIENCE), Instant::now())
}

#[test]
fn frames_within_the_tolerance_belong_together() {
    let (mut matcher, now) = matcher(2);
    assert!(matcher.push(0, 1000, now, (0, 1)).is_empty());
    assert_eq!(matcher.next(now, &open(2)), None, "the other may still come");
    matcher.push(1, 1020, now, (1, 1));
    let set = matcher.next(now, &open(2)).unwrap();
    assert_eq!((set.is_complete(), set.skew), (true, 20));
    assert_eq!(matcher.next(now, &open(2)), None);
}

#[test]
fn a_frame_without_partner_is_let_go_when_the_next_one_shows_it() {
    let (mut matcher, now) = matcher(2);
    matcher.push(0, 1000, now, (0, 1));
    matcher.push(1, 1021, now, (1, 1));
    assert_eq!(matcher.next(now, &open(2)).unwrap().members, [Some((0, 1)), None]);
    assert_eq!(matcher.next(now, &open(2)), None, "the later one still has a chance");
    matcher.push(0, 1030, now, (0, 2));
    assert!(matcher.next(now, &open(2)).unwrap().is_complete());
}

/// Goal: who gets no set learns what came, and how near that was. Method: frames that are half an interval apart, then others nearer.
#[test]
fn what_came_since_the_last_set_is_known() {
    let (mut matcher, now) = matcher(2);
    assert_eq!(matcher.since_last(), Unmatched::default());
    matcher.push(0, 1000, now, (0, 1));
    assert_eq!(matcher.next(now + PATIENCE, &open(2)).unwrap().members, [Some((0, 1)), None]);
    assert_eq!(matcher.since_last(), Unmatched { frames: 1, nearest: None });
    for (key, apart) in [(1100, 50), (1200, 30), (1300, 40)] {
        matcher.push(0, key, now, (0, 1));
        matcher.push(1, key + apart, now, (1, 1));
        while matcher.next(now, &open(2)).is_some_and(|set| !set.is_complete()) {}
    }
    assert_eq!(matcher.since_last(), Unmatched { frames: 7, nearest: Some(30) });
    matcher.count_anew();
    assert_eq!(matcher.since_last(), Unmatched { frames: 1, nearest: None }, "one waits");
}

#[test]
fn a_silent_stream_is_not_waited_for_and_an_open_one_not_for_ever() {
    let (mut matcher, now) = matcher(3);
    matcher.push(0, 1000, now, (0, 1));
    matcher.push(2, 1001, now, (2, 1));
    let silent = [Outlook::Open, Outlook::Silent, Outlook::Open];
    assert_eq!(matcher.next(now, &silent).unwrap().members, [Some((0, 1)), None, Some((2, 1))]);
    matcher.push(0, 1100, now, (0, 2));
    assert_eq!(matcher.next(now, &open(3)), None);
    assert_eq!(matcher.decides_at(), Some(now + PATIENCE));
    assert_eq!(matcher.next(now + PATIENCE, &open(3)).unwrap().members, [Some((0, 2)), None, None]);
}

#[test]
fn who_can_hold_no_more_gives_up_all_but_the_last() {
    let (mut matcher, now) = matcher(2);
    matcher.push(0, 1000, now, (0, 1));
    matcher.push(0, 1100, now, (0, 2));
    assert_eq!(
        matcher.next(now, &[Outlook::Open, Outlook::Full]),
        None,
        "it is the other that is full, of others' frames"
    );
    let full = [Outlook::Full, Outlook::Open];
    assert_eq!(matcher.next(now, &full).unwrap().members, [Some((0, 1)), None]);
    assert_eq!(matcher.next(now, &full), None, "the last one may yet find its partner");
    matcher.push(1, 1101, now, (1, 1));
    assert_eq!(matcher.next(now, &full).unwrap().members, [Some((0, 2)), Some((1, 1))]);
    matcher.push(0, 1200, now, (0, 3));
    assert_eq!(
        matcher.next(now + PATIENCE, &full).unwrap().members,
        [Some((0, 3)), None],
        "it waits no longer than others"
    );
}

#[test]
fn a_count_that_begins_anew_gives_back_what_came_before() {
    let (mut matcher, now) = matcher(2);
    matcher.push(0, 1000, now, (0, 1));
    matcher.push(0, 1100, now, (0, 2));
    assert_eq!(matcher.push(0, 5, now, (0, 3)), [(0, 1), (0, 2)]);
    assert_eq!(matcher.waiting(0), 1);
    matcher.push(1, 6, now, (1, 3));
    assert!(matcher.next(now, &open(2)).unwrap().is_complete());
}

/// What happens to the streams: at each tick each has a frame or not, a little early or late; and in which order they come.
#[derive(Debug, Clone)]
struct Story {
    streams: usize,
    depth: usize,
    /// For each tick and stream: how late, if there is a frame.
    ticks: Vec<Vec<Option<u64>>>,
    /// Which stream says its next frame.
    order: Vec<usize>,
}

fn stories() -> impl Strategy<Value = Story> {
    (2..5usize, 1..6usize).prop_flat_map(|(streams, depth)| {
        let frame = prop_oneof![5 => (0..=TOLERANCE).prop_map(Some), 1 => Just(None)];
        let ticks = proptest::collection::vec(proptest::collection::vec(frame, streams), 1..40);
        let order = proptest::collection::vec(0..streams, 400);
        (ticks, order).prop_map(move |(ticks, order)| Story { streams, depth, ticks, order })
    })
}

/// Plays a story: frames come in some order, each stream's own in theirs, and no queue takes more than `depth`. Returns the
/// sets, in their order, and whether anyone had to be given up for want of room.
fn play(story: &Story, depth: usize) -> (Vec<Matched<Frame>>, bool) {
    let (mut matcher, now) = matcher(story.streams);
    let mut coming: Vec<VecDeque<(u64, Frame)>> = (0..story.streams)
        .map(|stream| {
            let of_tick = |(tick, row): (u64, &Vec<Option<u64>>)| {
                row[stream].map(|late| (tick * INTERVAL + late, (stream, tick)))
            };
            (1..).zip(&story.ticks).filter_map(of_tick).collect()
        })
        .collect();
    let (mut sets, mut was_full) = (Vec::new(), false);
    for stream in story.order.iter().copied().chain((0..story.streams).cycle()) {
        if coming.iter().all(VecDeque::is_empty) {
            break;
        }
        if matcher.waiting(stream) < depth
            && let Some((key, frame)) = coming[stream].pop_front()
        {
            assert!(matcher.push(stream, key, now, frame).is_empty());
        }
        let outlook: Vec<Outlook> = (0..story.streams)
            .map(|stream| match (coming[stream].is_empty(), matcher.waiting(stream) >= depth) {
                (_, true) => Outlook::Full,
                (true, false) => Outlook::Silent,
                (false, false) => Outlook::Open,
            })
            .collect();
        was_full |= outlook.contains(&Outlook::Full);
        sets.extend(std::iter::from_fn(|| {
            // Who is full is so only until the first set is taken.
            let outlook: Vec<Outlook> = outlook
                .iter()
                .enumerate()
                .map(
                    |(at, seen)| {
                        if *seen == Outlook::Full && matcher.waiting(at) < depth { Outlook::Open } else { *seen }
                    },
                )
                .collect();
            matcher.next(now, &outlook)
        }));
        assert!((0..story.streams).all(|stream| matcher.waiting(stream) <= depth));
    }
    sets.extend(std::iter::from_fn(|| matcher.next(now, &vec![Outlook::Silent; story.streams])));
    (sets, was_full)
}

proptest! {
    /// Goal: whatever comes in whatever order, every frame is in exactly one set, in its stream's order; no set mixes ticks;
    /// no skew is above the tolerance.
    #[test]
    fn every_frame_is_in_one_set_with_its_own(story in stories()) {
        let (sets, _) = play(&story, story.depth);
        let mut seen: Vec<Vec<u64>> = vec![Vec::new(); story.streams];
        for set in &sets {
            prop_assert!(set.skew <= TOLERANCE);
            let ticks: Vec<u64> = set.members.iter().flatten().map(|(_, tick)| *tick).collect();
            prop_assert!(!ticks.is_empty() && ticks.iter().all(|tick| *tick == ticks[0]), "{set:?}");
            for (stream, tick) in set.members.iter().flatten() {
                seen[*stream].push(*tick);
            }
        }
        for (stream, seen) in seen.iter().enumerate() {
            let sent: Vec<u64> = (1..).zip(&story.ticks).filter(|(_, row)| row[stream].is_some()).map(|(tick, _)| tick).collect();
            prop_assert_eq!(seen, &sent);
        }
    }

    /// Goal: while there is room, every tick of which all streams have a frame comes as a complete set, and the others once.
    #[test]
    fn with_room_enough_no_set_is_torn(story in stories()) {
        let (sets, was_full) = play(&story, 1000);
        prop_assert!(!was_full);
        let whole = story.ticks.iter().filter(|row| row.iter().all(Option::is_some)).count();
        let partial = story.ticks.iter().filter(|row| row.iter().any(Option::is_some)).count() - whole;
        prop_assert_eq!(sets.iter().filter(|set| set.is_complete()).count(), whole);
        prop_assert_eq!(sets.iter().filter(|set| !set.is_complete()).count(), partial);
    }
}
