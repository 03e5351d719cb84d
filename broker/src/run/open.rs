//! Which source a stream's options ask for, and how it is opened.

use std::sync::Arc;

use framebroker_protocol::PixelFormat;
use framebroker_protocol::message::Content;

use crate::config::{SourceChoice, StreamOptions};
use crate::source::{Fill, Opener, PatternOptions, PatternSource, ReplayOptions, ReplaySource, SourceError};

/// How to open the source that a stream's options ask for; `None` where it comes by itself. All segments together may take
/// so many bytes.
pub(super) fn opener(config: &StreamOptions, memory_bytes: u64) -> Option<Opener> {
    match &config.source {
        SourceChoice::Pattern => {
            let options = PatternOptions {
                width: config.width.unwrap_or(1920),
                height: config.height.unwrap_or(1080),
                pixel_format: config.pixel_format.unwrap_or(PixelFormat::MONO8),
                fps: config.fps.unwrap_or(30.0),
                fill: config.fill,
            };
            Some(Arc::new(move || Ok(Box::new(PatternSource::open(options)?))))
        }
        SourceChoice::Replay(path) => {
            let options = ReplayOptions {
                path: path.clone(),
                most_bytes: memory_bytes / (config.segments() as u64).max(1),
                fps: config.fps,
                repeat: config.replay_loop,
                on_error: config.replay_errors,
            };
            Some(Arc::new(move || Ok(Box::new(ReplaySource::open(&options)?))))
        }
        SourceChoice::Aravis(device) => Some(aravis::opener(config, device.clone())),
        SourceChoice::Producer => None,
        SourceChoice::Pylon(device) => Some(pylon::opener(config, device.clone())),
    }
}

/// The kind of source, and what consumers can check of its frames.
pub(super) fn kind(config: &StreamOptions) -> (&'static str, Content) {
    let content = match (&config.source, config.fill) {
        (SourceChoice::Pattern, Fill::Moving) => Content::Pattern,
        _ => Content::Opaque,
    };
    (config.source.name(), content)
}

/// The cameras that the source can open, one a line.
///
/// # Errors
/// The source has no cameras, or the driver failed.
pub(super) fn list(config: &StreamOptions) -> Result<Vec<String>, SourceError> {
    match &config.source {
        SourceChoice::Pattern | SourceChoice::Replay(_) | SourceChoice::Producer => Err(SourceError::Invalid(format!(
            "the source {} has no cameras to list; `broker --source aravis --list` lists those of Aravis, \
             `broker --source pylon --list` those of pylon",
            config.source.name()
        ))),
        SourceChoice::Aravis(device) => aravis::list(device.as_deref()),
        SourceChoice::Pylon(_) => pylon::list(),
    }
}

#[cfg(any(feature = "aravis", feature = "pylon"))]
fn camera(config: &StreamOptions, device: Option<String>) -> crate::source::camera::CameraOptions {
    let features = config.set.iter().map(|setting| (setting.feature.clone(), setting.value.clone())).collect();
    let StreamOptions { width, height, fps, pixel_format, .. } = *config;
    crate::source::camera::CameraOptions { device, features, width, height, fps, pixel_format }
}

#[cfg(feature = "aravis")]
mod aravis {
    use super::{Arc, Opener, SourceError, StreamOptions, camera};
    use crate::source::aravis::{self, AravisSource, Options};

    pub fn opener(config: &StreamOptions, device: Option<String>) -> Opener {
        let StreamOptions { packet_size, socket_buffer, .. } = *config;
        let options = Options { camera: camera(config, device), packet_size, socket_buffer };
        Arc::new(move || Ok(Box::new(AravisSource::open(&options)?)))
    }

    pub fn list(device: Option<&str>) -> Result<Vec<String>, SourceError> {
        Ok(aravis::list(device)?.iter().map(ToString::to_string).collect())
    }
}

#[cfg(feature = "pylon")]
mod pylon {
    use super::{Arc, Opener, SourceError, StreamOptions, camera};
    use crate::source::pylon::{Options, Pylon, PylonSource};

    pub fn opener(config: &StreamOptions, device: Option<String>) -> Opener {
        let options = Options { camera: camera(config, device), load: config.load.clone() };
        let pylon = Pylon::default();
        Arc::new(move || Ok(Box::new(PylonSource::open(&pylon, &options)?)))
    }

    pub fn list() -> Result<Vec<String>, SourceError> {
        Ok(Pylon::default().list()?.iter().map(ToString::to_string).collect())
    }
}

#[cfg(not(feature = "aravis"))]
mod aravis {
    use super::{Arc, Opener, SourceError, StreamOptions};

    fn not_built() -> SourceError {
        SourceError::Invalid(
            "this broker was built without the source aravis; install libaravis-dev and libusb-1.0-0-dev and build it with \
             `cargo install --locked --path broker --features aravis`"
                .to_owned(),
        )
    }

    pub fn opener(_: &StreamOptions, _: Option<String>) -> Opener {
        Arc::new(|| Err(not_built()))
    }

    pub fn list(_: Option<&str>) -> Result<Vec<String>, SourceError> {
        Err(not_built())
    }
}

#[cfg(not(feature = "pylon"))]
mod pylon {
    use super::{Arc, Opener, SourceError, StreamOptions};

    fn not_built() -> SourceError {
        SourceError::Invalid(
            "this broker was built without the source pylon; install Basler's pylon SDK and build it with \
             `scripts/pylon-root.sh && PYLON_ROOT=$PWD/target/pylon-root cargo install --locked --path broker --features \
             pylon` (docs/basler.md)"
                .to_owned(),
        )
    }

    pub fn opener(_: &StreamOptions, _: Option<String>) -> Opener {
        Arc::new(|| Err(not_built()))
    }

    pub fn list() -> Result<Vec<String>, SourceError> {
        Err(not_built())
    }
}
