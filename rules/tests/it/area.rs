//! Many devices of one community, or of one carrier, that fall silent.

use compact_str::CompactString;
use expect_test::{Expect, expect};
use model::{Change, DeviceId, Explain, Finding, IncidentKind, OrgPath, Priority, WearerId};
use proptest::prelude::*;
use rules::area::Area;

use crate::{at, told};

fn finding(wearer: u32, change: Change, second: i64) -> Finding {
    let explain =
        Explain { rule: "silence".into(), rule_version: 1, readings: Vec::new(), zh: String::new(), en: String::new() };
    Finding {
        kind: IncidentKind::Silence,
        change,
        wearer: WearerId::new(&format!("w{wearer}")),
        device: DeviceId::new(&format!("b{wearer}")),
        priority: Priority::Low,
        at: at(second),
        measured: at(second),
        late: false,
        confirmed: true,
        position: None,
        explain,
    }
}

/// What is told of these: who, silent or heard, at which second, in which community, and by which carrier behind a blank.
fn run(events: &[(u32, Change, i64, &str)], until: i64) -> Vec<Finding> {
    let (mut area, mut told) = (Area::default(), Vec::new());
    let pass = |area: &mut Area, told: &mut Vec<Finding>, until: i64| {
        while let Some(due) = area.next_due().filter(|due| *due <= at(until)) {
            told.extend(area.advance(due, 1));
            assert!(area.next_due().is_none_or(|next| next >= due));
        }
    };
    for (wearer, change, second, org) in events {
        pass(&mut area, &mut told, *second);
        let (org, carrier) =
            org.split_once(' ').map_or((*org, None), |(org, name)| (org, Some(CompactString::new(name))));
        let finding = finding(*wearer, *change, *second);
        told.extend(area.handle(&finding, &OrgPath::new(org), carrier.as_ref(), at(*second)));
    }
    pass(&mut area, &mut told, until);
    let count = |change| events.iter().filter(|event| event.1 == change).count();
    if count(Cleared) == count(Raised) {
        assert_eq!(area, Area::default(), "everybody is heard, nothing is remembered");
    }
    told
}

fn check(events: &[(u32, Change, i64, &str)], until: i64, expected: Expect) {
    let lines: Vec<_> = run(events, until).iter().map(|f| format!("{} {}", f.wearer, told(f))).collect();
    expected.assert_eq(&lines.join("\n"));
}

const HERE: &str = "/luyang/xinghua/yinxing/";
const THERE: &str = "/luyang/xinghua/songbai/";
use Change::{Cleared, Raised};

#[test]
fn one_waits_two_minutes_for_others() {
    check(
        &[(1, Raised, 0, HERE), (1, Cleared, 600, HERE)],
        1000,
        expect![[r#"
        w1 120s Low Silence of 0s by b1:  
        w1 600s Low Silence over of 600s by b1:  "#]],
    );
    check(&[(1, Raised, 0, HERE), (1, Cleared, 119, HERE)], 1000, expect![[""]]);
}

#[test]
fn of_whoever_is_erased_nothing_is_left() {
    let mut area = Area::default();
    for wearer in 0..5 {
        area.handle(&finding(wearer, Raised, i64::from(wearer)), &OrgPath::new(HERE), None, at(i64::from(wearer)));
    }
    area.erase(&WearerId::new("w2"));
    assert!(!format!("{area:?}").contains("w2") && area != Area::default());
    for wearer in [0, 1, 3, 4] {
        area.erase(&WearerId::new(&format!("w{wearer}")));
    }
    assert_eq!(area, Area::default());
}

#[test]
fn five_of_one_community_are_one_finding() {
    let silent = |n: u32, org| (n, Raised, i64::from(n) * 20, org);
    let all = [silent(1, HERE), silent(2, HERE), silent(3, HERE), silent(4, HERE), silent(5, HERE), silent(6, HERE)];
    check(
        &all,
        5000,
        expect![
            "area:/luyang/xinghua/yinxing/ 100s Medium MassSilence of 100s by : 本区域 5 台设备在 10 分钟内相继失联（警戒线 5 台），可能是基站或运营商故障。 5 devices of this area fell silent within 10 min (limit 5): likely the cell or the carrier."
        ],
    );
    // Two of four, two of four: nobody's area.
    check(
        &[silent(1, HERE), silent(2, THERE), silent(3, HERE), silent(4, THERE), silent(5, HERE), silent(6, THERE)],
        5000,
        expect![[r#"
            w1 140s Low Silence of 20s by b1:  
            w2 160s Low Silence of 40s by b2:  
            w3 180s Low Silence of 60s by b3:  
            w4 200s Low Silence of 80s by b4:  
            w5 220s Low Silence of 100s by b5:  
            w6 240s Low Silence of 120s by b6:  "#]],
    );
}

#[test]
fn when_they_are_back_who_is_missing_still_is_missing_alone() {
    let mut events: Vec<_> = (1..=6).map(|n| (n, Raised, 0, HERE)).collect();
    events.extend((1..=5).map(|n| (n, Cleared, 3600 + i64::from(n), HERE)));
    check(
        &events,
        10_000,
        expect![[r#"
            area:/luyang/xinghua/yinxing/ 0s Medium MassSilence of 0s by : 本区域 5 台设备在 10 分钟内相继失联（警戒线 5 台），可能是基站或运营商故障。 5 devices of this area fell silent within 10 min (limit 5): likely the cell or the carrier.
            area:/luyang/xinghua/yinxing/ 3605s Low MassSilence over of 3605s by : 本区域设备在 60 分钟后恢复联系，仍失联 1 台。 The devices of this area are heard again after 60 min; 1 still silent.
            w6 4205s Low Silence of 0s by b6:  "#]],
    );
    events.push((6, Cleared, 9000, HERE));
    check(
        &events,
        10_000,
        expect![[r#"
            area:/luyang/xinghua/yinxing/ 0s Medium MassSilence of 0s by : 本区域 5 台设备在 10 分钟内相继失联（警戒线 5 台），可能是基站或运营商故障。 5 devices of this area fell silent within 10 min (limit 5): likely the cell or the carrier.
            area:/luyang/xinghua/yinxing/ 3605s Low MassSilence over of 3605s by : 本区域设备在 60 分钟后恢复联系，仍失联 1 台。 The devices of this area are heard again after 60 min; 1 still silent.
            w6 4205s Low Silence of 0s by b6:  
            w6 9000s Low Silence over of 9000s by b6:  "#]],
    );
}

#[test]
fn a_carrier_that_fails_is_one_finding_of_everybody_above() {
    const CMCC: [&str; 4] =
        ["/luyang/xinghua/a/ cmcc", "/luyang/xinghua/b/ cmcc", "/luyang/yulin/c/ cmcc", "/luyang/yulin/d/ cmcc"];
    let silent = |n: u32, place| (n, Raised, i64::from(n), place);
    // Two streets, four communities, nowhere five: and then hundreds more, one of them of another carrier.
    let mut all: Vec<_> = (0..300).map(|n| silent(n, CMCC[n as usize % 4])).collect();
    all.push(silent(300, "/luyang/xinghua/a/ unicom"));
    check(
        &all,
        5000,
        expect![[r#"
            area:/luyang/cmcc 4s Medium MassSilence of 4s by : 本区域多个社区共 5 台 cmcc 设备在 10 分钟内相继失联（警戒线 5 台），可能是该运营商故障。 5 devices of cmcc in several communities of this area fell silent within 10 min (limit 5): likely this carrier.
            w300 420s Low Silence of 300s by b300:  "#]],
    );
    // All but a few are heard again: it is over, and those few are missed alone, a heartbeat later.
    all.extend((0..297).map(|n| (n, Cleared, 3600, CMCC[n as usize % 4])));
    all.extend([(297, Cleared, 3700, CMCC[1]), (300, Cleared, 3700, "/luyang/xinghua/a/ unicom")]);
    let told = run(&all, 10_000);
    let lines: Vec<_> = told[2..].iter().map(|f| format!("{} {}", f.wearer, crate::told(f))).collect();
    expect![[r#"
        area:/luyang/cmcc 3600s Low MassSilence over of 3600s by : 本区域设备在 59 分钟后恢复联系，仍失联 30 台。 The devices of this area are heard again after 59 min; 30 still silent.
        w300 3700s Low Silence over of 3700s by b300:  
        w298 4200s Low Silence of 298s by b298:  
        w299 4200s Low Silence of 299s by b299:  "#]].assert_eq(&lines.join("\n"));
}

#[test]
fn one_community_is_no_carrier_and_neither_is_what_trickles() {
    let silent = |n: u32, second: i64, place| (n, Raised, second, place);
    // The cell of one community, with whom else is silent somewhere.
    let here: Vec<_> = (0..8).map(|n| silent(n, i64::from(n), "/luyang/xinghua/a/ cmcc")).collect();
    let there = [silent(8, 9, "/luyang/xinghua/b/ cmcc"), silent(9, 10, "/luyang/xinghua/b/ cmcc")];
    let told = run(&[here, there.to_vec()].concat(), 5000);
    let kinds: Vec<_> = told.iter().map(|f| (f.wearer.as_str(), f.kind)).collect();
    let alone = IncidentKind::Silence;
    assert_eq!(kinds, [("area:/luyang/xinghua/a/", IncidentKind::MassSilence), ("w8", alone), ("w9", alone)]);
    // Ten that lie in drawers, and then somebody in one of twenty communities every two minutes, who is not back soon.
    let places: Vec<String> = (0..20).map(|n| format!("/luyang/xinghua/c{n}/ cmcc")).collect();
    let trickle: Vec<_> = (0..60)
        .map(|n| {
            silent(
                n,
                if n < 10 { 400 * i64::from(n) } else { 3000 + 120 * i64::from(n) },
                places[n as usize % 20].as_str(),
            )
        })
        .collect();
    assert!(run(&trickle, 20_000).iter().all(|f| f.kind == alone));
    assert_eq!(run(&trickle, 20_000).len(), 60);
}

#[test]
fn whoever_is_silent_with_another_device_keeps_no_area_open() {
    let mut events: Vec<_> = (1..=5).map(|n| (n, Raised, 0, HERE)).collect();
    // Two get other devices and move, and fall silent there; the rest is heard.
    events.extend([(1, Raised, 1000, THERE), (2, Raised, 1001, THERE)]);
    events.extend((1..=5).map(|n| (n, Cleared, 2000 + i64::from(n), if n < 3 { THERE } else { HERE })));
    let told = run(&events, 10_000);
    let mass = |change| told.iter().filter(|f| f.kind == IncidentKind::MassSilence && f.change == change).count();
    assert_eq!((mass(Raised), mass(Cleared)), (1, 1));
}

proptest! {
    /// Whoever is silent in the end is told of, alone or with the area; whatever was raised is over when all are back.
    #[test]
    fn nobody_is_forgotten(seconds in prop::collection::vec(0..1500i64, 1..12), back in any::<bool>()) {
        let mut events: Vec<_> = seconds.iter().zip(1..).map(|(second, n)| (n, Raised, *second, HERE)).collect();
        if back {
            events.extend(seconds.iter().zip(1..).map(|(second, n)| (n, Cleared, 3000 + second, HERE)));
        }
        events.sort_by_key(|event| event.2);
        let told = run(&events, 10_000);
        let count = |kind, change| told.iter().filter(|f| f.kind == kind && f.change == change).count();
        let (area, over) = (count(IncidentKind::MassSilence, Raised), count(IncidentKind::MassSilence, Cleared));
        let alone = count(IncidentKind::Silence, Raised);
        prop_assert!(alone + area > 0 && (area > 0 || alone == seconds.len()));
        prop_assert!(!back || (area == over && count(IncidentKind::Silence, Cleared) == alone));
    }
}
