use model::erasure::{ErasedKind, Erasure};

use super::*;

/// Enough entries for several portions.
const EVENTS: u64 = 3_500;

fn erasure() -> Erasure {
    Erasure {
        id: 1,
        kind: ErasedKind::Wearer,
        subject: "w0".into(),
        org: None,
        at: at(9_000_000),
        by: PersonId::new("s1"),
        worn: Vec::new(),
    }
}

/// Alarms of two wearers in turn, with the name of the first in a remark on the second.
fn alarms() -> Vec<Record> {
    let mut records = vec![sample::imported()];
    records.extend((1..=EVENTS).map(|seq| {
        let mut incident = incident(seq, if seq % 2 == 0 { "w0" } else { "w1" }, IncidentState::Resolved);
        let text = format!("{} 的邻居", name_of_w0());
        incident.notes.push(model::incident::Note { by: PersonId::new("s1"), at: at(0), text });
        incident_record(seq, incident)
    }));
    records
}

fn name_of_w0() -> String {
    sample::registry().wearers.iter().find(|wearer| wearer.id.as_str() == "w0").unwrap().name.clone()
}

fn shows_nobody(state: &State) {
    assert!(!state.is_erasing().unwrap());
    assert_eq!(state.wearer(&WearerId::new("w0")).unwrap(), None);
    let name = name_of_w0();
    let mut found = Vec::new();
    state
        .database
        .scan(&[0], &[u8::MAX], &mut |key, value| {
            // The other wearer of the sample is called the same.
            let is_in = key[0] != keys::WEARER && value.windows(name.len()).any(|window| window == name.as_bytes());
            found.extend(is_in.then(|| key.to_vec()));
            Ok(tree::Scan::Go)
        })
        .unwrap();
    assert!(found.is_empty(), "{found:?}");
    // What is counted stays, blank.
    let incident = state.incident(IncidentId::new(0, 2)).unwrap().unwrap();
    assert_eq!((incident.wearer.as_str(), incident.explain.as_str()), ("w0", ""));
    assert!(
        state.events(0, 500, &|_| true, &|event| event.entity.subject() == "incidents/i2").unwrap().events.is_empty()
    );
}

fn until_erased(follower: &Follower, seq: u64) {
    while follower.erased().get() < seq {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_read_back_does_not_wait_until_somebody_is_taken_out_of_everything() {
    let mut house = House::with(alarms());
    let erased =
        Record { at: at(9_000_000), input: Input::Tick, decisions: vec![Decision::Erased(Box::new(erasure()))] };
    house.write([erased, incident_record(EVENTS + 1, incident(EVENTS + 1, "w1", IncidentState::Notifying))]);
    let (state, _) = house.open();
    let follower = house.follow(&state, FollowerConfig::default());
    until_erased(&follower, house.last_seq);
    assert_eq!(follower.facts_cursor(), house.last_seq, "what came after is there as well");
    shows_nobody(&state);
    assert!(state.incident(IncidentId::new(0, EVENTS + 1)).unwrap().is_some());
}

#[test]
fn somebody_who_was_half_taken_out_at_a_crash_is_taken_out_by_the_next_start_names_and_all() {
    let house = House::with(alarms());
    let state = house.projected();
    state.begin_erasing(house.last_seq, &erasure()).unwrap();
    assert_eq!(state.wearer(&WearerId::new("w0")).unwrap(), None, "at once");
    let mut half = state.erasing().unwrap();
    assert!(!state.erase_some(&mut half[0]).unwrap());
    assert!(state.is_erasing().unwrap());
    state.flush_database().unwrap();
    drop(state);
    let (state, _) = house.open();
    let follower = house.follow(&state, FollowerConfig::default());
    until_erased(&follower, house.last_seq);
    shows_nobody(&state);
    drop(follower);
}
