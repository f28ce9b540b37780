//! What a campaign's call says.

use compact_str::CompactString;
use model::Language;
use model::campaign::{Campaign, CampaignCall, CampaignKind};
use model::text::shorten;

use crate::wording::{Message, NAME_CHARS_MAX};

/// Where a template wants the name of who is called.
pub const TEMPLATE_NAME: &str = "{name}";

/// The words of one call, with the keys.
pub(super) fn spoken(campaign: &Campaign, call: &CampaignCall) -> Message {
    let name = shorten(&call.contact.name, NAME_CHARS_MAX);
    let (community, wearer) = (call.community_name.as_str(), call.wearer_name.as_str());
    let keys = match (call.contact.lang, campaign.kind) {
        (Language::ZhCn, CampaignKind::Welfare) => "一切都好请按 1；需要帮助请按 2；重听请按 3。",
        (Language::ZhCn, CampaignKind::Test) => "听到请按 1；重听请按 3。",
        (Language::En, CampaignKind::Welfare) => {
            "If you are well, press 1; if you need help, press 2; to hear this again, press 3."
        }
        (Language::En, CampaignKind::Test) => "If you hear this, press 1; to hear it again, press 3.",
    };
    let said = match (call.contact.lang, campaign.kind) {
        _ if !campaign.text.is_empty() => campaign.text.replace(TEMPLATE_NAME, &name),
        (Language::ZhCn, CampaignKind::Welfare) => format!("{name}，您好。这里是{community}，问候您今天是否安好。"),
        (Language::En, CampaignKind::Welfare) => format!("Hello, {name}. This is {community}. How are you today?"),
        (Language::ZhCn, CampaignKind::Test) => {
            format!("{name}，您好。这里是{community}。您是{wearer}的紧急联系人，这是例行测试电话，不是报警。")
        }
        (Language::En, CampaignKind::Test) => format!(
            "Hello, {name}. This is {community}. You are an emergency contact of {wearer}; this is a test call, no alarm."
        ),
    };
    let params = [("name", name.clone()), ("community", community.to_owned()), ("wearer", wearer.to_owned())];
    Message {
        invitation: "",
        text: format!("{said}{}{keys}", if call.contact.lang == Language::En { " " } else { "" }),
        params: params.into_iter().map(|(name, value)| (CompactString::const_new(name), value)).collect(),
    }
}
