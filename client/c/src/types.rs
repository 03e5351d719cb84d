//! The structures and constants of the header.

#![allow(clippy::struct_excessive_bools, reason = "facts that a C program asks for one by one")]

use std::ffi::c_char;

pub use chunks::*;
pub use figures::*;
pub use producing::*;
pub use settings::*;
pub use syncing::*;

mod chunks;
mod figures;
mod producing;
mod settings;
mod syncing;

/// A connection to a broker, for questions and for subscribing. A handle: not an address, do not follow it.
#[derive(Debug)]
pub struct fb_broker {
    _opaque: (),
}

/// Frames of one stream, on a connection of its own. A handle: not an address, do not follow it.
#[derive(Debug)]
pub struct fb_subscription {
    _opaque: (),
}

/// A frame that is held: its bytes stay as they are until it is released. A handle: not an address, do not follow it.
#[derive(Debug)]
pub struct fb_frame {
    _opaque: (),
}

/// For what takes a time-out: wait as long as it takes.
pub const FB_FOREVER: i64 = -1;
/// Bytes of a name in a structure, with its NUL.
pub const FB_NAME_BYTES: usize = 64;
/// Bytes of a text in a structure, with its NUL; longer texts are cut.
pub const FB_TEXT_BYTES: usize = 256;

/// Which frames a subscription gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_policy {
    /// The stream's own, which is sequential but for the broker's --grab-strategy. fb_subscription_describe tells which.
    FB_POLICY_OF_STREAM = 0,
    /// All in order; those that were retired too early are counted lost.
    FB_POLICY_SEQUENTIAL = 1,
    /// The newest; those passed over are counted skipped.
    FB_POLICY_LATEST = 2,
    /// All in order, and a source that can pause waits, within the broker's --lossless-timeout.
    FB_POLICY_LOSSLESS = 3,
    /// The first that is published after the call; those before are counted skipped.
    FB_POLICY_UPCOMING = 4,
}

/// By which way frames come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_delivery {
    /// Through the ring in shared memory: nothing is sent per frame. The fast one.
    FB_DELIVERY_SHARED = 0,
    /// A message each, up to max_held ahead. The only one for segments of --backing posix.
    FB_DELIVERY_SOCKET = 1,
}

/// With which frame a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_start {
    /// The first that is published from now on.
    FB_START_NEXT = 0,
    /// The oldest that can still be read.
    FB_START_OLDEST = 1,
}

/// How fb_subscription_next waits for a shared delivery: less latency for more processor time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_wait_mode {
    /// Sleeps. Costs nothing while it waits.
    FB_WAIT_BLOCK = 0,
    /// Looks without pause: lowest latency, a whole core.
    FB_WAIT_SPIN = 1,
    /// Looks for spin_ns, then sleeps.
    FB_WAIT_SPIN_THEN_BLOCK = 2,
    /// Sleeps until lead_ns before the next frame is due, then looks, until patience_ns after: for cameras with a steady
    /// rate.
    FB_WAIT_PREDICTIVE = 3,
}

/// Whether frames can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_state {
    /// The camera is away; the stream goes on when it is back.
    FB_STATE_OFFLINE = 0,
    /// Frames come.
    FB_STATE_LIVE = 1,
    /// No more frames come; the next call that finds none says why.
    FB_STATE_CLOSED = 2,
}

/// How to connect. Begin with FB_INIT(fb_connect_options): 0 and NULL stand for the defaults.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_connect_options {
    /// sizeof(fb_connect_options); FB_INIT sets it.
    pub struct_size: usize,
    /// The broker's socket. NULL: the variable FRAMEBROKER_SOCKET, else the first of $XDG_RUNTIME_DIR/framebroker.sock,
    /// /run/framebroker/broker.sock and /tmp/framebroker-$UID/broker.sock on which a broker answers.
    pub socket: *const c_char,
    /// What this client is called in statistics and logs; cut to 63 bytes. NULL: the program's name.
    pub name: *const c_char,
    /// Users whose brokers are trusted, beside one's own user and root. Whom you trust here can change frames while you
    /// read them.
    pub server_uids: *const u32,
    /// How many server_uids.
    pub server_uid_count: usize,
    /// How long connecting to a broker that is there, and every answer, may take, in ms. 0: 5000.
    pub timeout_ms: u64,
    /// Not 0: this connection may change camera settings (fb_feature_set_…, fb_feature_execute, fb_control_take). The broker
    /// must allow it: its own user always may. Reading settings, and subscribing, need it not.
    pub control: u32,
    /// Frames of one stream that fb_broker_acquire may hold at once, 1 to 64. 0: 2.
    pub max_acquired: u32,
    /// How long fb_broker_connect waits for a broker that is not there yet, in ms; FB_FOREVER: as long as it takes. 0: not at all.
    pub wait_ms: i64,
}

/// The terms of a subscription. Begin with FB_INIT(fb_subscribe_options): 0 stands for the default everywhere.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_subscribe_options {
    /// sizeof(fb_subscribe_options); FB_INIT sets it.
    pub struct_size: usize,
    /// An fb_policy: which frames come. Default: FB_POLICY_OF_STREAM.
    pub policy: u32,
    /// An fb_delivery: by which way frames come. Default: FB_DELIVERY_SHARED.
    pub delivery: u32,
    /// Frames that may be held at once, 1 to 64. Default: 2. Every hold costs the broker a segment.
    pub max_held: u32,
    /// An fb_start: with which frame it begins. Default: FB_START_NEXT.
    pub start: u32,
    /// An fb_wait_mode: how fb_subscription_next waits. Default: FB_WAIT_BLOCK.
    pub wait_mode: u32,
    /// Not 0: goes on with the next broker when this one dies or ends. Sequences and context IDs begin anew with each.
    pub reconnect: u32,
    /// For FB_WAIT_SPIN_THEN_BLOCK, in ns. Default: 50000.
    pub spin_ns: u64,
    /// For FB_WAIT_PREDICTIVE: looks so long before the next frame is due, in ns. Default: 150000.
    pub lead_ns: u64,
    /// For FB_WAIT_PREDICTIVE: sleeps again so long after, if the frame is late, in ns. Default: 100000.
    pub patience_ns: u64,
}

/// A connection.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_broker_info {
    /// sizeof(fb_broker_info); FB_INIT sets it.
    pub struct_size: usize,
    /// Which run of a broker this is: a broker started anew has another.
    pub broker_id: u64,
    /// Names this connection in the broker's statistics.
    pub client_id: u64,
    /// The broker's process; 0 where it is in a PID namespace that cannot be seen from here.
    pub pid: i32,
    /// The socket on which the broker answered.
    pub socket: [c_char; FB_TEXT_BYTES],
}

/// A stream. Every frame has its own geometry: that of the stream may change while it runs.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_stream_info {
    /// sizeof(fb_stream_info); FB_INIT sets it.
    pub struct_size: usize,
    /// Its name, to subscribe with.
    pub name: [c_char; FB_NAME_BYTES],
    /// Kind of source: "pattern", "aravis", …
    pub source: [c_char; FB_TEXT_BYTES],
    /// Vendor and model.
    pub model: [c_char; FB_TEXT_BYTES],
    /// Serial number, empty for none.
    pub serial: [c_char; FB_TEXT_BYTES],
    /// What backs its segments: "memfd", "hugetlb", "posix", …
    pub backing: [c_char; FB_TEXT_BYTES],
    /// Newest sequence; 0 before the first.
    pub head: u64,
    /// Nominal frames per second in thousandths; 0 unknown.
    pub millihertz: u64,
    /// Its number in the broker.
    pub id: u32,
    /// An fb_state.
    pub state: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// PFNC code: an fb_pixel_format, or one that is not listed there.
    pub pixel_format: u32,
    /// Segments now.
    pub segments: u32,
    /// Segments it may grow to.
    pub max_segments: u32,
    /// Holds that can still be granted, growth included.
    pub holds_left: u32,
    /// Whether FB_DELIVERY_SHARED is granted.
    pub is_shared: bool,
    /// Whether every byte of its frames follows the test pattern that PROTOCOL.md specifies.
    pub is_pattern: bool,
    /// Source "producer": who fills its segments, for people; empty while nobody does.
    pub producer: [c_char; FB_TEXT_BYTES],
}

/// How often the broker did something, and how long it took. A part of other structures: it has no size of its own, and never grows.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_timing {
    /// How often.
    pub count: u64,
    /// The mean, in ns; 0 if it was never done.
    pub mean_ns: u64,
    /// The longest, in ns.
    pub max_ns: u64,
}

/// Figures of a stream, as the broker counts them. Bytes are payload asked for, mapped_bytes what it takes in pages.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_stream_stats {
    /// sizeof(fb_stream_stats); FB_INIT sets it.
    pub struct_size: usize,
    /// The stream's name.
    pub name: [c_char; FB_NAME_BYTES],
    /// Segments ever allocated.
    pub total_allocated: u64,
    /// Segments freed.
    pub total_freed: u64,
    /// Segments now.
    pub active_buffers: u64,
    /// Segments the stream may grow to.
    pub max_buffers: u64,
    /// Payload bytes of the segments now.
    pub current_bytes: u64,
    /// The most payload bytes at any time.
    pub peak_bytes: u64,
    /// Bytes of the segments' pages now.
    pub mapped_bytes: u64,
    /// Payload bytes of segments that were given up because a living process may still read them.
    pub given_up_bytes: u64,
    /// Frames the source delivered.
    pub grabbed: u64,
    /// Frames published.
    pub published: u64,
    /// Frames of which a part was lost on the way.
    pub incomplete: u64,
    /// Frames lost between camera and broker.
    pub lost_at_camera: u64,
    /// Frames dropped because no segment was free.
    pub starved: u64,
    /// Holds that became older than the broker's --lease.
    pub overdue: u64,
    /// Subscriptions that were ended for such a hold.
    pub evicted: u64,
    /// Packets asked for again.
    pub resent_packets: u64,
    /// Packets that never came.
    pub missing_packets: u64,
    /// Frames the driver gave up.
    pub failed_frames: u64,
    /// Allocating a segment.
    pub allocate: fb_timing,
    /// Publishing a frame.
    pub publish: fb_timing,
    /// Retiring a frame, to fill its segment again.
    pub retire: fb_timing,
}

/// A subscription as it is now.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_subscription_info {
    /// sizeof(fb_subscription_info); FB_INIT sets it.
    pub struct_size: usize,
    /// The stream's name.
    pub stream: [c_char; FB_NAME_BYTES],
    /// Frames received. received + lost + skipped is the number of frames published since the first the subscription could
    /// have got, up to the one taken last.
    pub received: u64,
    /// Frames that were retired before they were taken.
    pub lost: u64,
    /// Frames passed over by policy.
    pub skipped: u64,
    /// How often it went on at another broker.
    pub reconnects: u64,
    /// Which run of a broker the frames come from.
    pub broker_id: u64,
    /// An fb_state.
    pub state: u32,
    /// The fb_policy in force: FB_POLICY_SEQUENTIAL after a demotion from FB_POLICY_LOSSLESS.
    pub policy: u32,
    /// An fb_delivery.
    pub delivery: u32,
    /// Frames that may be held at once.
    pub max_held: u32,
    /// Frames that are held now.
    pub held: u32,
    /// Whether the broker no longer waits for this lossless subscription: from then on it may lose frames.
    pub is_demoted: bool,
    /// Why the camera is away; empty if it is not, or if nothing is known.
    pub offline_reason: [c_char; FB_TEXT_BYTES],
    /// Why the broker no longer waits; empty if it does.
    pub demotion_reason: [c_char; FB_TEXT_BYTES],
}

/// A segment as it is mapped in this process, read-only: to register it with a GPU once, not frame by frame.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_segment {
    /// sizeof(fb_segment); FB_INIT sets it.
    pub struct_size: usize,
    /// Where the mapping begins. It keeps its address while it is listed, and while a frame in it is held.
    pub address: *const u8,
    /// Bytes mapped.
    pub length: usize,
    /// 1000 + index of the segment, as in fb_frame_info.
    pub buffer_context: u32,
    /// Which object backs it: another one under the same buffer context has another number, and another address.
    pub backing: u32,
}

/// Bytes of a frame's address as a text, with its NUL.
pub const FB_FRAME_REF_TEXT_BYTES: usize = 104;

/// The address of a frame, which names it among the frames of all streams and brokers. Plain bytes of a fixed size: send it
/// through a pipe, keep it in shared memory. It has no size of its own, and never grows.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_frame_ref {
    /// The run of the broker that the frame is of.
    pub broker_id: u64,
    /// Its context ID.
    pub context: u64,
    /// Its stream's name.
    pub stream: [c_char; FB_NAME_BYTES],
}

/// All that is known about a frame, and where its bytes are. Units: pixels, bytes, nanoseconds.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_frame_info {
    /// sizeof(fb_frame_info); FB_INIT sets it.
    pub struct_size: usize,
    /// The image: rows of stride bytes from top to bottom. Read-only memory: writing there is a segmentation fault. Valid
    /// until fb_frame_release.
    pub data: *const u8,
    /// Bytes of image.
    pub data_bytes: usize,
    /// The chunk data the camera sent behind the image; NULL if it sent none. Read-only and valid as data.
    pub chunk: *const u8,
    /// Bytes of chunk data.
    pub chunk_bytes: usize,
    /// Names this frame in its stream and the life of its broker, in every process: sequence << 16 | segment.
    /// fb_frame_reference gives what names it everywhere.
    pub context: u64,
    /// The frame's number in its stream: 1, 2, 3, … Gaps are frames that this subscription did not get.
    pub sequence: u64,
    /// How many times this segment was published, this frame included.
    pub usage_count: u64,
    /// The camera's own clock; 0 where it has none.
    pub camera_timestamp_ns: u64,
    /// CLOCK_MONOTONIC of this machine when the frame was complete in memory.
    pub monotonic_ns: u64,
    /// CLOCK_REALTIME of this machine at the same moment.
    pub realtime_ns: u64,
    /// The camera's block ID; 0 where it has none.
    pub block_id: u64,
    /// Where the image begins in its segment.
    pub payload_offset: u64,
    /// Where the chunk data begin in their segment; 0 if there are none.
    pub chunk_offset: u64,
    /// 1000 + index of the segment the frame lies in.
    pub buffer_context: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from row to row; 0 for packed formats whose rows do not begin on a byte.
    pub stride: u32,
    /// Where the image lies on the sensor.
    pub offset_x: u32,
    /// Where the image lies on the sensor.
    pub offset_y: u32,
    /// PFNC code: an fb_pixel_format, or one that is not listed there.
    pub pixel_format: u32,
    /// Frames lost between camera and broker since the frame before.
    pub lost_at_camera: u32,
    /// Raised by every change of a camera setting. A frame with the version of a change (fb_setting, fb_settings_change), or
    /// a later one, was exposed after it: fb_frame_is_exposed_with. Up to three frames that arrive right after a change keep
    /// the version before, none where the camera exposes for software triggers only.
    pub settings_version: u32,
    /// Whether every packet of the frame arrived.
    pub is_complete: bool,
}
