//! Which provider carries which channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Attempt, Channel, Clock};

use crate::console::Console;
use crate::gateway::{Gateway, GatewayConfig};
use crate::shell::{Shell, ShellLimits};
use crate::{ConfigError, Provider};

/// How much longer than a gateway's own time-out its shell waits.
const SHELL_MARGIN_MS: u64 = 2_000;

/// The configured channels; what is `None` is shown on the console.
#[derive(Debug, Clone, Default)]
pub struct ChannelsConfig {
    /// Text messages.
    pub sms: Option<GatewayConfig>,
    /// Calls.
    pub voice: Option<GatewayConfig>,
    /// Push messages.
    pub push: Option<GatewayConfig>,
}

/// Every channel with its shell. Each has its own, also where two share an address: a jam of texts must not hold up
/// a call.
pub struct Channels {
    configured: BTreeMap<Channel, Vec<Arc<Shell>>>,
    console: Arc<Shell>,
}

impl Channels {
    /// Sets up what is configured.
    ///
    /// # Errors
    /// The channel's name, and what is wrong with it.
    pub fn new(
        config: ChannelsConfig,
        limits: ShellLimits,
        clock: &Arc<dyn Clock>,
    ) -> Result<Channels, (&'static str, ConfigError)> {
        let mut channels = Channels {
            configured: BTreeMap::new(),
            console: Arc::new(Shell::new(Arc::new(Console), limits, Arc::clone(clock))),
        };
        let gateways = [
            (Channel::Sms, "sms", config.sms),
            (Channel::Voice, "voice", config.voice),
            (Channel::Push, "push", config.push),
        ];
        for (channel, name, gateway) in gateways {
            let Some(gateway) = gateway else { continue };
            // The shell's time-out stands behind the gateway's own and must not cut in before it.
            let send_ms_max = limits.send_ms_max.max(gateway.timeout_ms.saturating_add(SHELL_MARGIN_MS));
            let limits = ShellLimits { send_ms_max, ..limits };
            let provider = Gateway::new(name, gateway, Arc::clone(clock)).map_err(|error| (name, error))?;
            channels.set(channel, Arc::new(provider), limits, clock);
        }
        Ok(channels)
    }

    /// Puts a provider on a channel, in a shell of its own, behind those that are there: it is tried when they pass
    /// an attempt over.
    pub fn add(&mut self, channel: Channel, provider: Arc<dyn Provider>, limits: ShellLimits, clock: &Arc<dyn Clock>) {
        let shell = Arc::new(Shell::new(provider, limits, Arc::clone(clock)));
        self.configured.entry(channel).or_default().push(shell);
    }

    /// Puts a provider on a channel alone, in a shell of its own.
    pub fn set(&mut self, channel: Channel, provider: Arc<dyn Provider>, limits: ShellLimits, clock: &Arc<dyn Clock>) {
        self.configured.remove(&channel);
        self.add(channel, provider, limits, clock);
    }

    /// Who is to carry an attempt: the first of its channel that did not pass it over, and whether there is another
    /// after that. When all of them did, the first again.
    #[must_use]
    pub fn carrier(&self, attempt: &Attempt) -> (&Arc<Shell>, bool) {
        let shells = self.configured.get(&attempt.channel).map_or(&[][..], Vec::as_slice);
        let passed_over = |shell: &&Arc<Shell>| attempt.passed_over.iter().any(|name| name == shell.name());
        let mut left = shells.iter().filter(|shell| !passed_over(shell));
        let first = left.next().or(shells.first()).unwrap_or(&self.console);
        (first, left.next().is_some())
    }

    /// Who carries a channel; the console where nobody is configured.
    #[must_use]
    pub fn of(&self, channel: Channel) -> &Arc<Shell> {
        self.configured.get(&channel).and_then(|shells| shells.first()).unwrap_or(&self.console)
    }

    /// Whether somebody is configured for a channel.
    #[must_use]
    pub fn is_configured(&self, channel: Channel) -> bool {
        self.configured.contains_key(&channel)
    }

    /// Every configured shell, for `/readyz` and for probing.
    pub fn configured(&self) -> impl Iterator<Item = &Arc<Shell>> {
        self.configured.values().flatten()
    }
}
