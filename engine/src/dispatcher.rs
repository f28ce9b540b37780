//! Dispatchers pull committed attempts, hand them to their provider, and report what came of it to the loop. The
//! loop never waits for them, and no lane or channel waits for another.

use std::sync::Arc;
use std::time::Duration;

use channels::{Channels, Handed, Links};
use model::attempt::CalleeRole;
use model::{Attempt, Channel, Clock, Input, Lane, Language, Purpose};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::inbox::{Inbox, Work};
use crate::outbox::{Next, Outbox};
use crate::watchdog::Gate;

/// How many attempts of the alarm lane one channel sends at a time.
pub const ALARM_SENDS_MAX: usize = 256;
/// How many of the routine lane.
pub const ROUTINE_SENDS_MAX: usize = 16;

/// What a dispatcher works with.
#[derive(Clone)]
pub struct Dispatcher {
    /// Where attempts wait.
    pub outbox: Arc<Outbox>,
    /// Who carries them.
    pub channels: Arc<Channels>,
    /// Where the results go.
    pub inbox: Arc<Inbox>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where there is a watchdog: nothing is sent while it is its turn.
    pub gate: Option<Arc<Gate>>,
    /// Renders the capability URLs of an attempt at the moment of sending.
    pub links: Arc<dyn Fn(&Attempt) -> Links + Send + Sync>,
    /// Renders the address of a guardian's page, or the code that opens more of it, at the moment of sending.
    pub page: Arc<dyn Fn(&Attempt) -> String + Send + Sync>,
}

impl Dispatcher {
    /// Starts one task for every channel and lane, and one that hangs up; they end when they are aborted.
    pub fn start(&self) -> Vec<JoinHandle<()>> {
        let lanes = [(Lane::Alarm, ALARM_SENDS_MAX), (Lane::Routine, ROUTINE_SENDS_MAX)];
        Channel::ALL
            .into_iter()
            .flat_map(|channel| lanes.map(|(lane, sends_max)| (channel, lane, sends_max)))
            .map(|(channel, lane, sends_max)| tokio::spawn(self.clone().run(channel, lane, sends_max)))
            .chain([tokio::spawn(self.clone().hang_up())])
            .collect()
    }

    /// What rings and is not wanted any more is hung up, where the provider allows it.
    async fn hang_up(self) {
        let turns = Arc::new(Semaphore::new(ROUTINE_SENDS_MAX));
        loop {
            let attempt = self.outbox.unwanted().await;
            let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
            let channels = Arc::clone(&self.channels);
            tokio::spawn(async move {
                channels.hang_up(&attempt).await;
                drop(turn);
            });
        }
    }

    async fn run(self, channel: Channel, lane: Lane, sends_max: usize) {
        let turns = Arc::new(Semaphore::new(sends_max));
        loop {
            let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
            match self.outbox.pull(channel, lane, self.clock.now()) {
                Next::Attempt(attempt) => {
                    let dispatcher = self.clone();
                    tokio::spawn(async move {
                        dispatcher.send(&attempt).await;
                        drop(turn);
                    });
                }
                Next::NotBefore(at) => {
                    let wait = at.millis_since(self.clock.now()).max(1) as u64;
                    let _ = tokio::time::timeout(Duration::from_millis(wait), self.outbox.changed(channel, lane)).await;
                }
                Next::Nothing => self.outbox.changed(channel, lane).await,
            }
        }
    }

    async fn send(&self, attempt: &Attempt) {
        let is_admitted = match &self.gate {
            Some(gate) => gate.admits(attempt).await,
            None => true,
        };
        // Asked in any case: it is in nobody's hands any more.
        let is_wanted = self.outbox.is_still_wanted(attempt.id);
        if !is_admitted || !is_wanted {
            tracing::debug!(attempt = %attempt.id, is_admitted, "taken back before it was handed over");
            return;
        }
        let links = (self.links)(attempt);
        let with_link = with_link(attempt, &*self.page);
        let attempt = with_link.as_ref().unwrap_or(attempt);
        let Handed { result, provider, others_left, reference } = self.channels.send(attempt, &links).await;
        tracing::debug!(attempt = %attempt.id, channel = ?attempt.channel, %provider, ?result, "sent");
        let input = Input::Sent { attempt: attempt.id, result, provider, others_left, reference };
        // A full or closing inbox loses the result, not the attempt: it stands as pending and is sent again.
        if self.inbox.urgent(Work::Input { input, received: self.clock.now(), reply: None }).is_err() {
            tracing::warn!(attempt = %attempt.id, "the result of a sending could not be taken in");
        }
    }
}

/// A guardian's message with the link to their page, or with their code; `None` for what carries neither. It is written
/// into what is sent and nowhere else: whoever holds it acts as that guardian for a day.
fn with_link(attempt: &Attempt, page: &dyn Fn(&Attempt) -> String) -> Option<Attempt> {
    if attempt.purpose == Purpose::Code {
        let (mut attempt, code) = (attempt.clone(), page(attempt));
        attempt.text.push_str(&code);
        attempt.params.push(("code".into(), code));
        return Some(attempt);
    }
    let is_read = matches!(attempt.channel, Channel::Sms | Channel::Push | Channel::Email);
    let asks = matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder);
    if !is_read || !asks || attempt.callee.role != CalleeRole::Guardian || attempt.incident.is_none() {
        return None;
    }
    let (mut attempt, url) = (attempt.clone(), page(attempt));
    attempt.text.push_str(match attempt.lang {
        Language::ZhCn => "\n查看并回应：",
        Language::En => "\nSee and answer: ",
    });
    attempt.text.push_str(&url);
    attempt.params.push(("link".into(), url));
    Some(attempt)
}

#[cfg(test)]
#[path = "dispatcher_tests.rs"]
mod tests;
