//! Features by name. Each function takes the name as C sees it, so that one conversion serves several calls.

use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char};
use std::ptr::NonNull;

use aravis_sys::{ArvGcFeatureNode, ArvGcNode};
use framebroker_protocol::message::{Access, Visibility};
use glib_sys::GType;

use super::{Camera, Failure, c_string, call, string};

/// Kinds of GenICam features that can be set from a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Integer,
    Float,
    Boolean,
    Enumeration,
    String,
    Command,
    /// A category, register or other node.
    Other,
}

/// What the camera says of a feature; empty where it says nothing.
#[derive(Debug, Clone)]
pub(in super::super) struct Details {
    pub(in super::super) display_name: String,
    pub(in super::super) description: String,
    pub(in super::super) visibility: Visibility,
    pub(in super::super) unit: String,
}

impl Default for Details {
    fn default() -> Self {
        let [display_name, description, unit] = [const { String::new() }; 3];
        Self { display_name, description, visibility: Visibility::Unknown, unit }
    }
}

impl Camera {
    /// The names of all features, in the order of the camera's categories.
    pub(in super::super) fn features(&self) -> Vec<CString> {
        let (mut found, mut known) = (Vec::new(), HashSet::new());
        let mut waiting = vec![c"Root".to_owned()];
        while let Some(name) = waiting.pop() {
            let Some(node) = self.node(&name).filter(|_| known.insert(name.clone())) else { continue };
            if is_a(node, aravis_sys::arv_gc_category_get_type) {
                waiting.extend(members(node).into_iter().rev());
            } else if self.kind(&name).is_some_and(|kind| kind != Kind::Other) {
                found.push(name);
            }
        }
        found
    }

    /// What the camera says of a feature.
    pub(in super::super) fn details(&self, feature: &CStr) -> Details {
        let Some(node) = self.node(feature).filter(|node| is_a(*node, aravis_sys::arv_gc_feature_node_get_type)) else {
            return Details::default();
        };
        let feature = node.as_ptr().cast();
        let read = |getter: unsafe extern "C" fn(*mut ArvGcFeatureNode) -> *const c_char| {
            // SAFETY: `getter` is one of the three below, `feature` an ArvGcFeatureNode (checked above) of the live device.
            let text = unsafe { getter(feature) };
            // SAFETY: null, or a string of the node, which lives until the next call to it.
            unsafe { string(text) }.unwrap_or_default()
        };
        let description = read(aravis_sys::arv_gc_feature_node_get_description);
        let description =
            if description.is_empty() { read(aravis_sys::arv_gc_feature_node_get_tooltip) } else { description };
        // SAFETY: `feature` is an ArvGcFeatureNode (checked above) of the live device.
        let visibility = match unsafe { aravis_sys::arv_gc_feature_node_get_visibility(feature) } {
            aravis_sys::ARV_GC_VISIBILITY_BEGINNER => Visibility::Beginner,
            aravis_sys::ARV_GC_VISIBILITY_EXPERT => Visibility::Expert,
            aravis_sys::ARV_GC_VISIBILITY_GURU => Visibility::Guru,
            aravis_sys::ARV_GC_VISIBILITY_INVISIBLE => Visibility::Invisible,
            _ => Visibility::Unknown,
        };
        let display_name = read(aravis_sys::arv_gc_feature_node_get_display_name);
        Details { display_name, description, visibility, unit: unit(node) }
    }

    /// Reads a floating-point number.
    pub(in super::super) fn float(&self, feature: &CStr) -> Result<f64, Failure> {
        // SAFETY: the device is alive, `feature` NUL-terminated, `error` a null-initialized place.
        call(|error| unsafe { aravis_sys::arv_device_get_float_feature_value(self.device(), feature.as_ptr(), error) })
    }

    /// Reads a boolean.
    pub(in super::super) fn boolean(&self, feature: &CStr) -> Result<bool, Failure> {
        // SAFETY: the device is alive, `feature` NUL-terminated, `error` a null-initialized place.
        let value = call(|error| unsafe {
            aravis_sys::arv_device_get_boolean_feature_value(self.device(), feature.as_ptr(), error)
        })?;
        Ok(value != 0)
    }

    /// What a feature is; `None` where the camera has none of this name.
    pub(in super::super) fn kind(&self, feature: &CStr) -> Option<Kind> {
        let node = self.node(feature)?;
        // Enumerations and booleans can be read as integers too, so they come first.
        let kinds: [(unsafe extern "C" fn() -> GType, Kind); 6] = [
            (aravis_sys::arv_gc_enumeration_get_type, Kind::Enumeration),
            (aravis_sys::arv_gc_boolean_get_type, Kind::Boolean),
            (aravis_sys::arv_gc_command_get_type, Kind::Command),
            (aravis_sys::arv_gc_string_get_type, Kind::String),
            (aravis_sys::arv_gc_float_get_type, Kind::Float),
            (aravis_sys::arv_gc_integer_get_type, Kind::Integer),
        ];
        let found = kinds.into_iter().find(|(of, _)| is_a(node, *of));
        Some(found.map_or(Kind::Other, |(_, kind)| kind))
    }

    /// Whether a feature can be set now; a camera that does not answer counts as willing: setting will tell.
    pub(in super::super) fn access(&self, feature: &CStr) -> Access {
        let Some(node) = self.node(feature).filter(|node| is_a(*node, aravis_sys::arv_gc_feature_node_get_type)) else {
            return Access::NotAvailable;
        };
        let node = node.as_ptr().cast();
        // SAFETY: `node` is an ArvGcFeatureNode (checked above) of the live device, `error` a null-initialized place.
        let implemented = call(|error| unsafe { aravis_sys::arv_gc_feature_node_is_implemented(node, error) });
        // SAFETY: as above.
        let available = call(|error| unsafe { aravis_sys::arv_gc_feature_node_is_available(node, error) });
        // SAFETY: as above.
        let locked = call(|error| unsafe { aravis_sys::arv_gc_feature_node_is_locked(node, error) });
        // SAFETY: as above.
        let mode = unsafe { aravis_sys::arv_gc_feature_node_get_actual_access_mode(node) };
        if implemented == Ok(0) || available == Ok(0) {
            Access::NotAvailable
        } else if mode == aravis_sys::ARV_GC_ACCESS_MODE_RO {
            Access::ReadOnly
        } else if locked.is_ok_and(|locked| locked != 0) {
            Access::Locked
        } else if mode == aravis_sys::ARV_GC_ACCESS_MODE_WO {
            Access::WriteOnly
        } else {
            Access::ReadWrite
        }
    }

    /// Sets an integer.
    pub(in super::super) fn set_integer(&self, feature: &CStr, value: i64) -> Result<(), Failure> {
        // SAFETY: the device is alive, `feature` NUL-terminated, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_device_set_integer_feature_value(self.device(), feature.as_ptr(), value, error);
        })
    }

    /// Reads an integer.
    pub(in super::super) fn integer(&self, feature: &CStr) -> Result<i64, Failure> {
        // SAFETY: the device is alive, `feature` NUL-terminated, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_device_get_integer_feature_value(self.device(), feature.as_ptr(), error)
        })
    }

    /// Lowest value, highest value and increment of an integer.
    pub(in super::super) fn integer_bounds(&self, feature: &CStr) -> Result<(i64, i64, i64), Failure> {
        let (mut min, mut max) = (i64::MIN, i64::MAX);
        // SAFETY: the device is alive, `feature` NUL-terminated, `min` and `max` live, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_device_get_integer_feature_bounds(
                self.device(),
                feature.as_ptr(),
                &raw mut min,
                &raw mut max,
                error,
            );
        })?;
        // SAFETY: the device is alive, `feature` NUL-terminated, `error` a null-initialized place.
        let increment = call(|error| unsafe {
            aravis_sys::arv_device_get_integer_feature_increment(self.device(), feature.as_ptr(), error)
        });
        Ok((min, max, increment.unwrap_or(1)))
    }

    /// Sets a floating-point number.
    pub(in super::super) fn set_float(&self, feature: &CStr, value: f64) -> Result<(), Failure> {
        // SAFETY: the device is alive, `feature` NUL-terminated, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_device_set_float_feature_value(self.device(), feature.as_ptr(), value, error);
        })
    }

    /// Lowest and highest value of a floating-point number.
    pub(in super::super) fn float_bounds(&self, feature: &CStr) -> Result<(f64, f64), Failure> {
        let (mut min, mut max) = (f64::MIN, f64::MAX);
        // SAFETY: the device is alive, `feature` NUL-terminated, `min` and `max` live, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_device_get_float_feature_bounds(
                self.device(),
                feature.as_ptr(),
                &raw mut min,
                &raw mut max,
                error,
            );
        })?;
        Ok((min, max))
    }

    /// Sets a boolean.
    pub(in super::super) fn set_boolean(&self, feature: &CStr, value: bool) -> Result<(), Failure> {
        // SAFETY: the device is alive, `feature` NUL-terminated, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_device_set_boolean_feature_value(self.device(), feature.as_ptr(), value.into(), error);
        })
    }

    /// Sets a string, or an enumeration by the name of its entry.
    pub(in super::super) fn set_string(&self, feature: &CStr, value: &str) -> Result<(), Failure> {
        let value = c_string(value)?;
        // SAFETY: the device is alive, `feature` and `value` NUL-terminated, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_device_set_string_feature_value(self.device(), feature.as_ptr(), value.as_ptr(), error);
        })
    }

    /// Reads a string, or the name of an enumeration's entry.
    pub(in super::super) fn string(&self, feature: &CStr) -> Result<String, Failure> {
        // SAFETY: the device is alive, `feature` NUL-terminated, `error` a null-initialized place.
        let text = call(|error| unsafe {
            aravis_sys::arv_device_get_string_feature_value(self.device(), feature.as_ptr(), error)
        })?;
        // SAFETY: null, or a string of the feature's node, which lives until the next call to it.
        Ok(unsafe { string(text) }.unwrap_or_default())
    }

    /// Runs a command.
    pub(in super::super) fn execute(&self, feature: &CStr) -> Result<(), Failure> {
        // SAFETY: the device is alive, `feature` NUL-terminated, `error` a null-initialized place.
        call(|error| unsafe {
            aravis_sys::arv_device_execute_command(self.device(), feature.as_ptr(), error);
        })
    }

    /// The entries of an enumeration that can be chosen now.
    pub(in super::super) fn entries(&self, feature: &CStr) -> Result<Vec<String>, Failure> {
        let mut count = 0;
        // SAFETY: the device is alive, `feature` NUL-terminated, `count` live, `error` a null-initialized place.
        let names = call(|error| unsafe {
            aravis_sys::arv_device_dup_available_enumeration_feature_values_as_strings(
                self.device(),
                feature.as_ptr(),
                &raw mut count,
                error,
            )
        })?;
        let Some(array) = NonNull::new(names) else { return Ok(Vec::new()) };
        let length = usize::try_from(count).unwrap_or(0);
        // SAFETY: the callee returned an array of `count` pointers, which is ours and is not changed meanwhile.
        let pointers = unsafe { std::slice::from_raw_parts(array.as_ptr(), length) };
        // SAFETY: each is null or a string that belongs to the enumeration's node, which lives as long as the device.
        let entries = pointers.iter().filter_map(|name| unsafe { string(*name) }).collect();
        // SAFETY: the array (not the strings) is ours to free with g_free, once; `pointers` is not used again.
        unsafe { glib_sys::g_free(array.as_ptr().cast()) };
        Ok(entries)
    }

    /// The node of a feature; it belongs to the device.
    fn node(&self, feature: &CStr) -> Option<NonNull<ArvGcNode>> {
        // SAFETY: the device is alive, `feature` NUL-terminated.
        NonNull::new(unsafe { aravis_sys::arv_device_get_feature(self.device(), feature.as_ptr()) })
    }
}

fn is_a(node: NonNull<ArvGcNode>, of: unsafe extern "C" fn() -> GType) -> bool {
    // SAFETY: `of` is one of libaravis' `…_get_type` functions, which return a registered type.
    let of = unsafe { of() };
    // SAFETY: `node` is a live GObject of the device, `of` a registered type.
    (unsafe { gobject_sys::g_type_check_instance_is_a(node.as_ptr().cast(), of) }) != 0
}

/// The names of the features in a category.
fn members(category: NonNull<ArvGcNode>) -> Vec<CString> {
    // SAFETY: `category` is an ArvGcCategory (the caller checked) of the live device.
    let mut next = unsafe { aravis_sys::arv_gc_category_get_features(category.as_ptr().cast()) };
    let mut names = Vec::new();
    while !next.is_null() {
        // SAFETY: an element of the category's list, which lives until the next call to the category; none is made here.
        let element = unsafe { next.read() };
        // SAFETY: null, or a NUL-terminated string that belongs to the list.
        let name = unsafe { string(element.data.cast::<c_char>()) };
        names.extend(name.and_then(|name| CString::new(name).ok()));
        next = element.next;
    }
    names
}

/// The unit of a number; others have none.
fn unit(node: NonNull<ArvGcNode>) -> String {
    let text = if is_a(node, aravis_sys::arv_gc_float_get_type) {
        // SAFETY: `node` is an ArvGcFloat of the live device.
        unsafe { aravis_sys::arv_gc_float_get_unit(node.as_ptr().cast()) }
    } else if is_a(node, aravis_sys::arv_gc_integer_get_type) {
        // SAFETY: `node` is an ArvGcInteger of the live device.
        unsafe { aravis_sys::arv_gc_integer_get_unit(node.as_ptr().cast()) }
    } else {
        std::ptr::null()
    };
    // SAFETY: null, or a string of the node, which lives until the next call to it.
    unsafe { string(text) }.unwrap_or_default()
}
