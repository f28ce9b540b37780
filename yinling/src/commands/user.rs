//! `yinling user`

use std::io::Read;

use anyhow::Context;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Server;
use crate::output;

/// The roles of people who sign in, as the API names them.
const ROLES: [&str; 8] = ["admin", "operator", "desk", "grid_worker", "volunteer", "street", "department", "doctor"];
/// The longest password that is read, in bytes; the engine says what it takes.
const PASSWORD_BYTES_MAX: u64 = 4_096;

/// The subcommands of `user`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Makes an account; without --password-stdin a password is made, and shown this once
    Add(Add),
    /// Lists the accounts
    List(List),
    /// Gives an account another password and signs it out everywhere
    Password(Password),
    /// Locks an account and signs it out everywhere
    Disable(Switch),
    /// Unlocks an account
    Enable(Switch),
    /// Removes an account for good; its name stays taken
    Remove(Switch),
}

/// The arguments of `user add`.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// The name that is typed when signing in
    id: String,
    /// In which role
    #[arg(long, value_parser = ROLES)]
    role: String,
    /// What they are called
    #[arg(long)]
    name: Option<String>,
    /// The person of the registry, whose name stands on what is done; a doctor sees that person's patients
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    /// The part of the organisation tree that it sees, e.g. /luyang/xinghua/; without it, all that you see
    #[arg(long, value_name = "PATH")]
    scope: Option<String>,
    /// Reads the password from standard input, up to the end of its first line
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    server: Server,
}

/// The arguments of `user list`.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    server: Server,
}

/// The arguments of `user password`.
#[derive(Debug, clap::Args)]
pub struct Password {
    /// The account
    id: String,
    /// Reads the password from standard input, up to the end of its first line
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    server: Server,
}

/// The arguments of `user disable`, `enable` and `remove`.
#[derive(Debug, clap::Args)]
pub struct Switch {
    /// The account
    id: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Listing {
    data: Vec<Account>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    id: String,
    name: String,
    role: String,
    scope: String,
    state: String,
}

/// Runs one of them.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Add(args) => add(args),
        Command::List(args) => list(args),
        Command::Password(args) => password(args),
        Command::Disable(args) => change(args, Method::PATCH, Some(json!({"disabled": true})), "disabled"),
        Command::Enable(args) => change(args, Method::PATCH, Some(json!({"disabled": false})), "enabled"),
        Command::Remove(args) => change(args, Method::DELETE, None, "removed"),
    }
}

fn add(args: &Add) -> anyhow::Result<()> {
    let (password, is_made) = password_of(args.password_stdin)?;
    let body = json!({
        "id": args.id, "password": password, "role": args.role, "name": args.name, "person": args.person,
        "scope": args.scope,
    });
    let made: Account = args
        .server
        .talk(async |client| client.ask(Method::POST, "accounts", Some(body.to_string().into_bytes())).await)?;
    output::line(&format!("account: {}", made.id))?;
    show(&password, is_made)
}

fn list(args: &List) -> anyhow::Result<()> {
    let mut path = "accounts?limit=500".to_owned();
    loop {
        let listing: Listing = args.server.talk(async |client| client.ask(Method::GET, &path, None).await)?;
        for Account { id, name, role, scope, state } in listing.data {
            output::line(&format!("{id}\t{state}\t{role}\t{scope}\t{name}"))?;
        }
        match listing.next {
            Some(next) => path = next.trim_start_matches("/api/v1/").to_owned(),
            None => return Ok(()),
        }
    }
}

fn password(args: &Password) -> anyhow::Result<()> {
    let path = path_of(&args.id)?;
    let (password, is_made) = password_of(args.password_stdin)?;
    let body = json!({"password": password}).to_string().into_bytes();
    let _: Value = args.server.talk(async |client| client.ask(Method::PATCH, &path, Some(body)).await)?;
    output::line(&format!("account: {}", args.id))?;
    show(&password, is_made)
}

fn change(args: &Switch, method: Method, body: Option<Value>, done: &str) -> anyhow::Result<()> {
    let path = path_of(&args.id)?;
    match body {
        None => args.server.talk(async |client| client.tell(method, &path).await)?,
        Some(body) => {
            let body = body.to_string().into_bytes();
            let _: Value = args.server.talk(async |client| client.ask(method, &path, Some(body)).await)?;
        }
    }
    output::line(&format!("{done}: {}", args.id))?;
    Ok(())
}

fn path_of(id: &str) -> anyhow::Result<String> {
    anyhow::ensure!(model::id::is_well_formed(id), "{id:?} is no account: ASCII letters, digits, - _ . : are taken");
    Ok(format!("accounts/{id}"))
}

/// The password of standard input, or a new one and that it is new.
fn password_of(from_stdin: bool) -> anyhow::Result<(String, bool)> {
    if !from_stdin {
        return Ok((engine::secrets::new_password()?, true));
    }
    let mut text = String::new();
    std::io::stdin().lock().take(PASSWORD_BYTES_MAX).read_to_string(&mut text).context("reading the password")?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    anyhow::ensure!(!password.is_empty(), "there is no password on standard input");
    Ok((password, false))
}

fn show(password: &str, is_made: bool) -> anyhow::Result<()> {
    if is_made {
        output::line(&format!("password: {password}"))?;
        eprintln!("the password is shown only now");
    }
    Ok(())
}
