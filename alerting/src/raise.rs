//! From findings to incidents: what begins one, what joins one, what ends the condition of one.

use model::escalation::DeskStage;
use model::registry::WearerMode;
use model::{
    Change, Condition, Contact, Counters, DownCommandKind, Escalation, EventKind, Finding, Incident, IncidentAction,
    IncidentId, IncidentKind, IncidentState, Occurrence, PersonId, Priority, Purpose, Timestamp,
};

use crate::book::Book;
use crate::calling::LOW_REMINDER_SECONDS;
use crate::turn::{Turn, usable_phone};
use crate::wording::{IT_WORKS, LocalTime};
use crate::{Household, Output};

/// SOS, fall and blood-pressure crisis of one wearer join one incident when no more than this lies between them.
pub const JOIN_SECONDS: u32 = 600;
/// Of so many occurrences of an incident in [`TEXTS_WINDOW_SECONDS`] everybody is texted; the next are written down.
const TEXTED_OCCURRENCES_MAX: usize = 3;
/// See [`TEXTED_OCCURRENCES_MAX`].
const TEXTS_WINDOW_SECONDS: u32 = 60;

/// Takes a finding in.
pub(crate) fn finding<'a>(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    finding: &Finding,
    household: &dyn Fn() -> Household<'a>,
) -> Vec<Output> {
    match finding.change {
        Change::Cleared => clear(book, counters, time, finding),
        Change::Raised => match to_join(book, finding, time.now) {
            Some(id) => join(book, counters, time, finding, id),
            None => {
                let household = household();
                match &household.wearer.mode {
                    WearerMode::Test { by, until } if *until > time.now => {
                        try_out(book, counters, time, finding, &household, by)
                    }
                    _ => raise(book, counters, time, finding, &household),
                }
            }
        },
    }
}

/// The open incident that a finding belongs to: the one of its kind; for leaving a fence and wandering, the one of the
/// other; for an emergency, another emergency of the same wearer not long ago.
fn to_join(book: &Book, finding: &Finding, now: Timestamp) -> Option<IncidentId> {
    let of_its_kind = |incident: &&Incident| {
        incident.kind == finding.kind || incident.occurrences.iter().any(|o| o.kind == finding.kind)
    };
    let recent = |incident: &Incident| {
        let last = incident.occurrences.last().map_or(incident.raised_at, |occurrence| occurrence.at);
        last.plus_seconds(JOIN_SECONDS) >= now
    };
    let emergency = |incident: &&Incident| {
        incident.occurrences.iter().any(|o| is_emergency(o.kind, o.priority)) && recent(incident)
    };
    let open = || book.open_of(&finding.wearer);
    let is_way = |kind| matches!(kind, IncidentKind::FenceExit | IncidentKind::Wandering);
    let on_the_way = || open().find(|incident| is_way(incident.kind)).filter(|_| is_way(finding.kind));
    let same = open().find(|incident| incident.kind == finding.kind).or_else(|| open().find(of_its_kind));
    let other = || open().find(emergency).filter(|_| is_emergency(finding.kind, finding.priority));
    same.or_else(on_the_way).or_else(other).map(|incident| incident.id)
}

/// An SOS, a fall, or a blood-pressure crisis.
fn is_emergency(kind: IncidentKind, priority: Priority) -> bool {
    kind.opens_case() || (kind == IncidentKind::BloodPressureHigh && priority == Priority::High)
}

/// What makes one occurrence graver than another: priority first, then an SOS before a fall before the rest.
fn gravity(kind: IncidentKind, priority: Priority) -> (Priority, u8) {
    let rank = match kind {
        IncidentKind::Sos => 2,
        IncidentKind::Fall => 1,
        _ => 0,
    };
    (priority, rank)
}

fn occurrence(finding: &Finding, now: Timestamp) -> Occurrence {
    Occurrence {
        kind: finding.kind,
        priority: finding.priority,
        device: finding.device.clone(),
        at: now,
        measured: finding.measured,
        late: finding.late,
        confirmed: finding.confirmed,
        position: finding.position,
        explain: finding.explain.clone(),
    }
}

/// An incident begins, and in the same breath people are told and called.
fn raise(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    finding: &Finding,
    household: &Household<'_>,
) -> Vec<Output> {
    let incident = begin(counters.next_incident(), time, finding, household);
    let calling = calling(incident.id, household);
    let mut turn = Turn::begin(book, counters, time, incident, calling);
    turn.tell(EventKind::IncidentRaised);
    turn.text_everybody(Purpose::Alert);
    turn.incident.state = IncidentState::Notifying;
    turn.tell(EventKind::IncidentNotifying);
    turn.begin_calling();
    turn.ask_position(finding);
    turn.finish()
}

/// Somebody tries the device: it is written down with its end, the device says that it works, and nobody is called.
fn try_out(
    book: &mut Book,
    counters: &mut Counters,
    time: LocalTime,
    finding: &Finding,
    household: &Household<'_>,
    by: &PersonId,
) -> Vec<Output> {
    let mut incident = begin(counters.next_incident(), time, finding, household);
    incident.test = true;
    let calling = calling(incident.id, household);
    let mut turn = Turn::begin(book, counters, time, incident, calling);
    turn.tell(EventKind::IncidentRaised);
    let kind = DownCommandKind::HelpIsComing { text: IT_WORKS.to_owned() };
    turn.push(Output::Down { device: finding.device.clone(), kind });
    turn.resolve(by, "test", "");
    turn.finish()
}

fn begin(id: IncidentId, time: LocalTime, finding: &Finding, household: &Household<'_>) -> Incident {
    Incident {
        id,
        version: 0,
        wearer: finding.wearer.clone(),
        org: household.wearer.org.clone(),
        kind: finding.kind,
        priority: finding.priority,
        state: IncidentState::Raised,
        condition: Condition::Present,
        late: finding.late,
        raised_at: time.now,
        changed_at: time.now,
        position: finding.position,
        explain: finding.explain.zh.clone(),
        explain_en: finding.explain.en.clone(),
        occurrences: vec![occurrence(finding, time.now)],
        occurrence_count: 1,
        acknowledged_by: None,
        on_site_by: None,
        resolution: None,
        case: None,
        unreachable: false,
        console_until: None,
        contacts_to_fix: contacts_to_fix(household),
        notes: Vec::new(),
        doctor_order: None,
        test: false,
    }
}

fn calling(incident: IncidentId, household: &Household<'_>) -> Escalation {
    Escalation {
        incident,
        plan: household.wearer.plan,
        wearer_name: household.wearer.name.clone(),
        community_name: household.community_name.to_owned(),
        guardians: household.guardians.clone(),
        doctor: household.doctor.clone(),
        desk: household.desk.clone(),
        group: household.group.clone(),
        cycle: 0,
        next_guardian: 0,
        calls: Vec::new(),
        turn: None,
        next_step_at: None,
        told: Vec::new(),
        next_due: None,
        last_rung: vec![None; household.guardians.len()],
        order: Vec::new(),
        doctor_next_at: None,
        doctor_reminders: 0,
        position_told: None,
        position_updates: 0,
        desk_stage: DeskStage::default(),
    }
}

pub(crate) fn contacts_to_fix(household: &Household<'_>) -> Vec<model::PersonId> {
    let everybody = household.guardians.iter().chain(&household.doctor).chain(&household.desk);
    let mut unusable: Vec<_> =
        everybody.filter(|contact: &&Contact| usable_phone(contact).is_none()).map(|c| c.person.clone()).collect();
    unusable.dedup();
    unusable
}

/// An occurrence of an incident that is open. An SOS, a fall, and whatever makes the incident graver calls again;
/// anything else is only written down: it is being seen to.
fn join(book: &mut Book, counters: &mut Counters, time: LocalTime, finding: &Finding, id: IncidentId) -> Vec<Output> {
    let Some(mut turn) = Turn::open(book, counters, time, id) else { return Vec::new() };
    // Whoever was there has seen to what was then.
    let was_over = turn.incident.condition == Condition::Cleared;
    let is_of_its_own = finding.priority > Priority::Low && turn.was_on_site(was_over);
    let incident = &mut turn.incident;
    let graver = gravity(finding.kind, finding.priority) > gravity(incident.kind, incident.priority);
    let priority_before = incident.priority;
    incident.occurrence_count = incident.occurrence_count.saturating_add(1);
    if incident.occurrences.len() < model::incident::OCCURRENCES_MAX {
        incident.occurrences.push(occurrence(finding, time.now));
    }
    if graver {
        incident.kind = finding.kind;
        incident.priority = incident.priority.max(finding.priority);
    }
    if graver || (is_of_its_own && finding.kind == incident.kind) {
        incident.explain.clone_from(&finding.explain.zh);
        incident.explain_en.clone_from(&finding.explain.en);
    }
    incident.condition = Condition::Present;
    if finding.position.is_some() && !finding.late {
        incident.position = finding.position;
    }
    if graver || finding.kind.opens_case() || is_of_its_own {
        turn.recur(priority_before, graver);
        turn.ask_position(finding);
    } else {
        turn.tell(EventKind::IncidentUpdated);
    }
    turn.finish()
}

/// What was found is over. The response is not: that is for a person to say.
fn clear(book: &mut Book, counters: &mut Counters, time: LocalTime, finding: &Finding) -> Vec<Output> {
    let present = |i: &&Incident| i.kind == finding.kind && i.condition == Condition::Present;
    let Some(id) = book.open_of(&finding.wearer).find(present).map(|incident| incident.id) else { return Vec::new() };
    let Some(mut turn) = Turn::open(book, counters, time, id) else { return Vec::new() };
    turn.incident.condition = Condition::Cleared;
    turn.tell(EventKind::IncidentCleared);
    turn.finish()
}

impl Turn<'_> {
    /// The first call; for low priority nobody is called.
    pub(crate) fn begin_calling(&mut self) {
        if self.incident.priority == Priority::Low {
            self.calling.next_step_at = Some(self.now().plus_seconds(LOW_REMINDER_SECONDS));
        } else {
            self.start_over();
            self.call_next();
        }
    }

    /// It happened again: everybody is told again, and unless somebody stands at the door calling goes on, or
    /// begins again.
    fn recur(&mut self, priority_before: Priority, graver: bool) {
        if self.was_on_site(false) {
            self.leave();
        }
        let before = self.incident.state;
        let Some(row) = IncidentAction::Recur.in_state(before) else { return };
        self.incident.state = row.to;
        if before != row.to {
            self.incident.acknowledged_by = None;
        }
        if priority_before == Priority::Low {
            // What waited for the morning is old news now.
            self.cancel_unsent(|_| true);
        }
        self.tell(EventKind::IncidentRecurred);
        self.cancel_unsent(|purpose| purpose == Purpose::Taken);
        if graver || before != self.incident.state || !self.was_just_texted() {
            self.text_everybody(Purpose::Alert);
        }
        match before {
            IncidentState::Exhausted => {
                // It was the desk's, and is not taken from them: their next turn would be after all rounds of the others.
                let first = self.desk_by_turns().0;
                self.ring_desk(&first, false);
                self.start_over();
                self.call_next();
            }
            IncidentState::Acknowledged => self.resume(),
            // What began without calls has come to need them.
            IncidentState::Notifying if priority_before == Priority::Low => self.begin_calling(),
            // Whoever is there may need help with it; they are there, so nobody else is called in turn, unless there is no
            // desk whose phone would ring.
            IncidentState::OnSite => {
                let mut first = self.desk_by_turns().0;
                first.retain(|contact| self.incident.on_site_by.as_ref() != Some(&contact.person));
                if !self.ring_desk(&first, false) {
                    self.leave();
                    self.begin_calling();
                }
            }
            // Whoever had been there is not any more, and nobody has been called since.
            IncidentState::Notifying if self.calling.cycle == 0 => self.begin_calling(),
            IncidentState::Notifying | IncidentState::Raised | IncidentState::Resolved => {}
        }
    }

    /// Whether somebody was there, for long enough that they are taken to have left; with `at_all`, whenever that was.
    fn was_on_site(&self, at_all: bool) -> bool {
        let is_long_ago = || self.calling.next_step_at.is_none_or(|at| at <= self.now());
        self.incident.state == IncidentState::OnSite && (at_all || is_long_ago())
    }

    /// Whoever was there is not counted on any more: they have long left, or nobody else would hear of it.
    fn leave(&mut self) {
        let Some(row) = IncidentAction::ExpireLease.in_state(self.incident.state) else { return };
        self.incident.state = row.to;
        self.incident.acknowledged_by = None;
        self.incident.on_site_by = None;
        self.calling.cycle = 0;
        self.tell(EventKind::IncidentLeaseExpired);
    }

    /// Whether everybody was texted of as many occurrences as may be within the last minute: who holds the button down
    /// until somebody comes would use up what providers let a number have, and the next elder's text with it. The phones
    /// ring on meanwhile, and each press stands in the incident.
    fn was_just_texted(&self) -> bool {
        let since = self.now().plus_millis(-i64::from(TEXTS_WINDOW_SECONDS) * 1000);
        let recent = self.incident.occurrences.iter().rev().take_while(|occurrence| occurrence.at > since);
        // Anything else that joined it was only written down.
        recent.filter(|occurrence| occurrence.kind.opens_case()).count() > TEXTED_OCCURRENCES_MAX
            || self.incident.occurrence_count as usize > self.incident.occurrences.len()
    }

    /// An SOS also asks the device where it is now.
    fn ask_position(&mut self, finding: &Finding) {
        if finding.kind == IncidentKind::Sos {
            self.push(Output::Down { device: finding.device.clone(), kind: DownCommandKind::Locate });
        }
    }
}
