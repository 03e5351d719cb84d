//! All of it at once, for a given time: the sources go and come back as in the campaign sources, while readers in three languages are
//! killed and stopped as in the campaign kill.
//!
//! Goal: nothing grows with time, and nothing is lost that was promised. Method: rounds of the campaign sources, with victims beside
//! until each round is checked; after half the time the broker's memory is looked at, and in the end it must be what it was then.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use framebroker_tests::{Chance, PATIENCE};

use crate::campaign::{Campaign, Orders};
use crate::kill::blow::{Blow, End};
use crate::kill::level::private_bytes;
use crate::kill::programs::Programs;
use crate::kill::victim::{self, Language, POLICIES, SHARED, SOCKET};
use crate::sources::Field;

pub const SOAK: Campaign = Campaign {
    name: "soak",
    about: "sources come and go while readers are killed and stopped; a round is a minute",
    few: 1,
    fight,
};

const LANGUAGES: [Language; 3] = [Language::Rust, Language::C, Language::Python];
/// By how much private memory may differ that does not grow: what allocators keep.
const MEMORY_BYTES: u64 = 4 << 20;

fn fight(orders: Orders) -> String {
    let programs = Programs::build();
    let mut field = Field::begin(orders.seed);
    let mut chance = Chance::of(orders.seed);
    let (socket, broker) = (field.rig.broker.socket().to_owned(), field.rig.broker.pid());
    let began = Instant::now();
    let time = Duration::from_secs(60 * orders.rounds);
    let (mut rounds, mut victims, mut half_bytes) = (0, 0, None);
    while began.elapsed() < time {
        let is_over = AtomicBool::new(false);
        let (fates, attempts) = std::thread::scope(|scope| {
            let striking = scope.spawn(|| strike_all(&programs, &socket, &mut chance, &is_over));
            let round = field.suffer();
            is_over.store(true, Ordering::Relaxed);
            victims += striking.join().expect("what broke is told above");
            round
        });
        field.must_be_whole(&fates, &attempts);
        rounds += 1;
        if began.elapsed() >= time / 2 {
            half_bytes.get_or_insert_with(|| private_bytes(broker));
        }
    }
    let end = private_bytes(broker);
    let half = half_bytes.unwrap_or(end);
    assert!(end <= half + MEMORY_BYTES, "the broker's memory grew from {half} to {end} bytes in half the time");
    field.end();
    let (half_kb, end_kb) = (half >> 10, end >> 10);
    format!(
        "{rounds} rounds of sources, {victims} victims; private memory {half_kb} kB at half time, {end_kb} kB in the end"
    )
}

/// Strikes readers of the pattern, one after the other; returns how many. None is lossless: the source would wait for it, and no
/// longer for the others.
fn strike_all(programs: &Programs, socket: &Path, chance: &mut Chance, is_over: &AtomicBool) -> u64 {
    let policies: Vec<_> = POLICIES.into_iter().filter(|(policy, _)| *policy != "lossless").collect();
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let (language, end) = (chance.one_of(&LANGUAGES), chance.one_of(&End::ALL));
        let terms = (chance.one_of(&policies), chance.one_of(&[SHARED, SOCKET]));
        let blow = Blow::draw(chance, language.work() * 3, None, end);
        let mut victim = victim::reader(programs, language, terms, "pattern", socket, &blow);
        let (struck, _) = blow.strike(&mut victim, PATIENCE, || {});
        victim::finish(victim, &blow, struck, || chance.pause(Duration::from_millis(200)));
        count += 1;
    }
    count
}
