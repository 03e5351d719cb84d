//! The promises, held against what has happened.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;

use framebroker_protocol::sync::Arc;
use framebroker_protocol::{Backing, SegmentIndex, StreamState};

use crate::Step;
use crate::world::{Held, World};

type Objects = BTreeSet<(SegmentIndex, Backing)>;

impl World {
    /// What holds after every step.
    pub fn check(&self) {
        for reader in self.readers.iter().chain(&self.ended) {
            for Held { hold, object } in &reader.holds {
                let mut found = [0; 8];
                object.read_exact_at(&mut found, 0).unwrap();
                let (found, context) = (u64::from_le_bytes(found), hold.context);
                assert_eq!(found, context.sequence().0, "{context} changed while it was held");
            }
            let counters = reader.reader.counters();
            let span = reader.reader.cursor().0 + 1 - reader.first.0;
            assert_eq!(counters.received + counters.lost + counters.skipped, span, "what was missed is counted");
            assert!(reader.holds.len() <= reader.max_held);
        }
        let (published, filled) = (self.stream.core().page.head().0, self.grab.scripted.script().filled);
        assert_eq!(published, filled, "what a source has filled is published, once and in its order");
        self.check_books();
    }

    fn check_books(&self) {
        let (pool, setting) = (self.stream.pool(), self.setting);
        assert_eq!(self.stream.granted(), self.granted(), "what ended gave its grants back");
        assert!(self.is_changing() || self.stream.capacity().segments <= setting.max_segments);

        // Objects of the broker, and objects that somebody may still read.
        let mut objects: Objects = pool.segments().map(|s| (s.index(), s.backing())).collect();
        objects.extend(self.grab.grab().supply().segments().map(|segment| (segment.index(), segment.backing())));
        objects.extend(&self.grab.scripted.script().queued);
        let contexts: BTreeSet<SegmentIndex> = objects.iter().map(|(index, _)| *index).collect();
        assert_eq!(contexts.len(), objects.len(), "a buffer context names one buffer");
        let stats = self.stream.factory().stats();
        assert_eq!(stats.total_allocated - stats.total_freed, stats.active_buffers());
        let (active, ordered) = (usize::try_from(stats.active_buffers()).unwrap(), pool.ordered());
        let on_the_way = self.grab.on_the_way();
        // The worker may have made what was ordered, or not yet; what was sent may be for nobody any more.
        let most = objects.len() + ordered + on_the_way;
        assert!((objects.len()..=most).contains(&active), "{active} buffers, {} to {most}", objects.len());
        if ordered == 0 && on_the_way == 0 {
            // Nobody else counts just now.
            assert_eq!(stats.current_bytes, self.bytes_of(&objects) as u64);
        }

        let lingering = self.ended.iter().flat_map(|reader| &reader.holds);
        objects.extend(lingering.map(|held| (held.hold.context.segment(), held.hold.backing)));
        let still = pool.bytes() - pool.segments().map(|segment| segment.bytes() as u64).sum::<u64>();
        let (used, limit) = (self.bytes_of(&objects) + usize::try_from(still).unwrap(), setting.memory_bytes);
        assert!(used <= limit, "{used} bytes of memory, {limit} are the limit");
        if self.is_short() && !setting.is_produced {
            let there_is_no_memory = limit - used < self.stream.needs().payload_bytes;
            // A fixed pool gets what memory allows later when it is renewed. What is given up since there are too many has its
            // index until then, also where another was lost meanwhile.
            let is_shedding = self.grab.grab().supply().surplus() > 0;
            let is_under_way = ordered > 0 || on_the_way > 0 || self.unconfirmed > 0 || self.stream.missing() > 0;
            let is_changing = self.is_changing() || is_shedding || is_under_way;
            assert!(is_changing || there_is_no_memory, "too few segments, with {} bytes to spare", limit - used);
        }
    }

    fn bytes_of(&self, objects: &Objects) -> usize {
        objects.iter().map(|object| self.objects[object]).sum()
    }

    /// What holds when nothing is under way: who ought to fill the ring does, and a fixed pool that has lost segments has them
    /// again when nobody is in the way, if memory allows.
    fn check_rest(&mut self) {
        self.settle();
        self.step(&Step::Pass(6));
        self.settle();
        while !self.readers.is_empty() {
            self.end_one(0, false);
        }
        self.settle();
        while !self.readers.is_empty() {
            self.end_one(0, false);
        }
        // What is missing is noted first, and seen to later.
        for _ in 0..2 {
            self.step(&Step::Pass(1000));
            self.settle();
        }
        let (missing, payload_bytes) = (self.stream.missing(), self.stream.needs().payload_bytes);
        let (pool, limit) = (self.stream.pool(), self.setting.memory_bytes as u64);
        let needed = pool.bytes() + self.stream.debts().bytes() + ((pool.installed() + missing) * payload_bytes) as u64;
        assert!(missing == 0 || needed > limit, "{missing} segments are missing, with {needed} of {limit} bytes");
        self.check();
        self.check_source(limit.saturating_sub(self.stream.debts().bytes()));
    }

    fn check_source(&self, memory: u64) {
        let state = self.stream.core().page.state();
        let is_live = state == StreamState::Live;
        assert_eq!(is_live, self.stream.life().offline().is_none(), "{state:?} for readers, {:?}", self.stream.life());
        let is_expected = !self.setting.is_produced || self.stream.producer().is_some();
        // Who was cut off may still have memory that it needs, and so may the frames that are left, which are not retired for it.
        let left = self.grab.grab().supply().segments().map(|segment| segment.len()).sum::<usize>();
        let needed = left + (self.setting.min_queued + 1) * self.stream.needs().payload_bytes;
        let has_memory = memory >= needed as u64;
        let has_room = has_memory && self.ended.iter().all(|reader| reader.holds.is_empty());
        assert!(!is_expected || !has_room || self.grab.grab().is_running(), "nobody starts the source");
        assert!(is_expected || state == StreamState::Offline, "it has no producer, and is {state:?}");
        assert!(is_expected || self.grab.grab().supply().idle() == 0, "what a dead producer can write is kept");
    }

    /// The broker ends: every segment is freed, and those that read on read what they read.
    pub fn end(mut self) {
        self.check_rest();
        let Self { mut stream, worker, events, grab, readers, ended, .. } = self;
        drop((worker, events, grab));
        let factory = Arc::clone(stream.factory());
        assert!(stream.free_segments().is_empty(), "somebody keeps a segment");
        let stats = factory.stats();
        assert_eq!((stats.active_buffers(), stats.current_bytes, stats.mapped_bytes), (0, 0, 0), "{stats:?}");
        drop((readers, ended));
    }
}
