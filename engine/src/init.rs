//! `yinling init`: a data directory with its keys and the first administrator's token.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use model::staff::ApiToken;
use model::{Actor, Clock, Decision, Input, OrgPath, PersonId, Record, Reply, Role, StaffCommand};
use store::{Disk, Journal, JournalConfig, RealDisk};

use crate::clock::SystemClock;
use crate::data_dir::DataDir;
use crate::secrets;

/// Makes a data directory and returns the administrator's token, which is shown once and stored hashed.
///
/// # Errors
/// When there is data already, or the directory cannot be written.
pub fn init(dir: &Path) -> anyhow::Result<String> {
    let (data_dir, _secrets) = DataDir::begin_init(dir)?;
    let made = secrets::new_api_token()?;
    let now = SystemClock::new(None).now();
    let token = ApiToken {
        id: made.id,
        secret_sha256: made.secret_sha256,
        label: "first administrator".into(),
        role: Role::Admin,
        scope: OrgPath::new("/"),
        created_at: now,
        revoked: false,
    };
    let record = Record {
        at: now,
        input: Input::Command {
            actor: Actor { person: PersonId::new("init"), role: Role::Admin, scope: OrgPath::new("/") },
            idempotency_key: None,
            command: StaffCommand::CreateToken(token.clone()),
        },
        decisions: vec![Decision::Token(token), Decision::Reply(Box::new(Reply::Done(None)))],
    };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (opened, _) = Journal::open(disk, &data_dir.journal(), JournalConfig::default())?;
    let (failed, failure) = std::sync::mpsc::channel();
    let journal = opened.start(|_: store::Committed<()>| {}, move |error| drop(failed.send(error)))?;
    let mut batch = journal.batch();
    batch.push(&record)?;
    journal.submit(batch, ())?;
    journal.close();
    if let Ok(error) = failure.try_recv() {
        return Err(error).context("writing the first record of the journal");
    }
    data_dir.complete_init()?;
    Ok(made.text)
}
