//! What a fix costs, amortised over a walk, and which crossings it makes.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use geofence::{CompiledFence, Ground, Watch, Zones};
use model::{CrossingDirection, Located, OrgPath, Position, Shape, Timestamp};
use simulator::dice::Dice;

use crate::ring::fence;

/// How exact a fix of a walk is taken to be, metres.
const ACCURACY_METRES: f32 = 8.0;
/// How many fixes are handled, at least, and in how many turns, of which the median counts.
const FIXES_MIN: usize = 6_000_000;
const TURNS: usize = 21;

/// A fix with its time.
pub(crate) type Walk = Vec<(Located, Timestamp)>;

/// A walk as elders take it, for a run without a file: a fix a second, GNSS noise, a pause.
pub(crate) fn made(seed: u64) -> Walk {
    const NOON_MILLIS: i64 = 1_795_320_000_000;
    let mut dice = Dice::new(seed, "walk");
    let (mut north, mut east) = (0.0, 0.0);
    (0..1800)
        .map(|second| {
            let angle = f64::from(second / 300) * 1.3;
            let pace = if second % 600 < 400 { 1.2 } else { 0.0 };
            (north, east) = (north + pace * angle.cos(), east + pace * angle.sin());
            let noise = |dice: &mut Dice| dice.between(-3.0, 3.0);
            let position = Position {
                lat: 31.8206 + (north + noise(&mut dice)) / 111_320.0,
                lon: 117.2272 + (east + noise(&mut dice)) / 94_600.0,
            };
            let at = Timestamp::from_millis(NOON_MILLIS + i64::from(second) * 1000);
            (Located { position, accuracy_m: ACCURACY_METRES }, at)
        })
        .collect()
}

/// Geolife's format: six lines of heading, then latitude, longitude, 0, altitude, days, date, time.
pub(crate) fn read(path: &Path) -> anyhow::Result<Walk> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = |line: &str| -> Option<(Located, Timestamp)> {
        let fields: Vec<&str> = line.trim().split(',').collect();
        let position = Position::new(fields.first()?.parse().ok()?, fields.get(1)?.parse().ok()?)?;
        let at = Timestamp::parse(&format!("{}T{}Z", fields.get(5)?, fields.get(6)?))?;
        Some((Located { position, accuracy_m: ACCURACY_METRES }, at))
    };
    text.lines().skip(6).map(|text| line(text).with_context(|| format!("not a fix: {text}"))).collect()
}

/// Two fences around the walk's beginning: a circle and a ring of 23 vertices, and one that holds all of it.
fn fences(walk: &Walk) -> Vec<(&'static str, Vec<Arc<CompiledFence>>)> {
    let start = walk[0].0.position;
    let mut far: f64 = 0.0;
    let all = |radius_m| fence(Shape::Circle { lon: start.lon, lat: start.lat, radius_m });
    for (located, _) in walk {
        far = far.max(all(1.0).signed_distance_m(located.position));
    }
    let ring: Vec<[f64; 2]> = (0..=23)
        .map(|vertex| {
            let angle = std::f64::consts::TAU * f64::from(vertex % 23) / 23.0;
            let radius = if vertex % 23 % 2 == 0 { 0.004 } else { 0.003 };
            [start.lon + radius * angle.cos() * 1.2, start.lat + radius * angle.sin()]
        })
        .collect();
    let ring = Arc::new(fence(Shape::Polygon { rings: vec![ring] }));
    vec![
        ("a circle of 300 m", vec![Arc::new(all(300.0))]),
        ("a ring of 23 vertices", vec![Arc::clone(&ring)]),
        ("both", vec![Arc::new(all(300.0)), ring]),
        ("a circle that holds all of it", vec![Arc::new(all(far + 10.0))]),
    ]
}

/// Circles of 300 m around one fix of twenty: how many exits there are, and how many of them at a fix to which nobody
/// can have got from the last one that was inside, at 100 m/s and 8 m of accuracy at either end.
fn exits(walk: &Walk) -> (usize, usize) {
    let (zones, org) = (Zones::default(), OrgPath::new("/a/"));
    let (mut exits, mut impossible) = (0, 0);
    for (middle, _) in walk.iter().step_by(20) {
        let circle = Shape::Circle { lon: middle.position.lon, lat: middle.position.lat, radius_m: 300.0 };
        let fences = [Arc::new(fence(circle))];
        let ground = Ground { fences: &fences, zones: &zones, org: &org };
        let (mut watch, mut found, mut inside) = (Watch::default(), Vec::new(), walk[0]);
        for (located, at) in walk {
            watch.handle(&ground, located, *at, *at, &mut found);
            for crossing in found.drain(..).filter(|crossing| crossing.direction == CrossingDirection::Exit) {
                let (east, north) = fences[0].on_map(crossing.located.position);
                let (from_east, from_north) = fences[0].on_map(inside.0.position);
                let seconds = crossing.measured.millis_since(inside.1).max(1000) as f64 / 1000.0;
                exits += 1;
                impossible += usize::from((east - from_east).hypot(north - from_north) > 100.0 * seconds + 16.0);
            }
            if fences[0].signed_distance_m(located.position) < 0.0 {
                inside = (*located, *at);
            }
        }
    }
    (exits, impossible)
}

/// Prints what a fix costs, and what was found.
pub(crate) fn measure(name: &str, walk: &Walk) {
    let (zones, org) = (Zones::default(), OrgPath::new("/a/"));
    for (what, fences) in fences(walk) {
        let ground = Ground { fences: &fences, zones: &zones, org: &org };
        let mut crossings = Vec::new();
        let passes = FIXES_MIN.div_ceil(walk.len() * TURNS);
        let mut turns = [0.0; TURNS];
        for turn in &mut turns {
            let begun = Instant::now();
            for _ in 0..passes {
                crossings.clear();
                let mut watch = Watch::default();
                for (located, at) in walk {
                    watch.handle(&ground, black_box(located), *at, *at, &mut crossings);
                }
                black_box(&watch);
            }
            *turn = begun.elapsed().as_nanos() as f64 / (passes * walk.len()) as f64;
        }
        turns.sort_by(f64::total_cmp);
        let found: Vec<String> = crossings
            .iter()
            .map(|crossing| {
                format!(
                    "{:?} of {} at {} ({:.0} m)",
                    crossing.direction, crossing.fence, crossing.measured, crossing.distance_m
                )
            })
            .collect();
        let shown = if found.len() > 6 { format!("{} crossings", found.len()) } else { found.join(", ") };
        let (fixes, median, best) = (walk.len(), turns[TURNS / 2], turns[0]);
        println!(
            "- A walk ({name}, {fixes} fixes), {what}: **{median:.1} ns** a fix ({best:.1} at best; reach: ≤ 15); {shown}."
        );
    }
    let (exits, impossible) = exits(walk);
    println!(
        "- Circles of 300 m around one fix of twenty of {name}: {exits} exits, {impossible} that speed makes impossible."
    );
}
