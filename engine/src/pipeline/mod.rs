//! The pure heart: one input after the other becomes records of decisions. No clock, no randomness, no files.
//!
//! [`Pipeline::decide`] and [`Pipeline::advance`] decide. After a restart [`Pipeline::apply`] brings the state back
//! from the journal: it applies what was decided and rebuilds the hot state from the inputs, and never decides
//! again, so that an upgrade does not rewrite whom we called.

mod accounts;
#[cfg(test)]
mod accounts_tests;
mod asked;
mod audit;
mod campaigns;
mod care;
#[cfg(test)]
mod care_tests;
mod case_news;
#[cfg(test)]
mod case_tests;
mod cases;
mod directory;
mod down_commands;
mod entries;
mod erasure;
#[cfg(test)]
mod erasure_tests;
mod image;
mod index;
mod links;
#[cfg(test)]
mod links_tests;
mod mentions;
mod recovery;
mod replies;
mod respond;
mod sense;
mod sensing;
mod slots;
#[cfg(test)]
mod tests;
mod watch;
mod webhooks;

use std::collections::BTreeMap;
use std::ops::Range;

use alerting::{Alerting, CaseMessages, Reach, Rounds};
use casework::Casework;
use chrono::{Offset, TimeZone};
use chrono_tz::Tz;
use model::record::Observed;
use model::staff::ApiToken;
use model::{
    Actor, Counters, Decision, DeviceId, DownCommandKind, Entity, Event, EventKind, Input, OrgPath, Record, Report,
    StaffCommand, Timestamp, TokenId,
};

pub use accounts::Accounts;
pub use audit::{Audit, hash_of, hash_of_purpose};
pub use directory::Directory;
pub use entries::{DeviceEntry, WearerEntry};
pub use image::{Loaded, Section, SectionId};
pub use sensing::Sensing;

use down_commands::DownCommands;
use entries::DeviceHot;
use erasure::Erased;
pub(crate) use erasure::{ERASED_ID, ERASED_ID_ZH, erased_id};
use links::StepUps;
use replies::Replies;
use sense::{RuleTimers, Sensed};
use webhooks::Webhooks;

/// How often timers may fire for one instant before it counts as a fault of a core that does not move on: enough for
/// ten million wearers at [`FIRED_TOGETHER_MAX`] a firing.
const FIRINGS_PER_INSTANT_MAX: usize = 100_000;
/// For how many wearers one firing looks what time has brought. What comes of it is one record of the
/// journal; at 22:00 a schedule opens for everybody at once.
const FIRED_TOGETHER_MAX: usize = 256;

/// A report that was taken in and led to nothing else.
#[derive(Debug)]
pub struct Plain {
    /// When it was decided.
    pub at: Timestamp,
    /// What was seen; `None`: it was there before.
    pub observed: Option<Observed>,
}

/// How long a time zone's offset holds at least, milliseconds.
const QUARTER_MILLIS: i64 = 900_000;

/// One partition's whole state and everything that decides on it.
#[derive(Debug)]
pub struct Pipeline {
    zone: Tz,
    last_at: Timestamp,
    counters: Counters,
    /// The registry with the hot state.
    directory: Directory,
    /// The slot of the device whose report came last: several come in one parcel.
    device_slot: u32,
    rule_timers: RuleTimers,
    /// Before this, nothing falls due but fences and rules: nothing but plain reports was decided since it was looked up.
    /// [`Timestamp::EPOCH`]: not known. To ask everybody again for each report was a fifth of deciding on it.
    quiet_until: Timestamp,
    /// Since when devices can be heard: absence before that is ours.
    listening_since: Timestamp,
    /// Silence that may be the cell's.
    area: rules::area::Area,
    /// Minutes east of UTC, and from when to when that was looked up.
    local: (Range<Timestamp>, i32),
    alerting: Alerting,
    reach: Reach,
    rounds: Rounds,
    case_messages: CaseMessages,
    casework: Casework,
    down_commands: DownCommands,
    replies: Replies,
    tokens: BTreeMap<TokenId, ApiToken>,
    accounts: Accounts,
    audit: Audit,
    webhooks: Webhooks,
    erased: Erased,
    step_ups: StepUps,
    /// Up to which sequence number everything outside the directory was loaded from a checkpoint.
    loaded_through: u64,
    /// What must never happen and would otherwise be silent; the main loop shows it.
    faults: u64,
}

impl Pipeline {
    /// An empty partition whose schedules are in `zone`.
    #[must_use]
    pub fn new(zone: Tz) -> Pipeline {
        Pipeline {
            zone,
            last_at: Timestamp::EPOCH,
            counters: Counters::default(),
            directory: Directory::default(),
            device_slot: 0,
            rule_timers: RuleTimers::default(),
            quiet_until: Timestamp::EPOCH,
            listening_since: Timestamp::EPOCH,
            area: rules::area::Area::default(),
            local: (Timestamp::EPOCH..Timestamp::EPOCH, 0),
            alerting: Alerting::default(),
            reach: Reach::default(),
            rounds: Rounds::default(),
            case_messages: CaseMessages::default(),
            casework: Casework::default(),
            down_commands: DownCommands::default(),
            replies: Replies::default(),
            tokens: BTreeMap::new(),
            accounts: Accounts::default(),
            audit: Audit::default(),
            webhooks: Webhooks::default(),
            erased: Erased::default(),
            step_ups: StepUps::default(),
            loaded_through: 0,
            faults: 0,
        }
    }

    /// Decides on one input that was received at a time. What was due by then fires first. The records are
    /// appended to `out` in the order in which they are to be journaled; the last one is the input's.
    pub fn decide(&mut self, input: Input, received: Timestamp, out: &mut Vec<Record>) {
        if let Input::Report { device, report } = &input {
            if let Some(plain) = self.decide_report(device, report, received, out) {
                let decision = plain.observed.map_or(Decision::Repeated, Decision::Observed);
                out.push(Record { at: plain.at, input, decisions: vec![decision] });
            }
            return;
        }
        if let Input::Started { .. } = input {
            self.resume(received.max(self.last_at), out);
        }
        let at = self.begin(received, out);
        let mut decisions = Vec::new();
        let input = self.decide_input(input, at, &mut decisions);
        self.quiet_until = Timestamp::EPOCH;
        out.push(Record { at, input, decisions });
    }

    /// Decides on a report as [`decide`](Self::decide) does, but makes no record of one that leads to nothing, which is
    /// nearly every one: it can be journaled from where it lies.
    pub fn decide_report(
        &mut self,
        device: &DeviceId,
        report: &Report,
        received: Timestamp,
        out: &mut Vec<Record>,
    ) -> Option<Plain> {
        let at = self.begin(received, out);
        let mut decisions = Vec::new();
        match self.sense(device, report, at) {
            Some(Sensed::Repeated) => return Some(Plain { at, observed: None }),
            Some(Sensed::Taken { observed, wearer_is_known, findings, measure_again }) => {
                // An alarm always goes the whole way: whose it is, if anybody's, is found out there.
                let may_lead_on = report.is_alarm()
                    || self.is_open_about(device, observed.wearer.as_ref().filter(|_| wearer_is_known));
                if findings.is_empty() && !may_lead_on && measure_again.is_none() {
                    return Some(Plain { at, observed: Some(observed) });
                }
                self.quiet_until = Timestamp::EPOCH;
                let is_newest = self.is_newest_fix(&observed);
                let place = observed.located.zip(observed.wearer.clone()).filter(|_| is_newest);
                decisions.push(Decision::Observed(observed.clone()));
                self.find(findings, at, &mut decisions);
                self.find_unbound(device, report, &observed, at, &mut decisions);
                if let Some((located, wearer)) = place {
                    self.locate(&wearer, located.position, at, &mut decisions);
                }
                if let Some(device) = measure_again {
                    self.tell_device(&device, DownCommandKind::MeasureAgain, at, &mut decisions);
                }
            }
            None => {}
        }
        let input = Input::Report { device: device.clone(), report: report.clone() };
        out.push(Record { at, input, decisions });
        None
    }

    /// Has the processor fetch, side by side, what deciding on these reports of one device will look at. One after the
    /// other each would wait for memory as long as it takes to decide.
    pub fn foresee<'a>(&self, device: &DeviceId, reports: impl Iterator<Item = (&'a Report, Timestamp)>) {
        let Some(entry) = self.directory.devices.get(device) else { return };
        std::hint::black_box(entry.hot.admission.foresee(reports));
    }

    /// The same for many devices: each entry, then each wearer's, all of them at once. Among a million wearers nothing
    /// of any is near the processor.
    pub fn foresee_devices<'a>(&self, devices: impl Iterator<Item = &'a DeviceId>) {
        std::hint::black_box(self.directory.foresee(devices));
        self.foresee_timers();
    }

    /// The time at which what was received then is decided; what was due by then has fired.
    fn begin(&mut self, received: Timestamp, out: &mut Vec<Record>) -> Timestamp {
        let at = received.max(self.last_at);
        if self.rule_timers.next_due().is_some_and(|due| due <= at) || self.quiet_until() <= at {
            self.advance(at, out);
        }
        self.last_at = at;
        at
    }

    fn quiet_until(&mut self) -> Timestamp {
        if self.quiet_until == Timestamp::EPOCH {
            self.quiet_until = self.next_due_elsewhere().unwrap_or(Timestamp::LATEST);
        }
        debug_assert_eq!(self.quiet_until, self.next_due_elsewhere().unwrap_or(Timestamp::LATEST));
        self.quiet_until
    }

    /// Fires what is due by `now`, each at the time at which it was due, so that the result does not depend on
    /// when the loop got round to it. Instants at which nothing came of it leave no record.
    pub fn advance(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        let (mut instant, mut firings) = (Timestamp::EPOCH, 0);
        loop {
            let due = self.rule_timers.next_due().map_or(self.quiet_until(), |due| due.min(self.quiet_until()));
            let at = due.max(self.last_at);
            if due > now || due == Timestamp::LATEST {
                return;
            }
            firings = if at == instant { firings + 1 } else { 1 };
            instant = at;
            if firings > FIRINGS_PER_INSTANT_MAX {
                self.faults += 1;
                return;
            }
            let tests_due = self.next_tests();
            let only_senses = at < self.quiet_until();
            self.last_at = at;
            let mut decisions = Vec::new();
            let mut findings = Vec::new();
            if !only_senses {
                let alone = self.area.advance(at, FIRED_TOGETHER_MAX);
                self.find_in_area(alone, at, &mut decisions);
            }
            self.sense_advance(at, &mut findings);
            // A recovery fires as often as there are records: where more is to fire, nothing is a record, too.
            let looks_on = self.rule_timers.next_due().into_iter().chain(self.area.next_due()).min();
            let is_cut = looks_on.is_some_and(|due| due <= at);
            // Nearly always it was time to look whether somebody is silent, and nobody was.
            if only_senses && findings.is_empty() && !is_cut {
                continue;
            }
            self.quiet_until = Timestamp::EPOCH;
            self.find(findings, at, &mut decisions);
            self.respond_advance(at, &mut decisions);
            self.rounds_advance(tests_due, at, &mut decisions);
            if !decisions.is_empty() || is_cut {
                out.push(Record { at, input: Input::Tick, decisions });
            }
        }
    }

    /// When something happens by itself next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.rule_timers.next_due().into_iter().chain(self.next_due_elsewhere()).min()
    }

    /// When something but the fences and rules falls due next.
    fn next_due_elsewhere(&self) -> Option<Timestamp> {
        let timers = [self.area.next_due(), self.next_tests(), self.case_messages.next_due()];
        let cores =
            [self.alerting.next_due(), self.casework.next_due(), self.down_commands.next_due(), self.rounds.next_due()];
        timers.into_iter().chain(cores).flatten().min()
    }

    /// From now on ids are counted in another partition (0–63), on from where they are: those of the watchdog must not be
    /// the engine's, nor those of the last time that it called.
    pub fn count_in(&mut self, partition: u8) {
        self.counters.partition = partition;
    }

    /// With other limits for the stages of cases than the default ones.
    pub fn set_sla(&mut self, sla: casework::Sla) {
        self.casework.set_sla(sla);
        self.quiet_until = Timestamp::EPOCH;
    }

    fn decide_input(&mut self, input: Input, at: Timestamp, decisions: &mut Vec<Decision>) -> Input {
        match input {
            Input::Command { actor, idempotency_key, command } => {
                self.decide_command(actor, idempotency_key, command, at, decisions)
            }
            Input::Connection { ref device, online } => {
                self.connect(device, online, at, decisions);
                input
            }
            Input::Callback { .. } | Input::Sent { .. } | Input::StoodIn { .. } | Input::Started { .. } => {
                self.evidence(&input, at, decisions);
                input
            }
            Input::Told { ref webhook, ref outcome } => {
                if let Some((webhook, delivery)) = self.webhooks.told(webhook, outcome, at) {
                    decisions.push(Decision::Webhook(Box::new(webhook)));
                    decisions.push(Decision::Delivery(Box::new(delivery)));
                }
                input
            }
            Input::DownSent { command } => {
                let change = self.down_commands.sent(command, at);
                self.tell_commands(change, at, decisions);
                input
            }
            Input::DownAcknowledged { command } => {
                let change = self.down_commands.acknowledged(command, at);
                self.tell_commands(change, at, decisions);
                input
            }
            // `decide` has taken the reports out.
            Input::Report { .. } | Input::Reject { .. } | Input::Tick | Input::Resumed { .. } => input,
        }
    }

    /// Whether no later fix of its wearer is known: the newest is what was measured last, not what came last.
    fn is_newest_fix(&self, observed: &model::record::Observed) -> bool {
        let entry = observed.wearer.as_ref().and_then(|wearer| self.directory.wearers.get(wearer));
        let newest = entry.and_then(|entry| entry.hot.last_fix).map(|(measured, _)| measured);
        !observed.late && newest.is_none_or(|newest| newest <= observed.measured)
    }

    fn decide_command(
        &mut self,
        actor: Actor,
        idempotency_key: Option<compact_str::CompactString>,
        command: StaffCommand,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) -> Input {
        let kept = idempotency_key.as_ref().and_then(|key| self.replies.find(&actor.person, key, &command));
        let reply = kept.unwrap_or_else(|| {
            let reply = self.command(&actor, &command, at, decisions);
            if let Some(key) = &idempotency_key {
                self.replies.keep(&actor.person, key, &command, &reply);
            }
            reply
        });
        self.write_down(&actor, &command, &reply, at, decisions);
        decisions.push(Decision::Reply(Box::new(reply)));
        Input::Command { actor, idempotency_key, command: journaled(command) }
    }

    fn connect(&mut self, device: &DeviceId, online: bool, at: Timestamp, decisions: &mut Vec<Decision>) {
        let Some(entry) = self.directory.devices.get_mut(device) else { return };
        if entry.hot.online == online {
            return;
        }
        entry.hot.online = online;
        let Some(status) = self.status_of(device) else { return };
        let org = self.directory.org_of_device(device).cloned();
        let kind = if online { EventKind::DeviceOnline } else { EventKind::DeviceOffline };
        self.tell(kind, Entity::Device(status), org, vec!["online".into()], at, decisions);
    }

    /// After a start nobody is missed for having been silent while nobody listened.
    fn resume(&mut self, at: Timestamp, out: &mut Vec<Record>) {
        if self.last_at != Timestamp::EPOCH {
            self.listening_since = at;
            out.push(Record { at: self.last_at, input: Input::Resumed { at }, decisions: Vec::new() });
        }
    }

    /// Minutes east of UTC in the configured zone. Offsets change at quarters of an hour only.
    fn utc_offset_minutes(&mut self, at: Timestamp) -> i32 {
        if !self.local.0.contains(&at) {
            let quarter = Timestamp::from_millis(at.millis() - at.millis().rem_euclid(QUARTER_MILLIS));
            let offset = self.zone.offset_from_utc_datetime(&at.to_utc().naive_utc()).fix();
            self.local = (quarter..quarter.plus_millis(QUARTER_MILLIS), offset.local_minus_utc() / 60);
        }
        self.local.1
    }

    /// Writes an event into the feed.
    fn tell(
        &mut self,
        kind: EventKind,
        entity: Entity,
        org: Option<OrgPath>,
        changed: Vec<compact_str::CompactString>,
        at: Timestamp,
        decisions: &mut Vec<Decision>,
    ) {
        let event = Event { seq: self.counters.next_event(), kind, at, org, entity, changed };
        decisions.push(Decision::Event(Box::new(event)));
    }

    fn forget_connections(&mut self) {
        for slot in 0..(self.directory.devices.slices() * slots::SLICE_SLOTS) as u32 {
            if let Some(DeviceEntry { hot: DeviceHot { online, .. }, .. }) = self.directory.devices.at_mut(slot) {
                *online = false;
            }
        }
    }
}

/// A command as the journal keeps it: an import's content stands in the decision, once.
fn journaled(command: StaffCommand) -> StaffCommand {
    match command {
        StaffCommand::Import(_) | StaffCommand::Write { .. } => StaffCommand::Import(Box::default()),
        other => other,
    }
}
