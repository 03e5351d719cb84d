//! Set, trigger, take the frame exposed with it: the commonest use of a camera in an inspection.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::time::Duration;

use framebroker_client::{Delivery, Error, WaitingFor};
use framebroker_tests::settings::{controller, trigger_exactly};
use framebroker_tests::{Broker, PATIENCE};

const SMALL: &str = "--segments 8 --fps 100 --width 64 --height 48";
const CAM0: &str = "cam0";
const SILENCE: Duration = Duration::from_millis(50);

/// Goal: the one frame of a trigger has exactly the version of the settings before it, and a trigger raises none. Method: a setting and
/// a trigger, again and again, without a pause; the first behind frames that came before the camera waited for triggers.
#[test]
fn the_frame_of_a_trigger_has_the_settings_before_it() {
    let broker = Broker::start(SMALL);
    let control = controller(&broker, "control");
    for delivery in [Delivery::Shared, Delivery::Socket] {
        let mut frames = broker.connect().subscribe(CAM0).delivery(delivery).open().unwrap();
        frames.next(PATIENCE).unwrap();
        control.set_feature(CAM0, "TriggerMode", "On").unwrap();
        for round in 0..20 {
            trigger_exactly(&control, &mut frames, "DeviceUserID", format!("{round}").as_str());
        }
        control.set_feature(CAM0, "TriggerMode", "Off").unwrap();
    }
    broker.end_clean();
}

/// Goal: the broker object triggers and takes the frame by itself, each its own; a frame that was exposed before the setting is not
/// taken for one exposed with it, and the time-out says how far it came.
#[test]
fn a_broker_object_triggers_and_takes_the_frame() {
    let broker = Broker::start(SMALL);
    let control = controller(&broker, "control");
    let mut frames = broker.connect().subscribe(CAM0).open().unwrap();
    control.set_feature(CAM0, "TriggerMode", "On").unwrap();
    let mut last = 0;
    for round in 0..20 {
        let set = control.set_feature(CAM0, "DeviceUserID", format!("{round}").as_str()).unwrap();
        let frame = control.trigger(CAM0, PATIENCE).unwrap();
        assert!(frame.is_exposed_with(&set) && frame.sequence() > set.head && frame.sequence().0 > last, "{round}");
        last = frame.sequence().0;
    }
    let held = [control.trigger(CAM0, PATIENCE).unwrap(), control.trigger(CAM0, PATIENCE).unwrap()];
    let head = control.streams().unwrap()[0].head;
    assert!(matches!(control.trigger(CAM0, PATIENCE), Err(Error::Full { max_held: 2 })));
    assert_eq!(control.streams().unwrap()[0].head, head, "nothing was triggered");
    drop(held);
    let set = control.set_feature(CAM0, "DeviceUserID", "late").unwrap();
    match frames.next_with(&set, SILENCE).unwrap_err() {
        Error::Timeout { waiting_for: WaitingFor::Setting { version, frames, last }, .. } => {
            assert!(version == set.version && frames > 0 && last == set.version - 1, "{version} {frames} {last}");
        }
        error => panic!("{error}"),
    }
    drop((frames, control));
    broker.end_clean();
}
