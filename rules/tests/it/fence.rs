//! Out of the fence, and back.

use expect_test::expect;

use crate::{Crossing, CrossingDirection, FenceId, Located, Observation, Position, World, at};

#[test]
fn out_and_back() {
    let mut world = World::new();
    for (direction, distance_m, measured, now) in [
        (CrossingDirection::Exit, 84.6, 10, 11),
        (CrossingDirection::Return, -12.3, 300, 301),
        (CrossingDirection::Exit, 84.6, 400, 1000),
        (CrossingDirection::Enter, -6.2, 1010, 1010),
        (CrossingDirection::Enter, 35.0, 1020, 1020),
        (CrossingDirection::Leave, 60.4, 1030, 1030),
    ] {
        let located = Located { position: Position { lat: 31.82, lon: 117.23 }, accuracy_m: 8.0 };
        let fence = FenceId::new("home");
        let measured_at = at(measured);
        let crossing =
            Crossing { fence, direction, distance_m, margin_m: 30.0, fixes: 2, located, measured: measured_at };
        world.observe("bracelet", Observation::Crossing(&crossing), measured, now);
    }
    expect![[r#"
        11s Medium FenceExit of 10s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
        301s Low FenceExit over of 300s by bracelet: 回到围栏“home”：界内 12 米。 Back within the fence "home": 12 m inside.
        1000s Medium FenceExit late of 400s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。报告晚到了 10 分钟。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2). The report came 10 min late.
        1010s Medium FenceExit of 1010s by bracelet: 进入禁入区“home”：界内 6 米（定位精度 8 米，依据 2 次定位）。 Went into the area to be kept out of "home", by 6 m (accuracy 8 m, fixes: 2).
        1020s Medium FenceExit of 1020s by bracelet: 进入禁入区“home”：已穿过，界外 35 米（定位精度 8 米，依据 2 次定位）。 Went into the area to be kept out of "home", and out again, by 35 m (accuracy 8 m, fixes: 2).
        1030s Low FenceExit over of 1030s by bracelet: 离开禁入区“home”：界外 60 米。 Out of the area to be kept out of "home" again: 60 m away."#]].assert_eq(&world.told());
    assert_eq!(world.findings[0].position, Some(Position { lat: 31.82, lon: 117.23 }));
    let readings: Vec<_> = world.findings[0].explain.readings.iter().map(|r| (r.name.as_str(), r.value)).collect();
    assert_eq!(readings, [("distance", 84.6), ("margin", 30.0), ("accuracy", 8.0), ("fixes", 2.0)]);
}
