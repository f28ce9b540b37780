//! The power fails at every operation of a story, on a disk that forgets what was not synced. After the restart
//! everything that was released is there, the state is that of the journal's prefix, and the story goes on to the
//! same end.

use std::path::Path;
use std::sync::{Arc, Mutex};

use engine::pipeline::{Pipeline, SectionId};
use model::{
    Actor, AttemptId, AttemptOutcome, Decision, DeviceId, Entity, IncidentState, Input, OrgPath, PersonId, Record,
    Role, StaffCommand, Timestamp,
};
use store::{Disk, ForgetfulDisk, Journal, JournalConfig, Survivors, codec};

const ZONE: chrono_tz::Tz = chrono_tz::Tz::Asia__Shanghai;

fn at(seconds: u32) -> Timestamp {
    Timestamp::from_millis(1_795_305_600_000).plus_seconds(seconds)
}

fn report(json: &str) -> Input {
    let item = ingest::decode(ingest::Format::Json, json.as_bytes(), &ingest::Limits::default()).remove(0);
    Input::Report { device: DeviceId::new("b1"), report: item.unwrap() }
}

fn admin(command: StaffCommand, key: &str) -> Input {
    let actor = Actor { person: PersonId::new("s1"), role: Role::Admin, scope: OrgPath::new("/") };
    Input::Command { actor, idempotency_key: Some(key.into()), command }
}

/// What happens, whatever the disk does. Everything here may be sent twice: devices and people whose receipt was
/// lost in the power cut send again.
fn story() -> Vec<(Timestamp, Input)> {
    let registry = r#"{"orgs":[{"path":"/luyang/xinghua/","name":"杏花街道","desk":{"phone":"+8613800000010"}}],
      "people":[{"id":"g1","role":"guardian","name":"王芳","phone":"+8613800000001"},
                {"id":"g2","role":"guardian","name":"王强","phone":"+8613800000002"}],
      "wearers":[{"id":"w1","name":"王桂兰","org":"/luyang/xinghua/","guardians":["g1","g2"]}],
      "devices":[{"id":"b1","kind":"bracelet","wearer":"w1","secret":"not used here"}]}"#;
    let change = engine::registry::validate_alone(registry.as_bytes(), ZONE).unwrap();
    let callback = |n, outcome, key: Option<&str>| Input::Callback {
        attempt: AttemptId::new(0, n),
        outcome,
        key: key.map(Into::into),
        text: None,
    };
    let locate = StaffCommand::Device {
        device: DeviceId::new("b1"),
        kind: model::DownCommandKind::Locate,
        time_to_live_seconds: Some(3_600),
    };
    vec![
        (at(0), admin(StaffCommand::Import(Box::new(change)), "import")),
        (at(5), report(r#"{"type":"location","id":"1","lat":31.8206,"lon":117.2272,"acc":8}"#)),
        (at(9), report(r#"{"type":"heart_rate","id":"2","bpm":72}"#)),
        (at(10), report(r#"{"type":"sos","id":"3"}"#)),
        (at(12), report(r#"{"type":"sos","id":"4"}"#)),
        (at(20), callback(4, AttemptOutcome::NoAnswer, None)),
        (at(21), admin(locate, "locate")),
        (at(25), callback(5, AttemptOutcome::Answered, None)),
        (at(30), report(r#"{"type":"fall","id":"5"}"#)),
        (at(200), report(r#"{"type":"battery","id":"6","pct":41}"#)),
    ]
}

/// Runs the story's inputs from `from` on over a disk, one commit an input. Returns what was released: the
/// journal's sequence numbers, and where the story stopped because of the disk.
fn run(disk: &ForgetfulDisk, dir: &Path, from: usize, records: &mut Vec<Record>) -> (Pipeline, u64, usize) {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let config = JournalConfig { segment_bytes: 64 * 1024, ..JournalConfig::default() };
    let mut pipeline = Pipeline::new(ZONE);
    let released = Arc::new(Mutex::new((0u64, from)));
    let Ok((opened, recovery)) = Journal::open(shared, dir, config) else { return (pipeline, 0, from) };
    assert!(recovery.damage.is_empty(), "a power cut is no damage: {recovery:?}");
    records.clear();
    for item in opened.read_from(1).unwrap() {
        let (seq, record) = item.unwrap();
        pipeline.apply(seq, &record);
        records.push(record);
    }
    let recovered = records.len() as u64;
    let told = Arc::clone(&released);
    let on_committed =
        move |committed: store::Committed<usize>| *told.lock().unwrap() = (committed.last_seq, committed.release + 1);
    let Ok(journal) = opened.start(on_committed, |_| {}) else { return (pipeline, recovered, from) };
    for (index, (when, input)) in story().into_iter().enumerate().skip(from) {
        let first = records.len();
        pipeline.decide(input, when, records);
        let mut batch = journal.batch();
        for record in &records[first..] {
            batch.push(record).unwrap();
        }
        if journal.submit(batch, index).is_err() {
            break;
        }
    }
    journal.close();
    let (last_seq, next) = *released.lock().unwrap();
    (pipeline, last_seq.max(recovered), next)
}

fn image(pipeline: &Pipeline) -> Vec<(SectionId, Vec<u8>)> {
    pipeline.sections().into_iter().map(|id| (id, codec::to_bytes(&pipeline.section(id)).unwrap())).collect()
}

fn incidents(pipeline: &Pipeline) -> Vec<(String, IncidentState, u32, bool)> {
    pipeline
        .open_incidents()
        .map(|i| (format!("{:?}", i.kind), i.state, i.occurrence_count, i.case.is_some()))
        .collect()
}

fn calls(records: &[Record]) -> Vec<String> {
    let decisions = records.iter().flat_map(|record| &record.decisions);
    decisions
        .filter_map(|decision| match decision {
            Decision::Event(event) => match &event.entity {
                Entity::Attempt(a) if a.version == 1 => Some(format!("{:?} {}", a.channel, a.callee.person)),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

#[test]
fn whatever_was_released_survives_a_power_cut_at_every_operation() {
    let dir = Path::new("journal");
    let whole = ForgetfulDisk::new();
    let mut told = Vec::new();
    let (undisturbed, _, end) = run(&whole, dir, 0, &mut told);
    assert_eq!(end, story().len());
    assert!(incidents(&undisturbed).iter().any(|(kind, _, presses, case)| kind == "Sos" && *presses >= 2 && *case));
    let operations = whole.operations();
    assert!(operations > 20, "only {operations} operations: the story is too short to cut");

    for cut in 1..=operations {
        for survivors in [Survivors::Nothing, Survivors::Everything, Survivors::Seeded(cut)] {
            let case = format!("cut at operation {cut} of {operations}, survivors {survivors:?}");
            let disk = ForgetfulDisk::new();
            disk.crash_at(cut);
            let mut before = Vec::new();
            let (_, released, next) = run(&disk, dir, 0, &mut before);
            disk.restart(survivors);

            let mut after = Vec::new();
            let (pipeline, _, end) = run(&disk, dir, next, &mut after);
            assert_eq!(end, story().len(), "{case}: it serves again");
            assert_eq!(after[..released as usize], before[..released as usize], "{case}: what was released is there");
            assert_eq!(incidents(&pipeline), incidents(&undisturbed), "{case}: the same incidents in the same state");
            assert_eq!(calls(&after), calls(&told), "{case}: the same people were called, once");
            let mut replayed = Pipeline::new(ZONE);
            (1..).zip(&after).for_each(|(seq, record)| replayed.apply(seq, record));
            assert_eq!(image(&replayed), image(&pipeline), "{case}: recovery gives the live state");
        }
    }
}
