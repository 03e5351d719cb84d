//! The control thread's part, the readers, and the model that judges.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::PipeWriter;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use framebroker::events::{Event, EventReceiver, event_channel};
use framebroker::factory::{BufferFactory, Memfd};
use framebroker::source::{Description, Requirements};
use framebroker::stream::StreamCore;
use framebroker::stream::admission::Verdict;
use framebroker::stream::debts::Process;
use framebroker::stream::grab::Command;
use framebroker::stream::pool::Pool;
use framebroker::stream::served::{Limits, ReaderProcess, Stream, StreamParts};
use framebroker::worker::Worker;
use framebroker_protocol::message::{Content, Policy, Start};
use framebroker_protocol::ring::{Claim, Hold, Member, Notify, Pages, Reader, Taken};
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::sync::Arc;
use framebroker_protocol::{
    Backing, ClientId, ClientName, ConsumerPage, ContextId, PixelFormat, SegmentIndex, Sequence, StreamId,
};

use crate::Step;
use crate::grabber::{Grabber, NEEDS};

/// Bytes of the first frames.
pub const FIRST_BYTES: usize = 64;

/// The numbers of a ring.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    pub min_queued: usize,
    pub segments: usize,
    pub max_segments: usize,
    pub history: usize,
    /// The memory limit.
    pub memory_bytes: usize,
    /// The source takes segments only while it is stopped.
    pub fixed_pool: bool,
}

pub struct World {
    setting: Setting,
    stream: Stream,
    worker: Worker,
    events: EventReceiver,
    grabber: Grabber,
    /// Admitted and waiting for the ring to grow.
    waiting: VecDeque<Waiting>,
    readers: Vec<Subscriber>,
    /// Ended while their process lives.
    ended: Vec<Subscriber>,
    /// Ended subscriptions of which the grab thread has not yet said what they hold in the ring.
    unconfirmed: usize,
    /// After the last frame, or since, there were too few segments.
    was_short: bool,
    next_client: u64,
    /// Of the pauses between renewals.
    now: Instant,
    truth: Truth,
}

/// What was published, ever.
#[derive(Default)]
struct Truth {
    stamps: BTreeMap<ContextId, u64>,
    newest: Option<ContextId>,
    /// Every object there ever was, and its bytes.
    objects: BTreeMap<(SegmentIndex, Backing), usize>,
}

struct Waiting {
    needed: usize,
    max_held: usize,
    policy: Policy,
}

struct Subscriber {
    client: ClientId,
    member: Arc<Member>,
    reader: Reader,
    max_held: usize,
    first: Sequence,
    holds: Vec<Held>,
    /// Its end is readable when the process has ended.
    alive: Option<PipeWriter>,
}

/// A hold and the object it is read from, as a client has it: by descriptor.
struct Held {
    hold: Hold,
    object: File,
}

#[derive(Debug)]
struct Nobody;

impl Notify for Nobody {
    fn notify(&self) {}
}

impl World {
    pub fn new(setting: Setting) -> Self {
        let Setting { min_queued, segments, max_segments, history, memory_bytes, fixed_pool } = setting;
        let core = Arc::new(StreamCore::create("cam0".parse().unwrap(), StreamId(0)).unwrap());
        let needs =
            Requirements { min_queued, wanted_queued: min_queued, fixed_pool, payload_bytes: FIRST_BYTES, ..NEEDS };
        let (grabber, commands) = Grabber::new(Arc::clone(&core), needs);
        let (factory, mut pool, mut truth) = (Arc::new(Memfd::default()), Pool::default(), Truth::default());
        for _ in 0..segments {
            let (index, backing) = pool.order(FIRST_BYTES).unwrap();
            let (segment, writable) = factory.allocate_at(index, backing, FIRST_BYTES).unwrap();
            truth.objects.insert((index, backing), FIRST_BYTES);
            pool.install(&segment);
            commands.send(Command::Install(writable)).unwrap();
        }
        let limits = Limits {
            min_segments: segments,
            shrink_after: std::time::Duration::ZERO,
            max_segments,
            memory_bytes: memory_bytes as u64,
            memory_warn_bytes: None,
            history,
            lossless: true,
            default_policy: Policy::default(),
        };
        let (model, serial, pixel_format) = (String::new(), String::new(), PixelFormat::MONO8);
        let description = Description { model, serial, width: 8, height: 1, pixel_format, fps: 0.0 };
        let (source, content) = ("pattern", Content::Opaque);
        let parts = StreamParts { core, factory, pool, commands, needs, description, source, content, limits };
        let stream = Stream::new(parts);
        let (sender, events) = event_channel().unwrap();
        let worker = Worker::start(sender).unwrap();
        let (waiting, readers, ended, unconfirmed, was_short) = Default::default();
        let mut world = Self {
            setting,
            stream,
            worker,
            events,
            grabber,
            waiting,
            readers,
            ended,
            unconfirmed,
            was_short,
            next_client: 1,
            now: Instant::now(),
            truth,
        };
        world.grabber.obey();
        world.grabber.is_returning = false;
        world.grabber.refill();
        world
    }

    pub fn step(&mut self, step: &Step) {
        match *step {
            Step::Frame => self.frame(),
            Step::Hear(events) => (0..events).for_each(|_| self.hear()),
            Step::Deliver => self.deliver(),
            Step::Subscribe(max_held, policy) => self.subscribe(max_held, policy),
            Step::Take(who) => self.take(who),
            Step::Acquire(who, back) => self.acquire(who, back),
            Step::Release(who, which) => self.release(who, which),
            Step::End(who) => self.end_one(who, true),
            Step::Die(who) => self.end_one(who, false),
            Step::Resize(bytes) => self.grabber.resize(bytes),
            Step::Shrink => self.stream.shrink(Instant::now()),
            Step::Renew => {
                // Twice: what is missing is noted first.
                self.stream.renew(self.now);
                self.now += Duration::from_secs(1000);
                self.stream.renew(self.now);
            }
            Step::Bury(who) => {
                if let Some(who) = who.checked_rem(self.ended.len()) {
                    drop(self.ended.swap_remove(who));
                    self.stream.restore(&self.worker);
                    self.admit_waiting();
                }
            }
        }
        self.stream.forget_rosters();
        self.was_short |= self.is_short();
    }

    fn frame(&mut self) {
        let stamp = self.truth.stamps.len() as u64 + 1;
        let was_away = self.grabber.is_returning;
        let Some(context) = self.grabber.frame(stamp) else {
            assert!(was_away || self.was_short, "the source has no segment for its frame");
            return self.check_queue();
        };
        assert_eq!(context.sequence().0, stamp, "sequences are without gaps");
        assert!(self.truth.stamps.insert(context, stamp).is_none(), "{context} was used before");
        self.truth.newest = Some(context);
        self.check_queue();
        for reader in &mut self.readers {
            // As the broker tells who was demoted.
            if reader.reader.policy() == Policy::Lossless && !reader.member.is_lossless() {
                reader.reader.demote();
            }
        }
    }

    /// The source has what it needs, but where there is not enough for the holds that are granted.
    fn check_queue(&mut self) {
        let (queued, needed) = (self.grabber.queue.len(), self.setting.min_queued);
        self.was_short = self.grabber.is_returning || self.is_short();
        assert!(queued >= needed || self.was_short, "the source starves: it has {queued} of {needed} segments");
    }

    /// As `Control::take_event`.
    fn hear(&mut self) {
        match self.grabber.told.pop_front() {
            Some(Event::Quarantined { kept, stale, client, .. }) => {
                self.unconfirmed -= 1;
                self.stream.quarantine(client, &kept, &stale);
            }
            Some(Event::Vacated { context, .. }) => self.stream.vacate(context),
            Some(Event::Released { index, .. }) => self.stream.release(index),
            Some(Event::Resized { needs, restart, left_behind, given_up, .. }) => {
                self.stream.require(needs, restart, &left_behind);
                given_up.iter().for_each(|index| self.stream.release(*index));
            }
            Some(Event::MadeRoom { has_made_room, .. }) => {
                return self.stream.made_room(&self.worker, has_made_room);
            }
            Some(other) => panic!("nobody tells {other:?}"),
            None => return,
        }
        self.stream.restore(&self.worker);
        self.admit_waiting();
    }

    fn deliver(&mut self) {
        if self.stream.pool().ordered() == 0 {
            return;
        }
        let event = loop {
            match self.events.next() {
                Some(event) => break event,
                None => std::thread::yield_now(),
            }
        };
        let Event::Allocated { result, .. } = event else { panic!("the worker only allocates") };
        let (segment, writable) = result.unwrap();
        let object = (segment.index(), segment.backing());
        let before = self.truth.objects.insert(object, segment.bytes());
        assert_eq!(before, None, "{object:?} names two objects");
        self.stream.install(&segment, writable);
        self.stream.restore(&self.worker);
        self.admit_waiting();
    }

    fn subscribe(&mut self, max_held: usize, policy: Policy) {
        let Verdict::Admit { needed, .. } = self.stream.grant(&self.worker, max_held) else { return };
        self.waiting.push_back(Waiting { needed, max_held, policy });
        self.admit_waiting();
    }

    /// As `Control::admit_or_refuse`.
    fn admit_waiting(&mut self) {
        while let Some(Waiting { needed, max_held, policy }) = self.waiting.pop_front() {
            match self.stream.may_begin(needed) {
                Some(true) => self.begin(max_held, policy),
                Some(false) => return self.waiting.push_front(Waiting { needed, max_held, policy }),
                None => self.stream.take_back_grant(max_held),
            }
        }
    }

    fn begin(&mut self, max_held: usize, policy: Policy) {
        let page = Arc::new(Mapped::<ConsumerPage>::create().unwrap().0);
        let member = Arc::new(Member::new(Arc::clone(&page), max_held, Box::new(Nobody)));
        self.stream.enter(&member);
        let stream_page = Arc::clone(&self.stream.core().page);
        let first = match policy {
            Policy::Lossless => self.grabber.writer.adopt_lossless(&member, Start::Oldest),
            _ => stream_page.oldest().unwrap_or(stream_page.head().next()),
        };
        let pages = Pages { stream: stream_page, consumer: page };
        let reader = Reader::new(Arc::new(pages), max_held, policy, first);
        let (client, holds) = (ClientId(self.next_client), Vec::new());
        self.next_client += 1;
        self.readers.push(Subscriber { client, member, reader, max_held, first, holds, alive: None });
    }

    fn take(&mut self, who: usize) {
        let Some(at) = who.checked_rem(self.readers.len()) else { return };
        let reader = &mut self.readers[at];
        match reader.reader.try_take() {
            Taken::Frame(hold) => self.keep(at, hold),
            Taken::Full => assert_eq!(reader.holds.len(), reader.max_held),
            Taken::Empty => {}
            Taken::Revoked => panic!("nobody revoked it"),
        }
    }

    fn acquire(&mut self, who: usize, back: u64) {
        let Some(at) = who.checked_rem(self.readers.len()) else { return };
        let Some(newest) = self.truth.newest else { return };
        let page = &self.stream.core().page;
        let wanted = newest.sequence().0.checked_sub(back).and_then(|wanted| page.context_of(Sequence(wanted)));
        let Some(wanted) = wanted else { return };
        if let Claim::Held(hold) = self.readers[at].reader.take_context(wanted) {
            assert_eq!(hold.context, wanted);
            self.keep(at, hold);
        }
    }

    /// The client finds the object by index and backing among those it was sent.
    fn keep(&mut self, at: usize, hold: Hold) {
        let segments = self.stream.pool().segments();
        let mut there = segments.filter(|s| (s.index(), s.backing()) == (hold.context.segment(), hold.backing));
        let segment = there.next().unwrap_or_else(|| panic!("the pool knows no object of {}", hold.context));
        let object = File::from(segment.descriptor().unwrap().try_clone_to_owned().unwrap());
        self.readers[at].holds.push(Held { hold, object });
    }

    fn release(&mut self, who: usize, which: usize) {
        let Some(at) = who.checked_rem(self.readers.len()) else { return };
        let reader = &mut self.readers[at];
        let Some(which) = which.checked_rem(reader.holds.len()) else { return };
        let held = reader.holds.swap_remove(which);
        reader.reader.pages().release(held.hold.slot);
    }

    /// As `Control::end_subscription`.
    fn end_one(&mut self, who: usize, lives_on: bool) {
        let Some(at) = who.checked_rem(self.readers.len()) else { return };
        let mut reader = self.readers.swap_remove(at);
        self.stream.take_back_grant(reader.max_held);
        if lives_on {
            self.unconfirmed += usize::from(!reader.holds.is_empty());
            let (end, alive) = std::io::pipe().unwrap();
            let (client, pid) = (reader.client, i32::try_from(reader.client.0).unwrap());
            let process = Process { client, name: ClientName::cut("x"), uid: 0, pid, pidfd: Some(end.into()) };
            self.stream.leave(&reader.member, ReaderProcess::MayLive(process), Instant::now());
            reader.alive = Some(alive);
            assert_eq!(reader.reader.try_take(), Taken::Revoked);
            self.ended.push(reader);
        } else {
            self.stream.leave(&reader.member, ReaderProcess::Ended, Instant::now());
        }
        self.admit_waiting();
    }

    /// The promises.
    pub fn check(&self) {
        for reader in self.readers.iter().chain(&self.ended) {
            for Held { hold, object } in &reader.holds {
                let mut found = [0; 8];
                object.read_exact_at(&mut found, 0).unwrap();
                let (found, context) = (u64::from_le_bytes(found), hold.context);
                assert_eq!(found, self.truth.stamps[&context], "{context} changed while it was held");
            }
            let counters = reader.reader.counters();
            let span = reader.reader.cursor().0 + 1 - reader.first.0;
            assert_eq!(counters.received + counters.lost + counters.skipped, span, "what was missed is counted");
            assert!(reader.holds.len() <= reader.max_held);
        }
        self.check_books();
    }

    fn check_books(&self) {
        let (pool, setting) = (self.stream.pool(), self.setting);
        let granted: usize = self.readers.iter().map(|reader| reader.max_held).sum();
        let waiting: usize = self.waiting.iter().map(|waiting| waiting.max_held).sum();
        assert_eq!(self.stream.granted(), granted + waiting, "what ended gave its grants back");
        let is_changing = self.grabber.is_returning || !self.grabber.told.is_empty();
        assert!(is_changing || self.stream.capacity().segments <= setting.max_segments);

        // Objects of the broker, and objects that somebody may still read.
        let mut objects: BTreeSet<(SegmentIndex, Backing)> =
            pool.segments().map(|s| (s.index(), s.backing())).collect();
        let of_grabber = self.grabber.queue.iter().chain(self.grabber.parked.values().map(|(_, segment)| segment));
        objects.extend(of_grabber.map(|segment| (segment.index(), segment.backing())));
        let contexts: BTreeSet<SegmentIndex> = objects.iter().map(|(index, _)| *index).collect();
        assert_eq!(contexts.len(), objects.len(), "a buffer context names one buffer");
        let stats = self.stream.factory().stats();
        assert_eq!(stats.total_allocated - stats.total_freed, stats.active_buffers());
        let (active, ordered) = (usize::try_from(stats.active_buffers()).unwrap(), pool.ordered());
        // The worker may have made what was ordered, or not yet.
        assert!((objects.len()..=objects.len() + ordered).contains(&active), "{active} buffers, {}", objects.len());
        if ordered == 0 {
            // Nobody else counts just now.
            assert_eq!(stats.current_bytes, self.bytes_of(&objects) as u64);
        }

        let lingering = self.ended.iter().flat_map(|reader| &reader.holds);
        objects.extend(lingering.map(|held| (held.hold.context.segment(), held.hold.backing)));
        let still = pool.bytes() - pool.segments().map(|segment| segment.bytes() as u64).sum::<u64>();
        let (used, limit) = (self.bytes_of(&objects) + usize::try_from(still).unwrap(), setting.memory_bytes);
        assert!(used <= limit, "{used} bytes of memory, {limit} are the limit");
        if self.is_short() {
            let there_is_no_memory = limit - used < self.stream.needs().payload_bytes;
            // A fixed pool gets what memory allows later when it is renewed. What is given up since there are too many has its
            // index until then, also where another was lost meanwhile.
            let is_shedding = self.grabber.surplus > 0;
            let is_changing =
                is_changing || is_shedding || ordered > 0 || self.unconfirmed > 0 || self.stream.missing() > 0;
            assert!(is_changing || there_is_no_memory, "too few segments, with {} bytes to spare", limit - used);
        }
    }

    /// Whether there are fewer segments than the source and the holds that are granted need: only while the size of frames
    /// changes, or where larger ones leave no memory.
    fn is_short(&self) -> bool {
        let granted: usize = self.readers.iter().map(|reader| reader.max_held).sum();
        let pool = self.stream.pool();
        // Without those that are being given up, or may turn out to be.
        let installed = (self.stream.capacity().segments + pool.installed()).saturating_sub(pool.expected());
        self.setting.min_queued + 1 + granted > installed
    }

    fn bytes_of(&self, objects: &BTreeSet<(SegmentIndex, Backing)>) -> usize {
        objects.iter().map(|object| self.truth.objects[object]).sum()
    }

    /// Everything that was told, ordered or asked has been done.
    fn settle(&mut self) {
        self.grabber.obey();
        while self.stream.pool().ordered() > 0 || !self.grabber.told.is_empty() {
            self.deliver();
            self.hear();
            self.grabber.obey();
        }
    }

    /// A fixed pool that has lost segments has them again when nobody is in the way, if memory allows.
    fn check_renewal(&mut self) {
        self.settle();
        while !self.readers.is_empty() {
            self.end_one(0, false);
        }
        self.step(&Step::Renew);
        self.settle();
        let (missing, payload_bytes) = (self.stream.missing(), self.stream.needs().payload_bytes);
        let (pool, limit) = (self.stream.pool(), self.setting.memory_bytes as u64);
        let needed = pool.bytes() + self.stream.debts().bytes() + ((pool.installed() + missing) * payload_bytes) as u64;
        assert!(missing == 0 || needed > limit, "{missing} segments are missing, with {needed} of {limit} bytes");
        self.check();
    }

    /// The broker ends: every segment is freed, and those that read on read what they read.
    pub fn end(mut self) {
        self.check_renewal();
        let Self { mut stream, worker, events, grabber, readers, ended, .. } = self;
        drop((worker, events, grabber));
        let factory = Arc::clone(stream.factory());
        assert!(stream.free_segments().is_empty(), "somebody keeps a segment");
        let stats = factory.stats();
        assert_eq!((stats.active_buffers(), stats.current_bytes, stats.mapped_bytes), (0, 0, 0), "{stats:?}");
        drop((readers, ended));
    }
}
