//! What is configured of the channels, as the console shows it to an administrator: no credential, no whole account
//! name, no address's path or query, for both may hold a key.

use api::{CallbacksRefused, ChannelSetting, ChannelState, ProviderState};
use channels::Channels;
use channels::directory::name_of;
use model::Channel;
use serde_json::{Map, Value};

use super::print::REDACTED;
use super::{ChannelSettings, Config, ENVIRONMENT_PREFIX};

const CHANNELS: [Channel; 5] = [Channel::Sms, Channel::Voice, Channel::Push, Channel::Email, Channel::Robot];
/// Names of accounts: their beginning tells the operator which it is.
const ACCOUNTS: [&str; 6] = ["access_key_id", "secret_id", "account_sid", "app_key", "app_id", "user"];
const ACCOUNT_CHARS_SHOWN: usize = 4;

/// The channels' settings.
#[derive(Debug, Clone, Default)]
pub struct Shown(Vec<(Channel, Vec<&'static str>, Vec<ChannelSetting>)>);

impl Config {
    /// The channels' settings as they may be shown.
    #[must_use]
    pub fn shown(&self) -> Shown {
        let one = |channel: Channel| match self.channels.get(&channel) {
            None => (channel, Vec::new(), Vec::new()),
            Some(settings) => {
                let kinds = settings.providers.iter().map(|settings| settings.provider.kind()).collect();
                (channel, kinds, settings_of(settings))
            }
        };
        Shown(CHANNELS.into_iter().map(one).collect())
    }
}

impl Shown {
    /// The same with how the providers are now.
    #[must_use]
    pub fn with(&self, channels: &Channels) -> Vec<ChannelState> {
        let refusals = channels.refusals();
        let refused_of = |channel: Channel| {
            let theirs = refusals.iter().filter(move |((of, ..), _)| *of == channel);
            theirs.map(|((_, provider, reason), count)| CallbacksRefused {
                provider: (*provider).to_owned(),
                reason: reason.name().to_owned(),
                count: *count,
            })
        };
        let one = |(channel, kinds, settings): &(Channel, Vec<&'static str>, Vec<ChannelSetting>)| {
            let providers = channels.carriers(*channel).zip(kinds).map(|(shell, kind)| {
                let known = shell.reachability();
                let (failed_at, failure) = known.last_error.unzip();
                ProviderState {
                    name: known.name,
                    kind: (*kind).to_owned(),
                    ok: known.ok,
                    last_ok: known.last_ok,
                    failed_at,
                    failure,
                    held_back: known.circuit_open,
                }
            });
            ChannelState {
                channel: *channel,
                providers: providers.collect(),
                callbacks_refused: refused_of(*channel).collect(),
                settings: settings.clone(),
            }
        };
        self.0.iter().map(one).collect()
    }
}

/// Which keys of a channel stand in the environment.
pub(super) fn from_environment(channel: Channel, environment: &[(String, String)]) -> Vec<String> {
    let prefix = format!("{ENVIRONMENT_PREFIX}CHANNELS__{}__", name_of(channel)).to_uppercase();
    let key = |(name, _): &(String, String)| {
        Some(name.to_uppercase().strip_prefix(&prefix)?.to_lowercase().replace("__", "."))
    };
    environment.iter().filter_map(key).collect()
}

fn settings_of(settings: &ChannelSettings) -> Vec<ChannelSetting> {
    let mut found = Vec::new();
    flatten("", &settings.written, &mut found);
    let source =
        |key: &str| if settings.from_environment.iter().any(|known| known == key) { "environment" } else { "file" };
    found.into_iter().map(|(key, value)| ChannelSetting { source: source(&key).to_owned(), key, value }).collect()
}

fn flatten(above: &str, members: &Map<String, Value>, found: &mut Vec<(String, String)>) {
    for (name, value) in members {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            Value::Object(inner) => flatten(&key, inner, found),
            Value::String(text) => found.push((key, masked(name, text))),
            Value::Array(items) => {
                let items = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
                found.push((key, items.collect::<Vec<_>>().join(", ")));
            }
            plain => found.push((key, plain.to_string())),
        }
    }
}

fn masked(name: &str, text: &str) -> String {
    if text == REDACTED {
        return text.to_owned();
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let more = if rest.len() > authority.len() { "/…" } else { "" };
        return format!("{scheme}://{host}{more}");
    }
    if ACCOUNTS.contains(&name) {
        let beginning: String = text.chars().take(ACCOUNT_CHARS_SHOWN).collect();
        return format!("{beginning}…");
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::Sources;
    use super::*;

    #[test]
    fn what_is_shown_of_a_channel_says_where_it_stands_and_holds_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("yinling.toml");
        let text = r#"
            [channels.sms]
            kind = "gateway"
            url = "https://sms.example.org/hook/KEYINPATH?token=KEYINQUERY"
            secret = "whsec_Zm9yIHRlc3RzIG9ubHksIDI0IGJ5dGVz"
            [channels.robot]
            kind = "dingtalk"
            token = "ROBOTTOKEN"
        "#;
        std::fs::write(&file, text).unwrap();
        let environment = vec![("YINLING__CHANNELS__SMS__TIMEOUT_MS".to_owned(), "700".to_owned())];
        let config = Config::load(&Sources { file: Some(file), environment, ..Sources::default() }).unwrap();
        let Shown(channels) = config.shown();
        let lines: Vec<String> = channels
            .iter()
            .flat_map(|(channel, kinds, settings)| {
                let settings = settings.iter().map(|one| format!(" {}={} ({})", one.key, one.value, one.source));
                std::iter::once(format!("{} {kinds:?}", name_of(*channel))).chain(settings)
            })
            .collect();
        let text = lines.join("\n");
        for wanted in [
            "sms [\"gateway\"]",
            "url=https://sms.example.org/… (file)",
            "secret=*** (file)",
            "timeout_ms=700 (environment)",
            "voice []",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        for secret in ["KEYIN", "Zm9y", "ROBOTTOKEN"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}
