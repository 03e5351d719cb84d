//! Camera settings: who may change what, what readers notice of it, and a camera that does not answer.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;

use framebroker_client::{self as client, Access, Delivery, Error, ErrorCode, Feature, FeatureKind, FeatureValue};
use framebroker_tests::actor::figure;
use framebroker_tests::broker::run;
use framebroker_tests::settings::{controller, refusal};
use framebroker_tests::{Actor, Beside, Broker, PATIENCE, binaries, wait_for};
use nix::sys::signal::Signal;

const SMALL: &str = "--segments 8 --fps 100 --width 64 --height 48";
const CAM0: &str = "cam0";

/// Goal: features of every kind are listed, read and set, by typed values and by texts, and what the stream says of itself
/// follows. Method: each kind of the pattern's.
#[test]
fn every_kind_of_feature_is_read_and_set() {
    let broker = Broker::start(SMALL);
    let control = controller(&broker, "control");
    let features = control.features(CAM0).unwrap();
    let kinds: BTreeSet<&str> = features.iter().map(|feature| feature.kind.name()).collect();
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    for listed in &features {
        let read = control.feature(CAM0, listed.name.as_str()).unwrap();
        assert_eq!((&read.name, &read.kind, read.access), (&listed.name, &listed.kind, listed.access));
    }
    let set = |name: &str, value: FeatureValue| -> Feature {
        let setting = control.set_feature(CAM0, name, value).unwrap();
        assert_eq!(control.feature(CAM0, name).unwrap(), setting.feature);
        setting.feature
    };
    let offset = set("OffsetX", 8.into());
    let FeatureKind::Integer(range) = &offset.kind else { panic!("{offset:?}") };
    assert_eq!((range.min, range.max, range.increment, range.unit.as_str()), (0, 16384 - 64, 4, "px"));
    assert_eq!(set("OffsetX", "0x10".into()).value, 16.into());
    let rate = set("AcquisitionFrameRate", 50.into());
    assert!(
        matches!(&rate.kind, FeatureKind::Float(range) if range.min == 1e-3 && range.unit.as_str() == "Hz"),
        "{rate:?}"
    );
    assert_eq!(set("AcquisitionFrameRate", "62.5".into()).value, 62.5.into());
    assert_eq!(set("PixelFormat", "mono16".into()).value, "Mono16".into());
    assert_eq!(set("DeviceUserID", "links ü".into()).value, "links ü".into());
    assert_eq!(set("Width", 128.into()).value, 128.into());
    wait_for("the stream to say so", PATIENCE, || {
        let info = control.streams().unwrap().remove(0);
        let now = (info.width, info.height, info.pixel_format.to_string(), info.millihertz);
        (now == (128, 48, "Mono16".to_owned(), 62_500)).then_some(())
    });
    assert_eq!(set("AcquisitionFrameRateEnable", "off".into()).value, false.into());
    assert_eq!(control.feature(CAM0, "AcquisitionFrameRate").unwrap().access, Access::Locked);
    set("AcquisitionFrameRateEnable", true.into());
    let command = control.execute(CAM0, "TimestampReset").unwrap();
    assert_eq!((&command.feature.kind, &command.feature.value), (&FeatureKind::Command, &FeatureValue::None));
    assert_eq!(command.version, 10, "one for each change");
    let idle = control.set_feature(CAM0, "Width", 128).unwrap();
    assert_eq!(idle.version, 10, "what is so already stops no stream");
    broker.end_clean();
}

/// Goal: every refusal has its code and says what would do, and changes nothing. Method: one of each.
#[test]
fn refusals_say_what_would_do() {
    let broker = Broker::start(&format!("{SMALL} --memory-limit 64"));
    let beside = Beside::start(&broker);
    let control = controller(&broker, "control");
    let set = |name: &str, value: FeatureValue| refusal(control.set_feature(CAM0, name, value));
    let execute = |name: &str| refusal(control.execute(CAM0, name));
    let cases = [
        (set("Width", 20_000.into()), ErrorCode::Invalid, "1 to 16384"),
        (set("OffsetY", 6.into()), ErrorCode::Invalid, "in steps of 4"),
        (set("Width", "wide".into()), ErrorCode::Invalid, "\"wide\""),
        (set("Width", 64.5.into()), ErrorCode::Invalid, "1 to 16384"),
        (set("AcquisitionFrameRate", true.into()), ErrorCode::Invalid, "0.001 to 1000000"),
        (set("AcquisitionFrameRate", f64::NAN.into()), ErrorCode::Invalid, "no number"),
        (set("PixelFormat", "Mono9".into()), ErrorCode::Invalid, "Mono8"),
        (set("DeviceUserID", "x".repeat(64).as_str().into()), ErrorCode::Invalid, "63 bytes"),
        (set("DeviceUserID", FeatureValue::None), ErrorCode::Invalid, "no value"),
        (set("TimestampReset", 1.into()), ErrorCode::Invalid, "executed"),
        (set("SensorWidth", 1.into()), ErrorCode::NotAccessible, "read-only"),
        (set("AcquisitionStop", 1.into()), ErrorCode::UnknownFeature, "Acquisition"),
        (set("Widht", 1.into()), ErrorCode::UnknownFeature, "the nearest is Width"),
        (set("Zoom", 1.into()), ErrorCode::UnknownFeature, "framectl get"),
        (execute("TriggerSoftware"), ErrorCode::NotAccessible, "other features"),
        (execute("Width"), ErrorCode::Invalid, "integer"),
        (refusal(control.feature(CAM0, "heigth")), ErrorCode::UnknownFeature, "Height"),
        (refusal(control.features("cam7")), ErrorCode::UnknownStream, "cam0"),
        (refusal(control.set_feature("cam7", "Width", 8)), ErrorCode::UnknownStream, "cam0"),
    ];
    for ((code, text), expected, advice) in &cases {
        assert!(code == expected && text.contains(advice), "{expected:?} {advice}: {code:?} {text}");
    }
    beside.noticed_nothing();
    control.set_feature(CAM0, "AcquisitionFrameRateEnable", false).unwrap();
    let (code, text) = set("AcquisitionFrameRate", 10.into());
    assert!(code == ErrorCode::NotAccessible && text.contains("locked"), "{text}");
    control.set_feature(CAM0, "AcquisitionFrameRateEnable", true).unwrap();
    // As large as the sensor, and more than the broker may take: found only when the source is stopped.
    control.set_feature(CAM0, "Height", 16384).unwrap();
    let (code, text) = set("Width", 16384.into());
    assert!(code == ErrorCode::Invalid && text.contains("--memory-limit"), "{text}");
    assert_eq!(control.feature(CAM0, "Width").unwrap().value, 64.into(), "put back");
    assert_eq!(control.set_feature(CAM0, "Height", 48).unwrap().version, 4, "refusals raise no version");
    assert!(matches!(control.feature(CAM0, ""), Err(Error::Name(_))));
    assert!(!broker.log().contains("offline"), "{}", broker.log());
    broker.end_clean();
}

/// Goal: only who has the role control changes anything, and nobody while somebody else has sole control; reading is free.
#[test]
fn only_those_who_may_change_settings_do() {
    let broker = Broker::start(SMALL);
    let reader = broker.connect();
    for refused in [
        refusal(reader.set_feature(CAM0, "Width", 32)),
        refusal(reader.execute(CAM0, "TimestampReset")),
        refusal(reader.take_control(CAM0)),
    ] {
        assert!(refused.0 == ErrorCode::Forbidden && refused.1.contains("--allow-uid"), "{refused:?}");
    }
    assert_eq!(reader.feature(CAM0, "Width").unwrap().value, 64.into());
    let (first, second) = (controller(&broker, "first"), controller(&broker, "second"));
    first.set_feature(CAM0, "Width", 32).unwrap();
    second.set_feature(CAM0, "Width", 64).unwrap();
    let _kept = first.take_control(CAM0).unwrap().kept();
    let _kept = first.take_control(CAM0).unwrap().kept();
    for refused in [
        refusal(second.set_feature(CAM0, "Width", 16)),
        refusal(second.execute(CAM0, "TimestampReset")),
        refusal(second.take_control(CAM0)),
        refusal(second.give_control(CAM0)),
    ] {
        let who = format!("first, pid {}", std::process::id());
        assert!(refused.0 == ErrorCode::Controlled && refused.1.contains(&who), "{refused:?}");
    }
    assert_eq!(second.features(CAM0).unwrap().len(), reader.features(CAM0).unwrap().len());
    first.set_feature(CAM0, "Width", 48).unwrap();
    first.give_control(CAM0).unwrap();
    let _kept = second.take_control(CAM0).unwrap().kept();
    assert_eq!(refusal(first.set_feature(CAM0, "Width", 16)).0, ErrorCode::Controlled);
    drop(second);
    wait_for("the end of sole control", PATIENCE, || first.set_feature(CAM0, "Width", 16).ok());
    broker.end_clean();
}

/// Goal: settings that change the frames' size disturb nobody: held frames stay as they are, nothing is lost, all bytes are
/// right, the stream never goes offline; each frame has the geometry of its settings version. Method: twenty changes beside
/// readers of all kinds, one of which maps each version to its frames.
#[test]
fn frames_change_their_size_while_they_are_read() {
    let broker = Broker::start("--segments 12 --fps 200 --width 64 --height 48");
    let mut holders: Vec<Actor> = ["", "delivery=socket"].map(|terms| holder(&broker, terms)).into();
    let beside = [Beside::start(&broker), Beside::start(&broker)];
    let control = controller(&broker, "control");
    let mut frames = broker.connect().subscribe(CAM0).max_held(2).open().unwrap();
    let first = frames.next(PATIENCE).unwrap().sequence();
    let mut geometry = BTreeMap::from([(0, (64, 48, "Mono8".to_owned(), 0))]);
    let mut now = geometry[&0].clone();
    for round in 0..20_u32 {
        let sizes = [320, 64, 1280, 16];
        let size = sizes[round as usize / 4 % 4];
        let setting = match round % 4 {
            0 => control.set_feature(CAM0, "Width", size).map(|setting| (setting, now.0 = size)),
            1 => control.set_feature(CAM0, "Height", size / 2).map(|setting| (setting, now.1 = size / 2)),
            2 => {
                let format = if round % 8 == 2 { "RGB8" } else { "Mono12p" };
                control.set_feature(CAM0, "PixelFormat", format).map(|setting| (setting, now.2 = format.to_owned()))
            }
            _ => control.set_feature(CAM0, "OffsetX", round + 1).map(|setting| (setting, now.3 = round + 1)),
        };
        let version = setting.unwrap().0.version;
        assert_eq!(version, round + 1);
        geometry.insert(version, now.clone());
        let mut last = 0;
        while last != version {
            let frame = frames.next(PATIENCE).unwrap();
            let header = frame.header();
            let shown = (header.width, header.height, header.pixel_format.to_string(), header.offset_x);
            assert_eq!(shown, geometry[&frame.settings_version()], "version {}", frame.settings_version());
            assert!(frame.settings_version() >= last, "versions go on");
            last = frame.settings_version();
        }
    }
    let heard = wait_for("all the news", PATIENCE, || {
        frames.next(PATIENCE).unwrap();
        let more = std::iter::from_fn(|| frames.next_change()).map(|change| change.version);
        let last = more.last();
        (last == Some(20)).then_some(last)
    });
    assert_eq!(heard, Some(20));
    // It takes no frames while it sets features; what it loses then, as frames of the old size make room, is counted.
    let (counters, last) = (frames.counters(), frames.next(PATIENCE).unwrap().sequence());
    assert_eq!(counters.received + counters.lost + 1, last.0 - first.0 + 1);
    for holder in &mut holders {
        assert_eq!(holder.ask("check"), "good 2");
        holder.must("release");
        let ran = holder.ask("run count=20");
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    }
    beside.into_iter().for_each(Beside::noticed_nothing);
    assert!(!broker.log().contains("offline"), "{}", broker.log());
    drop((holders, frames));
    broker.end_clean();
}

/// A reader that holds two frames.
fn holder(broker: &Broker, terms: &str) -> Actor {
    let mut actor = broker.actor();
    actor.must(&format!("subscribe max_held=3 {terms}"));
    actor.take();
    actor.take();
    actor
}

/// Goal: where the ring has too little memory for larger frames, older frames make room; where they are held, the stream is
/// offline and says why, and can be set to something smaller. Method: frames of 1 MB and 3 MB with a limit of 8 MB.
#[test]
fn frames_that_find_no_memory_wait_for_it() {
    const MEGABYTES: &str = "--segments 7 --fps 50 --width 1024 --height 1024 --memory-limit 8";
    let set_height = |broker: &Broker, frames: &mut client::Subscription, wanted: u32| {
        controller(broker, "control").set_feature(CAM0, "Height", wanted).unwrap();
        wait_for("frames of the new size", PATIENCE, || {
            let frame = frames.next(Duration::from_millis(500)).ok()?;
            (frame.header().height == wanted).then_some(())
        });
    };
    let broker = Broker::start(MEGABYTES);
    let mut frames = broker.connect().subscribe(CAM0).max_held(1).open().unwrap();
    for height in [3072, 1024, 3072] {
        set_height(&broker, &mut frames, height);
    }
    assert!(!broker.log().contains("offline"), "{}", broker.log());
    drop(frames);
    broker.end_clean();

    let broker = Broker::start(MEGABYTES);
    let mut frames = broker.connect().subscribe(CAM0).max_held(1).open().unwrap();
    let mut holder = broker.actor();
    holder.must("subscribe max_held=3");
    for _ in 0..3 {
        holder.take();
    }
    controller(&broker, "control").set_feature(CAM0, "Height", 3072).unwrap();
    wait_for("the stream to be offline", PATIENCE, || broker.log().contains("--memory-limit 8").then_some(()));
    wait_for("its readers to be told", PATIENCE, || holder.ask("state").starts_with("offline").then_some(()));
    set_height(&broker, &mut frames, 1024);
    assert!(holder.ask("state").starts_with("live"));
    assert_eq!(holder.ask("check"), "good 3");
    controller(&broker, "control").set_feature(CAM0, "Height", 3072).unwrap();
    wait_for("the stream to be offline again", PATIENCE, || holder.ask("state").starts_with("offline").then_some(()));
    holder.must("release");
    wait_for("frames of the new size", PATIENCE, || {
        let frame = frames.next(Duration::from_millis(500)).ok()?;
        (frame.header().height == 3072).then_some(())
    });
    drop((holder, frames));
    broker.end_clean();
}

/// Goal: clients that set at the same time all get their answers and versions of their own. Method: two, fifty times each.
#[test]
fn two_clients_set_at_once() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    let set = |name: &'static str, feature: &'static str, values: [&'static str; 2]| {
        let control = controller(&broker, name);
        std::thread::spawn(move || -> Vec<u32> {
            let set = |at: usize| control.set_feature(CAM0, feature, values[at % 2]).unwrap();
            (0..50).map(|at| set(at).version).collect()
        })
    };
    let both = [set("one", "DeviceUserID", ["left", "right"]), set("two", "Width", ["32", "128"])];
    let [one, two] = both.map(|thread| thread.join().unwrap());
    for versions in [&one, &two] {
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    }
    let last = controller(&broker, "last").execute(CAM0, "TimestampReset").unwrap().version;
    assert_eq!(last, 101);
    beside.noticed_nothing();
    broker.end_clean();
}

/// Goal: news of settings end nobody's session, not even of who is stopped, and are heard afterwards. Method: a thousand
/// changes while a reader of each delivery is stopped.
#[test]
fn nobody_is_drowned_in_news() {
    let broker = Broker::start(SMALL);
    let mut stopped: Vec<Actor> = ["", "delivery=socket"].map(|terms| holder(&broker, terms)).into();
    let mut quiet = broker.connect().subscribe(CAM0).delivery(Delivery::Shared).open().unwrap();
    stopped.iter().for_each(|actor| actor.signal(Signal::SIGSTOP));
    let control = controller(&broker, "control");
    for round in 0..1000 {
        control.set_feature(CAM0, "DeviceUserID", "x".repeat(round % 64).as_str()).unwrap();
    }
    stopped.iter().for_each(|actor| actor.signal(Signal::SIGCONT));
    for actor in &mut stopped {
        assert_eq!(actor.ask("check"), "good 2");
        actor.must("release");
        let ran = actor.ask("run count=20");
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    }
    let mut versions = Vec::new();
    wait_for("the newest news", PATIENCE, || {
        quiet.next(PATIENCE).unwrap();
        versions.extend(std::iter::from_fn(|| quiet.next_change()).map(|change| change.version));
        (versions.last() == Some(&1000)).then_some(())
    });
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    drop((stopped, quiet));
    broker.end_clean();
}

/// Goal: `framectl` shows, sets and executes, for people and as JSON, and a watch tells of it.
#[test]
fn framectl_gets_and_sets() {
    let broker = Broker::start(SMALL);
    let framectl = |words: &str| {
        let mut command = Command::new(binaries::framectl());
        run(command.arg("--socket").arg(broker.socket()).args(words.split_whitespace()))
    };
    let json = |words: &str| -> serde_json::Value {
        let (status, output, errors) = framectl(&format!("{words} --json"));
        assert!(status.success(), "{words}: {errors}");
        serde_json::from_str(&output).unwrap()
    };
    let (_, table, _) = framectl("get cam0");
    let row = table.lines().find(|line| line.starts_with("OffsetX")).unwrap_or_else(|| panic!("{table}"));
    assert!(row.contains("0 px") && row.contains("read-write") && row.contains("in steps of 4"), "{row}");
    let (_, one, _) = framectl("get cam0 PixelFormat");
    assert!(one.starts_with("PixelFormat = Mono8\n") && one.contains("enumeration"), "{one}");
    assert_eq!(json("get cam0").as_array().unwrap().len(), table.lines().count() - 1);

    let mut watch = Command::new(binaries::framectl());
    watch.arg("--socket").arg(broker.socket()).args(["watch", "cam0", "--verify", "--json", "--count", "300"]);
    let watching = std::thread::spawn(move || run(&mut watch));
    wait_for("the watch", PATIENCE, || {
        let clients = broker.connect().clients().unwrap();
        clients.iter().any(|client| !client.subscriptions.is_empty()).then_some(())
    });
    let set = json("set cam0 Width 200");
    assert_eq!((&set["value"], &set["settings_version"], &set["max"]), (&200.into(), &1.into(), &16384.into()));
    let (status, said, _) = framectl("set cam0 DeviceUserID -7");
    assert!(status.success() && said.contains("DeviceUserID = -7 (settings version 2)"), "{said}");
    assert!(json("exec cam0 TimestampReset")["value"].is_null());
    let (status, _, errors) = framectl("set cam0 Widht 7");
    assert!(status.code() == Some(2) && errors.contains("Width"), "{status} {errors}");
    let (status, summary, errors) = watching.join().unwrap();
    assert!(status.success(), "{errors}");
    let summary: serde_json::Value = serde_json::from_str(summary.lines().last().unwrap()).unwrap();
    assert_eq!((&summary["verified"], &summary["lost"]), (&300.into(), &0.into()));
    let changes = summary["settings_changes"].as_array().unwrap();
    assert_eq!((&changes[0]["feature"], &changes[0]["value"]), (&"Width".into(), &200.into()));
    assert!(changes.len() == 3 && changes[0]["by"].as_str().unwrap().contains("framectl set"), "{changes:?}");
    broker.end_clean();
}
