//! The numbers that name things, each with a type of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::SEGMENT_LIMIT;

/// Which segment of a stream; below [`SEGMENT_LIMIT`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct SegmentIndex(u16);

impl SegmentIndex {
    /// The index, or `None` where it is not below [`SEGMENT_LIMIT`].
    #[must_use]
    pub fn new(index: usize) -> Option<Self> {
        u16::try_from(index).ok().filter(|_| index < SEGMENT_LIMIT).map(Self)
    }

    /// The index as a number for arrays.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::from(self.0)
    }

    /// The index as it stands in a [`ContextId`].
    #[must_use]
    pub fn as_u16(self) -> u16 {
        self.0
    }

    /// The buffer context that the buffer factory gives this segment: 1000 + index.
    #[must_use]
    pub fn buffer_context(self) -> u32 {
        FIRST_BUFFER_CONTEXT + u32::from(self.0)
    }
}

/// The buffer context of segment 0.
pub const FIRST_BUFFER_CONTEXT: u32 = 1000;

impl TryFrom<u16> for SegmentIndex {
    type Error = NoSegment;

    fn try_from(index: u16) -> Result<Self, NoSegment> {
        Self::new(usize::from(index)).ok_or(NoSegment(index))
    }
}

impl From<SegmentIndex> for u16 {
    fn from(index: SegmentIndex) -> Self {
        index.0
    }
}

/// A number that no segment can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no segment index: they are below {SEGMENT_LIMIT}")]
pub struct NoSegment(u16);

impl fmt::Display for SegmentIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a published frame: 1, 2, 3, … and never again while the stream exists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The sequence after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How many sequences lie behind `earlier` up to and with this one; 0 where it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one frame of a stream, in the life of a broker: `sequence << 16 | segment index`. Zero names none. What names it
/// everywhere is a [`FrameRef`](crate::FrameRef).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct ContextId(u64);

impl ContextId {
    /// The frame of this sequence in this segment.
    #[must_use]
    pub fn new(sequence: Sequence, segment: SegmentIndex) -> Self {
        Self((sequence.0 << 16) | u64::from(segment.0))
    }

    /// Reads a context ID from its number; `None` for zero, sequence 0 and segments beyond [`SEGMENT_LIMIT`].
    #[must_use]
    pub fn from_u64(value: u64) -> Option<Self> {
        let context = Self(value);
        (context.sequence().0 != 0 && usize::from(context.segment_bits()) < SEGMENT_LIMIT).then_some(context)
    }

    /// The number on the wire and in shared memory.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The frame's sequence.
    #[must_use]
    pub fn sequence(self) -> Sequence {
        Sequence(self.0 >> 16)
    }

    /// The segment that holds the frame.
    #[must_use]
    pub fn segment(self) -> SegmentIndex {
        SegmentIndex(self.segment_bits())
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are the segment index by definition")]
    fn segment_bits(self) -> u16 {
        self.0 as u16
    }
}

impl TryFrom<u64> for ContextId {
    type Error = NoFrame;

    fn try_from(value: u64) -> Result<Self, NoFrame> {
        Self::from_u64(value).ok_or(NoFrame(value))
    }
}

impl From<ContextId> for u64 {
    fn from(context: ContextId) -> Self {
        context.0
    }
}

/// A number that names no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no context ID: it has sequence 0, or its segment is not below {SEGMENT_LIMIT}")]
pub struct NoFrame(u64);

impl fmt::Display for ContextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Raised whenever a segment index gets a new shared-memory object; mappings are keyed by (index, backing).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Backing(pub u32);

/// Names one run of a broker; random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrokerId(pub u64);

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Names a session with a broker.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u64);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a stream within a broker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub u32);

/// Names a subscription within a session; never used again in that session.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriptionId(pub u32);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names a consumer page: `client ID << 32 | subscription ID`. Only for whoever looks at the memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConsumerId(pub u64);

impl ConsumerId {
    /// The page of this subscription of this client.
    #[must_use]
    pub fn new(client: ClientId, subscription: SubscriptionId) -> Self {
        Self((client.0 << 32) | u64::from(subscription.0))
    }
}

/// A set of segment indices of fixed size, so that the ring allocates nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SegmentSet([u64; SEGMENT_LIMIT.div_ceil(64)]);

impl SegmentSet {
    /// The empty set.
    pub const EMPTY: Self = Self([0; SEGMENT_LIMIT.div_ceil(64)]);

    /// Adds a segment.
    pub fn insert(&mut self, segment: SegmentIndex) {
        if let Some(word) = self.0.get_mut(segment.as_usize() / 64) {
            *word |= 1 << (segment.as_usize() % 64);
        }
    }

    /// Takes a segment out.
    pub fn remove(&mut self, segment: SegmentIndex) {
        if let Some(word) = self.0.get_mut(segment.as_usize() / 64) {
            *word &= !(1 << (segment.as_usize() % 64));
        }
    }

    /// Whether a segment is in the set.
    #[must_use]
    pub fn contains(&self, segment: SegmentIndex) -> bool {
        self.0.get(segment.as_usize() / 64).is_some_and(|word| word & (1 << (segment.as_usize() % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_ids_split_into_what_they_were_made_of() {
        let segment = SegmentIndex::new(SEGMENT_LIMIT - 1).unwrap();
        let context = ContextId::new(Sequence(77), segment);
        assert_eq!((context.sequence(), context.segment()), (Sequence(77), segment));
        assert_eq!(ContextId::from_u64(context.as_u64()), Some(context));
        assert_eq!(segment.buffer_context(), 1000 + 1023);
    }

    #[test]
    fn numbers_that_name_no_frame_are_refused() {
        assert_eq!(ContextId::from_u64(0), None);
        assert_eq!(ContextId::from_u64(5), None, "sequence 0");
        assert_eq!(ContextId::from_u64((1 << 16) | 0xffff), None, "segment beyond the limit");
        assert_eq!(SegmentIndex::new(SEGMENT_LIMIT), None);
    }

    #[test]
    fn segment_sets_keep_what_was_inserted() {
        let mut set = SegmentSet::EMPTY;
        let last = SegmentIndex::new(SEGMENT_LIMIT - 1).unwrap();
        set.insert(last);
        assert!(set.contains(last) && !set.contains(SegmentIndex::new(0).unwrap()));
        set.remove(last);
        assert_eq!(set, SegmentSet::EMPTY);
    }
}
