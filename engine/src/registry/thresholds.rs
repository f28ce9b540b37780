//! What differs from the rules' defaults for one wearer, and when the rules rest.

use model::registry::{Shadow, SuspensionKind};
use model::{Position, Suspension, Thresholds, Timestamp};
use serde_json::Value;

use super::hours::daily_window;
use super::wearer::DAY_SECONDS;
use crate::config::document::{Faults, Object, below, quote};

/// The most circles without a signal of one wearer.
const SHADOWS_MAX: usize = 16;
const SUSPENSIONS: &[(&str, SuspensionKind)] =
    &[("hospital", SuspensionKind::Hospital), ("journey", SuspensionKind::Journey)];
const SPO2_SCALES: &[(&str, bool)] = &[("1", false), ("2", true)];

/// The sections of `thresholds`. Who set them and when is the engine's to write down: what stands there is only
/// allowed, so that what was read can be imported again.
pub(super) fn thresholds(mut object: Object<'_>, faults: &mut Faults) -> Thresholds {
    let mut found = Thresholds::default();
    blood_pressure(&mut object, &mut found, faults);
    heart_rate(&mut object, &mut found, faults);
    if let Some(mut section) = object.object("spo2", faults) {
        let (low_at, watch_at) = (section.at("low"), section.at("watch"));
        let scale_2 = scale_2(&mut section, faults);
        found.spo2_scale_2 = scale_2;
        found.spo2_low = small(section.integer("low", 50..=100, faults));
        found.spo2_watch = small(section.integer("watch", 50..=100, faults));
        found.spo2_sustain_seconds = seconds(&mut section, "sustain_s", faults);
        section.finish(faults);
        let defaults = if scale_2 { (87.0, 83.0) } else { (93.0, 91.0) };
        let (watch, low) = (found.spo2_watch.map(f64::from), found.spo2_low.map(f64::from));
        // A low limit alone, above the default of the other, takes the other with it.
        if watch.is_some() {
            ordered(watch, low, defaults, &watch_at, &low_at, faults);
        }
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
    device(&mut object, &mut found, faults);
    if let Some(mut section) = object.object("wandering", faults) {
        found.wandering_night = daily_window(&mut section, "night", faults);
        found.wandering_radius_m = small(section.integer("usual_radius_m", 50..=100_000, faults));
        found.wandering_after_seconds = seconds(&mut section, "after_s", faults);
        section.finish(faults);
    }
    if let Some(mut section) = object.object("immobility", faults) {
        found.immobility_after_seconds = seconds(&mut section, "after_s", faults);
        section.finish(faults);
    }
    if let Some(mut section) = object.object("news2", faults) {
        found.news2_on_oxygen = section.boolean("on_oxygen", faults).unwrap_or_default();
        section.finish(faults);
    }
    object.value("set_by");
    object.value("set_at");
    object.finish(faults);
    found
}

fn blood_pressure(object: &mut Object<'_>, found: &mut Thresholds, faults: &mut Faults) {
    let Some(mut section) = object.object("blood_pressure", faults) else { return };
    let (high_at, low_at) = (section.at("sys_high"), section.at("sys_low"));
    found.blood_pressure_systolic_high = small(section.integer("sys_high", 60..=300, faults));
    found.blood_pressure_diastolic_high = small(section.integer("dia_high", 40..=200, faults));
    found.blood_pressure_systolic_low = small(section.integer("sys_low", 40..=200, faults));
    found.blood_pressure_repeat_within_seconds = seconds(&mut section, "repeat_within_s", faults);
    found.blood_pressure_watch_systolic = small(section.integer("watch_sys", 60..=300, faults));
    found.blood_pressure_watch_diastolic = small(section.integer("watch_dia", 40..=200, faults));
    section.finish(faults);
    let high = found.blood_pressure_systolic_high.map(f64::from);
    ordered(high, found.blood_pressure_systolic_low.map(f64::from), (180.0, 90.0), &high_at, &low_at, faults);
}

fn heart_rate(object: &mut Object<'_>, found: &mut Thresholds, faults: &mut Faults) {
    let Some(mut section) = object.object("heart_rate", faults) else { return };
    let (high_at, low_at) = (section.at("high"), section.at("low"));
    found.heart_rate_high = small(section.integer("high", 40..=250, faults));
    found.heart_rate_low = small(section.integer("low", 20..=150, faults));
    found.heart_rate_sustain_seconds = seconds(&mut section, "sustain_s", faults);
    found.heart_rate_severe_high = small(section.integer("severe_high", 60..=250, faults));
    found.heart_rate_severe_low = small(section.integer("severe_low", 20..=100, faults));
    section.finish(faults);
    let high = found.heart_rate_high.map(f64::from);
    ordered(high, found.heart_rate_low.map(f64::from), (120.0, 40.0), &high_at, &low_at, faults);
}

fn device(object: &mut Object<'_>, found: &mut Thresholds, faults: &mut Faults) {
    if let Some(mut section) = object.object("silence", faults) {
        found.silence_heartbeat_seconds = small(section.integer("heartbeat_s", 10..=7 * DAY_SECONDS, faults));
        found.silence_charging_grace_seconds = small(section.integer("charging_grace_s", 0..=7 * DAY_SECONDS, faults));
        found.silence_shadow_grace_seconds = small(section.integer("shadow_grace_s", 0..=7 * DAY_SECONDS, faults));
        found.silence_shadows = shadows(&mut section, faults);
        section.finish(faults);
    }
    if let Some(mut section) = object.object("battery", faults) {
        found.battery_low = small(section.integer("low", 1..=90, faults));
        section.finish(faults);
    }
    if let Some(mut section) = object.object("removed", faults) {
        found.removed_after_seconds = seconds(&mut section, "after_s", faults);
        section.finish(faults);
    }
}

/// `1` or `2`, as NEWS2 numbers its scales.
fn scale_2(section: &mut Object<'_>, faults: &mut Faults) -> bool {
    match section.value("scale") {
        None => false,
        Some(Value::Number(number)) if number.as_u64() == Some(1) => false,
        Some(Value::Number(number)) if number.as_u64() == Some(2) => true,
        Some(Value::String(_)) => section.word("scale", SPO2_SCALES, faults).unwrap_or_default(),
        Some(other) => {
            let quoted = quote(other);
            let detail = format!("{quoted} is no scale of NEWS2: 1, or 2 for a target of 88-92 % (COPD)");
            faults.add(section.at("scale"), detail, format!("{quoted} 不是 NEWS2 的血氧量表：1，或目标 88-92% 时为 2"));
            false
        }
    }
}

fn shadows(section: &mut Object<'_>, faults: &mut Faults) -> Vec<Shadow> {
    let at = section.at("shadows");
    let items = section.list("shadows", faults);
    if items.len() > SHADOWS_MAX {
        let count = items.len();
        let detail = format!("{count} circles without a signal are more than the {SHADOWS_MAX} of one wearer");
        faults.add(at, detail, format!("共 {count} 个无信号区域，超过每人上限 {SHADOWS_MAX} 个"));
        return Vec::new();
    }
    let read = |(index, item)| {
        let mut object = Object::new(item, below(&at, index), faults)?;
        for required in ["lon", "lat", "radius_m"] {
            if !object.has(required) {
                object.missing::<()>(required, faults);
            }
        }
        let lon = object.number("lon", -180.0..=180.0, faults);
        let lat = object.number("lat", -90.0..=90.0, faults);
        let radius_m = object.number("radius_m", 1.0..=10_000.0, faults);
        object.finish(faults);
        Some(Shadow { centre: Position { lat: lat?, lon: lon? }, radius_m: radius_m? as f32 })
    };
    items.iter().enumerate().filter_map(read).collect()
}

/// `{"kind":"hospital","until":"2026-12-01T08:00:00+08:00"}`.
pub(super) fn suspension(mut object: Object<'_>, faults: &mut Faults) -> Option<Suspension> {
    if !object.has("kind") {
        object.missing::<()>("kind", faults);
    }
    let kind = object.word("kind", SUSPENSIONS, faults);
    let text = object.required_text("until", faults);
    let until = text.and_then(|text| {
        let until = Timestamp::parse(text);
        if until.is_none() {
            let quoted = quote(&Value::String(text.to_owned()));
            let detail = format!("{quoted} is no time like \"2026-12-01T08:00:00+08:00\"");
            faults.add(
                object.at("until"),
                detail,
                format!("{quoted} 不是合法时间，应形如 \"2026-12-01T08:00:00+08:00\""),
            );
        }
        until
    });
    object.finish(faults);
    Some(Suspension { kind: kind?, until: until? })
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

fn seconds(object: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> Option<u32> {
    small(object.integer(name, 1..=DAY_SECONDS, faults))
}

/// The range was checked before: this only changes the type.
pub(super) fn small<T: TryFrom<u64>>(number: Option<u64>) -> Option<T> {
    number.and_then(|number| T::try_from(number).ok())
}
