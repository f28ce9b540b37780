//! How people answer a text message.

use model::{AttemptId, IncidentId};

/// What a reply means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// "I am going": `1`, `确认` or `收到`, alone or with the code of the attempt or incident.
    Going,
    /// "I cannot": `2`.
    CannotGo,
    /// Anything else: a remark.
    Remark,
}

/// Reads a reply: full-width characters count as their plain forms, space and punctuation around it do not count.
pub(crate) fn read(text: &str, attempt: AttemptId, incident: IncidentId) -> Reply {
    let plain: String = text.chars().map(half_width).collect();
    let ignored = |c: char| c.is_whitespace() || c.is_ascii_punctuation() || "。,!?、;:“”‘’「」【】…".contains(c);
    let mut words = plain.split(ignored).filter(|word| !word.is_empty());
    let (Some(answer), code, None) = (words.next(), words.next(), words.next()) else { return Reply::Remark };
    let fits = |code: &str| {
        let code = code.to_ascii_lowercase();
        code == attempt.to_string() || code == incident.to_string()
    };
    match answer {
        _ if !code.is_none_or(fits) => Reply::Remark,
        "1" | "确认" | "收到" => Reply::Going,
        "2" => Reply::CannotGo,
        _ => Reply::Remark,
    }
}

/// The plain form of a full-width character (U+FF01–U+FF5E, and the ideographic space).
fn half_width(c: char) -> char {
    match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_as_people_write_them() {
        let (attempt, incident) = (AttemptId::new(0, 40), IncidentId::new(0, 3));
        let read = |text| read(text, attempt, incident);
        for going in [
            "1",
            " 1 ",
            "\u{ff11}",
            " \u{ff11}。",
            "1!",
            "1\u{ff01}",
            "确认",
            "收到。",
            "【确认】",
            "1 a18",
            "收到 I3",
            "\u{3000}1\n",
        ] {
            assert_eq!(read(going), Reply::Going, "{going:?}");
        }
        for cannot in ["2", "\u{ff12}", "2."] {
            assert_eq!(read(cannot), Reply::CannotGo, "{cannot:?}");
        }
        for remark in ["", "  ", "11", "1 2", "1 a19", "我马上到", "不确认", "确认 确认 确认", "yes", "12:30", "-"]
        {
            assert_eq!(read(remark), Reply::Remark, "{remark:?}");
        }
    }
}
