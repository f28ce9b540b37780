//! `yinling completions`

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{Cli, output};

/// The arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// For which shell
    shell: Shell,
}

/// Writes the script.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "yinling", &mut script);
    let mut out = output::buffered();
    out.write_all(&script)?;
    out.flush()?;
    Ok(())
}
