//! `framectl`: lists, watches and saves the streams of a framebroker, and sets their cameras.
//!
//! * [`options`]: the command line.
//! * [`list`], [`stats`]: ask the broker and print its answers.
//! * [`features`]: reads and sets camera features; [`control`] keeps them as they are.
//! * [`watch`]: receives frames, counts and verifies them.
//! * [`save`]: receives frames and writes them as PNG files; [`image`] converts them.
//! * [`help`]: manual pages and completions.
#![forbid(unsafe_code)]

mod console;
mod control;
mod failure;
mod features;
mod help;
mod image;
mod list;
mod options;
mod receive;
mod save;
mod stats;
mod table;
mod units;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use framebroker_client::Broker;

use crate::failure::Failure;
use crate::options::{Command, Global, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(code) => code,
        // Whoever closed our standard output has read all that was wanted.
        Err(Failure::NobodyReads) => ExitCode::SUCCESS,
        Err(failure) => {
            console::complain(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, Failure> {
    let broker = || connect(&options.global, &options.command);
    let json = options.global.json;
    match &options.command {
        Command::List(list) => list::run(&broker()?, list, json),
        Command::Stats(stats) => stats::run(&broker()?, stats, json),
        Command::Watch(watch) => watch::run(broker()?, watch, json),
        Command::Get(get) => features::get(&broker()?, get, json),
        Command::Set(set) => features::set(&broker()?, set, json),
        Command::Exec(exec) => features::execute(&broker()?, exec, json),
        Command::Control(control) => return control::run(&broker()?, control),
        Command::Save(save) => save::run(broker()?, save, json),
        Command::Completions { shell } => help::completions(*shell),
        Command::Manual { directory } => help::manual(directory),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn connect(global: &Global, command: &Command) -> Result<Broker, Failure> {
    let mut builder = Broker::builder().name(&format!("framectl {}", command.name()));
    if let Some(socket) = &global.socket {
        builder = builder.socket(socket);
    }
    for uid in &global.server_uid {
        builder = builder.server_uid(*uid);
    }
    if matches!(command, Command::Set(_) | Command::Exec(_) | Command::Control(_)) {
        builder = builder.control(true);
    }
    builder.connect().map_err(failure::no_connection)
}
