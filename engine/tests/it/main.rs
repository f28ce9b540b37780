//! The engine as a whole, over disks that misbehave.

#![allow(clippy::unwrap_used)] // a test that cannot go on says so by failing

mod allocations;
mod handed_over;
mod killed;
mod power_cut;
mod preview;
mod replay;
