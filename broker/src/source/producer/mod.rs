//! Frames of another process: its segments are lent through a producer page and come back filled.
//!
//! Nothing in the page is believed. A record is copied once; its lend must stand, its lengths must lie within the segment,
//! and there may be only so many in a second. A producer that breaks a rule is gone, and the session thread disconnects it.
//!
//! [`ProducerSource::stop`] cannot keep the process from writing on. So what a producer was lent is never lent to another,
//! nor filled by anyone else: its segments are of an [`Epoch`](crate::factory::Epoch) of their own.

mod meter;

use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::ring::Lender;
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::{FrameInfo, ProducerPage, ProducerState, SEGMENT_LIMIT};

use self::meter::Meter;
use super::{Description, Event, Requirements, Source, SourceError, TransportCounters, WritableSegment};

/// Segments that the reserve counts for a producer that is not there yet.
pub const LIKELY_QUEUE: usize = 2;

/// A producer that has nothing to fill is looked after this often: a segment may have been released.
const STARVED_LOOK: Duration = Duration::from_millis(5);

/// The source of a producer's session.
#[derive(Debug)]
pub struct ProducerSource {
    lender: Lender,
    /// Who it is, for people.
    producer: String,
    description: Description,
    needs: Requirements,
    /// What it is lent, by index.
    lent: Vec<Option<WritableSegment>>,
    /// How many that are.
    count: usize,
    frames: Meter,
    /// Wake-ups without a frame.
    alarms: Meter,
}

impl ProducerSource {
    /// A source over a new page. `rate` frames a second are the most it may fill.
    #[must_use]
    pub fn new(
        page: Arc<Mapped<ProducerPage>>,
        producer: String,
        description: Description,
        needs: Requirements,
        rate: u32,
    ) -> Self {
        Self {
            lender: Lender::new(page),
            producer,
            description,
            needs,
            lent: std::iter::repeat_with(|| None).take(SEGMENT_LIMIT).collect(),
            count: 0,
            frames: Meter::new(rate),
            // An honest one may wake the grab thread once for nothing with each frame.
            alarms: Meter::new(rate.saturating_add(1000)),
        }
    }

    /// The next filled segment, if there is one.
    fn collect(&mut self) -> Result<Option<(WritableSegment, FrameInfo)>, String> {
        let Some((index, record)) = self.lender.collect().map_err(|breach| breach.to_string())? else {
            return Ok(None);
        };
        let place = self.lent.get_mut(index.as_usize());
        let Some(segment) = place.and_then(Option::take) else {
            return Err("it filled a segment that it does not have".to_owned());
        };
        self.count -= 1;
        let checked = FrameInfo::checked(&record, segment.len());
        let in_time = self.frames.count(Instant::now());
        match checked {
            Ok(info) if in_time => return Ok(Some((segment, info))),
            // It stays with the others until the source is stopped.
            Ok(_) | Err(_) => self.keep(segment),
        }
        Err(match checked {
            Ok(_) => format!("it fills more than {} segments a second; see --producer-rate", self.frames.limit()),
            Err(fault) => format!("what it says of a frame in segment {index} is wrong: {fault}"),
        })
    }

    fn keep(&mut self, segment: WritableSegment) {
        if let Some(place) = self.lent.get_mut(segment.index().as_usize()) {
            self.count += usize::from(place.replace(segment).is_none());
        }
    }

    fn look(&mut self) -> Option<Event> {
        match self.collect() {
            Ok(None) => None,
            Ok(Some((segment, info))) => Some(Event::Filled(segment, info)),
            Err(breach) => Some(self.breach(&breach)),
        }
    }

    fn breach(&self, breach: &str) -> Event {
        Event::Gone(format!("{} was disconnected: {breach}", self.producer))
    }
}

impl Source for ProducerSource {
    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn requirements(&self) -> Requirements {
        self.needs
    }

    fn start(&mut self) -> Result<(), SourceError> {
        self.lender.set_state(ProducerState::Running);
        Ok(())
    }

    fn queue(&mut self, segment: WritableSegment) {
        let index = segment.index();
        self.keep(segment);
        self.lender.lend(index);
    }

    fn wait(&mut self, timeout: Duration) -> Event {
        if let Some(event) = self.look() {
            return event;
        }
        let longest = if self.count > 0 { timeout } else { timeout.min(STARVED_LOOK) };
        if longest.is_zero() {
            return Event::Timeout;
        }
        let began = Instant::now();
        self.lender.wait(longest);
        if let Some(event) = self.look() {
            return event;
        }
        let now = Instant::now();
        if now.duration_since(began) < longest && !self.alarms.count(now) {
            return self.breach("it wakes the broker again and again for nothing");
        }
        Event::Timeout
    }

    fn stop(&mut self) -> Vec<WritableSegment> {
        self.lender.set_state(ProducerState::Stopped);
        self.count = 0;
        self.lent.iter_mut().filter_map(Option::take).collect()
    }

    fn counters(&self) -> TransportCounters {
        TransportCounters::default()
    }
}

#[cfg(test)]
mod tests;
