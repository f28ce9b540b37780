//! When people can be called, when what may wait waits, and whether a wearer's alarms are to be taken as they are.

use model::registry::{Availability, DailyWindow, WearerMode, WeeklyWindow};
use model::{PersonId, Timestamp};
use serde_json::Value;

use super::hours::{daily, parse_weekly, parse_window};
use super::rows::{id, item_id};
use super::{Reference, Walk};
use crate::config::document::{Faults, Object, below, quote};

/// The most windows of one guardian.
const WINDOWS_MAX: usize = 16;

impl Walk<'_> {
    /// The guardians in the order of calling: each an id, or `{"person": id, "available": ["mon-fri 08:00-18:00"]}`.
    pub(super) fn guardians(&mut self, row: &mut Object<'_>, most: usize) -> (Vec<PersonId>, Vec<Availability>) {
        let at = row.at("guardians");
        let items = row.list("guardians", &mut self.faults);
        if items.len() > most {
            let count = items.len();
            let detail = format!("{count} people are more than the {most} that this list takes");
            self.faults.add(at, detail, format!("共 {count} 人，超过上限 {most} 人"));
            return Default::default();
        }
        let (mut people, mut hours) = (Vec::with_capacity(items.len()), Vec::new());
        for (index, item) in items.iter().enumerate() {
            let pointer = below(&at, index);
            let Some((person, windows)) = self.guardian(item, pointer.clone()) else { continue };
            if people.contains(&person) {
                let detail = format!("{person} stands in this list already");
                self.faults.add(pointer, detail, format!("{person} 在此列表中重复"));
                continue;
            }
            self.references.push((pointer, Reference::Person(person.clone())));
            if !windows.is_empty() {
                hours.push(Availability { person: person.clone(), windows });
            }
            people.push(person);
        }
        (people, hours)
    }

    fn guardian(&mut self, item: &Value, pointer: String) -> Option<(PersonId, Vec<WeeklyWindow>)> {
        let faults = &mut self.faults;
        if !item.is_object() {
            return item_id(item, pointer, faults).map(|id| (PersonId::new(id), Vec::new()));
        }
        let mut object = Object::new(item, pointer, faults)?;
        let person = id(&mut object, "person", true, faults).map(PersonId::new);
        let at = object.at("available");
        let items = object.list("available", faults);
        object.finish(faults);
        if items.len() > WINDOWS_MAX {
            let detail = format!("more than the {WINDOWS_MAX} windows that one guardian may have");
            faults.add(at, detail, format!("时段超过每位监护人上限 {WINDOWS_MAX} 个"));
            return None;
        }
        let windows = items.iter().enumerate().filter_map(|(i, item)| weekly_window(item, below(&at, i), faults));
        let windows = windows.collect();
        person.map(|person| (person, windows))
    }
}

fn weekly_window(item: &Value, pointer: String, faults: &mut Faults) -> Option<WeeklyWindow> {
    let parsed = item.as_str().and_then(parse_weekly);
    if parsed.is_none() {
        let quoted = quote(item);
        faults.add(
            pointer,
            format!("{quoted} is no window like \"mon-fri 08:00-18:00\", \"sat,sun 09:00-21:00\" or \"22:00-07:00\""),
            format!(
                "{quoted} 不是合法时段，应形如 \"mon-fri 08:00-18:00\"、\"sat,sun 09:00-21:00\" 或 \"22:00-07:00\""
            ),
        );
    }
    parsed
}

/// `quiet`: a window of the day, or `none`.
pub(super) fn quiet(object: &mut Object<'_>, faults: &mut Faults, default: Option<DailyWindow>) -> Option<DailyWindow> {
    let Some(text) = object.text("quiet", faults) else { return default };
    if text == "none" {
        return None;
    }
    let window = parse_window(text);
    if window.is_none() {
        let quoted = quote(&Value::String(text.to_owned()));
        faults.add(
            object.at("quiet"),
            format!("{quoted} is no window of the day like \"22:00-07:00\", nor \"none\""),
            format!("{quoted} 不是合法时段，应形如 \"22:00-07:00\"，或 \"none\""),
        );
    }
    // Quiet all day would be never to tell anybody.
    window.and_then(|(from, to)| daily(from, to))
}

/// `mode`: `{"kind": "test", "by", "until"}` or `{"kind": "normal"}`.
pub(super) fn mode(mut object: Object<'_>, faults: &mut Faults) -> Option<WearerMode> {
    #[derive(Clone, Copy)]
    enum Kind {
        Normal,
        Test,
    }
    if !object.has("kind") {
        object.missing::<()>("kind", faults);
    }
    let kinds = [("normal", Kind::Normal), ("test", Kind::Test)];
    let kind = object.word("kind", &kinds, faults);
    let mode = match kind? {
        Kind::Normal => Some(WearerMode::Normal),
        Kind::Test => {
            let by = id(&mut object, "by", true, faults).map(PersonId::new);
            let until = until(&mut object, faults);
            by.zip(until).map(|(by, until)| WearerMode::Test { by, until })
        }
    };
    object.finish(faults);
    mode
}

fn until(object: &mut Object<'_>, faults: &mut Faults) -> Option<Timestamp> {
    let text = object.required_text("until", faults)?;
    let until = Timestamp::parse(text);
    if until.is_none() {
        let quoted = quote(&Value::String(text.to_owned()));
        faults.add(
            object.at("until"),
            format!("{quoted} is no time like 2026-11-22T08:00:00+08:00"),
            format!("{quoted} 不是合法时间，应形如 2026-11-22T08:00:00+08:00"),
        );
    }
    until
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_quiet_and_mode_of_a_wearer_are_read_and_faults_are_told_with_their_place() {
        let document = |wearer: &str| {
            format!(
                r#"{{"orgs":[{{"path":"/luyang/","name":"庐阳区"}}],
                    "people":[{{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"}}],
                    "wearers":[{{"id":"w1","name":"王桂兰","org":"/luyang/",{wearer}}}]}}"#
            )
        };
        let read = |wearer: &str| super::super::validate_alone(document(wearer).as_bytes(), chrono_tz::Tz::UTC);
        let change = read(
            r#""phone":"+8613800000031","guardians":[{"person":"g1","available":["mon-fri 08:00-18:00"]}],
               "plan":{"quiet":"none","test_calls_every_days":7},
               "mode":{"kind":"test","by":"s1","until":"2026-12-01T00:00:00+08:00"}"#,
        );
        let wearer = change.unwrap().wearers.remove(0);
        assert_eq!((wearer.plan.quiet, wearer.plan.test_calls_every_days), (None, 7));
        assert_eq!(wearer.availability[0].windows[0].days, 0b001_1111);
        assert!(matches!(wearer.mode, WearerMode::Test { ref by, .. } if by.as_str() == "s1"));
        for (fault, pointer) in [
            (r#""guardians":[{"person":"g1","available":["noon"]}]"#, "/wearers/0/guardians/0/available/0"),
            (r#""guardians":["g1","g1"]"#, "/wearers/0/guardians/1"),
            (r#""guardians":[7]"#, "/wearers/0/guardians/0"),
            (r#""phone":"13800000031","guardians":["g1"]"#, "/wearers/0/phone"),
            (r#""guardians":["g1"],"plan":{"quiet":"night"}"#, "/wearers/0/plan/quiet"),
            (r#""guardians":["g1"],"mode":{"kind":"test","by":"s1"}"#, "/wearers/0/mode/until"),
            (r#""guardians":["g1"],"mode":{"kind":"asleep"}"#, "/wearers/0/mode/kind"),
        ] {
            let pointers: Vec<String> = read(fault).unwrap_err().into_iter().map(|error| error.pointer).collect();
            assert_eq!(pointers, [pointer], "{fault}");
        }
    }
}
