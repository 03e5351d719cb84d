//! The structures of figures: segments and who holds them, clients and their subscriptions.

use std::ffi::c_char;

use super::FB_NAME_BYTES;

/// Holders of a segment that are told one by one.
pub const FB_HOLDERS: usize = 8;

/// What a segment is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_segment_state {
    /// With the source, behind the one that is filled; or waiting for the source.
    FB_SEGMENT_QUEUED = 0,
    /// The source writes it, or will write it next.
    FB_SEGMENT_FILLING = 1,
    /// Readable, held by nobody.
    FB_SEGMENT_PUBLISHED = 2,
    /// Readable and held.
    FB_SEGMENT_HELD = 3,
    /// Held by a subscription that was ended while it read; never filled again.
    FB_SEGMENT_QUARANTINED = 4,
}

/// Who holds a frame. A part of other structures: it has no size of its own, and never grows.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_holder {
    /// Its connection, as in fb_broker_info and fb_client_stats.
    pub client_id: u64,
    /// For how long, as the broker has seen it.
    pub held_ns: u64,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Whether that is longer than the broker's --lease.
    pub is_overdue: bool,
    /// What it is called.
    pub name: [c_char; FB_NAME_BYTES],
}

/// A segment of a stream, as the broker sees it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_segment_stats {
    /// sizeof(fb_segment_stats); FB_INIT sets it.
    pub struct_size: usize,
    /// Payload bytes.
    pub bytes: u64,
    /// CLOCK_REALTIME when it was allocated.
    pub allocated_realtime_ns: u64,
    /// Times it was published.
    pub usage_count: u64,
    /// 1000 + index of the segment, as in fb_frame_info.
    pub buffer_context: u32,
    /// An fb_segment_state.
    pub state: u32,
    /// Who holds its frame: holder_count of them are set.
    pub holders: [fb_holder; FB_HOLDERS],
    /// How many holders are told.
    pub holder_count: u32,
    /// How many more there are.
    pub more_holders: u32,
}

/// A connection to the broker. A process has one for its questions and one for each subscription.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_client_stats {
    /// sizeof(fb_client_stats); FB_INIT sets it.
    pub struct_size: usize,
    /// Names the connection.
    pub client_id: u64,
    /// Its process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// How many subscriptions it has: see fb_broker_subscriptions.
    pub subscription_count: u32,
    /// What it is called.
    pub name: [c_char; FB_NAME_BYTES],
}

/// A subscription of any client, as the broker sees it.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_subscription_stats {
    /// sizeof(fb_subscription_stats); FB_INIT sets it.
    pub struct_size: usize,
    /// Whose it is.
    pub client_id: u64,
    /// Frames received.
    pub received: u64,
    /// Frames that were retired before they were taken.
    pub lost: u64,
    /// Frames passed over by policy.
    pub skipped: u64,
    /// The longest hold, those that stand included.
    pub longest_hold_ns: u64,
    /// Its number.
    pub id: u32,
    /// The fb_policy in force.
    pub policy: u32,
    /// An fb_delivery.
    pub delivery: u32,
    /// Frames that are held now.
    pub held: u32,
    /// Frames that may be held at once.
    pub max_held: u32,
    /// Holds older than the broker's --lease.
    pub overdue: u32,
    /// The process whose it is.
    pub pid: u32,
    /// The user whose it is.
    pub uid: u32,
    /// The client's name.
    pub name: [c_char; FB_NAME_BYTES],
    /// The stream's name.
    pub stream: [c_char; FB_NAME_BYTES],
}
