//! Features by name.

use std::ffi::{CStr, c_char, c_void};
use std::sync::{Arc, Weak};

use framebroker_protocol::message::{Access, Visibility};

use super::camera::Open;
use super::{Failure, c_string, call, sys};

/// The features of an open camera, for any thread: `camera.rs` argues why. Keeps it open.
#[derive(Clone)]
pub(in super::super) struct Nodes(Arc<Open>);

/// The same, and keeps nothing open.
pub(in super::super) struct WeakNodes(Weak<Open>);

/// Where a feature is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Map {
    /// The camera.
    Camera,
    /// What receives its stream.
    Stream,
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

/// The value of a feature.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Value {
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Text(String),
    /// Name and code of an enumeration's entry.
    Entry(String, i64),
}

/// A feature as it is now.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Feature {
    pub(in super::super) kind: Kind,
    pub(in super::super) access: Access,
    pub(in super::super) visibility: Visibility,
    /// `None` where it has none, or does not tell.
    pub(in super::super) value: Option<Value>,
}

/// What it may be set to and what it is for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct Details {
    pub(in super::super) display_name: String,
    pub(in super::super) description: String,
    pub(in super::super) unit: String,
    /// Of an enumeration, what can be chosen.
    pub(in super::super) entries: Vec<String>,
    /// Of an integer lowest, highest, step; `None` where it does not tell.
    pub(in super::super) integers: Option<(i64, i64, i64)>,
    /// Of a float lowest, highest; `None` where it does not tell.
    pub(in super::super) floats: Option<(f64, f64)>,
    /// Why the camera told no more.
    pub(in super::super) failure: Option<Failure>,
}

/// Texts as the shim tells them.
#[derive(Default)]
struct Texts {
    names: Vec<String>,
    entries: Vec<String>,
    value: String,
    unit: String,
    display_name: String,
    description: String,
}

impl Nodes {
    pub(super) fn of(open: Open) -> Self {
        Self(Arc::new(open))
    }

    pub(super) fn open(&self) -> &Open {
        &self.0
    }

    /// The same, and keeps nothing open.
    pub(in super::super) fn downgrade(&self) -> WeakNodes {
        WeakNodes(Arc::downgrade(&self.0))
    }

    /// Whether the camera was unplugged since it was opened.
    pub(in super::super) fn is_removed(&self) -> bool {
        // SAFETY: alive as `self` is.
        unsafe { sys::fb_pylon_is_removed(self.0.shim()) }
    }

    /// The names of all features, in the order of the camera's categories.
    pub(in super::super) fn names(&self) -> Result<Vec<String>, Failure> {
        let mut texts = Texts::default();
        // SAFETY: the camera is alive; `take` gets the pointer to `texts`, which outlives the call.
        call(|failure| unsafe {
            sys::fb_pylon_feature_names(self.0.shim(), Some(take), (&raw mut texts).cast(), failure)
        })?;
        Ok(texts.names)
    }

    /// A feature; `None` where the camera has none of this name.
    pub(in super::super) fn feature(&self, map: Map, name: &str) -> Result<Option<Feature>, Failure> {
        let (feature, mut texts, failure) = self.read(map, name, false)?;
        match failure {
            Some(failure) => Err(failure),
            None => Ok(known(&feature, &mut texts)),
        }
    }

    /// A feature of the camera, with all it says of it; `None` where it has none of this name. What failed on the way stands in
    /// the details.
    pub(in super::super) fn details(&self, name: &str) -> Result<Option<(Feature, Details)>, Failure> {
        let (feature, mut texts, failure) = self.read(Map::Camera, name, true)?;
        let Some(known) = known(&feature, &mut texts) else { return failure.map_or(Ok(None), Err) };
        let has_range = feature.has_range != 0;
        let integers = (feature.min, feature.max, feature.increment);
        let details = Details {
            display_name: texts.display_name,
            description: texts.description,
            unit: texts.unit,
            entries: texts.entries,
            integers: (known.kind == Kind::Integer && has_range).then_some(integers),
            floats: (known.kind == Kind::Float && has_range).then_some((feature.lowest, feature.highest)),
            failure,
        };
        Ok(Some((known, details)))
    }

    fn read(
        &self,
        map: Map,
        name: &str,
        with_details: bool,
    ) -> Result<(sys::Feature, Texts, Option<Failure>), Failure> {
        let name = c_string(name)?;
        let map = match map {
            Map::Camera => sys::MAP_CAMERA,
            Map::Stream => sys::MAP_STREAM,
        };
        let (mut feature, mut texts) = (sys::Feature::default(), Texts::default());
        let (shim, to) = (self.0.shim(), (&raw mut texts).cast());
        // SAFETY: the camera is alive, the name ends with a zero and, as `feature`, outlives the call; `take` gets the pointer to
        // `texts`, which does too.
        let read = call(|failure| unsafe {
            sys::fb_pylon_feature(shim, map, name.as_ptr(), with_details, &raw mut feature, Some(take), to, failure)
        });
        Ok((feature, texts, read.err()))
    }

    /// Whether a feature cannot be set or executed because the camera grabs.
    pub(in super::super) fn is_held(&self, name: &str) -> Result<bool, Failure> {
        let name = c_string(name)?;
        let mut is_held = false;
        // SAFETY: the camera is alive, the name ends with a zero and, as `is_held`, outlives the call.
        call(|failure| unsafe {
            sys::fb_pylon_feature_is_held(self.0.shim(), name.as_ptr(), &raw mut is_held, failure)
        })?;
        Ok(is_held)
    }

    /// Sets an integer.
    pub(in super::super) fn set_integer(&self, name: &str, value: i64) -> Result<(), Failure> {
        let name = c_string(name)?;
        // SAFETY: the camera is alive, the name ends with a zero and outlives the call.
        call(|failure| unsafe { sys::fb_pylon_set_integer(self.0.shim(), name.as_ptr(), value, failure) })
    }

    /// Sets a floating-point number.
    pub(in super::super) fn set_float(&self, name: &str, value: f64) -> Result<(), Failure> {
        let name = c_string(name)?;
        // SAFETY: as above.
        call(|failure| unsafe { sys::fb_pylon_set_float(self.0.shim(), name.as_ptr(), value, failure) })
    }

    /// Sets a boolean.
    pub(in super::super) fn set_boolean(&self, name: &str, value: bool) -> Result<(), Failure> {
        let name = c_string(name)?;
        // SAFETY: as above.
        call(|failure| unsafe { sys::fb_pylon_set_boolean(self.0.shim(), name.as_ptr(), value, failure) })
    }

    /// Sets a string, or an enumeration by the name of its entry.
    pub(in super::super) fn set_text(&self, name: &str, value: &str) -> Result<(), Failure> {
        let (name, value) = (c_string(name)?, c_string(value)?);
        // SAFETY: the camera is alive, both texts end with a zero and outlive the call.
        call(|failure| unsafe { sys::fb_pylon_set_text(self.0.shim(), name.as_ptr(), value.as_ptr(), failure) })
    }

    /// Begins a command.
    pub(in super::super) fn execute(&self, name: &str) -> Result<(), Failure> {
        let name = c_string(name)?;
        // SAFETY: the camera is alive, the name ends with a zero and outlives the call.
        call(|failure| unsafe { sys::fb_pylon_execute(self.0.shim(), name.as_ptr(), failure) })
    }

    /// Whether a command that was begun is done.
    pub(in super::super) fn is_done(&self, name: &str) -> Result<bool, Failure> {
        let name = c_string(name)?;
        let mut is_done = true;
        // SAFETY: the camera is alive, the name ends with a zero and, as `is_done`, outlives the call.
        call(|failure| unsafe { sys::fb_pylon_is_done(self.0.shim(), name.as_ptr(), &raw mut is_done, failure) })?;
        Ok(is_done)
    }
}

impl WeakNodes {
    /// The features, unless the camera was closed.
    pub(in super::super) fn upgrade(&self) -> Option<Nodes> {
        self.0.upgrade().map(Nodes)
    }
}

impl std::fmt::Debug for Nodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nodes")
    }
}

/// Takes a text of a feature: an `fb_tell`.
///
/// # Safety
/// `to` points to a live [`Texts`] that nobody else uses during the call; `text` is NUL-terminated.
unsafe extern "C" fn take(to: *mut c_void, what: u32, text: *const c_char) {
    // SAFETY: the caller vouches for it.
    let texts = unsafe { &mut *to.cast::<Texts>() };
    // SAFETY: the caller vouches for it.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    match what {
        sys::TEXT_NAME => texts.names.push(text),
        sys::TEXT_VALUE => texts.value = text,
        sys::TEXT_ENTRY => texts.entries.push(text),
        sys::TEXT_UNIT => texts.unit = text,
        sys::TEXT_DISPLAY_NAME => texts.display_name = text,
        sys::TEXT_DESCRIPTION => texts.description = text,
        _ => {}
    }
}

fn known(feature: &sys::Feature, texts: &mut Texts) -> Option<Feature> {
    let kind = match feature.kind {
        sys::KIND_INTEGER => Kind::Integer,
        sys::KIND_FLOAT => Kind::Float,
        sys::KIND_BOOLEAN => Kind::Boolean,
        sys::KIND_ENUMERATION => Kind::Enumeration,
        sys::KIND_TEXT => Kind::Text,
        sys::KIND_COMMAND => Kind::Command,
        _ => Kind::Other,
    };
    let access = match feature.access {
        sys::ACCESS_MISSING => return None,
        sys::ACCESS_READ_WRITE => Access::ReadWrite,
        sys::ACCESS_WRITE_ONLY => Access::WriteOnly,
        sys::ACCESS_READ_ONLY => Access::ReadOnly,
        sys::ACCESS_LOCKED => Access::Locked,
        _ => Access::NotAvailable,
    };
    let visibility = match feature.visibility {
        sys::VISIBILITY_BEGINNER => Visibility::Beginner,
        sys::VISIBILITY_EXPERT => Visibility::Expert,
        sys::VISIBILITY_GURU => Visibility::Guru,
        sys::VISIBILITY_INVISIBLE => Visibility::Invisible,
        _ => Visibility::Unknown,
    };
    let text = || std::mem::take(&mut texts.value);
    let value = (feature.has_value != 0).then(|| value(kind, feature, text)).flatten();
    Some(Feature { kind, access, visibility, value })
}

fn value(kind: Kind, feature: &sys::Feature, text: impl FnOnce() -> String) -> Option<Value> {
    Some(match kind {
        Kind::Integer => Value::Integer(feature.integer),
        Kind::Float => Value::Float(feature.number),
        Kind::Boolean => Value::Boolean(feature.integer != 0),
        Kind::Enumeration => Value::Entry(text(), feature.integer),
        Kind::Text => Value::Text(text()),
        Kind::Command | Kind::Other => return None,
    })
}
