//! What the device thread has to do.

use super::question::Question;
use crate::source::Features;

/// To the device thread.
#[derive(Debug)]
pub enum Job {
    /// The source has started, with these features; or it is gone.
    Source(Handle),
    /// A client asks. Answered by [`Event::Answered`](crate::events::Event) in every case.
    Ask(Question),
}

/// The source's features, if it has any.
pub struct Handle(pub Option<Box<dyn Features>>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Handle(features)" } else { "Handle(none)" })
    }
}
