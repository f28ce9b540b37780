//! Fences that a community shares.

use std::sync::Arc;

use geofence::{CompiledFence, Ground, Watch, Zones};
use model::{Crossing, CrossingDirection, Fence, FenceId, FenceKind, Located, OrgPath, Shape, Timestamp};

use crate::{away, circle};

fn org(path: &str) -> OrgPath {
    OrgPath::new(path)
}

/// A river 20 m wide so many metres east of home, from south to north.
fn river(id: &str, east_m: f64) -> Fence {
    let (south, north) = (away(east_m, -2000.0), away(east_m, 2000.0));
    let line = vec![[south.lon, south.lat], [north.lon, north.lat]];
    let kind = FenceKind::Exclusion;
    Fence { id: FenceId::new(id), kind, shape: Shape::Corridor { line, width_m: 20.0 }, ..circle(1.0) }
}

/// Two districts: the first has a river and a village, its community a pond of its own.
fn zones() -> Zones {
    let village = Fence { id: FenceId::new("village"), ..circle(1500.0) };
    let orgs = [
        (org("/luyang/"), vec![river("river", 2000.0), village]),
        (org("/luyang/xinghua/"), vec![river("canal", 500.0)]),
        (org("/baohe/"), vec![river("ditch", 300.0)]),
    ];
    let (zones, broken) =
        Zones::new(orgs.iter().map(|(org, fences)| (org, fences.as_slice())), chrono_tz::Asia::Shanghai);
    assert_eq!(broken, 0);
    zones
}

/// A fix a minute, so many metres east; what came of it.
fn walk(zones: &Zones, org: &OrgPath, fences: &[Arc<CompiledFence>], metres: &[f64]) -> String {
    let ground = Ground { fences, zones, org };
    let (mut watch, mut crossings) = (Watch::default(), Vec::new());
    for (minute, metres) in metres.iter().enumerate() {
        let at = Timestamp::from_millis(1_795_320_000_000 + minute as i64 * 60_000);
        let located = Located { position: away(*metres, 0.0), accuracy_m: 8.0 };
        watch.handle(&ground, &located, at, at, &mut crossings);
    }
    let tell = |crossing: &Crossing| {
        let direction = match crossing.direction {
            CrossingDirection::Enter => "into",
            CrossingDirection::Leave => "away from",
            other => panic!("{other:?}"),
        };
        format!("{direction} {}", crossing.fence)
    };
    crossings.iter().map(tell).collect::<Vec<_>>().join(", ")
}

#[test]
fn everybody_below_is_kept_out() {
    let zones = zones();
    let there_and_back = [0.0, 250.0, 400.0, 499.0, 501.0, 400.0, 0.0];
    assert_eq!(walk(&zones, &org("/luyang/xinghua/yinxing/"), &[], &there_and_back), "into canal, away from canal");
    assert_eq!(walk(&zones, &org("/luyang/xinghua/"), &[], &there_and_back), "into canal, away from canal");
    assert_eq!(walk(&zones, &org("/luyang/"), &[], &there_and_back), "");
    assert_eq!(walk(&zones, &org("/baohe/"), &[], &[0.0, 250.0, 299.0, 301.0, 301.0]), "into ditch");
    assert_eq!(walk(&Zones::default(), &org("/luyang/xinghua/"), &[], &there_and_back), "");
}

#[test]
fn a_way_through_is_seen_from_far_off() {
    let steps = [0.0, 900.0, 1800.0, 2200.0, 2300.0];
    assert_eq!(walk(&zones(), &org("/luyang/"), &[], &steps), "into river, away from river");
    // The first fix only seeds.
    assert_eq!(walk(&zones(), &org("/luyang/"), &[], &[2000.0, 2001.0, 2000.0, 1000.0]), "");
}

#[test]
fn shared_and_own_fences_do_not_disturb_each_other() {
    let own = [Arc::new(crate::compile(&river("stream", 250.0)).unwrap())];
    let steps = [0.0, 249.0, 251.0, 350.0, 499.0, 501.0, 700.0];
    let expected = "into stream, away from stream, into canal, away from canal";
    assert_eq!(walk(&zones(), &org("/luyang/xinghua/"), &own, &steps), expected);
}

#[test]
fn what_is_to_be_stayed_in_is_inherited() {
    let ids = |path: &str| {
        let zones = zones();
        zones.inclusions_of(&org(path)).map(|fence| fence.id().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ids("/luyang/xinghua/yinxing/"), ["village"]);
    assert!(ids("/baohe/").is_empty());
}
