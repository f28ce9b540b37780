//! The phones and what happens on them: a timed core like those of the engine (`handle`, `next_due`, `advance`),
//! so that tests can move its clock. It knows nothing of HTTP.

use std::collections::BTreeMap;

use model::{AttemptOutcome, Channel, Timestamp};

use super::script::{CallScript, Step, TALK_MS_MAX, THANKS_MS, TextScript};
use super::words::{
    Button, Call, CallState, Callback, Ending, Entry, Happened, Happening, Message, Output, Phone, Refused, Text,
};

/// How many calls, and how many texts, a phone remembers.
const REMEMBERED_MAX: usize = 200;
/// Only these numbers ring: nobody owns them, and a typing error reaches nobody.
pub const INVENTED_NUMBERS: &str = "+86138000000";
/// Relatives abroad: North American numbers that are set aside for fiction.
pub const INVENTED_ABROAD: &str = "+120255501";

/// The phones by number.
#[derive(Debug, Default)]
pub struct PhoneBook {
    phones: BTreeMap<String, Phone>,
    by_person: BTreeMap<String, String>,
    ring_ms: u32,
}

impl PhoneBook {
    /// A book whose network lets a phone ring for `ring_ms` at most.
    #[must_use]
    pub fn new(ring_ms: u32) -> PhoneBook {
        PhoneBook { ring_ms, ..PhoneBook::default() }
    }

    /// Adds a phone, or replaces its owner's habits. Numbers outside [`INVENTED_NUMBERS`] and [`INVENTED_ABROAD`]
    /// are not taken.
    pub fn add(&mut self, entry: Entry) -> bool {
        if ![INVENTED_NUMBERS, INVENTED_ABROAD].iter().any(|start| entry.number.starts_with(start)) {
            return false;
        }
        self.by_person.insert(entry.person.clone(), entry.number.clone());
        let by_hand = entry.call_scripts.last().is_none_or(|script| *script == CallScript::ByHand);
        let phone = self.phones.entry(entry.number.clone()).or_insert_with(|| Phone {
            entry: entry.clone(),
            by_hand,
            calls: Vec::new(),
            texts: Vec::new(),
            calls_taken: 0,
        });
        (phone.entry, phone.by_hand, phone.calls_taken) = (entry, by_hand, 0);
        true
    }

    /// All phones, by number.
    pub fn phones(&self) -> impl Iterator<Item = &Phone> {
        self.phones.values()
    }

    /// One phone.
    #[must_use]
    pub fn phone(&self, number: &str) -> Option<&Phone> {
        self.phones.get(number)
    }

    /// Every call on every phone, in the order of their first ring.
    #[must_use]
    pub fn calls(&self) -> Vec<(&Phone, &Call)> {
        let mut calls: Vec<_> = self.phones.values().flat_map(|p| p.calls.iter().map(move |c| (p, c))).collect();
        calls.sort_by_key(|(_, call)| call.rang_at);
        calls
    }

    /// Whether this attempt was handed over before: then nothing rings twice.
    #[must_use]
    pub fn knows(&self, attempt: &str) -> bool {
        self.phones
            .values()
            .any(|p| p.calls.iter().any(|c| c.attempt == attempt) || p.texts.iter().any(|t| t.attempt == attempt))
    }

    /// A message arrives at the gateway. A repeat of an attempt has no second effect.
    ///
    /// # Errors
    /// [`Refused`] when nobody has that number, or for a channel that a phone does not have.
    pub fn deliver(&mut self, message: Message, now: Timestamp) -> Result<Vec<Output>, Refused> {
        let number = match message.channel {
            Channel::Sms | Channel::Voice => &message.to,
            Channel::Push => self.by_person.get(&message.person).ok_or(Refused::UnknownNumber)?,
            Channel::Email | Channel::Robot => return Err(Refused::UnknownChannel),
        };
        let repeat = self.knows(&message.attempt);
        let ring_ms = self.ring_ms;
        let phone = self.phones.get_mut(number).ok_or(Refused::UnknownNumber)?;
        if repeat {
            return Ok(Vec::new());
        }
        let mut outputs = match message.channel {
            Channel::Voice => phone.ring(message, ring_ms, now),
            _ => phone.receive(message, now),
        };
        outputs.extend(self.advance(now));
        Ok(outputs)
    }

    /// A person does something with a phone. What makes no sense now (a key without a call) does nothing.
    pub fn press(&mut self, number: &str, button: &Button, now: Timestamp) -> Vec<Output> {
        let Some(phone) = self.phones.get_mut(number) else { return Vec::new() };
        let ringing = phone.calls.iter().any(|c| c.state == CallState::Ringing);
        match button {
            Button::Answer => phone.step(Step::Answer, now),
            Button::Key(key) if ringing => {
                let mut outputs = phone.step(Step::Answer, now);
                outputs.extend(phone.step(Step::Key(*key), now));
                outputs
            }
            Button::Key(key) => phone.step(Step::Key(*key), now),
            Button::HangUp | Button::Decline if ringing => phone.step(Step::Decline, now),
            Button::HangUp => phone.step(Step::HangUp, now),
            Button::Decline => Vec::new(),
            Button::Reply(text) => phone.reply(text, now),
        }
    }

    /// Whoever ordered a call does not want it any more: it stops ringing; one that was picked up goes on. `None`: there was
    /// no such call.
    pub fn call_off(&mut self, attempt: &str, now: Timestamp) -> Option<Vec<Output>> {
        let phone = self.phones.values_mut().find(|phone| phone.calls.iter().any(|call| call.attempt == attempt))?;
        let is_open = phone.open_call().is_some_and(|call| call.attempt == attempt);
        Some(if is_open { phone.step(Step::CallOff, now) } else { Vec::new() })
    }

    /// When something happens by itself next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.phones.values().filter_map(Phone::next_due).min()
    }

    /// Lets everything happen that is due by now.
    pub fn advance(&mut self, now: Timestamp) -> Vec<Output> {
        self.phones.values_mut().flat_map(|phone| phone.advance(now)).collect()
    }
}

impl Phone {
    /// The call that rings or is talked on.
    #[must_use]
    pub fn open_call(&self) -> Option<&Call> {
        self.calls.iter().find(|call| !matches!(call.state, CallState::Ended(_)))
    }

    fn happened(&self, what: Happened, at: Timestamp) -> Output {
        Output::Happened(Happening { at, number: self.entry.number.clone(), name: self.entry.name.clone(), what })
    }

    fn ring(&mut self, message: Message, ring_ms: u32, now: Timestamp) -> Vec<Output> {
        let scripts = &self.entry.call_scripts;
        let script = scripts.get(self.calls_taken).or(scripts.last()).cloned().unwrap_or_default();
        self.calls_taken += 1;
        let script = if self.open_call().is_some() { CallScript::Busy } else { script };
        let steps = script.steps(ring_ms).into_iter().map(|(after, step)| (now.plus_millis(after.into()), step));
        let refusal = script.refusal();
        let outputs = match refusal {
            None => vec![self.happened(Happened::Rings { text: message.text.clone() }, now)],
            Some((ending, outcome)) => vec![
                self.happened(Happened::Ends(ending), now),
                self.callback(&message.callback, &message.attempt, outcome),
            ],
        };
        let call = Call {
            attempt: message.attempt,
            incident: message.incident,
            kind: message.kind,
            priority: message.priority,
            text: message.text,
            state: refusal.map_or(CallState::Ringing, |(ending, _)| CallState::Ended(ending)),
            rang_at: now,
            answered_at: None,
            ended_at: refusal.map(|_| now),
            keys: String::new(),
            callback: message.callback,
            mailbox: matches!(script, CallScript::Voicemail { .. }),
            steps: steps.collect(),
        };
        remember(&mut self.calls, call);
        outputs
    }

    fn receive(&mut self, message: Message, now: Timestamp) -> Vec<Output> {
        let outcome = match self.entry.text_script {
            TextScript::Fails => AttemptOutcome::Failed,
            _ => AttemptOutcome::Delivered,
        };
        let reply_due = match &self.entry.text_script {
            TextScript::Replies { text, after_ms } if message.channel == Channel::Sms => {
                Some((now.plus_millis(i64::from(*after_ms)), text.clone()))
            }
            _ => None,
        };
        let callback = self.callback(&message.callback, &message.attempt, outcome);
        let seen = self.happened(Happened::Receives { channel: message.channel, text: message.text.clone() }, now);
        if outcome == AttemptOutcome::Failed {
            return vec![callback];
        }
        remember(
            &mut self.texts,
            Text {
                attempt: message.attempt,
                channel: message.channel,
                incident: message.incident,
                kind: message.kind,
                priority: message.priority,
                text: message.text,
                at: now,
                reply: None,
                callback: message.callback,
                reply_due,
            },
        );
        vec![seen, callback]
    }

    fn callback(&self, url: &str, attempt: &str, outcome: AttemptOutcome) -> Output {
        Output::Callback(Callback {
            url: url.to_owned(),
            number: self.entry.number.clone(),
            attempt: attempt.to_owned(),
            outcome,
            key: None,
            text: None,
        })
    }

    /// Takes a step on the open call; a step that does not fit its state does nothing.
    fn step(&mut self, step: Step, now: Timestamp) -> Vec<Output> {
        let open = self.calls.iter_mut().find(|call| !matches!(call.state, CallState::Ended(_)));
        let Some(call) = open else { return Vec::new() };
        let (state, outcome, what) = match (call.state, step) {
            (CallState::Ringing, Step::Answer) => {
                call.answered_at = Some(now);
                call.steps.retain(|(_, step)| *step != Step::GiveUp);
                call.steps.push((now.plus_millis(i64::from(TALK_MS_MAX)), Step::HangUp));
                let what = if call.mailbox { Happened::Mailbox } else { Happened::Answers };
                (CallState::Talking, AttemptOutcome::Answered, what)
            }
            (CallState::Talking, Step::Key(key)) => {
                call.keys.push(key);
                call.steps.push((now.plus_millis(i64::from(THANKS_MS)), Step::HangUp));
                (CallState::Talking, AttemptOutcome::Key, Happened::Presses { key })
            }
            (CallState::Talking, Step::HangUp) => ended(Ending::HungUp, AttemptOutcome::Ended),
            (CallState::Ringing, Step::Decline) => ended(Ending::Declined, AttemptOutcome::Declined),
            (CallState::Ringing, Step::GiveUp) => ended(Ending::NoAnswer, AttemptOutcome::NoAnswer),
            (CallState::Ringing, Step::CallOff) => ended(Ending::HungUp, AttemptOutcome::Failed),
            _ => return Vec::new(),
        };
        call.state = state;
        if matches!(state, CallState::Ended(_)) {
            call.ended_at = Some(now);
            call.steps.clear();
        }
        let (url, attempt) = (call.callback.clone(), call.attempt.clone());
        let mut callback = self.callback(&url, &attempt, outcome);
        if let (Output::Callback(callback), Happened::Presses { key }) = (&mut callback, &what) {
            callback.key = Some(*key);
        }
        vec![self.happened(what, now), callback]
    }

    fn reply(&mut self, text: &str, now: Timestamp) -> Vec<Output> {
        let newest = self.texts.iter_mut().rev().find(|t| t.channel == Channel::Sms);
        let Some(newest) = newest else { return Vec::new() };
        newest.reply = Some(text.to_owned());
        newest.reply_due = None;
        let (url, attempt) = (newest.callback.clone(), newest.attempt.clone());
        self.replied(&url, &attempt, text, now)
    }

    fn replied(&self, url: &str, attempt: &str, text: &str, now: Timestamp) -> Vec<Output> {
        let mut callback = self.callback(url, attempt, AttemptOutcome::Reply);
        if let Output::Callback(callback) = &mut callback {
            callback.text = Some(text.to_owned());
        }
        vec![self.happened(Happened::Replies { text: text.to_owned() }, now), callback]
    }

    fn next_due(&self) -> Option<Timestamp> {
        let calls = self.calls.iter().flat_map(|call| call.steps.iter().map(|(due, _)| *due));
        calls.chain(self.texts.iter().filter_map(|text| text.reply_due.as_ref().map(|(due, _)| *due))).min()
    }

    fn advance(&mut self, now: Timestamp) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some((due, step)) = self.take_due(now) {
            outputs.extend(self.step(step, due));
        }
        for at in 0..self.texts.len() {
            let due = self.texts[at].reply_due.take_if(|(due, _)| *due <= now);
            let Some((due, text)) = due else { continue };
            self.texts[at].reply = Some(text.clone());
            let (url, attempt) = (self.texts[at].callback.clone(), self.texts[at].attempt.clone());
            outputs.extend(self.replied(&url, &attempt, &text, due));
        }
        outputs
    }

    /// The earliest step that is due on the open call.
    fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Step)> {
        let call = self.calls.iter_mut().find(|c| !matches!(c.state, CallState::Ended(_)))?;
        let at = call.steps.iter().enumerate().min_by_key(|(_, (due, _))| *due).map(|(at, _)| at)?;
        (call.steps[at].0 <= now).then(|| call.steps.swap_remove(at))
    }
}

fn ended(ending: Ending, outcome: AttemptOutcome) -> (CallState, AttemptOutcome, Happened) {
    (CallState::Ended(ending), outcome, Happened::Ends(ending))
}

fn remember<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= REMEMBERED_MAX {
        list.remove(0);
    }
    list.push(item);
}

#[cfg(test)]
mod tests;
