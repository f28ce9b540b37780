//! Heart rate, oxygen and temperature.

use expect_test::expect;

use crate::{World, check, run};

#[test]
fn a_fast_heart_at_rest_for_ten_minutes() {
    check(
        "0s pulse 125; 5m pulse 126; 9m pulse 124; 1h",
        expect![
            "615s Medium HeartRateHigh of 540s by bracelet: 心率过快：124 次/分，静止状态下已持续 10 分钟（警戒线 120，3 次测量）。 Heart rate 124/min, too fast for 10 min without moving (limit 120, 3 readings)."
        ],
    );
    check(
        "0s pulse 125; 5m pulse 126; 10m pulse 124; 1h",
        expect![
            "615s Medium HeartRateHigh of 600s by bracelet: 心率过快：124 次/分，静止状态下已持续 10 分钟（警戒线 120，3 次测量）。 Heart rate 124/min, too fast for 10 min without moving (limit 120, 3 readings)."
        ],
    );
    // The timer needs no reading at the end, but one in the second half.
    check("0s pulse 125; 4m pulse 126; 1h", expect![[""]]);
    check("0s pulse 120; 5m pulse 120; 10m pulse 120; 1h", expect![[""]]);
}

#[test]
fn a_pause_in_between_begins_anew() {
    check("0s pulse 125; 5m pulse 110; 10m pulse 125; 1h", expect![[""]]);
    check("0s pulse 125; 2h pulse 125; 3h", expect![[""]]);
}

#[test]
fn who_walks_may_have_a_fast_heart() {
    check("0s steps 100; 0s pulse 125; 4m steps 300; 5m pulse 126; 10m pulse 126; 1h", expect![[""]]);
    // Having sat down again, the ten minutes begin.
    check(
        "0s steps 100; 1m steps 200; 2m pulse 125; 10m pulse 126; 20m pulse 126; 1h",
        expect![
            "1215s Medium HeartRateHigh of 1200s by bracelet: 心率过快：126 次/分，静止状态下已持续 10 分钟（警戒线 120，2 次测量）。 Heart rate 126/min, too fast for 10 min without moving (limit 120, 2 readings)."
        ],
    );
    // At 131 it does not matter.
    check(
        "0s steps 100; 1m steps 200; 2m pulse 135; 4m pulse 135; 1h",
        expect![
            "255s High HeartRateHigh of 240s by bracelet: 心率过快：135 次/分，连续 2 次达到警戒线 131。 Heart rate 135/min, too fast: 2 readings in a row at the limit of 131 or beyond."
        ],
    );
}

#[test]
fn two_readings_far_off_are_enough() {
    check("0s pulse 135; 1h", expect![[""]]);
    check(
        "0s pulse 135; 60s pulse 131; 1h",
        expect![
            "75s High HeartRateHigh of 60s by bracelet: 心率过快：131 次/分，连续 2 次达到警戒线 131。 Heart rate 131/min, too fast: 2 readings in a row at the limit of 131 or beyond."
        ],
    );
    check(
        "0s pulse 40; 60s pulse 38; 1h",
        expect![
            "75s High HeartRateLow of 60s by bracelet: 心率过慢：38 次/分，连续 2 次达到警戒线 40。 Heart rate 38/min, too slow: 2 readings in a row at the limit of 40 or beyond."
        ],
    );
    check("0s pulse 135; 30s pulse 90; 60s pulse 135; 1h", expect![[""]]);
    // What lies on the table measures nobody.
    check(
        "0s off; 1m pulse 135; 2m pulse 135; 3m oximeter: pulse 135; 4m oximeter: pulse 136; 10m",
        expect![
            "255s High HeartRateHigh of 240s by oximeter: 心率过快：136 次/分，连续 2 次达到警戒线 131。 Heart rate 136/min, too fast: 2 readings in a row at the limit of 131 or beyond."
        ],
    );
}

#[test]
fn an_episode_is_told_once_and_when_it_becomes_graver_and_ends_well_on_the_good_side() {
    check(
        "0s pulse 125; 10m pulse 125; 15m pulse 125; 20m pulse 140; 21m pulse 140; 30m pulse 119; 32m pulse 118; \
         40m pulse 110; 41m pulse 116; 45m pulse 112; 48m pulse 90; 2h",
        expect![[r#"
            615s Medium HeartRateHigh of 600s by bracelet: 心率过快：125 次/分，静止状态下已持续 10 分钟（警戒线 120，2 次测量）。 Heart rate 125/min, too fast for 10 min without moving (limit 120, 2 readings).
            1275s High HeartRateHigh of 1260s by bracelet: 心率过快：140 次/分，连续 2 次达到警戒线 131。 Heart rate 140/min, too fast: 2 readings in a row at the limit of 131 or beyond.
            2895s Low HeartRateHigh over of 2880s by bracelet: 心率已恢复：90 次/分。 Heart rate is back at 90/min."#]],
    );
    check(
        "0s pulse 135; 60s pulse 135; 30m pulse 135; 59m pulse 135; 62m pulse 135; 70m",
        expect![[r#"
        75s High HeartRateHigh of 60s by bracelet: 心率过快：135 次/分，连续 2 次达到警戒线 131。 Heart rate 135/min, too fast: 2 readings in a row at the limit of 131 or beyond.
        3735s High HeartRateHigh of 3720s by bracelet: 心率过快：135 次/分，连续 5 次达到警戒线 131。 Heart rate 135/min, too fast: 5 readings in a row at the limit of 131 or beyond."#]],
    );
}

#[test]
fn low_oxygen_for_two_minutes() {
    check(
        "0s oxygen 90; 60s oxygen 89; 2m oxygen 90; 1h",
        expect![
            "135s High Spo2Low of 120s by bracelet: 血氧过低：90%，已持续 2 分钟（警戒线 91%，3 次测量）。 Oxygen saturation 90 %, too low for 2 min (limit 91 %, 3 readings)."
        ],
    );
    check(
        "0s oxygen 90; 60s oxygen 89; 1h",
        expect![
            "135s High Spo2Low of 60s by bracelet: 血氧过低：89%，已持续 2 分钟（警戒线 91%，2 次测量）。 Oxygen saturation 89 %, too low for 2 min (limit 91 %, 2 readings)."
        ],
    );
    check(
        "0s oxygen 93; 2m oxygen 92; 1h",
        expect![
            "135s Medium Spo2Low of 120s by bracelet: 血氧过低：92%，已持续 2 分钟（警戒线 93%，2 次测量）。 Oxygen saturation 92 %, too low for 2 min (limit 93 %, 2 readings)."
        ],
    );
    check("0s oxygen 93; 2m oxygen 94; 4m oxygen 93; 1h", expect![[""]]);
    check(
        "0s oxygen 93; 2m oxygen 93; 5m oxygen 90; 7m oxygen 91; 9m oxygen 95; 12m oxygen 96; 1h",
        expect![[r#"
        135s Medium Spo2Low of 120s by bracelet: 血氧过低：93%，已持续 2 分钟（警戒线 93%，2 次测量）。 Oxygen saturation 93 %, too low for 2 min (limit 93 %, 2 readings).
        435s High Spo2Low of 420s by bracelet: 血氧过低：91%，已持续 2 分钟（警戒线 91%，2 次测量）。 Oxygen saturation 91 %, too low for 2 min (limit 91 %, 2 readings).
        735s Low Spo2Low over of 720s by bracelet: 血氧已恢复：96%。 Oxygen saturation is back at 96 %."#]],
    );
}

#[test]
fn scale_2_is_for_whom_a_doctor_says() {
    let mut world = World::new();
    world.thresholds.spo2_scale_2 = true;
    expect!["735s Medium Spo2Low of 720s by bracelet: 血氧过低：86%，已持续 2 分钟（警戒线 87%，2 次测量）。 Oxygen saturation 86 %, too low for 2 min (limit 87 %, 2 readings)."].assert_eq(&run(world, "0s oxygen 88; 2m oxygen 88; 10m oxygen 87; 12m oxygen 86; 1h").told());
}

#[test]
fn a_fever_by_one_reading_and_cold_by_two() {
    check(
        "0s warm 39.0; 60s warm 39.1; 2m warm 38.9; 3m warm 38.5; 1h",
        expect![[r#"
        75s Medium TemperatureHigh of 60s by bracelet: 体温过高：39.1 °C（警戒线 39.1）。 Temperature 39.1 °C, too high (limit 39.1).
        195s Low TemperatureHigh over of 180s by bracelet: 体温已恢复：38.5 °C。 Temperature is back at 38.5 °C."#]],
    );
    check("0s warm 35.0; 1h", expect![[""]]);
    check(
        "0s warm 35.0; 60s warm 34.8; 1h",
        expect![
            "75s Medium TemperatureLow of 60s by bracelet: 体温过低：34.8 °C（警戒线 35.0）。 Temperature 34.8 °C, too low (limit 35.0)."
        ],
    );
}

#[test]
fn old_readings_are_history_and_late_ones_say_so() {
    check("0s→62m pulse 135; 60s→62m pulse 135; 2h", expect![[""]]);
    check(
        "0s→30m pulse 135; 60s→30m pulse 135; 2h",
        expect![
            "1815s High HeartRateHigh late of 60s by bracelet: 心率过快：135 次/分，连续 2 次达到警戒线 131。报告晚到了 29 分钟。 Heart rate 135/min, too fast: 2 readings in a row at the limit of 131 or beyond. The report came 29 min late."
        ],
    );
    // Newest first, as devices do that were out of coverage.
    check(
        "3m→30m pulse 100; 2m→30m pulse 135; 1m→30m pulse 135; 2h",
        expect![
            "1815s High HeartRateHigh late of 120s by bracelet: 心率过快：135 次/分，连续 2 次达到警戒线 131。报告晚到了 28 分钟。 Heart rate 135/min, too fast: 2 readings in a row at the limit of 131 or beyond. The report came 28 min late."
        ],
    );
    // What was measured before something that has been settled is history.
    check("10m pulse 100; 5m→11m pulse 135; 6m→11m pulse 135; 2h", expect![[""]]);
}

#[test]
fn a_doctors_thresholds() {
    let mut world = World::new();
    world.thresholds.heart_rate_high = Some(140);
    world.thresholds.heart_rate_sustain_seconds = Some(60);
    world.thresholds.spo2_low = Some(88);
    world.thresholds.temperature_high = Some(38.5);
    expect![[r#"
        375s High HeartRateHigh of 360s by bracelet: 心率过快：141 次/分，连续 2 次达到警戒线 141。 Heart rate 141/min, too fast: 2 readings in a row at the limit of 141 or beyond.
        555s Medium Spo2Low of 540s by bracelet: 血氧过低：89%，已持续 2 分钟（警戒线 90%，2 次测量）。 Oxygen saturation 89 %, too low for 2 min (limit 90 %, 2 readings).
        615s Medium TemperatureHigh of 600s by bracelet: 体温过高：38.5 °C（警戒线 38.5）。 Temperature 38.5 °C, too high (limit 38.5)."#]].assert_eq(
        &run(
            world,
            "0s pulse 139; 60s pulse 139; 5m pulse 141; 6m pulse 141; 7m oxygen 89; 9m oxygen 89; 10m warm 38.5; 1h",
        )
        .told(),
    );
}

#[test]
fn nothing_is_left_behind() {
    let quiet = run(World::new(), "0s pulse 80; 1m pulse 80");
    for story in ["0s pulse 130; 1m pulse 80; 3m", "0s pulse 135; 10s pulse 135; 1m pulse 80; 5m pulse 80; 6m"] {
        let world = run(World::new(), story);
        assert_eq!(rules::next_due(&world.state).map(|due| due > crate::at(600)), Some(true), "silence only");
        assert_eq!(
            format!("{:?}", world.state).contains("vitals: None"),
            format!("{:?}", quiet.state).contains("vitals: None")
        );
    }
}

#[test]
fn a_score_only_of_all_that_is_there_and_fresh() {
    const REST: &str = "0s oxygen 95; 0s pulse 112; 0s cuff: pressure 105/70; 0s warm 38.5";
    // 2 for the breathing, 1 + 2 + 1 + 1 for the rest.
    check(
        &format!("0s breaths 22; {REST}"),
        expect![
            "0s High News2High of 0s by bracelet: 早期预警评分（NEWS2）7 分（警戒线 5 分，紧急 7 分）。 Early-warning score (NEWS2) 7 (limit 5, emergency 7)."
        ],
    );
    check(&format!("{REST}; 1m breaths 22"), expect![[""]]);
    check(
        "0s breaths 22; 0s oxygen 95; 0s pulse 112; 0s cuff: pressure 105/70; 62m warm 38.5; 63m breaths 24",
        expect![[""]],
    );
    check(
        &format!("0s breaths 18; {REST}; 5m breaths 18 confused; 6m breaths 18; 7m oxygen 97; 8m warm 37; 9m pulse 80"),
        expect![[r#"
            0s Medium News2High of 0s by bracelet: 早期预警评分（NEWS2）5 分（警戒线 5 分，紧急 7 分）。 Early-warning score (NEWS2) 5 (limit 5, emergency 7).
            300s High News2High of 300s by bracelet: 早期预警评分（NEWS2）8 分（警戒线 5 分，紧急 7 分）。 Early-warning score (NEWS2) 8 (limit 5, emergency 7).
            480s Low News2High over of 480s by bracelet: 早期预警评分（NEWS2）降至 3 分。 Early-warning score (NEWS2) is down to 3."#]],
    );
    // Breathing and consciousness stand alone as well; and what is no longer known is not over.
    check(
        "0s breaths 26; 1m pulse 80; 10m breaths 27 confused; 2h pulse 80; 3h breaths 24; 4h breaths 20",
        expect![[r#"
            0s Medium News2High of 0s by bracelet: 呼吸 26 次/分：早期预警（NEWS2）单项达 3 分，请尽快查看。 Breathing 26/min: 3 points of the early-warning score (NEWS2) alone, look soon.
            10800s Low News2High over of 10800s by bracelet: 呼吸和意识单项评分（NEWS2）已低于 3 分。 Breathing and consciousness are no longer at three points (NEWS2)."#]],
    );
    check(
        &format!("0s breaths 18 confused; {REST}; 10m breaths 18 confused"),
        expect![[r#"
        0s Medium News2High of 0s by bracelet: 意识不清：早期预警（NEWS2）单项达 3 分，请尽快查看。 Not alert: 3 points of the early-warning score (NEWS2) alone, look soon.
        0s High News2High of 0s by bracelet: 早期预警评分（NEWS2）8 分（警戒线 5 分，紧急 7 分）。 Early-warning score (NEWS2) 8 (limit 5, emergency 7)."#]],
    );
    check("0s breaths 9; 1m breaths 24", expect![[""]]);
    let mut world = World::new();
    world.thresholds.news2_on_oxygen = true;
    world.thresholds.spo2_scale_2 = true;
    expect!["0s Medium News2High of 0s by bracelet: 早期预警评分（NEWS2）5 分（警戒线 5 分，紧急 7 分）。 Early-warning score (NEWS2) 5 (limit 5, emergency 7)."].assert_eq(
        &run(world, "0s breaths 18; 0s oxygen 97; 0s pulse 80; 0s cuff: pressure 120/70; 0s warm 36.6").told(),
    );
}
