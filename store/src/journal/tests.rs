use std::path::Path;
use std::sync::mpsc::{self, Receiver};

use model::{Record, Timestamp};

use super::format::{self, PAGE_BYTES};
use super::*;
use crate::disk::{ForgetfulDisk, RealDisk, Survivors};
use crate::sample;

const DIR: &str = "/data/journal";
const SMALL: JournalConfig = JournalConfig { segment_bytes: 16 * PAGE_BYTES, spare_segments: 1, start_seq: 1 };

struct Opened {
    journal: Journal<u64>,
    committed: Receiver<Committed<u64>>,
    failed: Receiver<StoreError>,
    recovery: Recovery,
}

fn start(disk: &ForgetfulDisk) -> Result<Opened, StoreError> {
    let (opened, recovery) = Journal::open(Arc::new(disk.clone()), Path::new(DIR), SMALL)?;
    let (committed_sender, committed) = mpsc::channel();
    let (failed_sender, failed) = mpsc::channel();
    let journal =
        opened.start(move |batch| drop(committed_sender.send(batch)), move |error| drop(failed_sender.send(error)))?;
    Ok(Opened { journal, committed, failed, recovery })
}

/// Submits one batch of `count` locations; its release names the batch's first record.
fn submit(journal: &Journal<u64>, first: u32, count: u32) -> Result<u64, StoreError> {
    let mut batch = journal.batch();
    for n in first..first + count {
        batch.push(&sample::location(n, 3))?;
    }
    journal.submit(batch, u64::from(first))
}

fn read_all(disk: &ForgetfulDisk, from: u64) -> Vec<Result<(u64, Record), StoreError>> {
    read_from(Arc::new(disk.clone()), Path::new(DIR), from).unwrap().collect()
}

fn seqs(disk: &ForgetfulDisk) -> Vec<u64> {
    read_all(disk, 1).into_iter().map(|item| item.unwrap().0).collect()
}

fn segment(generation: u64) -> std::path::PathBuf {
    Path::new(DIR).join(format::segment_name(generation))
}

#[test]
fn what_is_released_is_read_back_in_order_across_segments() {
    let disk = ForgetfulDisk::new();
    let opened = start(&disk).unwrap();
    assert_eq!(opened.recovery.next_seq, 1);
    for n in 0..100 {
        assert_eq!(submit(&opened.journal, n * 3, 3).unwrap(), u64::from(n) * 3 + 1);
    }
    opened.journal.close();
    let released: Vec<Committed<u64>> = opened.committed.iter().collect();
    assert_eq!(released.len(), 100);
    for (n, batch) in released.into_iter().enumerate() {
        let first_seq = n as u64 * 3 + 1;
        assert_eq!(batch, Committed { first_seq, last_seq: first_seq + 2, release: n as u64 * 3 });
    }
    let records: Vec<(u64, Record)> = read_all(&disk, 1).into_iter().map(Result::unwrap).collect();
    assert_eq!(records.len(), 300);
    for (n, (seq, record)) in records.into_iter().enumerate() {
        assert_eq!((seq, record), (n as u64 + 1, sample::location(n as u32, 3)));
    }
    let middle: Vec<u64> = read_all(&disk, 200).into_iter().map(|item| item.unwrap().0).collect();
    assert_eq!(middle, (200..=300).collect::<Vec<u64>>());
    assert!(disk.bytes_of(&segment(2)).is_some(), "the story needs more than one segment");
}

#[test]
fn an_empty_batch_is_released_in_order_and_leaves_nothing() {
    let disk = ForgetfulDisk::new();
    let opened = start(&disk).unwrap();
    opened.journal.submit(opened.journal.batch(), 7).unwrap();
    submit(&opened.journal, 0, 1).unwrap();
    opened.journal.close();
    let released: Vec<_> = opened.committed.iter().map(|b| (b.first_seq, b.last_seq, b.release)).collect();
    assert_eq!(released, [(1, 0, 7), (1, 1, 0)]);
    assert_eq!(seqs(&disk), [1]);
}

#[test]
fn a_journal_begun_after_a_restore_remembers_where_it_begins() {
    let disk = ForgetfulDisk::new();
    let open = |start_seq| {
        let config = JournalConfig { start_seq, ..SMALL };
        Journal::open(Arc::new(disk.clone()), Path::new(DIR), config).unwrap()
    };
    let (opened, recovery) = open(1000);
    assert_eq!((recovery.first_seq, recovery.last_seq, recovery.next_seq), (0, 999, 1000));
    drop(opened.start(|_: Committed<()>| {}, |error| panic!("{error}")).unwrap());
    disk.restart(Survivors::Nothing);
    assert_eq!(open(1).1.next_seq, 1000);
}

#[test]
fn a_second_server_is_refused_and_a_crash_leaves_no_lock() {
    let disk = ForgetfulDisk::new();
    let opened = start(&disk).unwrap();
    assert!(matches!(start(&disk).map(|_| ()), Err(StoreError::Locked { .. })));
    drop(opened);
    let opened = start(&disk).unwrap();
    // A process that is gone makes no segments any more; the thread that does has made its own first.
    while opened.journal.stats().ready_bytes <= SMALL.segment_bytes {
        std::thread::yield_now();
    }
    disk.restart(Survivors::Nothing);
    start(&disk).map(drop).expect("the lock died with its process");
    drop(opened);

    let directory = tempfile::tempdir().unwrap();
    let real: Arc<dyn Disk> = Arc::new(RealDisk);
    let first = Journal::open(Arc::clone(&real), directory.path(), SMALL).unwrap();
    assert!(matches!(
        Journal::open(Arc::clone(&real), directory.path(), SMALL).map(|_| ()),
        Err(StoreError::Locked { .. })
    ));
    drop(first);
    assert!(Journal::open(real, directory.path(), SMALL).is_ok());
}

/// The heart of it: the power fails at every single disk operation of a life, and whatever the disk kept of what
/// was not synced, everything that was released is there, without a hole, and the next life goes on behind it.
#[test]
fn a_crash_at_any_operation_loses_nothing_that_was_released() {
    let lives = |disk: &ForgetfulDisk, batches: u32| -> u64 {
        let Ok(opened) = start(disk) else { return 0 };
        for n in 0..batches {
            if submit(&opened.journal, n * 2, 2).is_err() {
                break;
            }
        }
        opened.journal.close();
        opened.committed.iter().map(|batch| batch.last_seq).max().unwrap_or(0)
    };
    let quiet = ForgetfulDisk::new();
    lives(&quiet, 40);
    let operations = quiet.operations();
    assert!(operations > 80);
    for k in 1..=operations {
        for survivors in [Survivors::Nothing, Survivors::Everything, Survivors::Seeded(k), Survivors::Seeded(k * 7919)]
        {
            let disk = ForgetfulDisk::new();
            disk.crash_at(k);
            let released = lives(&disk, 40);
            disk.restart(survivors);
            let opened = start(&disk).unwrap();
            let told = format!("crash at {k}, {survivors:?}: released {released}, {:?}", opened.recovery);
            assert!(opened.recovery.last_seq >= released, "{told}");
            assert_eq!(opened.recovery.damage, [], "{told}");
            let next = opened.recovery.next_seq;
            let submitted = submit(&opened.journal, 900, 5);
            assert!(submitted.is_ok(), "{told}: {:?}", opened.failed.try_recv());
            assert_eq!(submitted.unwrap(), next, "{told}");
            opened.journal.close();
            assert_eq!(seqs(&disk), (1..next + 5).collect::<Vec<u64>>(), "{told}");
        }
    }
}

/// Two crashes in a row: also the repair itself may be cut short.
#[test]
fn a_crash_during_recovery_is_no_worse() {
    for k in 20..60 {
        for second in 1..6 {
            let disk = ForgetfulDisk::new();
            let opened = start(&disk).unwrap();
            disk.crash_at(k);
            for n in 0..30 {
                if submit(&opened.journal, n * 2, 2).is_err() {
                    break;
                }
            }
            opened.journal.close();
            let released = opened.committed.iter().map(|batch| batch.last_seq).max().unwrap_or(0);
            disk.restart(Survivors::Seeded(k));
            disk.crash_at(second);
            drop(start(&disk));
            disk.restart(Survivors::Seeded(second + k));
            let recovery = start(&disk).unwrap().recovery;
            assert!(
                recovery.last_seq >= released && recovery.damage.is_empty(),
                "{k} {second} {released} {recovery:?}"
            );
        }
    }
}

#[test]
fn a_failed_sync_is_told_once_and_nothing_is_released_after_it() {
    for nth in 1..8 {
        let disk = ForgetfulDisk::new();
        let opened = start(&disk).unwrap();
        // The segment made ahead is synced too: wait until the story is only about batches.
        while opened.journal.stats().ready_bytes < SMALL.segment_bytes + 15 * PAGE_BYTES {
            std::thread::yield_now();
        }
        disk.fail_sync_at(nth);
        let mut refused = 0;
        for n in 0..12 {
            refused += u32::from(submit(&opened.journal, n, 1).is_err());
        }
        let error = opened.failed.recv().unwrap();
        assert!(matches!(error, StoreError::Disk { action: "sync", .. }), "{error}");
        assert!(refused > 0);
        assert!(opened.journal.stats().failed);
        opened.journal.close();
        let released: Vec<u64> = opened.committed.iter().map(|batch| batch.last_seq).collect();
        assert!(released.len() < nth as usize, "sync {nth} failed, but {released:?} were released");
        assert!(opened.failed.recv().is_err(), "told once");
        disk.restart(Survivors::Nothing);
        let recovery = start(&disk).unwrap().recovery;
        assert!(recovery.last_seq >= released.last().copied().unwrap_or(0));
    }
}

fn three_batches_of_two() -> ForgetfulDisk {
    let disk = ForgetfulDisk::new();
    let opened = start(&disk).unwrap();
    for n in 0..3 {
        submit(&opened.journal, n * 2, 2).unwrap();
        // One at a time, so that each says of the one before that it was durable.
        opened.committed.recv().unwrap();
    }
    opened.journal.close();
    disk
}

#[test]
fn a_flipped_bit_in_the_middle_is_damage_and_costs_one_record() {
    let disk = three_batches_of_two();
    // In the payload of the second batch's first record.
    let offset = 2 * PAGE_BYTES + format::BATCH_HEADER_BYTES as u64 + format::RECORD_HEADER_BYTES as u64 + 5;
    disk.flip_bit(&segment(1), offset);
    let opened = start(&disk).unwrap();
    let damage = &opened.recovery.damage;
    assert_eq!(damage.len(), 1);
    assert_eq!((damage[0].first_seq, damage[0].last_seq, damage[0].offset), (3, 4, 2 * PAGE_BYTES));
    assert_eq!((opened.recovery.last_seq, opened.recovery.torn.clone()), (6, None));
    let items: Vec<String> = read_all(&disk, 1)
        .into_iter()
        .map(|item| match item {
            Ok((seq, _)) => seq.to_string(),
            Err(StoreError::Damage(damage)) => {
                format!("{}: {}..={} lost", damage.offset / PAGE_BYTES, damage.first_seq, damage.last_seq)
            }
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(items, ["1", "2", "2: 3..=3 lost", "4", "5", "6"]);
}

#[test]
fn a_lost_header_in_the_middle_is_damage_and_costs_one_batch() {
    let disk = three_batches_of_two();
    disk.flip_bit(&segment(1), 2 * PAGE_BYTES + 20);
    let opened = start(&disk).unwrap();
    assert_eq!(opened.recovery.damage.len(), 1);
    assert_eq!((opened.recovery.damage[0].first_seq, opened.recovery.damage[0].last_seq), (3, 4));
    let items: Vec<Option<u64>> = read_all(&disk, 1).into_iter().map(|item| item.ok().map(|(seq, _)| seq)).collect();
    assert_eq!(items, [Some(1), Some(2), None, Some(5), Some(6)]);
    // Who knows what was durable is told the same, and so is who asks for the lost ones only.
    let told: Vec<_> =
        opened_reader(&disk, 3).map(|item| item.map(|(seq, _)| seq).map_err(|error| error.to_string())).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].is_err());
}

fn opened_reader(disk: &ForgetfulDisk, from: u64) -> RecordReader {
    RecordReader::new(Arc::new(disk.clone()), Path::new(DIR), from, Some(6))
}

#[test]
fn a_torn_last_batch_is_cut_and_its_place_is_clean() {
    let disk = three_batches_of_two();
    disk.flip_bit(&segment(1), 3 * PAGE_BYTES + 100);
    let opened = start(&disk).unwrap();
    assert_eq!((opened.recovery.last_seq, opened.recovery.next_seq), (4, 5));
    let torn = opened.recovery.torn.clone().unwrap();
    assert_eq!((torn.offset, torn.bytes), (3 * PAGE_BYTES, PAGE_BYTES));
    assert_eq!(opened.recovery.damage, []);
    let bytes = disk.bytes_of(&segment(1)).unwrap();
    assert!(bytes[3 * PAGE_BYTES as usize..].iter().all(|byte| *byte == 0));
}

/// Writes batches by hand, as two sync threads that were cut off may have left them.
fn by_hand(disk: &ForgetfulDisk, batches: &[(u64, u64, u64)]) {
    drop(start(disk).unwrap());
    let file = disk.open(&segment(1), crate::Access::Write).unwrap();
    for (page, first_seq, durable_through) in batches {
        let mut batch = Batch::new();
        batch.push(&sample::location(*first_seq as u32, 3)).unwrap();
        file.write_at(page * PAGE_BYTES, batch.seal(1, *first_seq, *durable_through)).unwrap();
    }
    file.sync().unwrap();
}

#[test]
fn a_hole_above_what_was_durable_is_cut_with_what_stands_behind_it() {
    let disk = ForgetfulDisk::new();
    // 3 was in flight with 2 when the power failed; 2 did not make it.
    by_hand(&disk, &[(1, 1, 0), (3, 3, 1)]);
    assert_eq!(seqs(&disk), [1], "a reader does not jump over the hole");
    let opened = start(&disk).unwrap();
    assert_eq!((opened.recovery.last_seq, opened.recovery.damage.len()), (1, 0));
    assert_eq!(opened.recovery.torn.clone().map(|torn| torn.offset), Some(3 * PAGE_BYTES));
    // The next life writes a batch of one page where 2 was to stand: 3 must not come back behind it.
    submit(&opened.journal, 2, 1).unwrap();
    opened.journal.close();
    assert_eq!(seqs(&disk), [1, 2]);
}

#[test]
fn a_hole_below_what_was_durable_is_damage() {
    let disk = ForgetfulDisk::new();
    by_hand(&disk, &[(1, 1, 0), (3, 3, 2)]);
    let opened = start(&disk).unwrap();
    assert_eq!((opened.recovery.last_seq, opened.recovery.torn.clone()), (3, None));
    let damage = &opened.recovery.damage[0];
    assert_eq!((damage.first_seq, damage.last_seq, damage.offset), (2, 2, 2 * PAGE_BYTES));
}

#[test]
fn truncation_lets_go_of_what_is_neither_needed_nor_young_and_zeroes_it() {
    let disk = ForgetfulDisk::new();
    let opened = start(&disk).unwrap();
    for n in 0..60 {
        submit(&opened.journal, n, 1).unwrap();
    }
    while opened.journal.durable_seq() < 60 {
        std::thread::yield_now();
    }
    let before = opened.journal.stats();
    assert_eq!(before.segments, 4);
    let all = Retention { days: 0, bytes: 0 };
    let now = Timestamp::from_millis(sample::START + 60_000);
    let truncate = |below, keep: &Retention| opened.journal.truncate(below, keep, now).unwrap();
    assert_eq!(truncate(60, &Retention { days: 7, bytes: u64::MAX }), 0, "young");
    assert_eq!(truncate(15, &all), 0, "15 stands in the first segment");
    assert_eq!(truncate(17, &all), 1);
    assert_eq!(truncate(60, &Retention { days: 7, bytes: 2 * SMALL.segment_bytes }), 1, "young, but too much");
    let items = read_all(&disk, 1);
    assert_eq!(items.first().map(|item| item.as_ref().unwrap().0), Some(31));
    assert!(matches!(
        BatchReader::new(Arc::new(disk.clone()), Path::new(DIR), 5, READ_AHEAD_BYTES).advance(None, |_| true),
        Err(StoreError::Gone { wanted: 5, oldest: 31 })
    ));
    opened.journal.close();
    // What the end came too early for is zeroed by the next life.
    let again = start(&disk).unwrap();
    let began = std::time::Instant::now();
    while let Some(name) = spare_with_old_records(&disk) {
        assert!(began.elapsed().as_secs() < 20, "{name} still holds old records");
        std::thread::yield_now();
    }
    again.journal.close();
}

fn spare_with_old_records(disk: &ForgetfulDisk) -> Option<String> {
    let names = disk.list(Path::new(DIR)).unwrap();
    names.into_iter().filter(|name| name.starts_with("spare-")).find(|name| {
        let text = b"8612345678";
        // It may have become a segment since it was listed.
        let bytes = disk.bytes_of(&Path::new(DIR).join(name)).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text)
    })
}

#[test]
fn what_a_recycled_segment_held_is_never_taken_for_a_tail() {
    let disk = ForgetfulDisk::new();
    // Segment 1 with content becomes segment 2 without having been zeroed: the worst a recycler could do.
    by_hand(&disk, &[(1, 1, 0), (2, 2, 1), (3, 3, 2)]);
    let old = disk.bytes_of(&segment(1)).unwrap();
    let file = disk.open(&segment(2), crate::Access::Create).unwrap();
    file.write_at(0, &old).unwrap();
    file.write_at(0, &format::segment_header(2, 1)).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new(DIR)).unwrap();
    assert_eq!(seqs(&disk), [1, 2, 3]);
    let opened = start(&disk).unwrap();
    assert_eq!((opened.recovery.last_seq, opened.recovery.damage.len()), (3, 0));
    for n in 3..40 {
        submit(&opened.journal, n, 1).unwrap();
    }
    opened.journal.close();
    assert_eq!(seqs(&disk), (1..=40).collect::<Vec<u64>>());
}

#[test]
fn a_full_disk_is_told_and_overcome() {
    let disk = ForgetfulDisk::new();
    let opened = start(&disk).unwrap();
    while opened.journal.stats().ready_bytes < SMALL.segment_bytes {
        std::thread::yield_now();
    }
    disk.set_capacity(Some(2 * SMALL.segment_bytes));
    for n in 0..20 {
        submit(&opened.journal, n, 1).unwrap();
    }
    while opened.journal.stats().preparing_error.is_none() {
        std::thread::yield_now();
    }
    assert!(!opened.journal.stats().failed, "what has room is still taken");
    disk.set_capacity(None);
    for n in 20..60 {
        submit(&opened.journal, n, 1).unwrap();
    }
    opened.journal.close();
    assert_eq!(seqs(&disk), (1..=60).collect::<Vec<u64>>());
}

#[test]
fn a_batch_takes_no_more_than_a_segment_holds_and_stays_whole() {
    let disk = ForgetfulDisk::new();
    let opened = start(&disk).unwrap();
    let mut batch = opened.journal.batch();
    let mut pushed = 0;
    let full = loop {
        match batch.push(&sample::location(pushed, 3)) {
            Ok(index) => assert_eq!(index, u64::from(pushed)),
            Err(error) => break error,
        }
        pushed += 1;
    };
    assert!(matches!(full, StoreError::BatchFull));
    let mut large = sample::rejected(1);
    if let model::Input::Reject { reject, .. } = &mut large.input {
        reject.payload = vec![7; SMALL.segment_bytes as usize];
    }
    assert!(matches!(batch.push(&large), Err(StoreError::RecordTooLarge { .. })));
    assert_eq!(batch.len(), pushed as usize);
    opened.journal.submit(batch, 0).unwrap();
    opened.journal.close();
    assert_eq!(seqs(&disk).len(), pushed as usize);
}

#[test]
fn a_reader_follows_a_writer_through_segments() {
    let disk = ForgetfulDisk::new();
    let opened = start(&disk).unwrap();
    let mut reader = BatchReader::new(Arc::new(disk.clone()), Path::new(DIR), 1, READ_AHEAD_BYTES);
    let mut read = Vec::new();
    for n in 0..50 {
        submit(&opened.journal, n, 1).unwrap();
        let durable = opened.committed.recv().unwrap().last_seq;
        while let Some(found) = reader.advance(Some(durable), |_| true).unwrap() {
            assert!(found.is_intact && !reader.body().is_empty());
            read.push(found.header.first_seq);
        }
        assert_eq!(reader.expected(), durable + 1);
    }
    assert_eq!(read, (1..=50).collect::<Vec<u64>>());
}

/// A disk that is being written while it is read: two pages appear only at the n-th read.
struct Growing {
    disk: ForgetfulDisk,
    reads: Arc<std::sync::atomic::AtomicUsize>,
    /// Page, and from which read on it is there.
    late: [(u64, usize); 2],
}

struct GrowingFile {
    file: Arc<dyn crate::disk::DiskFile>,
    reads: Arc<std::sync::atomic::AtomicUsize>,
    late: [(u64, usize); 2],
}

impl crate::Disk for Growing {
    fn open(&self, path: &Path, access: crate::Access) -> std::io::Result<Arc<dyn crate::disk::DiskFile>> {
        let file = self.disk.open(path, access)?;
        Ok(Arc::new(GrowingFile { file, reads: Arc::clone(&self.reads), late: self.late }))
    }
    fn list(&self, dir: &Path) -> std::io::Result<Vec<String>> {
        self.disk.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> std::io::Result<()> {
        self.disk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> std::io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> std::io::Result<Option<Box<dyn Send + Sync>>> {
        self.disk.lock(path)
    }
    fn free_bytes(&self, dir: &Path) -> std::io::Result<u64> {
        self.disk.free_bytes(dir)
    }
}

impl crate::disk::DiskFile for GrowingFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let count = self.file.read_at(offset, buffer)?;
        for (page, _) in self.late.iter().filter(|(_, from)| read < *from) {
            let first = (page * PAGE_BYTES).saturating_sub(offset) as usize;
            let last = ((page + 1) * PAGE_BYTES).saturating_sub(offset) as usize;
            buffer[first.min(count)..last.min(count)].fill(0);
        }
        Ok(count)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.file.write_at(offset, bytes)
    }
    fn sync(&self) -> std::io::Result<()> {
        self.file.sync()
    }
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
}

#[test]
fn a_hole_that_is_filled_while_we_read_is_no_damage() {
    let disk = ForgetfulDisk::new();
    // 2 and 3 are in flight together, 3 lands first; 4, which says that they are durable, comes after both.
    by_hand(&disk, &[(1, 1, 0), (2, 2, 1), (3, 3, 1), (4, 4, 3)]);
    for second in 0..16 {
        for fourth in second..16 {
            let late = [(2, second), (4, fourth)];
            let growing = Growing { disk: disk.clone(), reads: Arc::default(), late };
            let read = read_from(Arc::new(growing), Path::new(DIR), 1).unwrap();
            let seqs: Vec<u64> = read.map(|item| item.unwrap_or_else(|e| panic!("{late:?}: {e}")).0).collect();
            assert!([1, 2, 3, 4].starts_with(&seqs), "{late:?}: {seqs:?}");
        }
    }
}
