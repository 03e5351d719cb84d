//! What clients send.

use serde::{Deserialize, Serialize};

use super::{AskedPolicy, Delivery, FeatureValue, Roles, Start, StatsOf};
use crate::limits::SEGMENT_BYTES;
use crate::{
    ClientName, ContextId, FeatureName, FrameRef, HOLD_LIMIT, MAX_SEGMENTS, PixelFormat, StreamName, SubscriptionId,
    Text,
};

/// A message of a client, with a number of the client's choice that the answer repeats.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Repeated by the answer; 0 is for messages that get none.
    pub id: u32,
    /// What is asked.
    pub body: Ask,
}

/// What a client asks or says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// First message of every session. Answer: `Welcome`.
    Hello {
        /// [`crate::PROTOCOL_VERSION`].
        version: u32,
        /// For statistics and logs.
        name: ClientName,
        /// What the client wants to be.
        roles: Roles,
    },
    /// Answer: `Streams`.
    ListStreams {
        /// How many streams to pass over: answers come in pages.
        from: u32,
    },
    /// Answer: `Subscribed`, once it is admitted.
    Subscribe {
        /// The stream's name.
        stream: StreamName,
        /// Which frames.
        policy: AskedPolicy,
        /// By which way.
        delivery: Delivery,
        /// Frames it may hold at once, 1 to [`HOLD_LIMIT`].
        max_held: u32,
        /// Where it begins.
        start: Start,
    },
    /// The segments of the last message that named any are mapped or not wanted. No answer.
    Mapped,
    /// Gives back a frame of a socket delivery. No answer.
    Release {
        /// Whose frame.
        subscription: SubscriptionId,
        /// Which frame.
        context: ContextId,
    },
    /// Holds one certain frame for a socket delivery. Answer: `Acquired`, or an error with code `Gone`, `Full` or `Invalid`.
    Acquire {
        /// For which subscription.
        subscription: SubscriptionId,
        /// Which frame: of this broker, and of the subscription's stream.
        frame: FrameRef,
    },
    /// Ends a subscription. Answer: `Unsubscribed`.
    Unsubscribe {
        /// Which one.
        subscription: SubscriptionId,
    },
    /// Answer: `Stats`.
    Stats {
        /// Of what.
        of: StatsOf,
        /// How many entries to pass over.
        from: u32,
    },
    /// Answer: `Pong`.
    Ping,
    /// Becomes the producer of a stream, or, from the one that is, says that its frames change. Answer: `Producing`.
    Produce(Produce),
    /// Answer: `Features`.
    Features {
        /// The stream's name.
        stream: StreamName,
        /// How many features to pass over: answers come in pages.
        from: u32,
    },
    /// Answer: `Feature`.
    GetFeature {
        /// The stream's name.
        stream: StreamName,
        /// Which feature.
        feature: FeatureName,
    },
    /// Sets a feature; needs the role control. Answer: `Feature`, as it is then.
    SetFeature {
        /// The stream's name.
        stream: StreamName,
        /// Which feature.
        feature: FeatureName,
        /// What it shall be.
        value: FeatureValue,
    },
    /// Executes a command; needs the role control. Answer: `Feature`.
    Execute {
        /// The stream's name.
        stream: StreamName,
        /// Which command.
        feature: FeatureName,
    },
    /// Takes or gives back sole control of a stream: while a session has it, no other sets or executes. Needs the role
    /// control. Answer: `Control`.
    Control {
        /// The stream's name.
        stream: StreamName,
        /// Whether it is wanted.
        sole: bool,
    },
}

/// What a producer will deliver, and what it needs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Produce {
    /// The stream's name.
    pub stream: StreamName,
    /// Bytes that a segment must offer: of image and chunk data of the largest frame.
    pub payload_bytes: u64,
    /// Segments it must have at all times so as to lose nothing.
    pub min_queued: u32,
    /// It cannot take further segments once it has begun.
    pub fixed_pool: bool,
    /// It can wait for a segment rather than lose a frame.
    pub can_pause: bool,
    /// Nominal width in pixels.
    pub width: u32,
    /// Nominal height in pixels.
    pub height: u32,
    /// PFNC code.
    pub pixel_format: PixelFormat,
    /// Nominal frames per second in thousandths; 0 unknown.
    pub millihertz: u64,
    /// Vendor and model of what it gets its frames from.
    pub model: Text,
    /// Serial number, empty for none.
    pub serial: Text,
}

impl Ask {
    /// What is wrong with the values, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Self::Subscribe { max_held, .. } if !(1..=HOLD_LIMIT as u64).contains(&u64::from(*max_held)) => {
                Some("max_held must be 1 to 64")
            }
            Self::Produce(produce) => produce.fault(),
            Self::Hello { roles, .. } if roles.bits() == 0 || !Roles::ALL.contains(*roles) => {
                Some("roles must be a sum of 1 (consumer), 2 (producer) and 4 (control)")
            }
            Self::SetFeature { value: FeatureValue::None, .. } => Some("a feature cannot be set to no value"),
            Self::SetFeature { value: FeatureValue::Float(value), .. } if !value.is_finite() => {
                Some("a feature cannot be set to an infinite value or to what is no number")
            }
            _ => None,
        }
    }
}

impl Produce {
    fn fault(&self) -> Option<&'static str> {
        if !(1..=SEGMENT_BYTES).contains(&self.payload_bytes) {
            return Some("payload_bytes must be 1 to 2^40");
        }
        if !(1..=MAX_SEGMENTS as u64).contains(&u64::from(self.min_queued)) {
            return Some("min_queued must be 1 to 512");
        }
        None
    }
}
