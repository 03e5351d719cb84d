//! What C programs do with cameras beside taking frames: settings and news of them, chunks by name, frames of several streams
//! that belong together.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::process::Command;

use framebroker_protocol::chunks::{ChunkWriter, Value};
use framebroker_tests::broker::run;
use framebroker_tests::c_library::{example, program, succeed, test_program, valgrind};
use framebroker_tests::recordings::{record, start, table};
use framebroker_tests::{Broker, Scratch, binaries};

const SMALL: &str = "--segments 8 --fps 100 --width 64 --height 48";
/// What FB_SYNC_… are.
const CAMERA_TIME: &str = "1";
const BLOCK_ID: &str = "2";

/// Goal: C programs read and set features of every kind, hear the news, are refused with advice, and leak nothing; a forked
/// child is refused what is its parent's. Method: a C program that does it all, also under valgrind.
#[test]
fn features_are_read_set_and_heard_of() {
    let scratch = Scratch::default();
    let settings = test_program("settings.c", &scratch);
    for mut command in [program(&settings), valgrind(&settings)] {
        let broker = Broker::start(SMALL);
        succeed(command.arg(broker.socket()));
        broker.end_clean();
    }
}

/// Goal: chunks are found by name and by place, where they are in the frame; what is no list is told. Method: a recording with
/// a list of every kind, with other bytes, with none and with an empty list; also under valgrind.
#[test]
fn chunks_are_found_by_name() {
    let scratch = Scratch::default();
    let chunks = test_program("chunks.c", &scratch);
    let lists = [list(&ALL), b"camera!".to_vec(), Vec::new(), list(&[])];
    let (mut data, mut index) = (Vec::new(), vec![r#"{"framebroker_recording": 1, "data": "c.raw"}"#.to_owned()]);
    for (number, chunk) in (1_u8..).zip(&lists) {
        index.push(format!(
            r#"{{"offset": {}, "width": 8, "height": 8, "pixel_format": "Mono8", "chunk_bytes": {}, "timestamp_ns": {}, "block_id": {number}}}"#,
            data.len(),
            chunk.len(),
            u32::from(number) * 20_000_000
        ));
        data.extend([number; 64]);
        data.extend(chunk);
    }
    std::fs::write(scratch.file("c.raw"), data).unwrap();
    std::fs::write(scratch.file("c.jsonl"), index.join("\n")).unwrap();
    let broker = Broker::start(&format!("--source replay={} --replay-loop", scratch.file("c.jsonl").display()));
    succeed(program(&chunks).arg(broker.socket()));
    succeed(valgrind(&chunks).arg(broker.socket()));
    broker.end_clean();
}

const ALL: [(&str, Value<'_>); 6] = [
    ("ChunkTimestamp", Value::Integer(-2)),
    ("ChunkExposureTime", Value::Float(0.5)),
    ("ChunkSyncLocked", Value::Boolean(true)),
    ("ChunkPixelFormat", Value::Text("Mono8")),
    ("ChunkBlob", Value::Bytes(&[1, 2, 3])),
    ("ChunkEmpty", Value::Text("")),
];

fn list(chunks: &[(&str, Value<'_>)]) -> Vec<u8> {
    let mut room = vec![0; 256];
    let mut writer = ChunkWriter::new(&mut room).unwrap();
    chunks.iter().for_each(|(name, value)| writer.push(name, *value).unwrap());
    let used = writer.finish();
    room.truncate(used);
    room
}

/// Goal: sets are matched by the cameras' times and by block IDs, incomplete ones are handed out, and what is counted is what
/// came; no frame is lost or leaked, however sets are given back. Method: recordings with a known skew from which frames are
/// missing; over and over under valgrind.
#[test]
fn sets_come_as_they_belong_together() {
    let scratch = Scratch::default();
    let synced = test_program("synced.c", &scratch);
    record(&scratch, "a", 0, &[20]);
    record(&scratch, "b", 1_000_000, &[30, 31]);
    let tables = ["a", "b"].map(|name| table(scratch.path(), name, "segments = 40\nmax-segments = 200\nhistory = 30"));
    for (by, tolerance_ns, skew) in [(CAMERA_TIME, "2000000", 1_000_000), (BLOCK_ID, "0", 0)] {
        let mut broker = start(&scratch, &mut Command::new(binaries::broker()), &tables.concat());
        let said = succeed(program(&synced).arg(broker.socket()).args([by, tolerance_ns, "a", "b", "1000"]));
        let sets: Vec<[u64; 3]> = said.lines().filter_map(set).collect();
        let complete: Vec<&[u64; 3]> = sets.iter().filter(|set| set[0] != 0 && set[1] != 0).collect();
        assert!(complete.iter().all(|set| set[0] == set[1] && set[2] == skew), "{said}");
        let begin = complete[0][0];
        assert!(begin < 20, "both were there early: {said}");
        let expected = (begin..=100).filter(|number| ![20, 30, 31].contains(number));
        assert!(complete.iter().map(|set| set[0]).eq(expected), "{said}");
        let later = sets.iter().filter(|set| set[0].max(set[1]) >= begin && set[0].min(set[1]) == 0);
        assert!(later.map(|set| (set[0], set[1])).eq([(0, 20), (30, 0), (31, 0)]), "{said}");
        let mut last = said.lines().rev();
        let (stats, ended) = (last.next().unwrap(), last.next().unwrap());
        assert!(ended.starts_with("FB_ERROR_CLOSED: "), "{ended}");
        let counted = ["complete", "incomplete", "mean", "max"].map(|name| figure_after(stats, name));
        assert_eq!(counted, [complete.len() as u64, (sets.len() - complete.len()) as u64, skew, skew], "{stats}");
        let alone = [0, 1].map(|at| sets.iter().filter(|set| set[at] != 0 && set[1 - at] == 0).count());
        assert!(stats.ends_with(&format!(" unmatched {} {}", alone[0], alone[1])), "{stats}");
        assert!(broker.ended().0.success());
    }
    let tables = ["a", "b"].map(|name| table(scratch.path(), name, "segments = 40\nreplay-loop = true"));
    let broker = start(&scratch, &mut Command::new(binaries::broker()), &tables.concat());
    let said = succeed(valgrind(&synced).arg(broker.socket()).args([BLOCK_ID, "0", "a", "b", "60"]));
    let sets: Vec<[u64; 3]> = said.lines().filter_map(set).collect();
    assert!(sets.len() == 60 && sets.iter().filter(|set| set[0] == set[1]).count() >= 40, "{said}");
    broker.end_clean();
}

/// `set LEFT RIGHT skew NS`.
fn set(line: &str) -> Option<[u64; 3]> {
    let words: Vec<&str> = line.strip_prefix("set ")?.split(' ').collect();
    Some([0, 1, 3].map(|at| words[at].parse().unwrap()))
}

fn figure_after(line: &str, name: &str) -> u64 {
    let mut words = line.split(' ').skip_while(|word| *word != name);
    words.nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no {name}: {line}"))
}

/// Goal: frames without a time of their camera's are no error of the stream, but one that says by what else they can be
/// matched. Method: a recording without times.
#[test]
fn what_cannot_be_compared_is_told() {
    let scratch = Scratch::default();
    let synced = test_program("synced.c", &scratch);
    record(&scratch, "a", 0, &[]);
    record(&scratch, "b", 0, &[]);
    let times = std::fs::read_to_string(scratch.file("b.jsonl")).unwrap();
    let timeless = times.replace("\"timestamp_ns\"", "\"offset_x\"").replace("000000,", ",");
    std::fs::write(scratch.file("b.jsonl"), timeless).unwrap();
    let tables = ["a", "b"].map(|name| table(scratch.path(), name, "replay-loop = true"));
    let broker = start(&scratch, &mut Command::new(binaries::broker()), &tables.concat());
    let said = succeed(program(&synced).arg(broker.socket()).args([CAMERA_TIME, "2000000", "a", "b", "1000"]));
    assert!(said.contains("FB_ERROR_NOT_COMPARABLE: frames of stream b have no camera timestamp"), "{said}");
    broker.end_clean();
}

const PATTERNS: &str =
    "fps = 50\nwidth = 64\nheight = 48\nsegments = 40\n[[stream]]\nname = 'left'\n[[stream]]\nname = 'right'\n";

/// Goal: what a program does wrong with synced subscriptions is an error with advice, and takes nothing from it. Method: a C
/// program that does it all, also under valgrind.
#[test]
fn misuse_of_sets_is_an_error() {
    let scratch = Scratch::default();
    let missync = test_program("missync.c", &scratch);
    let broker = start(&scratch, &mut Command::new(binaries::broker()), PATTERNS);
    succeed(program(&missync).arg(broker.socket()));
    succeed(valgrind(&missync).arg(broker.socket()));
    broker.end_clean();
}

/// Goal: the example shows, sets and watches features. Method: what it prints, by all its command lines; also under valgrind.
#[test]
fn the_example_of_settings_does_what_it_says() {
    let scratch = Scratch::default();
    let settings = example("settings.c", &[], &scratch);
    for tool in [program, valgrind] {
        let broker = Broker::start(SMALL);
        let run_with = |words: &str| {
            let mut command = tool(&settings);
            run(command.args(words.split_whitespace()).env("FRAMEBROKER_SOCKET", broker.socket()))
        };
        let (status, all, errors) = run_with("cam0");
        assert!(status.success() && all.contains("Width = 64 px (1 to 16384, step 1)\n"), "{all} {errors}");
        assert!(all.contains("SensorWidth = 16384 px") && all.contains("[cannot be set now]"), "{all}");
        let (_, one, _) = run_with("cam0 PixelFormat");
        assert!(one.starts_with("PixelFormat = Mono8\n") && one.contains("\n    Mono12p\n"), "{one}");
        let (status, set, errors) = run_with("cam0 Width 96 40");
        assert!(status.success() && set.starts_with("Width = 96, as the camera has it\n"), "{set} {errors}");
        assert!(set.contains("settings version 1, exposed after the change\n"), "{set}");
        assert!(set.contains("news: Width = 96 (version 1) by "), "{set}");
        let (status, _, errors) = run_with("cam0 Width wide");
        assert!(!status.success() && errors.contains("1 to 16384"), "{errors}");
        broker.end_clean();
    }
}

/// Goal: the example pairs frames of two streams. Method: their number and what is counted; also under valgrind.
#[test]
fn the_example_of_pairs_does_what_it_says() {
    let scratch = Scratch::default();
    let pairs = example("pairs.c", &[], &scratch);
    let broker = start(&scratch, &mut Command::new(binaries::broker()), PATTERNS);
    for mut command in [program(&pairs), valgrind(&pairs)] {
        let said = succeed(command.args(["left", "right", "10", "20"]).env("FRAMEBROKER_SOCKET", broker.socket()));
        let pairs = said.lines().filter(|line| line.starts_with("frames ") && line.contains(" and ")).count();
        assert!(pairs == 20 && said.contains("\n20 pairs, "), "{said}");
    }
    let (status, _, errors) = run(program(&pairs).args(["left", "nobody"]).env("FRAMEBROKER_SOCKET", broker.socket()));
    assert!(!status.success() && errors.contains("there is left, right"), "{errors}");
    broker.end_clean();
}
