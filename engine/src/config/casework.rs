//! `[casework]`: how long each stage of a case may take, and when work is done.

use std::collections::BTreeSet;

use ::casework::{Limit, Sla, StageLimits};
use chrono::NaiveDate;
use model::{CaseKind, IncidentKind as I};

use super::document::{Faults, Object, below, quote};
use crate::registry::parse_weekly;

/// The longest limit of a stage: 90 days.
const LIMIT_SECONDS_MAX: u64 = 90 * 86_400;

/// The kinds by name, as the feed has them.
const KINDS: &[(&str, CaseKind)] = &[
    ("sos", CaseKind::Incident(I::Sos)),
    ("fall", CaseKind::Incident(I::Fall)),
    ("fence_exit", CaseKind::Incident(I::FenceExit)),
    ("blood_pressure_high", CaseKind::Incident(I::BloodPressureHigh)),
    ("blood_pressure_low", CaseKind::Incident(I::BloodPressureLow)),
    ("heart_rate_high", CaseKind::Incident(I::HeartRateHigh)),
    ("heart_rate_low", CaseKind::Incident(I::HeartRateLow)),
    ("spo2_low", CaseKind::Incident(I::Spo2Low)),
    ("temperature_high", CaseKind::Incident(I::TemperatureHigh)),
    ("temperature_low", CaseKind::Incident(I::TemperatureLow)),
    ("silence", CaseKind::Incident(I::Silence)),
    ("mass_silence", CaseKind::Incident(I::MassSilence)),
    ("battery_low", CaseKind::Incident(I::BatteryLow)),
    ("device_removed", CaseKind::Incident(I::DeviceRemoved)),
    ("wandering", CaseKind::Incident(I::Wandering)),
    ("immobility", CaseKind::Incident(I::Immobility)),
    ("irregular_pulse", CaseKind::Incident(I::IrregularPulse)),
    ("welfare_call", CaseKind::Incident(I::WelfareCall)),
    ("news2_high", CaseKind::Incident(I::News2High)),
    ("blood_pressure_watch", CaseKind::Incident(I::BloodPressureWatch)),
    ("orthostatic_drop", CaseKind::Incident(I::OrthostaticDrop)),
    ("report", CaseKind::Report),
    ("patrol", CaseKind::Patrol),
];

pub(super) fn casework(mut section: Object<'_>, faults: &mut Faults) -> Sla {
    let mut sla = Sla::default();
    if let Some(text) = section.text("working_hours", faults) {
        match parse_weekly(text).filter(|hours| hours.from_minute < hours.to_minute) {
            Some(hours) => {
                let calendar = &mut sla.calendar;
                (calendar.weekdays, calendar.from_minute, calendar.to_minute) =
                    (hours.days, hours.from_minute, hours.to_minute);
            }
            None => faults.add(
                section.at("working_hours"),
                format!("{text:?} is not like \"mon-fri 08:30-17:30\""),
                format!("{text:?} 应形如 \"mon-fri 08:30-17:30\""),
            ),
        }
    }
    sla.calendar.days_off = dates(&mut section, "days_off", faults);
    sla.calendar.days_on = dates(&mut section, "days_on", faults);
    if let Some(mut limits) = section.object("sla", faults) {
        sla.emergency = stages(&mut limits, "emergency", sla.emergency, faults).unwrap_or(sla.emergency);
        sla.routine = stages(&mut limits, "routine", sla.routine, faults).unwrap_or(sla.routine);
        sla.other = stages(&mut limits, "other", sla.other, faults).unwrap_or(sla.other);
        for (name, kind) in KINDS {
            let base = *sla.limits(*kind);
            if let Some(own) = stages(&mut limits, name, base, faults) {
                sla.of_kind.insert(*kind, own);
            }
        }
        limits.finish(faults);
    }
    section.finish(faults);
    sla
}

/// The stages of one kind: what is not said is as in `base`. `working = true` counts hours of work only.
fn stages(limits: &mut Object<'_>, name: &'static str, base: StageLimits, faults: &mut Faults) -> Option<StageLimits> {
    let mut object = limits.object(name, faults)?;
    let working = object.boolean("working", faults);
    let mut limit = |name: &'static str, base: Limit| {
        let seconds = object.integer(name, 1..=LIMIT_SECONDS_MAX, faults).and_then(|found| u32::try_from(found).ok());
        Limit { seconds: seconds.unwrap_or(base.seconds), working: working.unwrap_or(base.working) }
    };
    let stages = StageLimits {
        dispatch: limit("dispatch_s", base.dispatch),
        accept: limit("accept_s", base.accept),
        on_site: limit("on_site_s", base.on_site),
        feedback: limit("feedback_s", base.feedback),
        verify: limit("verify_s", base.verify),
        close: limit("close_s", base.close),
    };
    object.finish(faults);
    Some(stages)
}

/// Days like `2026-10-01`, as days since 1970-01-01.
fn dates(section: &mut Object<'_>, name: &'static str, faults: &mut Faults) -> BTreeSet<i32> {
    let at = section.at(name);
    let mut days = BTreeSet::new();
    for (index, value) in section.list(name, faults).iter().enumerate() {
        let date = value.as_str().and_then(|text| text.parse::<NaiveDate>().ok());
        match date.map(|date| date.signed_duration_since(NaiveDate::default()).num_days()) {
            Some(day) => {
                days.insert(i32::try_from(day).unwrap_or(i32::MAX));
            }
            None => {
                let shown = quote(value);
                let detail = format!("{shown} is not a day like \"2026-10-01\"");
                faults.add(below(&at, index), detail, format!("{shown} 应形如 \"2026-10-01\""));
            }
        }
    }
    days
}

/// As it could be written to a file: what differs between kinds only where it does.
pub(super) fn print(sla: &Sla) -> toml::Table {
    let mut limits = toml::Table::new();
    let groups = [("emergency", sla.emergency), ("routine", sla.routine), ("other", sla.other)];
    let own = KINDS.iter().filter_map(|(name, kind)| Some((*name, *sla.of_kind.get(kind)?)));
    for (name, stages) in groups.into_iter().chain(own) {
        let mut table = toml::Table::new();
        for (name, limit) in [
            ("dispatch_s", stages.dispatch),
            ("accept_s", stages.accept),
            ("on_site_s", stages.on_site),
            ("feedback_s", stages.feedback),
            ("verify_s", stages.verify),
            ("close_s", stages.close),
        ] {
            table.insert(name.into(), toml::Value::Integer(i64::from(limit.seconds)));
        }
        table.insert("working".into(), toml::Value::Boolean(stages.dispatch.working));
        limits.insert(name.into(), toml::Value::Table(table));
    }
    let mut section = toml::Table::new();
    let calendar = &sla.calendar;
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let days: Vec<&str> = (0..7).filter(|day| calendar.weekdays & (1 << day) != 0).map(|day| DAYS[day]).collect();
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let hours = format!("{} {}-{}", days.join(","), time(calendar.from_minute), time(calendar.to_minute));
    section.insert("working_hours".into(), toml::Value::from(hours));
    for (name, days) in [("days_off", &calendar.days_off), ("days_on", &calendar.days_on)] {
        let date =
            |day: &i32| toml::Value::from((NaiveDate::default() + chrono::Days::new((*day).max(0) as u64)).to_string());
        section.insert(name.into(), toml::Value::Array(days.iter().map(date).collect()));
    }
    section.insert("sla".into(), toml::Value::Table(limits));
    section
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_kind_has_its_name() {
        for (name, kind) in KINDS {
            assert_eq!(serde_json::to_value(kind).unwrap(), Value::from(*name));
        }
        assert_eq!(KINDS.len(), I::ALL.len() + 2);
    }

    #[test]
    fn limits_are_read_by_group_and_kind_and_what_is_wrong_is_said() {
        let document = json!({
            "working_hours": "mon-sat 09:00-18:00", "days_off": ["2026-10-01", "tomorrow"],
            "sla": {"emergency": {"accept_s": 240}, "fall": {"dispatch_s": 60}, "report": {"working": false},
                    "soss": {}, "patrol": {"accept_s": 0}},
        });
        let mut faults = Faults::new(10);
        let sla = casework(Object::new(&document, String::new(), &mut faults).unwrap(), &mut faults);
        assert_eq!((sla.calendar.weekdays, sla.calendar.from_minute), (0b011_1111, 540));
        let fall = sla.limits(CaseKind::Incident(I::Fall));
        assert_eq!((fall.dispatch.seconds, fall.accept.seconds), (60, 240), "what is not said is as for its group");
        assert_eq!(sla.limits(CaseKind::Incident(I::Sos)).dispatch.seconds, 120);
        assert!(!sla.limits(CaseKind::Report).accept.working && sla.limits(CaseKind::Patrol).accept.working);
        let told: Vec<String> = faults.into_list().iter().map(|f| format!("{} {}", f.pointer, f.detail)).collect();
        expect_test::expect![[r#"
            /days_off/1 "tomorrow" is not a day like "2026-10-01"
            /sla/patrol/accept_s 0 is not a whole number from 1 to 7776000
            /sla/soss "soss" is not known here; did you mean `sos`?"#]]
        .assert_eq(&told.join("\n"));
    }
}
