//! Sources that go away and come back, one after the other and all at once.

use std::time::Duration;

use framebroker_client::{ErrorCode, StreamState, Subscription};
use framebroker_tests::actor::figure;
use framebroker_tests::rig::settings::{SETTINGS, set, value_of};
use framebroker_tests::rig::{Device, RETURN, Reader, Rig, STREAMS};
use framebroker_tests::settings::refusal;
use framebroker_tests::wait_for;
use nix::sys::signal::Signal;

use crate::others::Others;

/// Goal: each source can go away and come back while two consumers of every stream hold frames: its consumers stay attached,
/// sequences go on, nothing in between is missing, and no consumer of another stream notices anything.
#[test]
fn each_source_goes_and_comes_back_alone() {
    let mut rig = Rig::start();
    let mut readers = Reader::two_of_each(&rig);
    for device in Device::ALL {
        rig.take_away(device);
        rig.wait_for_state(device.stream(), StreamState::Offline);
        rig.bring_back(device);
        rig.wait_for_state(device.stream(), StreamState::Live);
        rig.wait_for_frames(20);
        readers.iter_mut().for_each(|reader| look(reader, &[device]));
    }
    drop(readers);
    rig.end();
}

/// Goal: all sources go away and come back at once, twice: consumers in other processes are told why, stay attached and read on;
/// what was set over the socket is set again; pattern and replay go on untouched. Method: the scripted consumers, and beside
/// them `framectl watch` and programs in C, Python and Go, which must have lost nothing at the end.
#[test]
fn all_sources_go_and_come_back_at_once() {
    let mut rig = Rig::start();
    let control = rig.controller();
    let mut readers = Reader::two_of_each(&rig);
    let others = Others::start(&rig);
    let subscribe = |device: Device| rig.broker.connect().subscribe(device.stream()).open().unwrap();
    let mut told = Device::ALL.map(subscribe);
    for turn in 0..2 {
        for (stream, name, values) in SETTINGS {
            set(&control, stream, name, values[turn]);
        }
        Device::ALL.into_iter().for_each(|device| rig.take_away(device));
        for (device, frames) in Device::ALL.into_iter().zip(&mut told) {
            let reason = reason_of_loss(frames);
            let expected = if device == Device::Producer { "producer" } else { "camera" };
            assert!(reason.contains(expected), "{device:?}: {reason}");
            rig.wait_for_state(device.stream(), StreamState::Offline);
        }
        for (stream, name, values) in SETTINGS.into_iter().filter(|(stream, ..)| *stream != "pattern") {
            let (code, text) = refusal(control.set_feature(stream, name, values[turn]));
            assert!(code == ErrorCode::CameraFailed && text.contains("away"), "{stream}: {text}");
        }
        Device::ALL.into_iter().rev().for_each(|device| rig.bring_back(device));
        for (stream, _) in STREAMS {
            rig.wait_for_state(stream, StreamState::Live);
        }
        rig.wait_for_frames(20);
        readers.iter_mut().for_each(|reader| look(reader, &Device::ALL));
        for (stream, name, values) in SETTINGS {
            assert_eq!(value_of(&control, stream, name), values[turn], "{stream} {name}");
        }
    }
    others.must_have_seen_all(2);
    drop((readers, told, control));
    rig.end();
}

/// Goal: the broker ends in order and in time whatever its sources do, and frames that are held stay as they are. Method: of the
/// cameras one is killed, one stopped, one unplugged, one in the middle of an answer that takes long; the producer is stopped.
#[test]
fn the_broker_ends_while_sources_are_away() {
    let mut rig = Rig::start();
    let control = rig.controller();
    let mut readers = Reader::two_of_each(&rig);
    rig.tell(Device::BaslerA, "slow=GainRaw slow_ms=3000");
    let asked = std::thread::spawn(move || control.set_feature("basler-a", "GainRaw", 3));
    wait_for("the question to reach the camera", RETURN, || rig.was_asked(Device::BaslerA).then_some(()));
    rig.take_away(Device::GigeA);
    rig.signal(Device::GigeB, Signal::SIGSTOP);
    rig.take_away(Device::BaslerB);
    rig.signal(Device::Producer, Signal::SIGSTOP);
    rig.wait_for_state(Device::BaslerB.stream(), StreamState::Offline);
    // Without an answer libaravis tries for longer than the broker waits for it.
    rig.end_without(&[Device::GigeA, Device::GigeB]);
    assert!(asked.join().unwrap().is_err(), "its broker has ended");
    readers.iter_mut().for_each(Reader::must_have_ended);
}

/// Checks a consumer of a stream after these sources were away once.
fn look(reader: &mut Reader, away: &[Device]) {
    if !away.iter().any(|device| device.stream() == reader.stream) {
        return reader.noticed_nothing();
    }
    let seen = reader.look();
    let [gone, back, missing] = ["away", "back", "missing"].map(|name| figure(&seen, name));
    // The next producer may come before a consumer has looked.
    let noticed = gone == 1 || (gone == 0 && reader.stream == Device::Producer.stream());
    assert!(noticed && (back, missing) == (1, 0), "{}: {seen}", reader.stream);
}

fn reason_of_loss(frames: &mut Subscription) -> String {
    wait_for("the loss of the source", RETURN, || {
        let _frame = frames.next(Duration::from_millis(50));
        frames.offline_reason().map(ToOwned::to_owned)
    })
}
