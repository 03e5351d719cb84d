//! What clients do that no client should.

use std::path::Path;
use std::time::{Duration, Instant};

use framebroker_protocol::limits::MESSAGE_BYTES;
use framebroker_protocol::message::{Ask, AskedPolicy, Delivery, FeatureValue, Policy, Start, StatsOf};
use framebroker_protocol::ring::{Claim, Lend};
use framebroker_protocol::{
    BrokerId, ContextId, FrameHeader, FrameRef, SegmentIndex, Sequence, StreamId, SubscriptionId,
};
use framebroker_tests::raw_producer::record;
use framebroker_tests::{Chance, Intruder, PATIENCE, Raw, RawProducer, wait_for};

use super::caller::Caller;
use super::{FILLED, READ};

/// Something that is done as often as possible until a time; returns how often it was.
pub struct Deed {
    pub name: &'static str,
    pub act: fn(&Path, &mut Chance, Instant) -> u64,
}

/// All of them; the first is what the others are compared with.
pub const ALL: [&Deed; 15] = [
    &Deed { name: "keeps a core busy", act: busy },
    &Deed { name: "connects and goes", act: connect_and_go },
    &Deed { name: "says random bytes", act: random_bytes },
    &Deed { name: "asks for anything", act: ask_anything },
    &Deed { name: "asks and never reads", act: never_read },
    &Deed { name: "sends descriptors", act: send_descriptors },
    &Deed { name: "subscribes and leaves", act: subscribe_and_leave },
    &Deed { name: "subscribes by socket and never reads", act: never_read_frames },
    &Deed { name: "subscribes and never maps", act: never_map },
    &Deed { name: "scribbles into its page", act: scribble },
    &Deed { name: "vetoes what is retired", act: veto },
    &Deed { name: "rings the bell", act: ring_the_bell },
    &Deed { name: "produces lies", act: produce_lies },
    &Deed { name: "scribbles into a producer's page", act: poke },
    &Deed { name: "produces and goes", act: produce_and_go },
];

fn again(until: Instant, mut deed: impl FnMut() -> u64) -> u64 {
    let mut done = 0;
    while Instant::now() < until {
        done += deed();
    }
    done
}

fn busy(_socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        std::hint::black_box(chance.number());
        1
    })
}

fn connect_and_go(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let callers: Vec<_> = (0..=chance.below(20)).filter_map(|_| Caller::connect(socket)).collect();
        callers.len() as u64
    })
}

fn random_bytes(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let caller = if chance.below(2) == 0 { Caller::connect(socket) } else { Caller::greet(socket) };
        let Some(mut caller) = caller else { return 0 };
        let bytes: Vec<u8> = (0..chance.below(MESSAGE_BYTES + 64)).map(|_| chance.number().to_le_bytes()[0]).collect();
        u64::from(caller.say(&bytes, 0))
    })
}

fn ask_anything(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let Some(mut caller) = Caller::greet(socket) else { return 0 };
        let mut asked = 0;
        for _ in 0..chance.below(200) {
            asked += u64::from(caller.ask(anything(chance)));
            if caller.read().is_none() || Instant::now() > until {
                break;
            }
        }
        asked
    })
}

fn never_read(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let Some(mut caller) = Caller::greet(socket) else { return 0 };
        let what = chance.below(3);
        let mut asked = 0;
        while Instant::now() < until
            && caller.ask(match what {
                0 => Ask::Ping,
                1 => Ask::ListStreams { from: 0 },
                _ => Ask::Stats { of: StatsOf::Segments(StreamId(0)), from: 0 },
            })
        {
            asked += 1;
        }
        asked
    })
}

fn send_descriptors(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let Some(mut caller) = Caller::greet(socket) else { return 0 };
        u64::from(caller.say(&[1; 20], 1 + chance.below(64)))
    })
}

fn subscribe_and_leave(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let Some(mut caller) = Caller::greet(socket) else { return 0 };
        let mut asked = 0;
        for subscription in 1..20 {
            let (delivery, policy) = (Delivery::Shared, AskedPolicy::Latest);
            let asked_now = caller.ask(subscribe(READ, policy, delivery, 1))
                && (chance.below(2) == 0 || caller.ask(Ask::Mapped))
                && caller.ask(Ask::Unsubscribe { subscription: SubscriptionId(subscription) });
            if !asked_now || caller.read().is_none() {
                break;
            }
            asked += 1;
        }
        asked
    })
}

fn never_read_frames(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let Some(mut caller) = Caller::greet(socket) else { return 0 };
        let policy = chance.one_of(&[AskedPolicy::Latest, AskedPolicy::Sequential, AskedPolicy::Upcoming]);
        let asked = caller.ask(subscribe(READ, policy, Delivery::Socket, 2)) && caller.ask(Ask::Mapped);
        chance.pause(Duration::from_millis(100));
        u64::from(asked)
    })
}

fn never_map(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let Some(mut caller) = Caller::greet(socket) else { return 0 };
        let asked = caller.ask(subscribe(READ, AskedPolicy::Sequential, Delivery::Shared, 2));
        chance.pause(Duration::from_millis(20));
        u64::from(asked)
    })
}

fn scribble(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    let intruder = Intruder::enter_as(Raw::connect(socket), READ, Policy::Sequential, 2);
    again(until, || {
        intruder.scribble(chance);
        1
    })
}

fn veto(socket: &Path, _chance: &mut Chance, until: Instant) -> u64 {
    let intruder = Intruder::enter_as(Raw::connect(socket), READ, Policy::Sequential, 1);
    let mut reader = intruder.reader();
    again(until, || {
        let oldest = intruder.pages.stream.oldest().and_then(|oldest| intruder.pages.stream.context_of(oldest));
        let Some(Claim::Held(hold)) = oldest.map(|oldest| reader.take_context(oldest)) else { return 0 };
        intruder.pages.release(hold.slot);
        1
    })
}

fn ring_the_bell(socket: &Path, _chance: &mut Chance, until: Instant) -> u64 {
    let intruder = Intruder::enter_as(Raw::connect(socket), READ, Policy::Sequential, 1);
    again(until, || {
        intruder.ring_the_bell();
        1
    })
}

fn produce_lies(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let mut producer = attach(socket);
        for _ in 0..chance.below(20) {
            producer.publish(1);
        }
        let lend = producer.take();
        let large = chance.number();
        match chance.below(6) {
            0 => producer.filler.fill(Lend::from_u64(chance.number() << 16 | 3).unwrap_or(lend), &record()),
            1 => (0..2).for_each(|_| producer.filler.fill(lend, &record())),
            2 => producer.filler.fill(lend, &FrameHeader { payload_bytes: large, chunk_offset: large, ..record() }),
            3 => producer.filler.fill(lend, &FrameHeader { chunk_bytes: large, ..record() }),
            4 => producer.filler.fill(lend, &FrameHeader { width: 0x7fff_ffff, ..record() }),
            _ => producer.filler.fill(lend, &FrameHeader { reserved: large, ..record() }),
        }
        1
    })
}

fn poke(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let mut producer = attach(socket);
        producer.publish(1);
        let mut pokes = 0;
        for _ in 0..chance.below(2000) {
            producer.poke(chance.below(1024) * 4, chance.number().to_le_bytes()[0].into());
            pokes += 1;
        }
        pokes
    })
}

fn produce_and_go(socket: &Path, chance: &mut Chance, until: Instant) -> u64 {
    again(until, || {
        let mut producer = attach(socket);
        for _ in 0..chance.below(10) {
            producer.publish(1);
        }
        1
    })
}

/// Becomes the producer, when the one before has gone.
fn attach(socket: &Path) -> RawProducer {
    wait_for("the next producer's turn", PATIENCE, || RawProducer::offer(Raw::connect(socket), FILLED).ok())
}

fn subscribe(stream: &str, policy: AskedPolicy, delivery: Delivery, max_held: u32) -> Ask {
    Ask::Subscribe { stream: stream.parse().unwrap(), policy, delivery, max_held, start: Start::Next }
}

/// A request of any kind.
fn anything(chance: &mut Chance) -> Ask {
    let small = u32::from(chance.number().to_le_bytes()[0]);
    let stream = chance.one_of(&[READ, FILLED, "nowhere"]).parse().unwrap();
    let feature = chance.one_of(&["ExposureTime", "Width", "FrameRate", "x"]).parse().unwrap();
    let subscription = SubscriptionId(small % 4);
    let segment = SegmentIndex::new(chance.below(512)).unwrap();
    let context = ContextId::new(Sequence(1 + chance.number() % 100_000), segment);
    match chance.below(14) {
        0 => Ask::Ping,
        1 => Ask::ListStreams { from: small },
        2 => Ask::Stats { of: chance.one_of(&[StatsOf::Streams, StatsOf::Clients]), from: small },
        3 => Ask::Stats { of: StatsOf::Segments(StreamId(small % 3)), from: small },
        4 => subscribe(READ, AskedPolicy::Sequential, Delivery::Socket, small % 8),
        5 => subscribe(READ, AskedPolicy::Latest, Delivery::Shared, small % 8),
        6 => Ask::Mapped,
        7 => Ask::Release { subscription, context },
        8 => Ask::Acquire { subscription, frame: FrameRef { broker: BrokerId(chance.number()), stream, context } },
        9 => Ask::Unsubscribe { subscription },
        10 => Ask::Features { stream, from: small },
        11 => Ask::GetFeature { stream, feature },
        12 => Ask::SetFeature { stream, feature, value: FeatureValue::Integer(i64::from(small)) },
        _ => Ask::Control { stream, sole: small % 2 == 0 },
    }
}
