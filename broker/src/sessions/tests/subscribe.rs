//! Goal: a subscription's life in every order it can take. Method: one client, whose ring grows, whose grab thread answers late,
//! and who maps late or never.

use framebroker_protocol::message::Subscribed;
use framebroker_protocol::{ContextId, FrameRef, limits::SUBSCRIPTIONS_PER_SESSION};

use super::*;

const SHARED: Delivery = Delivery::Shared;

fn subscribed(told: Option<Tell>) -> Subscribed {
    if let Some(Tell::Subscribed(subscribed)) = told { subscribed } else { panic!("{told:?}") }
}

#[test]
fn it_is_announced_and_then_told_of_segments_that_come() {
    let mut world = World::new(false, 1024);
    let mut client = world.connect_as(Roles::CONSUMER);
    world.ask(&client, 5, subscribe(AskedPolicy::Sequential, SHARED, 2));
    let announced = subscribed(client.answer());
    assert_eq!((announced.max_held, announced.first, announced.segments.len()), (2, Sequence(1), 4));
    world.let_others_work();
    assert_eq!(client.answer(), None, "it has not mapped what it was sent");
    world.ask(&client, 0, Ask::Mapped);
    let added = client.answer();
    assert!(matches!(&added, Some(Tell::SegmentsAdded { segments, .. }) if segments.len() == 1), "{added:?}");
    world.ask(&client, 6, Ask::Unsubscribe { subscription: announced.subscription });
    assert_eq!(client.answer(), Some(Tell::Unsubscribed { subscription: announced.subscription }));
    assert_eq!((world.stream().granted(), world.stream().core().roster.current().members.len()), (0, 0));
}

#[test]
fn it_waits_for_the_ring_to_grow_and_can_be_ended_meanwhile() {
    let mut world = World::new(false, 1024);
    let mut client = world.connect_as(Roles::CONSUMER);
    for ends_early in [true, false] {
        world.ask(&client, 5, subscribe(AskedPolicy::Sequential, SHARED, 7));
        if ends_early {
            assert_eq!((client.answer(), world.stream().granted()), (None, 7));
            world.ask(&client, 6, Ask::Unsubscribe { subscription: SubscriptionId(1) });
            assert_eq!(client.refusal(), Some((5, ErrorCode::UnknownSubscription)));
            assert_eq!(client.answer(), Some(Tell::Unsubscribed { subscription: SubscriptionId(1) }));
            assert_eq!(world.stream().granted(), 0);
        }
        world.let_others_work();
    }
    assert_eq!(subscribed(client.answer()).subscription, SubscriptionId(2));
    let mut other = world.connect_as(Roles::CONSUMER);
    world.ask(&other, 5, subscribe(AskedPolicy::Sequential, SHARED, 7));
    assert_eq!(other.refusal(), Some((5, ErrorCode::NotAdmitted)));
}

#[test]
fn a_lossless_one_begins_when_the_grab_thread_waits_for_it() {
    let mut world = World::new(false, 1024);
    let mut client = world.connect_as(Roles::CONSUMER);
    world.ask(&client, 5, subscribe(AskedPolicy::Lossless, Delivery::Socket, 1));
    let (subscription, context) = (SubscriptionId(1), ContextId::new(Sequence(1), SegmentIndex::new(0).unwrap()));
    assert_eq!(client.answer(), None);
    let frame = FrameRef { broker: BrokerId(1), stream: "cam0".parse().unwrap(), context };
    let acquire = |frame: &FrameRef| Ask::Acquire { subscription, frame: frame.clone() };
    world.ask(&client, 6, acquire(&frame));
    assert_eq!(client.refusal(), Some((6, ErrorCode::UnknownSubscription)), "the client does not know it yet");
    world.let_others_work();
    assert_eq!(subscribed(client.answer()).policy, Policy::Lossless);
    world.ask(&client, 7, acquire(&frame));
    assert_eq!(client.refusal(), Some((7, ErrorCode::Gone)));
    world.ask(&client, 7, acquire(&FrameRef { stream: "cam1".parse().unwrap(), ..frame.clone() }));
    assert_eq!(client.refusal(), Some((7, ErrorCode::Invalid)));
    world.ask(&client, 7, acquire(&FrameRef { broker: BrokerId(2), ..frame }));
    assert_eq!(client.refusal(), Some((7, ErrorCode::Gone)));
    world.ask(&client, 8, Ask::Release { subscription, context });
    assert_eq!(client.refusal(), Some((8, ErrorCode::NotHeld)));
}

/// Goal: who is demoted is told, and nobody in his place. Method: the grab thread demotes one that has ended meanwhile, then one
/// that is there.
#[test]
fn only_who_was_demoted_is_told() {
    let mut world = World::new(false, 1024);
    let mut client = world.connect_as(Roles::CONSUMER);
    let lossless = || subscribe(AskedPolicy::Lossless, Delivery::Socket, 1);
    world.ask(&client, 5, lossless());
    world.let_others_work();
    world.ask(&client, 0, Ask::Mapped);
    world.ask(&client, 6, Ask::Unsubscribe { subscription: SubscriptionId(1) });
    world.ask(&client, 7, lossless());
    world.let_others_work();
    world.ask(&client, 0, Ask::Mapped);
    client.read_all();
    client.read.clear();
    for (at, is_told) in [(0, false), (1, true)] {
        let member = Arc::clone(&world.grab.adopted[at]);
        world.tell(Event::Demoted { stream: ID, member });
        let told = client.answer();
        assert_eq!(matches!(told, Some(Tell::Demoted { subscription: SubscriptionId(2), .. })), is_told, "{told:?}");
    }
}

/// Goal: who had the source pause for most of its timeout, and leaves before it is demoted, is refused as if it had been; who had
/// it pause for a moment is not; and a demotion counts once. Method: a grab thread that says how long it has waited.
#[test]
fn leaving_before_the_demotion_counts_as_one() {
    let second = 1_000_000_000;
    for (waited_ns, is_demoted, is_refused) in
        [(9 * second / 10, false, true), (second / 10, false, false), (second / 2, true, true), (0, false, false)]
    {
        let mut world = World::new(false, 1024);
        let (epoch, needs) = (world.stream().epoch(), Requirements { can_pause: true, ..needs() });
        world.tell(Event::Described { stream: ID, epoch, description: description(), needs });
        let mut client = world.connect_as(Roles::CONSUMER);
        let lossless = || subscribe(AskedPolicy::Lossless, Delivery::Socket, 1);
        world.ask(&client, 5, lossless());
        world.let_others_work();
        let member = Arc::clone(&world.grab.adopted[0]);
        member.charge(waited_ns);
        if is_demoted {
            world.tell(Event::Demoted { stream: ID, member });
        }
        world.ask(&client, 6, Ask::Unsubscribe { subscription: SubscriptionId(1) });
        let mut other = world.connect_as(Roles::CONSUMER);
        client.read_all();
        world.ask(&other, 7, lossless());
        world.let_others_work();
        let answer = other.answer();
        let refused = matches!(answer, Some(Tell::Error { code: ErrorCode::NotAdmitted, .. }));
        assert_eq!(refused, is_refused, "{waited_ns} ns: {answer:?}");
        if is_demoted {
            let debtor = world.session(&other).client.debtor();
            let rest = world.stream().rest_of(debtor, Instant::now());
            assert!(rest.is_some_and(|rest| rest <= Duration::from_secs(20)), "{rest:?}");
        }
    }
}

/// Goal: what happens before a client knows that its subscription has begun costs no memory. Method: a second subscription waits
/// for the client to map what it was sent for the first; meanwhile the source comes and goes.
#[test]
fn news_do_not_pile_up_before_it_is_announced() {
    let mut world = World::new(false, 1024);
    let mut client = world.connect_as(Roles::CONSUMER);
    let ask = || subscribe(AskedPolicy::Sequential, SHARED, 1);
    world.ask(&client, 5, ask());
    world.ask(&client, 6, ask());
    for _ in 0..1000 {
        world.go_offline("cable");
        world.come_online();
        // It reads what the first is told.
        client.read_all();
    }
    world.go_offline("at last");
    client.read_all();
    assert!(client.read.iter().all(|reply| reply.request != 6));
    client.read.clear();
    world.ask(&client, 0, Ask::Mapped);
    subscribed(client.answer());
    let subscription = SubscriptionId(2);
    assert_eq!(client.answer(), Some(Tell::Offline { subscription, reason: Text::cut("at last") }));
    assert_eq!(client.answer(), None);
    world.come_online();
    world.ask(&client, 0, Ask::Mapped);
    let told: Vec<Tell> = std::iter::from_fn(|| client.answer()).collect();
    let online = |subscription| Tell::Online { subscription };
    assert_eq!(told, [online(SubscriptionId(1)), online(subscription)]);
}

#[test]
fn a_session_has_so_many_and_no_more() {
    let mut world = World::new(true, 1024);
    let mut client = world.connect_as(Roles::CONSUMER);
    for request in 1..=SUBSCRIPTIONS_PER_SESSION {
        world.ask(&client, u32::try_from(request).unwrap(), subscribe(AskedPolicy::Sequential, SHARED, 1));
    }
    client.read_all();
    assert!(client.read.iter().all(|reply| !matches!(reply.body, Tell::Error { code: ErrorCode::Invalid, .. })));
    client.read.clear();
    world.ask(&client, 99, subscribe(AskedPolicy::Sequential, SHARED, 1));
    assert_eq!(client.refusal(), Some((99, ErrorCode::Invalid)));
}

#[test]
fn the_end_of_a_stream_is_told_once() {
    let mut world = World::new(false, 1024);
    let mut client = world.connect_as(Roles::CONSUMER);
    world.ask(&client, 5, subscribe(AskedPolicy::Sequential, SHARED, 1));
    client.read_all();
    client.read.clear();
    world.tell(Event::Finished { stream: ID, reason: "over".to_owned() });
    world.broker.end_turn(Instant::now() + Duration::from_secs(2));
    world.broker.end_turn(Instant::now() + Duration::from_secs(2));
    let closed = Tell::Closed { subscription: SubscriptionId(1), reason: Text::cut("over") };
    assert_eq!((client.answer(), client.answer()), (Some(closed), None));
    world.ask(&client, 6, subscribe(AskedPolicy::Sequential, SHARED, 1));
    assert_eq!(client.refusal(), Some((6, ErrorCode::StreamClosed)));
}

/// Goal: a stream that has ended keeps nobody waiting who asked before. Method: one that waits for the ring to grow, by either
/// policy, when the stream ends; the grab thread has ended when it could begin.
#[test]
fn who_waits_when_a_stream_ends_is_answered() {
    for policy in [AskedPolicy::Sequential, AskedPolicy::Lossless] {
        let mut world = World::new(false, 1024);
        let mut client = world.connect_as(Roles::CONSUMER);
        world.ask(&client, 5, subscribe(policy, SHARED, 7));
        assert_eq!((client.answer(), world.stream().granted()), (None, 7));
        world.tell(Event::Finished { stream: ID, reason: "over".to_owned() });
        assert_eq!((client.refusal(), world.stream().granted()), (Some((5, ErrorCode::StreamClosed)), 0));
    }
}

/// Goal: who subscribes at the moment at which a producer comes gets what it gets a moment earlier or later. Method: before the grab
/// thread has told what the producer needs.
#[test]
fn who_comes_with_the_producer_is_admitted() {
    let mut world = World::new(true, 1024);
    let (mut reader, producer) = (world.connect_as(Roles::CONSUMER), world.connect_as(Roles::PRODUCER));
    world.ask(&producer, 5, produce(2));
    world.ask(&reader, 6, subscribe(AskedPolicy::Sequential, SHARED, 3));
    assert_eq!(subscribed(reader.answer()).max_held, 3);
    assert_eq!(world.stream().pool().ordered(), 0, "nobody knows how large they must be");
    world.let_others_work();
    let stream = world.stream();
    assert!(stream.pool().ordered() > 3 && stream.needs().payload_bytes == BYTES, "{:?}", stream.pool().ordered());
}

/// Goal: who reads is told before who fills: a producer that has been told that it has begun, or has failed, finds no reader that
/// does not know. Method: both messages of the broker wait in sockets; at the moment the producer's is there, so is the reader's.
#[test]
fn readers_know_before_the_producer() {
    let mut world = World::new(true, 1024);
    let (mut reader, mut producer) = (world.connect_as(Roles::CONSUMER), world.connect_as(Roles::PRODUCER));
    world.ask(&reader, 5, subscribe(AskedPolicy::Sequential, SHARED, 1));
    world.ask(&reader, 0, Ask::Mapped);
    world.ask(&producer, 5, produce(2));
    let mut has_begun = false;
    while !has_begun {
        for told in std::iter::from_fn(|| producer.answer()).collect::<Vec<_>>() {
            match told {
                Tell::Started { .. } => has_begun = true,
                Tell::Producing { .. } | Tell::SegmentsLent { .. } => world.ask(&producer, 0, Ask::Mapped),
                other => panic!("{other:?}"),
            }
        }
        world.let_others_work();
    }
    reader.read_all();
    reader.read.clear();
    let epoch = world.stream().epoch();
    // Not settled yet.
    world.broker.hear(Event::Offline { stream: ID, epoch, reason: "it filled twice".to_owned() });
    assert_eq!(producer.refusal(), Some((0, ErrorCode::Breach)));
    assert!(matches!(reader.answer(), Some(Tell::Offline { .. })));
}
