//! The session thread's part, the readers, and the model that judges.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::PipeWriter;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use framebroker::events::{Event, EventReceiver, SubscriptionKey, event_channel};
use framebroker::factory::{BufferFactory, Memfd};
use framebroker::source::{Description, Requirements};
use framebroker::stream::StreamCore;
use framebroker::stream::admission::Verdict;
use framebroker::stream::command::Command;
use framebroker::stream::pool::Pool;
use framebroker::stream::process::{Process, ProcessKey};
use framebroker::stream::served::{Limits, ReaderProcess, Stream, StreamParts, vacant_needs};
use framebroker::worker::Worker;
use framebroker_protocol::message::{Content, Policy, Start};
use framebroker_protocol::ring::{Claim, Hold, Member, Notify, Pages, Reader, Taken};
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::sync::Arc;
use framebroker_protocol::{
    Backing, ClientId, ClientName, ConsumerPage, SegmentIndex, Sequence, StreamId, SubscriptionId,
};

use crate::Step;
use crate::grab_side::GrabSide;

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
    /// The source waits for lossless readers, so long.
    pub can_pause: bool,
    pub lossless_timeout: Duration,
    /// Producers fill the ring, and come and go.
    pub is_produced: bool,
}

pub struct World {
    pub(crate) setting: Setting,
    pub(crate) stream: Stream,
    pub(crate) worker: Worker,
    pub(crate) events: EventReceiver,
    pub(crate) grab: GrabSide,
    /// Admitted and waiting for the ring to grow.
    pub(crate) waiting: VecDeque<Waiting>,
    /// Lossless, and not yet known to the ring.
    adopting: BTreeMap<ClientId, Entered>,
    pub(crate) readers: Vec<Subscriber>,
    /// Ended while their process lives.
    pub(crate) ended: Vec<Subscriber>,
    /// Ended subscriptions of which the grab thread has not yet said what they hold in the ring.
    pub(crate) unconfirmed: usize,
    /// After the last frame, or since, there were too few segments.
    pub(crate) was_short: bool,
    next_client: u64,
    /// Every object there ever was, and its bytes.
    pub(crate) objects: BTreeMap<(SegmentIndex, Backing), usize>,
}

pub struct Waiting {
    needed: usize,
    pub max_held: usize,
    policy: Policy,
}

/// In the roster, without a reader.
struct Entered {
    page: Arc<Mapped<ConsumerPage>>,
    member: Arc<Member>,
    max_held: usize,
}

pub struct Subscriber {
    client: ClientId,
    member: Arc<Member>,
    pub reader: Reader,
    pub max_held: usize,
    pub first: Sequence,
    pub holds: Vec<Held>,
    /// Its end is readable when the process has ended.
    alive: Option<PipeWriter>,
}

/// A hold and the object it is read from, as a client has it: by descriptor.
pub struct Held {
    pub hold: Hold,
    pub object: File,
}

#[derive(Debug)]
struct Nobody;

impl Notify for Nobody {
    fn notify(&self) {}
}

impl World {
    pub fn new(setting: Setting) -> Self {
        let core = Arc::new(StreamCore::create("cam0".parse().unwrap(), StreamId(0)).unwrap());
        let needs = if setting.is_produced { vacant_needs() } else { setting.needs(FIRST_BYTES) };
        let (mut grab, commands) = GrabSide::new(&core, needs, &setting);
        let (factory, mut pool, mut objects) = (Arc::new(Memfd::default()), Pool::default(), BTreeMap::new());
        for _ in 0..if setting.is_produced { 0 } else { setting.segments } {
            let (index, backing) = pool.order(FIRST_BYTES).unwrap();
            let (segment, writable) = factory.allocate_at(index, backing, FIRST_BYTES).unwrap();
            objects.insert((index, backing), FIRST_BYTES);
            pool.install(&segment);
            commands.send(Command::Install(writable)).unwrap();
        }
        let (description, source, content) = (Description::default(), "scripted", Content::Opaque);
        let limits = setting.limits();
        let parts = StreamParts { core, factory, pool, commands, needs, description, source, content, limits };
        let stream = Stream::new(parts);
        let stream = if setting.is_produced { stream.for_producers() } else { stream };
        grab.begin();
        let (sender, events) = event_channel().unwrap();
        let worker = Worker::start(sender).unwrap();
        let (waiting, adopting, readers, ended, unconfirmed, was_short) = Default::default();
        let (next_client, setting) = (1, setting);
        Self {
            setting,
            stream,
            worker,
            events,
            grab,
            waiting,
            adopting,
            readers,
            ended,
            unconfirmed,
            was_short,
            next_client,
            objects,
        }
    }

    pub fn step(&mut self, step: &Step) {
        match *step {
            Step::Frame => self.frame(),
            Step::Fill(frames) => self.grab.scripted.script().due += frames,
            Step::Obey(commands) => {
                let _none_left = (0..commands).all(|_| self.grab.deliver_next());
                self.grab.turn();
            }
            Step::Hear(events) => (0..events).for_each(|_| self.hear()),
            Step::Deliver => self.deliver(),
            Step::Subscribe(max_held, policy) => self.subscribe(max_held, policy),
            Step::Take(who) => self.take(who),
            Step::Acquire(who, back) => self.acquire(who, back),
            Step::Release(who, which) => self.release(who, which),
            Step::End(who) => self.end_one(who, true),
            Step::Die(who) => self.end_one(who, false),
            Step::Lend(bytes, is_lost) if !self.setting.is_produced => self.grab.lend_or_return(bytes, is_lost),
            Step::Pull if !self.setting.is_produced => self.grab.scripted.script().is_pulled = true,
            Step::Produce(bytes) if self.setting.is_produced => self.produce(bytes),
            Step::EndProducer => self.end_producer(),
            Step::RestartProducer(bytes) if self.setting.is_produced => {
                self.end_producer();
                self.produce(bytes);
            }
            Step::Lend(..) | Step::Pull | Step::Produce(_) | Step::RestartProducer(_) => {}
            Step::Pass(seconds) => {
                self.grab.pass(Duration::from_secs(seconds));
                // Twice: what is missing, or too much, is noted first.
                self.stream.pass_time(self.grab.now);
                self.stream.pass_time(self.grab.now);
            }
            Step::Bury(who) => {
                if let Some(who) = who.checked_rem(self.ended.len()) {
                    drop(self.ended.swap_remove(who));
                    self.restore();
                }
            }
        }
        self.stream.forget_rosters();
        self.grab.receive();
        self.was_short |= self.is_changing() || self.is_short();
    }

    /// A frame is exposed, and the loop turns once.
    fn frame(&mut self) {
        let before = self.count();
        let was_away = !self.grab.grab().is_running();
        self.grab.scripted.script().due += 1;
        self.grab.turn();
        let starved = self.count().1 - before.1;
        let is_excused = was_away || self.was_short;
        assert!(starved == 0 || is_excused, "the source has no segment for its frame");
        self.was_short = self.is_changing() || self.is_short();
        let (queued, needed) = (self.grab.grab().supply().queued(), self.setting.min_queued);
        let is_patient = self.grab.grab().awaits_reader();
        assert!(
            queued >= needed || self.was_short || is_patient,
            "the source starves: it has {queued} of {needed} segments"
        );
    }

    /// Frames that were filled, and frames for which there was no segment.
    fn count(&self) -> (u64, u64) {
        let script = self.grab.scripted.script();
        (script.filled, script.starved)
    }

    /// As `sessions::stream_events` does, without sessions.
    fn hear(&mut self) {
        let epoch = self.stream.epoch();
        match self.grab.unheard.pop_front() {
            Some(Event::Quarantined { kept, stale, client, .. }) => {
                self.unconfirmed -= 1;
                self.stream.quarantine(client, &kept, &stale);
            }
            Some(Event::Vacated { context, .. }) => self.stream.vacate(context),
            Some(Event::Released { index, .. }) => self.stream.release(index),
            Some(Event::Resized { needs, restart, left_behind, given_up, epoch: whose, .. }) => {
                if whose == epoch {
                    self.stream.require(needs, restart, &left_behind);
                }
                given_up.iter().for_each(|index| self.stream.release(*index));
            }
            Some(Event::MadeRoom { has_made_room, .. }) => {
                return self.stream.made_room(&self.worker, has_made_room);
            }
            Some(Event::Described { epoch: whose, description, needs, .. }) if whose == epoch => {
                self.stream.describe(description, needs);
            }
            Some(Event::Online { epoch: whose, description, needs, .. }) if whose == epoch => {
                self.stream.come_online(description, needs);
            }
            Some(Event::Offline { epoch: whose, reason, .. }) if whose == epoch => self.stream.go_offline(reason),
            Some(Event::Described { .. } | Event::Online { .. } | Event::Offline { .. }) => {}
            Some(Event::StillOffline { reason, .. }) => panic!("the camera can be opened: {reason}"),
            Some(Event::Adopted { key, first }) => self.begin_lossless(key.client, first),
            Some(Event::Demoted { member, .. }) => {
                let demoted = self.readers.iter_mut().find(|reader| Arc::ptr_eq(&reader.member, &member));
                if let Some(reader) = demoted {
                    reader.reader.demote();
                }
            }
            Some(other) => panic!("nobody tells {other:?}"),
            None => return,
        }
        self.restore();
    }

    fn restore(&mut self) {
        self.stream.restore(&self.worker);
        self.admit_waiting();
    }

    /// Hears of a segment that the worker has made.
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
        let before = self.objects.insert(object, segment.bytes());
        assert_eq!(before, None, "{object:?} names two objects");
        // As `sessions::produce` does; the producer maps it at once.
        if !self.stream.takes_producers() {
            self.stream.install(&segment, writable);
        } else if self.stream.producer().is_some() && self.stream.awaits(segment.index()) {
            self.stream.install(&segment, writable.for_epoch(self.stream.epoch()));
        } else {
            self.stream.do_without(segment.index());
        }
        drop(segment);
        self.restore();
    }

    /// A producer comes, or the one that is there has other frames.
    fn produce(&mut self, payload_bytes: usize) {
        let needs = self.setting.needs(payload_bytes);
        let reserve = needs.min_queued + 1;
        let (granted, limits) = (self.stream.granted(), self.stream.limits());
        if reserve + granted > limits.max_segments || (reserve * payload_bytes) as u64 > limits.memory_bytes {
            return;
        }
        if self.stream.producer().is_none() {
            self.stream.take_producer(ClientId(self.next_client), ClientName::cut("producer"), 1, 0);
            self.next_client += 1;
        }
        self.stream.attach(self.grab.scripted.source(Arc::new(Mutex::new(needs))));
    }

    fn end_producer(&mut self) {
        if self.stream.producer().is_some() {
            self.stream.lose_producer("it has ended");
            self.restore();
        }
    }

    fn subscribe(&mut self, max_held: usize, policy: Policy) {
        let Verdict::Admit { needed, .. } = self.stream.grant(&self.worker, max_held) else { return };
        self.waiting.push_back(Waiting { needed, max_held, policy });
        self.admit_waiting();
    }

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
        let client = ClientId(self.next_client);
        self.next_client += 1;
        let entered = Entered { page, member: Arc::clone(&member), max_held };
        if policy == Policy::Lossless {
            self.adopting.insert(client, entered);
            let key = SubscriptionKey { client, subscription: SubscriptionId(1) };
            self.stream.tell_grab(Command::Adopt { key, member, start: Start::Oldest });
        } else {
            let page = &self.stream.core().page;
            let first = page.oldest().unwrap_or(page.head().next());
            self.read(client, entered, policy, first);
        }
    }

    fn begin_lossless(&mut self, client: ClientId, first: Sequence) {
        let entered = self.adopting.remove(&client).expect("it was asked for");
        self.read(client, entered, Policy::Lossless, first);
    }

    fn read(&mut self, client: ClientId, entered: Entered, policy: Policy, first: Sequence) {
        let Entered { page, member, max_held } = entered;
        let pages = Pages { stream: Arc::clone(&self.stream.core().page), consumer: page };
        let reader = Reader::new(Arc::new(pages), max_held, policy, first);
        let holds = Vec::new();
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
        let page = &self.stream.core().page;
        let wanted = page.head().0.checked_sub(back).and_then(|wanted| page.context_of(Sequence(wanted)));
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

    /// A subscription ends; its process may live on.
    pub fn end_one(&mut self, who: usize, lives_on: bool) {
        let Some(at) = who.checked_rem(self.readers.len()) else { return };
        let mut reader = self.readers.swap_remove(at);
        self.stream.take_back_grant(reader.max_held);
        if lives_on {
            self.unconfirmed += usize::from(!reader.holds.is_empty());
            let (end, alive) = std::io::pipe().unwrap();
            let (client, pid) = (reader.client, i32::try_from(reader.client.0).unwrap());
            let (name, key) = (ClientName::cut("x"), ProcessKey::Inode(client.0));
            let process = Process { client, name, uid: 0, pid, key, pidfd: Some(end.into()) };
            self.stream.leave(&reader.member, ReaderProcess::MayLive(process), Instant::now());
            reader.alive = Some(alive);
            assert_eq!(reader.reader.try_take(), Taken::Revoked);
            self.ended.push(reader);
        } else {
            self.stream.leave(&reader.member, ReaderProcess::Ended, Instant::now());
        }
        self.admit_waiting();
    }

    /// Holds that are granted.
    pub fn granted(&self) -> usize {
        let reading = self.readers.iter().map(|reader| reader.max_held);
        let adopting = self.adopting.values().map(|entered| entered.max_held);
        reading.chain(adopting).chain(self.waiting.iter().map(|waiting| waiting.max_held)).sum()
    }

    /// Whether the source pauses for a lossless reader.
    pub fn awaits_reader(&self) -> bool {
        self.grab.grab().awaits_reader()
    }

    /// Whether the source is stopped, away, or about to be, or news of it is under way.
    pub fn is_changing(&self) -> bool {
        let is_told = !self.grab.unheard.is_empty() || self.grab.is_asked();
        !self.grab.grab().is_running() || is_told || self.grab.scripted.script().is_pulled
    }

    /// Whether there are fewer segments than the source and the holds that are granted need: only while the size of frames
    /// changes, or where larger ones leave no memory.
    pub fn is_short(&self) -> bool {
        let pool = self.stream.pool();
        // Without those that are being given up, or may turn out to be.
        let installed = (self.stream.capacity().segments + pool.installed()).saturating_sub(pool.expected());
        self.setting.min_queued + 1 + self.granted() > installed
    }

    /// Everything that was told, ordered or asked has been done.
    pub fn settle(&mut self) {
        // Each turn may tell of every segment once.
        for _ in 0..10_000 {
            self.grab.settle();
            self.deliver();
            self.hear();
            let is_done = self.stream.pool().ordered() == 0 && self.grab.unheard.is_empty();
            if is_done && !self.grab.deliver_next() && !self.grab.is_lent() {
                return;
            }
        }
        panic!("there is no end to what is to be done");
    }
}

impl Setting {
    /// What its source needs.
    fn needs(&self, payload_bytes: usize) -> Requirements {
        let Self { min_queued, fixed_pool, can_pause, .. } = *self;
        Requirements { min_queued, wanted_queued: min_queued, fixed_pool, can_pause, payload_bytes }
    }

    fn limits(&self) -> Limits {
        Limits {
            min_segments: self.segments,
            shrink_after: Duration::ZERO,
            max_segments: self.max_segments,
            memory_bytes: self.memory_bytes as u64,
            memory_warn_bytes: None,
            history: self.history,
            lossless_timeout: self.lossless_timeout,
            default_policy: Policy::default(),
        }
    }
}
