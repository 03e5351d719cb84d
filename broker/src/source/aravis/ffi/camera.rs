//! An open camera: its settings, its stream, and the news that it is gone.

use std::ffi::{c_int, c_ulong, c_void};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aravis_sys::{ArvCamera, ArvDevice};
use glib_sys::gpointer;
use gobject_sys::GClosure;

use super::{Failure, Stream, c_string, call, string};

/// The region of interest in pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Region {
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    pub(in super::super) offset_x: u32,
    pub(in super::super) offset_y: u32,
}

impl Region {
    /// A negative number is a camera or a packet that lies; it becomes 0, which for a size is refused later.
    pub(super) fn from_c(x: c_int, y: c_int, width: c_int, height: c_int) -> Self {
        let number = |value| u32::try_from(value).unwrap_or(0);
        Self { width: number(width), height: number(height), offset_x: number(x), offset_y: number(y) }
    }
}

/// An open camera, which this process controls unless [`Camera::is_controller`] says otherwise.
#[derive(Debug)]
pub(in super::super) struct Camera {
    camera: NonNull<ArvCamera>,
    /// Owned by `camera`.
    device: NonNull<ArvDevice>,
    lost: Arc<AtomicBool>,
    lost_handler: c_ulong,
}

// SAFETY: libaravis ties a camera to no thread and counts references atomically. The heartbeat thread it runs shares only
// what libaravis guards by locks, and `lost`, which is atomic. (Not Sync: GenICam nodes cache values without a lock.)
unsafe impl Send for Camera {}

impl Camera {
    /// Opens the camera of this ID, address, serial number or user-defined name.
    pub(in super::super) fn open(id: &str) -> Result<Self, Failure> {
        let name = c_string(id)?;
        // SAFETY: `name` is NUL-terminated and lives during the call; `error` is a null-initialized place.
        let camera = call(|error| unsafe { aravis_sys::arv_camera_new(name.as_ptr(), error) })?;
        let camera = NonNull::new(camera).ok_or_else(|| Failure::other("libaravis opened no camera"))?;
        // SAFETY: the camera is alive; the device is the camera's own and lives as long.
        let device = unsafe { aravis_sys::arv_camera_get_device(camera.as_ptr()) };
        let Some(device) = NonNull::new(device) else {
            // SAFETY: gives back the one reference, of which nobody else knows.
            unsafe { gobject_sys::g_object_unref(camera.as_ptr().cast()) };
            return Err(Failure::other("libaravis opened a camera without a device"));
        };
        let lost = Arc::new(AtomicBool::new(false));
        let lost_handler = connect_control_lost(device, &lost);
        Ok(Self { camera, device, lost, lost_handler })
    }

    /// The device, for calls that name features; alive as long as `self`.
    pub(super) fn device(&self) -> *mut ArvDevice {
        self.device.as_ptr()
    }

    /// Whether the driver has said that the camera is gone or under another program's control.
    pub(in super::super) fn is_lost(&self) -> bool {
        // Pairs with the store in `control_lost`; publishes nothing but itself.
        self.lost.load(Ordering::Acquire)
    }

    /// The same as [`Self::is_lost`], for who has no turn with the camera.
    pub(in super::super) fn lost(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.lost)
    }

    /// Whether it is a GigE Vision camera.
    pub(in super::super) fn is_gige(&self) -> bool {
        // SAFETY: the camera is alive.
        (unsafe { aravis_sys::arv_camera_is_gv_device(self.camera.as_ptr()) }) != 0
    }

    /// Whether it is a USB3 Vision camera.
    pub(in super::super) fn is_usb(&self) -> bool {
        // SAFETY: the camera is alive.
        (unsafe { aravis_sys::arv_camera_is_uv_device(self.camera.as_ptr()) }) != 0
    }

    /// Whether this process may change settings and stream. USB cameras open only for one program.
    pub(in super::super) fn is_controller(&self) -> bool {
        if !self.is_gige() {
            return true;
        }
        // SAFETY: the device is alive and, as `is_gige` says, an ArvGvDevice.
        (unsafe { aravis_sys::arv_gv_device_is_controller(self.device.as_ptr().cast()) }) != 0
    }

    /// Reads a bootstrap register.
    pub(in super::super) fn read_register(&self, address: u64) -> Result<u32, Failure> {
        let mut value = 0;
        // SAFETY: the device is alive, `value` a live u32, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_device_read_register(self.device.as_ptr(), address, &raw mut value, error)
        })?;
        Ok(value)
    }

    /// Writes a bootstrap register.
    pub(in super::super) fn write_register(&self, address: u64, value: u32) -> Result<(), Failure> {
        // SAFETY: the device is alive, `error` a null-initialized place.
        call(|error| unsafe { aravis_sys::arv_device_write_register(self.device.as_ptr(), address, value, error) })?;
        Ok(())
    }

    /// Lets the packets of a GigE Vision camera come through an ordinary socket rather than a packet socket.
    pub(in super::super) fn disable_packet_socket(&self) {
        let options = aravis_sys::ARV_GV_STREAM_OPTION_PACKET_SOCKET_DISABLED;
        // SAFETY: the camera is alive; the call does nothing for other than GigE Vision cameras.
        unsafe { aravis_sys::arv_camera_gv_set_stream_options(self.camera.as_ptr(), options) };
    }

    /// Sets the packet size of a GigE Vision camera, and keeps libaravis from adjusting it.
    pub(in super::super) fn fix_packet_size(&self, bytes: u32) -> Result<(), Failure> {
        let bytes = c_int::try_from(bytes).map_err(|error| Failure::other(error.to_string()))?;
        let never = aravis_sys::ARV_GV_PACKET_SIZE_ADJUSTMENT_NEVER;
        // SAFETY: the camera is alive.
        unsafe { aravis_sys::arv_camera_gv_set_packet_size_adjustment(self.camera.as_ptr(), never) };
        // SAFETY: the camera is alive, `error` a null-initialized place.
        call(|error| unsafe { aravis_sys::arv_camera_gv_set_packet_size(self.camera.as_ptr(), bytes, error) })
    }

    /// Frames without end, rather than one or a number of them.
    pub(in super::super) fn set_continuous(&self) -> Result<(), Failure> {
        let continuous = aravis_sys::ARV_ACQUISITION_MODE_CONTINUOUS;
        // SAFETY: the camera is alive, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_camera_set_acquisition_mode(self.camera.as_ptr(), continuous, error);
        })
    }

    /// Sets the rate of a free-running camera by whatever names this camera has for that; switches triggers off.
    pub(in super::super) fn set_frame_rate(&self, fps: f64) -> Result<(), Failure> {
        // SAFETY: the camera is alive, `error` a null-initialized place.
        call(|error| unsafe { aravis_sys::arv_camera_set_frame_rate(self.camera.as_ptr(), fps, error) })
    }

    /// Lowest and highest rate.
    pub(in super::super) fn frame_rate_bounds(&self) -> Result<(f64, f64), Failure> {
        let (mut min, mut max) = (0.0, 0.0);
        // SAFETY: the camera is alive, `min` and `max` live doubles, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_camera_get_frame_rate_bounds(self.camera.as_ptr(), &raw mut min, &raw mut max, error);
        })?;
        Ok((min, max))
    }

    /// The rate the camera is set to.
    pub(in super::super) fn frame_rate(&self) -> Result<f64, Failure> {
        // SAFETY: the camera is alive, `error` a null-initialized place.
        call(|error| unsafe { aravis_sys::arv_camera_get_frame_rate(self.camera.as_ptr(), error) })
    }

    /// The part of the sensor that it sends.
    pub(in super::super) fn region(&self) -> Result<Region, Failure> {
        let (mut x, mut y, mut width, mut height): (c_int, c_int, c_int, c_int) = (0, 0, 0, 0);
        // SAFETY: the camera is alive, the four pointers are to live integers, `error` is a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_camera_get_region(
                self.camera.as_ptr(),
                &raw mut x,
                &raw mut y,
                &raw mut width,
                &raw mut height,
                error,
            );
        })?;
        Ok(Region::from_c(x, y, width, height))
    }

    /// PFNC code of the images it sends.
    pub(in super::super) fn pixel_format(&self) -> Result<u32, Failure> {
        // SAFETY: the camera is alive, `error` a null-initialized place.
        call(|error| unsafe { aravis_sys::arv_camera_get_pixel_format(self.camera.as_ptr(), error) })
    }

    /// Bytes of one frame: image and chunk data.
    pub(in super::super) fn payload(&self) -> Result<u32, Failure> {
        // SAFETY: the camera is alive, `error` a null-initialized place.
        call(|error| unsafe { aravis_sys::arv_camera_get_payload(self.camera.as_ptr(), error) })
    }

    /// Its maker and model; empty where it does not tell.
    pub(in super::super) fn identity(&self) -> (String, String) {
        let read = |getter: unsafe extern "C" fn(*mut ArvCamera, *mut *mut glib_sys::GError) -> *const _| {
            // SAFETY: `getter` is one of the two below, `self.camera` alive, `error` a null-initialized place.
            let text = call(|error| unsafe { getter(self.camera.as_ptr(), error) }).unwrap_or(std::ptr::null());
            // SAFETY: null, or a string that belongs to a GenICam node and lives until the next call to it.
            unsafe { string(text) }.unwrap_or_default()
        };
        (read(aravis_sys::arv_camera_get_vendor_name), read(aravis_sys::arv_camera_get_model_name))
    }

    /// Creates the stream; on a GigE Vision camera, test packets find out now whether the packet size gets through.
    pub(super) fn create_stream(&self) -> Result<Stream, Failure> {
        // SAFETY: the camera is alive; without a callback nothing is done with the null user data; `error` is a
        // null-initialized place.
        let stream = call(|error| unsafe {
            aravis_sys::arv_camera_create_stream(self.camera.as_ptr(), None, std::ptr::null_mut(), error)
        })?;
        // SAFETY: the callee returned null or a live stream with its only reference.
        unsafe { Stream::adopt(stream) }
    }

    /// Lets the camera send.
    pub(in super::super) fn start_acquisition(&self) -> Result<(), Failure> {
        // SAFETY: the camera is alive, `error` a null-initialized place.
        call(|error| unsafe { aravis_sys::arv_camera_start_acquisition(self.camera.as_ptr(), error) })
    }

    /// Lets the camera end sending.
    pub(in super::super) fn stop_acquisition(&self) -> Result<(), Failure> {
        // SAFETY: the camera is alive, `error` a null-initialized place.
        call(|error| unsafe { aravis_sys::arv_camera_stop_acquisition(self.camera.as_ptr(), error) })
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        // SAFETY: the device is alive and has this handler; `control_lost` is not called again, and its Arc is dropped.
        unsafe { gobject_sys::g_signal_handler_disconnect(self.device.as_ptr().cast(), self.lost_handler) };
        // SAFETY: gives back the one reference; ends the heartbeat and the control of the camera.
        unsafe { gobject_sys::g_object_unref(self.camera.as_ptr().cast()) };
    }
}

/// Has `lost` set when the driver says that control of the camera is lost.
fn connect_control_lost(device: NonNull<ArvDevice>, lost: &Arc<AtomicBool>) -> c_ulong {
    type Handler = unsafe extern "C" fn(*mut ArvDevice, gpointer);
    type Callback = unsafe extern "C" fn();
    let data = Arc::into_raw(Arc::clone(lost)).cast_mut().cast::<c_void>();
    // SAFETY: both are C function pointers; the signal's marshaller calls it with the two arguments `Handler` has.
    let handler = unsafe { std::mem::transmute::<Handler, Callback>(control_lost) };
    // SAFETY: the device is alive and has a signal of this name, whose handlers take the device and `data`; `data` is an
    // Arc's pointer, which stays valid until GLib calls `drop_flag`, once, when the handler is disconnected for good.
    unsafe {
        gobject_sys::g_signal_connect_data(
            device.as_ptr().cast(),
            c"control-lost".as_ptr(),
            Some(handler),
            data,
            Some(drop_flag),
            gobject_sys::G_CONNECT_DEFAULT,
        )
    }
}

/// Handler of `control-lost`, called by the heartbeat thread.
unsafe extern "C" fn control_lost(_device: *mut ArvDevice, data: gpointer) {
    // SAFETY: `data` is the pointer made in `connect_control_lost`; its Arc lives until `drop_flag`.
    let lost = unsafe { &*data.cast::<AtomicBool>() };
    // Pairs with the load in `is_lost`.
    lost.store(true, Ordering::Release);
}

/// Called by GLib when the handler above is gone.
unsafe extern "C" fn drop_flag(data: gpointer, _closure: *mut GClosure) {
    // SAFETY: `data` is the pointer that `Arc::into_raw` made in `connect_control_lost`; GLib calls this once.
    drop(unsafe { Arc::from_raw(data.cast::<AtomicBool>().cast_const()) });
}
