//! The C library of framebroker: `include/framebroker.h` over the Rust library.
//!
//! The header is written from these sources by cbindgen (`tests/header.rs`), so what is documented here on public items is
//! what a C programmer reads. Functions convert and check; what they do, the Rust library does.
//!
//! * [`handles`]: what a program holds is a number that is looked up, never a pointer that is followed. So a handle that
//!   was closed, released, forged or inherited by a forked child is an error and no undefined behaviour.
//! * [`boundary`]: the one place where panics stop, and where pointers of the caller are read and written.
//! * [`shared`]: what is for one thread at a time.
//! * [`status`]: error codes and the text behind the last one.
//! * [`types`]: structures and constants.
//! * [`broker`], [`figures`], [`subscription`], [`frame`], [`chunk`], [`features`], [`synced`], [`producer`], [`blank`], [`pixel`]: the
//!   functions. [`words`]: names of what is told by numbers. [`value`] is what settings and chunks share.
#![deny(unsafe_code)]
#![allow(non_camel_case_types, reason = "names are those of the header")]

pub mod status;
pub mod types;

pub mod broker;
pub mod figures;
pub mod frame;
pub mod subscription;

pub mod frame_ref;

pub mod chunk;

pub mod features;

pub mod synced;

pub mod producer;

pub mod blank;

pub mod pixel;

pub mod words;

mod boundary;
mod handles;
mod shared;
mod value;
