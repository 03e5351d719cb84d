//! A broker whose segments are files in a directory of the user's: a strategy of one's own through the public trait.
//!
//! ```sh
//! cargo run --package framebroker --example file_backing -- DIRECTORY [options of broker]
//! framectl watch cam0 --verify --delivery socket
//! ```

mod strategy;

use std::process::ExitCode;
use std::sync::Arc;

use framebroker::config::{Config, StreamOptions};
use framebroker::factory::{BufferFactory, Registry};
use framebroker::run::{prepare_process, run_with};

use strategy::Files;

fn main() -> ExitCode {
    let mut words = std::env::args();
    let (program, directory) = (words.next().unwrap_or_default(), words.next());
    let directory = directory.and_then(|given| std::fs::canonicalize(given).ok()).filter(|path| path.is_dir());
    let Some(directory) = directory else {
        eprintln!("usage: {program} DIRECTORY [options of broker]; the directory must be there");
        return ExitCode::FAILURE;
    };
    let config = Config::parse_from(std::iter::once(program).chain(words));
    let files = |options: &StreamOptions, _, placement| {
        let files = Files::new(Registry::new(placement), directory.clone(), options.name.clone());
        Arc::new(files) as Arc<dyn BufferFactory>
    };
    let ended = prepare_process().and_then(|()| run_with(&config, files));
    match ended {
        Ok(report) => {
            print!("{report}");
            report.exit_code()
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
