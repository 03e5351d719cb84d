//! From the Rust library's errors to the exceptions of `framebroker._errors`.

use framebroker_client::{Error, ErrorCode, GoneReason, WaitingFor};
use pyo3::prelude::*;

mod classes {
    pyo3::import_exception!(framebroker._errors, Error);
    pyo3::import_exception!(framebroker._errors, NoBrokerError);
    pyo3::import_exception!(framebroker._errors, BrokerGoneError);
    pyo3::import_exception!(framebroker._errors, WaitTimeoutError);
    pyo3::import_exception!(framebroker._errors, RefusedError);
    pyo3::import_exception!(framebroker._errors, UnknownStreamError);
    pyo3::import_exception!(framebroker._errors, NotAdmittedError);
    pyo3::import_exception!(framebroker._errors, ForbiddenError);
    pyo3::import_exception!(framebroker._errors, InvalidValueError);
    pyo3::import_exception!(framebroker._errors, UnknownFeatureError);
    pyo3::import_exception!(framebroker._errors, NotAccessibleError);
    pyo3::import_exception!(framebroker._errors, ControlledError);
    pyo3::import_exception!(framebroker._errors, CameraFailedError);
    pyo3::import_exception!(framebroker._errors, StreamClosedError);
    pyo3::import_exception!(framebroker._errors, EvictedError);
    pyo3::import_exception!(framebroker._errors, HeldFramesError);
    pyo3::import_exception!(framebroker._errors, FrameGoneError);
    pyo3::import_exception!(framebroker._errors, OtherStreamError);
    pyo3::import_exception!(framebroker._errors, ReleasedError);
    pyo3::import_exception!(framebroker._errors, ClosedError);
    pyo3::import_exception!(framebroker._errors, JoinedError);
    pyo3::import_exception!(framebroker._errors, NotComparableError);
    pyo3::import_exception!(framebroker._errors, ForkedError);
    pyo3::import_exception!(framebroker._errors, InvalidNameError);
    pyo3::import_exception!(framebroker._errors, InvalidFrameError);
    pyo3::import_exception!(framebroker._errors, NotKeptError);
    pyo3::import_exception!(framebroker._errors, StillFillingError);
    pyo3::import_exception!(framebroker._errors, StoppedError);
    pyo3::import_exception!(framebroker._errors, ProtocolError);
    pyo3::import_exception!(framebroker._errors, MachineError);
}

pub use classes::{BrokerGoneError, ClosedError, HeldFramesError, JoinedError, ReleasedError, StreamClosedError};

/// The exception for an error of the Rust library.
pub fn raised(error: &Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Name(_) => classes::InvalidNameError::new_err(text),
        Error::Full { .. } => HeldFramesError::new_err((text, Vec::<(u64, String)>::new())),
        Error::Gone { context, reason } => classes::FrameGoneError::new_err((text, context.as_u64(), gone(*reason))),
        Error::OtherStream { stream, .. } => classes::OtherStreamError::new_err((text, stream.to_string())),
        Error::NotComparable { .. } => classes::NotComparableError::new_err(text),
        Error::Forked => forked(),
        Error::Frame { .. } => classes::InvalidFrameError::new_err(text),
        Error::NotKept { context } => classes::NotKeptError::new_err((text, *context)),
        Error::StillFilling { .. } => classes::StillFillingError::new_err(text),
        Error::Stopped => classes::StoppedError::new_err(text),
        Error::Timeout { waiting_for, .. } => classes::WaitTimeoutError::new_err((text, awaited(waiting_for))),
        Error::Refused { code, .. } => refused(*code, text),
        Error::Closed { reason } => StreamClosedError::new_err((text, reason.clone())),
        Error::Evicted { reason } => classes::EvictedError::new_err((text, reason.clone())),
        Error::NoBroker { tried } => match error.code() {
            Some(code) => refused(code, text),
            None => {
                let tried: Vec<(String, String)> = tried
                    .iter()
                    .map(|attempt| (attempt.path.display().to_string(), attempt.reason.to_string()))
                    .collect();
                classes::NoBrokerError::new_err((text, tried))
            }
        },
        Error::BrokerGone => BrokerGoneError::new_err(text),
        Error::Connection(_) | Error::Violation(_) => classes::ProtocolError::new_err(text),
        Error::System { source, .. } => classes::MachineError::new_err((*source as i32, text)),
        Error::Memory(_) => classes::MachineError::new_err(text),
        _ => classes::Error::new_err(text),
    }
}

/// What a forked child gets for its parent's objects.
pub fn forked() -> PyErr {
    classes::ForkedError::new_err(
        "this belongs to the process that was forked: make a Broker and subscribe in the child itself",
    )
}

fn refused(code: ErrorCode, text: String) -> PyErr {
    let name = format!("{code:?}");
    match code {
        ErrorCode::UnknownStream => classes::UnknownStreamError::new_err((text, name)),
        ErrorCode::NotAdmitted => classes::NotAdmittedError::new_err((text, name)),
        ErrorCode::Forbidden => classes::ForbiddenError::new_err((text, name)),
        ErrorCode::Invalid => classes::InvalidValueError::new_err((text, name)),
        ErrorCode::UnknownFeature => classes::UnknownFeatureError::new_err((text, name)),
        ErrorCode::NotAccessible => classes::NotAccessibleError::new_err((text, name)),
        ErrorCode::Controlled => classes::ControlledError::new_err((text, name)),
        ErrorCode::CameraFailed => classes::CameraFailedError::new_err((text, name)),
        ErrorCode::StreamClosed => StreamClosedError::new_err((text.clone(), text)),
        _ => classes::RefusedError::new_err((text, name)),
    }
}

fn gone(reason: GoneReason) -> &'static str {
    match reason {
        GoneReason::OtherBroker { .. } => "other-broker",
        _ => "retired",
    }
}

fn awaited(waiting_for: &WaitingFor) -> &'static str {
    match waiting_for {
        WaitingFor::Frame => "frame",
        WaitingFor::Set { .. } => "set",
        WaitingFor::Setting { .. } => "setting",
        WaitingFor::Source { .. } => "source",
        WaitingFor::Broker { .. } => "broker",
        WaitingFor::Segment => "segment",
        _ => "answer",
    }
}
