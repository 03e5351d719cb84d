//! The numbers of PROTOCOL.md: variants, error codes and limits. A variant that is new in the code does not compile here;
//! one that is new in the pages fails.

use framebroker_protocol::limits;
use framebroker_protocol::message::{
    Access, Ask, AskedPolicy, Content, Delivery, ErrorCode, FeatureKind, FeatureValue, Policy, Start, StatsEntries,
    StatsOf, Tell, Visibility,
};
use framebroker_protocol::stats::SegmentState;

use crate::document::Table;

/// The variants of an enumeration in their order; the function does not compile unless all are named.
macro_rules! variants {
    ($name:ident: $kind:ident { $($variant:ident),* $(,)? }) => {
        pub const $name: &[&str] = &[$(stringify!($variant)),*];
        const _: fn($kind) = |value| match value { $($kind::$variant { .. } => ()),* };
    };
}

variants!(ASK: Ask {
    Hello, ListStreams, Subscribe, Mapped, Release, Acquire, Unsubscribe, Stats, Ping, Produce, Features, GetFeature,
    SetFeature, Execute, Control,
});
variants!(TELL: Tell {
    Welcome, Streams, Subscribed, Frame, Acquired, SegmentsAdded, Offline, Online, Demoted, Evicted, Closed, Unsubscribed,
    Stats, Error, Pong, SegmentRemoved, Producing, SegmentsLent, Started, SegmentWithdrawn, Features, Feature, Control,
    SettingsChanged,
});
variants!(ERROR_CODE: ErrorCode {
    Malformed, WrongVersion, NoHello, Forbidden, TooManyClients, TooSlow, UnknownStream, NotAdmitted,
    UnknownSubscription, NotHeld, Gone, Full, Invalid, StreamClosed, Unavailable, Busy, Breach, UnknownFeature,
    NotAccessible, Controlled, CameraFailed,
});
variants!(POLICY: Policy { Sequential, Latest, Lossless, Upcoming });
variants!(ASKED_POLICY: AskedPolicy { Sequential, Latest, Lossless, Upcoming, OfStream });
variants!(DELIVERY: Delivery { Shared, Socket });
variants!(START: Start { Next, Oldest });
variants!(CONTENT: Content { Opaque, Pattern });
variants!(STATS_OF: StatsOf { Streams, Segments, Clients });
variants!(STATS_ENTRIES: StatsEntries { Streams, Segments, Clients });
variants!(VISIBILITY: Visibility { Unknown, Beginner, Expert, Guru, Invisible });
variants!(ACCESS: Access { ReadWrite, ReadOnly, WriteOnly, Locked, NotAvailable });
variants!(FEATURE_KIND: FeatureKind { Integer, Float, Boolean, Enumeration, String, Command });
variants!(FEATURE_VALUE: FeatureValue { None, Integer, Float, Boolean, Text });
variants!(SEGMENT_STATE: SegmentState { Queued, Filling, Published, Held, Quarantined });

/// Every enumeration by the heading of its table.
pub const ENUMERATIONS: [(&str, &[&str]); 13] = [
    ("ErrorCode", ERROR_CODE),
    ("Policy", POLICY),
    ("AskedPolicy", ASKED_POLICY),
    ("Delivery", DELIVERY),
    ("Start", START),
    ("Content", CONTENT),
    ("StatsOf", STATS_OF),
    ("StatsEntries", STATS_ENTRIES),
    ("SegmentState", SEGMENT_STATE),
    ("Visibility", VISIBILITY),
    ("Access", ACCESS),
    ("FeatureKind", FEATURE_KIND),
    ("FeatureValue", FEATURE_VALUE),
];

/// Messages by the heading of their table.
pub const MESSAGES: [(&str, &[&str]); 2] = [("Client to broker", ASK), ("Broker to client", TELL)];

/// Goal: the pages name every variant, in the code's order. Method: compare tables with lists the compiler keeps complete.
#[test]
fn the_pages_list_every_variant() {
    for (heading, variants) in ENUMERATIONS {
        let table = Table::below(heading);
        let numbered = table.rows().map(|row| (row.number("number"), row.cell("variant")));
        assert_eq!(numbered.collect::<Vec<_>>(), variants.iter().copied().enumerate().collect::<Vec<_>>(), "{heading}");
    }
    for (heading, variants) in MESSAGES {
        let table = Table::below(heading);
        let bold = table.rows().filter(|row| row.cell("offset").starts_with('*'));
        let numbered = bold.map(|row| (row.cell("offset").trim_matches('*'), row.cell("field").trim_matches('*')));
        let numbered: Vec<_> = numbered.map(|(number, name)| (number.parse::<usize>().unwrap(), name)).collect();
        assert_eq!(numbered, variants.iter().copied().enumerate().collect::<Vec<_>>(), "{heading}");
    }
}

/// Goal: the limits are the code's. Method: compare each row with the constant of its name.
#[test]
fn the_pages_list_the_limits() {
    let constants = [
        ("MESSAGE_BYTES", limits::MESSAGE_BYTES),
        ("MESSAGE_FDS", limits::MESSAGE_FDS),
        ("SEGMENTS_PER_MESSAGE", limits::SEGMENTS_PER_MESSAGE),
        ("PAGE_ENTRIES", limits::PAGE_ENTRIES),
        ("SUBSCRIPTIONS_PER_SESSION", limits::SUBSCRIPTIONS_PER_SESSION),
        ("HOLD_LIMIT", limits::HOLD_LIMIT),
        ("DEFAULT_MAX_HELD", limits::DEFAULT_MAX_HELD as usize),
        ("SEGMENT_LIMIT", limits::SEGMENT_LIMIT),
        ("MAX_SEGMENTS", limits::MAX_SEGMENTS),
        ("WINDOW_LEN", limits::WINDOW_LEN),
        ("CLIENT_NAME_BYTES", limits::CLIENT_NAME_BYTES),
        ("STREAM_NAME_BYTES", limits::STREAM_NAME_BYTES),
        ("FEATURE_NAME_BYTES", limits::FEATURE_NAME_BYTES),
        ("FEATURE_ENTRIES", limits::FEATURE_ENTRIES),
        ("DESCRIPTION_BYTES", limits::DESCRIPTION_BYTES),
        ("TEXT_BYTES", limits::TEXT_BYTES),
    ];
    let table = Table::below("Limits");
    let rows: Vec<_> = table.rows().map(|row| (row.cell("limit"), row.number("value"))).collect();
    assert_eq!(rows, constants);
    assert_eq!((limits::PROTOCOL_VERSION, limits::LAYOUT_VERSION), (1, 1), "PROTOCOL.md's second line");
}
