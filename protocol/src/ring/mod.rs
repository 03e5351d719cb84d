//! The ring: how frames pass from one writer to any number of readers without a lock and without a copy.
//!
//! Who may touch what, and when. The letters stand beside the code that keeps each rule; ARCHITECTURE.md argues why
//! together they keep the promises.
//!
//! * **P, publish** ([`Writer::publish`]): the header is visible before the slot, slot and window before the head, the head
//!   before the bell; a fence; then the writer looks who sleeps.
//! * **A, acquire** ([`Reader::try_take`]): the reader writes down what it is about to read (its *hold*), a fence, then
//!   looks whether the slot still says so. Only then is the frame its own.
//! * **T, retire** ([`Writer::retire`]): the writer *hides* the frame by clearing its slot, a fence, then loads the roster and
//!   looks through the holds. A frame that any of them names is put back; a frame that none names is the source's to
//!   overwrite. A count in the page is odd meanwhile: a reader that finds a slot cleared then looks again before it gives
//!   the frame up.
//! * **L, release** ([`Pages::release`]): the reader clears its hold, a fence, then looks whether the writer starves.
//! * **R, revoke** ([`Member::revoke`]): the broker marks the page, a fence, then reads its holds; what they name is
//!   quarantined in the same roster change that drops the page, and never refilled.
//! * **G, lend** ([`Lender::lend`]) and **F, fill** ([`Filler::fill`]): where another process fills the segments, who may
//!   write one passes to it and back through two small rings; see [`lending`].
//! * **W, wait** ([`Reader::wait`]): the reader reads the bell, looks for news, says that it sleeps, a fence, and sleeps on
//!   the bell's old value. A reader whom others wake for nothing sleeps on a bell in its own page instead
//!   ([`Reader::wait_apart`]), which the writer rings for it alone.
//!
//! A, T, R, L, W rest on one fact: of two threads that each store, fence, then load what the other stored, at least one
//! sees the other's store.

mod alarms;
pub mod lending;
mod looks;
mod reader;
mod roster;
mod wait;
mod writer;

#[cfg(all(test, not(loom)))]
mod tests;

pub use lending::{Filler, Lend, Lender, Taker};
#[cfg(loom)]
pub use looks::looks_in_model;
pub use reader::{Claim, Hold, Pages, Reader, Taken};
pub use roster::{Member, Notify, Roster, SharedRoster};
pub use wait::{Predictive, WaitMode};
pub use writer::{Calls, Releases, Retired, Start, Writer};
