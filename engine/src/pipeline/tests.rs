//! Stories of the whole pipeline, and that a recovery equals not having stopped.

use expect_test::{Expect, expect};
use model::record::SendResult;
use model::staff::Known;
use model::{
    Actor, AttemptId, AttemptOutcome, AttemptState, Channel, Decision, DeviceId, Entity, Input, OrgPath, PersonId,
    Record, RegistryChange, Reply, Role, StaffCommand, Timestamp,
};
use proptest::prelude::*;
use store::codec;

use super::{Loaded, Pipeline, Section, SectionId};

mod rules;
mod traps;

pub(super) const ZONE: chrono_tz::Tz = chrono_tz::Tz::Asia__Shanghai;

pub(super) fn at(seconds: f64) -> Timestamp {
    Timestamp::parse("2026-11-22T08:00:00+08:00").unwrap().plus_millis((seconds * 1000.0) as i64)
}

fn registry() -> RegistryChange {
    let document = r#"{
      "orgs": [{"path":"/luyang/xinghua/yinxing/","name":"银杏社区","desk":{"phone":"+8613800000010"},
                "fences":[{"id":"river","kind":"exclusion","margin_m":10,"width_m":30,
                           "geometry":{"type":"LineString","coordinates":[[117.2,31.8246],[117.25,31.8246]]}},
                          {"id":"village","active":"08:05-22:00","circle":{"lon":117.2272,"lat":31.8206,"radius_m":600}}]}],
      "people": [{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"},
                 {"id":"g2","role":"guardian","name":"王强","phone":"+8613800000002"},
                 {"id":"d1","role":"doctor","name":"于医生","phone":"+8613800000009"}],
      "wearers": [{"id":"w1","name":"王桂兰","org":"/luyang/xinghua/yinxing/","guardians":["g1","g2"],"doctor":"d1",
                   "fences":[{"id":"home","margin_m":30,"circle":{"lon":117.2272,"lat":31.8206,"radius_m":300}}]}],
      "devices": [{"id":"b1","kind":"bracelet","wearer":"w1","secret":"not used here"}]
    }"#;
    crate::registry::validate_alone(document.as_bytes(), ZONE).unwrap()
}

fn admin() -> Actor {
    Actor { person: PersonId::new("admin"), role: Role::Admin, scope: OrgPath::new("/") }
}

pub(super) fn command(command: StaffCommand, key: Option<&str>) -> Input {
    Input::Command { actor: admin(), idempotency_key: key.map(Into::into), command }
}

pub(super) fn report(json: &str) -> Input {
    let item = ingest::decode(ingest::Format::Json, json.as_bytes(), &ingest::Limits::default()).remove(0);
    Input::Report { device: DeviceId::new("b1"), report: item.unwrap() }
}

/// A pipeline in which the registry has been imported, and everything that it journaled.
pub(super) fn begun() -> (Pipeline, Vec<Record>) {
    let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
    pipeline.decide(command(StaffCommand::Import(Box::new(registry())), None), at(-60.0), &mut records);
    (pipeline, records)
}

fn run(pipeline: &mut Pipeline, inputs: &[(f64, Input)], until: f64, records: &mut Vec<Record>) {
    for (seconds, input) in inputs {
        pipeline.decide(input.clone(), at(*seconds), records);
    }
    pipeline.advance(at(until), records);
}

/// The feed in words, without what came before `at(0)`.
fn told(records: &[Record]) -> String {
    let mut lines = String::new();
    for record in records.iter().filter(|r| r.at >= at(0.0)) {
        for decision in &record.decisions {
            let Decision::Event(event) = decision else { continue };
            let detail = match &event.entity {
                Entity::Attempt(a) => format!("{:?} {} ({:?})", a.channel, a.callee.person, a.purpose),
                Entity::Incident(i) => format!("{:?} x{}", i.kind, i.occurrence_count),
                Entity::Case(c) => format!("{:?}", c.kind),
                Entity::DownCommand(c) => c.kind.name().to_owned(),
                other => other.subject(),
            };
            let seconds = record.at.millis_since(at(0.0)) as f64 / 1000.0;
            lines += &format!("{seconds:.1} {} {detail}\n", event.kind.name());
        }
    }
    lines
}

fn check(inputs: &[(f64, Input)], until: f64, expected: Expect) {
    let (mut pipeline, mut records) = begun();
    run(&mut pipeline, inputs, until, &mut records);
    expected.assert_eq(&told(&records));
    assert_eq!(image(&pipeline), image(&recovered(&records)), "recovered from the journal");
}

#[test]
fn a_section_of_1024_slots_stands_for_all_of_its_portions() {
    for id in [SectionId::Core, SectionId::People(7), SectionId::Wearers(0), SectionId::Devices(124_999)] {
        assert_eq!(SectionId::from_number(id.number()), Some((id, 1)));
    }
    assert_eq!(SectionId::from_number((2 << 28) | 1), Some((SectionId::Wearers(128), 128)));
    let (pipeline, records) = begun();
    let old = pipeline.sections().into_iter().map(|id| {
        let portions = if id == SectionId::Core { 1 } else { 128 };
        Loaded { id, portions, seq: records.len() as u64, section: pipeline.section(id) }
    });
    let (loaded, from) = Pipeline::load(ZONE, old);
    assert_eq!(from, records.len() as u64);
    assert!((0..1024).all(|slot| loaded.directory().devices.holds(slot, from)));
    assert!(!loaded.directory().devices.holds(1024, from) && !loaded.directory().devices.holds(0, from + 1));
}

/// Everything that the pipeline holds, as bytes.
pub(super) fn image(pipeline: &Pipeline) -> Vec<(SectionId, Vec<u8>)> {
    pipeline.sections().into_iter().map(|id| (id, codec::to_bytes(&pipeline.section(id)).unwrap())).collect()
}

pub(super) fn recovered(records: &[Record]) -> Pipeline {
    let mut pipeline = Pipeline::new(ZONE);
    for (seq, record) in (1..).zip(records) {
        pipeline.apply(seq, record);
    }
    pipeline
}

pub(super) fn call_of(records: &[Record], person: &str) -> AttemptId {
    let attempts = records.iter().flat_map(|r| &r.decisions).filter_map(|d| match d {
        Decision::Event(e) => match &e.entity {
            Entity::Attempt(a) if a.channel == Channel::Voice && a.callee.person.as_str() == person => Some(a.id),
            _ => None,
        },
        _ => None,
    });
    attempts.collect::<Vec<_>>().pop().unwrap()
}

pub(super) fn callback(attempt: AttemptId, outcome: AttemptOutcome, key: Option<&str>) -> Input {
    Input::Callback { attempt, outcome, key: key.map(Into::into), text: None }
}

#[test]
fn an_sos_rings_in_turn_until_a_key_is_pressed() {
    let (mut pipeline, mut records) = begun();
    pipeline.decide(report(r#"{"type":"sos","id":"1"}"#), at(0.0), &mut records);
    let first = call_of(&records, "g1");
    pipeline.decide(callback(first, AttemptOutcome::NoAnswer, None), at(3.0), &mut records);
    let second = call_of(&records, "g2");
    pipeline.decide(callback(second, AttemptOutcome::Answered, None), at(5.0), &mut records);
    assert!(pipeline.open_incidents().all(|i| i.acknowledged_by.is_none()), "answered is not acknowledged");
    pipeline.decide(callback(second, AttemptOutcome::Key, Some("1")), at(8.0), &mut records);
    let incident = pipeline.open_incidents().next().unwrap().clone();
    let taken = incident.acknowledged_by.clone().unwrap();
    assert_eq!((taken.person.as_str(), taken.channel), ("g2", Some(Channel::Voice)));
    assert!(incident.case.is_some(), "the community has a case");
    assert_eq!(
        pipeline.next_due(),
        pipeline.next_due().filter(|due| *due > at(8.0)),
        "somebody looks whether g2 arrives"
    );
    assert_eq!(image(&pipeline), image(&recovered(&records)));
}

#[test]
fn a_repeat_has_no_second_effect_and_a_second_press_is_a_second_press() {
    let sos = |id: &str, t: &str| report(&format!(r#"{{"type":"sos","id":"{id}","t":"2026-11-22T08:00:{t}+08:00"}}"#));
    check(
        &[(0.0, sos("1", "00")), (0.2, sos("1", "00")), (0.4, sos("2", "00"))],
        0.5,
        expect![[r#"
            0.0 incident.raised Sos x1
            0.0 attempt.started Sms g1 (Alert)
            0.0 attempt.started Sms g2 (Alert)
            0.0 attempt.started Sms desk (Alert)
            0.0 attempt.started Sms d1 (Alert)
            0.0 incident.notifying Sos x1
            0.0 attempt.started Voice g1 (Alert)
            0.0 command.queued locate
            0.0 case.filed Incident(Sos)
            0.0 incident.updated Sos x1
            0.4 incident.recurred Sos x2
            0.4 attempt.started Sms g1 (Alert)
            0.4 attempt.started Sms g2 (Alert)
            0.4 attempt.started Sms desk (Alert)
            0.4 attempt.started Sms d1 (Alert)
            0.4 command.replaced locate
            0.4 command.queued locate
        "#]],
    );
}

#[test]
fn a_fall_waits_for_a_sign_of_life() {
    check(&[(0.0, report(r#"{"type":"fall"}"#)), (20.0, report(r#"{"type":"fall_cancel"}"#))], 100.0, expect![[""]]);
    check(
        &[(0.0, report(r#"{"type":"fall"}"#))],
        60.0,
        expect![[r#"
            60.0 incident.raised Fall x1
            60.0 attempt.started Sms g1 (Alert)
            60.0 attempt.started Sms g2 (Alert)
            60.0 attempt.started Sms desk (Alert)
            60.0 attempt.started Sms d1 (Alert)
            60.0 incident.notifying Fall x1
            60.0 attempt.started Voice g1 (Alert)
            60.0 case.filed Incident(Fall)
            60.0 incident.updated Fall x1
        "#]],
    );
}

#[test]
fn a_command_that_is_sent_again_is_done_once_and_answered_alike() {
    let (mut pipeline, mut records) = begun();
    let locate = |ttl| StaffCommand::Device {
        device: DeviceId::new("b1"),
        kind: model::DownCommandKind::Locate,
        time_to_live_seconds: ttl,
    };
    let mut ask = |input| {
        pipeline.decide(input, at(0.0), &mut records);
        let Some(Decision::Reply(reply)) = records.last().unwrap().decisions.last().cloned() else { panic!() };
        (*reply, pipeline.commands_for(&DeviceId::new("b1")).count())
    };
    let (first, waiting) = ask(command(locate(None), Some("k1")));
    assert!(matches!(first, Reply::Done(Some(Entity::DownCommand(_)))) && waiting == 1);
    assert_eq!(ask(command(locate(None), Some("k1"))), (first, 1));
    let (other, waiting) = ask(command(locate(Some(60)), Some("k1")));
    assert!(matches!(other, Reply::Refused(p) if p.code == model::ProblemCode::KeyReused) && waiting == 1);
    assert_eq!(image(&pipeline), image(&recovered(&records)));
}

#[test]
fn a_refused_registry_change_is_refused_alike_after_a_recovery_and_its_key_stays_free() {
    let (mut pipeline, mut records) = begun();
    let only_w1 = RegistryChange { wearers: registry().wearers, ..RegistryChange::default() };
    let write = |known| StaffCommand::Write { change: Box::new(only_w1.clone()), known };
    let ask = |pipeline: &mut Pipeline, records: &mut Vec<Record>, known| {
        pipeline.decide(command(write(known), Some("k1")), at(0.0), records);
        let Some(Decision::Reply(reply)) = records.last().unwrap().decisions.last().cloned() else { panic!() };
        match *reply {
            Reply::Refused(problem) => Some(problem.code),
            Reply::Done(_) => None,
        }
    };
    assert_eq!(ask(&mut pipeline, &mut records, Known::Fingerprint(1)), Some(model::ProblemCode::Stale));
    let mut again = recovered(&records);
    assert_eq!(image(&pipeline), image(&again));
    assert_eq!(ask(&mut again, &mut records, Known::Fingerprint(1)), Some(model::ProblemCode::Stale));
    let wearer = &again.directory().wearers.get(&only_w1.wearers[0].id).unwrap().wearer;
    let known = Known::Fingerprint(model::registry::fingerprint(wearer));
    assert_eq!(ask(&mut again, &mut records, known), None);
    assert_eq!(image(&again), image(&recovered(&records)));
}

#[test]
fn a_caller_sees_and_does_nothing_outside_their_part_of_the_tree() {
    let (mut pipeline, mut records) = begun();
    pipeline.decide(report(r#"{"type":"sos"}"#), at(0.0), &mut records);
    let id = pipeline.open_incidents().next().unwrap().id;
    let actor = Actor { person: PersonId::new("s9"), role: Role::Operator, scope: OrgPath::new("/shushan/") };
    let action = StaffCommand::Incident {
        id,
        action: model::IncidentAction::Acknowledge,
        if_match: None,
        note: None,
        disposition: None,
        on_behalf_of: None,
    };
    for command in [action, StaffCommand::Import(Box::new(registry()))] {
        let before = image(&pipeline);
        pipeline.decide(Input::Command { actor: actor.clone(), idempotency_key: None, command }, at(1.0), &mut records);
        let last = records.last().unwrap();
        assert!(
            matches!(&last.decisions[..], [Decision::Audit(_), Decision::Reply(reply)] if matches!(**reply, Reply::Refused(_)))
        );
        assert_eq!(image(&pipeline).len(), before.len());
    }
}

/// Anything that can come in, at small steps of time.
fn any_input() -> impl Strategy<Value = (u32, Input)> {
    let id = 0u8..6;
    let input = prop_oneof![
        id.clone().prop_map(|id| report(&format!(r#"{{"type":"sos","id":"s{id}"}}"#))),
        id.clone().prop_map(|id| report(&format!(r#"{{"type":"fall","id":"f{id}"}}"#))),
        Just(report(r#"{"type":"fall_cancel"}"#)),
        (120u16..240, 60u16..130)
            .prop_filter("systolic above diastolic", |(s, d)| s > d)
            .prop_map(|(s, d)| report(&format!(r#"{{"type":"blood_pressure","sys":{s},"dia":{d}}}"#))),
        prop_oneof![
            (30u16..180).prop_map(|bpm| format!(r#"{{"type":"heart_rate","bpm":{bpm}}}"#)),
            (86u8..99).prop_map(|value| format!(r#"{{"type":"spo2","value":{value}}}"#)),
            (345u16..400)
                .prop_map(|tenths| format!(r#"{{"type":"temperature","value":{}}}"#, f64::from(tenths) / 10.0)),
            (5u8..60).prop_map(|pct| format!(r#"{{"type":"battery","pct":{pct}}}"#)),
            any::<bool>().prop_map(|on| format!(r#"{{"type":"wear","on":{on}}}"#)),
            (0u32..400).prop_map(|count| format!(r#"{{"type":"steps","count":{count}}}"#)),
        ]
        .prop_map(|json| report(&json)),
        Just(Input::Started { down_since: None }),
        (-80i32..80, 0u8..20).prop_map(|(step, acc)| {
            let lat = 31.8206 + f64::from(step) * 0.0001;
            report(&format!(r#"{{"type":"location","lat":{lat:.4},"lon":117.2272,"acc":{acc}}}"#))
        }),
        (1u64..40, 0usize..7).prop_map(|(n, outcome)| {
            let (outcome, key) = [
                (AttemptOutcome::NoAnswer, None),
                (AttemptOutcome::Answered, None),
                (AttemptOutcome::Ended, None),
                (AttemptOutcome::Key, Some("1")),
                (AttemptOutcome::Key, Some("2")),
                (AttemptOutcome::Delivered, None),
                (AttemptOutcome::Failed, None),
            ][outcome];
            callback(AttemptId::new(0, n), outcome, key)
        }),
        (1u64..40, any::<bool>()).prop_map(|(n, ok)| Input::Sent {
            attempt: AttemptId::new(0, n),
            result: if ok {
                SendResult::Accepted
            } else {
                SendResult::Retry { detail: "busy".into(), after_seconds: 5 }
            },
            provider: "a".into(),
            others_left: n % 3 == 0,
            reference: None,
        }),
        any::<bool>().prop_map(|online| Input::Connection { device: DeviceId::new("b1"), online }),
        id.prop_map(|n| {
            let action = [
                model::IncidentAction::Acknowledge,
                model::IncidentAction::Arrive,
                model::IncidentAction::Resolve,
                model::IncidentAction::Escalate,
                model::IncidentAction::Note,
                model::IncidentAction::Reopen,
            ][n as usize];
            let id = model::IncidentId::new(0, 1);
            command(
                StaffCommand::Incident {
                    id,
                    action,
                    if_match: None,
                    note: Some("n".into()),
                    disposition: Some("helped".into()),
                    on_behalf_of: None,
                },
                None,
            )
        }),
    ];
    // Mostly seconds, at times so long that somebody is missed.
    (prop_oneof![4 => 0u32..40_000, 1 => 0u32..2_500_000], input)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Stopping anywhere, with or without a checkpoint before, and recovering equals not having stopped; and an
    /// open SOS or fall always has a next step.
    #[test]
    fn a_recovery_equals_not_having_stopped(steps in prop::collection::vec(any_input(), 1..40), cut in 0usize..40) {
        let (mut pipeline, mut records) = begun();
        let (mut now, mut checkpoint) = (at(0.0), None);
        for (i, (wait, input)) in steps.into_iter().enumerate() {
            if i == cut {
                let seq = records.len() as u64;
                let sections: Vec<(SectionId, u64, Vec<u8>)> =
                    image(&pipeline).into_iter().map(|(id, bytes)| (id, seq, bytes)).collect();
                checkpoint = Some(sections);
            }
            now = now.plus_millis(i64::from(wait));
            pipeline.decide(input, now, &mut records);
            for incident in pipeline.open_incidents() {
                let waits = incident.state != model::IncidentState::OnSite;
                prop_assert!(!waits || pipeline.next_due().is_some(), "{:?} has no next step", incident.state);
            }
        }
        prop_assert_eq!(pipeline.faults(), 0);
        prop_assert_eq!(image(&pipeline), image(&recovered(&records)));
        if let Some(sections) = checkpoint {
            let sections = sections.into_iter().map(|(id, seq, bytes)| {
                let section = codec::from_bytes::<Section>("section", &bytes).unwrap();
                Loaded { id, portions: 1, seq, section }
            });
            let (mut loaded, from) = Pipeline::load(ZONE, sections);
            for (seq, record) in (1..).zip(&records).filter(|(seq, _)| *seq > from) {
                loaded.apply(seq, record);
            }
            prop_assert_eq!(image(&pipeline), image(&loaded));
        }
    }

    /// The result does not depend on when the loop gets round to its timers.
    #[test]
    fn batches_do_not_matter(steps in prop::collection::vec(any_input(), 1..30), looks in prop::collection::vec(0u32..2_500_000, 30)) {
        let ((mut lazy, mut lazily), (mut eager, mut eagerly)) = (begun(), begun());
        let mut now = at(0.0);
        // A start is the first thing of a loop: nobody looked before it.
        let steps = steps.into_iter().filter(|(_, input)| !matches!(input, Input::Started { .. }));
        for ((wait, input), look) in steps.zip(looks) {
            eager.advance(now.plus_millis(i64::from(look.min(wait))), &mut eagerly);
            now = now.plus_millis(i64::from(wait));
            lazy.decide(input.clone(), now, &mut lazily);
            eager.decide(input, now, &mut eagerly);
        }
        prop_assert_eq!(lazily, eagerly);
    }
}

fn located(north_degrees: f64) -> Input {
    let lat = 31.8206 + north_degrees;
    report(&format!(r#"{{"type":"location","lat":{lat:.5},"lon":117.2272,"acc":8}}"#))
}

/// What the fences found, and when.
fn crossings(inputs: &[(f64, Input)], until: f64) -> String {
    let (mut pipeline, mut records) = begun();
    run(&mut pipeline, inputs, until, &mut records);
    assert_eq!((pipeline.faults(), image(&pipeline)), (0, image(&recovered(&records))));
    let mut lines = String::new();
    for record in &records {
        for decision in &record.decisions {
            let Decision::Finding(finding) = decision else { continue };
            let seconds = record.at.millis_since(at(0.0)) as f64 / 1000.0;
            lines += &format!("{seconds:.0} {} {}\n", finding.device, finding.explain.en);
        }
    }
    lines
}

#[test]
fn who_goes_out_and_is_not_heard_again_is_told_of_without_a_further_report() {
    let inputs = [(0.0, located(0.0)), (100.0, located(0.0028)), (110.0, located(0.0031))];
    expect![[r#"
        170 b1 Left the fence "home": 44 m outside (30 m allowed, accuracy 8 m, fixes: 1).
    "#]]
    .assert_eq(&crossings(&inputs, 240.0));
}

#[test]
fn a_community_shares_its_river_and_its_edge() {
    // Through the river at 445 m; and the village, out of whose edge they are already, begins to hold at 08:05.
    let inputs = [(0.0, located(0.0)), (60.0, located(0.003)), (120.0, located(0.006)), (180.0, located(0.0065))];
    expect![[r#"
        120 b1 Left the fence "home": 365 m outside (30 m allowed, accuracy 8 m, fixes: 2).
        120 b1 Went into the area to be kept out of "river", and out again, by 207 m (accuracy 8 m, fixes: 2).
        180 b1 Out of the area to be kept out of "river" again: 262 m away.
        300 b1 Left the fence "village": 121 m outside (30 m allowed, accuracy 8 m, fixes: 1).
    "#]]
    .assert_eq(&crossings(&inputs, 400.0));
}

#[test]
fn an_edited_organisation_takes_its_fences_along() {
    let (mut pipeline, mut records) = begun();
    let fences = |pipeline: &Pipeline| pipeline.directory().wearers.iter().next().unwrap().1.fences.len();
    assert_eq!(fences(&pipeline), 2, "their own, and the village");
    let mut change = RegistryChange { orgs: registry().orgs, ..RegistryChange::default() };
    change.orgs[0].fences.clear();
    pipeline.decide(located(0.0), at(0.0), &mut records);
    pipeline.decide(command(StaffCommand::Import(Box::new(change)), None), at(1.0), &mut records);
    assert_eq!(fences(&pipeline), 1);
    pipeline.decide(located(0.0), at(2.0), &mut records);
    assert_eq!(image(&pipeline), image(&recovered(&records)));
}

#[test]
fn unsent_attempts_are_known_after_a_recovery() {
    let (mut pipeline, mut records) = begun();
    pipeline.decide(report(r#"{"type":"sos"}"#), at(0.0), &mut records);
    let unsent: Vec<AttemptId> = recovered(&records).unsent_attempts().map(|a| a.id).collect();
    assert_eq!(unsent, pipeline.unsent_attempts().map(|a| a.id).collect::<Vec<_>>());
    assert!(unsent.len() >= 4, "two texts, the doctor, the desk, a call: {unsent:?}");
    pipeline.decide(
        Input::Sent {
            attempt: unsent[0],
            result: SendResult::Accepted,
            provider: "a".into(),
            others_left: false,
            reference: None,
        },
        at(0.1),
        &mut records,
    );
    assert!(recovered(&records).unsent_attempts().all(|a| a.id != unsent[0] && a.state == AttemptState::Pending));
}
