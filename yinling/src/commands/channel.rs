//! `yinling channel`: trying out how people are reached.

use engine::channel_test;
use engine::config::Overrides;
use model::Channel;

use super::{ConfigArgs, runtime};
use crate::output;

/// The subcommands of `channel`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Sends one test message, as configured; no server is needed
    Test {
        #[command(flatten)]
        config: ConfigArgs,
        /// sms, voice, push, email or robot
        #[arg(value_parser = channel)]
        channel: Channel,
        /// To which number (E.164), topic or address; a robot ignores it
        #[arg(long, value_name = "TO", default_value = "")]
        to: String,
    },
    /// Prints the address that the channel's provider is to post receipts, replies and keys to. It is a secret
    Url {
        #[command(flatten)]
        config: ConfigArgs,
        /// sms or voice
        #[arg(value_parser = channel)]
        channel: Channel,
    },
}

/// Runs one of them.
pub fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Test { config, channel, to } => {
            let config = config.load(Overrides::default())?;
            let told = runtime()?.block_on(channel_test::send(&config, channel, &to))?;
            output::line(&told)?;
        }
        Command::Url { config, channel } => {
            let config = config.load(Overrides::default())?;
            output::line(&channel_test::callback_url(&config, channel)?)?;
        }
    }
    Ok(())
}

fn channel(text: &str) -> Result<Channel, String> {
    let known = channel_test::CHANNELS;
    known.iter().find(|(name, _)| *name == text).map(|(_, channel)| *channel).ok_or_else(|| {
        let names = known.map(|(name, _)| name).join(", ");
        format!("there are {names}")
    })
}
