//! Somebody is erased from what the pipeline remembers, and a recovery from anywhere forgets them too.

use model::erasure::ErasedKind;
use model::staff::Known;
use model::{AttemptOutcome, Decision, ProblemCode, Record, RegistryChange, Reply, StaffCommand, WearerId};

use super::tests::{ZONE, at, begun, call_of, callback, command, image, recovered, report};
use super::{Loaded, Pipeline, SectionId};

fn erase(kind: ErasedKind, subject: &str, again: bool) -> StaffCommand {
    StaffCommand::Erase { kind, subject: subject.into(), known: Known::Nothing, again }
}

fn answer(records: &[Record]) -> Reply {
    let decisions = records.last().unwrap().decisions.iter();
    decisions
        .filter_map(|d| if let Decision::Reply(reply) = d { Some((**reply).clone()) } else { None })
        .next_back()
        .unwrap()
}

fn holds(pipeline: &Pipeline, name: &str) -> Vec<SectionId> {
    let has = |bytes: &[u8]| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    image(pipeline).into_iter().filter(|(_, bytes)| has(bytes)).map(|(id, _)| id).collect()
}

#[test]
fn what_is_open_is_brought_to_its_end_first_and_who_is_erased_is_forgotten_by_every_recovery() {
    let (mut pipeline, mut records) = begun();
    pipeline.decide(
        report(r#"{"type":"location","id":"1","lat":31.8206,"lon":117.2272,"acc":8}"#),
        at(0.0),
        &mut records,
    );
    pipeline.decide(report(r#"{"type":"sos","id":"2"}"#), at(1.0), &mut records);
    let first = call_of(&records, "g1");
    pipeline.decide(callback(first, AttemptOutcome::NoAnswer, None), at(3.0), &mut records);
    for (kind, subject) in [(ErasedKind::Wearer, "w1"), (ErasedKind::Person, "g2")] {
        pipeline.decide(command(erase(kind, subject, false), None), at(4.0), &mut records);
        let Reply::Refused(problem) = answer(&records) else { panic!("{:?}", answer(&records)) };
        assert_eq!(problem.code, ProblemCode::VersionRequired, "{problem:?}");
    }
    let seen = Known::Fingerprint(model::registry::fingerprint(
        &pipeline.directory().wearers.get(&WearerId::new("w1")).unwrap().wearer,
    ));
    let known = StaffCommand::Erase { kind: ErasedKind::Wearer, subject: "w1".into(), known: seen, again: false };
    pipeline.decide(command(known, None), at(4.0), &mut records);
    let Reply::Refused(problem) = answer(&records) else { panic!("{:?}", answer(&records)) };
    assert_eq!(problem.code, ProblemCode::IllegalInState);
    assert!(!holds(&pipeline, "王桂兰").is_empty());

    // As after a restore, when nobody can be asked any more.
    let before = records.len() as u64;
    pipeline.decide(command(erase(ErasedKind::Wearer, "w1", true), None), at(5.0), &mut records);
    let told = |decision: &Decision| match decision {
        Decision::Event(event) => Some((event.kind.name(), event.entity.subject())),
        _ => None,
    };
    let told: Vec<_> = records.last().unwrap().decisions.iter().filter_map(told).collect();
    for ended in [("incident.resolved", "incidents/i1"), ("case.closed", "cases/c1")] {
        assert!(told.contains(&(ended.0, ended.1.to_owned())), "nothing of theirs stays on a list: {told:?}");
    }
    assert!(!told.iter().any(|(kind, _)| *kind == "attempt.started"), "and nobody hears of it: {told:?}");
    pipeline.decide(command(erase(ErasedKind::Person, "g2", true), None), at(6.0), &mut records);
    pipeline.decide(command(erase(ErasedKind::Person, "nobody", true), None), at(6.0), &mut records);
    assert!(matches!(answer(&records), Reply::Done(_)), "who is not there is to stay away, too");
    // Their device goes on: it is nobody's.
    pipeline.decide(
        report(r#"{"type":"location","id":"3","lat":31.8306,"lon":117.2272,"acc":8}"#),
        at(7.0),
        &mut records,
    );
    pipeline.advance(at(100_000.0), &mut records);
    assert_eq!(pipeline.open_incidents().count(), 0, "nothing rings for somebody who is not there");
    for name in ["王桂兰", "王强", "13800000002"] {
        assert_eq!(holds(&pipeline, name), [], "{name}");
    }
    let again = RegistryChange {
        wearers: vec![begun().0.directory().wearers.iter().next().unwrap().1.wearer.as_ref().clone()],
        ..RegistryChange::default()
    };
    let mut import = Vec::new();
    pipeline.decide(command(StaffCommand::Import(Box::new(again)), None), at(100_001.0), &mut import);
    let Reply::Refused(problem) = answer(&import) else { panic!("{:?}", answer(&import)) };
    assert_eq!(problem.errors[0].pointer, "/wearers/0/id");
    records.extend(import);

    let whole = image(&pipeline);
    assert_eq!(image(&recovered(&records)), whole, "from the journal alone");
    // A checkpoint whose parts were taken at different times, before and after it.
    for core_at in 0..records.len() as u64 {
        for rest_at in [core_at, core_at + 1, before + 1, before + 2, records.len() as u64] {
            let rest_at = rest_at.max(core_at).min(records.len() as u64);
            let (core, rest) = (recovered(&records[..core_at as usize]), recovered(&records[..rest_at as usize]));
            let ids = rest.sections().into_iter().map(|id| match id {
                SectionId::Core => Loaded { id, portions: 1, seq: core_at, section: core.section(id) },
                id => Loaded { id, portions: 1, seq: rest_at, section: rest.section(id) },
            });
            let (mut loaded, from) = Pipeline::load(ZONE, ids);
            for (seq, record) in (1..).zip(&records).filter(|(seq, _)| *seq > from) {
                loaded.apply(seq, record);
            }
            assert!(loaded.directory().wearers.len() == 0, "core at {core_at}, the rest at {rest_at}");
            assert_eq!(holds(&loaded, "王桂兰"), [], "core at {core_at}, the rest at {rest_at}");
        }
    }
}
