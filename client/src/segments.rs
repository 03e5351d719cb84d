//! The segments that are mapped here.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use framebroker_protocol::limits::SEGMENT_BYTES;
use framebroker_protocol::message::SegmentInfo;
use framebroker_protocol::shm::{Mapping, SharedObject};
use framebroker_protocol::{Backing, SegmentIndex};
use nix::errno::Errno;

use crate::error::Violation;
use crate::{Error, Result};

/// A segment as it is mapped in this process. The address is the same for as long as the mapping lives: while the
/// subscription knows the segment, and while any frame in it is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedSegment {
    /// Which segment; its buffer context is 1000 + this.
    pub index: SegmentIndex,
    /// Which object backs it: another one at the same index has another number, and another address.
    pub backing: Backing,
    /// Where the mapping begins in this process.
    pub address: usize,
    /// Bytes mapped.
    pub length: usize,
}

/// One mapped segment.
#[derive(Debug)]
pub struct Segment {
    pub index: SegmentIndex,
    backing: Backing,
    pub mapping: Mapping,
}

/// The newest object of every segment index.
#[derive(Debug, Default)]
pub struct Segments(Vec<Option<Arc<Segment>>>);

impl Segments {
    /// Maps what a message brings, one descriptor per segment. An older object of the same index leaves the list; frames
    /// in it keep it mapped.
    pub fn add(&mut self, infos: &[SegmentInfo], fds: impl ExactSizeIterator<Item = OwnedFd>) -> Result<()> {
        if infos.len() != fds.len() {
            return Err(Violation::Descriptors { expected: infos.len(), found: fds.len() }.into());
        }
        infos.iter().zip(fds).try_for_each(|(info, fd)| self.put(Segment::map(*info, fd)?))
    }

    fn put(&mut self, segment: Segment) -> Result<()> {
        let at = segment.index.as_usize();
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        let place = self.0.get_mut(at).ok_or(Violation::Unexpected("a segment index beyond the limit"))?;
        *place = Some(Arc::new(segment));
        Ok(())
    }

    /// The segment of this index, if it is backed by this object.
    pub fn find(&self, index: SegmentIndex, backing: Backing) -> Option<&Arc<Segment>> {
        self.0.get(index.as_usize())?.as_ref().filter(|segment| segment.backing == backing)
    }

    /// What is mapped where, by index.
    pub fn list(&self) -> Vec<MappedSegment> {
        let all = self.0.iter().flatten();
        all.map(|segment| MappedSegment {
            index: segment.index,
            backing: segment.backing,
            address: segment.mapping.as_ptr().addr(),
            length: segment.mapping.len(),
        })
        .collect()
    }
}

impl Segment {
    fn map(SegmentInfo { index, backing, bytes }: SegmentInfo, fd: OwnedFd) -> Result<Self> {
        if SegmentIndex::new(index.as_usize()).is_none() || bytes == 0 || bytes > SEGMENT_BYTES {
            return Err(Violation::Unexpected("a segment of an impossible index or size").into());
        }
        let len = usize::try_from(bytes)
            .map_err(|_too_large| Error::System { what: "map a segment", source: Errno::EFBIG })?;
        let mapping = SharedObject::received(fd, len)?.map_read_only()?;
        // Now rather than at the first touch of every page: the first reads of a frame are as fast as later ones.
        mapping.populate_read()?;
        Ok(Self { index, backing, mapping })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn segment(index: usize, backing: u32, bytes: u64) -> (SegmentInfo, OwnedFd) {
        let object = SharedObject::create("test", 8192).unwrap();
        let fd = object.as_fd().try_clone_to_owned().unwrap();
        (SegmentInfo { index: SegmentIndex::new(index).unwrap(), backing: Backing(backing), bytes }, fd)
    }

    #[test]
    fn a_newer_object_takes_the_place_of_the_older() {
        let mut segments = Segments::default();
        for backing in [1, 2] {
            let (info, fd) = segment(3, backing, 8192);
            segments.add(&[info], [fd].into_iter()).unwrap();
        }
        let index = SegmentIndex::new(3).unwrap();
        assert!(segments.find(index, Backing(1)).is_none());
        let listed = segments.list();
        assert_eq!(listed.len(), 1);
        let found = segments.find(index, Backing(2)).unwrap();
        assert_eq!(found.mapping.as_ptr().addr(), listed[0].address);
        assert_eq!((listed[0].backing, listed[0].length), (Backing(2), 8192));
    }

    #[test]
    fn descriptors_must_match_and_reach() {
        let mut segments = Segments::default();
        let (info, fd) = segment(0, 1, 8192);
        let surplus = fd.try_clone().unwrap();
        let error = segments.add(&[info], [fd, surplus].into_iter()).unwrap_err();
        assert!(matches!(error, Error::Violation(Violation::Descriptors { expected: 1, found: 2 })));
        let (info, fd) = segment(0, 1, 8193);
        assert!(matches!(segments.add(&[info], [fd].into_iter()), Err(Error::Memory(_))));
        assert!(segments.list().is_empty());
    }
}
