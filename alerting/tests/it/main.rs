//! Stories and properties of alerting, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that is surprised fails")]

mod actions;
mod answers;
mod calling;
mod joining;
mod messages;
mod properties;
mod tale;
mod ward;
