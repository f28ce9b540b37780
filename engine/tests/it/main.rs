//! The engine as a whole, over disks that misbehave.

mod power_cut;
