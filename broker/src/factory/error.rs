//! Why there is no segment.

use std::path::PathBuf;

use framebroker_protocol::shm::ShmError;

/// A segment could not be made, placed or freed. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum FactoryError {
    /// The kernel refuses shared memory.
    #[error(transparent)]
    Memory(#[from] ShmError),
    /// Not enough huge pages.
    #[error(
        "for {}, {} of {page} are needed, and {available} are free; set at least {total} with \
         `echo {total} > {setting}` as root (at boot, memory is not yet in pieces: vm.nr_hugepages in /etc/sysctl.conf, or \
         hugepages= on the kernel's command line), use fewer --segments, or --backing memfd",
        count(*segments, "segment"),
        count(*needed, "huge page")
    )]
    HugePages {
        /// Segments wanted.
        segments: usize,
        /// Pages they need.
        needed: usize,
        /// Pages there are for them.
        available: usize,
        /// Pages to set.
        total: usize,
        /// Size of a page, for people.
        page: &'static str,
        /// Where they are set.
        setting: String,
    },
    /// The kernel has no huge pages of this size.
    #[error(
        "this machine has no huge pages of {page} (see /sys/kernel/mm/hugepages); use --backing hugetlb={other} or memfd"
    )]
    NoHugePages {
        /// The size asked for.
        page: &'static str,
        /// The other size.
        other: &'static str,
    },
    /// Memory cannot be locked.
    #[error(
        "cannot lock {bytes} more bytes in memory: {source}; the limit RLIMIT_MEMLOCK is {limit} for all segments together: \
         raise it (`ulimit -l`, LimitMEMLOCK= of a systemd unit), give the broker CAP_IPC_LOCK, or leave --mlock out"
    )]
    Lock {
        /// Bytes of one segment.
        bytes: usize,
        /// The limit, for people.
        limit: String,
        /// What the kernel answered.
        source: std::io::Error,
    },
    /// No such NUMA node.
    #[error("--numa-node {node}: no such node of this machine has memory; {known} has: see /sys/devices/system/node")]
    UnknownNode {
        /// Asked for.
        node: u32,
        /// There are.
        known: String,
    },
    /// The memory policy was refused.
    #[error("cannot bind memory to NUMA node {node}: {source}; leave --numa-node out, or let the container call mbind")]
    Bind {
        /// Asked for.
        node: u32,
        /// What the kernel answered.
        source: std::io::Error,
    },
    /// A named object cannot be made.
    #[error("cannot make the named object {}: {reason}", path.display())]
    Named {
        /// Where.
        path: PathBuf,
        /// What happened and what to do.
        reason: String,
    },
    /// More than memory has.
    #[error("a segment of {bytes} bytes is not possible")]
    TooLarge {
        /// Asked for.
        bytes: usize,
    },
    /// A strategy did not keep its contract.
    #[error("the strategy made memory that {0}; this is a fault of the strategy")]
    Contract(&'static str),
    /// All contexts are in use.
    #[error("as many segments are allocated as there are buffer contexts; free one")]
    NoContext,
    /// Nothing to free.
    #[error("no segment has the buffer context {context}")]
    UnknownContext {
        /// Asked for.
        context: u32,
    },
    /// Not to be freed by its context.
    #[error("the segment with the buffer context {context} is in a ring, which frees it")]
    InUse {
        /// Asked for.
        context: u32,
    },
    /// For strategies of others.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
