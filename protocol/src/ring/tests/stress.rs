//! One writer and several readers at full speed: no frame torn, none twice, all accounted for.

use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::StreamState;
use crate::ring::{Start, WaitMode};
use crate::sync::AtomicU64;

const FRAMES: u64 = 300_000;
const SEGMENTS: usize = 12;
const WORDS: usize = 16;
/// The whole test takes seconds; one that hangs ends here.
const DEADLINE: Duration = Duration::from_secs(120);

/// Payload as another process would see it: words, each of which must be the frame's own.
struct Payload(Vec<[AtomicU64; WORDS]>);

#[expect(clippy::indexing_slicing, reason = "a word for every segment of the test")]
impl Payload {
    fn fill(&self, segment: SegmentIndex, sequence: u64) {
        for (word, at) in self.0[segment.as_usize()].iter().zip(0..) {
            word.store(sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at, Ordering::Relaxed);
        }
    }

    fn verify(&self, hold: &Hold) {
        let sequence = hold.context.sequence().0;
        assert_eq!(hold.header.context_id(), Some(hold.context), "another frame's header");
        assert_eq!(hold.header.block_id, sequence, "another frame's header");
        for (word, at) in self.0[hold.context.segment().as_usize()].iter().zip(0..) {
            let found = word.load(Ordering::Relaxed);
            assert_eq!(found, sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at, "torn frame {sequence}, word {at}");
        }
    }
}

/// The ring waits for one of the readers, the others keep what pace they can.
#[test]
fn four_readers_of_four_policies_get_whole_frames() {
    let mut ring = Ring::new(SEGMENTS);
    let (lossless, lossless_page) = ring.member(1);
    assert_eq!(ring.writer.adopt_lossless(&lossless, Start::Next), Sequence(1));
    let readers = vec![
        (ring.reader_of(lossless_page, 1, Policy::Lossless, 1), WaitMode::Block),
        (ring.reader(3, Policy::Sequential, 1), WaitMode::Block),
        (ring.reader(2, Policy::Latest, 1), WaitMode::SpinThenBlock(Duration::from_micros(5))),
        (ring.reader(1, Policy::Upcoming, 1), WaitMode::Block),
    ];
    run(&mut ring, readers);
}

/// As few segments as can be: nearly every frame is retired while a reader reaches for it.
#[test]
fn readers_that_are_lapped_all_the_time_get_whole_frames() {
    let mut ring = Ring::new(6);
    let readers = [1, 1, 2].map(|granted| (ring.reader(granted, Policy::Sequential, 1), WaitMode::Spin));
    run(&mut ring, readers.into());
}

fn run(ring: &mut Ring, readers: Vec<(Reader, WaitMode)>) {
    let payload = &Payload((0..SEGMENTS).map(|_| Default::default()).collect());
    let begin = Instant::now();
    thread::scope(|scope| {
        let reading: Vec<_> = readers
            .into_iter()
            .map(|(reader, mode)| scope.spawn(move || read_to_the_end(reader, mode, payload, begin)))
            .collect();
        write(ring, payload, begin);
        for reader in reading {
            let reader = reader.join().expect("the reader finds every frame whole");
            let [received, lost, skipped] = counters(&reader);
            println!("{:?}: {received} received, {lost} lost, {skipped} skipped", reader.policy());
            assert_eq!((received + lost + skipped, reader.held()), (FRAMES, 0));
            match reader.policy() {
                Policy::Lossless => assert_eq!(received, FRAMES),
                Policy::Sequential => assert_eq!(skipped, 0),
                Policy::Latest | Policy::Upcoming => assert_eq!(lost, 0),
            }
        }
    });
}

/// Publishes all frames; waits for a segment where readers hold the ring up.
fn write(ring: &mut Ring, payload: &Payload, begin: Instant) {
    let mut freed = Vec::with_capacity(SEGMENTS);
    for sequence in 1..=FRAMES {
        while ring.free.is_empty() {
            assert!(begin.elapsed() < DEADLINE, "readers hold the ring up");
            if ring.writer.retire_or_ask(1, &mut freed) {
                ring.writer.releases().wait();
            }
            ring.free.extend(freed.drain(..).map(|retired| match retired {
                Retired::Reusable(segment) => segment,
                Retired::Quarantined(segment) => panic!("nobody was revoked, but {segment} is quarantined"),
            }));
        }
        let segment = ring.free.pop().expect("one was waited for");
        payload.fill(segment, sequence);
        let header = FrameHeader { block_id: sequence, ..header() };
        let (_, calls) = ring.writer.publish(segment, header, crate::monotonic_ns());
        ring.writer.wake(calls);
    }
    let calls = ring.writer.set_state(StreamState::Closed);
    ring.writer.wake(calls);
}

/// Holds as many frames as it may, verifies each when it comes and when it goes.
fn read_to_the_end(mut reader: Reader, mode: WaitMode, payload: &Payload, begin: Instant) -> Reader {
    let mut held = std::collections::VecDeque::<Hold>::new();
    let mut last = 0;
    loop {
        // Read before the ring is found empty: who sees the end sees every frame before it.
        let ended = reader.see_state() == StreamState::Closed;
        match reader.try_take() {
            Taken::Frame(hold) => {
                assert!(hold.context.sequence().0 > last, "delivered twice or backwards");
                last = hold.context.sequence().0;
                payload.verify(&hold);
                held.push_back(hold);
            }
            Taken::Empty if ended || begin.elapsed() > DEADLINE => break,
            Taken::Full => give_back(&reader, payload, &mut held),
            Taken::Empty if !held.is_empty() => give_back(&reader, payload, &mut held),
            Taken::Empty => reader.wait_by(mode, Duration::from_millis(250)),
            Taken::Revoked => panic!("nobody revokes"),
        }
    }
    while !held.is_empty() {
        give_back(&reader, payload, &mut held);
    }
    reader
}

fn give_back(reader: &Reader, payload: &Payload, held: &mut std::collections::VecDeque<Hold>) {
    if let Some(hold) = held.pop_front() {
        payload.verify(&hold);
        reader.pages().release(hold.slot);
    }
}
