//! Every bound of this library in one place.

use std::time::Duration;

/// How long connecting, saying hello and a question may take, unless [`crate::BrokerBuilder::timeout`] says otherwise.
pub const ANSWER_TIMEOUT: Duration = patience(5);
/// How long a subscription may wait to be admitted: the ring may have to grow, and its memory to be filled with pages.
pub const ADMISSION_TIMEOUT: Duration = patience(30);
/// A frame in a segment that is not mapped yet waits at most this long for the segment's descriptor.
pub const MAPPING_TIMEOUT: Duration = patience(5);
/// Once the memory says that a subscription has ended, the message that says why may take this long.
pub const REASON_TIMEOUT: Duration = patience(1);
/// While frames flow, the connection is looked at this often. Waiting looks as often, so that a broker that was killed is
/// noticed within a second.
pub const LOOK_INTERVAL_NS: u64 = 200_000_000;
/// Pauses between attempts to reach a broker again grow from this …
pub const RETRY_FIRST: Duration = Duration::from_millis(50);
/// … to this.
pub const RETRY_LAST: Duration = Duration::from_secs(1);
/// Who waits for a broker is asked this often whether to go on.
pub const QUESTION_INTERVAL: Duration = Duration::from_millis(250);
/// How long one attempt may take within calls that have no time limit of the caller's.
pub const REJOIN_TIMEOUT: Duration = patience(1);
/// Messages taken from the connection at one look: a broker that never stops talking must not keep a frame waiting.
pub const MESSAGES_PER_LOOK: usize = 128;
/// Looks of one [`crate::Subscription::try_next`] at a broker that has news each time, and no frame.
pub const LOOKS_PER_TRY: usize = 4;
/// Pages of a list: more entries than any broker has.
pub const LIST_PAGES: usize = 1024;
/// News of changed settings that a subscription keeps until they are asked for; the oldest go first.
pub const CHANGES_KEPT: usize = 64;

/// So many seconds; where made-up brokers are tried by the thousand, next to nothing.
const fn patience(seconds: u64) -> Duration {
    if cfg!(fuzzing) { Duration::from_micros(100) } else { Duration::from_secs(seconds) }
}
