//! The C library: what C and C++ programs get from a broker, and what becomes of those that misuse it.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use framebroker_client::PixelFormat;
use framebroker_protocol::pattern::Pattern;
use framebroker_tests::broker::run;
use framebroker_tests::c_library::{Linking, build, example, package, program, succeed, test_program, valgrind};
use framebroker_tests::process::Process;
use framebroker_tests::{Broker, CLibrary, PATIENCE, Scratch};
use nix::sys::signal::Signal;

const SMALL: &str = "--segments 16 --fps 100 --width 320 --height 240";
/// Its second frame comes when every test has long ended.
const SLOW: &str = "--segments 8 --fps 0.01 --width 64 --height 64";
/// Frames of both have the same context IDs.
const TWO_STREAMS: &str =
    "segments = 16\nwidth = 64\nheight = 48\nfps = 50\n[[stream]]\nname = \"left\"\n[[stream]]\nname = \"right\"\n";
const OPENCV: [&str; 3] = ["-I/usr/include/opencv4", "-lopencv_imgproc", "-lopencv_core"];

/// Goal: C programs get every byte, number and figure right, on all terms. Method: a program that verifies the pattern by
/// PROTOCOL.md alone, for each way a format can lie in memory, and for every policy, delivery and wait mode.
#[test]
fn c_programs_get_every_byte() {
    let scratch = Scratch::default();
    let verify = test_program("verify.c", &scratch);
    for format in ["Mono8", "Mono12", "RGB8", "Mono12p"] {
        let broker = Broker::start(&format!("{SMALL} --pixel-format {format}"));
        // Policy, delivery, wait mode, by their numbers in the header.
        let terms: &[[&str; 3]] = match format {
            "Mono8" => &[
                ["0", "0", "0"],
                ["1", "0", "0"],
                ["2", "0", "1"],
                ["3", "0", "2"],
                ["4", "0", "3"],
                ["0", "1", "0"],
                ["2", "1", "0"],
                ["3", "1", "0"],
                ["4", "1", "0"],
            ],
            _ => &[["0", "0", "0"]],
        };
        for terms in terms {
            let output = succeed(program(&verify).arg(broker.socket()).arg("50").args(terms));
            assert!(output.starts_with("first "), "{format} {terms:?}: {output}");
        }
        broker.end_clean();
    }
}

/// Goal: what a program does wrong is an error with advice, and harms nothing else. Method: a C program that does it all.
#[test]
fn misuse_is_an_error() {
    let scratch = Scratch::default();
    let misuse = test_program("misuse.c", &scratch);
    let (broker, slow) = (Broker::start(&format!("{SMALL} --max-segments 32")), Broker::start(SLOW));
    succeed(program(&misuse).arg(broker.socket()).arg(slow.socket()));
    succeed(valgrind(&misuse).arg(broker.socket()).arg(slow.socket()));
    slow.end_clean();
    broker.end_clean();
}

/// Goal: no time that a program may give is too long or too short. Method: a C program that gives the longest, none and the
/// shortest, for everything that takes a time.
#[test]
fn any_time_may_be_given() {
    let scratch = Scratch::default();
    let times = test_program("times.c", &scratch);
    let (broker, producing) = (Broker::start(SMALL), Broker::start("--source producer --segments 8"));
    succeed(program(&times).arg(broker.socket()).arg(producing.socket()));
    producing.end_clean();
    broker.end_clean();
}

/// Goal: a held frame outlives broker, subscription and connection unchanged; a forked child is refused what is its parent's
/// and can connect itself. Method: a C program that forks, then holds a frame while its broker is killed; also under
/// valgrind, which sees leaks and what is read after it was given back.
#[test]
fn frames_outlive_the_broker_and_children_are_refused() {
    let scratch = Scratch::default();
    let lifetime = test_program("lifetime.c", &scratch);
    for mut command in [program(&lifetime), valgrind(&lifetime)] {
        let mut broker = Broker::start(SMALL);
        let mut process = Process::start(command.arg(broker.socket()));
        assert_eq!(process.line(PATIENCE).as_deref(), Some("held"), "{command:?}");
        broker.kill();
        process.say("go on");
        assert_eq!(process.line(PATIENCE).as_deref(), Some("done"), "{command:?}");
        assert!(process.ended(PATIENCE).success(), "{command:?}");
    }
}

/// Goal: with `reconnect` a program goes on with the next broker. Method: the broker is killed, and another one started.
#[test]
fn a_c_program_goes_on_with_the_next_broker() {
    let scratch = Scratch::default();
    let reconnect = test_program("reconnect.c", &scratch);
    let mut broker = Broker::start(SMALL);
    let mut process = Process::start(program(&reconnect).arg(broker.socket()));
    assert_eq!(process.line(PATIENCE).as_deref(), Some("reading"));
    broker.kill();
    assert_eq!(process.line(PATIENCE).as_deref(), Some("gone"));
    let broker = broker.start_again(SMALL);
    assert_eq!(process.line(PATIENCE).as_deref(), Some("done"));
    assert!(process.ended(PATIENCE).success());
    broker.end_clean();
}

/// Goal: an address brings its frame or an error, never another frame. Method: a C program hands one over, and keeps it while the
/// broker is started anew.
#[test]
fn an_address_brings_its_frame_or_none() {
    let scratch = Scratch::default();
    let addresses = test_program("addresses.c", &scratch);
    let file = scratch.file("two.toml");
    std::fs::write(&file, TWO_STREAMS).unwrap();
    let options = format!("--config {}", file.display());
    let mut broker = Broker::start(&options);
    let mut process = Process::start(program(&addresses).arg(broker.socket()));
    let said = process.line(PATIENCE).unwrap_or_default();
    assert!(said.starts_with("handed over ") && said.contains("/left/"), "{said}");
    broker.kill();
    let broker = broker.start_again(&options);
    process.say("go on");
    assert_eq!(process.line(PATIENCE).as_deref(), Some("done"));
    assert!(process.ended(PATIENCE).success());
    broker.end_clean();
}

/// Goal: taking, describing and releasing a frame allocates nothing, nor does filling one. Method: a C program with a malloc
/// that counts.
#[test]
fn a_frame_costs_no_allocation() {
    let scratch = Scratch::default();
    let allocations = test_program("allocations.c", &scratch);
    let (broker, producing) = (Broker::start(SMALL), Broker::start("--source producer"));
    succeed(program(&allocations).arg(broker.socket()).arg(producing.socket()));
    producing.end_clean();
    broker.end_clean();
}

/// Goal: nobody can write a frame. Method: a C program that does is ended by the kernel, and others read on undisturbed.
#[test]
fn writing_through_a_frame_is_a_segmentation_fault() {
    let scratch = Scratch::default();
    let (write, verify) = (test_program("write.c", &scratch), test_program("verify.c", &scratch));
    let broker = Broker::start(SMALL);
    let (status, output, errors) = run(program(&write).arg(broker.socket()));
    assert_eq!(status.signal(), Some(Signal::SIGSEGV as i32), "{status} {errors}");
    assert_eq!(output, "writing");
    succeed(program(&verify).arg(broker.socket()).args(["20", "0", "0", "0"]));
    broker.end_clean();
}

/// Goal: the C examples do what they say, without a fault or a leak of memory. Method: the means that `attach` prints are those of the
/// frames it names; all of it again under valgrind.
#[test]
fn the_c_examples_run() {
    let scratch = Scratch::default();
    let (attach, poll) = (example("attach.c", &[], &scratch), example("poll.c", &[], &scratch));
    let broker = Broker::start(SMALL);
    for mut command in [program(&attach), valgrind(&attach)] {
        let output = succeed(command.args(["cam0", "5"]).env("FRAMEBROKER_SOCKET", broker.socket()));
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(lines.len(), 6, "{output}");
        for line in &lines[..5] {
            assert!(line.contains("320x240 Mono8, 76800 bytes"), "{line}");
            let mean = line.split("mean ").nth(1).unwrap();
            assert_eq!(mean, format!("{:.2}", mean_of_frame(sequence_in(line))), "{line}");
        }
        assert!(lines[5].starts_with("received 5 "), "{output}");
    }
    for (mut command, is_itself) in [(program(&poll), true), (valgrind(&poll), false)] {
        let mut process = Process::start(command.env("FRAMEBROKER_SOCKET", broker.socket()));
        let first = sequence_in(&process.line(PATIENCE).unwrap());
        let second = sequence_in(&process.line(PATIENCE).unwrap());
        assert!(second > first, "{second} after {first}");
        // Without a name of its own a client is called as its program.
        let client = broker.client(process.pid()).unwrap();
        assert!(!is_itself || client.name.as_str() == "poll", "{client:?}");
        process.say("enough");
        process.rest(PATIENCE);
        assert!(process.ended(PATIENCE).success());
    }
    let (status, _, errors) = run(program(&attach).arg("cam7").env("FRAMEBROKER_SOCKET", broker.socket()));
    assert!(!status.success() && errors.contains("cam0"), "{errors}");
    broker.end_clean();
}

/// Goal: OpenCV reads a held frame where it lies. Method: the means it prints are those of the frames, in one channel and in
/// three.
#[test]
fn the_opencv_example_sees_the_frames() {
    let scratch = Scratch::default();
    let opencv = example("opencv.cpp", &OPENCV, &scratch);
    for format in ["Mono8", "RGB8"] {
        let broker = Broker::start(&format!("{SMALL} --pixel-format {format}"));
        let output = succeed(program(&opencv).args(["cam0", "5"]).env("FRAMEBROKER_SOCKET", broker.socket()));
        assert_eq!(output.lines().count(), 5, "{output}");
        for line in output.lines() {
            let figure = |name: &str| -> f64 {
                let text = line.split(name).nth(1).unwrap();
                text.split(',').next().unwrap().trim().parse().unwrap()
            };
            // The first channel is alike in both formats.
            let expected = mean_of_frame(sequence_in(line));
            assert!((figure(": mean ") - expected).abs() < 0.01, "{line}: {expected}");
            // A blur keeps the mean but for what it makes of the borders and of the edge of the ramp.
            assert!((figure("blurred ") - expected).abs() < 2.0, "{line}: {expected}");
        }
        broker.end_clean();
    }
}

fn sequence_in(line: &str) -> u64 {
    let word = line.strip_prefix("frame ").unwrap_or_else(|| panic!("no frame: {line}"));
    word.split([' ', ':']).next().unwrap().parse().unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "sums of small images")]
fn mean_of_frame(sequence: u64) -> f64 {
    let pattern = Pattern::new(PixelFormat::MONO8, 320, 240).unwrap();
    let mut image = vec![0; pattern.image_bytes()];
    pattern.fill(&mut image, sequence);
    image.iter().map(|byte| u64::from(*byte)).sum::<u64>() as f64 / image.len() as f64
}

/// Goal: the header needs nothing before it, in C and in C++, and gives every structure its size. Method: the strictest
/// compilers' modes.
#[test]
fn the_header_stands_alone_in_c_and_cpp() {
    let header = CLibrary::of_the_tests().headers().join("framebroker.h");
    for (compiler, language, standard) in [("gcc", "c", "-std=c11"), ("g++", "c++", "-std=c++17")] {
        let strict = ["-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", language, standard];
        succeed(Command::new(compiler).args(strict).arg(&header));
    }
    let scratch = Scratch::default();
    succeed(&mut program(&test_program("header.cpp", &scratch)));
}

/// Goal: what is installed is enough to build against, both ways, and goes again. Method: an installation below a directory of
/// its own, found by pkg-config alone; the program linked statically runs without it; a file left over fails the test.
#[test]
fn an_installation_serves_pkg_config_and_leaves_nothing() {
    let scratch = Scratch::default();
    let library = CLibrary::install(scratch.file("root"));
    assert_eq!(library.pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let version = format!("libframebroker.so.{}", env!("CARGO_PKG_VERSION"));
    assert!(std::fs::symlink_metadata(library.libraries().join(version)).unwrap().is_file());
    let source = package().join("examples/attach.c");
    let (shared, alone) = (scratch.file("shared"), scratch.file("alone"));
    library.compile(&source, Linking::Shared, &[], &shared);
    library.compile(&source, Linking::Static, &[], &alone);
    let broker = Broker::start(SMALL);
    let words = ["cam0", "3"];
    let output = succeed(library.program(&shared).args(words).env("FRAMEBROKER_SOCKET", broker.socket()));
    assert!(output.contains("received 3 "), "{output}");
    // It asks for the library by its soname, and so for no other version than it was built against.
    std::fs::remove_file(library.libraries().join("libframebroker.so.0")).unwrap();
    let (status, _, errors) = run(library.program(&shared).args(words));
    assert!(!status.success() && errors.contains("libframebroker.so.0"), "{errors}");
    library.uninstall();
    let output = succeed(Command::new(&alone).args(words).env("FRAMEBROKER_SOCKET", broker.socket()));
    assert!(output.contains("received 3 "), "{output}");
    assert_eq!(files_below(&scratch.file("root")), Vec::<PathBuf>::new());
    broker.end_clean();
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let below = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => files_below(&entry.path()),
        false => vec![entry.path()],
    });
    below.flatten().collect()
}

/// Goal: the program in the library's README compiles as it stands, and reads frames. Method: it is cut out and built; its
/// output is looked at for a while.
#[test]
fn the_program_of_the_readme_works() {
    let readme = std::fs::read_to_string(package().join("README.md")).unwrap();
    let code = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let scratch = Scratch::default();
    let source = scratch.file("minimal.c");
    std::fs::write(&source, code).unwrap();
    let minimal = build(&source, &["-pedantic"], &scratch);
    let broker = Broker::start(SMALL);
    let mut process = Process::start(program(&minimal).env("FRAMEBROKER_SOCKET", broker.socket()));
    let line = process.line(PATIENCE).unwrap();
    assert!(line.starts_with("frame ") && line.contains("76800 bytes"), "{line}");
    process.kill();
    broker.wait_until_gone(process.pid(), Duration::from_secs(5));
    broker.end_clean();
}

/// OpenCV's own headers warn in C++20: they are the system's, not ours.
const OPENCV_OF_THE_SYSTEM: [&str; 2] = ["-isystem/usr/include/opencv4", "-lopencv_core"];

/// Goal: in C++ frames, subscriptions and connections end themselves, errors are exceptions, and a `cv::Mat` keeps its frame. Method:
/// a program, in both standards, that asks the broker how many frames are held; also under valgrind.
#[test]
fn things_of_cpp_end_themselves() {
    let broker = Broker::start(&format!("{SMALL} --max-segments 32"));
    for standard in ["-std=c++17", "-std=c++20"] {
        let scratch = Scratch::default();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/things.cpp");
        let things = build(&source, &[&OPENCV_OF_THE_SYSTEM[..], &[standard]].concat(), &scratch);
        succeed(program(&things).arg(broker.socket()));
        if standard == "-std=c++17" {
            succeed(valgrind(&things).arg(broker.socket()));
        }
    }
    broker.end_clean();
}

/// Goal: the C++ program in the library's README compiles as it stands, in both standards, and reads frames. Method: as for the one
/// in C.
#[test]
fn the_cpp_program_of_the_readme_works() {
    let readme = std::fs::read_to_string(package().join("README.md")).unwrap();
    let code = readme.split("```cpp\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let broker = Broker::start(SMALL);
    for standard in ["-std=c++17", "-std=c++20"] {
        let scratch = Scratch::default();
        let source = scratch.file("minimal.cpp");
        std::fs::write(&source, code).unwrap();
        let minimal = build(&source, &[&OPENCV_OF_THE_SYSTEM[..], &[standard]].concat(), &scratch);
        let mut process = Process::start(program(&minimal).env("FRAMEBROKER_SOCKET", broker.socket()));
        let line = process.line(PATIENCE).unwrap();
        let mean: f64 = line.split(": mean ").nth(1).unwrap().parse().unwrap();
        assert!((mean - mean_of_frame(sequence_in(&line))).abs() < 0.01, "{line}");
        process.kill();
        broker.wait_until_gone(process.pid(), Duration::from_secs(5));
    }
    let scratch = Scratch::default();
    let alone = scratch.file("alone.cpp");
    std::fs::write(
        &alone,
        "#include <framebroker.hpp>\nint main() { return framebroker::Handle<fb_frame>() ? 1 : 0; }\n",
    )
    .unwrap();
    succeed(&mut program(&build(&alone, &["-pedantic-errors"], &scratch)));
    broker.end_clean();
}
