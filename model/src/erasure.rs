//! Erasing somebody: the tombstone that says so, and what it takes away of everything else that is kept.
//!
//! A tombstone holds ids only, so that it can be kept for ever and be carried beside every backup. What an entity loses
//! is said here once, for what the engine remembers and for the view alike.

use std::fmt::Write as _;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AuditEntry, Case, DeviceId, DownCommand, Entity, Escalation, Explain, Incident, OrgPath, Person, PersonId,
    Timestamp, Wearer, WearerId,
};

/// What stands where somebody's name or number stood.
pub const ERASED: &str = "[已清除]";
/// A name of fewer bytes is looked for nowhere: it would be found in everything.
const NAME_BYTES_MIN: usize = 4;
/// The country that most numbers begin with, and that people leave out when they write one down.
const COUNTRY: &str = "+86";

/// Somebody was erased. Their id is never given to anybody again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erasure {
    /// Counts them, from 1.
    pub id: u32,
    /// Who it was.
    pub kind: ErasedKind,
    /// Their id.
    #[schema(value_type = String)]
    pub subject: CompactString,
    /// Where they belonged: of a person, what holds everybody whom they cared for.
    pub org: Option<OrgPath>,
    /// When.
    pub at: Timestamp,
    /// Who asked for it; `restore` when an older backup was brought back.
    pub by: PersonId,
    /// Which devices a wearer had, and when: what was refused of them goes, too.
    pub worn: Vec<Worn>,
}

/// Who was erased. Appended to, never reordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasedKind {
    /// An elder, with everything that was measured of them.
    Wearer,
    /// A guardian, a doctor, a member of staff.
    Person,
}

/// That a device was on a wearer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Worn {
    /// Which.
    pub device: DeviceId,
    /// From when on.
    pub from: Timestamp,
    /// Until when; `None`: until they were erased.
    pub until: Option<Timestamp>,
}

/// What somebody is called and reached by: on disk only in the view, while they are being taken out of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Names(Vec<String>);

impl Names {
    /// Of a wearer.
    #[must_use]
    pub fn of_wearer(wearer: &Wearer) -> Names {
        Names::of([Some(wearer.name.as_str()), wearer.phone.as_deref()])
    }

    /// Of a person.
    #[must_use]
    pub fn of_person(person: &Person) -> Names {
        let push = person.push.as_ref().map(|push| push.topic.as_str());
        Names::of([Some(person.name.as_str()), person.phone.as_deref(), person.email.as_deref(), push])
    }

    fn of<'a>(given: impl IntoIterator<Item = Option<&'a str>>) -> Names {
        let mut names = Vec::new();
        for name in given.into_iter().flatten().map(str::trim).filter(|name| name.len() >= NAME_BYTES_MIN) {
            names.push(name.to_owned());
            names.extend(name.strip_prefix(COUNTRY).map(str::to_owned));
        }
        Names(names)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether a text holds any of them.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.iter().any(|name| text.contains(name))
    }

    /// Takes them out of a text.
    pub fn scrub(&self, text: &mut String) {
        for name in self.iter().filter(|name| text.contains(name)).map(str::to_owned).collect::<Vec<_>>() {
            *text = text.replace(&name, ERASED);
        }
    }
}

impl Erasure {
    /// Whether this is who was erased.
    #[must_use]
    pub fn is_wearer(&self, id: &WearerId) -> bool {
        self.kind == ErasedKind::Wearer && self.subject == id.as_str()
    }

    /// Whether this is who was erased.
    #[must_use]
    pub fn is_person(&self, id: &PersonId) -> bool {
        self.kind == ErasedKind::Person && self.subject == id.as_str()
    }

    /// The collection and id as the API names it, e.g. `wearers/w1`.
    #[must_use]
    pub fn resource(&self) -> String {
        let mut text = match self.kind {
            ErasedKind::Wearer => "wearers/".to_owned(),
            ErasedKind::Person => "people/".to_owned(),
        };
        let _ = write!(text, "{}", self.subject);
        text
    }

    /// Whether a device was on the erased wearer at a time.
    #[must_use]
    pub fn wore(&self, device: &DeviceId, at: Timestamp) -> bool {
        let is_then = |worn: &&Worn| worn.from <= at && worn.until.unwrap_or(self.at) >= at;
        self.worn.iter().filter(|worn| worn.device == *device).any(|worn| is_then(&worn))
    }

    /// Whether what was said to a device is about the erased wearer.
    #[must_use]
    pub fn takes_command(&self, command: &DownCommand) -> bool {
        self.wore(&command.device, command.created_at)
    }

    /// Whether an entity as it once was told goes altogether: it is about them, it went to them, or it names them.
    #[must_use]
    pub fn takes(&self, entity: &Entity, names: &Names) -> bool {
        let is_about = match entity {
            Entity::Incident(incident) => self.is_wearer(&incident.wearer),
            Entity::Case(case) => case.wearer.as_ref().is_some_and(|wearer| self.is_wearer(wearer)),
            Entity::Attempt(attempt) => self.is_wearer(&attempt.wearer) || self.is_person(&attempt.callee.person),
            Entity::DownCommand(command) => self.takes_command(command),
            Entity::Device(device) => device.wearer.as_ref().is_some_and(|wearer| self.is_wearer(wearer)),
            Entity::Task(task) => {
                self.is_wearer(&task.wearer) || task.person.as_ref().is_some_and(|person| self.is_person(person))
            }
            Entity::CampaignCall(call) => self.is_wearer(&call.wearer) || self.is_person(&call.contact.person),
            Entity::Registry(_) | Entity::Campaign(_) | Entity::Patrol(_) | Entity::Duty(_) | Entity::Erasure(_) => {
                false
            }
        };
        // As it is printed: numbers are masked there, and whoever they belong to is found by their id.
        is_about || entity.tells_of(names)
    }

    /// Takes out of an incident what tells of them. What is left says that something happened, when, and how long
    /// people took: reports are made of it.
    pub fn redact_incident(&self, incident: &mut Incident, names: &Names) {
        let is_theirs = self.is_wearer(&incident.wearer);
        if is_theirs {
            incident.position = None;
            incident.explain.clear();
            incident.explain_en.clear();
            for occurrence in &mut incident.occurrences {
                occurrence.position = None;
                let Explain { rule, rule_version, .. } = occurrence.explain.clone();
                occurrence.explain =
                    Explain { rule, rule_version, readings: Vec::new(), zh: String::new(), en: String::new() };
            }
        }
        for note in &mut incident.notes {
            blank(&mut note.text, is_theirs, names);
        }
        if let Some(resolution) = &mut incident.resolution {
            blank(&mut resolution.note, is_theirs, names);
            blank_unless_word(&mut resolution.disposition, is_theirs, names);
        }
    }

    /// The same of a case. Its photos go with its wearer.
    pub fn redact_case(&self, case: &mut Case, names: &Names) {
        let is_theirs = case.wearer.as_ref().is_some_and(|wearer| self.is_wearer(wearer));
        if is_theirs {
            case.place = None;
            case.photos.clear();
            case.check_ins.iter_mut().for_each(|check_in| check_in.spot = None);
        }
        if let Some(place) = &mut case.place {
            names.scrub(&mut place.text);
        }
        blank(&mut case.text, is_theirs, names);
        case.notes.iter_mut().for_each(|note| blank(&mut note.text, is_theirs, names));
        case.answers.iter_mut().for_each(|answer| blank(&mut answer.value, is_theirs, names));
        for said in case.steps.iter_mut().filter_map(|step| step.note.as_mut()) {
            blank(said, is_theirs, names);
        }
        for record in &mut case.records {
            blank(&mut record.with, is_theirs, names);
            blank(&mut record.said, is_theirs, names);
        }
        if let Some(disposition) = &mut case.disposition {
            blank_unless_word(disposition, is_theirs, names);
        }
    }

    /// Takes out why somebody looked at, or did something to, an erased wearer, and whatever names whom was erased; its
    /// hash stays in the chain. A word that is counted (`helped`) stays.
    pub fn redact_audit(&self, entry: &mut AuditEntry, names: &Names) {
        let is_theirs = entry.wearers.iter().any(|wearer| self.is_wearer(wearer));
        let goes = |purpose: &str| names.are_in(purpose) || (is_theirs && !is_word(purpose));
        entry.purpose = entry.purpose.take().filter(|purpose| !goes(purpose));
    }

    /// Takes an erased person's name and numbers out of an incident's calling. They stay in their place, as somebody who
    /// cannot be called: who follows on whom is by place.
    pub fn redact_calling(&self, calling: &mut Escalation) {
        let people = calling.guardians.iter_mut().chain(&mut calling.doctor).chain(&mut calling.desk);
        for contact in people.filter(|contact| self.is_person(&contact.person)) {
            contact.name.clear();
            (contact.phone, contact.push, contact.email) = (None, None, None);
        }
    }
}

fn blank(text: &mut String, is_theirs: bool, names: &Names) {
    if is_theirs {
        text.clear();
    } else {
        names.scrub(text);
    }
}

/// `helped`, `false_alarm`, `handed_to_120`: what is counted stays.
fn blank_unless_word(text: &mut String, is_theirs: bool, names: &Names) {
    let is_word = is_word(text);
    blank(text, is_theirs && !is_word, names);
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_from_a_text_in_every_form_and_a_short_one_is_left_alone() {
        let names = Names::of([Some("王桂兰"), Some("+8613800000001"), Some("阿")]);
        let mut text = "王桂兰的女儿说打 13800000001 或 +8613800000001,阿姨没事".to_owned();
        names.scrub(&mut text);
        assert_eq!(text, "[已清除]的女儿说打 [已清除] 或 [已清除],阿姨没事");
        assert!(!names.are_in(&text));
    }

    #[test]
    fn a_device_is_theirs_only_while_they_wore_it() {
        let at = |second: i64| Timestamp::from_millis(second * 1000);
        let worn = vec![
            Worn { device: DeviceId::new("b1"), from: at(10), until: Some(at(20)) },
            Worn { device: DeviceId::new("b2"), from: at(30), until: None },
        ];
        let erasure = Erasure {
            id: 1,
            kind: ErasedKind::Wearer,
            subject: "w1".into(),
            org: None,
            at: at(40),
            by: PersonId::new("s1"),
            worn,
        };
        for (device, second, expected) in [
            ("b1", 9, false),
            ("b1", 15, true),
            ("b1", 21, false),
            ("b2", 35, true),
            ("b2", 41, false),
            ("b3", 15, false),
        ] {
            assert_eq!(erasure.wore(&DeviceId::new(device), at(second)), expected, "{device} at {second}");
        }
    }
}
