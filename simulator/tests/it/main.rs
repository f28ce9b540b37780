//! The simulator's edges, over real sockets on loopback.

// A test's helpers may panic like the test itself; clippy only knows functions marked as tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bracelets;
mod cli;
mod demo;
mod live;
mod load;
mod phones;
mod scenarios;
mod vendors;
