//! Wearers: their people, fences, thresholds and plan.

use geofence::CompiledFence;
use model::registry::DailyWindow;
use model::{Fence, FenceId, PersonId, Plan, Shape, Thresholds, Wearer, WearerId};
use serde_json::Value;

use super::rows::{DATUMS, id, name, org_path, phone};
use super::{Reference, Walk, care};
use crate::config::document::{Faults, Object, below, quote, wrong_type};

/// The most guardians of one wearer.
const GUARDIANS_MAX: usize = 20;
/// The most fences of one wearer.
const FENCES_MAX: usize = 32;
/// The margin of a fence that names none, metres.
const MARGIN_METRES_DEFAULT: f64 = 30.0;
const DAY_MINUTES: u16 = 1_440;
const DAY_SECONDS: u64 = 86_400;

impl Walk<'_> {
    pub(super) fn wearer(&mut self, mut row: Object<'_>) -> Option<String> {
        let faults = &mut self.faults;
        let id = id(&mut row, "id", true, faults);
        let name = name(&mut row, faults);
        let org = org_path(&mut row, "org", faults);
        let birth_year = row.integer("birth_year", 1880..=2100, faults).and_then(|year| u16::try_from(year).ok());
        let thresholds = row.object("thresholds", faults).map(|object| thresholds(object, faults));
        let plan = row.object("plan", faults).map(|object| plan(object, faults));
        let doctor = self::id(&mut row, "doctor", false, faults).map(PersonId::new);
        let phone = phone(&mut row, faults);
        let mode = row.object("mode", faults).map(|object| care::mode(object, faults));
        let (guardians, availability) = self.guardians(&mut row, GUARDIANS_MAX);
        let fences = self.fences(&mut row);
        if let Some(org) = &org {
            self.references.push((row.at("org"), Reference::Org(org.clone())));
        }
        if let Some(doctor) = &doctor {
            self.references.push((row.at("doctor"), Reference::Person(doctor.clone())));
        }
        if guardians.is_empty() && !row.has("guardians") {
            let detail = "this wearer has no guardians: alarms go to the desk at once";
            self.warnings.add(row.pointer().to_owned(), detail, "该佩戴者没有监护人：报警将直接转至值守台");
        }
        row.finish(&mut self.faults);
        let id = id?;
        if let (Some(name), Some(org)) = (name, org) {
            self.change.wearers.push(Wearer {
                id: WearerId::new(id),
                name,
                org,
                birth_year,
                phone,
                guardians,
                doctor,
                fences,
                thresholds: thresholds.unwrap_or_default(),
                plan: plan.unwrap_or_default(),
                availability,
                mode: mode.flatten().unwrap_or_default(),
            });
        }
        Some(id.to_owned())
    }

    fn fences(&mut self, row: &mut Object<'_>) -> Vec<Fence> {
        let at = row.at("fences");
        let items = row.list("fences", &mut self.faults);
        if items.len() > FENCES_MAX {
            let count = items.len();
            let detail = format!("{count} fences are more than the {FENCES_MAX} that one wearer may have");
            self.faults.add(at, detail, format!("共 {count} 个围栏，超过每人上限 {FENCES_MAX} 个"));
            return Vec::new();
        }
        let mut fences: Vec<Fence> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let pointer = below(&at, index);
            let Some(object) = Object::new(item, pointer.clone(), &mut self.faults) else { continue };
            let Some(fence) = fence(object, &mut self.faults) else { continue };
            if fences.iter().any(|other| other.id == fence.id) {
                let detail = format!("this wearer has a fence {} already", fence.id);
                self.faults.add(pointer, detail, format!("该佩戴者已有围栏 {}", fence.id));
                continue;
            }
            match CompiledFence::compile(&fence, self.context.zone) {
                Ok(_) => fences.push(fence),
                Err(error) => {
                    let inner = error.pointer();
                    self.faults.add(format!("{pointer}{inner}"), error.to_string(), format!("围栏无效：{error}"));
                }
            }
        }
        fences
    }
}

fn fence(mut object: Object<'_>, faults: &mut Faults) -> Option<Fence> {
    let before = faults.count();
    let id = id(&mut object, "id", true, faults);
    let datum = object.word("datum", DATUMS, faults).unwrap_or_default();
    let margin_m = object.number("margin_m", 0.0..=10_000.0, faults).unwrap_or(MARGIN_METRES_DEFAULT);
    let active = daily_window(&mut object, faults);
    let circle = object.object("circle", faults).map(|circle| self::circle(circle, faults));
    let geometry = object.object("geometry", faults).map(|geometry| polygon(geometry, faults));
    let shape = match (circle, geometry) {
        (Some(shape), None) | (None, Some(shape)) => shape,
        (Some(_), Some(_)) => {
            let detail = "a fence is either a `circle` or a `geometry`, not both; make two fences of it";
            faults.add(object.pointer(), detail, "围栏只能是 `circle` 或 `geometry` 之一，请分成两个围栏");
            None
        }
        (None, None) => {
            if !object.has("circle") && !object.has("geometry") {
                let detail = "the fence has no shape: `circle` {lon, lat, radius_m} or `geometry` (a GeoJSON Polygon)";
                faults.add(
                    object.pointer(),
                    detail,
                    "围栏缺少形状：`circle` {lon, lat, radius_m} 或 `geometry`（GeoJSON Polygon）",
                );
            }
            None
        }
    };
    object.finish(faults);
    let fence = Fence { id: FenceId::new(id?), datum, margin_m, shape: shape?, active };
    (faults.count() == before).then_some(fence)
}

fn circle(mut object: Object<'_>, faults: &mut Faults) -> Option<Shape> {
    for required in ["lon", "lat", "radius_m"] {
        if !object.has(required) {
            object.missing::<()>(required, faults);
        }
    }
    let lon = object.number("lon", -180.0..=180.0, faults);
    let lat = object.number("lat", -90.0..=90.0, faults);
    let radius_m = object.number("radius_m", 1.0..=1_000_000.0, faults);
    object.finish(faults);
    Some(Shape::Circle { lon: lon?, lat: lat?, radius_m: radius_m? })
}

fn polygon(mut object: Object<'_>, faults: &mut Faults) -> Option<Shape> {
    if !object.has("type") {
        object.missing::<()>("type", faults);
    }
    match object.text("type", faults) {
        None | Some("Polygon") => {}
        Some(other) => {
            let quoted = quote(&Value::String(other.to_owned()));
            let detail =
                format!("the geometry is a {quoted}; only \"Polygon\" is taken (a MultiPolygon: one fence each)");
            faults.add(
                object.at("type"),
                detail,
                format!("几何类型 {quoted} 不受支持，仅支持 \"Polygon\"（多个面请分成多个围栏）"),
            );
        }
    }
    if !object.has("coordinates") {
        object.missing::<()>("coordinates", faults);
    }
    let at = object.at("coordinates");
    let items = object.list("coordinates", faults);
    if object.has("coordinates") && items.is_empty() {
        faults.add(at.clone(), "the polygon has no ring", "多边形没有任何环");
    }
    object.value("bbox"); // GeoJSON allows it; nothing is read from it
    object.finish(faults);
    let before = faults.count();
    let rings: Vec<Vec<[f64; 2]>> =
        items.iter().enumerate().map(|(index, ring)| self::ring(ring, below(&at, index), faults)).collect();
    (faults.count() == before && !rings.is_empty()).then_some(Shape::Polygon { rings })
}

fn ring(value: &Value, at: String, faults: &mut Faults) -> Vec<[f64; 2]> {
    let Value::Array(items) = value else {
        wrong_type(faults, at, "a ring (a list of [lon, lat])", "环（由 [经度, 纬度] 组成的列表）", value);
        return Vec::new();
    };
    let before = faults.count();
    let mut vertices = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match vertex(item) {
            Some(vertex) => vertices.push(vertex),
            None => {
                let quoted = item.to_string().chars().take(60).collect::<String>();
                faults.add(
                    below(&at, index),
                    format!("{quoted} is no position: [lon, lat] in degrees, −180 to 180 and −90 to 90, in this order"),
                    format!("{quoted} 不是合法坐标：应为 [经度, 纬度]，单位为度，注意先经后纬"),
                );
            }
        }
    }
    if faults.count() > before {
        return Vec::new();
    }
    if vertices.len() < 4 {
        let detail = "a ring has at least three corners and its first vertex again at the end";
        faults.add(at, detail, "环至少有三个角，且末点须与首点相同");
    } else if vertices.first() != vertices.last() {
        let last = vertices.len() - 1;
        let detail = "the ring is not closed: repeat its first vertex at the end, as GeoJSON asks";
        faults.add(below(&at, last), detail, "环未闭合：请按 GeoJSON 要求在末尾重复首点");
    }
    vertices
}

/// A GeoJSON position; a height is allowed and left out.
fn vertex(value: &Value) -> Option<[f64; 2]> {
    let ([lon, lat] | [lon, lat, _]) = value.as_array()?.as_slice() else { return None };
    let (lon, lat) = (lon.as_f64()?, lat.as_f64()?);
    ((-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat)).then_some([lon, lat])
}

/// `HH:MM-HH:MM`; the end may be 24:00, and the whole day is the same as none.
fn daily_window(object: &mut Object<'_>, faults: &mut Faults) -> Option<DailyWindow> {
    let text = object.text("active", faults)?;
    match care::parse_window(text) {
        Some((0, DAY_MINUTES)) => None,
        Some((from, to)) => Some(DailyWindow { from_minute: from, to_minute: to % DAY_MINUTES }),
        _ => {
            let quoted = quote(&Value::String(text.to_owned()));
            faults.add(
                object.at("active"),
                format!("{quoted} is no window of the day like \"06:00-22:00\" (over midnight: \"22:00-05:00\"; always: leave it out)"),
                format!("{quoted} 不是合法时段，应形如 \"06:00-22:00\"（跨午夜：\"22:00-05:00\"；全天有效则省略）"),
            );
            None
        }
    }
}

fn thresholds(mut object: Object<'_>, faults: &mut Faults) -> Thresholds {
    let mut found = Thresholds::default();
    if let Some(mut section) = object.object("blood_pressure", faults) {
        let (high_at, low_at) = (section.at("sys_high"), section.at("sys_low"));
        found.blood_pressure_systolic_high = small(section.integer("sys_high", 60..=300, faults));
        found.blood_pressure_diastolic_high = small(section.integer("dia_high", 40..=200, faults));
        found.blood_pressure_systolic_low = small(section.integer("sys_low", 40..=200, faults));
        found.blood_pressure_repeat_within_seconds = seconds(&mut section, "repeat_within_s", faults);
        section.finish(faults);
        let high = found.blood_pressure_systolic_high.map(f64::from);
        ordered(high, found.blood_pressure_systolic_low.map(f64::from), (180.0, 90.0), &high_at, &low_at, faults);
    }
    if let Some(mut section) = object.object("heart_rate", faults) {
        let (high_at, low_at) = (section.at("high"), section.at("low"));
        found.heart_rate_high = small(section.integer("high", 40..=250, faults));
        found.heart_rate_low = small(section.integer("low", 20..=150, faults));
        found.heart_rate_sustain_seconds = seconds(&mut section, "sustain_s", faults);
        section.finish(faults);
        let high = found.heart_rate_high.map(f64::from);
        ordered(high, found.heart_rate_low.map(f64::from), (120.0, 40.0), &high_at, &low_at, faults);
    }
    if let Some(mut section) = object.object("spo2", faults) {
        found.spo2_low = small(section.integer("low", 50..=100, faults));
        section.finish(faults);
    }
    if let Some(mut section) = object.object("temperature", faults) {
        let (high_at, low_at) = (section.at("high"), section.at("low"));
        let high = section.number("high", 30.0..=45.0, faults);
        let low = section.number("low", 25.0..=40.0, faults);
        section.finish(faults);
        ordered(high, low, (39.1, 35.0), &high_at, &low_at, faults);
        found.temperature_high = high.map(|degrees| degrees as f32);
        found.temperature_low = low.map(|degrees| degrees as f32);
    }
    object.finish(faults);
    found
}

/// A high threshold must lie above the low one, the defaults counted in where one of them is not given.
fn ordered(
    high: Option<f64>,
    low: Option<f64>,
    defaults: (f64, f64),
    high_at: &str,
    low_at: &str,
    faults: &mut Faults,
) {
    let at = if high.is_some() { high_at } else { low_at };
    let (given, given_low) = (high.unwrap_or(defaults.0), low.unwrap_or(defaults.1));
    if given <= given_low {
        let detail = format!("the high threshold ({given}) is not above the low one ({given_low})");
        faults.add(at, detail, format!("上限（{given}）须高于下限（{given_low}）"));
    }
}

fn plan(mut object: Object<'_>, faults: &mut Faults) -> Plan {
    let defaults = Plan::default();
    let mut whole = |name, most, default: u32| {
        object.integer(name, 1..=most, faults).and_then(|found| u32::try_from(found).ok()).unwrap_or(default)
    };
    let plan = Plan {
        next_after_seconds: whole("next_after_s", DAY_SECONDS, defaults.next_after_seconds),
        ring_seconds: whole("ring_s", DAY_SECONDS, defaults.ring_seconds),
        gap_seconds: whole("gap_s", DAY_SECONDS, defaults.gap_seconds),
        cycles: u16::try_from(whole("cycles", 1_000, u32::from(defaults.cycles))).unwrap_or(defaults.cycles),
        lease_seconds: whole("lease_s", DAY_SECONDS, defaults.lease_seconds),
        fall_window_seconds: whole("fall_window_s", DAY_SECONDS, defaults.fall_window_seconds),
        quiet: care::quiet(&mut object, faults, defaults.quiet),
        test_calls_every_days: small(object.integer("test_calls_every_days", 0..=90, faults)).unwrap_or(0),
    };
    object.finish(faults);
    plan
}

fn seconds(object: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> Option<u32> {
    small(object.integer(name, 1..=DAY_SECONDS, faults))
}

/// The range was checked before: this only changes the type.
fn small<T: TryFrom<u64>>(number: Option<u64>) -> Option<T> {
    number.and_then(|number| T::try_from(number).ok())
}
