//! What is allowed but worth saying at the start.

use ::channels::template;
use ::channels::{ProviderConfig, ProviderSettings};
use model::Purpose;

use super::Config;
use super::channels::CHANNELS;
use super::check::{fault_of_url, is_loopback};

pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut said = Vec::new();
    channels(config, &mut said);
    if config.http.public_url.is_none() && (!config.channels.is_empty() || !config.http.listen.ip().is_loopback()) {
        said.push(format!(
            "http.public_url is not set: links in messages, and the callbacks of gateways, begin with the bound address \
             http://{}, which phones and providers elsewhere cannot open",
            config.http.listen
        ));
    }
    let posting = config.channels.values().flat_map(|channel| &channel.providers).find(|one| one.provider.posts_back());
    if let (Some(one), None) = (posting, &config.http.public_url) {
        said.push(format!(
            "http.public_url is not set: {} cannot tell us what became of a message, and no key or reply arrives",
            one.provider.kind()
        ));
    }
    watchdog(config, &mut said);
    for (section, listen) in [("http", config.http.listen), ("mqtt", config.mqtt.listen)] {
        if !listen.ip().is_loopback() {
            said.push(format!("{section} listens on {listen} without encryption (allow_plaintext)"));
        }
    }
    said
}

/// What is worth saying about who calls on when the engine does not.
fn watchdog(config: &Config, said: &mut Vec<String>) {
    let calls =
        config.channels.contains_key(&model::Channel::Voice) || config.channels.contains_key(&model::Channel::Sms);
    match &config.watchdog {
        None if calls => said.push(
            "watchdog.enabled is false: nobody calls on when this process hangs or dies in the middle of an SOS"
                .to_owned(),
        ),
        Some(watchdog) if config.http.public_url.is_some() && watchdog.public_url.is_none() => said.push(
            "watchdog.public_url is not set: when the watchdog calls on, providers beyond this machine cannot tell it \
             which key was pressed, and it goes on calling"
                .to_owned(),
        ),
        _ => {}
    }
}

/// What is allowed but worth saying about the channels.
fn channels(config: &Config, said: &mut Vec<String>) {
    // Mail and robots are extras: an alarm is complete without them.
    let expected = CHANNELS.iter().take(3);
    let missing: Vec<&str> =
        expected.filter(|(_, channel, _)| !config.channels.contains_key(channel)).map(|(name, ..)| *name).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        said.push(format!(
            "no channel is configured for {missing}: those messages are shown on the console and in the log only; \
             [channels.…] configures one"
        ));
    }
    for (name, channel, _) in CHANNELS {
        for settings in config.channels.get(channel).iter().flat_map(|channel| &channel.providers) {
            warn_of_provider(name, settings, said);
        }
    }
}

fn warn_of_provider(name: &str, settings: &ProviderSettings, said: &mut Vec<String>) {
    let plain = |url: &str| {
        let host = url.strip_prefix("http://").and_then(|rest| rest.split(['/', '?']).next());
        fault_of_url(url).is_none() && host.is_some_and(|host| !is_loopback(host))
    };
    if let ProviderConfig::Gateway(gateway) = &settings.provider
        && plain(&gateway.url)
    {
        said.push(format!("channels.{name}.url is plain http beyond this machine: names and phones go unencrypted"));
    }
    let templates = match &settings.provider {
        ProviderConfig::AliyunSms(aliyun) => Some(&aliyun.templates),
        ProviderConfig::TencentSms(tencent) => Some(&tencent.templates),
        ProviderConfig::AliyunVoice(aliyun) => Some(&aliyun.templates),
        ProviderConfig::TencentVoice(tencent) => Some(&tencent.templates),
        _ => None,
    };
    let borrowed = templates.filter(|templates| templates.reminder.is_none());
    if borrowed.is_some_and(|templates| template::check(&templates.alert.params, Purpose::Reminder).is_err()) {
        said.push(format!(
            "channels.{name}.templates has no `reminder`: the alert's is used, with a dash for what a reminder does not \
             tell"
        ));
    }
    // Calls tell alerts and reminders only.
    let texts = templates.filter(|_| name == "sms");
    if texts.is_some_and(|templates| templates.taken.is_none() || templates.ended.is_none()) {
        said.push(format!(
            "channels.{name}.templates has no `taken` or no `ended`: relatives are not told by this channel that \
             somebody goes, or how it ended"
        ));
    }
    let calls = templates.filter(|_| name == "voice");
    if calls.is_some_and(|templates| templates.test.is_none()) {
        said.push(format!("channels.{name}.templates has no `test`: guardians' numbers cannot be tried by test calls"));
    }
    if calls.is_some_and(|templates| templates.welfare.is_none()) {
        said.push(format!("channels.{name}.templates has no `welfare`: nobody can be called to ask how they are"));
    }
    if settings.provider.posts_back() && !matches!(settings.provider, ProviderConfig::Twilio(_)) {
        let kind = settings.provider.kind();
        if settings.callback_from.is_empty() {
            said.push(format!(
                "channels.{name}.callback_from is empty: {kind} signs nothing, so a list of the addresses it posts \
                 from is one more lock"
            ));
        }
    }
}
