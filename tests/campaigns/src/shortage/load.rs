//! How busy the broker and the machine were, for whoever must judge a failure.

use std::time::Instant;

/// What the broker has used since.
pub struct Load {
    pid: u32,
    ticks: u64,
    since: Instant,
}

impl Load {
    pub fn begin(pid: u32) -> Self {
        Self { pid, ticks: ticks(pid), since: Instant::now() }
    }
}

impl std::fmt::Display for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Of 10 ms, on every Linux that there is.
        let busy_ms = (ticks(self.pid) - self.ticks) * 10;
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let elapsed = self.since.elapsed();
        write!(f, "in {elapsed:.1?}, in which the broker ran for {busy_ms} ms (load of the machine: {})", load.trim())
    }
}

/// The time for which a process ran, in its own code and in the kernel.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name may hold anything; 11 fields lie between it and the times.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}
