//! Finding, opening and setting up a camera.

use std::sync::Arc;

use framebroker_protocol::{FeatureName, PixelFormat};

use super::Options;
use super::feature::{self, CameraFeatures};
use super::ffi::{Camera, DeviceInfo, Failure, Library, Reach};
use super::frame::Layout;
use crate::source::camera::full_model;
use crate::source::features::options::set;
use crate::source::{Description, Features, SourceError};

/// How soon the camera of a crashed owner is free again. pylon gives a sign of life several times in that time.
const HEARTBEAT_MS: i64 = 3000;

/// A page: pylon may ask for a little more than the camera announces.
const BUFFER_STEP: usize = 4096;

/// For the list of chunks, which are names and numbers.
pub(super) const CHUNK_ROOM: usize = 8192;

/// USB3 Vision, and cameras with SFNC 2, count nanoseconds.
const NANOSECOND_TICKS: u64 = 1_000_000_000;

/// pylon's classes of cameras, where they make a difference.
const GIGE: &str = "BaslerGigE";
const USB: &str = "BaslerUsb";

/// A camera that is ready to be started, and what it will send.
pub(super) struct Opened {
    pub(super) camera: Camera,
    pub(super) device: DeviceInfo,
    pub(super) description: Description,
    pub(super) layout: Layout,
    /// Its block IDs end at 65535 and begin again.
    pub(super) wraps: bool,
}

/// Opens the camera and applies all options.
pub(super) fn open(library: &Arc<Library>, options: &Options) -> Result<Opened, SourceError> {
    // Asked anew every time: a camera may have come back under another address.
    let seen = library.devices().map_err(driver)?;
    let device = choose(options.camera.device.as_deref(), &seen)?;
    check_reach(library, device, &seen)?;
    let camera =
        Camera::open(library, &device.full_name).map_err(|failure| cannot_open(library, device, failure, &seen))?;
    if device.class == GIGE
        && let Err(failure) = camera.set_heartbeat(HEARTBEAT_MS)
    {
        tracing::warn!(reason = failure.text, "the camera keeps its own heartbeat timeout");
    }
    apply(&camera, options)?;
    let (description, layout) = describe(&camera, device)?;
    Ok(Opened { camera, device: device.clone(), description, layout, wraps: device.class == GIGE })
}

/// The camera asked for by serial number, user-defined name or model; without a word, the first one.
fn choose<'a>(asked: Option<&str>, seen: &'a [DeviceInfo]) -> Result<&'a DeviceInfo, SourceError> {
    let Some(asked) = asked else {
        return seen.first().ok_or_else(|| absent("no Basler camera found", seen));
    };
    let names: [fn(&DeviceInfo) -> &str; 3] =
        [|device| &device.serial, |device| &device.user_name, |device| &device.model];
    for name in names {
        let mut named = seen.iter().filter(|device| name(device) == asked);
        match (named.next(), named.next()) {
            (Some(device), None) => return Ok(device),
            (Some(_), Some(_)) => {
                return Err(SourceError::Invalid(format!(
                    "several cameras are called {asked}; name one by its serial number. {}",
                    listing(seen)
                )));
            }
            (None, _) => {}
        }
    }
    Err(absent(&format!("no camera has the serial number, user-defined name or model {asked:?}"), seen))
}

fn check_reach(library: &Library, device: &DeviceInfo, seen: &[DeviceInfo]) -> Result<(), SourceError> {
    match library.reach(&device.full_name).map_err(driver)? {
        Reach::Free => Ok(()),
        Reach::Taken => Err(busy(device, "pylon says that it is not accessible")),
        Reach::Absent => Err(absent(&format!("camera {} does not answer", device.serial), seen)),
    }
}

/// Another program may have been faster, or the camera may be gone since it was seen.
fn cannot_open(library: &Library, device: &DeviceInfo, failure: Failure, seen: &[DeviceInfo]) -> SourceError {
    match library.reach(&device.full_name) {
        Ok(Reach::Taken) => busy(device, &failure.text),
        Ok(Reach::Absent) => absent(&format!("camera {}: {}", device.serial, failure.text), seen),
        Ok(Reach::Free) | Err(_) => of_camera(device, failure),
    }
}

/// A file of settings; geometry, pixel format and rate; then the features, which have the last word.
fn apply(camera: &Camera, options: &Options) -> Result<(), SourceError> {
    if let Some(file) = &options.load {
        camera.load(file).map_err(|failure| {
            SourceError::Invalid(format!(
                "cannot load {}: {}. It must be a file that pylon Viewer saved for this model of camera",
                file.display(),
                failure.text
            ))
        })?;
    }
    options.camera.apply(&mut CameraFeatures::of(camera), set_frame_rate)
}

/// pylon has switched triggers off when it opened the camera.
fn set_frame_rate(features: &mut CameraFeatures, fps: f64) -> Result<(), SourceError> {
    set_first(features, &["AcquisitionFrameRateEnable", "AcquisitionFrameRateEnabled"], "true")?;
    if set_first(features, &["AcquisitionFrameRate", "AcquisitionFrameRateAbs"], &fps.to_string())? {
        return Ok(());
    }
    Err(SourceError::Invalid("this camera's frame rate cannot be set: leave --fps out".to_owned()))
}

/// Sets one of several names for the same thing: the first that the camera has. False where it has none.
fn set_first(features: &mut CameraFeatures, names: &[&str], value: &str) -> Result<bool, SourceError> {
    let mut has = |name: &FeatureName| features.read(name).is_ok_and(|known| known.is_some());
    match names.iter().find(|name| name.parse().is_ok_and(|name| has(&name))) {
        Some(name) => set(features, name, value).map(|()| true),
        None => Ok(false),
    }
}

/// What the camera is set to, as it will send it.
pub(super) fn describe(camera: &Camera, device: &DeviceInfo) -> Result<(Description, Layout), SourceError> {
    described(camera, device).map_err(|failure| of_camera(device, failure))
}

fn described(camera: &Camera, device: &DeviceInfo) -> Result<(Description, Layout), Failure> {
    let pixels = |name| feature::needed(camera, name).map(|value| u32::try_from(value).unwrap_or(0));
    let offset = |name| feature::integer(camera, name).and_then(|value| u32::try_from(value).ok()).unwrap_or(0);
    let (width, height) = (pixels("Width")?, pixels("Height")?);
    let pixel_format = PixelFormat::from_code(pixels("PixelFormat")?);
    let payload_bytes = feature::needed(camera, "PayloadSize")?;
    let payload_bytes = usize::try_from(payload_bytes).unwrap_or(usize::MAX);
    let sends_chunks = feature::boolean(camera, "ChunkModeActive").unwrap_or(false);
    let ticks = feature::integer(camera, "GevTimestampTickFrequency").and_then(|ticks| u64::try_from(ticks).ok());
    let layout = Layout {
        buffer_bytes: payload_bytes.checked_next_multiple_of(BUFFER_STEP).unwrap_or(payload_bytes),
        chunk_room: if sends_chunks { CHUNK_ROOM } else { 0 },
        width,
        height,
        offset_x: offset("OffsetX"),
        offset_y: offset("OffsetY"),
        pixel_format,
        ticks_per_second: ticks.filter(|ticks| *ticks > 0).unwrap_or(NANOSECOND_TICKS),
        counts_from_zero: device.class == USB,
    };
    let description = Description {
        model: full_model(&device.vendor, &device.model),
        serial: device.serial.clone(),
        width,
        height,
        pixel_format,
        fps: frame_rate(camera),
    };
    Ok((description, layout))
}

/// What the camera will reach; 0 where a trigger decides.
fn frame_rate(camera: &Camera) -> f64 {
    if feature::entry(camera, "TriggerMode").is_some_and(|mode| mode == "On") {
        return 0.0;
    }
    let limit = ["AcquisitionFrameRateEnable", "AcquisitionFrameRateEnabled"];
    let set = ["AcquisitionFrameRate", "AcquisitionFrameRateAbs"];
    let reached = ["ResultingFrameRate", "BslResultingAcquisitionFrameRate", "ResultingFrameRateAbs"];
    let first = |names: &[&str]| names.iter().find_map(|name| feature::float(camera, name));
    let is_limited = limit.iter().find_map(|name| feature::boolean(camera, name)).unwrap_or(true);
    let set = first(&set).filter(|_| is_limited);
    match (set, first(&reached)) {
        (Some(set), Some(reached)) => set.min(reached),
        (set, reached) => set.or(reached).unwrap_or(0.0),
    }
}

fn driver(failure: Failure) -> SourceError {
    SourceError::Driver(format!("pylon: {}", failure.text))
}

fn of_camera(device: &DeviceInfo, failure: Failure) -> SourceError {
    SourceError::Driver(format!("camera {} ({}): pylon: {}", device.serial, device.model, failure.text))
}

fn busy(device: &DeviceInfo, reason: &str) -> SourceError {
    SourceError::Busy(format!(
        "camera {} ({}) is open in another program ({reason}). Close that program (often pylon Viewer); if it has \
         crashed, a GigE camera is free again when its heartbeat timeout (usually 3 s) is over",
        device.serial, device.model
    ))
}

fn absent(what: &str, seen: &[DeviceInfo]) -> SourceError {
    SourceError::Absent(format!(
        "{what}. {}. Check power and cable; GigE: the camera's IP address and the interface's must be in one network (pylon IP \
         Configurator), and no firewall may block UDP; USB: the SDK's setup-usb.sh lets users open cameras. \
         `broker --source pylon --list` looks again",
        listing(seen)
    ))
}

fn listing(seen: &[DeviceInfo]) -> String {
    if seen.is_empty() {
        return "pylon sees none".to_owned();
    }
    let names: Vec<_> = seen.iter().map(|device| format!("{} ({})", device.serial, device.model)).collect();
    format!("pylon sees: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Vec<DeviceInfo> {
        let device = |serial: &str, user_name: &str, model: &str| DeviceInfo {
            serial: serial.to_owned(),
            user_name: user_name.to_owned(),
            model: model.to_owned(),
            ..DeviceInfo::default()
        };
        vec![device("100", "left", "a2A"), device("101", "right", "acA"), device("102", "", "acA")]
    }

    #[test]
    fn cameras_are_found_by_serial_number_name_and_model() {
        let serial = |asked| choose(asked, &seen()).map(|device| device.serial.clone()).ok();
        assert_eq!(serial(None).as_deref(), Some("100"));
        assert_eq!(serial(Some("101")).as_deref(), Some("101"));
        assert_eq!(serial(Some("right")).as_deref(), Some("101"));
        assert_eq!(serial(Some("a2A")).as_deref(), Some("100"));
    }

    #[test]
    fn a_name_of_none_or_several_says_which_there_are() {
        for (asked, advice) in [("acA", "several"), ("103", "pylon sees: 100 (a2A), 101 (acA)")] {
            let error = choose(Some(asked), &seen()).unwrap_err().to_string();
            assert!(error.contains(advice), "{error}");
        }
        assert!(matches!(choose(None, &[]), Err(SourceError::Absent(_))));
    }
}
