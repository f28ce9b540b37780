//! The audit's chain: every command, looks included, leaves one entry that holds the hash of the one before it.

use std::collections::BTreeSet;

use compact_str::{CompactString, format_compact};
use model::audit::{AUDIT_BEGINNING, AUDIT_WEARERS_MAX, AuditEntry, Glass};
use model::erasure::{ErasedKind, Names};
use model::staff::Look;
use model::{
    Actor, CaseId, Decision, Erasure, IncidentId, OrgPath, Problem, ProblemCode, Reply, Role, StaffCommand, Timestamp,
    WearerId,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Pipeline;
use super::respond::not_allowed;

/// How long broken glass shows where somebody is.
pub const GLASS_SECONDS: u32 = 30 * 60;
/// How long a reason is at least and at most, in bytes.
const REASON_BYTES: std::ops::RangeInclusive<usize> = 4..=500;
/// Keeps a hash of an entry from ever being one of something else.
const DOMAIN: &[u8] = b"yinling audit v1\0";

/// Where the chain ends, and the glass that is broken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Audit {
    number: u64,
    head: [u8; 32],
    glasses: Vec<Glass>,
}

impl Default for Audit {
    fn default() -> Audit {
        Audit { number: 0, head: AUDIT_BEGINNING, glasses: Vec::new() }
    }
}

impl Audit {
    /// The number and hash of the last entry.
    #[must_use]
    pub fn head(&self) -> (u64, [u8; 32]) {
        (self.number, self.head)
    }

    /// The glass that was broken and has not run out, as of the last decision about any.
    pub fn glasses(&self) -> impl Iterator<Item = &Glass> {
        self.glasses.iter()
    }

    pub(super) fn apply(&mut self, entry: &AuditEntry) {
        (self.number, self.head) = (entry.number, entry.hash);
    }

    /// Nobody is behind the glass any more, and nobody is named where it was broken for somebody else.
    pub(super) fn erase(&mut self, erasure: &Erasure, names: &Names) {
        self.glasses.retain(|glass| !erasure.is_wearer(&glass.wearer));
        self.glasses.iter_mut().for_each(|glass| names.scrub(&mut glass.reason));
    }

    pub(super) fn apply_glass(&mut self, glass: Glass) {
        self.glasses.retain(|known| glass.at < known.until);
        self.glasses.push(glass);
    }
}

/// Keeps the hash of a purpose from ever being one of something else.
const PURPOSE_DOMAIN: &[u8] = b"yinling audit purpose v1\0";

/// SHA-256 over an entry but for its own hash and its purpose, whose hash stands for it: over its JSON, so that it can be
/// checked with other tools.
#[must_use]
pub fn hash_of(entry: &AuditEntry) -> [u8; 32] {
    let bare = AuditEntry { hash: AUDIT_BEGINNING, purpose: None, ..entry.clone() };
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    // A struct of strings and numbers: the conversion cannot fail.
    hasher.update(serde_json::to_vec(&bare).unwrap_or_default());
    hasher.finalize().into()
}

/// SHA-256 over a purpose, and over the number of its entry: the same words twice do not look the same.
#[must_use]
pub fn hash_of_purpose(number: u64, purpose: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(PURPOSE_DOMAIN);
    hasher.update(number.to_be_bytes());
    hasher.update(purpose.as_bytes());
    hasher.finalize().into()
}

/// What a command is about.
#[derive(Default)]
struct About {
    action: CompactString,
    subject: CompactString,
    wearers: Vec<WearerId>,
    fields: Vec<CompactString>,
    period: Option<CompactString>,
    purpose: Option<CompactString>,
    incident: Option<IncidentId>,
    case: Option<CaseId>,
}

impl Pipeline {
    /// Where the audit's chain ends.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Writes down who asked for what, and what came of it.
    pub(super) fn write_down(
        &mut self,
        actor: &Actor,
        command: &StaffCommand,
        reply: &Reply,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        if self.is_watched_on(actor, command, at) {
            return;
        }
        let about = self.about(command);
        let number = self.audit.number + 1;
        let mut entry = AuditEntry {
            number,
            at,
            person: actor.person.clone(),
            role: actor.role,
            scope: actor.scope.clone(),
            action: about.action,
            subject: about.subject,
            org: self.org_above(&about.wearers),
            wearers: about.wearers,
            fields: about.fields,
            period: about.period,
            purpose_hash: about.purpose.as_deref().map(|purpose| hash_of_purpose(number, purpose)),
            purpose: about.purpose,
            incident: about.incident,
            case: about.case,
            result: match reply {
                Reply::Done(_) => "done".into(),
                Reply::Refused(problem) => problem.code.name().into(),
            },
            previous: self.audit.head,
            hash: AUDIT_BEGINNING,
        };
        entry.hash = hash_of(&entry);
        self.audit.apply(&entry);
        decisions.push(Decision::Audit(Box::new(entry)));
    }

    /// Lets somebody see where a wearer is for a while.
    pub(super) fn break_glass(
        &mut self,
        actor: &Actor,
        wearer: &WearerId,
        reason: &str,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Reply {
        let known = self.directory.wearers.get(wearer).filter(|entry| actor.scope.contains(&entry.wearer.org));
        if known.is_none() {
            return Reply::Refused(Problem::not_found("the wearer"));
        }
        if matches!(actor.role, Role::Guardian | Role::Volunteer | Role::Integration) {
            return Reply::Refused(not_allowed("staff breaks the glass, and nobody else"));
        }
        if !REASON_BYTES.contains(&reason.trim().len()) {
            let detail = format!("a reason has {} to {} bytes", REASON_BYTES.start(), REASON_BYTES.end());
            let detail_zh = format!("事由须为 {} 至 {} 字节", REASON_BYTES.start(), REASON_BYTES.end());
            let problem = Problem::new(ProblemCode::Invalid, detail, detail_zh);
            return Reply::Refused(problem.at("/reason", "too short or too long", "过短或过长"));
        }
        let glass = Glass {
            person: actor.person.clone(),
            wearer: wearer.clone(),
            reason: reason.trim().to_owned(),
            at,
            until: at.plus_seconds(GLASS_SECONDS),
        };
        self.audit.apply_glass(glass.clone());
        decisions.push(Decision::Glass(Box::new(glass)));
        Reply::Done(None)
    }

    fn about(&self, command: &StaffCommand) -> About {
        let about = |action: &str, subject: CompactString| About { action: action.into(), subject, ..About::default() };
        match command {
            StaffCommand::Look(look) => self.about_look(look),
            StaffCommand::Import(change) => {
                let wearers = change.wearers.iter().map(|wearer| wearer.id.clone()).take(AUDIT_WEARERS_MAX).collect();
                About { wearers, ..about("registry.import", "registry".into()) }
            }
            StaffCommand::Write { change, .. } => {
                let wearers = change.wearers.iter().map(|wearer| wearer.id.clone()).take(AUDIT_WEARERS_MAX).collect();
                About { wearers, ..about("registry.write", "registry".into()) }
            }
            StaffCommand::Erase { kind: ErasedKind::Wearer, subject, .. } => About {
                wearers: vec![WearerId::new(subject)],
                ..about("wearer.erase", format_compact!("wearers/{subject}"))
            },
            StaffCommand::Erase { kind: ErasedKind::Person, subject, .. } => {
                about("person.erase", format_compact!("people/{subject}"))
            }
            StaffCommand::Webhook { id, .. } => about("webhook.change", format_compact!("webhooks/{id}")),
            StaffCommand::Incident { id, action, note: _, disposition, on_behalf_of, .. } => About {
                wearers: self.wearer_of_incident(*id).into_iter().collect(),
                incident: Some(*id),
                purpose: disposition.as_deref().map(Into::into),
                fields: on_behalf_of.iter().map(|person| format_compact!("on_behalf_of={person}")).collect(),
                ..about(&format!("incident.{}", action.name()), format_compact!("incidents/{id}"))
            },
            StaffCommand::Case { id, request, .. } => About {
                wearers: self.wearer_of_case(*id).into_iter().collect(),
                case: Some(*id),
                ..about(&format!("case.{}", request.action.name()), format_compact!("cases/{id}"))
            },
            StaffCommand::CaseReceipt { id, receipt } => About {
                wearers: self.wearer_of_case(*id).into_iter().collect(),
                case: Some(*id),
                purpose: Some(receipt.system.as_str().into()),
                ..about("case.receipt", format_compact!("cases/{id}"))
            },
            StaffCommand::FileCase(filing) => {
                let wearer = filing.incident.and_then(|id| self.wearer_of_incident(id)).or(filing.wearer.clone());
                About {
                    wearers: wearer.into_iter().collect(),
                    incident: filing.incident,
                    ..about("case.file", "cases".into())
                }
            }
            StaffCommand::StartPatrol(order) => About {
                wearers: order.wearers.iter().take(AUDIT_WEARERS_MAX).cloned().collect(),
                ..about("patrol.start", "patrols".into())
            },
            StaffCommand::SetDuty { roster, .. } => about("duty.write", format_compact!("duty{}", roster.org)),
            StaffCommand::Observe(note) => About {
                wearers: vec![note.wearer.clone()],
                ..about("wearer.observe", format_compact!("wearers/{}", note.wearer))
            },
            StaffCommand::Device { device, kind, .. } => About {
                wearers: self.directory.devices.get(device).and_then(|e| e.device.wearer.clone()).into_iter().collect(),
                ..about(&format!("device.{}", kind.name()), format_compact!("devices/{device}"))
            },
            StaffCommand::CreateToken(token) => about("token.create", format_compact!("tokens/{}", token.id)),
            StaffCommand::RevokeToken(id) => about("token.revoke", format_compact!("tokens/{id}")),
            StaffCommand::FinishTask { id, .. } => about("task.done", format_compact!("tasks/{id}")),
            StaffCommand::StartCampaign(_) => about("campaign.start", "campaigns".into()),
            StaffCommand::CreateAccount(account) => about("account.create", format_compact!("accounts/{}", account.id)),
            StaffCommand::ChangeAccount { id, change, .. } => {
                let fields = [
                    ("person", change.person.is_some()),
                    ("name", change.name.is_some()),
                    ("role", change.role.is_some()),
                    ("scope", change.scope.is_some()),
                    ("password", change.password_hash.is_some()),
                    ("state", change.state.is_some()),
                    ("sessions", change.end_sessions),
                ];
                let fields = fields.into_iter().filter(|(_, is_in)| *is_in).map(|(name, _)| name.into()).collect();
                About { fields, ..about("account.change", format_compact!("accounts/{id}")) }
            }
            StaffCommand::BeginSession(session) => {
                about("session.begin", format_compact!("accounts/{}", session.account))
            }
            StaffCommand::EndSession(_) => about("session.end", "session".into()),
            StaffCommand::SendLink(attempt) => About {
                wearers: vec![attempt.wearer.clone()],
                incident: attempt.incident,
                ..about("link.send", format_compact!("attempts/{}", attempt.id))
            },
            StaffCommand::SendCode(attempt) => About {
                wearers: vec![attempt.wearer.clone()],
                incident: attempt.incident,
                ..about("code.send", format_compact!("attempts/{}", attempt.id))
            },
            StaffCommand::EnterCode { code, .. } => About {
                wearers: self.step_ups.wearer_of(*code).into_iter().collect(),
                ..about("code.enter", format_compact!("attempts/{code}"))
            },
            StaffCommand::Watch { on: true } => about("watch.begin", "duty/watch".into()),
            StaffCommand::Watch { on: false } => about("watch.end", "duty/watch".into()),
            StaffCommand::BreakGlass { wearer, reason } => About {
                wearers: vec![wearer.clone()],
                fields: vec!["position".into()],
                purpose: Some(reason.as_str().into()),
                ..about("glass.break", format_compact!("wearers/{wearer}"))
            },
        }
    }

    /// A look's subject is the path that was asked for, with the ids of what was shown, and the period after a space.
    fn about_look(&self, look: &Look) -> About {
        let (path, period) = match look.subject.split_once(' ') {
            Some((path, period)) => (path, Some(period.into())),
            None => (look.subject.as_str(), None),
        };
        let mut about = About {
            action: "look".into(),
            subject: path.into(),
            fields: look.fields.clone(),
            period,
            purpose: look.purpose.clone(),
            ..About::default()
        };
        let mut segments = path.trim_start_matches("events/").split('/');
        let mut wearers = BTreeSet::new();
        let (kind, ids) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        for id in ids.split(',').filter(|id| !id.is_empty()) {
            let wearer = match kind {
                "incidents" => {
                    let incident = id.parse::<IncidentId>().ok();
                    about.incident = about.incident.or(incident);
                    incident.and_then(|id| self.wearer_of_incident(id))
                }
                "cases" => {
                    let case = id.parse::<CaseId>().ok();
                    about.case = about.case.or(case);
                    case.and_then(|id| self.wearer_of_case(id))
                }
                "wearers" => Some(WearerId::new(id)),
                _ => None,
            };
            wearers.extend(wearer);
        }
        about.wearers = wearers.into_iter().take(AUDIT_WEARERS_MAX).collect();
        // Several are shown at once: then it was on account of none of them.
        if ids.contains(',') {
            (about.incident, about.case) = (None, None);
        }
        about
    }

    fn wearer_of_incident(&self, id: IncidentId) -> Option<WearerId> {
        self.alerting.incident(id).map(|incident| incident.wearer.clone())
    }

    fn wearer_of_case(&self, id: CaseId) -> Option<WearerId> {
        self.casework.case(id).and_then(|case| case.wearer.clone())
    }

    /// The lowest organisation that holds all of them.
    fn org_above(&self, wearers: &[WearerId]) -> Option<OrgPath> {
        let mut orgs = wearers.iter().filter_map(|id| self.directory.wearers.get(id)).map(|entry| &entry.wearer.org);
        let mut above = orgs.next()?.clone();
        for org in orgs {
            while !above.contains(org) {
                above = above.parent().unwrap_or_else(|| OrgPath::new("/"));
            }
        }
        Some(above)
    }
}
