//! What has to be done from time to time beside the loop: watch the disk and the projection, probe providers, write
//! exports, let journal segments go.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use alerting::Auditor;
use model::{Clock, OrgPath, Timestamp};
use parking_lot::Mutex;
use store::{DataDir, Disk, Follower, Journal, Photos, Retention, State, StateRetention, StoreError, export};

use crate::authority::Authority;
use crate::ballast;
use crate::checkpoint::Written;
use crate::clock::SystemClock;
use crate::erasure::{self, Tombstone};
use crate::health::Seen;
use crate::release::Release;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(500);
/// Telemetry waits when so many durable records are not projected.
const TELEMETRY_LAG_MAX: u64 = 8_000_000;
/// Telemetry goes on when the lag is below this again.
const TELEMETRY_LAG_RESUME: u64 = 4_000_000;
/// An export is written when there is something to let go, and at most this often, in milliseconds.
const EXPORT_EVERY_MS: i64 = 600_000;
/// How often the wearers without a desk are counted after a change.
const DESK_COUNTS: u8 = 2;
/// A count reads the whole registry: while one change follows another (an import in many parts) it takes no more than
/// one of so many parts of the time.
const DESK_COUNT_TIME_ONE_OF: i64 = 20;
/// An export is written, and what is too old let go, at least this often, in milliseconds.
const EXPORT_AT_LEAST_EVERY_MS: i64 = 86_400_000;
/// History is thinned out this often, in milliseconds.
const RETAIN_EVERY_MS: i64 = 3_600_000;
/// After so long a backup that could not be told who was erased is tried again.
const TELL_BACKUPS_AGAIN_SECONDS: u32 = 60;

/// What housekeeping works with.
pub struct Housekeeper {
    /// The disk.
    pub disk: Arc<dyn Disk>,
    /// Where everything is.
    pub data: DataDir,
    /// The journal.
    pub journal: Arc<Journal<Release>>,
    /// The projection.
    pub follower: Arc<Follower>,
    /// The state.
    pub state: Arc<State>,
    /// Photos of cases.
    pub photos: Arc<Photos>,
    /// The time.
    pub clock: Arc<SystemClock>,
    /// What it tells others.
    pub seen: Arc<Seen>,
    /// How long the journal is kept.
    pub retention: Retention,
    /// How long the state keeps history, and how many events of the feed.
    pub state_retention: StateRetention,
    /// How many bytes are to stay free.
    pub disk_reserve_bytes: u64,
    /// Checkpoints, which are wanted sooner when somebody was erased.
    pub written: Arc<Written>,
    /// Who may connect; tells that the registry changed.
    pub authority: Arc<Authority>,
    /// What it remembers from look to look.
    pub looked: Looked,
    /// What was committed about open incidents: each must have a next step, and in time.
    pub auditor: Arc<Mutex<Auditor>>,
}

/// What it remembers from look to look.
#[derive(Debug, Default)]
pub struct Looked {
    changes: u64,
    counts_left: u8,
    /// The next count of the wearers without a desk begins no sooner.
    count_after: Timestamp,
    started_at: Option<Timestamp>,
    exported_at: Option<Timestamp>,
    retained_at: Option<Timestamp>,
    waiting: Option<(u64, Timestamp)>,
    /// How many erasures are in every list of them.
    erasures_listed: usize,
    /// They are written down again no sooner: a backup could not be told.
    list_erasures_after: Timestamp,
    /// What was durable when an export, and a checkpoint, were last made on account of an erasure.
    erasure_export_seq: u64,
    erasure_checkpoint_seq: u64,
    /// Why erasures could not be seen to when it last looked: the same again is not worth another line.
    erasures_fault: Option<String>,
    /// No ballast can be laid down on this file system.
    ballast_refused: bool,
}

impl Housekeeper {
    /// Looks again and again until `stop` is hung up.
    pub fn run(mut self, stop: &std::sync::mpsc::Receiver<()>) {
        loop {
            self.look();
            match stop.recv_timeout(EVERY) {
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
                _ => return,
            }
        }
    }

    fn look(&mut self) {
        let now = self.clock.now();
        crate::counted::tidy();
        self.watch_disk();
        self.watch_projection();
        self.watch_sync(now);
        self.watch_desks(now);
        self.audit(now);
        let fault = self.see_to_erasures(now).err().map(|error| error.to_string());
        if let Some(error) = fault.as_ref().filter(|_| fault != self.looked.erasures_fault) {
            tracing::error!(%error, "what an erasure waits for could not be seen to; it is tried again by itself");
        }
        self.looked.erasures_fault = fault;
        if let Err(error) = self.let_go(now) {
            self.seen.upkeep_failed.store(true, Relaxed);
            tracing::error!(%error, "export or truncation failed; the journal is kept");
        }
        if self.looked.retained_at.is_none_or(|at| now.millis_since(at) > RETAIN_EVERY_MS) {
            self.looked.retained_at = Some(now);
            self.follower.retain(&self.state_retention, now);
            self.sweep_photos();
        }
    }

    /// What no case speaks of goes. A photo whose record is on its way is not yet spoken of: it has until the next time.
    fn sweep_photos(&self) {
        match self.photos.sweep(&|hash| self.state.has_photo(hash)) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "photos that no case speaks of are gone"),
            Err(error) => tracing::warn!(%error, "the photos could not be swept"),
        }
    }

    /// An open incident without a next step, or with one that is overdue, is an alarm of the house itself.
    fn audit(&self, now: Timestamp) {
        let auditor = self.auditor.lock();
        let found = auditor.look(now);
        self.seen.open_incidents.store(auditor.open() as u64, Relaxed);
        self.seen.untaken_incidents.store(auditor.untaken() as u64, Relaxed);
        drop(auditor);
        let count = found.len() as u64;
        if self.seen.neglected.swap(count, Relaxed) != count {
            match found.first() {
                Some(first) => {
                    tracing::error!(count, ?first, "open incidents without a next step in time, as committed")
                }
                None => tracing::info!("every open incident has its next step in time again"),
            }
        }
    }

    fn watch_disk(&mut self) {
        match self.disk.free_bytes(&self.data.journal()) {
            Ok(free) => {
                self.seen.free_bytes.store(free, Relaxed);
                self.keep_ballast(free);
                let room = free + self.journal.stats().ready_bytes;
                let low = room < self.disk_reserve_bytes;
                if self.seen.disk_low.swap(low, Relaxed) != low {
                    tracing::warn!(free_mib = free >> 20, low, "the disk's reserve");
                }
            }
            Err(error) => tracing::warn!(%error, "the free space cannot be read"),
        }
    }

    /// Keeps room for a start on a full disk.
    fn keep_ballast(&mut self, free: u64) {
        if self.looked.ballast_refused {
            return;
        }
        if let Err(error) = ballast::keep(self.data.root(), free, self.disk_reserve_bytes) {
            // Some file systems promise no room: this is said once, not twice a second.
            self.looked.ballast_refused = true;
            tracing::warn!(%error, "no room can be kept here for a start on a full disk");
        }
    }

    fn watch_projection(&self) {
        let lag = self.follower.telemetry_lag();
        self.seen.telemetry_lag.store(lag, Relaxed);
        let held = self.seen.telemetry_held.load(Relaxed);
        let hold = lag > if held { TELEMETRY_LAG_RESUME } else { TELEMETRY_LAG_MAX };
        if hold != held {
            self.seen.telemetry_held.store(hold, Relaxed);
            tracing::warn!(lag, hold, "telemetry waits for its projection");
        }
    }

    /// Notes since when the oldest decision that is not durable waits.
    fn watch_sync(&mut self, now: Timestamp) {
        let durable = self.journal.durable_seq();
        let waits = durable + 1 < self.journal.next_seq();
        self.looked.waiting = match self.looked.waiting {
            Some((seen, since)) if waits && seen == durable => Some((seen, since)),
            _ if waits => Some((durable, now)),
            _ => None,
        };
        let since = self.looked.waiting.map_or(0, |(_, since)| since.millis() as u64);
        self.seen.sync_waits_since.store(since, Relaxed);
    }

    /// Counts the wearers without any desk up the tree, when the registry has changed since it last did; again a
    /// look later, because the projection may come after the commit.
    fn watch_desks(&mut self, now: Timestamp) {
        let changes = self.authority.changes();
        if changes != self.looked.changes {
            self.looked.changes = changes;
            self.looked.counts_left = DESK_COUNTS;
        }
        if self.looked.counts_left == 0 || now < self.looked.count_after {
            return;
        }
        self.looked.counts_left -= 1;
        let mut covered = std::collections::BTreeMap::<OrgPath, bool>::new();
        let mut without = 0u64;
        let counted = self.state.for_each_wearer(&mut |wearer| {
            let has = *covered.entry(wearer.org.clone()).or_insert_with(|| self.has_desk(&wearer.org));
            without += u64::from(!has);
        });
        let ended = self.clock.now();
        self.looked.count_after = ended.plus_millis(ended.millis_since(now) * (DESK_COUNT_TIME_ONE_OF - 1));
        match counted {
            Ok(()) => self.seen.wearers_without_desk.store(without, Relaxed),
            Err(error) => tracing::warn!(%error, "the wearers cannot be counted"),
        }
    }

    fn has_desk(&self, org: &OrgPath) -> bool {
        let mut path = Some(org.clone());
        while let Some(here) = path {
            let desk = self.state.org(&here).ok().flatten().and_then(|org| org.desk);
            let roster = self.state.duty(&here).ok().flatten();
            if desk.is_some_and(|desk| desk.phone.is_some() || !desk.people.is_empty())
                || roster.is_some_and(|roster| roster.makes_a_desk())
            {
                return true;
            }
            path = here.parent();
        }
        false
    }

    /// What is older than an erasure goes as soon as it may: two checkpoints and two exports take the place of those
    /// that are, and segments go with their retention.
    fn see_to_erasures(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let erasures = self.state.erasures()?;
        let Some(newest) = erasures.iter().map(|(seq, _)| *seq).max() else { return Ok(()) };
        if erasures.len() != self.looked.erasures_listed && now >= self.looked.list_erasures_after {
            let tombstones: Vec<Tombstone> = erasures.iter().map(|(_, erasure)| erasure.into()).collect();
            erasure::add_to_ledger(self.data.root(), &tombstones)?;
            // A backup on a disk that is not there now has to be told at its restore.
            let mut are_told = true;
            for backup in erasure::known_backups(self.data.root())?.iter().filter(|backup| backup.path.exists()) {
                // The erasure is pending until that backup is gone; it is told when it can be.
                if let Err(error) = erasure::add_to_ledger(&backup.path, &tombstones) {
                    let backup = backup.path.display();
                    tracing::error!(%error, %backup, "who was erased cannot be written beside a backup; give us the right to");
                    are_told = false;
                }
            }
            if are_told {
                self.looked.erasures_listed = erasures.len();
            } else {
                self.looked.list_erasures_after = now.plus_seconds(TELL_BACKUPS_AGAIN_SECONDS);
            }
        }
        if self.journal.stats().first_seq >= newest {
            return Ok(());
        }
        self.journal.turn_page(newest);
        let (disk, exports, durable) = (&*self.disk, self.data.exports(), self.journal.durable_seq());
        let is_old = |oldest: Option<u64>| oldest.is_none_or(|oldest| oldest < newest);
        // One that says nothing new would only take the place of the one that was just made.
        if durable > self.looked.erasure_checkpoint_seq
            && is_old(store::checkpoint::oldest_seq(disk, &self.data.checkpoints())?)
        {
            self.looked.erasure_checkpoint_seq = durable;
            self.written.wanted.store(true, Relaxed);
        }
        if durable > self.looked.erasure_export_seq
            && !self.state.is_erasing()?
            && is_old(export::oldest_facts_seq(disk, &exports)?)
        {
            self.looked.erasure_export_seq = durable;
            self.follower.flush();
            let written = export::write(disk, &exports, &self.state, now)?;
            tracing::info!(facts_seq = written.facts_seq, "export written and verified: somebody was erased");
        }
        self.truncate(now)?;
        Ok(())
    }

    /// Lets segments go that a checkpoint and a verified export cover, when the journal is beyond its retention.
    fn let_go(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let since_export = self.looked.exported_at.map(|at| now.millis_since(at));
        let is_large = self.journal.stats().bytes > self.retention.bytes;
        if !is_large && *self.looked.started_at.get_or_insert(now) > now.plus_millis(-EXPORT_AT_LEAST_EVERY_MS) {
            return Ok(());
        }
        let (disk, exports) = (&*self.disk, self.data.exports());
        if store::checkpoint::fallback_seq(disk, &self.data.checkpoints())?.is_none() {
            return Ok(());
        }
        let due_ms = if is_large { EXPORT_EVERY_MS } else { EXPORT_AT_LEAST_EVERY_MS };
        // One that is made while somebody is being taken out would hold a part of them.
        if since_export.is_none_or(|ms| ms > due_ms) && !self.state.is_erasing()? {
            self.looked.exported_at = Some(now);
            self.follower.flush();
            let written = export::write(disk, &exports, &self.state, now)?;
            tracing::info!(facts_seq = written.facts_seq, bytes = written.bytes, "export written and verified");
        }
        if self.truncate(now)? {
            self.seen.upkeep_failed.store(false, Relaxed);
        }
        Ok(())
    }

    /// Lets go of what the older of two checkpoints and the older of two exports do not need: should the newest turn out
    /// damaged, the journal behind these is there. Whether both are there.
    fn truncate(&self, now: Timestamp) -> Result<bool, StoreError> {
        let (disk, exports) = (&*self.disk, self.data.exports());
        let Some(checkpoint) = store::checkpoint::fallback_seq(disk, &self.data.checkpoints())? else {
            return Ok(false);
        };
        let Some(covered) = export::covered_seq(disk, &exports)? else { return Ok(false) };
        let gone = self.journal.truncate(covered.min(checkpoint) + 1, &self.retention, now)?;
        if gone > 0 {
            tracing::info!(gone, "journal segments let go");
        }
        Ok(true)
    }
}
