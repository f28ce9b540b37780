//! The neighbourhood is what it says: repeatable, plausible, and in nobody's real life.

use std::collections::BTreeSet;

use model::Timestamp;
use serde_json::Value;

use super::life::{Life, Said};
use super::*;
use crate::phones::book::INVENTED_NUMBERS;

fn start() -> Timestamp {
    Timestamp::parse("2026-11-22T00:00:00Z").unwrap()
}

fn live(elder: &Elder, seconds: u32) -> Vec<Said> {
    Life::new(elder, 7, start()).advance(start().plus_seconds(seconds))
}

fn metres_from_home(elder: &Elder, report: &Value) -> Option<f64> {
    let home = shown_in(elder.home, elder.bracelet.datum);
    let north = (report["lat"].as_f64()? - home.lat) * 111_320.0;
    let east = (report["lon"].as_f64()? - home.lon) * 111_320.0 * home.lat.to_radians().cos();
    Some(north.hypot(east))
}

#[test]
fn the_same_seed_invents_the_same_neighbourhood_and_the_same_day() {
    let (one, two, other) = (Neighbourhood::invent(7, 24), Neighbourhood::invent(7, 24), Neighbourhood::invent(8, 24));
    assert_eq!(one.registry(), two.registry());
    assert_ne!(one.registry(), other.registry());
    assert_eq!(live(&one.elders[9], 600), live(&two.elders[9], 600));
}

#[test]
fn every_name_in_the_registry_leads_somewhere_and_every_number_is_invented_and_nobody_elses() {
    for elders in [0, 24, 40] {
        let neighbourhood = Neighbourhood::invent(3, elders);
        let registry = neighbourhood.registry();
        let ids = |list: &str| -> BTreeSet<String> {
            registry[list].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect()
        };
        let (people, wearers) = (ids("people"), ids("wearers"));
        assert_eq!(wearers.len(), usize::from(elders.clamp(ELDERS_MIN, ELDERS_MAX)));
        for wearer in registry["wearers"].as_array().unwrap() {
            let guardians: Vec<&str> =
                wearer["guardians"].as_array().unwrap().iter().map(|g| g.as_str().unwrap()).collect();
            assert!((1..=3).contains(&guardians.len()), "{wearer}");
            assert!(guardians.iter().all(|g| people.contains(*g)), "{wearer}");
            assert!(people.contains(wearer["doctor"].as_str().unwrap()));
            assert!(ORGS.iter().any(|org| org.path == wearer["org"].as_str().unwrap()));
        }
        for device in registry["devices"].as_array().unwrap() {
            assert!(wearers.contains(device["wearer"].as_str().unwrap()), "{device}");
            assert!(model::id::is_well_formed(device["id"].as_str().unwrap()), "{device}");
        }
        let numbers: Vec<String> = neighbourhood.phones().into_iter().map(|entry| entry.number).collect();
        assert!(numbers.iter().all(|number| number.starts_with(INVENTED_NUMBERS) && number.len() == 14), "{numbers:?}");
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len(), "two phones with one number");
    }
}

#[test]
fn every_kind_of_incident_happens_within_two_minutes() {
    let neighbourhood = Neighbourhood::invent(7, 24);
    let mut happened = BTreeSet::new();
    for elder in &neighbourhood.elders {
        for said in live(elder, 120) {
            let kind = said.report["type"].as_str().unwrap();
            match kind {
                "sos" | "fall" | "fall_cancel" => happened.insert(kind.to_owned()),
                "blood_pressure" if said.report["sys"].as_u64() >= Some(180) => happened.insert("high".to_owned()),
                "location" if metres_from_home(elder, &said.report) > Some(elder.fence_radius_m + 60.0) => {
                    happened.insert("outside".to_owned())
                }
                _ => false,
            };
        }
    }
    assert_eq!(Vec::from_iter(happened), ["fall", "fall_cancel", "high", "outside", "sos"]);
}

#[test]
fn who_has_no_story_stays_within_the_fence_and_in_good_health_for_hours() {
    for elder in Neighbourhood::invent(7, 24).elders.iter().filter(|elder| elder.plot.is_empty()) {
        for said in live(elder, 6 * 3_600) {
            let report = &said.report;
            let away = metres_from_home(elder, report).unwrap_or(0.0);
            assert!(away < elder.fence_radius_m, "{} is {away} m away", elder.id);
            assert!(report["sys"].as_u64().unwrap_or(0) < 180 && report["dia"].as_u64().unwrap_or(0) < 110, "{report}");
            assert!((40..=120).contains(&report["bpm"].as_u64().unwrap_or(70)), "{report}");
        }
    }
}

#[test]
fn event_ids_are_unique_and_times_ascend() {
    let neighbourhood = Neighbourhood::invent(7, 24);
    let said = live(&neighbourhood.elders[0], 3_600);
    assert!(said.len() > 400, "an hour of {} reports", said.len());
    assert_eq!(said.iter().map(|s| &s.id).collect::<BTreeSet<_>>().len(), said.len());
    let times: Vec<Timestamp> =
        said.iter().map(|s| Timestamp::parse(s.report["t"].as_str().unwrap()).unwrap()).collect();
    assert!(times.is_sorted());
}

#[test]
fn splitting_a_life_anywhere_changes_nothing() {
    let elder = &Neighbourhood::invent(7, 24).elders[8];
    let whole = live(elder, 900);
    let mut life = Life::new(elder, 7, start());
    let mut parts = Vec::new();
    for seconds in (1..=900).step_by(7).chain([900]) {
        parts.extend(life.advance(start().plus_seconds(seconds)));
    }
    assert_eq!(parts, whole);
}
