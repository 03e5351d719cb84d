//! Settings of a real GigE Vision camera: a simulated one (Debian's package aravis-tools) in a network of its own.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use framebroker_client::{self as client, Access, Error, ErrorCode, FeatureKind, FeatureValue, Visibility};
use framebroker_protocol::limits::PROTOCOL_VERSION;
use framebroker_protocol::message::{Ask, Roles, Tell};
use framebroker_protocol::{ClientName, FeatureName, StreamName};
use framebroker_tests::actor::figure;
use framebroker_tests::settings::trigger_exactly;
use framebroker_tests::{Actor, Broker, Network, PATIENCE, Raw, wait_for};
use nix::sys::signal::Signal;

const CAM0: &str = "cam0";
/// Longer than a camera takes that is found again.
const RETURN: Duration = Duration::from_secs(40);

fn controller(broker: &Broker) -> client::Broker {
    client::Broker::builder().socket(broker.socket()).name("control").control(true).connect().unwrap()
}

fn refusal<T: std::fmt::Debug>(result: client::Result<T>) -> (ErrorCode, String) {
    match result {
        Err(Error::Refused { code, text }) => (code, text),
        other => panic!("not refused: {other:?}"),
    }
}

/// A reader that holds a frame.
fn holder(broker: &Broker, terms: &str) -> Actor {
    let mut actor = broker.actor();
    actor.must(&format!("subscribe max_held=3 {terms}"));
    actor.take();
    actor
}

/// Goal: a camera's features are listed with what it says of them, read, set and executed; refusals say what would do.
#[test]
fn features_of_a_camera_are_read_and_set() {
    let network = Network::default();
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    let control = controller(&broker);
    let features = control.features(CAM0).unwrap();
    let named = |name: &str| features.iter().find(|feature| feature.name.as_str() == name).unwrap();
    let exposure = named("ExposureTimeAbs");
    assert!(exposure.description.as_str().contains("microseconds"), "{exposure:?}");
    assert_eq!((exposure.visibility, exposure.access), (Visibility::Beginner, Access::ReadWrite));
    assert!(matches!(&exposure.kind, FeatureKind::Float(range) if range.min == 10.0), "{exposure:?}");
    assert!(matches!(&named("PixelFormat").kind, FeatureKind::Enumeration(entries) if entries.len() == 7));
    assert_eq!((named("DeviceID").access, &named("DeviceID").value), (Access::ReadOnly, &"GV01".into()));
    assert_eq!(named("TriggerSoftware").kind, FeatureKind::Command);

    let values: [(&str, FeatureValue); 5] = [
        ("ExposureTimeAbs", 5000.5.into()),
        ("GainRaw", 5.into()),
        ("TriggerSource", "Software".into()),
        ("TestRegister", "0xff".into()),
        ("AcquisitionFrameRate", 25.into()),
    ];
    for (version, (name, value)) in (1..).zip(values) {
        let setting = control.set_feature(CAM0, name, value).unwrap();
        assert_eq!(setting.version, version, "{name}");
        assert_eq!(control.feature(CAM0, name).unwrap(), setting.feature);
    }
    assert_eq!(control.feature(CAM0, "TestRegister").unwrap().value, 255.into());
    assert_eq!(control.execute(CAM0, "TriggerSoftware").unwrap().version, 5, "a trigger changes no setting");
    let set = |name: &str, value: &str| refusal(control.set_feature(CAM0, name, value));
    for ((code, text), expected, advice) in [
        (set("GainRaw", "5000"), ErrorCode::Invalid, "0 to 10"),
        (set("PixelFormat", "Mono7"), ErrorCode::Invalid, "Mono8"),
        (set("ExposureTimeAbs", "long"), ErrorCode::Invalid, "10 to 10000000"),
        (set("DeviceVendorName", "me"), ErrorCode::NotAccessible, "read-only"),
        (set("ExposureTime", "100"), ErrorCode::UnknownFeature, "ExposureTimeAbs"),
        (refusal(control.execute(CAM0, "AcquisitionStop")), ErrorCode::NotAccessible, "broker's own"),
        (refusal(control.execute(CAM0, "Width")), ErrorCode::Invalid, "integer"),
    ] {
        assert!(code == expected && text.contains(advice), "{expected:?} {advice}: {code:?} {text}");
    }
    wait_for("the stream's new rate", PATIENCE, || (control.streams().unwrap()[0].millihertz == 25_000).then_some(()));
    assert!(!broker.log().contains("offline"), "{}", broker.log());
    broker.end_clean();
}

/// Goal: as `triggers` has it, with a camera on a network. Method: a pause without a trigger before each setting, as the parts of a
/// machine make it.
#[test]
fn the_frame_of_a_trigger_has_the_settings_before_it() {
    let network = Network::default();
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    let control = controller(&broker);
    let mut frames = broker.connect().subscribe(CAM0).open().unwrap();
    frames.next(PATIENCE).unwrap();
    for (name, value) in [("TriggerSelector", "FrameStart"), ("TriggerSource", "Software"), ("TriggerMode", "On")] {
        control.set_feature(CAM0, name, value).unwrap();
    }
    for round in 1..=10 {
        trigger_exactly(&control, &mut frames, "ExposureTimeAbs", 1000 * round);
    }
    let set = control.set_feature(CAM0, "GainRaw", 3).unwrap();
    let frame = control.trigger(CAM0, PATIENCE).unwrap();
    assert!(frame.is_exposed_with(&set) && frame.sequence() > set.head, "{frame:?}");
    drop((frame, frames, control));
    broker.end_clean();
}

/// Goal: a camera's region changes under readers who hold frames and others who stream: held frames stay as they are, no
/// sequence is missed, all bytes are the camera's, each frame has its version's region. Method: larger, smaller and larger
/// regions than at the start.
#[test]
fn a_cameras_region_changes_while_it_streams() {
    let network = Network::default();
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    let small = "--source aravis --segments 8 --fps 25 --width 256 --height 128";
    let broker = Broker::start_program(&mut network.broker(), small);
    let control = controller(&broker);
    let mut holders = [holder(&broker, ""), holder(&broker, "delivery=socket")];
    let mut frames = broker.connect().subscribe(CAM0).max_held(2).open().unwrap();
    let first = frames.next(PATIENCE).unwrap().sequence();
    let mut region = (256, 128);
    for (name, value) in [("Width", 512), ("Height", 512), ("Width", 64), ("OffsetX", 16), ("Height", 300)] {
        match name {
            "Width" => region.0 = value,
            "Height" => region.1 = value,
            _ => {}
        }
        let version = control.set_feature(CAM0, name, value).unwrap().version;
        loop {
            let frame = frames.next(PATIENCE).unwrap();
            let header = frame.header();
            if frame.settings_version() == version {
                assert_eq!((header.width, header.height), region, "{name} {value}");
                break;
            }
            assert_eq!(frame.settings_version(), version - 1, "no frame of a version that is over");
        }
    }
    let (counters, last) = (frames.counters(), frames.next(PATIENCE).unwrap().sequence());
    assert_eq!(counters.received + counters.lost + 1, last.0 - first.0 + 1, "each frame is counted");
    for holder in &mut holders {
        let ran = holder.ask("run count=20 content=ramp");
        assert_eq!(figure(&ran, "bad"), 0, "{ran}");
        assert_eq!(holder.ask("check ramp"), "good 1");
    }
    let changes: Vec<_> = std::iter::from_fn(|| frames.next_change()).map(|change| change.version).collect();
    assert!(changes.is_sorted() && !changes.is_empty(), "{changes:?}");
    assert!(!broker.log().contains("offline"), "{}", broker.log());
    drop((holders, frames));
    broker.end_clean();
}

/// Goal: what clients have set is set again when the camera comes back, before its first frame. Method: a camera that forgets
/// everything while it is away.
#[test]
fn what_was_set_is_set_again_after_a_loss() {
    let network = Network::default();
    let mut camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    let control = controller(&broker);
    let mut holder = holder(&broker, "");
    control.set_feature(CAM0, "ExposureTimeAbs", 4321).unwrap();
    control.set_feature(CAM0, "Width", 300).unwrap();
    let version = control.set_feature(CAM0, "Width", 200).unwrap().version;
    let mut frames = broker.connect().subscribe(CAM0).open().unwrap();
    frames.next(PATIENCE).unwrap();
    camera.kill();
    wait_for("the loss of the camera", RETURN, || {
        let _nothing = frames.next(Duration::from_millis(300));
        frames.is_offline().then_some(())
    });
    let (code, text) = refusal(control.set_feature(CAM0, "GainRaw", 3));
    assert!(code == ErrorCode::CameraFailed && text.contains("away"), "{text}");
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    let frame = wait_for("the camera's return", RETURN, || {
        let frame = frames.next(Duration::from_millis(500)).ok()?;
        (!frames.is_offline()).then_some(frame)
    });
    assert_eq!((frame.header().width, frame.settings_version()), (200, version));
    assert_eq!(control.feature(CAM0, "ExposureTimeAbs").unwrap().value, 4321.0.into());
    assert_eq!(holder.ask("check ramp"), "good 1");
    broker.must_log("settings of clients were set again");
    drop((holder, frames, frame));
    broker.end_clean();
}

/// Goal: a camera that stops answering delays nobody but who asks it: they get an error in time, no more than a few can wait, one
/// that dies while its request runs does no harm, and all goes on when the camera answers again. Method: SIGSTOP.
#[test]
fn a_camera_that_does_not_answer_delays_nobody_else() {
    let network = Network::default();
    let camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    let mut holder = holder(&broker, "");
    let other = broker.connect();
    camera.signal(Signal::SIGSTOP);

    let mut asking = broker.raw();
    asking.send(Ask::Hello { version: PROTOCOL_VERSION, name: ClientName::cut("asking"), roles: Roles::ALL });
    assert!(matches!(asking.answer().0, Tell::Welcome { .. }));
    let (stream, feature): (StreamName, FeatureName) = (CAM0.parse().unwrap(), "GainRaw".parse().unwrap());
    for _ in 0..4 {
        asking.send(Ask::SetFeature { stream: stream.clone(), feature: feature.clone(), value: 3.into() });
    }
    asking.send(Ask::GetFeature { stream, feature });
    assert_eq!(asking.error().0, ErrorCode::Busy, "four wait; the fifth is answered first");
    let dying = controller(&broker);
    let dies = std::thread::spawn(move || {
        let mut answers = 0;
        while answers < 4 {
            let (code, text) = asking.error();
            assert_eq!(code, ErrorCode::CameraFailed, "{text}");
            answers += 1;
        }
    });
    // Somebody else has a session, asks for all but the camera, and reads what there is.
    let mut pings = 0;
    while !dies.is_finished() {
        other.ping().unwrap();
        assert_eq!(other.streams().unwrap().len(), 1);
        assert_eq!(holder.ask("check ramp"), "good 1");
        pings += 1;
    }
    dies.join().unwrap();
    assert!(pings > 20, "others were answered {pings} times meanwhile");
    drop(dying);

    camera.signal(Signal::SIGCONT);
    let gain =
        wait_for("the camera to answer again", RETURN, || controller(&broker).set_feature(CAM0, "GainRaw", 4).ok());
    assert_eq!(gain.feature.value, 4.into());
    holder.must("release");
    wait_for("frames", RETURN, || holder.ask("take 500").starts_with("frame ").then_some(()));
    drop(holder);
    broker.end_clean();
}

/// Goal: those who only read a camera's features, as fast as they can, never keep from setting them who may. Method: more readers
/// than requests can wait, each with as many as a session may have.
#[test]
fn readers_that_ask_without_end_keep_nobody_from_setting() {
    let network = Network::default();
    let _camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    let control = controller(&broker);
    let (is_over, socket) = (AtomicBool::new(false), broker.socket().to_owned());
    let flood = || {
        let ask = || Ask::Features { stream: CAM0.parse().unwrap(), from: 0 };
        let (mut raw, mut answered) = (Raw::connect(&socket), 0);
        raw.hello();
        for _ in 0..4 {
            raw.send(ask());
        }
        while !is_over.load(Ordering::Relaxed) {
            answered += u32::from(matches!(raw.answer().0, Tell::Features { .. }));
            raw.send(ask());
        }
        answered
    };
    let answered: u32 = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..10).map(|_| scope.spawn(flood)).collect();
        let reader = broker.connect();
        let is_full = || matches!(reader.feature(CAM0, "GainRaw"), Err(Error::Refused { code: ErrorCode::Busy, .. }));
        wait_for("the queue to be full", PATIENCE, || is_full().then_some(()));
        let set: Vec<_> = (0..10).map(|gain| control.set_feature(CAM0, "GainRaw", gain)).collect();
        is_over.store(true, Ordering::Relaxed);
        for (gain, setting) in (0..10).zip(set) {
            assert_eq!(setting.unwrap().feature.value, gain.into());
        }
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert!(answered > 0, "readers are answered too");
    drop(control);
    broker.end_clean();
}

/// Goal: who takes sole control has it at once: settings of others that still wait for the camera are refused, and none but the
/// one that had begun is made. Method: a stopped camera; reading is answered late.
#[test]
fn sole_control_overtakes_settings_that_wait() {
    let network = Network::default();
    let camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    let control = controller(&broker);
    control.set_feature(CAM0, "GainRaw", 1).unwrap();
    camera.signal(Signal::SIGSTOP);
    let mut other = broker.raw();
    other.hello_as(Roles::ALL);
    let (stream, feature): (StreamName, FeatureName) = (CAM0.parse().unwrap(), "GainRaw".parse().unwrap());
    // The first is with the camera, perhaps.
    other.send(Ask::GetFeature { stream: stream.clone(), feature: feature.clone() });
    for gain in [7, 8] {
        other.send(Ask::SetFeature { stream: stream.clone(), feature: feature.clone(), value: gain.into() });
    }
    other.send(Ask::Ping);
    assert!(matches!(other.answer().0, Tell::Pong), "all are taken");
    let _kept = control.take_control(CAM0).unwrap().kept();
    for _ in 0..2 {
        let (code, text) = other.error();
        assert!(code == ErrorCode::Controlled && text.contains("control, pid"), "{code:?} {text}");
    }
    camera.signal(Signal::SIGCONT);
    let read = other.answer().0;
    assert!(matches!(read, Tell::Feature { .. } | Tell::Error { code: ErrorCode::CameraFailed, .. }), "{read:?}");
    let gain = wait_for("the camera", RETURN, || control.feature(CAM0, "GainRaw").ok());
    assert_eq!(gain.value, 1.into());
    drop(control);
    broker.end_clean();
}

/// Goal: a client that is killed while the camera works on its request leaves nothing behind: others are served, sole control is
/// free. Method: SIGKILL `framectl` while the camera is stopped.
#[test]
fn a_client_that_dies_while_its_request_runs_is_harmless() {
    let network = Network::default();
    let camera = network.camera("GV01", "127.0.0.1", &[]);
    let broker = Broker::start_program(&mut network.broker(), "--source aravis --segments 8 --fps 20");
    camera.signal(Signal::SIGSTOP);
    let mut command = std::process::Command::new(framebroker_tests::binaries::framectl());
    command.arg("--socket").arg(broker.socket()).args(["set", CAM0, "Width", "128"]);
    let mut dying = framebroker_tests::process::Process::start(&mut command);
    wait_for("its session", PATIENCE, || {
        let clients = broker.connect().clients().unwrap();
        clients.iter().any(|client| client.pid == dying.pid() && client.name.as_str() == "framectl set").then_some(())
    });
    dying.kill();
    broker.wait_until_gone(dying.pid(), PATIENCE);
    camera.signal(Signal::SIGCONT);
    let set = wait_for("the camera to answer again", RETURN, || {
        let control = controller(&broker);
        let _kept = control.take_control(CAM0).unwrap().kept();
        control.set_feature(CAM0, "Width", 320).ok()
    });
    assert_eq!(set.feature.value, 320.into());
    let mut frames = broker.connect().subscribe(CAM0).open().unwrap();
    let frame = wait_for("a frame", RETURN, || frames.next(Duration::from_millis(500)).ok());
    assert_eq!(frame.header().width, 320);
    drop((frames, frame));
    broker.end_clean();
}
