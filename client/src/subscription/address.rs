//! By what a certain frame is asked for.

use framebroker_protocol::{ContextId, FrameRef};

/// By what [`Subscription::acquire`](crate::Subscription::acquire) finds a frame.
#[derive(Debug, Clone, Copy)]
pub enum FrameAddress<'a> {
    /// By its full address: a frame of another run of the broker, or of another stream, is refused.
    Ref(&'a FrameRef),
    /// By its context ID alone, **which nobody can check**: one of an earlier run of the broker, or of another stream, may name a
    /// frame here too, another one.
    Context(ContextId),
}

impl<'a> From<&'a FrameRef> for FrameAddress<'a> {
    fn from(frame: &'a FrameRef) -> Self {
        Self::Ref(frame)
    }
}

impl From<ContextId> for FrameAddress<'_> {
    fn from(context: ContextId) -> Self {
        Self::Context(context)
    }
}
