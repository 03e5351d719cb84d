//! Measures framebroker beside the least that a broadcast between processes can do: latency, processor time, memory.
//!
//! Four media carry the same frames between the same number of processes: `bare` (a word and a futex), `ring` (the
//! protocol's Writer and Reader alone), `broker` (the command and the client library) and `producer` (the same with frames
//! of another process), so that what each layer adds can be told apart. Machines are noisy: every round measures every case, those to be compared one after the other; the
//! figures are medians over rounds, and a case that is measured twice shows what the noise alone does. Nothing here passes
//! or fails by a time.
#![deny(unsafe_code)]

mod bare;
mod broker;
mod campaign;
mod frames;
mod process;
mod report;
mod ring;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::frames::{Wait, Window};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Measures framebroker beside a bare futex broadcast and prints Markdown tables.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    extent: Extent,
}

/// How much is measured.
#[derive(Debug, clap::Args)]
struct Extent {
    /// A short version: does it all still run?
    #[arg(long)]
    quick: bool,
    /// Rounds over all cases
    #[arg(long, default_value_t = 15, default_value_if("quick", "true", "1"))]
    rounds: usize,
    /// Milliseconds per case and round
    #[arg(long, default_value_t = 1000, default_value_if("quick", "true", "300"))]
    milliseconds: u64,
    /// Only groups whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

/// What carries the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Medium {
    Bare,
    Ring,
    Broker,
    Producer,
}

/// What this program does as a child of itself.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Role {
    /// Publishes on a bare page or a ring of its own.
    Publish { medium: Medium, wait: Wait, consumers: usize },
    /// Receives from pages or a socket.
    Consume {
        medium: Medium,
        wait: Wait,
        #[command(flatten)]
        window: Window,
        paths: Vec<PathBuf>,
    },
    /// Fills a broker's segments.
    Produce { socket: PathBuf },
    /// Becomes the broker, with these options.
    Broker { options: Vec<String> },
    /// Measures publishing without the wake call.
    Cost {
        consumers: usize,
        #[arg(long)]
        quick: bool,
    },
    /// Attends that as a consumer.
    Attend {
        #[arg(long)]
        asleep: bool,
        paths: Vec<PathBuf>,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let Some(role) = arguments.role else { return campaign::run(&arguments.extent) };
    process::bound()?;
    match role {
        Role::Publish { medium: Medium::Bare, wait, .. } => bare::publish(wait),
        Role::Publish { consumers, .. } => ring::publish(consumers),
        Role::Consume { medium, wait, window, paths } => match medium {
            Medium::Bare => bare::consume(&paths, wait, window),
            Medium::Ring => ring::consume(&paths, wait, window),
            Medium::Broker => broker::consume(&paths, wait, window, false),
            Medium::Producer => broker::consume(&paths, wait, window, true),
        },
        Role::Produce { socket } => broker::produce(&socket),
        Role::Broker { options } => process::become_neighbour("broker", &options),
        Role::Cost { consumers, quick } => ring::measure_cost(consumers, quick),
        Role::Attend { asleep, paths } => ring::attend(&paths, asleep),
    }
}
