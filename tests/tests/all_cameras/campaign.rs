//! Many rounds of what may happen to sources and consumers, chosen at random.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use framebroker_client::StreamState;
use framebroker_tests::actor::figure;
use nix::sys::signal::Signal;

use crate::RETURN;
use crate::reader::Reader;
use crate::rig::{Device, Rig, STREAMS};
use crate::settings::{SETTINGS, set, value_of};

/// Rounds where no number is given; `scripts/campaign.sh` does many.
const FEW: u64 = 3;
/// The most that is waited between two things that happen.
const PAUSE_MS: u64 = 600;

/// Basler cameras and producers get segments made anew when they come back; those that are held stay beside them.
const KEPT_BESIDE: usize = 6;

/// What happens to a source.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It goes away, is missed, and comes back.
    Lost,
    /// It is gone and back before anybody may have noticed.
    Replaced,
    /// Its process is stopped for a moment; of a camera for longer than its heartbeat lasts, or not as long.
    Stopped,
}

/// Goal: whatever goes away, in whatever order and company, comes back; consumers stay attached and count what they lose, those of
/// other streams lose nothing, what was set is set again, and in the end nothing is left. Method: rounds from a seed, which is
/// printed; in each some sources meet a fate, a consumer is killed, a feature is set.
#[test]
fn random_losses_leave_nothing_behind() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::from(time.subsec_nanos()));
    let seed = number("CAMPAIGN_SEED").unwrap_or_else(now);
    let rounds = number("CAMPAIGN_ROUNDS").unwrap_or(FEW);
    println!("CAMPAIGN_SEED={seed} CAMPAIGN_ROUNDS={rounds}");
    let mut chance = Chance(seed);
    let mut rig = Rig::start();
    let mut readers = Reader::two_of_each(&rig);
    let before = Belongings::of(&rig);
    let mut values = SETTINGS.map(|(.., values)| values[0]);
    for (value, (stream, name, _)) in values.iter().zip(SETTINGS) {
        set(&rig.controller(), stream, name, value);
    }
    for round in 1..=rounds {
        let killed = chance.below(readers.len());
        readers[killed].replace(&rig);
        let at = chance.below(SETTINGS.len());
        let (stream, name, choices) = SETTINGS[at];
        values[at] = choices[chance.below(2)];
        set(&rig.controller(), stream, name, values[at]);
        let fates = draw_fates(&mut chance);
        println!(
            "round {round}: {fates:?}, {stream} {name} = {}, a new reader of {}",
            values[at], readers[killed].stream
        );
        suffer(&mut rig, &mut chance, &fates);
        for (stream, _) in STREAMS {
            rig.wait_for_state(stream, StreamState::Live);
        }
        rig.wait_for_frames(10);
        for reader in &mut readers {
            if fates.iter().any(|(device, _)| device.stream() == reader.stream) {
                let seen = reader.look();
                assert_eq!(figure(&seen, "back"), 1, "{}: {seen}", reader.stream);
            } else {
                reader.noticed_nothing();
            }
        }
        for (value, (stream, name, _)) in values.iter().zip(SETTINGS) {
            assert_eq!(value_of(&rig.controller(), stream, name), *value, "{stream} {name}");
        }
        before.must_be_all(&rig);
    }
    drop(readers);
    rig.end();
}

/// What some of the sources meet, each at most one fate, in the order in which it begins.
fn draw_fates(chance: &mut Chance) -> Vec<(Device, Fate)> {
    let mut devices = Device::ALL.to_vec();
    let count = 1 + chance.below(devices.len());
    let draw = |_| {
        let device = devices.swap_remove(chance.below(devices.len()));
        let has_process = !matches!(device, Device::BaslerA | Device::BaslerB);
        let fates: &[Fate] =
            if has_process { &[Fate::Lost, Fate::Replaced, Fate::Stopped] } else { &[Fate::Lost, Fate::Replaced] };
        (device, fates[chance.below(fates.len())])
    };
    (0..count).map(draw).collect()
}

/// Lets it happen: all begin one after the other, and end in another order.
fn suffer(rig: &mut Rig, chance: &mut Chance, fates: &[(Device, Fate)]) {
    for (device, fate) in fates {
        chance.pause();
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
        chance.pause();
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

/// What the broker has of the system.
#[derive(Debug)]
struct Belongings {
    files: usize,
    threads: usize,
    segments: usize,
    given_up: u64,
}

impl Belongings {
    fn of(rig: &Rig) -> Self {
        let threads = std::fs::read_dir(format!("/proc/{}/task", rig.broker.pid())).unwrap().count();
        // By one connection: each that was made shortly before is still there for a moment.
        let stats = rig.connection.stats().unwrap();
        Self {
            files: rig.broker.open_files(),
            threads,
            segments: stats.iter().map(|stats| usize::try_from(stats.active_buffers).unwrap()).sum(),
            given_up: stats.iter().map(|stats| stats.given_up_bytes).sum(),
        }
    }
}

impl Belongings {
    /// Waits until the broker has no more than that, and the rings their sizes again.
    fn must_be_all(&self, rig: &Rig) {
        let deadline = Instant::now() + RETURN;
        loop {
            let now = Self::of(rig);
            let beside = now.segments.checked_sub(self.segments).filter(|beside| *beside <= KEPT_BESIDE);
            let is_whole = beside.is_some_and(|beside| now.files <= self.files + beside);
            if is_whole && now.threads <= self.threads && now.given_up == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "the broker has {now:?}, and had {self:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Numbers that follow from a seed (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let count = u64::try_from(count).unwrap();
        usize::try_from((mixed ^ (mixed >> 31)) % count).unwrap()
    }

    fn pause(&mut self) {
        let millis = self.below(usize::try_from(PAUSE_MS).unwrap());
        std::thread::sleep(Duration::from_millis(u64::try_from(millis).unwrap()));
    }
}
