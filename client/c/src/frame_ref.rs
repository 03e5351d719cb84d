//! Addresses of frames: `fb_frame_ref`, and what holds the frame of one.

#![expect(unsafe_code, reason = "exported functions take pointers")]
#![expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]

use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;

use framebroker_client::{BrokerId, ContextId, FrameRef, NoFrameRef};

use crate::boundary::{HandlePlace, fixed, guard, needed_text, place, places};
use crate::broker;
use crate::frame::with;
use crate::handles::tables;
use crate::status::{Failure, fb_status};
use crate::subscription::hand_out;
use crate::types::{FB_FRAME_REF_TEXT_BYTES, fb_broker, fb_frame, fb_frame_ref, fb_subscription};

/// A frame's address: what to hand to other threads and processes, which get this frame by it (fb_broker_acquire,
/// fb_subscription_acquire_ref) or an error, never another one. The frame must stay held until they have it, or it may be gone.
///
/// FB_ERROR_HANDLE, FB_ERROR_ARGUMENT, FB_ERROR_FORKED.
#[unsafe(no_mangle)]
pub extern "C" fn fb_frame_reference(
    frame: *mut fb_frame,
    address: Option<&mut MaybeUninit<fb_frame_ref>>,
) -> fb_status {
    guard(|| {
        let place = place("address", address)?;
        place.write((&with(frame, framebroker_client::Frame::reference)?).into());
        Ok(())
    })
}

/// An address as a text, "BROKER/STREAM/CONTEXT", with its NUL. FB_FRAME_REF_TEXT_BYTES are enough for any.
///
/// FB_ERROR_ARGUMENT where capacity is too small, or it is no address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_frame_ref_to_text(
    address: Option<&fb_frame_ref>,
    text: *mut c_char,
    capacity: usize,
) -> fb_status {
    guard(|| {
        let written = read(address)?.to_string();
        // SAFETY: the caller's pointer leads to so many bytes.
        let text = unsafe { places("text", text, capacity.min(FB_FRAME_REF_TEXT_BYTES)) }?;
        if text.len() <= written.len() {
            return Err(Failure::argument(format!(
                "capacity is {capacity}, and the text takes {} bytes: FB_FRAME_REF_TEXT_BYTES are enough for any",
                written.len() + 1
            )));
        }
        for (place, byte) in text.iter_mut().zip(written.bytes().chain([0])) {
            place.write(byte.cast_signed());
        }
        Ok(())
    })
}

/// The address that a text says, as fb_frame_ref_to_text, other languages and `str()` of Python give it.
///
/// FB_ERROR_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fb_frame_ref_from_text(
    text: *const c_char,
    address: Option<&mut MaybeUninit<fb_frame_ref>>,
) -> fb_status {
    guard(|| {
        let place = place("address", address)?;
        // SAFETY: the caller's pointer leads to a text, or is NULL.
        let text = unsafe { needed_text("text", text) }?;
        let frame: FrameRef = text.parse().map_err(|error: NoFrameRef| Failure::argument(error.to_string()))?;
        place.write((&frame).into());
        Ok(())
    })
}

/// Holds the frame of an address, as fb_subscription_acquire does, and checks it: FB_ERROR_GONE if it was retired, never existed, or is of
/// another run of the broker; FB_ERROR_OTHER_STREAM if it is of another stream than the subscription. Else as fb_subscription_next.
#[unsafe(no_mangle)]
pub extern "C" fn fb_subscription_acquire_ref(
    subscription: *mut fb_subscription,
    address: Option<&fb_frame_ref>,
    frame: Option<&mut MaybeUninit<*mut fb_frame>>,
) -> fb_status {
    hand_out(subscription, frame, |subscription| Ok(subscription.acquire(&read(address)?)?))
}

/// Holds the frame of an address, of whatever stream: no subscription is needed. Subscribes behind the scenes when a frame of a
/// stream is first asked for, on a connection that is kept until fb_broker_close; then, and where the broker was started anew, it
/// may take as long as fb_subscribe. Thread-safe. max_acquired of the fb_connect_options says how many frames of a stream may be
/// held so.
///
/// FB_ERROR_GONE if it was retired, never existed, or is of another run of the broker. FB_ERROR_FULL: release one. Else as
/// fb_subscribe and fb_subscription_next.
#[unsafe(no_mangle)]
pub extern "C" fn fb_broker_acquire(
    broker: *mut fb_broker,
    address: Option<&fb_frame_ref>,
    frame: Option<&mut MaybeUninit<*mut fb_frame>>,
) -> fb_status {
    guard(|| {
        let place = HandlePlace::new("frame", frame)?;
        let taken = broker::find(broker)?.acquire(&read(address)?)?;
        place.put(tables()?.frames.insert(taken)?);
        Ok(())
    })
}

/// An address of the caller's.
fn read(address: Option<&fb_frame_ref>) -> Result<FrameRef, Failure> {
    let fb_frame_ref { broker_id, context, stream } =
        address.ok_or_else(|| Failure::argument("the address is NULL"))?;
    let stream = stream.map(c_char::cast_unsigned);
    let stream = CStr::from_bytes_until_nul(&stream).ok().and_then(|stream| stream.to_str().ok());
    let stream = stream.and_then(|stream| stream.parse().ok());
    match (stream, ContextId::from_u64(*context)) {
        (Some(stream), Some(context)) => Ok(FrameRef { broker: BrokerId(*broker_id), stream, context }),
        (None, _) => Err(Failure::argument("this is no frame's address: its stream is no stream's name")),
        (_, None) => Err(Failure::argument(format!("this is no frame's address: {context} is no context ID"))),
    }
}

impl From<&FrameRef> for fb_frame_ref {
    fn from(frame: &FrameRef) -> Self {
        let FrameRef { broker, stream, context } = frame;
        Self { broker_id: broker.0, context: context.as_u64(), stream: fixed(stream.as_str()) }
    }
}
