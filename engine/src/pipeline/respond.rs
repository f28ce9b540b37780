//! From findings, evidence and commands to incidents, calls and cases: alerting and casework, put together.

use alerting::Output as Alert;
use model::event::{CLOCK_SKEW_SHOWN_SECONDS, DeviceStatus, RegistrySummary};
use model::record::Input as Recorded;
use model::staff::BedsideNote;
use model::{
    Actor, Change, Decision, DeviceId, DownCommand, DownCommandKind, Entity, EventKind, Finding, Incident,
    IncidentKind, OrgPath, Position, Problem, ProblemCode, RegistryChange, Reply, Role, StaffCommand, Timestamp,
    WearerId,
};

use super::Pipeline;

impl Pipeline {
    /// What findings lead to.
    pub(super) fn find(&mut self, findings: Vec<Finding>, at: Timestamp, decisions: &mut Vec<Decision>) {
        if findings.is_empty() {
            return;
        }
        self.tell_local_time(at);
        for finding in findings {
            let Some(entry) = self.directory.wearers.get(&finding.wearer) else { continue };
            if finding.kind == IncidentKind::Silence {
                // Whether it is the wearer's or the area's turns out there.
                let carrier = self.directory.carrier_of(&finding.device);
                let told = self.area.handle(&finding, &entry.wearer.org, carrier, at);
                decisions.push(Decision::Finding(Box::new(finding)));
                self.find_in_area(told, at, decisions);
            } else {
                let outputs = self.alert(&finding, at);
                let is_empty = finding.kind == IncidentKind::BatteryLow && finding.change == Change::Raised;
                let device = is_empty.then(|| finding.device.clone());
                decisions.push(Decision::Finding(Box::new(finding)));
                if let Some(status) = device.and_then(|device| self.status_of(&device)) {
                    let org = self.directory.org_of_device(&status.id).cloned();
                    let changed = vec!["battery_percent".into()];
                    self.tell(EventKind::DeviceLowBattery, Entity::Device(status), org, changed, at, decisions);
                }
                self.respond(outputs, at, decisions);
            }
        }
    }

    /// What the feed says about a device.
    pub(super) fn status_of(&self, device: &DeviceId) -> Option<DeviceStatus> {
        let entry = self.directory.devices.get(device)?;
        Some(DeviceStatus {
            id: device.clone(),
            wearer: entry.device.wearer.clone(),
            online: entry.hot.online,
            battery_percent: entry.hot.battery_percent,
            clock_ahead_seconds: Some(entry.hot.admission.clock_ahead_seconds())
                .filter(|seconds| seconds.abs() > CLOCK_SKEW_SHOWN_SECONDS),
        })
    }

    /// What silence leads to, each wearer's or the area's. Of a wearer's own the finding was written down before.
    pub(super) fn find_in_area(&mut self, findings: Vec<Finding>, at: Timestamp, decisions: &mut Vec<Decision>) {
        for finding in findings {
            self.tell_local_time(at);
            let outputs = self.alert(&finding, at);
            if finding.kind == IncidentKind::MassSilence {
                decisions.push(Decision::Finding(Box::new(finding)));
            }
            self.respond(outputs, at, decisions);
        }
    }

    fn alert(&mut self, finding: &Finding, at: Timestamp) -> Vec<Alert> {
        let Pipeline { alerting, directory, casework, counters, .. } = self;
        let area = directory.area(&finding.wearer);
        let Some(wearer) = area.as_ref().or_else(|| directory.wearers.get(&finding.wearer).map(|entry| &*entry.wearer))
        else {
            return Vec::new();
        };
        let household = || directory.household(wearer, casework);
        alerting.handle(alerting::Input::Finding { finding, household: &household }, at, counters)
    }

    /// A better position for what is open about a wearer.
    pub(super) fn locate(
        &mut self,
        wearer: &WearerId,
        position: Position,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        let outputs = self.alerting.handle(alerting::Input::Located { wearer, position }, at, &mut self.counters);
        self.respond(outputs, at, decisions);
    }

    /// What providers, people through them, and a restart tell us.
    pub(super) fn evidence(&mut self, input: &Recorded, at: Timestamp, decisions: &mut Vec<Decision>) {
        self.tell_local_time(at);
        if self.rounds_evidence(input, at, decisions) || self.case_evidence(input, at, decisions) {
            return;
        }
        let input = match input {
            Recorded::Callback { attempt, outcome, key, text } => alerting::Input::Callback {
                attempt: *attempt,
                outcome: *outcome,
                key: key.as_deref(),
                text: text.as_deref(),
            },
            Recorded::Sent { attempt, result, provider, others_left, reference } => alerting::Input::Sent {
                attempt: *attempt,
                result,
                provider,
                others_left: *others_left,
                reference: reference.as_deref(),
            },
            Recorded::StoodIn { incident, attempt } => alerting::Input::StoodIn { incident: *incident, attempt },
            Recorded::Started { .. } => {
                self.forget_connections();
                alerting::Input::Restarted
            }
            _ => return,
        };
        let outputs = self.alerting.handle(input, at, &mut self.counters);
        self.respond(outputs, at, decisions);
    }

    /// What happens by itself in alerting, casework and the commands to devices.
    pub(super) fn respond_advance(&mut self, at: Timestamp, decisions: &mut Vec<Decision>) {
        self.tell_local_time(at);
        let outputs = self.alerting.advance(at, &mut self.counters);
        self.respond(outputs, at, decisions);
        let outputs = self.casework.advance(at, &mut self.counters);
        self.tell_cases(outputs, at, decisions);
        self.advance_case_messages(at, decisions);
        let changes = self.down_commands.advance(at);
        self.tell_commands(changes, at, decisions);
    }

    /// Carries out a command and says what to answer.
    pub(super) fn command(
        &mut self,
        actor: &Actor,
        command: &StaffCommand,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        self.tell_local_time(at);
        match command {
            StaffCommand::Import(change) => self.import(actor, change, at, decisions),
            StaffCommand::Incident { id, action, if_match, note, disposition, on_behalf_of } => {
                if !self.alerting.incident(*id).is_some_and(|incident| self.concerns(actor, incident)) {
                    return Reply::Refused(Problem::not_found("the incident"));
                }
                let name = self.directory.name_of(on_behalf_of.as_ref().unwrap_or(&actor.person));
                let input = alerting::Input::Action {
                    id: *id,
                    actor,
                    action: *action,
                    if_match: *if_match,
                    note: note.as_deref(),
                    disposition: disposition.as_deref(),
                    on_behalf_of: on_behalf_of.as_ref(),
                    name: &name,
                };
                let outputs = self.alerting.handle(input, at, &mut self.counters);
                match outputs.into_iter().try_fold(Vec::new(), keep_unless_refused) {
                    Err(problem) => Reply::Refused(problem),
                    Ok(outputs) => {
                        self.respond(outputs, at, decisions);
                        let incident = self.alerting.incident(*id).cloned();
                        Reply::Done(incident.map(|incident| Entity::Incident(Box::new(incident))))
                    }
                }
            }
            StaffCommand::Case { id, if_match, request } => {
                self.act_on_case(actor, *id, *if_match, request, at, decisions)
            }
            StaffCommand::FileCase(filing) => self.file_case(actor, filing, at, decisions),
            StaffCommand::CaseReceipt { id, receipt } => self.take_receipt(actor, *id, receipt, at, decisions),
            StaffCommand::StartPatrol(order) => self.start_patrol(actor, order, at, decisions),
            StaffCommand::SetDuty { if_match, roster } => self.set_duty(actor, *if_match, roster, at, decisions),
            StaffCommand::Device { device, kind, time_to_live_seconds } => {
                let visible = self.directory.devices.get(device).is_some()
                    && (actor.scope.as_str() == "/"
                        || self.directory.org_of_device(device).is_some_and(|org| actor.scope.contains(org)));
                if !visible {
                    return Reply::Refused(Problem::not_found("the device"));
                }
                if self.down_commands.waiting_for(device).count() >= super::down_commands::WAITING_PER_DEVICE_MAX {
                    return Reply::Refused(Problem::new(
                        ProblemCode::LimitReached,
                        "too many commands wait for this device; wait until it is back or they expire",
                        "该设备等待下发的命令过多，请等设备上线或命令过期",
                    ));
                }
                let person = Some(actor.person.clone());
                let Pipeline { down_commands, counters, .. } = self;
                let changes = down_commands.create(device, kind.clone(), person, *time_to_live_seconds, at, counters);
                let command = changes.last().map(|(_, command)| Entity::DownCommand(Box::new(command.clone())));
                self.tell_commands(changes, at, decisions);
                Reply::Done(command)
            }
            StaffCommand::CreateToken(token) => {
                if actor.role != Role::Admin || !actor.scope.contains(&token.scope) {
                    return Reply::Refused(not_allowed("only an administrator of that part of the tree makes tokens"));
                }
                decisions.push(Decision::Token(token.clone()));
                self.tokens.insert(token.id.clone(), token.clone());
                Reply::Done(None)
            }
            StaffCommand::RevokeToken(id) => {
                let Some(token) = self.tokens.get_mut(id).filter(|token| actor.scope.contains(&token.scope)) else {
                    return Reply::Refused(Problem::not_found("the token"));
                };
                if actor.role != Role::Admin {
                    return Reply::Refused(not_allowed("only an administrator revokes tokens"));
                }
                token.revoked = true;
                decisions.push(Decision::Token(token.clone()));
                Reply::Done(None)
            }
            StaffCommand::Webhook { id, if_match, act } => {
                let newest = self.counters.event;
                match self.webhooks.act(actor, (id, *if_match), act, newest, at) {
                    Err(problem) => Reply::Refused(problem),
                    Ok(webhook) => {
                        decisions.push(Decision::Webhook(Box::new(webhook)));
                        Reply::Done(None)
                    }
                }
            }
            StaffCommand::Write { change, known } => match self.directory.check_known(change, *known) {
                Err(problem) => Reply::Refused(problem),
                Ok(()) => self.import(actor, change, at, decisions),
            },
            StaffCommand::Look(_) => Reply::Done(None),
            StaffCommand::Erase { kind, subject, known, again } => {
                let request = super::erasure::Request { kind: *kind, subject, known: *known, again: *again };
                self.erase(actor, &request, at, decisions)
            }
            StaffCommand::FinishTask { id, note } => {
                self.finish_task(actor, *id, note.as_deref().unwrap_or_default(), at, decisions)
            }
            StaffCommand::StartCampaign(order) => self.start_campaign(actor, order, at, decisions),
            StaffCommand::CreateAccount(account) => self.accounts.create(actor, account, at, decisions),
            StaffCommand::ChangeAccount { id, if_match, change } => {
                self.accounts.change(actor, id, *if_match, change, at, decisions)
            }
            StaffCommand::BeginSession(session) => self.accounts.begin_session(session, at, decisions),
            StaffCommand::BreakGlass { wearer, reason } => self.break_glass(actor, wearer, reason, at, decisions),
            StaffCommand::SendLink(attempt) => self.send_link(actor, attempt, at, decisions),
            StaffCommand::SendCode(attempt) => self.send_code(actor, attempt, at, decisions),
            StaffCommand::EnterCode { code, is_right, secret_sha256 } => {
                self.step_ups.enter(actor, (*code, *is_right), *secret_sha256, at, decisions)
            }
            StaffCommand::Watch { on } => self.watch(actor, *on, at, decisions),
            StaffCommand::EndSession(secret) => self.accounts.end_session(secret, decisions),
            StaffCommand::Observe(note) => self.observe_bedside(actor, note, at, decisions),
        }
    }

    /// Whether an incident is one of a caller's: in their part of the tree, and a guardian's only of whom they care for.
    fn concerns(&self, actor: &Actor, incident: &Incident) -> bool {
        let entry = || self.directory.wearers.get(&incident.wearer);
        let cares = || entry().is_some_and(|entry| entry.wearer.guardians.contains(&actor.person));
        actor.scope.contains(&incident.org) && (actor.role != Role::Guardian || cares())
    }

    /// Somebody noted at the bedside what no bracelet measures.
    fn observe_bedside(
        &mut self,
        actor: &Actor,
        note: &BedsideNote,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        let entry = self.directory.wearers.get(&note.wearer);
        if !entry.is_some_and(|entry| actor.scope.contains(&entry.wearer.org)) {
            return Reply::Refused(Problem::not_found("the wearer"));
        }
        let measured = note.measured.unwrap_or(at);
        if measured > at {
            let problem = Problem::new(ProblemCode::Invalid, "the note cannot be taken", "无法记录");
            return Reply::Refused(problem.at("/measured", "lies in the future", "晚于当前时间"));
        }
        let mut findings = Vec::new();
        if let Some(observed) = self.note_bedside(note, measured, at, &mut findings) {
            decisions.push(Decision::Observed(observed));
        }
        self.find(findings, at, decisions);
        Reply::Done(None)
    }

    /// Messages name the time of day in the configured zone.
    pub(super) fn tell_local_time(&mut self, at: Timestamp) {
        let offset = self.utc_offset_minutes(at);
        self.alerting.set_utc_offset_minutes(offset);
        self.rounds.set_utc_offset_minutes(offset);
        self.case_messages.set_utc_offset_minutes(offset);
        self.casework.set_utc_offset_minutes(offset);
    }

    fn import(
        &mut self,
        actor: &Actor,
        change: &RegistryChange,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        let may_write = matches!(actor.role, Role::Admin | Role::Operator | Role::Integration);
        let may_in_part = self.draws_own_fences(actor, change) || self.sets_patients_thresholds(actor, change);
        if !may_write && !may_in_part {
            return Reply::Refused(not_allowed(
                "only an administrator, an operator or an integration writes the registry",
            ));
        }
        if let Some(problem) = self.erased_in(change) {
            return Reply::Refused(problem);
        }
        if let Some(pointer) = self.outside_scope(&actor.scope, change) {
            let problem = not_allowed("an entry lies outside the part of the tree that you may write");
            return Reply::Refused(problem.at(pointer, "outside your scope", "不在您的管辖范围内"));
        }
        let mut change = change.clone();
        self.directory.complete_bindings(&mut change, at);
        self.directory.complete_thresholds(&mut change, actor, at);
        super::Directory::complete_modes(&mut change, at);
        let people = self.news_of_people(&change);
        self.faults += self.directory.apply(&change, self.zone, u64::MAX) as u64;
        let summary = RegistrySummary {
            orgs: change.orgs.len() as u32,
            people: change.people.len() as u32,
            wearers: change.wearers.len() as u32,
            devices: change.devices.len() as u32,
            warnings: change.wearers.iter().filter(|w| !self.directory.has_desk(&w.org, &self.casework)).count() as u32,
        };
        decisions.push(Decision::Registry(Box::new(change.clone())));
        let entity = Entity::Registry(summary);
        self.tell(EventKind::RegistryChanged, entity.clone(), None, Vec::new(), at, decisions);
        self.after_import(&change, &people, at, decisions);
        Reply::Done(Some(entity))
    }

    /// The first entry that a caller with this scope may not write, as a JSON pointer. People belong to nobody's
    /// part of the tree; a wearer or device that is moved must be inside before and after.
    fn outside_scope(&self, scope: &OrgPath, change: &RegistryChange) -> Option<compact_str::CompactString> {
        if scope.as_str() == "/" {
            return None;
        }
        let org = change.orgs.iter().position(|o| !scope.contains(&o.path)).map(|i| ("orgs", i));
        let wearer = || {
            let outside = |w: &model::Wearer| {
                let before = self.directory.wearers.get(&w.id).map(|entry| &entry.wearer.org);
                !scope.contains(&w.org) || before.is_some_and(|org| !scope.contains(org))
            };
            change.wearers.iter().position(outside).map(|i| ("wearers", i))
        };
        let device = || {
            let outside = |d: &model::Device| {
                let known = self.directory.devices.get(&d.id).is_some();
                let before = self.directory.org_of_device(&d.id);
                let in_change = |id: &WearerId| change.wearers.iter().find(|w| &w.id == id).map(|w| w.org.clone());
                let known_org = |id: &WearerId| self.directory.wearers.get(id).map(|e| e.wearer.org.clone());
                let after = d.wearer.as_ref().and_then(|id| in_change(id).or_else(|| known_org(id)));
                (known && !before.is_some_and(|org| scope.contains(org)))
                    || !after.is_some_and(|org| scope.contains(&org))
            };
            change.devices.iter().position(outside).map(|i| ("devices", i))
        };
        let (list, index) = org.or_else(wearer).or_else(device)?;
        Some(compact_str::format_compact!("/{list}/{index}"))
    }

    /// Turns what alerting decided into events, and hands on what casework and devices are to know. Cases come
    /// after everything that alerting said at once: what they lead to is a later version of the incident.
    pub(super) fn respond(&mut self, outputs: Vec<Alert>, at: Timestamp, decisions: &mut Vec<Decision>) {
        let (mut resolved, mut to_file, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        for output in outputs {
            match output {
                Alert::Incident { kind, incident, changed } => {
                    if changed.iter().any(|member| member == "org") {
                        moved.push(incident.clone());
                    }
                    if kind == EventKind::IncidentResolved {
                        resolved.push(incident.id);
                    } else if !incident.test && incident.is_emergency() {
                        // When it happens again, or was not over, the case of the first time may have been closed.
                        let begins_anew = matches!(kind, EventKind::IncidentRecurred | EventKind::IncidentReopened);
                        if incident.case.is_none() || begins_anew {
                            to_file.push(incident.clone());
                        }
                    }
                    let org = incident.org.clone();
                    self.tell(kind, Entity::Incident(Box::new(incident)), Some(org), changed, at, decisions);
                }
                Alert::Escalation(escalation) => decisions.push(Decision::Escalation(Box::new(escalation))),
                Alert::Attempt { kind, attempt, changed } => {
                    let org = attempt.org.clone();
                    self.tell(kind, Entity::Attempt(Box::new(attempt.clone())), Some(org), changed, at, decisions);
                    self.note_reach(kind, &attempt, at, decisions);
                }
                Alert::Down { device, kind } => self.tell_device(&device, kind, at, decisions),
                // A refusal answers a command only, and `command` has taken it out.
                Alert::Refused(_) => self.faults += 1,
            }
        }
        for incident in &to_file {
            let outputs = self.casework.handle(casework::Input::Incident(incident), at, &mut self.counters);
            self.tell_cases(outputs, at, decisions);
        }
        for incident in &moved {
            let outputs = self.casework.handle(casework::Input::IncidentMoved(incident), at, &mut self.counters);
            self.tell_cases(outputs, at, decisions);
        }
        for id in resolved {
            let outputs = self.casework.handle(casework::Input::IncidentResolved(id), at, &mut self.counters);
            self.tell_cases(outputs, at, decisions);
            self.tell_handler_of_end(id, at, decisions);
        }
    }

    pub(super) fn tell_device(
        &mut self,
        device: &model::DeviceId,
        kind: DownCommandKind,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        let changes = self.down_commands.create(device, kind, None, None, at, &mut self.counters);
        self.tell_commands(changes, at, decisions);
    }

    pub(super) fn tell_commands(
        &mut self,
        changes: impl IntoIterator<Item = (EventKind, DownCommand)>,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        for (kind, command) in changes {
            let org = self.directory.org_of_device(&command.device).cloned();
            let changed = if command.version == 1 { Vec::new() } else { vec!["state".into()] };
            self.tell(kind, Entity::DownCommand(Box::new(command)), org, changed, at, decisions);
        }
    }
}

fn keep_unless_refused(mut kept: Vec<Alert>, output: Alert) -> Result<Vec<Alert>, Problem> {
    match output {
        Alert::Refused(problem) => Err(problem),
        other => {
            kept.push(other);
            Ok(kept)
        }
    }
}

pub(super) fn not_allowed(detail: &str) -> Problem {
    Problem::new(ProblemCode::NotAllowed, detail, "无权执行此操作")
}
