//! `yinling init`

use engine::config::Overrides;

use super::ConfigArgs;
use crate::output;

/// The arguments of `init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Makes a certificate for this machine too, so that `serve` offers HTTPS and MQTT over TLS at once
    #[arg(long)]
    self_signed: bool,
    /// One more name or address that the certificate is for
    #[arg(long, value_name = "NAME", requires = "self_signed")]
    tls_name: Vec<String>,
}

/// Makes the data directory. The last line of stdout is the token: scripts read it.
pub fn run(args: Args) -> anyhow::Result<()> {
    let config = args.config.load(Overrides::default())?;
    let dir = config.data;
    let made = engine::init(&dir)?;
    if args.self_signed {
        let certificate = engine::tls::make_self_signed(&dir, &args.tls_name)?;
        output::line(&format!("certificate: {}", certificate.display()))?;
    }
    output::line(&format!("initialised {}", dir.display()))?;
    output::line(
        "the administrator's account for the console and token for programs, shown only now; keep them safe:",
    )?;
    output::line(&format!("account: {}", made.account))?;
    output::line(&format!("password: {}", made.password))?;
    output::line(&format!("token: {}", made.token))?;
    eprintln!("next: yinling serve --data {}", dir.display());
    Ok(())
}
