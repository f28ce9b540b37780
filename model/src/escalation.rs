//! An incident's calling: the plan that it runs, as it was when it was raised, and how far it is. Private: it
//! holds telephone numbers and is never on the feed. Deciding on it is the business of `alerting`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::registry::WeeklyWindow;
use crate::{AttemptId, Callee, Destination, IncidentId, Language, PersonId, Plan, Position, Timestamp};

/// The state of an incident's calling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Escalation {
    /// Whose.
    pub incident: IncidentId,
    /// The plan as it was when the incident was raised.
    pub plan: Plan,
    /// The wearer's name, for the messages.
    pub wearer_name: String,
    /// The community's name, for the messages.
    pub community_name: String,
    /// The guardians in the order of calling.
    pub guardians: Vec<Contact>,
    /// The family doctor.
    pub doctor: Option<Contact>,
    /// The human desk: the nearest one up the tree; empty when there is none. Staff who took part without being on it come
    /// after it, with a name and no number: nobody rings them for it.
    pub desk: Vec<Contact>,
    /// The community's group, spoken to by a robot.
    pub group: Option<Contact>,
    /// Which time round, from 1; 0 before the first call.
    pub cycle: u16,
    /// The place in `order` whose turn is next.
    pub next_guardian: usize,
    /// In which order the guardians are called this time round, by index: who can be called first.
    pub order: Vec<u16>,
    /// The calls that have not ended, oldest first.
    pub calls: Vec<OpenCall>,
    /// The call whose bad news, or silence until `next_step_at`, brings the next contact. Each contact hands over
    /// once: what an earlier call says later closes that call and nothing more.
    pub turn: Option<AttemptId>,
    /// When the next contact (while notifying) or the desk again (while exhausted) is called without news. While somebody is
    /// on site, until when they are taken to be there: nothing happens then by itself.
    pub next_step_at: Option<Timestamp>,
    /// Everybody who was told that something happened, in order: they hear who goes and how it ended.
    pub told: Vec<Callee>,
    /// When something happens by itself next (next call, ring time-out, lease, desk page); `None` only once the
    /// incident is resolved or somebody stands at the door.
    pub next_due: Option<Timestamp>,
    /// When each guardian's phone was last rung, by index in `guardians`.
    pub last_rung: Vec<Option<Timestamp>>,
    /// When the doctor is reminded of an order that they have not taken.
    pub doctor_next_at: Option<Timestamp>,
    /// How often they were.
    pub doctor_reminders: u16,
    /// The position that people were last told, and when.
    pub position_told: Option<(Position, Timestamp)>,
    /// How often they were told another one.
    pub position_updates: u16,
    /// Who of the desk was called so far, since it became theirs or was told them again.
    pub desk_stage: DeskStage,
}

/// Who of the desk was called so far. Whoever is on duty by its roster is before the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DeskStage {
    /// Nobody: somebody watches a console, which rings first.
    Console,
    /// Its own phone, and whoever is on duty.
    OnDuty {
        /// Whether they had been called before.
        again: bool,
    },
    /// Everybody.
    #[default]
    Everybody,
}

/// As whom a desk's own phone is called: it belongs to nobody.
pub const DESK_PERSON: &str = "desk";

/// Somebody who can be reached, as they were when the incident was raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// Who; for a desk phone that belongs to nobody, `desk`.
    pub person: PersonId,
    /// Their name, for the messages.
    pub name: String,
    /// E.164; `None` or unusable: skipped, flagged, and no time is waited.
    pub phone: Option<Destination>,
    /// Where push messages go, `kind:topic`.
    pub push: Option<Destination>,
    /// Electronic mail.
    pub email: Option<Destination>,
    /// The name of a group that a robot speaks in; only the contact that stands for the group has it.
    pub robot: Option<Destination>,
    /// The language of their messages.
    pub lang: Language,
    /// When they can be called; of somebody on a desk, when they are on duty. Empty: always, and on a desk with a roster
    /// only after those on duty.
    pub available: Vec<WeeklyWindow>,
}

impl Contact {
    /// Somebody who is known by name only.
    #[must_use]
    pub fn named(person: &PersonId, name: &str) -> Contact {
        Contact {
            person: person.clone(),
            name: name.to_owned(),
            phone: None,
            push: None,
            email: None,
            robot: None,
            lang: Language::default(),
            available: Vec::new(),
        }
    }

    /// Whether nothing but their name is known.
    #[must_use]
    pub fn is_name_only(&self) -> bool {
        let ways = [&self.phone, &self.push, &self.email, &self.robot];
        ways.iter().all(|way| way.is_none())
    }
}

/// A call that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// Which attempt.
    pub attempt: AttemptId,
    /// To which guardian, by index in `guardians`; `None` for the desk.
    pub guardian: Option<usize>,
    /// When it is given up without news; for an answered one, when it is no longer listened to.
    pub until: Timestamp,
    /// Whether somebody, or a machine, picked up.
    pub answered: bool,
    /// It rang out without news and is taken as not answered; a key counts until the provider says that it ended.
    pub given_up: bool,
}
