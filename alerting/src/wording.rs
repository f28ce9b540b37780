//! The text of each message, in Chinese and English, with its named parameters for providers that take templates.
//!
//! Parameters are named alike in every message: `community`, `name`, `time`, `event`, `place`, `explain`, `holder`,
//! `disposition`. A message has those that its text uses; what asks for an answer also has the `code` of its incident.

mod cases;
mod names;

use compact_str::CompactString;
use model::case::WhistleLevel;
use model::registry::DailyWindow;
use model::text::shorten;
use model::{Channel, IncidentKind, Language, Position, Timestamp};

/// The longest text of an SMS, in characters; what explains is shortened first (a long SMS is sent in parts).
pub const SMS_CHARS_MAX: usize = 300;
/// The longest name that a message speaks, in characters.
pub const NAME_CHARS_MAX: usize = 32;
/// What a device shows or speaks when somebody comes.
pub const HELP_IS_COMING: &str = "有人正在赶来";
/// What a device shows or speaks when somebody tries it.
pub const IT_WORKS: &str = "测试成功";

/// What stands before the code in a guardian's message. It names nobody: it shows on a locked screen.
#[must_use]
pub fn code(lang: Language) -> &'static str {
    match lang {
        Language::ZhCn => "银铃：查看老人位置与围栏的验证码，5 分钟内有效，请勿告诉任何人：",
        Language::En => "Yinling: the code to see where your elder is; it holds for 5 minutes, tell nobody: ",
    }
}

pub(crate) use cases::{CaseFacts, case_alarm_ended, case_given, case_given_voice, case_released, case_whistled};
pub use names::event;
use names::{beyond_the_event, disposition_name, entered, fell_too, in_a_welfare_call, place_by_ear};

const MILLIS_PER_MINUTE: i64 = 60_000;
const MINUTES_PER_DAY: i64 = 1_440;

/// The present instant, and the offset with which the messages tell the time of day.
#[derive(Debug, Clone, Copy)]
pub struct LocalTime {
    /// The present instant.
    pub now: Timestamp,
    /// Minutes east of UTC.
    pub utc_offset_minutes: i32,
}

impl LocalTime {
    /// The day of the week (0 is Monday) and the minute of the day (0–1 439).
    pub(crate) fn weekday_and_minute(self) -> (u8, u16) {
        let minutes = self.now.millis().div_euclid(MILLIS_PER_MINUTE) + i64::from(self.utc_offset_minutes);
        // 1970-01-01 was a Thursday.
        let weekday = (minutes.div_euclid(MINUTES_PER_DAY) + 3).rem_euclid(7);
        (weekday as u8, minutes.rem_euclid(MINUTES_PER_DAY) as u16)
    }

    /// When a daily window is open next: now, if it is.
    pub(crate) fn beginning_of(self, window: DailyWindow) -> Timestamp {
        let (_, minute) = self.weekday_and_minute();
        if window.contains(minute) {
            return self.now;
        }
        let left = (i64::from(window.from_minute) - i64::from(minute)).rem_euclid(MINUTES_PER_DAY);
        let begun = self.now.millis().rem_euclid(MILLIS_PER_MINUTE);
        self.now.plus_millis(left * MILLIS_PER_MINUTE - begun)
    }

    /// When a daily window ends, if it is open now.
    pub(crate) fn end_of(self, window: DailyWindow) -> Option<Timestamp> {
        let (_, minute) = self.weekday_and_minute();
        window.contains(minute).then(|| {
            let left = (i64::from(window.to_minute) - i64::from(minute)).rem_euclid(MINUTES_PER_DAY);
            let begun = self.now.millis().rem_euclid(MILLIS_PER_MINUTE);
            self.now.plus_millis(left * MILLIS_PER_MINUTE - begun)
        })
    }
}

/// What the messages about an incident tell.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What happened.
    pub kind: IncidentKind,
    /// Whether it is an area to be kept out of that they went into, not one to stay in that they left.
    pub entered: bool,
    /// Whether they asked for help in a welfare call, and did not leave it unanswered.
    pub asked_for_help: bool,
    /// Whether the device reported a fall beside what happened.
    pub and_fell: bool,
    /// To whom.
    pub wearer_name: &'a str,
    /// Where they belong.
    pub community_name: &'a str,
    /// When it was measured.
    pub happened_at: Timestamp,
    /// The last known position, in WGS-84.
    pub position: Option<Position>,
    /// The finding's sentence in Chinese.
    pub explain: &'a str,
    /// The same in English.
    pub explain_en: &'a str,
    /// The present instant and the offset.
    pub time: LocalTime,
}

/// A message, ready to be sent or spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The text.
    pub text: String,
    /// How to answer it, where an answer over this channel is heard; empty for what needs none.
    pub invitation: &'static str,
    /// The named parameters that the text was made with.
    pub params: Vec<(CompactString, String)>,
}

impl Message {
    /// The text as it goes over a channel: how to answer stands only where an answer is heard, and nobody hears what is
    /// said to a mail or to a robot.
    #[must_use]
    pub fn said_over(&self, channel: Channel) -> String {
        match channel {
            Channel::Sms | Channel::Push | Channel::Voice => format!("{}{}", self.text, self.invitation),
            Channel::Email | Channel::Robot => self.text.clone(),
        }
    }
}

/// What is said about who has taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken<'a> {
    /// `holder` said "I am going"; to the others.
    Going(&'a str),
    /// `holder` stands at the door; to the others.
    Arrived(&'a str),
    /// To somebody who acknowledges after `holder` did.
    Already(&'a str),
}

/// The alert as a text message or a push. `answerable`: whether a reply of 1 says "I am going".
#[must_use]
pub fn alert_text(lang: Language, facts: &Facts<'_>, answerable: bool) -> Message {
    let words = Words::of(lang, facts);
    let tail = if answerable { reply_to_go(lang) } else { "" };
    words.message(&["community", "name", "time", "event", "explain", "place"], tail, |w| match lang {
        Language::ZhCn => {
            format!("{}提醒：{}于{}{}。{}{}。", w.community, w.name, w.time, w.event, w.explain, w.place)
        }
        Language::En => {
            format!("{}: {} {} at {}. {}{}.", w.community, w.name, w.event, w.time, w.explain, w.place)
        }
    })
}

/// The alert for whoever joins its case by a whistle.
#[must_use]
pub fn whistled(lang: Language, facts: &Facts<'_>, level: WhistleLevel) -> Message {
    let mut message = alert_text(lang, facts, true);
    message.text = format!("{}{}", whistled_to(lang, level), message.text);
    message
}

fn whistled_to(lang: Language, level: WhistleLevel) -> String {
    let (zh, en) = match level {
        WhistleLevel::Community => ("社区", "the community"),
        WhistleLevel::Street => ("街道", "the street"),
        WhistleLevel::Department => ("部门", "the department"),
    };
    match lang {
        Language::ZhCn => format!("【吹哨至{zh}】"),
        Language::En => format!("Whistled to {en}. "),
    }
}

/// How somebody who was texted says that they go.
fn reply_to_go(lang: Language) -> &'static str {
    match lang {
        Language::ZhCn => "回复1确认前往。",
        Language::En => " Reply 1 if you are going.",
    }
}

/// The alert as it is spoken in a call, with the keys.
#[must_use]
pub fn alert_voice(lang: Language, facts: &Facts<'_>) -> Message {
    let mut words = Words::of(lang, facts);
    words.place = place_by_ear(lang, facts.position.is_some());
    let fell = if facts.and_fell { fell_too(lang) } else { "" };
    words.message(&["community", "name", "time", "event", "place"], "", |w| match lang {
        Language::ZhCn => format!(
            "这里是{}。{}于{}{}，{}。{fell}确认并前往请按 1；无法处理请按 2；重听请按 3。",
            w.community, w.name, w.time, w.event, w.place
        ),
        Language::En => format!(
            "This is {}. {} {} at {}; {}. {fell}If you are going, press 1; if you cannot, press 2; to hear this again, \
             press 3.",
            w.community, w.name, w.event, w.time, w.place
        ),
    })
}

/// Why whoever had said that they were going is not counted on any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Their time ran out, and they had not arrived.
    NotArrived,
    /// They say that they cannot go after all.
    CannotGo,
    /// They had said that they were there, and say that they are not.
    NotThere,
    /// Somebody else was given the case.
    Relieved,
}

/// To those who were told: whoever said that they were going does not come; somebody still has to go.
#[must_use]
pub fn lease_ended(lang: Language, facts: &Facts<'_>, holder: &str, lost: Lost, answerable: bool) -> Message {
    let mut words = Words::of(lang, facts);
    words.holder = shorten(holder, NAME_CHARS_MAX);
    let tail = if answerable { reply_to_go(lang) } else { "" };
    words.message(&["community", "name", "time", "event", "holder"], tail, |w| match lang {
        Language::ZhCn => {
            let lost = match lost {
                Lost::NotArrived => "已接警但尚未到场",
                Lost::CannotGo => "接警后表示无法前往",
                Lost::NotThere => "表示不在现场",
                Lost::Relieved => "接警后被改派，不再前往",
            };
            format!("{}提醒：{}于{}{}，{}{lost}，仍需有人前往。", w.community, w.name, w.time, w.event, w.holder)
        }
        Language::En => {
            let lost = match lost {
                Lost::NotArrived => "took it but has not arrived",
                Lost::CannotGo => "took it and cannot go after all",
                Lost::NotThere => "says that they are not there",
                Lost::Relieved => "took it, and it was given to somebody else",
            };
            format!(
                "{}: {} {} at {}. {} {lost}; somebody still has to go.",
                w.community, w.name, w.event, w.time, w.holder
            )
        }
    })
}

/// To those who were told: the wearer is somewhere else now.
#[must_use]
pub fn position_text(lang: Language, facts: &Facts<'_>) -> Message {
    Words::of(lang, facts).message(&["community", "name", "event", "place"], "", |w| match lang {
        Language::ZhCn => format!("{}位置更新：{}{}，现{}。", w.community, w.name, w.event, w.place),
        Language::En => format!("{}: {} {}. {} now.", w.community, w.name, w.event, w.place),
    })
}

/// To the doctor. What is theirs to judge they can take by a reply; of the rest they are told.
#[must_use]
pub fn doctor_text(lang: Language, facts: &Facts<'_>) -> Message {
    let tail = match (lang, facts.kind.is_for_doctor()) {
        (Language::ZhCn, true) => "回复1接单。",
        (Language::En, true) => " Reply 1 to take it.",
        (_, false) => "",
    };
    let mut message = alert_text(lang, facts, false);
    message.text = shorten(&message.text, SMS_CHARS_MAX - tail.chars().count());
    message.invitation = tail;
    message
}

/// To the doctor: nobody has taken the order yet.
#[must_use]
pub fn order_waits(lang: Language, facts: &Facts<'_>) -> Message {
    let tail = match lang {
        Language::ZhCn => "回复1接单。",
        Language::En => "Reply 1 to take it.",
    };
    Words::of(lang, facts).message(&["community", "name", "time", "event", "explain"], tail, |w| match lang {
        Language::ZhCn => {
            format!("{}提醒：{}于{}{}，尚无医生接单。{}", w.community, w.name, w.time, w.event, w.explain)
        }
        Language::En => {
            format!("{}: {} {} at {}. No doctor has taken it yet. {}", w.community, w.name, w.event, w.time, w.explain)
        }
    })
}

/// To the desk: every contact was tried in vain. `again`: it was said before.
#[must_use]
pub fn desk_text(lang: Language, facts: &Facts<'_>, again: bool) -> Message {
    let names = ["community", "name", "time", "event", "explain", "place"];
    Words::of(lang, facts).message(&names, reply_to_go(lang), |w| match lang {
        Language::ZhCn => format!(
            "{}{}：{}于{}{}，联系人未能处理，请立即前往。{}{}。",
            w.community,
            if again { "再次提醒" } else { "紧急" },
            w.name,
            w.time,
            w.event,
            w.explain,
            w.place
        ),
        Language::En => format!(
            "{}{}: {} {} at {}. No contact can see to it; please act now. {}{}.",
            w.community,
            if again { ", again" } else { ", urgent" },
            w.name,
            w.event,
            w.time,
            w.explain,
            w.place
        ),
    })
}

/// To a phone that said "I am going" while more than one alarm waits for its answer: one such text for each, with its code.
#[must_use]
pub fn which(lang: Language, facts: &Facts<'_>, code: &str, is_doctor: bool) -> Message {
    let names = ["community", "name", "time", "event"];
    Words::of(lang, facts).message(&names, "", |w| match lang {
        Language::ZhCn => format!(
            "{}：有不止一起报警等您答复。{}于{}{}，{}请回复“1 {code}”。",
            w.community,
            w.name,
            w.time,
            w.event,
            if is_doctor { "接单" } else { "确认前往" },
        ),
        Language::En => format!(
            "{}: more than one alarm waits for your answer. {} {} at {}: {}, reply \"1 {code}\".",
            w.community,
            w.name,
            w.event,
            w.time,
            if is_doctor { "to take this one" } else { "if you are going there" },
        ),
    })
}

/// Who has taken it.
#[must_use]
pub fn taken(lang: Language, facts: &Facts<'_>, taken: Taken<'_>) -> Message {
    let mut words = Words::of(lang, facts);
    let (Taken::Going(holder) | Taken::Arrived(holder) | Taken::Already(holder)) = taken;
    words.holder = shorten(holder, NAME_CHARS_MAX);
    words.message(&["community", "name", "event", "holder"], "", |w| match (lang, taken) {
        (Language::ZhCn, Taken::Going(_)) => {
            format!("{}：{}{}，{} 已接警，正在赶去。", w.community, w.name, w.event, w.holder)
        }
        (Language::ZhCn, Taken::Arrived(_)) => {
            format!("{}：{}{}，{} 已到场。", w.community, w.name, w.event, w.holder)
        }
        (Language::ZhCn, Taken::Already(_)) => {
            format!("{}：{}{}，已由 {} 确认，无需重复确认。谢谢。", w.community, w.name, w.event, w.holder)
        }
        (Language::En, Taken::Going(_)) => {
            format!("{}: {} {}. {} has taken it and is going.", w.community, w.name, w.event, w.holder)
        }
        (Language::En, Taken::Arrived(_)) => {
            format!("{}: {} {}. {} is there.", w.community, w.name, w.event, w.holder)
        }
        (Language::En, Taken::Already(_)) => {
            format!("{}: {} {}. {} has taken it already. Thank you.", w.community, w.name, w.event, w.holder)
        }
    })
}

/// How it ended.
#[must_use]
pub fn ended(lang: Language, facts: &Facts<'_>, disposition: &str) -> Message {
    let mut words = Words::of(lang, facts);
    words.disposition = disposition_name(lang, disposition);
    words.message(&["community", "name", "time", "event", "disposition"], "", |w| match lang {
        Language::ZhCn => {
            format!("{}：{}于{}{}，现已处理完毕：{}。", w.community, w.name, w.time, w.event, w.disposition)
        }
        Language::En => {
            format!("{}: {} {} at {}. It has ended: {}.", w.community, w.name, w.event, w.time, w.disposition)
        }
    })
}

/// The parameters' values in one language.
#[derive(Clone)]
struct Words {
    community: String,
    name: String,
    time: String,
    event: &'static str,
    explain: String,
    place: String,
    holder: String,
    disposition: String,
}

impl Words {
    fn of(lang: Language, facts: &Facts<'_>) -> Words {
        let (community, explain) = match lang {
            Language::ZhCn => ("社区", facts.explain),
            Language::En => ("Community care", facts.explain_en),
        };
        let community = if facts.community_name.is_empty() { community } else { facts.community_name };
        Words {
            community: shorten(community, NAME_CHARS_MAX),
            name: shorten(facts.wearer_name, NAME_CHARS_MAX),
            time: time_of_day(lang, facts.happened_at, facts.time),
            event: match facts.kind {
                IncidentKind::WelfareCall => in_a_welfare_call(lang, facts.asked_for_help),
                _ if facts.entered => entered(lang),
                kind => event(lang, kind),
            },
            explain: format!(
                "{}{}",
                if facts.and_fell { fell_too(lang) } else { "" },
                sentence(lang, beyond_the_event(lang, facts.kind, explain))
            ),
            place: place(lang, facts.position),
            holder: String::new(),
            disposition: String::new(),
        }
    }

    /// Renders, shortening the explanation as far as [`SMS_CHARS_MAX`] asks for.
    fn message(
        mut self,
        names: &[&'static str],
        invitation: &'static str,
        render: impl Fn(&Words) -> String,
    ) -> Message {
        let mut text = render(&self);
        let chars_max = SMS_CHARS_MAX - invitation.chars().count();
        let excess = text.chars().count().saturating_sub(chars_max);
        if excess > 0 {
            let kept = self.explain.chars().count().saturating_sub(excess + 1);
            self.explain = shorten(&self.explain, kept);
            text = shorten(&render(&self), chars_max);
        }
        let params = names.iter().map(|name| (CompactString::const_new(name), self.param(name).to_owned())).collect();
        Message { text, invitation, params }
    }

    fn param(&self, name: &str) -> &str {
        match name {
            "community" => &self.community,
            "name" => &self.name,
            "time" => &self.time,
            "event" => self.event,
            "explain" => &self.explain,
            "place" => &self.place,
            "holder" => &self.holder,
            _ => &self.disposition,
        }
    }
}

/// `08:05`; with the day in front if that is not today.
fn time_of_day(lang: Language, at: Timestamp, time: LocalTime) -> String {
    let local_minutes = |t: Timestamp| t.millis().div_euclid(MILLIS_PER_MINUTE) + i64::from(time.utc_offset_minutes);
    let minute = local_minutes(at).rem_euclid(MINUTES_PER_DAY);
    let clock = format!("{:02}:{:02}", minute / 60, minute % 60);
    let day = |t| local_minutes(t).div_euclid(MINUTES_PER_DAY);
    match (lang, day(time.now) - day(at)) {
        (_, ..=0) => clock,
        (Language::ZhCn, 1) => format!("昨天{clock}"),
        (Language::ZhCn, days) => format!("{days}天前{clock}"),
        (Language::En, 1) => format!("{clock} yesterday"),
        (Language::En, days) => format!("{clock} {days} days ago"),
    }
}

/// The finding's sentence with its full stop; nothing for nothing.
fn sentence(lang: Language, explain: &str) -> String {
    let bare = explain.trim().trim_end_matches(['。', '.']);
    match lang {
        _ if bare.is_empty() => String::new(),
        Language::ZhCn => format!("{bare}。"),
        Language::En => format!("{bare}. "),
    }
}

/// Coordinates: links may not stand in text messages (channels.md).
fn place(lang: Language, position: Option<Position>) -> String {
    match (lang, position) {
        (Language::ZhCn, Some(p)) => format!("位置 {:.5},{:.5}", p.lat, p.lon),
        (Language::ZhCn, None) => "位置未知".to_owned(),
        (Language::En, Some(p)) => format!("Position {:.5},{:.5}", p.lat, p.lon),
        (Language::En, None) => "Position not known".to_owned(),
    }
}

#[cfg(test)]
#[path = "wording_tests.rs"]
mod tests;
