//! `yinling audit`

use anyhow::{Context, bail};
use engine::config::Overrides;

use super::ConfigArgs;
use crate::output;

/// The subcommands of `audit`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Looks through the whole audit and tells what was changed, dropped or moved; also while somebody serves
    Verify(Verify),
}

/// The arguments of `audit verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {
    #[command(flatten)]
    config: ConfigArgs,
    /// A head that an earlier run showed: tells whether anything up to there was cut off or written anew
    #[arg(long, value_name = "NUMBER:HASH", value_parser = head)]
    head: Option<(u64, [u8; 32])>,
}

/// Runs it. The last line of stdout is the head.
pub fn run(command: Command) -> anyhow::Result<()> {
    let Command::Verify(args) = command;
    let data = args.config.load(Overrides::default())?.data;
    let verdict = engine::audit::verify(&data, args.head)?;
    for fault in &verdict.faults {
        eprintln!("{fault}");
    }
    if !verdict.faults.is_empty() {
        bail!("the audit of {} is not whole ({} faults)", data.display(), verdict.faults.len());
    }
    let (number, hash) = verdict.head;
    output::line(&format!("entries: {} from {} to {number}, whole", verdict.entries, verdict.oldest))?;
    if verdict.purposes_erased > 0 {
        let erased = verdict.purposes_erased;
        output::line(&format!("purposes taken out because whom they were about was erased: {erased}"))?;
    }
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    output::line(&format!("head: {number}:{hash}"))?;
    Ok(())
}

fn head(text: &str) -> anyhow::Result<(u64, [u8; 32])> {
    let (number, hex) = text.split_once(':').context("NUMBER:HASH, as `audit verify` showed it")?;
    anyhow::ensure!(hex.len() == 64 && hex.is_ascii(), "the hash has 64 hexadecimal digits");
    let mut hash = [0; 32];
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).context("the hash has 64 hexadecimal digits")?;
    }
    Ok((number.parse().context("the number before the colon")?, hash))
}
