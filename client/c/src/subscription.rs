//! Subscriptions: `fb_subscribe`, `fb_subscription_next` and what goes with them.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use framebroker_client::{
    ContextId, Delivery, Frame, Policy, Predictive, Start, StreamState, Subscription, SubscriptionBuilder, WaitMode,
};

use crate::boundary::{
    HandlePlace, Options, Place, Places, Sized_, end, fixed, guard, needed_text, options, place, timeout,
};
use crate::broker;
use crate::handles::tables;
use crate::shared::Shared;
use crate::status::{Failure, fb_status};
use crate::types::{
    fb_broker, fb_frame, fb_segment, fb_settings_change, fb_stream_info, fb_subscribe_options, fb_subscription,
    fb_subscription_info,
};

/// What FB_WAIT_SPIN_THEN_BLOCK spins for unless it is told.
const DEFAULT_SPIN: Duration = Duration::from_micros(50);

// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_subscribe_options {
    const NAME: &'static str = "fb_subscribe_options";
}
// SAFETY: integers.
unsafe impl Options for fb_subscribe_options {}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_subscription_info {
    const NAME: &'static str = "fb_subscription_info";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_segment {
    const NAME: &'static str = "fb_segment";
}
// SAFETY: `repr(C)`, and begins with its size.
unsafe impl Sized_ for fb_settings_change {
    const NAME: &'static str = "fb_settings_change";
}

/// Subscribes to a stream by its name ("cam0"), on a connection of its own. May take as long as the broker needs to allocate
/// segments, at most 30 s.
///
/// options may be NULL. The new handle is put to *subscription, NULL if the call fails, and belongs to the caller, who closes
/// it with fb_subscription_close.
///
/// A subscription is for one thread at a time; it need not always be the same. A call while another thread is in one
/// returns FB_ERROR_BUSY and does nothing.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED, FB_ERROR_NO_BROKER, FB_ERROR_UNKNOWN_STREAM, FB_ERROR_NOT_ADMITTED,
/// FB_ERROR_CLOSED, FB_ERROR_REFUSED, FB_ERROR_NO_ANSWER, FB_ERROR_MEMORY, FB_ERROR_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_subscribe(
    broker: *mut fb_broker,
    stream: *const c_char,
    options: *const fb_subscribe_options,
    subscription: Option<&mut MaybeUninit<*mut fb_subscription>>,
) -> fb_status {
    guard(|| {
        let place = HandlePlace::new("subscription", subscription)?;
        let broker = broker::find(broker)?;
        // SAFETY: the caller's pointer leads to a text, or is NULL.
        let stream = unsafe { needed_text("stream", stream) }?;
        // SAFETY: the caller's pointer leads to options of their size, or is NULL.
        let options = unsafe { self::options(options) }?;
        let mut builder = broker.subscribe(stream);
        if let Some(options) = options {
            builder = with_options(builder, &options)?;
        }
        let shared = Shared::new("subscription", builder.open()?);
        place.put(tables()?.subscriptions.insert(Arc::new(shared))?);
        Ok(())
    })
}

/// Ends a subscription. Frames that are held stay valid until they are released, and only then does the broker count them
/// as given back. To stop a thread that waits in fb_subscription_next, let it wait with a time limit, and tell it by a variable of your
/// own.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_subscription_close(subscription: *mut fb_subscription) -> fb_status {
    end(subscription.addr(), || tables()?.subscriptions.close(subscription.addr()))
}

/// Waits for the next frame of the policy, at most timeout_ms: 0 does not wait, FB_FOREVER waits as long as it takes.
///
/// The frame is put to *frame, NULL if the call does not return FB_OK, and belongs to the caller, who gives it back with
/// fb_frame_release. Frames that were published before a stream ended or a broker died come before the error does.
///
/// FB_TIMEOUT: call again. FB_ERROR_FULL: release a frame. FB_ERROR_PROTOCOL may be about one frame: call again. For good:
/// FB_ERROR_CLOSED, FB_ERROR_EVICTED, FB_ERROR_BROKER_GONE (not with reconnect), FB_ERROR_REFUSED, FB_ERROR_CONNECTION,
/// FB_ERROR_MEMORY. Also FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_subscription_next(
    subscription: *mut fb_subscription,
    timeout_ms: i64,
    frame: Option<&mut MaybeUninit<*mut fb_frame>>,
) -> fb_status {
    hand_out(subscription, frame, |subscription| Ok(subscription.next(timeout(timeout_ms)?)?))
}

/// Waits for the next frame that was exposed with a setting or with a later one, as fb_subscription_next does, and passes over those before it.
/// version is that of the setting: of an fb_setting or an fb_settings_change.
///
/// Where the camera waits for triggers, trigger it after it was set and before this is called. Of a camera that runs freely or is
/// triggered by hardware up to three frames after a setting are passed over: they may have been exposed before it.
///
/// Errors as those of fb_subscription_next; the text of FB_TIMEOUT tells how far it came.
#[unsafe(no_mangle)]
pub extern "C" fn fb_subscription_next_with(
    subscription: *mut fb_subscription,
    version: u32,
    timeout_ms: i64,
    frame: Option<&mut MaybeUninit<*mut fb_frame>>,
) -> fb_status {
    hand_out(subscription, frame, |subscription| Ok(subscription.next_with(version, timeout(timeout_ms)?)?))
}

/// The next frame of the policy if there is one now, as fb_subscription_next gives it. Else FB_EMPTY, and the descriptor becomes readable
/// with the next news: see fb_subscription_fd.
///
/// Never waits, with one exception: with reconnect, while the broker is gone, an attempt to join the next one may take up to
/// a second. With FB_POLICY_UPCOMING a frame counts as upcoming if it was published after a call that gave FB_EMPTY.
///
/// Errors as those of fb_subscription_next.
#[unsafe(no_mangle)]
pub extern "C" fn fb_subscription_try_next(
    subscription: *mut fb_subscription,
    frame: Option<&mut MaybeUninit<*mut fb_frame>>,
) -> fb_status {
    hand_out(subscription, frame, |subscription| {
        subscription.try_next()?.ok_or_else(|| Failure::new(fb_status::FB_EMPTY, ""))
    })
}

/// Holds the frame of a context ID, whatever the policy, as fb_subscription_next gives it. Neither the order of other frames nor the
/// counters change. Waits for the broker where it must: with FB_DELIVERY_SOCKET always, else only if the segment is new.
///
/// That the number is of this stream and this run of the broker nobody can check: if it is not, it may name another frame here.
/// Use fb_subscription_acquire_ref for what comes from other processes.
///
/// FB_ERROR_GONE if it was retired or never existed; else as fb_subscription_next.
#[unsafe(no_mangle)]
pub extern "C" fn fb_subscription_acquire(
    subscription: *mut fb_subscription,
    context: u64,
    frame: Option<&mut MaybeUninit<*mut fb_frame>>,
) -> fb_status {
    hand_out(subscription, frame, |subscription| {
        let context = ContextId::from_u64(context).ok_or_else(|| {
            Failure::new(fb_status::FB_ERROR_GONE, format!("{context} is no context ID: no frame ever had it"))
        })?;
        Ok(subscription.acquire(context)?)
    })
}

/// A descriptor for poll, select or epoll (level-triggered). It is readable whenever fb_subscription_try_next may have something to say:
/// a frame, or an error. When it is, call fb_subscription_try_next until it gives FB_EMPTY; no frame is missed in between. It is readable
/// from the start, and the same for the life of the subscription, over reconnections too.
///
/// It belongs to the subscription: do not read from it, do not close it, and do not use it after fb_subscription_close.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_subscription_fd(
    subscription: *mut fb_subscription,
    fd: Option<&mut MaybeUninit<c_int>>,
) -> fb_status {
    guard(|| {
        let place = place("fd", fd)?;
        with(subscription, |subscription| {
            place.write(subscription.as_fd().as_raw_fd());
            Ok(())
        })
    })
}

/// Tells how a subscription is: counters, state, terms. News are heard by fb_subscription_next and fb_subscription_try_next.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_subscription_describe(
    subscription: *mut fb_subscription,
    info: *mut fb_subscription_info,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(info) }?;
        with(subscription, |subscription| {
            place.put((&*subscription).into());
            Ok(())
        })
    })
}

/// Tells what the stream was when the subscription began, or went on at another broker.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_subscription_stream(
    subscription: *mut fb_subscription,
    info: *mut fb_stream_info,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(info) }?;
        with(subscription, |subscription| {
            place.put(subscription.stream_info().into());
            Ok(())
        })
    })
}

/// What somebody has changed in the camera's settings: the oldest news not asked for yet, FB_EMPTY if there are none. They are
/// heard by fb_subscription_next and fb_subscription_try_next, at least five times a second; the newest 64 are kept. Never waits.
///
/// Frames need no such news: each has its own geometry and settings_version.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_subscription_next_change(
    subscription: *mut fb_subscription,
    change: *mut fb_settings_change,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to a structure of its size, or is NULL.
        let place = unsafe { Place::new(change) }?;
        with(subscription, |subscription| {
            let oldest = subscription.next_change().ok_or_else(|| Failure::new(fb_status::FB_EMPTY, ""))?;
            place.put((&oldest).into());
            Ok(())
        })
    })
}

/// Lists the segments that are mapped in this process, by index. Segments come and go while a stream runs: where a frame
/// lies in one that is not registered yet (its buffer_context and address tell), list them again.
///
/// Fills at most capacity elements of segments, of which the first must have its struct_size set: it counts for all. *count
/// gets how many there are, which may be more. With a capacity of 0, segments may be NULL.
///
/// FB_ERROR_HANDLE, FB_ERROR_BUSY, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_subscription_segments(
    subscription: *mut fb_subscription,
    segments: *mut fb_segment,
    capacity: usize,
    count: Option<&mut MaybeUninit<usize>>,
) -> fb_status {
    guard(|| {
        // SAFETY: the caller's pointer leads to so many structures of their size.
        let places = unsafe { Places::new(segments, capacity, count) }?;
        let mappings = with(subscription, |subscription| Ok(subscription.mappings()))?;
        places.put(mappings.iter().map(|mapping| fb_segment {
            struct_size: size_of::<fb_segment>(),
            address: std::ptr::with_exposed_provenance(mapping.address),
            length: mapping.length,
            buffer_context: mapping.index.buffer_context(),
            backing: mapping.backing.0,
        }));
        Ok(())
    })
}

/// Takes a frame of a subscription and makes a handle of it.
pub fn hand_out(
    subscription: *mut fb_subscription,
    frame: Option<&mut MaybeUninit<*mut fb_frame>>,
    take: impl FnOnce(&mut Subscription) -> Result<Frame, Failure>,
) -> fb_status {
    guard(|| {
        let place = HandlePlace::new("frame", frame)?;
        place.put(tables()?.frames.insert(with(subscription, take)?)?);
        Ok(())
    })
}

fn with<R>(
    subscription: *mut fb_subscription,
    run: impl FnOnce(&mut Subscription) -> Result<R, Failure>,
) -> Result<R, Failure> {
    tables()?.subscriptions.find(subscription.addr())?.with(run)
}

fn with_options(builder: SubscriptionBuilder, options: &fb_subscribe_options) -> Result<SubscriptionBuilder, Failure> {
    let policy = match options.policy {
        0 => None,
        1 => Some(Policy::Sequential),
        2 => Some(Policy::Latest),
        3 => Some(Policy::Lossless),
        4 => Some(Policy::Upcoming),
        other => return Err(unknown("policy", other, "fb_policy")),
    };
    let delivery = match options.delivery {
        0 => Delivery::Shared,
        1 => Delivery::Socket,
        other => return Err(unknown("delivery", other, "fb_delivery")),
    };
    let start = match options.start {
        0 => Start::Next,
        1 => Start::Oldest,
        other => return Err(unknown("start", other, "fb_start")),
    };
    let wait_mode = match options.wait_mode {
        0 => WaitMode::Block,
        1 => WaitMode::Spin,
        2 => WaitMode::SpinThenBlock(ns_or(options.spin_ns, DEFAULT_SPIN)),
        3 => {
            let Predictive { lead, patience } = Predictive::default();
            let (lead, patience) = (ns_or(options.lead_ns, lead), ns_or(options.patience_ns, patience));
            WaitMode::Predictive(Predictive { lead, patience })
        }
        other => return Err(unknown("wait_mode", other, "fb_wait_mode")),
    };
    let builder = if let Some(policy) = policy { builder.policy(policy) } else { builder };
    let builder = builder.delivery(delivery).start(start).wait_mode(wait_mode);
    let builder = builder.reconnect(options.reconnect != 0);
    Ok(if options.max_held == 0 { builder } else { builder.max_held(options.max_held) })
}

fn ns_or(ns: u64, default: Duration) -> Duration {
    if ns == 0 { default } else { Duration::from_nanos(ns) }
}

fn unknown(field: &str, value: u32, kind: &str) -> Failure {
    Failure::argument(format!("{field} is {value}, which is no {kind}"))
}

/// An `fb_policy`.
pub fn policy_bits(policy: Policy) -> u32 {
    match policy {
        Policy::Sequential => 1,
        Policy::Latest => 2,
        Policy::Lossless => 3,
        Policy::Upcoming => 4,
    }
}

/// An `fb_delivery`.
pub fn delivery_bits(delivery: Delivery) -> u32 {
    match delivery {
        Delivery::Shared => 0,
        Delivery::Socket => 1,
    }
}

impl From<&Subscription> for fb_subscription_info {
    fn from(subscription: &Subscription) -> Self {
        let counters = subscription.counters();
        let state: StreamState = subscription.state();
        Self {
            struct_size: size_of::<Self>(),
            stream: fixed(subscription.name().as_str()),
            received: counters.received,
            lost: counters.lost,
            skipped: counters.skipped,
            reconnects: subscription.reconnects(),
            broker_id: subscription.broker_id().0,
            state: state.to_bits(),
            policy: policy_bits(subscription.policy()),
            delivery: delivery_bits(subscription.delivery()),
            max_held: subscription.max_held(),
            held: subscription.held(),
            is_demoted: subscription.is_demoted(),
            offline_reason: fixed(subscription.offline_reason().unwrap_or_default()),
            demotion_reason: fixed(subscription.demotion_reason().unwrap_or_default()),
        }
    }
}
