//! Goal: taking and dropping a frame of a shared delivery allocates nothing. Method: an allocator that counts what this
//! thread asks of it, and a broker in the test's own process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use crate::fake::{Fake, SEGMENT_BYTES};

struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is being torn down has no counter any more, and none is asked for.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s rules, which are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: `pointer` came from `alloc`, and so from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_frame_costs_no_allocation() {
    let fake = Fake::new();
    let (mut subscription, _session, mut ring) = fake.stream(3);
    // The connection is looked at now and then, which may allocate; a series of frames that fits between two looks shows
    // what the frames themselves cost.
    let quietest = (0..10).map(|_| {
        let before = CALLS.get();
        for at in 0..3 {
            ring.publish(at, SEGMENT_BYTES as u64);
            let frame = subscription.next(Duration::from_secs(10)).unwrap();
            assert_eq!(frame.data().len(), SEGMENT_BYTES);
        }
        CALLS.get() - before
    });
    assert_eq!(quietest.min(), Some(0));
}
