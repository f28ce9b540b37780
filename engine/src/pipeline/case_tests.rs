//! Stories of a case beside its incident: whoever is sent hears of it and answers by phone, and what they say at the case
//! is said of the alarm.

use expect_test::{Expect, expect};
use model::case::CaseRequest;
use model::{
    Actor, AttemptOutcome, AttemptState, Case, CaseAction, CaseState, Channel, Decision, Entity, IncidentState, Input,
    OrgPath, PersonId, Record, Role, StaffCommand,
};

use super::Pipeline;
use super::accounts_tests::create;
use super::tests::{ZONE, at, begun, call_of, callback, image, recovered, report};

const WORKERS: &str = r#"{"people":[
    {"id":"worker","role":"grid_worker","name":"小李","phone":"+8613800000021"},
    {"id":"mute","role":"volunteer","name":"老周"},
    {"id":"other","role":"grid_worker","name":"小赵","phone":"+8613800000022"}]}"#;

/// One elder's SOS with its case, and two workers.
struct Story {
    pipeline: Pipeline,
    records: Vec<Record>,
}

impl Story {
    fn begin() -> Story {
        let (mut pipeline, mut records) = begun();
        let change = crate::registry::validate_alone(WORKERS.as_bytes(), ZONE).unwrap();
        let import = super::tests::command(StaffCommand::Import(Box::new(change)), None);
        pipeline.decide(import, at(-30.0), &mut records);
        pipeline.decide(report(r#"{"type":"sos","id":"1"}"#), at(0.0), &mut records);
        Story { pipeline, records }
    }

    fn case(&self) -> &Case {
        self.pipeline.casework.open_cases().next().unwrap()
    }

    fn state(&self) -> IncidentState {
        self.pipeline.alerting.incident(self.case().incident.unwrap()).unwrap().state
    }

    /// Somebody does something to the case, after so many seconds.
    fn act(&mut self, seconds: f64, who: &str, action: CaseAction, change: impl FnOnce(&mut CaseRequest)) {
        self.act_on(self.case().clone(), seconds, who, action, change);
    }

    fn act_on(
        &mut self,
        case: Case,
        seconds: f64,
        who: &str,
        action: CaseAction,
        change: impl FnOnce(&mut CaseRequest),
    ) {
        let mut request = CaseRequest::new(action);
        change(&mut request);
        let role = if who == "admin" { Role::Admin } else { Role::GridWorker };
        let actor = Actor { person: PersonId::new(who), role, scope: OrgPath::new("/luyang/") };
        let command = StaffCommand::Case { id: case.id, if_match: Some(case.version), request: Box::new(request) };
        self.decide(seconds, Input::Command { actor, idempotency_key: None, command });
        let refused = |decision: &Decision| matches!(decision, Decision::Reply(reply) if matches!(**reply, model::Reply::Refused(_)));
        assert!(!self.records.last().unwrap().decisions.iter().any(refused), "{:?}", self.records.last());
    }

    fn dispatch(&mut self, seconds: f64, to: &str) {
        self.act(seconds, "admin", CaseAction::Dispatch, |request| request.handler = Some(PersonId::new(to)));
    }

    /// The desk ends the alarm.
    fn resolve(&mut self, seconds: f64, disposition: &str) {
        let resolve = StaffCommand::Incident {
            id: self.case().incident.unwrap(),
            action: model::incident::IncidentAction::Resolve,
            if_match: None,
            note: None,
            disposition: Some(disposition.to_owned()),
            on_behalf_of: None,
        };
        self.decide(seconds, super::tests::command(resolve, None));
    }

    fn decide(&mut self, seconds: f64, input: Input) {
        self.pipeline.decide(input, at(seconds), &mut self.records);
    }

    fn key(&mut self, seconds: f64, to: &str, key: &str) {
        let call = call_of(&self.records, to);
        self.decide(seconds, callback(call, AttemptOutcome::Key, Some(key)));
    }

    /// What went to somebody's phones: when it was decided, over what, in which state it is now, and its words.
    fn sent_to(&self, person: &str) -> String {
        let mut attempts = std::collections::BTreeMap::new();
        for decision in self.records.iter().flat_map(|record| &record.decisions) {
            let Decision::Event(event) = decision else { continue };
            if let Entity::Attempt(attempt) = &event.entity
                && attempt.callee.person.as_str() == person
            {
                attempts.insert(attempt.id, attempt.as_ref().clone());
            }
        }
        let line = |a: &model::Attempt| {
            let seconds = a.not_before.millis_since(at(0.0)) / 1000;
            format!("{seconds} {:?} {:?} {}\n", a.channel, a.state, a.text)
        };
        attempts.values().map(line).collect()
    }

    fn check(&self, person: &str, expected: Expect) {
        expected.assert_eq(&self.sent_to(person));
        assert_eq!(image(&self.pipeline), image(&recovered(&self.records)), "recovered from the journal");
    }
}

#[test]
fn whoever_is_sent_is_told_and_takes_it_by_a_key() {
    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    story.key(20.0, "worker", "1");
    assert_eq!((story.case().state, story.state()), (CaseState::Accepted, IncidentState::Acknowledged));
    assert_eq!(story.case().steps.last().unwrap().by.as_ref().unwrap().as_str(), "worker");
    story.check("worker", expect![[r#"
        10 Sms Pending 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
        10 Voice Confirmed 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
    "#]]);
    story.check("g1", expect![[r#"
        0 Sms Cancelled 银杏社区提醒：王桂兰于08:00按下求助键。位置未知。回复1确认前往。
        0 Voice Cancelled 这里是银杏社区。王桂兰于08:00按下求助键，位置未知。确认并前往请按 1；无法处理请按 2；重听请按 3。
        20 Sms Pending 银杏社区：王桂兰按下求助键，小李 已接警，正在赶去。
    "#]]);
}

#[test]
fn whoever_is_sent_is_rung_again_until_the_case_waits_for_them_no_longer() {
    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    for seconds in [30.0, 110.0, 190.0] {
        let call = call_of(&story.records, "worker");
        // Some providers say it twice, in one post.
        for outcome in [AttemptOutcome::NoAnswer, AttemptOutcome::Ended, AttemptOutcome::NoAnswer] {
            story.decide(seconds, callback(call, outcome, None));
        }
    }
    story.check("worker", expect![[r#"
        10 Sms Pending 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
        10 Voice Failed 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
        90 Voice Failed 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
        170 Voice Failed 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
    "#]]);
    assert_eq!(story.state(), IncidentState::Notifying, "nobody said that they go");
    let said = story.case().steps.last().unwrap().note.as_deref();
    assert_eq!(said, Some("致电小李 3 次，未接单 / 小李 was rung 3 times"));

    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    let call = call_of(&story.records, "worker");
    story.decide(30.0, callback(call, AttemptOutcome::Busy, None));
    story.act(40.0, "admin", CaseAction::Reassign, |request| {
        request.handler = Some(PersonId::new("other"));
        request.note = Some("占线".into());
    });
    story.check("worker", expect![[r#"
        10 Sms Cancelled 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
        10 Voice Failed 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
        90 Voice Cancelled 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
    "#]]);
    story.key(41.0, "worker", "1");
    assert_eq!(story.case().state, CaseState::Dispatched, "it is not theirs any more");
    story.key(50.0, "other", "2");
    assert_eq!((story.case().state, story.case().handler.as_ref()), (CaseState::Filed, None));
    story.check("other", expect![[r#"
        40 Sms Cancelled 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
        40 Voice Declined 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
    "#]]);
}

#[test]
fn a_call_of_which_nothing_is_heard_counts_as_missed() {
    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    let sent = |attempt| Input::Sent {
        attempt,
        result: model::record::SendResult::Accepted,
        provider: "voice".into(),
        others_left: false,
        reference: None,
    };
    let call = call_of(&story.records, "worker");
    story.decide(11.0, sent(call));
    story.pipeline.advance(at(100.0), &mut story.records);
    assert_eq!(call_of(&story.records, "worker"), call, "it may still ring");
    story.pipeline.advance(at(101.0), &mut story.records);
    let second = call_of(&story.records, "worker");
    story.decide(102.0, callback(call, AttemptOutcome::Declined, None));
    assert_eq!(story.sent_to("worker").matches("Voice").count(), 2, "what is said late rings nobody twice");
    // Somebody, or their mailbox, picks up, and says nothing.
    story.decide(161.0, sent(second));
    story.decide(170.0, callback(second, AttemptOutcome::Answered, None));
    story.pipeline.advance(at(349.0), &mut story.records);
    assert_eq!(call_of(&story.records, "worker"), second, "they may still listen");
    story.pipeline.advance(at(350.0), &mut story.records);
    let third = call_of(&story.records, "worker");
    story.decide(410.0, sent(third));
    story.pipeline.advance(at(500.0), &mut story.records);
    let said =
        story.case().steps.iter().any(|step| step.note.as_deref().is_some_and(|n| n.starts_with("致电小李 3 次")));
    assert!(said, "{:?}", story.case().steps);
    assert_eq!(image(&story.pipeline), image(&recovered(&story.records)), "recovered from the journal");
}

#[test]
fn who_cannot_be_reached_is_said_at_the_case() {
    let mut story = Story::begin();
    story.dispatch(10.0, "mute");
    let said = story.case().steps.last().unwrap().note.as_deref().unwrap_or_default();
    assert!(said.starts_with("老周没有可用的联系方式"), "{said}");
    assert_eq!(image(&story.pipeline), image(&recovered(&story.records)), "recovered from the journal");
}

#[test]
fn a_case_given_to_somebody_whose_account_does_not_reach_it_says_so() {
    for (scopes, is_said) in [(&["/other/"][..], true), (&["/other/", "/luyang/"], false), (&[], false)] {
        let mut story = Story::begin();
        for (number, scope) in scopes.iter().enumerate() {
            let StaffCommand::CreateAccount(mut account) = create(&format!("worker{number}"), scope) else { panic!() };
            account.person = PersonId::new("worker");
            story.decide(5.0, super::tests::command(StaffCommand::CreateAccount(account), None));
        }
        story.dispatch(10.0, "worker");
        let remark = story.case().steps.last().unwrap().note.as_deref().unwrap_or_default();
        assert_eq!(remark.starts_with("小李的账号管辖范围不含本社区"), is_said, "{scopes:?}: {remark}");
        assert_eq!(image(&story.pipeline), image(&recovered(&story.records)), "recovered from the journal");
    }
}

#[test]
fn a_reply_takes_the_case_and_words_are_kept() {
    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    let texts = story.pipeline.case_messages.snapshot();
    let text = texts.iter().find(|a| a.channel == Channel::Sms && a.callee.person.as_str() == "worker").unwrap().id;
    let reply = |text: &str| Some(text.to_owned());
    let replied =
        |said| Input::Callback { attempt: text, outcome: AttemptOutcome::Reply, key: None, text: reply(said) };
    story.decide(20.0, replied("马上到，先送完药"));
    assert_eq!(story.case().notes.last().unwrap().text, "马上到，先送完药");
    story.decide(21.0, replied("1 i9"));
    assert_eq!(story.case().state, CaseState::Dispatched, "a code that names something else");
    story.decide(25.0, replied("1"));
    assert_eq!(story.case().state, CaseState::Accepted);
    story.decide(90.0, replied("2"));
    assert_eq!((story.case().state, story.state()), (CaseState::Filed, IncidentState::Notifying), "taken back");
    story.check("worker", expect![[r#"
        10 Sms Confirmed 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
        10 Voice Cancelled 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
    "#]]);
}

#[test]
fn who_arrives_or_closes_at_the_case_ends_the_calls() {
    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    story.act(15.0, "worker", CaseAction::Accept, |_| {});
    assert_eq!(story.state(), IncidentState::Acknowledged);
    story.act(300.0, "worker", CaseAction::Arrive, |_| {});
    assert_eq!(story.state(), IncidentState::OnSite);
    let rings = |story: &Story| story.sent_to("g1").contains("Voice Pending");
    assert!(!rings(&story), "{}", story.sent_to("g1"));
    story.act(400.0, "admin", CaseAction::Close, |request| request.disposition = Some("helped".into()));
    let incident = story.pipeline.alerting.incident(model::IncidentId::new(0, 1)).unwrap();
    assert_eq!(incident.state, IncidentState::Resolved);
    assert_eq!(incident.resolution.as_ref().unwrap().disposition, "helped");
    story.check("g1", expect![[r#"
        0 Sms Cancelled 银杏社区提醒：王桂兰于08:00按下求助键。位置未知。回复1确认前往。
        0 Voice Cancelled 这里是银杏社区。王桂兰于08:00按下求助键，位置未知。确认并前往请按 1；无法处理请按 2；重听请按 3。
        15 Sms Cancelled 银杏社区：王桂兰按下求助键，小李 已接警，正在赶去。
        400 Sms Pending 银杏社区：王桂兰于08:00按下求助键，现已处理完毕：已得到帮助。
    "#]]);
}

#[test]
fn what_happens_after_the_visit_is_not_closed_with_the_case() {
    let mut story = Story::begin();
    story.act(10.0, "worker", CaseAction::Accept, |_| {});
    story.act(300.0, "worker", CaseAction::Arrive, |_| {});
    story.decide(350.0, report(r#"{"type":"sos","id":"2"}"#));
    story.act(400.0, "admin", CaseAction::Close, |request| request.disposition = Some("helped".into()));
    let incident = story.pipeline.alerting.incident(model::IncidentId::new(0, 1)).unwrap();
    assert!(incident.state.is_open());
    assert!(incident.notes.last().unwrap().text.contains("工单已结案"), "{:?}", incident.notes);
    // Nothing rings by itself while somebody is on site: the clock of another case runs.
    assert!(story.case().incident == Some(incident.id) && story.case().due_at.is_some(), "{:?}", story.case());
    assert_eq!(image(&story.pipeline), image(&recovered(&story.records)), "recovered from the journal");
}

/// An SOS that was ended while somebody was on the way, and another while they still are: the second case is merged into
/// the first one.
#[test]
fn the_alarm_of_a_case_that_was_merged_goes_with_the_other_case() {
    let neighbour = r#"{"orgs":[{"path":"/luyang/xinghua/taoyuan/","name":"桃园社区"}],
        "wearers":[{"id":"w2","name":"李桂芳","org":"/luyang/xinghua/taoyuan/"}],
        "devices":[{"id":"b2","kind":"bracelet","wearer":"w2","secret":"not used here"}]}"#;
    let merged = |wearer: &str, until: CaseState| {
        let mut story = Story::begin();
        let change = crate::registry::validate_alone(neighbour.as_bytes(), ZONE).unwrap();
        story.decide(1.0, super::tests::command(StaffCommand::Import(Box::new(change)), None));
        story.dispatch(10.0, "worker");
        story.key(20.0, "worker", "1");
        story.resolve(30.0, "false_alarm");
        let mut pressed = report(r#"{"type":"sos","id":"2"}"#);
        if let Input::Report { device, .. } = &mut pressed {
            *device = model::DeviceId::new(if wearer == "w1" { "b1" } else { "b2" });
        }
        story.decide(1000.0, pressed);
        let second = story.pipeline.casework.open_cases().nth(1).unwrap().clone();
        let incident = second.incident.unwrap();
        if until == CaseState::Merged {
            // It is merged when somebody is there already.
            story.act(1005.0, "worker", CaseAction::Arrive, |_| {});
        }
        let into = story.case().id;
        story.act_on(second, 1010.0, "admin", CaseAction::Merge, |request| {
            request.into = Some(into);
            request.note = Some("同一位老人".into());
        });
        let mut states = vec![story.pipeline.alerting.incident(incident).unwrap().state];
        if until == CaseState::Closed {
            story.act(1100.0, "worker", CaseAction::Arrive, |_| {});
            states.push(story.pipeline.alerting.incident(incident).unwrap().state);
            story.act(1200.0, "admin", CaseAction::Close, |request| request.disposition = Some("helped".into()));
            states.push(story.pipeline.alerting.incident(incident).unwrap().state);
        }
        assert_eq!(image(&story.pipeline), image(&recovered(&story.records)), "recovered from the journal");
        states
    };
    use IncidentState::{Acknowledged, Exhausted, OnSite, Resolved};
    assert_eq!(merged("w1", CaseState::Closed), [Acknowledged, OnSite, Resolved]);
    assert_eq!(merged("w1", CaseState::Merged), [OnSite]);
    // Nobody stood at the neighbour's door, whatever the desk thinks.
    assert_eq!(merged("w2", CaseState::Closed), [Exhausted; 3]);
}

#[test]
fn who_was_there_before_it_happened_has_not_seen_to_what_is_merged() {
    let mut story = Story::begin();
    story.act(10.0, "worker", CaseAction::Accept, |_| {});
    story.act(300.0, "worker", CaseAction::Arrive, |_| {});
    story.resolve(310.0, "helped");
    story.decide(9000.0, report(r#"{"type":"sos","id":"2"}"#));
    let second = story.pipeline.casework.open_cases().nth(1).unwrap().clone();
    let (incident, into) = (second.incident.unwrap(), story.case().id);
    let state = |story: &Story| story.pipeline.alerting.incident(incident).unwrap().state;
    story.act_on(second.clone(), 9010.0, "admin", CaseAction::Merge, |request| {
        request.into = Some(into);
        request.note = Some("同一位老人".into());
    });
    assert_eq!(state(&story), IncidentState::Notifying, "the phones ring on");
    story.act(9020.0, "admin", CaseAction::Close, |request| request.disposition = Some("helped".into()));
    assert_eq!(state(&story), IncidentState::Notifying);
    // The case that it went on in is closed: what happens again has another one.
    story.decide(9030.0, report(r#"{"type":"sos","id":"3"}"#));
    let third = story.case();
    assert!(third.id > second.id && third.incident == Some(incident), "{third:?}");
    assert_eq!(image(&story.pipeline), image(&recovered(&story.records)), "recovered from the journal");
}

#[test]
fn whoever_was_to_go_for_a_case_that_was_merged_is_not_counted_on() {
    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    story.key(20.0, "worker", "1");
    story.resolve(30.0, "false_alarm");
    story.decide(1000.0, report(r#"{"type":"sos","id":"2"}"#));
    let second = story.pipeline.casework.open_cases().nth(1).unwrap().clone();
    let (incident, into) = (second.incident.unwrap(), story.case().id);
    story.act_on(second, 1010.0, "other", CaseAction::Accept, |_| {});
    let going = |story: &Story| {
        let incident = story.pipeline.alerting.incident(incident).unwrap();
        (incident.state, incident.acknowledged_by.as_ref().map(|going| going.person.to_string()))
    };
    assert_eq!(going(&story), (IncidentState::Acknowledged, Some("other".to_owned())));
    let second = story.pipeline.casework.open_cases().nth(1).unwrap().clone();
    story.act_on(second, 1020.0, "admin", CaseAction::Merge, |request| {
        request.into = Some(into);
        request.note = Some("同一位老人".into());
    });
    assert_eq!(going(&story), (IncidentState::Acknowledged, Some("worker".to_owned())));
    // The alarm of the merged case is on: whoever is sent instead is rung.
    story.act(1030.0, "admin", CaseAction::Reassign, |request| {
        request.handler = Some(PersonId::new("other"));
        request.note = Some("更近".into());
    });
    assert_eq!(story.sent_to("other").lines().filter(|line| line.starts_with("1030 Voice")).count(), 1);
    assert_eq!(going(&story).0, IncidentState::Notifying);
}

#[test]
fn an_alarm_that_was_not_over_has_another_case() {
    let mut story = Story::begin();
    story.act(10.0, "worker", CaseAction::Accept, |_| {});
    story.act(300.0, "worker", CaseAction::Arrive, |_| {});
    let (first, incident) = (story.case().id, story.case().incident.unwrap());
    story.act(400.0, "admin", CaseAction::Close, |request| request.disposition = Some("helped".into()));
    assert_eq!(story.pipeline.casework.open_cases().count(), 0);
    let reopen = StaffCommand::Incident {
        id: incident,
        action: model::incident::IncidentAction::Reopen,
        if_match: Some(story.pipeline.alerting.incident(incident).unwrap().version),
        note: Some("仍未起身".into()),
        disposition: None,
        on_behalf_of: None,
    };
    story.decide(500.0, super::tests::command(reopen, None));
    assert!(story.case().id > first && story.case().incident == Some(incident), "{:?}", story.records.last());
    assert_eq!(image(&story.pipeline), image(&recovered(&story.records)), "recovered from the journal");
}

#[test]
fn a_desk_that_takes_charge_of_a_case_has_not_said_that_it_goes() {
    let mut story = Story::begin();
    story.act(10.0, "admin", CaseAction::Accept, |_| {});
    assert_eq!((story.case().state, story.state()), (CaseState::Accepted, IncidentState::Notifying));
    let mut story = Story::begin();
    story.act(10.0, "worker", CaseAction::Accept, |_| {});
    assert_eq!((story.case().state, story.state()), (CaseState::Accepted, IncidentState::Acknowledged));
}

#[test]
fn who_takes_a_case_for_another_stops_no_calls() {
    let mut story = Story::begin();
    story.act(10.0, "admin", CaseAction::Accept, |request| request.handler = Some(PersonId::new("worker")));
    assert_eq!((story.case().state, story.state()), (CaseState::Accepted, IncidentState::Notifying));
    story.check(
        "worker",
        expect![[r#"
        10 Sms Pending 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。
    "#]],
    );
    assert!(story.pipeline.case_messages.pending_attempts().all(|a| a.state == AttemptState::Pending));
}

#[test]
fn whoever_need_not_go_any_more_hears_of_it() {
    // Sent and heard of it; then it goes to another, who says so themselves.
    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    story.key(20.0, "worker", "1");
    story.act(60.0, "admin", CaseAction::Reassign, |request| {
        request.handler = Some(PersonId::new("other"));
        request.note = Some("就在楼下".into());
    });
    story.key(61.0, "worker", "1");
    story.key(65.0, "other", "1");
    assert_eq!(story.case().handler.as_ref().unwrap().as_str(), "other");
    story.act(90.0, "other", CaseAction::Arrive, |_| {});
    story.act(400.0, "admin", CaseAction::Close, |request| request.disposition = Some("helped".into()));
    story.check("worker", expect![[r#"
        10 Sms Cancelled 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
        10 Voice Confirmed 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
        60 Sms Pending 【撤派】银杏社区：王桂兰于08:00按下求助键，工单已由小赵办理，不再由您处理，您无需前往。
    "#]]);
    story.check("other", expect![[r#"
        60 Sms Cancelled 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
        60 Voice Confirmed 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
    "#]]);

    // Whoever gave it back knows; who thinks again takes it, and is told when it is over before they are there.
    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    story.key(20.0, "worker", "2");
    assert_eq!((story.case().state, story.case().handler.as_ref()), (CaseState::Filed, None));
    story.key(30.0, "worker", "1");
    assert_eq!((story.case().state, story.state()), (CaseState::Accepted, IncidentState::Acknowledged));
    story.resolve(40.0, "false_alarm");
    story.check("worker", expect![[r#"
        10 Sms Cancelled 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
        10 Voice Confirmed 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
        40 Sms Pending 银杏社区：王桂兰于08:00按下求助键，警情已结束：误报。工单仍由您办理。
    "#]]);
    // Nobody is rung for what has ended.
    story.act(50.0, "admin", CaseAction::Reassign, |request| {
        request.handler = Some(PersonId::new("other"));
        request.note = Some("顺路看看".into());
    });
    story.check("other", expect![[r#"
        50 Sms Pending 【派单】银杏社区：王桂兰于08:00按下求助键，警情已结束，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
    "#]]);

    let mut story = Story::begin();
    story.dispatch(10.0, "worker");
    let call = call_of(&story.records, "worker");
    story.resolve(40.0, "helped");
    story.decide(41.0, callback(call, AttemptOutcome::NoAnswer, None));
    story.check("worker", expect![[r#"
        10 Sms Pending 【派单】银杏社区：王桂兰于08:00按下求助键，工单交由您处理，请前往。位置未知。回复1接单，回复2无法前往。
        10 Voice Failed 这里是银杏社区。王桂兰于08:00按下求助键，工单已派给您，位置未知。接单并前往请按 1；无法前往请按 2。
        40 Sms Pending 银杏社区：王桂兰于08:00按下求助键，警情已结束：已得到帮助。工单仍由您办理。
    "#]]);
}
