//! Fences as GeoJSON (RFC 7946), in their own datum: `Polygon`, `MultiPolygon`, `LineString` with a width, and in a
//! `Feature` also `Point` with a radius.

use model::registry::EVERY_DAY;
use model::{Fence, Schedule, Shape};
use serde_json::{Map, Value, json};

/// The longest piece of a wrong value that is quoted back, characters.
const QUOTED_CHARS_MAX: usize = 60;

/// What is wrong at one place of a geometry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeoFault {
    /// JSON pointer (RFC 6901) relative to the geometry.
    pub pointer: String,
    /// What is wrong and what to do, in English.
    pub detail: String,
    /// The same in Chinese.
    pub detail_zh: String,
}

type Faults = Vec<GeoFault>;

/// What GeoJSON has no word for, metres.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    width_m: Option<f64>,
    radius_m: Option<f64>,
}

/// Reads a geometry, or a `Feature` around one. A `LineString` becomes a corridor of `width_m`, or of the feature's
/// property of that name; a `Point` becomes a circle of the feature's property `radius_m`.
///
/// # Errors
/// Everything that is wrong with its form, each with its place; whether rings cross is seen when it is compiled.
pub fn read(geometry: &Value, width_m: Option<f64>) -> Result<Shape, Vec<GeoFault>> {
    let mut faults = Faults::new();
    let shape = read_at(geometry, "", Sizes { width_m, radius_m: None }, &mut faults);
    match shape {
        Some(shape) if faults.is_empty() => Ok(shape),
        _ => Err(faults),
    }
}

/// A shape as a geometry; a circle as the `Point` in its middle.
#[must_use]
pub fn geometry(shape: &Shape) -> Value {
    match shape {
        Shape::Circle { lon, lat, .. } => json!({ "type": "Point", "coordinates": [lon, lat] }),
        Shape::Polygon { rings } => json!({ "type": "Polygon", "coordinates": rings }),
        Shape::MultiPolygon { polygons } => json!({ "type": "MultiPolygon", "coordinates": polygons }),
        Shape::Corridor { line, .. } => json!({ "type": "LineString", "coordinates": line }),
    }
}

/// A fence as a `Feature`; what GeoJSON has no word for (radius, width, datum, margin, hours) stands in its
/// properties, named as in the registry.
#[must_use]
pub fn feature(fence: &Fence) -> Value {
    let mut properties = Map::new();
    let mut set = |name: &str, value: Value| {
        properties.insert(name.to_owned(), value);
    };
    set("kind", json!(fence.kind));
    set("datum", json!(fence.datum));
    set("margin_m", json!(fence.margin_m));
    match &fence.shape {
        Shape::Circle { radius_m, .. } => set("radius_m", json!(radius_m)),
        Shape::Corridor { width_m, .. } => set("width_m", json!(width_m)),
        Shape::Polygon { .. } | Shape::MultiPolygon { .. } => {}
    }
    if let Some(schedule) = &fence.active {
        set("active", json!(active(schedule)));
        if let Some(zone) = &schedule.zone {
            set("zone", json!(zone));
        }
    }
    if fence.large {
        set("large", json!(true));
    }
    json!({ "type": "Feature", "id": fence.id, "geometry": geometry(&fence.shape), "properties": properties })
}

/// Fences as a `FeatureCollection`.
#[must_use]
pub fn collection<'f>(fences: impl IntoIterator<Item = &'f Fence>) -> Value {
    let features: Vec<Value> = fences.into_iter().map(feature).collect();
    json!({ "type": "FeatureCollection", "features": features })
}

/// Hours as the registry writes them: `06:00-22:00`, `Mon,Wed,Fri 06:00-22:00`.
pub(crate) fn active(schedule: &Schedule) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let (from, to) = (schedule.window.from_minute, schedule.window.to_minute);
    // A whole day: its end is the next day's beginning.
    let to = if from == 0 && to == 0 { "24:00".to_owned() } else { time(to) };
    let window = format!("{}-{to}", time(from));
    if schedule.weekdays == EVERY_DAY {
        return window;
    }
    let days: Vec<&str> = (0..7).filter(|day| schedule.weekdays >> day & 1 == 1).map(|day| DAYS[day]).collect();
    format!("{} {window}", days.join(","))
}

fn read_at(value: &Value, at: &str, sizes: Sizes, faults: &mut Faults) -> Option<Shape> {
    let Value::Object(members) = value else {
        add(faults, at, "expected a GeoJSON geometry, an object", "应为 GeoJSON 几何对象");
        return None;
    };
    let Some(kind) = members.get("type").and_then(Value::as_str) else {
        add(faults, format!("{at}/type"), "`type` is required", "缺少必填项 `type`");
        return None;
    };
    if kind == "Feature" {
        let geometry = members.get("geometry").unwrap_or(&Value::Null);
        let property = |name: &str| members.get("properties")?.get(name)?.as_f64();
        let sizes = Sizes { width_m: sizes.width_m.or(property("width_m")), radius_m: property("radius_m") };
        return read_at(geometry, &format!("{at}/geometry"), sizes, faults);
    }
    let is_circle = kind == "Point" && sizes.radius_m.is_some();
    if !is_circle && !matches!(kind, "Polygon" | "MultiPolygon" | "LineString") {
        let quoted = Value::String(kind.chars().take(QUOTED_CHARS_MAX).collect());
        let detail = format!(
            "the geometry is a {quoted}; taken are \"Polygon\", \"MultiPolygon\", and \"LineString\" with `width_m`"
        );
        let zh =
            format!("几何类型 {quoted} 不受支持，可用 \"Polygon\"、\"MultiPolygon\"，或带 `width_m` 的 \"LineString\"");
        add(faults, format!("{at}/type"), detail, zh);
        return None;
    }
    let at = format!("{at}/coordinates");
    let Some(coordinates) = members.get("coordinates").filter(|value| !value.is_null()) else {
        add(faults, at, "`coordinates` is required", "缺少必填项 `coordinates`");
        return None;
    };
    if let (true, Some(radius_m)) = (is_circle, sizes.radius_m) {
        let centre = json!([coordinates]);
        let found = vertices(&centre, &at, ("a position", "坐标"), faults)?;
        return found.first().map(|[lon, lat]| Shape::Circle { lon: *lon, lat: *lat, radius_m });
    }
    match kind {
        "Polygon" => Some(Shape::Polygon { rings: rings(coordinates, &at, faults)? }),
        "MultiPolygon" => {
            let items = list(coordinates, &at, ("a list of polygons", "多边形列表"), faults)?;
            let polygons = items.iter().enumerate().filter_map(|(i, item)| rings(item, &format!("{at}/{i}"), faults));
            let polygons: Vec<_> = polygons.collect();
            if items.is_empty() {
                add(faults, at, "there is no polygon in it", "其中没有任何面");
            }
            Some(Shape::MultiPolygon { polygons })
        }
        _ => {
            let line = vertices(
                coordinates,
                &at,
                ("a line (a list of [lon, lat])", "线（由 [经度, 纬度] 组成的列表）"),
                faults,
            )?;
            if line.len() < 2 {
                add(faults, at, "a line has at least two vertices", "线至少有两个顶点");
                return None;
            }
            let Some(width_m) = sizes.width_m else {
                let detail = "a \"LineString\" is a corridor: say how wide it is with `width_m` beside the geometry";
                add(faults, "", detail, "\"LineString\" 表示通道：请在几何旁用 `width_m` 给出宽度");
                return None;
            };
            Some(Shape::Corridor { line, width_m })
        }
    }
}

fn rings(value: &Value, at: &str, faults: &mut Faults) -> Option<Vec<Vec<[f64; 2]>>> {
    let items = list(value, at, ("a list of rings", "环的列表"), faults)?;
    if items.is_empty() {
        add(faults, at, "the polygon has no ring", "多边形没有任何环");
        return None;
    }
    Some(items.iter().enumerate().filter_map(|(i, item)| ring(item, &format!("{at}/{i}"), faults)).collect())
}

fn ring(value: &Value, at: &str, faults: &mut Faults) -> Option<Vec<[f64; 2]>> {
    let expected = ("a ring (a list of [lon, lat])", "环（由 [经度, 纬度] 组成的列表）");
    let vertices = vertices(value, at, expected, faults)?;
    if vertices.len() < 4 {
        let detail = "a ring has at least three corners and its first vertex again at the end";
        add(faults, at, detail, "环至少有三个角，且末点须与首点相同");
    } else if vertices.first() != vertices.last() {
        let detail = "the ring is not closed: repeat its first vertex at the end, as GeoJSON asks";
        let last = vertices.len() - 1;
        add(faults, format!("{at}/{last}"), detail, "环未闭合：请按 GeoJSON 要求在末尾重复首点");
    }
    Some(vertices)
}

/// All vertices, or a fault for each that is none.
fn vertices(value: &Value, at: &str, expected: (&str, &str), faults: &mut Faults) -> Option<Vec<[f64; 2]>> {
    let items = list(value, at, expected, faults)?;
    let before = faults.len();
    let mut vertices = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match vertex(item) {
            Some(vertex) => vertices.push(vertex),
            None => {
                let quoted = quoted(item);
                let detail =
                    format!("{quoted} is no position: [lon, lat] in degrees, −180 to 180 and −90 to 90, in this order");
                let zh = format!("{quoted} 不是合法坐标：应为 [经度, 纬度]，单位为度，注意先经后纬");
                add(faults, format!("{at}/{index}"), detail, zh);
            }
        }
    }
    (faults.len() == before).then_some(vertices)
}

/// A GeoJSON position; a height is allowed and left out.
fn vertex(value: &Value) -> Option<[f64; 2]> {
    let ([lon, lat] | [lon, lat, _]) = value.as_array()?.as_slice() else { return None };
    let (lon, lat) = (lon.as_f64()?, lat.as_f64()?);
    ((-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat)).then_some([lon, lat])
}

fn list<'v>(value: &'v Value, at: &str, expected: (&str, &str), faults: &mut Faults) -> Option<&'v [Value]> {
    match value {
        Value::Array(items) => Some(items),
        other => {
            let found = quoted(other);
            let detail = format!("expected {}, found {found}", expected.0);
            add(faults, at, detail, format!("应为{}，实为 {found}", expected.1));
            None
        }
    }
}

fn quoted(value: &Value) -> String {
    value.to_string().chars().take(QUOTED_CHARS_MAX).collect()
}

fn add(faults: &mut Faults, at: impl Into<String>, detail: impl Into<String>, detail_zh: impl Into<String>) {
    faults.push(GeoFault { pointer: at.into(), detail: detail.into(), detail_zh: detail_zh.into() });
}
