//! Camera settings: features by their GenICam names.

use std::time::Duration;

use framebroker_protocol::message::{Ask, Feature, FeatureValue, Tell};
use framebroker_protocol::{Sequence, StreamName};

use crate::error::Violation;
use crate::questions::At;
use crate::settings_version::SettingsVersion;
use crate::sole_control::{SoleControl, ask_control};
use crate::subscription::Subscription;
use crate::{Broker, Error, Frame, Result};

/// What triggers a camera.
const TRIGGER: &str = "TriggerSoftware";

/// A feature after it was set or executed.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The feature as it is now. A camera may have rounded the value.
    pub feature: Feature,
    /// Frames with this [settings version](crate::Frame::settings_version) or a later one were exposed after it was done:
    /// [`Frame::is_exposed_with`](crate::Frame::is_exposed_with). A trigger changes no setting: there it is the present one.
    pub version: u32,
    /// The newest frame before the camera was asked; 0 before the first. What a trigger brings comes after it.
    pub head: Sequence,
}

impl From<&Setting> for SettingsVersion {
    fn from(setting: &Setting) -> Self {
        Self(setting.version)
    }
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

    /// Executes a command. One that only triggers a frame, as `TriggerSoftware`, raises no settings version: see
    /// [`Self::trigger`].
    ///
    /// # Errors
    /// See [camera settings](#camera-settings).
    pub fn execute(&self, stream: &str, command: &str) -> Result<Setting> {
        self.ask_feature("Execute", Ask::Execute { stream: stream.parse()?, feature: command.parse()? })
    }

    /// Triggers a camera (`TriggerSoftware`) and waits for its frame, for at most `timeout` from then on: the first that comes
    /// after the trigger. The camera waits for triggers: its `TriggerMode` is `On`, its `TriggerSource` `Software`.
    ///
    /// ```no_run
    /// # fn main() -> framebroker_client::Result<()> {
    /// # let broker = framebroker_client::Broker::builder().control(true).connect()?;
    /// broker.set_feature("cam0", "TriggerMode", "On")?;
    /// let set = broker.set_feature("cam0", "ExposureTime", 5000.0)?;
    /// let frame = broker.trigger("cam0", std::time::Duration::from_secs(1))?;
    /// assert!(frame.is_exposed_with(&set));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Subscribes to the stream when it is first called, on a connection of its own that is kept until this object is dropped, for
    /// two frames: one may be held while the next is waited for. Threads that trigger the same camera take turns.
    ///
    /// # Errors
    /// [`Error::Timeout`]: no frame came, as where the camera ignored the trigger;
    /// [`Error::Full`]: two frames of it are held; else
    /// as [`Self::execute`], [`SubscriptionBuilder::open`](crate::SubscriptionBuilder::open) and
    /// [`Subscription::next`](crate::Subscription::next).
    pub fn trigger(&self, stream: &str, timeout: impl Into<Option<Duration>>) -> Result<Frame> {
        let timeout = timeout.into();
        loop {
            // Nobody stops it, so one turn is all.
            if let Some(frame) = self.trigger_while(stream, timeout, |_| true)? {
                return Ok(frame);
            }
        }
    }

    /// As [`Self::trigger`], for callers that must be able to stop waiting: see [`Subscription::next_while`].
    ///
    /// # Errors
    /// As [`Self::trigger`].
    pub fn trigger_while(
        &self,
        stream: &str,
        timeout: impl Into<Option<Duration>>,
        mut goes_on: impl FnMut(&Subscription) -> bool,
    ) -> Result<Option<Frame>> {
        let (name, timeout) = (stream.parse()?, timeout.into());
        let mut is_sent = false;
        self.with_trigger_subscription(&name, |frames| {
            frames.make_ready()?;
            // The subscription had ended and was made anew: what was sent is never sent again.
            if std::mem::replace(&mut is_sent, true) {
                return Err(Error::BrokerGone);
            }
            let head = self.execute(stream, TRIGGER)?.head;
            frames.next_where(timeout, &mut goes_on, |frame| frame.sequence() > head)
        })
    }

    /// Takes sole control of a stream's settings: others can read them, and are told who has it when they set one. It ends when the
    /// guard is dropped, with [`Self::give_control`], or with this connection.
    ///
    /// ```no_run
    /// # fn main() -> framebroker_client::Result<()> {
    /// # let broker = framebroker_client::Broker::builder().control(true).connect()?;
    /// let _control = broker.take_control("cam0")?;
    /// broker.set_feature("cam0", "Width", 640)?;
    /// broker.set_feature("cam0", "Height", 480)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [camera settings](#camera-settings).
    pub fn take_control(&self, stream: &str) -> Result<SoleControl> {
        let stream: StreamName = stream.parse()?;
        let at = self.with_session(|session, deadline| {
            ask_control(session, deadline, &stream, true)?;
            Ok(At::of(session))
        })?;
        Ok(self.sole_control(stream, &at))
    }

    /// Gives sole control back, whatever becomes of its guard.
    ///
    /// # Errors
    /// See [camera settings](#camera-settings).
    pub fn give_control(&self, stream: &str) -> Result<()> {
        let stream = stream.parse()?;
        self.with_session(|session, deadline| ask_control(session, deadline, &stream, false))
    }

    fn ask_feature(&self, name: &'static str, ask: Ask) -> Result<Setting> {
        self.with_session(|session, deadline| match session.ask(name, ask, deadline)?.body {
            Tell::Feature { version, head, feature } => Ok(Setting { feature, version, head }),
            _ => Err(Violation::Unexpected("no Feature").into()),
        })
    }
}
