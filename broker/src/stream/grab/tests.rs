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

/// Tells its end to whoever does not wait for it, as a camera does that goes at that moment.
struct Going(std::collections::VecDeque<WritableSegment>, SourceEvent);

impl Source for Going {
    fn describe(&self) -> Description {
        Description::default()
    }

    fn requirements(&self) -> Requirements {
        Requirements { min_queued: 1, wanted_queued: 1, fixed_pool: true, can_pause: false, payload_bytes: 64 }
    }

    fn start(&mut self) -> Result<(), crate::source::SourceError> {
        Ok(())
    }

    fn queue(&mut self, segment: WritableSegment) {
        self.0.push_back(segment);
    }

    fn wait(&mut self, _: Duration) -> SourceEvent {
        std::mem::replace(&mut self.1, SourceEvent::Timeout)
    }

    fn stop(&mut self) -> Vec<WritableSegment> {
        self.0.drain(..).collect()
    }

    fn counters(&self) -> crate::source::TransportCounters {
        crate::source::TransportCounters::default()
    }
}

/// Goal: a source that goes or ends at the moment at which it is to be stopped, is taken at its word. Method: one that tells it when
/// the rest of its frames is asked for, because it is renewed, or replaced by another.
#[test]
fn a_source_that_goes_while_it_is_stopped_is_gone() {
    let gone = || SourceEvent::Gone("pulled".to_owned());
    let ended = || SourceEvent::Ended("over".to_owned());
    let another = || {
        let source = Box::new(Going(std::collections::VecDeque::new(), SourceEvent::Timeout));
        Command::Attach(Attached { source, epoch: Epoch(1) })
    };
    for (told, command, is_offline, is_ending) in [
        (gone(), Command::Renew, true, false),
        (gone(), another(), true, false),
        (ended(), Command::Renew, false, true),
        (ended(), another(), false, true),
    ] {
        let core = Arc::new(StreamCore::create("cam0".parse().unwrap(), StreamId(0)).unwrap());
        let (events, received) = event_channel().unwrap();
        let (device, _jobs) = channel();
        let options = GrabOptions { frames: None, publish_incomplete: false, lossless_timeout: PATIENCE };
        let source = Box::new(Going(std::collections::VecDeque::new(), told));
        let mut grab = Grab::new(core, options, events, None, Some(source), device);
        let segment = Memfd::default().allocate_at(SegmentIndex::new(0).unwrap(), Backing(1), 64).unwrap().1;
        grab.handle(Command::Install(segment));
        grab.begin();
        assert!(matches!(received.next(), Some(Event::Online { .. })));
        grab.handle(command);
        let told: Vec<Event> = std::iter::from_fn(|| received.next()).collect();
        let is_told = told.iter().any(|event| matches!(event, Event::Offline { reason, .. } if reason == "pulled"));
        assert_eq!((is_told, grab.is_ending()), (is_offline, is_ending), "{told:?}");
        let starts = told.iter().filter(|event| matches!(event, Event::Resized { epoch: Epoch(0), .. })).count();
        assert_eq!(starts, 0, "it does not start again: {told:?}");
    }
}
