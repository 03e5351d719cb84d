//! Features by name.

use std::ffi::c_char;

use super::{Camera, Failure, c_string, call, sys, text};

/// Where a feature is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Map {
    /// The camera.
    Camera,
    /// What receives its stream.
    Stream,
}

impl Map {
    fn to_c(self) -> u32 {
        match self {
            Self::Camera => sys::MAP_CAMERA,
            Self::Stream => sys::MAP_STREAM,
        }
    }
}

/// What a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Integer,
    Float,
    Boolean,
    Enumeration,
    Text,
    Command,
    /// A group or a register.
    Other,
}

/// What can be done with a feature now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Access {
    Writable,
    ReadOnly,
    Unavailable,
}

impl Camera {
    /// What a feature is; `None` where the camera has none of this name.
    pub(in super::super) fn feature(&self, map: Map, name: &str) -> Result<Option<(Kind, Access)>, Failure> {
        let name = c_string(name)?;
        let (mut kind, mut access) = (0, sys::ACCESS_MISSING);
        // SAFETY: the camera is alive, the name ends with a zero and, as the two places, outlives the call.
        call(|failure| unsafe {
            sys::fb_pylon_feature(self.shim(), map.to_c(), name.as_ptr(), &raw mut kind, &raw mut access, failure)
        })?;
        let kind = match kind {
            sys::KIND_INTEGER => Kind::Integer,
            sys::KIND_FLOAT => Kind::Float,
            sys::KIND_BOOLEAN => Kind::Boolean,
            sys::KIND_ENUMERATION => Kind::Enumeration,
            sys::KIND_TEXT => Kind::Text,
            sys::KIND_COMMAND => Kind::Command,
            _ => Kind::Other,
        };
        Ok(match access {
            sys::ACCESS_MISSING => None,
            sys::ACCESS_WRITABLE => Some((kind, Access::Writable)),
            sys::ACCESS_READ_ONLY => Some((kind, Access::ReadOnly)),
            _ => Some((kind, Access::Unavailable)),
        })
    }

    /// The value of an integer, or the code of an enumeration's present entry.
    pub(in super::super) fn integer(&self, map: Map, name: &str) -> Result<i64, Failure> {
        let name = c_string(name)?;
        let mut value = 0;
        // SAFETY: the camera is alive, the name ends with a zero and, as `value`, outlives the call.
        call(|failure| unsafe {
            sys::fb_pylon_feature_integer(self.shim(), map.to_c(), name.as_ptr(), &raw mut value, failure)
        })?;
        Ok(value)
    }

    /// Lowest and highest value and step of an integer.
    pub(in super::super) fn integer_bounds(&self, name: &str) -> Result<(i64, i64, i64), Failure> {
        let node = self.instant().node_map()?.integer_node(name)?;
        let c_name = c_string(name)?;
        let mut increment = 1;
        // SAFETY: the camera is alive, the name ends with a zero and, as `increment`, outlives the call.
        call(|failure| unsafe {
            sys::fb_pylon_feature_increment(self.shim(), c_name.as_ptr(), &raw mut increment, failure)
        })?;
        Ok((node.min()?, node.max()?, increment))
    }

    /// The value of a floating-point feature.
    pub(in super::super) fn float(&self, name: &str) -> Result<f64, Failure> {
        Ok(self.instant().node_map()?.float_node(name)?.value()?)
    }

    /// Lowest and highest value of a floating-point feature.
    pub(in super::super) fn float_bounds(&self, name: &str) -> Result<(f64, f64), Failure> {
        let node = self.instant().node_map()?.float_node(name)?;
        Ok((node.min()?, node.max()?))
    }

    /// The value of a boolean.
    pub(in super::super) fn boolean(&self, name: &str) -> Result<bool, Failure> {
        Ok(self.instant().node_map()?.boolean_node(name)?.value()?)
    }

    /// What an enumeration can be set to.
    pub(in super::super) fn entries(&self, name: &str) -> Result<Vec<String>, Failure> {
        Ok(self.instant().node_map()?.enum_node(name)?.settable_values()?)
    }

    /// The value of any feature as a text.
    pub(in super::super) fn text(&self, name: &str) -> Result<String, Failure> {
        let name = c_string(name)?;
        let mut value: [c_char; 512] = [0; 512];
        // SAFETY: the camera is alive, the name ends with a zero and, as the place of `value.len()` bytes, outlives the call.
        call(|failure| unsafe {
            sys::fb_pylon_feature_text(self.shim(), name.as_ptr(), value.as_mut_ptr(), value.len(), failure)
        })?;
        Ok(text(&value))
    }

    /// Sets a feature of any type from a text; runs a command.
    pub(in super::super) fn set(&self, name: &str, value: &str) -> Result<(), Failure> {
        let (name, value) = (c_string(name)?, c_string(value)?);
        // SAFETY: the camera is alive, both texts end with a zero and outlive the call.
        call(|failure| unsafe { sys::fb_pylon_feature_set(self.shim(), name.as_ptr(), value.as_ptr(), failure) })
    }
}
