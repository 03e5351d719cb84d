//! The messages on the socket. PROTOCOL.md specifies every byte; `vectors/` holds one of each.

mod ask;
mod tell;
mod terms;

pub use self::ask::{Ask, Produce, Request};
pub use self::tell::{Content, Reply, SegmentInfo, Stats, StatsEntries, StreamInfo, Subscribed, Tell};
pub use self::terms::{AskedPolicy, Delivery, ErrorCode, Policy, Roles, StatsOf};
pub use crate::feature::{Access, Feature, FeatureKind, FeatureValue, FloatRange, IntegerRange, Visibility};
pub use crate::ring::Start;
