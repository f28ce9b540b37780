//! The order of arrival, and explanations that come out the same again.

use std::collections::BTreeSet;

use model::{Change, Finding, ReportBody};
use proptest::prelude::*;
use rules::{ORDER_SECONDS, WearerState};

use crate::World;

/// What an alarm is, without when it was decided.
fn alarms(world: &World) -> BTreeSet<String> {
    let raised = world.findings.iter().filter(|finding| finding.change == Change::Raised);
    raised.map(|f| format!("{:?} {:?} {} {}", f.kind, f.priority, f.measured, f.explain.zh)).collect()
}

/// Readings of one sign at one wearer, measured in order.
fn readings(values: &'static [f32]) -> impl Strategy<Value = Vec<(i64, f32)>> {
    prop::collection::vec((i64::from(ORDER_SECONDS)..240, prop::sample::select(values)), 1..30).prop_map(|steps| {
        let mut second = 0;
        steps
            .into_iter()
            .map(|(gap, value)| {
                second += gap;
                (second, value)
            })
            .collect()
    })
}

/// Tells of them, each so many seconds after it was measured.
fn tell(readings: &[(i64, f32)], delays: &[i64], body: impl Fn(f32) -> ReportBody) -> BTreeSet<String> {
    let mut arrivals: Vec<_> =
        readings.iter().zip(delays).map(|((at, value), delay)| (at + delay, *at, *value)).collect();
    // Those that arrive in the same second come in the wrong order.
    arrivals.sort_by_key(|(now, measured, _)| (*now, -*measured));
    let mut world = World::new();
    for (now, measured, value) in arrivals {
        world.report("bracelet", body(value), measured, now);
    }
    world.pass(20_000);
    alarms(&world)
}

const LAST: i64 = ORDER_SECONDS as i64 - 1;

proptest! {
    #[test]
    fn heart_rates(readings in readings(&[70.0, 100.0, 118.0, 125.0, 125.0, 126.0, 135.0, 39.0]), delays in prop::collection::vec(0..=LAST, 30)) {
        let body = |value| ReportBody::HeartRate { bpm: value as u16 };
        prop_assert_eq!(tell(&readings, &[0; 30], body), tell(&readings, &delays, body));
    }

    #[test]
    fn oxygen(readings in readings(&[97.0, 94.0, 93.0, 92.0, 91.0, 88.0]), delays in prop::collection::vec(0..=LAST, 30)) {
        let body = |value| ReportBody::Spo2 { percent: value as u8 };
        prop_assert_eq!(tell(&readings, &[0; 30], body), tell(&readings, &delays, body));
    }

    #[test]
    fn temperatures(readings in readings(&[36.5, 38.8, 39.1, 39.5, 35.2, 35.0, 34.0]), delays in prop::collection::vec(0..=LAST, 30)) {
        let body = |value| ReportBody::Temperature { celsius: value };
        prop_assert_eq!(tell(&readings, &[0; 30], body), tell(&readings, &delays, body));
    }

    /// Off and on in turn, arriving in any order before the half hour is over.
    #[test]
    fn taking_off(gaps in prop::collection::vec(1..200i64, 1..7), order in Just((0..7usize).collect::<Vec<_>>()).prop_shuffle()) {
        let mut second = 0;
        let reports: Vec<(i64, bool)> = gaps.iter().enumerate().map(|(i, gap)| { second += gap; (second, i % 2 == 1) }).collect();
        let told = |order: &mut dyn Iterator<Item = usize>| {
            let mut world = World::new();
            for place in order {
                if let Some((measured, on)) = reports.get(place) {
                    world.report("bracelet", ReportBody::Wear { on: *on }, *measured, 1500);
                }
            }
            world.pass(20_000);
            alarms(&world)
        };
        prop_assert_eq!(told(&mut (0..7)), told(&mut order.into_iter()));
    }

    /// The same reports give the same bytes, whether or not the state was written down and read back on the way.
    #[test]
    fn explanations_are_regenerated_to_the_byte(steps in prop::collection::vec((1..900i64, 0..14usize), 1..60), cut in 0..60usize) {
        const SAID: [&str; 14] = [
            "pulse 135", "pulse 125", "pulse 80", "oxygen 90", "oxygen 97", "warm 39.4", "warm 36.6", "pressure 185/95",
            "pressure 130/80 irregular", "battery 12", "battery 80", "off", "fall 0.7", "walk 3000",
        ];
        let told = |cut: Option<usize>| {
            let (mut world, mut second) = (World { tells_absence: true, ..World::new() }, 0);
            for (i, (gap, said)) in steps.iter().enumerate() {
                second += gap;
                world.step(&format!("{second}s {}", SAID[*said]));
                if Some(i) == cut {
                    world.state = reread(&world.state);
                }
            }
            world.pass(second + 100_000);
            bytes(&world.findings)
        };
        prop_assert_eq!(told(None), told(Some(cut)));
    }
}

fn bytes(findings: &[Finding]) -> Vec<u8> {
    bincode::serde::encode_to_vec(findings, bincode::config::standard()).unwrap()
}

fn reread(state: &WearerState) -> WearerState {
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(state, config).unwrap();
    let (reread, _): (WearerState, usize) = bincode::serde::decode_from_slice(&bytes, config).unwrap();
    assert_eq!(&reread, state);
    reread
}
