//! The sensing half of the pipeline by itself: admission, fences and rules, without anybody being alerted. A preview
//! goes through the past with it.

use chrono_tz::Tz;
use model::record::Observed;
use model::staff::BedsideNote;
use model::{DeviceId, Finding, RegistryChange, Report, Timestamp};

use super::sense::Sensed;
use super::{FIRINGS_PER_INSTANT_MAX, Pipeline};

/// A pipeline of which only the senses are used. Time is what it is told, and must not run backwards.
#[derive(Debug)]
pub struct Sensing {
    pipeline: Pipeline,
}

impl Sensing {
    /// With this registry and nothing remembered; hours of fences are in `zone`.
    #[must_use]
    pub fn new(registry: &RegistryChange, zone: Tz) -> Sensing {
        let mut pipeline = Pipeline::new(zone);
        pipeline.directory.apply(registry, zone, u64::MAX);
        Sensing { pipeline }
    }

    /// A device reported something; what that leads to, and what fell due before, is appended. `None`: it was there
    /// before, or the device is not registered.
    pub fn hear(
        &mut self,
        device: &DeviceId,
        report: &Report,
        at: Timestamp,
        findings: &mut Vec<Finding>,
    ) -> Option<Observed> {
        self.pass(at, findings);
        match self.pipeline.sense(device, report, at)? {
            Sensed::Repeated => None,
            Sensed::Taken { observed, findings: found, .. } => {
                findings.extend(found);
                Some(observed)
            }
        }
    }

    /// Somebody noted something at the bedside.
    pub fn note(&mut self, note: &BedsideNote, measured: Timestamp, at: Timestamp, findings: &mut Vec<Finding>) {
        self.pass(at, findings);
        self.pipeline.note_bedside(note, measured, at, findings);
    }

    /// Nobody listened before this time: what did not come until then is nobody's absence.
    pub fn listen_from(&mut self, at: Timestamp) {
        self.pipeline.listening_since = at;
    }

    /// Lets time pass: what falls due by then is found at its own time.
    pub fn pass(&mut self, until: Timestamp, findings: &mut Vec<Finding>) {
        let (mut instant, mut firings) = (Timestamp::EPOCH, 0);
        while let Some(due) = self.pipeline.rule_timers.next_due().filter(|due| *due <= until) {
            let at = due.max(self.pipeline.last_at);
            firings = if at == instant { firings + 1 } else { 1 };
            instant = at;
            if firings > FIRINGS_PER_INSTANT_MAX {
                break;
            }
            self.pipeline.last_at = at;
            self.pipeline.sense_advance(at, findings);
        }
        self.pipeline.last_at = self.pipeline.last_at.max(until);
    }
}
