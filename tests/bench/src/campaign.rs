//! What is measured, and in which order.

use std::path::{Path, PathBuf};
use std::time::Duration;

use framebroker_protocol::monotonic_ns;

use crate::broker::{self, FULL_HD, Picture};
use crate::frames::{RATE, Wait, Window};
use crate::process::{Process, Usage, sleep_until};
use crate::report::{Cost, Row, Sample, percentile, print};
use crate::{Extent, Medium, Result};

/// One thing to measure.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub consumers: usize,
    pub wait: Wait,
    pub medium: Medium,
    /// Of a broker.
    pub picture: Picture,
}

/// What is compared: a name, and cases with their goals; the first is what the others are compared with.
fn groups() -> Vec<(String, Vec<(Case, &'static str)>)> {
    let case = |consumers, wait, medium| Case { consumers, wait, medium, picture: FULL_HD };
    let broker = |consumers, picture| Case { picture, ..case(consumers, Wait::Block, Medium::Broker) };
    let mut groups = Vec::new();
    for (consumers, goal) in [(1, "p50 ≤ 1.10"), (8, "p50 ≤ 1.10"), (64, "")] {
        let bare = case(consumers, Wait::Block, Medium::Bare);
        let ring = case(consumers, Wait::Block, Medium::Ring);
        let cases = vec![(bare, ""), (ring, goal), (broker(consumers, FULL_HD), goal), (bare, "the noise")];
        groups.push((format!("{consumers} blocked"), cases));
    }
    let through = case(1, Wait::Block, Medium::Producer);
    groups.push(("1 through a producer".to_owned(), vec![(broker(1, FULL_HD), ""), (through, "")]));
    let [bare, ring, whole] = [Medium::Bare, Medium::Ring, Medium::Broker].map(|medium| case(1, Wait::Spin, medium));
    let goal = "p50 ≤ 1.5";
    groups.push(("1 spinning".to_owned(), vec![(bare, ""), (ring, goal), (whole, goal), (bare, "the noise")]));
    let [ring, whole] = [Medium::Ring, Medium::Broker].map(|medium| case(1, Wait::Predictive, medium));
    let goal = "p50 ≤ 0.5, ≤ 6 % of a core";
    groups.push(("1 predictive".to_owned(), vec![(broker(1, FULL_HD), ""), (ring, goal), (whole, goal)]));
    let moving = Picture { fill: "moving", ..FULL_HD };
    groups.push(("8 fill".to_owned(), vec![(broker(8, FULL_HD), ""), (broker(8, moving), "")]));
    let small = Picture { width: 640, height: 480, ..FULL_HD };
    let large = Picture { width: 4096, height: 3000, ..FULL_HD };
    let goal = "publisher's CPU ≈ 1";
    groups.push(("1 frame size".to_owned(), vec![(broker(1, small), ""), (broker(1, large), goal)]));
    groups
}

/// Measures all and prints the tables.
pub fn run(extent: &Extent) -> Result<()> {
    let directory = Directory::create()?;
    let is_wanted = |name: &str| name.contains(&extent.only);
    let groups = groups().into_iter().filter(|(name, _)| is_wanted(name));
    let row = |(case, goal)| Row { case, goal, samples: Vec::new() };
    let mut groups: Vec<(String, Vec<Row>)> =
        groups.map(|(name, cases)| (name, cases.into_iter().map(row).collect())).collect();
    let mut costs = [(1, false), (1, true), (8, false), (8, true), (64, false), (64, true)].map(Cost::new).to_vec();
    costs.retain(|_| is_wanted("cost"));
    let before = Usage::now()?;
    for round in 1..=extent.rounds {
        for (name, rows) in &mut groups {
            eprintln!("round {round} of {}: {name}", extent.rounds);
            // To and fro, so that no case always comes after the same one.
            let to: Vec<&mut Row> = rows.iter_mut().collect();
            let order = if round % 2 == 1 { to } else { to.into_iter().rev().collect() };
            for row in order {
                row.samples.push(measure(row.case, extent.milliseconds, &directory.0)?);
            }
        }
        for cost in &mut costs {
            eprintln!("round {round} of {}: cost for {}", extent.rounds, cost.consumers);
            cost.samples_ns.push(measure_cost(cost, extent.quick)?);
        }
    }
    print(extent, &groups, &costs, Usage::now()?.others_share(before))
}

/// Where the brokers' sockets are.
struct Directory(PathBuf);

impl Directory {
    fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("ringbench-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left in a temporary directory harms nobody.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

fn measure(case: Case, milliseconds: u64, directory: &Path) -> Result<Sample> {
    let Case { consumers, wait, medium, picture } = case;
    let names = format!("{medium:?} {wait:?}").to_lowercase();
    let (publishers, paths) = match medium {
        Medium::Bare | Medium::Ring => {
            let (publisher, paths) = publisher(&format!("publish {names} {consumers}"))?;
            (vec![publisher], paths)
        }
        Medium::Broker => broker::start(picture, directory)?,
        Medium::Producer => broker::start_with_producer(directory)?,
    };
    let cpu_ns = || publishers.iter().map(Process::cpu_ns).sum::<Result<u64>>();
    let window = window(consumers, milliseconds);
    let role = |path| format!("consume {names} {} {} {path}", window.start_ns, window.end_ns);
    // One path is for all consumers.
    let paths = paths.iter().cycle().take(consumers);
    let consumers = paths.map(|path| Process::start(&role(path))).collect::<Result<Vec<_>>>()?;
    sleep_until(window.start_ns);
    let before_ns = cpu_ns()?;
    sleep_until(window.end_ns);
    let cpu_ns = cpu_ns()? - before_ns;
    let resident_mib = publishers.first().ok_or("no publisher")?.resident_mib()?;
    let frames = milliseconds as f64 * f64::from(RATE) / 1e3;
    collect(consumers, frames, cpu_ns as f64 / frames / 1e3, resident_mib)
}

/// Starts a publisher, which says where its pages are. Gives a line of paths for each consumer, or one for all.
fn publisher(role: &str) -> Result<(Process, Vec<String>)> {
    let mut publisher = Process::start(role)?;
    let line = publisher.line()?;
    let paths = match line.split_once(' ') {
        Some((stream, pages)) => pages.split(' ').map(|page| format!("{stream} {page}")).collect(),
        None => vec![line],
    };
    Ok((publisher, paths))
}

/// Begins when the consumers can be expected to have started.
fn window(consumers: usize, milliseconds: u64) -> Window {
    let start_ns = monotonic_ns() + (150 + 8 * consumers as u64) * 1_000_000;
    Window { start_ns, end_ns: start_ns + milliseconds * 1_000_000 }
}

/// Puts together what the consumers print.
fn collect(consumers: Vec<Process>, frames: f64, publisher_us: f64, resident_mib: [f64; 2]) -> Result<Sample> {
    let count = consumers.len() as f64;
    let mut latencies_us: Vec<f64> = Vec::new();
    let (mut consumers_us, mut lost) = (0.0, 0.0);
    for mut consumer in consumers {
        let line = consumer.line()?;
        let mut numbers = line.split_whitespace().map(str::parse::<f64>);
        let cpu_ns = numbers.next().ok_or("no processor time")??;
        lost += numbers.next().ok_or("no lost frames")??;
        let before = latencies_us.len();
        for latency_ns in numbers {
            latencies_us.push(latency_ns? / 1e3);
        }
        consumers_us += cpu_ns / 1e3 / (latencies_us.len() - before).max(1) as f64;
    }
    latencies_us.sort_by(f64::total_cmp);
    Ok(Sample {
        p50_us: percentile(&latencies_us, 50),
        p99_us: percentile(&latencies_us, 99),
        publisher_us,
        consumer_us: consumers_us / count,
        all_us: publisher_us + consumers_us,
        resident_mib,
        seen: latencies_us.len() as f64 / (frames * count),
        lost,
    })
}

fn measure_cost(cost: &Cost, quick: bool) -> Result<[f64; 3]> {
    let (quick, asleep) = (if quick { "--quick" } else { "" }, if cost.asleep { "--asleep" } else { "" });
    let (mut publisher, paths) = publisher(&format!("cost {} {quick}", cost.consumers))?;
    let attend = |paths| Process::start(&format!("attend {asleep} {paths}"));
    let mut consumers = paths.iter().map(attend).collect::<Result<Vec<_>>>()?;
    consumers.iter_mut().try_for_each(|consumer| consumer.line().map(drop))?;
    // They are about to sleep; the publisher checks that one does.
    std::thread::sleep(Duration::from_millis(50));
    publisher.go()?;
    let line = publisher.line()?;
    let numbers = line.split(' ').map(str::parse).collect::<std::result::Result<Vec<f64>, _>>()?;
    Ok(numbers.try_into().map_err(|_other_count| "three numbers are expected")?)
}
