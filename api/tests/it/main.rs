//! The API over real sockets, on a state that is projected from a real journal, with an engine that is ours.

#![allow(clippy::unwrap_used, reason = "a test's helpers may panic")]

mod bodies;
mod callbacks;
mod commands;
mod entities;
mod events;
mod glass;
mod guardian;
mod house;
mod openapi;
mod registry;
mod samples;
mod session;
mod stream;
