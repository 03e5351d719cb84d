//! Clients that break every rule as fast as they can, beside one that keeps them.
//!
//! Goal: it gets every frame, every byte of it is right, and it pays no more for them than beside a program that only keeps a
//! core busy. Method: in each round, one after the other and for equally long, a busy loop and a hostile deed chosen at random, in a process of its own; a
//! witness reads all the time, and its figures are compared in pairs.

mod caller;
mod deeds;
mod witness;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use framebroker_tests::{Broker, Chance, PATIENCE, Scratch, wait_for};

use self::deeds::ALL;
use self::witness::Figures;
use crate::campaign::{Campaign, Orders};

pub const HOSTILE: Campaign = Campaign {
    name: "hostile",
    about: "clients and producers break every rule at full speed; a second and a half a round",
    few: 24,
    fight,
};

/// How long a deed is done.
const WHILE: Duration = Duration::from_millis(600);

/// The stream that the witness reads.
const READ: &str = "read";
/// The stream that hostile producers fill.
const FILLED: &str = "filled";

const STREAMS: &str = r#"
[[stream]]
name = "read"
source = "pattern"
fps = 200
width = 64
height = 64
segments = 64
max-segments = 128
shrink-after = 1

[[stream]]
name = "filled"
source = "producer"
shrink-after = 1
"#;

/// From so many rounds on, the ratios mean something.
const ENOUGH: usize = 20;

/// What the others may cost at the most, beside a busy core.
const BOUND: f64 = 2.0;

/// Names, for a process that is to do a deed, which one, its seed and the broker's socket.
const DEED: &str = "FRAMEBROKER_CAMPAIGN_DEED";

fn fight(orders: Orders) -> String {
    let mut chance = Chance::of(orders.seed);
    let scratch = Scratch::default();
    let file = scratch.file("broker.toml");
    std::fs::write(&file, STREAMS).unwrap();
    let broker = Broker::start(&format!("--config {}", file.display()));
    let idle = but_segments(&broker);
    let (mut alone, mut beside, mut done) = (Vec::new(), Vec::new(), [0; ALL.len()]);
    for _ in 0..orders.rounds {
        alone.push(witnessed(&broker, 0, 0).0);
        let which = 1 + chance.below(ALL.len() - 1);
        let (figures, times) = witnessed(&broker, which, chance.number());
        done[which] += times;
        beside.push(figures);
    }
    broker.must_be_idle();
    wait_for("all descriptors of those that have gone to be closed", PATIENCE, || {
        (but_segments(&broker) <= idle).then_some(())
    });
    broker.end_clean();
    for (deed, done) in ALL.iter().zip(done).skip(1) {
        println!("{done:>10} times one {}", deed.name);
    }
    compare(&alone, &beside)
}

/// Descriptors that the broker has open, but for segments: a producer's last frames stay until the next one comes.
fn but_segments(broker: &Broker) -> usize {
    let client = broker.connect();
    let segments: u64 = client.stats().unwrap().iter().map(|stream| stream.active_buffers).sum();
    broker.open_files().saturating_sub(usize::try_from(segments).unwrap())
}

/// Has a deed done for a while; returns what the witness saw meanwhile, and how often it was done.
fn witnessed(broker: &Broker, which: usize, seed: u64) -> (Figures, u64) {
    let until = Instant::now() + WHILE;
    let socket = broker.socket().display();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(DEED, format!("{which} {seed} {socket}")).stdout(Stdio::piped());
    let process = command.spawn().unwrap();
    let figures = Figures::of(broker.socket(), until);
    let output = process.wait_with_output().unwrap();
    let name = ALL[which].name;
    assert!(output.status.success(), "who {name} failed: {}", output.status);
    figures.must_be_whole(name);
    let done = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!(done > 0, "nobody {name}");
    (figures, done)
}

/// Does a deed, where this process is there for that.
pub fn is_done() -> bool {
    let Some(deed) = std::env::var(DEED).ok() else { return false };
    let [which, seed, socket] = deed.splitn(3, ' ').collect::<Vec<_>>().try_into().expect("three words");
    let (which, seed): (usize, u64) = (which.parse().unwrap(), seed.parse().unwrap());
    println!("{}", (ALL[which].act)(Path::new(socket), &mut Chance::of(seed), Instant::now() + WHILE));
    true
}

fn compare(alone: &[Figures], beside: &[Figures]) -> String {
    let ratio = |what: fn(&Figures) -> f64| {
        let mut ratios: Vec<f64> = alone.iter().zip(beside).map(|(alone, beside)| what(beside) / what(alone)).collect();
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    };
    let (p50, p99, cpu) = (ratio(Figures::p50), ratio(Figures::p99), ratio(Figures::cpu_per_frame));
    let frames: usize = beside.iter().map(Figures::frames).sum();
    if alone.len() >= ENOUGH {
        assert!(p50 <= BOUND && cpu <= BOUND, "latency p50 x{p50:.2}, CPU per frame x{cpu:.2}; the bound is x{BOUND}");
    }
    format!(
        "{frames} frames read beside them, none lost, every byte right; beside a busy core it would be: latency p50 x{p50:.2}, \
         p99 x{p99:.2}, CPU per frame x{cpu:.2} (medians of pairs)"
    )
}
