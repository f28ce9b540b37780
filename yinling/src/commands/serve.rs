//! `yinling serve`

use std::net::SocketAddr;

use engine::config::Overrides;
use engine::serve::Ready;

use super::{ConfigArgs, asked_to_end, runtime};
use crate::output;

/// The arguments of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where to listen for HTTP, e.g. 127.0.0.1:8080; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Where to listen for MQTT, e.g. 127.0.0.1:1883; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    mqtt: Option<SocketAddr>,
}

/// Serves until the process is asked to end.
pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { config, http, mqtt } = args;
    let watchdog = config.watchdog_command()?;
    let mut config = config.load(Overrides { http, mqtt, ..Overrides::default() })?;
    if let Some(settings) = &mut config.watchdog {
        settings.command = watchdog;
    }
    let warnings = config.warnings();
    runtime()?.block_on(async {
        let shutdown = asked_to_end(|| {})?;
        // Said once it serves: before what keeps it from serving they would only hide that.
        let on_ready = move |ready| {
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            announce(ready);
        };
        engine::serve::run(config, on_ready, shutdown).await
    })
}

/// Scripts wait for this line.
fn announce(ready: Ready) {
    let Ready { http, mqtt, tls } = ready;
    let tls = tls.map_or_else(String::new, |tls| format!(" https={} mqtts={}", tls.https, tls.mqtts));
    if output::line(&format!("ready http={http} mqtt={mqtt}{tls}")).is_err() {
        tracing::warn!("stdout is closed; serving on http={http} mqtt={mqtt}");
    }
}
