package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The tables of PROTOCOL.md: a struct's fields in their order, an enum's variants by their number with what they carry.
const tables = `
struct ToBroker id:u32 body:Request   struct FromBroker request:u32 body:News
enum Request Hello:Hello ListStreams:ListStreams Subscribe:Subscribe Mapped Release:Release Acquire:Acquire
	Unsubscribe:Subscription Stats:AskStats Ping Produce:Produce Features:AskFeatures GetFeature:Named SetFeature:SetFeature Execute:Named
	Control:AskControl
enum News Welcome:Welcome Streams:Streams Subscribed:Subscribed Frame:Frame Acquired:Acquired SegmentsAdded:SegmentsAdded
	Offline:Reason Online:Subscription Demoted:Reason Evicted:Reason Closed:Reason Unsubscribed:Subscription Stats:Stats
	Error:Error Pong SegmentRemoved:SegmentRemoved Producing:Producing SegmentsLent:SegmentsLent Started:Started
	SegmentWithdrawn:SegmentWithdrawn Features:Features Feature:TellFeature Control:Control
	SettingsChanged:SettingsChanged
struct Hello version:u32 name:client roles:u32
struct ListStreams from:u32
struct Subscribe stream:stream policy:AskedPolicy delivery:Delivery max_held:u32 start:Start
struct Release subscription:u32 context:context
struct Acquire subscription:u32 frame:FrameRef
struct FrameRef broker:u64 stream:stream context:context
struct Subscription subscription:u32
struct AskStats of:StatsOf from:u32
struct Produce stream:stream payload_bytes:u64 min_queued:u32 fixed_pool:bool can_pause:bool width:u32 height:u32
	pixel_format:u32 millihertz:u64 model:text serial:text
struct Welcome version:u32 broker:u64 client:u64
struct Streams streams:[]StreamInfo more:bool
struct Subscribed subscription:u32 stream:u32 policy:Policy delivery:Delivery max_held:u32 first:u64 segments:[]SegmentInfo
struct Frame subscription:u32 backing:u32 header:FrameHeader
struct Acquired backing:u32 header:FrameHeader
struct SegmentsAdded subscription:u32 segments:[]SegmentInfo
struct Reason subscription:u32 reason:text
struct Stats entries:StatsEntries more:bool
struct Error code:ErrorCode text:text
struct SegmentRemoved subscription:u32 index:u16 backing:u32
struct Producing stream:u32
struct SegmentsLent segments:[]SegmentInfo
struct Started first:u64
struct SegmentWithdrawn index:u16 backing:u32
struct AskFeatures stream:stream from:u32
struct Named stream:stream feature:feature
struct SetFeature stream:stream feature:feature value:FeatureValue
struct AskControl stream:stream sole:bool
struct Features features:[]Feature more:bool
struct TellFeature version:u32 head:u64 feature:Feature
struct Control sole:bool
struct SettingsChanged subscription:u32 version:u32 feature:feature value:FeatureValue by:text
struct Feature name:feature display_name:text description:text visibility:Visibility access:Access value:FeatureValue
	kind:FeatureKind
struct IntegerRange min:i64 max:i64 increment:i64 unit:text
struct FloatRange min:f64 max:f64 unit:text
enum Visibility Unknown Beginner Expert Guru Invisible
enum Access ReadWrite ReadOnly WriteOnly Locked NotAvailable
enum FeatureKind Integer:IntegerRange Float:FloatRange Boolean Enumeration:[]text String Command
enum FeatureValue None Integer:i64 Float:f64 Boolean:bool Text:text
struct SegmentInfo index:u16 backing:u32 bytes:u64 align:u32 path:text
struct StreamInfo name:stream id:u32 state:u32 source:text model:text serial:text width:u32 height:u32 pixel_format:u32
	millihertz:u64 content:Content backing:text shared:bool segments:u32 max_segments:u32 holds_left:u32 head:u64 producer:text
struct Timing count:u64 mean_ns:u64 max_ns:u64
struct StreamStats name:stream id:u32 total_allocated:u64 total_freed:u64 active_buffers:u64 current_bytes:u64 peak_bytes:u64
	mapped_bytes:u64 given_up_bytes:u64 max_buffers:u64 grabbed:u64 published:u64 incomplete:u64 lost_at_camera:u64 starved:u64
	overdue:u64 evicted:u64 resent_packets:u64 missing_packets:u64 failed_frames:u64 allocate:Timing publish:Timing retire:Timing
struct SegmentStats context:u32 bytes:u64 allocated_realtime_ns:u64 state:SegmentState usage_count:u64 held_by:[]Holder
	more_holders:u32
struct Holder client:u64 name:client pid:u32 uid:u32 held_ns:u64 is_overdue:bool
struct ClientStats id:u64 name:client pid:u32 uid:u32 subscriptions:[]SubscriptionStats
struct SubscriptionStats id:u32 stream:stream policy:Policy delivery:Delivery received:u64 lost:u64 skipped:u64 held:u32
	max_held:u32 longest_hold_ns:u64 overdue:u32
struct FrameHeader context:u64 usage_count:u64 camera_timestamp_ns:u64 monotonic_ns:u64 realtime_ns:u64 block_id:u64
	payload_offset:u64 payload_bytes:u64 chunk_offset:u64 chunk_bytes:u64 buffer_context:u32 width:u32 height:u32 stride:u32
	offset_x:u32 offset_y:u32 pixel_format:u32 status:u32 lost_at_camera:u32 settings_version:u32 reserved:u64
enum Policy Sequential Latest Lossless Upcoming   enum Delivery Shared Socket   enum Start Next Oldest
enum AskedPolicy Sequential Latest Lossless Upcoming OfStream
enum Content Opaque Pattern                       enum StatsOf Streams Segments:u32 Clients
enum StatsEntries Streams:[]StreamStats Segments:[]SegmentStats Clients:[]ClientStats
enum SegmentState Queued Filling Published Held Quarantined
enum ErrorCode Malformed WrongVersion NoHello Forbidden TooManyClients TooSlow UnknownStream NotAdmitted UnknownSubscription
	NotHeld Gone Full Invalid StreamClosed Unavailable Busy Breach UnknownFeature NotAccessible
	Controlled CameraFailed`

type text struct {
	limit int
	rule  *regexp.Regexp
}

var (
	structs, enums = map[string][]string{}, map[string][]string{}
	integers       = map[string]uint64{"u16": 2, "u32": 4, "u64": 8, "context": 8} // a context ID names a frame, or is malformed
	texts          = map[string]text{
		"stream":  {63, regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)},
		"client":  {63, regexp.MustCompile(`^\P{Cc}+$`)},
		"feature": {127, regexp.MustCompile(`^\P{Cc}+$`)},
		"text":    {2048, regexp.MustCompile(``)},
	}
)

func init() {
	var kind map[string][]string
	var name string
	for _, word := range strings.Fields(tables) {
		switch {
		case word == "struct":
			kind, name = structs, ""
		case word == "enum":
			kind, name = enums, ""
		case name == "":
			name = word
		default:
			kind[name] = append(kind[name], word)
		}
	}
}

// A record is a struct: its fields by name. Or an enum's variant that carries something; one that carries nothing is a string.
type record = map[string]any

// signed is as number, of an i64.
func signed(v any) int64 {
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil {
		panic(err) // as in number
	}
	return n
}

// float is as number, of an f64.
func float(v any) float64 {
	n, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		panic(err) // as in number
	}
	return n
}

// number is an integer of a record: a uint64 from a message, a json.Number from the vectors, any to be sent.
func number(v any) uint64 {
	n, err := strconv.ParseUint(fmt.Sprint(v), 10, 64)
	if err != nil {
		panic(err) // a mistake in this program: the tables have no such field
	}
	return n
}

func variant(v any) (name string, carried any) {
	if r, ok := v.(record); ok {
		for name, carried = range r {
			return name, carried
		}
	}
	name, _ = v.(string)
	return name, nil
}

// encode appends v, which is of the type that the tables call kind.
func encode(b []byte, kind string, v any) []byte {
	if size, ok := integers[kind]; ok {
		return append(b, binary.LittleEndian.AppendUint64(nil, number(v))[:size]...)
	} else if kind == "i64" {
		return binary.LittleEndian.AppendUint64(b, uint64(signed(v)))
	} else if kind == "f64" {
		return binary.LittleEndian.AppendUint64(b, math.Float64bits(float(v)))
	} else if kind == "bool" {
		return append(b, map[bool]byte{true: 1}[v.(bool)])
	} else if _, ok := texts[kind]; ok {
		return append(encode(b, "u64", len(v.(string))), v.(string)...)
	} else if strings.HasPrefix(kind, "[]") {
		b = encode(b, "u64", len(v.([]any)))
		for _, item := range v.([]any) {
			b = encode(b, kind[2:], item)
		}
		return b
	}
	for i, word := range enums[kind] {
		name, carries, _ := strings.Cut(word, ":")
		if is, carried := variant(v); is != name {
			continue
		} else if b = encode(b, "u32", i); carries != "" {
			b = encode(b, carries, carried)
		}
		return b
	}
	for _, word := range structs[kind] {
		name, is, _ := strings.Cut(word, ":")
		b = encode(b, is, v.(record)[name])
	}
	return b
}

type decoder struct {
	data []byte
	err  error // the first one; all that is read after it is zero
}

// decode takes a whole message of the type that the tables call kind.
func decode(data []byte, kind string) (record, error) {
	d := decoder{data: data}
	r := d.value(kind).(record)
	if d.fail(len(d.data) > 0, "%d bytes left over", len(d.data)); d.err != nil {
		return nil, fmt.Errorf("malformed message: %w", d.err)
	}
	return r, nil
}

func (d *decoder) fail(when bool, format string, args ...any) bool {
	if when && d.err == nil {
		d.data, d.err = nil, fmt.Errorf(format, args...)
	}
	return when
}

func (d *decoder) take(n uint64) []byte {
	if d.fail(n > uint64(len(d.data)), "%d bytes where %d are left", n, len(d.data)) {
		return nil
	}
	taken := d.data[:n]
	d.data = d.data[n:]
	return taken
}

func (d *decoder) integer(size uint64) uint64 {
	var b [8]byte
	copy(b[:], d.take(size))
	return binary.LittleEndian.Uint64(b[:])
}

func (d *decoder) value(kind string) any {
	if size, ok := integers[kind]; ok {
		n := d.integer(size)
		d.fail(kind == "context" && (n>>16 == 0 || n&0xffff >= 1024), "no frame %d", n)
		return n
	} else if kind == "i64" {
		return int64(d.integer(8))
	} else if kind == "f64" {
		return math.Float64frombits(d.integer(8))
	} else if kind == "bool" {
		b := d.integer(1)
		d.fail(b > 1, "a bool of %d", b)
		return b == 1
	} else if t, ok := texts[kind]; ok {
		s := string(d.take(d.integer(8)))
		d.fail(len(s) > t.limit || !utf8.ValidString(s) || !t.rule.MatchString(s), "%q is no %s", s, kind)
		return s
	} else if strings.HasPrefix(kind, "[]") {
		list := []any{}
		for n := d.integer(8); n > 0 && d.err == nil; n-- {
			list = append(list, d.value(kind[2:]))
		}
		return list
	} else if variants, ok := enums[kind]; ok {
		n := d.integer(4)
		if d.fail(n >= uint64(len(variants)), "%s %d is unknown", kind, n) || d.err != nil {
			return ""
		}
		name, carries, _ := strings.Cut(variants[n], ":")
		if carries == "" {
			return name
		}
		return record{name: d.value(carries)}
	}
	r := record{}
	for _, word := range structs[kind] {
		name, is, _ := strings.Cut(word, ":")
		r[name] = d.value(is)
	}
	return r
}
