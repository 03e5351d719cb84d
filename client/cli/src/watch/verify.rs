//! Whether a frame of the test pattern is what it should be. Pure: what is checked is passed in.

use framebroker_client::{ContextId, FrameHeader, PixelFormat};
use framebroker_protocol::Sequence;
use framebroker_protocol::pattern::{Mismatch, Pattern, PatternError};

/// Checks the frames of one subscription, each against the pattern and against the one before.
#[derive(Debug, Default)]
pub struct Verifier {
    /// The images of the last geometry: making them costs more than checking one.
    images: Option<(Geometry, Pattern)>,
    last: Option<Last>,
}

/// What the next frame must be beyond.
#[derive(Debug, Clone, Copy)]
struct Last {
    sequence: Sequence,
    block_id: u64,
}

type Geometry = (PixelFormat, u32, u32);

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The header is another frame's.
    #[error("its header is that of context {header}")]
    Context {
        /// In the header.
        header: u64,
    },
    /// The buffer context is another segment's.
    #[error("its header names buffer {header} instead of {expected}")]
    Buffer {
        /// In the header.
        header: u32,
        /// By the context ID.
        expected: u32,
    },
    /// Frames must come in order, and none twice.
    #[error("it came after sequence {last}")]
    Order {
        /// The frame before.
        last: Sequence,
    },
    /// The source's own count must rise too.
    #[error("its block ID {found} came after block ID {last}")]
    BlockId {
        /// In the header.
        found: u64,
        /// The frame before.
        last: u64,
    },
    /// The header tells a geometry that has no image.
    #[error("its geometry is not possible: {0}")]
    Geometry(#[source] PatternError),
    /// The bytes are not those of this sequence.
    #[error("{0}")]
    Image(#[source] Mismatch),
}

impl Verifier {
    /// Checks a frame whose image is `image`: that its names agree, that it comes after the last one, and every byte.
    pub fn check(&mut self, context: ContextId, header: &FrameHeader, image: &[u8]) -> Result<(), Fault> {
        check_names(context, header)?;
        self.check_order(context, header)?;
        let geometry = (header.pixel_format, header.width, header.height);
        let pattern = match &mut self.images {
            Some((known, pattern)) if *known == geometry => pattern,
            images => {
                let pattern = Pattern::new(geometry.0, geometry.1, geometry.2).map_err(Fault::Geometry)?;
                &mut images.insert((geometry, pattern)).1
            }
        };
        pattern.verify(image, context.sequence().0).map_err(Fault::Image)
    }

    /// The next frame is the first of another broker.
    pub fn begin_anew(&mut self) {
        self.last = None;
    }

    fn check_order(&mut self, context: ContextId, header: &FrameHeader) -> Result<(), Fault> {
        let found = Last { sequence: context.sequence(), block_id: header.block_id };
        let Some(last) = self.last.replace(found) else { return Ok(()) };
        if found.sequence <= last.sequence {
            return Err(Fault::Order { last: last.sequence });
        }
        // 0 is a source that does not count.
        if found.block_id != 0 && found.block_id <= last.block_id {
            return Err(Fault::BlockId { found: found.block_id, last: last.block_id });
        }
        Ok(())
    }
}

fn check_names(context: ContextId, header: &FrameHeader) -> Result<(), Fault> {
    if header.context != context.as_u64() {
        return Err(Fault::Context { header: header.context });
    }
    let expected = context.segment().buffer_context();
    if header.buffer_context != expected {
        return Err(Fault::Buffer { header: header.buffer_context, expected });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::SegmentIndex;
    use framebroker_protocol::header::HEADER_WORDS;

    use super::*;

    /// A good frame of 8x4 pixels.
    fn frame(format: PixelFormat, sequence: u64) -> (ContextId, FrameHeader, Vec<u8>) {
        let context = ContextId::new(Sequence(sequence), SegmentIndex::new(3).unwrap());
        let mut header = FrameHeader::from_words(&[0; HEADER_WORDS]);
        (header.context, header.buffer_context, header.block_id) = (context.as_u64(), 1003, sequence);
        (header.width, header.height, header.pixel_format) = (8, 4, format);
        let pattern = Pattern::new(format, 8, 4).unwrap();
        let mut image = vec![0; pattern.image_bytes()];
        pattern.fill(&mut image, sequence);
        (context, header, image)
    }

    fn check(verifier: &mut Verifier, frame: &(ContextId, FrameHeader, Vec<u8>)) -> Result<(), Fault> {
        verifier.check(frame.0, &frame.1, &frame.2)
    }

    #[test]
    fn good_frames_pass_with_gaps_and_changes_of_format() {
        let mut verifier = Verifier::default();
        for (sequence, format) in [(1, PixelFormat::MONO8), (2, PixelFormat::MONO8), (9, PixelFormat::BAYER_RG12P)] {
            assert_eq!(check(&mut verifier, &frame(format, sequence)), Ok(()));
        }
    }

    #[test]
    fn one_wrong_byte_is_found() {
        let mut frame = frame(PixelFormat::MONO8, 7);
        frame.2[31] ^= 1;
        let fault = check(&mut Verifier::default(), &frame).unwrap_err();
        assert!(matches!(fault, Fault::Image(Mismatch { offset: 31, .. })), "{fault}");
    }

    #[test]
    fn the_bytes_of_another_sequence_are_found() {
        let mut mixed = frame(PixelFormat::MONO8, 7);
        mixed.2 = frame(PixelFormat::MONO8, 8).2;
        assert!(matches!(check(&mut Verifier::default(), &mixed), Err(Fault::Image(_))));
    }

    #[test]
    fn names_must_agree() {
        let mut other = frame(PixelFormat::MONO8, 7);
        other.1.context += 1 << 16;
        assert!(matches!(check(&mut Verifier::default(), &other), Err(Fault::Context { .. })));
        let mut other = frame(PixelFormat::MONO8, 7);
        other.1.buffer_context = 1002;
        assert_eq!(check(&mut Verifier::default(), &other), Err(Fault::Buffer { header: 1002, expected: 1003 }));
    }

    #[test]
    fn frames_come_in_order_and_once_until_another_broker_sends_them() {
        let mut verifier = Verifier::default();
        let frame = frame(PixelFormat::MONO8, 7);
        assert_eq!(check(&mut verifier, &frame), Ok(()));
        assert_eq!(check(&mut verifier, &frame), Err(Fault::Order { last: Sequence(7) }));
        verifier.begin_anew();
        assert_eq!(check(&mut verifier, &frame), Ok(()));
    }

    #[test]
    fn block_ids_rise() {
        let mut verifier = Verifier::default();
        assert_eq!(check(&mut verifier, &frame(PixelFormat::MONO8, 7)), Ok(()));
        let mut stale = frame(PixelFormat::MONO8, 8);
        stale.1.block_id = 7;
        assert_eq!(check(&mut verifier, &stale), Err(Fault::BlockId { found: 7, last: 7 }));
    }

    #[test]
    fn an_impossible_geometry_is_a_fault_not_a_panic() {
        let mut empty = frame(PixelFormat::MONO8, 7);
        empty.1.width = 0;
        assert!(matches!(check(&mut Verifier::default(), &empty), Err(Fault::Geometry(_))));
    }
}
