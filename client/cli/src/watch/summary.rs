//! What a watch ends with.

use std::fmt;
use std::time::Duration;

use framebroker_client::Subscription;
use serde::Serialize;

use super::tally::Tally;
use crate::units::{duration, megabytes_per_second};

/// The end of a watch; its fields are the last line with `--json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    stream: String,
    received: u64,
    lost: u64,
    skipped: u64,
    bytes: u64,
    fps: f64,
    latency_us: LatencySummary,
    /// Frames checked, bad ones among them.
    verified: u64,
    bad: u64,
    #[serde(skip)]
    span: Duration,
}

/// Microseconds from publishing to receiving.
#[derive(Debug, Serialize)]
struct LatencySummary {
    p50: f64,
    p99: f64,
    max: f64,
}

impl Summary {
    /// Of what was received so far.
    pub fn new(tally: &Tally, subscription: &Subscription) -> Self {
        let counters = subscription.counters();
        Self {
            stream: subscription.name().to_string(),
            received: tally.received,
            lost: counters.lost,
            skipped: counters.skipped,
            bytes: tally.bytes,
            fps: tally.fps(),
            latency_us: LatencySummary {
                p50: tally.latency.quantile_us(0.5),
                p99: tally.latency.quantile_us(0.99),
                max: tally.latency.max_us(),
            },
            verified: tally.verified,
            bad: tally.bad,
            span: tally.span(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, received, lost, skipped, bytes, fps, latency_us, verified, bad, span } = self;
        write!(f, "{stream}: {received} received, {lost} lost, {skipped} skipped in {:.1} s", span.as_secs_f64())?;
        write!(f, "; {fps:.1} fps, {:.1} MB/s", megabytes_per_second(*bytes, *span))?;
        let [p50, p99, max] = [latency_us.p50, latency_us.p99, latency_us.max].map(duration);
        write!(f, "; latency p50 {p50}, p99 {p99}, max {max}")?;
        if *verified > 0 || *bad > 0 {
            write!(f, "; {verified} verified, {bad} bad")?;
        }
        Ok(())
    }
}
