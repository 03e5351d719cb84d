//! What the frames of the tests must show.

use std::collections::HashMap;

use framebroker_client::Frame;
use framebroker_protocol::pattern::Pattern;

/// What the frames show.
#[derive(Clone, Copy, PartialEq)]
pub enum Content {
    Pattern,
    /// The simulated cameras of Aravis and of the stand-in for pylon: (x + y + frame id) modulo 255.
    Ramp,
    Unknown,
}

/// The pattern of each geometry seen.
#[derive(Default)]
pub struct Patterns(HashMap<(u32, u32, u32), Pattern>);

impl Content {
    /// By the word that tests use: the test pattern, unless they say otherwise.
    pub fn named(word: Option<&str>) -> Self {
        match word {
            Some("ramp") => Self::Ramp,
            Some("none") => Self::Unknown,
            _ => Self::Pattern,
        }
    }
}

impl Patterns {
    /// What is wrong with a frame.
    pub fn fault(&mut self, frame: &Frame, content: Content) -> Option<String> {
        let header = frame.header();
        let context = frame.context();
        let consistent = header.context == context.as_u64()
            && frame.buffer_context() == context.segment().buffer_context()
            && frame.sequence() == context.sequence();
        if !consistent {
            return Some(format!("frame {context} has the header {header:?}"));
        }
        match content {
            Content::Unknown => None,
            Content::Ramp => ramp_fault(frame),
            Content::Pattern => {
                let (format, width, height) = (header.pixel_format, header.width, header.height);
                let pattern = self.0.entry((format.code(), width, height)).or_insert_with(|| {
                    Pattern::new(format, width, height).expect("a geometry that the pattern can have")
                });
                let found = pattern.verify(frame.data(), header.block_id);
                found.err().map(|mismatch| format!("frame {context}: {mismatch}"))
            }
        }
    }
}

/// What is wrong with a frame.
pub fn fault(frame: &Frame, content: Content) -> Option<String> {
    Patterns::default().fault(frame, content)
}

fn ramp_fault(frame: &Frame) -> Option<String> {
    let header = frame.header();
    // Padding is part of the ramp.
    let stride = frame.stride()?;
    let of_row = |y: u64| (0..).map(move |x: u64| ((x + y + header.block_id) % 255) as u8);
    let mut rows = (0..).zip(frame.data().chunks_exact(stride));
    let bad = rows.find(|(y, row)| !row.iter().copied().eq(of_row(*y).take(stride)));
    bad.map(|(y, _)| format!("frame {}, block id {}: row {y} is not the ramp", frame.context(), header.block_id))
}
