//! What goes to the doctor's inbox and calls nobody, and what a blood pressure means with something else.

use expect_test::expect;

use crate::{World, check, run};

#[test]
fn somewhat_high_on_separate_days() {
    check("0s cuff: pressure 145/85; 1h cuff: pressure 150/95; 10h cuff: pressure 145/85", expect![[""]]);
    check(
        "0s cuff: pressure 145/85; 1d cuff: pressure 130/90; 2d cuff: pressure 150/95; 9d cuff: pressure 141/80",
        expect![[r#"
            86400s Low BloodPressureWatch of 86400s by cuff: 血压偏高：130/90 mmHg，1 天前 145/85（关注线 140/90），请医生关注。 Blood pressure 130/90 mmHg, 1 day(s) apart from 145/85 (watch level 140/90): for the doctor to look at.
            777600s Low BloodPressureWatch of 777600s by cuff: 血压偏高：141/80 mmHg，7 天前 150/95（关注线 140/90），请医生关注。 Blood pressure 141/80 mmHg, 7 day(s) apart from 150/95 (watch level 140/90): for the doctor to look at."#]],
    );
    check("0s cuff: pressure 145/85; 40d cuff: pressure 145/85", expect![[""]]);
    check("0s cuff: pressure 145/85 moved; 1d cuff: pressure 145/85", expect![[""]]);
    let mut world = World::new();
    world.thresholds.blood_pressure_watch_systolic = Some(150);
    world.thresholds.blood_pressure_watch_diastolic = Some(95);
    expect![[""]].assert_eq(&run(world, "0s cuff: pressure 145/90; 1d cuff: pressure 145/90").told());
}

#[test]
fn a_drop_on_standing_up() {
    check(
        "0s cuff: pressure 130/80 seated; 2m cuff: pressure 109/75 standing",
        expect![
            "120s Low OrthostaticDrop of 120s by cuff: 站立后血压下降：130/80 → 109/75 mmHg（警戒线 20/10），注意防跌倒。 Blood pressure dropped on standing: 130/80 to 109/75 mmHg (limit 20/10); mind falls."
        ],
    );
    check(
        "0s cuff: pressure 130/80 seated; 2m cuff: pressure 115/70 standing",
        expect![
            "120s Low OrthostaticDrop of 120s by cuff: 站立后血压下降：130/80 → 115/70 mmHg（警戒线 20/10），注意防跌倒。 Blood pressure dropped on standing: 130/80 to 115/70 mmHg (limit 20/10); mind falls."
        ],
    );
    check("0s cuff: pressure 130/80 seated; 2m cuff: pressure 111/71 standing", expect![[""]]);
    check("0s cuff: pressure 130/80 seated; 20m cuff: pressure 105/70 standing", expect![[""]]);
    check("0s cuff: pressure 130/80; 2m cuff: pressure 105/70", expect![[""]]);
}

#[test]
fn an_irregular_pulse_is_a_finding_of_its_own() {
    check(
        "0s cuff: pressure 130/80 irregular 88; 1h cuff: pressure 131/80 irregular; 25h cuff: pressure 131/80 irregular moved",
        expect![[r#"
            0s Low IrregularPulse of 0s by cuff: 脉搏不齐：测血压时由血压计发现，请医生关注。 Irregular pulse: felt by the cuff while the blood pressure was taken; for the doctor to look at.
            90000s Low IrregularPulse unconfirmed of 90000s by cuff: 脉搏不齐：测血压时由血压计发现，请医生关注。 Irregular pulse: felt by the cuff while the blood pressure was taken; for the doctor to look at."#]],
    );
}

#[test]
fn a_cancelled_fall_is_no_fall() {
    check(
        "0s fall; 10s cancel; 60s cuff: pressure 182/95; 10m",
        expect![
            "360s Medium BloodPressureHigh unconfirmed of 60s by cuff: 血压过高：182/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 182/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."
        ],
    );
    check(
        "0s fall; 90s cancel; 2m cuff: pressure 182/95; 10m",
        expect![[r#"
        60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked.
        90s Low Fall over of 90s by bracelet: 佩戴者取消了跌倒报警。 The wearer cancelled the fall.
        420s Medium BloodPressureHigh unconfirmed of 120s by cuff: 血压过高：182/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 182/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."#]],
    );
    check(
        "0s fall; 60s cuff: pressure 182/95; 10m",
        expect![[r#"
        60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked.
        60s High BloodPressureHigh of 60s by cuff: 血压过高：182/95 mmHg（警戒线 180/110），同时有求救、跌倒或心率异常。 Blood pressure 182/95 mmHg (limit 180/110), together with an SOS, a fall or an abnormal heart rate."#]],
    );
    check(
        "0s fall; 10s fall; 15s cancel; 60s cuff: pressure 182/95; 10m",
        expect![
            "360s Medium BloodPressureHigh unconfirmed of 60s by cuff: 血压过高：182/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 182/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."
        ],
    );
}

#[test]
fn together_with_an_abnormal_heart_rate() {
    check(
        "0s cuff: pressure 182/95 140",
        expect![
            "0s High BloodPressureHigh of 0s by cuff: 血压过高：182/95 mmHg（警戒线 180/110），同时有求救、跌倒或心率异常。 Blood pressure 182/95 mmHg (limit 180/110), together with an SOS, a fall or an abnormal heart rate."
        ],
    );
    check(
        "0s cuff: pressure 182/95 90; 1s pulse 140; 30s pulse 141; 10m",
        expect![[r#"
        45s High HeartRateHigh of 30s by bracelet: 心率过快：141 次/分，连续 2 次达到警戒线 131。 Heart rate 141/min, too fast: 2 readings in a row at the limit of 131 or beyond.
        45s High BloodPressureHigh of 0s by cuff: 血压过高：182/95 mmHg（警戒线 180/110），同时有求救、跌倒或心率异常。 Blood pressure 182/95 mmHg (limit 180/110), together with an SOS, a fall or an abnormal heart rate."#]],
    );
    check(
        "0s pulse 140; 30s pulse 141; 60s cuff: pressure 182/95; 10m",
        expect![[r#"
        45s High HeartRateHigh of 30s by bracelet: 心率过快：141 次/分，连续 2 次达到警戒线 131。 Heart rate 141/min, too fast: 2 readings in a row at the limit of 131 or beyond.
        60s High BloodPressureHigh of 60s by cuff: 血压过高：182/95 mmHg（警戒线 180/110），同时有求救、跌倒或心率异常。 Blood pressure 182/95 mmHg (limit 180/110), together with an SOS, a fall or an abnormal heart rate."#]],
    );
}

#[test]
fn a_wrist_is_trusted_less_than_a_cuff() {
    check(
        "0s cuff: pressure 225/110; 60s bracelet: pressure 120/80; 30m cuff: pressure 120/80",
        expect![[r#"
        0s High BloodPressureHigh of 0s by cuff: 血压过高：225/110 mmHg（警戒线 180/110），一次测量已属危急。 Blood pressure 225/110 mmHg (limit 180/110), critical by itself.
        1800s Low BloodPressureHigh over of 1800s by cuff: 血压已恢复：120/80 mmHg。 Blood pressure is back at 120/80 mmHg."#]],
    );
    check(
        "0s cuff: pressure 182/95; 60s bracelet: pressure 120/80; 10m",
        expect![
            "300s Medium BloodPressureHigh unconfirmed of 0s by cuff: 血压过高：182/95 mmHg（警戒线 180/110），300 秒内没有可靠的复测，未经确认。 Blood pressure 182/95 mmHg (limit 180/110), unconfirmed: no reliable repeat within 300 s."
        ],
    );
    check(
        "0s cuff: pressure 182/95; 60s bracelet: pressure 184/95; 10m",
        expect![
            "60s High BloodPressureHigh of 60s by cuff: 血压过高：183/95 mmHg（警戒线 180/110），2 次测量的平均值。 Blood pressure 183/95 mmHg (limit 180/110), the mean of 2 readings."
        ],
    );
}

#[test]
fn an_unreliable_reading_asks_once() {
    let asked = |world: &World| rules::awaits_repeat(&world.state).map(|repeat| repeat.since);
    let mut world = World::new();
    world.step("0s cuff: pressure 130/80 moved");
    let first = asked(&world);
    assert!(first.is_some());
    world.step("60s cuff: pressure 131/80 moved");
    assert_eq!(asked(&world), first);
    world.step("90s cuff: pressure 131/80");
    assert_eq!(asked(&world), None);
    assert_eq!(world.findings, []);
}
