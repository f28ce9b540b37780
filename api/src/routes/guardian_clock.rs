//! How a guardian's page tells the time: it has no script, and stays as it was written.

use model::{Language, Timestamp};

use crate::shared::Shared;

/// The present, and how the configured zone tells it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) now: Timestamp,
    /// East of UTC.
    offset_minutes: i32,
}

impl Clock {
    pub(super) fn of(shared: &Shared) -> Clock {
        let now = shared.host.now();
        Clock { now, offset_minutes: shared.host.utc_offset_minutes(now) }
    }

    /// `14:05:32`, of another day `11月21日 14:05:32`: a page without a script stays as it was written, so that "3 分钟前"
    /// alone would grow wrong.
    pub(super) fn words(self, lang: Language, at: Timestamp) -> String {
        let local = |at: Timestamp| at.plus_millis(i64::from(self.offset_minutes) * 60_000).to_utc();
        let (at, now) = (local(at), local(self.now));
        match lang {
            _ if at.date_naive() == now.date_naive() => at.format("%H:%M:%S"),
            Language::ZhCn => at.format("%-m月%-d日 %H:%M:%S"),
            Language::En => at.format("%-d %b %H:%M:%S"),
        }
        .to_string()
    }
}

/// "3 分钟前 · 14:05:32", with the instant itself for machines.
pub(super) fn time(lang: Language, at: Timestamp, clock: Clock) -> String {
    let minutes = clock.now.millis_since(at) / 60_000;
    let words = match (lang, minutes) {
        (Language::ZhCn, ..=0) => "刚刚".to_owned(),
        (Language::En, ..=0) => "just now".to_owned(),
        (Language::ZhCn, _) => format!("{}前", span(lang, minutes)),
        (Language::En, _) => format!("{} ago", span(lang, minutes)),
    };
    format!("<time datetime=\"{at}\">{words} · {}</time>", clock.words(lang, at))
}

fn span(lang: Language, minutes: i64) -> String {
    let zh = lang == Language::ZhCn;
    match minutes {
        ..120 if zh => format!("{minutes} 分钟"),
        ..120 => format!("{minutes} min"),
        _ if zh => format!("{} 小时", minutes / 60),
        _ => format!("{} h", minutes / 60),
    }
}
