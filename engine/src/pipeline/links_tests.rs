//! Stories of the code to a guardian's own phone, and of the fences that they draw.

use model::step_up::{CODE_SECONDS, CODE_TRIES_MAX, STEP_UP_SECONDS};
use model::{
    Actor, Attempt, AttemptId, Decision, Entity, Input, OrgPath, PersonId, Purpose, Record, RegistryChange, Reply,
    Role, StaffCommand, StepUp, Wearer, WearerId,
};

use super::Pipeline;
use super::tests::{at, begun, image, recovered, report};

fn guardian(id: &str) -> Actor {
    Actor { person: PersonId::new(id), role: Role::Guardian, scope: OrgPath::new("/luyang/xinghua/yinxing/") }
}

fn by(actor: &Actor, command: StaffCommand) -> Input {
    Input::Command { actor: actor.clone(), idempotency_key: None, command }
}

fn reply(records: &[Record]) -> &'static str {
    let mut replies = records.last().unwrap().decisions.iter().filter_map(|decision| match decision {
        Decision::Reply(reply) => Some(&**reply),
        _ => None,
    });
    match replies.next_back().unwrap() {
        Reply::Done(_) => "done",
        Reply::Refused(problem) => problem.code.name(),
    }
}

fn attempts(records: &[Record]) -> impl Iterator<Item = &Attempt> {
    records.iter().flat_map(|record| &record.decisions).filter_map(|decision| match decision {
        Decision::Event(event) => match &event.entity {
            Entity::Attempt(attempt) => Some(&**attempt),
            _ => None,
        },
        _ => None,
    })
}

/// An SOS of w1, a code sent to g1, and the attempt that carries it.
fn sent() -> (Pipeline, Vec<Record>, AttemptId) {
    let (mut pipeline, mut records) = begun();
    pipeline.decide(report(r#"{"type":"sos","id":"1"}"#), at(0.0), &mut records);
    let link = attempts(&records).find(|attempt| attempt.callee.person.as_str() == "g1").unwrap().clone();
    pipeline.decide(by(&guardian("g1"), StaffCommand::SendCode(Box::new(link))), at(10.0), &mut records);
    assert_eq!(reply(&records), "done");
    let code = attempts(&records).find(|attempt| attempt.purpose == Purpose::Code).unwrap().id;
    (pipeline, records, code)
}

fn enter(code: AttemptId, is_right: bool) -> StaffCommand {
    StaffCommand::EnterCode { code, is_right, secret_sha256: [7; 32] }
}

fn opened(pipeline: &Pipeline) -> usize {
    pipeline.step_ups().filter(|step_up: &&StepUp| step_up.opened.is_some()).count()
}

#[test]
fn a_code_goes_to_the_registered_phone_opens_once_and_closes_by_itself() {
    let (mut pipeline, mut records, code) = sent();
    let message = attempts(&records).find(|attempt| attempt.id == code).unwrap();
    assert_eq!(message.to.0, "+8613800000001");
    assert!(!message.text.chars().any(|c| c.is_ascii_digit() && c != '5'), "no code is written down: {}", message.text);
    pipeline.decide(by(&guardian("g1"), enter(code, true)), at(20.0), &mut records);
    assert_eq!(reply(&records), "done");
    let opened = pipeline.step_ups().next().unwrap().clone();
    assert!(opened.admits(&[7; 32], at(20.0)) && !opened.admits(&[8; 32], at(20.0)));
    assert!(opened.admits(&[7; 32], at(19.0 + f64::from(STEP_UP_SECONDS))));
    assert!(!opened.admits(&[7; 32], at(20.0 + f64::from(STEP_UP_SECONDS))));
    pipeline.decide(by(&guardian("g1"), enter(code, true)), at(21.0), &mut records);
    assert_eq!(reply(&records), "limit-reached", "a code is used once");
    assert_eq!(image(&pipeline), image(&recovered(&records)));
}

#[test]
fn tries_are_counted_and_a_code_is_its_guardians_own_and_short_lived() {
    let (mut pipeline, mut records, code) = sent();
    pipeline.decide(by(&guardian("g2"), enter(code, true)), at(11.0), &mut records);
    assert_eq!(reply(&records), "limit-reached", "another guardian's");
    for _ in 0..CODE_TRIES_MAX {
        pipeline.decide(by(&guardian("g1"), enter(code, false)), at(12.0), &mut records);
        assert_eq!(reply(&records), "invalid");
    }
    pipeline.decide(by(&guardian("g1"), enter(code, true)), at(13.0), &mut records);
    assert_eq!((reply(&records), opened(&pipeline)), ("limit-reached", 0), "right, and too late");
    assert_eq!(image(&pipeline), image(&recovered(&records)), "the tries survive a restart");

    let (mut pipeline, mut records, code) = sent();
    pipeline.decide(by(&guardian("g1"), enter(code, true)), at(10.0 + f64::from(CODE_SECONDS)), &mut records);
    assert_eq!((reply(&records), opened(&pipeline)), ("limit-reached", 0), "over");
}

#[test]
fn a_stranger_gets_no_code() {
    let (mut pipeline, mut records, code) = sent();
    let link = attempts(&records).find(|attempt| attempt.id == code).unwrap().clone();
    let role = Actor { role: Role::Volunteer, ..guardian("g1") };
    for who in [guardian("g2"), guardian("d1"), role] {
        pipeline.decide(by(&who, StaffCommand::SendCode(Box::new(link.clone()))), at(11.0), &mut records);
        assert_eq!(reply(&records), "not-allowed", "{who:?}");
    }
}

#[test]
fn a_guardian_draws_the_fences_of_their_elder_and_writes_nothing_else() {
    let (mut pipeline, mut records) = begun();
    let wearer = pipeline.directory.wearers.get(&WearerId::new("w1")).unwrap().wearer.as_ref().clone();
    let only = |wearer: Wearer| RegistryChange { wearers: vec![wearer], ..RegistryChange::default() };
    let mut people = only(Wearer { fences: Vec::new(), ..wearer.clone() });
    people.people.push(pipeline.directory.people.get(&PersonId::new("g1")).unwrap().clone());
    for (who, change, expected) in [
        ("g1", only(Wearer { fences: Vec::new(), ..wearer.clone() }), "done"),
        ("d1", only(wearer.clone()), "not-allowed"),
        ("g1", only(Wearer { guardians: vec![PersonId::new("g1")], ..wearer.clone() }), "not-allowed"),
        ("g1", only(Wearer { id: WearerId::new("w2"), ..wearer.clone() }), "not-allowed"),
        ("g1", people, "not-allowed"),
        ("g1", RegistryChange::default(), "not-allowed"),
    ] {
        pipeline.decide(by(&guardian(who), StaffCommand::Import(Box::new(change.clone()))), at(1.0), &mut records);
        assert_eq!(reply(&records), expected, "{who} {change:?}");
    }
    assert!(pipeline.directory.wearers.get(&WearerId::new("w1")).unwrap().wearer.fences.is_empty());
    assert_eq!(image(&pipeline), image(&recovered(&records)));
}
