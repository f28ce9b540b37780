//! What providers post to us about messages and calls, and which of it is believed. Pure: the time comes from the
//! caller.
//!
//! Aliyun and Tencent sign nothing, and a forged "key 1" would silence an SOS. So a post is believed only if the
//! message or call that it speaks of is one that we made (by the provider's own name for it, learnt when it was
//! taken), is still in flight, went to that number, and was not told before. Whatever is not believed changes
//! nothing: the calls go on.

use std::collections::{BTreeMap, VecDeque};

use compact_str::CompactString;
use model::{AttemptId, AttemptOutcome, Channel, Timestamp};

use crate::phone::same_number;

/// How long after it was handed over a call can still be spoken of, seconds: ringing, listening, and a late receipt.
pub const CALL_SECONDS_MAX: i64 = 900;
/// The same for a message: people answer a text the next morning.
pub const MESSAGE_SECONDS_MAX: i64 = 86_400;
/// How many attempts are remembered; the oldest go first.
pub const REMEMBERED_MAX: usize = 200_000;
/// How many things that were told are remembered of one attempt.
const TOLD_MAX: usize = 64;

/// A post as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Post<'a> {
    /// The whole URL as the provider knows it, query included.
    pub url: &'a str,
    /// The header that carries the provider's signature, if it has one.
    pub signature: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// One thing that a provider says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Evidence {
    /// Our own id, where the provider hands it back.
    pub attempt: Option<AttemptId>,
    /// The provider's name for the message or call.
    pub reference: Option<CompactString>,
    /// The number that it is about.
    pub phone: Option<CompactString>,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// The key, for [`AttemptOutcome::Key`].
    pub key: Option<CompactString>,
    /// The text, for [`AttemptOutcome::Reply`].
    pub text: Option<String>,
}

impl Evidence {
    /// An outcome about nothing yet.
    #[must_use]
    pub fn of(outcome: AttemptOutcome) -> Evidence {
        Evidence { attempt: None, reference: None, phone: None, outcome, key: None, text: None }
    }
}

/// Why a post, or one thing in it, is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// Not what this provider posts.
    #[error("it is not what this provider posts")]
    Malformed,
    /// Its signature does not fit.
    #[error("its signature does not fit")]
    Signature,
    /// It does not come from one of the configured addresses.
    #[error("it comes from an address that is not on the list")]
    Address,
    /// It speaks of a message or call that we did not make.
    #[error("it speaks of a message or call that is not known")]
    Unknown,
    /// It speaks of another number than the one that was called.
    #[error("it speaks of another number than the one that was called")]
    WrongCallee,
    /// The message or call is long over.
    #[error("the message or call that it speaks of is long over")]
    Late,
    /// It was told before.
    #[error("it was told before")]
    Repeated,
}

impl Refusal {
    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Refusal::Malformed => "malformed",
            Refusal::Signature => "signature",
            Refusal::Address => "address",
            Refusal::Unknown => "unknown",
            Refusal::WrongCallee => "wrong_callee",
            Refusal::Late => "late",
            Refusal::Repeated => "repeated",
        }
    }
}

/// The attempts that providers may speak of.
#[derive(Debug, Default)]
pub struct InFlight {
    attempts: BTreeMap<AttemptId, Flight>,
    by_reference: BTreeMap<CompactString, AttemptId>,
    order: VecDeque<AttemptId>,
}

#[derive(Debug)]
struct Flight {
    channel: Channel,
    phone: CompactString,
    sent_at: Timestamp,
    references: Vec<CompactString>,
    /// What was believed, and whether it is written down: until then a repeat is worth as much as the first.
    told: BTreeMap<Evidence, bool>,
}

impl InFlight {
    /// An attempt is about to be handed to its provider, or was before a restart.
    pub fn sending(&mut self, attempt: AttemptId, channel: Channel, phone: &str, now: Timestamp) {
        if let Some(flight) = self.attempts.get_mut(&attempt) {
            flight.sent_at = now;
            return;
        }
        if self.order.len() >= REMEMBERED_MAX
            && let Some(flight) = self.order.pop_front().and_then(|oldest| self.attempts.remove(&oldest))
        {
            for reference in &flight.references {
                self.by_reference.remove(reference);
            }
        }
        let flight =
            Flight { channel, phone: phone.into(), sent_at: now, references: Vec::new(), told: BTreeMap::new() };
        self.attempts.insert(attempt, flight);
        self.order.push_back(attempt);
    }

    /// The provider took it and calls it so.
    pub fn taken(&mut self, attempt: AttemptId, reference: &str) {
        if let Some(flight) = self.attempts.get_mut(&attempt)
            && !flight.references.iter().any(|known| known == reference)
        {
            flight.references.push(reference.into());
            self.by_reference.insert(reference.into(), attempt);
        }
    }

    /// What the provider calls it, if it said so.
    #[must_use]
    pub fn reference(&self, attempt: AttemptId) -> Option<&CompactString> {
        self.attempts.get(&attempt)?.references.last()
    }

    /// Which attempt a piece of evidence is about, if it is to be believed. What was believed and is
    /// [written down](InFlight::written) is [`Refusal::Repeated`] afterwards; what is not yet is believed again, so that
    /// nobody is told "taken" of something that a crash could still lose.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn believe(&mut self, channel: Channel, evidence: &Evidence, now: Timestamp) -> Result<AttemptId, Refusal> {
        let id = self.meant(channel, evidence, now)?;
        let flight = self.attempts.get_mut(&id).filter(|flight| flight.channel == channel).ok_or(Refusal::Unknown)?;
        if evidence.phone.as_ref().is_some_and(|phone| !same_number(&flight.phone, phone)) {
            return Err(Refusal::WrongCallee);
        }
        if now.millis_since(flight.sent_at) > patience_millis(channel) {
            return Err(Refusal::Late);
        }
        if let Some(reference) = &evidence.reference
            && evidence.outcome != AttemptOutcome::Reply
            && !flight.references.contains(reference)
        {
            // Another call's name while we know this one's: forged, or mixed up. While we know none (the answer to our
            // request was lost, or came after this), the first that names our own id teaches it.
            if !flight.references.is_empty() {
                return Err(Refusal::Unknown);
            }
            flight.references.push(reference.clone());
            self.by_reference.insert(reference.clone(), id);
        }
        match flight.told.get(evidence) {
            Some(true) => return Err(Refusal::Repeated),
            Some(false) => {}
            None if flight.told.len() >= TOLD_MAX => return Err(Refusal::Repeated),
            None => {
                flight.told.insert(evidence.clone(), false);
            }
        }
        Ok(id)
    }

    /// What was believed is durable: whoever tells it again changes nothing.
    pub fn written(&mut self, attempt: AttemptId, evidence: &Evidence) {
        if let Some(is_written) = self.attempts.get_mut(&attempt).and_then(|flight| flight.told.get_mut(evidence)) {
            *is_written = true;
        }
    }

    fn meant(&self, channel: Channel, evidence: &Evidence, now: Timestamp) -> Result<AttemptId, Refusal> {
        if let Some(id) = evidence.attempt {
            return Ok(id);
        }
        if let Some(id) = evidence.reference.as_ref().and_then(|reference| self.by_reference.get(reference)) {
            return Ok(*id);
        }
        // A reply names only the number: it answers the newest message there that can be answered.
        let phone = evidence.phone.as_ref().ok_or(Refusal::Unknown)?;
        let fits = |flight: &Flight| {
            flight.channel == channel
                && same_number(&flight.phone, phone)
                && now.millis_since(flight.sent_at) <= patience_millis(channel)
        };
        let mut fitting = self.order.iter().rev().filter(|id| self.attempts.get(id).is_some_and(fits));
        let newest = *fitting.next().ok_or(Refusal::Unknown)?;
        if evidence.outcome == AttemptOutcome::Reply {
            return Ok(newest);
        }
        // A call that names neither us nor a call that we know is believed only if it can be no other one.
        let unnamed = self.attempts.get(&newest).is_some_and(|flight| flight.references.is_empty());
        if unnamed && fitting.next().is_none() { Ok(newest) } else { Err(Refusal::Unknown) }
    }
}

fn patience_millis(channel: Channel) -> i64 {
    1_000 * if channel == Channel::Voice { CALL_SECONDS_MAX } else { MESSAGE_SECONDS_MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = "+8613800000001";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_780_000_000_000 + seconds * 1_000)
    }

    fn id(n: u64) -> AttemptId {
        AttemptId::new(0, n)
    }

    fn key(attempt: Option<u64>, reference: Option<&str>, phone: Option<&str>) -> Evidence {
        Evidence {
            attempt: attempt.map(id),
            reference: reference.map(Into::into),
            phone: phone.map(Into::into),
            key: Some("1".into()),
            ..Evidence::of(AttemptOutcome::Key)
        }
    }

    /// Two calls to two people: a1 that the provider calls c1, a2 whose answer was lost.
    fn flying() -> InFlight {
        let mut in_flight = InFlight::default();
        in_flight.sending(id(1), Channel::Voice, PHONE, at(0));
        in_flight.taken(id(1), "c1");
        in_flight.sending(id(2), Channel::Voice, "+8613800000002", at(0));
        in_flight
    }

    #[test]
    fn only_what_fits_a_call_of_ours_is_believed() {
        use Refusal::{Late, Unknown, WrongCallee};
        let told: &[(Evidence, i64, Result<AttemptId, Refusal>)] = &[
            (key(Some(1), Some("c1"), Some("13800000001")), 5, Ok(id(1))),
            (key(None, Some("c1"), Some("13800000001")), 5, Ok(id(1))),
            (key(Some(1), Some("c1"), None), 5, Ok(id(1))),
            (key(Some(1), Some("c9"), None), 5, Err(Unknown)),
            (key(Some(1), Some("c1"), Some("13800000002")), 5, Err(WrongCallee)),
            (key(None, Some("c1"), Some("13800000002")), 5, Err(WrongCallee)),
            (key(Some(9), Some("c1"), None), 5, Err(Unknown)),
            (key(None, Some("c9"), None), 5, Err(Unknown)),
            (key(None, Some("c9"), Some("13800000001")), 5, Err(Unknown)),
            (key(None, None, None), 5, Err(Unknown)),
            (key(Some(1), Some("c1"), None), CALL_SECONDS_MAX + 1, Err(Late)),
            // The answer that would have named it was lost: its own id, or being the only call to that number, does.
            (key(Some(2), Some("c2"), None), 5, Ok(id(2))),
            (key(None, Some("c2"), Some("13800000002")), 5, Ok(id(2))),
        ];
        for (evidence, seconds, expected) in told {
            assert_eq!(flying().believe(Channel::Voice, evidence, at(*seconds)), *expected, "{evidence:?}");
        }
    }

    #[test]
    fn what_was_told_once_is_told_once_and_a_learnt_name_holds() {
        let mut in_flight = flying();
        let pressed = key(Some(2), Some("c2"), None);
        assert_eq!(in_flight.believe(Channel::Voice, &pressed, at(1)), Ok(id(2)));
        assert_eq!(in_flight.believe(Channel::Voice, &pressed, at(2)), Ok(id(2)), "it is not written down yet");
        in_flight.written(id(2), &pressed);
        assert_eq!(in_flight.believe(Channel::Voice, &pressed, at(2)), Err(Refusal::Repeated));
        assert_eq!(in_flight.believe(Channel::Voice, &key(Some(2), Some("c3"), None), at(3)), Err(Refusal::Unknown));
        assert_eq!(
            in_flight.believe(Channel::Sms, &key(Some(1), Some("c1"), None), at(3)),
            Err(Refusal::Unknown),
            "a text's provider cannot speak of a call"
        );
    }

    #[test]
    fn a_reply_answers_the_newest_message_to_its_number() {
        let mut in_flight = InFlight::default();
        for n in 1..=3 {
            let phone = if n == 2 { "+8613800000002" } else { PHONE };
            in_flight.sending(id(n), Channel::Sms, phone, at(n as i64));
        }
        let reply = |phone: &str, text: &str| Evidence {
            phone: Some(phone.into()),
            text: Some(text.to_owned()),
            ..Evidence::of(AttemptOutcome::Reply)
        };
        let mut believe = |evidence, seconds| in_flight.believe(Channel::Sms, &evidence, at(seconds));
        assert_eq!(believe(reply("8613800000001", "1"), 10), Ok(id(3)));
        assert_eq!(believe(reply("13800000002", "1"), 3_600), Ok(id(2)));
        assert_eq!(believe(reply("13800000009", "1"), 10), Err(Refusal::Unknown));
        assert_eq!(believe(reply("13800000001", "2"), MESSAGE_SECONDS_MAX + 10), Err(Refusal::Unknown));
    }

    #[test]
    fn memory_is_bounded() {
        let mut in_flight = InFlight::default();
        for n in 0..REMEMBERED_MAX as u64 + 10 {
            in_flight.sending(id(n), Channel::Voice, PHONE, at(0));
            in_flight.taken(id(n), &format!("c{n}"));
        }
        assert_eq!(in_flight.attempts.len(), REMEMBERED_MAX);
        assert_eq!(in_flight.by_reference.len(), REMEMBERED_MAX);
        assert_eq!(in_flight.believe(Channel::Voice, &key(None, Some("c3"), None), at(1)), Err(Refusal::Unknown));
    }
}
