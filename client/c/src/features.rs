//! Camera settings: `fb_feature_…`, `fb_features_…`, `fb_control_…`.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::sync::Arc;

use framebroker_client::{Broker, Error, ErrorCode, Feature, FeatureValue, Result as Answer, Setting, Text};

use crate::boundary::{HandlePlace, Place, Places, Sized_, end, guard, needed_text, place};
use crate::broker;
use crate::handles::tables;
use crate::status::{Failure, fb_status};
use crate::types::{fb_broker, fb_feature_entry, fb_feature_info, fb_features, fb_setting};
use crate::value::entries_of;

// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_feature_info {
    const NAME: &'static str = "fb_feature_info";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_feature_entry {
    const NAME: &'static str = "fb_feature_entry";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_setting {
    const NAME: &'static str = "fb_setting";
}

/// Reads a feature of a stream's source, as it is now. Every connection may. The camera is given 4 s to answer.
///
/// FB_ERROR_UNKNOWN_FEATURE, FB_ERROR_UNKNOWN_STREAM, FB_ERROR_CAMERA_FAILED, FB_ERROR_ARGUMENT (also for a name that none can
/// have), FB_ERROR_HANDLE, FB_ERROR_FORKED, FB_ERROR_REFUSED, FB_ERROR_BROKER_GONE, FB_ERROR_NO_ANSWER, FB_ERROR_PROTOCOL,
/// FB_ERROR_CONNECTION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_feature_read(
    broker: *mut fb_broker,
    stream: *const c_char,
    feature: *const c_char,
    info: *mut fb_feature_info,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(info) }?;
        // SAFETY: the caller's pointers lead to texts, or are NULL.
        let feature = unsafe { ask(broker, stream, feature, Broker::feature) }?;
        place.put((&feature).into());
        Ok(())
    })
}

/// Lists the values that an enumeration may have now.
///
/// Fills at most capacity elements of entries, of which the first must have its struct_size set: it counts for all. *count
/// gets how many there are, at most 256, and 0 for a feature that is no enumeration. With a capacity of 0, entries may be
/// NULL.
///
/// Errors as those of fb_feature_read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_feature_entries(
    broker: *mut fb_broker,
    stream: *const c_char,
    feature: *const c_char,
    entries: *mut fb_feature_entry,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to so many structures of their size.
        let places = unsafe { Places::new(entries, capacity, count) }?;
        // SAFETY: the caller's pointers lead to texts, or are NULL.
        let feature = unsafe { ask(broker, stream, feature, Broker::feature) }?;
        places.put(entries_of(&feature).iter().map(fb_feature_entry::from));
        Ok(())
    })
}

/// Sets a feature to a whole number, an integer's or a float's, and reads it. The connection must have been made with control
/// (fb_connect_options). Where that changes the size of frames, the stream pauses for a moment; its readers need do nothing.
///
/// setting may be NULL.
///
/// FB_ERROR_FORBIDDEN, FB_ERROR_NOT_ACCESSIBLE, FB_ERROR_CONTROLLED; FB_ERROR_ARGUMENT: of another kind, or out of its range,
/// the text says what would do. Else as fb_feature_read. After FB_ERROR_CAMERA_FAILED or FB_ERROR_NO_ANSWER it may have been
/// set or not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_feature_set_integer(
    broker: *mut fb_broker,
    stream: *const c_char,
    feature: *const c_char,
    value: i64,
    setting: *mut fb_setting,
) -> fb_status {
    // SAFETY: the caller vouches for its pointers.
    guard(|| unsafe { set(broker, stream, feature, value.into(), setting) })
}

/// Sets a feature of the kind float. As fb_feature_set_integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_feature_set_float(
    broker: *mut fb_broker,
    stream: *const c_char,
    feature: *const c_char,
    value: f64,
    setting: *mut fb_setting,
) -> fb_status {
    // SAFETY: the caller vouches for its pointers.
    guard(|| unsafe { set(broker, stream, feature, value.into(), setting) })
}

/// Sets a feature of the kind boolean: 0 is false, all else true. As fb_feature_set_integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_feature_set_boolean(
    broker: *mut fb_broker,
    stream: *const c_char,
    feature: *const c_char,
    value: i32,
    setting: *mut fb_setting,
) -> fb_status {
    // SAFETY: the caller vouches for its pointers.
    guard(|| unsafe { set(broker, stream, feature, (value != 0).into(), setting) })
}

/// Sets a feature of any kind but a command to a text, which the broker reads by the feature's kind, as people write such
/// values: "0x10", "62.5", "on", "Mono8". As fb_feature_set_integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_feature_set_text(
    broker: *mut fb_broker,
    stream: *const c_char,
    feature: *const c_char,
    value: *const c_char,
    setting: *mut fb_setting,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a text, or is NULL.
        let value = unsafe { needed_text("value", value) }?;
        let value: Text = value.parse().map_err(Error::from)?;
        // SAFETY: the caller vouches for its pointers.
        unsafe { set(broker, stream, feature, value.into(), setting) }
    })
}

/// Executes a command. setting may be NULL; its value is FB_VALUE_NONE. Errors as those of fb_feature_set_integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_feature_execute(
    broker: *mut fb_broker,
    stream: *const c_char,
    command: *const c_char,
    setting: *mut fb_setting,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::or_none(setting) }?;
        // SAFETY: the caller's pointers lead to texts, or are NULL.
        let done = unsafe { ask(broker, stream, command, Broker::execute) }?;
        put_setting(place, &done);
        Ok(())
    })
}

/// Takes sole control of a stream's settings: others can read them, and are told who has it when they set one. It ends with
/// fb_control_give or fb_broker_close. Who has it may take it again.
///
/// FB_ERROR_CONTROLLED, FB_ERROR_FORBIDDEN; else as fb_broker_ping, FB_ERROR_ARGUMENT and FB_ERROR_UNKNOWN_STREAM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_control_take(broker: *mut fb_broker, stream: *const c_char) -> fb_status {
    // SAFETY: the caller's pointer leads to a text, or is NULL.
    guard(|| unsafe {
        ask_stream(broker, stream, |broker, stream| broker.take_control(stream).map(|taken| drop(taken.kept())))
    })
}

/// Gives sole control back. Errors as those of fb_control_take.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_control_give(broker: *mut fb_broker, stream: *const c_char) -> fb_status {
    // SAFETY: the caller's pointer leads to a text, or is NULL.
    guard(|| unsafe { ask_stream(broker, stream, Broker::give_control) })
}

/// Reads all features of a stream's source, in the camera's order, as they are now; none where it has none. A real camera has
/// hundreds, which takes seconds.
///
/// The list is put to *features, NULL if the call fails, and belongs to the caller, who ends it with fb_features_close. It
/// does not change, and outlives the connection. *count gets how many features it has. Thread-safe, as all functions on
/// lists of features are.
///
/// Errors as those of fb_feature_read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_features_read(
    broker: *mut fb_broker,
    stream: *const c_char,
    features: Option<&mut MaybeUninit<*mut fb_features>>,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        let handle = HandlePlace::new("features", features)?;
        let count = place("count", count)?;
        // SAFETY: the caller's pointer leads to a text, or is NULL.
        let found = unsafe { ask_stream(broker, stream, Broker::features) }?;
        let length = found.len();
        handle.put(tables()?.features.insert(Arc::new(found))?);
        count.write(length);
        Ok(())
    })
}

/// Tells of one feature of a list, 0 to count - 1.
///
/// FB_ERROR_ARGUMENT, FB_ERROR_HANDLE, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_features_at(
    features: *mut fb_features,
    index: usize,
    info: *mut fb_feature_info,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(info) }?;
        place.put(at(&find(features)?, index)?.into());
        Ok(())
    })
}

/// Lists the values that an enumeration of a list may have. Arguments as those of fb_features_at and fb_feature_entries, errors
/// as those of fb_features_at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_features_entries(
    features: *mut fb_features,
    index: usize,
    entries: *mut fb_feature_entry,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to so many structures of their size.
        let places = unsafe { Places::new(entries, capacity, count) }?;
        places.put(entries_of(at(&find(features)?, index)?).iter().map(fb_feature_entry::from));
        Ok(())
    })
}

/// Ends a list of features.
///
/// FB_ERROR_HANDLE, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_features_close(features: *mut fb_features) -> fb_status {
    end(features.addr(), || tables()?.features.remove(features.addr()).map(drop))
}

/// Asks a broker about a feature of a stream.
///
/// # Safety
/// The pointers are NULL or lead to texts.
unsafe fn ask<R>(
    broker: *mut fb_broker,
    stream: *const c_char,
    feature: *const c_char,
    ask: impl FnOnce(&Broker, &str, &str) -> Answer<R>,
) -> Result<R, Failure> {
    // SAFETY: the caller vouches for it.
    let feature = unsafe { needed_text("feature", feature) }?;
    // SAFETY: the caller vouches for it.
    unsafe { ask_stream(broker, stream, |broker, stream| ask(broker, stream, feature)) }
}

/// Asks a broker about a stream's settings.
///
/// # Safety
/// The pointer is NULL or leads to a text.
unsafe fn ask_stream<R>(
    broker: *mut fb_broker,
    stream: *const c_char,
    ask: impl FnOnce(&Broker, &str) -> Answer<R>,
) -> Result<R, Failure> {
    let broker = broker::find(broker)?;
    // SAFETY: the caller vouches for it.
    let stream = unsafe { needed_text("stream", stream) }?;
    ask(&broker, stream).map_err(|error| {
        // Here it is about no producer: too many requests wait for the camera.
        let is_busy = error.code() == Some(ErrorCode::Busy);
        let failure = Failure::from(error);
        if is_busy { Failure { status: fb_status::FB_ERROR_CAMERA_FAILED, ..failure } } else { failure }
    })
}

/// # Safety
/// The texts are NULL or texts; `setting` is NULL or leads to a structure as large as its `struct_size` says.
unsafe fn set(
    broker: *mut fb_broker,
    stream: *const c_char,
    feature: *const c_char,
    value: FeatureValue,
    setting: *mut fb_setting,
) -> Result<(), Failure> {
    // SAFETY: the caller vouches for it.
    let place = unsafe { Place::or_none(setting) }?;
    // SAFETY: the caller vouches for them.
    let done =
        unsafe { ask(broker, stream, feature, |broker, stream, feature| broker.set_feature(stream, feature, value)) }?;
    put_setting(place, &done);
    Ok(())
}

fn put_setting(place: Option<Place<fb_setting>>, done: &Setting) {
    if let Some(place) = place {
        let (struct_size, value) = (size_of::<fb_setting>(), (&done.feature.value).into());
        place.put(fb_setting { struct_size, head: done.head.0, version: done.version, value });
    }
}

fn find(features: *mut fb_features) -> Result<Arc<Vec<Feature>>, Failure> {
    tables()?.features.find(features.addr())
}

fn at(features: &[Feature], index: usize) -> Result<&Feature, Failure> {
    let count = features.len();
    features.get(index).ok_or_else(|| Failure::argument(format!("index is {index}, and the list has {count} features")))
}
