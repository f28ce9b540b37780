//! Duty rosters: who writes them, and who joins a case that is whistled upward.

use model::case::{Joined, WhistleLevel};
use model::duty::{SHIFT_PEOPLE_MAX, SHIFTS_MAX, UNITS_MAX};
use model::registry::WeeklyWindow;
use model::{Actor, DutyRoster, Fault, OrgPath, PersonId, Problem, ProblemCode, Role, Timestamp};

use crate::Output;
use crate::book::Book;
use crate::calendar::Calendar;

/// Who may write duty rosters.
const WRITERS: &[Role] = &[Role::Admin, Role::Operator, Role::Desk, Role::Street, Role::Department, Role::Integration];

/// Writes a roster, or says why not. It is the caller's to know that its people are there.
pub(crate) fn set(
    book: &mut Book,
    actor: &Actor,
    if_match: Option<u32>,
    roster: &DutyRoster,
    now: Timestamp,
) -> Vec<Output> {
    match check(book, actor, if_match, roster) {
        Err(problem) => vec![Output::Refused(problem)],
        Ok(version) => {
            let mut roster = roster.clone();
            roster.version = version + 1;
            roster.changed_by = actor.person.clone();
            roster.changed_at = now;
            book.put_roster(roster.clone());
            vec![Output::Duty(roster)]
        }
    }
}

/// The version that the new one replaces.
fn check(book: &Book, actor: &Actor, if_match: Option<u32>, roster: &DutyRoster) -> Result<u32, Problem> {
    if !actor.scope.contains(&roster.org) {
        return Err(Problem::not_found("the organisation"));
    }
    if !WRITERS.contains(&actor.role) {
        return Err(Problem::new(
            ProblemCode::NotAllowed,
            "your role may not write duty rosters",
            "您的角色无权编排值班表",
        ));
    }
    let version = book.roster(&roster.org).map_or(0, |roster| roster.version);
    match if_match {
        None if version > 0 => {
            let detail = "If-Match with the version that you saw is required to replace a duty roster";
            let mut problem = Problem::new(ProblemCode::VersionRequired, detail, "修改值班表须带 If-Match 版本号");
            problem.version = Some(version);
            return Err(problem);
        }
        Some(seen) if seen != version => {
            let detail = format!("you saw version {seen}, it is at {version} now; look again");
            let detail_zh = format!("您看到的是版本 {seen}，现为 {version}，请刷新后再操作");
            let mut problem = Problem::new(ProblemCode::Stale, detail, detail_zh);
            problem.version = Some(version);
            return Err(problem);
        }
        _ => {}
    }
    let too_many = |pointer: String, most: usize| {
        Fault::new(pointer, format!("at most {most} are taken"), format!("最多 {most} 项"))
    };
    let mut errors = Vec::new();
    if roster.units.len() > UNITS_MAX {
        errors.push(too_many("/units".to_owned(), UNITS_MAX));
    }
    for (place, unit) in roster.units.iter().enumerate().take(UNITS_MAX) {
        if roster.units.iter().take(place).any(|before| before.id == unit.id) {
            errors.push(Fault::new(format!("/units/{place}/id"), "stands twice", "重复"));
        }
        if unit.shifts.len() > SHIFTS_MAX {
            errors.push(too_many(format!("/units/{place}/shifts"), SHIFTS_MAX));
        }
        let crowded = unit.shifts.iter().position(|shift| shift.people.len() > SHIFT_PEOPLE_MAX);
        if let Some(shift) = crowded {
            errors.push(too_many(format!("/units/{place}/shifts/{shift}/people"), SHIFT_PEOPLE_MAX));
        }
    }
    if errors.is_empty() {
        return Ok(version);
    }
    let mut problem = Problem::new(ProblemCode::Invalid, "the roster cannot be taken as it is", "值班表内容有误");
    problem.errors = errors;
    Err(problem)
}

/// Who joins a case at a level: those on duty by the nearest roster, from the case's organisation upward, that has
/// somebody. Nobody on duty anywhere is said, too: with the organisation above and no people.
pub(crate) fn join(book: &Book, calendar: &Calendar, org: &OrgPath, level: WhistleLevel, now: Timestamp) -> Joined {
    let (weekday, minute) = calendar.weekday_and_minute(now);
    let mut here = Some(org.clone());
    while let Some(path) = here {
        let mut joined = Joined { level, org: path.clone(), units: Vec::new(), people: Vec::new(), at: now };
        let units = book.roster(&path).map(|roster| roster.units.as_slice()).unwrap_or_default();
        for unit in units.iter().filter(|unit| unit.level == level) {
            let people = unit.on_duty(weekday, minute);
            if !people.is_empty() {
                joined.units.push(unit.id.clone());
                people.into_iter().for_each(|person| {
                    if !joined.people.contains(&person) {
                        joined.people.push(person);
                    }
                });
            }
        }
        if !joined.people.is_empty() {
            return joined;
        }
        here = path.parent();
    }
    let above = org.parent().unwrap_or_else(|| org.clone());
    Joined { level, org: above, units: Vec::new(), people: Vec::new(), at: now }
}

/// Who is on the roster of an organisation's desk, with their hours.
pub(crate) fn of_desk(book: &Book, org: &OrgPath) -> Vec<(PersonId, Vec<WeeklyWindow>)> {
    let units = book.roster(org).map(|roster| roster.units.as_slice()).unwrap_or_default();
    let staffed = || units.iter().filter(|unit| unit.level != WhistleLevel::Department && !unit.shifts.is_empty());
    let lowest = staffed().map(|unit| unit.level).min();
    let mut people: Vec<(PersonId, Vec<WeeklyWindow>)> = Vec::new();
    for shift in staffed().filter(|unit| Some(unit.level) == lowest).flat_map(|unit| &unit.shifts) {
        for person in &shift.people {
            match people.iter_mut().find(|(known, _)| known == person) {
                Some((_, windows)) => windows.push(shift.window),
                None => people.push((person.clone(), vec![shift.window])),
            }
        }
    }
    people
}
