//! The values behind the golden messages: every variant, with values that would show a swapped or shortened field.

use framebroker_protocol::message::{
    Access, Ask, AskedPolicy, Content, Delivery, ErrorCode, Feature, FeatureKind, FeatureValue, FloatRange,
    IntegerRange, Policy, Produce, Reply, Request, Roles, SegmentInfo, Start, Stats, StatsEntries, StatsOf, StreamInfo,
    Subscribed, Tell, Visibility,
};
use framebroker_protocol::stats::{
    ClientStats, Holder, SegmentState, SegmentStats, StreamStats, SubscriptionStats, Timing,
};
use framebroker_protocol::{
    Backing, BrokerId, ClientId, ClientName, ContextId, FrameHeader, FrameRef, PROTOCOL_VERSION, PixelFormat,
    SEGMENT_LIMIT, SegmentIndex, Sequence, StreamId, StreamState, SubscriptionId, Text,
};

use crate::numbers::ERROR_CODE;

const ALICE: SubscriptionId = SubscriptionId(1);
const BOB: SubscriptionId = SubscriptionId(0x0203_0405);

/// Every message of a client, named by its variant and what is special about it.
pub fn requests() -> Vec<(&'static str, Request)> {
    let hello = |name: &str, roles| Ask::Hello { version: PROTOCOL_VERSION, name: name.parse().unwrap(), roles };
    let subscribe = |stream: &str, policy, delivery, max_held, start| Ask::Subscribe {
        stream: stream.parse().unwrap(),
        policy,
        delivery,
        max_held,
        start,
    };
    let named = |feature: &str| ("cam0".parse().unwrap(), feature.parse().unwrap());
    let set = |feature: &str, value| {
        let (stream, feature) = named(feature);
        Ask::SetFeature { stream, feature, value }
    };
    let bodies = [
        ("Hello", hello("viewer", Roles::CONSUMER)),
        ("Hello/longest-name-all-roles", hello(&format!("{}é", "n".repeat(61)), Roles::ALL)),
        ("ListStreams", Ask::ListStreams { from: 0 }),
        ("ListStreams/next-page", Ask::ListStreams { from: 32 }),
        ("Subscribe", subscribe("cam0", AskedPolicy::Sequential, Delivery::Shared, 2, Start::Next)),
        ("Subscribe/latest", subscribe("a.b-c_D9", AskedPolicy::Latest, Delivery::Socket, 1, Start::Next)),
        ("Subscribe/lossless", subscribe("s", AskedPolicy::Lossless, Delivery::Shared, 64, Start::Oldest)),
        ("Subscribe/upcoming", subscribe(&"x".repeat(63), AskedPolicy::Upcoming, Delivery::Socket, 3, Start::Next)),
        ("Mapped", Ask::Mapped),
        ("Release", Ask::Release { subscription: ALICE, context: context(77, 3) }),
        ("Release/large", Ask::Release { subscription: BOB, context: context((1 << 48) - 1, SEGMENT_LIMIT - 1) }),
        ("Acquire", Ask::Acquire { subscription: BOB, frame: address(context(0x0102_0304, 5)) }),
        ("Unsubscribe", Ask::Unsubscribe { subscription: BOB }),
        ("Stats/streams", Ask::Stats { of: StatsOf::Streams, from: 0 }),
        ("Stats/segments", Ask::Stats { of: StatsOf::Segments(StreamId(0x0a0b_0c0d)), from: 32 }),
        ("Stats/clients", Ask::Stats { of: StatsOf::Clients, from: u32::MAX }),
        ("Ping", Ask::Ping),
        ("Produce", Ask::Produce(produce())),
        ("Subscribe/of-stream", subscribe("cam0", AskedPolicy::OfStream, Delivery::Shared, 2, Start::Next)),
        ("Features", Ask::Features { stream: "cam0".parse().unwrap(), from: 0x0102_0304 }),
        ("GetFeature", {
            let (stream, feature) = named("ExposureTime");
            Ask::GetFeature { stream, feature }
        }),
        ("SetFeature/integer", set("Width", FeatureValue::Integer(-0x0102_0304_0506_0708))),
        ("SetFeature/float", set("ExposureTime", FeatureValue::Float(5000.25))),
        ("SetFeature/boolean", set("ReverseX", FeatureValue::Boolean(true))),
        ("SetFeature/text", set("PixelFormat", FeatureValue::from("Mono8"))),
        ("Execute", {
            let (stream, feature) = named("TriggerSoftware");
            Ask::Execute { stream, feature }
        }),
        ("Control/take", Ask::Control { stream: "cam0".parse().unwrap(), sole: true }),
        ("Control/give-back", Ask::Control { stream: "cam0".parse().unwrap(), sole: false }),
    ];
    let numbered = bodies.into_iter().zip(1..).map(|((name, body), id)| {
        let unanswered = matches!(body, Ask::Mapped | Ask::Release { .. });
        (name, Request { id: if unanswered { 0 } else { id }, body })
    });
    numbered.chain([("Ping/largest-id", Request { id: u32::MAX, body: Ask::Ping })]).collect()
}

/// Every message of the broker, named by its variant and what is special about it.
pub fn replies() -> Vec<(String, Reply)> {
    let answer = |name: &str, request, body| (name.to_owned(), Reply { request, body });
    let news = |name: &str, body| answer(name, 0, body);
    let mut replies = vec![
        answer(
            "Welcome",
            1,
            Tell::Welcome {
                version: PROTOCOL_VERSION,
                broker: BrokerId(0xfedc_ba98_7654_3210),
                client: ClientId(0x0102_0304_0506),
            },
        ),
        answer("Streams/none", 2, Tell::Streams { streams: Vec::new(), more: false }),
        answer("Streams", 3, Tell::Streams { streams: streams(), more: true }),
        answer("Subscribed", 4, Tell::Subscribed(subscribed(Policy::Sequential, Delivery::Shared))),
        answer("Subscribed/latest", 5, Tell::Subscribed(subscribed(Policy::Latest, Delivery::Socket))),
        answer("Subscribed/lossless", 6, Tell::Subscribed(subscribed(Policy::Lossless, Delivery::Shared))),
        answer("Subscribed/upcoming", 7, Tell::Subscribed(subscribed(Policy::Upcoming, Delivery::Socket))),
        news("Frame", Tell::Frame { subscription: BOB, backing: Backing(0x1112_1314), header: headers()[0].1 }),
        answer("Acquired", 8, Tell::Acquired { backing: Backing(7), header: headers()[1].1 }),
        news("SegmentsAdded", Tell::SegmentsAdded { subscription: ALICE, segments: segments(60) }),
        news("Offline", Tell::Offline { subscription: BOB, reason: Text::cut("the camera was unplugged") }),
        news("Online", Tell::Online { subscription: BOB }),
        news("Demoted", Tell::Demoted { subscription: BOB, reason: Text::cut("langsam: 3 µs zu spät") }),
        news("Evicted", Tell::Evicted { subscription: BOB, reason: Text::cut("it held a frame for too long") }),
        news("Closed", Tell::Closed { subscription: BOB, reason: Text::cut("") }),
        answer("Unsubscribed", 9, Tell::Unsubscribed { subscription: BOB }),
        answer("Pong", u32::MAX, Tell::Pong),
        answer("Producing", 13, Tell::Producing { stream: StreamId(0x0a0b_0c0d) }),
        news("SegmentsLent", Tell::SegmentsLent { segments: segments(1) }),
        news("Started", Tell::Started { first: Sequence(0x0001_0203_0405) }),
        news(
            "SegmentWithdrawn",
            Tell::SegmentWithdrawn { index: SegmentIndex::new(3).unwrap(), backing: Backing(0x1112_1314) },
        ),
        news(
            "SegmentRemoved",
            Tell::SegmentRemoved {
                subscription: BOB,
                index: SegmentIndex::new(3).unwrap(),
                backing: Backing(0x1112_1314),
            },
        ),
    ];
    let features = features();
    replies.extend(features.iter().map(|feature| {
        let name = format!("Feature/{}", feature.kind.name());
        answer(
            &name,
            13,
            Tell::Feature { version: 0x0102_0304, head: Sequence(0x0506_0708_090a_0b0c), feature: feature.clone() },
        )
    }));
    replies.push(answer("Features", 14, Tell::Features { features, more: true }));
    replies.push(answer("Control", 15, Tell::Control { sole: true }));
    let (feature, by) = ("Gain".parse().unwrap(), Text::cut("framectl set, pid 4711"));
    let change = Tell::SettingsChanged { subscription: BOB, version: 7, feature, value: 0.5.into(), by };
    replies.push(news("SettingsChanged", change));
    replies.extend(statistics().map(|(name, entries, more)| answer(name, 10, Tell::Stats(Stats { entries, more }))));
    replies.extend(ERROR_CODE.iter().map(|name| {
        let code: ErrorCode = serde_json::from_value((*name).into()).unwrap();
        answer(&format!("Error/{name}"), 11, Tell::Error { code, text: Text::cut("what to do") })
    }));
    let longest = Tell::Error { code: ErrorCode::Invalid, text: Text::cut("é".repeat(2000)) };
    replies.push(answer("Error/longest-text", 12, longest));
    replies
}

fn produce() -> Produce {
    Produce {
        stream: "cam0".parse().unwrap(),
        payload_bytes: 0x0102_0304,
        min_queued: 3,
        fixed_pool: true,
        can_pause: false,
        width: 1936,
        height: 1216,
        pixel_format: PixelFormat::BAYER_RG12_PACKED,
        millihertz: 41_667,
        model: Text::cut("Basler acA1920-40gm"),
        serial: Text::cut("12345678"),
    }
}

/// Frame headers: each field has a value of its own; and the extremes.
pub fn headers() -> [(&'static str, FrameHeader); 3] {
    let plain = FrameHeader {
        context: context(77, 3).as_u64(),
        usage_count: 0x0201,
        camera_timestamp_ns: 0x0302,
        monotonic_ns: 1_234_567_890_123,
        realtime_ns: 1_700_000_000_000_000_001,
        block_id: 0x0605,
        payload_offset: 0,
        payload_bytes: 1920 * 1080,
        chunk_offset: 1920 * 1080,
        chunk_bytes: 64,
        buffer_context: 1003,
        width: 1920,
        height: 1080,
        stride: 1920,
        offset_x: 8,
        offset_y: 16,
        pixel_format: PixelFormat::MONO8,
        status: 0,
        lost_at_camera: 0,
        settings_version: 0,
        reserved: 0,
    };
    let incomplete = FrameHeader {
        context: context(0x0102_0304, 5).as_u64(),
        pixel_format: PixelFormat::MONO12P,
        width: 3,
        height: 3,
        stride: 0,
        payload_bytes: 14,
        chunk_offset: 14,
        chunk_bytes: 0,
        buffer_context: 1005,
        status: 1,
        lost_at_camera: 4,
        settings_version: 9,
        ..plain
    };
    let largest = FrameHeader {
        context: context((1 << 48) - 1, SEGMENT_LIMIT - 1).as_u64(),
        usage_count: u64::MAX,
        block_id: u64::MAX,
        payload_bytes: 1 << 40,
        chunk_offset: 1 << 40,
        buffer_context: 2023,
        width: u32::MAX,
        height: 0xfeff_fffe,
        pixel_format: PixelFormat::from_code(0x8000_0001),
        ..plain
    };
    [("plain", plain), ("incomplete", incomplete), ("largest", largest)]
}

pub fn address(context: ContextId) -> FrameRef {
    FrameRef { broker: BrokerId(0x0102_0304_0506_0708), stream: "cam0".parse().unwrap(), context }
}

pub fn context(sequence: u64, segment: usize) -> ContextId {
    ContextId::new(Sequence(sequence), SegmentIndex::new(segment).unwrap())
}

fn subscribed(policy: Policy, delivery: Delivery) -> Subscribed {
    let (subscription, stream) = (BOB, StreamId(7));
    let segments = segments(2);
    Subscribed { subscription, stream, policy, delivery, max_held: 2, first: Sequence(0x0001_0203_0405), segments }
}

fn segments(count: usize) -> Vec<SegmentInfo> {
    let info = |at: usize| SegmentInfo {
        index: SegmentIndex::new(SEGMENT_LIMIT - 1 - at).unwrap(),
        backing: Backing(u32::try_from(at).unwrap() + 1),
        bytes: 4096 * (at as u64 + 1),
        align: 64 << (at % 16),
        path: Text::cut(if at == 1 { "/dev/shm/framebroker-fedcba9876543210-cam0-2-1022" } else { "" }),
    };
    (0..count).map(info).collect()
}

fn streams() -> Vec<StreamInfo> {
    let camera = StreamInfo {
        name: "cam0".parse().unwrap(),
        id: StreamId(1),
        state: StreamState::Live,
        source: Text::cut("aravis"),
        model: Text::cut("Basler acA1920-40gm"),
        serial: Text::cut("12345678"),
        width: 1936,
        height: 1216,
        pixel_format: PixelFormat::BAYER_RG12_PACKED,
        millihertz: 41_667,
        content: Content::Opaque,
        backing: Text::cut("hugetlb"),
        shared: true,
        segments: 8,
        max_segments: 64,
        holds_left: 62,
        head: Sequence(0x0001_0203_0405),
        producer: Text::cut(""),
    };
    let pattern = StreamInfo {
        name: "test".parse().unwrap(),
        id: StreamId(2),
        state: StreamState::Offline,
        source: Text::cut("pattern"),
        model: Text::cut("test pattern"),
        serial: Text::cut(""),
        millihertz: 0,
        content: Content::Pattern,
        backing: Text::cut("posix"),
        shared: false,
        head: Sequence(0),
        ..camera.clone()
    };
    let produced = StreamInfo {
        name: "made".parse().unwrap(),
        id: StreamId(3),
        source: Text::cut("producer"),
        producer: Text::cut("grabber, pid 4711"),
        ..camera.clone()
    };
    vec![camera, pattern, produced]
}

/// One of each kind, visibility and access.
fn features() -> Vec<Feature> {
    let unit = Text::cut("µs");
    let entries = ["Mono8", "BayerRG12p"];
    let integer = IntegerRange { min: -16, max: i64::MAX, increment: 4, unit: Text::cut("") };
    let kinds = [
        (FeatureKind::Integer(integer), FeatureValue::Integer(-12), Access::ReadWrite, Visibility::Beginner),
        (
            FeatureKind::Float(FloatRange { min: 10.5, max: 1_000_000.5, unit }),
            5000.25.into(),
            Access::Locked,
            Visibility::Expert,
        ),
        (FeatureKind::Boolean, true.into(), Access::ReadOnly, Visibility::Guru),
        (FeatureKind::enumeration(entries), "Mono8".into(), Access::ReadWrite, Visibility::Invisible),
        (FeatureKind::String, FeatureValue::None, Access::NotAvailable, Visibility::Unknown),
        (FeatureKind::Command, FeatureValue::None, Access::WriteOnly, Visibility::Beginner),
    ];
    let feature = |(kind, value, access, visibility): (FeatureKind, _, _, _)| Feature {
        name: format!("Test{}", kind.name()).parse().unwrap(),
        display_name: Text::cut("Belichtung"),
        description: Text::cut("what it is for"),
        visibility,
        access,
        value,
        kind,
    };
    kinds.into_iter().map(feature).collect()
}

fn statistics() -> impl Iterator<Item = (&'static str, StatsEntries, bool)> {
    [
        ("Stats/streams", StatsEntries::Streams(vec![stream_stats()]), false),
        ("Stats/segments", StatsEntries::Segments(segment_stats()), true),
        ("Stats/clients", StatsEntries::Clients(vec![client_stats()]), false),
        ("Stats/no-entries", StatsEntries::Segments(Vec::new()), false),
    ]
    .into_iter()
}

fn stream_stats() -> StreamStats {
    let timing = |count| Timing { count, mean_ns: count + 1, max_ns: count + 2 };
    StreamStats {
        name: "cam0".parse().unwrap(),
        id: StreamId(1),
        total_allocated: 12,
        total_freed: 4,
        active_buffers: 8,
        current_bytes: 16_588_800,
        peak_bytes: 24_883_200,
        mapped_bytes: 16_613_376,
        given_up_bytes: 2_073_600,
        max_buffers: 64,
        grabbed: 1001,
        published: 1002,
        incomplete: 1003,
        lost_at_camera: 1004,
        starved: 1005,
        overdue: 1009,
        evicted: 1010,
        resent_packets: 1006,
        missing_packets: 1007,
        failed_frames: 1008,
        allocate: timing(10),
        publish: timing(20),
        retire: timing(30),
    }
}

fn segment_stats() -> Vec<SegmentStats> {
    use SegmentState::{Filling, Held, Published, Quarantined, Queued};
    let name: ClientName = "viewer".parse().unwrap();
    let holder = |is_overdue| {
        let (client, name, held_ns) = (ClientId(5), name.clone(), 2_000_000_001);
        Holder { client, name, pid: 4711, uid: 1000, held_ns, is_overdue }
    };
    let stats = |(state, at): (SegmentState, u32)| SegmentStats {
        context: 1000 + at,
        bytes: 2_073_600,
        allocated_realtime_ns: 1_700_000_000_000_000_001,
        state,
        usage_count: 125 + u64::from(at),
        held_by: if state == Held { vec![holder(false), holder(true)] } else { Vec::new() },
        more_holders: if state == Held { 3 } else { 0 },
    };
    [Queued, Filling, Published, Held, Quarantined].into_iter().zip(0..).map(stats).collect()
}

fn client_stats() -> ClientStats {
    let subscription = |id, policy, delivery| SubscriptionStats {
        id: SubscriptionId(id),
        stream: "cam0".parse().unwrap(),
        policy,
        delivery,
        received: 100,
        lost: 101,
        skipped: 102,
        held: 1,
        max_held: 2,
        longest_hold_ns: 3_000_000_001,
        overdue: 1,
    };
    ClientStats {
        id: ClientId(5),
        name: "viewer".parse().unwrap(),
        pid: 4711,
        uid: 1000,
        subscriptions: vec![
            subscription(1, Policy::Latest, Delivery::Socket),
            subscription(2, Policy::Sequential, Delivery::Shared),
        ],
    }
}
