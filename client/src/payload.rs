//! The one place where a mapped segment becomes bytes.

use std::ops::Range;

use framebroker_protocol::shm::Mapping;

/// Where something lies within a mapping, checked once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extent {
    offset: usize,
    len: usize,
}

impl Extent {
    /// The extent of `bytes` bytes at `offset`, or `None` where it is not within `mapped` bytes.
    pub fn within(mapped: usize, offset: u64, bytes: u64) -> Option<Self> {
        let end = usize::try_from(offset.checked_add(bytes)?).ok()?;
        let Range { start: offset, end } = usize::try_from(offset).ok()?..end;
        (end <= mapped).then_some(Self { offset, len: end - offset })
    }
}

/// The bytes at an extent of a segment that is held.
#[expect(unsafe_code, reason = "memory that another process filled becomes a slice here and nowhere else")]
pub fn bytes(mapping: &Mapping, extent: Extent) -> &[u8] {
    debug_assert!(extent.offset + extent.len <= mapping.len());
    // SAFETY: `Extent::within` was given this mapping's length (`Frame::new`), so offset and pointer stay within it.
    let start = unsafe { mapping.as_ptr().add(extent.offset) };
    // SAFETY: the range lies within the mapping, as above, which lives as long as the borrow of it. The object is sealed
    // against shrinking (`SharedObject::received`), or a file of this process's own user that its broker never makes
    // smaller (`SharedObject::open`, the weak mode), and mapped read-only, so no access faults. Bytes need no alignment and
    // have no invalid values. They do not change meanwhile: the caller is a `Frame` whose hold stands (rule A of the
    // ring), and the broker, whose user was checked when connecting, lets nobody fill a segment that is held (rule T).
    unsafe { std::slice::from_raw_parts(start, extent.len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_end_where_the_mapping_does() {
        assert!(Extent::within(100, 40, 60).is_some());
        assert!(Extent::within(100, 100, 0).is_some());
        assert!(Extent::within(100, 40, 61).is_none());
        assert!(Extent::within(100, 101, 0).is_none());
        assert!(Extent::within(100, u64::MAX, 2).is_none());
        assert!(Extent::within(usize::MAX, u64::MAX, 0).is_some());
    }
}
