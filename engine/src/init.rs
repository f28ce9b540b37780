//! `yinling init`: a data directory with its keys and the first administrator's token.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use model::staff::ApiToken;
use model::{
    Account, AccountId, AccountState, Actor, Clock, Decision, Input, OrgPath, PersonId, Record, Reply, Role,
    StaffCommand,
};
use store::{Disk, Journal, JournalConfig, RealDisk};

use crate::clock::SystemClock;
use crate::data_dir::DataDir;
use crate::secrets;

/// What is shown once, when a data directory is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Initialised {
    /// The first administrator's token, for programs.
    pub token: String,
    /// The first administrator's account, for people.
    pub account: &'static str,
    /// Its password.
    pub password: String,
}

/// The name of the first administrator's account.
const FIRST_ACCOUNT: &str = "admin";

/// Makes a data directory with the administrator's token and account, whose secrets are shown once and stored hashed.
///
/// # Errors
/// When there is data already, or the directory cannot be written.
pub fn init(dir: &Path) -> anyhow::Result<Initialised> {
    let (data_dir, secrets) = DataDir::begin_init(dir)?;
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
        person: None,
    };
    let password = secrets::new_password()?;
    let account = Account {
        id: AccountId::new(FIRST_ACCOUNT),
        person: PersonId::new(FIRST_ACCOUNT),
        name: "管理员".to_owned(),
        role: Role::Admin,
        scope: OrgPath::new("/"),
        password_hash: secrets.hash_password(&password)?.into(),
        state: AccountState::Active,
        version: 1,
        sessions_epoch: 1,
        created_at: now,
        changed_at: now,
    };
    let record = |command: StaffCommand, decision: Decision| Record {
        at: now,
        input: Input::Command {
            actor: Actor { person: PersonId::new("init"), role: Role::Admin, scope: OrgPath::new("/") },
            idempotency_key: None,
            command,
        },
        decisions: vec![decision, Decision::Reply(Box::new(Reply::Done(None)))],
    };
    let account = Box::new(account);
    let records = [
        record(StaffCommand::CreateToken(token.clone()), Decision::Token(token)),
        record(StaffCommand::CreateAccount(account.clone()), Decision::Account(account)),
    ];
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (opened, _) = Journal::open(disk, &data_dir.journal(), JournalConfig::default())?;
    let (failed, failure) = std::sync::mpsc::channel();
    let journal = opened.start(|_: store::Committed<()>| {}, move |error| drop(failed.send(error)))?;
    let mut batch = journal.batch();
    records.iter().try_for_each(|record| batch.push(record).map(drop))?;
    journal.submit(batch, ())?;
    journal.close();
    if let Ok(error) = failure.try_recv() {
        return Err(error).context("writing the first record of the journal");
    }
    data_dir.complete_init()?;
    Ok(Initialised { token: made.text, account: FIRST_ACCOUNT, password })
}
