//! The structures of camera settings, and the values that settings and chunks have.

use std::ffi::c_char;

use super::FB_TEXT_BYTES;

/// A list of features, as they were when it was read. A handle: not an address, do not follow it.
#[derive(Debug)]
pub struct fb_features {
    _opaque: (),
}

/// Bytes of a feature's name in a structure, with its NUL.
pub const FB_FEATURE_BYTES: usize = 128;
/// Bytes of what a camera says of a feature, with its NUL.
pub const FB_DESCRIPTION_BYTES: usize = 1025;
/// Bytes of a value as a text, with its NUL: no value is longer.
pub const FB_VALUE_TEXT_BYTES: usize = 2049;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_value_kind {
    /// There is none: of a command, and of what cannot be read.
    FB_VALUE_NONE = 0,
    /// A whole number.
    FB_VALUE_INTEGER = 1,
    /// A floating-point number.
    FB_VALUE_FLOAT = 2,
    /// True or false.
    FB_VALUE_BOOLEAN = 3,
    /// A text, or the name of an enumeration's entry.
    FB_VALUE_TEXT = 4,
    /// Bytes, only of chunks.
    FB_VALUE_BYTES = 5,
}

/// Of what kind a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_feature_kind {
    /// A whole number: integer_min, integer_min + integer_increment, … up to integer_max.
    FB_FEATURE_INTEGER = 1,
    /// A floating-point number: float_min to float_max.
    FB_FEATURE_FLOAT = 2,
    /// True or false.
    FB_FEATURE_BOOLEAN = 3,
    /// One of the names that fb_feature_entries lists.
    FB_FEATURE_ENUMERATION = 4,
    /// A text.
    FB_FEATURE_STRING = 5,
    /// Something that can be executed: fb_feature_execute.
    FB_FEATURE_COMMAND = 6,
}

/// What can be done with a feature now; other features' values may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_access {
    /// It can be read and set; a command can be executed.
    FB_ACCESS_READ_WRITE = 0,
    /// It can only be read.
    FB_ACCESS_READ_ONLY = 1,
    /// It can only be set.
    FB_ACCESS_WRITE_ONLY = 2,
    /// It can be read, and cannot be set while other features have the values they have.
    FB_ACCESS_LOCKED = 3,
    /// Not on this camera, or not while other features have the values they have.
    FB_ACCESS_NOT_AVAILABLE = 4,
}

/// For whom a feature is meant (SFNC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_visibility {
    /// The camera does not tell.
    FB_VISIBILITY_UNKNOWN = 0,
    /// Everyone.
    FB_VISIBILITY_BEGINNER = 1,
    /// Those who know cameras.
    FB_VISIBILITY_EXPERT = 2,
    /// Those who could harm the camera's settings.
    FB_VISIBILITY_GURU = 3,
    /// Programs only.
    FB_VISIBILITY_INVISIBLE = 4,
}

/// The value of a feature. A part of other structures: it has no size of its own, and never grows.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_value {
    /// The value of FB_VALUE_INTEGER; 1 or 0 of FB_VALUE_BOOLEAN; else 0.
    pub integer: i64,
    /// The value of FB_VALUE_FLOAT; that of FB_VALUE_INTEGER as a floating-point number; else 0.
    pub number: f64,
    /// An fb_value_kind.
    pub kind: u32,
    /// Of every kind, as people write it: "true", "5000.5", "Mono8". fb_feature_set_text takes it. Empty for FB_VALUE_NONE.
    pub text: [c_char; FB_VALUE_TEXT_BYTES],
}

/// A feature of a camera, by its name in the GenICam SFNC as far as the camera keeps to that, as it was when it was read.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_feature_info {
    /// sizeof(fb_feature_info); FB_INIT sets it.
    pub struct_size: usize,
    /// FB_FEATURE_INTEGER: the lowest value.
    pub integer_min: i64,
    /// FB_FEATURE_INTEGER: the highest value.
    pub integer_max: i64,
    /// FB_FEATURE_INTEGER: from one value to the next, at least 1.
    pub integer_increment: i64,
    /// FB_FEATURE_FLOAT: the lowest value.
    pub float_min: f64,
    /// FB_FEATURE_FLOAT: the highest value.
    pub float_max: f64,
    /// FB_FEATURE_ENUMERATION: how many entries there are.
    pub entry_count: usize,
    /// An fb_feature_kind.
    pub kind: u32,
    /// An fb_access.
    pub access: u32,
    /// An fb_visibility.
    pub visibility: u32,
    /// Its name: "ExposureTime".
    pub name: [c_char; FB_FEATURE_BYTES],
    /// Its name for people; empty where the camera tells none.
    pub display_name: [c_char; FB_TEXT_BYTES],
    /// The unit of a number; empty for none.
    pub unit: [c_char; FB_TEXT_BYTES],
    /// What it is for; empty where the camera does not tell.
    pub description: [c_char; FB_DESCRIPTION_BYTES],
    /// Its value.
    pub value: fb_value,
}

/// One of the values that an enumeration may have.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_feature_entry {
    /// sizeof(fb_feature_entry); FB_INIT sets it.
    pub struct_size: usize,
    /// Its name: "Mono8".
    pub name: [c_char; FB_FEATURE_BYTES],
}

/// What came of setting a feature, or executing a command.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_setting {
    /// sizeof(fb_setting); FB_INIT sets it.
    pub struct_size: usize,
    /// The newest frame before the camera was asked; 0 before the first. What a trigger brings comes after it.
    pub head: u64,
    /// Frames with this settings_version (fb_frame_info), or a later one, were exposed after it was done: fb_subscription_next_with. A trigger
    /// changes no setting: there it is the present one.
    pub version: u32,
    /// The value as the camera has it now: it may have rounded.
    pub value: fb_value,
}

/// News: somebody has set a feature of the stream, or executed a command that is no trigger.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct fb_settings_change {
    /// sizeof(fb_settings_change); FB_INIT sets it.
    pub struct_size: usize,
    /// The settings version that began. Where it is not one more than in the news before, others were left out because they
    /// were not read in time.
    pub version: u32,
    /// Which feature.
    pub feature: [c_char; FB_FEATURE_BYTES],
    /// Its value now; FB_VALUE_NONE for a command.
    pub value: fb_value,
    /// Who has done it, for people.
    pub by: [c_char; FB_TEXT_BYTES],
}
