//! Figures and tables.

use crate::campaign::Case;
use crate::frames::RATE;
use crate::{Extent, Medium, Result};

/// What one round found in a case. Times in microseconds.
pub struct Sample {
    pub p50_us: f64,
    pub p99_us: f64,
    /// Processor time of the publisher for a frame.
    pub publisher_us: f64,
    /// Processor time of one consumer for a frame.
    pub consumer_us: f64,
    /// Processor time of all processes for a frame.
    pub all_us: f64,
    /// The publisher's memory: its own, and shared.
    pub resident_mib: [f64; 2],
    /// Share of the frames that consumers saw.
    pub seen: f64,
    /// Frames lost by all consumers together.
    pub lost: f64,
}

/// A case and what every round found.
pub struct Row {
    pub case: Case,
    pub goal: &'static str,
    pub samples: Vec<Sample>,
}

/// What publishing costs without the wake call.
#[derive(Clone)]
pub struct Cost {
    pub consumers: usize,
    /// Whether the consumers sleep on the bell, or elsewhere.
    pub asleep: bool,
    /// Publish and retire back to back, publish at the camera's rate; one a round.
    pub samples_ns: Vec<[f64; 3]>,
}

impl Cost {
    pub fn new((consumers, asleep): (usize, bool)) -> Self {
        Self { consumers, asleep, samples_ns: Vec::new() }
    }
}

impl Row {
    fn name(&self) -> String {
        let picture = self.case.picture;
        match self.case.medium {
            Medium::Bare => "bare futex".to_owned(),
            Medium::Ring => "ring".to_owned(),
            Medium::Producer => "broker, producer".to_owned(),
            Medium::Broker => format!("broker {}x{} {}", picture.width, picture.height, picture.fill),
        }
    }

    fn spread(&self, figure: impl Fn(&Sample) -> f64) -> String {
        spread(self.samples.iter().map(figure))
    }

    /// A figure as a multiple of another row's in the same round.
    fn ratio(&self, base: &Self, figure: impl Fn(&Sample) -> f64) -> String {
        if std::ptr::eq(self, base) {
            return "1".to_owned();
        }
        spread(self.samples.iter().zip(&base.samples).map(|(sample, base)| figure(sample) / figure(base)))
    }
}

/// Of sorted values.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or(f64::NAN)
}

/// Of values in any order.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 50)
}

/// A figure over all rounds: the median and, in brackets, where the middle half lies.
fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let [low, mid, high] = [25, 50, 75].map(|percent| three_digits(percentile(&values, percent)));
    if low == high { mid } else { format!("{mid} ({low}–{high})") }
}

fn three_digits(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Prints everything.
pub fn print(extent: &Extent, groups: &[(String, Vec<Row>)], costs: &[Cost], others_share: f64) -> Result<()> {
    print_conditions(extent, others_share)?;
    if !groups.is_empty() {
        println!("\nA frame from publish to received. A ratio is to the group's first row, in the same round.");
        let names = "group | medium | p50 µs | p50 ratio | p99 µs | goal | publisher CPU µs | ratio | consumer CPU µs | \
                     % of a core | all CPU ratio";
        print_head(names);
        groups.iter().for_each(|(name, rows)| print_group(name, rows));
        println!("\nThe broker process at {RATE} frames/s.");
        print_head("group | broker | CPU % of a core | own memory MiB | shared memory MiB");
        groups.iter().for_each(|(name, rows)| print_brokers(name, rows));
        groups.iter().for_each(|(name, rows)| print_missing(name, rows));
    }
    if !costs.is_empty() {
        println!("\n`Writer::publish` without the wake call, in ns. Goal: below 2000 for 64 consumers.");
        print_head("consumers | publish, CPU, back to back | retire, CPU, back to back | publish, wall, at the rate");
        costs.iter().for_each(print_cost);
    }
    Ok(())
}

fn print_conditions(extent: &Extent, others_share: f64) -> Result<()> {
    let Extent { rounds, milliseconds, .. } = extent;
    let cores = std::thread::available_parallelism()?;
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let cpu =
        cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("").trim_matches(['\t', ':', ' ']);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    println!("\n{cores} cores, {cpu}, Linux {}.", kernel.trim());
    println!("Other programs used {:.0} % of the cores meanwhile.", others_share * 100.0);
    println!("{RATE} frames/s, {rounds} rounds, {milliseconds} ms per case and round.");
    println!("Figures are medians over the rounds; brackets hold the middle half of them.");
    Ok(())
}

fn print_head(names: &str) {
    println!("\n| {names} |\n|{}", "---|".repeat(names.split('|').count()));
}

fn print_group(group: &str, rows: &[Row]) {
    for row in rows {
        let Some(base) = rows.first() else { return };
        let fields = [
            group.to_owned(),
            row.name(),
            row.spread(|s| s.p50_us),
            row.ratio(base, |s| s.p50_us),
            row.spread(|s| s.p99_us),
            row.goal.to_owned(),
            row.spread(|s| s.publisher_us),
            row.ratio(base, |s| s.publisher_us),
            row.spread(|s| s.consumer_us),
            row.spread(|s| percent_of_core(s.consumer_us)),
            row.ratio(base, |s| s.all_us),
        ];
        println!("| {} |", fields.join(" | "));
    }
}

/// Whether frames were missing: where cores are overloaded the publisher itself is late, and then none is lost.
fn print_missing(group: &str, rows: &[Row]) {
    for row in rows {
        let lost: f64 = row.samples.iter().map(|s| s.lost).sum();
        if lost > 0.0 || row.samples.iter().any(|s| s.seen < 0.95) {
            let seen = row.spread(|s| s.seen * 100.0);
            println!("\n{group}, {}: consumers saw {seen} % of the frames due and lost {lost} in all.", row.name());
        }
    }
}

fn percent_of_core(us_per_frame: f64) -> f64 {
    us_per_frame * f64::from(RATE) / 1e6 * 100.0
}

fn print_brokers(group: &str, rows: &[Row]) {
    for row in rows.iter().filter(|row| row.case.medium == Medium::Broker) {
        let cpu = row.spread(|s| percent_of_core(s.publisher_us));
        let [own, shared] = [row.spread(|s| s.resident_mib[0]), row.spread(|s| s.resident_mib[1])];
        println!("| {group} | {} | {cpu} | {own} | {shared} |", row.name());
    }
}

fn print_cost(cost: &Cost) {
    let figure = |at| spread(cost.samples_ns.iter().filter_map(|sample| sample.get(at).copied()));
    let place = if cost.asleep { "asleep on the bell" } else { "elsewhere" };
    println!("| {} {place} | {} | {} | {} |", cost.consumers, figure(0), figure(1), figure(2));
}
