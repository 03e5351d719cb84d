//! What a watch ends with, and with `--json` tells on the way.

use std::fmt;
use std::time::Duration;

use framebroker_client::{Counters, StreamState, Subscription};
use serde::Serialize;

use super::changes::Changes;
use super::latency::Latency;
use super::tally::{Rates, Tally};
use crate::units::{duration, per_second};

/// A watch; its fields are a line with `--json`.
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    stream: String,
    /// Whether the watch ends with it.
    is_last: bool,
    state: &'static str,
    received: u64,
    lost: u64,
    skipped: u64,
    bytes: u64,
    /// Since the line before. In the last line of all; `null` where less than 0.1 s lies between the first frame and the last.
    fps: Option<f64>,
    /// Of the same frames.
    latency_us: LatencySummary,
    /// Frames checked, bad ones among them.
    verified: u64,
    bad: u64,
    /// In the last line: the newest, where somebody has changed settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    settings_changes: Option<&'a Changes>,
    #[serde(skip)]
    span: Duration,
    #[serde(skip)]
    rates: Option<Rates>,
}

/// Microseconds from publishing to receiving; each `null` where no frame came.
#[derive(Debug, Serialize)]
struct LatencySummary {
    p50: Option<f64>,
    p99: Option<f64>,
    max: Option<f64>,
}

impl From<&Latency> for LatencySummary {
    fn from(latency: &Latency) -> Self {
        let known = |us| (!latency.is_empty()).then_some(us);
        Self {
            p50: known(latency.quantile_us(0.5)),
            p99: known(latency.quantile_us(0.99)),
            max: known(latency.max_us()),
        }
    }
}

impl<'a> Summary<'a> {
    /// Of all that was received.
    pub fn new(tally: &Tally, subscription: &Subscription, changes: &'a Changes) -> Self {
        let state = subscription.state();
        Self::with_counters(tally, subscription.name().to_string(), state, subscription.counters(), changes)
    }

    fn with_counters(
        tally: &Tally,
        stream: String,
        state: StreamState,
        counters: Counters,
        settings_changes: &'a Changes,
    ) -> Self {
        let rates = tally.rates();
        Self {
            stream,
            is_last: true,
            state: state.name(),
            received: tally.received,
            lost: counters.lost,
            skipped: counters.skipped,
            bytes: tally.bytes,
            fps: rates.map(|rates| rates.fps),
            latency_us: LatencySummary::from(&tally.latency),
            verified: tally.verified,
            bad: tally.bad,
            settings_changes: Some(settings_changes),
            span: tally.span(),
            rates,
        }
    }
}

impl Summary<'static> {
    /// On the way: rate and latencies since the last report, `elapsed` ago.
    pub fn so_far(tally: &Tally, subscription: &Subscription, elapsed: Duration) -> Self {
        let (counters, recent) = (subscription.counters(), tally.recent());
        Self {
            stream: subscription.name().to_string(),
            is_last: false,
            state: subscription.state().name(),
            received: tally.received,
            lost: counters.lost,
            skipped: counters.skipped,
            bytes: tally.bytes,
            fps: Some(per_second(recent.received, elapsed)),
            latency_us: LatencySummary::from(&recent.latency),
            verified: tally.verified,
            bad: tally.bad,
            settings_changes: None,
            span: tally.span(),
            rates: None,
        }
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, received, lost, skipped, verified, bad, span, .. } = self;
        write!(f, "{stream}: {received} received, {lost} lost, {skipped} skipped in {:.1} s", span.as_secs_f64())?;
        match self.rates {
            Some(Rates { fps, megabytes }) => write!(f, "; {fps:.1} fps, {megabytes:.1} MB/s")?,
            None => write!(f, "; - fps, - MB/s")?,
        }
        match self.latency_us {
            LatencySummary { p50: Some(p50), p99: Some(p99), max: Some(max) } => {
                write!(f, "; latency p50 {}, p99 {}, max {}", duration(p50), duration(p99), duration(max))?;
            }
            _ => write!(f, "; latency -")?,
        }
        if *verified > 0 || *bad > 0 {
            write!(f, "; {verified} verified, {bad} bad")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shown(tally: &Tally) -> (String, serde_json::Value) {
        let changes = Changes::default();
        let summary =
            Summary::with_counters(tally, "cam0".to_owned(), StreamState::Live, Counters::default(), &changes);
        (summary.to_string(), serde_json::to_value(&summary).unwrap())
    }

    #[test]
    fn without_frames_there_is_neither_rate_nor_latency() {
        let (text, json) = shown(&Tally::default());
        assert_eq!(text, "cam0: 0 received, 0 lost, 0 skipped in 0.0 s; - fps, - MB/s; latency -");
        assert!(json["fps"].is_null() && json["latency_us"]["p50"].is_null(), "{json}");
    }

    #[test]
    fn frames_that_came_at_once_have_latencies_alone() {
        let (mut tally, now) = (Tally::default(), Instant::now());
        (0..5).for_each(|_| tally.add(Duration::from_micros(60), 100, now));
        let (text, json) = shown(&tally);
        assert!(text.contains("; - fps, - MB/s; latency p50 60 µs"), "{text}");
        assert!(json["fps"].is_null() && json["latency_us"]["max"].is_f64(), "{json}");
    }

    #[test]
    fn a_second_of_frames_has_rates() {
        let (mut tally, now) = (Tally::default(), Instant::now());
        (0..=20).for_each(|n| tally.add(Duration::from_micros(60), 1 << 20, now + Duration::from_millis(50 * n)));
        let (text, json) = shown(&tally);
        assert!(text.contains(" in 1.0 s; 20.0 fps, 20.0 MB/s; latency p50 60 µs"), "{text}");
        assert!(json["fps"].is_f64(), "{json}");
    }
}
