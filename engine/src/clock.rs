//! The one place that reads the wall clock.
//!
//! Deadlines are wall-clock times, yet a wall clock jumps: when NTP first answers, when somebody sets it, when a
//! machine was asleep. A jump forward would fire every timer at once, a jump back would stop the calling. So the
//! house has its own time: it starts at the later of the last journaled time and the wall clock, runs on with the
//! monotonic clock, and lets a difference to the wall clock in slowly. A difference too large for that is an alarm
//! for the operator, never a jump; a restart takes a forward correction in at once.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::{Clock, Timestamp};
use parking_lot::Mutex;

/// How fast a difference to the wall clock is let in, in parts per million of the time that passes: 100 ms are gone
/// after 20 s, 2 s after less than 7 min, and a timer of 15 s is never off by more than 75 ms on account of it.
pub const SLEW_RATE_PPM: i64 = 5_000;
/// A difference above this is an alarm.
pub const OFFSET_ALARM_MILLIS: i64 = 2_000;
/// How often the wall clock is looked at, at the most.
pub const WALL_CHECK_INTERVAL_NANOS: u64 = 100_000_000;
/// Time that passed unobserved counts at most this long for the slewing: nobody saw what the wall clock did in it,
/// so a long silence must not be taken as leave for a jump.
const SLEW_SPAN_NANOS_MAX: u64 = 1_000_000_000;
const NANOS_PER_MILLI: i64 = 1_000_000;
const PARTS_PER_MILLION: i64 = 1_000_000;

/// The arithmetic of the clock, without any clock: nanoseconds go in, the house's time comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slew {
    /// House time minus monotonic reading.
    shift_nanos: i64,
    /// Monotonic reading when the wall clock was last looked at.
    seen_nanos: u64,
    /// Wall clock minus house time, as last seen and after what was let in.
    offset_nanos: i64,
}

impl Slew {
    /// Starts at the later of the last journaled time and the wall clock. `mono_nanos` is a monotonic reading from
    /// any origin, `wall_nanos` the wall clock since 1970 at the same moment.
    #[must_use]
    pub fn start(last_journaled: Option<Timestamp>, mono_nanos: u64, wall_nanos: i64) -> Slew {
        let journaled = last_journaled.map_or(0, |time| time.millis().saturating_mul(NANOS_PER_MILLI));
        let start = journaled.max(wall_nanos);
        Slew {
            shift_nanos: start.saturating_sub(signed(mono_nanos)),
            seen_nanos: mono_nanos,
            offset_nanos: wall_nanos.saturating_sub(start),
        }
    }

    /// Looks at the wall clock and lets in as much of the difference as the time since the last look allows.
    pub fn observe(&mut self, mono_nanos: u64, wall_nanos: i64) {
        let passed = mono_nanos.saturating_sub(self.seen_nanos).min(SLEW_SPAN_NANOS_MAX);
        let difference = wall_nanos.saturating_sub(self.at_nanos(mono_nanos));
        let allowed = signed(passed) * SLEW_RATE_PPM / PARTS_PER_MILLION;
        let let_in = difference.clamp(-allowed, allowed);
        self.shift_nanos = self.shift_nanos.saturating_add(let_in);
        self.offset_nanos = difference - let_in;
        self.seen_nanos = self.seen_nanos.max(mono_nanos);
    }

    /// The house's time at a monotonic reading, in nanoseconds since 1970.
    #[must_use]
    pub fn at_nanos(&self, mono_nanos: u64) -> i64 {
        self.shift_nanos.saturating_add(signed(mono_nanos))
    }

    /// Wall clock minus house time as last seen, in milliseconds: positive when the wall clock is ahead.
    #[must_use]
    pub fn offset_millis(&self) -> i64 {
        self.offset_nanos / NANOS_PER_MILLI
    }
}

fn signed(nanos: u64) -> i64 {
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// The clock of a running engine. Cheap to ask: one monotonic reading and three atomic loads, and ten times a
/// second, for whoever comes first, one reading of the wall clock.
#[derive(Debug)]
pub struct SystemClock {
    origin: Instant,
    slew: Mutex<Slew>,
    /// The slew's shift, for readers that do not wait for it.
    shift_nanos: AtomicI64,
    /// The slew's offset, likewise.
    offset_millis: AtomicI64,
    /// The monotonic reading from which on the wall clock is to be looked at again.
    check_at_nanos: AtomicU64,
    /// The latest time given out, so that a correction backwards stands still instead of going back.
    given_millis: AtomicI64,
}

impl SystemClock {
    /// Starts at the later of the last journaled time and the wall clock.
    #[must_use]
    pub fn new(last_journaled: Option<Timestamp>) -> SystemClock {
        let origin = Instant::now();
        let slew = Slew::start(last_journaled, 0, wall_nanos());
        SystemClock {
            origin,
            slew: Mutex::new(slew),
            shift_nanos: AtomicI64::new(slew.shift_nanos),
            offset_millis: AtomicI64::new(slew.offset_millis()),
            check_at_nanos: AtomicU64::new(WALL_CHECK_INTERVAL_NANOS),
            given_millis: AtomicI64::new(0),
        }
    }

    /// Wall clock minus house time in milliseconds when it is more than [`OFFSET_ALARM_MILLIS`] off, else `None`.
    /// Positive: the wall clock is ahead. The cure is a right wall clock, and a restart if it was ahead.
    #[must_use]
    pub fn offset_alarm(&self) -> Option<i64> {
        let offset = self.offset_millis();
        (offset.abs() > OFFSET_ALARM_MILLIS).then_some(offset)
    }

    /// Wall clock minus house time in milliseconds, as last seen; for the metrics.
    #[must_use]
    pub fn offset_millis(&self) -> i64 {
        self.offset_millis.load(Ordering::Relaxed)
    }

    fn look_at_the_wall(&self, mono_nanos: u64) {
        // Whoever finds somebody else looking goes on with the old shift: it is right to microseconds.
        let Some(mut slew) = self.slew.try_lock() else { return };
        self.check_at_nanos.store(mono_nanos.saturating_add(WALL_CHECK_INTERVAL_NANOS), Ordering::Relaxed);
        slew.observe(mono_nanos, wall_nanos());
        self.shift_nanos.store(slew.shift_nanos, Ordering::Relaxed);
        self.offset_millis.store(slew.offset_millis(), Ordering::Relaxed);
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // u64 nanoseconds last for 584 years of uptime.
        let mono_nanos = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        if mono_nanos >= self.check_at_nanos.load(Ordering::Relaxed) {
            self.look_at_the_wall(mono_nanos);
        }
        let millis = self.shift_nanos.load(Ordering::Relaxed).saturating_add(signed(mono_nanos)) / NANOS_PER_MILLI;
        let given = self.given_millis.load(Ordering::Acquire);
        // Written once a millisecond at most, so that the readers' cache line stays shared.
        let millis =
            if millis > given { self.given_millis.fetch_max(millis, Ordering::AcqRel).max(millis) } else { given };
        Timestamp::from_millis(millis)
    }
}

/// The wall clock, in nanoseconds since 1970; a clock set before 1970 reads as 1970.
#[allow(clippy::disallowed_methods)] // this is the one place
fn wall_nanos() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use model::{Clock, Timestamp};

    use super::{NANOS_PER_MILLI, OFFSET_ALARM_MILLIS, Slew, SystemClock};

    const SECOND: i64 = 1_000 * NANOS_PER_MILLI;
    /// 2026-11-22T00:00:00Z.
    const WALL: i64 = 1_795_305_600 * SECOND;

    fn mono(nanos: i64) -> u64 {
        u64::try_from(nanos).unwrap()
    }

    /// Runs the slew for `seconds`, looking ten times a second at a wall clock that is off by `off` nanoseconds.
    fn run(slew: &mut Slew, from_seconds: i64, seconds: i64, off: i64) {
        for tenth in 1..=seconds * 10 {
            let passed = from_seconds * SECOND + tenth * SECOND / 10;
            let before = slew.at_nanos(mono(passed - SECOND / 10));
            slew.observe(mono(passed), WALL + passed + off);
            let step = slew.at_nanos(mono(passed)) - before;
            assert!((99_499_999..=100_500_001).contains(&step), "a tenth of a second took {step} ns");
        }
    }

    #[test]
    fn it_starts_at_the_later_of_journal_and_wall() {
        let journaled = Timestamp::from_millis(WALL / NANOS_PER_MILLI + 5_000);
        let ahead = Slew::start(Some(journaled), 7, WALL);
        assert_eq!(ahead.at_nanos(7), WALL + 5 * SECOND);
        assert_eq!(ahead.offset_millis(), -5_000);
        let behind = Slew::start(Some(Timestamp::from_millis(1)), 7, WALL);
        assert_eq!(behind.at_nanos(7), WALL);
        assert_eq!(behind.offset_millis(), 0);
    }

    #[test]
    fn a_small_correction_vanishes_in_seconds_without_a_jump() {
        for off in [100 * NANOS_PER_MILLI, -100 * NANOS_PER_MILLI] {
            let mut slew = Slew::start(None, 0, WALL);
            run(&mut slew, 0, 21, off);
            assert_eq!(slew.offset_millis(), 0);
            assert_eq!(slew.at_nanos(mono(21 * SECOND)), WALL + 21 * SECOND + off);
        }
    }

    #[test]
    fn two_seconds_vanish_in_seven_minutes() {
        let mut slew = Slew::start(None, 0, WALL);
        run(&mut slew, 0, 60, 2 * SECOND);
        assert_eq!(slew.offset_millis(), 1_700);
        run(&mut slew, 60, 360, 2 * SECOND);
        assert_eq!(slew.offset_millis(), 0);
    }

    #[test]
    fn an_hour_is_an_alarm_and_not_a_jump() {
        let mut slew = Slew::start(None, 0, WALL);
        run(&mut slew, 0, 1, 3_600 * SECOND);
        assert!(slew.offset_millis() > OFFSET_ALARM_MILLIS);
        assert!(slew.at_nanos(mono(SECOND)) < WALL + 2 * SECOND);
    }

    #[test]
    fn a_long_silence_is_no_leave_for_a_jump() {
        let mut slew = Slew::start(None, 0, WALL);
        let day = 86_400 * SECOND;
        slew.observe(mono(day), WALL + day + 60 * SECOND);
        assert_eq!(slew.at_nanos(mono(day)), WALL + day + 5 * NANOS_PER_MILLI);
    }

    #[test]
    fn absurd_clocks_do_not_overflow() {
        let mut slew = Slew::start(Some(Timestamp::LATEST), u64::MAX, i64::MIN);
        slew.observe(u64::MAX, i64::MAX);
        slew.observe(0, i64::MIN);
        let _ = slew.at_nanos(u64::MAX);
    }

    #[test]
    fn the_running_clock_never_goes_back() {
        let clock = SystemClock::new(Some(Timestamp::parse("2100-01-01T00:00:00Z").unwrap()));
        let first = clock.now();
        assert!(first >= Timestamp::parse("2100-01-01T00:00:00Z").unwrap());
        assert!(clock.offset_alarm().is_some_and(|offset| offset < 0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = first;
                    for _ in 0..100_000 {
                        let now = clock.now();
                        assert!(now >= last);
                        last = now;
                    }
                });
            }
        });
    }
}
