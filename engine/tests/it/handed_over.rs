//! The disk fails at every operation while SOS come in. Each of them is in the journal afterwards, or among those that
//! the engine hands to its watchdog before it ends; and somebody who has nothing but what was handed over knows whom to
//! call.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use broker::{Item, Parcel, Receipts};
use engine::checkpoint::{Checkpointer, Written};
use engine::inbox::{Inbox, Work};
use engine::main_loop::MainLoop;
use engine::pipeline::Pipeline;
use engine::pulse::Pulse;
use engine::release::Release;
use engine::watchdog::{Alarm, Unsaved};
use model::{Actor, Clock, Decision, DeviceId, Input, OrgPath, PersonId, Record, Role, StaffCommand, Timestamp};
use store::{Disk, ForgetfulDisk, Journal, JournalConfig, Survivors};

const ZONE: chrono_tz::Tz = chrono_tz::Tz::Asia__Shanghai;
const ELDERS: usize = 3;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::parse("2026-11-22T08:00:00+08:00").unwrap()
    }
}

fn registry() -> Input {
    let (mut wearers, mut devices) = (Vec::new(), Vec::new());
    for n in 0..ELDERS {
        wearers.push(format!(r#"{{"id":"w{n}","name":"王桂兰","org":"/luyang/","guardians":["g1"]}}"#));
        devices.push(format!(r#"{{"id":"b{n}","kind":"bracelet","wearer":"w{n}","secret":"not used here"}}"#));
    }
    let document = format!(
        r#"{{"orgs":[{{"path":"/luyang/","name":"庐阳区","desk":{{"phone":"+8613800000010"}}}}],
            "people":[{{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"}}],
            "wearers":[{}],"devices":[{}]}}"#,
        wearers.join(","),
        devices.join(",")
    );
    let change = engine::registry::validate_alone(document.as_bytes(), ZONE).unwrap();
    let actor = Actor { person: PersonId::new("s1"), role: Role::Admin, scope: OrgPath::new("/") };
    Input::Command { actor, idempotency_key: None, command: StaffCommand::Import(Box::new(change)) }
}

fn sos(n: usize) -> Parcel {
    let report = ingest::decode(ingest::Format::Json, br#"{"type":"sos","id":"1"}"#, &ingest::Limits::default());
    let items = report.into_iter().map(|outcome| Item { received: Still.now(), topic: "".into(), outcome });
    Parcel { device: DeviceId::new(&format!("b{n}")), items: items.collect(), receipts: Receipts::none() }
}

/// Presses every button, over a disk that fails as it was told to; what was handed over when it did.
fn press_all(disk: &ForgetfulDisk) -> Option<Vec<Alarm>> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let config = JournalConfig { segment_bytes: 64 * 1024, ..JournalConfig::default() };
    let (opened, _) = Journal::open(Arc::clone(&shared), Path::new("journal"), config).ok()?;
    let unsaved = Arc::new(Unsaved::default());
    // Who presses later presses a house that has ended already.
    let presses = (0..ELDERS).map(|n| {
        let parcel = sos(n);
        let ticket = unsaved.note(&parcel);
        (parcel, ticket)
    });
    let mut presses: Vec<_> = presses.collect();
    let saved = Arc::clone(&unsaved);
    // Handed over when the journal says that it failed, as the process would before it ends.
    let handed: Arc<OnceLock<Vec<Alarm>>> = Arc::default();
    let (theirs, waiting) = (Arc::clone(&handed), Arc::clone(&unsaved));
    // Dropped with the journal's threads at the latest, so that nobody waits for ever.
    let (happened, first) = std::sync::mpsc::channel();
    let failed = happened.clone();
    let on_committed = move |committed: store::Committed<Release>| {
        saved.saved_through(committed.last_seq);
        let _ = happened.send(());
    };
    let on_failed = move |_| {
        drop(theirs.set(waiting.waiting()));
        let _ = failed.send(());
    };
    let journal = Arc::new(opened.start(on_committed, on_failed).ok()?);
    let inbox = Arc::new(Inbox::default());
    let written = Arc::new(Written::default());
    let main_loop = MainLoop {
        pipeline: Pipeline::new(ZONE),
        inbox: Arc::clone(&inbox),
        journal: Arc::clone(&journal),
        last_seq: journal.next_seq() - 1,
        clock: Arc::new(Still),
        pulse: Arc::new(Pulse::default()),
        refuse_telemetry: Arc::new(AtomicBool::new(false)),
        hold_telemetry: Arc::new(AtomicBool::new(false)),
        checkpointer: Checkpointer::new(shared, PathBuf::from("checkpoints"), 1_000, 0, written),
        unsaved: Arc::clone(&unsaved),
    };
    assert!(inbox.urgent(Work::Input { input: registry(), received: Still.now(), reply: None }).is_ok());
    let late = presses.split_off(1);
    presses.into_iter().for_each(|(parcel, ticket)| drop(inbox.urgent(Work::Alarm(parcel, ticket))));
    let looping = std::thread::spawn(move || main_loop.run());
    // The first has a batch of its own, the others come while it is written.
    let _ = first.recv();
    late.into_iter().for_each(|(parcel, ticket)| drop(inbox.urgent(Work::Alarm(parcel, ticket))));
    inbox.close();
    let _ = looping.join().unwrap();
    if let Some(journal) = Arc::into_inner(journal) {
        journal.close();
    }
    Some(handed.get().cloned().unwrap_or_else(|| unsaved.waiting()))
}

/// The devices whose SOS the journal holds.
fn journaled(disk: &ForgetfulDisk) -> Vec<DeviceId> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let Ok(items) = store::read_from(shared, Path::new("journal"), 1) else { return Vec::new() };
    let devices = items.filter_map(Result::ok).filter_map(|(_, record)| match record.input {
        Input::Report { device, .. } => Some(device),
        _ => None,
    });
    devices.collect()
}

/// Somebody who has no registry and no journal calls for what was handed over.
fn is_called_for(alarm: &Alarm) {
    let mut pipeline = Pipeline::new(ZONE);
    let registry = Decision::Registry(Box::new(alarm.household.clone()));
    pipeline.apply(u64::MAX, &Record { at: alarm.received, input: Input::Tick, decisions: vec![registry] });
    let input = Input::Report { device: alarm.device.clone(), report: alarm.report.clone() };
    pipeline.decide(input, alarm.received, &mut Vec::new());
    let called: Vec<&str> = pipeline.unsent_attempts().map(|attempt| attempt.to.0.as_str()).collect();
    assert!(called.contains(&"+8613800000001") && called.contains(&"+8613800000010"), "{alarm:?}: {called:?}");
}

#[test]
fn whatever_operation_of_the_disk_fails_an_sos_is_journaled_or_handed_over() {
    let (mut handed_over, mut all_saved) = (0, false);
    for operation in 1..200 {
        let disk = ForgetfulDisk::new();
        disk.crash_at(operation);
        let handed = press_all(&disk);
        let has_failed = disk.is_crashed();
        disk.restart(Survivors::Nothing);
        // A house that does not open takes in no SOS.
        let Some(handed) = handed else { continue };
        let saved = journaled(&disk);
        for n in 0..ELDERS {
            let device = DeviceId::new(&format!("b{n}"));
            let is_handed_over = handed.iter().any(|alarm| alarm.device == device);
            assert!(
                saved.contains(&device) || is_handed_over,
                "operation {operation}: the SOS of b{n} is lost; saved {saved:?}, handed over {handed:?}"
            );
        }
        handed.iter().filter(|alarm| !alarm.household.people.is_empty()).for_each(is_called_for);
        handed_over += handed.len();
        if !has_failed {
            assert!(handed.is_empty(), "what is on disk is not handed over");
            all_saved = true;
            break;
        }
    }
    assert!(all_saved && handed_over > 0, "{handed_over} handed over");
}
