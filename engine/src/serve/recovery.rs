//! What a start finds on disk: the newest checkpoint, the journal's tail after it, and the view; and whom a restore brought
//! back that had been erased.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use model::staff::Known;
use model::{Actor, Input, PersonId, Reply, StaffCommand};
use store::{Disk, Journal, JournalConfig, Recovery, State, StateConfig};
use tokio::sync::oneshot;

use crate::authority::Authority;
use crate::checkpoint;
use crate::config::Config;
use crate::erasure;
use crate::inbox::{Inbox, Work};
use crate::pipeline::Pipeline;
use crate::read_ahead::{device_of, read_ahead};

/// In whose name somebody is erased again after a restore.
const RESTORER: &str = "restore";

/// What recovery found on disk.
pub(super) struct Recovered {
    pub(super) pipeline: Pipeline,
    pub(super) opened: store::OpenedJournal,
    pub(super) recovery: Recovery,
    pub(super) state: Arc<State>,
    pub(super) checkpoint_seq: u64,
}

/// Brings the state back: the newest checkpoint, then the journal's tail.
pub(super) fn recover(disk: &Arc<dyn Disk>, layout: &store::DataDir, config: &Config) -> anyhow::Result<Recovered> {
    let journal_config = JournalConfig { segment_bytes: config.journal.segment_bytes, ..JournalConfig::default() };
    let (opened, recovery) = Journal::open(Arc::clone(disk), &layout.journal(), journal_config)?;
    if let Some(torn) = &recovery.torn {
        tracing::warn!(?torn, "the journal ended in an unfinished batch, as after a crash; it was cut");
    }
    for damage in &recovery.damage {
        tracing::error!(?damage, "the journal is damaged; restore a backup if what is missing matters");
    }
    let (mut pipeline, checkpoint_seq) = checkpoint::load(&**disk, &layout.checkpoints(), config.zone)?;
    pipeline.set_sla(config.casework.clone());
    anyhow::ensure!(
        recovery.first_seq <= checkpoint_seq + 1 || recovery.first_seq == 0,
        "the journal begins at record {}, but the newest checkpoint ends at {checkpoint_seq}: restore a backup",
        recovery.first_seq
    );
    let mut applied = 0u64;
    let (parts, reading) = read_ahead(opened.read_from(checkpoint_seq + 1)?)?;
    for part in parts {
        pipeline.foresee_devices(part.iter().filter_map(device_of));
        for item in part {
            match item {
                Ok((seq, record)) => {
                    pipeline.apply(seq, &record);
                    applied += 1;
                }
                Err(store::StoreError::Damage(damage)) => tracing::error!(?damage, "passed over"),
                Err(error) => return Err(error.into()),
            }
        }
    }
    reading.join().map_err(|_| anyhow!("reading the journal panicked"))?;
    tracing::info!(checkpoint_seq, applied, last_seq = recovery.last_seq, "state recovered");
    let (state, origin) =
        store::open_state(disk, layout, recovery.first_seq, recovery.last_seq, &StateConfig::default())?;
    if let store::Opened::MovedAside { to, reason } = &origin.opened {
        tracing::error!(to = %to.display(), reason, "the state would not open; it was moved aside and is rebuilt");
    }
    if let Some((from, to)) = origin.missing {
        tracing::error!(from, to, "neither an export nor the journal holds these records: the state misses them");
    }
    state.set_feed_epoch(store::epoch::load(&**disk, layout.root())?);
    Ok(Recovered { pipeline, opened, recovery, state, checkpoint_seq })
}

/// Whom a restore brought back.
pub(super) fn erased_since(config: &Config, pipeline: &Pipeline) -> anyhow::Result<Vec<erasure::Tombstone>> {
    let known: Vec<erasure::Tombstone> = pipeline.erased().map(Into::into).collect();
    let mut listed = erasure::ledger(&config.data).context(erasure::LEDGER_FILE)?;
    listed.retain(|tombstone| !known.contains(tombstone));
    Ok(listed)
}

/// Erases once more whom a restore brought back.
pub(super) fn erase_again(
    gone: Vec<erasure::Tombstone>,
    inbox: &Inbox,
    now: model::Timestamp,
) -> Vec<oneshot::Receiver<(u64, Reply)>> {
    let mut answers = Vec::new();
    for erasure::Tombstone { kind, subject } in gone {
        let actor =
            Actor { person: PersonId::new(RESTORER), role: model::Role::Admin, scope: model::OrgPath::new("/") };
        let command = StaffCommand::Erase { kind, subject, known: Known::Nothing, again: true };
        let (reply, answer) = oneshot::channel();
        let input = Input::Command { actor, idempotency_key: None, command };
        let _ = inbox.urgent(Work::Input { input, received: now, reply: Some(reply) });
        answers.push(answer);
    }
    answers
}

/// Who may connect, as it was when the house closed.
pub(super) fn authority_of(pipeline: &Pipeline) -> Authority {
    let authority = Authority::new();
    let devices = pipeline.directory().devices.iter().map(|(_, entry)| model::Device::clone(&entry.device)).collect();
    authority.apply(&model::RegistryChange { devices, ..model::RegistryChange::default() });
    pipeline.tokens().for_each(|token| {
        authority.apply_token(token);
    });
    pipeline.accounts().all().for_each(|account| authority.apply_account(account.clone()));
    pipeline.accounts().sessions().for_each(|session| authority.apply_session(session.clone()));
    pipeline.audit().glasses().for_each(|glass| authority.apply_glass(glass.clone()));
    pipeline.step_ups().for_each(|step_up| authority.apply_step_up(step_up.clone(), step_up.sent_at));
    pipeline.alerting().watches().for_each(|watch| authority.apply_watch(watch.clone(), watch.since));
    for (person, phone, at) in pipeline.reach().reached() {
        authority.apply_reached(person.clone(), phone.0.clone(), at);
    }
    authority
}
