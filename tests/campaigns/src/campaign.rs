//! What a campaign is.

/// An attack in rounds that are chosen at random, and repeated by their seed.
#[derive(Debug)]
pub struct Campaign {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it tries, in a line.
    pub about: &'static str,
    /// Rounds in the gate.
    pub few: u64,
    /// Does the rounds; tells what was tried and held, and panics with what broke.
    pub fight: fn(Orders) -> String,
}

/// What is asked of a campaign.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    /// How many rounds.
    pub rounds: u64,
    /// What all choices follow from.
    pub seed: u64,
}
