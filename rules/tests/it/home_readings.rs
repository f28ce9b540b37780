//! A hundred days of blood pressure at home, as somebody has it who is well looked after: nothing of it is high.

use model::{IncidentKind, Priority, ReportBody};
use rules::ORDER_SECONDS;

use crate::World;

/// Takes a table of `(seconds, systolic, diastolic, pulse)` and says what came of it.
fn run(readings: &[(i64, u16, u16, u16)]) -> World {
    let mut world = World::new();
    for (second, systolic, diastolic, pulse) in readings {
        let (systolic, diastolic, pulse) = (*systolic, *diastolic, Some(*pulse));
        let body = ReportBody::BloodPressure { systolic, diastolic, pulse, flags: 0 };
        world.report("cuff", body, *second, *second);
    }
    world.pass(readings.last().map_or(0, |reading| reading.0) + 3600 + i64::from(ORDER_SECONDS));
    world
}

fn assert_only_notices(world: &World) {
    for finding in &world.findings {
        assert_eq!((finding.kind, finding.priority), (IncidentKind::BloodPressureWatch, Priority::Low), "{finding:?}");
    }
}

/// Twice a day, every third time with a repeat after two minutes, between 112/66 and 158/94.
#[test]
fn a_hundred_days_raise_nothing_high() {
    let mut readings = Vec::new();
    for day in 0..100_i64 {
        for (hour, up) in [(7, 9), (20, 0)] {
            let at = day * 86_400 + hour * 3600;
            let (wave, other) = ((day * 37 + hour * 11) % 38, (day * 17 + hour * 5) % 28);
            let reading = |late: i64, less: i64| {
                let (systolic, diastolic) = (112 + wave + up - less, 66 + other - less / 2);
                (at + late, systolic as u16, diastolic as u16, (58 + (wave + other) % 25) as u16)
            };
            readings.push(reading(0, 0));
            if day % 3 == 0 {
                readings.push(reading(120, 6));
            }
        }
    }
    let world = run(&readings);
    assert_only_notices(&world);
    // Once a week at the most, and not never: this is somewhat high.
    assert!((10..=15).contains(&world.findings.len()), "{}", world.findings.len());
}

/// The real readings that lie beside the repository; elsewhere there is nothing to do, but CI must not pass for that.
#[test]
fn real_readings_raise_nothing_high() {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/bp-home.csv");
    let Ok(table) = std::fs::read_to_string(&beside) else {
        assert!(std::env::var_os("CI").is_none(), "{} is not there", beside.display());
        return;
    };
    let mut readings: Vec<_> = table
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<i64> = line.split(',').map(|field| field.trim().parse().unwrap()).collect();
            (fields[0], fields[1] as u16, fields[2] as u16, fields[3] as u16)
        })
        .collect();
    readings.sort_unstable();
    let first = readings[0].0;
    readings.iter_mut().for_each(|reading| reading.0 -= first);
    let world = run(&readings);
    assert!(readings.len() > 200);
    assert_only_notices(&world);
}
