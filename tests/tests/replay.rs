//! Recorded frames in place of a camera's: image files, raw recordings, and those that are broken.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any bytes will do in an image")]

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use framebroker_client::{Frame, PixelFormat, Policy, Start, Subscription};
use framebroker_tests::actor::figure;
use framebroker_tests::broker::run;
use framebroker_tests::{Broker, Scratch, binaries};
use tiff::encoder::{TiffEncoder, colortype};

/// An image to be written and found again.
#[derive(Debug, Clone)]
struct Image {
    name: &'static str,
    width: u32,
    height: u32,
    format: PixelFormat,
}

const MIXED: [Image; 8] = [
    Image { name: "a.png", width: 64, height: 48, format: PixelFormat::MONO8 },
    Image { name: "b.PNG", width: 33, height: 7, format: PixelFormat::MONO16 },
    Image { name: "c.png", width: 20, height: 10, format: PixelFormat::RGB8 },
    Image { name: "d.png", width: 21, height: 11, format: PixelFormat::RGB16 },
    Image { name: "e.tif", width: 64, height: 48, format: PixelFormat::MONO8 },
    Image { name: "f.tiff", width: 33, height: 7, format: PixelFormat::MONO16 },
    Image { name: "g.TIF", width: 200, height: 100, format: PixelFormat::RGB8 },
    Image { name: "h.tif", width: 21, height: 11, format: PixelFormat::RGB16 },
];

impl Image {
    /// As it lies in a frame: little-endian.
    fn bytes(&self) -> Vec<u8> {
        let seed = self.name.as_bytes()[0];
        let len = self.format.image_bytes(self.width, self.height).unwrap();
        (0..len).map(|at| (at % 251) as u8 ^ seed).collect()
    }

    fn values(&self) -> Vec<u16> {
        self.bytes().as_chunks::<2>().0.iter().map(|value| u16::from_le_bytes(*value)).collect()
    }

    fn write(&self, directory: &Path) {
        let path = directory.join(self.name);
        let is_png = self.name.to_lowercase().ends_with("png");
        if is_png { self.write_png(&path) } else { self.write_tiff(&path) }
    }

    fn write_png(&self, path: &Path) {
        let mut encoder = png::Encoder::new(File::create(path).unwrap(), self.width, self.height);
        let is_grey = matches!(self.format, PixelFormat::MONO8 | PixelFormat::MONO16);
        let is_deep = matches!(self.format, PixelFormat::MONO16 | PixelFormat::RGB16);
        encoder.set_color(if is_grey { png::ColorType::Grayscale } else { png::ColorType::Rgb });
        encoder.set_depth(if is_deep { png::BitDepth::Sixteen } else { png::BitDepth::Eight });
        let big_endian = self.values().into_iter().flat_map(u16::to_be_bytes).collect();
        let bytes = if is_deep { big_endian } else { self.bytes() };
        encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
    }

    fn write_tiff(&self, path: &Path) {
        let mut encoder = TiffEncoder::new(File::create(path).unwrap()).unwrap();
        let (width, height) = (self.width, self.height);
        match self.format {
            PixelFormat::MONO8 => encoder.write_image::<colortype::Gray8>(width, height, &self.bytes()),
            PixelFormat::MONO16 => encoder.write_image::<colortype::Gray16>(width, height, &self.values()),
            PixelFormat::RGB8 => encoder.write_image::<colortype::RGB8>(width, height, &self.bytes()),
            _ => encoder.write_image::<colortype::RGB16>(width, height, &self.values()),
        }
        .unwrap();
    }

    fn check(&self, frame: &Frame) {
        let header = frame.header();
        assert_eq!((header.width, header.height, frame.pixel_format()), (self.width, self.height, self.format));
        assert_eq!(header.stride, self.format.stride(self.width).unwrap(), "{self:?}");
        assert!(frame.data() == self.bytes(), "{self:?}");
    }
}

fn write(directory: &Path, images: &[Image]) {
    std::fs::create_dir_all(directory).unwrap();
    images.iter().for_each(|image| image.write(directory));
}

fn start(path: &Path, words: &str) -> Broker {
    Broker::start(&format!("--source replay={} {words}", path.display()))
}

fn subscribe(broker: &Broker) -> Subscription {
    broker.connect().subscribe("cam0").start(Start::Oldest).open().unwrap()
}

/// Goal: PNG and TIFF files of several sizes and formats are replayed in the order of their names, byte for byte and again and
/// again; other files are not minded; times and numbers go on.
#[test]
fn a_directory_of_mixed_images_is_replayed_in_a_loop() {
    let scratch = Scratch::default();
    write(scratch.path(), &MIXED);
    std::fs::write(scratch.file("notes.txt"), "of no interest").unwrap();
    let broker = start(scratch.path(), "--replay-loop --fps 100 --segments 20");
    assert!(
        broker.ready().contains("source=replay width=64 height=48 pixel_format=Mono8 fps=100.00"),
        "{}",
        broker.ready()
    );
    let mut frames = subscribe(&broker);
    for _ in 0..3 * MIXED.len() {
        let frame = frames.next(Duration::from_secs(5)).unwrap();
        let number = frame.header().block_id;
        assert_eq!(frame.sequence().0, number);
        assert_eq!(frame.header().camera_timestamp_ns, number * 10_000_000, "10 ms a frame");
        MIXED[usize::try_from(number - 1).unwrap() % MIXED.len()].check(&frame);
    }
    assert_eq!(frames.counters().lost, 0);
    let stats = broker.stats();
    assert_eq!(stats.current_bytes, stats.active_buffers * 200 * 100 * 3, "as large as the largest");
    drop(frames);
    broker.end_clean();
}

/// Goal: what `framectl save` writes can be replayed: the pixels come back as they were.
#[test]
fn saved_frames_are_replayed_as_they_were() {
    let scratch = Scratch::default();
    let (before, after) = (scratch.file("before"), scratch.file("after"));
    write(&before, &MIXED[..4]);
    std::fs::create_dir(&after).unwrap();
    let broker = start(&before, "--replay-loop --fps 20");
    let mut save = Command::new(binaries::framectl());
    save.arg("--socket").arg(broker.socket()).args(["save", "cam0", "--count", "9"]).arg(after.join("f.png"));
    let (status, said, errors) = run(&mut save);
    assert!(status.success(), "{said} {errors}");
    broker.end_clean();

    let mut names: Vec<String> =
        std::fs::read_dir(&after).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names.len(), 9);
    let broker = start(&after, "--replay-loop --fps 50 --segments 20");
    let mut frames = subscribe(&broker);
    for _ in 0..names.len() {
        let frame = frames.next(Duration::from_secs(5)).unwrap();
        let name = &names[usize::try_from(frame.header().block_id - 1).unwrap() % names.len()];
        let sequence: usize = name.trim_end_matches(".png").rsplit('-').next().unwrap().parse().unwrap();
        MIXED[(sequence - 1) % 4].check(&frame);
    }
    drop(frames);
    broker.end_clean();
}

/// Goal: without `--replay-loop` the stream ends after the last frame, which readers still get, and the broker with it.
#[test]
fn a_replay_ends_after_its_last_frame() {
    let scratch = Scratch::default();
    write(scratch.path(), &MIXED);
    let mut broker = start(scratch.path(), "--fps 4 --segments 20");
    let mut actor = broker.actor();
    actor.must("subscribe start=oldest");
    let drained = actor.ask("drain 5000");
    assert!(drained.contains("error closed") && drained.contains("the replay has ended"), "{drained}");
    assert_eq!((figure(&drained, "last"), figure(&drained, "lost")), (8, 0), "{drained}");
    let (status, said) = broker.ended();
    assert!(status.success() && said.contains("8 frames published"), "{said}");
}

/// Goal: a replay waits for lossless readers, as it cannot lose anything by that.
#[test]
fn a_replay_waits_for_lossless_readers() {
    let scratch = Scratch::default();
    write(scratch.path(), &MIXED);
    let broker = start(scratch.path(), "--replay-loop --fps 0 --lossless-timeout 20000");
    let mut frames = broker.connect().subscribe("cam0").policy(Policy::Lossless).open().unwrap();
    let mut last = 0;
    for _ in 0..500 {
        let frame = frames.next(Duration::from_secs(5)).unwrap();
        let number = frame.header().block_id;
        assert!(last == 0 || number == last + 1, "{last}, {number}");
        last = number;
        MIXED[usize::try_from(number - 1).unwrap() % MIXED.len()].check(&frame);
    }
    assert!(!frames.is_demoted());
    drop(frames);
    broker.end_clean();
}

/// Files that cannot be read: two by their beginning, one by its end.
fn write_broken(directory: &Path) -> [PathBuf; 3] {
    let cut = directory.join("b-cut.png");
    Image { name: "b-cut.png", width: 300, height: 300, format: PixelFormat::RGB16 }.write(directory);
    let whole = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &whole[..whole.len() * 2 / 3]).unwrap();
    let garbage = directory.join("c-garbage.tif");
    std::fs::write(&garbage, "II*\0 this is not what it says it is").unwrap();
    let palette = directory.join("d-palette.png");
    let mut encoder = png::Encoder::new(File::create(&palette).unwrap(), 2, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(vec![0, 0, 0, 255, 255, 255]);
    encoder.write_header().unwrap().write_image_data(&[0, 1]).unwrap();
    [cut, garbage, palette]
}

/// Goal: broken files are named; they end the replay, or are left out and counted, as asked.
#[test]
fn broken_files_are_named_and_stop_or_are_skipped() {
    let scratch = Scratch::default();
    write(scratch.path(), &MIXED[..1]);
    let [cut, garbage, palette] = write_broken(scratch.path());
    let last = Image { name: "z.tif", width: 10, height: 10, format: PixelFormat::MONO16 };
    last.write(scratch.path());

    let broker = start(scratch.path(), "--replay-loop --fps 50 --replay-errors skip");
    let mut frames = subscribe(&broker);
    for _ in 0..6 {
        let frame = frames.next(Duration::from_secs(5)).unwrap();
        // Known to be broken from the start are two; the third is found out each time it is due, and has a number.
        let header = frame.header();
        match header.block_id % 3 {
            1 => MIXED[0].check(&frame),
            0 => {
                last.check(&frame);
                assert_eq!(header.lost_at_camera, 1, "{header:?}");
            }
            _ => panic!("{header:?}"),
        }
    }
    assert!(broker.stats().lost_at_camera >= 2);
    for path in [&cut, &garbage, &palette] {
        let named = format!("cannot replay {}", path.display());
        broker.must_log(&named);
    }
    drop(frames);
    broker.end_clean();

    let refused = |path: &Path| {
        let (status, _, errors) = refused_broker(&scratch, scratch.path());
        assert!(!status.success() && errors.contains(&format!("cannot replay {}", path.display())), "{errors}");
        assert!(errors.contains("--replay-errors skip"), "{errors}");
        std::fs::remove_file(path).unwrap();
        errors
    };
    refused(&garbage);
    assert!(refused(&palette).contains("convert it"), "says what would do");
    let mut broker = start(scratch.path(), "--fps 4");
    let mut actor = broker.actor();
    actor.must("subscribe start=oldest");
    let drained = actor.ask("drain 5000");
    let named = format!("cannot replay {}", cut.display());
    assert!(drained.contains("error closed") && drained.contains(&named), "{drained}");
    assert_eq!(figure(&drained, "last"), 1, "{drained}");
    assert!(broker.ended().0.success());
}

fn refused_broker(scratch: &Scratch, path: &Path) -> (std::process::ExitStatus, String, String) {
    let mut command = Command::new(binaries::broker());
    run(command.arg("--socket").arg(scratch.file("s")).arg("--source").arg(format!("replay={}", path.display())))
}

/// Goal: what cannot be a replay is said.
#[test]
fn what_is_no_replay_is_explained() {
    let scratch = Scratch::default();
    let empty = scratch.file("empty");
    std::fs::create_dir(&empty).unwrap();
    let index = |name: &str, text: &str| {
        std::fs::write(scratch.file(name), text).unwrap();
        scratch.file(name)
    };
    for (path, advice) in [
        (scratch.file("nowhere"), "No such file"),
        (empty, "there is nothing to replay"),
        (index("a.jsonl", "frames of yesterday\n"), "does not name a recording"),
        (index("b.jsonl", "{\"framebroker_recording\": 2, \"data\": \"x\"}\n"), "version 2"),
        (index("c.jsonl", "{\"framebroker_recording\": 1, \"data\": \"x.raw\"}\n"), "x.raw: No such file"),
        (index("d.jsonl", "{\"framebroker_recording\": 1, \"data\": \"d.jsonl\"}\n"), "there is nothing to replay"),
        (index("e.jsonl", &" ".repeat(100_000)), "too long for a line"),
    ] {
        let (status, _, errors) = refused_broker(&scratch, &path);
        assert!(!status.success() && errors.contains(advice), "{advice}: {errors}");
    }
}

/// Three frames of a raw recording, 20 and 30 ms apart, with padded rows, chunk data and an offset.
fn write_recording(scratch: &Scratch) -> (PathBuf, Vec<Vec<u8>>) {
    let frames: Vec<Vec<u8>> = vec![
        (0..(40 * 9 + 32)).map(|at| at as u8).collect(),
        (0..48).map(|at| at as u8 ^ 0x55).collect(),
        (0..(16 * 16 + 7)).map(|at| at as u8 ^ 0xAA).collect(),
    ];
    std::fs::write(scratch.file("run.raw"), frames.concat()).unwrap();
    let lines = [
        r#"{"framebroker_recording": 1, "data": "run.raw"}"#.to_owned(),
        r#"{"offset": 0, "width": 32, "height": 10, "pixel_format": "Mono8", "stride": 40, "bytes": 392, "offset_x": 5, "timestamp_ns": 1000000000, "block_id": 7}"#.to_owned(),
        r#"{"offset": 392, "width": 8, "height": 4, "pixel_format": "Mono12p", "timestamp_ns": 1020000000, "block_id": 8, "complete": false}"#.to_owned(),
        r#"{"offset": 440, "width": 16, "height": 16, "pixel_format": "BayerRG8", "chunk_bytes": 7, "timestamp_ns": 1050000000, "block_id": 10}"#.to_owned(),
    ];
    std::fs::write(scratch.file("run.jsonl"), lines.join("\n")).unwrap();
    (scratch.file("run.jsonl"), frames)
}

/// Goal: a raw recording comes back with all that its index says, at its own rate; in later rounds times and numbers go on.
#[test]
fn a_raw_recording_is_replayed_at_its_own_rate() {
    let scratch = Scratch::default();
    let (index, recorded) = write_recording(&scratch);
    let broker = start(&index, "--replay-loop --segments 20 --publish-incomplete");
    assert!(broker.ready().contains("width=32 height=10 pixel_format=Mono8 fps=40.00"), "{}", broker.ready());
    let mut frames = subscribe(&broker);
    let mut before = None;
    for _ in 0..7 {
        let frame = frames.next(Duration::from_secs(5)).unwrap();
        let header = *frame.header();
        let (round, at) = ((header.block_id - 7) / 4, (header.block_id - 7) % 4);
        let (at, time_ns) = [(0, 0), (1, 20_000_000), (9, 0), (2, 50_000_000)][usize::try_from(at).unwrap()];
        // 50 ms from the first to the last, and the mean of 25 ms to the first of the next round.
        assert_eq!(header.camera_timestamp_ns, 1_000_000_000 + time_ns + round * 75_000_000, "{header:?}");
        let image_bytes = [392, 48, 256][at];
        assert_eq!(frame.data(), &recorded[at][..image_bytes]);
        assert_eq!(header.chunk_bytes, recorded[at][image_bytes..].len() as u64);
        assert_eq!((header.status, header.offset_x), (u32::from(at == 1), if at == 0 { 5 } else { 0 }));
        assert_eq!(header.stride, [40, 12, 16][at]);
        if let Some((earlier_ns, monotonic_ns)) = before.replace((header.camera_timestamp_ns, header.monotonic_ns)) {
            let (recorded, real) = (header.camera_timestamp_ns - earlier_ns, header.monotonic_ns - monotonic_ns);
            assert!(real + 15_000_000 > recorded, "{real} ns, recorded with {recorded}: not so early");
        }
    }
    drop(frames);
    broker.end_clean();
}

/// Goal: a line of an index that is wrong is named with its number, and stops or is skipped.
#[test]
fn broken_lines_of_an_index_are_named() {
    let scratch = Scratch::default();
    let (index, recorded) = write_recording(&scratch);
    let good = std::fs::read_to_string(&index).unwrap();
    for (line, advice) in [
        ("{\"offset\": 1}", "missing field"),
        ("nonsense", "expected"),
        (
            r#"{"offset": 600, "width": 16, "height": 16, "pixel_format": "Mono8"}"#,
            "the data file ends before it, at byte 703",
        ),
        (r#"{"offset": 0, "width": 16, "height": 16, "pixel_format": "Mono9"}"#, "Mono9"),
        (r#"{"offset": 0, "width": 0, "height": 16, "pixel_format": "Mono8"}"#, "no size of a frame"),
        (r#"{"offset": 0, "width": 16, "height": 16, "pixel_format": "Mono8", "bytes": 100}"#, "do not hold"),
        (r#"{"offset": 0, "width": 16, "height": 16, "pixel_format": "Mono8", "stride": 8}"#, "do not hold"),
        (
            r#"{"offset": 18446744073709551615, "width": 16, "height": 16, "pixel_format": "Mono8"}"#,
            "the data file ends",
        ),
        (r#"{"offset": 0, "width": 16, "height": 16, "pixel_format": "Mono8", "colour": 1}"#, "unknown field"),
    ] {
        std::fs::write(&index, format!("{good}\n{line}\n")).unwrap();
        let (status, _, errors) = refused_broker(&scratch, &index);
        let named = format!("cannot replay {}:5: ", index.display());
        assert!(!status.success() && errors.contains(&named) && errors.contains(advice), "{line}: {errors}");
    }
    let broker = start(&index, "--replay-loop --fps 50 --replay-errors skip");
    let mut frames = subscribe(&broker);
    let frame = frames.next(Duration::from_secs(5)).unwrap();
    assert_eq!(frame.data(), &recorded[0][..392]);
    broker.must_log("run.jsonl:5");
    drop((frame, frames));
    broker.end_clean();
}

/// Goal: the decoder of this test is not the one under test's mirror. Method: a PNG by hand, through the broker.
#[test]
fn sixteen_bits_come_in_the_order_of_the_machine() {
    let scratch = Scratch::default();
    let mut encoder = png::Encoder::new(File::create(scratch.file("x.png")).unwrap(), 2, 1);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.write_header().unwrap().write_image_data(&[0x12, 0x34, 0xAB, 0xCD]).unwrap();
    let mut reader = png::Decoder::new(BufReader::new(File::open(scratch.file("x.png")).unwrap())).read_info().unwrap();
    let mut found = [0; 4];
    reader.next_frame(&mut found).unwrap();
    assert_eq!(found, [0x12, 0x34, 0xAB, 0xCD], "PNG is big-endian");
    let broker = start(scratch.path(), "--replay-loop --fps 50");
    let frame = subscribe(&broker).next(Duration::from_secs(5)).unwrap();
    assert_eq!(frame.data(), [0x34, 0x12, 0xCD, 0xAB]);
    drop(frame);
    broker.end_clean();
}
