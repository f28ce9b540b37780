//! Fences of wearers and organisations: a circle, a GeoJSON geometry or well-known text, their datum, margin and hours.

use geofence::{CompiledFence, geojson, wkt};
use model::registry::{DailyWindow, EVERY_DAY};
use model::{Datum, Fence, FenceId, FenceKind, Schedule, Shape};
use serde_json::Value;

use super::Walk;
use super::hours::{daily, parse_weekly};
use super::rows::{DATUMS, id, item_id};
use crate::config::document::{Faults, Object, below, quote, wrong_type};

/// The margin of a fence that names none, metres.
const MARGIN_METRES_DEFAULT: f64 = 30.0;

/// From bank to bank of a corridor.
const WIDTH_METRES: std::ops::RangeInclusive<f64> = 1.0..=10_000.0;
const RADIUS_METRES: std::ops::RangeInclusive<f64> = 1.0..=1_000_000.0;

const KINDS: &[(&str, FenceKind)] = &[("inclusion", FenceKind::Inclusion), ("exclusion", FenceKind::Exclusion)];

impl Walk<'_> {
    /// The member `fences` of a row, each of them valid on its own.
    pub(super) fn fences(&mut self, row: &mut Object<'_>, most: usize) -> Vec<Fence> {
        let mut at = row.at("fences");
        let items = match row.value("fences") {
            Some(collection) if is_a(collection, "FeatureCollection") => {
                at = below(&at, "features");
                match collection.get("features") {
                    Some(Value::Array(features)) => features.as_slice(),
                    other => {
                        let found = other.unwrap_or(&Value::Null);
                        wrong_type(&mut self.faults, at.clone(), "a list of features", "要素列表", found);
                        &[]
                    }
                }
            }
            _ => row.list("fences", &mut self.faults),
        };
        if items.len() > most {
            let count = items.len();
            let detail = format!("{count} fences are more than the {most} that one entry may have");
            self.faults.add(at, detail, format!("共 {count} 个围栏，超过上限 {most} 个"));
            return Vec::new();
        }
        let mut fences: Vec<Fence> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let pointer = below(&at, index);
            let read = if is_a(item, "Feature") {
                self.feature(item, &pointer)
            } else {
                Object::new(item, pointer.clone(), &mut self.faults).and_then(|object| fence(object, &mut self.faults))
            };
            let Some(fence) = read else { continue };
            if fences.iter().any(|other| other.id == fence.id) {
                let detail = format!("there is a fence {} in this list already", fence.id);
                self.faults.add(pointer, detail, format!("此列表中已有围栏 {}", fence.id));
                continue;
            }
            match CompiledFence::compile(&fence, self.context.zone) {
                Ok(_) => fences.push(fence),
                Err(error) => {
                    let inner = place_in(item, error.pointer());
                    self.faults.add(format!("{pointer}{inner}"), error.to_string(), error.zh());
                }
            }
        }
        fences
    }

    /// A GeoJSON feature; what a row has beside its shape stands in its properties, named in the same way. Properties of
    /// others are left out, and said to be.
    fn feature(&mut self, item: &Value, pointer: &str) -> Option<Fence> {
        let faults = &mut self.faults;
        let before = faults.count();
        let none = Value::Object(serde_json::Map::new());
        let given = item.get("properties").filter(|value| !value.is_null()).unwrap_or(&none);
        let mut properties = Object::new(given, below(pointer, "properties"), faults)?;
        let id = match item.get("id").filter(|value| !value.is_null()) {
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(id) => item_id(id, below(pointer, "id"), faults).map(str::to_owned),
            None if properties.has("id") => id(&mut properties, "id", true, faults).map(str::to_owned),
            None => {
                let detail = "a feature that is to be a fence needs an `id`, unique among these fences";
                faults.add(pointer, detail, "作为围栏的要素须有 `id`，且在列表中唯一");
                None
            }
        };
        let traits = Traits::read(&mut properties, faults);
        // These two are read with the geometry; here they are checked.
        properties.number("width_m", WIDTH_METRES, faults);
        properties.number("radius_m", RADIUS_METRES, faults);
        let shape = geojson::read(item, None).map_err(|wrong| {
            for fault in wrong {
                faults.add(format!("{pointer}{}", fault.pointer), fault.detail, fault.detail_zh);
            }
        });
        properties.finish(&mut self.warnings);
        let fence = traits.fence(id.as_deref()?, shape.ok()?);
        (self.faults.count() == before).then_some(fence)
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    value.get("type").and_then(Value::as_str) == Some(kind)
}

/// What a fence has beside its id and its shape.
struct Traits {
    kind: FenceKind,
    datum: Datum,
    margin_m: f64,
    large: bool,
    active: Option<Schedule>,
}

impl Traits {
    fn read(object: &mut Object<'_>, faults: &mut Faults) -> Traits {
        Traits {
            kind: object.word("kind", KINDS, faults).unwrap_or_default(),
            datum: object.word("datum", DATUMS, faults).unwrap_or_default(),
            margin_m: object.number("margin_m", 0.0..=10_000.0, faults).unwrap_or(MARGIN_METRES_DEFAULT),
            large: object.boolean("large", faults).unwrap_or_default(),
            active: schedule(object, faults),
        }
    }

    fn fence(self, id: &str, shape: Shape) -> Fence {
        let Traits { kind, datum, margin_m, large, active } = self;
        Fence { id: FenceId::new(id), kind, datum, margin_m, shape, active, large }
    }
}

/// Where a fault of the coordinates stands in the fence as it was written.
fn place_in(fence: &Value, pointer: String) -> String {
    match pointer.strip_prefix("/geometry") {
        Some(_) if fence.get("wkt").is_some() => "/wkt".to_owned(),
        Some(inner) if fence.pointer("/geometry/geometry").is_some() => format!("/geometry/geometry{inner}"),
        _ => pointer,
    }
}

fn fence(mut object: Object<'_>, faults: &mut Faults) -> Option<Fence> {
    let before = faults.count();
    let id = id(&mut object, "id", true, faults);
    let traits = Traits::read(&mut object, faults);
    let shape = shape(&mut object, faults);
    object.finish(faults);
    let fence = traits.fence(id?, shape?);
    (faults.count() == before).then_some(fence)
}

/// One of `circle`, `geometry` and `wkt`.
fn shape(object: &mut Object<'_>, faults: &mut Faults) -> Option<Shape> {
    let given = ["circle", "geometry", "wkt"].into_iter().filter(|name| object.has(name)).count();
    let circle = object.object("circle", faults).map(|circle| self::circle(circle, faults));
    let width_m = object.number("width_m", WIDTH_METRES, faults);
    let geometry_at = object.at("geometry");
    let geometry = object.value("geometry").map(|value| {
        let read = geojson::read(value, width_m).map_err(|wrong| {
            for fault in wrong {
                faults.add(format!("{geometry_at}{}", fault.pointer), fault.detail, fault.detail_zh);
            }
        });
        read.ok()
    });
    let text = object.text("wkt", faults).map(|text| {
        let read = wkt::read(text, width_m).map_err(|error| {
            faults.add(object.at("wkt"), error.to_string(), format!("WKT 第 {} 个字符处有误：{error}", error.at));
        });
        read.ok()
    });
    if given > 1 {
        let detail = "a fence is either a `circle` or a `geometry` (or `wkt`), not both; make two fences of it";
        faults.add(object.pointer(), detail, "围栏只能是 `circle`、`geometry`、`wkt` 之一，请分成两个围栏");
    }
    if given == 0 {
        let detail = "the fence has no shape: `circle` {lon, lat, radius_m}, `geometry` (a GeoJSON Polygon, MultiPolygon, \
                      or LineString with `width_m`), or the same as `wkt`";
        let zh = "围栏缺少形状：`circle` {lon, lat, radius_m}、`geometry`（GeoJSON Polygon、MultiPolygon，或带 `width_m` 的 \
                  LineString），或 `wkt`";
        faults.add(object.pointer(), detail, zh);
    }
    circle.or(geometry).or(text).flatten()
}

fn circle(mut object: Object<'_>, faults: &mut Faults) -> Option<Shape> {
    for required in ["lon", "lat", "radius_m"] {
        if !object.has(required) {
            object.missing::<()>(required, faults);
        }
    }
    let lon = object.number("lon", -180.0..=180.0, faults);
    let lat = object.number("lat", -90.0..=90.0, faults);
    let radius_m = object.number("radius_m", RADIUS_METRES, faults);
    object.finish(faults);
    Some(Shape::Circle { lon: lon?, lat: lat?, radius_m: radius_m? })
}

/// `active`: `06:00-22:00` or `Mon-Fri 06:00-22:00`, and beside it `zone`.
fn schedule(object: &mut Object<'_>, faults: &mut Faults) -> Option<Schedule> {
    let text = object.text("active", faults);
    let zone = object.text("zone", faults);
    let Some(text) = text else {
        if zone.is_some() {
            let detail = "a zone without hours says nothing: add `active`, like \"06:00-22:00\"";
            faults.add(object.at("zone"), detail, "只有时区没有时段：请加上 `active`，如 \"06:00-22:00\"");
        }
        return None;
    };
    match parse_weekly(text) {
        Some(week) => {
            let window = daily(week.from_minute, week.to_minute);
            // Every hour of every day: no schedule. Every hour of some days is one, from midnight to midnight.
            let window = window.or((week.days != EVERY_DAY).then_some(DailyWindow { from_minute: 0, to_minute: 0 }));
            window.map(|window| Schedule { window, weekdays: week.days, zone: zone.map(Into::into) })
        }
        None => {
            let quoted = quote(&Value::String(text.to_owned()));
            faults.add(
                object.at("active"),
                format!("{quoted} is no window of the day like \"06:00-22:00\" or \"Mon-Fri 06:00-22:00\" (over midnight: \"22:00-05:00\"; always: leave it out)"),
                format!("{quoted} 不是合法时段，应形如 \"06:00-22:00\" 或 \"Mon-Fri 06:00-22:00\"（跨午夜：\"22:00-05:00\"；全天有效则省略）"),
            );
            None
        }
    }
}
