//! The community at its cases: the desk dispatches, a worker goes and reports back, the desk verifies and closes.

use std::collections::BTreeMap;

use model::case::CaseRequest;
use model::{Actor, CaseAction, CaseId, Entity, Event, Input, OrgPath, PersonId, Role, StaffCommand, WearerId};

use crate::scenario::Act;
use crate::town::Town;
use crate::town::deeds::concerns;

/// Who dispatches, verifies and closes: never the one who went.
const DISPATCHER: &str = "rehearsal";

/// What the community knows of its cases: the newest about each wearer, with the version that it saw.
#[derive(Debug, Default)]
pub(super) struct Community {
    cases: BTreeMap<WearerId, (CaseId, u32)>,
}

impl Community {
    /// Reads an event of the feed.
    pub(super) fn notice(&mut self, event: &Event) {
        if let Entity::Case(case) = &event.entity
            && let Some(wearer) = &case.wearer
        {
            self.cases.insert(wearer.clone(), (case.id, case.version));
        }
    }

    /// What is said to the house so that the cases about these elders go this step.
    pub(super) fn commands(&self, town: &Town, act: &Act, action: CaseAction) -> Vec<Input> {
        let worker = town.people.iter().find(|person| person.role == "desk");
        let worker = worker.map_or_else(|| PersonId::new(DISPATCHER), |person| PersonId::new(&person.id));
        let goes = !matches!(action, CaseAction::Dispatch | CaseAction::Verify | CaseAction::Close);
        let (person, role) = match goes {
            true => (worker.clone(), Role::GridWorker),
            false => (PersonId::new(DISPATCHER), Role::Operator),
        };
        let concerned = town.elders.iter().filter(|elder| concerns(act, elder));
        let cases = concerned.filter_map(|elder| self.cases.get(&WearerId::new(&elder.id)));
        let command = |&(id, version): &(CaseId, u32)| {
            let request = CaseRequest {
                note: Some("rehearsal".to_owned()),
                handler: (action == CaseAction::Dispatch).then(|| worker.clone()),
                disposition: (action == CaseAction::Close).then(|| "helped".to_owned()),
                with: (action == CaseAction::Voice).then(|| "the wearer".to_owned()),
                ..CaseRequest::new(action)
            };
            let command = StaffCommand::Case { id, if_match: Some(version), request: Box::new(request) };
            let actor = Actor { person: person.clone(), role, scope: OrgPath::new("/") };
            Input::Command { actor, idempotency_key: None, command }
        };
        cases.map(command).collect()
    }
}
