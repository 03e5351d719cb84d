//! A source that fills what it is told to, for a camera and for every producer of a stream.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use framebroker::source::{
    Description, Event, FrameInfo, Requirements, Source, SourceError, TransportCounters, WritableSegment,
};
use framebroker_protocol::{Backing, PixelFormat, SegmentIndex};

/// What all sources of a stream share.
#[derive(Debug, Default)]
pub struct Script {
    /// Frames that are exposed and not taken.
    pub due: usize,
    /// Frames that were taken, ever. Each has its number as its payload.
    pub filled: u64,
    /// Frames for which there was no segment.
    pub starved: u64,
    /// What the source has.
    pub queued: BTreeSet<(SegmentIndex, Backing)>,
    /// The camera's plug is pulled.
    pub is_pulled: bool,
}

/// The script of a stream.
#[derive(Debug, Clone, Default)]
pub struct Scripted(Arc<Mutex<Script>>);

impl Scripted {
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    pub fn source(&self, needs: Arc<Mutex<Requirements>>) -> Box<dyn Source> {
        let (segments, known) = Default::default();
        Box::new(ScriptedSource { shared: self.clone(), needs, segments, known, is_running: false })
    }
}

struct ScriptedSource {
    shared: Scripted,
    /// A camera's may be set.
    needs: Arc<Mutex<Requirements>>,
    segments: VecDeque<WritableSegment>,
    /// What it was given before it started.
    known: BTreeSet<(SegmentIndex, Backing)>,
    is_running: bool,
}

fn name(segment: &WritableSegment) -> (SegmentIndex, Backing) {
    (segment.index(), segment.backing())
}

impl Source for ScriptedSource {
    fn describe(&self) -> Description {
        Description { width: 8, height: 1, ..Description::default() }
    }

    fn requirements(&self) -> Requirements {
        *self.needs.lock().unwrap()
    }

    fn start(&mut self) -> Result<(), SourceError> {
        self.is_running = true;
        Ok(())
    }

    fn queue(&mut self, segment: WritableSegment) {
        let needs = self.requirements();
        assert!(segment.len() >= needs.payload_bytes, "the source got a segment that is too small");
        if !self.is_running {
            self.known.insert(name(&segment));
        }
        assert!(!needs.fixed_pool || self.known.contains(&name(&segment)), "a buffer for a source that takes none");
        assert!(self.shared.script().queued.insert(name(&segment)), "the source has it already");
        self.segments.push_back(segment);
    }

    fn wait(&mut self, _at_once: Duration) -> Event {
        let can_pause = self.requirements().can_pause;
        let mut script = self.shared.script();
        if std::mem::take(&mut script.is_pulled) {
            return Event::Gone("pulled".to_owned());
        }
        if script.due == 0 || can_pause && self.segments.is_empty() {
            return Event::Timeout;
        }
        script.due -= 1;
        let Some(mut segment) = self.segments.pop_front() else {
            script.starved += 1;
            return Event::Starved;
        };
        script.filled += 1;
        script.queued.remove(&name(&segment));
        segment.bytes_mut()[..8].copy_from_slice(&script.filled.to_le_bytes());
        Event::Filled(segment, FrameInfo::new(8, 1, PixelFormat::MONO8))
    }

    fn stop(&mut self) -> Vec<WritableSegment> {
        self.is_running = false;
        self.known.clear();
        self.shared.script().queued.clear();
        self.segments.drain(..).collect()
    }

    fn counters(&self) -> TransportCounters {
        TransportCounters::default()
    }
}
