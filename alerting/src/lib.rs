//! The incident as a state machine, who is called next, and the wording of each message.
//!
//! Pure: time and counters come from the caller, nothing is read or sent here. [`Alerting::handle`] takes one
//! input, [`Alerting::advance`] lets happen what is due by itself, and both return what was decided. Every change
//! comes out as the full state of what changed ([`Output`]), so that applying the outputs in order
//! ([`Alerting::apply_incident`] and its sisters) rebuilds exactly the state that decided them; recovery never
//! decides again.
//!
//! What always holds:
//! - an incident that is open and where nobody stands at the door has a due time;
//! - only a key, a reply, a tap or a member of staff acknowledges; that somebody picked up never does;
//! - after an acknowledgement no call starts until its lease runs out or it happens again;
//! - only a person ends an incident.

mod action;
pub mod auditor;
mod book;
mod busy;
mod calling;
mod case_messages;
mod case_news;
mod doctor;
mod evidence;
mod grammar;
mod household;
mod order;
mod position;
mod raise;
pub mod reach;
mod respond;
pub mod rounds;
mod stood_in;
mod texting;
mod turn;
mod which;
pub mod wording;

use compact_str::CompactString;
use model::case::WhistleLevel;
use model::erasure::{Erasure, Names};
use model::record::SendResult;
use model::{
    Actor, Attempt, AttemptId, AttemptOutcome, CaseId, Contact, Counters, DeviceId, DownCommandKind, Escalation,
    EventKind, Finding, Incident, IncidentAction, IncidentId, PersonId, Position, Problem, Timestamp, Watch, Wearer,
    WearerId,
};

pub use auditor::Auditor;
pub use book::{
    ADVANCED_TOGETHER_MAX, ATTEMPTS_KEPT_SECONDS, ATTEMPTS_PER_INCIDENT_MAX, RESOLVED_KEPT_SECONDS, Snapshot,
};
pub use calling::{
    CONSOLE_SECONDS, DESK_PAGE_SECONDS, LISTEN_SECONDS_MAX, LOW_LEASE_SECONDS, LOW_REMINDER_SECONDS, TALK_SECONDS_MAX,
};
pub use case_messages::{CaseAnswer, CaseMessages, HANDLER_CALLS_MAX, HANDLER_GAP_SECONDS, Missed, Said, Told};
pub use case_news::CaseNews;
pub use doctor::{DOCTOR_REMINDER_SECONDS, DOCTOR_REMINDERS_MAX};
pub use evidence::{MESSAGE_SENDS_MAX, RESEND_WAIT_SECONDS_MAX, VOICE_SENDS_MAX};
pub use order::{CALLS_WINDOW_SECONDS, ROUTINE_CALLS_MAX};
pub use position::{POSITION_MOVED_METRES, POSITION_UPDATE_SECONDS, POSITION_UPDATES_MAX};
pub use raise::JOIN_SECONDS;
pub use reach::Reach;
pub use rounds::Rounds;
pub use which::{ASKED_MAX, LOW_FRESH_SECONDS};

use book::Book;
use turn::Turn;
use wording::LocalTime;

/// East of UTC, minutes: the mainland's time, until [`Alerting::set_utc_offset_minutes`] says otherwise.
pub const UTC_OFFSET_MINUTES_DEFAULT: i32 = 480;

/// All open incidents, the recently resolved ones, their calling and their attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct Alerting {
    book: Book,
    utc_offset_minutes: i32,
}

/// Whom an incident concerns, as they are when it is raised. The incident keeps a snapshot, so that editing a
/// contact list does not derail it.
#[derive(Debug, Clone)]
pub struct Household<'a> {
    /// The elder.
    pub wearer: &'a Wearer,
    /// The community's name, for the messages.
    pub community_name: &'a str,
    /// The guardians, in the order of calling.
    pub guardians: Vec<Contact>,
    /// The family doctor.
    pub doctor: Option<Contact>,
    /// The nearest human desk up the tree: its own phone as the person `desk`, then the people on it, whoever is on its
    /// roster with their hours; empty when there is none.
    pub desk: Vec<Contact>,
    /// The community's group, if a robot speaks in one: a contact with nothing but that.
    pub group: Option<Contact>,
}

/// What alerting is told.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    /// A rule found something.
    Finding {
        /// What.
        finding: &'a Finding,
        /// Whom it concerns; asked only when an incident is raised.
        household: &'a dyn Fn() -> Household<'a>,
    },
    /// A provider, or a person through it, said something about an attempt.
    Callback {
        /// About which.
        attempt: AttemptId,
        /// What.
        outcome: AttemptOutcome,
        /// The key that was pressed.
        key: Option<&'a str>,
        /// The text that was replied.
        text: Option<&'a str>,
    },
    /// What came of handing an attempt to its provider.
    Sent {
        /// Which.
        attempt: AttemptId,
        /// What came of it.
        result: &'a SendResult,
        /// Which provider it was, by name.
        provider: &'a str,
        /// Whether the channel has a provider left that did not pass it over.
        others_left: bool,
        /// The provider's own name for the message or call, if it told one.
        reference: Option<&'a str>,
    },
    /// The watchdog sent a message of its own while the engine was silent.
    StoodIn {
        /// For which incident.
        incident: IncidentId,
        /// What, as its provider took it.
        attempt: &'a Attempt,
    },
    /// Somebody asked for something.
    Action {
        /// On which incident.
        id: IncidentId,
        /// Who.
        actor: &'a Actor,
        /// What.
        action: IncidentAction,
        /// The version that they saw; looked at for `arrive`, `resolve` and `reopen`.
        if_match: Option<u32>,
        /// Remark or reason.
        note: Option<&'a str>,
        /// For `resolve`: what it was, 1–64 bytes.
        disposition: Option<&'a str>,
        /// For `acknowledge` and `arrive`: who goes, when it is not the actor.
        on_behalf_of: Option<&'a PersonId>,
        /// The name of whoever goes, for the messages; empty: not known.
        name: &'a str,
    },
    /// A community case was opened for an incident.
    CaseFiled {
        /// For which.
        incident: IncidentId,
        /// Which.
        case: CaseId,
    },
    /// An elder is about to be erased, again, from a backup of when something was open about them: it ends, and nobody
    /// hears of it.
    Erasing {
        /// Whom.
        wearer: &'a WearerId,
        /// Who does it.
        by: &'a PersonId,
    },
    /// Something became of an incident's case.
    Case {
        /// The incident that it was filed for.
        incident: IncidentId,
        /// Who did it, or holds it.
        person: &'a PersonId,
        /// Their name, for the messages; empty: not known.
        name: &'a str,
        /// What.
        news: CaseNews<'a>,
    },
    /// A better position of a wearer.
    Located {
        /// Whose.
        wearer: &'a WearerId,
        /// Where, in WGS-84.
        position: Position,
    },
    /// The registry was written: whoever an open incident concerns now, as they are now.
    Household {
        /// Which incident.
        incident: IncidentId,
        /// Whom it concerns.
        household: &'a dyn Fn() -> Household<'a>,
    },
    /// A case was whistled upward: who joined it.
    Whistled {
        /// The incident that it was filed for.
        incident: IncidentId,
        /// To which level.
        level: WhistleLevel,
        /// Who is on duty there.
        joined: &'a [Contact],
    },
    /// The engine started. Deadlines are points in time and survive by themselves; what is overdue comes with the
    /// next [`Alerting::advance`], what was not sent is in [`Alerting::pending_attempts`].
    Restarted,
}

/// What alerting decided: the full state of whatever changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// An incident changed.
    Incident {
        /// How the feed tells it.
        kind: EventKind,
        /// The incident after the change.
        incident: Incident,
        /// Which members changed; empty for a new one.
        changed: Vec<CompactString>,
    },
    /// An incident's calling stands like this now. Private.
    Escalation(Escalation),
    /// An attempt began or changed. One that [wants sending](Attempt::wants_sending) is handed to its provider at
    /// `not_before`, after the commit.
    Attempt {
        /// How the feed tells it.
        kind: EventKind,
        /// The attempt after the change.
        attempt: Attempt,
        /// Which members changed; empty for a new one.
        changed: Vec<CompactString>,
    },
    /// A device is to be told something.
    Down {
        /// Which.
        device: DeviceId,
        /// What.
        kind: DownCommandKind,
    },
    /// An action was refused and nothing changed. Stands alone.
    Refused(Problem),
}

impl Default for Alerting {
    fn default() -> Alerting {
        Alerting { book: Book::default(), utc_offset_minutes: UTC_OFFSET_MINUTES_DEFAULT }
    }
}

impl Alerting {
    /// With which offset the messages tell the time of day, in minutes east of UTC (−1 080 to 1 080).
    pub fn set_utc_offset_minutes(&mut self, minutes: i32) {
        self.utc_offset_minutes = minutes.clamp(-1080, 1080);
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp, counters: &mut Counters) -> Vec<Output> {
        let time = LocalTime { now, utc_offset_minutes: self.utc_offset_minutes };
        let book = &mut self.book;
        match input {
            Input::Finding { finding, household } => raise::finding(book, counters, time, finding, household),
            Input::Callback { attempt, outcome, key, text } => {
                evidence::callback(book, counters, time, attempt, outcome, key, text)
            }
            Input::Sent { attempt, result, provider, others_left, reference } => {
                let sent = evidence::Sent { result, provider, others_left, reference };
                evidence::sent(book, counters, time, attempt, &sent)
            }
            Input::StoodIn { incident, attempt } => stood_in::take(book, counters, time, incident, attempt),
            Input::Action { id, actor, action, if_match, note, disposition, on_behalf_of, name } => {
                let request = action::Request { actor, action, if_match, note, disposition, on_behalf_of, name };
                action::act(book, counters, time, id, &request)
            }
            Input::CaseFiled { incident, case } => {
                let Some(mut turn) = Turn::open(book, counters, time, incident) else { return Vec::new() };
                if turn.incident.case != Some(case) {
                    turn.incident.case = Some(case);
                    turn.tell(EventKind::IncidentUpdated);
                }
                turn.finish()
            }
            Input::Erasing { wearer, by } => {
                let open: Vec<IncidentId> = book.open_of(wearer).map(|incident| incident.id).collect();
                let end = |id| {
                    let mut turn = Turn::open(book, counters, time, id)?;
                    turn.erased(by);
                    Some(turn.finish())
                };
                open.into_iter().filter_map(end).flatten().collect()
            }
            Input::Case { incident, person, name, news } => {
                case_news::heard(book, counters, time, incident, (person, name), news)
            }
            Input::Located { wearer, position } => position::located(book, counters, time, wearer, position),
            Input::Household { incident, household } => {
                household::refresh(book, counters, time, incident, &household())
            }
            Input::Whistled { incident, level, joined } => {
                household::whistle(book, counters, time, incident, level, joined)
            }
            Input::Restarted => Vec::new(),
        }
    }

    /// When something happens by itself next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.book.next_due()
    }

    /// Lets happen what is due by `now`; every incident that is due moves on once, at most [`ADVANCED_TOGETHER_MAX`] of
    /// them: ask again while [`Alerting::next_due`] is not after `now`. Costs as many steps as incidents are due,
    /// however many are open.
    pub fn advance(&mut self, now: Timestamp, counters: &mut Counters) -> Vec<Output> {
        let time = LocalTime { now, utc_offset_minutes: self.utc_offset_minutes };
        let mut outputs = Vec::new();
        for id in self.book.due_by(now) {
            if let Some(mut turn) = Turn::open(&mut self.book, counters, time, id) {
                turn.advance();
                outputs.append(&mut turn.finish());
            }
        }
        outputs
    }

    /// Recovery: an incident as it was decided.
    pub fn apply_incident(&mut self, incident: Incident) {
        self.book.put_incident(incident);
    }

    /// Recovery: an incident's calling as it was decided.
    pub fn apply_escalation(&mut self, escalation: Escalation) {
        self.book.put_escalation(escalation);
    }

    /// Recovery: an attempt as it was decided.
    pub fn apply_attempt(&mut self, attempt: Attempt) {
        self.book.put_attempt(attempt);
    }

    /// Takes in who watches a console, as it stands at a time. Deciding and recovery do this alike.
    pub fn apply_watch(&mut self, watch: Watch, at: Timestamp) {
        self.book.put_watch(watch, at);
    }

    /// Who watches a console, as of the last time that anything was said of it.
    pub fn watches(&self) -> impl Iterator<Item = &Watch> {
        self.book.watches()
    }

    /// Forgets somebody who was erased. Deciding and recovery do this alike.
    pub fn erase(&mut self, erasure: &Erasure, names: &Names) {
        self.book.erase(erasure, names);
    }

    /// Whether an incident is open about an erased wearer, or calls an erased person: which.
    #[must_use]
    pub fn open_about(&self, erasure: &Erasure) -> Option<IncidentId> {
        let calls_them = |id| {
            self.book.escalation(id).is_some_and(|calling| {
                let contacts = calling.guardians.iter().chain(&calling.doctor).chain(&calling.desk);
                contacts.into_iter().any(|contact| erasure.is_person(&contact.person))
            })
        };
        let mut open = self.book.open_incidents();
        open.find(|incident| erasure.is_wearer(&incident.wearer) || calls_them(incident.id)).map(|incident| incident.id)
    }

    /// An incident that is open or was resolved within [`RESOLVED_KEPT_SECONDS`].
    #[must_use]
    pub fn incident(&self, id: IncidentId) -> Option<&Incident> {
        self.book.incident(id)
    }

    /// An incident's calling: private, it holds telephone numbers.
    #[must_use]
    pub fn escalation(&self, id: IncidentId) -> Option<&Escalation> {
        self.book.escalation(id)
    }

    /// The open incidents of a wearer, oldest first.
    pub fn open_incidents_of(&self, wearer: &WearerId) -> impl Iterator<Item = &Incident> {
        self.book.open_of(wearer)
    }

    /// Every incident that nobody has ended, oldest first.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.book.open_incidents()
    }

    /// Whether anything is open about a wearer. Asked on every report.
    #[must_use]
    pub fn has_open(&self, wearer: &WearerId) -> bool {
        self.book.has_open(wearer)
    }

    /// An attempt of an incident that is kept.
    #[must_use]
    pub fn attempt(&self, id: AttemptId) -> Option<&Attempt> {
        self.book.attempt(id)
    }

    /// The message of ours that a reply names by a code, if it was told to the same number as the one that it answers.
    #[must_use]
    pub fn named_by(&self, told: &Attempt, text: &str) -> Option<AttemptId> {
        let code = grammar::read(text).code?;
        which::named(&self.book, told, &code).map(|attempt| attempt.id)
    }

    /// Attempts that no provider has taken: to be sent, after a restart to be sent again.
    pub fn pending_attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.book.pending_attempts()
    }

    /// Everything, for the checkpoint. Write it in a binary format: JSON masks telephone numbers.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.book.snapshot()
    }

    /// From a checkpoint; the offset is the default one.
    #[must_use]
    pub fn restore(snapshot: Snapshot) -> Alerting {
        Alerting { book: Book::restore(snapshot), ..Alerting::default() }
    }
}
