//! How much of the time the generator's own thread ran, and how much it waited for a processor: Linux counts both.

use std::time::Duration;

/// Where Linux counts it: nanoseconds run, nanoseconds waited, slices.
const SCHEDSTAT: &str = "/proc/thread-self/schedstat";

/// Since when it is counted.
pub(super) struct Share(Option<(u64, u64)>);

impl Share {
    pub(super) fn begin() -> Share {
        Share(counted())
    }

    /// Shares of the time that passed, 0–1; 0 where nobody counts.
    pub(super) fn so_far(&self, elapsed: Duration) -> (f64, f64) {
        let (Some(before), Some(now)) = (self.0, counted()) else { return (0.0, 0.0) };
        let share = |before: u64, now: u64| (now - before) as f64 / elapsed.as_nanos().max(1) as f64;
        (share(before.0, now.0).min(1.0), share(before.1, now.1).min(1.0))
    }
}

fn counted() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(SCHEDSTAT).ok()?;
    let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}
