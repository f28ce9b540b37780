//! The community's cases: what is asked of casework, and what it decided.

use casework::{Input, Output, Visited};
use model::case::{CaseFiling, CasePlace, CaseRequest, PatrolOrder, PatrolWho, Receipt};
use model::{
    Actor, CaseAction, CaseId, CaseState, Datum, Decision, DutyRoster, Entity, EventKind, OrgPath, PersonId, Problem,
    ProblemCode, Reply, Role, Timestamp, Wearer, WearerId,
};

use super::Pipeline;

impl Pipeline {
    /// Does something to a case.
    pub(super) fn act_on_case(
        &mut self,
        actor: &Actor,
        id: CaseId,
        if_match: Option<u32>,
        request: &CaseRequest,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        // Whoever is sent must be there; another system is no person.
        let named = request.handler.as_ref().filter(|_| request.action != CaseAction::HandOff);
        if let Some(stranger) = named.filter(|person| self.directory.people.slot(*person).is_none()) {
            return Reply::Refused(no_such_person("/handler".into(), stranger));
        }
        let takes_none = |person: &&PersonId| {
            let role = self.directory.people.get(*person).map(|person| person.role);
            role.is_some_and(|role| !CaseAction::Accept.roles(CaseState::Dispatched).contains(&role))
        };
        if let Some(person) = named.filter(takes_none) {
            let detail = format!("{person} is registered in a role that takes no cases");
            let problem = Problem::new(ProblemCode::Invalid, detail, format!("{person} 登记的角色不能办理工单"));
            return Reply::Refused(problem.at("/handler", "takes no cases", "不能办理工单"));
        }
        let mut request = request.clone();
        if let Some(spot) = &mut request.spot {
            spot.position = geofence::datum::to_wgs84(spot.position, spot.datum);
            spot.datum = Datum::Wgs84;
        }
        let input = Input::Action { id, actor, if_match, request: &request };
        let outputs = self.casework.handle(input, at, &mut self.counters);
        self.answer_with_case(Some(id), outputs, at, decisions)
    }

    /// Files a case for an incident, once, or from a person's report.
    pub(super) fn file_case(
        &mut self,
        actor: &Actor,
        filing: &CaseFiling,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        if let Some(id) = filing.incident {
            let visible = self.alerting.incident(id).filter(|incident| actor.scope.contains(&incident.org));
            let Some(incident) = visible.cloned() else {
                return Reply::Refused(Problem::not_found("the incident"));
            };
            let input = Input::FileFor { actor, incident: &incident, text: &filing.text };
            let outputs = self.casework.handle(input, at, &mut self.counters);
            let there = self.casework.case_of(id).map(|case| case.id);
            return self.answer_with_case(there, outputs, at, decisions);
        }
        let wearer = filing.wearer.as_ref().and_then(|id| self.directory.wearers.get(id));
        let visible = wearer.filter(|entry| actor.scope.contains(&entry.wearer.org));
        if filing.wearer.is_some() && visible.is_none() {
            return Reply::Refused(Problem::not_found("the wearer"));
        }
        let org = match (&filing.org, visible) {
            (Some(org), _) => Some(org).filter(|org| self.directory.orgs.contains_key(*org)).cloned(),
            (None, Some(entry)) => Some(entry.wearer.org.clone()),
            (None, None) => None,
        };
        let mut filing = filing.clone();
        if let Some(position) = filing.place.as_mut().and_then(|place| place.position.as_mut()) {
            *position = geofence::datum::to_wgs84(*position, filing.datum);
        }
        filing.datum = Datum::Wgs84;
        if filing.place.is_none() {
            filing.place = filing.wearer.as_ref().and_then(|wearer| self.home_of(wearer));
        }
        let input = Input::Report { actor, filing: &filing, org: org.as_ref() };
        let outputs = self.casework.handle(input, at, &mut self.counters);
        self.answer_with_case(None, outputs, at, decisions)
    }

    /// Takes in what another system says.
    pub(super) fn take_receipt(
        &mut self,
        actor: &Actor,
        id: CaseId,
        receipt: &Receipt,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        let outputs = self.casework.handle(Input::Receipt { id, actor, receipt }, at, &mut self.counters);
        self.answer_with_case(Some(id), outputs, at, decisions)
    }

    /// Begins a patrol.
    pub(super) fn start_patrol(
        &mut self,
        actor: &Actor,
        order: &PatrolOrder,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        let visited = match self.visited(order) {
            Ok(visited) => visited,
            Err(problem) => return Reply::Refused(problem),
        };
        let mut outputs = self.casework.patrol(actor, order, visited, at, &mut self.counters);
        if let [Output::Refused(problem)] = outputs.as_slice() {
            return Reply::Refused(problem.clone());
        }
        let patrol = outputs.iter().find_map(|output| match output {
            Output::Patrol(patrol) => Some(Entity::Patrol(Box::new(patrol.clone()))),
            _ => None,
        });
        self.tell_cases(std::mem::take(&mut outputs), at, decisions);
        Reply::Done(patrol)
    }

    /// Writes a duty roster.
    pub(super) fn set_duty(
        &mut self,
        actor: &Actor,
        if_match: Option<u32>,
        roster: &DutyRoster,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        if !self.directory.orgs.contains_key(&roster.org) {
            return Reply::Refused(Problem::not_found("the organisation"));
        }
        if let Some(problem) = self.not_for_duty(roster) {
            return Reply::Refused(problem);
        }
        let outputs = self.casework.handle(Input::Duty { actor, if_match, roster }, at, &mut self.counters);
        match outputs.as_slice() {
            [Output::Refused(problem)] => Reply::Refused(problem.clone()),
            [Output::Duty(roster)] => {
                let (entity, org) = (Entity::Duty(Box::new(roster.clone())), roster.org.clone());
                self.tell_cases(outputs, at, decisions);
                // Whoever the desk has to be called next may have changed.
                let open = self.open_about(|incident, _| org.contains(&incident.org));
                self.pick_up_who_is_new(open, at, decisions);
                Reply::Done(Some(entity))
            }
            _ => Reply::Done(None),
        }
    }

    /// Who is on a roster and cannot be: unknown, or a guardian, who is not to hear of everybody's alarms.
    fn not_for_duty(&self, roster: &DutyRoster) -> Option<Problem> {
        for (u, unit) in roster.units.iter().enumerate() {
            for (s, shift) in unit.shifts.iter().enumerate() {
                for (p, id) in shift.people.iter().enumerate() {
                    let pointer = format!("/units/{u}/shifts/{s}/people/{p}");
                    match self.directory.people.get(id) {
                        None => return Some(no_such_person(pointer, id)),
                        Some(person) if person.role == Role::Guardian => {
                            let (detail, zh) =
                                (format!("{id} is a guardian, and no staff"), format!("{id} 登记为家属"));
                            let problem = Problem::new(ProblemCode::Invalid, detail, zh);
                            return Some(problem.at(pointer, "is a guardian", "是家属，不是工作人员"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        None
    }

    /// Whom a patrol visits.
    fn visited(&self, order: &PatrolOrder) -> Result<Vec<Visited>, Problem> {
        if !self.directory.orgs.contains_key(&order.org) {
            return Err(Problem::not_found("the organisation"));
        }
        let of = |wearer: &Wearer| Visited {
            wearer: wearer.id.clone(),
            org: wearer.org.clone(),
            place: self.home_of(&wearer.id),
        };
        if order.who == PatrolWho::Listed {
            let mut visited = Vec::new();
            for (place, id) in order.wearers.iter().enumerate() {
                let entry = self.directory.wearers.get(id).filter(|entry| order.org.contains(&entry.wearer.org));
                let Some(entry) = entry else {
                    let detail = "a wearer is not there, or not in this organisation";
                    let problem = Problem::new(ProblemCode::Invalid, detail, "有老人不存在或不属于该组织");
                    return Err(problem.at(format!("/wearers/{place}"), "not there", "不存在"));
                };
                if visited.iter().all(|one: &Visited| one.wearer != *id) {
                    visited.push(of(&entry.wearer));
                }
            }
            return Ok(visited);
        }
        let chosen = self.directory.wearers_under(&order.org).filter(|wearer| match order.who {
            PatrolWho::LivingAlone => wearer.lives_alone,
            PatrolWho::Uncovered => self.reach.is_uncovered(&wearer.id),
            PatrolWho::Listed => false,
        });
        Ok(chosen.map(of).collect())
    }

    /// Where a wearer is to be found when nothing better is known: in the middle of their home's fence.
    fn home_of(&self, wearer: &WearerId) -> Option<CasePlace> {
        let position = self.directory.home_of(wearer)?;
        Some(CasePlace { position: Some(position), text: String::new() })
    }

    /// Tells what casework decided and answers with the case as it is now.
    fn answer_with_case(
        &mut self,
        id: Option<CaseId>,
        outputs: Vec<Output>,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        let filed = outputs.iter().find_map(|output| match output {
            Output::Case { case, .. } => Some(case.id),
            _ => None,
        });
        if let [Output::Refused(problem)] = outputs.as_slice() {
            return Reply::Refused(problem.clone());
        }
        self.tell_cases(outputs, at, decisions);
        let case = id.or(filed).and_then(|id| self.casework.case(id)).cloned();
        Reply::Done(case.map(|case| Entity::Case(Box::new(case))))
    }

    /// Turns what casework decided into events, and lets each change have its consequences.
    pub(super) fn tell_cases(&mut self, outputs: Vec<Output>, at: Timestamp, decisions: &mut Vec<Decision>) {
        for output in outputs {
            match output {
                Output::Case { kind, case, changed } => {
                    let org = case.org.clone();
                    self.tell(kind, Entity::Case(case.clone()), Some(org), changed.clone(), at, decisions);
                    self.follow_case(kind, &case, &changed, at, decisions);
                }
                Output::Patrol(patrol) => {
                    let org: OrgPath = patrol.order.org.clone();
                    let entity = Entity::Patrol(Box::new(patrol));
                    self.tell(EventKind::PatrolStarted, entity, Some(org), Vec::new(), at, decisions);
                }
                Output::Duty(roster) => {
                    let org = roster.org.clone();
                    let changed = if roster.version == 1 { Vec::new() } else { vec!["units".into()] };
                    let entity = Entity::Duty(Box::new(roster));
                    self.tell(EventKind::DutyChanged, entity, Some(org), changed, at, decisions);
                }
                // A refusal answers a command only, and that has taken it out.
                Output::Refused(_) => self.faults += 1,
            }
        }
    }
}

fn no_such_person(pointer: String, person: &PersonId) -> Problem {
    let detail = format!("there is no person {person} in the registry");
    let problem = Problem::new(ProblemCode::Invalid, detail, format!("登记表中没有人员 {person}"));
    problem.at(pointer, "not in the registry", "不在登记表中")
}
