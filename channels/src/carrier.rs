//! Who carries an attempt: of push, whoever serves the person's kind of app; of robots, the one in the community's
//! group; of everything else, the channel's providers in their order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use compact_str::CompactString;
use model::attempt::Destination;
use model::{Attempt, Channel};

use crate::directory::{ChannelsConfig, ProviderConfig, ProviderSettings};
use crate::phone::E164;
use crate::shell::Shell;

/// What stands between the kind of an app and the topic or device key there, in the destination of a push.
const KIND_ENDS: char = ':';

/// A provider in its shell, and for whom it is.
pub(crate) struct Carrier {
    /// The kind of app, or the name of the group; `None`: everybody whom no other one is for.
    pub(crate) serves: Option<CompactString>,
    pub(crate) shell: Arc<Shell>,
}

/// Who can carry an attempt, in their order, and the attempt as they take it. Empty where somebody is configured, but
/// nobody for this kind of app.
pub(crate) fn carriers_of<'c, 'a>(
    carriers: &'c [Carrier],
    attempt: &'a Attempt,
) -> Vec<(&'c Arc<Shell>, Cow<'a, Attempt>)> {
    let (named, bare) = match attempt.channel {
        Channel::Push => match attempt.to.0.split_once(KIND_ENDS) {
            Some((kind, topic)) => (Some(kind), topic),
            // Typed by hand for a test: whoever comes first.
            None => return carriers.iter().map(|carrier| (&carrier.shell, Cow::Borrowed(attempt))).collect(),
        },
        Channel::Robot => (Some(attempt.to.0.as_str()), attempt.to.0.as_str()),
        Channel::Sms | Channel::Voice | Channel::Email => (None, attempt.to.0.as_str()),
    };
    let theirs = carriers.iter().filter(|carrier| named.is_some() && carrier.serves.as_deref() == named);
    let anybodys = carriers.iter().filter(|carrier| carrier.serves.is_none());
    let as_theirs = || match attempt.channel {
        // A vendor knows its own topics; a gateway is told which app it is.
        Channel::Push => Cow::Owned(Attempt { to: Destination(bare.into()), ..attempt.clone() }),
        _ => Cow::Borrowed(attempt),
    };
    let theirs = theirs.map(|carrier| (&carrier.shell, as_theirs()));
    theirs.chain(anybodys.map(|carrier| (&carrier.shell, Cow::Borrowed(attempt)))).collect()
}

/// Whom the configured providers can reach: what an import is looked at with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    providers: BTreeMap<Channel, Vec<(ProviderConfig, Option<CompactString>)>>,
}

impl Reach {
    /// Of what is configured.
    #[must_use]
    pub fn of(config: &ChannelsConfig) -> Reach {
        let of_channel = |providers: &Vec<ProviderSettings>| {
            providers.iter().map(|one| (one.provider.clone(), one.serves.clone())).collect()
        };
        Reach { providers: config.iter().map(|(channel, providers)| (*channel, of_channel(providers))).collect() }
    }

    fn serves(&self, channel: Channel, name: &str) -> bool {
        let providers = self.providers.get(&channel).map(Vec::as_slice).unwrap_or_default();
        providers.iter().any(|(_, serves)| serves.as_deref().is_none_or(|serves| serves == name))
    }

    /// Whether somebody carries push messages to this kind of app. Where no push is configured at all, that was said at
    /// the start: `true`.
    #[must_use]
    pub fn pushes_to(&self, kind: &str) -> bool {
        !self.providers.contains_key(&Channel::Push) || self.serves(Channel::Push, kind)
    }

    /// Whether a robot speaks in this group.
    #[must_use]
    pub fn speaks_in(&self, group: &str) -> bool {
        self.serves(Channel::Robot, group)
    }

    /// Whether mail can be sent.
    #[must_use]
    pub fn mails(&self) -> bool {
        self.providers.contains_key(&Channel::Email)
    }

    /// Whether some provider of calls or texts reaches a number. Where none is configured, that was said at the start:
    /// `true`.
    #[must_use]
    pub fn reaches(&self, channel: Channel, number: &str) -> bool {
        let (Some(providers), Some(number)) = (self.providers.get(&channel), E164::parse(number)) else { return true };
        let is_mainland = number.mainland().is_some();
        providers.iter().any(|(provider, _)| match provider {
            ProviderConfig::AliyunVoice(_) | ProviderConfig::TencentVoice(_) => is_mainland,
            ProviderConfig::Twilio(_) => !is_mainland,
            _ => true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Credential;
    use crate::bark::Bark;
    use crate::gateway::GatewayConfig;
    use crate::ntfy::Ntfy;
    use crate::samples::templates;
    use crate::tencent_voice::TencentVoice;
    use crate::twilio::Twilio;
    use crate::wecom::WeCom;

    fn serving(provider: ProviderConfig, serves: Option<&str>) -> ProviderSettings {
        ProviderSettings { serves: serves.map(Into::into), ..ProviderSettings::new(provider) }
    }

    fn reach(config: Vec<(Channel, Vec<ProviderSettings>)>) -> Reach {
        Reach::of(&config.into_iter().collect())
    }

    #[test]
    fn an_import_can_ask_who_is_reached() {
        let nobody = Reach::default();
        assert!(nobody.pushes_to("ntfy") && nobody.reaches(Channel::Voice, "+12025550100"), "said at the start");
        assert!(!nobody.mails() && !nobody.speaks_in("yinxing"));
        let endpoint = || "http://127.0.0.1:1".to_owned();
        let ntfy = || ProviderConfig::Ntfy(Ntfy { endpoint: endpoint(), token: None });
        let bark = || ProviderConfig::Bark(Bark { endpoint: endpoint() });
        let apps = reach(vec![(Channel::Push, vec![serving(ntfy(), Some("ntfy")), serving(bark(), Some("bark"))])]);
        assert!(apps.pushes_to("ntfy") && apps.pushes_to("bark") && !apps.pushes_to("jpush"));
        let gateway = GatewayConfig { url: endpoint(), secret: "whsec_x".into(), timeout_ms: 1 };
        let any = reach(vec![(Channel::Push, vec![serving(ProviderConfig::Gateway(gateway), None)])]);
        assert!(any.pushes_to("whatever"));
        let group = || ProviderConfig::WeCom(WeCom { endpoint: endpoint(), key: crate::Secret::new("k") });
        let one = reach(vec![(Channel::Robot, vec![serving(group(), Some("yinxing"))])]);
        assert!(one.speaks_in("yinxing") && !one.speaks_in("guihua"));
        assert!(reach(vec![(Channel::Robot, vec![serving(group(), None)])]).speaks_in("guihua"), "the house's own");
        let credential = || Credential::new("id", "secret");
        let tencent = || {
            let (region, app_id) = (String::new(), String::new());
            let templates = templates("T", 20);
            ProviderConfig::TencentVoice(TencentVoice {
                endpoint: endpoint(),
                credential: credential(),
                region,
                app_id,
                templates,
            })
        };
        let twilio = || {
            let from = "+12025550199".to_owned();
            ProviderConfig::Twilio(Twilio {
                endpoint: endpoint(),
                credential: credential(),
                from,
                channel: Channel::Voice,
            })
        };
        let reaches = |providers: Vec<ProviderConfig>, number: &str| {
            let providers = providers.into_iter().map(ProviderSettings::new).collect();
            reach(vec![(Channel::Voice, providers)]).reaches(Channel::Voice, number)
        };
        assert!(reaches(vec![tencent()], "+8613800000001") && !reaches(vec![tencent()], "+12025550100"));
        assert!(!reaches(vec![twilio()], "+8613800000001") && reaches(vec![tencent(), twilio()], "+12025550100"));
    }
}
