//! Every scenario holds with three seeds, and the oracle notices every mutant.

use simulator::oracle::Verdict;
use simulator::oracle::report::{EXIT_MISS, EXIT_THRESHOLD};
use simulator::scenario::{Scenario, shipped};
use simulator::town::Town;
use simulator::world::mutant::Mutant;
use simulator::world::{self, Drive};

fn run(name: &str, seed: u64, mutant: Option<Mutant>) -> Verdict {
    let scenario = Scenario::open(name).unwrap();
    // Five thousand who are missed one by one would only take longer.
    let town = Town::build(&scenario, seed, mutant.filter(|_| name == "cell_outage").map(|_| 40));
    world::run(&scenario, &town, Drive { mutant, ..Drive::default() }).unwrap()
}

fn holds(name: &str, seed: u64) {
    let verdict = run(name, seed, None);
    assert_eq!(verdict.exit_code(), 0, "yinling-sim run {name} --seed {seed}\n{}", verdict.table());
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(mod $name {
            #[test]
            fn seed_1() {
                super::holds(stringify!($name), 1);
            }
            #[test]
            fn seed_2() {
                super::holds(stringify!($name), 2);
            }
            #[test]
            fn seed_3() {
                super::holds(stringify!($name), 3);
            }
        })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

scenarios! {
    sos fall case_of_a_fall false_fall fence_exit night_wandering dementia_walk_lost_coverage bus_ride heart_rate blood_pressure
    blood_pressure_watch cuff_artefact oxygen_and_fever news2 immobility silence battery family_never_answers
    welfare_call two_sos_at_once sos_on_three_percent provider_outage cell_outage carrier_outage reconnect_storm newest_first echoes forged_device
    clock_off_by_a_day gcj02_bracelet edge_walkers festival_crowd restart_in_the_middle disk_nearly_full
}

#[test]
fn every_scenario_is_tested_but_the_long_day() {
    let shipped: Vec<&str> = shipped::ALL.iter().map(|(name, _)| *name).filter(|name| *name != "town_day").collect();
    assert_eq!(shipped, TESTED);
}

#[test]
fn a_day_of_a_small_town_holds() {
    let scenario = Scenario::open("town_day").unwrap();
    let town = Town::build(&scenario, 1, Some(25));
    let verdict = world::run(&scenario, &town, Drive::default()).unwrap();
    // Of 25 elders one false exit is more than one a month: only the thousand show the rate.
    assert!(verdict.holds() && matches!(verdict.exit_code(), 0 | EXIT_THRESHOLD), "{}", verdict.table());
}

#[test]
fn the_oracle_notices_every_mutant() {
    let blind: Vec<&str> = Mutant::ALL
        .iter()
        .filter(|(_, mutant, scenario)| run(scenario, 1, Some(*mutant)).exit_code() != EXIT_MISS)
        .map(|(name, _, _)| *name)
        .collect();
    assert!(blind.is_empty(), "nobody noticed {blind:?}");
}

/// By file of the rules: who notices that it is wrong.
const RULES: &[(&str, &[&str])] = &[
    ("area.rs", &["neighbours_forgotten", "carrier_forgotten"]),
    ("battery.rs", &["battery_late"]),
    ("blood_pressure.rs", &["repeat_not_awaited"]),
    ("fall.rs", &["fall_window_dropped"]),
    ("fence_exit.rs", &["margin_dropped", "datum_ignored"]),
    ("heart_rate.rs", &["sustain_halved"]),
    ("immobility.rs", &["stillness_forgotten"]),
    ("irregular_pulse.rs", &["irregular_unseen"]),
    ("news2.rs", &["score_incomplete"]),
    ("pressure_drop.rs", &["posture_forgotten"]),
    ("pressure_watch.rs", &["watch_forgotten"]),
    ("removed.rs", &["removed_late"]),
    ("silence.rs", &["silence_slow"]),
    ("sos.rs", &["sos_deduplicated", "old_is_skipped", "raised_again"]),
    ("spo2.rs", &["oxygen_late"]),
    ("temperature.rs", &["temperature_late"]),
    ("wandering.rs", &["night_forgotten"]),
];

#[test]
fn every_rule_has_a_mutant() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/src");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && std::fs::read_to_string(path).unwrap().contains("const RULE: "))
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, RULES.iter().map(|(file, _)| *file).collect::<Vec<_>>());
    for (file, mutants) in RULES {
        assert!(mutants.iter().all(|name| Mutant::named(name).is_some()), "{file}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let scenario = Scenario::open("festival_crowd").unwrap();
    let run = |seed| world::run(&scenario, &Town::build(&scenario, seed, Some(20)), Drive::default()).unwrap();
    let (one, two, other) = (run(5), run(5), run(6));
    assert_eq!(one.json(), two.json());
    assert_ne!(one.json(), other.json());
}
