//! Campaigns: attacks in rounds that are chosen at random. `scripts/campaign.sh` builds and runs them.
//!
//! Each prints its seed, by which it can be repeated as far as processes keep their pace, and what it tried and held. What does not
//! hold ends it with status 1.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a campaign that panics has found something")]

mod campaign;
mod hostile;
mod kill;
mod shortage;
mod soak;
mod sources;

use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use clap::builder::PossibleValue;

use self::campaign::{Campaign, Orders};

const ALL: [&Campaign; 5] = [&hostile::HOSTILE, &kill::KILL, &shortage::SHORTAGE, &soak::SOAK, &sources::SOURCES];

/// Attacks in rounds chosen at random; a short version of each is part of the gate (scripts/test.sh campaigns).
#[derive(Debug, Parser)]
#[command(name = "scripts/campaign.sh", arg_required_else_help = true)]
struct Arguments {
    /// Which campaign.
    #[arg(required_unless_present = "list", value_parser = ALL.map(|it| PossibleValue::new(it.name).help(it.about)))]
    name: Option<String>,
    /// How many rounds; the gate's number if it is not given.
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,
    /// The seed of an earlier run, whose choices are made again.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Names the campaigns.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    if hostile::is_done() {
        return ExitCode::SUCCESS;
    }
    let arguments = Arguments::parse();
    let Some(campaign) = ALL.into_iter().find(|it| arguments.name.as_deref() == Some(it.name)) else {
        ALL.iter().for_each(|it| println!("{}", it.name));
        return ExitCode::SUCCESS;
    };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::from(time.subsec_nanos()));
    let orders = Orders { rounds: arguments.rounds.unwrap_or(campaign.few), seed: arguments.seed.unwrap_or_else(now) };
    let repeat = format!("scripts/campaign.sh {} --rounds {} --seed {}", campaign.name, orders.rounds, orders.seed);
    println!("{repeat}");
    let began = Instant::now();
    match std::panic::catch_unwind(|| (campaign.fight)(orders)) {
        Ok(held) => {
            println!("{held}\n{} rounds held, in {:.0?}", orders.rounds, began.elapsed());
            ExitCode::SUCCESS
        }
        Err(_) => {
            // The panic has said what.
            eprintln!("something broke, as told above; the same again:\n    {repeat}");
            ExitCode::FAILURE
        }
    }
}
