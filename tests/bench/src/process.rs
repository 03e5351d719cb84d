//! Child processes that end, whatever happens.

use std::io::{BufRead, BufReader, Lines, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use framebroker_protocol::monotonic_ns;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::TimeValLike;
use nix::unistd::{Pid, alarm};

use crate::Result;
use crate::frames::cpu_ns;

/// No child lives longer, in seconds.
const LIFETIME: u32 = 120;

/// A child with its standard input and output; killed when dropped.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Runs this program in another role: a sub-command and its arguments, which have no spaces.
    pub fn start(role: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        // The broker's log would drown the progress.
        command.args(role.split_whitespace()).env("RUST_LOG", "error").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let lines = BufReader::new(child.stdout.take().ok_or("no pipe")?).lines();
        Ok(Self { child, lines })
    }

    /// Its next line.
    pub fn line(&mut self) -> Result<String> {
        Ok(self.lines.next().ok_or("a child ended early")??)
    }

    /// Lets a child go on that waits in [`await_word`].
    pub fn go(&mut self) -> Result<()> {
        Ok(writeln!(self.child.stdin.as_ref().ok_or("no pipe")?)?)
    }

    /// Processor time it has used. Finer than the 10 ms of /proc/PID/stat.
    pub fn cpu_ns(&self) -> Result<u64> {
        cpu_ns(nix::time::clock_getcpuclockid(Pid::from_raw(self.child.id().try_into()?))?)
    }

    /// Its resident memory in MiB: its own, and shared.
    pub fn resident_mib(&self) -> Result<[f64; 2]> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name| -> Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such line in status")?;
            Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
        };
        Ok([field("RssAnon:")?, field("RssShmem:")?])
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A child that has ended needs no end.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Seconds of processor time since the machine started.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    all: f64,
    used: f64,
    /// Used by this program and its ended children.
    own: f64,
}

impl Usage {
    /// As it is now.
    pub fn now() -> Result<Self> {
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string("/proc/stat")?;
        let fields = stat.lines().next().unwrap_or("").split_whitespace().skip(1).take(8);
        let ticks = fields.map(str::parse).collect::<std::result::Result<Vec<f64>, _>>()?;
        let all = ticks.iter().sum::<f64>() / TICKS_PER_SECOND;
        let idle = ticks.get(3..5).unwrap_or(&[]).iter().sum::<f64>() / TICKS_PER_SECOND;
        let mut own = 0.0;
        for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
            let usage = getrusage(who)?;
            own += (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6;
        }
        Ok(Self { all, used: all - idle, own })
    }

    /// Share of the processors that other programs took since `before`.
    pub fn others_share(self, before: Self) -> f64 {
        let others = (self.used - before.used) - (self.own - before.own);
        others.max(0.0) / (self.all - before.all)
    }
}

/// For a child: it ends with its parent, and in any case in time.
pub fn bound() -> Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    alarm::set(LIFETIME);
    Ok(())
}

/// For a child: becomes the program beside this one, which inherits what [`bound`] set.
pub fn become_neighbour(program: &str, arguments: &[String]) -> Result<()> {
    let path = std::env::current_exe()?.with_file_name(program);
    Err(format!("cannot run {}: {}", path.display(), Command::new(&path).args(arguments).exec()).into())
}

/// For a child: waits for [`Process::go`].
pub fn await_word() -> Result<()> {
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Sleeps until `CLOCK_MONOTONIC` shows this.
pub fn sleep_until(time_ns: u64) {
    std::thread::sleep(std::time::Duration::from_nanos(time_ns.saturating_sub(monotonic_ns())));
}

/// Where another process of the same user can open a descriptor of this one.
pub fn path_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd())
}
