//! Finding, opening and setting up a camera.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use framebroker_protocol::PixelFormat;

use super::Options;
use super::feature::{self, CameraFeatures, Shared, lock};
use super::ffi::{self, Camera, DeviceInfo, Failure, FailureKind, Region};
use super::frame::{Layout, Transport};
use crate::source::camera::full_model;
use crate::source::{Description, SourceError};

/// IDs with this beginning belong to the simulated camera of libaravis and switch its interface on.
const FAKE: &str = "Fake";

/// GigE Vision bootstrap register: the camera's present IP address.
const CURRENT_IP_ADDRESS: u64 = 0x0024;

/// GigE Vision bootstrap register: after how many ms without a sign of life the camera ends our control of it.
const HEARTBEAT_TIMEOUT: u64 = 0x0938;

/// How soon the camera of a crashed owner is free again. libaravis gives a sign of life every second; one or two may be late.
const HEARTBEAT_MS: u32 = 3000;

/// What a simulated camera sends over loopback unless told otherwise: as a camera does over any Ethernet link.
const SAFE_PACKET_BYTES: u32 = 1400;

/// Lists the cameras that can be seen now. `device` is the ID the user gave, if any: one that begins with `Fake` adds the
/// simulated camera of libaravis (`Fake_1`) to the list, which it is not in otherwise.
pub fn list(device: Option<&str>) -> Result<Vec<DeviceInfo>, SourceError> {
    let with_fake = device.is_some_and(|id| id.starts_with(FAKE));
    if with_fake {
        ffi::enable_fake_interface();
    }
    let mut devices = ffi::devices();
    devices.retain(|device| with_fake || device.protocol != FAKE);
    Ok(devices)
}

/// A camera that is ready to be started, and what it will send.
pub(super) struct Opened {
    pub(super) camera: Shared,
    pub(super) description: Description,
    pub(super) layout: Layout,
    pub(super) transport: Transport,
}

/// Opens the camera and applies all options.
pub(super) fn open(options: &Options) -> Result<Opened, SourceError> {
    // Asked anew every time: a camera may have come back under another address.
    let seen = list(options.camera.device.as_deref())?;
    let id = choose(options.camera.device.as_deref(), &seen)?;
    let camera = Camera::open(&id).map_err(|failure| cannot_open(&id, failure, &seen))?;
    if !camera.is_controller() {
        return Err(busy(&id, "another program controls it"));
    }
    let transport = transport(&camera);
    if transport == Transport::GigE {
        set_up_gige(&camera, options)?;
    }
    // One whose last owner crashed may still be sending, with the settings below locked. Most are idle and may say so.
    let _ = camera.stop_acquisition();
    let camera = Arc::new(Mutex::new(camera));
    apply(&camera, options)?;
    let described = describe(&lock(&camera));
    let (description, layout) = described.map_err(|failure| driver(&id, failure))?;
    Ok(Opened { camera, description, layout, transport })
}

/// The ID to open: the one asked for, that of the camera with this serial number, or that of the first camera.
fn choose(asked: Option<&str>, seen: &[DeviceInfo]) -> Result<String, SourceError> {
    match asked {
        None => seen.first().map(|device| device.id.clone()).ok_or_else(|| absent("no camera found", seen)),
        Some(asked) if seen.iter().any(|device| device.id == asked) => Ok(asked.to_owned()),
        Some(asked) => {
            let mut same_serial = seen.iter().filter(|device| device.serial == asked);
            match (same_serial.next(), same_serial.next()) {
                (Some(device), None) => Ok(device.id.clone()),
                (Some(_), Some(_)) => Err(SourceError::Invalid(format!(
                    "several cameras have the serial number {asked}; use an ID instead. {}",
                    listing(seen)
                ))),
                // An address, host name or user-defined name: libaravis knows those.
                (None, _) => Ok(asked.to_owned()),
            }
        }
    }
}

fn transport(camera: &Camera) -> Transport {
    if camera.is_gige() {
        Transport::GigE
    } else if camera.is_usb() {
        Transport::Usb
    } else {
        Transport::Fake
    }
}

/// Packet size, packet socket and heartbeat.
fn set_up_gige(camera: &Camera, options: &Options) -> Result<(), SourceError> {
    let over_loopback = camera.read_register(CURRENT_IP_ADDRESS).is_ok_and(|ip| Ipv4Addr::from_bits(ip).is_loopback());
    if over_loopback {
        // Only simulated cameras are there: they are received in the same way with and without CAP_NET_RAW.
        camera.disable_packet_socket();
    }
    let packet_bytes = options.packet_size.or(over_loopback.then_some(SAFE_PACKET_BYTES));
    if let Some(bytes) = packet_bytes {
        feature::check_integer(camera, "GevSCPSPacketSize", bytes)?;
        camera.fix_packet_size(bytes).map_err(|failure| {
            SourceError::Invalid(format!("the camera does not take a packet size of {bytes} bytes: {}", failure.text))
        })?;
    }
    if camera.read_register(HEARTBEAT_TIMEOUT) != Ok(HEARTBEAT_MS)
        && let Err(failure) = camera.write_register(HEARTBEAT_TIMEOUT, HEARTBEAT_MS)
    {
        tracing::warn!(reason = failure.text, "the camera keeps its own heartbeat timeout");
    }
    Ok(())
}

/// Geometry, pixel format and rate; then the features, which have the last word (setting a rate switches triggers off).
fn apply(camera: &Shared, options: &Options) -> Result<(), SourceError> {
    lock(camera).set_continuous().map_err(|failure| SourceError::Driver(failure.text))?;
    options.camera.apply(&mut CameraFeatures::of(camera), |_, fps| set_frame_rate(&lock(camera), fps))
}

fn set_frame_rate(camera: &Camera, fps: f64) -> Result<(), SourceError> {
    let bounds = camera.frame_rate_bounds().ok().filter(|(min, max)| min < max);
    let possible = fps.is_finite() && fps > 0.0 && bounds.is_none_or(|(min, max)| min <= fps && fps <= max);
    if !possible {
        let allowed = bounds.map_or_else(|| "more than 0".to_owned(), |(min, max)| format!("{min} to {max}"));
        return Err(SourceError::Invalid(format!("{fps} frames per second are not possible; allowed: {allowed}")));
    }
    camera.set_frame_rate(fps).map_err(|failure| {
        SourceError::Invalid(format!("the camera does not take {fps} frames per second: {}", failure.text))
    })
}

pub(super) fn describe(camera: &Camera) -> Result<(Description, Layout), Failure> {
    let region = camera.region()?;
    let Region { width, height, .. } = region;
    let pixel_format = PixelFormat::from_code(camera.pixel_format()?);
    let payload_bytes = usize::try_from(camera.payload()?).unwrap_or(usize::MAX);
    let row_bytes = pixel_format.stride(width).unwrap_or(u32::MAX);
    let line_pitch = feature::integer(camera, "LinePitch").and_then(|pitch| u32::try_from(pitch).ok());
    let line_pitch = line_pitch.filter(|pitch| *pitch > row_bytes);
    let (vendor, model) = camera.identity();
    // SFNC before 2.0 calls it DeviceID.
    let serial =
        ["DeviceSerialNumber", "DeviceID"].iter().find_map(|name| feature::text(camera, name)).unwrap_or_default();
    let triggered = feature::text(camera, "TriggerMode").is_some_and(|mode| mode == "On");
    let fps = if triggered { 0.0 } else { camera.frame_rate().unwrap_or(0.0) };
    let description = Description { model: full_model(&vendor, &model), serial, width, height, pixel_format, fps };
    Ok((description, Layout { payload_bytes, region, pixel_format, line_pitch }))
}

fn cannot_open(id: &str, failure: Failure, seen: &[DeviceInfo]) -> SourceError {
    match failure.kind {
        FailureKind::NotFound => absent(&format!("no camera {id:?}"), seen),
        FailureKind::Busy => busy(id, &failure.text),
        FailureKind::Timeout | FailureKind::Other => driver(id, failure),
    }
}

fn driver(id: &str, failure: Failure) -> SourceError {
    SourceError::Driver(format!("camera {id:?}: {}", failure.text))
}

fn busy(id: &str, reason: &str) -> SourceError {
    SourceError::Busy(format!(
        "camera {id:?} is open in another program ({reason}). Close that program; where it has crashed, a GigE Vision \
         camera is free again when its heartbeat timeout (usually 3 s) is over"
    ))
}

fn absent(what: &str, seen: &[DeviceInfo]) -> SourceError {
    SourceError::Absent(format!(
        "{what}. {}. Check power and cable; GigE Vision: the camera's IP address and the interface's must be in one network, \
         and no firewall may block UDP; USB3 Vision: a udev rule must let this user open the device. \
         `broker --source aravis --list` looks again",
        listing(seen)
    ))
}

fn listing(seen: &[DeviceInfo]) -> String {
    if seen.is_empty() {
        return "None was seen on any network interface or USB port".to_owned();
    }
    let names: Vec<_> = seen.iter().map(|device| format!("{} ({})", device.id, device.address)).collect();
    format!("Seen: {}", names.join(", "))
}
