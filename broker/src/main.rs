//! The command `broker`.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use framebroker::config::Config;
use framebroker::run::{self, RunError};

fn main() -> ExitCode {
    let config = Config::parse();
    if let Err(advice) = config.check() {
        <Config as clap::CommandFactory>::command().error(ErrorKind::ArgumentConflict, advice).exit();
    }
    log_to_stderr();
    let ended = if config.list { run::list(&config) } else { run::run(&config) };
    match ended {
        Ok(report) => {
            // Whoever closed our standard output does not want it.
            let _unread = write!(std::io::stdout(), "{report}");
            report.exit_code()
        }
        Err(RunError::Interrupted) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("broker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is logged is chosen by `RUST_LOG`, as in `RUST_LOG=debug`.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .from_env_lossy();
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal).init();
}
