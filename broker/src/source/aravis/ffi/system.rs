//! Discovery: which cameras can be seen now.

use std::ffi::{c_char, c_uint};
use std::sync::{Mutex, PoisonError};

use super::string;

/// A camera that discovery found, in the words of its driver; a field it does not tell is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceInfo {
    /// What `--source aravis=ID` takes.
    pub id: String,
    /// Who made it.
    pub vendor: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// IP address, or the place on the bus.
    pub address: String,
    /// MAC address or USB GUID.
    pub physical_id: String,
    /// `GigEVision`, `USB3Vision` or `Fake`.
    pub protocol: String,
}

impl std::fmt::Display for DeviceInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, vendor, model, serial, address, protocol, .. } = self;
        write!(f, "{id}  {vendor} {model}, serial {serial}, {protocol} at {address}")
    }
}

/// libaravis hands out pointers into its list, which the next discovery frees: one discovery and its reading at a time.
static DISCOVERY: Mutex<()> = Mutex::new(());

/// Looks for cameras (about a second, the time GigE Vision cameras have to answer) and lists them.
pub(in super::super) fn devices() -> Vec<DeviceInfo> {
    let _one_at_a_time = DISCOVERY.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: no arguments; DISCOVERY is held, so nobody reads the list that this replaces.
    unsafe { aravis_sys::arv_update_device_list() };
    // SAFETY: no arguments; reads the list made above.
    let count = unsafe { aravis_sys::arv_get_n_devices() };
    (0..count).map(device).collect()
}

/// Lets this process see the library's own simulated camera, `Fake_1`.
pub(in super::super) fn enable_fake_interface() {
    let _one_at_a_time = DISCOVERY.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: the name is a NUL-terminated literal, which libaravis only compares.
    unsafe { aravis_sys::arv_enable_interface(c"Fake".as_ptr()) };
}

fn device(index: c_uint) -> DeviceInfo {
    DeviceInfo {
        id: field(aravis_sys::arv_get_device_id, index),
        vendor: field(aravis_sys::arv_get_device_vendor, index),
        model: field(aravis_sys::arv_get_device_model, index),
        serial: field(aravis_sys::arv_get_device_serial_nbr, index),
        address: field(aravis_sys::arv_get_device_address, index),
        physical_id: field(aravis_sys::arv_get_device_physical_id, index),
        protocol: field(aravis_sys::arv_get_device_protocol, index),
    }
}

fn field(read: unsafe extern "C" fn(c_uint) -> *const c_char, index: c_uint) -> String {
    // SAFETY: `read` is one of the seven getters above, which take any index and answer null for one out of range.
    let text = unsafe { read(index) };
    // SAFETY: null or a string of the device list, which lives until the next discovery; `devices` holds DISCOVERY.
    unsafe { string(text) }.unwrap_or_default()
}
