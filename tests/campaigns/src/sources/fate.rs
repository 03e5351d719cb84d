//! What happens to sources.

use framebroker_client::StreamState;
use framebroker_tests::Chance;
use framebroker_tests::rig::{Device, Rig};
use nix::sys::signal::Signal;

use super::PAUSE;

/// What happens to a source.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It goes away, is missed, and comes back.
    Lost,
    /// It is gone and back before anybody may have noticed.
    Replaced,
    /// Its process is stopped for a moment; of a camera for longer than its heartbeat lasts, or not as long.
    Stopped,
}

/// What some of the sources meet, each at most one fate, in the order in which it begins.
pub fn draw(chance: &mut Chance) -> Vec<(Device, Fate)> {
    let mut devices = Device::ALL.to_vec();
    let count = 1 + chance.below(devices.len());
    let draw = |_| {
        let device = devices.swap_remove(chance.below(devices.len()));
        let has_process = !matches!(device, Device::BaslerA | Device::BaslerB);
        let fates: &[Fate] =
            if has_process { &[Fate::Lost, Fate::Replaced, Fate::Stopped] } else { &[Fate::Lost, Fate::Replaced] };
        (device, chance.one_of(fates))
    };
    (0..count).map(draw).collect()
}

/// Lets it happen: all begin one after the other, and end in another order.
pub fn suffer(rig: &mut Rig, chance: &mut Chance, fates: &[(Device, Fate)]) {
    for (device, fate) in fates {
        chance.pause(PAUSE);
        match fate {
            Fate::Lost => rig.take_away(*device),
            Fate::Replaced => {
                rig.take_away(*device);
                rig.bring_back(*device);
            }
            Fate::Stopped => rig.signal(*device, Signal::SIGSTOP),
        }
    }
    let mut away = fates.to_vec();
    while !away.is_empty() {
        chance.pause(PAUSE);
        match away.swap_remove(chance.below(away.len())) {
            (device, Fate::Lost) => {
                rig.wait_for_state(device.stream(), StreamState::Offline);
                rig.bring_back(device);
            }
            (device, Fate::Stopped) => rig.signal(device, Signal::SIGCONT),
            (_, Fate::Replaced) => {}
        }
    }
}
