//! Where segments lie in memory.

use framebroker_protocol::shm::{Mapping, PAGE_BYTES};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use super::FactoryError;

/// The smallest alignment: a cache line.
pub const MIN_ALIGN: usize = 64;
/// The largest: a huge page.
pub const MAX_ALIGN: usize = 2 << 20;

/// Where segments lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The payload begins at a multiple of so many bytes; a power of two.
    pub align: usize,
    /// Pages are never swapped out.
    pub lock: bool,
    /// Pages are allocated on this node only.
    pub numa_node: Option<u32>,
}

impl Default for Placement {
    fn default() -> Self {
        Self { align: PAGE_BYTES, lock: false, numa_node: None }
    }
}

impl Placement {
    /// What is wrong with it on this machine, if anything.
    ///
    /// # Errors
    /// Names the nodes there are.
    pub fn check(&self) -> Result<(), FactoryError> {
        let Some(node) = self.numa_node else { return Ok(()) };
        let known = nodes();
        if known.contains(&node) {
            return Ok(());
        }
        let known: Vec<String> = known.iter().map(|node| format!("node {node}")).collect();
        Err(FactoryError::UnknownNode { node, known: known.join(", ") })
    }

    /// Takes the limits of this process as high as it may.
    pub fn raise_limits(&self) {
        if self.lock
            && let Ok((_, most)) = getrlimit(Resource::RLIMIT_MEMLOCK)
        {
            // Where it stays as it was, locking says what is missing.
            let _unchanged = setrlimit(Resource::RLIMIT_MEMLOCK, most, most);
        }
    }

    /// Puts a new mapping in its place: the node before the first touch, then every page, then the lock.
    pub(super) fn apply(&self, mapping: &Mapping) -> Result<(), FactoryError> {
        if let Some(node) = self.numa_node {
            match mapping.bind_to_node(node) {
                // A kernel that knows no nodes has one.
                Err(source) if source.raw_os_error() == Some(libc::ENOSYS) && node == 0 => {}
                Err(source) => return Err(FactoryError::Bind { node, source }),
                Ok(()) => {}
            }
        }
        mapping.populate_write()?;
        if self.lock {
            let bytes = mapping.len();
            mapping.lock().map_err(|source| FactoryError::Lock { bytes, limit: lock_limit(), source })?;
        }
        Ok(())
    }
}

/// The NUMA nodes that have memory; node 0 where the kernel knows none.
fn nodes() -> Vec<u32> {
    let nodes = ranges(&std::fs::read_to_string("/sys/devices/system/node/has_memory").unwrap_or_default());
    if nodes.is_empty() { vec![0] } else { nodes }
}

/// Numbers in the kernel's notation, as in `0-1,4`.
fn ranges(text: &str) -> Vec<u32> {
    let parts = text.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse::<u32>().ok()?)
    });
    parts.flatten().collect()
}

fn lock_limit() -> String {
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((RLIM_INFINITY, _)) => "unlimited".to_owned(),
        Ok((soft, _)) => format!("{soft} bytes"),
        Err(_) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_lists_are_read_as_the_kernel_writes_them() {
        assert_eq!(ranges("0\n"), [0]);
        assert_eq!(ranges("0-1,4,6-7\n"), [0, 1, 4, 6, 7]);
        assert!(ranges("\n").is_empty());
    }

    #[test]
    fn an_unknown_node_is_answered_with_those_there_are() {
        let placement = |node| Placement { numa_node: Some(node), ..Placement::default() };
        let text = placement(1000).check().unwrap_err().to_string();
        assert!(text.contains("node 0"), "{text}");
        placement(0).check().unwrap();
    }
}
