//! Messages that a provider has approved beforehand: a code, and values for its named variables, each within a
//! length, in a form that no provider refuses. What can be wrong with a template is found at the start; what can be
//! wrong with a value is put right here, for at 3 in the morning nobody corrects it.

use compact_str::CompactString;
pub use model::text::shorten;
use model::{Attempt, Purpose};

/// What stands for a value that is not there: providers refuse an empty one.
const NOTHING: &str = "-";
/// The longest value that is configured for, in characters.
pub const PARAM_CHARS_MAX: usize = 100;

/// The variables that a message of ours can have, in the words of the configuration.
pub const PARAMS: [&str; 10] =
    ["community", "name", "time", "event", "explain", "place", "holder", "disposition", "wearer", "code"];

/// The variables that every message of a purpose has, whatever happened and to whom.
#[must_use]
pub fn always_given(purpose: Purpose) -> &'static [&'static str] {
    match purpose {
        Purpose::Alert | Purpose::Position => &["community", "name", "time", "event", "place", "code"],
        Purpose::Taken => &["community", "name", "event", "holder"],
        Purpose::Ended => &["community", "name", "time", "event", "disposition"],
        Purpose::Reminder => &["community", "name", "time", "event", "code"],
        Purpose::Test | Purpose::Welfare => &["community", "name", "wearer"],
        Purpose::Code => &["community", "code"],
    }
}

/// An approved message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The provider's name for it.
    pub code: String,
    /// Which of [`PARAMS`] its variables are, in the provider's order.
    pub params: Vec<String>,
}

/// The approved messages of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    /// Something happened.
    pub alert: Template,
    /// It still has nobody; `None`: the alert's.
    pub reminder: Option<Template>,
    /// Somebody has taken it; `None`: not told over this channel.
    pub taken: Option<Template>,
    /// How it ended; `None`: not told over this channel.
    pub ended: Option<Template>,
    /// Whether the number works; `None`: no test calls over this channel.
    pub test: Option<Template>,
    /// How are you today; `None`: no welfare calls over this channel.
    pub welfare: Option<Template>,
    /// The code for a guardian's pages; `None`: no codes over this channel.
    pub verify: Option<Template>,
    /// The longest value, characters, 4 to [`PARAM_CHARS_MAX`].
    pub param_chars_max: usize,
}

/// A template, and its variables' names and values in its own order.
pub type Filled<'t> = (&'t Template, Vec<(&'t str, String)>);

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// No message of ours has it.
    #[error("no message has a parameter {0:?}; there are {list}", list = PARAMS.join(", "))]
    Unknown(String),
    /// The messages of this purpose do not always have it, and a provider refuses a template with a variable missing.
    #[error("a message of this purpose has no {0:?}; it always has {list}", list = .1.join(", "))]
    NotGiven(String, &'static [&'static str]),
}

/// Looks whether every message of a purpose can fill a template.
///
/// # Errors
/// The first variable that it could not fill.
pub fn check(params: &[String], purpose: Purpose) -> Result<(), TemplateFault> {
    let given = always_given(purpose);
    for param in params {
        if !PARAMS.contains(&param.as_str()) {
            return Err(TemplateFault::Unknown(param.clone()));
        }
        if !given.contains(&param.as_str()) {
            return Err(TemplateFault::NotGiven(param.clone(), given));
        }
    }
    Ok(())
}

impl Templates {
    /// The template and the values for one attempt, in the template's order.
    ///
    /// # Errors
    /// When there is no template for its purpose.
    pub fn fill(&self, attempt: &Attempt) -> Result<Filled<'_>, CompactString> {
        let template = match attempt.purpose {
            Purpose::Alert | Purpose::Position => Some(&self.alert),
            Purpose::Reminder => self.reminder.as_ref().or(Some(&self.alert)),
            Purpose::Taken => self.taken.as_ref(),
            Purpose::Ended => self.ended.as_ref(),
            Purpose::Test => self.test.as_ref(),
            Purpose::Welfare => self.welfare.as_ref(),
            Purpose::Code => self.verify.as_ref(),
        };
        let template = template.ok_or("no template is configured for messages of this purpose")?;
        let value = |name: &str| {
            let found = attempt.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            fit(found.unwrap_or_default(), self.param_chars_max)
        };
        Ok((template, template.params.iter().map(|name| (name.as_str(), value(name))).collect()))
    }
}

/// A value as a provider takes it: of one line, without what could be a link or another signature, neither empty nor
/// longer than `chars_max`.
#[must_use]
pub fn fit(value: &str, chars_max: usize) -> String {
    let plain = plain(value);
    let short = match rounded_place(&plain, chars_max) {
        Some(place) => place,
        None => shorten(&plain, chars_max),
    };
    if short.is_empty() { NOTHING.to_owned() } else { short }
}

/// Without control characters and marks of direction, which could hide or turn round what stands beside them; without
/// links, which providers refuse; without brackets that make a second signature; with single spaces.
fn plain(value: &str) -> String {
    let turned: String = value
        .chars()
        .filter_map(|c| match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}' => None,
            '【' | '〔' | '[' | '{' => Some('('),
            '】' | '〕' | ']' | '}' => Some(')'),
            '$' => None,
            c if c.is_control() => Some(' '),
            c => Some(c),
        })
        .collect();
    turned.split_whitespace().filter(|word| !is_link(word)).collect::<Vec<_>>().join(" ")
}

fn is_link(word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    word.contains("://") || word.contains("www.")
}

/// A place in coordinates that is too long loses digits and not its end: `31.820,117.227` is still the right street,
/// `31.82061,117.2…` is nowhere.
fn rounded_place(text: &str, chars_max: usize) -> Option<String> {
    if text.chars().count() <= chars_max {
        return None;
    }
    let pair = text.rsplit(' ').next()?;
    let (lat, lon) = pair.split_once(',')?;
    let (lat, lon): (f64, f64) = (lat.parse().ok()?, lon.parse().ok()?);
    [5, 4, 3].into_iter().map(|digits| format!("{lat:.digits$},{lon:.digits$}")).find(|text| text.len() <= chars_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_into_a_form_that_no_provider_refuses() {
        for (value, chars_max, expected) in [
            ("王桂兰", 20, "王桂兰"),
            ("", 20, "-"),
            (" \n\t ", 20, "-"),
            ("第一行\r\n第二行", 20, "第一行 第二行"),
            ("【银行】王${name}", 20, "(银行)王(name)"),
            ("看 https://e.example/x www.e.example 吧", 20, "看 吧"),
            ("https://e.example", 20, "-"),
            ("王\u{202e}兰桂", 20, "王兰桂"),
            ("阿卜杜热合曼·麦麦提吐尔逊·买合木提", 12, "阿卜杜热合曼·麦麦提吐…"),
            ("位置 31.82061,117.22720", 24, "位置 31.82061,117.22720"),
            ("位置 31.82061,117.22720", 20, "31.82061,117.22720"),
            ("位置 31.82061,117.22720", 16, "31.8206,117.2272"),
            ("位置 31.82061,117.22720", 15, "31.821,117.227"),
            ("Position 31.82061,117.22720", 20, "31.82061,117.22720"),
        ] {
            assert_eq!(fit(value, chars_max), expected, "{value:?} within {chars_max}");
        }
    }

    #[test]
    fn no_letter_is_parted_from_its_marks() {
        for (text, chars_max, expected) in [
            ("བཀྲ་ཤིས་བདེ་ལེགས", 4, "བཀྲ…"),
            ("བཀྲ་ཤིས་བདེ་ལེགས", 3, "བ…"),
            ("e\u{301}e\u{301}e\u{301}", 4, "e\u{301}…"),
            ("👨‍👩‍👧‍👦爷爷", 4, "…"),
            ("👍🏽好的", 3, "👍🏽…"),
            ("ئابدۇراخمان", 5, "ئابد…"),
            ("李", 1, "李"),
            ("李明", 1, "…"),
            ("李明", 0, ""),
        ] {
            let short = shorten(text, chars_max);
            assert_eq!(short, expected, "{text:?} within {chars_max}");
            assert!(short.chars().count() <= chars_max);
        }
    }

    #[test]
    fn a_template_that_could_not_always_be_filled_is_found_before_the_night() {
        let check = |names: &[&str], purpose| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            check(&names, purpose).map_err(|fault| fault.to_string())
        };
        assert_eq!(check(&["name", "time", "event", "place"], Purpose::Alert), Ok(()));
        assert_eq!(check(&[], Purpose::Ended), Ok(()));
        assert!(check(&["nmae"], Purpose::Alert).unwrap_err().starts_with("no message has a parameter \"nmae\""));
        assert!(check(&["holder"], Purpose::Alert).unwrap_err().contains("it always has community, name, time"));
        assert!(check(&["explain"], Purpose::Alert).is_err(), "a call does not explain");
        assert!(check(&["place"], Purpose::Reminder).is_err());
    }
}
