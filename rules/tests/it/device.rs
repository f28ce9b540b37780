//! The device itself: its battery, whether it is worn, whether it is heard.

use expect_test::expect;
use model::registry::{Shadow, SuspensionKind};
use model::{Position, Suspension};

use crate::{World, at, check, run};

fn absent() -> World {
    World { tells_absence: true, ..World::new() }
}

#[test]
fn a_battery_is_low_once() {
    check(
        "0s battery 16; 1h battery 15; 2h battery 14; 3h battery 20; 4h battery 10; 5h battery 31; 6h battery 15; 7h",
        expect![[r#"
            3615s Low BatteryLow of 3600s by bracelet: 设备电量剩余 15%，请尽快充电（警戒线 15%）。 The device's battery is at 15 %; charge it soon (limit 15 %).
            18015s Low BatteryLow over of 18000s by bracelet: 设备已充电至 31%。 The device is charged to 31 %.
            21615s Low BatteryLow of 21600s by bracelet: 设备电量剩余 15%，请尽快充电（警戒线 15%）。 The device's battery is at 15 %; charge it soon (limit 15 %)."#]],
    );
    check(
        "0s battery 15; 20h battery 10; 25h battery 5; 30h",
        expect![[r#"
        15s Low BatteryLow of 0s by bracelet: 设备电量剩余 15%，请尽快充电（警戒线 15%）。 The device's battery is at 15 %; charge it soon (limit 15 %).
        90015s Low BatteryLow of 90000s by bracelet: 设备电量剩余 5%，请尽快充电（警戒线 15%）。 The device's battery is at 5 %; charge it soon (limit 15 %)."#]],
    );
}

#[test]
fn each_device_has_a_battery_of_its_own() {
    check(
        "0s battery 10; 1h watch: battery 90; 2h cuff: battery 5; 3h battery 90; 4h",
        expect![[r#"
        15s Low BatteryLow of 0s by bracelet: 设备电量剩余 10%，请尽快充电（警戒线 15%）。 The device's battery is at 10 %; charge it soon (limit 15 %).
        10815s Low BatteryLow over of 10800s by bracelet: 设备已充电至 90%。 The device is charged to 90 %."#]],
    );
}

#[test]
fn three_heartbeats_without_a_word() {
    expect![[r#"
        1980s Low Silence of 600s by bracelet: 设备已 23 分钟没有任何消息（允许 23 分钟）。 Nothing was heard of the device for 23 min (23 min allowed).
        10800s Low Silence over of 10800s by bracelet: 设备失联 2 小时后恢复联系。 The device is heard again after 2 h.
        12180s Low Silence of 10800s by bracelet: 设备已 23 分钟没有任何消息（允许 23 分钟）。 Nothing was heard of the device for 23 min (23 min allowed)."#]].assert_eq(&run(absent(), "0s alive; 10m walk 0; 32m; 33m; 34m; 2h; 3h alive; 4h").told());
    // A cuff is taken up and put away, and an old report is a sign of life.
    expect![[""]].assert_eq(&run(absent(), "0s cuff: pressure 120/80; 5h").told());
    expect![[""]].assert_eq(&run(absent(), "1h alive; 10m→80m pulse 80; 100m").told());
}

#[test]
fn it_may_be_silent_while_it_is_charged_or_not_worn_or_where_it_has_no_signal() {
    expect!["12780s Low Silence of 600s by bracelet: 设备已 3 小时没有任何消息（允许 3 小时）。 Nothing was heard of the device for 3 h (3 h allowed)."].assert_eq(&run(absent(), "0s battery 40; 10m battery 60; 3h; 3h32m; 3h34m").told());
    expect!["2580s Low Silence of 1200s by bracelet: 设备已 23 分钟没有任何消息（允许 23 分钟）。 Nothing was heard of the device for 23 min (23 min allowed)."].assert_eq(&run(absent(), "0s battery 40; 10m battery 60; 20m battery 58; 44m").told());
    expect![[r#"
        1800s Low DeviceRemoved of 0s by bracelet: 设备已取下 30 分钟（允许 30 分钟），期间无法守护。 The device has been off for 30 min (30 min allowed): nothing is watched over meanwhile.
        12180s Low Silence of 0s by bracelet: 设备已 3 小时没有任何消息（允许 3 小时）。 Nothing was heard of the device for 3 h (3 h allowed)."#]].assert_eq(&run(absent(), "0s off; 25m; 4h").told());
    let mut world = absent();
    world.thresholds.silence_shadows = vec![Shadow { centre: Position { lat: 31.8001, lon: 117.2 }, radius_m: 50.0 }];
    expect!["8580s Low Silence of 0s by bracelet: 设备已 2 小时没有任何消息（允许 2 小时）。 Nothing was heard of the device for 2 h (2 h allowed)."].assert_eq(&run(world, "0s alive; 2h22m; 2h24m").told());
    let mut world = absent();
    world.thresholds.silence_heartbeat_seconds = Some(60);
    expect!["180s Low Silence of 0s by bracelet: 设备已 3 分钟没有任何消息（允许 3 分钟）。 Nothing was heard of the device for 3 min (3 min allowed)."].assert_eq(&run(world, "0s alive; 5m").told());
}

#[test]
fn what_nobody_listened_to_is_nobodys_silence() {
    let mut world = absent();
    world.step("0s alive");
    world.step("0s off");
    // The server was down from the first minute to the third hour.
    world.listening_since = at(3 * 3600);
    expect![[r#"
        12600s Low DeviceRemoved of 0s by bracelet: 设备已取下 3 小时（允许 30 分钟），期间无法守护。 The device has been off for 3 h (30 min allowed): nothing is watched over meanwhile.
        22980s Low Silence of 0s by bracelet: 设备已 6 小时没有任何消息（允许 3 小时）。 Nothing was heard of the device for 6 h (3 h allowed)."#]].assert_eq(&run(world, "3h22m; 3h24m; 3h31m; 7h").told());
}

#[test]
fn in_hospital_nobody_is_missed_until_it_ends() {
    let hospital = |hours: i64| Suspension { kind: SuspensionKind::Hospital, until: at(hours * 3600) };
    let world = World { suspension: Some(hospital(10)), ..absent() };
    expect![[r#"
        7260s High Fall of 7200s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked.
        10800s High Sos of 10800s by bracelet: 按下了求救键。 The SOS button was pressed.
        36000s Medium FenceExit of 14400s by bracelet: 离开围栏“home”：界外 85 米（允许 30 米，定位精度 8 米，依据 2 次定位）。 Left the fence "home": 85 m outside (30 m allowed, accuracy 8 m, fixes: 2).
        37380s Low Silence of 10800s by bracelet: 设备已 7 小时没有任何消息（允许 23 分钟）。 Nothing was heard of the device for 7 h (23 min allowed)."#]].assert_eq(
        &run(
            world,
            "0s alive; 1h pulse 140; 61m pulse 140; 62m oxygen 80; 65m oxygen 80; 66m warm 40; 67m pressure 230/120; \
             68m battery 5; 2h fall; 3h sos; 4h out; 9h59m; 10h22m; 10h24m",
        )
        .told(),
    );
}

#[test]
fn taken_off_and_put_on() {
    check(
        "0s off; 29m; 31m; 2h off; 3h on; 4h off; 4h29m on; 5h",
        expect![[r#"
        1800s Low DeviceRemoved of 0s by bracelet: 设备已取下 30 分钟（允许 30 分钟），期间无法守护。 The device has been off for 30 min (30 min allowed): nothing is watched over meanwhile.
        10800s Low DeviceRemoved over of 10800s by bracelet: 设备已重新佩戴。 The device is worn again."#]],
    );
    check(
        "0s battery 50; 1m battery 52; 2m off; 2h; 4h",
        expect![
            "10920s Low DeviceRemoved of 120s by bracelet: 设备已取下 3 小时（允许 3 小时），期间无法守护。 The device has been off for 3 h (3 h allowed): nothing is watched over meanwhile."
        ],
    );
    let mut world = World::new();
    world.thresholds.removed_after_seconds = Some(60);
    expect!["60s Low DeviceRemoved of 0s by bracelet: 设备已取下 60 秒（允许 60 秒），期间无法守护。 The device has been off for 60 s (60 s allowed): nothing is watched over meanwhile."].assert_eq(&run(world, "0s off; 59s; 60s; 5m").told());
}

#[test]
fn a_hard_fall_of_a_device_that_is_about_to_fail_does_not_wait() {
    check(
        "0s battery 10; 60s fall 0.95; 10m",
        expect![[r#"
        15s Low BatteryLow of 0s by bracelet: 设备电量剩余 10%，请尽快充电（警戒线 15%）。 The device's battery is at 10 %; charge it soon (limit 15 %).
        60s High Fall of 60s by bracelet: 检测到跌倒（把握 95%）。 A fall was detected (95 % sure)."#]],
    );
    check(
        "0s battery 10; 60s fall 0.5; 10m",
        expect![[r#"
        15s Low BatteryLow of 0s by bracelet: 设备电量剩余 10%，请尽快充电（警戒线 15%）。 The device's battery is at 10 %; charge it soon (limit 15 %).
        120s High Fall of 60s by bracelet: 检测到跌倒（把握 50%），60 秒内没有取消，也没有走动。 A fall was detected (50 % sure); within 60 s nobody cancelled it or walked."#]],
    );
    check(
        "0s battery 50; 60s fall 0.95; 10m",
        expect![
            "120s High Fall of 60s by bracelet: 检测到跌倒（把握 95%），60 秒内没有取消，也没有走动。 A fall was detected (95 % sure); within 60 s nobody cancelled it or walked."
        ],
    );
    check(
        "0s battery 10; 60s cancel; 60s fall 0.95; 10m",
        expect![
            "15s Low BatteryLow of 0s by bracelet: 设备电量剩余 10%，请尽快充电（警戒线 15%）。 The device's battery is at 10 %; charge it soon (limit 15 %)."
        ],
    );
    expect![[r#"
        1380s Low Silence of 0s by bracelet: 设备已 23 分钟没有任何消息（允许 23 分钟）。 Nothing was heard of the device for 23 min (23 min allowed).
        3600s High Fall of 3600s by bracelet: 检测到跌倒（把握 95%）。 A fall was detected (95 % sure).
        3600s Low Silence over of 3600s by bracelet: 设备失联 60 分钟后恢复联系。 The device is heard again after 60 min."#]].assert_eq(&run(absent(), "0s alive; 1h fall 0.95; 62m").told());
}

#[test]
fn no_motion_for_six_hours_of_the_day() {
    // Eight in the morning; steps are counted every three hours.
    check(
        "0s steps 10; 10m steps 200; 3h steps 200; 6h steps 200; 6h9m; 6h10m; 7h steps 230; 8h",
        expect![[r#"
        22200s Medium Immobility of 600s by bracelet: 已 6 小时没有活动迹象（白天警戒线 6 小时）。 No sign of motion for 6 h (limit by day 6 h).
        25200s Low Immobility over of 25200s by bracelet: 佩戴者又有活动。 The wearer moves again."#]],
    );
    // Somebody who has never been seen to move is watched for from the first count on.
    check(
        "0s steps 10; 3h steps 12; 5h50m steps 12; 5h59m; 6h1m",
        expect![
            "21600s Medium Immobility of 0s by bracelet: 已 6 小时没有活动迹象（白天警戒线 6 小时）。 No sign of motion for 6 h (limit by day 6 h)."
        ],
    );
    // No count, no finding: it may be that it counts none.
    check("0s steps 10; 10m steps 200; 8h", expect![[""]]);
    // From four in the afternoon the evening is too short, and the night does not count.
    check("8h steps 10; 8h10m steps 200; 12h steps 200; 15h; 23h steps 0; 26h steps 0; 28h59m; 29h", expect![[""]]);
    // Off the wrist it is not the wearer who lies still.
    check("0s steps 10; 10m steps 200; 5h steps 200; 6h off; 6h15m", expect![[""]]);
    // A way is motion as well.
    check("0s steps 10; 10m steps 200; 3h steps 200; 5h walk 0; 5h5m walk 200; 6h steps 200; 10h", expect![[""]]);
}
