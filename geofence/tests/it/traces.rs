//! Two traces of Geolife that lie beside the repository where they were handed out; an extra. A run without them shows
//! the same with walks that were made up: `jitter.rs`, `walks.rs`.

use std::path::Path;
use std::sync::Arc;

use geofence::{CompiledFence, Ground, Watch, Zones, geojson};
use model::{Crossing, CrossingDirection, Fence, Located, OrgPath, Position, Shape, Timestamp};

use crate::{circle, compile};

/// How exact a fix is taken to be, and how fast nobody is.
const ACCURACY_METRES: f32 = 8.0;
const SPEED_METRES_PER_SECOND: f64 = 100.0;

type Walk = Vec<(Located, Timestamp)>;

/// A real trace that lies beside the repository. Elsewhere the test has nothing to do; in CI it must not pass for that.
fn beside(name: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data").join(name);
    let found = std::fs::read_to_string(&path).ok();
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "{} is not there", path.display());
    found
}

/// Six lines of heading, then latitude, longitude, 0, altitude, days, date, time.
fn trace(name: &str) -> Option<Walk> {
    let fix = |line: &str| {
        let fields: Vec<&str> = line.trim().split(',').collect();
        let position = Position::new(fields[0].parse().unwrap(), fields[1].parse().unwrap()).unwrap();
        let at = Timestamp::parse(&format!("{}T{}Z", fields[5], fields[6])).unwrap();
        (Located { position, accuracy_m: ACCURACY_METRES }, at)
    };
    Some(beside(name)?.lines().skip(6).map(fix).collect())
}

fn crossings(fence: &Arc<CompiledFence>, walk: &Walk) -> Vec<Crossing> {
    let (zones, org) = (Zones::default(), OrgPath::new("/a/"));
    let ground = Ground { fences: std::slice::from_ref(fence), zones: &zones, org: &org };
    let (mut watch, mut found) = (Watch::default(), Vec::new());
    for (located, at) in walk {
        while let Some(due) = watch.next_due().filter(|due| due <= at) {
            watch.advance(&ground, due, &mut found);
        }
        watch.handle(&ground, located, *at, *at, &mut found);
    }
    found
}

fn around(centre: Position, radius_m: f64) -> Arc<CompiledFence> {
    let shape = Shape::Circle { lon: centre.lon, lat: centre.lat, radius_m };
    Arc::new(compile(&Fence { shape, large: true, ..circle(radius_m) }).unwrap())
}

fn far_from(centre: Position, walk: &Walk) -> f64 {
    let point = around(centre, 1.0);
    walk.iter().map(|(located, _)| point.signed_distance_m(located.position) + 1.0).fold(0.0, f64::max)
}

#[test]
fn a_real_walk_leaves_no_fence_that_it_stays_in() {
    let Some(walk) = trace("walk-beijing.plt") else { return };
    assert!(walk.len() > 300);
    for (centre, _) in walk.iter().step_by(25) {
        let radius_m = far_from(centre.position, &walk) + 1.0;
        assert_eq!(crossings(&around(centre.position, radius_m), &walk), []);
    }
    let Some(campus) = beside("campus-fence.geojson") else { return };
    let shape = geojson::read(&serde_json::from_str(&campus).unwrap(), None).unwrap();
    let campus = Arc::new(compile(&Fence { shape, ..circle(1.0) }).unwrap());
    let furthest = walk.iter().map(|(located, _)| campus.signed_distance_m(located.position)).fold(f64::MIN, f64::max);
    let exits = crossings(&campus, &walk).into_iter().filter(|crossing| crossing.direction == CrossingDirection::Exit);
    let exits = exits.count();
    println!("the walk comes as far as {furthest:.0} m from the campus fence (below 0: inside): {exits} exits");
    assert!(furthest > 0.0 || exits == 0);
}

/// Circles around one fix of twenty: every exit must be at a fix that somebody can have got to from the last one inside.
#[test]
fn jumps_of_real_traces_raise_no_exit_that_speed_makes_impossible() {
    for name in ["jitter-beijing.plt", "walk-beijing.plt"] {
        let Some(walk) = trace(name) else { return };
        let (mut exits, mut circles) = (0, 0);
        for (centre, _) in walk.iter().step_by(20) {
            let fence = around(centre.position, 300.0);
            circles += 1;
            for exit in crossings(&fence, &walk).iter().filter(|found| found.direction == CrossingDirection::Exit) {
                exits += 1;
                // Between the edge and the margin nobody is out yet.
                let is_inside = |(located, at): &&(Located, Timestamp)| {
                    *at < exit.measured && fence.signed_distance_m(located.position) <= exit.margin_m
                };
                let (inside, left) = walk.iter().rfind(is_inside).expect("nobody leaves who was not in");
                let (east, north) = fence.on_map(exit.located.position);
                let (from_east, from_north) = fence.on_map(inside.position);
                let seconds = exit.measured.millis_since(*left) as f64 / 1000.0;
                let metres = (east - from_east).hypot(north - from_north) - 2.0 * f64::from(ACCURACY_METRES);
                assert!(metres <= SPEED_METRES_PER_SECOND * seconds.max(1.0), "{name}: {metres} m in {seconds} s");
            }
        }
        println!("{name}: {exits} exits from {circles} circles of 300 m");
        let all = around(walk[0].0.position, far_from(walk[0].0.position, &walk) + 1.0);
        assert_eq!(crossings(&all, &walk), []);
    }
}
