//! What a broker has of the system, and who is with it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use framebroker_client::stats::SegmentState;
use framebroker_client::{self as client, BrokerId};
use framebroker_tests::Broker;

/// How descriptors are called by which a process is watched.
pub const PIDFD: &str = "anon_inode:[pidfd]";

/// What a broker has, so that a leak shows.
#[derive(Debug, Clone)]
pub struct Level {
    /// Descriptors beside one for each segment, and without those by which processes are watched: one that owes memory is watched
    /// beyond the end of its session.
    files: i64,
    threads: usize,
    /// Segments of each stream.
    segments: Vec<u64>,
    given_up_bytes: u64,
    quarantined: usize,
    /// Processes with a session, of a consumer or a producer, without this one.
    sessions: Vec<u32>,
    /// Processes that hold a frame.
    holders: Vec<u32>,
    producers: Vec<String>,
}

impl Level {
    /// What it has now, by this connection.
    pub fn of(broker: &Broker, connection: &client::Broker) -> Self {
        let threads = std::fs::read_dir(format!("/proc/{}/task", broker.pid())).unwrap().count();
        let stats = connection.stats().unwrap();
        let streams = connection.streams().unwrap();
        let segments: Vec<_> = streams.iter().flat_map(|stream| connection.segments(stream.id).unwrap()).collect();
        let mut holders: Vec<u32> = segments.iter().flat_map(|it| it.held_by.iter().map(|holder| holder.pid)).collect();
        let clients = connection.clients().unwrap();
        let mut sessions: Vec<u32> =
            clients.iter().map(|client| client.pid).filter(|pid| *pid != std::process::id()).collect();
        for pids in [&mut holders, &mut sessions] {
            pids.sort_unstable();
            pids.dedup();
        }
        let active: Vec<u64> = stats.iter().map(|stats| stats.active_buffers).collect();
        let open = open_files(broker.pid());
        let others: usize = open.iter().filter(|(name, _)| *name != PIDFD).map(|(_, count)| count).sum();
        let files = i64::try_from(others).unwrap() - i64::try_from(active.iter().sum::<u64>()).unwrap();
        Self {
            files,
            threads,
            segments: active,
            given_up_bytes: stats.iter().map(|stats| stats.given_up_bytes).sum(),
            quarantined: segments.iter().filter(|segment| segment.state == SegmentState::Quarantined).count(),
            sessions,
            holders,
            producers: streams.into_iter().map(|stream| stream.producer.to_string()).collect(),
        }
    }

    /// What is more than before. Of segments there may be `beside` more in the first stream, and up to `most` in others, which
    /// producers fill.
    pub fn excess(&self, before: &Self, beside: u64, most: u64) -> Option<String> {
        let is_more = self.files > before.files
            || self.threads > before.threads
            || self.given_up_bytes > before.given_up_bytes
            || self.quarantined > before.quarantined
            || self.sessions != before.sessions
            || self.holders.iter().any(|holder| !before.sessions.contains(holder))
            || self.producers != before.producers;
        let is_larger =
            self.segments[0] > before.segments[0] + beside || self.segments[1..].iter().any(|it| *it > most);
        (is_more || is_larger).then(|| format!("there is {self:?}\nand was {before:?}"))
    }
}

/// What a process has open, and how often.
pub fn open_files(pid: u32) -> BTreeMap<String, usize> {
    let mut open = BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(Result::unwrap) {
        let leads_to = std::fs::read_link(entry.path()).unwrap_or_default();
        *open.entry(leads_to.to_string_lossy().into_owned()).or_default() += 1;
    }
    open
}

/// Private memory of a process, in bytes.
pub fn private_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Objects in memory that a process has mapped.
pub fn mapped_objects(pid: u32) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    maps.lines().filter(|line| line.contains("/memfd:")).count()
}

/// What lies in `/dev/shm` of a broker.
pub fn names(broker: BrokerId) -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains(&format!("{:016x}", broker.0))).collect()
}
