use std::sync::mpsc::channel;

use framebroker_protocol::{Backing, ClientId, PixelFormat, SegmentIndex, StreamId};

use super::*;
use crate::events::event_channel;
use crate::factory::{BufferFactory, Memfd};
use crate::source::{Fill, PatternOptions, PatternSource};

const PATIENCE: Duration = Duration::from_secs(20);

/// Goal: a producer that comes before the grab thread has run is not started without its segments. Method: its commands are there
/// before the thread is; what is told tells in which order they were obeyed.
#[test]
fn a_source_that_comes_early_waits_for_its_segments() {
    let core = Arc::new(StreamCore::create("cam0".parse().unwrap(), StreamId(0)).unwrap());
    let (commands, todo) = channel();
    let (events, received) = event_channel().unwrap();
    let (device, _jobs) = channel();
    let options = GrabOptions { frames: Some(1), publish_incomplete: false, lossless_timeout: PATIENCE };
    let pattern = PatternOptions { width: 16, height: 8, pixel_format: PixelFormat::MONO8, fps: 0.0, fill: Fill::None };
    let source = Box::new(PatternSource::open(pattern).unwrap());
    let bytes = source.requirements().payload_bytes;
    commands.send(Command::Attach(Attached { source, epoch: Epoch(1) })).unwrap();
    commands.send(Command::Confirm { held: Vec::new(), client: ClientId(1) }).unwrap();
    let grab = GrabThread::new(Grab::new(core, options, events, None, None, device), todo);
    let thread = std::thread::spawn(|| grab.run());
    let next = || {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match received.next() {
                Some(event) => return event,
                None if Instant::now() < deadline => std::thread::yield_now(),
                None => panic!("nothing is told"),
            }
        }
    };
    let Event::Resized { restart, .. } = next() else { panic!("it needs segments first") };
    assert!(matches!(next(), Event::Quarantined { .. }), "it waits for them");
    for at in 0..2 {
        let index = SegmentIndex::new(at).unwrap();
        let segment = Memfd::default().allocate_at(index, Backing(1), bytes).unwrap().1;
        commands.send(Command::Install(segment.for_epoch(Epoch(1)))).unwrap();
    }
    commands.send(Command::Resume(restart - 1)).unwrap();
    commands.send(Command::Confirm { held: Vec::new(), client: ClientId(1) }).unwrap();
    assert!(matches!(next(), Event::Quarantined { .. }), "the word for another start is none for this");
    commands.send(Command::Resume(restart)).unwrap();
    assert!(matches!(next(), Event::Online { .. }));
    assert!(matches!(next(), Event::Finished { .. }), "it has its segments");
    drop(commands);
    thread.join().unwrap();
}
