//! The structures of synced subscriptions.

/// Several subscriptions, whose frames come in sets that belong together. A handle: not an address, do not follow it.
#[derive(Debug)]
pub struct fb_synced {
    _opaque: (),
}

/// What makes frames of several streams belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_sync_by {
    /// The time at which they were complete in this machine's memory (monotonic_ns). Works with every camera, and knows
    /// nothing of how long a frame was on its way.
    FB_SYNC_ARRIVAL = 0,
    /// The cameras' own times (camera_timestamp_ns): for cameras whose clocks are set by one another (PTP), and recordings
    /// of them.
    FB_SYNC_CAMERA_TIME = 1,
    /// The same block_id: for cameras that are started together and triggered by one signal.
    FB_SYNC_BLOCK_ID = 2,
}

/// How frames are matched. Begin with FB_INIT(fb_sync_options); tolerance_ns is needed but for FB_SYNC_BLOCK_ID.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_sync_options {
    /// sizeof(fb_sync_options); FB_INIT sets it.
    pub struct_size: usize,
    /// How far apart the frames of a set may be, in ns. Should be below half the time between two frames: else a frame may be
    /// matched with a neighbour's partner. 0 with FB_SYNC_BLOCK_ID, where numbers are the same or not.
    pub tolerance_ns: u64,
    /// How long the first frame of a set waits for the others, in ns. 0: 500000000.
    pub patience_ns: u64,
    /// An fb_sync_by. Default: FB_SYNC_ARRIVAL.
    pub by: u32,
    /// Not 0: a set in which a stream has no frame is handed out too. Default: it is given back and counted.
    pub deliver_incomplete: u32,
}

/// A set of frames.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_set_info {
    /// sizeof(fb_set_info); FB_INIT sets it.
    pub struct_size: usize,
    /// How far apart its frames are, in ns: at most the tolerance, 0 where they are matched by block ID.
    pub skew_ns: u64,
    /// How many streams have a frame in it.
    pub frame_count: usize,
    /// Whether every stream has.
    pub is_complete: bool,
}

/// What was matched so far.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_sync_stats {
    /// sizeof(fb_sync_stats); FB_INIT sets it.
    pub struct_size: usize,
    /// Sets with a frame of every stream.
    pub complete: u64,
    /// Sets without: given back, or handed out, as was asked for.
    pub incomplete: u64,
    /// The mean skew of complete sets, in ns; 0 before the first.
    pub mean_skew_ns: u64,
    /// The largest skew of a complete set, in ns.
    pub max_skew_ns: u64,
    /// How many streams there are.
    pub stream_count: usize,
}
