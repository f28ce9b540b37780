//! What happened, and how it ended, in words.

use model::{IncidentKind, Language};

/// What happened, as the verb of a sentence about the wearer.
#[must_use]
pub fn event(lang: Language, kind: IncidentKind) -> &'static str {
    use IncidentKind as K;
    match (lang, kind) {
        (Language::ZhCn, K::Sos) => "按下求助键",
        (Language::ZhCn, K::Fall) => "疑似跌倒",
        (Language::ZhCn, K::FenceExit) => "离开安全区域",
        (Language::ZhCn, K::BloodPressureHigh) => "血压过高",
        (Language::ZhCn, K::BloodPressureLow) => "血压过低",
        (Language::ZhCn, K::HeartRateHigh) => "心率过快",
        (Language::ZhCn, K::HeartRateLow) => "心率过慢",
        (Language::ZhCn, K::Spo2Low) => "血氧过低",
        (Language::ZhCn, K::TemperatureHigh) => "体温过高",
        (Language::ZhCn, K::TemperatureLow) => "体温过低",
        (Language::ZhCn, K::Silence) => "设备失去联系",
        (Language::ZhCn, K::MassSilence) => "所在区域多台设备失去联系",
        (Language::ZhCn, K::BatteryLow) => "设备电量不足",
        (Language::ZhCn, K::DeviceRemoved) => "设备被取下",
        (Language::ZhCn, K::Wandering) => "疑似走失",
        (Language::ZhCn, K::Immobility) => "长时间未活动",
        (Language::ZhCn, K::IrregularPulse) => "脉搏不齐",
        (Language::ZhCn, K::WelfareCall) => "问候电话需要帮助或未接听",
        (Language::ZhCn, K::News2High) => "生命体征综合评分过高",
        (Language::ZhCn, K::BloodPressureWatch) => "血压偏高",
        (Language::ZhCn, K::OrthostaticDrop) => "站立后血压下降",
        (Language::En, K::Sos) => "pressed the SOS button",
        (Language::En, K::Fall) => "may have fallen",
        (Language::En, K::FenceExit) => "left the safe area",
        (Language::En, K::BloodPressureHigh) => "has high blood pressure",
        (Language::En, K::BloodPressureLow) => "has low blood pressure",
        (Language::En, K::HeartRateHigh) => "has a fast heart rate",
        (Language::En, K::HeartRateLow) => "has a slow heart rate",
        (Language::En, K::Spo2Low) => "has low oxygen saturation",
        (Language::En, K::TemperatureHigh) => "has a high temperature",
        (Language::En, K::TemperatureLow) => "has a low temperature",
        (Language::En, K::Silence) => "cannot be reached by the device",
        (Language::En, K::MassSilence) => "is in an area where many devices are silent",
        (Language::En, K::BatteryLow) => "has a device with a low battery",
        (Language::En, K::DeviceRemoved) => "took the device off",
        (Language::En, K::Wandering) => "may have wandered off",
        (Language::En, K::Immobility) => "has not moved for a long time",
        (Language::En, K::IrregularPulse) => "has an irregular pulse",
        (Language::En, K::WelfareCall) => "needs help or did not answer the welfare call",
        (Language::En, K::News2High) => "has a high early-warning score",
        (Language::En, K::BloodPressureWatch) => "has a blood pressure to keep an eye on",
        (Language::En, K::OrthostaticDrop) => "has a blood pressure that drops on standing",
    }
}

/// The same of somebody who went into an area to be kept out of.
pub(super) fn entered(lang: Language) -> &'static str {
    match lang {
        Language::ZhCn => "进入禁入区域",
        Language::En => "went into an area to be kept out of",
    }
}

/// What came of a welfare call.
pub(super) fn in_a_welfare_call(lang: Language, asked_for_help: bool) -> &'static str {
    match (lang, asked_for_help) {
        (Language::ZhCn, true) => "在问候电话中求助",
        (Language::ZhCn, false) => "未接听问候电话",
        (Language::En, true) => "asked for help in the welfare call",
        (Language::En, false) => "did not answer the welfare call",
    }
}

/// What the explanation adds to the event: that the button was pressed, or that the blood pressure is too high, is said
/// already; that it was an hour ago, or how high, is not.
pub(super) fn beyond_the_event(lang: Language, kind: IncidentKind, explain: &str) -> &str {
    if kind != IncidentKind::Sos {
        let rest = explain.strip_prefix(event(lang, kind));
        return rest.and_then(|rest| rest.strip_prefix(['：', ':'])).map_or(explain, str::trim_start);
    }
    let chinese = explain.split_once('。').map(|(_, rest)| rest);
    chinese.or_else(|| explain.split_once(". ").map(|(_, rest)| rest)).unwrap_or("")
}

/// It stands first: whoever goes must not shout through the door and wait.
pub(super) fn fell_too(lang: Language) -> &'static str {
    match lang {
        Language::ZhCn => "设备还报告疑似跌倒。",
        Language::En => "The device reports a fall, too. ",
    }
}

/// Nobody can follow coordinates by ear; the text message has them.
pub(super) fn place_by_ear(lang: Language, is_known: bool) -> String {
    let place = match (lang, is_known) {
        (Language::ZhCn, true) => "位置见短信",
        (Language::ZhCn, false) => "位置未知",
        (Language::En, true) => "the place is in the text message",
        (Language::En, false) => "the place is not known",
    };
    place.to_owned()
}

pub(super) fn disposition_name(lang: Language, disposition: &str) -> String {
    let known = match (lang, disposition) {
        (Language::ZhCn, "helped") => "已得到帮助",
        (Language::ZhCn, "false_alarm") => "误报",
        (Language::ZhCn, "test") => "测试",
        (Language::ZhCn, "handed_to_120") => "已转交120急救",
        (Language::En, "helped") => "helped",
        (Language::En, "false_alarm") => "false alarm",
        (Language::En, "test") => "a test",
        (Language::En, "handed_to_120") => "handed over to the ambulance (120)",
        _ => disposition,
    };
    known.to_owned()
}
