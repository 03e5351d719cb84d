//! `framectl watch` of several streams: how well their frames match.

use std::fmt;
use std::time::{Duration, Instant};

use framebroker_client::{Broker, Error, Incomplete, SyncBy, SyncedSubscription};
use serde::Serialize;

use super::subscribe::subscribe_to;
use crate::console::{complain, print, print_json};
use crate::failure::Failure;
use crate::options::WatchOptions;
use crate::receive::Stop;
use crate::units::{duration, microseconds};

/// A signal and a tick are noticed this soon.
const SLICE: Duration = Duration::from_millis(200);
/// Frames of a stream that may wait for their partners, if no more are asked for.
const LEAST_HELD: u32 = 4;

/// Receives until so many sets are complete, the streams end or a signal comes; then prints what there was.
pub fn run(broker: &Broker, options: &WatchOptions, by: SyncBy, json: bool) -> Result<(), Failure> {
    let stop = Stop::on_signals()?;
    let names = || std::iter::once(&options.stream).chain(&options.others);
    let subscriptions = names().map(|name| subscribe_to(broker, options, name, options.max_held.max(LEAST_HELD)));
    let synced = SyncedSubscription::new(subscriptions.collect::<Result<_, _>>()?, by).incomplete(Incomplete::Deliver);
    let now = Instant::now();
    let mut watch = Watch { synced, json, last_set: now, last_line: now };
    let ended = watch.receive(options, &stop);
    ended.and(watch.tell(true))
}

struct Watch {
    synced: SyncedSubscription,
    json: bool,
    last_set: Instant,
    last_line: Instant,
}

impl Watch {
    fn receive(&mut self, options: &WatchOptions, stop: &Stop) -> Result<(), Failure> {
        while !stop.is_set() && options.count.is_none_or(|count| self.synced.stats().complete < count) {
            match self.synced.next(SLICE) {
                Ok(set) if set.is_complete() => self.last_set = Instant::now(),
                Ok(_incomplete) => {}
                Err(Error::Timeout { .. }) => {}
                Err(Error::Closed { reason }) => {
                    if !self.json {
                        complain(&format!("the streams have ended: {reason}"));
                    }
                    return Ok(());
                }
                Err(Error::BrokerGone) => return Err(Failure::BrokerGone),
                Err(error) => return Err(error.into()),
            }
            let silence = self.last_set.elapsed();
            if let Some(waited) = options.timeout.filter(|timeout| silence >= *timeout) {
                return Err(Failure::Silence { waited, reason: "no complete set came".to_owned() });
            }
            if self.last_line.elapsed() >= options.interval {
                self.last_line = Instant::now();
                self.tell(false)?;
            }
        }
        Ok(())
    }

    fn tell(&self, is_last: bool) -> Result<(), Failure> {
        let summary = Summary::of(&self.synced, is_last);
        if self.json { print_json(&summary) } else { print(&format!("{summary}\n")) }
    }
}

/// What was matched since the beginning; its fields are a line with `--json`.
#[derive(Debug, Serialize)]
struct Summary {
    /// Whether the watch ends with it.
    is_last: bool,
    complete: u64,
    incomplete: u64,
    skew_us: Skew,
    streams: Vec<OfStream>,
}

/// Microseconds between the first and the last frame of complete sets; zero where they are matched by block ID.
#[derive(Debug, Serialize)]
struct Skew {
    mean: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct OfStream {
    stream: String,
    received: u64,
    lost: u64,
    skipped: u64,
    /// Frames in no complete set.
    unmatched: u64,
}

impl Summary {
    fn of(synced: &SyncedSubscription, is_last: bool) -> Self {
        let stats = synced.stats();
        let us = |time: Duration| microseconds(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let streams = synced.subscriptions().zip(&stats.unmatched).map(|(subscription, unmatched)| {
            let counters = subscription.counters();
            OfStream {
                stream: subscription.name().to_string(),
                received: counters.received,
                lost: counters.lost,
                skipped: counters.skipped,
                unmatched: *unmatched,
            }
        });
        Self {
            is_last,
            complete: stats.complete,
            incomplete: stats.incomplete,
            skew_us: Skew { mean: us(stats.mean_skew()), max: us(stats.max_skew) },
            streams: streams.collect(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { complete, incomplete, skew_us: Skew { mean, max }, streams, .. } = self;
        write!(
            f,
            "{complete} complete, {incomplete} incomplete; skew mean {}, max {}",
            duration(*mean),
            duration(*max)
        )?;
        for OfStream { stream, received, lost, unmatched, .. } in streams {
            write!(f, "; {stream}: {received} received, {lost} lost, {unmatched} unmatched")?;
        }
        Ok(())
    }
}
