//! `yinling token`

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::client::Server;
use crate::output;

/// The roles that a token may have, as the API names them.
const ROLES: [&str; 10] = [
    "admin",
    "operator",
    "integration",
    "desk",
    "grid_worker",
    "volunteer",
    "street",
    "department",
    "doctor",
    "guardian",
];

/// The subcommands of `token`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Makes a token; the last line of stdout shows it, this once
    Create(Create),
    /// Lists the tokens, without their secrets
    List(List),
    /// Ends a token at once
    Revoke(Revoke),
}

/// The arguments of `token create`.
#[derive(Debug, clap::Args)]
pub struct Create {
    /// What the token is for, e.g. "street platform"
    #[arg(long)]
    label: String,
    /// In whose role it acts
    #[arg(long, value_parser = ROLES, default_value = "integration")]
    role: String,
    /// The part of the organisation tree that it sees, e.g. /luyang/xinghua/; without it, all that you see
    #[arg(long, value_name = "PATH")]
    scope: Option<String>,
    /// In whose name it acts: a person of the registry. A doctor's token has to name the doctor
    #[arg(long, value_name = "ID")]
    person: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// The arguments of `token list`.
#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    server: Server,
}

/// The arguments of `token revoke`.
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The token's id: what stands between `yl_` and the next `_`
    id: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
struct Created {
    id: String,
    token: String,
}

#[derive(Deserialize)]
struct Listing {
    data: Vec<Token>,
}

#[derive(Deserialize)]
struct Token {
    id: String,
    label: String,
    role: String,
    scope: String,
    created_at: String,
    revoked: bool,
}

/// Runs one of them.
pub fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Create(args) => create(args),
        Command::List(args) => list(args),
        Command::Revoke(args) => revoke(args),
    }
}

fn create(args: &Create) -> anyhow::Result<()> {
    let body = json!({"label": args.label, "role": args.role, "scope": args.scope, "person": args.person}).to_string();
    let created: Created =
        args.server.talk(async |client| client.ask(Method::POST, "tokens", Some(body.into_bytes())).await)?;
    output::line(&format!("id: {}", created.id))?;
    output::line(&format!("token: {}", created.token))?;
    eprintln!("the token is shown only now; end it with: yinling token revoke {}", created.id);
    Ok(())
}

fn list(args: &List) -> anyhow::Result<()> {
    let listing: Listing = args.server.talk(async |client| client.ask(Method::GET, "tokens", None).await)?;
    for token in listing.data {
        let state = if token.revoked { "ended" } else { "valid" };
        let Token { id, label, role, scope, created_at, .. } = token;
        output::line(&format!("{id}\t{state}\t{role}\t{scope}\t{created_at}\t{label}"))?;
    }
    Ok(())
}

fn revoke(args: &Revoke) -> anyhow::Result<()> {
    anyhow::ensure!(
        model::id::is_well_formed(&args.id) && !args.id.starts_with("yl_"),
        "{} is no token id; give the part between `yl_` and the next `_`, not the token itself",
        if args.id.starts_with("yl_") { "that" } else { &args.id }
    );
    let path = format!("tokens/{}", args.id);
    args.server.talk(async |client| client.tell(Method::DELETE, &path).await)?;
    output::line(&format!("ended: {}", args.id))?;
    Ok(())
}
