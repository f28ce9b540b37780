//! Stories and properties of alerting, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that is surprised fails")]

mod actions;
mod answers;
mod auditor;
mod calling;
mod joining;
mod killed;
mod messages;
mod people;
mod properties;
mod providers;
mod reach;
mod rounds;
mod stood_in;
mod tale;
mod traps;
mod ward;
mod ways;
