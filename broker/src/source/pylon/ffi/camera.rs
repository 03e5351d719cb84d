//! An open camera, and why two threads may use it.
//!
//! The thread that grabs has the [`Camera`]. Others have [`Nodes`], with which features are read and set meanwhile; a weak
//! one keeps nothing open. All that is behind them is one [`Open`], which is closed with its last owner: with the source, or
//! with the call of another thread that runs just then. That is sound because of what [`Nodes`] does with it:
//!
//! * Of the shim's camera it reads one field, which never changes; the others belong to the [`Camera`], which is neither `Clone`
//!   nor `Sync`.
//! * Of pylon's camera it calls what gives out node maps, which pylon synchronizes with everything else, and which is not held up
//!   by a thread that waits for a grab result.
//! * Node maps lock themselves during each call to a node. The grabbing thread's start and stop wait there for a slow feature;
//!   nothing that it does per frame does, since chunks and the stream's statistics have maps of their own.
//! * Nodes live as long as their map, and that until the camera is closed, which a call's share in `Open` outlasts.

use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;

use pylon_cxx::{InstantCamera, Pylon};

use super::{Failure, Library, Nodes, c_string, call, sys};

/// An open camera, for one thread at a time.
pub(in super::super) struct Camera {
    nodes: Nodes,
    // Not `Sync`, although what it shares is.
    _one_thread: PhantomData<Cell<()>>,
}

/// What is open. Dropping it closes it.
pub(super) struct Open {
    // In this order: the camera goes before what it calls, and that before the library.
    instant: InstantCamera<'static>,
    shim: Shim,
    _library: Arc<Library>,
}

// SAFETY: only `shim` is reachable without a `Camera`, and what is done with it there is for any thread: see the head of this
// file.
unsafe impl Sync for Open {}

impl Open {
    /// The shim's view of it: alive as long as `self`.
    pub(super) fn shim(&self) -> *mut sys::Camera {
        self.shim.0.as_ptr()
    }
}

/// The shim's part of a camera.
struct Shim(NonNull<sys::Camera>);

// SAFETY: the shim and pylon tie a camera to no thread.
unsafe impl Send for Shim {}

impl Drop for Shim {
    fn drop(&mut self) {
        // SAFETY: made by `fb_pylon_create` and destroyed once. The camera that points to it is gone (order of fields).
        unsafe { sys::fb_pylon_destroy(self.0.as_ptr()) };
    }
}

impl Camera {
    /// Opens the camera of this full name.
    pub(in super::super) fn open(library: &Arc<Library>, full_name: &str) -> Result<Self, Failure> {
        let name = c_string(full_name)?;
        let (mut shim, mut instant): (*mut sys::Camera, *mut c_void) = (null_mut(), null_mut());
        // SAFETY: the name ends with a zero and, as the two places, outlives the call; pylon is initialized (`library`).
        call(|failure| unsafe { sys::fb_pylon_create(name.as_ptr(), &raw mut shim, &raw mut instant, failure) })?;
        let shim = Shim(NonNull::new(shim).ok_or_else(|| Failure::new("pylon made no camera"))?);
        // SAFETY: `instant` is a CInstantCamera made with `new`, which nobody else deletes; the type that is inferred is
        // pylon-cxx's name for it.
        let owned = unsafe { cxx::UniquePtr::from_raw(instant.cast()) };
        let pylon: *const Pylon = library.pylon();
        // SAFETY: the library lives in an Arc, at one address, and this camera keeps it alive until `instant` is dropped
        // (order of fields). The reference never leaves `instant`, which is not handed out.
        let pylon: &'static Pylon = unsafe { &*pylon };
        let open = Open { instant: InstantCamera::new(pylon, owned), shim, _library: Arc::clone(library) };
        open.instant.open()?;
        Ok(Self { nodes: Nodes::of(open), _one_thread: PhantomData })
    }

    /// Its features.
    pub(in super::super) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// pylon-cxx's view of it.
    pub(super) fn instant(&self) -> &InstantCamera<'_> {
        &self.nodes.open().instant
    }

    /// The shim's view of it: alive as long as `self`, for this thread only.
    pub(super) fn shim(&self) -> *mut sys::Camera {
        self.nodes.open().shim()
    }

    /// Sets every feature that a file written by Basler's pylon Viewer (`.pfs`) names.
    pub(in super::super) fn load(&self, file: &Path) -> Result<(), Failure> {
        Ok(self.instant().node_map()?.load(file, true)?)
    }

    /// How long the camera waits for a sign of life before it is free for another program, in ms: `GigE` Vision only.
    pub(in super::super) fn set_heartbeat(&self, timeout_ms: i64) -> Result<(), Failure> {
        let mut node = self.instant().tl_node_map()?.integer_node("HeartbeatTimeout")?;
        Ok(node.set_value(timeout_ms)?)
    }

    /// How many buffers a start takes from the factory.
    pub(in super::super) fn set_buffers(&self, buffers: usize) -> Result<(), Failure> {
        let buffers = i64::try_from(buffers).unwrap_or(i64::MAX);
        let map = self.instant().instant_camera_node_map()?;
        map.integer_node("MaxNumBuffer")?.set_value(buffers)?;
        // As many as there are may lie with the driver; where that is not to be set, pylon passes them on in time.
        if let Ok(mut queued) = map.integer_node("MaxNumQueuedBuffer") {
            let _kept_as_it_is = queued.set_value(buffers);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Camera {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Camera")
    }
}
