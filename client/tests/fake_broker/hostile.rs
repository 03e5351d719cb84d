//! Goal: whatever a broker says, the client answers with an error that names it, keeps its other frames, and never hangs.
//! Method: a broker in the test's own process (`fake`) that breaks the protocol in one way at a time.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use framebroker_client::{
    Access, Delivery, Error, ErrorCode, Feature, FeatureKind, FeatureValue, Policy, Sequence, StreamState,
    Subscription, Violation, Visibility,
};
use framebroker_protocol::message::{Ask, Subscribed, Tell};
use framebroker_protocol::{ClientId, SubscriptionId, Text};

use crate::fake::{Fake, ID, Ring, SEGMENT_BYTES, granted, segment, wait_readable};

const PATIENCE: Duration = Duration::from_secs(10);
const WHOLE: u64 = SEGMENT_BYTES as u64;

/// The error after which a subscription gives no other.
fn end_of(subscription: &mut Subscription) -> Error {
    let error = subscription.next(PATIENCE).unwrap_err();
    assert!(!error.is_timeout(), "{error}");
    assert_eq!(subscription.next(PATIENCE).unwrap_err().to_string(), error.to_string());
    assert_eq!(subscription.try_next().unwrap_err().to_string(), error.to_string());
    error
}

#[test]
fn a_broker_that_says_nothing_is_given_up() {
    let fake = Fake::new();
    let client = fake.connect_impatiently();
    let _silent = fake.accept();
    let error = client.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("did not answer Hello"), "{error}");
}

#[test]
fn a_refused_greeting_keeps_its_code() {
    let fake = Fake::new();
    let client = fake.connect_impatiently();
    let mut session = fake.accept();
    session.hear();
    session.tell(0, Tell::Error { code: ErrorCode::Forbidden, text: Text::cut("see --allow-uid") }, &[]);
    assert_eq!(client.join().unwrap().unwrap_err().code(), Some(ErrorCode::Forbidden));
}

#[test]
fn another_version_is_refused() {
    let fake = Fake::new();
    let client = fake.connect_impatiently();
    let mut session = fake.accept();
    let (id, _) = session.hear();
    let broker = framebroker_client::BrokerId(1);
    session.tell(id, Tell::Welcome { version: 99, broker, client: ClientId(1) }, &[]);
    let error = client.join().unwrap().unwrap_err();
    assert!(error.to_string().contains("version 99"), "{error}");
}

#[test]
fn late_answers_are_passed_over() {
    let fake = Fake::new();
    let (broker, mut session) = fake.connect();
    let client = std::thread::spawn(move || broker.ping());
    let (id, _) = session.hear();
    session.tell(id - 1, Tell::Pong, &[]);
    session.tell(id, Tell::Pong, &[]);
    client.join().unwrap().unwrap();
}

/// Goal: a look that never waits comes back from a broker that never stops talking. Method: what it says takes the client longer to do
/// than it takes to say, and much is said before the client looks.
#[test]
fn news_without_end_do_not_hold_a_look() {
    let fake = Fake::new();
    let (mut subscription, mut session, _ring) = fake.stream(1);
    let (mut infos, objects): (Vec<_>, Vec<_>) = (1..=30).map(|index| segment(index, 0)).unzip();
    let fds: Vec<_> = objects.iter().map(AsFd::as_fd).collect();
    let mut talk = || {
        infos.iter_mut().for_each(|info| info.backing.0 += 1);
        session.say_if_there_is_room(Tell::SegmentsAdded { subscription: ID, segments: infos.clone() }, &fds);
    };
    (0..1000).for_each(|_| talk());
    let client = std::thread::spawn(move || subscription.try_next().map(|frame| frame.is_none()));
    let deadline = Instant::now() + 2 * PATIENCE;
    while !client.is_finished() {
        assert!(Instant::now() < deadline, "it does not come back");
        talk();
    }
    assert!(client.join().unwrap().unwrap());
}

/// Goal: a trigger is sent once, also where the subscription for its frame ends while that is waited for. Method: one that was kept
/// from the trigger before; the next one is granted, and the camera would be triggered again.
#[test]
fn a_trigger_is_never_sent_again() {
    let (fake, mut ring) = (Fake::new(), Ring::new());
    let (broker, mut questions) = fake.connect();
    let trigger = || broker.trigger("cam0", PATIENCE).map(drop);
    let mut executed = || {
        let (id, ask) = questions.hear();
        assert!(matches!(ask, Ask::Execute { .. }), "{ask:?}");
        questions.tell(id, Tell::Feature { version: 0, head: Sequence(0), feature: trigger_software() }, &[]);
    };
    std::thread::scope(|scope| {
        let client = scope.spawn(trigger);
        let session = fake.grant(&ring);
        executed();
        ring.publish(0, WHOLE);
        client.join().unwrap().unwrap();
        let client = scope.spawn(trigger);
        executed();
        session.tell(0, Tell::Closed { subscription: ID, reason: Text::cut("so") }, &[]);
        let _session = fake.grant(&Ring::new());
        let error = client.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::BrokerGone), "{error}");
    });
}

fn trigger_software() -> Feature {
    Feature {
        name: "TriggerSoftware".parse().unwrap(),
        display_name: Text::cut(""),
        description: Text::cut(""),
        visibility: Visibility::Beginner,
        access: Access::ReadWrite,
        value: FeatureValue::None,
        kind: FeatureKind::Command,
    }
}

#[test]
fn descriptors_are_counted() {
    for surplus in [false, true] {
        let (fake, ring) = (Fake::new(), Ring::new());
        let (info, object) = segment(0, 1);
        let (subscription, _session) = fake.subscribe(
            |builder| builder,
            |session, request| {
                let mut fds = ring.fds(&[object.as_fd(), object.as_fd()]);
                fds.truncate(if surplus { 5 } else { 3 });
                session.tell(request, granted(vec![info]), &fds);
            },
        );
        let error = subscription.unwrap_err();
        assert!(matches!(error, Error::Violation(Violation::Descriptors { expected: 4, .. })), "{error}");
    }
}

#[test]
fn other_terms_than_asked_for_are_refused() {
    let (fake, ring) = (Fake::new(), Ring::new());
    let (subscription, _session) = fake.subscribe(
        |builder| builder.policy(Policy::Lossless),
        |session, request| session.tell(request, granted(vec![]), &ring.fds(&[])),
    );
    assert!(matches!(subscription, Err(Error::Violation(Violation::Terms("policy")))));
}

#[test]
fn pages_in_the_wrong_order_are_refused() {
    let (fake, ring) = (Fake::new(), Ring::new());
    let (subscription, _session) = fake.subscribe(
        |builder| builder,
        |session, request| {
            let mut fds = ring.fds(&[]);
            fds.swap(0, 1);
            session.tell(request, granted(vec![]), &fds);
        },
    );
    assert!(matches!(subscription, Err(Error::Memory(_))));
}

#[test]
fn a_header_that_lies_costs_only_its_frame() {
    let fake = Fake::new();
    let (mut subscription, _session, mut ring) = fake.stream(2);
    ring.publish(0, WHOLE + 1);
    ring.publish(1, WHOLE);
    let error = subscription.next(PATIENCE).unwrap_err();
    assert!(matches!(error, Error::Violation(Violation::Header { .. })), "{error}");
    assert_eq!(subscription.held(), 0);
    let frame = subscription.next(PATIENCE).unwrap();
    assert_eq!((frame.sequence().0, frame.data().len()), (2, SEGMENT_BYTES));
}

#[test]
fn an_image_that_is_not_aligned_as_promised_costs_only_its_frame() {
    let fake = Fake::new();
    let (mut subscription, _session, mut ring) = fake.stream(2);
    ring.publish_at(0, 64, 64);
    ring.publish(1, WHOLE);
    let error = subscription.next(PATIENCE).unwrap_err();
    assert!(error.to_string().contains("aligned"), "{error}");
    assert_eq!(subscription.next(PATIENCE).unwrap().sequence().0, 2);
}

#[test]
fn a_frame_waits_for_its_segment() {
    let fake = Fake::new();
    let (mut subscription, mut session, mut ring) = fake.stream(1);
    ring.publish(5, WHOLE);
    assert!(subscription.try_next().unwrap().is_none());
    assert!(subscription.next(Duration::from_millis(50)).unwrap_err().is_timeout());
    assert!(subscription.try_next().unwrap().is_none());
    session.add_segment(5, 0);
    wait_readable(subscription.as_fd());
    let frame = subscription.try_next().unwrap().unwrap();
    assert_eq!(frame.buffer_context(), 1005);
    assert_eq!(session.hear(), (0, Ask::Mapped));
    assert_eq!(subscription.held(), 1);
}

#[test]
fn a_new_object_at_an_old_index_gets_a_mapping_of_its_own() {
    let fake = Fake::new();
    let (mut subscription, mut session, mut ring) = fake.stream(0);
    session.add_segment(0, 0);
    ring.publish(0, WHOLE);
    let old = subscription.next(PATIENCE).unwrap();
    let address = subscription.mappings()[0].address;
    session.add_segment(1, 0);
    ring.publish(1, WHOLE);
    drop(subscription.next(PATIENCE).unwrap());
    session.add_segment(0, 7);
    let index = subscription.mappings()[0].index;
    ring.writer.set_backing(index, framebroker_client::Backing(7));
    ring.publish(0, WHOLE);
    let new = subscription.next(PATIENCE).unwrap();
    let mapped = subscription.mappings();
    assert_eq!((mapped.len(), mapped[0].backing.0), (2, 7));
    assert_ne!(mapped[0].address, address);
    assert_eq!((old.data().as_ptr().addr(), new.data().as_ptr().addr()), (address, mapped[0].address));
}

#[test]
fn an_eviction_tells_its_reason() {
    let fake = Fake::new();
    let (mut subscription, session, ring) = fake.stream(1);
    let _held = ring.member.revoke();
    session.tell(0, Tell::Evicted { subscription: ID, reason: Text::cut("too slow") }, &[]);
    assert!(matches!(end_of(&mut subscription), Error::Evicted { reason } if reason == "too slow"));
}

#[test]
fn an_end_without_a_reason_is_not_waited_for_long() {
    let fake = Fake::new();
    let (mut evicted, _session, ring) = fake.stream(1);
    let _held = ring.member.revoke();
    assert!(matches!(end_of(&mut evicted), Error::Evicted { .. }));
    let (mut closed, _session, mut ring) = fake.stream(1);
    ring.publish(0, WHOLE);
    let calls = ring.writer.set_state(StreamState::Closed);
    ring.writer.wake(calls);
    drop(closed.next(PATIENCE).unwrap());
    assert!(matches!(end_of(&mut closed), Error::Closed { .. }));
}

#[test]
fn frames_in_the_ring_come_before_the_end() {
    let fake = Fake::new();
    let (mut subscription, session, mut ring) = fake.stream(3);
    (0..3).for_each(|at| ring.publish(at, WHOLE));
    drop(session);
    assert_eq!(subscription.frames().take_while(Result::is_ok).count(), 3);
    assert!(matches!(end_of(&mut subscription), Error::BrokerGone));
    assert_eq!(subscription.state(), StreamState::Closed);
}

#[test]
fn messages_out_of_place_end_the_subscription() {
    let other = SubscriptionId(9);
    for message in [
        Tell::Online { subscription: other },
        Tell::Pong,
        Tell::Unsubscribed { subscription: ID },
        Tell::SegmentsAdded { subscription: ID, segments: vec![segment(0, 1).0] },
        granted(vec![]),
    ] {
        let fake = Fake::new();
        let (mut subscription, session, _ring) = fake.stream(1);
        session.tell(0, message.clone(), &[]);
        assert!(matches!(end_of(&mut subscription), Error::Violation(_)), "{message:?}");
    }
}

#[test]
fn bytes_that_are_no_message_end_the_subscription() {
    let fake = Fake::new();
    let (mut subscription, session, _ring) = fake.stream(1);
    session.tell_bytes(&[0xff; 40]);
    assert!(matches!(end_of(&mut subscription), Error::Violation(Violation::Message(_))));
}

#[test]
fn a_demotion_is_told() {
    let (fake, ring) = (Fake::new(), Ring::new());
    let (subscription, session) = fake.subscribe(
        |builder| builder.policy(Policy::Lossless),
        |session, request| {
            let Tell::Subscribed(terms) = granted(vec![]) else { unreachable!("it is") };
            let lossless = Subscribed { policy: Policy::Lossless, ..terms };
            session.tell(request, Tell::Subscribed(lossless), &ring.fds(&[]));
        },
    );
    let mut subscription = subscription.unwrap();
    session.tell(0, Tell::Demoted { subscription: ID, reason: Text::cut("starving") }, &[]);
    assert!(subscription.try_next().unwrap().is_none());
    assert_eq!((subscription.demotion_reason(), subscription.policy()), (Some("starving"), Policy::Sequential));
}

#[test]
fn an_answer_that_comes_too_late_gives_its_frame_back() {
    let fake = Fake::new();
    let (info, object) = segment(0, 1);
    let (subscription, mut session) = fake.subscribe(
        |builder| builder.delivery(Delivery::Socket),
        |session, request| {
            let Tell::Subscribed(terms) = granted(vec![info.clone()]) else { unreachable!("it is") };
            let by_socket = Subscribed { delivery: Delivery::Socket, ..terms };
            session.tell(request, Tell::Subscribed(by_socket), &[object.as_fd()]);
        },
    );
    let mut subscription = subscription.unwrap();
    assert_eq!(session.hear(), (0, Ask::Mapped));
    let context = framebroker_client::ContextId::from_u64(1 << 16).unwrap();
    let mut words = [0; 16];
    words[0] = context.as_u64();
    let header = framebroker_client::FrameHeader::from_words(&words);
    session.tell(77, Tell::Acquired { backing: info.backing, header }, &[]);
    assert!(subscription.try_next().unwrap().is_none());
    assert_eq!(session.hear(), (0, Ask::Release { subscription: ID, context }));
}
