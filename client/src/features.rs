//! Camera settings: features by their GenICam names.

use framebroker_protocol::StreamName;
use framebroker_protocol::message::{Ask, Feature, FeatureValue, Tell};

use crate::error::Violation;
use crate::{Broker, Result};

/// A feature after it was set or executed.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The feature as it is now. A camera may have rounded the value.
    pub feature: Feature,
    /// Frames with this [settings version](crate::Frame::settings_version) or a later one were exposed after it was done:
    /// `frame.settings_version().wrapping_sub(version) < 1 << 31`.
    pub version: u32,
}

/// # Camera settings
///
/// Features have the names of the GenICam SFNC as far as the camera keeps to it. Anyone may read them; setting needs a connection
/// made with [`BrokerBuilder::control`](crate::BrokerBuilder::control). The camera is given 4 s for each answer.
///
/// ```no_run
/// # fn main() -> framebroker_client::Result<()> {
/// let broker = framebroker_client::Broker::builder().control(true).connect()?;
/// let set = broker.set_feature("cam0", "ExposureTime", 5000.0)?;
/// println!("{} = {} {}", set.feature.name, set.feature.value, set.feature.kind.unit());
/// # Ok(())
/// # }
/// ```
///
/// These are the calls that bindings for other languages offer under the same names. For those a value may always be given as a
/// text, which the broker reads by the feature's kind: [`FeatureValue::Text`].
///
/// Each fails as [`Broker::streams`] does, and with [`Error::Refused`](crate::Error::Refused), whose code tells why:
/// `UnknownStream`, `UnknownFeature` (the text names the nearest), `CameraFailed` (away, or no answer), `Busy`; and where it changes
/// something `Forbidden`, `NotAccessible` (read-only, locked), `Invalid` (of another kind, or out of range: the text says what would
/// do), `Controlled` (by somebody else).
impl Broker {
    /// All features of a stream's source, in the camera's order, as they are now; none where it has none. A real camera has
    /// hundreds, which takes seconds to read.
    ///
    /// # Errors
    /// See [camera settings](#camera-settings).
    pub fn features(&self, stream: &str) -> Result<Vec<Feature>> {
        let stream: StreamName = stream.parse()?;
        // Each page has its own time limit.
        self.paged_slowly(|session, from, deadline| {
            let ask = Ask::Features { stream: stream.clone(), from };
            match session.ask("Features", ask, deadline)?.body {
                Tell::Features { features, more } => Ok((features, more)),
                _ => Err(Violation::Unexpected("no Features").into()),
            }
        })
    }

    /// One feature, as it is now.
    ///
    /// # Errors
    /// See [camera settings](#camera-settings).
    pub fn feature(&self, stream: &str, feature: &str) -> Result<Feature> {
        let ask = Ask::GetFeature { stream: stream.parse()?, feature: feature.parse()? };
        Ok(self.ask_feature("GetFeature", ask)?.feature)
    }

    /// Sets a feature, and reads it. Where that changes the size of frames, the stream pauses for a moment; consumers need do
    /// nothing, each frame has its own geometry.
    ///
    /// # Errors
    /// See [camera settings](#camera-settings).
    pub fn set_feature(&self, stream: &str, feature: &str, value: impl Into<FeatureValue>) -> Result<Setting> {
        let ask = Ask::SetFeature { stream: stream.parse()?, feature: feature.parse()?, value: value.into() };
        self.ask_feature("SetFeature", ask)
    }

    /// Executes a command.
    ///
    /// # Errors
    /// See [camera settings](#camera-settings).
    pub fn execute(&self, stream: &str, command: &str) -> Result<Setting> {
        self.ask_feature("Execute", Ask::Execute { stream: stream.parse()?, feature: command.parse()? })
    }

    /// Takes sole control of a stream's settings: others can read them, and are told who has it when they set one. It ends with
    /// [`Self::give_control`] or this connection.
    ///
    /// # Errors
    /// See [camera settings](#camera-settings).
    pub fn take_control(&self, stream: &str) -> Result<()> {
        self.control(stream, true)
    }

    /// Gives sole control back.
    ///
    /// # Errors
    /// See [camera settings](#camera-settings).
    pub fn give_control(&self, stream: &str) -> Result<()> {
        self.control(stream, false)
    }

    fn control(&self, stream: &str, sole: bool) -> Result<()> {
        let ask = Ask::Control { stream: stream.parse()?, sole };
        self.with_session(|session, deadline| match session.ask("Control", ask, deadline)?.body {
            Tell::Control { sole: now } if now == sole => Ok(()),
            _ => Err(Violation::Unexpected("no Control as asked for").into()),
        })
    }

    fn ask_feature(&self, name: &'static str, ask: Ask) -> Result<Setting> {
        self.with_session(|session, deadline| match session.ask(name, ask, deadline)?.body {
            Tell::Feature { version, feature } => Ok(Setting { feature, version }),
            _ => Err(Violation::Unexpected("no Feature").into()),
        })
    }
}
