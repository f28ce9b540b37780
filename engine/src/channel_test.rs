//! One message to one number or address, to see whether a channel is set up: no server, no incident, no journal.

use std::sync::Arc;

use anyhow::{Context, ensure};
use channels::directory::name_of;
use channels::phone::E164;
use channels::{Handed, Links};
use model::attempt::{Callee, CalleeRole, Destination};
use model::record::SendResult;
use model::{
    Attempt, AttemptId, AttemptState, Channel, Clock, IncidentKind, Lane, Language, OrgPath, PersonId, Priority,
    Purpose, WearerId,
};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::serve::channels_of;

/// The partition of a test's attempts: no engine counts there, so no provider can mix them up with an alarm's.
const TEST_PARTITION: u8 = 255;

/// The channels that can be tried, in the words of the configuration.
pub const CHANNELS: [(&str, Channel); 5] = [
    ("sms", Channel::Sms),
    ("voice", Channel::Voice),
    ("push", Channel::Push),
    ("email", Channel::Email),
    ("robot", Channel::Robot),
];

/// Sends one test message over a configured channel and says what the provider said to it.
///
/// # Errors
/// When the channel is not configured, `to` cannot be a number, or the provider refused it.
pub async fn send(config: &Config, channel: Channel, to: &str) -> anyhow::Result<String> {
    let name = name_of(channel);
    ensure!(
        config.channels.contains_key(&channel),
        "no provider is configured for {name}; [channels.{name}] in the configuration names one"
    );
    if matches!(channel, Channel::Sms | Channel::Voice) {
        ensure!(E164::parse(to).is_some(), "{to:?} is not a number in E.164, like \"+8613800000001\"");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new(None));
    let channels = channels_of(config, &clock)?;
    let mut attempt = attempt(channel, to, config.language, &*clock);
    let base = config.http.public_url.clone().unwrap_or_else(|| format!("http://{}", config.http.listen));
    // What comes back is about no attempt of the engine's, and is refused there.
    let links = Links {
        callback: format!("{base}/api/v1/callbacks/{}/test", attempt.id),
        provider: format!("{base}/api/v1/providers/{name}/test?attempt={}", attempt.id),
    };
    let Handed { result, provider: name, .. } = loop {
        let handed = channels.send(&attempt, &links).await;
        let is_refused = matches!(handed.result, SendResult::Retry { .. } | SendResult::Final { .. });
        if !(is_refused && handed.others_left) {
            break handed;
        }
        attempt.passed_over.push(handed.provider);
    };
    match result {
        SendResult::Accepted => Ok(format!("{name}: the provider took it (whether it arrives, the phone tells)")),
        SendResult::Shown => Ok(format!("{name}: shown")),
        SendResult::Unknown { detail } => anyhow::bail!(
            "{name}: it is not known whether it was taken: {detail}; look at the phone, and at timeout_ms below \
             [channels.{name}]"
        ),
        SendResult::Retry { detail, after_seconds } => anyhow::bail!(
            "{name}: not taken now: {detail}; worth another try in {after_seconds} s; if it stays so, see whether this \
             machine reaches the url or endpoint of [channels.{name}] (no proxy is used)"
        ),
        SendResult::Final { detail } => anyhow::bail!(
            "{name}: refused: {detail}; compare the account, its secret and the templates below [channels.{name}] with \
             what the provider has"
        ),
    }
}

/// The address that a provider of this channel is to post to: what an operator enters at the provider.
///
/// # Errors
/// When the data directory or its keys cannot be read.
pub fn callback_url(config: &Config, channel: Channel) -> anyhow::Result<String> {
    let secrets = DataDir::open(&config.data)?.load_secrets()?;
    let base = config.http.public_url.as_ref().context(
        "http.public_url is not set: it is how providers reach this server, e.g. \"https://yinling.example.org\"",
    )?;
    let name = name_of(channel);
    Ok(format!("{base}/api/v1/providers/{name}/{}", secrets.provider_token(name)))
}

fn attempt(channel: Channel, to: &str, lang: Language, clock: &dyn Clock) -> Attempt {
    let now = clock.now();
    let counter = u64::try_from(now.millis()).unwrap_or(0);
    let english = lang == Language::En;
    let words = if english {
        ["Yinling", "Test", "nobody called for help", "nowhere", "This is a test.", "nobody", "a test", "nobody"]
    } else {
        ["银铃", "测试", "未发生任何事件", "无", "这是一条测试消息。", "无人", "测试", "无人"]
    };
    let names = ["community", "name", "event", "place", "explain", "holder", "disposition", "wearer"];
    let mut params: Vec<_> = names.iter().zip(words).map(|(name, word)| ((*name).into(), word.to_owned())).collect();
    params.push(("time".into(), "00:00".to_owned()));
    params.push(("code".into(), "000000".to_owned()));
    let text = if english {
        "Yinling: this is a test. Nothing happened; there is nothing to do."
    } else {
        "银铃：这是一条测试消息，未发生任何事件，无需处理。"
    };
    Attempt {
        id: AttemptId::new(TEST_PARTITION, counter),
        version: 1,
        incident: None,
        campaign: None,
        case: None,
        kind: IncidentKind::WelfareCall.into(),
        priority: Priority::High,
        wearer: WearerId::new("test"),
        org: OrgPath::new("/test/"),
        channel,
        callee: Callee { person: PersonId::new("test"), role: CalleeRole::Desk },
        to: Destination(to.into()),
        lang,
        purpose: Purpose::Alert,
        lane: Lane::Alarm,
        cycle: 1,
        text: text.to_owned(),
        params,
        state: AttemptState::Pending,
        outcome: None,
        created_at: now,
        changed_at: now,
        not_before: now,
        sends: 0,
        passed_over: Vec::new(),
        reference: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ChannelSettings;

    #[tokio::test]
    async fn what_cannot_be_tried_says_why() {
        let mut config = Config::default();
        let why = async |config: &Config, to: &str| send(config, Channel::Sms, to).await.unwrap_err().to_string();
        assert!(why(&config, "+8613800000001").await.contains("[channels.sms]"));
        config.channels.insert(Channel::Sms, ChannelSettings::gateway("http://127.0.0.1:1/", "secret"));
        assert!(why(&config, "13800000001").await.contains("is not a number in E.164"));
        assert_eq!(
            why(&config, "+8613800000001").await,
            "sms: not taken now: cannot connect; worth another try in 2 s; if it stays so, see whether this machine \
             reaches the url or endpoint of [channels.sms] (no proxy is used)"
        );
    }

    #[test]
    fn a_tests_message_fills_every_template_and_fits_every_providers_reference() {
        let attempt = attempt(Channel::Sms, "+8613800000001", Language::ZhCn, &SystemClock::new(None));
        for name in channels::template::PARAMS {
            assert!(attempt.params.iter().any(|(known, value)| known == name && !value.is_empty()), "{name}");
        }
        assert!(attempt.id.to_string().len() <= 15, "{}", attempt.id);
    }
}
