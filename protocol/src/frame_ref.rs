//! The address of a frame, as programs hand it to each other.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{BrokerId, ContextId, StreamName};

/// Names one frame among all frames of all streams and brokers: a context ID names one only within its stream and the life
/// of its broker.
///
/// As a text it is `9f3c0a1b2c3d4e5f/cam0/589832`, by `Display` and `FromStr`: the broker's number in 16 hexadecimal digits,
/// the stream, the context ID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct FrameRef {
    /// The run of the broker that the frame is of.
    pub broker: BrokerId,
    /// Its stream.
    pub stream: StreamName,
    /// Which of the stream's frames.
    pub context: ContextId,
}

impl fmt::Display for FrameRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { broker, stream, context } = self;
        write!(f, "{broker}/{stream}/{context}")
    }
}

impl FromStr for FrameRef {
    type Err = NoFrameRef;

    /// Takes only what `Display` gives, so that each frame has one text.
    fn from_str(text: &str) -> Result<Self, NoFrameRef> {
        parse(text).filter(|parsed| parsed.to_string() == text).ok_or_else(|| NoFrameRef(excerpt(text)))
    }
}

fn parse(text: &str) -> Option<FrameRef> {
    let (broker, rest) = text.split_once('/')?;
    let (stream, context) = rest.split_once('/')?;
    let broker = u64::from_str_radix(broker, 16).ok()?;
    let context = ContextId::from_u64(context.parse().ok()?)?;
    Some(FrameRef { broker: BrokerId(broker), stream: stream.parse().ok()?, context })
}

/// The beginning of a text that may be long.
fn excerpt(text: &str) -> String {
    const LONGEST: usize = 128;
    text.chars().take(LONGEST).collect()
}

/// A text that is no frame's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no frame's address: those are BROKER/STREAM/CONTEXT, the broker's number in 16 hexadecimal digits and the \
     context ID in decimal ones"
)]
pub struct NoFrameRef(String);

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00ff0a1b2c3d4e5f/cam-0.left/589832";

    #[test]
    fn a_text_leads_back_to_the_frame() {
        let frame: FrameRef = TEXT.parse().unwrap();
        assert_eq!((frame.broker, frame.stream.as_str()), (BrokerId(0x00ff_0a1b_2c3d_4e5f), "cam-0.left"));
        assert_eq!(Some(frame.context), ContextId::from_u64(589_832));
        assert_eq!(frame.to_string(), TEXT);
    }

    #[test]
    fn each_frame_has_one_text() {
        for text in [
            "",
            "589832",
            "cam0/589832",
            "ff0a1b2c3d4e5f/cam0/589832",
            "00FF0A1B2C3D4E5F/cam0/589832",
            "+0ff0a1b2c3d4e5f/cam0/589832",
            "00ff0a1b2c3d4e5f/cam0/+589832",
            "00ff0a1b2c3d4e5f/cam0/0589832",
            "00ff0a1b2c3d4e5f/cam0/589832 ",
            "00ff0a1b2c3d4e5f/cam0/7",
            "00ff0a1b2c3d4e5f//589832",
            "00ff0a1b2c3d4e5f/cam/0/589832",
        ] {
            assert_eq!(text.parse::<FrameRef>().unwrap_err(), NoFrameRef(text.to_owned()));
        }
    }
}
