//! The door as clients see it: rumqttc and raw sockets on one side, a fake house on the other.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod devices;
mod feed;
mod house;
mod limits;
mod wire;
