//! What casework holds, with its indexes. Deciding and recovery write through the same function.

use std::collections::{BTreeMap, BTreeSet};

use model::erasure::{Erasure, Names};
use model::{Case, CaseId, CaseState, DutyRoster, IncidentId, OrgPath, Timestamp};
use serde::{Deserialize, Serialize};

use crate::action;

/// How long a case that has ended is held, so that it can be rated, remarked on and reopened.
pub const ENDED_KEPT_SECONDS: u32 = 30 * 86_400;

/// Everything, as a checkpoint holds it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Snapshot {
    cases: Vec<Case>,
    rosters: Vec<DutyRoster>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Book {
    cases: BTreeMap<CaseId, Case>,
    by_incident: BTreeMap<IncidentId, CaseId>,
    due: BTreeSet<(Timestamp, CaseId)>,
    /// Cases that have ended, by the time of their last change.
    ended: BTreeSet<(Timestamp, CaseId)>,
    rosters: BTreeMap<OrgPath, DutyRoster>,
}

impl Book {
    pub(crate) fn case(&self, id: CaseId) -> Option<&Case> {
        self.cases.get(&id)
    }

    pub(crate) fn case_of(&self, incident: IncidentId) -> Option<&Case> {
        self.by_incident.get(&incident).and_then(|id| self.cases.get(id))
    }

    pub(crate) fn open_cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.values().filter(|case| case.state.is_open())
    }

    /// The cases that were merged into one, the newest first, and then those that were merged into them. Only one that is open takes in another, and one that was merged
    /// never opens again: none comes twice.
    pub(crate) fn merged_into(&self, case: &Case) -> Vec<&Case> {
        // Not one within the other: however long the chain is, the stack is not.
        let (mut merged, mut looked_at) = (Vec::new(), 0);
        let mut next = Some(case);
        while let Some(case) = next {
            let direct = case.steps.iter().rev().filter_map(action::taken_over).filter_map(|id| self.case(id));
            merged.extend(direct.filter(|merged| merged.state == CaseState::Merged));
            next = merged.get(looked_at).copied();
            looked_at += 1;
        }
        merged
    }

    /// The open case in which a case goes on: itself, or the one that it was merged into in the end.
    pub(crate) fn goes_on_in<'a>(&'a self, case: &'a Case) -> Option<&'a Case> {
        match case.state {
            CaseState::Merged => {
                let has_it = |open: &&Case| self.merged_into(open).iter().any(|merged| merged.id == case.id);
                self.open_cases().find(has_it)
            }
            state => Some(case).filter(|_| state.is_open()),
        }
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The cases that are due, the longest overdue first.
    pub(crate) fn due_by(&self, now: Timestamp) -> Vec<CaseId> {
        self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    pub(crate) fn roster(&self, org: &OrgPath) -> Option<&DutyRoster> {
        self.rosters.get(org)
    }

    pub(crate) fn put_roster(&mut self, roster: DutyRoster) {
        self.rosters.insert(roster.org.clone(), roster);
    }

    pub(crate) fn put(&mut self, case: Case) {
        let now = case.changed_at;
        self.hold(case);
        self.forget(now);
    }

    fn hold(&mut self, case: Case) {
        let id = case.id;
        if let Some(before) = self.cases.get(&id) {
            self.ended.remove(&(before.changed_at, id));
            if let Some(at) = before.due_at {
                self.due.remove(&(at, id));
            }
        }
        if let Some(at) = case.due_at {
            self.due.insert((at, id));
        }
        if !case.state.is_open() {
            self.ended.insert((case.changed_at, id));
        }
        if let Some(incident) = case.incident {
            // The newest: an earlier one was closed before it began.
            let newest = self.by_incident.entry(incident).or_insert(id);
            *newest = id.max(*newest);
        }
        self.cases.insert(id, case);
    }

    /// Lets go of what ended long before `now`. Hangs on nothing but what is put, so that recovery forgets what was
    /// forgotten.
    fn forget(&mut self, now: Timestamp) {
        while let Some(&(at, id)) = self.ended.first()
            && at.plus_seconds(ENDED_KEPT_SECONDS) <= now
        {
            self.ended.remove(&(at, id));
            if let Some(case) = self.cases.remove(&id)
                && let Some(incident) = case.incident
                && self.by_incident.get(&incident) == Some(&id)
            {
                self.by_incident.remove(&incident);
            }
        }
    }

    /// Takes what tells of somebody who was erased out of every case. An open one that is about them is dropped.
    pub(crate) fn erase(&mut self, erasure: &Erasure, names: &Names) {
        let is_theirs = |case: &&Case| case.wearer.as_ref().is_some_and(|wearer| erasure.is_wearer(wearer));
        let open = self.open_cases().filter(is_theirs).map(|case| case.id);
        for id in open.collect::<Vec<_>>() {
            self.due.retain(|(_, due)| *due != id);
            self.by_incident.retain(|_, case| *case != id);
            self.cases.remove(&id);
        }
        self.cases.values_mut().for_each(|case| erasure.redact_case(case, names));
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { cases: self.cases.values().cloned().collect(), rosters: self.rosters.values().cloned().collect() }
    }

    pub(crate) fn restore(snapshot: Snapshot) -> Book {
        let mut book = Book::default();
        for case in snapshot.cases {
            book.hold(case);
        }
        for roster in snapshot.rosters {
            book.put_roster(roster);
        }
        book
    }
}
