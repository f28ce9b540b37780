//! One person's calling within a campaign: tried, listened to, tried again, given up.

use model::attempt::CalleeRole;
use model::campaign::{CampaignCall, CampaignCallState, CampaignKind};
use model::record::SendResult;
use model::{
    Attempt, AttemptId, AttemptOutcome, AttemptState, Callee, CampaignId, Change, Channel, Counters, DeviceId,
    EventKind, Explain, Finding, IncidentKind, Lane, Priority, Purpose, Reading, Timestamp,
};

use super::{LISTEN_SECONDS, RING_SECONDS, RoundOutput, Rounds, UNSENT_SECONDS, words};
use crate::evidence::VOICE_SENDS_MAX;
use crate::turn::{attempt_changes, usable_phone};

type Key = (CampaignId, u32);

impl Rounds {
    /// Somebody's turn: they are rung, or, when the campaign is over or they have no number, given up.
    pub(super) fn call_now(&mut self, key: Key, now: Timestamp, counters: &mut Counters, out: &mut Vec<RoundOutput>) {
        let (Some(mut call), Some(campaign)) = (self.calls.get(&key).cloned(), self.campaigns.get(&key.0)) else {
            self.waiting.retain(|(_, campaign, place)| (*campaign, *place) != key);
            return;
        };
        let Some(phone) = usable_phone(&call.contact).filter(|_| now < campaign.until).cloned() else {
            self.give_up(call, now, out);
            return;
        };
        let message = words::spoken(campaign, &call);
        let role = if campaign.kind == CampaignKind::Test { CalleeRole::Guardian } else { CalleeRole::Wearer };
        let attempt = Attempt {
            id: counters.next_attempt(),
            version: 1,
            incident: None,
            campaign: Some(key.0),
            case: None,
            kind: IncidentKind::WelfareCall.into(),
            priority: Priority::Low,
            wearer: call.wearer.clone(),
            org: call.org.clone(),
            channel: Channel::Voice,
            callee: Callee { person: call.contact.person.clone(), role },
            to: phone,
            lang: call.contact.lang,
            purpose: if campaign.kind == CampaignKind::Test { Purpose::Test } else { Purpose::Welfare },
            lane: Lane::Routine,
            cycle: u16::from(call.tries) + 1,
            text: message.text,
            params: message.params,
            state: AttemptState::Pending,
            outcome: None,
            created_at: now,
            changed_at: now,
            not_before: now,
            sends: 0,
            passed_over: Vec::new(),
            reference: None,
        };
        call.tries = call.tries.saturating_add(1);
        call.state = CampaignCallState::Calling;
        call.attempt = Some(attempt.id);
        call.next_at = Some(now.plus_seconds(UNSENT_SECONDS));
        self.attempts.insert(attempt.id, (key, attempt.clone()));
        out.push(RoundOutput::Attempt { kind: EventKind::AttemptStarted, attempt, changed: Vec::new() });
        self.put_call(call, now, out);
    }

    /// A call's time is over, and nobody said anything (more).
    pub(super) fn over_without_news(&mut self, key: Key, now: Timestamp, out: &mut Vec<RoundOutput>) {
        let Some(id) = self.calls.get(&key).and_then(|call| call.attempt) else {
            self.calling.retain(|(_, campaign, place)| (*campaign, *place) != key);
            return;
        };
        let attempt = self.attempts.get(&id).map(|(_, attempt)| attempt);
        let (state, outcome, kind) = match attempt.map(|attempt| attempt.state) {
            Some(AttemptState::Answered) => (AttemptState::Ended, None, EventKind::AttemptEnded),
            Some(AttemptState::Pending | AttemptState::Sending) => {
                (AttemptState::Cancelled, None, EventKind::AttemptCancelled)
            }
            _ => (AttemptState::Failed, Some(AttemptOutcome::NoAnswer), EventKind::AttemptFailed),
        };
        self.move_on(id, state, outcome, kind, now, out);
        self.in_vain(key, now, out);
    }

    pub(super) fn callback(
        &mut self,
        id: AttemptId,
        outcome: AttemptOutcome,
        key: Option<&str>,
        now: Timestamp,
        out: &mut Vec<RoundOutput>,
    ) {
        let Some((place, _)) = self.attempts.get(&id) else { return };
        let place = *place;
        match outcome {
            AttemptOutcome::Answered => self.answered(place, id, now, out),
            AttemptOutcome::Key => self.key(place, id, key.unwrap_or_default().trim(), now, out),
            AttemptOutcome::NoAnswer | AttemptOutcome::Busy | AttemptOutcome::Unreachable | AttemptOutcome::Failed => {
                let moved = self.move_on(id, AttemptState::Failed, Some(outcome), EventKind::AttemptFailed, now, out);
                self.over(place, id, moved, now, out);
            }
            AttemptOutcome::Ended => {
                let moved = self.move_on(id, AttemptState::Ended, Some(outcome), EventKind::AttemptEnded, now, out);
                self.over(place, id, moved, now, out);
            }
            AttemptOutcome::Declined => {
                let state = AttemptState::Declined;
                let moved = self.move_on(id, state, Some(outcome), EventKind::AttemptDeclined, now, out);
                self.over(place, id, moved, now, out);
            }
            AttemptOutcome::Delivered | AttemptOutcome::Reply => {}
        }
    }

    pub(super) fn sent(
        &mut self,
        id: AttemptId,
        result: &SendResult,
        (provider, others_left, reference): (&str, bool, Option<&str>),
        now: Timestamp,
        out: &mut Vec<RoundOutput>,
    ) {
        let Some((key, attempt)) = self.attempts.get(&id).cloned() else { return };
        if !attempt.wants_sending() {
            return;
        }
        let sends = attempt.sends.saturating_add(1);
        match result {
            SendResult::Accepted | SendResult::Shown => {
                self.change(id, EventKind::AttemptAccepted, now, out, |attempt| {
                    (attempt.state, attempt.sends) = (AttemptState::Accepted, sends);
                    attempt.reference = reference.map(Into::into);
                });
                self.wait_for_news(key, id, RING_SECONDS, now, out);
            }
            SendResult::Unknown { .. } if sends < VOICE_SENDS_MAX => {
                self.change(id, EventKind::AttemptRetrying, now, out, |attempt| {
                    (attempt.sends, attempt.not_before) = (sends, now.plus_seconds(1));
                });
            }
            _ if others_left => self.change(id, EventKind::AttemptRetrying, now, out, |attempt| {
                (attempt.sends, attempt.not_before) = (sends, now);
                attempt.passed_over.push(provider.into());
            }),
            SendResult::Unknown { .. } | SendResult::Retry { .. } | SendResult::Final { .. } => {
                self.change(id, EventKind::AttemptFailed, now, out, |attempt| {
                    (attempt.state, attempt.sends) = (AttemptState::Failed, sends);
                    attempt.outcome = Some(AttemptOutcome::Failed);
                });
                self.over(key, id, true, now, out);
            }
        }
    }

    /// Somebody, or a machine, picked up.
    fn answered(&mut self, key: Key, id: AttemptId, now: Timestamp, out: &mut Vec<RoundOutput>) {
        let outcome = Some(AttemptOutcome::Answered);
        if self.move_on(id, AttemptState::Answered, outcome, EventKind::AttemptAnswered, now, out) {
            self.wait_for_news(key, id, LISTEN_SECONDS, now, out);
            self.count_answer(key, now, out);
        }
    }

    /// One person counts as answered once, however often they are called.
    fn count_answer(&mut self, key: Key, now: Timestamp, out: &mut Vec<RoundOutput>) {
        let Some(mut call) = self.calls.get(&key).filter(|call| !call.answered).cloned() else { return };
        call.answered = true;
        self.put_call(call, now, out);
        self.count(key.0, now, out, |campaign| campaign.answered += 1);
    }

    fn key(&mut self, key: Key, id: AttemptId, pressed: &str, now: Timestamp, out: &mut Vec<RoundOutput>) {
        let Some(call) = self.calls.get(&key).filter(|call| !call.state.is_over()).cloned() else { return };
        let is_welfare = self.kind_of(key.0) == CampaignKind::Welfare;
        let state = match pressed {
            "1" => CampaignCallState::Fine,
            "2" if is_welfare => CampaignCallState::NeedsHelp,
            // Any other key: somebody is there, and listens again.
            _ => return self.answered(key, id, now, out),
        };
        self.count_answer(key, now, out);
        let outcome = Some(AttemptOutcome::Key);
        self.move_on(id, AttemptState::Confirmed, outcome, EventKind::AttemptConfirmed, now, out);
        let needs_help = state == CampaignCallState::NeedsHelp;
        self.put_call(CampaignCall { state, next_at: None, answered: true, ..call.clone() }, now, out);
        self.count(key.0, now, out, |campaign| {
            campaign.keyed += 1;
            campaign.need_help += u32::from(needs_help);
            campaign.open -= 1;
        });
        if needs_help {
            let (zh, en) = ("问候电话中按 2 求助".to_owned(), "Pressed 2 for help in a welfare call".to_owned());
            out.push(finding(&call, Priority::High, zh, en, now));
        }
    }

    /// A call is over. What an earlier one says late closes that one and nothing more.
    fn over(&mut self, key: Key, id: AttemptId, moved: bool, now: Timestamp, out: &mut Vec<RoundOutput>) {
        let is_present = self
            .calls
            .get(&key)
            .is_some_and(|call| call.attempt == Some(id) && call.state == CampaignCallState::Calling);
        if moved && is_present {
            self.in_vain(key, now, out);
        }
    }

    /// A try without a key: another later, or none any more.
    fn in_vain(&mut self, key: Key, now: Timestamp, out: &mut Vec<RoundOutput>) {
        let (Some(call), Some(campaign)) = (self.calls.get(&key).cloned(), self.campaigns.get(&key.0)) else { return };
        let next_at = self.opening(campaign, now.plus_seconds(campaign.gap_seconds.max(1)));
        if call.tries >= campaign.tries || next_at >= campaign.until {
            self.give_up(call, now, out);
        } else {
            let state = CampaignCallState::Waiting;
            self.put_call(CampaignCall { state, next_at: Some(next_at), ..call }, now, out);
        }
    }

    fn give_up(&mut self, call: CampaignCall, now: Timestamp, out: &mut Vec<RoundOutput>) {
        let id = call.campaign;
        let is_welfare = self.kind_of(id) == CampaignKind::Welfare;
        self.put_call(CampaignCall { state: CampaignCallState::Unanswered, next_at: None, ..call.clone() }, now, out);
        self.count(id, now, out, |campaign| {
            campaign.unanswered += 1;
            campaign.open -= 1;
        });
        if is_welfare {
            let tries = call.tries;
            let zh = format!("问候电话拨打 {tries} 次未得到答复");
            let en = format!("No answer to {tries} welfare calls");
            out.push(finding(&call, Priority::Medium, zh, en, now));
        }
    }

    fn wait_for_news(&mut self, key: Key, id: AttemptId, seconds: u32, now: Timestamp, out: &mut Vec<RoundOutput>) {
        if let Some(call) = self.calls.get(&key).filter(|call| call.attempt == Some(id) && !call.state.is_over()) {
            let call = CampaignCall { next_at: Some(now.plus_seconds(seconds)), ..call.clone() };
            self.put_call(call, now, out);
        }
    }

    /// Moves a call on, unless it is as far already.
    fn move_on(
        &mut self,
        id: AttemptId,
        state: AttemptState,
        outcome: Option<AttemptOutcome>,
        kind: EventKind,
        now: Timestamp,
        out: &mut Vec<RoundOutput>,
    ) -> bool {
        let moves = self.attempts.get(&id).is_some_and(|(_, attempt)| state.rank() > attempt.state.rank());
        if moves {
            self.change(id, kind, now, out, |attempt| {
                attempt.state = state;
                attempt.outcome = outcome.or(attempt.outcome);
            });
        }
        moves
    }

    fn change(
        &mut self,
        id: AttemptId,
        kind: EventKind,
        now: Timestamp,
        out: &mut Vec<RoundOutput>,
        change: impl FnOnce(&mut Attempt),
    ) {
        let Some((_, attempt)) = self.attempts.get_mut(&id) else { return };
        let before = attempt.clone();
        change(attempt);
        attempt.version += 1;
        attempt.changed_at = now;
        let changed = attempt_changes(&before, attempt);
        out.push(RoundOutput::Attempt { kind, attempt: attempt.clone(), changed });
    }
}

fn finding(call: &CampaignCall, priority: Priority, zh: String, en: String, now: Timestamp) -> RoundOutput {
    let tries = Reading { name: "tries".into(), value: f64::from(call.tries), unit: "".into(), at: Some(now) };
    RoundOutput::Finding(Box::new(Finding {
        kind: IncidentKind::WelfareCall,
        change: Change::Raised,
        wearer: call.wearer.clone(),
        device: DeviceId::default(),
        priority,
        at: now,
        measured: now,
        late: false,
        confirmed: true,
        position: None,
        explain: Explain { rule: "welfare_call".into(), rule_version: 1, readings: vec![tries], zh, en },
    }))
}
