//! How many sends a provider takes in a time. Pure: the time comes from the caller.

use model::{Lane, Timestamp};

/// A bucket of sends that refills evenly. What may wait leaves a part of it for alarms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    per_minute: i64,
    burst: i64,
    reserved: i64,
    /// In 60 000ths of a send, so that a millisecond's refill is a whole number.
    level: i64,
    at: Option<Timestamp>,
}

const SEND: i64 = 60_000;

impl Pace {
    /// A full bucket that holds `burst` sends and refills by `per_minute`; the last `reserved` of it are for alarms.
    /// All are at least 1, and something is left for what may wait.
    #[must_use]
    pub fn new(per_minute: u32, burst: u32, reserved: u32) -> Pace {
        let burst = i64::from(burst.max(2));
        let reserved = i64::from(reserved).min(burst - 1);
        Pace { per_minute: i64::from(per_minute.max(1)), burst, reserved, level: burst * SEND, at: None }
    }

    /// Takes a send out of the bucket.
    ///
    /// # Errors
    /// After how many milliseconds there is one, at least 1.
    pub fn take(&mut self, lane: Lane, now: Timestamp) -> Result<(), u64> {
        let since = self.at.map_or(0, |at| now.millis_since(at).max(0));
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
        self.level = self.level.saturating_add(since.saturating_mul(self.per_minute)).min(self.burst * SEND);
        let floor = if lane == Lane::Alarm { 0 } else { self.reserved * SEND };
        let missing = floor + SEND - self.level;
        if missing > 0 {
            return Err(u64::try_from((missing + self.per_minute - 1) / self.per_minute).unwrap_or(1).max(1));
        }
        self.level -= SEND;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_780_000_000_000 + millis)
    }

    #[test]
    fn alarms_have_the_last_of_it_and_it_refills_evenly() {
        let mut pace = Pace::new(60, 4, 2);
        assert_eq!(pace.take(Lane::Routine, at(0)), Ok(()));
        assert_eq!(pace.take(Lane::Routine, at(0)), Ok(()));
        assert_eq!(pace.take(Lane::Routine, at(0)), Err(1_000));
        assert_eq!(pace.take(Lane::Alarm, at(0)), Ok(()));
        assert_eq!(pace.take(Lane::Alarm, at(0)), Ok(()));
        assert_eq!(pace.take(Lane::Alarm, at(0)), Err(1_000));
        assert_eq!(pace.take(Lane::Alarm, at(400)), Err(600));
        assert_eq!(pace.take(Lane::Alarm, at(1_000)), Ok(()));
        assert_eq!(pace.take(Lane::Routine, at(1_000)), Err(3_000));
        // It holds no more than its burst, and a clock that goes back gives nothing.
        assert_eq!(pace.take(Lane::Routine, at(3_600_000)), Ok(()));
        assert_eq!(pace.take(Lane::Routine, at(0)), Ok(()));
        assert_eq!(pace.take(Lane::Routine, at(0)), Err(1_000));
    }

    #[test]
    fn over_a_minute_it_is_the_rate() {
        let mut pace = Pace::new(18, 2, 1);
        let taken = (0..60_000).filter(|millis| pace.take(Lane::Alarm, at(*millis)).is_ok()).count();
        assert_eq!(taken, 2 + 17);
    }
}
