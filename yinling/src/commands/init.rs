//! `yinling init`

use engine::config::Overrides;

use super::ConfigArgs;
use crate::output;

/// The arguments of `init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Makes the data directory. The last line of stdout is the token: scripts read it.
pub fn run(args: Args) -> anyhow::Result<()> {
    let config = args.config.load(Overrides::default())?;
    let dir = config.data;
    let token = engine::init(&dir)?;
    output::line(&format!("initialised {}", dir.display()))?;
    output::line("the administrator's token, shown only now; keep it safe:")?;
    output::line(&format!("token: {token}"))?;
    eprintln!("next: yinling serve --data {}", dir.display());
    Ok(())
}
