//! A clock for those who may not read the wall clock: it runs on from a time that it was given.

use std::time::Instant;

use model::{Clock, Timestamp};

/// Tells the time that has passed since it was made, on top of the time that it was given then.
#[derive(Debug, Clone, Copy)]
pub struct RunningClock {
    base: Timestamp,
    made: Instant,
}

impl RunningClock {
    /// Runs on from `base`, from now on.
    #[must_use]
    pub fn from(base: Timestamp) -> RunningClock {
        RunningClock { base, made: Instant::now() }
    }
}

impl Clock for RunningClock {
    fn now(&self) -> Timestamp {
        self.base.plus_millis(i64::try_from(self.made.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}
