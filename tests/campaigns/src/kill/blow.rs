//! What happens to a process, and when.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use framebroker_tests::process::Process;
use framebroker_tests::{Chance, PATIENCE, wait_for};
use nix::sys::signal::Signal;

/// What happens to a process, and when.
#[derive(Debug, Clone, Copy)]
pub struct Blow {
    pub moment: Moment,
    pub end: End,
}

/// When it happens.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// So long after it has begun.
    After(Duration),
    /// On this pass of a stop point.
    At(&'static str, u64),
}

/// How it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// SIGKILL.
    Killed,
    /// SIGSTOP, and SIGKILL later.
    StoppedAndKilled,
    /// SIGSTOP, and SIGCONT later.
    Stopped,
}

/// What has become of the process.
#[derive(Debug, Clone, Copy)]
pub enum Struck {
    /// It is dead.
    Dead,
    /// It is stopped.
    Stopped,
    /// It had ended before.
    Ended(ExitStatus),
}

impl End {
    /// Half of all die at once.
    pub const ALL: [Self; 4] = [Self::Killed, Self::StoppedAndKilled, Self::Stopped, Self::Killed];
}

impl Blow {
    /// At a random moment of so long, or at a stop point that is passed so often before.
    pub fn draw(chance: &mut Chance, longest: Duration, point: Option<(&'static str, u64)>, end: End) -> Self {
        let micros = chance.below(usize::try_from(longest.as_micros()).expect("a short time"));
        let pass = 1 + chance.below(3) as u64;
        let moment = match point {
            Some((name, before)) => Moment::At(name, before + pass),
            None => Moment::After(Duration::from_micros(micros as u64)),
        };
        Self { moment, end }
    }

    /// The stop point, if it is at one.
    pub fn point(&self) -> Option<&'static str> {
        if let Moment::At(name, _) = self.moment { Some(name) } else { None }
    }

    /// Tells a program that is to be started where it stops by itself.
    pub fn arm(&self, program: &mut Command) {
        if let Moment::At(name, pass) = self.moment {
            let action = if self.end == End::Killed { "kill" } else { "stop" };
            program.env("FRAMEBROKER_STOP_POINT", format!("{name}:{pass}:{action}"));
        }
    }

    /// Strikes. What goes on meanwhile is done between beginning and blow. One that does not come to its stop point within `limit`
    /// is struck wherever it is: false.
    ///
    /// # Panics
    /// When the process neither stops nor ends.
    pub fn strike(&self, process: &mut Process, limit: Duration, meanwhile: impl FnOnce()) -> (Struck, bool) {
        let first = if self.end == End::Killed { Signal::SIGKILL } else { Signal::SIGSTOP };
        match self.moment {
            Moment::After(time) => {
                std::thread::sleep(time / 2);
                meanwhile();
                std::thread::sleep(time / 2);
            }
            Moment::At(..) => {
                meanwhile();
                let deadline = Instant::now() + limit;
                while Instant::now() < deadline {
                    if let Some(struck) = Struck::seen(process) {
                        return (struck, !matches!(struck, Struck::Ended(_)));
                    }
                    std::thread::sleep(Duration::from_micros(500));
                }
            }
        }
        if let Some(struck) = Struck::seen(process) {
            return (struck, false);
        }
        process.signal(first);
        (wait_for("a process to stop or end", PATIENCE, || Struck::seen(process)), false)
    }
}

impl Struck {
    fn seen(process: &mut Process) -> Option<Self> {
        match process.has_ended() {
            Some(status) if status.signal() == Some(Signal::SIGKILL as i32) => Some(Self::Dead),
            Some(status) => Some(Self::Ended(status)),
            None => process.is_stopped().then_some(Self::Stopped),
        }
    }
}
