//! pylon itself, and the cameras it sees.

use std::fmt;
use std::sync::Arc;

use pylon_cxx::{HasProperties, Pylon, TlFactory};

use super::{Failure, c_string, call, sys};

/// pylon, initialized.
pub(in super::super) struct Library {
    pylon: Pylon,
}

/// A camera that pylon sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// pylon's own name for it, which no other camera has.
    pub full_name: String,
    /// Model.
    pub model: String,
    /// Vendor.
    pub vendor: String,
    /// Serial number.
    pub serial: String,
    /// The name its user gave it; empty for none.
    pub user_name: String,
    /// pylon's class: `BaslerGigE`, `BaslerUsb`, `BaslerCamEmu`, …
    pub class: String,
    /// IP address; empty where it has none.
    pub address: String,
}

impl fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { serial, model, vendor, class, user_name, address, .. } = self;
        write!(f, "{serial}  {vendor} {model}  {class}")?;
        [user_name, address].into_iter().filter(|text| !text.is_empty()).try_for_each(|text| write!(f, "  {text}"))
    }
}

/// Whether a camera can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Reach {
    /// It can, as far as pylon knows.
    Free,
    /// Another program has it.
    Taken,
    /// It does not answer.
    Absent,
}

impl Library {
    /// Initializes pylon.
    pub(in super::super) fn open() -> Result<Arc<Self>, Failure> {
        // pylon-cxx would end the process if this threw; after the first one, it does no more than count.
        // SAFETY: `failure` is a live structure.
        call(|failure| unsafe { sys::fb_pylon_initialize(failure) })?;
        Ok(Arc::new(Self { pylon: Pylon::new() }))
    }

    pub(super) fn pylon(&self) -> &Pylon {
        &self.pylon
    }

    /// The cameras there are now.
    pub(in super::super) fn devices(&self) -> Result<Vec<DeviceInfo>, Failure> {
        let devices = TlFactory::instance(&self.pylon).enumerate_devices()?;
        Ok(devices.iter().map(device_info).collect())
    }

    /// Whether the camera of this full name can be opened.
    pub(in super::super) fn reach(&self, full_name: &str) -> Result<Reach, Failure> {
        let name = c_string(full_name)?;
        let mut reach = sys::REACH_ABSENT;
        // SAFETY: the name ends with a zero and, as the two places, outlives the call; pylon is initialized (`self`).
        call(|failure| unsafe { sys::fb_pylon_reach(name.as_ptr(), &raw mut reach, failure) })?;
        Ok(match reach {
            sys::REACH_FREE => Reach::Free,
            sys::REACH_TAKEN => Reach::Taken,
            _ => Reach::Absent,
        })
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: ends what `open` began; pylon-cxx ends its own part after this.
        unsafe { sys::fb_pylon_terminate() };
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Library")
    }
}

fn device_info(device: &pylon_cxx::DeviceInfo) -> DeviceInfo {
    // A property that a camera has not is an error.
    let property = |name| device.property_value(name).unwrap_or_default();
    DeviceInfo {
        full_name: property("FullName"),
        model: property("ModelName"),
        vendor: property("VendorName"),
        serial: property("SerialNumber"),
        user_name: property("UserDefinedName"),
        class: property("DeviceClass"),
        address: property("IpAddress"),
    }
}
