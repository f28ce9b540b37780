//! Robots that speak in a group. Groups take few messages a minute, so an emergency goes first and alone, and what may
//! wait is merged into one message. [`Digest`] decides, [`Robot`] sends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::record::SendResult;
use model::{Attempt, AttemptId, Clock, Lane, Timestamp};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::pace::Pace;
use crate::phone::E164;
use crate::provider::{BoxFuture, Links, Provider};
use crate::read::cut;
use crate::request::{Heard, HttpAnswer, HttpRequest, Seal};
use crate::wire::{Wire, seal};

/// Messages a minute, a little below what the strictest group takes (20).
pub const SENDS_PER_MINUTE: u32 = 18;
/// Messages at once; together with the rate, never more than 20 in any minute.
pub const SENDS_AT_ONCE: u32 = 2;
/// How many of those are for emergencies only.
const RESERVED: u32 = 1;
/// How much of a merged message is kept for the line that says how many more there are, bytes.
const TAIL_BYTES: usize = 64;

/// A robot of one kind: pure, as [`Vendor`](crate::request::Vendor).
pub trait GroupVendor: Send + Sync {
    /// Its `kind` in the configuration.
    fn kind(&self) -> &'static str;
    /// The request for one text; `mention`: whose phone is to make a sound.
    fn message(&self, text: &str, mention: Option<E164<'_>>, seal: &Seal) -> HttpRequest;
    /// What an answer means.
    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard;
    /// Where it is, for a probe.
    fn endpoint(&self) -> &str;
    /// The longest text it takes, bytes.
    fn text_bytes_max(&self) -> usize;
}

/// What waits for a group, and what goes next. Pure: the time comes from the caller.
#[derive(Debug)]
pub struct Digest {
    pace: Pace,
    urgent: VecDeque<(AttemptId, String)>,
    routine: VecDeque<(AttemptId, String)>,
    text_bytes_max: usize,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this text; it carries these attempts.
    Send(String, Vec<AttemptId>),
    /// Nothing may go for so many milliseconds.
    Wait(u64),
    /// Nothing waits.
    Rest,
}

impl Digest {
    /// Nothing waits yet.
    #[must_use]
    pub fn new(text_bytes_max: usize) -> Digest {
        let pace = Pace::new(SENDS_PER_MINUTE, SENDS_AT_ONCE, RESERVED);
        Digest { pace, urgent: VecDeque::new(), routine: VecDeque::new(), text_bytes_max }
    }

    /// One more message waits.
    pub fn add(&mut self, lane: Lane, attempt: AttemptId, text: &str) {
        let queue = if lane == Lane::Alarm { &mut self.urgent } else { &mut self.routine };
        queue.push_back((attempt, text.to_owned()));
    }

    /// A message is not wanted any more.
    pub fn forget(&mut self, attempt: AttemptId) {
        self.urgent.retain(|(id, _)| *id != attempt);
        self.routine.retain(|(id, _)| *id != attempt);
    }

    /// What goes now. An emergency is never merged with anything.
    pub fn next(&mut self, now: Timestamp) -> Step {
        let lane = match (self.urgent.is_empty(), self.routine.is_empty()) {
            (false, _) => Lane::Alarm,
            (true, false) => Lane::Routine,
            (true, true) => return Step::Rest,
        };
        if let Err(wait_ms) = self.pace.take(lane, now) {
            return Step::Wait(wait_ms);
        }
        if let Some((attempt, text)) = self.urgent.pop_front() {
            return Step::Send(cut(text, self.text_bytes_max), vec![attempt]);
        }
        let (text, attempts) = merged(&mut self.routine, self.text_bytes_max);
        Step::Send(text, attempts)
    }
}

/// One message as it is; several as lines, as many as there is room for. What has no room stays for the next.
fn merged(waiting: &mut VecDeque<(AttemptId, String)>, bytes_max: usize) -> (String, Vec<AttemptId>) {
    let Some((first, text)) = waiting.pop_front() else { return (String::new(), Vec::new()) };
    let (mut text, mut attempts) = (cut(text, bytes_max.saturating_sub(TAIL_BYTES)), vec![first]);
    while let Some((_, next)) = waiting.front()
        && text.len() + 1 + next.len() + TAIL_BYTES <= bytes_max
        && let Some((attempt, next)) = waiting.pop_front()
    {
        text.push('\n');
        text.push_str(&next);
        attempts.push(attempt);
    }
    if !waiting.is_empty() {
        text.push_str(&format!("\n（另有 {} 条稍后发送）", waiting.len()));
    }
    (text, attempts)
}

/// A robot that is sent to.
pub struct Robot {
    name: String,
    vendor: Box<dyn GroupVendor>,
    wire: Wire,
    clock: Arc<dyn Clock>,
    waiting: Mutex<Waiting>,
}

struct Waiting {
    digest: Digest,
    /// Who waits for which attempt's result.
    answers: Vec<(AttemptId, oneshot::Sender<SendResult>)>,
}

impl Robot {
    /// A robot to which nothing was sent yet.
    #[must_use]
    pub fn new(name: &str, vendor: Box<dyn GroupVendor>, wire: Wire, clock: Arc<dyn Clock>) -> Robot {
        let digest = Digest::new(vendor.text_bytes_max());
        let waiting = Mutex::new(Waiting { digest, answers: Vec::new() });
        Robot { name: name.to_owned(), vendor, wire, clock, waiting }
    }

    /// Whoever waits drives: each takes what goes next, for all of them.
    async fn deliver(&self, attempt: &Attempt) -> SendResult {
        let (sender, mut answer) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            waiting.digest.forget(attempt.id);
            waiting.digest.add(attempt.lane, attempt.id, &attempt.text);
            waiting.answers.push((attempt.id, sender));
        }
        let _left = Left { robot: self, attempt: attempt.id };
        loop {
            let step = self.waiting.lock().digest.next(self.clock.now());
            let wait_ms = match step {
                Step::Send(text, attempts) => {
                    self.post(attempt, &text, &attempts).await;
                    0
                }
                Step::Wait(wait_ms) => wait_ms,
                // Ours is with somebody who sends it.
                Step::Rest => u64::MAX,
            };
            match tokio::time::timeout(Duration::from_millis(wait_ms), &mut answer).await {
                Ok(result) => return result.unwrap_or_else(|_| lost()),
                Err(_) => continue,
            }
        }
    }

    async fn post(&self, by: &Attempt, text: &str, attempts: &[AttemptId]) {
        let mention = if attempts == [by.id] { E164::parse(&by.to.0) } else { None };
        // Dropped half-way, those who wait for it learn that nobody knows.
        let answers: Vec<_> = {
            let mut waiting = self.waiting.lock();
            let (ours, others) = waiting.answers.drain(..).partition(|(id, _)| attempts.contains(id));
            waiting.answers = others;
            ours
        };
        let answers: Vec<(AttemptId, oneshot::Sender<SendResult>)> = answers;
        let result = match seal(self.clock.now()) {
            Ok(seal) => {
                let request = self.vendor.message(text, mention, &seal);
                self.wire.send(request, |answer| self.vendor.classify(answer)).await.result
            }
            Err(result) => result,
        };
        for (_, answer) in answers {
            let _ = answer.send(result.clone()); // whoever gave up waiting sends it again
        }
    }
}

impl Provider for Robot {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, attempt: &'a Attempt, _links: &'a Links) -> BoxFuture<'a, SendResult> {
        Box::pin(self.deliver(attempt))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.wire.probe(self.vendor.endpoint()))
    }
}

/// Takes an attempt out of the queue when whoever waited for it has gone.
struct Left<'r> {
    robot: &'r Robot,
    attempt: AttemptId,
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        let mut waiting = self.robot.waiting.lock();
        waiting.digest.forget(self.attempt);
        waiting.answers.retain(|(id, answer)| *id != self.attempt || !answer.is_closed());
    }
}

fn lost() -> SendResult {
    SendResult::Unknown { detail: "whoever sent it gave up".into() }
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;
    use crate::samples::told;

    /// What a robot makes of an answer.
    pub fn group_class(vendor: &dyn GroupVendor, status: u16, body: &str) -> String {
        told(&vendor.classify(&HttpAnswer { status, retry_after: None, body: body.as_bytes() }).result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_780_000_000_000 + millis)
    }

    fn id(n: u64) -> AttemptId {
        AttemptId::new(0, n)
    }

    #[test]
    fn emergencies_go_first_and_alone_and_the_rest_is_merged() {
        let mut digest = Digest::new(2_048);
        assert_eq!(digest.next(at(0)), Step::Rest);
        digest.add(Lane::Routine, id(1), "一号电量不足");
        assert_eq!(digest.next(at(0)), Step::Send("一号电量不足".to_owned(), vec![id(1)]));
        for n in 2..=4 {
            digest.add(Lane::Routine, id(n), &format!("{n}号电量不足"));
        }
        assert_eq!(digest.next(at(0)), Step::Wait(3_334), "the last one at once is for an emergency");
        digest.add(Lane::Alarm, id(5), "五号求助");
        digest.add(Lane::Alarm, id(6), "六号求助");
        assert_eq!(digest.next(at(10)), Step::Send("五号求助".to_owned(), vec![id(5)]));
        assert!(matches!(digest.next(at(10)), Step::Wait(_)));
        assert_eq!(digest.next(at(3_400)), Step::Send("六号求助".to_owned(), vec![id(6)]));
        digest.forget(id(3));
        assert_eq!(digest.next(at(12_000)), Step::Send("2号电量不足\n4号电量不足".to_owned(), vec![id(2), id(4)]));
        assert_eq!(digest.next(at(12_000)), Step::Rest);
    }

    #[test]
    fn ten_thousand_notices_are_told_in_lines_that_fit_and_none_is_lost() {
        let mut digest = Digest::new(2_048);
        (0..10_000).for_each(|n| digest.add(Lane::Routine, id(n), "某某的手环电量不足，请提醒充电。"));
        let (mut now, mut told, mut sent_at) = (0, 0, Vec::new());
        loop {
            match digest.next(at(now)) {
                Step::Send(text, attempts) => {
                    assert!(text.len() <= 2_048, "{}", text.len());
                    told += attempts.len();
                    sent_at.push(now);
                }
                Step::Wait(millis) => now += i64::try_from(millis).unwrap(),
                Step::Rest => break,
            }
        }
        assert_eq!(told, 10_000);
        assert!(sent_at.windows(21).all(|window| window[20] - window[0] > 60_000), "never over 20 a minute");
    }
}
