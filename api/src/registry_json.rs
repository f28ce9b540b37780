//! The registry as outsiders write and read it: the nouns of the import, so that what is read here can be imported
//! again. What is secret is not in these types.

use model::attempt::Destination;
use model::registry::{
    Binding, Consent, DailyWindow, Device, EVERY_DAY, Fence, Org, Person, Plan, Push, Schedule, Shadow, Shape,
    Suspension, Thresholds, Wearer, WearerMode, WeeklyWindow,
};
use model::{Actor, Datum, DeviceId, Language, OrgPath, PersonId, Role, WearerId};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::scope::sees_everything;

/// Those who call people need their numbers; the others see them masked.
const CALLERS: &[Role] = &[Role::Admin, Role::Operator, Role::Desk, Role::Integration];

macro_rules! rows {
    ($($(#[$about:meta])* $name:ident { $($field:ident: $kind:ty,)* })*) => { $(
        $(#[$about])*
        #[derive(serde::Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code)] // described, not read: the engine checks rows, and says what is wrong with each
        pub(crate) struct $name { $($field: $kind,)* }
    )* };
}

rows! {
    /// The registry as it is imported; of a row only `id`, `name`, `org`, `role`, `kind`, `secret`, a fence's shape and
    /// a path are required.
    RegistryDocument {
        orgs: Option<Vec<OrgRow>>,
        people: Option<Vec<PersonRow>>,
        wearers: Option<Vec<WearerRow>>,
        devices: Option<Vec<DeviceRow>>,
    }
    /// An organisation's row.
    OrgRow { path: Option<String>, name: Option<String>, desk: Option<Value>, fences: Option<Vec<Value>>, robot: Option<String>, }
    /// A person's row.
    PersonRow {
        id: Option<String>,
        role: Option<Role>,
        name: Option<String>,
        phone: Option<String>,
        email: Option<String>,
        push: Option<Push>,
        lang: Option<Language>,
    }
    /// A wearer's row.
    WearerRow {
        id: Option<String>,
        name: Option<String>,
        org: Option<String>,
        birth_year: Option<u16>,
        lives_alone: Option<bool>,
        phone: Option<String>,
        guardians: Option<Vec<Value>>,
        doctor: Option<String>,
        fences: Option<Vec<Value>>,
        thresholds: Option<Value>,
        plan: Option<Value>,
        suspension: Option<Value>,
        mode: Option<Value>,
        consents: Option<Vec<Value>>,
    }
    /// A device's row.
    DeviceRow {
        id: Option<String>,
        kind: Option<String>,
        wearer: Option<String>,
        secret: Option<String>,
        datum: Option<String>,
    }
}

/// A device, without its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeviceJson {
    id: DeviceId,
    kind: String,
    wearer: Option<WearerId>,
    datum: Datum,
    /// Whose network it is in.
    carrier: Option<String>,
    /// Who wore it from when on.
    bindings: Vec<Binding>,
}

impl DeviceJson {
    /// As an actor may see it: who wore it before is for those who see everything, for they may have lived elsewhere.
    pub(crate) fn for_actor(device: Device, actor: &Actor) -> DeviceJson {
        let Device { id, kind, wearer, mut bindings, secret_hmac: _, datum, carrier } = device;
        if !sees_everything(actor) {
            bindings.retain(|binding| binding.wearer == wearer);
        }
        DeviceJson { id, kind: kind.into(), wearer, datum, carrier: carrier.map(String::from), bindings }
    }
}

/// A person.
#[derive(Serialize, ToSchema)]
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
#[derive(Serialize, ToSchema)]
pub(crate) struct OrgJson {
    path: OrgPath,
    name: String,
    desk: Option<model::registry::Desk>,
    fences: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    robot: Option<String>,
}

impl From<Org> for OrgJson {
    fn from(org: Org) -> OrgJson {
        let fences = org.fences.iter().map(fence).collect();
        OrgJson { path: org.path, name: org.name, desk: org.desk, fences, robot: org.robot.map(String::from) }
    }
}

/// A wearer.
#[derive(Serialize, ToSchema)]
pub(crate) struct WearerJson {
    id: WearerId,
    name: String,
    org: OrgPath,
    birth_year: Option<u16>,
    lives_alone: bool,
    phone: Option<String>,
    guardians: Vec<Value>,
    doctor: Option<PersonId>,
    fences: Vec<Value>,
    thresholds: Value,
    plan: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspension: Option<Suspension>,
    mode: Value,
    /// What was agreed to, by whom (nobody named: the wearer), how and when, and when it was taken back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    consents: Vec<Value>,
}

impl WearerJson {
    /// As somebody in a role may see them.
    pub(crate) fn for_role(wearer: Wearer, role: Role) -> WearerJson {
        let whole = CALLERS.contains(&role);
        let shown = |text| if whole { String::from(text) } else { Destination(text).masked() };
        // A volunteer sees the place of the case that they took: neither the home of everybody, nor how somebody is.
        let is_close = role != Role::Volunteer;
        WearerJson {
            guardians: wearer.guardians.iter().map(|person| guardian(&wearer, person)).collect(),
            mode: mode(&wearer.mode),
            phone: wearer.phone.map(shown),
            id: wearer.id,
            name: wearer.name,
            org: wearer.org,
            birth_year: wearer.birth_year,
            lives_alone: wearer.lives_alone,
            doctor: wearer.doctor,
            fences: wearer.fences.iter().filter(|_| is_close).map(fence).collect(),
            thresholds: if is_close { thresholds(&wearer.thresholds) } else { json!({}) },
            plan: plan(&wearer.plan),
            suspension: wearer.suspension,
            consents: wearer.consents.iter().map(consent).collect(),
        }
    }

    /// The fences and the thresholds.
    pub(crate) fn drawn(self) -> (Vec<Value>, Value) {
        (self.fences, self.thresholds)
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

/// As the import reads it.
fn consent(consent: &Consent) -> Value {
    let mut members = Map::new();
    members.insert("to".to_owned(), json!(consent.to));
    if let Some(by) = &consent.by {
        members.insert("by".to_owned(), json!(by));
    }
    members.insert("how".to_owned(), json!(consent.how));
    members.insert("given_at".to_owned(), json!(consent.given_at));
    if let Some(at) = consent.withdrawn_at {
        members.insert("withdrawn_at".to_owned(), json!(at));
    }
    if !consent.note.is_empty() {
        members.insert("note".to_owned(), json!(consent.note));
    }
    Value::Object(members)
}

fn mode(mode: &WearerMode) -> Value {
    match mode {
        WearerMode::Normal => json!({ "kind": "normal" }),
        WearerMode::Test { by, until } => json!({ "kind": "test", "by": by, "until": until }),
    }
}

fn fence(fence: &Fence) -> Value {
    let mut members = Map::new();
    members.insert("id".to_owned(), json!(fence.id));
    members.insert("kind".to_owned(), json!(fence.kind));
    members.insert("datum".to_owned(), json!(fence.datum));
    members.insert("margin_m".to_owned(), json!(fence.margin_m));
    match &fence.shape {
        Shape::Circle { lon, lat, radius_m } => {
            members.insert("circle".to_owned(), json!({ "lon": lon, "lat": lat, "radius_m": radius_m }));
        }
        Shape::Polygon { rings } => {
            members.insert("geometry".to_owned(), json!({ "type": "Polygon", "coordinates": rings }));
        }
        Shape::MultiPolygon { polygons } => {
            members.insert("geometry".to_owned(), json!({ "type": "MultiPolygon", "coordinates": polygons }));
        }
        Shape::Corridor { line, width_m } => {
            members.insert("geometry".to_owned(), json!({ "type": "LineString", "coordinates": line }));
            members.insert("width_m".to_owned(), json!(width_m));
        }
    }
    if let Some(schedule) = &fence.active {
        members.insert("active".to_owned(), json!(active(schedule)));
        if let Some(zone) = &schedule.zone {
            members.insert("zone".to_owned(), json!(zone));
        }
    }
    if fence.large {
        members.insert("large".to_owned(), json!(true));
    }
    Value::Object(members)
}

/// The hours as the import takes them: `06:00-22:00`, `Mon,Wed,Fri 06:00-22:00`.
fn active(schedule: &Schedule) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let window = window(&schedule.window);
    if schedule.weekdays == EVERY_DAY {
        return window;
    }
    let days: Vec<&str> = (0..7).filter(|day| schedule.weekdays >> day & 1 == 1).map(|day| DAYS[day]).collect();
    format!("{} {window}", days.join(","))
}

/// `22:00-05:00`.
fn window(window: &DailyWindow) -> String {
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let (from, to) = (window.from_minute, window.to_minute);
    // A whole day: its end is the next day's beginning.
    let to = if from == 0 && to == 0 { "24:00".to_owned() } else { time(to) };
    format!("{}-{to}", time(from))
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
    set("blood_pressure", "watch_sys", t.blood_pressure_watch_systolic.map(Value::from));
    set("blood_pressure", "watch_dia", t.blood_pressure_watch_diastolic.map(Value::from));
    set("heart_rate", "severe_high", t.heart_rate_severe_high.map(Value::from));
    set("heart_rate", "severe_low", t.heart_rate_severe_low.map(Value::from));
    set("spo2", "watch", t.spo2_watch.map(Value::from));
    set("spo2", "sustain_s", t.spo2_sustain_seconds.map(Value::from));
    set("spo2", "scale", t.spo2_scale_2.then(|| json!(2)));
    set("silence", "heartbeat_s", t.silence_heartbeat_seconds.map(Value::from));
    set("silence", "charging_grace_s", t.silence_charging_grace_seconds.map(Value::from));
    set("silence", "shadow_grace_s", t.silence_shadow_grace_seconds.map(Value::from));
    let shadow = |s: &Shadow| json!({"lon": s.centre.lon, "lat": s.centre.lat, "radius_m": f64::from(s.radius_m)});
    let shadows: Vec<Value> = t.silence_shadows.iter().map(shadow).collect();
    set("silence", "shadows", (!shadows.is_empty()).then_some(Value::Array(shadows)));
    set("battery", "low", t.battery_low.map(Value::from));
    set("removed", "after_s", t.removed_after_seconds.map(Value::from));
    set("wandering", "night", t.wandering_night.as_ref().map(|night| json!(window(night))));
    set("wandering", "usual_radius_m", t.wandering_radius_m.map(Value::from));
    set("wandering", "after_s", t.wandering_after_seconds.map(Value::from));
    set("immobility", "after_s", t.immobility_after_seconds.map(Value::from));
    set("news2", "on_oxygen", t.news2_on_oxygen.then_some(Value::Bool(true)));
    if let Some(set) = t.set.as_ref().filter(|_| !sections.is_empty()) {
        sections.insert("set_by".to_owned(), json!(set.by));
        sections.insert("set_at".to_owned(), json!(set.at));
    }
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
