//! Descriptors, memory, room, threads or patience are short, at every system call that the broker and the client library make.
//!
//! Goal: an error with its cause or success, no panic, nothing leaked; who was there before is served on, in order; and all goes well
//! again when the shortage is over. Method: the n-th call of each kind fails, one after the other, then some at random: in a broker
//! whose ring grows and shrinks while consumers and a producer come and go, and in a consumer and a producer.

mod calls;
mod load;
mod patience;
mod shortages;
mod supervisor;
mod visit;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use framebroker_tests::actor::figure;
use framebroker_tests::{Actor, Broker, Chance, Scratch, binaries};

use self::calls::{CALLS, name_of};
use self::load::Load;
use self::shortages::{Plan, Shortages, Site};
use self::visit::Guests;
use crate::campaign::{Campaign, Orders};

pub const SHORTAGE: Campaign = Campaign {
    name: "shortage",
    about: "system calls of the broker and its clients fail for want of something; some three rounds a second",
    few: 100,
    fight,
};

/// How long a broker or client may take until all goes well again, from the first visit on that fails after the shortage …
const RECOVERY: Duration = Duration::from_secs(20);
/// … and of how many visits one must be good: on a busy machine a single one may fail for want of time.
const VISITS: u32 = 4;
/// Of each kind so many calls fail one after the other; of those that come later, one in each doubling.
const EACH: u64 = 48;
/// At random, one call in so many fails.
const ONE_IN: [usize; 4] = [4, 12, 40, 120];
/// Of the rounds, so many in a hundred fail calls at random, unless there are more rounds than calls.
const AT_RANDOM: u64 = 30;

/// A ring whose producer has gone keeps the frames that it had, of one round or another.
const SEGMENTS: usize = 5;

/// Whose calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Party {
    Broker,
    Consumer,
    Producer,
}

const PARTIES: [Party; 3] = [Party::Broker, Party::Consumer, Party::Producer];

fn fight(orders: Orders) -> String {
    let mut field = Field::begin(orders.seed);
    patience::broker_must_not_spin(&field.broker, &field.shortages[Party::Broker as usize]);
    patience::consumer_must_not_spin(&mut field.guests, &field.shortages[Party::Consumer as usize]);
    let mut sites = field.sites();
    let all = sites.len();
    let mut told = Told::default();
    for round in 0..orders.rounds {
        let at_random = sites.is_empty() || all as u64 > orders.rounds && round % 100 < AT_RANDOM;
        let (party, plan) = if at_random {
            let seed = field.chance.below(usize::MAX) as u64;
            (field.chance.one_of(&PARTIES), Plan::Some(Chance::of(seed), field.chance.one_of(&ONE_IN)))
        } else {
            let (party, site) = sites.swap_remove(field.chance.below(sites.len()));
            (party, Plan::One(site))
        };
        field.fight(party, plan, &mut told);
    }
    field.end();
    format!("{all} places; {told}")
}

/// What is said at the end.
#[derive(Debug, Default)]
struct Told {
    failed: BTreeMap<(&'static str, &'static str), u64>,
    answers: BTreeMap<String, u64>,
    slowest: Duration,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count: u64 = self.failed.values().sum();
        write!(f, "{count} calls failed, and the slowest recovery took {:.1?}", self.slowest)?;
        let failed = self.failed.iter().map(|((call, error), count)| format!("{call} {error} {count}"));
        write!(f, "\nfailed: {}", failed.collect::<Vec<_>>().join(", "))?;
        let answers = self.answers.iter().map(|(answer, count)| format!("{count} x {answer}"));
        write!(f, "\nanswers:\n  {}", answers.collect::<Vec<_>>().join("\n  "))
    }
}

struct Field {
    chance: Chance,
    broker: Broker,
    witnesses: Vec<Actor>,
    guests: Guests,
    shortages: [Shortages; 3],
    before: [Belongings; 3],
    _scratch: Scratch,
}

impl Field {
    fn begin(seed: u64) -> Self {
        let scratch = Scratch::default();
        // On a machine that has much to do a reader may be late.
        let tables = "[[stream]]\nname = 'cam0'\nwidth = 64\nheight = 48\nfps = 200\nsegments = 12\nshrink-after = 0\n\
                      lossless-timeout = 60000\n\
                      [[stream]]\nname = 'made'\nsource = 'producer'\nsegments = 8\nshrink-after = 0\n";
        let config = scratch.file("streams.toml");
        std::fs::write(&config, tables).unwrap();
        let [mut broker, mut consumer, mut producer] =
            [binaries::broker(), binaries::actor(), binaries::producer()].map(Command::new);
        broker.env("RUST_LOG", "warn");
        let shortages = [&mut broker, &mut consumer, &mut producer].map(Shortages::of);
        let broker = Broker::start_program(&mut broker, &format!("--config {}", config.display()));
        let witnesses = ["", " delivery=socket"].map(|words| {
            let mut witness = broker.actor();
            witness.must(&format!("subscribe stream=cam0{words}"));
            witness.must("watch");
            witness
        });
        let guests = Guests {
            consumer: Actor::start_program(&mut consumer, broker.socket()),
            producer: Actor::start_program(&mut producer, broker.socket()),
        };
        let mut field = Self {
            chance: Chance::of(seed),
            before: Default::default(),
            witnesses: witnesses.into(),
            broker,
            guests,
            shortages,
            _scratch: scratch,
        };
        // The first of everything makes what stays.
        for _ in 0..3 {
            field.guests.visit(&field.broker).must_be_good();
        }
        std::thread::sleep(Duration::from_millis(500));
        field.before = PARTIES.map(|party| field.belongings(party));
        field
    }

    fn pid(&self, party: Party) -> u32 {
        match party {
            Party::Broker => self.broker.pid(),
            Party::Consumer => self.guests.consumer.pid(),
            Party::Producer => self.guests.producer.pid(),
        }
    }

    fn belongings(&self, party: Party) -> Belongings {
        Belongings::of(self.pid(party))
    }

    /// Every call that may fail, and every way in which it may: of a visit without shortage.
    fn sites(&mut self) -> Vec<(Party, Site)> {
        self.shortages.iter().for_each(|shortages| shortages.plan(Plan::Nothing));
        self.guests.visit(&self.broker).must_be_good();
        let mut sites = Vec::new();
        for (party, shortages) in PARTIES.into_iter().zip(&self.shortages) {
            let (counts, _) = shortages.end();
            for (call, count) in counts.into_iter().enumerate() {
                let each = (1..=count).filter(|nth| *nth <= EACH || nth.is_power_of_two());
                sites.extend(each.flat_map(|nth| {
                    CALLS[call].errors.iter().map(move |error| (party, Site { call, nth, error: *error }))
                }));
            }
        }
        sites
    }

    fn fight(&mut self, party: Party, plan: Plan, told: &mut Told) {
        let what = match &plan {
            Plan::One(site) => format!("{party:?}: {site}"),
            Plan::Some(_, one_in) => format!("{party:?}: one call in {one_in}"),
            Plan::Nothing | Plan::Each { .. } => String::new(),
        };
        let shortages = &self.shortages[party as usize];
        shortages.plan(plan);
        let answers = self.guests.visit(&self.broker);
        let (_, failed) = shortages.end();
        for ((call, error), count) in failed {
            *told.failed.entry((call, name_of(error))).or_default() += count;
        }
        answers.must_have_causes(&what);
        for error in answers.errors() {
            *told.answers.entry(error).or_default() += 1;
        }
        let began = Instant::now();
        self.must_recover(&what);
        told.slowest = told.slowest.max(began.elapsed());
    }

    /// All goes well again, and nothing is left.
    fn must_recover(&mut self, what: &str) {
        let (load, mut first_failed) = (Load::begin(self.broker.pid()), None);
        for visits in 1.. {
            let answers = self.guests.visit(&self.broker);
            if answers.is_good() {
                break;
            }
            let is_late = first_failed.get_or_insert_with(Instant::now).elapsed() >= RECOVERY;
            let log = self.broker.log();
            assert!(!is_late || visits < VISITS, "{what}: {visits} visits failed, {load}: {answers:?}\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        for party in PARTIES {
            let before = self.before[party as usize];
            let deadline = Instant::now() + RECOVERY;
            loop {
                let now = self.belongings(party);
                if now.is_about(&before) {
                    break;
                }
                assert!(Instant::now() < deadline, "{what}: {party:?} had {before:?}, and has {now:?}");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        let clients = self.broker.connect().clients().unwrap();
        for witness in &self.witnesses {
            let is_there = clients.iter().any(|client| client.pid == witness.pid() && !client.subscriptions.is_empty());
            assert!(is_there, "{what}: a consumer that was there before is not served any more\n{}", self.broker.log());
        }
        let log = self.broker.log();
        assert!(!log.contains("panicked") && !log.contains("please report"), "{what}: {log}");
    }

    fn end(mut self) {
        for witness in &mut self.witnesses {
            let watched = witness.ask("stop");
            assert_eq!(figure(&watched, "bad"), 0, "{watched}");
            println!("{watched}");
        }
        drop((self.witnesses, self.guests));
        self.broker.end_clean();
    }
}

/// What a process has that must not grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Belongings {
    descriptors: usize,
    threads: usize,
    mappings: usize,
}

impl Belongings {
    fn of(pid: u32) -> Self {
        let entries = |folder: &str| std::fs::read_dir(format!("/proc/{pid}/{folder}")).map_or(0, Iterator::count);
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        let mappings = maps.lines().filter(|line| line.contains("memfd:")).count();
        Self { descriptors: entries("fd"), threads: entries("task"), mappings }
    }

    /// No more threads, and no more of the rest than a ring may have more or fewer segments.
    fn is_about(&self, before: &Self) -> bool {
        self.threads <= before.threads
            && self.descriptors <= before.descriptors + SEGMENTS
            && self.mappings <= before.mappings + SEGMENTS
    }
}
