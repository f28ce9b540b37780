//! The rules as they run: with the registry, the timers, the calling and a recovery around them.

use expect_test::{Expect, expect};
use model::{Decision, DeviceId, Entity, IncidentKind, Input, OrgPath, RegistryChange, StaffCommand};
use store::codec;

use super::{Pipeline, ZONE, at, begun, command, image, recovered, registry, report, run, told};

#[test]
fn what_is_remembered_of_a_wearer_is_small() {
    use super::super::entries::WearerHot;
    let beside_fences = size_of::<WearerHot>() - size_of::<geofence::Watch>();
    assert!(beside_fences <= 256, "{beside_fences}");
}

/// Minutes after the beginning.
fn minutes(minutes: f64) -> f64 {
    minutes * 60.0
}

/// A registry in which so many wearers of one community have a bracelet each, `b1` to `bN`; `w1` has a cuff, too.
fn community(count: usize) -> RegistryChange {
    let list = |entry: &dyn Fn(usize) -> String| (1..=count).map(entry).collect::<Vec<_>>().join(",");
    let wearers = list(&|n| {
        format!(
            r#"{{"id":"w{n}","name":"王桂兰","org":"/luyang/xinghua/yinxing/","guardians":["g1"],"doctor":"d1",
                "fences":[{{"id":"home","circle":{{"lon":117.2272,"lat":31.8206,"radius_m":300}}}}]}}"#
        )
    });
    let devices = list(&|n| format!(r#"{{"id":"b{n}","kind":"bracelet","wearer":"w{n}","secret":"not used here"}}"#));
    let document = format!(
        r#"{{"orgs":[{{"path":"/luyang/xinghua/yinxing/","name":"银杏社区","desk":{{"phone":"+8613800000010"}}}}],
            "people":[{{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"}},
                      {{"id":"d1","role":"doctor","name":"于医生","phone":"+8613800000009"}}],
            "wearers":[{wearers}],
            "devices":[{devices},{{"id":"c1","kind":"cuff","wearer":"w1","secret":"not used here"}}]}}"#
    );
    crate::registry::validate_alone(document.as_bytes(), ZONE).unwrap()
}

fn from(device: &str, json: &str) -> Input {
    let Input::Report { report, .. } = report(json) else { panic!() };
    Input::Report { device: DeviceId::new(device), report }
}

fn check_community(count: usize, inputs: &[(f64, Input)], until: f64, expected: Expect) {
    check_registry(community(count), inputs, until, expected);
}

fn check_registry(change: RegistryChange, inputs: &[(f64, Input)], until: f64, expected: Expect) {
    let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
    pipeline.decide(command(StaffCommand::Import(Box::new(change)), None), at(-60.0), &mut records);
    run(&mut pipeline, inputs, until, &mut records);
    expected.assert_eq(&told(&records));
    assert_eq!(pipeline.faults(), 0);
    // Timers at which nothing came of it are not in the journal: both look once more.
    let mut recovered = recovered(&records);
    for pipeline in [&mut pipeline, &mut recovered] {
        pipeline.advance(at(until + minutes(60.0)), &mut Vec::new());
    }
    assert_eq!(image(&pipeline), image(&recovered), "recovered from the journal");
}

#[test]
fn a_pressure_that_waits_for_its_repeat_asks_the_cuff_once() {
    let pressure = |sys: u16| from("c1", &format!(r#"{{"type":"blood_pressure","sys":{sys},"dia":95}}"#));
    check_community(
        1,
        &[(0.0, pressure(185)), (60.0, pressure(201)), (90.0, pressure(190))],
        400.0,
        expect![[r#"
        0.0 command.queued measure_again
        60.0 incident.raised BloodPressureHigh x1
        60.0 attempt.started Sms g1 (Alert)
        60.0 attempt.started Sms desk (Alert)
        60.0 attempt.started Sms d1 (Alert)
        60.0 incident.notifying BloodPressureHigh x1
        60.0 attempt.started Voice g1 (Alert)
        120.0 attempt.cancelled Voice g1 (Alert)
        120.0 attempt.started Voice g1 (Alert)
        180.0 attempt.cancelled Voice g1 (Alert)
        180.0 attempt.started Voice g1 (Alert)
        240.0 attempt.cancelled Voice g1 (Alert)
        240.0 attempt.started Voice g1 (Alert)
        300.0 attempt.cancelled Voice g1 (Alert)
        300.0 attempt.started Voice g1 (Alert)
        315.0 incident.exhausted BloodPressureHigh x1
        315.0 attempt.started Sms desk (Alert)
        315.0 attempt.started Voice desk (Alert)
        390.0 incident.updated BloodPressureHigh x2
    "#]],
    );
    // No repeat: asked once, and alerted anyway. Then it begins anew.
    check_community(
        1,
        &[(0.0, pressure(185)), (400.0, pressure(120)), (800.0, pressure(182))],
        900.0,
        expect![[r#"
        0.0 command.queued measure_again
        300.0 incident.raised BloodPressureHigh x1
        300.0 attempt.started Sms g1 (Alert)
        300.0 attempt.started Sms desk (Alert)
        300.0 attempt.started Sms d1 (Alert)
        300.0 incident.notifying BloodPressureHigh x1
        300.0 attempt.started Voice g1 (Alert)
        360.0 attempt.cancelled Voice g1 (Alert)
        360.0 attempt.started Voice g1 (Alert)
        400.0 incident.cleared BloodPressureHigh x1
        420.0 attempt.cancelled Voice g1 (Alert)
        420.0 attempt.started Voice g1 (Alert)
        480.0 attempt.cancelled Voice g1 (Alert)
        480.0 attempt.started Voice g1 (Alert)
        540.0 attempt.cancelled Voice g1 (Alert)
        540.0 attempt.started Voice g1 (Alert)
        555.0 incident.exhausted BloodPressureHigh x1
        555.0 attempt.started Sms desk (Alert)
        555.0 attempt.started Voice desk (Alert)
        600.0 command.expired measure_again
        800.0 command.queued measure_again
    "#]],
    );
    let moved = |sys: u16| from("c1", &format!(r#"{{"type":"blood_pressure","sys":{sys},"dia":80,"flags":1}}"#));
    check_community(
        1,
        &[(0.0, moved(130)), (60.0, moved(131)), (120.0, pressure(125))],
        400.0,
        expect![[r#"
        0.0 command.queued measure_again
    "#]],
    );
}

#[test]
fn one_that_is_silent_is_told_alone_and_five_as_one_area() {
    let alive = |device: &str| from(device, r#"{"type":"alive"}"#);
    check_community(
        2,
        &[(0.0, alive("b1")), (minutes(20.0), alive("b2"))],
        minutes(26.0),
        expect![[r#"
        1500.0 incident.raised Silence x1
        1500.0 attempt.started Sms g1 (Alert)
        1500.0 incident.notifying Silence x1
    "#]],
    );
    let all: Vec<_> = (1..=6).map(|n| (f64::from(n), alive(&format!("b{n}")))).collect();
    let back = (1..=6).map(|n| (minutes(60.0) + f64::from(n), alive(&format!("b{n}"))));
    let both: Vec<_> = all.iter().cloned().chain(back).collect();
    check_community(
        6,
        &both,
        minutes(61.0),
        expect![[r#"
        1385.0 incident.raised MassSilence x1
        1385.0 attempt.started Sms desk (Alert)
        1385.0 incident.notifying MassSilence x1
        1385.0 incident.exhausted MassSilence x1
        1385.0 attempt.started Voice desk (Alert)
        1985.0 attempt.started Sms desk (Reminder)
        1985.0 attempt.cancelled Voice desk (Alert)
        1985.0 attempt.started Voice desk (Reminder)
        2585.0 attempt.started Sms desk (Reminder)
        2585.0 attempt.cancelled Voice desk (Reminder)
        2585.0 attempt.started Voice desk (Reminder)
        3185.0 attempt.started Sms desk (Reminder)
        3185.0 attempt.cancelled Voice desk (Reminder)
        3185.0 attempt.started Voice desk (Reminder)
        3605.0 incident.cleared MassSilence x1
    "#]],
    );
}

#[test]
fn a_clock_that_is_wrong_is_shown_and_its_wearer_is_watched() {
    let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
    pipeline.decide(command(StaffCommand::Import(Box::new(community(1))), None), at(-60.0), &mut records);
    // A day behind: ten minutes at home, then two fixes half a kilometre off.
    let fix = |minute: i32| {
        let t = at(minutes(f64::from(minute) - 1440.0)).millis();
        let lat = if minute < 12 { 31.8206 } else { 31.8251 };
        from("b1", &format!(r#"{{"type":"location","t":{t},"lat":{lat},"lon":117.2272,"acc":8}}"#))
    };
    let mut inputs: Vec<_> = (0..14).map(|minute| (minutes(f64::from(minute)), fix(minute))).collect();
    inputs.push((minutes(14.5), Input::Connection { device: DeviceId::new("b1"), online: true }));
    run(&mut pipeline, &inputs, minutes(15.0), &mut records);
    let events = || {
        records.iter().flat_map(|record| &record.decisions).filter_map(|decision| match decision {
            Decision::Event(event) => Some(&event.entity),
            _ => None,
        })
    };
    let clock = events().find_map(|entity| match entity {
        Entity::Device(status) => Some(status.clock_ahead_seconds),
        _ => None,
    });
    assert_eq!(clock, Some(Some(-86_400)));
    let is_exit =
        |entity: &Entity| matches!(entity, Entity::Incident(incident) if incident.kind == IncidentKind::FenceExit);
    assert!(events().any(is_exit));
    assert_eq!(image(&pipeline), image(&recovered(&records)), "recovered from the journal");
}

#[test]
fn a_carrier_that_fails_in_several_communities_is_one_area_above_them() {
    let alive = |device: &str| from(device, r#"{"type":"alive"}"#);
    let mut change = community(6);
    for (number, wearer) in change.wearers.iter_mut().enumerate() {
        wearer.org = OrgPath::new(&format!("/luyang/xinghua/c{}/", number % 3));
    }
    change.devices.iter_mut().for_each(|device| device.carrier = Some("cmcc".into()));
    let all = (1..=6).map(|n| (f64::from(n), alive(&format!("b{n}"))));
    let back = (1..=5).map(|n| (minutes(30.0) + f64::from(n), alive(&format!("b{n}"))));
    check_registry(
        change,
        &all.chain(back).collect::<Vec<_>>(),
        minutes(45.0),
        expect![[r#"
        1385.0 incident.raised MassSilence x1
        1385.0 attempt.started Sms desk (Alert)
        1385.0 incident.notifying MassSilence x1
        1385.0 incident.exhausted MassSilence x1
        1385.0 attempt.started Voice desk (Alert)
        1805.0 incident.cleared MassSilence x1
        1985.0 attempt.started Sms desk (Reminder)
        1985.0 attempt.cancelled Voice desk (Alert)
        1985.0 attempt.started Voice desk (Reminder)
        2405.0 incident.raised Silence x1
        2405.0 attempt.started Sms g1 (Alert)
        2405.0 incident.notifying Silence x1
        2585.0 attempt.started Sms desk (Reminder)
        2585.0 attempt.cancelled Voice desk (Reminder)
        2585.0 attempt.started Voice desk (Reminder)
    "#]],
    );
}

#[test]
fn after_a_restart_nobody_is_missed_for_what_nobody_heard() {
    let alive = |device: &str| from(device, r#"{"type":"alive"}"#);
    let started = Input::Started { down_since: Some(at(minutes(1.0))) };
    let inputs = [(0.0, alive("b1")), (minutes(1.0), alive("b2")), (minutes(300.0), started)];
    check_community(
        2,
        &inputs,
        minutes(300.0) + 1500.0,
        expect![[r#"
        19500.0 incident.raised Silence x1
        19500.0 attempt.started Sms g1 (Alert)
        19500.0 incident.notifying Silence x1
        19500.0 incident.raised Silence x1
        19500.0 attempt.started Sms g1 (Alert)
        19500.0 incident.notifying Silence x1
    "#]],
    );
    let started = Input::Started { down_since: Some(at(minutes(1.0))) };
    let inputs = [(0.0, alive("b1")), (minutes(300.0), started), (minutes(301.0), alive("b1"))];
    check_community(2, &inputs, minutes(300.0) + 1499.0, expect![[""]]);
}

#[test]
fn a_device_that_was_given_to_somebody_else_is_not_missed() {
    let alive = |device: &str| from(device, r#"{"type":"alive"}"#);
    let mut change = community(2);
    for device in change.devices.iter_mut().filter(|device| device.id.as_str() == "b1") {
        device.wearer = None;
    }
    let import = command(StaffCommand::Import(Box::new(change)), None);
    let inputs = [(0.0, alive("b1")), (1.0, alive("b2")), (minutes(1.0), import)];
    check_community(
        2,
        &inputs,
        minutes(30.0),
        expect![[r#"
        60.0 registry.changed registry
        1501.0 incident.raised Silence x1
        1501.0 attempt.started Sms g1 (Alert)
        1501.0 incident.notifying Silence x1
    "#]],
    );
}

#[test]
fn a_heart_that_races_calls_and_a_notice_does_not() {
    let pulse = |bpm: u16| from("b1", &format!(r#"{{"type":"heart_rate","bpm":{bpm}}}"#));
    check_community(
        1,
        &[(0.0, pulse(135)), (30.0, pulse(136))],
        50.0,
        expect![[r#"
        45.0 incident.raised HeartRateHigh x1
        45.0 attempt.started Sms g1 (Alert)
        45.0 attempt.started Sms desk (Alert)
        45.0 attempt.started Sms d1 (Alert)
        45.0 incident.notifying HeartRateHigh x1
        45.0 attempt.started Voice g1 (Alert)
    "#]],
    );
    let irregular = from("c1", r#"{"type":"blood_pressure","sys":120,"dia":80,"flags":4}"#);
    check_community(
        1,
        &[(0.0, irregular)],
        120.0,
        expect![[r#"
        0.0 incident.raised IrregularPulse x1
        0.0 attempt.started Sms d1 (Alert)
        0.0 incident.notifying IrregularPulse x1
    "#]],
    );
}

#[test]
fn who_set_thresholds_is_written_down_when_they_change() {
    let (mut pipeline, mut records) = begun();
    let with = |high: u16, birth_year: u16| {
        let mut change = registry();
        change.wearers[0].thresholds.heart_rate_high = Some(high);
        change.wearers[0].birth_year = Some(birth_year);
        command(StaffCommand::Import(Box::new(change)), None)
    };
    let mut set = |pipeline: &mut Pipeline, input, second| {
        pipeline.decide(input, at(second), &mut records);
        let thresholds = &pipeline.directory().wearers.get("w1").unwrap().wearer.thresholds;
        thresholds.set.as_ref().map(|set| (set.by.as_str().to_owned(), set.at))
    };
    assert_eq!(pipeline.directory().wearers.get("w1").unwrap().wearer.thresholds.set, None);
    assert_eq!(set(&mut pipeline, with(110, 1943), 1.0), Some(("admin".to_owned(), at(1.0))));
    assert_eq!(set(&mut pipeline, with(110, 1944), 2.0), Some(("admin".to_owned(), at(1.0))));
    assert_eq!(set(&mut pipeline, with(115, 1944), 3.0), Some(("admin".to_owned(), at(3.0))));
    assert_eq!(image(&pipeline), image(&recovered(&records)));
}

/// What was found is found again from the same inputs, to the byte.
#[test]
fn findings_are_regenerated_to_the_byte() {
    let inputs = [
        (0.0, from("b1", r#"{"type":"heart_rate","bpm":135}"#)),
        (30.0, from("b1", r#"{"type":"heart_rate","bpm":136}"#)),
        (60.0, from("b1", r#"{"type":"temperature","celsius":39.4}"#)),
        (90.0, from("c1", r#"{"type":"blood_pressure","sys":185,"dia":95,"flags":4}"#)),
        (91.0, from("b1", r#"{"type":"fall"}"#)),
        (92.0, from("b1", r#"{"type":"battery","pct":9}"#)),
        (93.0, from("b2", r#"{"type":"location","lat":31.83,"lon":117.2272,"acc":8}"#)),
        (123.0, from("b2", r#"{"type":"location","lat":31.83,"lon":117.2272,"acc":8}"#)),
        (200.0, from("b2", r#"{"type":"location","lat":31.83,"lon":117.2272,"acc":8}"#)),
    ];
    let found = || {
        let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
        pipeline.decide(command(StaffCommand::Import(Box::new(community(2))), None), at(-60.0), &mut records);
        run(&mut pipeline, &inputs, minutes(40.0), &mut records);
        let decisions = records.iter().flat_map(|record| &record.decisions);
        decisions.filter(|d| matches!(d, Decision::Finding(_))).map(|d| codec::to_bytes(d).unwrap()).collect::<Vec<_>>()
    };
    let first = found();
    assert!(first.len() >= 6, "{}", first.len());
    assert_eq!(first, found());
}

#[test]
fn what_falls_due_for_everybody_at_once_is_cut_into_records_and_survives_a_cut_anywhere() {
    const WEARERS: usize = 1_000;
    let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
    pipeline.decide(command(StaffCommand::Import(Box::new(community(WEARERS))), None), at(-60.0), &mut records);
    for number in 1..=WEARERS {
        pipeline.decide(from(&format!("b{number}"), r#"{"type":"alive"}"#), at(0.0), &mut records);
    }
    // Whoever is not heard after the start is silent at the same instant as everybody else.
    pipeline.decide(Input::Started { down_since: Some(at(0.0)) }, at(minutes(60.0)), &mut records);
    let before = records.len();
    let until = at(minutes(90.0));
    pipeline.advance(until, &mut records);
    let silent = |record: &model::Record| {
        record
            .decisions
            .iter()
            .filter(|d| matches!(d, Decision::Finding(f) if f.kind == model::IncidentKind::Silence))
            .count()
    };
    let sizes: Vec<usize> = records[before..].iter().map(silent).filter(|count| *count > 0).collect();
    assert_eq!(sizes.iter().sum::<usize>(), WEARERS);
    assert!(sizes.len() >= 4 && sizes.iter().all(|size| *size <= 256), "{sizes:?}");
    for cut in before..records.len() {
        let (mut second, mut rest) = (recovered(&records[..cut]), Vec::new());
        second.advance(until, &mut rest);
        assert_eq!(rest, records[cut..], "cut at {} of {before} to {}", cut, records.len());
        assert_eq!(image(&second), image(&pipeline));
    }
}
