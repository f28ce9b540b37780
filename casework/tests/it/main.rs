//! Stories and properties of casework, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that is surprised fails")]

mod desk;
mod properties;
mod stories;
