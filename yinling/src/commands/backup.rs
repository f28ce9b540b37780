//! `yinling backup` and `yinling restore`

use std::path::PathBuf;

use engine::config::Overrides;

use super::ConfigArgs;
use crate::output;

/// The arguments of `backup`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// A new directory for the backup
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Takes the keys along: whoever has such a backup can speak as every device
    #[arg(long)]
    with_keys: bool,
}

/// The arguments of `restore`.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The backup
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Where the keys are, when they are not in the backup
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// A directory with a newer list of who was erased than the backup's own: the data directory that was lost, if it
    /// can still be read
    #[arg(long, value_name = "DIR")]
    erased: Option<PathBuf>,
}

/// Backs up, while it is served or not.
pub fn run(args: Args) -> anyhow::Result<()> {
    let data = args.config.load(Overrides::default())?.data;
    let made = engine::backup::backup(&data, &args.to, args.with_keys)?;
    output::line(&format!("backed up through {} at {} in {}", made.through_seq, made.at, args.to.display()))?;
    if !args.with_keys {
        eprintln!("the keys are not in it: keep a copy of {} somewhere else", data.join("keys").display());
    }
    Ok(())
}

/// Restores into a new directory.
pub fn restore(args: RestoreArgs) -> anyhow::Result<()> {
    let data = args.config.load(Overrides::default())?.data;
    let made = engine::backup::restore(&args.from, &data, args.keys.as_deref(), args.erased.as_deref())?;
    output::line(&format!("restored through {} of {} to {}", made.through_seq, made.at, data.display()))?;
    Ok(())
}
