//! The registry as outsiders write and read it: the nouns of the import, so that what is read here can be imported
//! again. What is secret is not in these types.

use model::attempt::Destination;
use model::registry::{
    Binding, DailyWindow, Device, Fence, Org, Person, Plan, Push, Shape, Thresholds, Wearer, WearerMode, WeeklyWindow,
};
use model::{Actor, Datum, DeviceId, Language, OrgPath, PersonId, Role, WearerId};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::scope::sees_everything;

/// Those who call people need their numbers; the others see them masked.
const CALLERS: &[Role] = &[Role::Admin, Role::Operator, Role::Desk, Role::Integration];

/// A device, without its secret.
#[derive(Serialize)]
pub(crate) struct DeviceJson {
    id: DeviceId,
    kind: String,
    wearer: Option<WearerId>,
    datum: Datum,
    /// Who wore it from when on.
    bindings: Vec<Binding>,
}

impl DeviceJson {
    /// As an actor may see it: who wore it before is for those who see everything, for they may have lived elsewhere.
    pub(crate) fn for_actor(device: Device, actor: &Actor) -> DeviceJson {
        let Device { id, kind, wearer, mut bindings, secret_hmac: _, datum } = device;
        if !sees_everything(actor) {
            bindings.retain(|binding| binding.wearer == wearer);
        }
        DeviceJson { id, kind: kind.into(), wearer, datum, bindings }
    }
}

/// A person.
#[derive(Serialize)]
pub(crate) struct PersonJson {
    id: PersonId,
    role: Role,
    name: String,
    phone: Option<String>,
    email: Option<String>,
    push: Option<Push>,
    lang: Language,
}

impl PersonJson {
    /// As somebody in a role may see them.
    pub(crate) fn for_role(person: Person, role: Role) -> PersonJson {
        let whole = CALLERS.contains(&role);
        let shown = |text| if whole { String::from(text) } else { Destination(text).masked() };
        PersonJson {
            id: person.id,
            role: person.role,
            name: person.name,
            phone: person.phone.map(shown),
            email: person.email.map(shown),
            // A topic is a capability: who knows it can read what is pushed there.
            push: person.push.filter(|_| whole),
            lang: person.lang,
        }
    }
}

/// An organisation.
#[derive(Serialize)]
pub(crate) struct OrgJson {
    path: OrgPath,
    name: String,
    desk: Option<model::registry::Desk>,
}

impl From<Org> for OrgJson {
    fn from(org: Org) -> OrgJson {
        OrgJson { path: org.path, name: org.name, desk: org.desk }
    }
}

/// A wearer.
#[derive(Serialize)]
pub(crate) struct WearerJson {
    id: WearerId,
    name: String,
    org: OrgPath,
    birth_year: Option<u16>,
    phone: Option<String>,
    guardians: Vec<Value>,
    doctor: Option<PersonId>,
    fences: Vec<Value>,
    thresholds: Value,
    plan: Value,
    mode: Value,
}

impl WearerJson {
    /// As somebody in a role may see them.
    pub(crate) fn for_role(wearer: Wearer, role: Role) -> WearerJson {
        let whole = CALLERS.contains(&role);
        let shown = |text| if whole { String::from(text) } else { Destination(text).masked() };
        WearerJson {
            guardians: wearer.guardians.iter().map(|person| guardian(&wearer, person)).collect(),
            mode: mode(&wearer.mode),
            phone: wearer.phone.map(shown),
            id: wearer.id,
            name: wearer.name,
            org: wearer.org,
            birth_year: wearer.birth_year,
            doctor: wearer.doctor,
            fences: wearer.fences.iter().map(fence).collect(),
            thresholds: thresholds(&wearer.thresholds),
            plan: plan(&wearer.plan),
        }
    }
}

/// A guardian's id; with the windows in which they can be called, where there are any.
fn guardian(wearer: &Wearer, person: &PersonId) -> Value {
    match wearer.availability.iter().find(|hours| hours.person == *person) {
        Some(hours) => json!({
            "person": person,
            "available": hours.windows.iter().map(weekly_window).collect::<Vec<_>>(),
        }),
        None => json!(person),
    }
}

/// `mon,wed 08:00-18:00`, as the import reads it.
fn weekly_window(weekly: &WeeklyWindow) -> String {
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let times = window(&DailyWindow { from_minute: weekly.from_minute, to_minute: weekly.to_minute });
    if weekly.days == 0b111_1111 {
        return times;
    }
    let days: Vec<&str> =
        DAYS.into_iter().enumerate().filter(|(i, _)| weekly.days & (1 << i) != 0).map(|d| d.1).collect();
    format!("{} {times}", days.join(","))
}

fn mode(mode: &WearerMode) -> Value {
    match mode {
        WearerMode::Normal => json!({ "kind": "normal" }),
        WearerMode::Test { by, until } => json!({ "kind": "test", "by": by, "until": until }),
        WearerMode::Suspended { reason, until } => json!({ "kind": "suspended", "reason": reason, "until": until }),
    }
}

fn fence(fence: &Fence) -> Value {
    let mut members = Map::new();
    members.insert("id".to_owned(), json!(fence.id));
    members.insert("datum".to_owned(), json!(fence.datum));
    members.insert("margin_m".to_owned(), json!(fence.margin_m));
    match &fence.shape {
        Shape::Circle { lon, lat, radius_m } => {
            members.insert("circle".to_owned(), json!({ "lon": lon, "lat": lat, "radius_m": radius_m }));
        }
        Shape::Polygon { rings } => {
            members.insert("geometry".to_owned(), json!({ "type": "Polygon", "coordinates": rings }));
        }
    }
    if let Some(active) = &fence.active {
        members.insert("active".to_owned(), json!(window(active)));
    }
    Value::Object(members)
}

fn window(window: &DailyWindow) -> String {
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{}-{}", time(window.from_minute), time(window.to_minute))
}

/// What differs from the defaults, in the import's sections.
fn thresholds(thresholds: &Thresholds) -> Value {
    let mut sections = Map::new();
    let mut set = |section: &str, name: &str, value: Option<Value>| {
        if let Some(value) = value {
            let section = sections.entry(section).or_insert_with(|| json!({}));
            section[name] = value;
        }
    };
    let t = thresholds;
    set("blood_pressure", "sys_high", t.blood_pressure_systolic_high.map(Value::from));
    set("blood_pressure", "dia_high", t.blood_pressure_diastolic_high.map(Value::from));
    set("blood_pressure", "sys_low", t.blood_pressure_systolic_low.map(Value::from));
    set("blood_pressure", "repeat_within_s", t.blood_pressure_repeat_within_seconds.map(Value::from));
    set("heart_rate", "high", t.heart_rate_high.map(Value::from));
    set("heart_rate", "low", t.heart_rate_low.map(Value::from));
    set("heart_rate", "sustain_s", t.heart_rate_sustain_seconds.map(Value::from));
    set("spo2", "low", t.spo2_low.map(Value::from));
    set("temperature", "high", t.temperature_high.map(celsius));
    set("temperature", "low", t.temperature_low.map(celsius));
    Value::Object(sections)
}

/// 39.1 as it was written, not as the nearest float of half the width prints in full width.
fn celsius(degrees: f32) -> Value {
    json!((f64::from(degrees) * 100.0).round() / 100.0)
}

fn plan(plan: &Plan) -> Value {
    json!({
        "next_after_s": plan.next_after_seconds,
        "ring_s": plan.ring_seconds,
        "gap_s": plan.gap_seconds,
        "cycles": plan.cycles,
        "lease_s": plan.lease_seconds,
        "fall_window_s": plan.fall_window_seconds,
        "quiet": plan.quiet.as_ref().map_or_else(|| "none".to_owned(), window),
        "test_calls_every_days": plan.test_calls_every_days,
    })
}
