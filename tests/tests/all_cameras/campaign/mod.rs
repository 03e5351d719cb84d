//! Many rounds of what may happen to sources and consumers, chosen at random.

mod belongings;
mod chance;
mod fate;
mod wishes;

use std::time::{SystemTime, UNIX_EPOCH};

use framebroker_client::{self as client, StreamState};
use framebroker_tests::actor::figure;

use self::belongings::Belongings;
use self::chance::Chance;
use self::wishes::Wish;
use crate::reader::Reader;
use crate::rig::{Rig, STREAMS};

/// Rounds where no number is given; `scripts/campaign.sh` does many.
const FEW: u64 = 3;

/// Goal: whatever goes away, in whatever order and company, comes back; consumers stay attached and count what they lose, those of
/// other streams lose nothing, what was set is set again, and in the end nothing is left. Method: rounds from a seed, which is
/// printed; in each some sources meet a fate, while features are set, among them the size of frames, and a consumer is killed.
#[test]
fn random_losses_leave_nothing_behind() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::from(time.subsec_nanos()));
    let seed = number("CAMPAIGN_SEED").unwrap_or_else(now);
    let rounds = number("CAMPAIGN_ROUNDS").unwrap_or(FEW);
    println!("CAMPAIGN_SEED={seed} CAMPAIGN_ROUNDS={rounds}");
    let mut campaign = Campaign::begin(seed);
    for round in 1..=rounds {
        println!("round {round}");
        campaign.fight();
    }
    drop(campaign.readers);
    campaign.rig.end();
}

struct Campaign {
    chance: Chance,
    rig: Rig,
    control: client::Broker,
    readers: Vec<Reader>,
    wishes: Vec<Wish>,
    before: Belongings,
}

impl Campaign {
    fn begin(seed: u64) -> Self {
        let rig = Rig::start();
        let control = rig.controller();
        let wishes = Wish::all(&control);
        let readers = Reader::two_of_each(&rig);
        let before = Belongings::of(&rig);
        Self { chance: Chance(seed), rig, control, readers, wishes, before }
    }

    /// One round.
    fn fight(&mut self) {
        let Self { chance, rig, control, readers, wishes, before } = self;
        let killed = chance.below(readers.len());
        let fates = fate::draw(chance);
        let attempts = wishes::draw(wishes, chance);
        println!("{fates:?}, {attempts:?}, a new reader of {}", readers[killed].stream);
        let others_chance = Chance(chance.0);
        let socket = rig.broker.socket().to_owned();
        std::thread::scope(|scope| {
            scope.spawn(|| readers[killed].replace(&socket));
            scope.spawn(|| wishes::make(wishes, &attempts, control, others_chance));
            fate::suffer(rig, chance, &fates);
        });
        for (stream, _) in STREAMS {
            rig.wait_for_state(stream, StreamState::Live);
        }
        rig.wait_for_frames(10);
        for reader in readers {
            let is_lost = fates.iter().any(|(device, _)| device.stream() == reader.stream);
            let is_resized = attempts.iter().any(|attempt| attempt.resizes() && attempt.stream == reader.stream);
            if is_lost || is_resized {
                let seen = reader.look();
                assert_eq!(figure(&seen, "back"), 1, "{}: {seen}", reader.stream);
            } else {
                reader.noticed_nothing();
            }
        }
        wishes.iter_mut().for_each(|wish| wish.must_be_fulfilled(control));
        before.must_be_all(rig);
    }
}
