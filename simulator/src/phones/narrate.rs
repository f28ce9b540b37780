//! What happens on the phones, in words, for the terminal.

use model::{Channel, Language, Timestamp};

use super::words::{Ending, Happened, Happening};

/// The demo's neighbourhood lives at UTC+8 the whole year; so do its clocks.
const ZONE_OFFSET_SECONDS: u32 = 8 * 3600;
/// Longer messages are cut on the terminal, in characters.
const SHOWN_CHARS_MAX: usize = 100;

/// The time of day in the neighbourhood, `08:00:00`.
#[must_use]
pub fn time_of_day(at: Timestamp) -> String {
    let seconds = at.plus_seconds(ZONE_OFFSET_SECONDS).millis() / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// One line: `08:00:00 ☎ 王芳 rings: …`.
#[must_use]
pub fn narrate(happening: &Happening, language: Language) -> String {
    format!("{} {}", time_of_day(happening.at), in_words(happening, language))
}

/// The line without its time: `☎ 王芳 rings: …`.
#[must_use]
pub fn in_words(happening: &Happening, language: Language) -> String {
    let Happening { name, what, .. } = happening;
    let zh = language == Language::ZhCn;
    let say = |zh_words: &str, en_words: &str| (if zh { zh_words } else { en_words }).to_owned();
    let (icon, words) = match what {
        Happened::Rings { text } => ("☎", format!("{}{}", say("来电响铃：", " rings: "), cut(text))),
        Happened::Answers => ("☎", say("接听了电话", " answers")),
        Happened::Mailbox => ("☎", say("的语音信箱接听了", "'s mailbox answers")),
        Happened::Presses { key } => ("☎", format!("{}{key}", say("按下 ", " presses "))),
        Happened::Ends(ending) => ("☎", end_words(*ending, &say)),
        Happened::Receives { channel: Channel::Push, text } => {
            ("✉", format!("{}{}", say("收到推送：", " gets a push message: "), cut(text)))
        }
        Happened::Receives { text, .. } => ("✉", format!("{}{}", say("收到短信：", " gets a text: "), cut(text))),
        Happened::Replies { text } => ("✉", format!("{}{}", say("回复短信：", " writes back: "), cut(text))),
    };
    format!("{icon} {name}{words}")
}

fn end_words(ending: Ending, say: &dyn Fn(&str, &str) -> String) -> String {
    match ending {
        Ending::NoAnswer => say("无人接听", " does not answer"),
        Ending::Busy => say("正在通话中", " is busy"),
        Ending::Declined => say("拒接", " rejects the call"),
        Ending::Unreachable => say("无法接通", " cannot be reached"),
        Ending::Failed => say("呼叫失败", ": the call fails"),
        Ending::HungUp => say("通话结束", ": the call is over"),
    }
}

fn cut(text: &str) -> String {
    let line = text.replace(['\n', '\r'], " ");
    if line.chars().count() <= SHOWN_CHARS_MAX {
        return line;
    }
    line.chars().take(SHOWN_CHARS_MAX).chain(['…']).collect()
}
