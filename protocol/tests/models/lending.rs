//! Lending: payload and record pass to the producer and back whole, and neither side sleeps through the other.

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::ring::{Filler, Lend, Lender, Taker};
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::sync::Arc;
use framebroker_protocol::{FrameHeader, FrameInfo, PixelFormat, ProducerPage, SegmentIndex};
use loom::thread;

use crate::stage::{Payload, TWO_THREADS, check};

struct Scene {
    lender: Lender,
    producer: Producer,
    payload: Arc<Payload>,
}

struct Producer {
    taker: Taker,
    filler: Filler,
    payload: Arc<Payload>,
}

impl Scene {
    fn new() -> Self {
        let (page, payload) = (Arc::new(Mapped::<ProducerPage>::default()), Arc::new(Payload::new()));
        let lender = Lender::new(Arc::clone(&page));
        let (taker, filler) = (Taker::new(Arc::clone(&page)), Filler::new(page));
        Self { lender, producer: Producer { taker, filler, payload: Arc::clone(&payload) }, payload }
    }

    /// Sleeps until a segment is back; what is in it must be this.
    fn collect(lender: &mut Lender, payload: &Payload, number: u64) -> SegmentIndex {
        loop {
            if let Some((segment, record)) = lender.collect().unwrap() {
                assert_eq!((payload.read(segment), record.block_id), (number, number));
                return segment;
            }
            lender.wait(WAIT_SLICE);
        }
    }
}

impl Producer {
    /// Sleeps until a segment is lent.
    fn take(&mut self) -> Lend {
        loop {
            if let Some(lend) = self.taker.try_take().unwrap() {
                return lend;
            }
            self.taker.wait(WAIT_SLICE);
        }
    }

    fn fill(&mut self, lend: Lend, number: u64) {
        self.payload.fill(lend.segment(), number);
        let record = FrameInfo::new(1, 1, PixelFormat::MONO8).header();
        self.filler.fill(lend, &FrameHeader { block_id: number, ..record });
    }
}

/// One segment goes to the producer and back twice: neither writes while the other reads, and both sleep in between.
#[test]
fn a_segment_is_lent_and_filled_again_and_again() {
    check(TWO_THREADS, || {
        let Scene { mut lender, mut producer, payload } = Scene::new();
        let producing = thread::spawn(move || {
            for number in 1..=2 {
                let lend = producer.take();
                producer.fill(lend, number);
            }
        });
        lender.lend(SegmentIndex::new(0).unwrap());
        let segment = Scene::collect(&mut lender, &payload, 1);
        lender.lend(segment);
        assert_eq!(Scene::collect(&mut lender, &payload, 2), segment);
        producing.join().unwrap();
    });
}

/// Two segments that come back in another order than they were lent in.
#[test]
fn segments_come_back_in_any_order() {
    check(TWO_THREADS, || {
        let Scene { mut lender, mut producer, payload } = Scene::new();
        [0, 1].into_iter().for_each(|at| lender.lend(SegmentIndex::new(at).unwrap()));
        let producing = thread::spawn(move || {
            let (first, second) = (producer.take(), producer.take());
            producer.fill(second, 1);
            producer.fill(first, 2);
        });
        let back = [1, 2].map(|number| Scene::collect(&mut lender, &payload, number).as_usize());
        assert_eq!(back, [1, 0]);
        producing.join().unwrap();
    });
}
