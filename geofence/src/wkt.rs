//! Fences as well-known text (OGC 06-103r4): `POLYGON`, `MULTIPOLYGON`, and `LINESTRING` with a width.

use std::fmt::Write;

use model::{Fence, Shape};
use serde_json::{Value, json};

use crate::geojson;

/// Into how many sides a circle is written, for the text has no circles.
const CIRCLE_SIDES: usize = 72;
/// Metres of a degree of latitude, for a circle's sides.
const METRES_PER_DEGREE: f64 = 111_195.0;

/// What is wrong with a text, and where: at which character, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {what}")]
pub struct WktError {
    /// At which character.
    pub at: usize,
    /// What was expected there.
    pub what: &'static str,
}

/// Reads a shape. Longitude comes first; heights are left out; a leading `SRID=4326;` is allowed. A `LINESTRING`
/// becomes a corridor of `width_m`.
///
/// # Errors
/// The first thing that is wrong with its form; whether rings are closed and do not cross is seen when it is compiled.
pub fn read(text: &str, width_m: Option<f64>) -> Result<Shape, WktError> {
    let mut reader = Reader { text, at: 0 };
    if reader.word_is("SRID") {
        if reader.take_until(';').is_none_or(|number| number.trim() != "=4326") {
            return Err(reader.error("only SRID=4326; is taken, with the datum named beside"));
        }
        reader.skip(1);
    }
    let kind = reader.word().to_ascii_uppercase();
    for dimensions in ["ZM", "Z", "M"] {
        if reader.word_is(dimensions) {
            break;
        }
    }
    let shape = match kind.as_str() {
        "POLYGON" => Shape::Polygon { rings: reader.list(|r| r.list(Reader::vertex))? },
        "MULTIPOLYGON" => Shape::MultiPolygon { polygons: reader.list(|r| r.list(|r| r.list(Reader::vertex)))? },
        "LINESTRING" => {
            let line = reader.list(Reader::vertex)?;
            let width_m = width_m.ok_or_else(|| reader.error("a LINESTRING is a corridor: say its width beside"))?;
            Shape::Corridor { line, width_m }
        }
        _ => return Err(WktError { at: 1, what: "expected POLYGON, MULTIPOLYGON or LINESTRING" }),
    };
    if !reader.rest().is_empty() {
        return Err(reader.error("expected the end of the text"));
    }
    Ok(shape)
}

/// Writes a shape; a circle as a polygon of 72 sides, a corridor as its line without the width.
#[must_use]
pub fn write(shape: &Shape) -> String {
    match shape {
        Shape::Circle { lon, lat, radius_m } => format!("POLYGON {}", rings(&[circle(*lon, *lat, *radius_m)])),
        Shape::Polygon { rings } => format!("POLYGON {}", self::rings(rings)),
        Shape::MultiPolygon { polygons } => {
            let polygons: Vec<String> = polygons.iter().map(|polygon| rings(polygon)).collect();
            format!("MULTIPOLYGON ({})", polygons.join(", "))
        }
        Shape::Corridor { line, .. } => format!("LINESTRING {}", chain(line)),
    }
}

/// A fence as a row of the registry, its shape as well-known text. A circle comes back from it as what is drawn: 72
/// sides.
#[must_use]
pub fn row(fence: &Fence) -> Value {
    let mut row = json!({
        "id": fence.id, "kind": fence.kind, "datum": fence.datum, "margin_m": fence.margin_m, "wkt": write(&fence.shape),
    });
    if let Shape::Corridor { width_m, .. } = &fence.shape {
        row["width_m"] = json!(width_m);
    }
    if let Some(schedule) = &fence.active {
        row["active"] = json!(geojson::active(schedule));
        if let Some(zone) = &schedule.zone {
            row["zone"] = json!(zone);
        }
    }
    if fence.large {
        row["large"] = json!(true);
    }
    row
}

fn rings(rings: &[Vec<[f64; 2]>]) -> String {
    let rings: Vec<String> = rings.iter().map(|ring| chain(ring)).collect();
    format!("({})", rings.join(", "))
}

fn chain(vertices: &[[f64; 2]]) -> String {
    let mut text = String::from("(");
    for (index, [lon, lat]) in vertices.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let _ = write!(text, "{comma}{lon} {lat}");
    }
    text + ")"
}

fn circle(lon: f64, lat: f64, radius_m: f64) -> Vec<[f64; 2]> {
    let radius = radius_m / METRES_PER_DEGREE;
    let stretch = lat.to_radians().cos().max(0.01);
    let vertex = |side: usize| {
        let angle = std::f64::consts::TAU * (side % CIRCLE_SIDES) as f64 / CIRCLE_SIDES as f64;
        [lon + radius * angle.cos() / stretch, lat + radius * angle.sin()]
    };
    (0..=CIRCLE_SIDES).map(vertex).collect()
}

struct Reader<'t> {
    text: &'t str,
    /// Bytes that are read.
    at: usize,
}

impl<'t> Reader<'t> {
    fn error(&self, what: &'static str) -> WktError {
        WktError { at: self.text[..self.at].chars().count() + 1, what }
    }

    /// What is left, without the blanks before it.
    fn rest(&mut self) -> &'t str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The letters that come next.
    fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        self.skip(end);
        &rest[..end]
    }

    /// Takes a word if it comes next.
    fn word_is(&mut self, word: &str) -> bool {
        let before = self.at;
        let is_next = self.word().eq_ignore_ascii_case(word);
        if !is_next {
            self.at = before;
        }
        is_next
    }

    fn take_until(&mut self, end: char) -> Option<&'t str> {
        let rest = self.rest();
        let found = &rest[..rest.find(end)?];
        self.skip(found.len());
        Some(found)
    }

    fn is_next(&mut self, mark: char) -> bool {
        let is_next = self.rest().starts_with(mark);
        if is_next {
            self.skip(mark.len_utf8());
        }
        is_next
    }

    /// `(item, item, …)`, at least one.
    fn list<T>(&mut self, item: impl Fn(&mut Reader<'t>) -> Result<T, WktError>) -> Result<Vec<T>, WktError> {
        if !self.is_next('(') {
            return Err(self.error("expected an opening parenthesis"));
        }
        let mut items = Vec::new();
        loop {
            items.push(item(self)?);
            if self.is_next(')') {
                return Ok(items);
            }
            if !self.is_next(',') {
                return Err(self.error("expected a comma or a closing parenthesis"));
            }
        }
    }

    /// `lon lat`, and up to two more numbers.
    fn vertex(&mut self) -> Result<[f64; 2], WktError> {
        const MORE_MAX: usize = 2;
        let vertex = [self.number()?, self.number()?];
        for _ in 0..MORE_MAX {
            if self.rest().starts_with([',', ')']) {
                break;
            }
            self.number()?;
        }
        Ok(vertex)
    }

    fn number(&mut self) -> Result<f64, WktError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        match rest[..end].parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.skip(end);
                Ok(number)
            }
            _ => Err(self.error("expected a number in degrees: longitude, a blank, latitude")),
        }
    }
}
