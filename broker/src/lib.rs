//! The broker: grabs camera frames into a ring of shared memory and serves it to other processes.
//!
//! * [`source`] fills segments; [`factory`] allocates them; [`stream`] moves them through the ring.
//! * [`control`] talks to clients; [`worker`] allocates beside it; [`events`] joins the threads.
//! * [`config`] is the command line, [`run`] the broker's life.
#![deny(unsafe_code)]

pub mod config;
pub mod control;
pub mod events;
pub mod factory;
pub mod run;
pub mod source;
pub mod stream;
pub mod worker;
