//! What may lie in a directory that is replayed, beside images: nothing of it stops the broker, takes its memory or its time.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use framebroker_client::{Start, Subscription};
use framebroker_tests::broker::run;
use framebroker_tests::{Broker, Scratch, binaries, wait_for};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// A grey image of one value.
fn write_image(path: &Path, width: u32, height: u32, value: u8) {
    let mut encoder = png::Encoder::new(File::create(path).unwrap(), width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let image = vec![value; (width * height) as usize];
    encoder.write_header().unwrap().write_image_data(&image).unwrap();
}

fn start(path: &Path, words: &str) -> Broker {
    Broker::start(&format!("--source replay={} {words}", path.display()))
}

fn refusal(scratch: &Scratch, path: &Path, words: &str) -> String {
    let mut command = Command::new(binaries::broker());
    command.arg("--socket").arg(scratch.file("s")).arg("--source").arg(format!("replay={}", path.display()));
    let (status, _, errors) = run(command.args(words.split_whitespace()));
    assert!(!status.success(), "{errors}");
    errors
}

fn subscribe(broker: &Broker) -> Subscription {
    broker.connect().subscribe("cam0").start(Start::Oldest).open().unwrap()
}

/// Goal: pipes, devices, directories, links that lead nowhere and images larger than there is memory for are named, and refused
/// or left out; none keeps the broker waiting. Method: one of each beside a good image.
#[test]
fn what_is_no_image_is_named_and_left_out() {
    let scratch = Scratch::default();
    let images = scratch.file("images");
    std::fs::create_dir(&images).unwrap();
    let at = |name: &str| images.join(name);
    write_image(&at("a.png"), 16, 16, 7);
    mkfifo(&at("b-pipe.png"), Mode::S_IRWXU).unwrap();
    symlink("/dev/zero", at("c-device.tif")).unwrap();
    std::fs::create_dir(at("d-directory.png")).unwrap();
    symlink("nowhere", at("e-link.png")).unwrap();
    symlink("f-loop.tif", at("f-loop.tif")).unwrap();
    write_image(&at("g-huge.png"), 6000, 4000, 0);
    symlink("a.png", at("h-link.png")).unwrap();
    let reasons = [
        ("b-pipe.png", "it is no regular file"),
        ("c-device.tif", "it is no regular file"),
        ("d-directory.png", "it is no regular file"),
        ("e-link.png", "No such file"),
        ("f-loop.tif", "Too many levels of symbolic links"),
        ("g-huge.png", "a frame of 24000000 bytes is too large: --memory-limit has 16 MB for each"),
    ];
    let words = "--segments 4 --memory-limit 64 --replay-loop --fps 50";
    let refused = refusal(&scratch, &images, words);
    assert!(refused.contains("b-pipe.png: it is no regular file; --replay-errors skip"), "{refused}");

    let broker = start(&images, &format!("{words} --replay-errors skip"));
    for (name, reason) in reasons {
        let named = format!("cannot replay {}: {reason}", at(name).display());
        wait_for(&named, Duration::from_secs(20), || broker.log().contains(&named).then_some(()));
    }
    let mut frames = subscribe(&broker);
    for _ in 0..4 {
        assert!(frames.next(Duration::from_secs(5)).unwrap().data().iter().all(|value| *value == 7));
    }
    assert!(broker.stats().current_bytes <= 64 << 10, "segments are as large as what is shown");
    drop(frames);
    broker.end_clean();
    assert!(refusal(&scratch, &at("b-pipe.png"), "").contains("it is no regular file"), "nor is it an index");
}

/// Goal: files that change while they are replayed are named once, left out and counted; where none is left the stream ends, and
/// does not spin. Method: images become larger, shorter, a pipe, and nothing, one after the other.
#[test]
fn files_that_change_are_named_once_and_end_the_stream_with_the_last() {
    let scratch = Scratch::default();
    let images = scratch.file("images");
    std::fs::create_dir(&images).unwrap();
    let names = ["a-larger.png", "b-shorter.png", "c-pipe.png", "d-gone.png"];
    let paths = names.map(|name| images.join(name));
    paths.iter().for_each(|path| write_image(path, 300, 200, 9));
    let mut broker = start(&images, "--replay-loop --fps 0 --replay-errors skip --stats-interval 1");
    let mut frames = subscribe(&broker);
    frames.next(Duration::from_secs(5)).unwrap();

    write_image(&images.join("new"), 301, 200, 9);
    std::fs::rename(images.join("new"), &paths[0]).unwrap();
    let whole = std::fs::read(&paths[1]).unwrap();
    std::fs::write(&paths[1], &whole[..whole.len() / 2]).unwrap();
    std::fs::remove_file(&paths[2]).unwrap();
    mkfifo(&paths[2], Mode::S_IRWXU).unwrap();
    let says = |broker: &Broker, name: &str| broker.log().lines().filter(|line| line.contains(name)).count();
    wait_for("the changes", Duration::from_secs(20), || {
        names[..3].iter().all(|name| says(&broker, name) > 0).then_some(())
    });
    let before = broker.stats();
    wait_for("frames", Duration::from_secs(20), || (broker.stats().published > before.published + 100).then_some(()));
    assert!(broker.stats().lost_at_camera >= before.lost_at_camera + 300 - 3, "three of four are lost");
    for name in &names[..3] {
        assert_eq!(says(&broker, name), 1, "{}", broker.log());
    }
    assert!(broker.log().contains("it has changed since the replay began"), "{}", broker.log());

    let began = Instant::now();
    std::fs::remove_file(&paths[3]).unwrap();
    let ended = loop {
        match frames.next(Duration::from_secs(5)) {
            Ok(_) => assert!(began.elapsed() < Duration::from_secs(20), "it goes on"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(ended.contains("none of its 4 frames can be read any more"), "{ended}");
    drop(frames);
    assert!(broker.ended().0.success());
}

/// Goal: numbers of an index that no camera has do no harm: times and counts stay at their largest.
#[test]
fn the_largest_numbers_of_an_index_do_no_harm() {
    let scratch = Scratch::default();
    std::fs::write(scratch.file("x.raw"), [5; 16]).unwrap();
    let frame = |time: u64, block: u64| {
        format!(
            r#"{{"offset": 0, "width": 4, "height": 4, "pixel_format": "Mono8", "timestamp_ns": {time}, "block_id": {block}}}"#
        )
    };
    let head = r#"{"framebroker_recording": 1, "data": "x.raw"}"#;
    let lines = [head.to_owned(), frame(1, 0), frame(u64::MAX, u64::MAX)];
    std::fs::write(scratch.file("x.jsonl"), lines.join("\n")).unwrap();
    let broker = start(&scratch.file("x.jsonl"), "--replay-loop --fps 100");
    let mut frames = subscribe(&broker);
    let numbers: Vec<(u64, u64)> = (0..5)
        .map(|_| frames.next(Duration::from_secs(5)).unwrap())
        .map(|frame| (frame.header().camera_timestamp_ns, frame.header().block_id))
        .collect();
    assert_eq!(numbers[1], (u64::MAX, u64::MAX), "{numbers:?}");
    assert!(numbers[2..].iter().all(|(time, _)| *time == u64::MAX), "{numbers:?}");
    drop(frames);
    broker.end_clean();
}

/// Goal: an index has the bytes of a file beside it replayed, and of no other. Method: indexes that name others, which the broker
/// could read.
#[test]
fn an_index_names_no_file_elsewhere() {
    let scratch = Scratch::default();
    let secret = scratch.file("secret");
    std::fs::write(&secret, [9; 16]).unwrap();
    std::fs::create_dir(scratch.file("d")).unwrap();
    symlink(&secret, scratch.file("d").join("link")).unwrap();
    let index = scratch.file("d").join("x.jsonl");
    let others = ["/etc/hostname", secret.to_str().unwrap(), "../secret", "./link", "link", "..", "", "d/../../secret"];
    for name in others {
        let frame = r#"{"offset": 0, "width": 4, "height": 4, "pixel_format": "Mono8"}"#;
        std::fs::write(&index, format!("{{\"framebroker_recording\": 1, \"data\": {name:?}}}\n{frame}\n")).unwrap();
        let said = refusal(&scratch, &index, "");
        assert!(said.contains("beside the index"), "{name}: {said}");
    }
}
