//! The grab thread's part, with the real writer and a source that fills what it is told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, Sender, channel};

use framebroker::events::Event;
use framebroker::factory::{Epoch, WritableSegment};
use framebroker::source::Requirements;
use framebroker::stream::StreamCore;
use framebroker::stream::grab::Command;
use framebroker_protocol::ring::{Retired, Writer};
use framebroker_protocol::sync::Arc;
use framebroker_protocol::{ContextId, FrameHeader, PixelFormat, SEGMENT_LIMIT, SegmentIndex, monotonic_ns};

/// What the source needs beside numbers of its own.
pub const NEEDS: Requirements =
    Requirements { min_queued: 1, wanted_queued: 1, fixed_pool: false, can_pause: false, payload_bytes: 0 };

pub struct Grabber {
    core: Arc<StreamCore>,
    pub writer: Writer,
    pub commands: Receiver<Command>,
    /// With the source, the next to be filled first.
    pub queue: VecDeque<WritableSegment>,
    /// Published.
    pub parked: BTreeMap<SegmentIndex, (ContextId, WritableSegment)>,
    /// Told to the control thread, which has not heard it yet.
    pub told: VecDeque<Event>,
    needs: Requirements,
    payload_bytes: usize,
    /// Segments that a source with a fixed pool has started without.
    left_behind: BTreeSet<SegmentIndex>,
    /// The source is back, and stopped until there are segments for it.
    pub is_returning: bool,
    restart: u64,
    /// Segments that were given up while the source is taken back.
    given_up: Option<Vec<SegmentIndex>>,
    /// Segments that are too many.
    pub surplus: usize,
    freed: Vec<Retired>,
}

impl Grabber {
    pub fn new(core: Arc<StreamCore>, needs: Requirements) -> (Self, Sender<Command>) {
        let (sender, commands) = channel();
        let writer = Writer::new(Arc::clone(&core.page), Arc::clone(&core.roster));
        let (queue, parked, told, freed) = Default::default();
        // Its first segments come before it starts.
        let (is_returning, surplus) = (true, 0);
        let grabber = Self {
            core,
            writer,
            commands,
            queue,
            parked,
            told,
            needs,
            payload_bytes: needs.payload_bytes,
            left_behind: BTreeSet::new(),
            is_returning,
            restart: 0,
            given_up: None,
            surplus,
            freed,
        };
        (grabber, sender)
    }

    /// A frame, whose payload is `stamp`; then commands. As `Grab::grab_one` and `Grab::handle_commands` do. None where the
    /// source has no segment, or is away.
    pub fn frame(&mut self, stamp: u64) -> Option<ContextId> {
        if self.is_returning || self.queue.is_empty() {
            self.refill();
            self.obey();
            return None;
        }
        let mut segment = self.queue.pop_front()?;
        assert!(segment.len() >= self.payload_bytes, "the source got a segment that is too small");
        segment.bytes_mut()[..8].copy_from_slice(&stamp.to_le_bytes());
        segment.count_use();
        let index = segment.index();
        let (context, calls) = self.writer.publish(index, header(), monotonic_ns());
        assert!(self.parked.insert(index, (context, segment)).is_none(), "segment {index} was published already");
        self.writer.wake(calls);
        self.shed();
        self.refill();
        self.obey();
        Some(context)
    }

    /// As `Grab::shed`.
    fn shed(&mut self) {
        if self.surplus == 0 {
            return;
        }
        self.writer.retire(1, &mut self.freed);
        let before = self.queue.len();
        if self.take_freed() && self.queue.len() > before {
            self.surplus -= 1;
            let segment = self.queue.pop_back().expect("the segment of the retired frame");
            self.give_up(segment);
        }
    }

    fn give_up(&mut self, segment: WritableSegment) {
        let index = segment.index();
        self.left_behind.remove(&index);
        self.writer.vacate(index);
        drop(segment);
        match &mut self.given_up {
            Some(given_up) => given_up.push(index),
            None => self.told.push_back(Event::Released { stream: self.core.id, index }),
        }
    }

    /// As `Grab::queue`.
    fn queue(&mut self, segment: WritableSegment) {
        if !self.fits(&segment) {
            return self.give_up(segment);
        }
        self.queue.push_back(segment);
    }

    /// As `Grab::fits`.
    fn fits(&self, segment: &WritableSegment) -> bool {
        segment.len() >= self.payload_bytes && !self.left_behind.contains(&segment.index())
    }

    /// As `Grab::stop_source` and `Grab::take_back`; or as `Grab::lend` and `Grab::take_lent` where it waits for its segments.
    pub fn resize(&mut self, payload_bytes: usize) {
        (self.payload_bytes, self.surplus) = (payload_bytes, 0);
        self.given_up = Some(Vec::new());
        if self.needs.fixed_pool {
            self.writer.retire(SEGMENT_LIMIT, &mut self.freed);
            self.take_freed();
        }
        self.begin_anew();
    }

    /// As `Grab::renew`.
    fn renew(&mut self) {
        if !self.is_returning {
            self.begin_anew();
        }
    }

    /// As `Grab::begin_anew`.
    fn begin_anew(&mut self) {
        self.given_up.get_or_insert_default();
        let left_behind: Vec<_> =
            if self.needs.fixed_pool { self.parked.keys().copied().collect() } else { Vec::new() };
        self.left_behind.extend(&left_behind);
        self.is_returning = true;
        let needs = Requirements { payload_bytes: self.payload_bytes, ..self.needs };
        std::mem::take(&mut self.queue).into_iter().for_each(|segment| self.queue(segment));
        let given_up = self.given_up.take().unwrap_or_default();
        let (stream, epoch) = (self.core.id, Epoch::default());
        self.restart += 1;
        let restart = self.restart;
        self.told.push_back(Event::Resized { stream, epoch, needs, restart, left_behind, given_up });
    }

    /// As `Grab::refill` for a source that cannot pause.
    pub fn refill(&mut self) {
        let min_queued = self.needs.min_queued;
        while self.queue.len() < min_queued && !self.is_returning {
            self.writer.retire(min_queued - self.queue.len(), &mut self.freed);
            if self.take_freed() {
                continue;
            }
            let Some(slowest) = self.writer.slowest_lossless() else { return };
            slowest.set_lossless(false);
        }
    }

    fn take_freed(&mut self) -> bool {
        let mut got = false;
        while let Some(retired) = self.freed.pop() {
            match retired {
                Retired::Reusable(index) => {
                    let (_, segment) = self.parked.remove(&index).expect("what is retired was published");
                    self.queue(segment);
                    got = true;
                }
                Retired::Quarantined(index) => {
                    let (context, _given_up) = self.parked.remove(&index).expect("what is retired was published");
                    self.left_behind.remove(&index);
                    self.writer.vacate(index);
                    self.told.push_back(Event::Vacated { stream: self.core.id, context });
                }
            }
        }
        got
    }

    /// As `Grab::make_room`.
    fn make_room(&mut self) {
        let outgrown = self.parked.values().filter(|(_, segment)| !self.fits(segment)).count();
        if self.is_returning && outgrown > 0 {
            self.writer.retire(outgrown, &mut self.freed);
        }
        let has_made_room = self.take_freed();
        self.told.push_back(Event::MadeRoom { stream: self.core.id, has_made_room });
    }

    /// As `Grab::handle_commands`.
    pub fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Install(segment) => {
                    assert!(!self.parked.contains_key(&segment.index()), "a new object under a published frame");
                    assert!(self.is_returning || !self.needs.fixed_pool, "a buffer for a source that takes none");
                    self.writer.set_backing(segment.index(), segment.backing());
                    self.queue(segment);
                }
                // Sent before the control thread heard that the source was stopped again.
                Command::Resume(restart) if restart != self.restart => {}
                Command::Resume(_) => {
                    assert!(self.is_returning, "nobody waits for it");
                    self.is_returning = false;
                    self.refill();
                }
                Command::Confirm { held, client } => {
                    let (kept, stale) = held.into_iter().partition(|context| self.writer.is_published(*context));
                    self.told.push_back(Event::Quarantined { stream: self.core.id, kept, stale, client });
                }
                // Sent before the control thread heard of the source's return, and void since.
                Command::Shrink(_) if self.is_returning => {}
                Command::Shrink(segments) => self.surplus += segments,
                Command::MakeRoom(_) => self.make_room(),
                Command::Renew => self.renew(),
                other => panic!("nobody sends {other:?}"),
            }
        }
    }
}

fn header() -> FrameHeader {
    FrameHeader {
        context: 0,
        usage_count: 0,
        camera_timestamp_ns: 0,
        monotonic_ns: 0,
        realtime_ns: 0,
        block_id: 0,
        payload_offset: 0,
        payload_bytes: 8,
        chunk_offset: 8,
        chunk_bytes: 0,
        buffer_context: 0,
        width: 8,
        height: 1,
        stride: 8,
        offset_x: 0,
        offset_y: 0,
        pixel_format: PixelFormat::MONO8,
        status: 0,
        lost_at_camera: 0,
        settings_version: 0,
        reserved: 0,
    }
}
