//! Features for clients over the socket: what pylon tells of them, what it refuses, and what nobody else notices.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use framebroker_client::{Access, ChunkValue, ErrorCode, Feature, FeatureKind, FeatureValue, Frame, Visibility};
use framebroker_tests::actor::figure;
use framebroker_tests::settings::{controller, refusal, trigger_exactly};
use framebroker_tests::{Actor, Broker, Cameras, PATIENCE, wait_for};

use super::{must_be_balanced, started, subscribed};

const CAM0: &str = "cam0";

/// How often the camera was stopped.
fn stops(cameras: &Cameras) -> usize {
    cameras.notes("4001").iter().filter(|note| note.starts_with("stopped")).count()
}

/// Goal: all features are listed, in the order of the camera's categories, with what it says of them. Method: more of them than
/// fill several pages; one that this model has not, one in no category, an entry that cannot be chosen.
#[test]
fn features_are_listed_as_the_camera_has_them() {
    let (_cameras, broker) = started("fps=50 more_features=300", "--segments 8");
    subscribed(&broker, "").take();
    let control = controller(&broker, "control");
    let features = control.features(CAM0).unwrap();
    let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    let at =
        |name: &str| names.iter().position(|known| *known == name).unwrap_or_else(|| panic!("no {name}: {names:?}"));
    let in_order = ["SensorWidth", "Width", "OffsetX", "PixelFormat", "ExposureAuto", "ExposureTime", "GainRaw"];
    assert!(in_order.is_sorted_by_key(|name| at(name)), "{names:?}");
    assert_eq!(at("TestValue299") - at("TestValue0"), 299);
    for missing in ["SensorShutter", "TLParamsLocked", "Root", "AnalogControl"] {
        assert!(!names.contains(&missing), "{missing}");
    }
    let named = |name: &str| &features[at(name)];
    let exposure = named("ExposureTime");
    assert_eq!((exposure.display_name.as_str(), exposure.visibility), ("Exposure Time", Visibility::Beginner));
    assert_eq!(exposure.description.as_str(), "How long the sensor collects light.");
    assert_eq!((&exposure.value, exposure.access), (&1000.0.into(), Access::ReadWrite));
    let FeatureKind::Float(range) = &exposure.kind else { panic!("{exposure:?}") };
    assert_eq!((range.min, range.max, range.unit.as_str()), (10.0, 1e6, "us"));
    let width = named("Width");
    let FeatureKind::Integer(range) = &width.kind else { panic!("{width:?}") };
    assert_eq!((range.min, range.max, range.increment, range.unit.as_str()), (16, 4096, 4, "px"));
    assert_eq!((&width.value, width.access), (&640.into(), Access::Locked), "while it grabs");
    let format = named("PixelFormat");
    assert_eq!(format.kind, FeatureKind::enumeration(["Mono8", "Mono12", "BayerRG8"]));
    assert_eq!(format.value, "Mono8".into());
    assert_eq!((named("SensorWidth").access, named("DeviceSerialNumber").access), (Access::ReadOnly, Access::ReadOnly));
    assert_eq!(
        (named("DeviceSerialNumber").kind.name(), &named("DeviceSerialNumber").value),
        ("string", &"4001".into())
    );
    assert_eq!(
        (named("DeviceUserID").visibility, named("TestWriteOnly").visibility),
        (Visibility::Expert, Visibility::Guru)
    );
    let secret = named("TestWriteOnly");
    assert_eq!((secret.access, &secret.value), (Access::WriteOnly, &FeatureValue::None));
    let command = named("TriggerSoftware");
    assert_eq!(
        (&command.kind, command.access, &command.value),
        (&FeatureKind::Command, Access::WriteOnly, &FeatureValue::None)
    );
    // What no category lists can be read all the same.
    assert_eq!(control.feature(CAM0, "TLParamsLocked").unwrap().visibility, Visibility::Invisible);
    broker.end_clean();
}

/// Goal: a feature of each kind is set, by its value or a text, and a command executed to its end; frames go on, and their
/// readers are told. What others' numbers depend on is set while the camera is stopped, nothing else.
#[test]
fn each_kind_is_set_and_a_command_waits_for_its_end() {
    let (cameras, broker) = started("fps=50 command_ms=300", "--segments 8");
    let control = controller(&broker, "control");
    let mut frames = broker.connect().subscribe(CAM0).open().unwrap();
    frames.next(PATIENCE).unwrap();
    let set = |name: &str, value: FeatureValue| -> Feature {
        let setting = control.set_feature(CAM0, name, value).unwrap();
        assert_eq!(control.feature(CAM0, name).unwrap(), setting.feature);
        setting.feature
    };
    assert_eq!(set("GainRaw", "0x1F".into()).value, 31.into());
    assert_eq!(set("ExposureTime", 2500.5.into()).value, 2500.5.into());
    assert_eq!(set("ExposureTime", 3000.into()).value, 3000.0.into());
    assert_eq!(set("ChunkEnable", "off".into()).value, false.into());
    assert_eq!(set("ChunkSelector", "exposuretime".into()).value, "ExposureTime".into());
    assert_eq!(set("DeviceUserID", "links ü".into()).value, "links ü".into());
    assert_eq!(set("TestWriteOnly", 7.into()).value, FeatureValue::None);
    let began = Instant::now();
    let done = control.execute(CAM0, "Calibrate").unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    assert_eq!((done.version, done.feature.kind), (8, FeatureKind::Command));
    assert_eq!(control.feature(CAM0, "CalibrationCount").unwrap().value, 1.into());
    assert_eq!(stops(&cameras), 1, "for ChunkEnable alone");

    set("AcquisitionFrameRate", "80".into());
    assert_eq!(stops(&cameras), 2, "how many segments the driver needs depends on it");
    wait_for("the stream's rate", PATIENCE, || (control.streams().unwrap()[0].millihertz == 80_000).then_some(()));
    let mut told = Vec::new();
    wait_for("a frame with all of it", PATIENCE, || {
        let frame = frames.next(PATIENCE).unwrap();
        told.extend(
            std::iter::from_fn(|| frames.next_change()).map(|change| (change.version, change.feature.to_string())),
        );
        (frame.settings_version() == 9 && told.len() == 9).then_some(())
    });
    assert_eq!((&told[0], &told[7]), (&(1, "GainRaw".to_owned()), &(8, "Calibrate".to_owned())));
    assert!(!broker.log().contains("offline"), "{}", broker.log());
    drop(frames);
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}

/// Goal: every refusal has its code and says what would do; what pylon throws is told. None of them stops the camera, not
/// even for a feature that another one locks.
#[test]
fn refusals_say_what_would_do() {
    let (cameras, broker) = started("fps=50", "--segments 8");
    let control = controller(&broker, "control");
    let set = |name: &str, value: FeatureValue| refusal(control.set_feature(CAM0, name, value));
    let execute = |name: &str| refusal(control.execute(CAM0, name));
    control.set_feature(CAM0, "ExposureAuto", "Continuous").unwrap();
    assert_eq!(control.feature(CAM0, "ExposureTime").unwrap().access, Access::Locked);
    for ((code, text), expected, advice) in [
        (set("Width", 5000.into()), ErrorCode::Invalid, "16 to 4096 in steps of 4"),
        (set("Width", 18.into()), ErrorCode::Invalid, "in steps of 4"),
        (set("GainRaw", "loud".into()), ErrorCode::Invalid, "0 to 63"),
        (set("GainRaw", 1.5.into()), ErrorCode::Invalid, "0 to 63"),
        (set("PixelFormat", "YUV422_8".into()), ErrorCode::Invalid, "Mono8, Mono12, BayerRG8"),
        (set("ChunkEnable", 7.into()), ErrorCode::Invalid, "true or false"),
        (set("Calibrate", 1.into()), ErrorCode::Invalid, "executed"),
        (execute("GainRaw"), ErrorCode::Invalid, "integer"),
        (set("ExposureTime", 500.into()), ErrorCode::NotAccessible, "locked"),
        (set("SensorWidth", 640.into()), ErrorCode::NotAccessible, "read-only"),
        (set("TLParamsLocked", 0.into()), ErrorCode::NotAccessible, "broker's own"),
        (execute("AcquisitionStart"), ErrorCode::NotAccessible, "broker's own"),
        (set("SensorShutter", true.into()), ErrorCode::UnknownFeature, "the nearest is Sensor"),
        (set("ExposureTimeAbs", 1.into()), ErrorCode::UnknownFeature, "ExposureTime"),
        (refusal(control.feature(CAM0, "Zoom")), ErrorCode::UnknownFeature, "framectl get"),
    ] {
        assert!(code == expected && text.contains(advice), "{expected:?} {advice}: {code:?} {text}");
    }
    cameras.tell("4001", "fps=50 fail=GainRaw command_ms=60000");
    let (code, text) = set("GainRaw", 3.into());
    assert!(code == ErrorCode::CameraFailed && text.contains("told to fail at GainRaw"), "{code:?} {text}");
    let broken = control.feature(CAM0, "GainRaw").unwrap();
    assert!(broken.description.as_str().contains("told to fail at GainRaw"), "{broken:?}");
    assert_eq!(broken.value, FeatureValue::None);
    assert!(control.features(CAM0).unwrap().len() > 30, "one that fails hides no other");
    let (code, text) = execute("Calibrate");
    assert!(code == ErrorCode::CameraFailed && text.contains("not finished"), "{code:?} {text}");
    assert_eq!(stops(&cameras), 0);
    cameras.tell("4001", "fps=50");
    assert_eq!(control.set_feature(CAM0, "GainRaw", 3).unwrap().version, 2, "refusals raise no version");
    broker.end_clean();
}

/// Goal: only who has the role control changes a camera, and nobody while another has sole control.
#[test]
fn sole_control_holds_for_pylon_too() {
    let (_cameras, broker) = started("fps=50", "--segments 8");
    let (reader, first, second) = (broker.connect(), controller(&broker, "first"), controller(&broker, "second"));
    assert_eq!(refusal(reader.set_feature(CAM0, "GainRaw", 1)).0, ErrorCode::Forbidden);
    let _kept = first.take_control(CAM0).unwrap().kept();
    assert_eq!(refusal(second.set_feature(CAM0, "GainRaw", 1)).0, ErrorCode::Controlled);
    assert_eq!(refusal(second.execute(CAM0, "Calibrate")).0, ErrorCode::Controlled);
    assert_eq!(second.feature(CAM0, "GainRaw").unwrap().value, 0.into());
    first.set_feature(CAM0, "GainRaw", 2).unwrap();
    drop(first);
    let set = wait_for("the end of sole control", PATIENCE, || second.set_feature(CAM0, "GainRaw", 3).ok());
    assert_eq!((set.version, set.feature.value), (2, 3.into()));
    broker.end_clean();
}

/// A reader that holds two frames.
fn holder(broker: &Broker, terms: &str) -> Actor {
    let mut actor = subscribed(broker, &format!("max_held=3 {terms}"));
    actor.take();
    actor.take();
    actor
}

/// Goal: size and format change under readers who hold frames and others who stream: held frames stay as they are, all bytes
/// are the camera's, each frame has its version's geometry, every sequence is accounted for, and nobody does anything for it.
/// Method: larger, smaller and larger than at the start, a wider format, chunks, and a command that brings the first size back.
#[test]
fn geometry_and_format_change_under_readers_who_hold_frames() {
    let (cameras, broker) = started("fps=100 width=64 height=48", "--segments 12");
    let control = controller(&broker, "control");
    let mut holders = ["", "delivery=socket"].map(|terms| holder(&broker, terms));
    let mut frames = broker.connect().subscribe(CAM0).max_held(2).open().unwrap();
    let first = frames.next(PATIENCE).unwrap().sequence();
    let mut now = (64, 48, "Mono8".to_owned(), 0);
    let mut geometry = BTreeMap::from([(0, now.clone())]);
    let changes: [(&str, FeatureValue); 10] = [
        ("Width", 640.into()),
        ("Height", 480.into()),
        ("PixelFormat", "Mono12".into()),
        ("OffsetX", 8.into()),
        ("Width", 32.into()),
        ("PixelFormat", "BayerRG8".into()),
        ("ChunkModeActive", true.into()),
        ("Height", 600.into()),
        ("OffsetX", 0.into()),
        ("UserSetLoad", FeatureValue::None),
    ];
    for (feature, value) in changes {
        match (feature, &value) {
            ("Width", FeatureValue::Integer(width)) => now.0 = *width,
            ("Height", FeatureValue::Integer(height)) => now.1 = *height,
            ("PixelFormat", format) => now.2 = format.to_string(),
            ("OffsetX", FeatureValue::Integer(left)) => now.3 = *left,
            ("UserSetLoad", _) => (now.0, now.1, now.2) = (64, 48, "Mono8".to_owned()),
            _ => {}
        }
        let done = match value {
            FeatureValue::None => control.execute(CAM0, feature),
            value => control.set_feature(CAM0, feature, value),
        };
        let version = done.unwrap().version;
        geometry.insert(version, now.clone());
        let mut last = 0;
        while last != version {
            let frame = frames.next(PATIENCE).unwrap();
            let header = frame.header();
            let (width, height) = (header.width.into(), header.height.into());
            let shown: (i64, i64, String, i64) =
                (width, height, header.pixel_format.to_string(), header.offset_x.into());
            assert_eq!(shown, geometry[&frame.settings_version()], "{feature}: version {}", frame.settings_version());
            assert!(frame.settings_version() >= last, "versions go on");
            last = frame.settings_version();
        }
        for holder in &mut holders {
            assert_eq!(holder.ask("check ramp"), "good 2", "{feature}");
        }
    }
    let (counters, last) = (frames.counters(), frames.next(PATIENCE).unwrap().sequence());
    assert_eq!(counters.received + counters.lost + 1, last.0 - first.0 + 1, "each frame is counted");
    for holder in &mut holders {
        let ran = holder.ask("run count=20 content=ramp");
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
    }
    assert_eq!(stops(&cameras), 10);
    assert!(!broker.log().contains("offline"), "{}", broker.log());
    drop((holders, frames));
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}

/// Goal: what was set by a file, by options and by clients is set again when the camera comes back, in this order, before its
/// first frame; meanwhile the camera is closed, and can be asked nothing. Method: a camera that forgets all when it is
/// unplugged; an offset that is possible only with the width that is set after it.
#[test]
fn what_was_set_is_set_again_when_the_camera_comes_back() {
    let cameras = Cameras::default();
    cameras.plug("4001", "fps=50");
    let file = cameras.path("camera.pfs");
    std::fs::write(&file, "Height\t64\nGainRaw\t9\nExposureTime\t111\n").unwrap();
    let words =
        format!("--source pylon --segments 8 --load {} --set GainRaw=10 --set ExposureTime=222", file.display());
    let broker = Broker::start_program(&mut cameras.broker(), &words);
    let control = controller(&broker, "control");
    let mut holder = holder(&broker, "");
    for (feature, value) in [("ExposureTime", 333), ("Width", 256), ("OffsetX", 3840), ("Width", 128)] {
        control.set_feature(CAM0, feature, value).unwrap();
    }
    let version = control.set_feature(CAM0, "DeviceUserID", "left").unwrap().version;
    let mut frames = broker.connect().subscribe(CAM0).open().unwrap();
    frames.next(PATIENCE).unwrap();
    cameras.unplug("4001");
    wait_for("the loss of the camera", PATIENCE, || {
        let _nothing = frames.next(Duration::from_millis(100));
        frames.is_offline().then_some(())
    });
    assert_eq!(cameras.notes("4001").last().unwrap(), "close", "nothing keeps it open");
    let (code, text) = refusal(control.set_feature(CAM0, "GainRaw", 3));
    assert!(code == ErrorCode::CameraFailed && text.contains("away"), "{text}");
    cameras.plug("4001", "fps=50");
    let frame = wait_for("the camera's return", PATIENCE, || {
        let frame = frames.next(Duration::from_millis(500)).ok()?;
        (!frames.is_offline()).then_some(frame)
    });
    let header = frame.header();
    assert_eq!((header.width, header.height, header.offset_x), (128, 64, 3840));
    assert_eq!(frame.settings_version(), version);
    let value = |name: &str| control.feature(CAM0, name).unwrap().value;
    assert_eq!(
        (value("ExposureTime"), value("GainRaw"), value("DeviceUserID")),
        (333.0.into(), 10.into(), "left".into())
    );
    wait_for("what is said of it", PATIENCE, || {
        broker.log().contains("settings of clients were set again").then_some(())
    });
    assert!(!broker.log().contains("could not be set again"), "{}", broker.log());
    assert_eq!(holder.ask("check ramp"), "good 2");
    drop((holder, frames, frame));
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}

/// Goal: a camera that takes long to answer delays only who asks it, who gets an error in time; frames go on, as do other
/// clients. One that is unplugged while it is asked is closed when the call ends, and comes back.
#[test]
fn a_slow_camera_delays_neither_frames_nor_other_clients() {
    let (cameras, broker) = started("fps=50", "--segments 16");
    let mut reader = subscribed(&broker, "");
    let mut holder = holder(&broker, "");
    cameras.tell("4001", "fps=50 slow=GainRaw slow_ms=6000");
    let (other, asking) = (broker.connect(), controller(&broker, "asking"));
    reader.tell("run count=150 content=ramp");
    let (before, began) = (broker.stats().published, Instant::now());
    let asks = std::thread::spawn(move || refusal(asking.set_feature(CAM0, "GainRaw", 3)));
    let mut slowest = Duration::ZERO;
    while !asks.is_finished() {
        let began = Instant::now();
        other.ping().unwrap();
        assert_eq!(other.streams().unwrap().len(), 1);
        slowest = slowest.max(began.elapsed());
    }
    let (code, text) = asks.join().unwrap();
    assert!(code == ErrorCode::CameraFailed && text.contains("did not answer within 4 s"), "{text}");
    assert!(slowest < began.elapsed() / 2, "another client waited {slowest:?}");
    // A grab thread that waited too would have published none; of a busy machine some may be missing.
    let published = broker.stats().published - before;
    assert!(published >= 100, "{published} frames in 4 s of 50 Hz");
    let ran = reader.answer();
    assert_eq!((figure(&ran, "bad"), figure(&ran, "received")), (0, 150), "{ran}");
    assert_eq!(holder.ask("check ramp"), "good 2");
    cameras.tell("4001", "fps=50");
    let control = controller(&broker, "control");
    wait_for("an answer", PATIENCE, || control.set_feature(CAM0, "GainRaw", 4).ok());

    cameras.tell("4001", "fps=50 slow=ExposureTime slow_ms=2000");
    let asking = controller(&broker, "asking");
    let asks = std::thread::spawn(move || asking.feature(CAM0, "ExposureTime"));
    let is_asked = |note: &String| note == "asked ExposureTime";
    wait_for("the question", PATIENCE, || cameras.notes("4001").iter().any(is_asked).then_some(()));
    cameras.unplug("4001");
    super::wait_for_state(&mut reader, "offline");
    cameras.plug("4001", "fps=50");
    super::wait_for_state(&mut reader, "live");
    let _the_old_cameras_answer = asks.join().unwrap();
    assert_eq!(control.feature(CAM0, "GainRaw").unwrap().value, 4.into());
    drop((holder, reader));
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}

/// Goal: as `triggers` has it, and the frame was exposed with the setting: its chunk says so. A setting that is made while the camera
/// exposes is never taken for one that the frame was exposed with. Method: each exposure another; a long one, and a setting in it.
#[test]
fn the_frame_of_a_trigger_was_exposed_with_the_settings_before_it() {
    let (_cameras, broker) = started("fps=50 chunks=1 class=BaslerCamEmu", "--segments 8");
    let control = controller(&broker, "control");
    let mut frames = broker.connect().subscribe(CAM0).open().unwrap();
    frames.next(PATIENCE).unwrap();
    let exposed_for = |frame: &Frame, time: f64| {
        assert_eq!(frame.chunks().unwrap().value("ChunkExposureTime"), Some(ChunkValue::Float(time)));
    };
    for (name, value) in [("TriggerSelector", "FrameStart"), ("TriggerSource", "Software"), ("TriggerMode", "On")] {
        control.set_feature(CAM0, name, value).unwrap();
    }
    for round in 1..=10 {
        let time = f64::from(1000 * round);
        let frame = trigger_exactly(&control, &mut frames, "ExposureTime", time);
        exposed_for(&frame, time);
    }
    let long = control.set_feature(CAM0, "ExposureTime", 500_000.0).unwrap();
    control.execute(CAM0, "TriggerSoftware").unwrap();
    let short = control.set_feature(CAM0, "ExposureTime", 1000.0).unwrap();
    let frame = frames.next(PATIENCE).unwrap();
    exposed_for(&frame, 500_000.0);
    assert!(frame.is_exposed_with(&long) && !frame.is_exposed_with(&short), "{frame:?}");
    drop(frame);
    // It came, so nothing is under way any more.
    let frame = trigger_exactly(&control, &mut frames, "ExposureTime", 2000.0);
    exposed_for(&frame, 2000.0);
    drop((frame, frames, control));
    broker.end_clean();
}

/// Goal: a camera that is set to send faster gets the segments that its driver then needs, whatever is held; where there cannot
/// be as many, the setting is refused and put back. Method: three readers who hold all they may, and a limit on segments.
#[test]
fn a_camera_that_is_made_faster_gets_more_segments() {
    let (cameras, broker) = started("fps=50 width=64 height=48", "--segments 8 --max-segments 10");
    let control = controller(&broker, "control");
    let mut holders = ["", "delivery=socket", "policy=latest"].map(|terms| subscribed(&broker, terms));
    for holder in &mut holders {
        holder.take();
        holder.take();
    }
    let version = control.set_feature(CAM0, "AcquisitionFrameRate", 300).unwrap().version;
    let before = broker.stats().published;
    wait_for("frames at the new rate", PATIENCE, || (broker.stats().published > before + 50).then_some(()));
    assert_eq!(control.streams().unwrap()[0].segments, 10, "four for the source and the newest frame, six for holds");
    let (code, text) = refusal(control.set_feature(CAM0, "AcquisitionFrameRate", 1000));
    assert!(code == ErrorCode::Invalid && text.contains("11 segments") && text.contains("--max-segments"), "{text}");
    let rate = control.feature(CAM0, "AcquisitionFrameRate").unwrap().value;
    assert_eq!((rate, version), (300.0.into(), 1));
    for holder in &mut holders {
        assert_eq!(holder.ask("check ramp"), "good 2");
        holder.must("release");
        holder.take();
    }
    assert!(!broker.log().contains("offline"), "{}", broker.log());
    drop(holders);
    broker.end_clean();
    must_be_balanced(&cameras, "4001");
}
