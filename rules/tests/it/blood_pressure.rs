//! Pressures that wait for their repeat.

use expect_test::expect;
use model::{Change, ReportBody};
use proptest::prelude::*;

use crate::{World, at, check, run};

#[test]
fn a_repeat_confirms() {
    check(
        "0s pressure 182/95; 120s pressure 186/97; 900s",
        expect![
            "120s High BloodPressureHigh of 120s by bracelet: 血压过高：184/96 mmHg（警戒线 180/110），2 次测量的平均值。 Blood pressure 184/96 mmHg (limit 180/110), the mean of 2 readings."
        ],
    );
    check(
        "0s pressure 150/112; 120s pressure 150/110; 900s",
        expect![
            "120s High BloodPressureHigh of 120s by bracelet: 血压过高：150/111 mmHg（警戒线 180/110），2 次测量的平均值。 Blood pressure 150/111 mmHg (limit 180/110), the mean of 2 readings."
        ],
    );
}

#[test]
fn without_a_repeat_it_is_raised_unconfirmed() {
    check(
        "0s pressure 182/95; 299s; 300s",
        expect![
            "300s Medium BloodPressureHigh unconfirmed of 0s by bracelet: 血压过高：182/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 182/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."
        ],
    );
}

#[test]
fn a_normal_repeat_clears_it_away() {
    check("0s pressure 182/95; 120s pressure 172/92; 900s", expect![[""]]);
    check("0s pressure 182/95; 120s pressure 130/80; 900s", expect![[""]]);
}

#[test]
fn readings_that_are_far_apart_want_a_third() {
    check(
        "0s pressure 200/95; 120s pressure 170/95; 300s",
        expect![
            "300s High BloodPressureHigh of 120s by bracelet: 血压过高：185/95 mmHg（警戒线 180/110），2 次测量的平均值。 Blood pressure 185/95 mmHg (limit 180/110), the mean of 2 readings."
        ],
    );
    check(
        "0s pressure 200/95; 120s pressure 170/95; 200s pressure 175/90; 300s",
        expect![
            "200s High BloodPressureHigh of 200s by bracelet: 血压过高：182/94 mmHg（警戒线 180/110），3 次测量的平均值。 Blood pressure 182/94 mmHg (limit 180/110), the mean of 3 readings."
        ],
    );
    check("0s pressure 200/95; 120s pressure 170/95; 200s pressure 160/90; 300s", expect![[""]]);
}

#[test]
fn a_crisis_waits_for_nothing() {
    check(
        "0s cuff: pressure 220/120",
        expect![
            "0s High BloodPressureHigh of 0s by cuff: 血压过高：220/120 mmHg（警戒线 180/110），一次测量已属危急。 Blood pressure 220/120 mmHg (limit 180/110), critical by itself."
        ],
    );
    check(
        "0s pressure 219/120; 10s cuff: pressure 225/120",
        expect![
            "10s High BloodPressureHigh of 10s by cuff: 血压过高：225/120 mmHg（警戒线 180/110），一次测量已属危急。 Blood pressure 225/120 mmHg (limit 180/110), critical by itself."
        ],
    );
}

#[test]
fn together_with_an_sos_or_a_fall_it_waits_no_longer() {
    check(
        "0s pressure 182/95; 60s sos",
        expect![[r#"
        60s High Sos of 60s by bracelet: 按下了求救键。 The SOS button was pressed.
        60s High BloodPressureHigh of 0s by bracelet: 血压过高：182/95 mmHg（警戒线 180/110），同时有求救、跌倒或心率异常。 Blood pressure 182/95 mmHg (limit 180/110), together with an SOS, a fall or an abnormal heart rate."#]],
    );
    check(
        "0s sos; 60s pressure 182/95",
        expect![[r#"
        0s High Sos of 0s by bracelet: 按下了求救键。 The SOS button was pressed.
        60s High BloodPressureHigh of 60s by bracelet: 血压过高：182/95 mmHg（警戒线 180/110），同时有求救、跌倒或心率异常。 Blood pressure 182/95 mmHg (limit 180/110), together with an SOS, a fall or an abnormal heart rate."#]],
    );
    check(
        "0s pressure 182/95; 60s fall; 70s cancel",
        expect![
            "60s High BloodPressureHigh of 0s by bracelet: 血压过高：182/95 mmHg（警戒线 180/110），同时有求救、跌倒或心率异常。 Blood pressure 182/95 mmHg (limit 180/110), together with an SOS, a fall or an abnormal heart rate."
        ],
    );
    check(
        "0s sos; 700s pressure 182/95; 701s",
        expect!["0s High Sos of 0s by bracelet: 按下了求救键。 The SOS button was pressed."],
    );
    check(
        "0s sos; 60s pressure 150/95; 900s",
        expect!["0s High Sos of 0s by bracelet: 按下了求救键。 The SOS button was pressed."],
    );
}

#[test]
fn an_unreliable_reading_asks_but_does_not_answer() {
    check(
        "0s pressure 230/120 moved; 300s",
        expect![
            "300s Medium BloodPressureHigh unconfirmed of 0s by bracelet: 血压过高：230/120 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 230/120 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."
        ],
    );
    check(
        "0s pressure 185/95 moved; 60s pressure 185/95 moved; 300s",
        expect![
            "300s Medium BloodPressureHigh unconfirmed of 0s by bracelet: 血压过高：185/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 185/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."
        ],
    );
    check("0s pressure 185/95 moved; 60s pressure 130/80; 300s", expect![[""]]);
    check(
        "0s pressure 185/95 moved; 60s pressure 185/95; 300s",
        expect![
            "300s Medium BloodPressureHigh unconfirmed of 60s by bracelet: 血压过高：185/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 185/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."
        ],
    );
    check(
        "0s pressure 185/95; 60s pressure 130/80 moved; 300s",
        expect![
            "300s Medium BloodPressureHigh unconfirmed of 0s by bracelet: 血压过高：185/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 185/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."
        ],
    );
    check("0s pressure 130/80 moved; 300s", expect![[""]]);
}

#[test]
fn low_only_when_repeated() {
    check("0s pressure 89/50; 900s", expect![[""]]);
    check(
        "0s pressure 89/50; 60s pressure 85/50; 900s",
        expect![
            "60s Medium BloodPressureLow of 60s by bracelet: 血压过低：87/50 mmHg（收缩压警戒线 90），2 次测量的平均值。 Blood pressure 87/50 mmHg (systolic limit 90), the mean of 2 readings."
        ],
    );
    check("0s pressure 89/50; 60s pressure 90/50; 900s", expect![[""]]);
    check(
        "0s pressure 89/50; 60s pressure 185/95; 900s",
        expect![
            "360s Medium BloodPressureHigh unconfirmed of 60s by bracelet: 血压过高：185/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 185/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."
        ],
    );
}

#[test]
fn back_to_normal_by_more_than_a_hair() {
    check(
        "0s pressure 182/95; 60s pressure 184/95; 1000s pressure 175/95; 2000s pressure 150/85; 3000s pressure 140/80",
        expect![[r#"
            60s High BloodPressureHigh of 60s by bracelet: 血压过高：183/95 mmHg（警戒线 180/110），2 次测量的平均值。 Blood pressure 183/95 mmHg (limit 180/110), the mean of 2 readings.
            2000s Low BloodPressureHigh over of 2000s by bracelet: 血压已恢复：150/85 mmHg。 Blood pressure is back at 150/85 mmHg."#]],
    );
    check(
        "0s pressure 85/50; 60s pressure 84/50; 1000s pressure 95/60; 2000s pressure 110/70",
        expect![[r#"
        60s Medium BloodPressureLow of 60s by bracelet: 血压过低：85/50 mmHg（收缩压警戒线 90），2 次测量的平均值。 Blood pressure 85/50 mmHg (systolic limit 90), the mean of 2 readings.
        2000s Low BloodPressureLow over of 2000s by bracelet: 血压已恢复：110/70 mmHg。 Blood pressure is back at 110/70 mmHg."#]],
    );
    // A normal reading from before says nothing about now.
    check(
        "500s cuff: pressure 230/120; 0s→501s pressure 120/80",
        expect![
            "500s High BloodPressureHigh of 500s by cuff: 血压过高：230/120 mmHg（警戒线 180/110），一次测量已属危急。 Blood pressure 230/120 mmHg (limit 180/110), critical by itself."
        ],
    );
}

#[test]
fn old_readings_are_history() {
    check(
        "0s→3600s pressure 185/95; 10000s",
        expect![
            "3630s Medium BloodPressureHigh late unconfirmed of 0s by bracelet: 血压过高：185/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。报告晚到了 60 分钟。 Blood pressure 185/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s. The report came 60 min late."
        ],
    );
    check("0s→3601s pressure 185/95; 10000s", expect![[""]]);
    check(
        "0s→2000s pressure 185/95; 60s→2001s pressure 186/95; 10000s",
        expect![
            "2001s High BloodPressureHigh late of 60s by bracelet: 血压过高：186/95 mmHg（警戒线 180/110），2 次测量的平均值。报告晚到了 32 分钟。 Blood pressure 186/95 mmHg (limit 180/110), the mean of 2 readings. The report came 32 min late."
        ],
    );
    check(
        "0s→2000s pressure 185/95; 2001s pressure 190/95; 2100s pressure 191/95; 10000s",
        expect![[r#"
        2001s Medium BloodPressureHigh late unconfirmed of 0s by bracelet: 血压过高：185/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。报告晚到了 33 分钟。 Blood pressure 185/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s. The report came 33 min late.
        2100s High BloodPressureHigh of 2100s by bracelet: 血压过高：191/95 mmHg（警戒线 180/110），2 次测量的平均值。 Blood pressure 191/95 mmHg (limit 180/110), the mean of 2 readings."#]],
    );
    check(
        "1900s→2000s pressure 190/95; 0s→2001s pressure 185/95; 10000s",
        expect![[r#"
        2001s Medium BloodPressureHigh late unconfirmed of 0s by bracelet: 血压过高：185/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。报告晚到了 33 分钟。 Blood pressure 185/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s. The report came 33 min late.
        2300s Medium BloodPressureHigh unconfirmed of 1900s by bracelet: 血压过高：190/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 190/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."#]],
    );
}

#[test]
fn a_doctors_thresholds() {
    let mut world = World::new();
    world.thresholds.blood_pressure_systolic_high = Some(160);
    world.thresholds.blood_pressure_repeat_within_seconds = Some(60);
    expect!["60s Medium BloodPressureHigh unconfirmed of 0s by bracelet: 血压过高：165/95 mmHg（警戒线 160/110），60 秒内没有可靠的复测，未经确认。 Blood pressure 165/95 mmHg (limit 160/110), unconfirmed: no reliable repeat within 60 s."].assert_eq(&run(world, "0s pressure 165/95; 59s; 61s").told());
}

#[test]
fn whose_cuff_is_to_measure_again() {
    let mut world = World::new();
    assert_eq!(rules::awaits_repeat(&world.state), None);
    world.step("0s cuff: pressure 185/95");
    let asked = rules::awaits_repeat(&world.state).unwrap();
    assert_eq!((asked.device.as_str(), asked.since), ("cuff", at(0)));
    world.step("60s cuff: pressure 186/95");
    assert_eq!(rules::awaits_repeat(&world.state), None);
}

proptest! {
    #[test]
    fn nothing_high_is_dropped_in_silence(
        readings in prop::collection::vec((1..400i64, 100..219u16, any::<bool>()), 1..20)
    ) {
        let mut world = World::new();
        let mut now = 0;
        for (gap, systolic, is_moved) in &readings {
            now += gap;
            let flags = u16::from(*is_moved);
            world.report("cuff", ReportBody::BloodPressure { systolic: *systolic, diastolic: 80, pulse: None, flags }, now, now);
        }
        world.pass(now + 1000);
        prop_assert_eq!(rules::next_due(&world.state), None);
        // All readings high: it was raised. None high: it was not.
        let raised = world.findings.iter().filter(|finding| finding.change == Change::Raised).count();
        if readings.iter().all(|(_, systolic, _)| *systolic >= 180) {
            prop_assert!(raised > 0);
        }
        if readings.iter().all(|(_, systolic, _)| *systolic < 180) {
            prop_assert_eq!(raised, 0);
        }
    }

    /// Two readings of one measurement, whichever comes first, come to the same.
    #[test]
    fn two_readings_in_either_order(a in 100..219u16, b in 100..219u16, gap in 1..290i64) {
        let found = |first: (u16, i64), second: (u16, i64)| {
            let mut world = World::new();
            for ((systolic, measured), now) in [(first, 290), (second, 291)] {
                world.report("cuff", ReportBody::BloodPressure { systolic, diastolic: 80, pulse: None, flags: 0 }, measured, now);
            }
            world.pass(2000);
            let essence = |f: &model::Finding| (f.kind, f.change, f.confirmed, f.measured);
            world.findings.iter().map(essence).collect::<Vec<_>>()
        };
        prop_assert_eq!(found((a, 0), (b, gap)), found((b, gap), (a, 0)));
    }
}
