//! Goal: the promises of the ring hold after every step, in whatever order frames come, readers take, hold, release, leave, are
//! evicted and die, the ring grows and shrinks, a camera is set, lost and found, producers come, change, die and come again,
//! segments are ordered, come, are given up and freed, and a fixed pool is made whole again. Method: random steps over the
//! broker's own parts in one process: the loop of the grab thread with its handling of commands, the stream, pool, admission,
//! factory and worker, and the protocol's readers; beside them a model that only remembers what was published, who holds what,
//! and what each byte was. What the grab and the session thread tell each other is delivered late and in random portions, as
//! between threads.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod checks;
mod grab_side;
mod scripted;
mod world;

use std::time::{Duration, Instant};

use framebroker_protocol::message::Policy;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};

use self::world::{FIRST_BYTES, Setting, World};

/// One thing that happens. Numbers choose among those that are there.
#[derive(Debug, Clone)]
pub enum Step {
    /// The source fills a segment; the grab thread does all it does for a frame.
    Frame,
    /// The source fills segments, and the grab thread does not look yet.
    Fill(usize),
    /// So many commands of the session thread come to the grab thread.
    Obey(usize),
    /// The session thread hears so many events of the grab thread.
    Hear(usize),
    /// The session thread hears of a segment that the worker has made.
    Deliver,
    /// A reader asks to be admitted.
    Subscribe(usize, Policy),
    /// A reader takes its next frame.
    Take(usize),
    /// Takes a frame by its context ID, so many before the newest.
    Acquire(usize, u64),
    /// A reader gives back one of its frames.
    Release(usize, usize),
    /// The subscription ends while its process lives and reads on: evicted, or left with frames held.
    End(usize),
    /// The process of a reader dies.
    Die(usize),
    /// The process of a reader whose subscription has ended dies.
    Bury(usize),
    /// The device thread asks for the source; or gives it back with frames of so many bytes, or lost.
    Lend(usize, bool),
    /// The camera is lost.
    Pull,
    /// A producer comes, or has other frames, of so many bytes.
    Produce(usize),
    /// The producer ends.
    EndProducer,
    /// The producer ends, and is started again at once, as a supervisor does.
    RestartProducer(usize),
    /// So many seconds pass: a lost camera is found, what is too much is given up, a fixed pool may be renewed.
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let policy = prop_oneof![
        4 => Just(Policy::Sequential),
        2 => Just(Policy::Latest),
        2 => Just(Policy::Lossless),
        1 => Just(Policy::Upcoming),
    ];
    let who = 0..16usize;
    prop_oneof![
        8 => Just(Step::Frame),
        1 => (1..4usize).prop_map(Step::Fill),
        4 => (0..6usize).prop_map(Step::Obey),
        4 => (1..4usize).prop_map(Step::Hear),
        3 => Just(Step::Deliver),
        2 => (1..5usize, policy).prop_map(|(max_held, policy)| Step::Subscribe(max_held, policy)),
        8 => who.clone().prop_map(Step::Take),
        2 => (who.clone(), 0..12u64).prop_map(|(who, back)| Step::Acquire(who, back)),
        5 => (who.clone(), 0..4usize).prop_map(|(who, which)| Step::Release(who, which)),
        2 => who.clone().prop_map(Step::End),
        1 => who.clone().prop_map(Step::Die),
        1 => who.prop_map(Step::Bury),
        1 => prop_oneof![1..7u64, Just(1000)].prop_map(Step::Pass),
        2 => (1..4usize, 0..8).prop_map(|(size, fate)| Step::Lend(size * 32, fate == 0)),
        1 => Just(Step::Pull),
        2 => (1..4usize).prop_map(|size| Step::Produce(size * 32)),
        1 => Just(Step::EndProducer),
        2 => (1..4usize).prop_map(|size| Step::RestartProducer(size * 32)),
    ]
}

fn setting() -> impl Strategy<Value = Setting> {
    let numbers = (1..4usize, 0..6usize, 0..12usize, 0..4usize, 0..24usize);
    // A source that can pause does so for as long as it may, or hardly.
    let timeout = prop_oneof![1 => Just(Duration::from_nanos(1)), 3 => Just(Duration::from_secs(3600))];
    let source = (any::<bool>(), prop::bool::weighted(0.7), any::<bool>(), timeout);
    (numbers, source).prop_map(|((min_queued, more, growth, history, memory), source)| {
        let segments = min_queued + 1 + more;
        let (fixed_pool, can_pause, is_produced, lossless_timeout) = source;
        Setting {
            min_queued,
            segments,
            max_segments: segments + growth,
            history,
            memory_bytes: (segments + memory) * FIRST_BYTES,
            fixed_pool,
            can_pause,
            lossless_timeout,
            is_produced,
        }
    })
}

/// Whole lives of rings, as many as fit in the time; `INTERLEAVINGS_SECONDS` gives them more.
const LIVES_AT_ONCE: u32 = 64;
const SECONDS: u64 = 8;

#[test]
fn the_promises_hold_after_every_step() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let mut seed = number("PROPTEST_RNG_SEED").unwrap_or_else(|| framebroker_protocol::realtime_ns() & 0xffff_ffff);
    let deadline = Instant::now() + Duration::from_secs(number("INTERLEAVINGS_SECONDS").unwrap_or(SECONDS));
    while Instant::now() < deadline {
        println!("seed {seed}; again with PROPTEST_RNG_SEED={seed}");
        let config = Config {
            cases: LIVES_AT_ONCE,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            // Shrinking a failure has its end, too.
            max_shrink_time: 30_000,
            ..Config::default()
        };
        let life = (setting(), proptest::collection::vec(step(), 1..250));
        let ended = TestRunner::new(config).run(&life, |(setting, steps)| {
            let mut world = World::new(setting);
            for step in &steps {
                world.step(step);
                world.check();
            }
            world.end();
            Ok(())
        });
        if let Err(TestError::Fail(why, (setting, steps))) = &ended {
            panic!("seed {seed}: {why}\n{setting:?}\n{steps:#?}");
        }
        ended.unwrap();
        seed += 1;
    }
}

/// A producer that can pause, and does: the ring is full of frames that a lossless reader has not taken, and the producer has
/// filled more.
fn full_of_awaited_frames() -> World {
    let mut world = World::new(Setting {
        min_queued: 4,
        segments: 8,
        max_segments: 16,
        history: 0,
        memory_bytes: 64 * FIRST_BYTES,
        fixed_pool: false,
        can_pause: true,
        lossless_timeout: Duration::from_secs(3600),
        is_produced: true,
    });
    for step in [Step::Produce(FIRST_BYTES), Step::Subscribe(2, Policy::Lossless)] {
        world.step(&step);
        world.settle();
    }
    while !world.awaits_reader() {
        world.step(&Step::Frame);
        world.check();
    }
    world.step(&Step::Fill(3));
    world
}

/// The orders of commands that once were handled inside each other, so that a stream lost its source, or seemed to have one.
#[test]
fn commands_are_handled_one_after_the_other() {
    let restart = vec![Step::RestartProducer(64), Step::Obey(9)];
    let change_and_restart = vec![Step::Produce(32), Step::RestartProducer(64), Step::Obey(9)];
    let heard = [Step::Obey(9), Step::Hear(9)];
    let die_while_starting = [&[Step::Produce(32)], &heard[..], &[Step::EndProducer, Step::Obey(9)]].concat();
    for steps in [restart, change_and_restart, die_while_starting] {
        let mut world = full_of_awaited_frames();
        for step in &steps {
            world.step(step);
            world.check();
        }
        world.settle();
        world.check();
        world.end();
    }
}
