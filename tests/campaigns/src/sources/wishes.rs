//! What clients want features to be, while the cameras come and go.

use framebroker_client::{self as client, Error, ErrorCode};
use framebroker_tests::Chance;
use framebroker_tests::rig::settings::{SETTINGS, set, value_of};

use super::PAUSE;

const WIDTHS: [&str; 3] = ["64", "32", "128"];

/// A feature of a stream.
#[derive(Debug)]
pub struct Wish {
    stream: &'static str,
    name: &'static str,
    choices: Vec<&'static str>,
    /// What it was set to last; and after that, what it may have been set to by requests that failed.
    possible: Vec<&'static str>,
}

/// Something to be set.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    wish: usize,
    pub stream: &'static str,
    name: &'static str,
    value: &'static str,
}

impl Attempt {
    /// Whether frames have another size then.
    pub fn resizes(&self) -> bool {
        self.name == "Width"
    }
}

impl Wish {
    /// A setting and the width of every stream that has features; all are set once.
    pub fn all(control: &client::Broker) -> Vec<Self> {
        let settings = SETTINGS.map(|(stream, name, choices)| (stream, name, choices.to_vec()));
        let widths = SETTINGS.map(|(stream, ..)| (stream, "Width", WIDTHS.to_vec()));
        let wish = |(stream, name, choices): (_, _, Vec<&'static str>)| {
            set(control, stream, name, choices[0]);
            Self { stream, name, possible: vec![choices[0]], choices }
        };
        settings.into_iter().chain(widths).map(wish).collect()
    }

    /// Checks that it is one of what it may be, and makes sure of that.
    pub fn must_be_fulfilled(&mut self, control: &client::Broker) {
        let (stream, name) = (self.stream, self.name);
        let now = value_of(control, stream, name);
        let is = self.possible.iter().find(|value| **value == now);
        let is = *is.unwrap_or_else(|| panic!("{stream} {name} is {now}, and not one of {:?}", self.possible));
        if self.possible.len() > 1 {
            set(control, stream, name, is);
        }
        self.possible = vec![is];
    }

    fn attempt(&mut self, control: &client::Broker, value: &'static str) {
        match control.set_feature(self.stream, self.name, value) {
            Ok(setting) => {
                assert_eq!(setting.feature.value.to_string(), value, "{} {}", self.stream, self.name);
                self.possible = vec![value];
            }
            Err(Error::Refused { code: ErrorCode::CameraFailed, .. }) => self.possible.push(value),
            Err(error) => panic!("{} {} = {value}: {error}", self.stream, self.name),
        }
    }
}

/// Up to four.
pub fn draw(wishes: &[Wish], chance: &mut Chance) -> Vec<Attempt> {
    let count = chance.below(5);
    let draw = |_| {
        let wish = chance.below(wishes.len());
        let Wish { stream, name, choices, .. } = &wishes[wish];
        Attempt { wish, stream, name, value: chance.one_of(choices) }
    };
    (0..count).map(draw).collect()
}

/// Sets one after the other, as the cameras let it.
pub fn make(wishes: &mut [Wish], attempts: &[Attempt], control: &client::Broker, mut chance: Chance) {
    for Attempt { wish, value, .. } in attempts {
        chance.pause(PAUSE);
        wishes[*wish].attempt(control, value);
    }
}
