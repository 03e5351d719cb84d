use framebroker_protocol::ring::{Filler, Taker};
use framebroker_protocol::{Backing, FrameHeader, PixelFormat, SegmentIndex};

use super::*;
use crate::factory::{BufferFactory, Memfd};

const RATE: u32 = 50;

struct Scene {
    source: ProducerSource,
    taker: Taker,
    filler: Filler,
    factory: Memfd,
}

impl Scene {
    /// A producer that was lent so many segments of 100 bytes.
    fn new(segments: usize) -> Self {
        let page = Arc::new(Mapped::<ProducerPage>::create().unwrap().0);
        let description = Description {
            model: String::new(),
            serial: String::new(),
            width: 4,
            height: 3,
            pixel_format: PixelFormat::MONO8,
            fps: 0.0,
        };
        let needs =
            Requirements { min_queued: 1, wanted_queued: 1, fixed_pool: false, can_pause: false, payload_bytes: 100 };
        let source = ProducerSource::new(Arc::clone(&page), "the producer p, pid 1,".into(), description, needs, RATE);
        let (taker, filler) = (Taker::new(Arc::clone(&page)), Filler::new(page));
        let mut scene = Self { source, taker, filler, factory: Memfd::default() };
        (0..segments).for_each(|at| scene.lend(at));
        scene
    }

    fn lend(&mut self, at: usize) {
        let segment = self.factory.allocate_at(SegmentIndex::new(at).unwrap(), Backing(1), 100).unwrap().1;
        self.source.queue(segment);
    }

    fn fill_with(&mut self, change: impl Fn(&mut FrameHeader)) {
        let lend = self.taker.try_take().unwrap().expect("a segment is lent");
        let mut record = FrameInfo::new(4, 3, PixelFormat::MONO8).header();
        change(&mut record);
        self.filler.fill(lend, &record);
    }

    fn event(&mut self) -> Event {
        self.source.wait(Duration::ZERO)
    }

    /// The reason for which the producer is disconnected; all it was lent comes back.
    fn reason(&mut self, lent: usize) -> String {
        let Event::Gone(reason) = self.event() else { panic!("it is still there") };
        assert_eq!(self.source.stop().len(), lent);
        assert_eq!(self.filler.state(), ProducerState::Stopped);
        reason
    }
}

#[test]
fn segments_come_back_in_the_order_they_were_filled() {
    let mut scene = Scene::new(2);
    let lends = [(); 2].map(|()| scene.taker.try_take().unwrap().unwrap());
    for lend in lends.iter().rev() {
        scene.filler.fill(*lend, &FrameInfo::new(4, 3, PixelFormat::MONO8).header());
    }
    for at in [1, 0] {
        let Event::Filled(segment, info) = scene.event() else { panic!("a frame is there") };
        assert_eq!((segment.index().as_usize(), info.image_bytes), (at, 12));
    }
    assert!(matches!(scene.event(), Event::Timeout));
    assert!(scene.source.stop().is_empty());
}

#[test]
fn a_frame_that_does_not_fit_is_a_breach() {
    let mut scene = Scene::new(2);
    scene.fill_with(|record| (record.payload_bytes, record.chunk_offset) = (101, 101));
    let reason = scene.reason(2);
    assert!(reason.contains("do not fit") && reason.contains("the producer p, pid 1"), "{reason}");
}

#[test]
fn a_segment_that_is_filled_twice_is_a_breach() {
    let mut scene = Scene::new(2);
    let lend = scene.taker.try_take().unwrap().unwrap();
    let record = FrameInfo::new(4, 3, PixelFormat::MONO8).header();
    scene.filler.fill(lend, &record);
    assert!(matches!(scene.event(), Event::Filled(..)));
    scene.filler.fill(lend, &record);
    assert!(scene.reason(1).contains("twice"));
}

#[test]
fn more_filled_than_lent_is_a_breach() {
    let mut scene = Scene::new(1);
    let lend = scene.taker.try_take().unwrap().unwrap();
    let record = FrameInfo::new(4, 3, PixelFormat::MONO8).header();
    scene.filler.fill(lend, &record);
    scene.filler.fill(lend, &record);
    assert!(scene.reason(1).contains("was lent 1"));
}

#[test]
fn a_flood_is_a_breach() {
    let mut scene = Scene::new(RATE as usize + 1);
    for _ in 0..RATE {
        scene.fill_with(|_| {});
        assert!(matches!(scene.event(), Event::Filled(..)));
    }
    scene.fill_with(|_| {});
    assert!(scene.reason(1).contains("--producer-rate"));
}
