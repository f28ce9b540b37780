//! A town as the registry document of DESIGN §5.

use serde_json::{Value, json};

use super::{ELDER, Elder, Town};

/// The fence's margin, metres.
pub const MARGIN_M: f64 = 30.0;

pub(super) fn document(town: &Town) -> Value {
    let desk = |number: usize| {
        let desks: Vec<_> = town.people.iter().filter(|person| person.role == "desk").collect();
        desks.get(number % desks.len().max(1)).map(|person| (person.phone.clone(), person.id.clone()))
    };
    let org = |(number, path): (usize, &String)| match desk(number) {
        Some((phone, id)) => json!({"path": path, "name": path, "desk": {"phone": phone, "people": [id]}}),
        None => json!({"path": path, "name": path}),
    };
    let person = |person: &super::Person| json!({"id": person.id, "role": person.role, "name": person.id, "phone": person.phone});
    let devices = town.elders.iter().flat_map(|elder| {
        [("bracelet", &elder.bracelet, &elder.carrier), ("cuff", &elder.cuff, &None)].map(|(kind, device, carrier)| {
            let mut entry = json!({"id": device.id, "kind": kind, "wearer": elder.id, "secret": device.secret, "datum": device.datum});
            if let Some(carrier) = carrier {
                entry["carrier"] = json!(carrier);
            }
            entry
        })
    });
    json!({
        "orgs": town.orgs.iter().enumerate().map(org).collect::<Vec<_>>(),
        "people": town.people.iter().filter(|person| person.role != ELDER).map(person).collect::<Vec<_>>(),
        "wearers": town.elders.iter().map(|elder| wearer(town, elder)).collect::<Vec<_>>(),
        "devices": devices.collect::<Vec<_>>(),
    })
}

fn wearer(town: &Town, elder: &Elder) -> Value {
    let digits = |degrees: f64| (degrees * 1e7).round() / 1e7;
    let mut entry = json!({
        "id": elder.id, "name": elder.id, "org": elder.org, "guardians": elder.guardians, "birth_year": 1943,
        "fences": [{
            "id": "home", "datum": "wgs84", "margin_m": MARGIN_M,
            "circle": {"lon": digits(elder.home.lon), "lat": digits(elder.home.lat), "radius_m": elder.fence_radius_m},
        }],
    });
    let own_phone = town.people.iter().find(|person| person.role == ELDER && person.id == elder.id);
    let optional = [
        ("phone", own_phone.map(|person| Value::from(person.phone.clone()))),
        ("doctor", elder.doctor.clone().map(Value::from)),
        ("plan", elder.plan.clone()),
        ("thresholds", elder.thresholds.clone()),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            entry[key] = value;
        }
    }
    entry
}
