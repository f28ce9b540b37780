//! Who can be reached: what calls have shown about each guardian's number, and the tasks that follow from it. An
//! elder of whose guardians nobody is to be expected to pick up is *uncovered*, and somebody has to see to it before
//! the alarm, not after.

use std::collections::{BTreeMap, BTreeSet};

use model::attempt::CalleeRole;
use model::{
    Attempt, AttemptOutcome, AttemptState, Channel, Contact, Counters, Destination, Erasure, EventKind, OrgPath,
    PersonId, Task, TaskId, TaskKind, TaskState, Timestamp, WearerId,
};
use serde::{Deserialize, Serialize};

use crate::turn::usable_phone;

/// After so many calls without a single one picked up, and none ever before, nobody is to be expected there.
pub const VAIN_CALLS_MAX: u16 = 3;
/// After so many calls in a row to which the network said that the number cannot be reached it is taken as wrong.
pub const UNREACHABLE_CALLS_MAX: u16 = 2;

/// What calls have shown about a person's number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Evidence {
    phone: Destination,
    /// Calls since anybody last picked up.
    vain: u16,
    /// Calls in a row that the network could not put through.
    unreachable: u16,
    /// When somebody last picked up or answered.
    reached_at: Option<Timestamp>,
    /// When a test call was last made.
    tested_at: Option<Timestamp>,
}

/// What is known about everybody who was ever called, and the tasks that are open.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reach {
    people: BTreeMap<PersonId, Evidence>,
    open: BTreeMap<TaskId, Task>,
    /// Which of them are about whom: a city is imported with a task for every tenth.
    open_of: BTreeMap<WearerId, BTreeSet<TaskId>>,
}

/// As a checkpoint holds it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ReachSnapshot {
    people: Vec<(PersonId, Evidence)>,
    open: Vec<Task>,
}

/// What is to be expected of a guardian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Somebody picked up there, or nothing speaks against it yet.
    Expected,
    /// There is no number that can be called.
    NoNumber,
    /// The network says that the number cannot be reached.
    Wrong,
    /// It was called often enough, and nobody ever picked up.
    NeverReached,
}

/// A task that was opened or is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskChange {
    /// How the feed tells it.
    pub kind: EventKind,
    /// The task after the change.
    pub task: Task,
}

/// Whether what is told of an attempt shows that a guardian picked up a call.
#[must_use]
pub fn has_reached(kind: EventKind, attempt: &Attempt) -> bool {
    let is_call = attempt.channel == Channel::Voice && attempt.callee.role == CalleeRole::Guardian;
    let is_answer =
        matches!(kind, EventKind::AttemptAnswered | EventKind::AttemptConfirmed | EventKind::AttemptDeclined);
    is_call && is_answer
}

impl Reach {
    /// Takes in what became of a call, as it is told. Deciding and recovery do this alike.
    pub fn note(&mut self, kind: EventKind, attempt: &Attempt) {
        if attempt.channel != Channel::Voice || attempt.callee.role != CalleeRole::Guardian {
            return;
        }
        let fresh =
            || Evidence { phone: attempt.to.clone(), vain: 0, unreachable: 0, reached_at: None, tested_at: None };
        let evidence = self.people.entry(attempt.callee.person.clone()).or_insert_with(fresh);
        if evidence.phone != attempt.to {
            *evidence = fresh();
        }
        match kind {
            EventKind::AttemptStarted if attempt.campaign.is_some() => evidence.tested_at = Some(attempt.created_at),
            _ if has_reached(kind, attempt) => {
                (evidence.vain, evidence.unreachable) = (0, 0);
                evidence.reached_at = Some(attempt.changed_at);
            }
            EventKind::AttemptFailed if attempt.state == AttemptState::Failed => match attempt.outcome {
                Some(AttemptOutcome::Unreachable) => {
                    evidence.vain = evidence.vain.saturating_add(1);
                    evidence.unreachable = evidence.unreachable.saturating_add(1);
                }
                Some(AttemptOutcome::NoAnswer | AttemptOutcome::Busy) => {
                    evidence.vain = evidence.vain.saturating_add(1);
                    evidence.unreachable = 0;
                }
                // A provider's failure says nothing about the number.
                _ => {}
            },
            _ => {}
        }
    }

    /// Under which number people were last reached by a call, and when.
    pub fn reached(&self) -> impl Iterator<Item = (&PersonId, &Destination, Timestamp)> {
        self.people.iter().filter_map(|(person, evidence)| Some((person, &evidence.phone, evidence.reached_at?)))
    }

    /// What is to be expected of a guardian.
    #[must_use]
    pub fn standing(&self, contact: &Contact) -> Standing {
        let Some(phone) = usable_phone(contact) else { return Standing::NoNumber };
        let known = self.people.get(&contact.person).filter(|evidence| evidence.phone == *phone);
        match known {
            Some(evidence) if evidence.unreachable >= UNREACHABLE_CALLS_MAX => Standing::Wrong,
            Some(evidence) if evidence.reached_at.is_none() && evidence.vain >= VAIN_CALLS_MAX => {
                Standing::NeverReached
            }
            _ => Standing::Expected,
        }
    }

    /// When a guardian's present number was last tried by a test call, or somebody picked up there.
    #[must_use]
    pub fn verified_at(&self, contact: &Contact) -> Option<Timestamp> {
        let phone = usable_phone(contact)?;
        let known = self.people.get(&contact.person).filter(|evidence| evidence.phone == *phone)?;
        known.tested_at.max(known.reached_at)
    }

    /// Whether of none of a wearer's guardians it is to be expected that they can be reached.
    #[must_use]
    pub fn is_uncovered(&self, wearer: &WearerId) -> bool {
        self.open_about(wearer).any(|task| task.kind == TaskKind::Uncovered)
    }

    /// Opens the tasks that a wearer's guardians give cause for, and ends those that do not any more.
    pub fn look(
        &mut self,
        wearer: &WearerId,
        org: &OrgPath,
        guardians: &[Contact],
        now: Timestamp,
        counters: &mut Counters,
    ) -> Vec<TaskChange> {
        let mut wanted: Vec<(TaskKind, Option<PersonId>, &str, &str)> = Vec::new();
        for guardian in guardians {
            let (zh, en) = match self.standing(guardian) {
                Standing::Expected => continue,
                Standing::NoNumber => ("没有可拨打的电话号码", "there is no number that can be called"),
                Standing::Wrong => ("号码多次无法接通，可能有误", "the network could not put calls through"),
                Standing::NeverReached => ("多次拨打从未接通", "nobody ever picked up there"),
            };
            wanted.push((TaskKind::FixContact, Some(guardian.person.clone()), zh, en));
        }
        if wanted.len() == guardians.len() {
            wanted.push((
                TaskKind::Uncovered,
                None,
                "没有任何可联系的监护人，报警将直接转至值守台",
                "no guardian is to be expected to pick up: alarms are the desk's at once",
            ));
        }
        let mut changes = self.end_unwanted(wearer, &wanted, now);
        for (kind, person, zh, en) in wanted {
            if self.open_about(wearer).any(|task| task.kind == kind && task.person == person) {
                continue;
            }
            let task = Task {
                id: counters.next_task(),
                version: 1,
                kind,
                wearer: wearer.clone(),
                org: org.clone(),
                person,
                reason: zh.to_owned(),
                reason_en: en.to_owned(),
                state: TaskState::Open,
                opened_at: now,
                changed_at: now,
                done_by: None,
                note: String::new(),
            };
            self.open(task.clone());
            changes.push(TaskChange { kind: EventKind::TaskOpened, task });
        }
        changes
    }

    fn end_unwanted(
        &mut self,
        wearer: &WearerId,
        wanted: &[(TaskKind, Option<PersonId>, &str, &str)],
        now: Timestamp,
    ) -> Vec<TaskChange> {
        let is_wanted = |task: &Task| wanted.iter().any(|w| w.0 == task.kind && w.1 == task.person);
        let ids: Vec<TaskId> = self.open_about(wearer).filter(|task| !is_wanted(task)).map(|task| task.id).collect();
        ids.into_iter().filter_map(|id| self.end(id, None, "", now)).collect()
    }

    /// Somebody saw to a task: what was known about the number is forgotten, and it is tried afresh. `None`: there
    /// is no such open task.
    pub fn finish(&mut self, id: TaskId, by: &PersonId, note: &str, now: Timestamp) -> Option<TaskChange> {
        self.end(id, Some(by), note, now)
    }

    fn end(&mut self, id: TaskId, by: Option<&PersonId>, note: &str, now: Timestamp) -> Option<TaskChange> {
        let mut task = self.open.get(&id)?.clone();
        task.version += 1;
        task.state = TaskState::Done;
        task.changed_at = now;
        task.done_by = by.cloned();
        task.note = note.to_owned();
        self.apply_task(task.clone());
        Some(TaskChange { kind: EventKind::TaskDone, task })
    }

    /// An open task.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.open.get(&id)
    }

    fn open_about(&self, wearer: &WearerId) -> impl Iterator<Item = &Task> {
        self.open_of.get(wearer).into_iter().flatten().filter_map(|id| self.open.get(id))
    }

    fn open(&mut self, task: Task) {
        self.open_of.entry(task.wearer.clone()).or_default().insert(task.id);
        self.open.insert(task.id, task);
    }

    fn close(&mut self, id: TaskId) {
        let Some(task) = self.open.remove(&id) else { return };
        if let Some(ids) = self.open_of.get_mut(&task.wearer) {
            ids.remove(&id);
            if ids.is_empty() {
                self.open_of.remove(&task.wearer);
            }
        }
    }

    /// Recovery: a task as it was decided.
    pub fn apply_task(&mut self, task: Task) {
        if task.state == TaskState::Open {
            self.open(task);
            return;
        }
        self.close(task.id);
        if let (Some(person), true) = (&task.person, task.done_by.is_some()) {
            self.people.remove(person);
        }
    }

    /// Forgets somebody who was erased: what calls to them have shown, and what was to be put right about them.
    pub fn erase(&mut self, erasure: &Erasure) {
        self.people.retain(|person, _| !erasure.is_person(person));
        let is_about = |task: &&Task| {
            erasure.is_wearer(&task.wearer) || task.person.as_ref().is_some_and(|person| erasure.is_person(person))
        };
        let ids: Vec<TaskId> = self.open.values().filter(is_about).map(|task| task.id).collect();
        ids.into_iter().for_each(|id| self.close(id));
    }

    /// Everything, for the checkpoint.
    #[must_use]
    pub fn snapshot(&self) -> ReachSnapshot {
        ReachSnapshot {
            people: self.people.iter().map(|(person, evidence)| (person.clone(), evidence.clone())).collect(),
            open: self.open.values().cloned().collect(),
        }
    }

    /// From a checkpoint.
    #[must_use]
    pub fn restore(snapshot: ReachSnapshot) -> Reach {
        let mut reach = Reach { people: snapshot.people.into_iter().collect(), ..Reach::default() };
        snapshot.open.into_iter().for_each(|task| reach.open(task));
        reach
    }
}
