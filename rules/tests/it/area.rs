//! Many devices of one community that fall silent.

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

/// What is told of these: who, silent or heard, at which second, in which community.
fn run(events: &[(u32, Change, i64, &str)], until: i64) -> Vec<Finding> {
    let (mut area, mut told) = (Area::default(), Vec::new());
    let pass = |area: &mut Area, told: &mut Vec<Finding>, until: i64| {
        while let Some(due) = area.next_due().filter(|due| *due <= at(until)) {
            told.extend(area.advance(due, 1));
            assert!(area.next_due().is_none_or(|next| next > due));
        }
    };
    for (wearer, change, second, org) in events {
        pass(&mut area, &mut told, *second);
        told.extend(area.handle(&finding(*wearer, *change, *second), &OrgPath::new(org), at(*second)));
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
            w6 3725s Low Silence of 0s by b6:  "#]],
    );
    events.push((6, Cleared, 9000, HERE));
    check(
        &events,
        10_000,
        expect![[r#"
            area:/luyang/xinghua/yinxing/ 0s Medium MassSilence of 0s by : 本区域 5 台设备在 10 分钟内相继失联（警戒线 5 台），可能是基站或运营商故障。 5 devices of this area fell silent within 10 min (limit 5): likely the cell or the carrier.
            area:/luyang/xinghua/yinxing/ 3605s Low MassSilence over of 3605s by : 本区域设备在 60 分钟后恢复联系，仍失联 1 台。 The devices of this area are heard again after 60 min; 1 still silent.
            w6 3725s Low Silence of 0s by b6:  
            w6 9000s Low Silence over of 9000s by b6:  "#]],
    );
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
