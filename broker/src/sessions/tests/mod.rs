//! Sessions without processes: a broker over a stream of real segments, clients at the other end of socket pairs, and a grab
//! thread that is asked and answers, and publishes what it is told to.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]
#![cfg_attr(fuzzing, allow(unused, reason = "fuzzing needs less of it than the tests"))]

#[cfg(test)]
mod balance;
mod books;
#[cfg(fuzzing)]
mod bytes;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod subscribe;

#[cfg(fuzzing)]
pub(crate) use bytes::sessions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use framebroker_protocol::codec::{decode, encode};
use framebroker_protocol::message::{
    Ask, AskedPolicy, Content, Delivery, ErrorCode, Policy, Produce, Reply, Request, Roles, Start, Tell,
};
use framebroker_protocol::ring::Member;
use framebroker_protocol::socket::{Buffer, Channel};
use framebroker_protocol::{
    BrokerId, ClientId, PROTOCOL_VERSION, PixelFormat, SegmentIndex, Sequence, StreamId, SubscriptionId, Text,
};

use super::access::{Access, Peer};
use super::broker::Broker;
use super::descriptors::DescriptorBudget;
use super::listener::Accepted;
use super::poll::Poll;
use super::rules::{ClientLimits, Rules};
use super::session::Session;
use super::streams::Streams;
use super::table::Sessions;
use crate::config::Lease;
use crate::events::{Event, EventReceiver, EventSender, event_channel};
use crate::factory::{BufferFactory, Epoch, Memfd};
use crate::source::{Description, Requirements, WritableSegment};
use crate::stream::StreamCore;
use crate::stream::command::{Attached, Command};
use crate::stream::pool::Pool;
use crate::stream::served::{Limits, Stream, StreamParts, vacant_needs};
use crate::worker::Worker;

const BYTES: usize = 5000;
const NAME: &str = "cam0";
const ID: StreamId = StreamId(0);

/// A broker, and all that is around it.
struct World {
    broker: Broker,
    events: EventReceiver,
    grab: Grab,
}

/// What answers in the place of the grab thread.
struct Grab {
    commands: Receiver<Command>,
    events: EventSender,
    segments: Vec<WritableSegment>,
    /// Told to wait for them.
    adopted: Vec<Arc<Member>>,
    restart: u64,
    needs: Requirements,
    epoch: Epoch,
}

/// A client's end.
struct TestClient {
    id: ClientId,
    channel: Channel,
    buffer: Buffer,
    /// Read and not looked at.
    read: VecDeque<Reply>,
}

fn needs() -> Requirements {
    Requirements { min_queued: 1, wanted_queued: 1, fixed_pool: false, can_pause: false, payload_bytes: BYTES }
}

impl World {
    /// A stream that has 4 segments and may grow to 12, or one that waits for a producer; so many open files are allowed.
    fn new(takes_producers: bool, open_files: u64) -> Self {
        let core = Arc::new(StreamCore::create(NAME.parse().unwrap(), ID).unwrap());
        let (commands, todo) = channel();
        let (factory, mut pool) = (Arc::new(Memfd::default()), Pool::default());
        if !takes_producers {
            for _ in 0..4 {
                let (index, backing) = pool.order(BYTES).unwrap();
                let (segment, writable) = factory.allocate_at(index, backing, BYTES).unwrap();
                pool.install(&segment);
                commands.send(Command::Install(writable)).unwrap();
            }
        }
        let limits = Limits {
            min_segments: 4,
            shrink_after: Duration::from_secs(3600),
            max_segments: if takes_producers { 24 } else { 12 },
            memory_bytes: 1 << 30,
            memory_warn_bytes: None,
            history: 1,
            lossless_timeout: Duration::from_secs(1),
            default_policy: Policy::default(),
        };
        let (source, content) = ("pattern", Content::Opaque);
        let needs = if takes_producers { vacant_needs() } else { needs() };
        let parts =
            StreamParts { core, factory, pool, commands, needs, description: description(), source, content, limits };
        let stream = Stream::new(parts);
        let stream = if takes_producers { stream.for_producers() } else { stream };
        let (sender, events) = event_channel().unwrap();
        let worker = Worker::start(sender.clone()).unwrap();
        let rules = Rules {
            access: Access::of_own_user(),
            limits: ClientLimits { in_all: 64, per_user: 64 },
            lease: Lease::default(),
            stats_interval: None,
            producer_rate: 1000,
        };
        let (streams, budget) = (Streams::new(vec![stream], worker), DescriptorBudget::of(open_files));
        let broker = Broker::new(BrokerId(1), rules, streams, Poll::new().unwrap(), budget);
        let (segments, adopted, restart, epoch) = (Vec::new(), Vec::new(), 0, Epoch::default());
        let grab = Grab { commands: todo, events: sender, segments, adopted, restart, needs, epoch };
        Self { broker, events, grab }
    }

    fn streams(&mut self) -> &mut Streams {
        self.broker.parts().0
    }

    fn sessions(&mut self) -> &mut Sessions {
        self.broker.parts().1
    }

    fn stream(&mut self) -> &Stream {
        self.streams().get(ID).unwrap()
    }

    fn session(&mut self, client: &TestClient) -> &Session {
        self.sessions().get(client.id).unwrap()
    }

    /// Somebody connects.
    fn connect(&mut self) -> TestClient {
        let (ours, theirs) = Channel::pair().unwrap();
        let (pid, uid, gid) = (std::process::id().cast_signed(), nix::unistd::geteuid().as_raw(), 0);
        let peer = Peer { pid, uid, gid };
        self.broker.welcome(Accepted { channel: ours, peer, groups: Vec::new() });
        let id = self.sessions().iter().last().unwrap().client.id();
        self.broker.settle();
        TestClient { id, channel: theirs, buffer: Buffer::default(), read: VecDeque::new() }
    }

    /// Somebody connects and says Hello.
    fn connect_as(&mut self, roles: Roles) -> TestClient {
        let mut client = self.connect();
        self.ask(&client, 1, hello(roles));
        assert!(matches!(client.answer(), Some(Tell::Welcome { .. })));
        client
    }

    /// A client says something, and everyone is settled.
    fn ask(&mut self, client: &TestClient, id: u32, body: Ask) {
        // A client that has gone says nothing, and one that failed is not heard.
        let _gone = client.channel.try_send(&encode(&Request { id, body }).unwrap(), &[]);
        self.broker.serve(client.id);
        self.broker.settle();
    }

    /// The other threads do what they were asked, and tell.
    fn let_others_work(&mut self) {
        loop {
            self.grab.obey();
            while let Some(event) = self.events.next() {
                self.broker.hear(event);
                self.broker.settle();
            }
            self.broker.end_turn(Instant::now());
            if self.stream().pool().ordered() == 0 || self.waits_for_producer() {
                self.grab.obey();
                match self.events.next() {
                    Some(event) => self.broker.hear(event),
                    None => return self.broker.settle(),
                }
            }
            std::thread::yield_now();
        }
    }

    /// Whether segments have been made that a producer is still to map.
    fn waits_for_producer(&mut self) -> bool {
        let ordered = self.stream().pool().ordered();
        let productions = self.sessions().iter().filter_map(|session| session.production.as_ref());
        let unmapped: usize = productions.map(|production| production.unmapped().count()).sum();
        ordered == unmapped
    }

    /// Another thread tells something.
    fn tell(&mut self, event: Event) {
        self.broker.hear(event);
        self.broker.settle();
    }

    fn go_offline(&mut self, reason: &str) {
        let epoch = self.stream().epoch();
        self.tell(Event::Offline { stream: ID, epoch, reason: reason.to_owned() });
    }

    fn come_online(&mut self) {
        let (epoch, needs) = (self.stream().epoch(), self.stream().needs());
        self.tell(Event::Online { stream: ID, epoch, description: description(), needs });
    }
}

impl Grab {
    fn obey(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Install(segment) => self.segments.push(segment),
                Command::Adopt { key, member, .. } => {
                    member.set_lossless(true);
                    self.adopted.push(member);
                    self.events.send(Event::Adopted { key, first: Sequence(1) });
                }
                Command::Confirm { held, client } => {
                    self.events.send(Event::Quarantined { stream: ID, kept: Vec::new(), stale: held, client });
                }
                Command::Attach(Attached { source, epoch }) => {
                    (self.needs, self.epoch) = (source.requirements(), epoch);
                    self.restart += 1;
                    let (needs, restart, given_up) = (self.needs, self.restart, self.give_up(usize::MAX));
                    let left_behind = Vec::new();
                    self.events.send(Event::Resized { stream: ID, epoch, needs, restart, left_behind, given_up });
                }
                Command::Detach { .. } => {
                    for index in self.give_up(usize::MAX) {
                        self.events.send(Event::Released { stream: ID, index });
                    }
                }
                Command::Resume(restart) if restart == self.restart => {
                    let (epoch, needs, description) = (self.epoch, self.needs, description());
                    self.events.send(Event::Online { stream: ID, epoch, description, needs });
                }
                Command::Shrink(segments) => {
                    for index in self.give_up(segments) {
                        self.events.send(Event::Released { stream: ID, index });
                    }
                }
                Command::MakeRoom(_) => self.events.send(Event::MadeRoom { stream: ID, has_made_room: false }),
                _ => {}
            }
        }
    }

    fn give_up(&mut self, segments: usize) -> Vec<SegmentIndex> {
        let kept = self.segments.len().saturating_sub(segments);
        self.segments.drain(kept..).map(|segment| segment.index()).collect()
    }
}

impl TestClient {
    /// Reads all that was sent, and maps nothing. Descriptors are closed.
    fn read_all(&mut self) {
        while let Ok(received) = self.channel.try_receive(&mut self.buffer) {
            self.read.push_back(decode(received.bytes).unwrap());
        }
    }

    /// What was said next.
    fn next(&mut self) -> Option<Reply> {
        self.read_all();
        self.read.pop_front()
    }

    /// The same, whatever it answers.
    fn answer(&mut self) -> Option<Tell> {
        self.next().map(|reply| reply.body)
    }

    /// The code of an error that was said next, and the request that it answers.
    fn refusal(&mut self) -> Option<(u32, ErrorCode)> {
        match self.next() {
            Some(Reply { request, body: Tell::Error { code, .. } }) => Some((request, code)),
            Some(other) => panic!("{other:?} is no refusal"),
            None => None,
        }
    }
}

fn description() -> Description {
    let (model, serial, pixel_format) = (String::new(), String::new(), PixelFormat::MONO8);
    Description { model, serial, width: 100, height: 50, pixel_format, fps: 0.0 }
}

fn hello(roles: Roles) -> Ask {
    Ask::Hello { version: PROTOCOL_VERSION, name: "tester".parse().unwrap(), roles }
}

fn subscribe(policy: AskedPolicy, delivery: Delivery, max_held: u32) -> Ask {
    Ask::Subscribe { stream: NAME.parse().unwrap(), policy, delivery, max_held, start: Start::Next }
}

fn produce(min_queued: u32) -> Ask {
    Ask::Produce(Produce {
        stream: NAME.parse().unwrap(),
        payload_bytes: BYTES as u64,
        min_queued,
        fixed_pool: false,
        can_pause: false,
        width: 100,
        height: 50,
        pixel_format: PixelFormat::MONO8,
        millihertz: 0,
        model: Text::cut(""),
        serial: Text::cut(""),
    })
}
