//! SOS and falls that came in and are not on disk yet. When the journal fails, they go to the watchdog: whoever pressed
//! the button gets no PUBACK, and is called for all the same.

use std::collections::{BTreeMap, BTreeSet};

use broker::Parcel;
use model::{DeviceId, RegistryChange, Report, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// An SOS or a fall of a device that had shown who it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Whose.
    pub device: DeviceId,
    /// What it said.
    pub report: Report,
    /// When it came.
    pub received: Timestamp,
    /// Whom it concerns, as far as that was looked up: for somebody who has no registry to look in.
    pub household: RegistryChange,
}

impl Alarm {
    /// As what it is sealed.
    pub const KIND: &str = "alarm";
}

/// How many are told to the watchdog at most: more are a flood of forged ones.
pub const ALARMS_TOLD_MAX: usize = 10_000;

/// Which parcel it came in; counted from 1.
pub type Ticket = u64;

/// Everything that was taken in and not committed. It holds alarms only, so it is nearly always empty.
#[derive(Debug, Default)]
pub struct Unsaved {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    last: Ticket,
    waiting: BTreeMap<Ticket, Vec<Alarm>>,
    /// Those that were decided on, by the sequence number of their last record.
    decided: BTreeSet<(u64, Ticket)>,
}

impl Unsaved {
    /// A parcel with alarms came in.
    pub fn note(&self, parcel: &Parcel) -> Ticket {
        let alarms = parcel.items.iter().filter_map(|item| {
            let report = item.outcome.as_ref().ok().filter(|report| report.is_alarm())?;
            let (device, report) = (parcel.device.clone(), report.clone());
            Some(Alarm { device, report, received: item.received, household: RegistryChange::default() })
        });
        let alarms = alarms.collect();
        let mut held = self.held.lock();
        held.last += 1;
        let ticket = held.last;
        held.waiting.insert(ticket, alarms);
        ticket
    }

    /// It was given back and will come again.
    pub fn forget(&self, ticket: Ticket) {
        self.held.lock().waiting.remove(&ticket);
    }

    /// It was decided on, with `seq` as its last record; `household`: whom it concerns.
    pub fn decided(&self, ticket: Ticket, seq: u64, household: impl FnOnce() -> RegistryChange) {
        let mut held = self.held.lock();
        let Some(waiting) = held.waiting.get_mut(&ticket) else { return };
        if let Some(first) = waiting.first_mut() {
            first.household = household();
        }
        held.decided.insert((seq, ticket));
    }

    /// Everything up to this record is durable.
    pub fn saved_through(&self, seq: u64) {
        let mut held = self.held.lock();
        while let Some(&(decided_at, ticket)) = held.decided.first()
            && decided_at <= seq
        {
            held.decided.pop_first();
            held.waiting.remove(&ticket);
        }
    }

    /// Everything that waits, oldest first, at most [`ALARMS_TOLD_MAX`].
    pub fn waiting(&self) -> Vec<Alarm> {
        self.held.lock().waiting.values().flatten().take(ALARMS_TOLD_MAX).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use broker::{Item, Receipts};
    use model::ReportBody;

    use super::*;

    fn parcel(device: &str) -> Parcel {
        let report = |body| Report { event_id: None, measured: None, body, content_hash: 1 };
        let item = |body| Item { received: Timestamp::EPOCH, topic: "".into(), outcome: Ok(report(body)) };
        let items = vec![item(ReportBody::Alive), item(ReportBody::Sos { fix: None })];
        Parcel { device: DeviceId::new(device), items, receipts: Receipts::none() }
    }

    #[test]
    fn an_alarm_waits_until_its_last_record_is_durable() {
        let unsaved = Unsaved::default();
        let tickets = ["b1", "b2", "b3", "b4"].map(|device| unsaved.note(&parcel(device)));
        unsaved.decided(tickets[1], 7, RegistryChange::default);
        unsaved.decided(tickets[0], 9, RegistryChange::default);
        unsaved.forget(tickets[3]);
        unsaved.saved_through(7);
        let waiting = unsaved.waiting();
        let who: Vec<&str> = waiting.iter().map(|alarm| alarm.device.as_str()).collect();
        assert_eq!(who, ["b1", "b3"], "the SOS only, and not what is on disk or comes again");
        assert!(waiting.iter().all(|alarm| alarm.report.is_alarm()));
        unsaved.saved_through(9);
        unsaved.decided(tickets[2], 10, RegistryChange::default);
        unsaved.saved_through(10);
        assert!(unsaved.held.lock().waiting.is_empty() && unsaved.held.lock().decided.is_empty());
    }
}
