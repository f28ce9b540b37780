//! What is said about a case that no open incident stands behind.

use model::case::WhistleLevel;
use model::text::shorten;
use model::{CaseKind, Language, Position, Timestamp};

use super::{LocalTime, Message, NAME_CHARS_MAX, Words, event, place, sentence, time_of_day, whistled_to};

/// What the message about a case tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CaseFacts<'a> {
    pub(crate) kind: CaseKind,
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
    let head = whistled_to(lang, level);
    let mut words = Words::of_case(lang, facts);
    if words.name.is_empty() {
        words.name =
            if facts.place.is_empty() { words.community.clone() } else { shorten(facts.place, NAME_CHARS_MAX) };
    }
    // Whoever reads it must not take it for an alarm that is still on: they would look past the one that is.
    let is_over = matches!(facts.kind, CaseKind::Incident(_));
    words.message(&["community", "name", "time", "event", "explain", "place"], "", |w| match lang {
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
        Words {
            community: shorten(community, NAME_CHARS_MAX),
            name: shorten(facts.wearer_name, NAME_CHARS_MAX),
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
