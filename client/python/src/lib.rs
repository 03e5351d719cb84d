//! The native part of the Python package `framebroker`: frames from a broker in another process, with no copy.
//!
//! Built by maturin as `framebroker._framebroker`; the package around it is in `python/framebroker`. What it is for and how it
//! behaves stands in README.md beside this.
//!
//! | module | owns |
//! |---|---|
//! | `broker`, `subscription`, `frame`, `producer`, `blank` | the classes of these names |
//! | `synced`, `member`, `frame_set` | several subscriptions as one: sets of frames |
//! | `frame_ref` | addresses of frames |
//! | `features` | camera settings |
//! | `frame_info` | what a program says of a frame that it publishes |
//! | `turns`, `waiting` | how threads share a subscription or producer, and wait for what comes of it |
//! | `hold`, `ledger` | what keeps a frame held, and which line took it |
//! | `geometry`, `buffer`, `dlpack` | how its bytes are shown |
//! | `unpack` | packed pixels to 16-bit values |
//! | `pixel_format`, `records`, `options`, `error` | formats, statistics, keywords, exceptions |
#![deny(unsafe_code)]

mod blank;
mod broker;
mod buffer;
mod dlpack;
mod error;
mod features;
mod frame;
mod frame_info;
mod frame_ref;
mod frame_set;
mod geometry;
mod hold;
mod ledger;
mod member;
mod options;
mod pixel_format;
mod producer;
mod records;
mod subscription;
mod synced;
mod turns;
mod unpack;
mod waiting;

use pyo3::pymodule;

/// The native part of framebroker: use the package ``framebroker``.
#[pymodule]
mod _framebroker {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::blank::{Blank, KeptSegment};
    #[pymodule_export]
    use crate::broker::{Broker, SoleControl};
    #[pymodule_export]
    use crate::features::{Feature, Setting, SettingsChange};
    #[pymodule_export]
    use crate::frame::Frame;
    #[pymodule_export]
    use crate::frame_ref::FrameRef;
    #[pymodule_export]
    use crate::frame_set::FrameSet;
    #[pymodule_export]
    use crate::pixel_format::PixelFormat;
    #[pymodule_export]
    use crate::producer::Producer;
    #[pymodule_export]
    use crate::records::{
        ClientStats, Counters, Holder, MappedSegment, SegmentStats, StreamInfo, StreamStats, SubscriptionStats,
        SyncStats, Timing,
    };
    #[pymodule_export]
    use crate::subscription::Subscription;
    #[pymodule_export]
    use crate::synced::SyncedSubscription;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
