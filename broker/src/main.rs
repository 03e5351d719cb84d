//! The command `broker`.

use std::io::Write;
use std::process::ExitCode;

use framebroker::config::Config;
use framebroker::run::{self, RunError};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

/// Lines that wait to be written; room for them is made at once.
const LOG_LINES: usize = 4096;

fn main() -> ExitCode {
    let config = Config::parse();
    // Signals are blocked before there is a second thread, which the log has.
    let prepared = if config.list { Ok(()) } else { run::prepare_process() };
    let log = log_to_stderr();
    let ended = prepared.and_then(|()| if config.list { run::list(&config) } else { run::run(&config) });
    // Written out before what is said last.
    drop(log);
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

/// What is logged is chosen by `RUST_LOG`, as in `RUST_LOG=debug`. A thread of its own writes it, so that a standard error that
/// nobody reads holds up nothing; what it cannot take in time is left out.
fn log_to_stderr() -> WorkerGuard {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .from_env_lossy();
    let (writer, guard) = NonBlockingBuilder::default().buffered_lines_limit(LOG_LINES).finish(std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer).with_ansi(false).init();
    guard
}
