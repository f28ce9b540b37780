//! `yinling-sim`: the neighbourhood in a box, for testers.

use std::process::ExitCode;

fn main() -> ExitCode {
    simulator::cli::main()
}
