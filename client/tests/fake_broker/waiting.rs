//! Goal: a caller can stop waiting. Method: a broker that publishes nothing until it is told to.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use framebroker_client::Policy;
use framebroker_protocol::message::{Subscribed, Tell};

use crate::fake::{Fake, Ring, SEGMENT_BYTES, granted, segment};

const LONG: Duration = Duration::from_secs(10);

#[test]
fn a_wait_without_end_can_be_stopped() {
    let fake = Fake::new();
    let (mut subscription, _session, mut ring) = fake.stream(3);
    let begun = Instant::now();
    let mut asked = 0;
    let stopped = subscription.next_while(None, |_| {
        asked += 1;
        asked < 2
    });
    assert!(stopped.unwrap().is_none());
    assert!(asked == 2 && begun.elapsed() < LONG);

    ring.publish(0, SEGMENT_BYTES as u64);
    let frame = subscription.next_while(LONG, |_| true).unwrap().unwrap();
    assert_eq!(frame.data().len(), SEGMENT_BYTES);
}

/// Goal: a frame that comes while the caller is asked whether to go on is not passed over, though only upcoming ones are
/// wanted. Method: it is published from within the question.
#[test]
fn an_upcoming_frame_is_not_missed_between_two_looks() {
    let fake = Fake::new();
    let (mut ring, (info, object)) = (Ring::new(), segment(0, 0));
    let (subscription, _session) = fake.subscribe(
        |builder| builder.policy(Policy::Upcoming),
        |session, request| {
            let Tell::Subscribed(terms) = granted(vec![info]) else { panic!("not granted") };
            let terms = Tell::Subscribed(Subscribed { policy: Policy::Upcoming, ..terms });
            session.tell(request, terms, &ring.fds(&[object.as_fd()]));
        },
    );
    let mut subscription = subscription.unwrap();
    let mut is_published = false;
    let frame = subscription.next_while(LONG, |_| {
        if !is_published {
            ring.publish(0, SEGMENT_BYTES as u64);
            is_published = true;
        }
        true
    });
    assert_eq!(frame.unwrap().unwrap().sequence().0, 1);
}
