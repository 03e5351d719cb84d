//! Sources of every kind go away and come back, alone and together, beside consumers that must lose nothing.
//!
//! Goal: whatever goes away, in whatever order and company, comes back; consumers stay attached and count what they lose, those of
//! other streams lose nothing, what was set is set again, and in the end nothing is left. Method: in each round some sources meet a
//! fate, while features are set, among them the size of frames, and a consumer is killed.

mod belongings;
mod fate;
mod wishes;

use std::time::Duration;

use framebroker_client::{self as client, StreamState};
use framebroker_tests::Chance;
use framebroker_tests::actor::figure;
use framebroker_tests::rig::{Device, Reader, Rig, STREAMS};

use self::belongings::Belongings;
use self::fate::Fate;
use self::wishes::{Attempt, Wish};
use crate::campaign::{Campaign, Orders};

pub const SOURCES: Campaign = Campaign {
    name: "sources",
    about: "sources of every kind go away and come back; some seven seconds a round",
    few: 3,
    fight,
};

/// The most that is waited between two things that happen.
const PAUSE: Duration = Duration::from_millis(600);

fn fight(orders: Orders) -> String {
    let mut field = Field::begin(orders.seed);
    for round in 1..=orders.rounds {
        println!("round {round}");
        field.fight();
    }
    field.end();
    "consumers counted every frame, and nothing was left".to_owned()
}

/// Every kind of source, and who reads them.
pub struct Field {
    chance: Chance,
    pub rig: Rig,
    control: client::Broker,
    readers: Vec<Reader>,
    wishes: Vec<Wish>,
    before: Belongings,
}

impl Field {
    pub fn begin(seed: u64) -> Self {
        let rig = Rig::start();
        let control = rig.controller();
        let wishes = Wish::all(&control);
        let readers = Reader::two_of_each(&rig);
        let before = Belongings::of(&rig);
        Self { chance: Chance::of(seed), rig, control, readers, wishes, before }
    }

    /// One round.
    fn fight(&mut self) {
        let (fates, attempts) = self.suffer();
        self.must_be_whole(&fates, &attempts);
    }

    /// What happens in one round.
    pub fn suffer(&mut self) -> (Vec<(Device, Fate)>, Vec<Attempt>) {
        let Self { chance, rig, control, readers, wishes, .. } = self;
        let killed = chance.below(readers.len());
        let fates = fate::draw(chance);
        let attempts = wishes::draw(wishes, chance);
        println!("{fates:?}, {attempts:?}, a new reader of {}", readers[killed].stream);
        let others_chance = chance.clone();
        let socket = rig.broker.socket().to_owned();
        std::thread::scope(|scope| {
            scope.spawn(|| readers[killed].replace(&socket));
            scope.spawn(|| wishes::make(wishes, &attempts, control, others_chance));
            fate::suffer(rig, chance, &fates);
        });
        (fates, attempts)
    }

    /// What must hold after a round.
    pub fn must_be_whole(&mut self, fates: &[(Device, Fate)], attempts: &[Attempt]) {
        let Self { rig, control, readers, wishes, before, .. } = self;
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

    /// Ends it in order.
    pub fn end(self) {
        drop(self.readers);
        self.rig.end();
    }
}
