use model::record::Observed;
use model::report::Consciousness;
use model::staff::BedsideNote;
use model::{Actor, Fix, Reply, Role, StaffCommand};

use super::*;

#[test]
fn the_past_comes_back_as_it_came_with_its_devices_and_what_the_bedside_noted() {
    let place = sample::located(3);
    let fix = Fix { position: place.position, datum: None, accuracy_m: Some(8.0) };
    let note = BedsideNote {
        wearer: WearerId::new("w0"),
        measured: None,
        respiration_per_minute: Some(26),
        consciousness: Some(Consciousness::Confused),
        known: Vec::new(),
    };
    let actor = Actor { person: PersonId::new("d1"), role: Role::Doctor, scope: OrgPath::new("/") };
    let observed = Observed { wearer: Some(WearerId::new("w0")), measured: at(5000), late: false, located: None };
    let noted = Record {
        at: at(5000),
        input: Input::Command { actor, idempotency_key: None, command: StaffCommand::Observe(note) },
        decisions: vec![Decision::Observed(observed), Decision::Reply(Box::new(Reply::Done(None)))],
    };
    let started = Record { at: at(6000), input: Input::Started { down_since: Some(at(5500)) }, decisions: Vec::new() };
    let house = House::with([
        sample::location_at(1, 0, 1000),
        sample::report(0, "hr", 2000, ReportBody::HeartRate { bpm: 70 }, None),
        // Measured before, came after.
        sample::report(0, "sos", 500, ReportBody::Sos { fix: Some(fix) }, Some(place)),
        noted,
        started,
    ]);
    let state = house.projected();
    let (past, is_cut) = state.past(&WearerId::new("w0"), at(0), at(9000), 100).unwrap();
    let told: Vec<String> = past
        .iter()
        .map(|past| {
            let place = past.located.map_or("nowhere", |_| "somewhere");
            let after = past.at.millis_since(past.measured);
            format!("{:?} {} after {after} ms, {place}: {:?}", past.device.as_str(), past.measured, past.said)
        })
        .collect();
    expect_test::expect![[r#"
        "861234567800000" 2026-11-22T00:00:01.000Z after 120 ms, somewhere: []
        "861234567800000" 2026-11-22T00:00:02.000Z after 120 ms, nowhere: [HeartRate { bpm: 70 }]
        "861234567800000" 2026-11-22T00:00:00.500Z after 120 ms, somewhere: [Sos { fix: None }]
        "" 2026-11-22T00:00:05.000Z after 0 ms, nowhere: [Respiration { per_minute: 26 }, Consciousness { level: Confused }]"#]].assert_eq(&told.join("\n"));
    assert!(!is_cut);
    let (newest, is_cut) = state.past(&WearerId::new("w0"), at(0), at(9000), 2).unwrap();
    assert_eq!((newest, is_cut), (past[past.len() - 2..].to_vec(), true));
    assert_eq!(state.starts(at(0), at(9000)).unwrap(), [(at(6000), at(5500))]);
}

#[test]
fn late_fixes_of_another_day_stand_in_their_place() {
    let mut records: Vec<Record> =
        (0..300).map(|n| sample::location_at(n, 0, 86_400_000 + i64::from(n) * 1000)).collect();
    // Yesterday evening comes in backwards, between today's.
    records.splice(100..100, (0..200).map(|n| sample::location_at(1000 + n, 0, 86_000_000 - i64::from(n) * 1000)));
    let house = House::with(records);
    let state = house.projected();
    let walk = state.fixes(&WearerId::new("w0"), Timestamp::EPOCH, Timestamp::LATEST, usize::MAX).unwrap();
    assert_eq!(walk.len(), 500);
    assert!(walk.is_sorted_by_key(|point| point.measured));
    assert_eq!(
        state.latest(&WearerId::new("w0")).unwrap().unwrap().position.map(|p| p.measured),
        Some(at(86_400_000 + 299_000))
    );
}

#[test]
fn what_is_full_and_not_written_yet_is_found_in_memory() {
    let house = House::with([]);
    let (state, _) = house.open();
    let mut telemetry = state.telemetry();
    for n in 0..300 {
        telemetry.take_record(u64::from(n) + 1, &sample::location_at(n, 0, i64::from(n) * 1000), 9).unwrap();
    }
    assert_eq!(telemetry.full_blocks(), 2, "and 44 fixes grow on");
    drop(telemetry);
    let walk = |from, to| state.fixes(&WearerId::new("w0"), from, to, usize::MAX).unwrap();
    let (all, part) = (walk(Timestamp::EPOCH, Timestamp::LATEST), walk(at(100_000), at(260_000)));
    assert_eq!((all.len(), part.len()), (300, 160));
    assert_eq!(state.fixes(&WearerId::new("w"), Timestamp::EPOCH, Timestamp::LATEST, 9).unwrap(), []);
    let (blocks, changes) = state.telemetry().take_ready();
    state.write_blocks(blocks, changes, 300).unwrap();
    assert_eq!(walk(Timestamp::EPOCH, Timestamp::LATEST), all, "and the same in the view");
    assert_eq!(walk(at(100_000), at(260_000)), part);
}
