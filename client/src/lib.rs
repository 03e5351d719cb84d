//! Reads camera frames from a framebroker in another process, with no copy.
//!
//! ```no_run
//! # fn main() -> framebroker_client::Result<()> {
//! let broker = framebroker_client::Broker::connect()?;
//! let mut frames = broker.subscribe("cam0").open()?;
//! loop {
//!     let frame = frames.next(None)?;
//!     println!("{} holds {} bytes", frame.context(), frame.data().len());
//! } // dropping the frame gives its segment back
//! # }
//! ```
//!
//! * [`Broker`]: finds the broker, lists streams and statistics, reads and sets [camera features](Broker::set_feature), and
//!   [subscribes](Broker::subscribe).
//! * [`Subscription`]: hands out frames: [waiting](Subscription::next), [without waiting](Subscription::try_next), beside
//!   other descriptors in a poll of your own, or [one by its address](Subscription::acquire).
//! * [`Frame`]: what was seen and when; the bytes lie where the camera's driver put them. While a frame lives nobody
//!   refills its segment; dropping it, in any thread, gives it back. A frame outlives subscription, broker object and even
//!   the broker.
//! * [`SyncedSubscription`]: joins several subscriptions and hands out frames that belong together.
//! * [`Producer`]: fills the segments of a stream in place of one of the broker's cameras: [`Broker::produce`].
//! * [`Error`]: says who is to blame and what to do.
//!
//! Nothing here waits for ever unless asked to: every exchange with the broker has a time limit, and a broker that dies
//! is noticed within a second.
//!
//! # Fork
//! A forked child shares neither subscriptions nor frames with its parent: there subscriptions answer [`Error::Forked`],
//! frames show no bytes ([`Frame::is_valid`]), and dropping either says nothing to the broker. Open a new [`Broker`] in
//! the child. Processes made by a raw `clone` system call are not recognised.
#![deny(unsafe_code)]

mod broker;
mod connect;
mod connection;
mod deadline;
mod error;
mod features;
pub mod fork;
mod frame;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod kept;
pub mod limits;
mod link;
mod payload;
mod producer;
mod questions;
mod retry;
mod segments;
mod settings_version;
mod sole_control;
mod subscription;
mod synced;

pub use broker::{Broker, BrokerBuilder};
pub use error::{Apart, Attempt, Error, GoneReason, Result, Unreachable, Violation, WaitingFor};
pub use features::Setting;
pub use frame::Frame;
pub use framebroker_protocol::FrameInfo;
pub use framebroker_protocol::chunks::{Chunk, Chunks, Value as ChunkValue};
pub use framebroker_protocol::message::{
    Access, Content, Delivery, ErrorCode, Feature, FeatureKind, FeatureValue, FloatRange, IntegerRange, Policy, Start,
    StreamInfo, Visibility,
};
pub use framebroker_protocol::ring::{Predictive, WaitMode};
pub use framebroker_protocol::{
    Backing, BrokerId, ClientId, ContextId, Counters, FeatureName, FrameHeader, FrameRef, NoFrameRef, PixelFormat,
    SegmentIndex, Sequence, StreamId, StreamName, StreamState, Text, stats,
};
pub use producer::{Blank, KeptSegment, Producer, ProducerBuilder, Publisher};
pub use segments::MappedSegment;
pub use settings_version::SettingsVersion;
pub use sole_control::SoleControl;
pub use subscription::{FrameAddress, Frames, SettingsChange, Subscription, SubscriptionBuilder};
pub use synced::{FrameSet, Incomplete, SyncBy, SyncStats, SyncedSubscription};
