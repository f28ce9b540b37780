//! What a change of a case leads to: its incident hears who goes, is there or is done, whoever the case is given to or who
//! joins it hears of that, and what they answer is done to the case.

use alerting::{CaseAnswer, CaseNews, HANDLER_CALLS_MAX, Missed, Said, Told};
use compact_str::CompactString;
use model::attempt::CalleeRole;
use model::case::{CaseRequest, Joined};
use model::{
    AccountState, Actor, AttemptId, AttemptOutcome, Case, CaseAction, CaseId, CaseState, Decision, EventKind,
    IncidentId, Input as Recorded, OrgPath, PersonId, Role, Timestamp,
};

use super::Pipeline;
use super::care::name_of_stranger;

impl Pipeline {
    /// Lets the change of a case have its consequences.
    pub(super) fn follow_case(
        &mut self,
        kind: EventKind,
        case: &Case,
        changed: &[CompactString],
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        if kind == EventKind::CaseWhistled
            && let Some(joined) = case.joined.last()
        {
            self.tell_joined(case, joined, at, decisions);
        }
        if kind == EventKind::CaseFiled
            && let Some(incident) = case.incident
        {
            let input = alerting::Input::CaseFiled { incident, case: case.id };
            let outputs = self.alerting.handle(input, at, &mut self.counters);
            self.respond(outputs, at, decisions);
        }
        let merged = self.merged_incidents(case);
        for incident in case.incident.into_iter().chain(merged) {
            let news = self.news_for(incident, (kind, changed), case);
            self.tell_incident(incident, news, at, decisions);
        }
        if kind == EventKind::CaseNoted {
            self.tell_merged(case, at, decisions);
        }
        // One that ends by itself ends with whom it is about, who is erased.
        if kind == EventKind::CaseClosed && case.steps.last().is_some_and(|step| step.by.is_some()) {
            self.file_what_goes_on(case, at, decisions);
        }
        let outputs = self.case_messages.settle(case, at);
        self.respond(outputs, at, decisions);
        if has_changed_hands(changed) {
            self.tell_handler(case, at, decisions);
        }
        // Of a case that ends by itself, with whom it is about erased, nobody hears.
        if let Some(by) = case.steps.last().and_then(|step| step.by.as_ref())
            && (has_changed_hands(changed) || !case.state.is_open())
        {
            for person in self.case_messages.misled(case).iter().filter(|person| by != *person) {
                self.release(case, person, at, decisions);
            }
        }
    }

    /// Somebody hears that a case is not theirs.
    fn release(&mut self, case: &Case, person: &PersonId, at: Timestamp, decisions: &mut Vec<Decision>) {
        let Some(contact) = self.directory.contact(person) else { return };
        let holder = case.handler.as_ref().filter(|handler| case.state.is_open() && *handler != person);
        let holder = holder.map(|holder| self.directory.name_of(holder)).unwrap_or_default();
        let told = self.told(case);
        let outputs = self.case_messages.released(&told, &contact, &holder, at, &mut self.counters);
        self.respond(outputs, at, decisions);
    }

    /// The incidents of the cases that were merged into one, as far as they are about the same wearer: who stands at her door
    /// has seen to hers, and not to a neighbour's.
    fn merged_incidents(&self, case: &Case) -> Vec<IncidentId> {
        let merged = self.casework.merged_into(case).into_iter();
        merged
            .filter(|merged| merged.wearer.is_some() && merged.wearer == case.wearer)
            .filter_map(|m| m.incident)
            .collect()
    }

    /// The incident of a case that was merged just now hears how far the other one is.
    fn tell_merged(&mut self, case: &Case, at: Timestamp, decisions: &mut Vec<Decision>) {
        let has_merged = case.steps.last().is_some_and(|step| step.action == CaseAction::Merge);
        let newest = self.casework.merged_into(case).first().and_then(|merged| merged.incident);
        let Some(incident) = newest.filter(|id| has_merged && self.merged_incidents(case).contains(id)) else { return };
        let taken = case.steps.iter().rfind(|step| step.action == CaseAction::Accept);
        let goes = taken.is_some_and(|step| step.by == case.handler && is_who_goes(step.role));
        // Who was there before it happened has not seen to it, and may have left.
        let last = self.alerting.incident(incident).and_then(|incident| incident.occurrences.last()).map(|o| o.at);
        let saw_it = last.is_some_and(|last| casework::seen_to(case).is_some_and(|seen_to| seen_to >= last));
        let news = match case.state {
            CaseState::Accepted if goes => CaseNews::Accepted,
            CaseState::OnSite if saw_it => CaseNews::Arrived,
            _ => return,
        };
        self.tell_incident(incident, case.handler.clone().map(|handler| (handler, news)), at, decisions);
    }

    /// What a closed case did not end, its own incident or one of those that were merged into it, goes on with another case:
    /// an alarm that somebody was on site for before it happened again has no clock but that of its case.
    fn file_what_goes_on(&mut self, case: &Case, at: Timestamp, decisions: &mut Vec<Decision>) {
        let merged = self.casework.merged_into(case).into_iter().filter_map(|merged| merged.incident);
        let behind: Vec<IncidentId> = case.incident.into_iter().chain(merged).collect();
        for id in behind {
            let open = self.alerting.incident(id).filter(|incident| incident.state.is_open() && !incident.test);
            let Some(incident) = open.cloned() else { continue };
            let outputs = self.casework.handle(casework::Input::Incident(&incident), at, &mut self.counters);
            self.tell_cases(outputs, at, decisions);
        }
    }

    /// What a change of a case says to an incident, and who did it.
    fn news_for<'a>(
        &self,
        incident: IncidentId,
        (kind, changed): (EventKind, &[CompactString]),
        case: &'a Case,
    ) -> Option<(PersonId, CaseNews<'a>)> {
        let by = case.steps.last().and_then(|step| step.by.as_ref());
        let goes = case.steps.last().is_some_and(|step| is_who_goes(step.role));
        let handler = case.handler.as_ref();
        match kind {
            // Who takes it for another has not said that the other goes; nor has a desk that takes charge of it.
            EventKind::CaseAccepted if by == handler && (goes || !has_changed_hands(changed)) => {
                by.cloned().map(|by| (by, CaseNews::Accepted))
            }
            EventKind::CaseOnSite => handler.or(by).cloned().map(|there| (there, CaseNews::Arrived)),
            // Whoever was to go for the one that was merged hears that they need not.
            EventKind::CaseMerged | EventKind::CaseReturned | EventKind::CaseReassigned | EventKind::CaseHandedOff => {
                let handler = match kind {
                    EventKind::CaseMerged => self.casework.goes_on_in(incident).and_then(|into| into.handler.as_ref()),
                    _ => handler,
                };
                let going = self.alerting.incident(incident)?.acknowledged_by.as_ref().map(|going| &going.person)?;
                let is_counted_on = handler != Some(going) && case.handlers.contains(going);
                is_counted_on.then(|| (going.clone(), CaseNews::TakenFrom { gave_back: by == Some(going) }))
            }
            EventKind::CaseClosed => casework::seen_to(case).zip(by.cloned()).map(|(seen_to, by)| {
                let disposition = case.disposition.as_deref().unwrap_or_default();
                let note = case.steps.last().and_then(|step| step.note.as_deref()).unwrap_or_default();
                (by, CaseNews::Closed { disposition, note, seen_to })
            }),
            _ => None,
        }
    }

    /// An incident hears what is new at its case.
    fn tell_incident(
        &mut self,
        incident: IncidentId,
        news: Option<(PersonId, CaseNews<'_>)>,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        let Some((person, news)) = news else { return };
        let name = self.directory.name_of(&person);
        let input = alerting::Input::Case { incident, person: &person, name: &name, news };
        let outputs = self.alerting.handle(input, at, &mut self.counters);
        self.respond(outputs, at, decisions);
    }

    /// Whoever holds a case now hears of it, unless they took it themselves.
    fn tell_handler(&mut self, case: &Case, at: Timestamp, decisions: &mut Vec<Decision>) {
        let by = case.steps.last().and_then(|step| step.by.as_ref());
        let given = case.handler.as_ref().filter(|handler| by != Some(handler));
        let Some(contact) = given.and_then(|handler| self.directory.contact(handler)) else { return };
        let told = self.told(case);
        let outputs = self.case_messages.given(&told, &contact, at, &mut self.counters);
        let who = &contact.name;
        if outputs.is_empty() {
            let text = format!("{who}没有可用的联系方式，请当面或另行通知 / nothing reaches {who}: tell them yourself");
            self.remark_on(case.id, &text, at, decisions);
        }
        self.respond(outputs, at, decisions);
        if self.sees_nothing_of(&contact.person, &case.org) {
            let text = format!(
                "{who}的账号管辖范围不含本社区，页面上看不到本工单，只能电话或短信答复 / {who}'s account does not reach this \
                 community: they answer by phone only"
            );
            self.remark_on(case.id, &text, at, decisions);
        }
    }

    /// Whether somebody can sign in, and sees nothing there of an organisation.
    fn sees_nothing_of(&self, person: &PersonId, org: &OrgPath) -> bool {
        let is_theirs = |account: &&model::Account| account.person == *person && account.state == AccountState::Active;
        let mut theirs = self.accounts.all().filter(is_theirs).peekable();
        theirs.peek().is_some() && !theirs.any(|account| account.scope.contains(org))
    }

    /// Whoever is on the way for a case is not rung for its alarm any more, which has ended, and hears of that, unless they
    /// ended it themselves.
    pub(super) fn tell_handler_of_end(&mut self, id: IncidentId, at: Timestamp, decisions: &mut Vec<Decision>) {
        let is_on_the_way = |case: &&Case| matches!(case.state, CaseState::Dispatched | CaseState::Accepted);
        let Some(case) = self.casework.goes_on_in(id).filter(is_on_the_way).cloned() else { return };
        if self.is_on(&case) {
            return;
        }
        let hushed = self.case_messages.hush(case.id, at);
        self.respond(hushed, at, decisions);
        let Some(ended) = self.alerting.incident(id).and_then(|incident| incident.resolution.as_ref()) else { return };
        let handler = case.handler.as_ref().filter(|handler| **handler != ended.by);
        let Some(contact) = handler.and_then(|handler| self.directory.contact(handler)) else { return };
        let disposition = ended.disposition.clone();
        let told = self.told(&case);
        let outputs = self.case_messages.alarm_ended(&told, &contact, &disposition, at, &mut self.counters);
        self.respond(outputs, at, decisions);
    }

    fn remark_on(&mut self, case: CaseId, text: &str, at: Timestamp, decisions: &mut Vec<Decision>) {
        let outputs = self.casework.handle(casework::Input::Remark { case, text }, at, &mut self.counters);
        self.tell_cases(outputs, at, decisions);
    }

    /// Whoever joined a case by a whistle hears of it: by its incident while that is open, else by a message about the
    /// case itself, and where nobody is on duty, the desk.
    fn tell_joined(&mut self, case: &Case, joined: &Joined, at: Timestamp, decisions: &mut Vec<Decision>) {
        let people = joined.people.iter().filter_map(|id| self.directory.contact(id));
        let mut people: Vec<model::Contact> = people.collect();
        let told = self.told(case);
        let outputs = if let Some(incident) = self.open_behind(case) {
            let input = alerting::Input::Whistled { incident, level: joined.level, joined: &people };
            self.alerting.handle(input, at, &mut self.counters)
        } else {
            if people.is_empty() {
                people = self.directory.desk_contacts(&joined.org, &self.casework);
            }
            let has_heard = |id: &PersonId| {
                let before = case.joined.len().saturating_sub(1);
                case.joined.iter().take(before).any(|joined| joined.people.contains(id))
            };
            people.retain(|contact| !has_heard(&contact.person));
            self.case_messages.whistled(&told, joined.level, &people, at, &mut self.counters)
        };
        self.respond(outputs, at, decisions);
    }

    /// A case, with what its messages say beside it.
    fn told<'a>(&self, case: &'a Case) -> Told<'a> {
        let elder = case.wearer.as_ref().and_then(|id| self.directory.wearers.get(id)).map(|entry| &*entry.wearer);
        let stranger = case.wearer.as_ref().and_then(name_of_stranger);
        Told {
            case,
            is_on: self.is_on(case),
            community_name: self.directory.orgs.get(&case.org).map_or_else(String::new, |org| org.name.clone()),
            wearer: case.wearer.clone().unwrap_or_else(|| rules::area::wearer_of(&case.org, None)),
            wearer_name: elder.map(|elder| elder.name.clone()).or(stranger).unwrap_or_default(),
        }
    }

    /// An incident that nobody has ended, behind a case or behind one that was merged into it.
    fn open_behind(&self, case: &Case) -> Option<IncidentId> {
        let mut incidents = case.incident.into_iter().chain(self.merged_incidents(case));
        incidents.find(|id| self.alerting.incident(*id).is_some_and(|incident| incident.state.is_open()))
    }

    fn is_on(&self, case: &Case) -> bool {
        self.open_behind(case).is_some()
    }

    /// What providers and people say about a message or call to staff about a case. Says whether it is one.
    pub(super) fn case_evidence(&mut self, input: &Recorded, at: Timestamp, decisions: &mut Vec<Decision>) -> bool {
        let (Recorded::Callback { attempt: id, .. } | Recorded::Sent { attempt: id, .. }) = input else { return false };
        let Some(told) = self.case_messages.attempt(*id) else { return false };
        let was_given = told.callee.role == CalleeRole::Handler;
        let (outputs, answer) = match input {
            Recorded::Callback { outcome, key, text, .. } => {
                let text = text.as_deref();
                // A phone is told of alarms, too, and a code may name one.
                let named = text.and_then(|text| self.alerting.named_by(told, text));
                if let Some(attempt) = named.filter(|_| *outcome == AttemptOutcome::Reply) {
                    let input = alerting::Input::Callback { attempt, outcome: *outcome, key: None, text };
                    let outputs = self.alerting.handle(input, at, &mut self.counters);
                    self.respond(outputs, at, decisions);
                    return true;
                }
                self.case_messages.callback(*id, *outcome, (key.as_deref(), text), at)
            }
            Recorded::Sent { result, provider, others_left, reference, .. } => {
                let by = (provider.as_str(), *others_left, reference.as_deref());
                (self.case_messages.sent(*id, result, by, at), None)
            }
            _ => return false,
        };
        let over = ended(&outputs);
        self.respond(outputs, at, decisions);
        if let Some(answer) = answer {
            self.answer_for(answer, was_given, at, decisions);
        }
        over.into_iter().for_each(|call| self.follow_call(call, at, decisions));
        true
    }

    /// Calls about cases of which nothing is heard any more.
    pub(super) fn advance_case_messages(&mut self, at: Timestamp, decisions: &mut Vec<Decision>) {
        let outputs = self.case_messages.advance(at);
        let over = ended(&outputs);
        self.respond(outputs, at, decisions);
        over.into_iter().for_each(|call| self.follow_call(call, at, decisions));
    }

    /// What follows a call that is over: the next one, as long as the alarm is on and the case waits for whoever did not
    /// take it.
    fn follow_call(&mut self, id: AttemptId, at: Timestamp, decisions: &mut Vec<Decision>) {
        let case = self.case_messages.attempt(id).and_then(|attempt| self.casework.case(attempt.case?));
        let Some(case) = case.filter(|case| self.is_on(case)) else { return };
        match self.case_messages.missed(id, case, at, &mut self.counters) {
            Some(Missed::RingsAgain(call)) => self.respond(vec![call], at, decisions),
            Some(Missed::GivenUp(person)) => {
                let who = Some(self.directory.name_of(&person)).filter(|name| !name.is_empty());
                let who = who.unwrap_or_else(|| person.to_string());
                let remark =
                    format!("致电{who} {HANDLER_CALLS_MAX} 次，未接单 / {who} was rung {HANDLER_CALLS_MAX} times");
                let id = case.id;
                self.remark_on(id, &remark, at, decisions);
            }
            None => {}
        }
    }

    /// Does to a case what somebody answered by phone. What does not fit the case as it stands changes nothing; whoever takes
    /// what was given to them, `was_given`, and is not theirs any more, hears that.
    fn answer_for(&mut self, answer: CaseAnswer, was_given: bool, at: Timestamp, decisions: &mut Vec<Decision>) {
        let Some(case) = self.casework.case(answer.case) else { return };
        let is_theirs = case.handler.as_ref() == Some(&answer.person);
        // Who gave it back may think again, as long as it is nobody's.
        let is_nobodys = was_given && case.handler.is_none() && case.state == CaseState::Filed;
        let waits = is_nobodys || (is_theirs && case.state == CaseState::Dispatched);
        let mut request = match answer.said {
            Said::Takes if waits => CaseRequest::new(CaseAction::Accept),
            Said::Takes if was_given && (!is_theirs || !case.state.is_open()) => {
                let case = case.clone();
                return self.release(&case, &answer.person, at, decisions);
            }
            Said::CannotTake if is_theirs && matches!(case.state, CaseState::Dispatched | CaseState::Accepted) => {
                let mut request = CaseRequest::new(CaseAction::Return);
                request.note = Some("电话或短信答复：无法前往 / said by phone: cannot go".to_owned());
                request
            }
            Said::Remark(ref text) if !text.is_empty() => {
                let mut request = CaseRequest::new(CaseAction::Note);
                request.note = Some(text.clone());
                request
            }
            Said::Takes | Said::CannotTake | Said::Remark(_) => return,
        };
        request.handler = (request.action == CaseAction::Accept).then(|| answer.person.clone());
        let role = self.directory.people.get(&answer.person).map_or(Role::Volunteer, |person| person.role);
        let actor = Actor { person: answer.person, role, scope: case.org.clone() };
        let id = case.id;
        let input = casework::Input::Action { id, actor: &actor, if_match: None, request: &request };
        let mut outputs = self.casework.handle(input, at, &mut self.counters);
        // It holds as many remarks as it may: the answer stands in the journal.
        outputs.retain(|output| !matches!(output, casework::Output::Refused(_)));
        self.tell_cases(outputs, at, decisions);
    }
}

/// The messages and calls that are over by now.
fn ended(outputs: &[alerting::Output]) -> Vec<AttemptId> {
    let over = |output: &alerting::Output| match output {
        alerting::Output::Attempt { attempt, .. } if attempt.state.is_over() => Some(attempt.id),
        _ => None,
    };
    outputs.iter().filter_map(over).collect()
}

/// Whether who took a case goes there: staff may have taken charge of it only.
fn is_who_goes(role: Option<Role>) -> bool {
    matches!(role, Some(Role::GridWorker | Role::Volunteer))
}

fn has_changed_hands(changed: &[CompactString]) -> bool {
    changed.iter().any(|member| member == "handler")
}
