//! A process whose output lines can be waited for.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{PATIENCE, wait_for};

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Process {
    /// Starts a program.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let output = child.stdout.take().expect("standard output is piped");
        let (sender, lines) = channel();
        // Ends with the program's output, or when nobody wants its lines any more.
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let input = child.stdin.take();
        Self { child, input, lines }
    }

    /// Its process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input.
    ///
    /// # Panics
    /// When it no longer reads.
    pub fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("standard input is open");
        // In one piece: a process that ends at its first byte would not read the second.
        let said = input.write_all(format!("{line}\n").as_bytes());
        said.unwrap_or_else(|error| panic!("the process does not read {line:?}: {error}"));
    }

    /// Writes all of this to its standard input and closes it. One that has ended reads nothing, which is no error here.
    pub fn say_all(&mut self, text: &str) {
        if let Some(mut input) = self.input.take() {
            let _ended = input.write_all(text.as_bytes());
        }
    }

    /// The next line of its standard output; `None` at the end.
    ///
    /// # Panics
    /// When none comes within `time`.
    pub fn line(&mut self, time: Duration) -> Option<String> {
        match self.lines.recv_timeout(time) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line from process {} within {time:?}", self.pid()),
        }
    }

    /// All that is left of its standard output, up to its end.
    pub fn rest(&mut self, time: Duration) -> Vec<String> {
        std::iter::from_fn(|| self.line(time)).collect()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone, or does not stop when it is told to.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).expect("a process ID"));
        kill(pid, signal).unwrap_or_else(|errno| panic!("cannot send {signal} to {pid}: {errno}"));
        if signal == Signal::SIGSTOP {
            // A thread that is on a processor goes on for a moment, and may still answer.
            wait_for("the process to stop", PATIENCE, || has_stopped(pid).then_some(()));
        }
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        // One that has ended already is as dead as is wanted.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }

    /// Its status, if it has ended.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Whether a signal has stopped it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end within `time`.
    pub fn ended(&mut self, time: Duration) -> ExitStatus {
        wait_for("the end of a process", time, || self.child.try_wait().expect("a child can be waited for"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether no thread of a process runs.
fn has_stopped(pid: Pid) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let states = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    // The state follows the name, which is in brackets: stopped, ended.
    states.into_iter().all(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 't', 'Z', 'X'])))
}
