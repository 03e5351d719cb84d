//! The session thread: clients, what they read and fill, and how they end. It never touches a frame's bytes, and nothing a client
//! does makes it wait.
//!
//! `server` is its loop over the three that own its state: `streams`, `table` (the sessions) and `clock`, which `broker` holds.
//! What a client asks is parsed in `requests` and answered by functions of its session and the streams: `subscribe` (a
//! subscription's life in its order), `delivery`, `produce`, `features`, `report`. What other threads tell is taken in
//! `stream_events`.

pub mod access;
mod broker;
mod client;
mod clock;
mod delivery;
mod descriptors;
pub mod end;
mod features;
mod lease;
pub mod listener;
mod log_limit;
mod membership;
mod news;
mod outbox;
mod poll;
mod produce;
mod production;
mod report;
mod requests;
mod rules;
mod server;
mod session;
mod socket_reader;
mod stream_events;
mod streams;
mod subscribe;
mod subscription;
mod summary;
mod table;
mod terms;
#[cfg(any(test, fuzzing))]
pub(crate) mod tests;

pub use rules::{ClientLimits, Rules};
pub use server::{ServeError, Server, end_signals};
pub use summary::Summary;
