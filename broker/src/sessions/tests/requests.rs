//! Goal: a request of any kind, in any phase of a session, is answered as it should be or refused, and never does more. Method: one
//! of each kind, in each phase.

use framebroker_protocol::limits::PROTOCOL_VERSION;
use framebroker_protocol::message::StatsOf;
use framebroker_protocol::{ContextId, FrameRef, StreamName};

use super::*;

/// One request of each kind, about a stream of this name.
fn one_of_each(stream: &str) -> Vec<Ask> {
    let stream: StreamName = stream.parse().unwrap();
    let (subscription, feature) = (SubscriptionId(77), "Gain".parse::<framebroker_protocol::FeatureName>().unwrap());
    let context = ContextId::new(Sequence(1), SegmentIndex::new(0).unwrap());
    let Ask::Produce(wanted) = produce(1) else { panic!("it produces") };
    vec![
        hello(Roles::CONSUMER),
        Ask::ListStreams { from: 0 },
        Ask::Subscribe {
            stream: stream.clone(),
            policy: AskedPolicy::OfStream,
            delivery: Delivery::Shared,
            max_held: 2,
            start: Start::Next,
        },
        Ask::Mapped,
        Ask::Release { subscription, context },
        Ask::Acquire { subscription, frame: FrameRef { broker: BrokerId(1), stream: stream.clone(), context } },
        Ask::Unsubscribe { subscription },
        Ask::Stats { of: StatsOf::Clients, from: 0 },
        Ask::Ping,
        Ask::Produce(Produce { stream: stream.clone(), ..wanted }),
        Ask::Features { stream: stream.clone(), from: 0 },
        Ask::GetFeature { stream: stream.clone(), feature: feature.clone() },
        Ask::SetFeature { stream: stream.clone(), feature: feature.clone(), value: 1.into() },
        Ask::Execute { stream: stream.clone(), feature },
        Ask::Control { stream, sole: true },
    ]
}

/// How a request that nothing is wrong with is answered in an open session of a role that may not do it, or of every role where
/// `may` is true. None where the session fails for it.
fn expected(ask: &Ask, may: bool) -> Option<ErrorCode> {
    match ask {
        Ask::Hello { .. } | Ask::Mapped => Some(ErrorCode::Malformed),
        Ask::Release { .. } | Ask::Acquire { .. } | Ask::Unsubscribe { .. } => Some(ErrorCode::UnknownSubscription),
        // There is no device thread.
        Ask::Features { .. } | Ask::GetFeature { .. } => Some(ErrorCode::StreamClosed),
        Ask::SetFeature { .. } | Ask::Execute { .. } if may => Some(ErrorCode::StreamClosed),
        // The broker's own source fills it.
        Ask::Produce(_) if may => Some(ErrorCode::Invalid),
        Ask::Control { .. } | Ask::Subscribe { .. } if may => None,
        Ask::Subscribe { .. }
        | Ask::Produce(_)
        | Ask::SetFeature { .. }
        | Ask::Execute { .. }
        | Ask::Control { .. } => Some(ErrorCode::Forbidden),
        Ask::ListStreams { .. } | Ask::Stats { .. } | Ask::Ping => None,
    }
}

#[test]
fn before_hello_every_request_ends_the_session() {
    let mut world = World::new(false, 1024);
    for ask in one_of_each(NAME).into_iter().filter(|ask| !matches!(ask, Ask::Hello { .. })) {
        let mut client = world.connect();
        world.ask(&client, 5, ask.clone());
        assert_eq!(client.refusal(), Some((0, ErrorCode::NoHello)), "{ask:?}");
        assert!(world.session(&client).client.has_failed());
    }
    for version in [0, PROTOCOL_VERSION + 1] {
        let mut client = world.connect();
        world.ask(&client, 5, Ask::Hello { version, name: "x".parse().unwrap(), roles: Roles::CONSUMER });
        assert_eq!(client.refusal(), Some((0, ErrorCode::WrongVersion)));
    }
}

#[test]
fn an_open_session_may_do_what_its_role_may() {
    let mut world = World::new(false, 1024);
    for ask in one_of_each(NAME) {
        // Neither of these may all that is asked.
        let role = if matches!(ask, Ask::Subscribe { .. }) { Roles::PRODUCER } else { Roles::CONSUMER };
        for (roles, may) in [(role, false), (Roles::ALL, true)] {
            let mut client = world.connect_as(roles);
            world.ask(&client, 5, ask.clone());
            match (expected(&ask, may), client.next()) {
                (Some(code), Some(Reply { request, body: Tell::Error { code: said, .. } })) => {
                    let ends = code == ErrorCode::Malformed;
                    assert_eq!((said, request), (code, if ends { 0 } else { 5 }), "{ask:?} as {roles}");
                    assert_eq!(world.session(&client).client.has_failed(), ends);
                }
                (None, Some(Reply { request: 5, body })) => {
                    assert!(!matches!(body, Tell::Error { .. }), "{ask:?} as {roles}: {body:?}");
                }
                (expected, said) => panic!("{ask:?} as {roles}: {said:?} instead of {expected:?}"),
            }
            world.broker.end_session(client.id, true);
        }
    }
    assert_eq!(world.stream().granted(), 0);
}

#[test]
fn what_is_asked_of_an_unknown_stream_is_refused() {
    let mut world = World::new(false, 1024);
    let mut client = world.connect_as(Roles::ALL);
    let of_streams = one_of_each("nowhere").into_iter().filter(|ask| {
        let is_about_none = matches!(ask, Ask::Hello { .. } | Ask::ListStreams { .. } | Ask::Mapped | Ask::Ping);
        !is_about_none
            && !matches!(ask, Ask::Release { .. } | Ask::Acquire { .. })
            && !matches!(ask, Ask::Unsubscribe { .. } | Ask::Stats { .. })
    });
    for ask in of_streams {
        world.ask(&client, 5, ask.clone());
        assert_eq!(client.refusal(), Some((5, ErrorCode::UnknownStream)), "{ask:?}");
    }
    for stream in ["nowhere", NAME] {
        let wrong = Ask::Subscribe {
            stream: stream.parse().unwrap(),
            policy: AskedPolicy::OfStream,
            delivery: Delivery::Shared,
            max_held: 0,
            start: Start::Next,
        };
        world.ask(&client, 6, wrong);
        assert_eq!(client.refusal(), Some((6, ErrorCode::Invalid)), "what is wrong in itself is said first");
    }
}

#[test]
fn a_session_that_failed_is_read_and_not_answered() {
    let mut world = World::new(false, 1024);
    for ask in one_of_each(NAME) {
        let mut client = world.connect_as(Roles::ALL);
        world.ask(&client, 2, Ask::Mapped);
        assert_eq!(client.refusal(), Some((0, ErrorCode::Malformed)));
        world.ask(&client, 5, ask.clone());
        assert!(client.next().is_none() && client.channel.is_all_received(), "{ask:?}");
        assert_eq!(world.stream().granted(), 0);
    }
}

#[test]
fn a_session_that_has_hung_up_asks_nothing() {
    let mut world = World::new(false, 1024);
    for ask in one_of_each(NAME) {
        let TestClient { id, channel, .. } = world.connect_as(Roles::ALL);
        channel.end_output();
        world.broker.serve(id);
        world.broker.settle();
        assert!(!world.sessions().get(id).unwrap().client.is_listened_to());
        // Were it heard all the same, it would not be answered.
        let _closed = channel.try_send(&encode(&Request { id: 5, body: ask }).unwrap(), &[]);
        world.broker.serve(id);
        world.broker.settle();
        assert_eq!((world.stream().granted(), world.stream().controller().is_some()), (0, false));
    }
}

#[test]
fn what_is_no_request_ends_the_session() {
    let mut world = World::new(false, 1024);
    let mut client = world.connect_as(Roles::ALL);
    client.channel.try_send(&[0xff; 40], &[]).unwrap();
    world.broker.serve(client.id);
    world.broker.settle();
    assert_eq!(client.refusal(), Some((0, ErrorCode::Malformed)));
    let mut client = world.connect_as(Roles::ALL);
    let file = std::fs::File::open("/dev/null").unwrap();
    let ping = encode(&Request { id: 5, body: Ask::Ping }).unwrap();
    client.channel.try_send(&ping, &[std::os::fd::AsFd::as_fd(&file)]).unwrap();
    world.broker.serve(client.id);
    world.broker.settle();
    assert_eq!(client.refusal(), Some((0, ErrorCode::Malformed)), "no request carries descriptors");
}

#[test]
fn sole_control_ends_with_its_session() {
    let mut world = World::new(false, 1024);
    let [mut first, mut second] = [(); 2].map(|()| world.connect_as(Roles::CONTROL));
    let control = || Ask::Control { stream: NAME.parse().unwrap(), sole: true };
    world.ask(&first, 5, control());
    assert_eq!(first.answer(), Some(Tell::Control { sole: true }));
    world.ask(&second, 5, control());
    assert_eq!(second.refusal(), Some((5, ErrorCode::Controlled)));
    world.ask(&first, 6, Ask::Mapped);
    world.ask(&second, 6, control());
    assert_eq!(second.answer(), Some(Tell::Control { sole: true }), "the first has failed");
}

/// Goal: a session that asks for what costs much delays nobody by more than one such request. Method: one of each, and a cheap
/// one behind it, in one turn.
#[test]
fn what_costs_much_ends_the_turn() {
    let mut world = World::new(false, 1024);
    let costly = [
        subscribe(AskedPolicy::Sequential, Delivery::Shared, 1),
        Ask::Unsubscribe { subscription: SubscriptionId(1) },
        Ask::ListStreams { from: 0 },
        produce(1),
    ];
    for ask in costly {
        let mut client = world.connect_as(Roles::CONSUMER);
        for (id, body) in [(5, ask.clone()), (6, Ask::Ping)] {
            client.channel.try_send(&encode(&Request { id, body }).unwrap(), &[]).unwrap();
        }
        let mut served = || {
            world.broker.serve(client.id);
            world.broker.settle();
            client.read_all();
            client.read.drain(..).any(|reply| reply.body == Tell::Pong)
        };
        assert!(!served() && served(), "{ask:?}");
    }
}

/// Goal: who failed can read why for as long as is promised, whatever else there would be to tell. Method: an answer that comes late.
#[test]
fn an_answer_after_the_failure_takes_no_reason_away() {
    let mut world = World::new(false, 1024);
    let mut client = world.connect_as(Roles::CONSUMER);
    world.ask(&client, 5, hello(Roles::CONSUMER));
    let id = client.id;
    let session = world.sessions().get_mut(id).unwrap();
    assert!(session.client.has_failed());
    session.client.tell(4, Tell::Pong);
    assert!(session.client.has_failed(), "it still waits for the reason to be read");
    assert_eq!((client.refusal(), client.answer()), (Some((0, ErrorCode::Malformed)), None));
}
