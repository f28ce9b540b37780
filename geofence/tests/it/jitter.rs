//! A walk with what real ones have: GNSS noise, pauses, and jumps that no vehicle makes. As in Geolife's traces, of
//! which a few were looked at by hand (`cargo bench -p benches --bench fences -- --walk FILE.plt`).

use std::sync::Arc;

use geofence::{Ground, Watch, Zones};
use model::{Crossing, Located, OrgPath, Timestamp};
use proptest::prelude::*;

use crate::{away, circle, compile};

/// Jumps of the trace in shared data go up to 1 066 m/s; faster than a train is more than 100.
const JUMP_METRES: std::ops::Range<f64> = 400.0..1100.0;

fn crossings(fixes: &[(i64, f64, f64)]) -> Vec<Crossing> {
    let fences = [Arc::new(compile(&circle(300.0)).unwrap())];
    let (zones, org) = (Zones::default(), OrgPath::new("/a/"));
    let ground = Ground { fences: &fences, zones: &zones, org: &org };
    let (mut watch, mut found) = (Watch::default(), Vec::new());
    for (second, east, north) in fixes {
        let at = Timestamp::from_millis(1_795_320_000_000 + second * 1000);
        while let Some(due) = watch.next_due().filter(|due| *due <= at) {
            watch.advance(&ground, due, &mut found);
        }
        let located = Located { position: away(*east, *north), accuracy_m: 8.0 };
        watch.handle(&ground, &located, at, at, &mut found);
    }
    found
}

proptest! {
    /// A stroll within 150 m of home, a fix a second, with jumps of one fix: nobody is told anything.
    #[test]
    fn jumps_raise_nothing(
        noise in prop::collection::vec((-4.0..4.0f64, -4.0..4.0f64), 300),
        jumps in prop::collection::btree_map(1..299usize, (JUMP_METRES, 0.0..std::f64::consts::TAU), 0..25),
    ) {
        let mut last_jump = None;
        let fixes: Vec<(i64, f64, f64)> = noise.iter().enumerate().map(|(second, (east, north))| {
            let angle = second as f64 / 60.0;
            let (mut east, mut north) = (150.0 * angle.sin() + east, 150.0 * (1.0 - angle.cos()) / 2.0 + north);
            // Two that follow each other might agree, and would then rightly be believed.
            if let Some((metres, angle)) = jumps.get(&second).filter(|_| last_jump != Some(second.saturating_sub(1))) {
                (east, north) = (east + metres * angle.cos(), north + metres * angle.sin());
                last_jump = Some(second);
            }
            (second as i64, east, north)
        }).collect();
        prop_assert_eq!(crossings(&fixes), vec![]);
    }
}

/// alerting.md: at most one false exit per elder and month. At home a report a minute, 8 m of noise, and one in 500 that
/// lies 50 to 500 m off and says that it does not.
#[test]
fn at_most_one_false_exit_a_month() {
    const ELDERS: u64 = 4;
    const MONTH_MINUTES: i64 = 30 * 1440;
    let mut exits = 0;
    for seed in 0..ELDERS {
        // SplitMix64: the same walk on every machine.
        let mut state = seed;
        let mut between = move |low: f64, high: f64| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            low + (high - low) * ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        let fixes: Vec<(i64, f64, f64)> = (0..MONTH_MINUTES)
            .map(|minute| {
                let off = if between(0.0, 1.0) < 0.002 { between(50.0, 500.0) } else { between(0.0, 16.0) };
                let angle = between(0.0, std::f64::consts::TAU);
                (minute * 60, 200.0 + off * angle.cos(), off * angle.sin())
            })
            .collect();
        exits += crossings(&fixes).iter().filter(|crossing| crossing.distance_m > 0.0).count();
    }
    println!("seeds 0–3: {exits} false exits in {ELDERS} elder-months");
    assert!(exits <= ELDERS as usize, "{exits}");
}

#[test]
fn a_bus_is_believed() {
    // 15 m/s away from home: the wanderer on a bus is told of, within a minute of passing the margin.
    let fixes: Vec<(i64, f64, f64)> = (0..120).map(|second| (second, second as f64 * 15.0, 0.0)).collect();
    let found = crossings(&fixes);
    assert_eq!(found.len(), 1);
    assert!(found[0].distance_m < 100.0, "{}", found[0].distance_m);
}
