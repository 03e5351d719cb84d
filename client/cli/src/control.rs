//! `framectl control`: settings that nobody changes while it runs.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use framebroker_client::{Broker, BrokerId, ClientId};

use crate::console::{complain, print};
use crate::failure::Failure;
use crate::options::ControlOptions;
use crate::receive::Stop;

/// How often is looked whether the command has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How often the broker is asked whether it still is the one that gave control.
const ASK: Duration = Duration::from_secs(1);
/// As shells report a command that a signal ended: this and the signal.
const ENDED_BY_SIGNAL: i32 = 128;

/// Holds sole control until the command has ended, or a signal comes.
pub fn run(broker: &Broker, options: &ControlOptions) -> Result<ExitCode, Failure> {
    let stop = Stop::on_signals()?;
    let control = broker.take_control(&options.stream)?;
    let holder = Holder { broker, session: (broker.id(), broker.client_id()) };
    let ended = match options.command.split_first() {
        None => {
            print(&format!("sole control of {}; Ctrl-C gives it back\n", control.stream()))?;
            holder.until_stopped(&stop).map(|()| ExitCode::SUCCESS)
        }
        Some((program, arguments)) => {
            let command = || program.to_string_lossy().into_owned();
            let started = Command::new(program).args(arguments).spawn();
            let child = started.map_err(|source| Failure::Command { command: command(), source })?;
            holder.until_ended(child).map_err(|source| Failure::Command { command: command(), source })?
        }
    };
    drop(control);
    ended
}

/// Who holds control: a session of a broker. After a restart the broker object is another's.
struct Holder<'a> {
    broker: &'a Broker,
    session: (BrokerId, ClientId),
}

impl Holder<'_> {
    fn check(&self) -> Result<(), Failure> {
        self.broker.ping()?;
        let is_same = (self.broker.id(), self.broker.client_id()) == self.session;
        if is_same { Ok(()) } else { Err(Failure::ControlLost) }
    }

    fn until_stopped(&self, stop: &Stop) -> Result<(), Failure> {
        while !stop.is_set() {
            self.check()?;
            stop.wait(ASK);
        }
        Ok(())
    }

    /// A signal is for the command, which has it from the terminal too. Where control is lost, that is told at once, and the
    /// command goes on: only its user knows what that means to it.
    fn until_ended(&self, mut child: Child) -> std::io::Result<Result<ExitCode, Failure>> {
        let (mut is_lost, mut asked) = (false, Instant::now());
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(if is_lost { Err(Failure::ControlLost) } else { Ok(code(status)) });
            }
            if !is_lost && asked.elapsed() >= ASK {
                if let Err(failure) = self.check() {
                    complain(&failure);
                    is_lost = true;
                }
                asked = Instant::now();
            }
            std::thread::sleep(LOOK);
        }
    }
}

fn code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| ENDED_BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
