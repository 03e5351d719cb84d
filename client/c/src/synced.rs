//! Several subscriptions as one: `fb_synchronise`, `fb_synced_…`.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use framebroker_client::{Frame, FrameSet, Incomplete, Subscription, SyncBy, SyncStats, SyncedSubscription};

use crate::boundary::{HandlePlace, Options, Place, Sized_, end, guard, list, options, place, places, timeout};
use crate::handles::{Tables, tables};
use crate::shared::Shared;
use crate::status::{Failure, fb_status};
use crate::types::{
    fb_frame, fb_set_info, fb_settings_change, fb_subscription, fb_subscription_info, fb_sync_options, fb_sync_stats,
    fb_synced,
};

/// What it is called in errors.
const NAME: &str = "synced subscription";

// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_sync_options {
    const NAME: &'static str = "fb_sync_options";
}
// SAFETY: integers.
unsafe impl Options for fb_sync_options {}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_set_info {
    const NAME: &'static str = "fb_set_info";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_sync_stats {
    const NAME: &'static str = "fb_sync_stats";
}

/// Joins count subscriptions, each with terms of its own, so that their frames come in sets that belong together. They may be
/// of several brokers, not twice the same.
///
/// Takes the subscriptions over: their handles are no longer valid if the call returns FB_OK, and fb_synced_close ends them.
/// If it fails they stay the caller's, as they were. Frames that are held already stay the caller's. The new handle is put to
/// *synced, NULL if the call fails. It is for one thread at a time.
///
/// Memory: a stream that is ahead waits with its frames held, and holds no more than its subscription may. Take max_held as
/// large as the number of frames by which the streams may be apart, plus those of the sets you keep. Where a stream can hold
/// no more, of the frames that wait all but the last are given up, as incomplete sets. So a stream that stalls delays the others
/// by no more than they can hold or the patience, and one that is offline or has ended not at all. FB_POLICY_SEQUENTIAL usually
/// fits.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY (another thread is in a call on one of them), FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_synchronise(
    subscriptions: *const *mut fb_subscription,
    count: usize,
    options: *const fb_sync_options,
    synced: Option<&mut MaybeUninit<*mut fb_synced>>,
) -> fb_status {
    guard(|| {
        let place = HandlePlace::new("synced", synced)?;
        // SAFETY: the caller's pointer leads to options of their size, or is NULL.
        let options = unsafe { self::options(options) }?.ok_or_else(|| Failure::argument("options is NULL"))?;
        // SAFETY: the caller's pointer leads to so many handles.
        let handles = unsafe { list("subscriptions", subscriptions, count) }?;
        let handles: Vec<usize> = handles.iter().map(|handle| handle.addr()).collect();
        let terms = Terms::new(&options)?;
        place.put(join(tables()?, &handles, terms)?);
        Ok(())
    })
}

/// Ends a synced subscription and the subscriptions in it. Frames that are held stay valid until they are released.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_synced_close(synced: *mut fb_synced) -> fb_status {
    end(synced.addr(), || tables()?.synced.close(synced.addr()))
}

/// Waits for the next set, at most timeout_ms: 0 does not wait, FB_FOREVER waits as long as it takes. The frames of each
/// stream come in order.
///
/// frames is an array of capacity places, at least one for each subscription. In the order of the subscriptions, each gets that
/// stream's frame, or NULL where the set is incomplete; NULL too if the call does not return FB_OK. The frames are like those
/// of fb_subscription_next: each belongs to the caller, who gives them back one by one with fb_frame_release, when and in whatever order
/// fits, or together with fb_frames_release. info may be NULL.
///
/// FB_TIMEOUT: call again. FB_ERROR_FULL: the caller holds all the frames that a stream may have; release a set, or subscribe
/// with a larger max_held. FB_ERROR_NOT_COMPARABLE: a camera has no time or block ID of its own. FB_ERROR_CLOSED or
/// FB_ERROR_EVICTED when all streams have ended and the last set was handed out. Else as fb_subscription_next, of the first stream that has
/// it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_synced_next(
    synced: *mut fb_synced,
    timeout_ms: i64,
    frames: *mut *mut fb_frame,
    capacity: usize,
    info: *mut fb_set_info,
) -> fb_status {
    // SAFETY: the caller vouches for its pointers.
    guard(|| unsafe { hand_out_set(synced, frames, capacity, info, |synced| Ok(synced.next(timeout(timeout_ms)?)?)) })
}

/// The next set if there is one now, as fb_synced_next gives it; else FB_EMPTY. Never waits, but as fb_subscription_try_next does.
///
/// Errors as those of fb_synced_next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_synced_try_next(
    synced: *mut fb_synced,
    frames: *mut *mut fb_frame,
    capacity: usize,
    info: *mut fb_set_info,
) -> fb_status {
    // SAFETY: the caller vouches for its pointers.
    guard(|| unsafe { hand_out_set(synced, frames, capacity, info, |synced| synced.try_next()?.ok_or_else(empty)) })
}

/// What to wait for after fb_synced_try_next gave FB_EMPTY, in a poll loop of your own: until one of the descriptors is readable
/// (level-triggered), or timeout_ms has gone by, since a set is also decided when the patience is over. Then call
/// fb_synced_try_next until it gives FB_EMPTY, and ask here again: which descriptors there are changes.
///
/// Fills at most capacity elements of fds; *count gets how many there are, which is never more than there are streams. They
/// belong to the synced subscription: do not read from them, do not close them, and do not use them after fb_synced_close.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_synced_poll(
    synced: *mut fb_synced,
    fds: *mut c_int,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
    timeout_ms: Option<&mut MaybeUninit<c_int>>,
) -> fb_status {
    guard(|| {
        let (count, wait) = (place("count", count)?, place("timeout_ms", timeout_ms)?);
        // SAFETY: the caller's pointer leads to so many places.
        let fds = unsafe { places("fds", fds, capacity) }?;
        with(synced, |synced| {
            for (place, fd) in fds.iter_mut().zip(synced.descriptors()) {
                place.write(fd.as_raw_fd());
            }
            count.write(synced.descriptors().count());
            // Rounded up, so that nobody looks before the time.
            let ms = synced.look_within().as_micros().div_ceil(1000);
            wait.write(c_int::try_from(ms).unwrap_or(c_int::MAX));
            Ok(())
        })
    })
}

/// What somebody has changed in the settings of one of the cameras, by its place in the order of the subscriptions, as
/// fb_subscription_next_change tells it. News are heard by fb_synced_next and fb_synced_try_next.
///
/// FB_EMPTY. FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_synced_next_change(
    synced: *mut fb_synced,
    index: usize,
    change: *mut fb_settings_change,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(change) }?;
        with(synced, |synced| {
            at(synced, index)?;
            place.put((&synced.next_change(index).ok_or_else(empty)?).into());
            Ok(())
        })
    })
}

/// Gives the frames of an array back, such as those of a set. Places with NULL are passed over, and all are NULL afterwards.
///
/// FB_ERROR_HANDLE if one was released before; the others are given back nevertheless. FB_ERROR_ARGUMENT. FB_ERROR_FORKED in
/// a forked child: the frames are its parent's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_frames_release(frames: *mut *mut fb_frame, count: usize) -> fb_status {
    guard(|| {
        let table = &tables()?.frames;
        // SAFETY: the caller's pointer leads to so many handles, which are read before they are written.
        let handles = unsafe { list("frames", frames.cast_const(), count) }?.to_vec();
        // SAFETY: as above; what was read has been copied.
        for place in unsafe { places("frames", frames, count) }? {
            place.write(std::ptr::null_mut());
        }
        let held = handles.iter().filter(|handle| !handle.is_null());
        held.map(|handle| table.remove(handle.addr()).map(drop)).fold(Ok(()), Result::and)
    })
}

/// Figures of what was matched so far.
///
/// unmatched gets, for at most capacity streams in the order of the subscriptions, how many frames are in no complete set.
/// With a capacity of 0 it may be NULL.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_synced_stats(
    synced: *mut fb_synced,
    stats: *mut fb_sync_stats,
    unmatched: *mut u64,
    capacity: usize,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(stats) }?;
        // SAFETY: the caller's pointer leads to so many places.
        let unmatched = unsafe { places("unmatched", unmatched, capacity) }?;
        with(synced, |synced| {
            let stats = synced.stats();
            for (place, count) in unmatched.iter_mut().zip(&stats.unmatched) {
                place.write(*count);
            }
            place.put(stats.into());
            Ok(())
        })
    })
}

/// Tells how one of the subscriptions is, by its place in their order, as fb_subscription_describe does.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_synced_describe(
    synced: *mut fb_synced,
    index: usize,
    info: *mut fb_subscription_info,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(info) }?;
        with(synced, |synced| {
            place.put(at(synced, index)?.into());
            Ok(())
        })
    })
}

/// Options that were checked.
struct Terms {
    by: SyncBy,
    patience: Option<Duration>,
    incomplete: Incomplete,
}

impl Terms {
    fn new(options: &fb_sync_options) -> Result<Self, Failure> {
        let tolerance = Duration::from_nanos(options.tolerance_ns);
        let by = match (options.by, options.tolerance_ns) {
            (0 | 1, 0) => {
                return Err(Failure::argument("tolerance_ns is 0: say how far apart the frames of a set may be"));
            }
            (0, _) => SyncBy::Arrival(tolerance),
            (1, _) => SyncBy::CameraTime(tolerance),
            (2, 0) => SyncBy::BlockId,
            (2, _) => return Err(Failure::argument("tolerance_ns must be 0 with FB_SYNC_BLOCK_ID")),
            (other, _) => return Err(Failure::argument(format!("by is {other}, which is no fb_sync_by"))),
        };
        Ok(Self {
            by,
            patience: (options.patience_ns != 0).then(|| Duration::from_nanos(options.patience_ns)),
            incomplete: if options.deliver_incomplete == 0 { Incomplete::Drop } else { Incomplete::Deliver },
        })
    }
}

/// Makes one of several subscriptions, which lose their handles; returns the new one. All or nothing.
fn join(tables: &Tables, handles: &[usize], terms: Terms) -> Result<usize, Failure> {
    if handles.is_empty() {
        return Err(Failure::argument("there are no subscriptions to be joined: count is 0"));
    }
    if handles.iter().enumerate().any(|(at, handle)| handles.iter().skip(at + 1).any(|other| other == handle)) {
        return Err(Failure::argument("the same subscription is listed twice"));
    }
    let found = handles.iter().map(|handle| tables.subscriptions.find(*handle)).collect::<Result<Vec<_>, _>>()?;
    // Before anything is taken: there may be no room for a handle.
    let joined = Arc::new(Shared::vacant(NAME));
    let handle = tables.synced.insert(Arc::clone(&joined))?;
    let taken = match Shared::take_all(&found) {
        Ok(taken) => taken,
        Err(failure) => {
            drop(tables.synced.remove(handle));
            return Err(failure);
        }
    };
    for handle in handles {
        // Another thread that closes it at this moment was told that it is closed, or will be.
        drop(tables.subscriptions.remove(*handle));
    }
    let mut synced = SyncedSubscription::new(taken, terms.by).incomplete(terms.incomplete);
    if let Some(patience) = terms.patience {
        synced = synced.patience(patience);
    }
    joined.fill(synced)?;
    Ok(handle)
}

/// Takes a set, and makes handles of its frames.
///
/// # Safety
/// `frames` leads to `capacity` places, `info` to a structure as large as its `struct_size` says; nobody else uses them. Both
/// may be NULL.
unsafe fn hand_out_set(
    synced: *mut fb_synced,
    frames: *mut *mut fb_frame,
    capacity: usize,
    info: *mut fb_set_info,
    take: impl FnOnce(&mut SyncedSubscription) -> Result<FrameSet, Failure>,
) -> Result<(), Failure> {
    // SAFETY: the caller vouches for it.
    let frames = unsafe { places("frames", frames, capacity) }?;
    for place in &mut *frames {
        place.write(std::ptr::null_mut());
    }
    // SAFETY: the caller vouches for it.
    let info = unsafe { Place::or_none(info) }?;
    let set = with(synced, |synced| {
        let count = synced.subscriptions().count();
        if capacity < count {
            return Err(Failure::argument(format!("there are places for {capacity} frames, and sets have {count}")));
        }
        take(synced)
    })?;
    let described = fb_set_info::from(&set);
    for (place, handle) in frames.iter_mut().zip(hand_out(tables()?, set.into_frames())?) {
        place.write(std::ptr::without_provenance_mut(handle));
    }
    if let Some(info) = info {
        info.put(described);
    }
    Ok(())
}

fn empty() -> Failure {
    Failure::new(fb_status::FB_EMPTY, "")
}

/// One of the subscriptions.
fn at(synced: &SyncedSubscription, index: usize) -> Result<&Subscription, Failure> {
    let count = synced.subscriptions().count();
    let none = || Failure::argument(format!("index is {index}, and there are {count} subscriptions"));
    synced.subscriptions().nth(index).ok_or_else(none)
}

/// Makes handles of a set's frames, 0 where it has none. All or nothing.
fn hand_out(tables: &Tables, frames: Vec<Option<Frame>>) -> Result<Vec<usize>, Failure> {
    let mut handles = Vec::with_capacity(frames.len());
    for frame in frames {
        match frame.map_or(Ok(0), |frame| tables.frames.insert(frame)) {
            Ok(handle) => handles.push(handle),
            Err(failure) => {
                for handle in handles {
                    drop(tables.frames.remove(handle));
                }
                return Err(failure);
            }
        }
    }
    Ok(handles)
}

fn with<R>(
    synced: *mut fb_synced,
    run: impl FnOnce(&mut SyncedSubscription) -> Result<R, Failure>,
) -> Result<R, Failure> {
    tables()?.synced.find(synced.addr())?.with(run)
}

impl From<&FrameSet> for fb_set_info {
    fn from(set: &FrameSet) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            skew_ns: ns(set.skew()),
            frame_count: set.frames().iter().flatten().count(),
            is_complete: set.is_complete(),
        }
    }
}

impl From<&SyncStats> for fb_sync_stats {
    fn from(stats: &SyncStats) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            complete: stats.complete,
            incomplete: stats.incomplete,
            mean_skew_ns: ns(stats.mean_skew()),
            max_skew_ns: ns(stats.max_skew),
            stream_count: stats.unmatched.len(),
        }
    }
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
