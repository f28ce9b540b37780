//! Stories of accounts and sessions.

use model::account::SESSIONS_PER_ACCOUNT_MAX;
use model::{
    Account, AccountChange, AccountId, AccountState, Actor, Decision, Input, OrgPath, PersonId, Record, Reply, Role,
    Session, StaffCommand, Timestamp,
};

use super::Pipeline;
use super::tests::{ZONE, at, command, image, recovered};

fn account(id: &str, scope: &str) -> Account {
    Account {
        id: AccountId::new(id),
        person: PersonId::new(id),
        name: id.to_owned(),
        role: Role::Desk,
        scope: OrgPath::new(scope),
        password_hash: "$argon2id$old".into(),
        state: AccountState::Disabled,
        version: 77,
        sessions_epoch: 77,
        created_at: Timestamp::EPOCH,
        changed_at: Timestamp::EPOCH,
    }
}

pub(super) fn create(id: &str, scope: &str) -> StaffCommand {
    StaffCommand::CreateAccount(Box::new(account(id, scope)))
}

fn session(secret: u8, epoch: u32, began: f64) -> Session {
    Session {
        secret_sha256: [secret; 32],
        account: AccountId::new("desk1"),
        epoch,
        began_at: at(began),
        expires_at: at(began + 43_200.0),
        ended: false,
    }
}

fn change(id: &str, if_match: Option<u32>, change: AccountChange) -> StaffCommand {
    StaffCommand::ChangeAccount { id: AccountId::new(id), if_match, change: Box::new(change) }
}

fn by(role: Role, person: &str, scope: &str, command: StaffCommand) -> Input {
    let actor = Actor { person: PersonId::new(person), role, scope: OrgPath::new(scope) };
    Input::Command { actor, idempotency_key: None, command }
}

/// What the last command was answered, in a word.
fn answer(records: &[Record]) -> String {
    let mut replies = records.last().unwrap().decisions.iter().filter_map(|decision| match decision {
        Decision::Reply(reply) => Some(&**reply),
        _ => None,
    });
    match replies.next_back().unwrap() {
        Reply::Done(_) => "done".to_owned(),
        Reply::Refused(problem) => problem.code.name().to_owned(),
    }
}

#[test]
fn accounts_are_kept_by_administrators_of_their_part_of_the_tree() {
    let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
    let password = || AccountChange { password_hash: Some("$argon2id$new".into()), ..AccountChange::default() };
    let disable = || AccountChange { state: Some(AccountState::Disabled), ..AccountChange::default() };
    let scope = |scope: &str| AccountChange { scope: Some(OrgPath::new(scope)), ..AccountChange::default() };
    for (input, expected) in [
        (by(Role::Desk, "s1", "/", create("desk1", "/luyang/")), "not-allowed"),
        (by(Role::Admin, "a1", "/luyang/", create("desk1", "/")), "not-allowed"),
        (by(Role::Admin, "a1", "/luyang/", create("desk1", "/luyang/")), "done"),
        (by(Role::Admin, "a1", "/", create("desk1", "/luyang/")), "invalid"),
        (by(Role::Admin, "a2", "/shushan/", change("desk1", None, disable())), "not-found"),
        (by(Role::Desk, "s2", "/", change("desk1", None, password())), "not-allowed"),
        (by(Role::Desk, "desk1", "/luyang/", change("desk1", None, scope("/"))), "not-allowed"),
        (by(Role::Desk, "desk1", "/luyang/", change("desk1", None, password())), "done"),
        (by(Role::Admin, "a1", "/luyang/", change("desk1", None, scope("/"))), "not-allowed"),
        (by(Role::Admin, "a1", "/", change("desk1", Some(1), disable())), "stale"),
        (by(Role::Admin, "a1", "/", change("desk1", Some(2), disable())), "done"),
        (by(Role::Admin, "a1", "/", change("nobody", None, disable())), "not-found"),
    ] {
        pipeline.decide(input.clone(), at(0.0), &mut records);
        assert_eq!(answer(&records), expected, "{input:?}");
    }
    let kept = pipeline.accounts().all().next().unwrap();
    assert_eq!((kept.version, kept.state, kept.created_at), (3, AccountState::Disabled, at(0.0)));
    assert_eq!(image(&pipeline), image(&recovered(&records)), "recovered from the journal");
}

#[test]
fn sessions_begin_and_end_and_a_recovery_knows_them() {
    let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
    pipeline.decide(command(create("desk1", "/"), None), at(0.0), &mut records);
    let begin = |pipeline: &mut Pipeline, records: &mut Vec<Record>, secret: u8, epoch: u32, seconds: f64| {
        let input = command(StaffCommand::BeginSession(session(secret, epoch, seconds)), None);
        pipeline.decide(input, at(seconds), records);
        answer(records)
    };
    assert_eq!(begin(&mut pipeline, &mut records, 1, 7, 1.0), "not-found", "the password changed since it was seen");
    for n in 0..=SESSIONS_PER_ACCOUNT_MAX {
        assert_eq!(begin(&mut pipeline, &mut records, 10 + n as u8, 1, 2.0 + n as f64), "done");
    }
    let open: Vec<u8> = pipeline.accounts().sessions().map(|session| session.secret_sha256[0]).collect();
    assert_eq!((open.len(), open[0]), (SESSIONS_PER_ACCOUNT_MAX, 11), "the oldest gave way");
    pipeline.decide(command(StaffCommand::EndSession([11; 32]), None), at(60.0), &mut records);
    assert_eq!(pipeline.accounts().sessions().count(), SESSIONS_PER_ACCOUNT_MAX - 1);
    assert_eq!(image(&pipeline), image(&recovered(&records)), "recovered from the journal");
    // Twelve hours later all have run out; the next one sweeps them away.
    assert_eq!(begin(&mut pipeline, &mut records, 99, 1, 50_000.0), "done");
    assert_eq!(pipeline.accounts().sessions().count(), 1);
    let disable = AccountChange { state: Some(AccountState::Disabled), ..AccountChange::default() };
    pipeline.decide(command(change("desk1", None, disable), None), at(50_001.0), &mut records);
    assert_eq!(pipeline.accounts().sessions().count(), 0);
    assert_eq!(begin(&mut pipeline, &mut records, 100, 2, 50_002.0), "not-found", "it is locked");
    assert_eq!(image(&pipeline), image(&recovered(&records)), "recovered from the journal");
}

#[test]
fn making_an_account_twice_with_one_key_makes_one() {
    let (mut pipeline, mut records) = (Pipeline::new(ZONE), Vec::new());
    pipeline.decide(command(create("desk1", "/"), Some("k")), at(0.0), &mut records);
    // The repeat was hashed with another salt, at another time.
    let mut again = account("desk1", "/");
    (again.password_hash, again.created_at) = ("$argon2id$other".into(), at(9.0));
    let again = StaffCommand::CreateAccount(Box::new(again));
    for mut pipeline in [recovered(&records), pipeline] {
        pipeline.decide(command(again.clone(), Some("k")), at(10.0), &mut records);
        assert_eq!(answer(&records), "done");
        pipeline.decide(command(create("desk2", "/"), Some("k")), at(10.0), &mut records);
        assert_eq!(answer(&records), "key-reused");
        assert_eq!(pipeline.accounts().all().count(), 1);
    }
}
