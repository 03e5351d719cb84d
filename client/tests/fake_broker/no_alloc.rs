//! Goal: taking and dropping a frame of a shared delivery allocates nothing. Method: an allocator that counts what this
//! thread asks of it, and a broker in the test's own process.

#[path = "../../../protocol/tests/counting/mod.rs"]
mod counting;

use std::time::Duration;

use self::counting::calls;
use crate::fake::{Fake, SEGMENT_BYTES};

#[test]
fn a_frame_costs_no_allocation() {
    let fake = Fake::new();
    let (mut subscription, _session, mut ring) = fake.stream(3);
    // The connection is looked at now and then, which may allocate; a series of frames that fits between two looks shows
    // what the frames themselves cost.
    let mut three_frames = || {
        for at in 0..3 {
            ring.publish(at, SEGMENT_BYTES as u64);
            let frame = subscription.next(Duration::from_secs(10)).unwrap();
            assert_eq!(frame.data().len(), SEGMENT_BYTES);
        }
    };
    let quietest = (0..10).map(|_| calls(&mut three_frames));
    assert_eq!(quietest.min(), Some(0));
}
