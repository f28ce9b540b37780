//! The neighbourhood as the registry document of DESIGN §5.

use std::f64::consts::TAU;

use model::{Datum, Role};
use serde_json::{Map, Value, json};

use super::{Elder, Neighbourhood, ORGS, Offset, Person, shown_in};

/// Corners of a fence that is drawn as a polygon.
const OUTLINE_CORNERS: u8 = 8;
/// How far an outline lies beyond the circle around the home, metres.
const OUTLINE_BEYOND_M: f64 = 400.0;

pub(super) fn document(neighbourhood: &Neighbourhood) -> Value {
    let devices = neighbourhood.devices().map(|(elder, device)| (elder.id.as_str(), device));
    let spare = (neighbourhood.yours().id.as_str(), &neighbourhood.spare);
    json!({
        "orgs": ORGS.iter().map(|org| match org.desk {
            Some((phone, person)) => {
                json!({"path": org.path, "name": org.name, "desk": {"phone": phone, "people": [person]}})
            }
            None => json!({"path": org.path, "name": org.name}),
        }).collect::<Vec<_>>(),
        "people": neighbourhood.people.iter().map(person).collect::<Vec<_>>(),
        "wearers": neighbourhood.elders.iter().map(wearer).collect::<Vec<_>>(),
        "devices": devices.chain([spare]).map(|(wearer, device)| json!({
            "id": device.id, "kind": device.kind, "wearer": wearer, "secret": device.secret, "datum": device.datum,
        })).collect::<Vec<_>>(),
    })
}

fn person(person: &Person) -> Value {
    let mut entry = json!({"id": person.id, "role": person.role, "name": person.name, "phone": person.phone});
    if person.push {
        entry["push"] = json!({"kind": "ntfy", "topic": format!("yinling-demo-{}", person.id)});
    }
    if person.role == Role::Doctor {
        entry["email"] = json!(format!("{}@example.org", person.id));
    }
    entry
}

fn wearer(elder: &Elder) -> Value {
    let mut fences = vec![json!({
        "id": "home", "datum": "wgs84", "margin_m": 30,
        "circle": {"lon": rounded(elder.home.lon), "lat": rounded(elder.home.lat), "radius_m": elder.fence_radius_m},
    })];
    if elder.outline {
        fences.push(outline(elder));
    }
    let mut entry = json!({
        "id": elder.id, "name": elder.name, "org": elder.org, "birth_year": elder.birth_year,
        "guardians": elder.guardians, "doctor": elder.doctor, "fences": fences,
    });
    if let Some(seconds) = elder.repeat_within_s {
        entry["thresholds"] = json!({"blood_pressure": {"repeat_within_s": seconds}});
    }
    if !elder.plan.is_empty() {
        let plan: Map<String, Value> =
            elder.plan.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        entry["plan"] = Value::Object(plan);
    }
    entry
}

/// The same home drawn as a polygon by somebody with an AMap map: in GCJ-02.
fn outline(elder: &Elder) -> Value {
    let distance_m = elder.fence_radius_m + OUTLINE_BEYOND_M;
    let corner = |number: u8| {
        let direction = TAU * f64::from(number % OUTLINE_CORNERS) / f64::from(OUTLINE_CORNERS);
        let place = shown_in(Offset::polar(distance_m, direction).from_home(elder.home), Datum::Gcj02);
        json!([rounded(place.lon), rounded(place.lat)])
    };
    let ring: Vec<Value> = (0..=OUTLINE_CORNERS).map(corner).collect();
    json!({
        "id": "outline", "datum": "gcj02", "margin_m": 30, "active": "06:00-22:00",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    })
}

/// To seven digits, about a centimetre.
fn rounded(degrees: f64) -> f64 {
    (degrees * 1e7).round() / 1e7
}
