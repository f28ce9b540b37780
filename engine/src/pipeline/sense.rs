//! From a device's report to findings: admission → geofence → rules. Everything here is rebuilt from the inputs
//! after a restart, with the findings thrown away.

use model::record::Observed;
use model::report::Consciousness;
use model::staff::BedsideNote;
use model::{DeviceId, Finding, Located, Report, ReportBody, Timestamp};
use rules::{Observation, Subject};

use super::directory::{Directory, FORESEEN_TOGETHER};
use super::entries::{WearerEntry, WearerHot};
use super::{FIRED_TOGETHER_MAX, Pipeline};

/// The accuracy that a fix without one is taken to have, in metres (clinical.md, fence).
const UNKNOWN_ACCURACY_METRES: f32 = 50.0;
/// An alarm that claims to be older on arrival, seconds, is not looked up among those who wore its device then.
const ALARM_AGE_SECONDS_MAX: i64 = 86_400;

/// Which device reports, its slot, and where it is kept.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) device: &'a DeviceId,
    pub(super) slot: Option<u32>,
    pub(super) placement: rules::Placement,
}

/// Timers that fall due so much later are not looked at yet, milliseconds: as long as a batch takes.
const FORESEEN_MILLIS: i64 = 100;

/// What became of a report.
pub(super) enum Sensed {
    /// It was there before.
    Repeated,
    /// It was taken in, and this was found.
    Taken {
        /// As history keeps it.
        observed: Observed,
        /// Whether its wearer is registered.
        wearer_is_known: bool,
        /// What was found.
        findings: Vec<Finding>,
        /// Whose blood pressure is to be measured again.
        measure_again: Option<DeviceId>,
    },
}

impl Pipeline {
    /// Takes in a report. `None` when the device is not registered (any more).
    pub(super) fn sense(&mut self, device: &DeviceId, report: &Report, at: Timestamp) -> Option<Sensed> {
        let device_slot = self.directory.devices.slot_from(self.device_slot, device)?;
        self.device_slot = device_slot;
        let entry = self.directory.devices.at_mut(device_slot)?;
        let measured = match entry.hot.admission.admit(report, at) {
            ingest::Admitted::Repeat => return Some(Sensed::Repeated),
            ingest::Admitted::Fresh(measured) => measured,
        };
        if let ReportBody::Battery { percent } = report.body {
            entry.hot.battery_percent = Some(percent);
        }
        let located = report.fix().map(|fix| Located {
            position: geofence::datum::to_wgs84(fix.position, fix.datum.unwrap_or(entry.datum)),
            accuracy_m: fix.accuracy_m.unwrap_or(UNKNOWN_ACCURACY_METRES),
        });
        let source = Source { device, slot: Some(device_slot), placement: entry.placement };
        // Of an alarm that claims to be so old the clock is wrong rather: it is that of whoever wears the device now.
        let is_old = report.is_alarm() && at.millis_since(measured.at) > ALARM_AGE_SECONDS_MAX * 1000;
        let (wearer, slot) = self.directory.whose(device_slot, if is_old { at } else { measured.at });
        let observed = Observed { wearer, measured: measured.at, late: measured.late, located };
        let (mut findings, mut measure_again) = (Vec::new(), None);
        if let Some(slot) = slot {
            let asked = self.awaited(slot, report);
            self.observe(slot, source, report, &observed, at, &mut findings);
            measure_again = self.awaited(slot, report).filter(|now| asked.as_ref() != Some(now));
        }
        let measure_again = measure_again.map(|(device, _)| device);
        Some(Sensed::Taken { observed, wearer_is_known: slot.is_some(), findings, measure_again })
    }

    /// Takes in what somebody noted at a wearer's bedside; `None` when there is no such wearer.
    pub(super) fn note_bedside(
        &mut self,
        note: &BedsideNote,
        measured: Timestamp,
        at: Timestamp,
        findings: &mut Vec<Finding>,
    ) -> Option<Observed> {
        let late = at.millis_since(measured) > ingest::LATE_AFTER_SECONDS * 1000;
        let utc_offset_minutes = self.utc_offset_minutes(at);
        let slot = self.directory.wearers.slot(&note.wearer)?;
        let Directory { wearers, zones, .. } = &mut self.directory;
        let (entry, nobody) = (wearers.at_mut(slot)?, DeviceId::default());
        let (subject, _, hot) = entry.watched(zones, &nobody, utc_offset_minutes, self.listening_since);
        let subject = Subject { placement: rules::Placement::PutAway, ..subject };
        let bedside = rules::Bedside {
            respiration_per_minute: note.respiration_per_minute,
            is_alert: note.consciousness.map(|level| level == Consciousness::Alert),
            known: &note.known,
        };
        let observation = Observation::Bedside(&bedside);
        findings.extend(rules::handle(&mut hot.rules, &subject, observation, measured, late, at));
        self.rule_timers.set(hot, slot);
        Some(Observed { wearer: Some(note.wearer.clone()), measured, late, located: None })
    }

    /// The blood pressure that waits for its repeat, before or after a report that may change that.
    fn awaited(&self, wearer: u32, report: &Report) -> Option<(DeviceId, Timestamp)> {
        let ReportBody::BloodPressure { .. } = report.body else { return None };
        let repeat = rules::awaits_repeat(&self.directory.wearers.at(wearer)?.hot.rules)?;
        Some((repeat.device.clone(), repeat.since))
    }

    /// A device that reports.
    pub(super) fn source<'a>(&self, device: &'a DeviceId) -> Source<'a> {
        let slot = self.directory.devices.slot(device);
        let entry = slot.and_then(|slot| self.directory.devices.at(slot));
        Source { device, slot, placement: entry.map_or(rules::Placement::Worn, |entry| entry.placement) }
    }

    /// What a report that was taken in means for its wearer, who is in this slot.
    pub(super) fn observe(
        &mut self,
        slot: u32,
        source: Source<'_>,
        report: &Report,
        observed: &Observed,
        at: Timestamp,
        findings: &mut Vec<Finding>,
    ) {
        let utc_offset_minutes = self.utc_offset_minutes(at);
        let Directory { wearers, zones, .. } = &mut self.directory;
        let Some(entry) = wearers.at_mut(slot) else { return };
        let (measured, late) = (observed.measured, observed.late);
        let fix_before = entry.hot.last_fix;
        if let Some(located) = observed.located
            && fix_before.is_none_or(|(newest, _)| newest <= measured)
        {
            entry.hot.last_fix = Some((measured, located));
        }
        if let Some(slot) = source.slot.filter(|_| source.placement == rules::Placement::Worn) {
            entry.note_heard(slot);
        }
        let (subject, ground, hot) = entry.watched(zones, source.device, utc_offset_minutes, self.listening_since);
        let subject = Subject { placement: source.placement, fix_before, ..subject };
        let mut crossings = Vec::new();
        // Location backfill is history: it never moves the live fence (devices.md).
        if let Some(located) = observed.located.filter(|_| !late) {
            if !hot.watch.pass(&located, measured, at) {
                hot.watch.handle(&ground(), &located, measured, at, &mut crossings);
            }
            // Who reported what the watch waits on, if it waits on anything.
            hot.watched_device = hot.watch.next_due().and(source.slot);
        }
        for crossing in &crossings {
            let observation = Observation::Crossing(crossing);
            findings.extend(rules::handle(&mut hot.rules, &subject, observation, crossing.measured, late, at));
        }
        let observation = Observation::Report { report, located: observed.located };
        findings.extend(rules::handle(&mut hot.rules, &subject, observation, measured, late, at));
        self.rule_timers.set(hot, slot);
    }

    /// Has fetched what firing the next timers will look at: first the wearers, then the devices that were heard. Those
    /// that fall due within a moment of a busy city are looked at side by side, as their reports are.
    pub(super) fn foresee_timers(&self) {
        let until = self.last_at.plus_millis(FORESEEN_MILLIS);
        let mut slots = [u32::MAX; FORESEEN_TOGETHER];
        let due = self.rule_timers.due.iter().take_while(|(at, _)| *at <= until);
        let count = slots.iter_mut().zip(due).map(|(place, (_, slot))| *place = *slot).count();
        let looks = slots[..count].iter().fold(0, |looks, slot| looks ^ self.directory.foresee_wearer(*slot));
        let heard =
            slots[..count].iter().filter_map(|slot| self.directory.wearers.at(*slot)).map(WearerEntry::heard_slot);
        std::hint::black_box(heard.fold(looks, |looks, slot| looks ^ self.directory.foresee_device(slot)));
    }

    /// What the fences and the rules find by themselves because time went by, for at most so many wearers.
    pub(super) fn sense_advance(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        let utc_offset_minutes = self.utc_offset_minutes(now);
        for fired in 0..FIRED_TOGETHER_MAX {
            let Some(slot) = self.rule_timers.pop_due(now) else { break };
            if fired % FORESEEN_TOGETHER == 1 {
                self.foresee_timers();
            }
            let has_watched_device = self.directory.has_watched_device(slot);
            let Directory { wearers, zones, devices, .. } = &mut self.directory;
            let Some(entry) = wearers.at_mut(slot) else { continue };
            let nobody = DeviceId::default();
            let (subject, ground, hot) = entry.watched(zones, &nobody, utc_offset_minutes, self.listening_since);
            hot.due = None;
            if !has_watched_device {
                rules::let_go(&mut hot.rules);
            }
            let mut crossings = Vec::new();
            if hot.watch.next_due().is_some_and(|due| due <= now) {
                hot.watch.advance(&ground(), now, &mut crossings);
            }
            let watched = hot.watched_device.and_then(|slot| devices.at(slot)).map(|entry| &entry.device.id);
            for crossing in &crossings {
                let subject = Subject { device: watched.unwrap_or(&nobody), ..subject };
                let observation = Observation::Crossing(crossing);
                findings.extend(rules::handle(&mut hot.rules, &subject, observation, crossing.measured, false, now));
            }
            findings.extend(rules::advance(&mut hot.rules, &subject, now));
            self.rule_timers.set(hot, slot);
            debug_assert!(
                self.rule_timers.next_due().is_none_or(|due| due > now || !self.rule_timers.is_at(due, slot))
            );
        }
    }
}

/// When the fences and the rules want to be asked again, by time and slot.
#[derive(Debug, Default)]
pub(super) struct RuleTimers {
    due: std::collections::BTreeSet<(Timestamp, u32)>,
    /// The first of them. Asked for before each report, and seldom another one.
    first: Option<Timestamp>,
}

impl RuleTimers {
    /// The next time.
    #[inline]
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.first
    }

    /// Brings a wearer's entry into line with what the rules say now.
    pub(super) fn set(&mut self, hot: &mut WearerHot, slot: u32) {
        let due = rules::next_due(&hot.rules).into_iter().chain(hot.watch.next_due()).min();
        if due == hot.due {
            return;
        }
        if let Some(before) = hot.due {
            self.due.remove(&(before, slot));
        }
        if let Some(after) = due {
            self.due.insert((after, slot));
        }
        hot.due = due;
        self.look_first();
    }

    /// A wearer is gone.
    pub(super) fn forget(&mut self, hot: &WearerHot, slot: u32) {
        if let Some(due) = hot.due {
            self.due.remove(&(due, slot));
            self.look_first();
        }
    }

    /// After a checkpoint was loaded: everything that the entries say.
    pub(super) fn load(&mut self, directory: &Directory) {
        self.due = directory.wearers.iter().filter_map(|(slot, entry)| entry.hot.due.map(|at| (at, slot))).collect();
        self.look_first();
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<u32> {
        self.first.filter(|at| *at <= now)?;
        let (_, slot) = self.due.pop_first()?;
        self.look_first();
        Some(slot)
    }

    fn look_first(&mut self) {
        self.first = self.due.first().map(|(at, _)| *at);
    }

    fn is_at(&self, due: Timestamp, slot: u32) -> bool {
        self.due.contains(&(due, slot))
    }
}
