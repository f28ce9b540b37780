//! Campaigns: welfare calls to elders and test calls to guardians. Calls within a window, some at a time, each
//! person tried so often; the keys are collected. They share nothing with the calls of an alarm.

use std::collections::{BTreeMap, BTreeSet};

use compact_str::CompactString;
use model::campaign::{Campaign, CampaignCall, CampaignCallState, CampaignKind, CampaignOrder, CampaignState};
use model::record::SendResult;
use model::{
    Attempt, AttemptId, AttemptOutcome, CampaignId, Contact, Counters, Erasure, EventKind, Finding, OrgPath, PersonId,
    Timestamp, WearerId,
};
use serde::{Deserialize, Serialize};

mod calls;
mod words;

pub use words::TEMPLATE_NAME;

/// How many people one campaign calls at most.
pub const CAMPAIGN_PEOPLE_MAX: usize = 500;
/// How many calls of campaigns ring at a time.
pub const CALLS_AT_ONCE_MAX: usize = 16;
/// How many campaigns may run at a time.
pub const CAMPAIGNS_RUNNING_MAX: usize = 100;
/// How long a campaign's phone rings without news before the try was in vain.
pub const RING_SECONDS: u32 = 45;
/// How long a call that was answered is listened to for a key.
pub const LISTEN_SECONDS: u32 = 120;
/// How long a call waits for a provider that takes it; then the try was in vain.
pub const UNSENT_SECONDS: u32 = 300;

/// All campaigns that run, their people and their open calls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rounds {
    campaigns: BTreeMap<CampaignId, Campaign>,
    calls: BTreeMap<(CampaignId, u32), CampaignCall>,
    attempts: BTreeMap<AttemptId, ((CampaignId, u32), Attempt)>,
    /// Who waits, by when they may be called.
    waiting: BTreeSet<(Timestamp, CampaignId, u32)>,
    /// Who is being called, by when that is over without news.
    calling: BTreeSet<(Timestamp, CampaignId, u32)>,
    utc_offset_minutes: i32,
}

/// As a checkpoint holds it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RoundsSnapshot {
    campaigns: Vec<Campaign>,
    calls: Vec<CampaignCall>,
    attempts: Vec<(u32, Attempt)>,
}

/// Somebody to be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The elder whom it is about.
    pub wearer: WearerId,
    /// Where they belong.
    pub org: OrgPath,
    /// The community's name, for the words.
    pub community_name: CompactString,
    /// The elder's name, for the words of a test call.
    pub wearer_name: CompactString,
    /// Who is called.
    pub contact: Contact,
}

/// What campaigns are told.
#[derive(Debug, Clone, Copy)]
pub enum RoundInput<'a> {
    /// Somebody, or a wearer's plan, begins one.
    Start {
        /// What is ordered.
        order: &'a CampaignOrder,
        /// By whom; `None`: by the plan.
        by: Option<&'a PersonId>,
        /// The part of the tree that it belongs to.
        org: &'a OrgPath,
        /// Who is called, nobody twice, at most [`CAMPAIGN_PEOPLE_MAX`].
        people: &'a [Target],
    },
    /// A provider, or a person through it, said something about a call.
    Callback {
        /// About which.
        attempt: AttemptId,
        /// What.
        outcome: AttemptOutcome,
        /// The key that was pressed.
        key: Option<&'a str>,
    },
    /// What came of handing a call to its provider.
    Sent {
        /// Which.
        attempt: AttemptId,
        /// What came of it.
        result: &'a SendResult,
        /// Which provider it was, by name.
        provider: &'a str,
        /// Whether the channel has a provider left that did not pass it over.
        others_left: bool,
        /// The provider's own name for the call, if it told one.
        reference: Option<&'a str>,
    },
}

/// What was decided.
#[derive(Debug, Clone, PartialEq)]
pub enum RoundOutput {
    /// A campaign began, changed, or ended.
    Campaign {
        /// How the feed tells it.
        kind: EventKind,
        /// The campaign after the change.
        campaign: Campaign,
    },
    /// The calling of one person stands like this now.
    Call(CampaignCall),
    /// A call began or changed.
    Attempt {
        /// How the feed tells it.
        kind: EventKind,
        /// The attempt after the change.
        attempt: Attempt,
        /// Which members changed; empty for a new one.
        changed: Vec<CompactString>,
    },
    /// Somebody needs help, or does not answer: for alerting.
    Finding(Box<Finding>),
}

impl Rounds {
    /// With which offset windows of the day are meant, in minutes east of UTC (−1 080 to 1 080).
    pub fn set_utc_offset_minutes(&mut self, minutes: i32) {
        self.utc_offset_minutes = minutes.clamp(-1080, 1080);
    }

    /// Takes one input.
    pub fn handle(&mut self, input: RoundInput<'_>, now: Timestamp, counters: &mut Counters) -> Vec<RoundOutput> {
        let mut outputs = Vec::new();
        match input {
            RoundInput::Start { order, by, org, people } => {
                self.start(order, by, org, people, now, counters, &mut outputs);
            }
            RoundInput::Callback { attempt, outcome, key } => {
                self.callback(attempt, outcome, key, now, &mut outputs);
            }
            RoundInput::Sent { attempt, result, provider, others_left, reference } => {
                self.sent(attempt, result, (provider, others_left, reference), now, &mut outputs);
            }
        }
        outputs
    }

    /// When something happens by itself next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let over = self.calling.first().map(|(at, ..)| *at);
        let next = self.waiting.first().map(|(at, ..)| *at).filter(|_| self.calling.len() < CALLS_AT_ONCE_MAX);
        over.into_iter().chain(next).min()
    }

    /// Lets happen what is due by `now`: calls that are over without news, and the next ones, as many as may ring.
    pub fn advance(&mut self, now: Timestamp, counters: &mut Counters) -> Vec<RoundOutput> {
        let mut outputs = Vec::new();
        while let Some((_, campaign, place)) = self.calling.first().copied().filter(|(at, ..)| *at <= now) {
            self.over_without_news((campaign, place), now, &mut outputs);
        }
        while self.calling.len() < CALLS_AT_ONCE_MAX {
            let Some((_, campaign, place)) = self.waiting.first().copied().filter(|(at, ..)| *at <= now) else { break };
            self.call_now((campaign, place), now, counters, &mut outputs);
        }
        outputs
    }

    /// Whether this is a call of a campaign that runs.
    #[must_use]
    pub fn holds(&self, attempt: AttemptId) -> bool {
        self.attempts.contains_key(&attempt)
    }

    /// How many campaigns run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.campaigns.len()
    }

    /// A campaign that runs.
    #[must_use]
    pub fn campaign(&self, id: CampaignId) -> Option<&Campaign> {
        self.campaigns.get(&id)
    }

    /// Calls that no provider has taken: to be sent, after a restart to be sent again.
    pub fn pending_attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts().filter(|attempt| attempt.wants_sending())
    }

    /// Every call of a campaign that goes on.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.values().map(|(_, attempt)| attempt)
    }

    /// Recovery: a campaign as it was decided. One that ended is let go of with its people.
    pub fn apply_campaign(&mut self, campaign: Campaign) {
        if campaign.state == CampaignState::Running {
            self.campaigns.insert(campaign.id, campaign);
            return;
        }
        let id = campaign.id;
        self.campaigns.remove(&id);
        self.calls.retain(|key, _| key.0 != id);
        self.attempts.retain(|_, (key, _)| key.0 != id);
        self.waiting.retain(|(_, campaign, _)| *campaign != id);
        self.calling.retain(|(_, campaign, _)| *campaign != id);
    }

    /// Recovery: one person's calling as it was decided.
    pub fn apply_call(&mut self, call: CampaignCall) {
        let key = (call.campaign, call.place);
        if let Some(before) = self.calls.get(&key)
            && let Some(at) = before.next_at
        {
            self.waiting.remove(&(at, key.0, key.1));
            self.calling.remove(&(at, key.0, key.1));
        }
        match (call.state, call.next_at) {
            (CampaignCallState::Waiting, Some(at)) => drop(self.waiting.insert((at, key.0, key.1))),
            (CampaignCallState::Calling, Some(at)) => drop(self.calling.insert((at, key.0, key.1))),
            _ => {}
        }
        self.calls.insert(key, call);
    }

    /// Recovery: a call as it was decided; those of campaigns only.
    pub fn apply_attempt(&mut self, attempt: Attempt) {
        let Some(campaign) = attempt.campaign else { return };
        let place = match self.attempts.get(&attempt.id) {
            Some((key, _)) => key.1,
            // The person's state that names it comes right after: until then it is found by whom it calls.
            None => {
                let calls = self.calls.range((campaign, 0)..=(campaign, u32::MAX));
                let mut of_person = calls
                    .filter(|(_, call)| call.contact.person == attempt.callee.person && call.wearer == attempt.wearer);
                let Some((key, _)) = of_person.next() else { return };
                key.1
            }
        };
        self.attempts.insert(attempt.id, ((campaign, place), attempt));
    }

    /// Whether a running campaign still has to call an erased wearer or person.
    #[must_use]
    pub fn open_about(&self, erasure: &Erasure) -> Option<CampaignId> {
        let is_open = |call: &&CampaignCall| !call.state.is_over() && takes(erasure, call);
        self.calls.values().find(is_open).map(|call| call.campaign)
    }

    /// Forgets somebody who was erased. Whom a running campaign still had to call it does not call any more.
    pub fn erase(&mut self, erasure: &Erasure) {
        let theirs = self.calls.iter().filter(|(_, call)| takes(erasure, call));
        for (key, is_over) in theirs.map(|(key, call)| (*key, call.state.is_over())).collect::<Vec<_>>() {
            self.calls.remove(&key);
            self.attempts.retain(|_, (of, _)| *of != key);
            self.waiting.retain(|(_, campaign, place)| (*campaign, *place) != key);
            self.calling.retain(|(_, campaign, place)| (*campaign, *place) != key);
            if let Some(campaign) = self.campaigns.get_mut(&key.0).filter(|_| !is_over) {
                campaign.open = campaign.open.saturating_sub(1);
            }
        }
    }

    /// Everything, for the checkpoint.
    #[must_use]
    pub fn snapshot(&self) -> RoundsSnapshot {
        RoundsSnapshot {
            campaigns: self.campaigns.values().cloned().collect(),
            calls: self.calls.values().cloned().collect(),
            attempts: self.attempts.values().map(|(key, attempt)| (key.1, attempt.clone())).collect(),
        }
    }

    /// From a checkpoint.
    #[must_use]
    pub fn restore(snapshot: RoundsSnapshot) -> Rounds {
        let mut rounds = Rounds::default();
        for campaign in snapshot.campaigns {
            rounds.apply_campaign(campaign);
        }
        for call in snapshot.calls {
            rounds.apply_call(call);
        }
        for (place, attempt) in snapshot.attempts {
            if let Some(campaign) = attempt.campaign {
                rounds.attempts.insert(attempt.id, ((campaign, place), attempt));
            }
        }
        rounds
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one order")]
    fn start(
        &mut self,
        order: &CampaignOrder,
        by: Option<&PersonId>,
        org: &OrgPath,
        people: &[Target],
        now: Timestamp,
        counters: &mut Counters,
        outputs: &mut Vec<RoundOutput>,
    ) {
        let id = counters.next_campaign();
        let people = &people[..people.len().min(CAMPAIGN_PEOPLE_MAX)];
        let count = people.len() as u32;
        let campaign = Campaign {
            id,
            version: 1,
            kind: order.kind,
            name: order.name.clone(),
            org: org.clone(),
            text: order.text.clone(),
            window: order.window,
            tries: order.tries.max(1),
            gap_seconds: order.gap_seconds,
            by: by.cloned(),
            state: CampaignState::Running,
            started_at: now,
            until: order.until,
            changed_at: now,
            people: count,
            answered: 0,
            keyed: 0,
            need_help: 0,
            unanswered: 0,
            open: count,
        };
        let first_at = self.opening(&campaign, now);
        self.apply_campaign(campaign.clone());
        outputs.push(RoundOutput::Campaign { kind: EventKind::CampaignStarted, campaign });
        for (place, target) in (0..).zip(people) {
            let call = CampaignCall {
                campaign: id,
                place,
                wearer: target.wearer.clone(),
                org: target.org.clone(),
                contact: target.contact.clone(),
                state: CampaignCallState::Waiting,
                tries: 0,
                answered: false,
                attempt: None,
                next_at: Some(first_at),
                changed_at: now,
                community_name: target.community_name.clone(),
                wearer_name: target.wearer_name.clone(),
            };
            self.put_call(call, now, outputs);
        }
        if count == 0 {
            self.count(id, now, outputs, |_| {});
        }
    }

    /// Writes one person's calling down and tells it.
    fn put_call(&mut self, mut call: CampaignCall, now: Timestamp, outputs: &mut Vec<RoundOutput>) {
        call.changed_at = now;
        self.apply_call(call.clone());
        outputs.push(RoundOutput::Call(call));
    }

    /// Changes a campaign's figures, tells it, and ends it with its last person.
    fn count(
        &mut self,
        id: CampaignId,
        now: Timestamp,
        outputs: &mut Vec<RoundOutput>,
        change: impl FnOnce(&mut Campaign),
    ) {
        let Some(mut campaign) = self.campaigns.get(&id).cloned() else { return };
        change(&mut campaign);
        campaign.version += 1;
        campaign.changed_at = now;
        let mut kind = EventKind::CampaignUpdated;
        if campaign.open == 0 {
            campaign.state = CampaignState::Ended;
            kind = EventKind::CampaignEnded;
        }
        self.apply_campaign(campaign.clone());
        outputs.push(RoundOutput::Campaign { kind, campaign });
    }

    /// The first moment from `at` on at which a campaign may call, or its end, whichever comes first.
    fn opening(&self, campaign: &Campaign, at: Timestamp) -> Timestamp {
        let Some(window) = campaign.window else { return at.min(campaign.until) };
        let time = crate::wording::LocalTime { now: at, utc_offset_minutes: self.utc_offset_minutes };
        time.beginning_of(window).min(campaign.until)
    }

    fn kind_of(&self, id: CampaignId) -> CampaignKind {
        self.campaigns.get(&id).map_or(CampaignKind::Test, |campaign| campaign.kind)
    }
}

/// Whether somebody's calling in a campaign is about whom an erasure takes.
fn takes(erasure: &Erasure, call: &CampaignCall) -> bool {
    erasure.is_wearer(&call.wearer) || erasure.is_person(&call.contact.person)
}
