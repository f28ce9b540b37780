//! What people and other systems ask of the engine.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use crate::account::{Account, AccountChange, Session};
use crate::case::{CaseFiling, CaseRequest, PatrolOrder, Receipt};
use crate::erasure::ErasedKind;
use crate::registry::{RegistryChange, Role};
use crate::report::Consciousness;
use crate::webhook::WebhookAct;
use crate::{
    AccountId, Attempt, AttemptId, CampaignOrder, CaseId, DeviceId, DownCommandKind, DutyRoster, IncidentAction,
    IncidentId, OrgPath, PersonId, ReportBody, TaskId, Timestamp, TokenId, WearerId, WebhookId,
};

/// Who asks: whose name stands on the step, in which role, for which part of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The person; for a token, its id.
    pub person: PersonId,
    /// In which role.
    pub role: Role,
    /// The part of the tree that they may see; `/` sees everything.
    pub scope: OrgPath,
}

/// A command of the API. Everything secret in it has been hashed before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum StaffCommand {
    /// Writes registry entries: all or nothing, already validated.
    Import(Box<RegistryChange>),
    /// Acts on an incident.
    Incident {
        /// Which.
        id: IncidentId,
        /// What.
        action: IncidentAction,
        /// The version that the caller saw, from `If-Match`.
        if_match: Option<u32>,
        /// Remark or reason; for `resolve` what there is to say.
        note: Option<String>,
        /// For `resolve`: what it was.
        disposition: Option<String>,
        /// For `acknowledge` on behalf of somebody ("the daughter called the desk"): who goes.
        on_behalf_of: Option<PersonId>,
    },
    /// Acts on a case.
    Case {
        /// Which.
        id: CaseId,
        /// The version that the caller saw, from `If-Match`.
        if_match: Option<u32>,
        /// What, and what belongs to it.
        request: Box<CaseRequest>,
    },
    /// Sends a command to a device.
    Device {
        /// To which.
        device: DeviceId,
        /// What.
        kind: DownCommandKind,
        /// How long it is worth delivering; `None`: the kind's default.
        time_to_live_seconds: Option<u32>,
    },
    /// Makes an API token.
    CreateToken(ApiToken),
    /// Ends an API token.
    RevokeToken(TokenId),
    /// Writes down that somebody looked at a position or a vital sign, before the first byte leaves.
    Look(Look),
    /// Says that a task was seen to.
    FinishTask {
        /// Which.
        id: TaskId,
        /// What there is to say.
        note: Option<String>,
    },
    /// Begins a campaign of welfare or test calls.
    StartCampaign(Box<CampaignOrder>),
    /// Makes an account.
    CreateAccount(Box<Account>),
    /// Changes an account.
    ChangeAccount {
        /// Which.
        id: AccountId,
        /// The version that the caller saw, from `If-Match`.
        if_match: Option<u32>,
        /// What.
        change: Box<AccountChange>,
    },
    /// Signs somebody in: the password was right for the account as it was at the session's epoch.
    BeginSession(Session),
    /// Signs somebody out: the SHA-256 of what the cookie holds.
    EndSession([u8; 32]),
    /// Leave to see where a wearer is although nothing has happened, for a while and with a reason.
    BreakGlass {
        /// Whose position.
        wearer: WearerId,
        /// Why.
        reason: String,
    },
    /// Sends a guardian's message again, with a link that holds from now on: as this attempt was, to the number that is
    /// registered now.
    SendLink(Box<Attempt>),
    /// Files a case: for an incident, once, or from a person's own report.
    FileCase(Box<CaseFiling>),
    /// Another system says how far it is with a case.
    CaseReceipt {
        /// Which case.
        id: CaseId,
        /// What it says.
        receipt: Box<Receipt>,
    },
    /// Begins a patrol.
    StartPatrol(Box<PatrolOrder>),
    /// Writes an organisation's duty roster; the engine completes its version, time and author.
    SetDuty {
        /// The version that the caller saw, from `If-Match`; 0 for one that is not there yet.
        if_match: Option<u32>,
        /// The roster.
        roster: Box<DutyRoster>,
    },
    /// Writes down what somebody saw at a wearer's bedside.
    Observe(BedsideNote),
    /// Writes one registry entry, if the one that the caller saw is still as it was.
    Write {
        /// One entry.
        change: Box<RegistryChange>,
        /// What the caller knows of the entry that it replaces.
        known: Known,
    },
    /// Does something to a subscription of another system.
    Webhook {
        /// Which.
        id: WebhookId,
        /// The version that the caller saw, from `If-Match`.
        if_match: Option<u32>,
        /// What.
        act: WebhookAct,
    },
    /// Erases somebody: see [`Erasure`](crate::Erasure).
    Erase {
        /// Who it is.
        kind: ErasedKind,
        /// Their id.
        subject: CompactString,
        /// What the caller knows of the entry.
        known: Known,
        /// An older backup was brought back, in which they are still: whatever is open about them goes with them.
        again: bool,
    },
    /// Sends a guardian a code to the number that is registered: this attempt carried the link that they opened.
    SendCode(Box<Attempt>),
    /// A guardian entered a code; the API has compared it.
    EnterCode {
        /// The attempt that carried the code.
        code: AttemptId,
        /// Whether it was that one.
        is_right: bool,
        /// SHA-256 of the cookie that is to open the pages.
        secret_sha256: [u8; 32],
    },
    /// A console with its sound on gives a sign of life, or somebody ends their watch.
    Watch {
        /// Whether they watch on.
        on: bool,
    },
}

/// What the writer of a registry entry knows of the one that it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Known {
    /// Nothing was said: refused where there is one.
    Nothing,
    /// There is none (`If-None-Match: *`).
    Absent,
    /// It has this [`fingerprint`](crate::registry::fingerprint) (`If-Match`).
    Fingerprint(u64),
}

/// What somebody at the bedside noted that no bracelet measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BedsideNote {
    /// About whom.
    pub wearer: WearerId,
    /// When they looked; `None`: now.
    pub measured: Option<Timestamp>,
    /// Breaths a minute, 1–80, if they counted.
    pub respiration_per_minute: Option<u8>,
    /// How awake the wearer was, if they looked.
    pub consciousness: Option<Consciousness>,
    /// What devices had measured last of each vital sign, and when: a score is made of all of them.
    pub known: Vec<(Timestamp, ReportBody)>,
}

impl BedsideNote {
    /// The note as a device would have said it.
    pub fn bodies(&self) -> impl Iterator<Item = ReportBody> {
        let respiration = self.respiration_per_minute.map(|per_minute| ReportBody::Respiration { per_minute });
        let consciousness = self.consciousness.map(|level| ReportBody::Consciousness { level });
        respiration.into_iter().chain(consciousness)
    }
}

/// An API token as stored: the secret is only there as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its public name.
    pub id: TokenId,
    /// SHA-256 of the secret (random, so no salt is needed).
    pub secret_sha256: [u8; 32],
    /// What it is for.
    pub label: CompactString,
    /// In whose role it acts.
    pub role: Role,
    /// The part of the tree that it sees.
    pub scope: OrgPath,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it was ended.
    pub revoked: bool,
    /// In whose name it acts, if not in its own: a doctor's sees their patients.
    pub person: Option<PersonId>,
}

/// A look at personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Which entity: `incidents/i1`, `wearers/w1/track`…
    pub subject: CompactString,
    /// Which members were shown, e.g. `position`.
    pub fields: Vec<CompactString>,
    /// Why, if it was asked for.
    pub purpose: Option<CompactString>,
}
