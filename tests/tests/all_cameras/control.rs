//! Features of every kind of source, set over the socket beside one another.

use std::thread::JoinHandle;

use framebroker_client::{ErrorCode, Subscription};
use framebroker_tests::actor::figure;
use framebroker_tests::rig::settings::{SETTINGS, set, value_of};
use framebroker_tests::rig::{Device, RETURN, Reader, Rig};
use framebroker_tests::settings::refusal;
use framebroker_tests::{PATIENCE, wait_for};
use nix::sys::signal::Signal;
use serde_json::Value;

/// All news of a subscription so far: the settings version, the feature, its value.
fn news(frames: &mut Subscription) -> Vec<(u32, String, String)> {
    let _frame = frames.next(PATIENCE).unwrap();
    let changes = std::iter::from_fn(|| frames.next_change());
    changes.map(|change| (change.version, change.feature.to_string(), change.value.to_string())).collect()
}

/// Goal: features of each kind of source are read, set and executed over the socket; a value, its version and the news of it are
/// those of one stream only. A source without features says so. Method: the library and `framectl`.
#[test]
fn each_kind_is_set_by_itself() {
    let rig = Rig::start();
    let control = rig.controller();
    let watched = SETTINGS.map(|(stream, ..)| rig.broker.connect().subscribe(stream).open().unwrap());
    let mut watched: Vec<Subscription> = watched.into();
    for ((stream, name, [value, other]), frames) in SETTINGS.into_iter().zip(&mut watched) {
        assert!(control.features(stream).unwrap().iter().any(|feature| feature.name.as_str() == name), "{stream}");
        assert_ne!(value_of(&control, stream, name), value, "{stream} {name}");
        assert_eq!(set(&control, stream, name, value), 1, "{stream} {name}");
        // A trigger changes no setting, so it is no news.
        let (command, last) = match stream {
            "pattern" => ("TimestampReset", "TimestampReset"),
            _ => ("TriggerSoftware", "TriggerSource"),
        };
        if stream != "pattern" {
            set(&control, stream, "TriggerSource", "Software");
        }
        let executed = control.execute(stream, command).unwrap().version;
        let mut heard = Vec::new();
        wait_for("the news", PATIENCE, || {
            heard.extend(news(frames));
            heard.iter().any(|(version, ..)| *version == executed).then_some(())
        });
        let versions = heard.iter().map(|(version, ..)| *version);
        assert!(versions.eq(1..=executed), "{stream}: {heard:?}");
        assert_eq!(heard[0], (1, name.to_owned(), value.to_owned()), "{stream}");
        assert_eq!(heard.last().unwrap().1, last, "{stream}: {heard:?}");
        wait_for("a frame of the new version", PATIENCE, || {
            let version = frames.next(PATIENCE).unwrap().settings_version();
            assert!(version <= executed, "{stream}: {version}");
            (version == executed).then_some(())
        });
        let (status, said, errors) = rig.framectl(&["set", stream, name, other, "--json"]);
        let line: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said} {errors}"));
        assert!(status.success() && line["settings_version"] == executed + 1, "{line}");
        let line: Value = serde_json::from_str(&rig.framectl(&["get", stream, name, "--json"]).1).unwrap();
        assert_eq!(line["value"].to_string().trim_matches('"'), other, "{line}");
    }
    // What was set elsewhere meanwhile has changed none of them.
    for (stream, name, [_, other]) in SETTINGS {
        assert_eq!(value_of(&control, stream, name), other, "{stream}");
    }
    for stream in ["replay", "made"] {
        assert!(control.features(stream).is_err(), "{stream} has no features");
        let (_, text) = refusal(control.set_feature(stream, "Width", 32));
        assert!(text.contains("has no features"), "{stream}: {text}");
    }
    drop((watched, control));
    rig.end();
}

/// Goal: sole control is of one stream: who has it sets it alone, all others are set by anyone.
#[test]
fn sole_control_is_of_one_stream() {
    let rig = Rig::start();
    let (alone, other) = (rig.controller(), rig.controller());
    for (of, ..) in SETTINGS {
        let _kept = alone.take_control(of).unwrap().kept();
        for (stream, name, [value, own]) in SETTINGS {
            if stream == of {
                assert_eq!(refusal(other.set_feature(stream, name, value)).0, ErrorCode::Controlled, "{stream}");
            } else {
                set(&other, stream, name, value);
            }
            set(&alone, stream, name, own);
            assert_eq!(value_of(&other, stream, name), own, "anyone may read {stream}");
        }
        alone.give_control(of).unwrap();
    }
    for (of, ..) in SETTINGS {
        let _kept = alone.take_control(of).unwrap().kept();
    }
    drop(alone);
    for (stream, name, [value, _]) in SETTINGS {
        wait_for("sole control to end", PATIENCE, || other.set_feature(stream, name, value).ok());
    }
    drop(other);
    rig.end();
}

/// Goal: a region that changes, larger and smaller, changes no held frame and costs the consumers of all other streams nothing.
#[test]
fn a_region_changes_beside_other_streams() {
    let rig = Rig::start();
    let control = rig.controller();
    let mut readers = Reader::two_of_each(&rig);
    for (of, ..) in SETTINGS {
        for width in [128, 32] {
            let set = control.set_feature(of, "Width", width).unwrap();
            assert_eq!(set.feature.value, width.into(), "{of}");
        }
        rig.wait_for_frames(10);
        for reader in &mut readers {
            if reader.stream == of {
                let seen = reader.look();
                assert!((figure(&seen, "width"), figure(&seen, "away")) == (32, 0), "{of}: {seen}");
                assert!(figure(&seen, "resized") >= 1, "{of}: {seen}");
            } else {
                reader.noticed_nothing();
            }
        }
    }
    drop((readers, control));
    rig.end();
}

/// Goal: cameras that do not answer delay who asks them, and no other stream's settings nor frames. Method: a GigE Vision camera
/// that is stopped, a Basler camera that takes six seconds over a feature; while a question to each waits for its answer, all other
/// streams are read and set again and again.
#[test]
fn silent_cameras_delay_no_other_stream() {
    let rig = Rig::start();
    let control = rig.controller();
    let mut readers = Reader::two_of_each(&rig);
    rig.signal(Device::GigeA, Signal::SIGSTOP);
    rig.tell(Device::BaslerA, "slow=GainRaw slow_ms=6000");
    let ask = |stream, name| {
        let asking = rig.controller();
        std::thread::spawn(move || refusal(asking.set_feature(stream, name, 3)))
    };
    const SILENT: [&str; 2] = ["gige-a", "basler-a"];
    let silent = [ask("gige-a", "TestRegister"), ask("basler-a", "GainRaw")];
    let mut rounds = 0;
    while !silent.iter().any(JoinHandle::is_finished) {
        for (stream, name, values) in SETTINGS.into_iter().filter(|(stream, ..)| !SILENT.contains(stream)) {
            let value = values[rounds % 2];
            set(&control, stream, name, value);
            assert_eq!(value_of(&control, stream, name), value);
        }
        rounds += 1;
    }
    for asked in silent {
        let (code, text) = asked.join().unwrap();
        assert_eq!(code, ErrorCode::CameraFailed, "{text}");
    }
    assert!(rounds > 20, "others were set {rounds} times meanwhile");
    for reader in readers.iter_mut().filter(|reader| reader.stream != "gige-a") {
        reader.noticed_nothing();
    }
    rig.signal(Device::GigeA, Signal::SIGCONT);
    rig.tell(Device::BaslerA, "");
    for (stream, name, [value, _]) in SETTINGS {
        wait_for("the camera to answer again", RETURN, || control.set_feature(stream, name, value).ok());
    }
    rig.wait_for_frames(10);
    for reader in &mut readers {
        let seen = reader.look();
        assert!(figure(&seen, "first") > 0 && figure(&seen, "missing") == 0, "{seen}");
    }
    drop((readers, control));
    rig.end();
}
