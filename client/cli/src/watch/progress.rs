//! A line again and again: for people, in place on a terminal, else one under the other; or JSON.

use std::time::{Duration, Instant};

use framebroker_client::{StreamState, Subscription};

use super::changes::Changes;
use super::summary::Summary;
use super::tally::{Recent, Tally};
use crate::console::{is_terminal, plain, print, print_json};
use crate::failure::Failure;
use crate::units::{duration, megabytes_per_second, per_second};

/// Returns to the start of the line and empties it.
const OVERWRITE: &str = "\r\x1b[K";

/// Prints how it goes.
#[derive(Debug)]
pub struct Progress {
    stream: String,
    form: Form,
    interval: Duration,
    last: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    InPlace,
    Lines,
    Json,
}

impl Progress {
    /// The first interval begins now.
    pub fn begin(stream: &str, interval: Duration, json: bool, now: Instant) -> Self {
        let form = match json {
            true => Form::Json,
            false if is_terminal() => Form::InPlace,
            false => Form::Lines,
        };
        Self { stream: stream.to_owned(), form, interval, last: now }
    }

    /// Whether what happens is told in words.
    pub fn is_for_people(&self) -> bool {
        self.form != Form::Json
    }

    /// Prints a line if it is time for one.
    pub fn tick(&mut self, tally: &mut Tally, subscription: &Subscription) -> Result<(), Failure> {
        let elapsed = self.last.elapsed();
        if elapsed < self.interval {
            return Ok(());
        }
        self.last += elapsed;
        if self.form == Form::Json {
            let printed = print_json(&Summary::so_far(tally, subscription, elapsed));
            tally.reported();
            return printed;
        }
        let counters = subscription.counters();
        let line = format!(
            "{}: {}  received {}  lost {}  skipped {}{}",
            self.stream,
            rates(tally.recent(), elapsed),
            tally.received,
            counters.lost,
            counters.skipped,
            absence(subscription)
        );
        tally.reported();
        if self.form == Form::InPlace { print(&format!("{OVERWRITE}{line}")) } else { print(&format!("{line}\n")) }
    }

    /// Makes room for something else to be said.
    pub fn make_room(&mut self) -> Result<(), Failure> {
        if self.form == Form::InPlace { print(OVERWRITE) } else { Ok(()) }
    }

    /// Prints the last line.
    pub fn end(&mut self, tally: &Tally, subscription: &Subscription, changes: &Changes) -> Result<(), Failure> {
        self.make_room()?;
        let summary = Summary::new(tally, subscription, changes);
        if self.form == Form::Json { print_json(&summary) } else { print(&format!("{summary}\n")) }
    }
}

fn rates(recent: &Recent, elapsed: Duration) -> String {
    let fps = per_second(recent.received, elapsed);
    let rate = megabytes_per_second(recent.bytes, elapsed);
    let latency = match recent.received {
        0 => "-".to_owned(),
        _ => format!("p50 {} max {}", duration(recent.latency.quantile_us(0.5)), duration(recent.latency.max_us())),
    };
    format!("{fps:.1} fps  {rate:.1} MB/s  latency {latency}")
}

/// Why nothing comes, if that is known.
fn absence(subscription: &Subscription) -> String {
    match (subscription.state(), subscription.offline_reason()) {
        (StreamState::Live, _) => String::new(),
        (StreamState::Offline, None) => "  (the camera is away)".to_owned(),
        (StreamState::Offline, Some(reason)) => format!("  (the camera is away: {})", plain(reason)),
        // Only a watch that reconnects goes on then.
        (StreamState::Closed, _) => "  (the broker is away)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);

    #[test]
    fn a_silent_second_has_no_latency() {
        assert_eq!(rates(&Recent::default(), INTERVAL), "0.0 fps  0.0 MB/s  latency -");
    }

    #[test]
    fn rates_are_per_second() {
        let mut tally = Tally::default();
        (0..60).for_each(|_| tally.add(Duration::from_micros(50), 1 << 20, Instant::now()));
        assert_eq!(rates(tally.recent(), INTERVAL * 2), "30.0 fps  30.0 MB/s  latency p50 50 µs max 50 µs");
    }
}
