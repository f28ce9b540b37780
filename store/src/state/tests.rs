mod erasing;
mod past;
mod refusing;
mod registry;

use std::path::Path;
use std::sync::Arc;

use model::incident::{Condition, IncidentState};
use model::{
    CaseId, Decision, DownCommandState, Entity, Event, EventKind, Incident, IncidentId, IncidentKind, Input, OrgPath,
    PersonId, Priority, Record, ReportBody, ReportKind, Timestamp, WearerId,
};

use super::*;
use crate::follower::{Follower, FollowerConfig};
use crate::journal::{Journal, JournalConfig, read_from};
use crate::sample::{self, START, at};
use crate::{DataDir, Disk, ForgetfulDisk, Progress, RealDisk, StoreError, export};

/// A data directory of its own, with a journal that was filled and closed.
struct House {
    directory: tempfile::TempDir,
    disk: Arc<dyn Disk>,
    last_seq: u64,
}

const SMALL_SEGMENTS: JournalConfig = JournalConfig { segment_bytes: 256 << 10, spare_segments: 1, start_seq: 1 };

impl House {
    fn with(records: impl IntoIterator<Item = Record>) -> House {
        let directory = tempfile::tempdir().unwrap();
        let mut house = House { directory, disk: Arc::new(RealDisk), last_seq: 0 };
        house.write(records);
        house
    }

    fn data(&self) -> DataDir {
        DataDir::new(self.directory.path())
    }

    fn write(&mut self, records: impl IntoIterator<Item = Record>) {
        let opened = Journal::open(Arc::clone(&self.disk), &self.data().journal(), SMALL_SEGMENTS).unwrap().0;
        let journal = opened.start(|_| {}, |error| panic!("{error}")).unwrap();
        let mut batch = journal.batch();
        for record in records {
            batch.push(&record).unwrap();
            if batch.len() == 50 {
                journal.submit(std::mem::replace(&mut batch, journal.batch()), ()).unwrap();
            }
        }
        journal.submit(batch, ()).unwrap();
        let progress = journal.progress();
        self.last_seq = journal.next_seq() - 1;
        journal.close();
        assert_eq!(progress.get(), self.last_seq);
    }

    fn open(&self) -> (Arc<State>, StateOrigin) {
        let first = read_from(Arc::clone(&self.disk), &self.data().journal(), 1).unwrap().next();
        let first_seq = first.map_or(0, |item| item.unwrap().0);
        open_state(&self.disk, &self.data(), first_seq, self.last_seq, &StateConfig::default()).unwrap()
    }

    fn follow(&self, state: &Arc<State>, config: FollowerConfig) -> Follower {
        self.follow_to(state, config, self.last_seq)
    }

    fn follow_to(&self, state: &Arc<State>, config: FollowerConfig, durable: u64) -> Follower {
        let durable = Arc::new(Progress::new(durable));
        let (disk, state) = (Arc::clone(&self.disk), Arc::clone(state));
        Follower::start(disk, &self.data().journal(), state, durable, config, |error| panic!("{error}")).unwrap()
    }

    /// As [`follow`](House::follow), where the view may refuse for a while; what it says of that goes to the receiver.
    fn follow_patiently(&self, state: &Arc<State>) -> (Follower, std::sync::mpsc::Receiver<StoreError>) {
        let (told, failures) = std::sync::mpsc::channel();
        let config = FollowerConfig { reopen_ms: 1, ..FollowerConfig::default() };
        let (disk, durable) = (Arc::clone(&self.disk), Arc::new(Progress::new(self.last_seq)));
        let on_failure = move |error| told.send(error).unwrap_or_default();
        let follower = Follower::start(disk, &self.data().journal(), Arc::clone(state), durable, config, on_failure);
        (follower.unwrap(), failures)
    }

    /// The view brought up to date, and closed again.
    fn projected(&self) -> Arc<State> {
        let (state, _) = self.open();
        self.follow(&state, FollowerConfig::default()).close();
        state
    }
}

fn event(seq: u64, kind: EventKind, entity: Entity) -> Decision {
    let org = Some(OrgPath::new("/luyang/xinghua/"));
    Decision::Event(Box::new(Event { seq, kind, at: at(seq as i64 * 1000), org, entity, changed: Vec::new() }))
}

fn incident(id: u64, wearer: &str, state: IncidentState) -> Incident {
    Incident {
        id: IncidentId::new(0, id),
        version: 1,
        wearer: WearerId::new(wearer),
        org: OrgPath::new("/luyang/xinghua/"),
        kind: IncidentKind::Sos,
        priority: Priority::High,
        state,
        condition: Condition::Present,
        late: false,
        raised_at: at(0),
        changed_at: at(0),
        position: None,
        explain: "按下求助键".to_owned(),
        explain_en: "the button was pressed".to_owned(),
        occurrences: Vec::new(),
        occurrence_count: 1,
        acknowledged_by: None,
        on_site_by: None,
        resolution: None,
        case: Some(CaseId::new(0, id)),
        unreachable: false,
        console_until: None,
        contacts_to_fix: Vec::new(),
        notes: Vec::new(),
        doctor_order: None,
        test: false,
    }
}

fn incident_record(seq: u64, incident: Incident) -> Record {
    let entity = Entity::Incident(Box::new(incident));
    Record {
        at: at(seq as i64 * 1000),
        input: Input::Tick,
        decisions: vec![event(seq, EventKind::IncidentRaised, entity)],
    }
}

/// Two wearers walk for a while, something is refused, the registry is filled, incidents come and go.
fn neighbourhood() -> Vec<Record> {
    let mut records = vec![sample::imported()];
    records.push(incident_record(1, incident(1, "w0", IncidentState::Notifying)));
    records.push(incident_record(2, incident(2, "w1", IncidentState::Notifying)));
    for n in 0..600 {
        records.push(sample::location(n, 2));
        if n % 10 == 0 {
            let body = ReportBody::HeartRate { bpm: 60 + (n % 40) as u16 };
            records.push(sample::report(n % 2, &format!("h{n}"), i64::from(n) * 500, body, None));
        }
        if n % 50 == 0 {
            records.push(sample::rejected(n));
        }
    }
    records.push(incident_record(3, incident(1, "w0", IncidentState::Resolved)));
    let command = Entity::DownCommand(Box::new(sample::down_command(1, DownCommandState::Queued)));
    records.push(Record {
        at: at(4000),
        input: Input::Tick,
        decisions: vec![event(4, EventKind::CommandQueued, command)],
    });
    records
}

fn everything(state: &State) -> String {
    let all = Page { after: None, limit: 1000 };
    let mut told = String::new();
    for event in state.events(0, 1000, &|_| true, &|_| true).unwrap().events {
        told += &format!("{} {} {}\n", event.seq, event.kind.name(), event.entity.subject());
    }
    for it in state.incidents(&IncidentFilter::default(), all, &|_| true).unwrap().items {
        told += &format!("{} {:?}\n", it.id, it.state);
    }
    for wearer in state.wearers(Page { after: None, limit: 1000 }, &|_| true).unwrap().items {
        let (from, to) = (Timestamp::EPOCH, Timestamp::LATEST);
        told += &format!("{} {:?}\n", wearer.id, state.latest(&wearer.id).unwrap());
        told += &format!("{:?}\n", state.fixes(&wearer.id, from, to, usize::MAX).unwrap());
        told += &format!("{:?}\n", state.vitals(&wearer.id, ReportKind::HeartRate, from, to, usize::MAX).unwrap());
    }
    for entry in state.quarantine(0, 1000).unwrap().items {
        told += &format!("{} {:?}\n", entry.seq, entry.reject.reason);
    }
    told
}

#[test]
fn a_neighbourhood_is_projected_and_can_be_asked_about() {
    let house = House::with(neighbourhood());
    let state = house.projected();
    assert_eq!((state.facts_cursor(), state.telemetry_cursor()), (house.last_seq, house.last_seq));

    let walk = state.fixes(&WearerId::new("w0"), Timestamp::EPOCH, Timestamp::LATEST, usize::MAX).unwrap();
    assert_eq!(walk.len(), 300);
    assert_eq!(walk[7].measured, at(7000));
    let (expected, found) = (sample::located(14).position, walk[7].located.position);
    assert!((expected.lat - found.lat).abs() < 1e-7 && (expected.lon - found.lon).abs() < 1e-7);
    let part = state.fixes(&WearerId::new("w0"), at(10_000), at(20_000), usize::MAX).unwrap();
    assert_eq!((part.len(), part[0].measured, part[9].measured), (10, at(10_000), at(19_000)));
    assert_eq!(state.fixes(&WearerId::new("w0"), at(10_000), at(20_000), 3).unwrap(), part[..3]);
    assert_eq!(state.fixes(&WearerId::new("w"), Timestamp::EPOCH, Timestamp::LATEST, 9).unwrap(), []);

    let pulses = state.vitals(&WearerId::new("w0"), ReportKind::HeartRate, at(0), at(300_000), usize::MAX).unwrap();
    assert_eq!(pulses.len(), 60);
    assert_eq!(pulses[1].body, ReportBody::HeartRate { bpm: 70 });

    let latest = state.latest(&WearerId::new("w1")).unwrap().unwrap();
    assert_eq!(latest.position.map(|point| point.measured), Some(at(299_000)));
    assert_eq!(state.latest(&WearerId::new("nobody")).unwrap(), None);

    assert_eq!(state.quarantine_len().unwrap(), 12);
    let entries = state.quarantine(0, 5).unwrap();
    assert_eq!((entries.items.len(), entries.has_more), (5, true));
    let rest = state.quarantine(entries.items[4].seq, 50).unwrap();
    assert_eq!((rest.items.len(), rest.has_more), (7, false));

    assert_eq!(state.person(&PersonId::new("g1")).unwrap().unwrap().name, "王芳");
    assert_eq!(state.tokens().unwrap(), [sample::token()]);
    assert_eq!(state.down_commands(&sample::down_command(1, DownCommandState::Queued).device, 9).unwrap().len(), 1);
}

#[test]
fn incidents_are_listed_newest_first_by_wearer_and_by_being_open() {
    let mut records: Vec<Record> = (1..=9)
        .map(|n| incident_record(n, incident(n, ["w0", "w1", "w2"][n as usize % 3], IncidentState::Notifying)))
        .collect();
    records
        .extend([2, 4, 6].map(|n| {
            incident_record(n + 10, incident(n, ["w0", "w1", "w2"][n as usize % 3], IncidentState::Resolved))
        }));
    let house = House::with(records);
    let state = house.projected();
    let list = |open_only, wearer: Option<&str>, after: Option<u64>, limit| {
        let filter = IncidentFilter { open_only, wearer: wearer.map(WearerId::new) };
        let page = Page { after: after.map(|id| IncidentId::new(0, id)), limit };
        let listing = state.incidents(&filter, page, &|it| it.id.raw() != 9).unwrap();
        (listing.items.iter().map(|it| it.id.raw()).collect::<Vec<u64>>(), listing.has_more)
    };
    assert_eq!(list(false, None, None, 3), (vec![8, 7, 6], true));
    assert_eq!(list(false, None, Some(3), 3), (vec![2, 1], false));
    assert_eq!(list(true, None, None, 9), (vec![8, 7, 5, 3, 1], false));
    assert_eq!(list(true, Some("w1"), None, 9), (vec![7, 1], false));
    assert_eq!(list(false, Some("w1"), Some(7), 1), (vec![4], true));
}

#[test]
fn the_feed_is_read_by_cursor_without_skipping_and_says_how_far_it_looked() {
    let house = House::with((1..=30).map(sample::fact));
    let state = house.projected();
    assert_eq!((state.oldest_event().unwrap(), state.newest_event().unwrap()), (Some(1), Some(30)));
    let page = state.events(0, 7, &|_| true, &|_| true).unwrap();
    assert_eq!((page.events.len(), page.through, page.has_more), (7, 7, true));
    let online = |event: &Event| event.kind == EventKind::DeviceOnline;
    let page = state.events(7, 5, &|_| true, &online).unwrap();
    let seqs: Vec<u64> = page.events.iter().map(|event| event.seq).collect();
    assert_eq!((seqs, page.through, page.has_more), (vec![9, 11, 13, 15, 17], 17, true));
    let page = state.events(17, 500, &|_| true, &|_| false).unwrap();
    assert_eq!((page.events.len(), page.through, page.has_more), (0, 30, false));
    let page = state.events(30, 500, &|_| true, &|_| true).unwrap();
    assert_eq!((page.through, page.has_more), (30, false));
    // `sample::fact(n)` is decided n milliseconds after the start.
    assert_eq!(state.event_after_time(at(0)).unwrap(), 0);
    assert_eq!(state.event_after_time(at(11)).unwrap(), 10);
    assert_eq!(state.event_after_time(at(99)).unwrap(), 30);
}

#[test]
fn what_is_written_is_read_back_as_soon_as_the_facts_cursor_is_there() {
    let mut house = House::with([]);
    let (state, _) = house.open();
    house.write((0..500).map(|n| sample::location(n, 2)).chain([sample::imported()]));
    let follower = house.follow(&state, FollowerConfig::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(follower.facts().reached(house.last_seq));
    assert!(state.wearer(&WearerId::new("w1")).unwrap().is_some());
    runtime.block_on(follower.telemetry().reached(house.last_seq));
    assert_eq!(follower.telemetry_lag(), 0);
    // In memory still, and seen all the same.
    assert_eq!(state.telemetry_cursor(), 0);
    assert_eq!(state.fixes(&WearerId::new("w0"), at(0), at(9_000_000), usize::MAX).unwrap().len(), 250);
    follower.flush();
    assert_eq!(state.telemetry_cursor(), house.last_seq);
    assert_eq!(state.fixes(&WearerId::new("w0"), at(0), at(9_000_000), usize::MAX).unwrap().len(), 250);
}

#[test]
fn projecting_twice_after_a_crash_changes_nothing() {
    let house = House::with(neighbourhood());
    let expected = everything(&house.projected());
    // The same again in another house, whose follower stops wherever and is never asked to flush: small passes, and
    // cursors that are set back to what an unlucky crash may have left of them.
    let other = House::with(neighbourhood());
    for durable in [10, 100, 101, 333, 400, other.last_seq] {
        let (state, _) = other.open();
        let config = FollowerConfig { telemetry_records_per_pass: 1, ..FollowerConfig::default() };
        other.follow_to(&state, config, durable).close();
        state.forget_cursors(durable / 2);
    }
    let (state, _) = other.open();
    assert!(state.telemetry_cursor() < other.last_seq);
    other.follow(&state, FollowerConfig::default()).close();
    assert_eq!(everything(&state), expected);
}

#[test]
fn a_lost_or_damaged_view_is_moved_aside_and_rebuilt_equal() {
    let mut house = House::with(neighbourhood());
    let expected_before = everything(&house.projected());
    type Fault = fn(&Path);
    let faults: [(&str, Fault); 4] = [
        ("garbage", |dir| std::fs::write(dir.join("db"), [0xa5; 100_000]).unwrap()),
        ("cut", |dir| {
            let file = std::fs::OpenOptions::new().write(true).open(dir.join("db")).unwrap();
            file.set_len(1000).unwrap();
        }),
        ("no configuration", |dir| std::fs::write(dir.join("conf"), b"nonsense").unwrap()),
        ("gone", |dir| std::fs::remove_dir_all(dir).unwrap()),
    ];
    for (name, fault) in faults {
        fault(&house.data().state());
        let (state, origin) = house.open();
        house.follow(&state, FollowerConfig::default()).close();
        assert_eq!(everything(&state), expected_before, "{name}: {origin:?}");
        assert_eq!(origin.missing, None);
    }
    // With an export the journal is read from behind it only.
    let state = house.projected();
    let now = Timestamp::from_millis(START + 600_000);
    let info = export::write(&*house.disk, &house.data().exports(), &state, now).unwrap();
    assert_eq!((info.facts_seq, info.telemetry_seq), (house.last_seq, house.last_seq));
    drop(state);
    house.write((600..700).map(|n| sample::location(n, 2)).chain([sample::rejected(9)]));
    let expected = everything(&house.projected());
    std::fs::write(house.data().state().join("db"), [0x5a; 70_000]).unwrap();
    let (state, origin) = house.open();
    assert_eq!(origin.export.map(|info| info.facts_seq), Some(info.facts_seq));
    house.follow(&state, FollowerConfig::default()).close();
    assert_eq!(everything(&state), expected);
}

#[test]
fn a_view_that_is_ahead_of_the_journal_is_not_believed() {
    let house = House::with(neighbourhood());
    drop(house.projected());
    let (state, origin) =
        open_state(&house.disk, &house.data(), 1, house.last_seq - 5, &StateConfig::default()).unwrap();
    assert!(matches!(origin.opened, Opened::MovedAside { .. }), "{origin:?}");
    assert_eq!(state.facts_cursor(), 0);
}

#[test]
fn what_neither_export_nor_journal_has_is_said() {
    let house = House::with((0..10).map(|n| sample::location(n, 2)));
    let (_, origin) = open_state(&house.disk, &house.data(), 6, 10, &StateConfig::default()).unwrap();
    assert_eq!(origin.missing, Some((1, 5)));
}

#[test]
fn a_condemned_view_is_moved_aside_by_the_next_start() {
    let house = House::with(neighbourhood());
    let state = house.projected();
    state.condemn("a tree was broken");
    drop(state);
    let (state, origin) = house.open();
    let Opened::MovedAside { to, reason } = origin.opened else { panic!("{origin:?}") };
    assert_eq!((reason.as_str(), to.exists(), state.facts_cursor()), ("a tree was broken", true, 0));
    drop(state);
    assert_eq!(house.open().1.opened, Opened::Existing);
}

#[test]
fn two_exports_are_kept_and_a_damaged_one_gives_way_to_the_one_before() {
    let mut house = House::with(neighbourhood());
    let exports = house.data().exports();
    let export = |house: &mut House, day: i64| {
        let n = 10_000 + day as u32 * 10;
        house.write((n..n + 10).map(|n| sample::location_at(n, 0, day * 86_400_000 + i64::from(n) * 10)));
        let now = Timestamp::from_millis(START + day * 86_400_000 + 3_600_000);
        let info = export::write(&*house.disk, &exports, &house.projected(), now).unwrap();
        (info, house.disk.list(&exports).unwrap())
    };
    let (first, _) = export(&mut house, 0);
    assert_eq!(export::covered_seq(&*house.disk, &house.data().exports()).unwrap(), Some(first.facts_seq));
    export(&mut house, 1);
    let (third, names) = export(&mut house, 2);
    assert_eq!(names.iter().filter(|name| name.starts_with("export-")).count(), 2);
    // The first day is not closed yet: the two parts that differ are both there. Days 1 and 2 have one each.
    let covered = export::covered_seq(&*house.disk, &house.data().exports()).unwrap();
    assert_eq!(covered, Some(third.facts_seq - 10));
    for day in 3..7 {
        export(&mut house, day);
    }
    let (last, names) = export(&mut house, 7);
    let of_first_day = (START / 86_400_000) << 2;
    let prefix = format!("history-{of_first_day:06}-");
    let closed: Vec<&String> = names.iter().filter(|name| name.starts_with(&prefix)).collect();
    assert_eq!(closed.len(), 1, "a closed day is exported once: {names:?}");

    let expected = everything(&house.projected());
    let newest = house.data().exports().join(format!("export-{:020}.ylx", last.facts_seq));
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&newest, bytes).unwrap();
    std::fs::remove_dir_all(house.data().state()).unwrap();
    let (state, origin) = house.open();
    assert_eq!(origin.export.map(|info| info.facts_seq), Some(last.facts_seq - 10));
    house.follow(&state, FollowerConfig::default()).close();
    assert_eq!(everything(&state), expected);
}

#[test]
fn an_export_that_cannot_be_finished_leaves_the_one_before() {
    let house = House::with(neighbourhood());
    let state = house.projected();
    let now = Timestamp::from_millis(START);
    let dir = Path::new("/exports");
    let quiet = ForgetfulDisk::new();
    export::write(&quiet, dir, &state, now).unwrap();
    for k in 1..=quiet.operations() {
        let disk = ForgetfulDisk::new();
        disk.crash_at(k);
        let written = export::write(&disk, dir, &state, now).is_ok();
        disk.restart(crate::Survivors::Seeded(k));
        let covered = export::covered_seq(&disk, dir).unwrap();
        assert!(covered == Some(house.last_seq) || (!written && covered.is_none()), "{k}: {covered:?}");
        if covered.is_some() {
            let directory = tempfile::tempdir().unwrap();
            let (fresh, _) = State::open(directory.path(), &StateConfig::default()).unwrap();
            export::restore_latest(&disk, dir, &fresh).unwrap().unwrap();
            assert_eq!(everything(&fresh), everything(&state), "{k}");
        }
    }
}

#[test]
fn the_quarantine_keeps_the_newest_only() {
    let house = House::with((0..40).map(sample::rejected));
    let (state, _) = house.open();
    let config = FollowerConfig { quarantine_max: 10, ..FollowerConfig::default() };
    house.follow(&state, config.clone()).close();
    let seqs = |state: &State| state.quarantine(0, 99).unwrap().items.iter().map(|it| it.seq).collect::<Vec<u64>>();
    assert_eq!(seqs(&state), (31..=40).collect::<Vec<u64>>());
    state.forget_cursors(0);
    drop(state);
    let (state, _) = house.open();
    house.follow(&state, config).close();
    assert_eq!(seqs(&state), (31..=40).collect::<Vec<u64>>(), "projected again");
    assert_eq!(state.quarantine_len().unwrap(), 10);
}

#[test]
fn each_sort_of_history_is_dropped_by_whole_days_and_events_by_their_number() {
    let days =
        (0..5u32).flat_map(|day| (0..3).map(move |n| sample::location_at(day * 3 + n, 0, i64::from(day) * 86_400_000)));
    let of_day = |body: ReportBody| {
        (0..5i64).map(move |day| sample::report(0, &format!("{:?}{day}", body), day * 86_400_000, body.clone(), None))
    };
    let vitals = of_day(ReportBody::HeartRate { bpm: 70 }).chain(of_day(ReportBody::Sos { fix: None }));
    let device = of_day(ReportBody::Battery { percent: 70 });
    let house = House::with(days.chain(vitals).chain(device).chain((1..=50).map(sample::fact)));
    let (state, _) = house.open();
    let follower = house.follow(&state, FollowerConfig::default());
    follower.flush();
    let keep = StateRetention { positions_days: 2, vitals_days: 4, device_days: 1, events_max: 20 };
    follower.retain(&keep, Timestamp::from_millis(START + 4 * 86_400_000 + 5));
    follower.close();
    let walk = state.fixes(&WearerId::new("w0"), Timestamp::EPOCH, Timestamp::LATEST, usize::MAX).unwrap();
    assert_eq!(walk.first().map(|point| point.measured), Some(at(3 * 86_400_000)));
    assert_eq!((walk.len(), state.oldest_event().unwrap(), state.newest_event().unwrap()), (6, Some(31), Some(50)));
    let kept = |kind| {
        let kept = state.vitals(&WearerId::new("w0"), kind, Timestamp::EPOCH, Timestamp::LATEST, usize::MAX).unwrap();
        kept.len()
    };
    assert_eq!([ReportKind::HeartRate, ReportKind::Sos, ReportKind::Battery].map(kept), [4, 4, 1]);
}

#[test]
fn memory_for_growing_blocks_is_bounded() {
    let house = House::with((0..3000).map(|n| sample::location(n, 1000)));
    let (state, _) = house.open();
    let config =
        FollowerConfig { open_bytes_max: 20_000, telemetry_records_per_pass: 100, ..FollowerConfig::default() };
    house.follow(&state, config).close();
    for wearer in ["w0", "w500", "w999"] {
        let walk = state.fixes(&WearerId::new(wearer), Timestamp::EPOCH, Timestamp::LATEST, usize::MAX).unwrap();
        assert_eq!(walk.len(), 3, "{wearer}");
    }
}

#[test]
fn a_damaged_record_is_counted_and_the_others_are_projected() {
    let house = House::with((0..120).map(|n| sample::location(n, 2)));
    let segment = house.data().journal().join("journal-00000000000000000001.seg");
    let mut bytes = std::fs::read(&segment).unwrap();
    // Somewhere in the first of three batches.
    bytes[4096 + 64 + 200] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (state, _) = open_state(&house.disk, &house.data(), 1, house.last_seq, &StateConfig::default()).unwrap();
    let follower = house.follow(&state, FollowerConfig::default());
    follower.flush();
    assert_eq!((follower.damaged_records(), follower.telemetry_cursor()), (1, 120));
    let count = |wearer: &str| {
        state.fixes(&WearerId::new(wearer), Timestamp::EPOCH, Timestamp::LATEST, usize::MAX).unwrap().len()
    };
    assert_eq!(count("w0") + count("w1"), 119);
}

#[test]
fn a_list_in_which_little_is_for_the_reader_is_given_in_parts_and_nothing_is_skipped() {
    use super::queries::LISTED_MAX;

    let last = LISTED_MAX as u64 + 50;
    let of = |n| if n == 7 { "w7" } else { "w0" };
    let house = House::with((1..=last).map(|n| incident_record(n, incident(n, of(n), IncidentState::Notifying))));
    let state = house.projected();
    let list = |after: Option<IncidentId>| {
        let keep = |it: &Incident| it.wearer.as_str() == "w7";
        state.incidents(&IncidentFilter::default(), Page { after, limit: 5 }, &keep).unwrap()
    };
    let first = list(None);
    assert_eq!((first.items.len(), first.next(IncidentId::from_raw)), (0, Some(IncidentId::new(0, 51))));
    let second = list(first.next(IncidentId::from_raw));
    assert_eq!((second.items[0].id, second.next(IncidentId::from_raw)), (IncidentId::new(0, 7), None));
}

#[test]
fn a_page_looks_at_so_many_events_and_leads_on() {
    let last = 20_100;
    let house = House::with((1..=last).map(sample::fact));
    let state = house.projected();
    // Whoever wants none of them by their heads gets further than who has to see each.
    let none = state.events(0, 500, &|_| false, &|_| true).unwrap();
    assert_eq!((none.events.len(), none.through, none.has_more), (0, 20_000, true));
    let strict = state.events(0, 500, &|_| true, &|event| event.seq == last).unwrap();
    assert_eq!((strict.events.len(), strict.through, strict.has_more), (0, 2_000, true));
    let mut page = strict;
    while page.events.is_empty() {
        assert!(page.has_more);
        page = state.events(page.through, 500, &|_| true, &|event| event.seq == last).unwrap();
    }
    assert_eq!((page.events[0].seq, page.has_more), (last, false));
}

#[test]
fn the_head_of_an_event_is_its_beginning() {
    let house = House::with((1..=30).map(sample::fact));
    let state = house.projected();
    for after in 0..30 {
        let seen = std::cell::RefCell::new(Vec::new());
        let page = state.events(after, 1, &|head| seen.replace(vec![head.clone()]).is_empty(), &|_| true).unwrap();
        let (event, head) = (&page.events[0], &seen.borrow()[0]);
        assert_eq!((head.seq, head.kind, head.at, &head.org), (event.seq, event.kind, event.at, &event.org));
    }
}
