//! The virtual world: one thread, one queue of what is due, the engine's own decisions, and no clock but the queue's.
//! A day of a thousand elders takes as long as deciding about it does. The same seed gives the same day, report by
//! report.

pub mod air;
mod community;
mod desk;
pub mod devices;
pub mod mutant;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use anyhow::bail;
use engine::rehearsal::{Answer, Rehearsal};
use model::record::SendResult;
use model::{Attempt, AttemptId, Channel, Entity, Event, IncidentAction, IncidentId, Input, Timestamp};

use crate::oracle::truths::Outages;
use crate::oracle::{Oracle, Told, Verdict};
use crate::phones::book::PhoneBook;
use crate::phones::words::{Callback, Happened, Message, Output};
use crate::phones::{RING_MS, words};
use crate::scenario::{Deed, ProviderFault, Scenario};
use crate::town::Town;
use crate::town::deeds::concerns;
use crate::town::truth::{Ms, SECOND};

use air::Parcel;
use community::Community;
use desk::Staffing;
use devices::{Arrival, Devices};
use mutant::{Mutant, Tampering};

/// A dispatcher's way to the provider.
const TO_PROVIDER: Ms = 3;
/// A provider's way back to us.
const FROM_PROVIDER: Ms = 120;
/// After how long a provider that is down is to be tried again, seconds.
const RETRY_SECONDS: u32 = 2;
/// Devices come back within so long of the house.
const RECONNECT: f64 = 5_000.0;

/// Something that is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// The house is back.
    Up,
    /// A report is at the door, and when it was sent.
    Arrive(Parcel, Ms),
    /// An attempt is to be handed to its provider.
    Send(u64),
    /// A provider tells what came of handing over.
    Sent(u64, Handed),
    /// A phone's news arrives.
    Heard(u64),
    /// Something is due on a phone.
    Phones,
    /// An act that is nobody's truth.
    Stage(usize),
    /// Somebody at the desk acts.
    Desk(u64, bool),
}

/// What came of handing over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Handed {
    Taken,
    Lost,
    Later,
    Refused,
}

/// Whoever wants to see every report as it arrives: device, when, JSON.
pub type Tap<'a> = Box<dyn FnMut(&str, Timestamp, &str) + 'a>;

/// Whoever wants to know how far it is.
pub type Progress<'a> = Box<dyn FnMut(Ms, u64) + 'a>;

/// How a run is driven.
#[derive(Default)]
pub struct Drive<'a> {
    /// A seeded fault.
    pub mutant: Option<Mutant>,
    /// Virtual seconds a second; `None`: as fast as it goes.
    pub speed: Option<f64>,
    /// Sees every report.
    pub tap: Option<Tap<'a>>,
    /// Hears how far it is.
    pub progress: Option<Progress<'a>>,
}

/// A running world.
pub struct World<'a> {
    town: &'a Town,
    scenario: &'a Scenario,
    house: Rehearsal,
    oracle: Oracle,
    tampering: Tampering,
    drive: Drive<'a>,
    devices: Devices<'a>,
    outages: Outages,
    queue: BinaryHeap<Reverse<(Ms, u64, Next)>>,
    turn: u64,
    now: Ms,
    phones: PhoneBook,
    phones_due: Ms,
    attempts: BTreeMap<AttemptId, Attempt>,
    callbacks: BTreeMap<u64, Callback>,
    staffing: Staffing,
    community: Community,
}

/// Runs a scenario in its town, from the beginning to the end, and judges it.
///
/// # Errors
/// When the house does not take the town's registry, or found itself at fault.
pub fn run(scenario: &Scenario, town: &Town, drive: Drive<'_>) -> anyhow::Result<Verdict> {
    let mut world = World::new(scenario, town, drive)?;
    world.live();
    let faults = world.house.faults();
    if faults > 0 {
        bail!("the engine counted {faults} faults of its own; they are told as `yinling_faults` in /metrics");
    }
    Ok(world.oracle.judge(world.devices.reports()))
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, town: &'a Town, drive: Drive<'a>) -> anyhow::Result<World<'a>> {
        let tampering = Tampering::with(drive.mutant);
        let restarts = scenario.acts.iter().any(|act| matches!(act.deed, Deed::Restart { .. }));
        let mut house = Rehearsal::new(restarts);
        let mut registry = town.registry();
        tampering.registry(&mut registry);
        if let Err(rows) = house.import(registry.to_string().as_bytes(), town.start) {
            let rows: Vec<String> = rows.iter().map(|row| format!("{}: {}", row.pointer, row.detail)).collect();
            bail!("the engine does not take the scenario's registry:\n{}", rows.join("\n"));
        }
        let mut phones = PhoneBook::new(RING_MS);
        for entry in town.phones() {
            anyhow::ensure!(phones.add(entry), "a phone of the town has a number that is somebody's");
        }
        let mut world = World {
            devices: Devices::new(town),
            outages: Outages::of(scenario),
            oracle: Oracle::new(town, scenario),
            staffing: Staffing::new(scenario),
            community: Community::default(),
            queue: BinaryHeap::new(),
            attempts: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            town,
            scenario,
            house,
            tampering,
            drive,
            turn: 0,
            now: 0,
            phones,
            phones_due: Ms::MAX,
        };
        world.set_out();
        Ok(world)
    }

    /// Everything that is known to come.
    fn set_out(&mut self) {
        for (number, act) in self.scenario.acts.iter().enumerate() {
            if matches!(
                act.deed,
                Deed::Forge
                    | Deed::SpeakFor { .. }
                    | Deed::Restart { .. }
                    | Deed::WelfareCalls { .. }
                    | Deed::Case { .. }
            ) {
                self.at((act.at_s * 1000.0) as Ms, Next::Stage(number));
            }
        }
        self.listen();
    }

    fn live(&mut self) {
        let end = self.scenario.duration_ms();
        let began = std::time::Instant::now();
        let mut shown = 0;
        loop {
            let queued = self.queue.peek().map_or(Ms::MAX, |Reverse((at, _, _))| *at);
            let due = self.house.next_due().filter(|_| !self.outages.down.contains(self.now));
            let due = due.map_or(Ms::MAX, |due| due.millis_since(self.town.start).max(self.now));
            let measured = self.devices.next_due().unwrap_or(Ms::MAX);
            let at = queued.min(due).min(measured);
            if at >= end {
                break;
            }
            self.now = at.max(self.now);
            if let Some(speed) = self.drive.speed {
                let wanted = std::time::Duration::from_secs_f64(at as f64 / 1000.0 / speed);
                std::thread::sleep(wanted.saturating_sub(began.elapsed()));
            }
            if measured <= at {
                for Arrival { at, parcel, sent } in self.devices.advance(at) {
                    self.at(at, Next::Arrive(parcel, sent));
                }
            } else if due < queued {
                self.house.advance(self.time());
            } else if let Some(Reverse((_, _, next))) = self.queue.pop() {
                self.happen(next);
            }
            self.listen();
            if self.now >= shown + 60 * SECOND {
                shown = self.now;
                if let Some(progress) = &mut self.drive.progress {
                    progress(self.now, self.devices.reports());
                }
            }
        }
        self.now = end;
        self.house.advance(self.town.start.plus_millis(end));
        self.listen();
    }

    fn happen(&mut self, next: Next) {
        match next {
            Next::Arrive(parcel, sent) => self.arrive(parcel, sent),
            Next::Send(attempt) => self.hand_over(AttemptId::from_raw(attempt)),
            Next::Sent(attempt, handed) => self.handed(AttemptId::from_raw(attempt), handed),
            Next::Heard(number) => self.hear(number),
            Next::Phones => {
                self.phones_due = Ms::MAX;
                let outputs = self.phones.advance(self.time());
                self.tell(outputs, None);
            }
            Next::Stage(number) => self.stage(number),
            Next::Desk(incident, resolves) => {
                let action = if resolves { IncidentAction::Resolve } else { IncidentAction::Arrive };
                if !self.is_down(Next::Desk(incident, resolves)) {
                    self.house.act(IncidentId::from_raw(incident), action, "rehearsal", self.time());
                }
            }
            Next::Up => {
                self.tampering.restarts();
                for attempt in self.house.restart(self.time()) {
                    self.attempts.insert(attempt.id, attempt.clone());
                    self.at(self.now + TO_PROVIDER, Next::Send(attempt.id.raw()));
                }
            }
        }
    }

    fn arrive(&mut self, parcel: Parcel, sent: Ms) {
        if self.is_down(Next::Arrive(parcel.clone(), sent)) {
            return;
        }
        // What is refused is not acknowledged: the device keeps it and comes again.
        if let Some((_, end)) = self.outages.alarms_only.span_at(self.now).filter(|_| !parcel.alarm) {
            let later = end + (self.now % 20) * SECOND;
            return self.at(later, Next::Arrive(parcel, sent));
        }
        let town = self.town;
        let elder = &town.elders[parcel.elder];
        let device = if parcel.by_cuff { &elder.cuff } else { &elder.bracelet };
        let time = self.time();
        if let Some(tap) = &mut self.drive.tap {
            tap(&device.id, time, &parcel.payload);
        }
        let measured = claimed(&parcel.payload).map_or(sent, |claimed| claimed - town.start.millis());
        let Parcel { elder: number, alarm, payload, .. } = parcel;
        let Some(payload) = self.tampering.payload(number, alarm, payload, self.now, measured) else { return };
        let answer = self.house.publish((&device.id, &device.secret), &device.id, payload.as_bytes(), time);
        if answer != (Answer::Taken { rejected: 0 }) {
            self.oracle.door(self.now, &elder.id, &format!("the door said {answer:?} to {payload}"));
        }
    }

    /// Acts that are nobody's truth.
    fn stage(&mut self, number: usize) {
        let town = self.town;
        let act = &self.scenario.acts[number];
        let sos = format!(r#"{{"type":"sos","id":"forged-{number}"}}"#);
        let Some(elder) = town.elder(&act.who).or(town.elders.first()) else { return };
        let device = &elder.bracelet;
        let time = self.time();
        let answer = match &act.deed {
            Deed::Restart { down_s } => return self.at(self.now + (down_s * 1000.0) as Ms, Next::Up),
            Deed::WelfareCalls { tries, gap_s } => {
                let elders = town.elders.iter().filter(|elder| concerns(act, elder) && elder.phone.is_some());
                let elders = elders.map(|elder| elder.id.as_str());
                return self.house.call_round(elders, *tries as u8, *gap_s as u32, time);
            }
            Deed::Case { action } => {
                let commands = self.tampering.hears_case(*action).then(|| self.community.commands(town, act, *action));
                for command in commands.into_iter().flatten() {
                    self.house.decide(command, time);
                }
                return;
            }
            Deed::Forge => {
                let secret = if self.tampering.is_door_open() { device.secret.as_str() } else { "a guess" };
                self.house.publish((&device.id, secret), &device.id, sos.as_bytes(), time)
            }
            Deed::SpeakFor { other } => {
                let Some(other) = town.elder(other) else { return };
                let client = if self.tampering.is_door_open() { &other.bracelet } else { device };
                self.house.publish((&client.id, &client.secret), &other.bracelet.id, sos.as_bytes(), time)
            }
            _ => return,
        };
        if answer != Answer::NotAuthorised {
            self.oracle.door(self.now, &elder.id, &format!("a forged SOS was answered {answer:?}"));
        }
    }

    /// Whether the house is down; then this comes again when it is back.
    fn is_down(&mut self, again: Next) -> bool {
        let Some((_, end)) = self.outages.down.span_at(self.now) else { return false };
        // Spread by the turn, so that who comes back first is not who was first.
        let spread = (self.turn % 997) as f64 / 997.0 * RECONNECT;
        self.at(end + 1 + spread as Ms, again);
        true
    }

    /// What the house said since the last time: to the oracle, to the dispatchers, to the desk.
    fn listen(&mut self) {
        for event in self.house.take_events() {
            self.event(&event);
        }
    }

    fn event(&mut self, event: &Event) {
        if let Entity::Attempt(attempt) = &event.entity {
            self.attempts.insert(attempt.id, (**attempt).clone());
            if attempt.wants_sending() {
                let at = attempt.not_before.millis_since(self.town.start).max(self.now + TO_PROVIDER);
                self.at(at, Next::Send(attempt.id.raw()));
            }
            return;
        }
        self.community.notice(event);
        if !matches!(event.entity, Entity::Incident(_) | Entity::Case(_)) {
            return;
        }
        let at = event.at.millis_since(self.town.start);
        let mut envelope = event.envelope(0);
        self.tampering.envelope(&mut envelope);
        self.oracle.feed(at, &envelope);
        for (after, incident, resolves) in self.staffing.notice(event) {
            self.at(self.now + after, Next::Desk(incident.raw(), resolves));
        }
    }

    /// A dispatcher pulls an attempt and hands it to its provider.
    fn hand_over(&mut self, id: AttemptId) {
        if self.outages.down.contains(self.now) {
            return;
        }
        let Some(attempt) = self.attempts.get(&id).filter(|attempt| attempt.wants_sending()).cloned() else { return };
        if attempt.not_before > self.time() || !self.tampering.carries(&attempt) {
            return;
        }
        let fault = self.provider_fault(attempt.channel);
        let handed = match fault {
            Some(ProviderFault::Down) => Handed::Later,
            Some(ProviderFault::Refuses) => Handed::Refused,
            Some(ProviderFault::AnswerLost) => Handed::Lost,
            None => Handed::Taken,
        };
        if matches!(handed, Handed::Taken | Handed::Lost) {
            let message = message(&attempt);
            let told = (message.channel, message.incident.clone());
            if let Ok(outputs) = self.phones.deliver(message, self.time()) {
                self.tell(outputs, Some(told));
            }
        }
        self.at(self.now + TO_PROVIDER, Next::Sent(id.raw(), handed));
    }

    fn handed(&mut self, attempt: AttemptId, handed: Handed) {
        if self.outages.down.contains(self.now) {
            return;
        }
        let result = match handed {
            Handed::Taken => SendResult::Accepted,
            Handed::Lost => SendResult::Unknown { detail: "504".into() },
            Handed::Later => SendResult::Retry { detail: "503".into(), after_seconds: RETRY_SECONDS },
            Handed::Refused => SendResult::Final { detail: "422".into() },
        };
        let input = Input::Sent { attempt, result, provider: "gateway".into(), others_left: false, reference: None };
        self.house.decide(input, self.time());
    }

    fn provider_fault(&self, of: Channel) -> Option<ProviderFault> {
        let fits = |act: &crate::scenario::Act| match act.deed {
            Deed::Provider { channel, fault, for_s } if channel == of => {
                let from = (act.at_s * 1000.0) as Ms;
                (from..from + (for_s * 1000.0) as Ms).contains(&self.now).then_some(fault)
            }
            _ => None,
        };
        self.scenario.acts.iter().find_map(fits)
    }

    /// What happened on the phones: news for the house, and what the oracle sees.
    fn tell(&mut self, outputs: Vec<Output>, about: Option<(Channel, String)>) {
        for output in outputs {
            match output {
                Output::Callback(callback) => {
                    let number = self.turn;
                    self.callbacks.insert(number, callback);
                    self.at(self.now + FROM_PROVIDER, Next::Heard(number));
                }
                Output::Happened(happening) => {
                    let reached = matches!(happening.what, Happened::Rings { .. } | Happened::Receives { .. });
                    if let Some((channel, incident)) = about.as_ref().filter(|_| reached) {
                        // Whose phone it is, whoever was meant: a desk's own number has no person.
                        let (person, incident) = (happening.name, incident.clone());
                        self.oracle.told(Told { at: self.now, person, channel: *channel, incident });
                    }
                }
            }
        }
        if let Some(due) = self.phones.next_due().map(|due| due.millis_since(self.town.start))
            && due < self.phones_due
        {
            self.phones_due = due;
            self.at(due, Next::Phones);
        }
    }

    fn hear(&mut self, number: u64) {
        if self.is_down(Next::Heard(number)) {
            return;
        }
        let Some(mut callback) = self.callbacks.remove(&number) else { return };
        self.tampering.callback(&mut callback);
        let words::Callback { attempt, outcome, key, text, .. } = callback;
        let Some(attempt) = Rehearsal::attempt_id(&attempt) else { return };
        let key = key.map(|key| key.to_string().into());
        self.house.decide(Input::Callback { attempt, outcome, key, text }, self.time());
    }

    fn at(&mut self, at: Ms, next: Next) {
        self.turn += 1;
        self.queue.push(Reverse((at, self.turn, next)));
    }

    fn time(&self) -> Timestamp {
        self.town.start.plus_millis(self.now)
    }
}

/// An attempt as the gateway's contract words it.
fn message(attempt: &Attempt) -> Message {
    Message {
        attempt: attempt.id.to_string(),
        channel: attempt.channel,
        to: attempt.to.0.to_string(),
        person: attempt.callee.person.to_string(),
        incident: attempt.incident.map(|incident| incident.to_string()).unwrap_or_default(),
        kind: attempt.kind,
        priority: attempt.priority,
        text: attempt.text.clone(),
        callback: attempt.id.to_string(),
    }
}

/// When a report says that it was measured, milliseconds since 1970.
fn claimed(payload: &str) -> Option<i64> {
    let begin = payload.find(r#""t":"#)? + 4;
    let digits = payload[begin..].bytes().take_while(u8::is_ascii_digit).count();
    payload[begin..begin + digits].parse().ok()
}
