//! Whether a provider that keeps failing is asked again. Pure: the time comes from the caller.

use model::{Lane, Timestamp};

/// Counts failures in a row; after too many, what may wait is held back for a while. What is in the alarm lane is
/// never held back: each such send is a probe at the same time, and its success closes the circuit for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    failures_to_open: u32,
    open_millis: i64,
    failures: u32,
    open_until: Option<Timestamp>,
    probing: bool,
}

/// Whether one send may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It may.
    Go,
    /// Not for so many seconds, at least 1.
    Later {
        /// Seconds.
        after_seconds: u32,
    },
}

impl Circuit {
    /// A closed circuit that opens for `open_seconds` after `failures_to_open` failures in a row (at least 1).
    #[must_use]
    pub fn new(failures_to_open: u32, open_seconds: u32) -> Circuit {
        Circuit {
            failures_to_open: failures_to_open.max(1),
            open_millis: i64::from(open_seconds) * 1000,
            failures: 0,
            open_until: None,
            probing: false,
        }
    }

    /// Asks whether a send may go. Whoever may, reports with [`succeeded`](Self::succeeded) or
    /// [`failed`](Self::failed).
    pub fn ask(&mut self, lane: Lane, now: Timestamp) -> Permit {
        let Some(until) = self.open_until else { return Permit::Go };
        match lane {
            Lane::Alarm => Permit::Go,
            Lane::Routine if now >= until && !self.probing => {
                self.probing = true;
                Permit::Go
            }
            Lane::Routine => Permit::Later { after_seconds: seconds_until(until, now) },
        }
    }

    /// A send was taken: everything may go again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.open_until = None;
        self.probing = false;
    }

    /// A send failed in a way that says something about the provider, not about the message.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.probing = false;
        if self.failures >= self.failures_to_open {
            self.open_until = Some(now.plus_millis(self.open_millis));
        }
    }

    /// A send came to no result (its task was dropped): whoever is next may probe.
    pub fn abandoned(&mut self) {
        self.probing = false;
    }

    /// Whether what may wait is held back.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

fn seconds_until(until: Timestamp, now: Timestamp) -> u32 {
    let millis = until.millis_since(now).max(1);
    u32::try_from((millis + 999) / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_780_000_000_000 + seconds * 1000)
    }

    #[test]
    fn opens_after_failures_in_a_row_only() {
        let mut circuit = Circuit::new(3, 10);
        for _ in 0..5 {
            circuit.failed(at(0));
            circuit.failed(at(0));
            circuit.succeeded();
        }
        assert!(!circuit.is_open());
        for _ in 0..3 {
            assert_eq!(circuit.ask(Lane::Routine, at(1)), Permit::Go);
            circuit.failed(at(1));
        }
        assert!(circuit.is_open());
        assert_eq!(circuit.ask(Lane::Routine, at(2)), Permit::Later { after_seconds: 9 });
    }

    #[test]
    fn an_alarm_always_goes_and_closes_it_when_it_is_taken() {
        let mut circuit = Circuit::new(1, 10);
        circuit.failed(at(0));
        assert_eq!(circuit.ask(Lane::Routine, at(1)), Permit::Later { after_seconds: 9 });
        for second in 1..30 {
            assert_eq!(circuit.ask(Lane::Alarm, at(second)), Permit::Go);
            circuit.failed(at(second));
        }
        assert_eq!(circuit.ask(Lane::Alarm, at(30)), Permit::Go);
        circuit.succeeded();
        assert_eq!(circuit.ask(Lane::Routine, at(30)), Permit::Go);
    }

    #[test]
    fn one_routine_probe_at_a_time_after_the_pause() {
        let mut circuit = Circuit::new(1, 10);
        circuit.failed(at(0));
        assert_eq!(circuit.ask(Lane::Routine, at(10)), Permit::Go);
        assert_eq!(circuit.ask(Lane::Routine, at(10)), Permit::Later { after_seconds: 1 });
        circuit.failed(at(11));
        assert_eq!(circuit.ask(Lane::Routine, at(12)), Permit::Later { after_seconds: 9 });
        assert_eq!(circuit.ask(Lane::Routine, at(21)), Permit::Go);
        circuit.abandoned();
        assert_eq!(circuit.ask(Lane::Routine, at(21)), Permit::Go);
        circuit.succeeded();
        assert!(!circuit.is_open());
    }
}
