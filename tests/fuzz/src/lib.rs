//! What the fuzz targets share.

mod cursor;
mod replay;

pub use cursor::Cursor;
pub use replay::{Scratch, replay};
