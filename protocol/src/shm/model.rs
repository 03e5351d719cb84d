//! Pages on the heap, for models of the ring.

/// A page that no other process sees.
#[derive(Debug, Default)]
pub struct Mapped<T>(T);

impl<T> std::ops::Deref for Mapped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
