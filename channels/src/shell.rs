//! What stands around every provider: how many sends at once, how long one may take, the circuit, and whether it can
//! be reached.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::record::SendResult;
use model::{Attempt, Clock, Lane, Timestamp};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::circuit::{Circuit, Permit};
use crate::pace::Pace;
use crate::provider::{Links, Provider};

/// After so many refusals in a row it is the configuration and not the messages.
const REFUSALS_TO_DOUBT: u32 = 3;

/// How long a provider may take to say what became of an attempt, in milliseconds; then it is sent again.
pub const QUERY_MS_MAX: u64 = 5_000;

/// The limits of one shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShellLimits {
    /// Sends of the alarm lane at once; they share nothing with the others.
    pub alarm_sends_max: usize,
    /// Sends of the routine lane at once.
    pub routine_sends_max: usize,
    /// How long a send waits for its turn before it is given back to be tried again.
    pub turn_wait_ms: u64,
    /// How long a send may take before its outcome counts as unknown; above the provider's own time-out.
    pub send_ms_max: u64,
    /// Failures in a row after which what may wait is held back.
    pub failures_to_open: u32,
    /// For how long.
    pub open_seconds: u32,
    /// How many sends a minute the provider takes; `None`: as many as there are.
    pub sends_per_minute: Option<u32>,
}

impl Default for ShellLimits {
    fn default() -> ShellLimits {
        ShellLimits {
            alarm_sends_max: 64,
            routine_sends_max: 8,
            turn_wait_ms: 10_000,
            send_ms_max: 15_000,
            failures_to_open: 5,
            open_seconds: 10,
            sends_per_minute: None,
        }
    }
}

/// What is known about a provider's being there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reachability {
    /// Its name.
    pub name: String,
    /// Whether it can be reckoned with, as far as is known; `true` until something speaks against it.
    pub ok: bool,
    /// When it last took a message or answered a probe.
    pub last_ok: Option<Timestamp>,
    /// When it last failed, and how; names no person.
    pub last_error: Option<(Timestamp, String)>,
    /// Whether what may wait is held back.
    pub circuit_open: bool,
}

impl Reachability {
    /// One sentence for `/readyz`.
    #[must_use]
    pub fn reason(&self) -> String {
        match (&self.last_error, self.last_ok, self.ok) {
            (Some((at, detail)), _, false) => format!("{detail} ({at})"),
            (_, Some(at), _) => format!("last reached {at}"),
            (_, None, _) => "not tried yet".to_owned(),
        }
    }
}

/// A provider with its limits.
pub struct Shell {
    provider: Arc<dyn Provider>,
    clock: Arc<dyn Clock>,
    limits: ShellLimits,
    alarm: Semaphore,
    routine: Semaphore,
    pace: Option<Mutex<Pace>>,
    seen: Mutex<Seen>,
}

struct Seen {
    circuit: Circuit,
    /// The last send or probe failed.
    down: bool,
    /// Refusals in a row; a probe does not end them, only a message that is taken does.
    refusals: u32,
    last_ok: Option<Timestamp>,
    last_error: Option<(Timestamp, String)>,
}

impl Shell {
    /// A shell that knows nothing about its provider yet.
    #[must_use]
    pub fn new(provider: Arc<dyn Provider>, limits: ShellLimits, clock: Arc<dyn Clock>) -> Shell {
        let circuit = Circuit::new(limits.failures_to_open, limits.open_seconds);
        Shell {
            provider,
            clock,
            alarm: Semaphore::new(limits.alarm_sends_max.max(1)),
            routine: Semaphore::new(limits.routine_sends_max.max(1)),
            pace: limits.sends_per_minute.map(|per_minute| Mutex::new(pace(per_minute))),
            seen: Mutex::new(Seen { circuit, down: false, refusals: 0, last_ok: None, last_error: None }),
            limits,
        }
    }

    /// The provider's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.provider.name()
    }

    /// Sends an attempt within the limits. Ends after `turn_wait_ms + send_ms_max` at the latest.
    pub async fn send(&self, attempt: &Attempt, links: &Links) -> SendResult {
        let turns = match attempt.lane {
            Lane::Alarm => &self.alarm,
            Lane::Routine => &self.routine,
        };
        let wait = Duration::from_millis(self.limits.turn_wait_ms);
        let turn = async {
            let turn = turns.acquire().await;
            self.keep_pace(attempt.lane).await;
            turn
        };
        let Ok(Ok(_turn)) = tokio::time::timeout(wait, turn).await else {
            return self.counted(retry("every slot of this provider stayed taken", 1));
        };
        if let Permit::Later { after_seconds } = self.seen().circuit.ask(attempt.lane, self.clock.now()) {
            return self.counted(retry("held back: this provider failed several times in a row", after_seconds));
        }
        let unfinished = Unfinished(Some(&self.seen));
        let began = Instant::now();
        let send = self.provider.send(attempt, links);
        let result = tokio::time::timeout(Duration::from_millis(self.limits.send_ms_max), send)
            .await
            .unwrap_or_else(|_| SendResult::Unknown { detail: "no answer in time".into() });
        metrics::histogram!("channel_send_seconds", "provider" => self.name().to_owned())
            .record(began.elapsed().as_secs_f64());
        unfinished.finish();
        self.record(&result);
        self.counted(result)
    }

    /// Waits until the provider takes one more.
    async fn keep_pace(&self, lane: Lane) {
        let Some(pace) = &self.pace else { return };
        loop {
            let taken = pace.lock().unwrap_or_else(PoisonError::into_inner).take(lane, self.clock.now());
            match taken {
                Ok(()) => return,
                Err(wait_ms) => tokio::time::sleep(Duration::from_millis(wait_ms)).await,
            }
        }
    }

    /// Hangs a ringing call up, where the provider allows it. Outside every limit: it is one request after an answer.
    pub async fn hang_up(&self, attempt: &Attempt) {
        let limit = Duration::from_millis(self.limits.send_ms_max);
        let _ = tokio::time::timeout(limit, self.provider.hang_up(attempt)).await;
    }

    /// Looks whether the provider is there and remembers the answer. Call it every few seconds.
    pub async fn probe(&self) {
        let limit = Duration::from_millis(self.limits.send_ms_max);
        let answer = tokio::time::timeout(limit, self.provider.probe()).await;
        let now = self.clock.now();
        let mut seen = self.seen();
        match answer.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok(()) => {
                seen.down = false;
                seen.last_ok = Some(now);
            }
            Err(detail) => {
                seen.down = true;
                seen.last_error = Some((now, detail));
            }
        }
    }

    /// What is known about the provider's being there.
    #[must_use]
    pub fn reachability(&self) -> Reachability {
        let seen = self.seen();
        Reachability {
            name: self.provider.name().to_owned(),
            ok: !seen.down && seen.refusals < REFUSALS_TO_DOUBT,
            last_ok: seen.last_ok,
            last_error: seen.last_error.clone(),
            circuit_open: seen.circuit.is_open(),
        }
    }

    fn record(&self, result: &SendResult) {
        let now = self.clock.now();
        let mut seen = self.seen();
        match result {
            SendResult::Accepted | SendResult::Shown => {
                seen.circuit.succeeded();
                seen.down = false;
                seen.refusals = 0;
                seen.last_ok = Some(now);
            }
            SendResult::Final { detail } => {
                // It answered, so it is there; whether it will ever take anything from us is the refusals' matter.
                seen.circuit.succeeded();
                seen.refusals = seen.refusals.saturating_add(1);
                seen.last_error = Some((now, detail.to_string()));
            }
            SendResult::Unknown { detail } | SendResult::Retry { detail, .. } => {
                seen.circuit.failed(now);
                seen.down = true;
                seen.last_error = Some((now, detail.to_string()));
            }
        }
    }

    fn counted(&self, result: SendResult) -> SendResult {
        let name = match result {
            SendResult::Accepted => "accepted",
            SendResult::Unknown { .. } => "unknown",
            SendResult::Retry { .. } => "retry",
            SendResult::Final { .. } => "final",
            SendResult::Shown => "shown",
        };
        metrics::counter!("channel_sends_total", "provider" => self.name().to_owned(), "result" => name).increment(1);
        result
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Nothing in here can be left half-done by a panic.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a probe's place back when the send is dropped half-way.
struct Unfinished<'a>(Option<&'a Mutex<Seen>>);

impl Unfinished<'_> {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(seen) = self.0 {
            seen.lock().unwrap_or_else(PoisonError::into_inner).circuit.abandoned();
        }
    }
}

/// A tenth of a minute's sends at once, a third of them for alarms only.
fn pace(per_minute: u32) -> Pace {
    let burst = (per_minute / 10).max(3);
    Pace::new(per_minute, burst, burst / 3)
}

fn retry(detail: &str, after_seconds: u32) -> SendResult {
    SendResult::Retry { detail: detail.into(), after_seconds }
}

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
