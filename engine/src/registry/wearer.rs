//! Wearers: their people, thresholds and plan.

use model::{PersonId, Plan, Thresholds, Wearer, WearerId};

use super::rows::{id, name, org_path};
use super::{Reference, Walk};
use crate::config::document::{Faults, Object};

/// The most guardians of one wearer.
const GUARDIANS_MAX: usize = 20;
/// The most fences of one wearer.
const FENCES_MAX: usize = 32;
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
        let guardians = self.person_list(&mut row, "guardians", GUARDIANS_MAX);
        let fences = self.fences(&mut row, FENCES_MAX);
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
                guardians,
                doctor,
                fences,
                thresholds: thresholds.unwrap_or_default(),
                plan: plan.unwrap_or_default(),
            });
        }
        Some(id.to_owned())
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
