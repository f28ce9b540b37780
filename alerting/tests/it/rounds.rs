//! Campaigns of welfare and test calls. Beside the one under test stands a twin that only recovers.

use alerting::rounds::{CALLS_AT_ONCE_MAX, RoundInput, RoundOutput, Rounds, Target};
use model::campaign::{Campaign, CampaignCallState, CampaignKind, CampaignOrder, CampaignState};
use model::record::SendResult;
use model::registry::DailyWindow;
use model::{
    Attempt, AttemptOutcome, Counters, EventKind, Finding, IncidentKind, OrgPath, PersonId, Priority, Timestamp,
    WearerId,
};

use crate::ward::{START, contact};

const MORNING: DailyWindow = DailyWindow { from_minute: 9 * 60, to_minute: 11 * 60 };

struct Street {
    rounds: Rounds,
    twin: Rounds,
    counters: Counters,
    now: Timestamp,
    attempts: Vec<Attempt>,
    findings: Vec<Finding>,
    campaign: Option<Campaign>,
    /// Whether providers take what they are given by themselves.
    accept: bool,
}

fn order(kind: CampaignKind) -> CampaignOrder {
    CampaignOrder {
        kind,
        name: "周一问候".to_owned(),
        text: String::new(),
        window: None,
        tries: 3,
        gap_seconds: 600,
        until: Timestamp::parse(START).unwrap().plus_seconds(86_400),
        wearers: Vec::new(),
    }
}

fn target(n: usize) -> Target {
    Target {
        wearer: WearerId::new(&format!("w{n}")),
        org: OrgPath::new("/luyang/xinghua/yinxing/"),
        community_name: "银杏社区".into(),
        wearer_name: format!("老人{n}").into(),
        contact: contact(&format!("w{n}"), &format!("老人{n}"), &format!("+86138000000{n:02}")),
    }
}

impl Street {
    fn new(order: &CampaignOrder, people: usize) -> Street {
        let mut rounds = Rounds::default();
        rounds.set_utc_offset_minutes(480);
        let mut street = Street {
            twin: rounds.clone(),
            rounds,
            counters: Counters::default(),
            now: Timestamp::parse(START).unwrap(),
            attempts: Vec::new(),
            findings: Vec::new(),
            campaign: None,
            accept: true,
        };
        let people: Vec<Target> = (1..=people).map(target).collect();
        let by = PersonId::new("s1");
        let org = OrgPath::new("/luyang/");
        street.handle(RoundInput::Start { order, by: Some(&by), org: &org, people: &people });
        street
    }

    fn handle(&mut self, input: RoundInput<'_>) {
        let outputs = self.rounds.handle(input, self.now, &mut self.counters);
        self.decided(outputs);
    }

    fn wait(&mut self, seconds: u32) {
        let until = self.now.plus_seconds(seconds);
        let mut stops = 0;
        while let Some(due) = self.rounds.next_due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let outputs = self.rounds.advance(self.now, &mut self.counters);
            self.decided(outputs);
            stops += 1;
            assert!(stops < 10_000, "time stands still at {}", self.now);
        }
        self.now = until;
    }

    fn decided(&mut self, outputs: Vec<RoundOutput>) {
        let mut fresh = Vec::new();
        for output in outputs {
            match output {
                RoundOutput::Campaign { campaign, .. } => {
                    self.twin.apply_campaign(campaign.clone());
                    self.campaign = Some(campaign);
                }
                RoundOutput::Call(call) => self.twin.apply_call(call),
                RoundOutput::Attempt { kind, attempt, .. } => {
                    self.twin.apply_attempt(attempt.clone());
                    if kind == EventKind::AttemptStarted {
                        fresh.push(attempt.id);
                        self.attempts.push(attempt);
                    }
                }
                RoundOutput::Finding(finding) => self.findings.push(*finding),
            }
        }
        assert!(self.twin == self.rounds, "recovery differs");
        let mut restored = Rounds::restore(self.rounds.snapshot());
        restored.set_utc_offset_minutes(480);
        assert!(restored == self.rounds, "a checkpoint holds everything");
        if self.accept {
            for attempt in fresh {
                self.handle(sent(attempt, &SendResult::Accepted));
            }
        }
    }

    /// Something is said about the newest call to somebody.
    fn say(&mut self, person: &str, outcome: AttemptOutcome, key: Option<&str>) {
        let to = |a: &&Attempt| a.callee.person.as_str() == person;
        let attempt = self.attempts.iter().rev().find(to).unwrap().id;
        self.handle(RoundInput::Callback { attempt, outcome, key });
    }

    fn figures(&self) -> (u32, u32, u32, u32, u32, u32) {
        let c = self.campaign.as_ref().unwrap();
        (c.people, c.answered, c.keyed, c.need_help, c.unanswered, c.open)
    }
}

fn sent(attempt: model::AttemptId, result: &SendResult) -> RoundInput<'_> {
    RoundInput::Sent { attempt, result, provider: "a", others_left: false, reference: None }
}

#[test]
fn keys_are_collected_and_the_two_rates_count_people_not_calls() {
    let mut street = Street::new(&order(CampaignKind::Welfare), 4);
    street.wait(0);
    assert_eq!(street.attempts.len(), 4);
    assert!(street.attempts[0].text.starts_with("老人1，您好。这里是银杏社区"), "{}", street.attempts[0].text);
    street.say("w1", AttemptOutcome::Answered, None);
    street.say("w1", AttemptOutcome::Key, Some("1"));
    street.say("w2", AttemptOutcome::Key, Some("3"));
    street.say("w2", AttemptOutcome::Key, Some("2"));
    // Picks up twice and says nothing, then not any more.
    street.say("w3", AttemptOutcome::Answered, None);
    street.say("w3", AttemptOutcome::Ended, None);
    street.say("w4", AttemptOutcome::Busy, None);
    assert_eq!(street.figures(), (4, 3, 2, 1, 0, 2));
    street.wait(601);
    street.say("w3", AttemptOutcome::Answered, None);
    street.wait(2 * 601 + 200);
    assert_eq!(street.figures(), (4, 3, 2, 1, 2, 0));
    assert_eq!(street.campaign.as_ref().unwrap().state, CampaignState::Ended);
    let tries = |person: &str| street.attempts.iter().filter(|a| a.callee.person.as_str() == person).count();
    assert_eq!((tries("w1"), tries("w2"), tries("w3"), tries("w4")), (1, 1, 3, 3));
    let found: Vec<_> = street.findings.iter().map(|f| (f.wearer.to_string(), f.kind, f.priority)).collect();
    let expected = [("w2", Priority::High), ("w3", Priority::Medium), ("w4", Priority::Medium)];
    let mut sorted = found;
    sorted.sort();
    assert_eq!(sorted, expected.map(|(w, p)| (w.to_owned(), IncidentKind::WelfareCall, p)));
    assert_eq!(street.rounds, {
        let mut empty = Rounds::default();
        empty.set_utc_offset_minutes(480);
        empty
    });
}

#[test]
fn calls_begin_within_the_window_only() {
    let mut street = Street::new(&CampaignOrder { window: Some(MORNING), ..order(CampaignKind::Welfare) }, 1);
    street.wait(3_599);
    assert!(street.attempts.is_empty(), "it is not nine yet");
    street.wait(1);
    assert_eq!(street.attempts.len(), 1);
    // The last try would begin after eleven: it waits for tomorrow, and the campaign ends before.
    let mut late = CampaignOrder { window: Some(MORNING), gap_seconds: 3_500, ..order(CampaignKind::Welfare) };
    late.tries = 10;
    let mut street = Street::new(&late, 1);
    street.wait(86_400);
    assert_eq!(street.attempts.len(), 3, "09:00, 09:59, 10:58");
    assert_eq!(street.figures(), (1, 0, 0, 0, 1, 0));
}

#[test]
fn so_many_ring_at_a_time_and_everybody_has_their_turn() {
    let mut street = Street::new(&CampaignOrder { tries: 1, ..order(CampaignKind::Welfare) }, 40);
    street.wait(0);
    assert_eq!(street.attempts.len(), CALLS_AT_ONCE_MAX);
    street.say("w1", AttemptOutcome::Key, Some("1"));
    street.wait(0);
    assert_eq!(street.attempts.len(), CALLS_AT_ONCE_MAX + 1);
    street.wait(200);
    assert_eq!(street.figures(), (40, 1, 1, 0, 39, 0));
    let people: std::collections::BTreeSet<_> = street.attempts.iter().map(|a| a.callee.person.clone()).collect();
    assert_eq!((people.len(), street.attempts.len()), (40, 40));
}

#[test]
fn a_test_call_takes_no_two_for_an_answer_and_raises_nothing() {
    let mut street = Street::new(&CampaignOrder { tries: 1, ..order(CampaignKind::Test) }, 2);
    street.wait(0);
    assert!(street.attempts[0].text.contains("例行测试电话，不是报警"), "{}", street.attempts[0].text);
    street.say("w1", AttemptOutcome::Key, Some("2"));
    assert_eq!(street.figures(), (2, 1, 0, 0, 0, 2));
    street.say("w1", AttemptOutcome::Key, Some("1"));
    street.wait(60);
    assert_eq!(street.figures(), (2, 1, 1, 0, 1, 0));
    assert!(street.findings.is_empty());
}

#[test]
fn a_provider_that_does_not_take_it_costs_one_try() {
    let mut street = Street::new(&CampaignOrder { tries: 2, ..order(CampaignKind::Welfare) }, 1);
    street.accept = false;
    street.wait(0);
    let first = street.attempts[0].id;
    let retry = SendResult::Retry { detail: "503".into(), after_seconds: 9 };
    street.handle(RoundInput::Sent {
        attempt: first,
        result: &retry,
        provider: "a",
        others_left: true,
        reference: None,
    });
    assert_eq!(street.rounds.pending_attempts().next().unwrap().passed_over, ["a"]);
    street.handle(sent(first, &retry));
    assert!(!street.rounds.pending_attempts().any(|a| a.id == first));
    street.wait(600);
    assert_eq!(street.attempts.len(), 2);
    // Nobody takes it at all: it ends all the same.
    street.wait(600);
    assert_eq!(street.figures(), (1, 0, 0, 0, 1, 0));
}

#[test]
fn what_an_earlier_call_says_late_costs_no_try() {
    let mut street = Street::new(&order(CampaignKind::Welfare), 1);
    street.wait(700);
    assert_eq!(street.attempts.len(), 2);
    let first = street.attempts[0].id;
    for outcome in [AttemptOutcome::Ended, AttemptOutcome::Busy, AttemptOutcome::NoAnswer] {
        street.handle(RoundInput::Callback { attempt: first, outcome, key: None });
    }
    assert_eq!(street.figures().5, 1, "still being tried");
    street.handle(RoundInput::Callback { attempt: first, outcome: AttemptOutcome::Key, key: Some("1") });
    assert_eq!(street.figures(), (1, 1, 1, 0, 0, 0), "but a key counts from whichever call it comes");
    assert!(CampaignCallState::Fine.is_over());
}

#[test]
fn a_template_says_the_name() {
    let text = "{name}老人家,中秋快乐。".to_owned();
    let mut street = Street::new(&CampaignOrder { text, ..order(CampaignKind::Welfare) }, 1);
    street.wait(0);
    assert_eq!(street.attempts[0].text, "老人1老人家,中秋快乐。一切都好请按 1；需要帮助请按 2；重听请按 3。");
}
