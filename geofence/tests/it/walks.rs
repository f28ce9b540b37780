//! The tracker: walks in one line, as metres east of home along a street. The fence is a circle of 300 m with a
//! margin of 30 m.

use expect_test::{Expect, expect};
use geofence::{CompiledFence, Tracker};
use model::{CrossingDirection, Fence, Located, Timestamp};
use proptest::prelude::*;

use crate::{away, between, circle, compile};

/// 2026-11-22T12:00:00+08:00
const NOON_MILLIS: i64 = 1_795_320_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON_MILLIS + seconds * 1000)
}

fn located(metres: f64, accuracy_m: f32) -> Located {
    Located { position: away(metres, 0.0), accuracy_m }
}

struct Walk {
    fence: CompiledFence,
    tracker: Tracker,
}

impl Walk {
    fn new(fence: &Fence) -> Walk {
        Walk { fence: compile(fence).unwrap(), tracker: Tracker::default() }
    }

    /// One step, `12:34:56 400m ±8 late 60s`: measured then, there, known so well, received so much later. What came
    /// of it.
    fn step(&mut self, step: &str) -> Option<String> {
        let mut words = step.split_whitespace();
        let measured = Timestamp::parse(&format!("2026-11-22T{}+08:00", words.next()?)).unwrap();
        let metres: f64 = words.next()?.strip_suffix('m')?.parse().unwrap();
        let (mut accuracy_m, mut late_seconds) = (8.0, 0);
        while let Some(word) = words.next() {
            match word {
                "late" => late_seconds = words.next()?.strip_suffix('s')?.parse().unwrap(),
                accuracy => accuracy_m = accuracy.strip_prefix('±')?.parse().unwrap(),
            }
        }
        let now = measured.plus_seconds(late_seconds);
        let crossing = self.tracker.handle(&self.fence, &located(metres, accuracy_m), measured, now)?;
        let word = match crossing.direction {
            CrossingDirection::Exit => "out",
            CrossingDirection::Return => "back",
        };
        Some(format!("{word} at {} ({:.0} m, {} fixes)", &step[..8], crossing.distance_m, crossing.fixes))
    }
}

fn check_with(fence: &Fence, walk: &str, expected: Expect) {
    let mut walker = Walk::new(fence);
    let said: Vec<String> = walk.split(';').filter_map(|step| walker.step(step.trim())).collect();
    expected.assert_eq(&said.join("; "));
}

fn check(walk: &str, expected: Expect) {
    check_with(&circle(300.0), walk, expected);
}

#[test]
fn out_and_back() {
    check(
        "12:00:00 0m; 12:01:00 200m; 12:02:00 350m; 12:03:00 420m; 12:04:00 500m; 12:09:00 310m; 12:10:00 290m",
        expect!["out at 12:03:00 (120 m, 2 fixes); back at 12:10:00 (-10 m, 1 fixes)"],
    );
}

#[test]
fn the_first_fix_only_seeds() {
    check(
        "12:00:00 900m; 12:01:00 950m; 12:02:00 900m; 12:10:00 100m; 12:20:00 400m; 12:21:00 400m",
        expect!["out at 12:21:00 (100 m, 2 fixes)"],
    );
    check("12:00:00 345m ±50; 12:01:00 900m; 12:02:00 900m", expect![[""]]);
}

#[test]
fn the_margin_and_the_accuracy_must_both_be_exceeded() {
    check("12:00:00 0m; 12:01:00 329m; 12:02:00 329m; 12:03:00 329m; 12:08:00 329m", expect![[""]]);
    check("12:00:00 0m; 12:01:00 345m ±50; 12:02:00 345m ±50; 12:09:00 345m ±50", expect![[""]]);
    check("12:00:00 0m; 12:01:00 345m ±20; 12:02:00 345m ±20", expect!["out at 12:02:00 (45 m, 2 fixes)"]);
}

#[test]
fn one_fix_outside_is_not_enough_unless_it_lasts() {
    check("12:00:00 0m; 12:01:00 400m; 12:02:00 200m; 12:03:00 400m; 12:04:00 200m", expect![[""]]);
    check("12:00:00 0m; 12:01:00 400m; 12:02:00 320m; 12:03:00 400m; 12:04:00 320m", expect![[""]]);
    check(
        "12:00:00 0m; 12:01:00 360m; 12:01:30 345m ±50; 12:02:00 345m ±50",
        expect!["out at 12:02:00 (45 m, 1 fixes)"],
    );
    check("12:00:00 0m; 12:01:00 360m; 12:30:00 0m", expect![[""]]);
}

#[test]
fn a_jump_that_no_vehicle_makes_discredits_one_fix() {
    check("12:00:00 0m; 12:00:10 9000m; 12:00:20 50m; 12:00:30 9000m; 12:00:40 50m", expect![[""]]);
    // On the bus they agree with each other, and are believed.
    check("12:00:00 0m; 12:00:10 9000m; 12:00:20 9100m; 12:00:30 9200m", expect!["out at 12:00:20 (8800 m, 2 fixes)"]);
    check("12:00:00 0m; 12:00:10 9000m; 12:00:20 -9000m; 12:00:30 9000m; 12:00:40 10m", expect![[""]]);
    check(
        "12:00:00 0m; 12:01:00 500m; 12:02:00 500m; 12:02:05 9000m; 12:02:10 9000m; 12:10:00 0m",
        expect!["out at 12:02:00 (200 m, 2 fixes); back at 12:10:00 (-300 m, 1 fixes)"],
    );
}

#[test]
fn a_fix_from_a_mast_says_nothing_about_a_small_fence() {
    check(
        "12:00:00 0m; 12:01:00 500m; 12:02:00 510m; 12:03:00 100m ±1500; 12:04:00 520m",
        expect!["out at 12:02:00 (210 m, 2 fixes)"],
    );
    check("12:00:00 0m; 12:01:00 900m ±1500; 12:02:00 900m ±1500; 12:05:00 900m ±1500", expect![[""]]);
}

#[test]
fn backfill_never_moves_the_fence() {
    check("12:10:00 0m; 12:05:00 500m late 300s; 12:06:00 500m late 240s; 12:11:00 0m", expect![[""]]);
    // Out of coverage, out of the fence and home again: old reports come in order, hours late.
    check("12:00:00 0m; 12:30:00 500m late 5400s; 12:31:00 500m late 5340s; 13:59:59 0m late 1s", expect![[""]]);
    // A clock that is hours behind is not backfill.
    check(
        "08:00:00 0m late 14400s; 08:01:00 500m late 14400s; 08:02:00 500m late 14401s",
        expect!["out at 08:02:00 (200 m, 2 fixes)"],
    );
}

#[test]
fn a_fence_that_does_not_hold_is_silent_and_looks_when_it_holds_again() {
    let from_two = Fence { active: between(14 * 60, 16 * 60), ..circle(300.0) };
    check_with(
        &from_two,
        "12:00:00 0m; 12:01:00 500m; 12:02:00 500m; 13:59:00 500m; 14:00:00 500m; 14:01:00 500m",
        expect!["out at 14:00:00 (200 m, 1 fixes)"],
    );
    check_with(&from_two, "12:00:00 500m; 14:00:00 500m", expect!["out at 14:00:00 (200 m, 1 fixes)"]);
    check_with(
        &from_two,
        "14:00:00 0m; 14:01:00 500m; 14:02:00 500m; 16:30:00 500m; 16:40:00 0m",
        expect!["out at 14:02:00 (200 m, 2 fixes); back at 16:40:00 (-300 m, 1 fixes)"],
    );
    check_with(&from_two, "14:00:00 0m; 16:01:00 500m; 16:02:00 500m; 16:30:00 0m", expect![[""]]);
    let noon_break = Fence { active: between(13 * 60, 12 * 60), ..circle(300.0) };
    check_with(
        &noon_break,
        "11:00:00 0m; 11:01:00 500m; 11:02:00 500m; 12:30:00 500m; 13:00:00 500m; 13:30:00 0m",
        expect![
            "out at 11:02:00 (200 m, 2 fixes); out at 13:00:00 (200 m, 1 fixes); back at 13:30:00 (-300 m, 1 fixes)"
        ],
    );
}

#[test]
fn a_fix_from_the_future_does_not_stop_the_fence() {
    let mut walk = Walk::new(&circle(300.0));
    assert_eq!(walk.tracker.handle(&walk.fence, &located(0.0, 8.0), at(86_400), at(0)), None);
    assert_eq!(walk.tracker.handle(&walk.fence, &located(500.0, 8.0), at(60), at(60)), None);
    assert!(walk.tracker.handle(&walk.fence, &located(500.0, 8.0), at(120), at(120)).is_some());
}

#[test]
fn it_is_small() {
    assert!(size_of::<Tracker>() <= 48, "{}", size_of::<Tracker>());
}

proptest! {
    #[test]
    fn out_and_back_take_turns(fixes in prop::collection::vec((1..600i64, -1500.0..1500.0f64, 1.0..2000.0f32), 1..60)) {
        let mut walk = Walk::new(&circle(300.0));
        let (mut time, mut is_out) = (0, false);
        for (seconds, metres, accuracy_m) in fixes {
            time += seconds;
            if let Some(crossing) = walk.tracker.handle(&walk.fence, &located(metres, accuracy_m), at(time), at(time)) {
                prop_assert_eq!(crossing.direction == CrossingDirection::Exit, !is_out);
                is_out = !is_out;
                match crossing.direction {
                    CrossingDirection::Exit => prop_assert!(crossing.distance_m > crossing.margin_m),
                    CrossingDirection::Return => prop_assert!(crossing.distance_m < 0.0),
                }
            }
        }
    }

    /// A walk that is split at any point, the tracker written down and read back, goes on as if it had not been.
    #[test]
    fn a_checkpoint_is_as_good_as_going_on(
        fixes in prop::collection::vec((1..600i64, -1500.0..1500.0f64, 1.0..300.0f32), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(fixes.len());
        let crossings = |is_split: bool| {
            let (mut walk, mut time) = (Walk::new(&circle(300.0)), 0);
            let mut found = Vec::new();
            for (i, (seconds, metres, accuracy_m)) in fixes.iter().enumerate() {
                if is_split && i == cut {
                    let config = bincode::config::standard();
                    let bytes = bincode::serde::encode_to_vec(walk.tracker, config).unwrap();
                    walk.tracker = bincode::serde::decode_from_slice(&bytes, config).unwrap().0;
                }
                time += seconds;
                found.extend(walk.tracker.handle(&walk.fence, &located(*metres, *accuracy_m), at(time), at(time)));
            }
            found
        };
        prop_assert_eq!(crossings(true), crossings(false));
    }

    #[test]
    fn late_and_repeated_fixes_change_nothing(
        fixes in prop::collection::vec((1..600i64, -600.0..600.0f64), 2..40),
        again in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..40),
    ) {
        let mut time = 0;
        let fixes: Vec<(i64, f64)> = fixes.into_iter().map(|(seconds, metres)| { time += seconds; (time, metres) }).collect();
        let crossings = |resent: &[(prop::sample::Index, prop::sample::Index)]| {
            let mut walk = Walk::new(&circle(300.0));
            let mut found = Vec::new();
            for (i, (time, metres)) in fixes.iter().enumerate() {
                found.extend(walk.tracker.handle(&walk.fence, &located(*metres, 8.0), at(*time), at(*time)));
                for (when, what) in resent {
                    let what = what.index(fixes.len());
                    if when.index(fixes.len()) == i && what <= i {
                        let (old, metres) = fixes[what];
                        found.extend(walk.tracker.handle(&walk.fence, &located(metres, 8.0), at(old), at(*time)));
                    }
                }
            }
            found
        };
        prop_assert_eq!(crossings(&again), crossings(&[]));
    }
}
