//! What a call says about its outcome: a code, and a text for people.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};

use framebroker_client::{Error, ErrorCode, WaitingFor};

/// How a call ended. 0 is success, positive values are no failure but bring nothing, negative values are failures.
/// fb_last_error() has the text that belongs to it. Later versions may add values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum fb_status {
    /// Done.
    FB_OK = 0,
    /// No frame came in time, for a producer no segment to fill. Nothing has ended; call again.
    FB_TIMEOUT = 1,
    /// fb_subscription_try_next: no frame is there now; the descriptor becomes readable with the next news. fb_producer_try_take: no segment is
    /// there now. fb_synced_try_next: no set is there now. fb_subscription_next_change,
    /// fb_synced_next_change: no more was changed.
    FB_EMPTY = 2,

    /// The caller: an argument is NULL, out of its range or no UTF-8, or a struct_size is none that this library knows.
    FB_ERROR_ARGUMENT = -1,
    /// The caller: a handle that is NULL, of another kind, closed or released.
    FB_ERROR_HANDLE = -2,
    /// The caller: another thread is in a call on this subscription, synced subscription or producer.
    FB_ERROR_BUSY = -3,
    /// The caller: as many frames are held as the subscription may hold. Release one before asking for the next.
    FB_ERROR_FULL = -4,
    /// The caller: the frame asked for was retired, never existed, or is of another run of the broker; the text says which.
    FB_ERROR_GONE = -5,
    /// The caller: a forked child used what its parent opened. Connect and subscribe again in the child.
    FB_ERROR_FORKED = -6,
    /// The caller: no segment of this buffer context is kept by this producer.
    FB_ERROR_NOT_KEPT = -7,
    /// The caller: the frames cannot change while segments are being filled. Publish or drop them first.
    FB_ERROR_FILLING = -8,
    /// The caller: frames of a stream cannot be compared with those of others in the way asked for; the text says what they
    /// have not. Match by another property, as FB_SYNC_ARRIVAL.
    FB_ERROR_NOT_COMPARABLE = -9,
    /// The caller: the frame has no such chunk; the text says which it has, if any.
    FB_ERROR_NO_CHUNK = -10,
    /// The caller: the frame asked for is of another stream than the subscription.
    FB_ERROR_OTHER_STREAM = -11,

    /// No broker was found. The text names every path tried and what came of it.
    FB_ERROR_NO_BROKER = -20,
    /// The broker died or closed the connection without giving a reason. Frames that are held stay valid.
    FB_ERROR_BROKER_GONE = -21,
    /// The broker did not answer in time: it may be stopped or overloaded.
    FB_ERROR_NO_ANSWER = -22,
    /// The connection failed in another way.
    FB_ERROR_CONNECTION = -23,
    /// The broker does not keep to the protocol, or is of another version.
    FB_ERROR_PROTOCOL = -24,

    /// The stream has ended, and its last frame has been taken.
    FB_ERROR_CLOSED = -40,
    /// The broker has ended this subscription.
    FB_ERROR_EVICTED = -41,
    /// The broker refused: it has no stream of this name; the text says which there are.
    FB_ERROR_UNKNOWN_STREAM = -42,
    /// The broker refused: too few segments for what was asked; the text says how many would do.
    FB_ERROR_NOT_ADMITTED = -43,
    /// The broker refused: this user may not do that.
    FB_ERROR_FORBIDDEN = -44,
    /// The broker refused for another reason.
    FB_ERROR_REFUSED = -45,
    /// The broker refused: the stream has a producer already; the text says which.
    FB_ERROR_HAS_PRODUCER = -46,
    /// The broker takes nothing more of what this producer was lent. fb_producer_check says why, unless it was closed.
    FB_ERROR_STOPPED = -47,
    /// The broker refused: the stream's source has no feature of this name; the text names the nearest.
    FB_ERROR_UNKNOWN_FEATURE = -48,
    /// The broker refused: the feature cannot be read, set or executed, or not now: it is read-only, locked or not available.
    FB_ERROR_NOT_ACCESSIBLE = -49,
    /// The broker refused: somebody else has sole control of the stream's settings; the text says who.
    FB_ERROR_CONTROLLED = -50,
    /// The camera is away, refused a setting, did not answer in time, or too many requests wait for it.
    FB_ERROR_CAMERA_FAILED = -51,

    /// This machine: shared memory cannot be used.
    FB_ERROR_MEMORY = -60,
    /// This machine: the kernel refuses something else, or something has run out.
    FB_ERROR_SYSTEM = -61,
    /// A fault of this library: please report it with its text.
    FB_ERROR_INTERNAL = -62,
}

/// Why a call did not end with [`fb_status::FB_OK`].
#[derive(Debug)]
pub struct Failure {
    /// What the call returns.
    pub status: fb_status,
    /// For people.
    pub text: Cow<'static, str>,
}

impl Failure {
    /// Any failure.
    pub fn new(status: fb_status, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, text: text.into() }
    }

    /// A fault of the caller's.
    pub fn argument(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(fb_status::FB_ERROR_ARGUMENT, text)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(status_of(&error), error.to_string())
    }
}

fn status_of(error: &Error) -> fb_status {
    use fb_status::*;
    match error {
        Error::Name(_) => FB_ERROR_ARGUMENT,
        Error::Full { .. } => FB_ERROR_FULL,
        Error::Gone { .. } => FB_ERROR_GONE,
        Error::OtherStream { .. } => FB_ERROR_OTHER_STREAM,
        Error::Forked => FB_ERROR_FORKED,
        Error::Frame { .. } => FB_ERROR_ARGUMENT,
        Error::NotKept { .. } => FB_ERROR_NOT_KEPT,
        Error::StillFilling { .. } => FB_ERROR_FILLING,
        Error::NotComparable { .. } => FB_ERROR_NOT_COMPARABLE,
        Error::Stopped => FB_ERROR_STOPPED,
        Error::Timeout { waiting_for: WaitingFor::Answer(_), .. } => FB_ERROR_NO_ANSWER,
        Error::Timeout { .. } => FB_TIMEOUT,
        Error::Closed { .. } => FB_ERROR_CLOSED,
        Error::Evicted { .. } => FB_ERROR_EVICTED,
        Error::NoBroker { .. } => error.code().map_or(FB_ERROR_NO_BROKER, refusal),
        Error::Refused { code, .. } => refusal(*code),
        Error::BrokerGone => FB_ERROR_BROKER_GONE,
        Error::Connection(_) => FB_ERROR_CONNECTION,
        Error::Violation(_) => FB_ERROR_PROTOCOL,
        Error::Memory(_) => FB_ERROR_MEMORY,
        Error::System { .. } => FB_ERROR_SYSTEM,
        _ => FB_ERROR_INTERNAL,
    }
}

fn refusal(code: ErrorCode) -> fb_status {
    match code {
        ErrorCode::UnknownStream => fb_status::FB_ERROR_UNKNOWN_STREAM,
        ErrorCode::NotAdmitted => fb_status::FB_ERROR_NOT_ADMITTED,
        ErrorCode::Forbidden => fb_status::FB_ERROR_FORBIDDEN,
        ErrorCode::Invalid => fb_status::FB_ERROR_ARGUMENT,
        ErrorCode::WrongVersion => fb_status::FB_ERROR_PROTOCOL,
        ErrorCode::StreamClosed => fb_status::FB_ERROR_CLOSED,
        ErrorCode::Busy => fb_status::FB_ERROR_HAS_PRODUCER,
        ErrorCode::UnknownFeature => fb_status::FB_ERROR_UNKNOWN_FEATURE,
        ErrorCode::NotAccessible => fb_status::FB_ERROR_NOT_ACCESSIBLE,
        ErrorCode::Controlled => fb_status::FB_ERROR_CONTROLLED,
        ErrorCode::CameraFailed => fb_status::FB_ERROR_CAMERA_FAILED,
        _ => fb_status::FB_ERROR_REFUSED,
    }
}

thread_local! {
    static LAST: RefCell<Cow<'static, CStr>> = const { RefCell::new(Cow::Borrowed(c"")) };
}

/// Keeps the text of a failure for [`fb_last_error`]; returns its code.
pub fn remember(failure: Failure) -> fb_status {
    let text = match failure.text {
        // The outcome of every last look in a poll loop: nothing is allocated for it.
        _ if failure.status == fb_status::FB_EMPTY => Cow::Borrowed(c"nothing is there now"),
        text => Cow::Owned(CString::new(text.replace('\0', "?")).unwrap_or_default()),
    };
    // A thread that is ending has no last error any more.
    let _ending = LAST.try_with(|last| last.replace(text));
    failure.status
}

/// The text that belongs to the last call in this thread that did not return FB_OK: what happened and what to do, in
/// English, UTF-8. Empty if there was none. It stays while calls in the same thread return FB_OK, and is valid until the next one that
/// does not: fb_error_copy keeps it longer. Do not free it. Thread-safe.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "exported")]
pub extern "C" fn fb_last_error() -> *const c_char {
    // The text stays where it is until it is replaced, by this thread.
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Copies the text of fb_last_error to buffer, at most capacity bytes with its NUL; a text that is too long is cut between
/// characters. Returns how many bytes the whole text takes, with its NUL. buffer may be NULL where capacity is 0. Changes nothing
/// else. Thread-safe.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "writes by pointer")]
#[expect(clippy::missing_safety_doc, reason = "the head of the header says what a caller owes")]
pub unsafe extern "C" fn fb_error_copy(buffer: *mut c_char, capacity: usize) -> usize {
    let copy = |last: &RefCell<Cow<'static, CStr>>| {
        let last = last.borrow();
        let text = String::from_utf8_lossy(last.to_bytes());
        if capacity > 0 && !buffer.is_null() {
            let cut = text.floor_char_boundary(capacity - 1);
            // SAFETY: the caller's pointer leads to so many bytes, of which at most `capacity - 1` are written here.
            unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast(), cut) };
            // SAFETY: as above; this is at most the last of them.
            let end = unsafe { buffer.add(cut) };
            // SAFETY: as above.
            unsafe { end.write(0) };
        }
        text.len() + 1
    };
    // A thread that is ending has no last error any more.
    LAST.try_with(copy).unwrap_or(0)
}

/// The name of a status, as "FB_ERROR_FULL"; "unknown" for a number that is none. Static: do not free it. Thread-safe.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "exported")]
pub extern "C" fn fb_status_name(status: i32) -> *const c_char {
    let found = NAMES.iter().find(|(known, _)| *known as i32 == status);
    found.map_or(c"unknown", |(_, name)| name).as_ptr()
}

macro_rules! names {
    ($($status:ident),* $(,)?) => {
        const NAMES: &[(fb_status, &CStr)] = &[$((fb_status::$status, {
            match CStr::from_bytes_with_nul(concat!(stringify!($status), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a name with a NUL"),
            }
        })),*];

        /// Fails to compile where a status has no name.
        #[cfg(test)]
        fn is_named(status: fb_status) -> bool {
            match status { $(fb_status::$status => true),* }
        }
    };
}

names!(
    FB_OK,
    FB_TIMEOUT,
    FB_EMPTY,
    FB_ERROR_ARGUMENT,
    FB_ERROR_HANDLE,
    FB_ERROR_BUSY,
    FB_ERROR_FULL,
    FB_ERROR_GONE,
    FB_ERROR_FORKED,
    FB_ERROR_NOT_KEPT,
    FB_ERROR_FILLING,
    FB_ERROR_NOT_COMPARABLE,
    FB_ERROR_NO_CHUNK,
    FB_ERROR_OTHER_STREAM,
    FB_ERROR_NO_BROKER,
    FB_ERROR_BROKER_GONE,
    FB_ERROR_NO_ANSWER,
    FB_ERROR_CONNECTION,
    FB_ERROR_PROTOCOL,
    FB_ERROR_CLOSED,
    FB_ERROR_EVICTED,
    FB_ERROR_UNKNOWN_STREAM,
    FB_ERROR_NOT_ADMITTED,
    FB_ERROR_FORBIDDEN,
    FB_ERROR_REFUSED,
    FB_ERROR_HAS_PRODUCER,
    FB_ERROR_STOPPED,
    FB_ERROR_UNKNOWN_FEATURE,
    FB_ERROR_NOT_ACCESSIBLE,
    FB_ERROR_CONTROLLED,
    FB_ERROR_CAMERA_FAILED,
    FB_ERROR_MEMORY,
    FB_ERROR_SYSTEM,
    FB_ERROR_INTERNAL,
);

#[cfg(test)]
mod tests {
    use super::*;
    use framebroker_client::{Attempt, Unreachable};

    #[test]
    fn every_status_has_one_name_and_number() {
        for (at, (status, name)) in NAMES.iter().enumerate() {
            assert!(is_named(*status));
            assert_eq!(format!("{status:?}"), name.to_str().unwrap());
            assert!(NAMES[..at].iter().all(|(other, _)| *other as i32 != *status as i32));
        }
    }

    #[test]
    fn a_late_frame_is_no_failure_and_a_late_answer_is_one() {
        let waited = std::time::Duration::ZERO;
        let late = |waiting_for| status_of(&Error::Timeout { waited, waiting_for });
        assert_eq!(late(WaitingFor::Frame), fb_status::FB_TIMEOUT);
        assert_eq!(late(WaitingFor::Segment), fb_status::FB_TIMEOUT);
        assert_eq!(late(WaitingFor::Source { reason: String::new() }), fb_status::FB_TIMEOUT);
        assert_eq!(late(WaitingFor::Broker { last: String::new() }), fb_status::FB_TIMEOUT);
        assert_eq!(late(WaitingFor::Answer("Ping")), fb_status::FB_ERROR_NO_ANSWER);
    }

    #[test]
    fn a_broker_that_turns_one_away_is_told_from_one_that_is_not_there() {
        assert_eq!(status_of(&Error::NoBroker { tried: vec![] }), fb_status::FB_ERROR_NO_BROKER);
        let refused = Error::Refused { code: ErrorCode::Forbidden, text: String::new() };
        let reason = Unreachable::Greeting(Box::new(refused));
        let tried = vec![Attempt { path: "/x".into(), reason }];
        assert_eq!(status_of(&Error::NoBroker { tried }), fb_status::FB_ERROR_FORBIDDEN);
    }
}
