//! Providers over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers may panic")]

mod gateway;
mod mail;
mod providers;
mod sample;
