//! Traps that other systems fell into before an alarm was anybody's: no filter of fixes, clocks or states of the wearer
//! stands before it.

use model::{Channel, Record, StaffCommand};

use super::{at, begun, command, registry, report};
use crate::pipeline::Pipeline;

/// Who is rung about an SOS, and from when on.
fn rung(pipeline: &Pipeline) -> Vec<(String, model::Timestamp)> {
    let calls = pipeline.unsent_attempts().filter(|a| a.channel == Channel::Voice);
    calls.map(|a| (a.callee.person.to_string(), a.not_before)).collect()
}

fn pressed(before: &[&str], sos: &str) -> Vec<(String, model::Timestamp)> {
    let (mut pipeline, mut records) = begun();
    for (second, json) in before.iter().enumerate() {
        pipeline.decide(report(json), at(second as f64), &mut records);
    }
    pipeline.decide(report(sos), at(10.0), &mut records);
    rung(&pipeline)
}

#[test]
fn an_sos_calls_at_once_however_odd_its_fix_or_its_clock() {
    let here = r#"{"type":"location","id":"l","t":"2026-11-22T08:00:00+08:00","lat":31.8206,"lon":117.2272,"acc":8}"#;
    for (what, before, sos) in [
        ("plain", vec![], r#"{"type":"sos","id":"s"}"#),
        ("a thousand kilometres away", vec![here], r#"{"type":"sos","id":"s","lat":39.9,"lon":116.4,"acc":5}"#),
        ("accurate to five kilometres", vec![here], r#"{"type":"sos","id":"s","lat":31.82,"lon":117.22,"acc":5000}"#),
        ("older than the last fix", vec![here], r#"{"type":"sos","id":"s","t":"2026-11-22T06:00:00+08:00"}"#),
        ("of last week", vec![here], r#"{"type":"sos","id":"s","t":"2026-11-15T06:00:00+08:00"}"#),
        ("of next year", vec![here], r#"{"type":"sos","id":"s","t":"2027-11-22T08:00:00+08:00"}"#),
        ("of no time at all", vec![here], r#"{"type":"sos","id":"s","t":"yesterday"}"#),
        ("off the wrist", vec![r#"{"type":"wear","on":false}"#], r#"{"type":"sos","id":"s"}"#),
        ("with an empty battery", vec![r#"{"type":"battery","pct":1}"#], r#"{"type":"sos","id":"s"}"#),
    ] {
        assert_eq!(pressed(&before, sos), [("g1".to_owned(), at(10.0))], "{what}");
    }
}

#[test]
fn an_sos_of_somebody_in_hospital_calls_and_their_absence_does_not() {
    let (mut pipeline, mut records) = begun();
    let mut change = registry();
    let until = at(86_400.0);
    change.wearers[0].suspension = Some(model::Suspension { kind: model::registry::SuspensionKind::Hospital, until });
    pipeline.decide(command(StaffCommand::Import(Box::new(change)), None), at(0.0), &mut records);
    for minute in 0..10 {
        let away = format!(r#"{{"type":"location","id":"l{minute}","lat":31.86,"lon":117.2272,"acc":8}}"#);
        pipeline.decide(report(&away), at(f64::from(minute) * 60.0), &mut Vec::<Record>::new());
    }
    assert_eq!(pipeline.open_incidents().count(), 0, "they are away because they are in hospital");
    pipeline.decide(report(r#"{"type":"sos","id":"s"}"#), at(700.0), &mut records);
    assert_eq!(rung(&pipeline), [("g1".to_owned(), at(700.0))]);
}

#[test]
fn an_sos_of_a_clock_that_is_years_behind_is_that_of_whoever_wears_the_device_now() {
    let (mut pipeline, mut records) = begun();
    let mut change = registry();
    let mut second = change.wearers[0].clone();
    second.id = model::WearerId::new("w2");
    second.guardians.reverse();
    change.wearers.push(second);
    change.devices[0].wearer = Some(model::WearerId::new("w2"));
    pipeline.decide(command(StaffCommand::Import(Box::new(change)), None), at(0.0), &mut records);
    pipeline.decide(report(r#"{"type":"sos","id":"s","t":"2024-01-01T08:00:00+08:00"}"#), at(10.0), &mut records);
    assert_eq!(rung(&pipeline), [("g2".to_owned(), at(10.0))], "and not the family of who wore it then");
}

#[test]
fn a_guardian_arrives_only_where_they_said_that_they_go() {
    let act = |who: &str, action| {
        let actor = model::Actor {
            person: model::PersonId::new(who),
            role: model::Role::Guardian,
            scope: model::OrgPath::new("/luyang/xinghua/yinxing/"),
        };
        let command = StaffCommand::Incident {
            id: model::IncidentId::new(0, 1),
            action,
            if_match: None,
            note: None,
            disposition: None,
            on_behalf_of: None,
        };
        model::Input::Command { actor, idempotency_key: None, command }
    };
    use model::IncidentState::{Acknowledged, Notifying, OnSite};
    use model::incident::IncidentAction::{Acknowledge, Arrive, Extend};
    let (mut pipeline, mut records) = begun();
    pipeline.decide(report(r#"{"type":"sos","id":"s"}"#), at(0.0), &mut records);
    let steps = [
        ("g1", Arrive, Notifying),
        ("g1", Acknowledge, Acknowledged),
        ("g2", Arrive, Acknowledged),
        ("g2", Extend, Acknowledged),
        ("g1", Arrive, OnSite),
    ];
    for (second, (who, action, state)) in steps.into_iter().enumerate() {
        pipeline.decide(act(who, action), at(10.0 + second as f64), &mut records);
        let incident = pipeline.open_incidents().next().unwrap();
        assert_eq!(incident.state, state, "{who} {action:?}");
    }
}
