"""The messages of PROTOCOL.md and their encoding.

The tables read as those of the page do. Values are written as in vectors/messages.json: a structure is a dict, a variant
its name, or {name: what it carries}.
"""
import re
import struct
import unicodedata

INTEGERS = {"u16": 2, "u32": 4, "u64": 8, "i64": 8, "context": 8}       # a context ID names a frame, or is malformed
TEXTS = {"client": 63, "stream": 63, "feature": 127, "text": 2048}       # most bytes; names have rules besides

def table(text, prefix=""):                                              # name -> [(field or variant, type)], in order
    lines = map(str.split, text.strip().splitlines())
    return {prefix + name: [(what, of) for what, _, of in (cell.partition(":") for cell in cells)] for name, *cells in lines}

CLIENT = table("""
Hello version:u32 name:client roles:u32
ListStreams from:u32
Subscribe stream:stream policy:AskedPolicy delivery:Delivery max_held:u32 start:Start
Mapped
Release subscription:u32 context:context
Acquire subscription:u32 frame:FrameRef
Unsubscribe subscription:u32
Stats of:StatsOf from:u32
Ping
Produce stream:stream payload_bytes:u64 min_queued:u32 fixed_pool:bool can_pause:bool width:u32 height:u32 pixel_format:u32 millihertz:u64 model:text serial:text
Features stream:stream from:u32
GetFeature stream:stream feature:feature
SetFeature stream:stream feature:feature value:FeatureValue
Execute stream:stream feature:feature
Control stream:stream sole:bool
""", "client ")
BROKER = table("""
Welcome version:u32 broker:u64 client:u64
Streams streams:[StreamInfo] more:bool
Subscribed subscription:u32 stream:u32 policy:Policy delivery:Delivery max_held:u32 first:u64 segments:[SegmentInfo]
Frame subscription:u32 backing:u32 header:FrameHeader
Acquired backing:u32 header:FrameHeader
SegmentsAdded subscription:u32 segments:[SegmentInfo]
Offline subscription:u32 reason:text
Online subscription:u32
Demoted subscription:u32 reason:text
Evicted subscription:u32 reason:text
Closed subscription:u32 reason:text
Unsubscribed subscription:u32
Stats entries:StatsEntries more:bool
Error code:ErrorCode text:text
Pong
SegmentRemoved subscription:u32 index:u16 backing:u32
Producing stream:u32
SegmentsLent segments:[SegmentInfo]
Started first:u64
SegmentWithdrawn index:u16 backing:u32
Features features:[Feature] more:bool
Feature version:u32 head:u64 feature:Feature
Control sole:bool
SettingsChanged subscription:u32 version:u32 feature:feature value:FeatureValue by:text
""", "broker ")
STRUCTURES = CLIENT | BROKER | table("""
FrameRef broker:u64 stream:stream context:context
SegmentInfo index:u16 backing:u32 bytes:u64 align:u32 path:text
StreamInfo name:stream id:u32 state:u32 source:text model:text serial:text width:u32 height:u32 pixel_format:u32 millihertz:u64 content:Content backing:text shared:bool segments:u32 max_segments:u32 holds_left:u32 head:u64 producer:text
FrameHeader context:u64 usage_count:u64 camera_timestamp_ns:u64 monotonic_ns:u64 realtime_ns:u64 block_id:u64 payload_offset:u64 payload_bytes:u64 chunk_offset:u64 chunk_bytes:u64 buffer_context:u32 width:u32 height:u32 stride:u32 offset_x:u32 offset_y:u32 pixel_format:u32 status:u32 lost_at_camera:u32 settings_version:u32 reserved:u64
Timing count:u64 mean_ns:u64 max_ns:u64
StreamStats name:stream id:u32 total_allocated:u64 total_freed:u64 active_buffers:u64 current_bytes:u64 peak_bytes:u64 mapped_bytes:u64 given_up_bytes:u64 max_buffers:u64 grabbed:u64 published:u64 incomplete:u64 lost_at_camera:u64 starved:u64 overdue:u64 evicted:u64 resent_packets:u64 missing_packets:u64 failed_frames:u64 allocate:Timing publish:Timing retire:Timing
SegmentStats context:u32 bytes:u64 allocated_realtime_ns:u64 state:SegmentState usage_count:u64 held_by:[Holder] more_holders:u32
Holder client:u64 name:client pid:u32 uid:u32 held_ns:u64 is_overdue:bool
ClientStats id:u64 name:client pid:u32 uid:u32 subscriptions:[SubscriptionStats]
SubscriptionStats id:u32 stream:stream policy:Policy delivery:Delivery received:u64 lost:u64 skipped:u64 held:u32 max_held:u32 longest_hold_ns:u64 overdue:u32
Feature name:feature display_name:text description:text visibility:Visibility access:Access value:FeatureValue kind:FeatureKind
IntegerRange min:i64 max:i64 increment:i64 unit:text
FloatRange min:f64 max:f64 unit:text
ToBroker id:u32 body:ClientMessage
ToClient request:u32 body:BrokerMessage
""")
ENUMERATIONS = table("""
Policy Sequential Latest Lossless Upcoming
AskedPolicy Sequential Latest Lossless Upcoming OfStream
Delivery Shared Socket
Start Next Oldest
Content Opaque Pattern
StatsOf Streams Segments:u32 Clients
StatsEntries Streams:[StreamStats] Segments:[SegmentStats] Clients:[ClientStats]
SegmentState Queued Filling Published Held Quarantined
ErrorCode Malformed WrongVersion NoHello Forbidden TooManyClients TooSlow UnknownStream NotAdmitted UnknownSubscription NotHeld Gone Full Invalid StreamClosed Unavailable Busy Breach UnknownFeature NotAccessible Controlled CameraFailed
Visibility Unknown Beginner Expert Guru Invisible
Access ReadWrite ReadOnly WriteOnly Locked NotAvailable
FeatureKind Integer:IntegerRange Float:FloatRange Boolean Enumeration:[text] String Command
FeatureValue None Integer:i64 Float:f64 Boolean:bool Text:text
""")
for enumeration, messages in ("ClientMessage", CLIENT), ("BrokerMessage", BROKER):
    ENUMERATIONS[enumeration] = [(name.split()[1], name if fields else "") for name, fields in messages.items()]


class Malformed(Exception):
    """A message that breaks the page."""


def is_legal(kind, text):
    if len(text.encode()) > TEXTS[kind]:
        return False
    if kind == "stream":
        return re.fullmatch("[A-Za-z0-9_.-]+", text) is not None
    return kind == "text" or text != "" and not any(unicodedata.category(c) == "Cc" for c in text)


def decode(kind, data, at=0):
    """The value of this type at that offset, and the offset behind it."""
    def take(size):
        if size > len(data) - at:
            raise Malformed(f"{kind}: {size} bytes at {at} exceed the message of {len(data)}")
        return data[at:at + size]
    if kind in INTEGERS:
        number = int.from_bytes(take(INTEGERS[kind]), "little", signed=kind == "i64")
        if kind == "context" and not (number >> 16 and number & 0xFFFF < 1024):
            raise Malformed(f"no frame {number}")
        return number, at + INTEGERS[kind]
    if kind == "f64":
        return struct.unpack("<d", take(8))[0], at + 8
    if kind == "bool":
        if take(1)[0] > 1:
            raise Malformed(f"bool {data[at]} at {at}")
        return data[at] == 1, at + 1
    if kind in STRUCTURES:
        values = {}
        for field, of in STRUCTURES[kind]:
            values[field], at = decode(of, data, at)
        return values, at
    if kind in ENUMERATIONS:
        number, at = decode("u32", data, at)
        if number >= len(ENUMERATIONS[kind]):
            raise Malformed(f"no {kind} {number}")
        variant, of = ENUMERATIONS[kind][number]
        if not of:
            return variant, at
        value, at = decode(of, data, at)
        return {variant: value}, at
    size, at = decode("u64", data, at)
    content = take(size)                                                 # an item of a list has a byte at least
    if kind in TEXTS:
        try:
            text = content.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"no UTF-8 at {at}") from error
        if not is_legal(kind, text):
            raise Malformed(f"{text!r} breaks the rule for {kind}")
        return text, at + size
    items = []
    for _ in range(size):
        item, at = decode(kind[1:-1], data, at)                          # kind is "[type]"
        items.append(item)
    return items, at


def decode_message(kind, data):
    message, end = decode(kind, data)
    if end != len(data):
        raise Malformed(f"{len(data) - end} bytes left over")
    return message


def encode(kind, value):
    if kind in INTEGERS:
        return value.to_bytes(INTEGERS[kind], "little", signed=kind == "i64")
    if kind == "f64":
        return struct.pack("<d", value)
    if kind == "bool":
        return bytes([value])
    if kind in STRUCTURES:
        return b"".join(encode(of, value[field]) for field, of in STRUCTURES[kind])
    if kind in ENUMERATIONS:
        name, carried = variant_of(value)
        number = [name for name, _ in ENUMERATIONS[kind]].index(name)
        of = ENUMERATIONS[kind][number][1]
        return encode("u32", number) + (encode(of, carried) if of else b"")
    if kind in TEXTS:
        if not is_legal(kind, value):
            raise ValueError(f"{value!r} breaks the rule for {kind}")
        return encode("u64", len(value.encode())) + value.encode()
    return encode("u64", len(value)) + b"".join(encode(kind[1:-1], item) for item in value)


def variant_of(value):
    """Name and content of a variant."""
    return (value, {}) if isinstance(value, str) else next(iter(value.items()))
