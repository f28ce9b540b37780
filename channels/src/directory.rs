//! Which provider carries which channel, and who steps in for it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use compact_str::CompactString;
use model::record::SendResult;
use model::{Attempt, AttemptId, Channel, Clock, Timestamp};
use parking_lot::Mutex;

use crate::aliyun_sms::AliyunSms;
use crate::aliyun_voice::AliyunVoice;
use crate::bark::Bark;
use crate::callback::{Evidence, InFlight, Post, Refusal};
use crate::carrier::{Carrier, carriers_of};
use crate::console::Console;
use crate::dingtalk::DingTalk;
use crate::feishu::Feishu;
use crate::gateway::{Gateway, GatewayConfig};
use crate::jpush::Jpush;
use crate::ntfy::Ntfy;
use crate::once::Shelves;
use crate::provider::{Links, Provider};
use crate::request::Vendor;
use crate::robot::{GroupVendor, Robot};
use crate::shell::{QUERY_MS_MAX, Shell, ShellLimits};
use crate::smtp::{Smtp, SmtpConfig};
use crate::tencent_sms::TencentSms;
use crate::tencent_voice::TencentVoice;
use crate::twilio::Twilio;
use crate::wecom::WeCom;
use crate::wire::{HttpProvider, Wire};
use crate::{ConfigError, Reachability};

/// How much longer than a provider's own time-out its shell waits.
const SHELL_MARGIN_MS: u64 = 2_000;
/// How long a robot may keep a message that may wait, to merge it with others, milliseconds.
const DIGEST_WAIT_MS: u64 = 60_000;
/// How many messages that may wait a robot merges at a time.
const DIGEST_SENDS_MAX: usize = 512;

/// A provider and what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each is described where it is defined
pub enum ProviderConfig {
    Gateway(GatewayConfig),
    AliyunSms(AliyunSms),
    AliyunVoice(AliyunVoice),
    TencentSms(TencentSms),
    TencentVoice(TencentVoice),
    Twilio(Twilio),
    Ntfy(Ntfy),
    Bark(Bark),
    Jpush(Jpush),
    Smtp(SmtpConfig),
    WeCom(WeCom),
    DingTalk(DingTalk),
    Feishu(Feishu),
}

impl ProviderConfig {
    /// Its `kind` in the configuration.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            ProviderConfig::Gateway(_) => "gateway",
            ProviderConfig::AliyunSms(_) | ProviderConfig::AliyunVoice(_) => "aliyun",
            ProviderConfig::TencentSms(_) | ProviderConfig::TencentVoice(_) => "tencent",
            ProviderConfig::Twilio(_) => "twilio",
            ProviderConfig::Ntfy(_) => "ntfy",
            ProviderConfig::Bark(_) => "bark",
            ProviderConfig::Jpush(_) => "jpush",
            ProviderConfig::Smtp(_) => "smtp",
            ProviderConfig::WeCom(_) => "wecom",
            ProviderConfig::DingTalk(_) => "dingtalk",
            ProviderConfig::Feishu(_) => "feishu",
        }
    }

    /// Whether it posts to `/api/v1/providers/…`.
    #[must_use]
    pub fn posts_back(&self) -> bool {
        matches!(
            self,
            ProviderConfig::AliyunSms(_)
                | ProviderConfig::AliyunVoice(_)
                | ProviderConfig::TencentSms(_)
                | ProviderConfig::TencentVoice(_)
                | ProviderConfig::Twilio(_)
        )
    }
}

/// A provider with its own limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Who.
    pub provider: ProviderConfig,
    /// How long one request may take, milliseconds.
    pub timeout_ms: u64,
    /// How many requests of the alarm lane at a time; a quarter as many of the other.
    pub concurrency: usize,
    /// How many a minute it takes; `None`: as many as there are.
    pub sends_per_minute: Option<u32>,
    /// From where it posts to us; empty: from anywhere.
    pub callback_from: Vec<IpAddr>,
    /// Of push the kind of app, of robots the name of the group that it is for; `None`: whoever no other one is for.
    pub serves: Option<CompactString>,
}

impl ProviderSettings {
    /// A provider with the default limits: 5 s, 64 at a time.
    #[must_use]
    pub fn new(provider: ProviderConfig) -> ProviderSettings {
        ProviderSettings {
            provider,
            timeout_ms: 5_000,
            concurrency: 64,
            sends_per_minute: None,
            callback_from: Vec::new(),
            serves: None,
        }
    }
}

/// The providers of every channel that has any, the first before those that step in for it.
pub type ChannelsConfig = BTreeMap<Channel, Vec<ProviderSettings>>;

/// Every channel with its providers. Each provider has its own shell, also where two share an address: a jam of texts
/// must not hold up a call.
pub struct Channels {
    configured: BTreeMap<Channel, Vec<Carrier>>,
    listeners: BTreeMap<Channel, Vec<Listener>>,
    console: Arc<Shell>,
    in_flight: Arc<Mutex<InFlight>>,
    heard: AtomicU64,
    refusals: Mutex<BTreeMap<(Channel, &'static str, Refusal), u64>>,
}

struct Listener {
    vendor: Arc<dyn Vendor>,
    from: Vec<IpAddr>,
}

impl Channels {
    /// Sets up what is configured. `kept` has, by the provider's name, the place where the keys stand that make a send
    /// harmless to repeat; `None`: nowhere, and a restart forgets them.
    ///
    /// # Errors
    /// The channel's name, and what is wrong with it.
    pub fn new(
        config: ChannelsConfig,
        limits: ShellLimits,
        clock: &Arc<dyn Clock>,
        kept: &Shelves<'_>,
    ) -> Result<Channels, (&'static str, ConfigError)> {
        let mut channels = Channels {
            configured: BTreeMap::new(),
            listeners: BTreeMap::new(),
            console: Arc::new(Shell::new(Arc::new(Console::default()), limits, Arc::clone(clock))),
            in_flight: Arc::default(),
            heard: AtomicU64::new(0),
            refusals: Mutex::default(),
        };
        for (channel, providers) in config {
            let mut steps_in = false;
            for settings in providers {
                let name = match &settings.serves {
                    Some(whom) => format!("{}.{whom}", name_of(channel)),
                    None if std::mem::replace(&mut steps_in, true) => format!("{}.backup", name_of(channel)),
                    None => name_of(channel).to_owned(),
                };
                channels
                    .add(channel, &name, settings, (limits, kept), clock)
                    .map_err(|error| (name_of(channel), error))?;
            }
        }
        Ok(channels)
    }

    fn add(
        &mut self,
        channel: Channel,
        name: &str,
        settings: ProviderSettings,
        (limits, kept): (ShellLimits, &Shelves<'_>),
        clock: &Arc<dyn Clock>,
    ) -> Result<(), ConfigError> {
        let limits = limits_of(channel, &settings, limits);
        let serves = settings.serves.clone();
        let wire = Wire::new(settings.timeout_ms)?;
        let vendor: Arc<dyn Vendor> = match settings.provider {
            ProviderConfig::Gateway(gateway) => {
                let gateway = Gateway::new(name, gateway, Arc::clone(clock))?;
                self.set_for(channel, serves, Arc::new(gateway), limits, clock);
                return Ok(());
            }
            ProviderConfig::Smtp(smtp) => {
                self.set_for(channel, serves, Arc::new(Smtp::new(name, &smtp)?), limits, clock);
                return Ok(());
            }
            ProviderConfig::WeCom(_) | ProviderConfig::DingTalk(_) | ProviderConfig::Feishu(_) => {
                let vendor: Box<dyn GroupVendor> = match settings.provider {
                    ProviderConfig::WeCom(robot) => Box::new(robot),
                    ProviderConfig::DingTalk(robot) => Box::new(robot),
                    ProviderConfig::Feishu(robot) => Box::new(robot),
                    _ => return Ok(()), // there is no fourth
                };
                let robot = Robot::new(name, vendor, wire, Arc::clone(clock));
                self.set_for(channel, serves, Arc::new(robot), limits, clock);
                return Ok(());
            }
            ProviderConfig::AliyunSms(vendor) => Arc::new(vendor),
            ProviderConfig::AliyunVoice(vendor) => Arc::new(vendor),
            ProviderConfig::TencentSms(vendor) => Arc::new(vendor),
            ProviderConfig::TencentVoice(vendor) => Arc::new(vendor),
            ProviderConfig::Twilio(vendor) => Arc::new(vendor),
            ProviderConfig::Ntfy(vendor) => Arc::new(vendor),
            ProviderConfig::Bark(vendor) => Arc::new(vendor),
            ProviderConfig::Jpush(vendor) => Arc::new(vendor),
        };
        let listener = Listener { vendor: Arc::clone(&vendor), from: settings.callback_from };
        self.listeners.entry(channel).or_default().push(listener);
        let kept = vendor.keys().and_then(|_| kept(name));
        let provider = HttpProvider::new(name, vendor, wire, Arc::clone(clock), Arc::clone(&self.in_flight), kept);
        self.set_for(channel, serves, Arc::new(provider), limits, clock);
        Ok(())
    }

    /// Puts one more provider on a channel, in a shell of its own.
    pub fn set(&mut self, channel: Channel, provider: Arc<dyn Provider>, limits: ShellLimits, clock: &Arc<dyn Clock>) {
        self.set_for(channel, None, provider, limits, clock);
    }

    fn set_for(
        &mut self,
        channel: Channel,
        serves: Option<CompactString>,
        provider: Arc<dyn Provider>,
        limits: ShellLimits,
        clock: &Arc<dyn Clock>,
    ) {
        let shell = Arc::new(Shell::new(provider, limits, Arc::clone(clock)));
        self.configured.entry(channel).or_default().push(Carrier { serves, shell });
    }

    /// Who carries a channel; the console where nobody is configured.
    #[must_use]
    pub fn of(&self, channel: Channel) -> &Arc<Shell> {
        let first = self.configured.get(&channel).and_then(|carriers| carriers.first());
        first.map_or(&self.console, |carrier| &carrier.shell)
    }

    /// Hands an attempt to the first provider of its channel, for this kind of app or this group, that it was not passed
    /// over by; when all of them did, to the first again. Who is tried next, and when, is decided by whoever hears what
    /// came of it.
    pub async fn send(&self, attempt: &Attempt, links: &Links) -> Handed {
        let Some(carriers) = self.configured.get(&attempt.channel) else {
            let result = self.console.send(attempt, links).await;
            return Handed { result, provider: self.console.name().into(), others_left: false, reference: None };
        };
        let carriers = carriers_of(carriers, attempt);
        let is_left = |(shell, _): &&(&Arc<Shell>, _)| !attempt.passed_over.iter().any(|name| name == shell.name());
        let mut left = carriers.iter().filter(is_left);
        let Some((shell, as_taken)) = left.next().or(carriers.first()) else {
            let detail = "no provider is configured for this kind of app or this group".into();
            let (result, provider) = (SendResult::Final { detail }, name_of(attempt.channel).into());
            return Handed { result, provider, others_left: false, reference: None };
        };
        let (provider, others_left) = (shell.name().into(), left.next().is_some());
        let result = shell.send(as_taken, links).await;
        let reference = match result {
            SendResult::Accepted => self.in_flight.lock().reference(attempt.id).cloned(),
            _ => None,
        };
        Handed { result, provider, others_left, reference }
    }

    /// Hangs a ringing call up at the provider that took it, if that allows it.
    pub async fn hang_up(&self, attempt: &Attempt) {
        let carriers = carriers_of(self.configured.get(&attempt.channel).map_or(&[], Vec::as_slice), attempt);
        let is_left = |(shell, _): &&(&Arc<Shell>, _)| !attempt.passed_over.iter().any(|name| name == shell.name());
        if let Some((shell, _)) = carriers.iter().find(is_left).or(carriers.first()) {
            shell.hang_up(attempt).await;
        }
    }

    /// Whether somebody is configured for a channel.
    #[must_use]
    pub fn is_configured(&self, channel: Channel) -> bool {
        self.configured.contains_key(&channel)
    }

    /// Every configured shell, for `/readyz` and for probing.
    pub fn configured(&self) -> impl Iterator<Item = &Arc<Shell>> {
        self.configured.values().flatten().map(|carrier| &carrier.shell)
    }

    /// Who carries a channel, the first before those that step in.
    pub fn carriers(&self, channel: Channel) -> impl Iterator<Item = &Arc<Shell>> {
        self.configured.get(&channel).into_iter().flatten().map(|carrier| &carrier.shell)
    }

    /// What is known of every provider.
    pub fn reachabilities(&self) -> impl Iterator<Item = Reachability> {
        self.configured().map(|shell| shell.reachability())
    }

    /// An attempt was handed over before a restart and may still be spoken of.
    pub fn remember(&self, attempt: &Attempt) {
        let mut in_flight = self.in_flight.lock();
        in_flight.sending(attempt.id, attempt.channel, &attempt.to.0, attempt.changed_at);
        if let Some(reference) = &attempt.reference {
            in_flight.taken(attempt.id, reference);
        }
    }

    /// Reads what a provider of this channel posted, and keeps what is to be believed. What is not is counted, and
    /// changes nothing.
    ///
    /// # Errors
    /// Why nothing in it can be believed: it is not what any provider of the channel posts, or not from there.
    pub fn listen(
        &self,
        channel: Channel,
        post: &Post<'_>,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Heard, Refusal> {
        let mut refusal = Refusal::Malformed;
        for listener in self.listeners.get(&channel).into_iter().flatten() {
            let name = listener.vendor.kind();
            let allowed = listener.from.is_empty() || from.is_some_and(|from| listener.from.contains(&from));
            let heard = if allowed { listener.vendor.listen(post) } else { Err(Refusal::Address) };
            match heard {
                Ok(evidence) => {
                    self.heard.fetch_add(1, Relaxed);
                    let (content_type, answer) = listener.vendor.answer(post);
                    return Ok(Heard { believed: self.believe(name, channel, evidence, now), content_type, answer });
                }
                Err(worse) => refusal = refusal.max(worse),
            }
        }
        self.refuse(channel, name_of(channel), refusal);
        Err(refusal)
    }

    /// What was believed is durable.
    pub fn written(&self, attempt: AttemptId, evidence: &Evidence) {
        self.in_flight.lock().written(attempt, evidence);
    }

    /// How many posts were read.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.heard.load(Relaxed)
    }

    /// What was not believed: how often, by channel, provider (the channel's name, where it is nobody's) and reason.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<(Channel, &'static str, Refusal), u64> {
        self.refusals.lock().clone()
    }

    fn refuse(&self, channel: Channel, provider: &'static str, refusal: Refusal) {
        *self.refusals.lock().entry((channel, provider, refusal)).or_default() += 1;
        // A repeat is how providers make sure; everything else somebody should look at.
        if refusal != Refusal::Repeated {
            tracing::warn!(provider, reason = refusal.name(), "a provider's callback is not believed: {refusal}");
        }
    }

    fn believe(
        &self,
        provider: &'static str,
        channel: Channel,
        evidence: Vec<Evidence>,
        now: Timestamp,
    ) -> Vec<(AttemptId, Evidence)> {
        let mut in_flight = self.in_flight.lock();
        let believed = evidence.into_iter().filter_map(|one| match in_flight.believe(channel, &one, now) {
            Ok(attempt) => Some((attempt, one)),
            Err(refusal) => {
                self.refuse(channel, provider, refusal);
                None
            }
        });
        believed.collect()
    }
}

/// What came of handing an attempt over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// What the provider said.
    pub result: SendResult,
    /// Its name.
    pub provider: CompactString,
    /// Whether the channel has another one that was not tried yet.
    pub others_left: bool,
    /// The provider's own name for the message or call, if it told one.
    pub reference: Option<CompactString>,
}

/// What came of a post that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What is believed, and of which attempt.
    pub believed: Vec<(AttemptId, Evidence)>,
    /// The answer's type.
    pub content_type: &'static str,
    /// The answer's body.
    pub answer: String,
}

fn limits_of(channel: Channel, settings: &ProviderSettings, limits: ShellLimits) -> ShellLimits {
    let mut limits = ShellLimits {
        alarm_sends_max: settings.concurrency,
        routine_sends_max: (settings.concurrency / 4).max(1),
        // The shell's time-out stands behind the provider's own and its questions, and must not cut in before them.
        send_ms_max: limits.send_ms_max.max(settings.timeout_ms.saturating_add(QUERY_MS_MAX + SHELL_MARGIN_MS)),
        sends_per_minute: settings.sends_per_minute,
        ..limits
    };
    if channel == Channel::Robot {
        // Its messages wait together for their turn.
        limits.routine_sends_max = DIGEST_SENDS_MAX;
        limits.send_ms_max = limits.send_ms_max.max(settings.timeout_ms.saturating_add(DIGEST_WAIT_MS));
    }
    limits
}

/// A channel's name in the configuration.
#[must_use]
pub fn name_of(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "sms",
        Channel::Voice => "voice",
        Channel::Push => "push",
        Channel::Email => "email",
        Channel::Robot => "robot",
    }
}
