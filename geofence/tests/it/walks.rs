//! The tracker: walks in one line, as metres east of home along a street. The fence is a circle of 300 m with a
//! margin of 30 m.

use std::sync::Arc;

use expect_test::{Expect, expect};
use geofence::{CompiledFence, Ground, Standing, Watch, Zones};
use model::{Crossing, CrossingDirection, Fence, FenceKind, Located, OrgPath, Shape, Timestamp};
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

/// One wearer, one fence, nothing shared.
struct Walk {
    fences: [Arc<CompiledFence>; 1],
    zones: Zones,
    org: OrgPath,
    watch: Watch,
}

impl Walk {
    fn new(fence: &Fence) -> Walk {
        let fences = [Arc::new(compile(fence).unwrap())];
        Walk { fences, zones: Zones::default(), org: OrgPath::new("/a/"), watch: Watch::default() }
    }

    fn ground(&self) -> Ground<'_> {
        Ground { fences: &self.fences, zones: &self.zones, org: &self.org }
    }

    /// A fix, as the engine takes it: what is due by then fires first.
    fn handle(&mut self, located: Located, measured: Timestamp, now: Timestamp) -> Vec<Crossing> {
        let mut crossings = self.advance(now);
        let mut watch = std::mem::take(&mut self.watch);
        watch.handle(&self.ground(), &located, measured, now, &mut crossings);
        self.watch = watch;
        crossings
    }

    fn advance(&mut self, now: Timestamp) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        let mut watch = std::mem::take(&mut self.watch);
        while let Some(due) = watch.next_due().filter(|due| *due <= now) {
            watch.advance(&self.ground(), due, &mut crossings);
            assert!(watch.next_due().is_none_or(|next| next > due), "a timer moves on");
        }
        self.watch = watch;
        crossings
    }

    /// One step, `12:34:56 400m ±8 late 60s`: measured then, there, known so well, received so much later. What came
    /// of it. `12:34:56 silence`: nothing is heard until then.
    fn step(&mut self, step: &str) -> Vec<String> {
        let mut words = step.split_whitespace();
        let measured = Timestamp::parse(&format!("2026-11-22T{}+08:00", words.next().unwrap())).unwrap();
        let word = words.next().unwrap();
        if word == "silence" {
            return self.advance(measured).iter().map(tell).collect();
        }
        let metres: f64 = word.strip_suffix('m').unwrap().parse().unwrap();
        let (mut accuracy_m, mut late_seconds) = (8.0, 0);
        while let Some(word) = words.next() {
            match word {
                "late" => late_seconds = words.next().unwrap().strip_suffix('s').unwrap().parse().unwrap(),
                accuracy => accuracy_m = accuracy.strip_prefix('±').unwrap().parse().unwrap(),
            }
        }
        let now = measured.plus_seconds(late_seconds);
        self.handle(located(metres, accuracy_m), measured, now).iter().map(tell).collect()
    }
}

fn tell(crossing: &Crossing) -> String {
    let word = match crossing.direction {
        CrossingDirection::Exit => "out",
        CrossingDirection::Return => "back",
        CrossingDirection::Enter => "into",
        CrossingDirection::Leave => "away",
    };
    let at = crossing.measured.plus_seconds(8 * 3600).to_string();
    format!("{word} at {} ({:.0} m, {} fixes)", &at[11..19], crossing.distance_m, crossing.fixes)
}

fn check_with(fence: &Fence, walk: &str, expected: Expect) {
    let mut walker = Walk::new(fence);
    let said: Vec<String> = walk.split(';').flat_map(|step| walker.step(step.trim())).collect();
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
    check("12:00:00 0m; 12:01:00 400m; 12:02:00 200m; 12:03:00 400m; 12:04:00 200m", expect![""]);
    check("12:00:00 0m; 12:01:00 400m; 12:02:00 320m; 12:03:00 400m; 12:04:00 320m", expect![""]);
    check(
        "12:00:00 0m; 12:01:00 360m; 12:01:30 345m ±50; 12:02:00 345m ±50",
        expect!["out at 12:02:00 (45 m, 1 fixes)"],
    );
    check(
        "12:00:00 0m; 12:01:00 360m; 12:30:00 0m",
        expect!["out at 12:01:00 (60 m, 1 fixes); back at 12:30:00 (-300 m, 1 fixes)"],
    );
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
        expect!["out at 13:59:00 (200 m, 1 fixes)"],
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
            "out at 11:02:00 (200 m, 2 fixes); out at 12:30:00 (200 m, 1 fixes); back at 13:30:00 (-300 m, 1 fixes)"
        ],
    );
}

#[test]
fn a_fix_from_the_future_does_not_stop_the_fence() {
    let mut walk = Walk::new(&circle(300.0));
    assert_eq!(walk.handle(located(0.0, 8.0), at(86_400), at(0)), []);
    assert_eq!(walk.handle(located(500.0, 8.0), at(60), at(60)), []);
    assert_eq!(walk.handle(located(500.0, 8.0), at(120), at(120)).len(), 1);
}

#[test]
fn a_minute_outside_is_enough_even_if_nothing_else_is_heard() {
    check("12:00:00 0m; 12:04:50 310m; 12:05:00 350m; 12:05:59 silence", expect![[""]]);
    check("12:00:00 0m; 12:04:50 310m; 12:05:00 350m; 12:06:00 silence", expect!["out at 12:05:00 (50 m, 1 fixes)"]);
    // Who reports every five minutes is not silent after one.
    check("12:00:00 0m; 12:05:00 400m; 12:10:29 0m; 12:40:00 silence", expect![[""]]);
    // A clock that runs behind by an hour has its minute, too.
    check("12:00:00 0m late 3600s; 12:05:00 400m late 3600s; 13:10:29 silence", expect![[""]]);
    check(
        "12:00:00 0m late 3600s; 12:05:00 400m late 3600s; 13:10:30 silence",
        expect!["out at 12:05:00 (100 m, 1 fixes)"],
    );
    // Not surely outside: silence adds nothing to it.
    check("12:00:00 0m; 12:05:00 345m ±50; 13:00:00 silence", expect![[""]]);
    // Nobody walks 3 km in 100 s: it may have been a jump, so time alone does not confirm it.
    check(
        "12:00:00 0m; 12:01:40 3000m; 13:00:00 silence; 13:00:30 3010m",
        expect!["out at 13:00:30 (2710 m, 2 fixes)"],
    );
}

#[test]
fn a_return_that_is_not_sure_takes_two_fixes() {
    let out = "12:00:00 0m; 12:01:00 400m; 12:02:00 400m";
    check(
        &format!("{out}; 12:03:00 280m ±50; 12:04:00 280m ±50"),
        expect!["out at 12:02:00 (100 m, 2 fixes); back at 12:04:00 (-20 m, 2 fixes)"],
    );
    check(
        &format!("{out}; 12:03:00 280m ±50; 12:04:00 310m ±50; 12:05:00 280m ±50; 12:06:00 320m"),
        expect!["out at 12:02:00 (100 m, 2 fixes)"],
    );
}

#[test]
fn a_schedule_that_opens_looks_at_what_stands() {
    let from_two = Fence { active: between(14 * 60, 16 * 60), ..circle(300.0) };
    check_with(
        &from_two,
        "12:00:00 0m; 13:00:00 500m; 13:30:00 500m; 14:00:00 silence; 14:30:00 520m; 15:00:00 0m",
        expect!["out at 13:30:00 (200 m, 1 fixes); back at 15:00:00 (-300 m, 1 fixes)"],
    );
    // First heard of outside, before it held.
    check_with(&from_two, "13:30:00 500m; 15:00:00 silence", expect!["out at 13:30:00 (200 m, 1 fixes)"]);
    // What was heard two hours ago does not say where somebody stands.
    check_with(
        &from_two,
        "11:30:00 500m; 15:00:00 silence; 15:01:00 510m",
        expect!["out at 15:01:00 (210 m, 1 fixes)"],
    );
    check_with(&from_two, "12:00:00 0m; 15:00:00 silence", expect![[""]]);
}

#[test]
fn an_area_to_be_kept_out_of() {
    // A river 20 m wide, 300 m to the east.
    let (south, north) = (away(300.0, -500.0), away(300.0, 500.0));
    let line = vec![[south.lon, south.lat], [north.lon, north.lat]];
    let shape = Shape::Corridor { line, width_m: 20.0 };
    let river = Fence { kind: FenceKind::Exclusion, shape, ..circle(1.0) };
    check_with(&river, "12:00:00 0m; 12:01:00 280m; 12:02:00 285m; 12:03:00 280m; 12:10:00 0m", expect![[""]]);
    check_with(
        &river,
        "12:00:00 0m; 12:05:00 295m; 12:05:30 302m; 12:06:00 280m; 12:07:00 200m",
        expect!["into at 12:05:30 (-8 m, 2 fixes); away at 12:07:00 (90 m, 1 fixes)"],
    );
    check_with(
        &river,
        "12:00:00 0m; 12:05:00 295m; 12:11:00 silence; 12:12:00 200m",
        expect!["into at 12:05:00 (-5 m, 1 fixes); away at 12:12:00 (90 m, 1 fixes)"],
    );
    check_with(&river, "12:00:00 0m; 12:05:00 295m; 12:05:30 280m; 12:08:00 silence", expect![[""]]);
    // From one bank to the other: nothing but the river is between.
    check_with(
        &river,
        "12:00:00 0m; 12:05:00 250m; 12:06:00 345m; 12:07:00 400m",
        expect!["into at 12:06:00 (35 m, 2 fixes); away at 12:07:00 (90 m, 1 fixes)"],
    );
    // Not sure of the bank, or too long ago for a straight line to say anything.
    check_with(&river, "12:00:00 0m; 12:05:00 250m; 12:06:00 330m ±25; 12:07:00 400m", expect![[""]]);
    check_with(&river, "12:00:00 0m; 12:05:00 250m; 12:20:00 400m", expect![[""]]);
    // A jump across and back is none.
    check_with(&river, "12:00:00 250m; 12:00:01 2500m; 12:00:02 250m; 12:00:03 251m", expect![[""]]);
    // Who lives on a boat is not told of, unless they come back to it.
    check_with(
        &river,
        "12:00:00 300m; 12:05:00 301m; 12:06:00 299m; 12:20:00 200m; 12:30:00 300m; 12:31:00 300m",
        expect!["into at 12:31:00 (-10 m, 2 fixes)"],
    );
}

#[test]
fn a_corridor_is_stayed_in_as_any_fence() {
    let (home, clinic) = (away(0.0, 0.0), away(2000.0, 0.0));
    let line = vec![[home.lon, home.lat], [clinic.lon, clinic.lat]];
    let way = fence_of(Shape::Corridor { line, width_m: 60.0 });
    check_with(
        &way,
        "12:00:00 0m; 12:05:00 500m; 12:15:00 1900m; 12:18:00 2040m; 12:19:00 2100m; 12:20:00 2110m",
        expect!["out at 12:20:00 (80 m, 2 fixes)"],
    );
}

fn fence_of(shape: Shape) -> Fence {
    Fence { shape, ..circle(1.0) }
}

#[test]
fn where_somebody_stands_can_be_asked() {
    let mut walk = Walk::new(&circle(300.0));
    assert_eq!(walk.watch.standing(0), Standing::Unknown);
    for (second, metres, standing) in
        [(0, 0.0, Standing::Inside), (60, 400.0, Standing::Inside), (90, 400.0, Standing::Outside)]
    {
        walk.handle(located(metres, 8.0), at(second), at(second));
        assert_eq!(walk.watch.standing(0), standing, "{second}");
    }
    assert_eq!(walk.watch.standing(1), Standing::Unknown);
}

/// DESIGN §7: at most 256 bytes of hot state a wearer beside their fences' own.
#[test]
fn it_is_small() {
    assert!(size_of::<Watch>() <= 128, "{}", size_of::<Watch>());
}

#[test]
fn an_edited_fence_begins_anew_and_the_others_go_on() {
    let mut walk = Walk::new(&circle(300.0));
    walk.handle(located(0.0, 8.0), at(0), at(0));
    walk.handle(located(400.0, 8.0), at(60), at(60));
    let mut moved = walk.watch.clone();
    moved.arrange([None]);
    assert_eq!(moved.standing(0), Standing::Unknown);
    walk.watch.arrange([Some(0)]);
    assert_eq!(walk.handle(located(400.0, 8.0), at(90), at(90)).len(), 1);
}

proptest! {
    #[test]
    fn out_and_back_take_turns(fixes in prop::collection::vec((1..600i64, -1500.0..1500.0f64, 1.0..2000.0f32), 1..60)) {
        let mut walk = Walk::new(&circle(300.0));
        let (mut time, mut is_out) = (0, false);
        for (seconds, metres, accuracy_m) in fixes {
            time += seconds;
            for crossing in walk.handle(located(metres, accuracy_m), at(time), at(time)) {
                prop_assert_eq!(crossing.direction == CrossingDirection::Exit, !is_out);
                is_out = !is_out;
                match crossing.direction {
                    CrossingDirection::Exit => prop_assert!(crossing.distance_m > crossing.margin_m),
                    _ => prop_assert!(crossing.distance_m < 0.0),
                }
            }
        }
    }

    /// A walk that is split at any point, the watch written down and read back, goes on as if it had not been.
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
                    let bytes = bincode::serde::encode_to_vec(&walk.watch, config).unwrap();
                    walk.watch = bincode::serde::decode_from_slice(&bytes, config).unwrap().0;
                }
                time += seconds;
                found.extend(walk.handle(located(*metres, *accuracy_m), at(time), at(time)));
            }
            found
        };
        prop_assert_eq!(crossings(true), crossings(false));
    }

    /// What is not looked at changes nothing: a watch that looks at every fix finds the same.
    #[test]
    fn what_is_skipped_changes_nothing(
        paces in prop::collection::vec((1..200i64, -300.0..300.0f64, 1.0..400.0f32), 1..120),
        radius_m in 50.0..2000.0f64, is_exclusion in any::<bool>(), hours in prop::option::of((0..1440u16, 0..1440u16)),
    ) {
        let kind = if is_exclusion { FenceKind::Exclusion } else { FenceKind::Inclusion };
        let active = hours.and_then(|(from, to)| between(from, to));
        let fence = Fence { kind, active, ..circle(radius_m) };
        let (mut lazy, mut eager) = (Walk::new(&fence), Walk::new(&fence));
        let (mut time, mut metres) = (0, 0.0);
        for (seconds, pace, accuracy_m) in paces {
            (time, metres) = (time + seconds, metres + pace);
            eager.watch.look_again();
            let found = eager.handle(located(metres, accuracy_m), at(time), at(time));
            prop_assert_eq!(lazy.handle(located(metres, accuracy_m), at(time), at(time)), found);
        }
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
                found.extend(walk.handle(located(*metres, 8.0), at(*time), at(*time)));
                for (when, what) in resent {
                    let what = what.index(fixes.len());
                    if when.index(fixes.len()) == i && what <= i {
                        let (old, metres) = fixes[what];
                        found.extend(walk.handle(located(metres, 8.0), at(old), at(*time)));
                    }
                }
            }
            found
        };
        prop_assert_eq!(crossings(&again), crossings(&[]));
    }
}
