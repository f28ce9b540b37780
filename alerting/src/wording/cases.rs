//! What is said about a case.

use model::case::WhistleLevel;
use model::text::shorten;
use model::{CaseKind, Language, Position, Timestamp};

use super::{
    LocalTime, Message, NAME_CHARS_MAX, Words, disposition_name, event, place, place_by_ear, sentence, time_of_day,
    whistled_to,
};

/// What the message about a case tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CaseFacts<'a> {
    pub(crate) kind: CaseKind,
    /// Whether an incident that nobody has ended stands behind it.
    pub(crate) is_on: bool,
    /// About whom; empty: about a place.
    pub(crate) wearer_name: &'a str,
    pub(crate) community_name: &'a str,
    pub(crate) filed_at: Timestamp,
    pub(crate) position: Option<Position>,
    /// The place in words.
    pub(crate) place: &'a str,
    /// What was reported, or what is asked of a visit.
    pub(crate) text: &'a str,
    pub(crate) time: LocalTime,
}

/// For whoever joins it by a whistle: nobody is asked to confirm anything by a reply.
pub(crate) fn case_whistled(lang: Language, facts: &CaseFacts<'_>, level: WhistleLevel) -> Message {
    let (head, is_over) = (whistled_to(lang, level), facts.is_over());
    Words::of_case(lang, facts).message(&["community", "name", "time", "event", "explain", "place"], "", |w| match lang
    {
        Language::ZhCn => {
            let ask =
                if is_over { "警情已结束，工单尚未办结，请协助办理" } else { "请协助处理" };
            format!("{head}{}：{}于{}{}，{ask}。{}{}。", w.community, w.name, w.time, w.event, w.explain, w.place)
        }
        Language::En => {
            let ask = if is_over {
                "the alarm has ended, its case has not: please help to close it"
            } else {
                "please help to see to it"
            };
            format!("{head}{}: {} {} at {}; {ask}. {}{}.", w.community, w.name, w.event, w.time, w.explain, w.place)
        }
    })
}

/// For whoever a case was given to. `is_asked`: whether they have not taken it yet.
pub(crate) fn case_given(lang: Language, facts: &CaseFacts<'_>, is_asked: bool) -> Message {
    let names = ["community", "name", "time", "event", "explain", "place"];
    let tail = match lang {
        _ if !is_asked => "",
        Language::ZhCn => "回复1接单，回复2无法前往。",
        Language::En => " Reply 1 to take it, 2 if you cannot.",
    };
    let is_over = facts.is_over();
    Words::of_case(lang, facts).message(&names, tail, |w| match lang {
        Language::ZhCn => {
            let over = if is_over { "警情已结束，" } else { "" };
            format!(
                "【派单】{}：{}于{}{}，{over}工单交由您处理，请前往。{}{}。",
                w.community, w.name, w.time, w.event, w.explain, w.place
            )
        }
        Language::En => {
            let over = if is_over { "the alarm has ended; " } else { "" };
            format!(
                "Given to you. {}: {} {} at {}; {over}the case is yours, please go. {}{}.",
                w.community, w.name, w.event, w.time, w.explain, w.place
            )
        }
    })
}

/// The same as it is spoken in a call, with the keys.
pub(crate) fn case_given_voice(lang: Language, facts: &CaseFacts<'_>) -> Message {
    let names = ["community", "name", "time", "event", "place"];
    let mut words = Words::of_case(lang, facts);
    words.place = place_by_ear(lang, facts.position.is_some() || !facts.place.is_empty());
    words.message(&names, "", |w| match lang {
        Language::ZhCn => format!(
            "这里是{}。{}于{}{}，工单已派给您，{}。接单并前往请按 1；无法前往请按 2。",
            w.community, w.name, w.time, w.event, w.place
        ),
        Language::En => format!(
            "This is {}. {} {} at {}; the case was given to you; {}. If you are going, press 1; if you cannot, press 2.",
            w.community, w.name, w.event, w.time, w.place
        ),
    })
}

/// For whoever was told that a case is theirs, when it is not any more. `holder`: whose it is now; empty: nobody's.
pub(crate) fn case_released(lang: Language, facts: &CaseFacts<'_>, holder: &str) -> Message {
    let mut words = Words::of_case(lang, facts);
    let nobody = match lang {
        Language::ZhCn => "社区",
        Language::En => "the community",
    };
    words.holder = shorten(if holder.is_empty() { nobody } else { holder }, NAME_CHARS_MAX);
    words.message(&["community", "name", "time", "event", "holder"], "", |w| match lang {
        Language::ZhCn => {
            let now = if holder.is_empty() { String::new() } else { format!("已由{}办理，", w.holder) };
            format!("【撤派】{}：{}于{}{}，工单{now}不再由您处理，您无需前往。", w.community, w.name, w.time, w.event)
        }
        Language::En => {
            let now = if holder.is_empty() { String::new() } else { format!("; it is with {} now", w.holder) };
            format!(
                "No longer yours. {}: {} {} at {}; you need not go for this case{now}.",
                w.community, w.name, w.event, w.time
            )
        }
    })
}

/// For whoever is on the way for a case: its alarm has ended, and how.
pub(crate) fn case_alarm_ended(lang: Language, facts: &CaseFacts<'_>, disposition: &str) -> Message {
    let mut words = Words::of_case(lang, facts);
    words.disposition = disposition_name(lang, disposition);
    words.message(&["community", "name", "time", "event", "disposition"], "", |w| match lang {
        Language::ZhCn => format!(
            "{}：{}于{}{}，警情已结束：{}。工单仍由您办理。",
            w.community, w.name, w.time, w.event, w.disposition
        ),
        Language::En => format!(
            "{}: {} {} at {}. The alarm has ended: {}. Its case is still yours.",
            w.community, w.name, w.event, w.time, w.disposition
        ),
    })
}

impl CaseFacts<'_> {
    /// Whoever reads of it must not take it for an alarm that is still on: they would look past the one that is.
    fn is_over(&self) -> bool {
        matches!(self.kind, CaseKind::Incident(_)) && !self.is_on
    }
}

impl Words {
    fn of_case(lang: Language, facts: &CaseFacts<'_>) -> Words {
        let community = match lang {
            _ if !facts.community_name.is_empty() => facts.community_name,
            Language::ZhCn => "社区",
            Language::En => "Community care",
        };
        let place = match facts.position {
            None if !facts.place.is_empty() => shorten(facts.place, NAME_CHARS_MAX),
            Some(_) if !facts.place.is_empty() => {
                format!("{} {}", shorten(facts.place, NAME_CHARS_MAX), place(lang, facts.position))
            }
            position => place(lang, position),
        };
        let about = [facts.wearer_name, facts.place, community].into_iter().find(|name| !name.is_empty());
        Words {
            community: shorten(community, NAME_CHARS_MAX),
            name: shorten(about.unwrap_or_default(), NAME_CHARS_MAX),
            time: time_of_day(lang, facts.filed_at, facts.time),
            event: case_event(lang, facts.kind),
            explain: sentence(lang, facts.text),
            place,
            holder: String::new(),
            disposition: String::new(),
        }
    }
}

fn case_event(lang: Language, kind: CaseKind) -> &'static str {
    match (lang, kind) {
        (_, CaseKind::Incident(kind)) => event(lang, kind),
        (Language::ZhCn, CaseKind::Report) => "有情况上报",
        (Language::ZhCn, CaseKind::Patrol) => "待巡访",
        (Language::En, CaseKind::Report) => "was reported on",
        (Language::En, CaseKind::Patrol) => "was to be visited, asked for",
    }
}
