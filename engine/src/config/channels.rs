//! `[channels.…]`: who carries what, with credentials from files or the environment.

use std::net::IpAddr;

use ::channels::smtp::{SmtpConfig, SmtpTls};
use ::channels::template::{self, PARAM_CHARS_MAX, PARAMS, Template, Templates};
use ::channels::{
    Credential, GatewayConfig, ProviderConfig, ProviderSettings, SigningSecret, aliyun_sms, aliyun_voice, bark,
    dingtalk, feishu, jpush, ntfy, phone, tencent_sms, tencent_voice, twilio, wecom,
};
use model::{Channel, Purpose};
use serde_json::{Map, Value};

use super::check::{required_url, size, text, url};
use super::credentials::{SECRET, TOKEN};
use super::document::{Faults, Object, nearest};
use super::print::REDACTED;
use super::{ChannelSettings, Config};

/// The channels, and who can carry each.
pub(super) const CHANNELS: &[(&str, Channel, &[Word])] = &[
    ("sms", Channel::Sms, &[GATEWAY, ("aliyun", Kind::Aliyun), ("tencent", Kind::Tencent), ("twilio", Kind::Twilio)]),
    (
        "voice",
        Channel::Voice,
        &[GATEWAY, ("aliyun", Kind::Aliyun), ("tencent", Kind::Tencent), ("twilio", Kind::Twilio)],
    ),
    ("push", Channel::Push, &[GATEWAY, ("ntfy", Kind::Ntfy), ("bark", Kind::Bark), ("jpush", Kind::Jpush)]),
    ("email", Channel::Email, &[("smtp", Kind::Smtp)]),
    ("robot", Channel::Robot, &[("wecom", Kind::WeCom), ("dingtalk", Kind::DingTalk), ("feishu", Kind::Feishu)]),
];
const GATEWAY: Word = ("gateway", Kind::Gateway);
pub(super) type Word = (&'static str, Kind);

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Gateway,
    Aliyun,
    Tencent,
    Twilio,
    Ntfy,
    Bark,
    Jpush,
    Smtp,
    WeCom,
    DingTalk,
    Feishu,
}

/// The longest value of a template's variable, unless configured.
const PARAM_CHARS_DEFAULT: u64 = 20;
/// Reads `[channels]`; `environment` is where `…_env` looks.
pub(super) fn channels(
    config: &mut Config,
    mut section: Object<'_>,
    environment: &[(String, String)],
    faults: &mut Faults,
) {
    for (name, channel, _) in CHANNELS {
        if let Some(settings) = self::channel(&mut section, name, environment, faults) {
            let from_environment = super::shown::from_environment(*channel, environment);
            config.channels.insert(*channel, ChannelSettings { from_environment, ..settings });
        }
    }
    section.finish(faults);
}

/// The channel that stands under its name in a section.
pub(super) fn channel(
    section: &mut Object<'_>,
    name: &'static str,
    environment: &[(String, String)],
    faults: &mut Faults,
) -> Option<ChannelSettings> {
    let (_, channel, kinds) = CHANNELS.iter().find(|(known, ..)| *known == name)?;
    let written = section.value(name).cloned();
    let object = section.object(name, faults)?;
    let mut reader = Reader { channel: *channel, kinds, environment, faults };
    let providers = reader.channel(object)?;
    let Some(Value::Object(written)) = written else { return None };
    Some(ChannelSettings { providers, written: redacted(written), from_environment: Vec::new() })
}

/// What was written, with stars for what nobody is to see.
fn redacted(written: Map<String, Value>) -> Map<String, Value> {
    let hide = |(name, value): (String, Value)| match value {
        Value::Object(inner) => (name, Value::Object(redacted(inner))),
        // A file's or a variable's name is no secret.
        Value::String(_) if SECRETS.contains(&name.as_str()) => (name, Value::from(REDACTED)),
        plain => (name, plain),
    };
    written.into_iter().map(hide).collect()
}

/// Every key that holds a secret itself.
const SECRETS: [&str; 6] = ["secret", "token", "access_key_secret", "secret_key", "master_secret", "password"];

pub(super) struct Reader<'r> {
    channel: Channel,
    kinds: &'static [Word],
    pub(super) environment: &'r [(String, String)],
    pub(super) faults: &'r mut Faults,
}

impl Reader<'_> {
    /// A channel's provider, the one that steps in for it, and those that carry for one kind of app or one group.
    fn channel(&mut self, mut object: Object<'_>) -> Option<Vec<ProviderSettings>> {
        let backup = object.object("backup", self.faults);
        let beside = match self.channel {
            Channel::Push => self.apps(&mut object),
            Channel::Robot => self.groups(&mut object),
            Channel::Sms | Channel::Voice | Channel::Email => Vec::new(),
        };
        let mut providers = Vec::new();
        if object.has("kind") || beside.is_empty() {
            providers.push(self.provider(object, None));
        } else {
            if backup.is_some() {
                object.missing::<()>("kind", self.faults);
            }
            object.finish(self.faults);
        }
        providers.extend(backup.map(|backup| self.provider(backup, None)));
        for settings in providers.iter_mut().flatten() {
            settings.serves = app_of(&settings.provider);
        }
        providers.into_iter().chain(beside).collect()
    }

    /// `[channels.push.bark]` and its like: who carries for one kind of app beside the channel's own.
    fn apps(&mut self, object: &mut Object<'_>) -> Vec<Option<ProviderSettings>> {
        let kinds = self.kinds;
        let named = |(name, kind): &Word| Some((object.object(name, self.faults)?, *name, *kind));
        let apps: Vec<_> = kinds.iter().filter_map(named).collect();
        let app = |(app, name, kind): (Object<'_>, &str, Kind)| {
            let serves = Some(name.into()).filter(|_| !matches!(kind, Kind::Gateway));
            Some(ProviderSettings { serves, ..self.provider(app, Some(kind))? })
        };
        apps.into_iter().map(app).collect()
    }

    /// `[channels.robot.groups.NAME]`: the robots of single groups, beside the house's own.
    fn groups(&mut self, object: &mut Object<'_>) -> Vec<Option<ProviderSettings>> {
        let Some(groups) = object.object("groups", self.faults) else { return Vec::new() };
        let groups = groups.objects(self.faults);
        let group = |(name, group): (&str, Object<'_>)| {
            if !model::id::is_well_formed(name) {
                let detail = format!("{name:?} is no name for a group: letters, digits, - and _");
                self.faults.add(group.pointer(), detail, format!("{name:?} 不能用作群名：仅限字母、数字、- 和 _"));
            }
            Some(ProviderSettings { serves: Some(name.into()), ..self.provider(group, None)? })
        };
        groups.into_iter().map(group).collect()
    }

    /// `implied`: the section's name says already who it is.
    fn provider(&mut self, mut object: Object<'_>, implied: Option<Kind>) -> Option<ProviderSettings> {
        if !object.has("kind") && implied.is_none() {
            let kinds: Vec<String> = self.kinds.iter().map(|(kind, _)| format!("\"{kind}\"")).collect();
            let kinds = kinds.join(", ");
            self.faults.add(
                object.at("kind"),
                format!("`kind` is required; there are {kinds}"),
                format!("缺少必填项 `kind`，目前可用 {kinds}"),
            );
        }
        // What else belongs here depends on the kind: without it nothing more can be said.
        let kind = match implied {
            Some(kind) => kind,
            None => object.word("kind", self.kinds, self.faults)?,
        };
        let timeout_ms = object.integer("timeout_ms", 100..=120_000, self.faults).unwrap_or(5_000);
        let mut concurrency = 64;
        size(&mut object, "concurrency", 1..=10_000, &mut concurrency, self.faults);
        let pace = object.integer("sends_per_minute", 1..=1_000_000, self.faults);
        let provider = match kind {
            Kind::Aliyun => self.aliyun(&mut object),
            Kind::Tencent => self.tencent(&mut object),
            Kind::Twilio => self.twilio(&mut object),
            Kind::Ntfy => self.ntfy(&mut object),
            Kind::Bark => {
                Some(ProviderConfig::Bark(bark::Bark { endpoint: self.endpoint(&mut object, bark::ENDPOINT) }))
            }
            Kind::Jpush => self.jpush(&mut object),
            Kind::Smtp => self.smtp(&mut object, timeout_ms),
            Kind::WeCom => self.wecom(&mut object),
            Kind::DingTalk => self.dingtalk(&mut object),
            Kind::Feishu => self.feishu(&mut object),
            Kind::Gateway => self.gateway(&mut object, timeout_ms),
        };
        let callback_from = self.addresses(&mut object, provider.as_ref());
        object.finish(self.faults);
        let sends_per_minute = pace.and_then(|pace| u32::try_from(pace).ok());
        let provider = provider?;
        let serves = None;
        Some(ProviderSettings { provider, timeout_ms, concurrency, sends_per_minute, callback_from, serves })
    }

    fn gateway(&mut self, object: &mut Object<'_>, timeout_ms: u64) -> Option<ProviderConfig> {
        let url = required_url(object, "url", self.faults).map(str::to_owned);
        let secret = self.secret(object, SECRET);
        if let Some(Err(error)) = secret.as_ref().map(|secret| SigningSecret::parse(secret.reveal())) {
            self.faults.add(object.at("secret"), error.to_string(), error.to_string());
        }
        Some(ProviderConfig::Gateway(GatewayConfig { url: url?, secret: secret?.reveal().to_owned(), timeout_ms }))
    }

    fn aliyun(&mut self, object: &mut Object<'_>) -> Option<ProviderConfig> {
        let id = self.required(object, "access_key_id");
        let secret = self.secret(object, ["access_key_secret", "access_key_secret_file", "access_key_secret_env"]);
        let templates = self.templates(object);
        let credential = || Some(Credential::new(id.as_deref()?, secret.as_ref()?.reveal()));
        if self.channel == Channel::Sms {
            let endpoint = self.endpoint(object, aliyun_sms::ENDPOINT);
            let sign_name = self.required(object, "sign_name");
            return Some(ProviderConfig::AliyunSms(aliyun_sms::AliyunSms {
                endpoint,
                credential: credential()?,
                sign_name: sign_name?,
                templates: templates?,
            }));
        }
        let endpoint = self.endpoint(object, aliyun_voice::ENDPOINT);
        let show_number = self.required(object, "show_number");
        let keys = self.keys(object);
        let bye_code = text(object, "bye_code", self.faults).map(str::to_owned);
        Some(ProviderConfig::AliyunVoice(aliyun_voice::AliyunVoice {
            endpoint,
            credential: credential()?,
            show_number: show_number?,
            templates: templates?,
            keys: keys?,
            bye_code,
        }))
    }

    /// `[channels.voice.keys]`: what is said after a key. Without `1` nobody could say that they go.
    fn keys(&mut self, object: &mut Object<'_>) -> Option<Vec<(char, String)>> {
        let Some(mut section) = object.object("keys", self.faults) else {
            let detail = "is required: what is said after a key, e.g. `keys = { 1 = \"TTS_2\", 2 = \"TTS_3\" }`";
            self.faults.add(object.at("keys"), detail, "缺少按键应答，例如 keys = { 1 = \"TTS_2\", 2 = \"TTS_3\" }");
            return None;
        };
        let known = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let read = |key: &'static str| {
            let code = text(&mut section, key, self.faults)?;
            Some((key.chars().next()?, code.to_owned()))
        };
        let keys: Vec<(char, String)> = known.into_iter().filter_map(read).collect();
        if !keys.iter().any(|(key, _)| *key == '1') {
            section.missing::<()>("1", self.faults);
        }
        section.finish(self.faults);
        Some(keys)
    }

    fn tencent(&mut self, object: &mut Object<'_>) -> Option<ProviderConfig> {
        let id = self.required(object, "secret_id");
        let secret = self.secret(object, ["secret_key", "secret_key_file", "secret_key_env"]);
        let app_id = self.required(object, "app_id");
        let region = text(object, "region", self.faults).unwrap_or("ap-guangzhou").to_owned();
        let templates = self.templates(object);
        if self.channel == Channel::Sms {
            let endpoint = self.endpoint(object, tencent_sms::ENDPOINT);
            let sign_name = self.required(object, "sign_name");
            let credential = Credential::new(&id?, secret?.reveal());
            return Some(ProviderConfig::TencentSms(tencent_sms::TencentSms {
                endpoint,
                credential,
                region,
                app_id: app_id?,
                sign_name: sign_name?,
                templates: templates?,
            }));
        }
        let endpoint = self.endpoint(object, tencent_voice::ENDPOINT);
        let credential = Credential::new(&id?, secret?.reveal());
        Some(ProviderConfig::TencentVoice(tencent_voice::TencentVoice {
            endpoint,
            credential,
            region,
            app_id: app_id?,
            templates: templates?,
        }))
    }

    fn twilio(&mut self, object: &mut Object<'_>) -> Option<ProviderConfig> {
        let id = self.required(object, "account_sid");
        let secret = self.secret(object, ["token", "token_file", "token_env"]);
        let endpoint = self.endpoint(object, twilio::ENDPOINT);
        let from = self.required(object, "from")?;
        if phone::E164::parse(&from).is_none() {
            let detail = format!("{from:?} is not a number in E.164, like \"+12025550100\"");
            self.faults.add(object.at("from"), detail, format!("{from:?} 不是 E.164 号码，应形如 \"+12025550100\""));
            return None;
        }
        let credential = Credential::new(&id?, secret?.reveal());
        Some(ProviderConfig::Twilio(twilio::Twilio { endpoint, credential, from, channel: self.channel }))
    }

    fn ntfy(&mut self, object: &mut Object<'_>) -> Option<ProviderConfig> {
        let given = TOKEN.iter().any(|name| object.has(name));
        // Asked for in any case, so that the names are known.
        let token = if given { Some(self.secret(object, TOKEN)?) } else { self.no_secret(object, TOKEN) };
        Some(ProviderConfig::Ntfy(ntfy::Ntfy { endpoint: self.endpoint(object, ntfy::ENDPOINT), token }))
    }

    fn jpush(&mut self, object: &mut Object<'_>) -> Option<ProviderConfig> {
        let id = self.required(object, "app_key");
        let secret = self.secret(object, ["master_secret", "master_secret_file", "master_secret_env"]);
        let endpoint = self.endpoint(object, jpush::ENDPOINT);
        let apns_production = object.boolean("apns_production", self.faults).unwrap_or(true);
        let credential = Credential::new(&id?, secret?.reveal());
        Some(ProviderConfig::Jpush(jpush::Jpush { endpoint, credential, apns_production }))
    }

    fn smtp(&mut self, object: &mut Object<'_>, timeout_ms: u64) -> Option<ProviderConfig> {
        let host = self.required(object, "host");
        let kinds = [("implicit", SmtpTls::Implicit), ("starttls", SmtpTls::StartTls), ("none", SmtpTls::None)];
        let tls = object.word("tls", &kinds, self.faults).unwrap_or(SmtpTls::Implicit);
        let usual = if tls == SmtpTls::Implicit { 465 } else { 587 };
        let port = object.integer("port", 1..=65_535, self.faults).and_then(|port| u16::try_from(port).ok());
        let names = ["password", "password_file", "password_env"];
        let credential = match text(object, "user", self.faults) {
            Some(user) => Some(Credential::new(user, self.secret(object, names)?.reveal())),
            None => self.no_secret(object, names).map(|_| Credential::new("", "")),
        };
        let ca_pem = self.ca_file(object);
        let from = self.required(object, "from")?;
        let host = host?;
        if tls == SmtpTls::None && !super::check::is_loopback(&host) {
            let detail = "mail would go over the network without encryption; set \"implicit\" or \"starttls\"";
            self.faults.add(object.at("tls"), detail, "邮件将不加密传输，请设为 \"implicit\" 或 \"starttls\"");
        }
        let config = SmtpConfig { host, port: port.unwrap_or(usual), tls, ca_pem, credential, from, timeout_ms };
        // What lettre would find wrong at the start is told with the other faults.
        if let Err(error) = ::channels::smtp::check(&config) {
            self.faults.add(object.pointer().to_owned(), error.to_string(), error.to_string());
        }
        Some(ProviderConfig::Smtp(config))
    }

    fn ca_file(&mut self, object: &mut Object<'_>) -> Option<Vec<u8>> {
        let path = text(object, "ca_file", self.faults)?;
        match std::fs::read(path) {
            Ok(pem) => Some(pem),
            Err(error) => {
                let at = object.at("ca_file");
                self.faults.add(at, format!("cannot be read: {error}"), format!("无法读取：{error}"));
                None
            }
        }
    }

    fn wecom(&mut self, object: &mut Object<'_>) -> Option<ProviderConfig> {
        let key = self.secret(object, TOKEN)?;
        Some(ProviderConfig::WeCom(wecom::WeCom { endpoint: self.endpoint(object, wecom::ENDPOINT), key }))
    }

    fn dingtalk(&mut self, object: &mut Object<'_>) -> Option<ProviderConfig> {
        let token = self.secret(object, TOKEN);
        let secret = self.optional_secret(object);
        let endpoint = self.endpoint(object, dingtalk::ENDPOINT);
        Some(ProviderConfig::DingTalk(dingtalk::DingTalk { endpoint, token: token?, secret }))
    }

    fn feishu(&mut self, object: &mut Object<'_>) -> Option<ProviderConfig> {
        let token = self.secret(object, TOKEN);
        let secret = self.optional_secret(object);
        let endpoint = self.endpoint(object, feishu::ENDPOINT);
        Some(ProviderConfig::Feishu(feishu::Feishu { endpoint, token: token?, secret }))
    }

    /// Where the provider is; another address is for a stand-in, or a region's own.
    fn endpoint(&mut self, object: &mut Object<'_>, usual: &str) -> String {
        url(object, "endpoint", self.faults).unwrap_or(usual).trim_end_matches('/').to_owned()
    }

    fn required(&mut self, object: &mut Object<'_>, name: &'static str) -> Option<String> {
        object.required_text(name, self.faults).map(str::to_owned)
    }

    /// `callback_from`: the addresses from which a provider that signs nothing may post.
    fn addresses(&mut self, object: &mut Object<'_>, provider: Option<&ProviderConfig>) -> Vec<IpAddr> {
        if !provider.is_none_or(ProviderConfig::posts_back) {
            return Vec::new();
        }
        let (at, list) = (object.at("callback_from"), object.list("callback_from", self.faults));
        let mut addresses = Vec::new();
        for (index, item) in list.iter().enumerate() {
            match item.as_str().and_then(|text| text.parse().ok()) {
                Some(address) => addresses.push(address),
                None => self.faults.add(
                    format!("{at}/{index}"),
                    "is not an address, like \"203.0.113.7\"",
                    "不是 IP 地址，应形如 \"203.0.113.7\"",
                ),
            }
        }
        addresses
    }

    /// `[channels.….templates]`: the approved messages, for each purpose.
    fn templates(&mut self, object: &mut Object<'_>) -> Option<Templates> {
        let range = 4..=PARAM_CHARS_MAX as u64;
        let chars = object.integer("param_chars_max", range, self.faults).unwrap_or(PARAM_CHARS_DEFAULT);
        let Some(mut section) = object.object("templates", self.faults) else {
            if !object.has("templates") {
                object.missing::<()>("templates", self.faults);
            }
            return None;
        };
        let mut read = |name, purpose| {
            let template = section.object(name, self.faults)?;
            self.template(template, purpose)
        };
        let alert = read("alert", Purpose::Alert);
        let (reminder, taken, ended) =
            (read("reminder", Purpose::Reminder), read("taken", Purpose::Taken), read("ended", Purpose::Ended));
        let (test, welfare) = (read("test", Purpose::Test), read("welfare", Purpose::Welfare));
        let verify = read("verify", Purpose::Code);
        if !section.has("alert") {
            section.missing::<()>("alert", self.faults);
        }
        section.finish(self.faults);
        let param_chars_max = usize::try_from(chars).unwrap_or(PARAM_CHARS_MAX);
        Some(Templates { alert: alert?, reminder, taken, ended, test, welfare, verify, param_chars_max })
    }

    fn template(&mut self, mut object: Object<'_>, purpose: Purpose) -> Option<Template> {
        let code = self.required(&mut object, "code");
        let at = object.at("params");
        let list = object.list("params", self.faults);
        let mut params: Vec<String> = Vec::new();
        for item in list {
            let name = item.as_str().unwrap_or_default();
            params.push(name.to_owned());
            if let Err(fault) = template::check(&params[params.len() - 1..], purpose) {
                let meant = match nearest(name, &PARAMS) {
                    Some(near) if near != name => format!("; did you mean `{near}`?"),
                    _ => String::new(),
                };
                self.faults.add(&at, format!("{fault}{meant}"), format!("模板参数 {name:?} 不可用{meant}"));
            }
        }
        object.finish(self.faults);
        Some(Template { code: code?, params })
    }
}

/// The kind of app that a provider of push messages carries for; a gateway carries for all.
fn app_of(provider: &ProviderConfig) -> Option<compact_str::CompactString> {
    let is_app = matches!(provider, ProviderConfig::Ntfy(_) | ProviderConfig::Bark(_) | ProviderConfig::Jpush(_));
    is_app.then(|| provider.kind().into())
}
