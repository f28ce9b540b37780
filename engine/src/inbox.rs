//! What waits for the main loop: two lanes, so that nothing delays an alarm.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use broker::Parcel;
use model::{DeviceId, Input, Reply, Timestamp};
use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use crate::watchdog::Ticket;

/// How many reports may wait in the telemetry lane; beyond it connections are not read.
pub const TELEMETRY_REPORTS_MAX: usize = 32_768;
/// So many parcels, or so many reports, of telemetry are worth a batch at once. A batch costs as much processor time in
/// syncing and waking as ten parcels on their way through the house, however little is in it.
const WORTH_A_BATCH_PARCELS: usize = 32;
/// See [`WORTH_A_BATCH_PARCELS`].
const WORTH_A_BATCH_REPORTS: usize = 512;
/// How long telemetry gathers after a batch, for each of its parcels: where more come in that time, the next batch is
/// larger, up to what is worth it; where fewer come, it is smaller, down to one that waits for nobody. At most 2 ms.
const GATHERED_PER_PARCEL: Duration = Duration::from_micros(60);
/// How many pieces of work may wait in the alarm lane. Only a flood of forged alarms gets here; beyond it even
/// alarms wait in their connections.
pub const ALARM_WORK_MAX: usize = 262_144;

/// One piece of work.
pub enum Work {
    /// What a device published.
    Parcel(Parcel),
    /// The same with an SOS or a fall in it, noted with whoever calls for it if it cannot be written down.
    Alarm(Parcel, Ticket),
    /// Anything else that is decided on.
    Input {
        /// What.
        input: Input,
        /// When it came in.
        received: Timestamp,
        /// Who waits for the decision to be durable.
        reply: Option<oneshot::Sender<(u64, Reply)>>,
    },
    /// A device is there to be told its commands.
    DownReady(DeviceId),
}

/// The two lanes in front of the loop.
pub struct Inbox {
    lanes: Mutex<Lanes>,
    work: Condvar,
    space: Notify,
    /// Whether an SOS or a fall waits.
    has_alarm: AtomicBool,
    gathered_per_parcel: Duration,
}

impl Default for Inbox {
    fn default() -> Self {
        Inbox {
            lanes: Mutex::default(),
            work: Condvar::new(),
            space: Notify::new(),
            has_alarm: AtomicBool::new(false),
            gathered_per_parcel: GATHERED_PER_PARCEL,
        }
    }
}

#[derive(Default)]
struct Lanes {
    /// Every SOS and fall.
    alarm: VecDeque<Work>,
    /// Whatever else is in the alarm lane. Of a neighbourhood that comes back it is thousands of devices.
    other: VecDeque<Work>,
    telemetry: VecDeque<Parcel>,
    telemetry_reports: usize,
    /// Telemetry waited for an alarm the last time: it has its turn now, however many alarms there are.
    has_waited: bool,
    /// After a batch, telemetry waits until then for more of it, unless it is worth a batch before.
    gathers_until: Option<Instant>,
    loop_is: Loop,
    closed: bool,
}

/// Whether the main loop has to be woken.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
enum Loop {
    #[default]
    Awake,
    /// By an alarm, or when the telemetry is worth a batch.
    Gathers,
    /// By anything.
    Asleep,
}

impl Lanes {
    fn is_worth_a_batch(&self) -> bool {
        self.telemetry.len() >= WORTH_A_BATCH_PARCELS || self.telemetry_reports >= WORTH_A_BATCH_REPORTS
    }
}

impl Inbox {
    /// Puts work into the alarm lane.
    ///
    /// # Errors
    /// Gives it back when the lane is full or the engine is stopping.
    pub fn urgent(&self, work: Work) -> Result<(), Work> {
        let mut lanes = self.lanes.lock();
        if lanes.closed || lanes.alarm.len() + lanes.other.len() >= ALARM_WORK_MAX {
            return Err(work);
        }
        if let Work::Alarm(..) = work {
            self.has_alarm.store(true, Ordering::Release);
            lanes.alarm.push_back(work);
        } else {
            lanes.other.push_back(work);
        }
        self.wake(lanes, Loop::Gathers);
        Ok(())
    }

    /// Whether an SOS or a fall waits: then it is worth it to end a batch early.
    pub fn has_alarm(&self) -> bool {
        self.has_alarm.load(Ordering::Acquire)
    }

    /// Takes every SOS and fall that is there.
    pub fn take_alarms(&self, into: &mut Vec<Work>) {
        let mut lanes = self.lanes.lock();
        self.has_alarm.store(false, Ordering::Release);
        into.extend(lanes.alarm.drain(..));
    }

    /// Puts a parcel into the telemetry lane.
    ///
    /// # Errors
    /// Gives it back when the lane is full or the engine is stopping.
    pub fn telemetry(&self, parcel: Parcel) -> Result<(), Parcel> {
        let mut lanes = self.lanes.lock();
        if lanes.closed || lanes.telemetry_reports >= TELEMETRY_REPORTS_MAX {
            return Err(parcel);
        }
        lanes.telemetry_reports += parcel.items.len();
        lanes.telemetry.push_back(parcel);
        let when = if lanes.is_worth_a_batch() { Loop::Gathers } else { Loop::Asleep };
        self.wake(lanes, when);
        Ok(())
    }

    /// Completes when the telemetry lane may have room again.
    pub async fn space(&self) {
        let notified = self.space.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if self.lanes.lock().telemetry_reports < TELEMETRY_REPORTS_MAX {
            return;
        }
        notified.await;
    }

    /// Takes what is there, alarms first and then at most `reports_max` reports, or waits for it, for at most
    /// `patience`. An SOS or a fall has a batch without telemetry, but not twice in a row. Without `telemetry` that lane
    /// stays as it is. `false`: closed and empty.
    pub fn take(&self, into: &mut Vec<Work>, reports_max: usize, telemetry: bool, patience: Duration) -> bool {
        let mut now = Instant::now();
        let deadline = now + patience;
        let mut lanes = self.lanes.lock();
        loop {
            let gathers =
                lanes.gathers_until.filter(|until| *until > now && !lanes.closed && !lanes.is_worth_a_batch());
            if !lanes.alarm.is_empty()
                || !lanes.other.is_empty()
                || (telemetry && gathers.is_none() && !lanes.telemetry.is_empty())
            {
                break;
            }
            if lanes.closed {
                return false;
            }
            if now >= deadline {
                return true;
            }
            let gathers = gathers.filter(|_| telemetry);
            lanes.loop_is = if gathers.is_some() { Loop::Gathers } else { Loop::Asleep };
            self.work.wait_until(&mut lanes, gathers.map_or(deadline, |until| until.min(deadline)));
            lanes.loop_is = Loop::Awake;
            now = Instant::now();
        }
        lanes.has_waited = self.has_alarm.swap(false, Ordering::AcqRel) && !lanes.has_waited;
        let telemetry = telemetry && !lanes.has_waited;
        into.extend(lanes.alarm.drain(..));
        into.extend(lanes.other.drain(..));
        let (mut reports, was_full) = (0, lanes.telemetry_reports >= TELEMETRY_REPORTS_MAX);
        if telemetry {
            let parcels = lanes.telemetry.len().min(WORTH_A_BATCH_PARCELS) as u32;
            lanes.gathers_until = Some(now + self.gathered_per_parcel * parcels);
        }
        while telemetry && reports < reports_max {
            let Some(parcel) = lanes.telemetry.pop_front() else { break };
            reports += parcel.items.len();
            into.push(Work::Parcel(parcel));
        }
        lanes.telemetry_reports -= reports;
        if was_full && lanes.telemetry_reports < TELEMETRY_REPORTS_MAX {
            self.space.notify_waiters();
        }
        true
    }

    /// How many pieces of work and reports wait.
    pub fn depth(&self) -> (usize, usize) {
        let lanes = self.lanes.lock();
        (lanes.alarm.len() + lanes.other.len(), lanes.telemetry_reports)
    }

    /// Takes nothing in any more; what is there is still handed out.
    pub fn close(&self) {
        let mut lanes = self.lanes.lock();
        lanes.closed = true;
        drop(lanes);
        self.work.notify_all();
        self.space.notify_waiters();
    }

    /// Wakes the loop if it is like that, or deeper asleep.
    fn wake(&self, lanes: parking_lot::MutexGuard<'_, Lanes>, when: Loop) {
        let wakes = lanes.loop_is >= when;
        drop(lanes);
        if wakes {
            self.work.notify_one();
            // Where it was woken on this very processor, it does not wait until we have served everybody else.
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use broker::{Item, Receipts};
    use model::{Report, ReportBody};

    use super::*;

    fn parcel(body: ReportBody) -> Parcel {
        let report = Report { event_id: None, measured: None, body, content_hash: 0 };
        let items = vec![Item { received: Timestamp::EPOCH, topic: "".into(), outcome: Ok(report) }];
        Parcel { device: DeviceId::new("b1"), items, receipts: Receipts::none() }
    }

    const PATIENCE: Duration = Duration::from_millis(5);

    fn taken(inbox: &Inbox, reports_max: usize) -> String {
        let mut work = Vec::new();
        inbox.take(&mut work, reports_max, true, PATIENCE);
        let letter = |piece: &Work| match piece {
            Work::Alarm(..) => 'S',
            Work::Parcel(_) => '.',
            Work::Input { .. } => 'i',
            Work::DownReady(_) => 'd',
        };
        work.iter().map(letter).collect()
    }

    #[test]
    fn an_sos_has_a_batch_without_telemetry_and_telemetry_has_its_turn_all_the_same() {
        let inbox = Inbox::default();
        let sos = || drop(inbox.urgent(Work::Alarm(parcel(ReportBody::Sos { fix: None }), 1)));
        let other = || drop(inbox.urgent(Work::DownReady(DeviceId::new("b1"))));
        (0..8).for_each(|_| drop(inbox.telemetry(parcel(ReportBody::Alive))));
        other();
        assert_eq!(taken(&inbox, 2), "d..", "what is no alarm shares a batch");
        sos();
        other();
        sos();
        assert!(inbox.has_alarm());
        assert_eq!(taken(&inbox, 2), "SSd", "an SOS waits for nobody");
        assert!(!inbox.has_alarm());
        sos();
        assert_eq!(taken(&inbox, 2), "S..", "a flood of alarms starves nobody");
        sos();
        assert_eq!(taken(&inbox, 2), "S");
        assert_eq!(taken(&inbox, 9), "....");
        // In the middle of a batch.
        sos();
        other();
        let mut work = Vec::new();
        inbox.take_alarms(&mut work);
        assert_eq!((work.len(), inbox.has_alarm()), (1, false));
        assert_eq!(taken(&inbox, 2), "d");
    }

    #[test]
    fn after_a_batch_telemetry_gathers_until_it_is_worth_one_and_an_alarm_does_not_wait_for_it() {
        let inbox = Inbox { gathered_per_parcel: Duration::from_secs(3600), ..Inbox::default() };
        let telemetry = |parcels| (0..parcels).for_each(|_| drop(inbox.telemetry(parcel(ReportBody::Alive))));
        telemetry(1);
        assert_eq!(taken(&inbox, 99), ".", "the first waits for nobody");
        telemetry(1);
        assert_eq!(taken(&inbox, 99), "");
        drop(inbox.urgent(Work::Alarm(parcel(ReportBody::Sos { fix: None }), 1)));
        assert_eq!(taken(&inbox, 99), "S");
        drop(inbox.urgent(Work::DownReady(DeviceId::new("b1"))));
        assert_eq!(taken(&inbox, 99), "d.", "what is decided on anyway takes along what is there");
        telemetry(WORTH_A_BATCH_PARCELS - 1);
        assert_eq!(taken(&inbox, 99), "");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mut work = Vec::new();
                inbox.take(&mut work, 99, true, Duration::from_secs(3600));
                work.len()
            });
            telemetry(1);
            assert_eq!(waiting.join().ok(), Some(WORTH_A_BATCH_PARCELS), "the last one wakes the loop");
        });
        telemetry(1);
        inbox.close();
        assert_eq!(taken(&inbox, 99), ".");
    }
}
