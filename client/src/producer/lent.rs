//! The segments that the broker lends, mapped for writing.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use framebroker_protocol::message::SegmentInfo;
use framebroker_protocol::shm::{Mapping, SharedObject};
use framebroker_protocol::{Backing, SegmentIndex};

use crate::Result;
use crate::error::Violation;
use crate::fork::Generation;
use crate::segments::{MappedSegment, map_with};

/// A segment that this process may write while it is lent. It stays out of forked children, who must not write it.
#[derive(Debug)]
pub struct LentSegment {
    pub index: SegmentIndex,
    pub backing: Backing,
    /// Always there, but while it is dropped.
    mapping: Option<Mapping>,
    generation: Generation,
}

impl LentSegment {
    fn map(info: &SegmentInfo, fd: OwnedFd) -> Result<Self> {
        let mapping = map_with(info, Some(fd), SharedObject::map_writable_at)?;
        mapping.populate_write()?;
        mapping.dont_fork()?;
        let generation = Generation::current()?;
        Ok(Self { index: info.index, backing: info.backing, mapping: Some(mapping), generation })
    }

    /// Where it begins, and how many bytes are mapped; nothing in a forked child.
    pub fn memory(&self) -> (*mut u8, usize) {
        match &self.mapping {
            Some(mapping) if self.generation.is_current() => (mapping.as_mut_ptr(), mapping.len()),
            _ => (std::ptr::null_mut(), 0),
        }
    }

    /// What is mapped where.
    pub fn mapped(&self) -> MappedSegment {
        let (address, length) = self.memory();
        MappedSegment { index: self.index, backing: self.backing, address: address.addr(), length }
    }
}

impl Drop for LentSegment {
    fn drop(&mut self) {
        if !self.generation.is_current() {
            // It is not mapped in a forked child; something else may lie at its address, which unmapping would destroy.
            std::mem::forget(self.mapping.take());
        }
    }
}

/// Maps what a message brings: one descriptor per segment.
pub fn map_all(infos: &[SegmentInfo], fds: Vec<OwnedFd>) -> Result<Vec<LentSegment>> {
    if infos.len() != fds.len() {
        return Err(Violation::Descriptors { expected: infos.len(), found: fds.len() }.into());
    }
    infos.iter().zip(fds).map(|(info, fd)| LentSegment::map(info, fd)).collect()
}

/// The newest object of every segment index.
#[derive(Debug, Default)]
pub struct LentSegments(Vec<Option<Arc<LentSegment>>>);

impl LentSegments {
    /// Puts newer objects in the place of older ones.
    pub fn add(&mut self, segments: Vec<LentSegment>) {
        for segment in segments {
            let at = segment.index.as_usize();
            if self.0.len() <= at {
                self.0.resize_with(at + 1, || None);
            }
            if let Some(place) = self.0.get_mut(at) {
                *place = Some(Arc::new(segment));
            }
        }
    }

    /// The segment of this index.
    pub fn find(&self, index: SegmentIndex) -> Option<&Arc<LentSegment>> {
        self.0.get(index.as_usize())?.as_ref()
    }

    /// Lets go of an object that is not lent again. Whoever still fills it keeps it.
    pub fn remove(&mut self, index: SegmentIndex, backing: Backing) {
        if let Some(place) = self.0.get_mut(index.as_usize()) {
            place.take_if(|segment| segment.backing == backing);
        }
    }

    /// All of them, by index.
    pub fn list(&self) -> Vec<MappedSegment> {
        self.0.iter().flatten().map(|segment| segment.mapped()).collect()
    }
}
