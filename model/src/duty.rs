//! Who is on duty: the departments of an organisation and their rosters.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::case::WhistleLevel;
use crate::registry::{Role, WeeklyWindow};
use crate::{OrgPath, PersonId, Timestamp};

/// How many departments an organisation has at most, how many shifts a department, how many people a shift.
pub const UNITS_MAX: usize = 50;
/// How many shifts a department has at most.
pub const SHIFTS_MAX: usize = 100;
/// How many people a shift has at most.
pub const SHIFT_PEOPLE_MAX: usize = 50;

/// The duty roster of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DutyRoster {
    /// Whose.
    pub org: OrgPath,
    /// Counts changes, from 1.
    pub version: u32,
    /// Its departments.
    pub units: Vec<DutyUnit>,
    /// Who wrote it.
    pub changed_by: PersonId,
    /// When.
    pub changed_at: Timestamp,
}

/// A department: the desk of a community, the street's office, 民政, 卫健.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DutyUnit {
    /// Its id, unique within the organisation.
    #[schema(value_type = String)]
    pub id: CompactString,
    /// Its name.
    pub name: String,
    /// At which whistle level it joins a case.
    pub level: WhistleLevel,
    /// Who is on duty when.
    pub shifts: Vec<Shift>,
}

/// One shift of a department.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shift {
    /// Who, in the order of calling.
    pub people: Vec<PersonId>,
    /// When, in the configured zone.
    pub window: WeeklyWindow,
}

impl DutyRoster {
    /// Whether it makes a desk by itself: somebody is on it, of any department but the district's, which see to cases and
    /// not to alarms.
    #[must_use]
    pub fn makes_a_desk(&self) -> bool {
        let of_desk = self.units.iter().filter(|unit| unit.level != WhistleLevel::Department);
        of_desk.flat_map(|unit| &unit.shifts).any(|shift| !shift.people.is_empty())
    }
}

impl DutyUnit {
    /// Who is on duty at a minute (0–1 439) of a day of the week (0 is Monday), each once.
    #[must_use]
    pub fn on_duty(&self, weekday: u8, minute: u16) -> Vec<PersonId> {
        let mut people: Vec<PersonId> = Vec::new();
        for shift in self.shifts.iter().filter(|shift| shift.window.contains(weekday, minute)) {
            for person in &shift.people {
                if !people.contains(person) {
                    people.push(person.clone());
                }
            }
        }
        people
    }
}

/// How long somebody counts as watching after a sign of life of their console, seconds: it gives one every 15 to 30, so
/// one may be lost.
pub const WATCH_SECONDS: u32 = 60;

/// Somebody watches a console whose sound is on (开始值班).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Watch {
    /// Who.
    pub person: PersonId,
    /// In which role.
    pub role: Role,
    /// Over which part of the tree: what their console shows and rings for.
    pub org: OrgPath,
    /// Since when, without a gap.
    pub since: Timestamp,
    /// Until when, unless their console gives another sign of life; the present, once they ended it.
    pub until: Timestamp,
}

impl Watch {
    /// Whether they watch over an organisation at a time.
    #[must_use]
    pub fn covers(&self, org: &OrgPath, at: Timestamp) -> bool {
        at < self.until && self.org.contains(org)
    }
}
