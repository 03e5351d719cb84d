//! The whole source with the library's own camera: `Fake_1` needs no network, and its pixels are known.

use std::time::{Duration, Instant};

use framebroker_protocol::{Backing, PixelFormat, SegmentIndex};

use super::{AravisSource, Options, TransportCounters, list};
use crate::factory::{BufferFactory, Memfd};
use crate::source::camera::CameraOptions;
use crate::source::{Event, FrameInfo, Source, SourceError, WritableSegment};

/// Long enough on a busy machine; only a failing test waits so long.
const DEADLINE: Duration = Duration::from_secs(10);

fn options() -> CameraOptions {
    CameraOptions {
        device: Some("Fake_1".to_owned()),
        width: Some(64),
        height: Some(48),
        fps: Some(100.0),
        pixel_format: PixelFormat::from_name("Mono8"),
        ..CameraOptions::default()
    }
}

fn open(camera: CameraOptions) -> Result<AravisSource, SourceError> {
    AravisSource::open(&Options { camera, ..Options::default() })
}

fn segment(index: usize, bytes: usize) -> WritableSegment {
    let index = SegmentIndex::new(index).unwrap();
    let (_, segment) = Memfd::default().allocate_at(index, Backing(1), bytes).unwrap();
    segment
}

fn started(segments: usize) -> AravisSource {
    let mut source = open(options()).unwrap();
    let bytes = source.requirements().payload_bytes;
    (0..segments).for_each(|index| source.queue(segment(index, bytes)));
    source.start().unwrap();
    source
}

/// The next event that is not a timeout.
fn next(source: &mut AravisSource) -> Event {
    let began = Instant::now();
    while began.elapsed() < DEADLINE {
        match source.wait(Duration::from_millis(50)) {
            Event::Timeout => {}
            event => return event,
        }
    }
    panic!("nothing came within {DEADLINE:?}");
}

fn next_frame(source: &mut AravisSource) -> (WritableSegment, FrameInfo) {
    loop {
        if let Event::Filled(segment, info) = next(source) {
            return (segment, info);
        }
    }
}

/// The simulated camera's image at its default gain and exposure: a diagonal ramp that moves with the frame's id.
fn assert_ramp(segment: &mut WritableSegment, info: &FrameInfo) {
    for (y, row) in (0_u64..).zip(segment.bytes_mut().chunks_exact(64).take(48)) {
        for (x, pixel) in (0_u64..).zip(row) {
            assert_eq!(u64::from(*pixel), (x + y + info.block_id) % 255, "x {x}, y {y}, frame {}", info.block_id);
        }
    }
}

fn invalid(options: CameraOptions) -> String {
    match open(options) {
        Err(SourceError::Invalid(text)) => text,
        other => panic!("expected an invalid option, got {other:?}"),
    }
}

/// Goal: what is described is what comes, byte for byte, in the queued segments. Method: 40 frames through three segments.
#[test]
fn frames_arrive_in_the_segments() {
    let mut source = started(3);
    let described = source.describe();
    assert_eq!((described.width, described.height, described.model.as_str()), (64, 48, "Aravis Fake"));
    assert!((described.fps - 100.0).abs() < 0.01, "{}", described.fps);
    assert_eq!(source.requirements().payload_bytes, 64 * 48);
    for _ in 0..40 {
        let (mut segment, info) = next_frame(&mut source);
        assert_eq!((info.width, info.height, info.stride), (64, 48, 64));
        assert_eq!((info.image_bytes, info.chunk_bytes), (64 * 48, 0));
        assert!(info.complete && info.camera_timestamp_ns > 0);
        assert_eq!(Some(info.pixel_format), PixelFormat::from_name("Mono8"));
        assert_ramp(&mut segment, &info);
        source.queue(segment);
    }
}

/// Goal: a stop gives back every segment, after which nothing is written; a start goes on. Method: three rounds; segments are
/// overwritten after the stop and looked at some frame times later.
#[test]
fn a_stop_gives_back_all_segments_and_ends_all_writing() {
    let mut source = started(4);
    for _ in 0..3 {
        let (held, _) = next_frame(&mut source);
        let mut segments = source.stop();
        assert_eq!(segments.len(), 3);
        segments.push(held);
        let mut indices: Vec<_> = segments.iter().map(|segment| segment.index().as_usize()).collect();
        indices.sort_unstable();
        assert_eq!(indices, [0, 1, 2, 3]);
        segments.iter_mut().for_each(|segment| segment.bytes_mut().fill(0xff)); // not a value of the ramp
        assert!(matches!(source.wait(Duration::from_millis(60)), Event::Timeout));
        assert!(segments.iter_mut().all(|segment| segment.bytes_mut().iter().all(|byte| *byte == 0xff)));
        segments.into_iter().for_each(|segment| source.queue(segment));
        source.start().unwrap();
    }
}

/// Goal: dropping a running source is as good as stopping it. Method: drop one while its frames come.
#[test]
fn a_running_source_can_be_dropped() {
    let mut source = started(2);
    let (segment, _) = next_frame(&mut source);
    drop(source);
    drop(segment);
}

/// Goal: frames that find no segment are counted. Method: queue none, then one.
#[test]
fn frames_without_a_segment_are_starved() {
    let mut source = started(0);
    for _ in 0..5 {
        assert!(matches!(next(&mut source), Event::Starved));
    }
    source.queue(segment(7, 64 * 48));
    let (mut segment, info) = next_frame(&mut source);
    assert_eq!(segment.index().as_usize(), 7);
    assert_ramp(&mut segment, &info);
    assert!(source.counters().failed_frames >= 5);
    let before = source.counters();
    drop(source.stop());
    assert!(source.counters().failed_frames >= before.failed_frames, "a stop forgets nothing");
}

/// Goal: another segment under an index that was used before gets its own buffer. Method: exchange one while running.
#[test]
fn a_segment_can_be_replaced_by_another_of_its_index() {
    let mut source = started(1);
    for _ in 0..3 {
        let (old, _) = next_frame(&mut source);
        let mut old = old;
        let mut new = segment(0, 64 * 48 + 4096);
        let address = new.as_mut_ptr();
        assert_ne!(address, old.as_mut_ptr());
        source.queue(new);
        let (mut filled, info) = next_frame(&mut source);
        assert_eq!(filled.as_mut_ptr(), address);
        assert_ramp(&mut filled, &info);
        assert_eq!(info.image_bytes, 64 * 48);
        drop(old);
        source.queue(filled);
    }
}

/// Goal: a second segment of an index that is queued is not lost. Method: queue two, stop.
#[test]
fn a_segment_whose_index_is_queued_comes_back_at_the_stop() {
    let mut source = open(options()).unwrap();
    source.queue(segment(0, 64 * 48));
    source.queue(segment(0, 64 * 48));
    source.start().unwrap();
    let (filled, _) = next_frame(&mut source);
    source.queue(filled);
    assert_eq!(source.stop().len(), 2);
}

/// Goal: a segment that is too small is never overrun nor delivered. Method: one of a page, whose frames take two.
#[test]
fn frames_that_do_not_fit_are_not_delivered() {
    let mut source = open(CameraOptions { height: Some(128), ..options() }).unwrap();
    source.queue(segment(0, 4096));
    source.start().unwrap();
    assert!(matches!(source.wait(Duration::from_millis(300)), Event::Timeout | Event::Starved));
    let mut segments = source.stop();
    assert_eq!(segments.len(), 1);
    assert!(segments.iter_mut().all(|segment| segment.bytes_mut().iter().all(|byte| *byte == 0)));
    assert!(source.counters().failed_frames > 0);
}

/// Goal: a stopped source waits in vain, as long as it was told. Method: wait before the first start.
#[test]
fn a_stopped_source_times_out() {
    let mut source = open(options()).unwrap();
    let began = Instant::now();
    assert!(matches!(source.wait(Duration::from_millis(30)), Event::Timeout));
    assert!(began.elapsed() >= Duration::from_millis(30));
    assert!(source.stop().is_empty());
    assert_eq!(source.counters(), TransportCounters::default());
}

/// Goal: features are set by the type of their node, and refused with what is allowed. Method: one of each type.
#[test]
fn features_are_set_or_refused_with_what_is_allowed() {
    let with = |feature: &str, value: &str| CameraOptions {
        features: vec![(feature.to_owned(), value.to_owned())],
        ..options()
    };
    for (feature, value) in [
        ("Width", "0x20"),
        ("AcquisitionFrameRate", "12.5"),
        ("TriggerMode", "Off"),
        ("PixelFormat", "Mono16"),
        ("AcquisitionStop", ""),
    ] {
        let source = open(with(feature, value));
        assert!(source.is_ok(), "{feature}={value}: {source:?}");
    }
    assert_eq!(open(with("Width", "32")).unwrap().describe().width, 32);
    for (feature, value, answer) in [
        ("NoSuchFeature", "1", "no feature \"NoSuchFeature\""),
        ("Width", "9999", "it takes 1 to 2048"),
        ("Width", "wide", "it takes 1 to 2048"),
        ("AcquisitionFrameRate", "1e9", "it takes "),
        ("PixelFormat", "Mono7", "one of "),
        ("AcquisitionStop", "now", "it is a command"),
        ("DeviceVendorName", "me", "read-only"),
    ] {
        let text = invalid(with(feature, value));
        assert!(text.contains(answer), "{feature}={value}: {text}");
    }
}

/// Goal: options that the camera cannot take say what it could. Method: a size and a rate beyond its range.
#[test]
fn impossible_options_are_refused() {
    assert!(invalid(CameraOptions { width: Some(100_000), ..options() }).contains("it takes 1 to 2048"));
    assert!(invalid(CameraOptions { fps: Some(0.0), ..options() }).contains("allowed: "));
    assert!(invalid(CameraOptions { fps: Some(f64::NAN), ..options() }).contains("allowed: "));
}

/// Goal: an absent camera is told as such, with those that are there. Method: an ID that no camera has.
#[test]
fn an_absent_camera_is_told_with_those_that_are_there() {
    match open(CameraOptions { device: Some("Fake_99".to_owned()), ..options() }) {
        Err(SourceError::Absent(text)) => assert!(text.contains("Fake_99") && text.contains("Fake_1"), "{text}"),
        other => panic!("expected an absent camera, got {other:?}"),
    }
}

/// Goal: the simulated camera is seen only by those who ask for it. Method: list with and without.
#[test]
fn the_simulated_camera_is_listed_only_on_request() {
    let is_fake = |id: &str| id.starts_with("Fake_");
    assert!(list(Some("Fake")).unwrap().iter().any(|device| is_fake(&device.id)));
    assert!(!list(None).unwrap().iter().any(|device| is_fake(&device.id)));
}

/// Goal: the grab thread may own it.
#[test]
fn a_source_can_move_to_another_thread() {
    let mut source = started(2);
    let frame = std::thread::spawn(move || next_frame(&mut source).1).join().unwrap();
    assert_eq!(frame.width, 64);
}
