//! The pattern's features, by the SFNC names of what a camera would have: so that everything can be tried without one.

use std::sync::{Arc, Weak};

use framebroker_protocol::message::{Access, Feature, FeatureKind, FeatureValue, FloatRange, IntegerRange, Visibility};
use framebroker_protocol::pattern::Pattern;
use framebroker_protocol::{FeatureName, PixelFormat, Text};

use super::pace::Pace;
use super::settings::{Region, Settings, Shared};
use super::{Fill, RATES};
use crate::source::features::{FeatureError, Features};

/// The offset of the region moves in such steps, as of most sensors.
const OFFSET_STEP: u32 = 4;
/// Bytes of the name that a user gives the device.
const USER_ID_BYTES: usize = 63;

/// Every feature and what it is for, in SFNC's order.
const FEATURES: [(&str, &str); 17] = [
    ("DeviceVendorName", "Who made the source."),
    ("DeviceModelName", "What it is."),
    ("DeviceUserID", "A name of the user's choice; up to 63 bytes."),
    ("SensorWidth", "Width of the sensor, of which the image is a part."),
    ("SensorHeight", "Height of the sensor, of which the image is a part."),
    ("Width", "Width of the image."),
    ("Height", "Height of the image."),
    ("OffsetX", "Where on the sensor the image begins."),
    ("OffsetY", "Where on the sensor the image begins."),
    ("PixelFormat", "How a pixel is written, by its PFNC name."),
    ("TestPattern", "What frames show. The broker is told by --fill, as readers rely on it."),
    ("AcquisitionFrameRateEnable", "Whether AcquisitionFrameRate counts; else frames are made as fast as possible."),
    ("AcquisitionFrameRate", "Frames per second."),
    ("TriggerMode", "Whether frames are made for triggers only."),
    ("TriggerSoftware", "Triggers a frame, where TriggerMode is On."),
    ("TimestampReset", "Begins the timestamps of the frames at 0."),
    ("Timestamp", "The present time of the clock of the timestamps."),
];

/// The features of one pattern source.
#[derive(Debug)]
pub struct PatternFeatures(Weak<Shared>);

impl PatternFeatures {
    pub fn of(shared: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(shared))
    }

    fn shared(&self) -> Result<Arc<Shared>, FeatureError> {
        self.0.upgrade().ok_or_else(|| FeatureError::Failed("the source has ended".to_owned()))
    }
}

impl Features for PatternFeatures {
    fn names(&mut self) -> Result<Vec<FeatureName>, FeatureError> {
        Ok(FEATURES.iter().filter_map(|(name, _)| name.parse().ok()).collect())
    }

    fn read(&mut self, name: &FeatureName) -> Result<Option<Feature>, FeatureError> {
        let shared = self.shared()?;
        let settings = shared.lock().clone();
        let known = FEATURES.iter().find(|(known, _)| *known == name.as_str());
        Ok(known.and_then(|(_, description)| {
            let (value, kind, access) = state(name.as_str(), &settings, &shared.pace)?;
            let (display_name, description) = (spaced(name.as_str()), Text::description(description));
            let visibility = Visibility::Beginner;
            Some(Feature { name: name.clone(), display_name, description, visibility, access, value, kind })
        }))
    }

    fn write(&mut self, name: &FeatureName, value: &FeatureValue) -> Result<(), FeatureError> {
        let shared = self.shared()?;
        let mut region = shared.lock().region;
        let side = match (name.as_str(), value) {
            ("Width", FeatureValue::Integer(value)) => Some((&mut region.width, *value)),
            ("Height", FeatureValue::Integer(value)) => Some((&mut region.height, *value)),
            ("OffsetX", FeatureValue::Integer(value)) => Some((&mut region.offset_x, *value)),
            ("OffsetY", FeatureValue::Integer(value)) => Some((&mut region.offset_y, *value)),
            _ => None,
        };
        if let Some((side, value)) = side {
            *side = u32::try_from(value).map_err(|error| FeatureError::Invalid(format!("{name} {value}: {error}")))?;
            return set_region(&shared, region);
        }
        match (name.as_str(), value) {
            ("PixelFormat", FeatureValue::Text(entry)) => {
                let unknown = || FeatureError::Invalid(format!("there is no pixel format {entry}"));
                region.pixel_format = PixelFormat::from_name(entry.as_str()).ok_or_else(unknown)?;
                return set_region(&shared, region);
            }
            ("DeviceUserID", FeatureValue::Text(id)) if id.as_str().len() > USER_ID_BYTES => {
                return Err(FeatureError::Invalid(format!("{name} takes a text of at most {USER_ID_BYTES} bytes")));
            }
            ("DeviceUserID", FeatureValue::Text(id)) => {
                shared.change(|settings| id.as_str().clone_into(&mut settings.user_id))
            }
            ("AcquisitionFrameRateEnable", FeatureValue::Boolean(on)) => {
                shared.change(|settings| settings.is_rate_limited = *on);
            }
            ("AcquisitionFrameRate", FeatureValue::Float(rate)) => shared.change(|settings| settings.rate = *rate),
            ("TriggerMode", FeatureValue::Text(mode)) => {
                shared.pace.forget_triggers();
                shared.change(|settings| settings.is_triggered = mode.as_str() == "On");
            }
            _ => return Err(FeatureError::NotAccessible(format!("{name} cannot be set"))),
        }
        Ok(())
    }

    fn execute(&mut self, name: &FeatureName) -> Result<(), FeatureError> {
        let shared = self.shared()?;
        let mut has_room = true;
        match name.as_str() {
            "TriggerSoftware" => has_room = shared.pace.trigger(),
            "TimestampReset" => shared.pace.reset_clock(),
            _ => return Err(FeatureError::NotAccessible(format!("{name} cannot be executed"))),
        }
        if has_room {
            Ok(())
        } else {
            Err(FeatureError::Failed("the triggers before have not been served yet".to_owned()))
        }
    }
}

/// Sets the region, if there is such an image.
fn set_region(shared: &Shared, region: Region) -> Result<(), FeatureError> {
    Pattern::new(region.pixel_format, region.width, region.height)
        .map_err(|error| FeatureError::Invalid(error.to_string()))?;
    shared.change(|settings| settings.region = region);
    Ok(())
}

/// Value, kind and access of a feature.
fn state(name: &str, settings: &Settings, pace: &Pace) -> Option<(FeatureValue, FeatureKind, Access)> {
    let Settings { region, sensor: (sensor_width, sensor_height), .. } = settings;
    let integer = |value: u32, min: u32, max: u32, step: u32| {
        let [min, max, increment] = [min, max, step].map(i64::from);
        let unit = Text::label("px");
        (FeatureValue::from(value), FeatureKind::Integer(IntegerRange { min, max, increment, unit }), Access::ReadWrite)
    };
    let read_only = |value: FeatureValue, kind| (value, kind, Access::ReadOnly);
    let fixed = |value: u32| read_only(value.into(), integer(value, value, value, 1).1);
    let switch = |on: bool| FeatureValue::from(if on { "On" } else { "Off" });
    let step = region.pixel_format.width_multiple().max(1);
    Some(match name {
        "DeviceVendorName" => read_only("framebroker".into(), FeatureKind::String),
        "DeviceModelName" => read_only("test pattern".into(), FeatureKind::String),
        "DeviceUserID" => (settings.user_id.as_str().into(), FeatureKind::String, Access::ReadWrite),
        "SensorWidth" => fixed(*sensor_width),
        "SensorHeight" => fixed(*sensor_height),
        "Width" => integer(region.width, step, sensor_width - region.offset_x, step),
        "Height" => integer(region.height, 1, sensor_height - region.offset_y, 1),
        "OffsetX" => integer(region.offset_x, 0, sensor_width - region.width, OFFSET_STEP),
        "OffsetY" => integer(region.offset_y, 0, sensor_height - region.height, OFFSET_STEP),
        "PixelFormat" => {
            let names = FeatureKind::enumeration(PixelFormat::all().filter_map(PixelFormat::name));
            (FeatureValue::from(region.pixel_format.to_string().as_str()), names, Access::ReadWrite)
        }
        "TestPattern" => {
            const MOVING: &str = "GreyDiagonalRampMoving";
            let shown = if settings.fill == Fill::Moving { MOVING } else { "Off" };
            read_only(shown.into(), FeatureKind::enumeration(["Off", MOVING]))
        }
        "AcquisitionFrameRateEnable" => (settings.is_rate_limited.into(), FeatureKind::Boolean, Access::ReadWrite),
        "AcquisitionFrameRate" => {
            let access = if settings.is_rate_limited { Access::ReadWrite } else { Access::Locked };
            let range = FloatRange { min: *RATES.start(), max: *RATES.end(), unit: Text::label("Hz") };
            (settings.rate.into(), FeatureKind::Float(range), access)
        }
        "TriggerMode" => (switch(settings.is_triggered), FeatureKind::enumeration(["Off", "On"]), Access::ReadWrite),
        "TriggerSoftware" => {
            let access = if settings.is_triggered { Access::WriteOnly } else { Access::NotAvailable };
            (FeatureValue::None, FeatureKind::Command, access)
        }
        "TimestampReset" => (FeatureValue::None, FeatureKind::Command, Access::WriteOnly),
        "Timestamp" => {
            let now_ns = i64::try_from(pace.clock_ns()).unwrap_or(i64::MAX);
            let unit = Text::label("ns");
            let range = IntegerRange { min: 0, max: i64::MAX, increment: 1, unit };
            read_only(now_ns.into(), FeatureKind::Integer(range))
        }
        _ => return None,
    })
}

/// `DeviceUserID` as people write it: `Device User ID`.
fn spaced(name: &str) -> Text {
    let mut text = String::new();
    let mut was_lower = false;
    for letter in name.chars() {
        if letter.is_uppercase() && was_lower {
            text.push(' ');
        }
        was_lower = letter.is_lowercase();
        text.push(letter);
    }
    Text::label(text)
}
