//! The engine's state as the watchdog goes on with it, and how it is read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use channels::Channels;
use compact_str::CompactString;
use model::{
    AttemptId, AttemptState, Channel, Clock, Decision, DeviceId, Entity, IncidentId, Input, Record, Timestamp,
};
use parking_lot::Mutex;
use store::{Disk, RealDisk, codec};

use super::{Deed, Epoch, STOOD_IN, Seal};
use crate::checkpoint;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::pipeline::Pipeline;

/// The engine's state as the watchdog goes on with it.
pub(super) struct StandIn {
    /// `None`: it could not be written (the disk is full), or not yet (it hangs), and people are called all the same.
    pub(super) epoch: Arc<Mutex<Option<u64>>>,
    /// What stood there before.
    pub(super) epoch_before: Option<Epoch>,
    pub(super) pipeline: Pipeline,
    pub(super) clock: Arc<SystemClock>,
    pub(super) channels: Arc<Channels>,
    pub(super) sending: BTreeSet<AttemptId>,
    /// Whose outcome may still be told.
    pub(super) handed: BTreeSet<AttemptId>,
    /// Which acknowledgements the engine knows of, or has in the log: by when they were made, for a lease may run out and
    /// somebody else go.
    pub(super) acknowledged: BTreeSet<(IncidentId, Timestamp)>,
    /// The alarms of the engine's that it calls for: device, receipt, and what tells two of one receipt apart.
    pub(super) taken_on: BTreeSet<(DeviceId, Timestamp, Option<CompactString>, u64)>,
    /// Since when it calls nobody any more and only listens to those who are still on the line.
    pub(super) resting_since: Option<Instant>,
}

impl StandIn {
    pub(super) fn decide(&mut self, input: Input) {
        let now = self.clock.now();
        // At rest only what is told counts: what falls due is the engine's.
        let at = if self.resting_since.is_none() { now } else { self.pipeline.last_at() };
        let mut records = Vec::new();
        self.pipeline.decide(input, at, &mut records);
        self.hang_up(&records);
    }

    /// What rings and is not wanted any more is hung up, where the provider allows it.
    fn hang_up(&self, records: &[Record]) {
        for decision in records.iter().flat_map(|record| &record.decisions) {
            let Decision::Event(event) = decision else { continue };
            let Entity::Attempt(attempt) = &event.entity else { continue };
            if attempt.channel == Channel::Voice && attempt.state == AttemptState::Cancelled {
                let (channels, attempt) = (Arc::clone(&self.channels), attempt.clone());
                tokio::spawn(async move { channels.hang_up(&attempt).await });
            }
        }
    }

    /// A message of its own, for the engine.
    pub(super) fn stood_in(&self, id: AttemptId, seal: &Seal) -> Option<Deed> {
        let attempt = self.pipeline.attempt(id)?;
        let mut open = self.pipeline.open_incidents();
        let incident = open.find(|incident| Some(incident.id) == attempt.incident)?;
        let plain = codec::to_bytes(attempt).ok()?;
        let sealed = STANDARD.encode(seal.close(STOOD_IN, plain).ok()?);
        Some(Deed::StoodIn { about: Some((incident.wearer.clone(), incident.kind)), sealed })
    }
}

/// The state as it is on disk, and whether nothing of it was damaged.
pub(super) fn load(config: &Config) -> anyhow::Result<(Pipeline, bool)> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let layout = store::DataDir::new(&config.data);
    let (mut pipeline, seq) = checkpoint::load(&*disk, &layout.checkpoints(), config.zone)?;
    let mut is_whole = true;
    for item in store::read_from(disk, &layout.journal(), seq + 1)? {
        match item {
            Ok((seq, record)) => pipeline.apply(seq, &record),
            Err(error) => {
                is_whole = false;
                tracing::warn!(%error, "the watchdog passes over a damaged place of the journal");
            }
        }
    }
    Ok((pipeline, is_whole))
}
