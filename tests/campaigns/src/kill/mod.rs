//! Processes are killed and stopped, at random moments and at each stop point of the product, beside witnesses.
//!
//! Goal: nothing is left of a victim, and nobody beside it notices anything. Method: readers of every policy and delivery, and
//! producers, in Rust, C and Python, each get SIGKILL, or SIGSTOP and later SIGKILL or SIGCONT, while the ring grows, shrinks and
//! changes the size of its frames; so does the broker. After each round the broker has no session, hold, segment, descriptor or
//! thread more than before; the witnesses, which hold a frame all the time, have found every byte right, and lossless ones every
//! frame; what a victim saw that went on was right, too. A broker that was killed has a successor at the same socket, whom its
//! readers join, and nothing is left of both.

pub mod blow;
mod brokers;
mod deck;
pub mod level;
mod points;
pub mod programs;
mod stage;
pub mod victim;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use framebroker_tests::{Chance, PATIENCE};

use self::blow::{Blow, End};
use self::brokers::Attack;
use self::deck::Deck;
use self::programs::Programs;
use self::stage::{Change, Stage};
use self::victim::{Language, POLICIES, SHARED, SOCKET, Term};
use crate::campaign::{Campaign, Orders};

pub const KILL: Campaign = Campaign {
    name: "kill",
    about: "readers, producers and brokers are killed and stopped, also at named points of the product",
    few: 300,
    fight,
};

/// A round that takes longer is told of.
const SLOW: Duration = Duration::from_secs(5);

/// A point that is never reached in so many attacks is none.
const ENOUGH: u64 = 12;

/// Who is attacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Reader(Language),
    Producer(Language),
    /// A reader that holds for longer than it may.
    Holder,
    Broker,
}

/// Of 25 victims, how many are which.
const SHARES: [(Who, usize); 8] = [
    (Who::Reader(Language::Rust), 8),
    (Who::Reader(Language::C), 4),
    (Who::Reader(Language::Python), 2),
    (Who::Producer(Language::Rust), 4),
    (Who::Producer(Language::C), 2),
    (Who::Producer(Language::Python), 1),
    (Who::Holder, 1),
    (Who::Broker, 3),
];

fn fight(orders: Orders) -> String {
    let mut war = War::begin(orders.seed);
    for round in 1..=orders.rounds {
        war.fight(round);
        if round % 100 == 0 {
            println!("{round} rounds");
        }
    }
    war.end()
}

struct War {
    chance: Chance,
    programs: Programs,
    stage: Stage,
    leased: Stage,
    who: Deck<Who>,
    terms: Deck<(Term, Term)>,
    ends: Deck<End>,
    /// Half of all blows come at a stop point.
    is_random: Deck<bool>,
    points: Points,
    tally: BTreeMap<(Who, End), u64>,
}

/// The stop points of each kind of victim, and how often each was tried and reached.
struct Points {
    shared: Deck<&'static str>,
    socket: Deck<&'static str>,
    evicted: Deck<&'static str>,
    producer: Deck<&'static str>,
    broker: Deck<&'static str>,
    reached: BTreeMap<(&'static str, &'static str), (u64, u64)>,
}

impl War {
    fn begin(seed: u64) -> Self {
        let programs = Programs::build();
        let (stage, leased) = (Stage::begin(&programs), Stage::with_lease(&programs));
        let terms = POLICIES.into_iter().flat_map(|policy| [(policy, SHARED), (policy, SOCKET)]);
        Self {
            chance: Chance::of(seed),
            programs,
            stage,
            leased,
            who: Deck::new(SHARES.into_iter().flat_map(|(who, share)| std::iter::repeat_n(who, share))),
            terms: Deck::new(terms),
            ends: Deck::new(End::ALL),
            is_random: Deck::new([true, false]),
            points: Points::new(),
            tally: BTreeMap::new(),
        }
    }

    /// One round; what it tries is told where it fails.
    fn fight(&mut self, round: u64) {
        let Self { chance, who, terms, ends, is_random, points, .. } = self;
        let (who, terms, end) = (who.draw(chance), terms.draw(chance), ends.draw(chance));
        let (kind, deck) = match who {
            Who::Reader(_) if terms.1 == SHARED => ("reader", &mut points.shared),
            Who::Reader(_) => ("reader", &mut points.socket),
            Who::Holder => ("reader", &mut points.evicted),
            Who::Producer(_) => ("producer", &mut points.producer),
            Who::Broker => ("broker", &mut points.broker),
        };
        let point = (!is_random.draw(chance)).then(|| deck.draw(chance));
        let longest = match who {
            Who::Reader(language) | Who::Producer(language) => language.work(),
            Who::Holder | Who::Broker => Duration::from_millis(300),
        };
        let skipped = if who == Who::Broker { point.map_or(0, points::passes_at_start) } else { 0 };
        let blow = Blow::draw(chance, longest, point.map(|name| (name, skipped)), end);
        let change =
            Change::draw(chance, point.is_some_and(|name| name.starts_with("growth") || name.starts_with("shrink")));
        let told = Told(format!("round {round}: {who:?} {terms:?} {blow:?}, meanwhile {change:?}"));
        let began = Instant::now();
        let was_there = match who {
            Who::Reader(language) => self.reader(language, terms, &blow, change),
            Who::Producer(language) => self.producer(language, &blow, change),
            Who::Holder => self.holder(&blow, terms.1),
            Who::Broker => {
                let named = point.is_none() && self.chance.below(4) == 0;
                Attack { blow, named }.fight(&self.programs, &mut self.chance)
            }
        };
        let took = began.elapsed();
        if took > SLOW {
            println!("{took:.1?} for {}", told.0);
        }
        drop(told);
        *self.tally.entry((who, end)).or_default() += 1;
        if let Some(point) = point {
            let (tried, reached) = self.points.reached.entry((kind, point)).or_default();
            *tried += 1;
            *reached += u64::from(was_there);
        }
    }

    fn reader(&mut self, language: Language, terms: (Term, Term), blow: &Blow, change: Change) -> bool {
        let Self { programs, stage, .. } = self;
        let mut victim = victim::reader(programs, language, terms, "cam0", stage.socket(), blow);
        let struck = blow.strike(&mut victim, PATIENCE * 2, || stage.change(change));
        stage.finish(victim, blow, struck, terms.0.0 == "lossless")
    }

    fn producer(&mut self, language: Language, blow: &Blow, change: Change) -> bool {
        let Self { programs, stage, .. } = self;
        let mut victim = victim::producer(programs, language, stage.socket(), blow);
        let struck = blow.strike(&mut victim, PATIENCE * 2, || stage.change(change));
        stage.finish(victim, blow, struck, false)
    }

    fn holder(&mut self, blow: &Blow, delivery: Term) -> bool {
        let Self { programs, leased, .. } = self;
        let mut victim = victim::holder(programs, delivery, leased.socket(), blow);
        let struck = blow.strike(&mut victim, PATIENCE * 2, || {});
        leased.finish(victim, blow, struck, false)
    }

    fn end(self) -> String {
        let Self { stage, leased, tally, points, .. } = self;
        let mut told = String::new();
        for ((who, end), count) in tally {
            told += &format!("{count:6} {who:?} {end:?}\n");
        }
        for ((kind, point), (tried, reached)) in &points.reached {
            told += &format!("{reached:6} of {tried} at {point} ({kind})\n");
            assert!(*reached > 0 || *tried < ENOUGH, "{point} was never reached in {tried} attacks on a {kind}");
        }
        format!("{told}{}\n{}, with a lease", stage.end(), leased.end())
    }
}

impl Points {
    fn new() -> Self {
        let both = |one: &[&'static str], other: &[&'static str]| Deck::new([one, other].concat());
        Self {
            shared: both(points::READER, points::SHARED),
            socket: both(points::READER, points::SOCKET),
            evicted: both(points::EVICTED, &[]),
            producer: both(points::PRODUCER, &[]),
            broker: both(points::BROKER, &[]),
            reached: BTreeMap::new(),
        }
    }
}

/// What is tried, told on standard error where it fails.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}
