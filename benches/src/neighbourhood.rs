//! The registry documents of the benches.

use std::ops::Range;

use serde_json::{Value, json};

/// The secret of every device here; it never leaves loopback.
pub(crate) const SECRET: &str = "bench-secret";
/// Corners of the polygon fence.
const CORNERS: u32 = 8;
/// How far the fences reach, metres: around everything that the generator reports.
const RADIUS_M: f64 = 1_900.0;
/// The middle of what the generator reports.
const MIDDLE: (f64, f64) = (117.225, 31.825);

/// Wearers `{prefix}000000`… of these numbers with one device of the same id each, two fences, one guardian.
pub(crate) fn document(prefix: &str, numbers: Range<usize>) -> Value {
    let ids: Vec<String> = numbers.map(|number| format!("{prefix}{number:06}")).collect();
    json!({
        "orgs": [{"path": "/bench/", "name": "Bench", "desk": {"phone": "+8613800000099"}}],
        "people": [{"id": "g1", "role": "guardian", "name": "Guardian", "phone": "+8613800000001"}],
        "wearers": ids.iter().map(|id| json!({
            "id": id, "name": "Wearer", "org": "/bench/", "guardians": ["g1"], "fences": fences(),
            // Nobody answers here: without this, old incidents would go on calling while new ones are timed.
            "plan": {"next_after_s": 3600, "ring_s": 3600, "gap_s": 3600, "cycles": 1},
        })).collect::<Vec<_>>(),
        "devices": ids.iter().map(|id| json!({"id": id, "kind": "bracelet", "wearer": id, "secret": SECRET})).collect::<Vec<_>>(),
    })
}

fn fences() -> Value {
    let corner = |number: u32| {
        let angle = std::f64::consts::TAU * f64::from(number % CORNERS) / f64::from(CORNERS);
        let (metres_lat, metres_lon) = (111_320.0, 111_320.0 * MIDDLE.1.to_radians().cos());
        json!([MIDDLE.0 + RADIUS_M * angle.cos() / metres_lon, MIDDLE.1 + RADIUS_M * angle.sin() / metres_lat])
    };
    let ring: Vec<Value> = (0..=CORNERS).map(corner).collect();
    json!([
        {"id": "home", "circle": {"lon": MIDDLE.0, "lat": MIDDLE.1, "radius_m": RADIUS_M}},
        {"id": "outline", "geometry": {"type": "Polygon", "coordinates": [ring]}},
    ])
}
