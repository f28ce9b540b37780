//! The registry that a server needs for the generator's devices.

use std::ops::Range;

use serde_json::{Value, json};

/// So many devices, and as many wearers, are one import.
pub const REGISTRY_DEVICES_MAX: usize = 10_000;

/// Corners of the polygon fence.
const CORNERS: u32 = 8;
/// How far the fences reach, metres: around everything that the generator reports.
const RADIUS_M: f64 = 1_900.0;
/// The middle of what the generator reports.
const MIDDLE: (f64, f64) = (117.225, 31.825);

/// Wearers and devices `load000000`… of these numbers, two fences each, one guardian, every device with this secret.
#[must_use]
pub fn registry(numbers: Range<usize>, secret: &str) -> Value {
    let ids: Vec<String> = numbers.map(|number| format!("load{number:06}")).collect();
    json!({
        "orgs": [{"path": "/load/", "name": "Load", "desk": {"phone": "+8613800000099"}}],
        "people": [{"id": "load-guardian", "role": "guardian", "name": "Guardian", "phone": "+8613800000001"}],
        "wearers": ids.iter().map(|id| json!({
            "id": id, "name": "Wearer", "org": "/load/", "guardians": ["load-guardian"], "fences": fences(),
        })).collect::<Vec<_>>(),
        "devices": ids.iter().map(|id| json!({
            "id": id, "kind": "bracelet", "wearer": id, "secret": secret,
        })).collect::<Vec<_>>(),
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
