//! Where the wearer is: fences by night, journeys, walking away. Stories begin at eight in the morning.

use expect_test::expect;
use model::Suspension;
use model::registry::{DailyWindow, SuspensionKind};

use crate::{World, at, check, run};

#[test]
fn out_by_day_is_a_fence_and_by_night_wandering() {
    check(
        "1h out; 2h home; 15h",
        expect![[r#"
        3600s Medium FenceExit of 3600s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
        7200s Low FenceExit over of 7200s by bracelet: 回到围栏“home”：界内 12 米。 Back within the fence "home": 12 m inside."#]],
    );
    check(
        "15h out; 16h home; 17h",
        expect![[r#"
            54000s High FenceExit of 54000s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
            54000s High Wandering of 54000s by bracelet: 夜间 23:00 仍在家庭围栏“home”外：离开时界外 85 米，已离开 0 秒。 Outside the home fence "home" at 23:00: 85 m outside when leaving, 0 s ago.
            57600s Low FenceExit over of 57600s by bracelet: 回到围栏“home”：界内 12 米。 Back within the fence "home": 12 m inside.
            57600s Low Wandering over of 57600s by bracelet: 已回到家附近。 Near home again."#]],
    );
}

#[test]
fn whoever_is_out_when_the_night_begins_is_found_then() {
    check(
        "10h out; 13h59m; 14h; 20h; 22h home",
        expect![[r#"
        36000s Medium FenceExit of 36000s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
        50400s High Wandering of 36000s by bracelet: 夜间 22:00 仍在家庭围栏“home”外：离开时界外 85 米，已离开 4 小时。 Outside the home fence "home" at 22:00: 85 m outside when leaving, 4 h ago.
        79200s Low FenceExit over of 79200s by bracelet: 回到围栏“home”：界内 12 米。 Back within the fence "home": 12 m inside.
        79200s Low Wandering over of 79200s by bracelet: 已回到家附近。 Near home again."#]],
    );
    check(
        "10h out; 12h home; 20h",
        expect![[r#"
        36000s Medium FenceExit of 36000s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
        43200s Low FenceExit over of 43200s by bracelet: 回到围栏“home”：界内 12 米。 Back within the fence "home": 12 m inside."#]],
    );
    // One night after the other.
    check(
        "10h out; 15h out; 30h; 40h",
        expect![[r#"
            36000s Medium FenceExit of 36000s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
            50400s High Wandering of 36000s by bracelet: 夜间 22:00 仍在家庭围栏“home”外：离开时界外 85 米，已离开 4 小时。 Outside the home fence "home" at 22:00: 85 m outside when leaving, 4 h ago.
            54000s High FenceExit of 54000s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
            54000s High Wandering of 54000s by bracelet: 夜间 23:00 仍在家庭围栏“home”外：离开时界外 85 米，已离开 0 秒。 Outside the home fence "home" at 23:00: 85 m outside when leaving, 0 s ago."#]],
    );
}

#[test]
fn a_night_of_ones_own_and_no_home() {
    let mut world = World::new();
    world.thresholds.wandering_night = Some(DailyWindow { from_minute: 20 * 60, to_minute: 6 * 60 });
    expect![[r#"
        36000s Medium FenceExit of 36000s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
        43200s High Wandering of 36000s by bracelet: 夜间 20:00 仍在家庭围栏“home”外：离开时界外 85 米，已离开 2 小时。 Outside the home fence "home" at 20:00: 85 m outside when leaving, 2 h ago."#]].assert_eq(&run(world, "10h out; 11h59m; 12h").told());
    let world = World { home: None, ..World::new() };
    expect![[r#"36000s Medium FenceExit of 36000s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2)."#]].assert_eq(&run(world, "10h out; 15h; 1d").told());
}

#[test]
fn a_journey_is_expected_until_it_ends() {
    let journey = |hours: i64| Some(Suspension { kind: SuspensionKind::Journey, until: at(hours * 3600) });
    let world = World { suspension: journey(30), ..World::new() };
    expect![[r#"
        108000s Medium FenceExit of 3600s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
        111600s Low FenceExit over of 111600s by bracelet: 回到围栏“home”：界内 12 米。 Back within the fence "home": 12 m inside."#]].assert_eq(&run(world, "1h out; 15h; 29h59m; 30h; 31h home").told());
    let world = World { suspension: journey(40), ..World::new() };
    expect![[r#"
        144000s High FenceExit of 3600s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
        144000s High Wandering of 3600s by bracelet: 夜间 00:00 仍在家庭围栏“home”外：离开时界外 85 米，已离开 39 小时。 Outside the home fence "home" at 00:00: 85 m outside when leaving, 39 h ago.
        147600s Low FenceExit over of 147600s by bracelet: 回到围栏“home”：界内 12 米。 Back within the fence "home": 12 m inside.
        147600s Low Wandering over of 147600s by bracelet: 已回到家附近。 Near home again."#]].assert_eq(&run(world, "1h out; 15h; 39h59m; 40h; 41h home").told());
    let world = World { suspension: journey(30), ..World::new() };
    expect![[""]].assert_eq(&run(world, "1h out; 2h home; 31h").told());
    // The rest goes on.
    let world = World { suspension: journey(30), ..World::new() };
    expect![[r#"
        3675s High HeartRateHigh of 3660s by bracelet: 心率过快：135 次/分，连续 2 次达到警戒线 131。 Heart rate 135/min, too fast: 2 readings in a row at the limit of 131 or beyond.
        3720s High Sos of 3720s by bracelet: 按下了求救键。 The SOS button was pressed."#]].assert_eq(&run(world, "1h pulse 135; 61m pulse 135; 62m sos").told());
}

/// A fix a minute from a place on, north of home, at so many metres a minute.
fn walk(from_m: i64, step_m: i64, minutes: i64) -> String {
    let fixes = (0..minutes).map(|minute| format!("{minute}m walk {}", from_m + minute * step_m));
    fixes.collect::<Vec<_>>().join("; ")
}

#[test]
fn walking_away_for_twenty_minutes_beyond_the_usual_radius() {
    check(
        &walk(1000, 60, 60),
        expect![
            "1740s Medium Wandering of 1740s by bracelet: 在常去范围（1500 米）外持续走远 20 分钟，离家 2732 米。 Walking away for 20 min beyond the usual radius of 1500 m, 2732 m from home."
        ],
    );
    check(
        &format!("{}; 61m walk 4400; 65m walk 1400", walk(1000, 60, 60)),
        expect![[r#"
        1740s Medium Wandering of 1740s by bracelet: 在常去范围（1500 米）外持续走远 20 分钟，离家 2732 米。 Walking away for 20 min beyond the usual radius of 1500 m, 2732 m from home.
        3900s Low Wandering over of 3900s by bracelet: 已回到家附近。 Near home again."#]],
    );
    // To the market and back, at the usual distance.
    check(&walk(0, 50, 25), expect![[""]]);
    // On a bus.
    check(&walk(1000, 400, 60), expect![[""]]);
    // A walk in the park over there: to and fro.
    let to_and_fro: Vec<_> = (0..60).map(|minute| format!("{minute}m walk {}", 2000 + (minute % 10) * 40)).collect();
    check(&to_and_fro.join("; "), expect![[""]]);
    // On the way home.
    check(&walk(6000, -60, 60), expect![[""]]);
    // Standing there.
    check(&walk(2000, 0, 60), expect![[""]]);
    let mut world = World::new();
    world.thresholds.wandering_radius_m = Some(300);
    world.thresholds.wandering_after_seconds = Some(600);
    expect!["960s Medium Wandering of 960s by bracelet: 在常去范围（300 米）外持续走远 10 分钟，离家 952 米。 Walking away for 10 min beyond the usual radius of 300 m, 952 m from home."].assert_eq(&run(world, &walk(0, 60, 25)).told());
}
