//! Telephone numbers as E.164 writes them, and as providers want them.

/// The shortest and longest number, in digits (ITU-T E.164: at most 15; below 5 nothing can be called): what an import
/// takes, for what was taken there must not be refused here.
const DIGITS: std::ops::RangeInclusive<usize> = 5..=15;
/// The country code of the mainland.
const MAINLAND: &str = "86";

/// A number in E.164.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct E164<'a>(&'a str);

impl<'a> E164<'a> {
    /// Reads `+8613800000001`: a plus, and 5 to 15 digits of which the first is no 0.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<E164<'a>> {
        let digits = text.strip_prefix('+')?;
        let good = DIGITS.contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        good.then_some(E164(digits))
    }

    /// `+8613800000001`.
    #[must_use]
    pub fn with_plus(self) -> String {
        format!("+{}", self.0)
    }

    /// The number within the mainland, `13800000001`; `None` elsewhere.
    #[must_use]
    pub fn mainland(self) -> Option<&'a str> {
        self.0.strip_prefix(MAINLAND)
    }

    /// As Aliyun and group robots write it: mainland numbers bare, others with their country code and no plus.
    #[must_use]
    pub fn bare(self) -> &'a str {
        self.mainland().unwrap_or(self.0)
    }
}

/// Whether two ways of writing a number mean the same one: `+8613800000001`, `8613800000001`, `13800000001`,
/// `008613800000001`.
#[must_use]
pub fn same_number(one: &str, other: &str) -> bool {
    fn plain(text: &str) -> &str {
        let text = text.trim().trim_start_matches('+');
        let text = text.strip_prefix("00").unwrap_or(text);
        match text.strip_prefix(MAINLAND) {
            Some(rest) if rest.len() == 11 && rest.starts_with('1') => rest,
            _ => text,
        }
    }
    let (one, other) = (plain(one), plain(other));
    !one.is_empty() && one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_e164_and_what_is_not() {
        for good in ["+8613800000001", "+12025550100", "+85200000000"] {
            assert!(E164::parse(good).is_some(), "{good}");
        }
        for bad in ["", "+", "13800000001", "+08613800000001", "+86 13800000001", "+86138000000x1", "+1234567890123456"]
        {
            assert!(E164::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(E164::parse("+8613800000001").unwrap().bare(), "13800000001");
        assert_eq!(E164::parse("+85251234567").unwrap().bare(), "85251234567");
        assert_eq!(E164::parse("+85251234567").unwrap().mainland(), None);
    }

    #[test]
    fn numbers_are_compared_as_people_dial_them() {
        for other in ["13800000001", "8613800000001", "+8613800000001", "008613800000001", " 13800000001 "] {
            assert!(same_number("+8613800000001", other), "{other}");
        }
        for other in ["", "+", "13800000002", "3800000001", "+113800000001"] {
            assert!(!same_number("+8613800000001", other), "{other}");
        }
        assert!(!same_number("", ""));
    }
}
