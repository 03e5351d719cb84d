//! Goal: the promises of the ring hold after every step, in whatever order frames come, readers take, hold, release, leave, are
//! evicted and die, the ring grows and shrinks, the source changes the size of its frames, segments are ordered, come, are given
//! up and freed, and a fixed pool is made whole again. Method: random steps over the broker's real stream, pool, admission,
//! factory and worker and the protocol's real writer and readers, in one process; beside them a model that only remembers what
//! was published, who holds what, and what each byte was. What the grab and the control thread tell each other is delivered late
//! and in random portions, as between threads.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod grabber;
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
    /// The control thread hears so many events of the grab thread.
    Hear(usize),
    /// The control thread hears of a segment that the worker has made.
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
    /// The source goes, and comes back with frames of so many bytes.
    Resize(usize),
    /// The grace time of segments that are no longer needed is over.
    Shrink,
    /// So much time passes that a fixed pool may be renewed.
    Renew,
}

fn step() -> impl Strategy<Value = Step> {
    let policy = prop_oneof![
        4 => Just(Policy::Sequential),
        2 => Just(Policy::Latest),
        1 => Just(Policy::Lossless),
        1 => Just(Policy::Upcoming),
    ];
    let who = 0..16usize;
    prop_oneof![
        8 => Just(Step::Frame),
        3 => (1..4usize).prop_map(Step::Hear),
        3 => Just(Step::Deliver),
        2 => (1..5usize, policy).prop_map(|(max_held, policy)| Step::Subscribe(max_held, policy)),
        8 => who.clone().prop_map(Step::Take),
        2 => (who.clone(), 0..12u64).prop_map(|(who, back)| Step::Acquire(who, back)),
        5 => (who.clone(), 0..4usize).prop_map(|(who, which)| Step::Release(who, which)),
        2 => who.clone().prop_map(Step::End),
        1 => who.clone().prop_map(Step::Die),
        1 => who.prop_map(Step::Bury),
        1 => Just(Step::Shrink),
        1 => Just(Step::Renew),
        1 => (1..4usize).prop_map(|size| Step::Resize(size * 32)),
    ]
}

fn setting() -> impl Strategy<Value = Setting> {
    let numbers = (1..3usize, 0..6usize, 0..12usize, 0..4usize, 0..24usize, any::<bool>());
    numbers.prop_map(|(min_queued, more, growth, history, memory, fixed_pool)| {
        let segments = min_queued + 1 + more;
        let memory_bytes = (segments + memory) * FIRST_BYTES;
        Setting { min_queued, segments, max_segments: segments + growth, history, memory_bytes, fixed_pool }
    })
}

/// Whole lives of rings, as many as fit in the time.
const LIVES_AT_ONCE: u32 = 64;
const TIME: Duration = Duration::from_secs(8);

#[test]
fn the_promises_hold_after_every_step() {
    let given = std::env::var("PROPTEST_RNG_SEED").ok().and_then(|text| text.parse().ok());
    let mut seed = given.unwrap_or_else(|| framebroker_protocol::realtime_ns() & 0xffff_ffff);
    let deadline = Instant::now() + TIME;
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
