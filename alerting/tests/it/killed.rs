//! The engine dies at any moment of an escalation, between a decision and its sending or between a sending and what
//! came of it, and starts again from what it had written down.

use alerting::{Alerting, Input, Output};
use model::record::SendResult;
use model::{Attempt, AttemptId, AttemptOutcome, Channel, IncidentState, Timestamp};
use proptest::prelude::*;

use crate::ward::{Home, Ward};

/// What each of the four phones does with a call.
#[derive(Debug, Clone, Copy)]
enum Phone {
    Busy,
    RingsOut,
    Silent,
    Voicemail,
    ProviderFails,
    ProviderUnknown,
    PressesOne,
}

fn dead() -> impl Strategy<Value = Phone> {
    prop_oneof![
        Just(Phone::Busy),
        Just(Phone::RingsOut),
        Just(Phone::Silent),
        Just(Phone::Voicemail),
        Just(Phone::ProviderFails),
        Just(Phone::ProviderUnknown),
    ]
}

/// A run: news comes some seconds after a call began, the engine is killed at some seconds, and what a provider was
/// handed right before a kill is forgotten by us and not by it.
struct Run {
    ward: Ward,
    phones: [Phone; 4],
    delays: [i64; 4],
    /// When something is to be said about a call, and which.
    news: Vec<(Timestamp, AttemptId, AttemptOutcome, Option<&'static str>)>,
    /// What the provider took, in the order of taking; a repeat of an id rings nobody.
    taken: Vec<(Timestamp, AttemptId)>,
    loses_results: bool,
}

impl Run {
    fn send_what_waits(&mut self) {
        let due: Vec<Attempt> =
            self.ward.alerting.pending_attempts().filter(|a| a.not_before <= self.ward.now).cloned().collect();
        for attempt in due {
            if self.ward.alerting.attempt(attempt.id).is_some_and(Attempt::wants_sending) {
                self.send(&attempt);
            }
        }
    }

    fn send(&mut self, attempt: &Attempt) {
        let place = attempt.callee.person.as_str().strip_prefix('g').and_then(|n| n.parse::<usize>().ok());
        let (Channel::Voice, Some(place)) = (attempt.channel, place) else {
            self.ward.sent(attempt.id, &SendResult::Accepted);
            return;
        };
        let (phone, after) = (self.phones[place - 1], self.delays[place - 1]);
        let now = self.ward.now;
        let mut say = |seconds: i64, outcome, key| {
            self.news.push((now.plus_millis(seconds * 1_000), attempt.id, outcome, key));
        };
        match phone {
            Phone::Busy => say(after, AttemptOutcome::Busy, None),
            Phone::RingsOut => say(25 + after % 5, AttemptOutcome::NoAnswer, None),
            Phone::Silent => {}
            Phone::Voicemail => {
                say(after, AttemptOutcome::Answered, None);
                say(after + 10, AttemptOutcome::Ended, None);
            }
            Phone::ProviderFails => {
                let result = SendResult::Retry { detail: "503".into(), after_seconds: 60 };
                self.ward.sent(attempt.id, &result);
                return;
            }
            Phone::ProviderUnknown => {
                self.ward.sent(attempt.id, &SendResult::Unknown { detail: "time-out".into() });
                return;
            }
            Phone::PressesOne => {
                say(after, AttemptOutcome::Answered, None);
                say(after + 5, AttemptOutcome::Key, Some("1"));
            }
        }
        self.taken.push((now, attempt.id));
        if !self.loses_results {
            self.ward.sent(attempt.id, &SendResult::Accepted);
        }
    }

    /// One second of the world. `killed`: the engine dies before it hears what came of this second's sendings.
    fn second(&mut self, killed: bool) {
        self.loses_results = killed;
        self.send_what_waits();
        if killed {
            self.ward.play("restart");
            self.loses_results = false;
        }
        let now = self.ward.now;
        let due: Vec<_> = self.news.iter().filter(|news| news.0 <= now).copied().collect();
        self.news.retain(|news| news.0 > now);
        for (_, attempt, outcome, key) in due {
            self.ward.callback(attempt, outcome, key, None);
        }
        self.send_what_waits();
        self.ward.wait(1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_sos_is_lost_and_no_call_starts_after_the_acknowledgement(
        dead in [dead(), dead(), dead()],
        delays in [1..14i64, 1..14i64, 1..14i64, 1..14i64],
        kills in prop::collection::btree_set(0..70i64, 0..6),
    ) {
        let phones = ["+8613800000001", "+8613800000002", "+8613800000003", "+8613800000004"];
        let mut ward = Ward::new(Home::default().guardians(&phones));
        ward.providers_accept = false;
        ward.play("sos");
        let phones = [dead[0], dead[1], dead[2], Phone::PressesOne];
        let mut run =
            Run { ward, phones, delays, news: Vec::new(), taken: Vec::new(), loses_results: false };
        for second in 0..80 {
            run.second(kills.contains(&second));
            prop_assert_eq!(run.ward.alerting.open_incidents().count(), 1, "the SOS is there after second {}", second);
        }
        // The live fourth phone: rung within 45 s, pressed, and held since.
        let rung = run.ward.rung("g4");
        prop_assert!(rung.first().is_some_and(|at| *at <= 45), "g4 rang at {rung:?}");
        let incident = run.ward.alerting.open_incidents().next().unwrap();
        prop_assert_eq!(incident.state, IncidentState::Acknowledged);
        let acknowledged_at = incident.acknowledged_by.as_ref().unwrap().at;
        // Nothing was decided, and nothing handed over, after that.
        for attempt in run.ward.started.iter().filter(|a| a.channel == Channel::Voice) {
            prop_assert!(attempt.created_at <= acknowledged_at, "{attempt:?}");
        }
        for (at, id) in &run.taken {
            prop_assert!(*at <= acknowledged_at, "{id} was handed over at {at}");
        }
    }
}

#[test]
fn a_decision_that_was_not_written_down_is_made_again() {
    // Killed before the commit: the report comes again, since nobody acknowledged it, and raises the incident anew.
    let mut ward = Ward::new(Home::default());
    let before = ward.alerting.snapshot();
    ward.play("sos");
    ward.alerting = Alerting::restore(before);
    assert_eq!(ward.alerting.open_incidents().count(), 0);
    let (mut counters, now) = (model::Counters::default(), ward.now);
    let outputs = ward.alerting.handle(Input::Restarted, now, &mut counters);
    assert!(!outputs.iter().any(|o| matches!(o, Output::Attempt { .. })), "a restart alone calls nobody");
}
