//! The engine is killed at random points of an escalation: at any operation of the disk, before a decision, between a
//! decision's commit and its sending, between a sending and what is written of it, and before whoever told us something
//! hears that it is taken. The disk forgets what was not synced. No SOS is lost, somebody answers it in the end, and no
//! call starts once a provider was told that the key is taken.
//!
//! `YINLING_SEED` repeats a run's dice; it is printed. `YINLING_KILL_POINTS` sets the number of points (200).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use engine::pipeline::Pipeline;
use model::record::SendResult;
use model::{
    Actor, Attempt, AttemptId, AttemptOutcome, Channel, Decision, DeviceId, Entity, IncidentKind, IncidentState, Input,
    OrgPath, PersonId, Purpose, Record, Role, StaffCommand, Timestamp,
};
use store::{Disk, ForgetfulDisk, Journal, JournalConfig, Survivors};

const ZONE: chrono_tz::Tz = chrono_tz::Tz::Asia__Shanghai;
const POINTS: u64 = 200;
/// How long it goes on after somebody said that they go: nobody may be called then.
const AFTERWARDS_SECONDS: u32 = 120;

fn begin() -> Timestamp {
    Timestamp::parse("2026-11-22T08:00:00+08:00").unwrap()
}

/// Four guardians: the first is busy, the second rings out, the third's voicemail answers, the fourth presses 1.
fn registry() -> Input {
    let people: Vec<String> = (1..=4)
        .map(|n| format!(r#"{{"id":"g{n}","role":"guardian","name":"监护人{n}","phone":"+861380000000{n}"}}"#))
        .collect();
    let document = format!(
        r#"{{"orgs":[{{"path":"/luyang/xinghua/","name":"杏花街道","desk":{{"phone":"+8613800000010"}}}}],
            "people":[{}],
            "wearers":[{{"id":"w1","name":"王桂兰","org":"/luyang/xinghua/","guardians":["g1","g2","g3","g4"]}}],
            "devices":[{{"id":"b1","kind":"bracelet","wearer":"w1","secret":"not used here"}}]}}"#,
        people.join(",")
    );
    let change = engine::registry::validate_alone(document.as_bytes(), ZONE).unwrap();
    let actor = Actor { person: PersonId::new("s1"), role: Role::Admin, scope: OrgPath::new("/") };
    let command = StaffCommand::Import(Box::new(change));
    Input::Command { actor, idempotency_key: Some("import".into()), command }
}

fn sos() -> Input {
    let json = br#"{"type":"sos","id":"1"}"#;
    let item = ingest::decode(ingest::Format::Json, json, &ingest::Limits::default()).remove(0);
    Input::Report { device: DeviceId::new("b1"), report: item.unwrap() }
}

/// Numbers that look random and come again with their seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}

/// When the process dies.
#[derive(Debug, Clone, Copy)]
enum Kill {
    Never,
    /// At this operation of the disk.
    Operation(u64),
    /// At this one of the points that lie between them.
    Point(u64),
}

/// It died.
struct Killed;

/// What goes on outside, whoever dies.
struct World {
    disk: ForgetfulDisk,
    now: Timestamp,
    kill: Kill,
    points: u64,
    /// What the world tells us again and again until it is taken.
    tells: Vec<(Timestamp, Input)>,
    /// Which phones rang, when, for which attempt.
    rung: Vec<(Timestamp, String, AttemptId)>,
    /// When the device heard that its SOS is taken, and when the provider heard that of the key.
    saved_at: Option<Timestamp>,
    taken_at: Option<Timestamp>,
}

/// A process over the disk.
struct Process {
    pipeline: Pipeline,
    journal: Journal<()>,
    committed: Receiver<bool>,
    outbox: BTreeMap<AttemptId, Attempt>,
}

impl Process {
    fn start(disk: &ForgetfulDisk) -> Option<Process> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let config = JournalConfig { segment_bytes: 64 * 1024, ..JournalConfig::default() };
        let (opened, recovery) = Journal::open(shared, Path::new("journal"), config).ok()?;
        assert!(recovery.damage.is_empty(), "a kill is no damage: {recovery:?}");
        let mut pipeline = Pipeline::new(ZONE);
        for item in opened.read_from(1).ok()? {
            let (seq, record) = item.ok()?;
            pipeline.apply(seq, &record);
        }
        let (told, committed) = channel();
        let failed = told.clone();
        let on_committed = move |_: store::Committed<()>| {
            let _ = told.send(true);
        };
        let on_failed = move |_| {
            let _ = failed.send(false);
        };
        let journal = opened.start(on_committed, on_failed).ok()?;
        let outbox = pipeline.unsent_attempts().map(|attempt| (attempt.id, attempt.clone())).collect();
        Some(Process { pipeline, journal, committed, outbox })
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), Killed> {
        if records.is_empty() {
            return Ok(());
        }
        let mut batch = self.journal.batch();
        for record in records {
            batch.push(record).unwrap();
        }
        let is_durable = self.journal.submit(batch, ()).is_ok() && self.committed.recv() == Ok(true);
        if !is_durable {
            return Err(Killed);
        }
        for decision in records.iter().flat_map(|record| &record.decisions) {
            let Decision::Event(event) = decision else { continue };
            let Entity::Attempt(attempt) = &event.entity else { continue };
            self.outbox.remove(&attempt.id);
            if attempt.wants_sending() {
                self.outbox.insert(attempt.id, (**attempt).clone());
            }
        }
        Ok(())
    }
}

impl World {
    fn new(kill: Kill) -> World {
        let disk = ForgetfulDisk::new();
        if let Kill::Operation(operation) = kill {
            disk.crash_at(operation);
        }
        let tells = vec![(begin(), registry()), (begin().plus_seconds(10), sos())];
        World { disk, now: begin(), kill, points: 0, tells, rung: Vec::new(), saved_at: None, taken_at: None }
    }

    /// A point at which a kill may come.
    fn point(&mut self) -> Result<(), Killed> {
        self.points += 1;
        if matches!(self.kill, Kill::Point(at) if at == self.points) || self.disk.is_crashed() {
            return Err(Killed);
        }
        Ok(())
    }

    fn decide(&mut self, process: &mut Process, input: Option<Input>) -> Result<(), Killed> {
        self.point()?;
        let mut records = Vec::new();
        match input {
            Some(input) => process.pipeline.decide(input, self.now, &mut records),
            None => process.pipeline.advance(self.now, &mut records),
        }
        process.commit(&records)?;
        self.point()
    }

    /// What waits is handed to its provider: the phone rings, and then it is written down that it does.
    fn send_what_is_due(&mut self, process: &mut Process) -> Result<(), Killed> {
        while let Some(id) = process.outbox.values().find(|a| a.not_before <= self.now).map(|a| a.id) {
            let Some(attempt) = process.outbox.remove(&id) else { break };
            self.point()?;
            self.ring(&attempt);
            self.point()?;
            let sent = Input::Sent {
                attempt: id,
                result: SendResult::Accepted,
                provider: "voice".into(),
                others_left: false,
                reference: None,
            };
            self.decide(process, Some(sent))?;
        }
        Ok(())
    }

    fn ring(&mut self, attempt: &Attempt) {
        if attempt.channel != Channel::Voice {
            return;
        }
        let asks = matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder);
        assert!(!asks || self.taken_at.is_none(), "{} is called after the key was taken", attempt.callee.person);
        let person = attempt.callee.person.to_string();
        self.rung.push((self.now, person.clone(), attempt.id));
        let mut says = |after, outcome, key: Option<&str>| {
            let told = Input::Callback { attempt: attempt.id, outcome, key: key.map(Into::into), text: None };
            self.tells.push((self.now.plus_seconds(after), told));
        };
        match person.as_str() {
            "g1" => says(2, AttemptOutcome::Busy, None),
            "g2" => says(25, AttemptOutcome::NoAnswer, None),
            "g3" => {
                says(4, AttemptOutcome::Answered, None);
                says(20, AttemptOutcome::Ended, None);
            }
            "g4" => says(6, AttemptOutcome::Key, Some("1")),
            _ => says(30, AttemptOutcome::NoAnswer, None),
        }
    }

    /// Lives until it is killed, or until long enough after somebody said that they go.
    fn live(&mut self, process: &mut Process) -> Result<(), Killed> {
        loop {
            self.send_what_is_due(process)?;
            let end = self.taken_at.map(|at| at.plus_seconds(AFTERWARDS_SECONDS));
            if end.is_some_and(|end| self.now >= end) {
                return Ok(());
            }
            let told = self.tells.iter().enumerate().min_by_key(|(_, (at, _))| *at).map(|(i, (at, _))| (*at, i));
            let due = process.pipeline.next_due();
            let waits = process.outbox.values().map(|attempt| attempt.not_before).min();
            let next = [told.map(|(at, _)| at), due, waits, end].into_iter().flatten().min().unwrap();
            self.now = self.now.max(next);
            match told.filter(|(at, _)| *at <= self.now) {
                Some((_, index)) => {
                    let input = self.tells[index].1.clone();
                    self.decide(process, Some(input.clone()))?;
                    // Only now does whoever told it stop telling it.
                    self.tells.remove(index);
                    match input {
                        Input::Report { .. } => self.saved_at = Some(self.now),
                        Input::Callback { outcome: AttemptOutcome::Key, .. } => {
                            self.taken_at.get_or_insert(self.now);
                        }
                        _ => {}
                    }
                }
                None => self.decide(process, None)?,
            }
        }
    }

    /// From the button to two minutes after the key, over as many lives as it takes.
    fn run(&mut self, dice: &mut Dice) -> Pipeline {
        for life in 0..10 {
            if let Some(mut process) = Process::start(&self.disk) {
                if self.saved_at.is_some() {
                    let is_there = process.pipeline.open_incidents().any(|i| i.kind == IncidentKind::Sos);
                    assert!(is_there, "the SOS was acknowledged to its device, and is not there");
                }
                let before = process.pipeline.last_at();
                let down_since = (before > Timestamp::EPOCH).then_some(before);
                let mut ended = self.decide(&mut process, Some(Input::Started { down_since }));
                if ended.is_ok() {
                    ended = self.live(&mut process);
                }
                let Process { pipeline, journal, .. } = process;
                journal.close();
                if ended.is_ok() {
                    return pipeline;
                }
            }
            assert!(life < 9, "it does not come to life again");
            self.kill = Kill::Never;
            self.disk.restart(Survivors::Seeded(dice.below(u64::MAX)));
            self.now = self.now.plus_millis(dice.below(5_000) as i64);
        }
        unreachable!("the last life returns or fails")
    }
}

fn seed() -> u64 {
    let given = std::env::var("YINLING_SEED").ok().map(|text| text.parse().unwrap());
    // Without a clock at hand: the address of something new differs from run to run.
    given.unwrap_or_else(|| Box::into_raw(Box::new(0u8)) as u64 ^ u64::from(std::process::id()).rotate_left(32)) | 1
}

#[test]
fn killed_anywhere_in_an_escalation_no_sos_is_lost_and_no_call_starts_after_the_key() {
    let seed = seed();
    let points: u64 = std::env::var("YINLING_KILL_POINTS").map_or(POINTS, |text| text.parse().unwrap());
    println!("YINLING_SEED={seed}, {points} points");
    let mut dice = Dice(seed);
    let mut undisturbed = World::new(Kill::Never);
    undisturbed.run(&mut dice);
    let order: Vec<&str> = undisturbed.rung.iter().map(|(_, person, _)| person.as_str()).collect();
    assert_eq!(order, ["g1", "g2", "g3", "g4"]);
    let (operations, between) = (undisturbed.disk.operations(), undisturbed.points);
    assert!(operations > 20 && between > 40, "{operations} operations, {between} points between them");
    for n in 0..points {
        let kill = match n % 2 {
            0 => Kill::Operation(1 + dice.below(operations)),
            _ => Kill::Point(1 + dice.below(between)),
        };
        let told = format!("YINLING_SEED={seed}, point {n}: {kill:?}");
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut world = World::new(kill);
            let pipeline = world.run(&mut dice);
            let incident = pipeline.open_incidents().next().expect("nobody ended it");
            assert_eq!(incident.state, IncidentState::Acknowledged);
            assert_eq!(incident.acknowledged_by.as_ref().unwrap().person.as_str(), "g4");
            let mut by_attempt: BTreeMap<AttemptId, usize> = BTreeMap::new();
            world.rung.iter().for_each(|(_, _, id)| *by_attempt.entry(*id).or_default() += 1);
            let doubled: usize = by_attempt.values().map(|times| times - 1).sum();
            assert!(doubled <= 1, "one kill doubles one call at most: {:?}", world.rung);
        }));
        if let Err(why) = outcome {
            eprintln!("{told}");
            std::panic::resume_unwind(why);
        }
    }
}
