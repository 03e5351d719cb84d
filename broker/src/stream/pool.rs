//! Which segments a stream has: the session thread's books. Pure but for the segments themselves.

use std::sync::{Arc, Weak};

use framebroker_protocol::{Backing, SEGMENT_LIMIT, SegmentIndex};

use crate::factory::{Epoch, Segment};

/// The segments of one stream by index.
#[derive(Debug)]
pub struct Pool {
    places: Vec<Place>,
    /// Bytes that a segment must offer to count.
    payload_bytes: usize,
    /// Whom a segment must be made for to count.
    epoch: Epoch,
    /// Every segment that was ever installed and is not known to be freed.
    known: Vec<Weak<Segment>>,
}

/// What is at one index.
#[derive(Debug, Default)]
struct Place {
    /// Objects this index has had, the present one included.
    backings: u32,
    content: Content,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Vacant,
    /// It is being made, with so many bytes.
    Ordered(usize, Epoch),
    /// In use.
    Installed(Arc<Segment>, Epoch),
    /// In use until its frame is retired; the ring gives it up then.
    LeftBehind(Arc<Segment>),
    /// A revoked subscription may still read it; the ring gives it up when its frame is retired.
    Quarantined(Arc<Segment>),
}

impl Content {
    fn bytes(&self) -> u64 {
        match self {
            Self::Vacant => 0,
            Self::Ordered(bytes, _) => *bytes as u64,
            Self::Installed(segment, _) | Self::LeftBehind(segment) | Self::Quarantined(segment) => {
                segment.bytes() as u64
            }
        }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            places: std::iter::repeat_with(Place::default).take(SEGMENT_LIMIT).collect(),
            payload_bytes: 0,
            epoch: Epoch::default(),
            known: Vec::new(),
        }
    }
}

impl Pool {
    /// Chooses the lowest vacant index for a new segment and gives it its next backing.
    pub fn order(&mut self, bytes: usize) -> Option<(SegmentIndex, Backing)> {
        let at = self.places.iter().position(|place| matches!(place.content, Content::Vacant))?;
        let (index, place) = (SegmentIndex::new(at)?, self.places.get_mut(at)?);
        place.content = Content::Ordered(bytes, self.epoch);
        place.backings = place.backings.wrapping_add(1);
        Some((index, Backing(place.backings)))
    }

    /// An ordered segment has come.
    pub fn install(&mut self, segment: &Arc<Segment>) {
        self.known.retain(|known| known.strong_count() > 0);
        self.known.push(Arc::downgrade(segment));
        if let Some(place) = self.places.get_mut(segment.index().as_usize()) {
            let epoch = if let Content::Ordered(_, epoch) = place.content { epoch } else { self.epoch };
            place.content = Content::Installed(Arc::clone(segment), epoch);
        }
    }

    /// From here on only segments with so many bytes count, and made for this epoch: the ring gives up the others as their
    /// frames are retired.
    pub fn require(&mut self, payload_bytes: usize, epoch: Epoch) {
        (self.payload_bytes, self.epoch) = (payload_bytes, epoch);
    }

    /// Whether what was ordered at this index was ordered for whom segments are made now.
    #[must_use]
    pub fn awaits(&self, index: SegmentIndex) -> bool {
        let place = self.places.get(index.as_usize());
        place.is_some_and(|place| matches!(place.content, Content::Ordered(_, epoch) if epoch == self.epoch))
    }

    /// An ordered segment could not be had, or the ring is done with one that it gave up. Returns its bytes.
    pub fn vacate(&mut self, index: SegmentIndex) -> u64 {
        let Some(place) = self.places.get_mut(index.as_usize()) else { return 0 };
        // As the writer has raised it in the stream page, so that readers let go of the object.
        place.backings = place.backings.wrapping_add(1);
        std::mem::take(&mut place.content).bytes()
    }

    /// The segment no longer counts: its frame is never refilled.
    pub fn quarantine(&mut self, index: SegmentIndex) {
        let Some(place) = self.places.get_mut(index.as_usize()) else { return };
        // Two subscriptions may have held its frame: then it comes here twice.
        if let Content::Installed(segment, _) | Content::LeftBehind(segment) = &place.content {
            place.content = Content::Quarantined(Arc::clone(segment));
        }
    }

    /// The segment no longer counts: the source goes on without it, and the ring gives it up when its frame is retired.
    pub fn leave_behind(&mut self, index: SegmentIndex) {
        let Some(place) = self.places.get_mut(index.as_usize()) else { return };
        if let Content::Installed(segment, _) = &place.content {
            place.content = Content::LeftBehind(Arc::clone(segment));
        }
    }

    /// Lets go of every segment; returns those that somebody else in this process still has.
    pub fn empty(&mut self) -> Vec<Weak<Segment>> {
        let Self { known, .. } = std::mem::take(self);
        known.into_iter().filter(|segment| segment.strong_count() > 0).collect()
    }

    /// Segments in use, and ordered ones that will be.
    #[must_use]
    pub fn expected(&self) -> usize {
        let will_count =
            |content: &Content| matches!(content, Content::Ordered(bytes, epoch) if self.takes(*bytes, *epoch));
        self.count(|content| will_count(content) || self.is_in_use(content))
    }

    /// Segments ordered, whether they will count or not.
    #[must_use]
    pub fn ordered(&self) -> usize {
        self.count(|content| matches!(content, Content::Ordered(..)))
    }

    /// Indices at which a segment can be ordered.
    #[must_use]
    pub fn vacant(&self) -> usize {
        self.count(|content| matches!(content, Content::Vacant))
    }

    /// Segments in use.
    #[must_use]
    pub fn installed(&self) -> usize {
        self.count(|content| self.is_in_use(content))
    }

    /// Bytes of all segments, whatever becomes of them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.places.iter().map(|place| place.content.bytes()).sum()
    }

    /// Whether the segment at an index counts.
    #[must_use]
    pub fn counts(&self, index: SegmentIndex) -> bool {
        self.places.get(index.as_usize()).is_some_and(|place| self.is_in_use(&place.content))
    }

    fn is_in_use(&self, content: &Content) -> bool {
        matches!(content, Content::Installed(segment, epoch) if self.takes(segment.bytes(), *epoch))
    }

    fn takes(&self, bytes: usize, epoch: Epoch) -> bool {
        bytes >= self.payload_bytes && epoch == self.epoch
    }

    /// Segments that frames may lie in, by index; quarantined ones still may.
    pub fn segments(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.places.iter().filter_map(|place| match &place.content {
            Content::Installed(segment, _) | Content::LeftBehind(segment) | Content::Quarantined(segment) => {
                Some(segment)
            }
            Content::Vacant | Content::Ordered(..) => None,
        })
    }

    /// Whether the segment at an index is quarantined.
    #[must_use]
    pub fn is_quarantined(&self, index: SegmentIndex) -> bool {
        matches!(self.places.get(index.as_usize()), Some(Place { content: Content::Quarantined(_), .. }))
    }

    fn count(&self, counted: impl Fn(&Content) -> bool) -> usize {
        self.places.iter().filter(|place| counted(&place.content)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::factory::{BufferFactory, Memfd};

    #[test]
    fn a_segment_that_is_quarantined_twice_stays_quarantined() {
        let (mut pool, factory) = (Pool::default(), Arc::new(Memfd::default()));
        let (index, backing) = pool.order(100).unwrap();
        let (segment, _writable) = factory.allocate_at(index, backing, 100).unwrap();
        pool.install(&segment);
        pool.quarantine(index);
        pool.quarantine(index);
        assert!(pool.is_quarantined(index));
        assert_ne!(pool.order(100).unwrap().0, index, "its frame is still in the ring");
        pool.vacate(index);
        assert_eq!(pool.order(100), Some((index, Backing(3))), "2 says that the first is gone");
    }

    #[test]
    fn segments_that_are_too_small_do_not_count() {
        let (mut pool, factory) = (Pool::default(), Memfd::default());
        for bytes in [100, 200] {
            let (index, backing) = pool.order(bytes).unwrap();
            pool.install(&factory.allocate_at(index, backing, bytes).unwrap().0);
        }
        let late = pool.order(120).unwrap().0;
        assert_eq!((pool.expected(), pool.ordered(), pool.installed(), pool.bytes()), (3, 1, 2, 420));
        pool.require(150, Epoch::default());
        assert_eq!((pool.expected(), pool.ordered(), pool.installed(), pool.bytes()), (1, 1, 1, 420));
        assert_eq!(pool.segments().count(), 2, "frames may still lie in both");
        assert_eq!((pool.vacate(late), pool.bytes()), (120, 300));
    }

    #[test]
    fn segments_that_another_producer_may_write_do_not_count() {
        let (mut pool, factory) = (Pool::default(), Memfd::default());
        pool.require(50, Epoch(1));
        let [(first, backing), (late, _)] = [(); 2].map(|()| pool.order(100).unwrap());
        pool.install(&factory.allocate_at(first, backing, 100).unwrap().0);
        assert_eq!((pool.expected(), pool.installed(), pool.awaits(late)), (2, 1, true));
        pool.require(50, Epoch(2));
        assert_eq!((pool.expected(), pool.installed(), pool.awaits(late)), (0, 0, false));
        assert_eq!((pool.segments().count(), pool.bytes()), (1, 200), "frames may still lie in it");
    }
}
