//! A source's features by name: what a source offers, and what is the same for all.
//!
//! A [`Features`] is a handle of its own beside the [`Source`](super::Source): the device thread reads and sets features
//! through it while the grab thread grabs. What a source writes itself is little: names, reading one, and setting one to a
//! value that [`check`] has found to be of its kind and in its range.

pub mod check;
#[cfg(any(feature = "aravis", feature = "pylon"))]
pub mod options;

use framebroker_protocol::FeatureName;
use framebroker_protocol::message::{ErrorCode, Feature, FeatureValue};

/// Frames of a camera that may be on their way when it is set: one being exposed, one being sent.
pub const FRAMES_UNDER_WAY: usize = 2;

/// The features of an open source, by their GenICam SFNC names.
///
/// Used by one thread at a time, beside the thread that has the source. A call may take as long as the device does; after the
/// source has been dropped it fails with [`FeatureError::Failed`] and keeps nothing of the device open.
pub trait Features: Send {
    /// The names of all features that [`Self::read`] knows, in the device's order.
    ///
    /// # Errors
    /// [`FeatureError::Failed`].
    fn names(&mut self) -> Result<Vec<FeatureName>, FeatureError>;

    /// A feature as it is now; `None` where there is none of this name.
    ///
    /// # Errors
    /// [`FeatureError::Failed`].
    fn read(&mut self, name: &FeatureName) -> Result<Option<Feature>, FeatureError>;

    /// Sets a feature to a value of its kind, in its range; called only where it could be set a moment ago.
    ///
    /// # Errors
    /// The device refuses or fails.
    fn write(&mut self, name: &FeatureName, value: &FeatureValue) -> Result<(), FeatureError>;

    /// Executes a command; called only where it could be executed a moment ago.
    ///
    /// # Errors
    /// The device refuses or fails.
    fn execute(&mut self, name: &FeatureName) -> Result<(), FeatureError>;

    /// Whether the source must be stopped while this is set or executed, because frames have another size or are made by something
    /// else afterwards, or the driver must be set up anew.
    fn needs_stop(&self, name: &FeatureName) -> bool {
        changes_frames(name.as_str()) || changes_trigger(name.as_str())
    }
}

/// Whether frames have another size or layout after a feature of this SFNC name has been set or executed.
#[must_use]
pub fn changes_frames(name: &str) -> bool {
    const NAMES: [&str; 20] = [
        "Width",
        "Height",
        "OffsetX",
        "OffsetY",
        "PixelFormat",
        "PixelSize",
        "LinePitch",
        "LinePitchEnable",
        "BinningHorizontal",
        "BinningHorizontalMode",
        "BinningVertical",
        "BinningVerticalMode",
        "DecimationHorizontal",
        "DecimationVertical",
        "ReverseX",
        "ReverseY",
        "RegionMode",
        "ChunkModeActive",
        "ChunkEnable",
        "UserSetLoad",
    ];
    NAMES.contains(&name)
}

/// Whether something else makes frames after a feature of this SFNC name has been set. While the source is stopped for it the last
/// frames of before come: so from the start on it is known what has triggered each.
#[must_use]
pub fn changes_trigger(name: &str) -> bool {
    matches!(name, "TriggerMode" | "TriggerSource")
}

/// Whether a command of this SFNC name only triggers a frame: it changes no setting.
#[must_use]
pub fn is_trigger(name: &str) -> bool {
    matches!(name, "TriggerSoftware" | "SoftwareSignalPulse")
}

/// Whether the number of segments that a camera's driver needs, or how it is set up, depends on a feature of this SFNC name.
#[must_use]
pub fn changes_needs(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        "AcquisitionFrameRate",
        "AcquisitionFrameRateAbs",
        "AcquisitionFrameRateEnable",
        "AcquisitionFrameRateEnabled",
        "AcquisitionMode",
        "GevSCPSPacketSize",
        "PayloadSize",
    ];
    NAMES.contains(&name)
}

/// Whether the broker itself sets or executes a feature of this SFNC name, and nobody else may: whoever did would take the camera or
/// its frames away.
#[must_use]
pub fn is_brokers(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "AcquisitionStart",
        "AcquisitionStop",
        "AcquisitionAbort",
        "AcquisitionArm",
        "TLParamsLocked",
        "GevCCP",
        "GevSCPHostPort",
        "GevSCDA",
        "GevSCSP",
        "GevMCPHostPort",
        "GevMCDA",
        "GevHeartbeatTimeout",
    ];
    NAMES.contains(&name)
}

/// Why a feature cannot be read, set or executed. Each text says what would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// There is none of that name.
    #[error("{0}")]
    Unknown(String),
    /// It cannot be set, or not now.
    #[error("{0}")]
    NotAccessible(String),
    /// It does not take this value.
    #[error("{0}")]
    Invalid(String),
    /// The device is away, refused it, or did not answer.
    #[error("{0}")]
    Failed(String),
}

impl FeatureError {
    /// What a client is told it is.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unknown(_) => ErrorCode::UnknownFeature,
            Self::NotAccessible(_) => ErrorCode::NotAccessible,
            Self::Invalid(_) => ErrorCode::Invalid,
            Self::Failed(_) => ErrorCode::CameraFailed,
        }
    }
}
