//! The segments that are mapped here.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use framebroker_protocol::limits::{SEGMENT_ALIGN, SEGMENT_BYTES};
use framebroker_protocol::message::SegmentInfo;
use framebroker_protocol::shm::{Mapping, SharedObject, ShmError};
use framebroker_protocol::{Backing, SegmentIndex, StreamPage};
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
    /// Payload begins at a multiple of so many bytes, here and in memory.
    pub align: u64,
    pub mapping: Mapping,
}

/// The newest object of every segment index.
#[derive(Debug, Default)]
pub struct Segments(Vec<Option<Place>>);

#[derive(Debug)]
enum Place {
    Mapped(Arc<Segment>),
    /// Its path leads nowhere: the ring has given it up since, or this process sees another directory.
    Gone(Backing, Error),
}

impl Segments {
    /// Maps what a message brings: one descriptor per segment, but for those that have a path, which may be gone already. An older
    /// object of the same index leaves the list; frames in it keep it mapped.
    pub fn add(&mut self, infos: &[SegmentInfo], mut fds: impl ExactSizeIterator<Item = OwnedFd>) -> Result<()> {
        let (expected, found) = (descriptors(infos), fds.len());
        if expected != found {
            return Err(Violation::Descriptors { expected, found }.into());
        }
        infos.iter().try_for_each(|info| {
            let fd = if has_path(info) { None } else { fds.next() };
            let place = match Segment::map(info, fd) {
                Ok(segment) => Place::Mapped(Arc::new(segment)),
                Err(error) if is_gone(&error) => Place::Gone(info.backing, error),
                Err(error) => return Err(error),
            };
            self.put(info.index, place)
        })
    }

    fn put(&mut self, index: SegmentIndex, what: Place) -> Result<()> {
        let at = index.as_usize();
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        let place = self.0.get_mut(at).ok_or(Violation::Unexpected("a segment index beyond the limit"))?;
        *place = Some(what);
        Ok(())
    }

    /// The segment of this index, if it is backed by this object. An error where a frame in it cannot be read, ever.
    pub fn find(&self, index: SegmentIndex, backing: Backing) -> Result<Option<&Arc<Segment>>> {
        match self.0.get(index.as_usize()).and_then(Option::as_ref).filter(|place| place.backing() == backing) {
            Some(Place::Mapped(segment)) => Ok(Some(segment)),
            Some(Place::Gone(_, error)) => Err(error.clone()),
            None => Ok(None),
        }
    }

    /// Lets go of an object that the broker has given up. Frames that are held keep it.
    pub fn remove(&mut self, index: SegmentIndex, backing: Backing) {
        if let Some(place) = self.0.get_mut(index.as_usize()) {
            place.take_if(|place| place.backing() == backing);
        }
    }

    /// Lets go of objects that the broker has given up, as the stream's page says. Frames that are held keep theirs.
    pub fn forget_outdated(&mut self, page: &StreamPage) {
        for (place, index) in self.0.iter_mut().zip((0..).map_while(SegmentIndex::new)) {
            let is_outdated = place.as_ref().is_some_and(|place| {
                let ahead = page.backing(index).0.wrapping_sub(place.backing().0);
                // An object that is not used yet is ahead of the page.
                (1..=u32::MAX / 2).contains(&ahead)
            });
            if is_outdated {
                *place = None;
            }
        }
    }

    /// What is mapped where, by index.
    pub fn list(&self) -> Vec<MappedSegment> {
        let mapped = self.0.iter().flatten().filter_map(|place| match place {
            Place::Mapped(segment) => Some(segment),
            Place::Gone(..) => None,
        });
        mapped
            .map(|segment| MappedSegment {
                index: segment.index,
                backing: segment.backing,
                address: segment.mapping.as_ptr().addr(),
                length: segment.mapping.len(),
            })
            .collect()
    }
}

impl Place {
    fn backing(&self) -> Backing {
        match self {
            Self::Mapped(segment) => segment.backing,
            Self::Gone(backing, _) => *backing,
        }
    }
}

impl Segment {
    /// Maps what a descriptor, or without one the path, leads to.
    fn map(info: &SegmentInfo, fd: Option<OwnedFd>) -> Result<Self> {
        let SegmentInfo { index, backing, .. } = *info;
        let mapping = map_with(info, fd, SharedObject::map_read_only_at)?;
        // Now rather than at the first touch of every page: the first reads of a frame are as fast as later ones.
        mapping.populate_read()?;
        Ok(Self { index, backing, align: u64::from(info.align), mapping })
    }
}

/// Maps what a segment's descriptor, or without one its path, leads to, at its alignment.
pub fn map_with(
    info: &SegmentInfo,
    fd: Option<OwnedFd>,
    map: fn(&SharedObject, usize) -> Result<Mapping, ShmError>,
) -> Result<Mapping> {
    let SegmentInfo { index, bytes, align, .. } = *info;
    if SegmentIndex::new(index.as_usize()).is_none() || bytes == 0 || bytes > SEGMENT_BYTES {
        return Err(Violation::Unexpected("a segment of an impossible index or size").into());
    }
    if !align.is_power_of_two() || align > SEGMENT_ALIGN {
        return Err(Violation::Unexpected("a segment of an impossible alignment").into());
    }
    let too_large = || Error::System { what: "map a segment", source: Errno::EFBIG };
    let len = usize::try_from(bytes).map_err(|_too_large| too_large())?;
    let align = usize::try_from(align).map_err(|_too_large| too_large())?;
    let object = match fd {
        Some(fd) => SharedObject::received(fd, len)?,
        None => SharedObject::open(Path::new(info.path.as_str()), len)?,
    };
    let mapping = map(&object, align)?;
    if !mapping.as_ptr().addr().is_multiple_of(align) {
        return Err(Error::System { what: "map a segment at an aligned address", source: Errno::EINVAL });
    }
    Ok(mapping)
}

/// How many descriptors come with these segments.
pub fn descriptors(infos: &[SegmentInfo]) -> usize {
    infos.iter().filter(|info| !has_path(info)).count()
}

/// Whether a path leads nowhere.
fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Memory(error) if matches!(&**error, ShmError::Open { source, .. } if source.kind() == ErrorKind::NotFound))
}

fn has_path(info: &SegmentInfo) -> bool {
    !info.path.as_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use framebroker_protocol::Text;
    use std::os::fd::AsFd;

    fn segment(index: usize, backing: u32, bytes: u64) -> (SegmentInfo, OwnedFd) {
        let object = SharedObject::create("test", 8192).unwrap();
        let fd = object.as_fd().try_clone_to_owned().unwrap();
        let (index, backing, path) = (SegmentIndex::new(index).unwrap(), Backing(backing), Text::cut(""));
        (SegmentInfo { index, backing, bytes, align: 64, path }, fd)
    }

    #[test]
    fn a_newer_object_takes_the_place_of_the_older() {
        let mut segments = Segments::default();
        for backing in [1, 2] {
            let (info, fd) = segment(3, backing, 8192);
            segments.add(&[info], [fd].into_iter()).unwrap();
        }
        let index = SegmentIndex::new(3).unwrap();
        assert!(segments.find(index, Backing(1)).unwrap().is_none());
        let listed = segments.list();
        assert_eq!(listed.len(), 1);
        let found = segments.find(index, Backing(2)).unwrap().unwrap();
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

    #[test]
    fn segments_are_mapped_at_their_alignment() {
        let mut segments = Segments::default();
        let (info, fd) = segment(0, 1, 8192);
        segments.add(&[SegmentInfo { align: 2 << 20, ..info.clone() }], [fd].into_iter()).unwrap();
        assert!(segments.list()[0].address.is_multiple_of(2 << 20));
        for align in [0, 3, u32::MAX, 1 << 31] {
            let (info, fd) = segment(0, 1, 8192);
            let added = segments.add(&[SegmentInfo { align, ..info }], [fd].into_iter());
            assert!(matches!(added, Err(Error::Violation(_))), "{align}");
        }
    }

    #[test]
    fn a_path_stands_for_a_descriptor() {
        let path = std::env::temp_dir().join(format!("framebroker-client-test-{}", std::process::id()));
        std::fs::write(&path, [7; 8192]).unwrap();
        let mut segments = Segments::default();
        let (info, surplus) = segment(1, 1, 8192);
        let named = SegmentInfo { path: Text::cut(path.display()), ..info };
        assert!(segments.add(std::slice::from_ref(&named), [surplus].into_iter()).is_err());
        segments.add(std::slice::from_ref(&named), std::iter::empty()).unwrap();
        std::fs::write(&path, [7; 100]).unwrap();
        let too_short = segments.add(std::slice::from_ref(&named), std::iter::empty());
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(too_short, Err(Error::Memory(_))), "{too_short:?}");
        // It may have been given up since; only a frame in it is an error.
        segments.add(std::slice::from_ref(&named), std::iter::empty()).unwrap();
        let gone = segments.find(named.index, named.backing).unwrap_err();
        assert!(gone.to_string().contains("one user") && segments.list().is_empty(), "{gone}");
        segments.remove(named.index, named.backing);
        assert!(segments.find(named.index, named.backing).unwrap().is_none());
    }
}
