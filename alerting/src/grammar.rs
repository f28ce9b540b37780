//! How people answer a text message.

/// What a reply says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// What it means.
    pub(crate) answer: Answer,
    /// The code of an attempt, incident or case that stands behind it, in small letters.
    pub(crate) code: Option<String>,
}

/// What a reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// "I am going": `1`, `确认` or `收到`, alone or with a code.
    Going,
    /// "I cannot": `2`.
    CannotGo,
    /// Anything else: a remark.
    Remark,
}

/// Reads a reply: full-width characters count as their plain forms, space and punctuation around it do not count.
pub(crate) fn read(text: &str) -> Reply {
    let plain: String = text.chars().map(half_width).collect();
    let ignored = |c: char| c.is_whitespace() || c.is_ascii_punctuation() || "。,!?、;:“”‘’「」【】…".contains(c);
    let mut words = plain.split(ignored).filter(|word| !word.is_empty());
    let remark = Reply { answer: Answer::Remark, code: None };
    let (Some(first), second, None) = (words.next(), words.next(), words.next()) else { return remark };
    // Many write "1i3" in one.
    let whole = |word: &'static str| first.strip_prefix(word).filter(|rest| rest.is_empty() || is_code(rest));
    let found = ANSWERS.into_iter().find_map(|(word, answer)| Some((answer, whole(word)?)));
    match found {
        Some((answer, "")) => Reply { answer, code: second.map(str::to_ascii_lowercase) },
        Some((answer, code)) if second.is_none() => Reply { answer, code: Some(code.to_ascii_lowercase()) },
        _ => remark,
    }
}

/// What is understood.
const ANSWERS: [(&str, Answer); 4] =
    [("1", Answer::Going), ("确认", Answer::Going), ("收到", Answer::Going), ("2", Answer::CannotGo)];

/// Whether this begins as the codes of attempts, incidents and cases do.
fn is_code(text: &str) -> bool {
    text.len() > 1 && text.starts_with(['i', 'I', 'a', 'A', 'c', 'C'])
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
        let read = |text| {
            let Reply { answer, code } = read(text);
            (answer, code.unwrap_or_default())
        };
        for going in
            ["1", " 1 ", "\u{ff11}", " \u{ff11}。", "1!", "1\u{ff01}", "确认", "收到。", "【确认】", "\u{3000}1\n"]
        {
            assert_eq!(read(going), (Answer::Going, String::new()), "{going:?}");
        }
        for (coded, code) in
            [("1 a18", "a18"), ("收到 I3", "i3"), ("1c4", "c4"), ("\u{ff11}\u{ff49}\u{ff13}", "i3"), ("1 2", "2")]
        {
            assert_eq!(read(coded), (Answer::Going, code.to_owned()), "{coded:?}");
        }
        assert_eq!(read("2 i3"), (Answer::CannotGo, "i3".to_owned()));
        for cannot in ["2", "\u{ff12}", "2."] {
            assert_eq!(read(cannot), (Answer::CannotGo, String::new()), "{cannot:?}");
        }
        for remark in
            ["", "  ", "11", "1i", "1i3 x", "1a18 i3", "我马上到", "不确认", "确认 确认 确认", "yes", "12:30", "-"]
        {
            assert_eq!(read(remark), (Answer::Remark, String::new()), "{remark:?}");
        }
    }
}
