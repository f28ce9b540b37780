//! Texts that have to fit.

/// Cuts a text to so many characters, the last of them an ellipsis if some had to go. No letter is parted from the
/// marks that belong to it (an accent, a Tibetan or Devanagari vowel, a skin tone): a name cut there is another name.
#[must_use]
pub fn shorten(text: &str, chars_max: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= chars_max {
        return text.to_owned();
    }
    if chars_max == 0 {
        return String::new();
    }
    let mut end = chars_max - 1;
    while end > 0 && (belongs_to_the_one_before(chars[end]) || chars[end - 1] == JOINER) {
        end -= 1;
    }
    let kept: String = chars[..end].iter().collect();
    format!("{}…", kept.trim_end())
}

/// U+200D, which joins two emoji into one.
const JOINER: char = '\u{200d}';

fn belongs_to_the_one_before(c: char) -> bool {
    matches!(
        c,
        '\u{0300}'..='\u{036f}' // combining marks
        | '\u{0483}'..='\u{0489}' // Cyrillic
        | '\u{0591}'..='\u{05bd}' // Hebrew
        | '\u{0610}'..='\u{061a}' | '\u{064b}'..='\u{065f}' | '\u{0670}' | '\u{06d6}'..='\u{06ed}' // Arabic
        | '\u{0900}'..='\u{0903}' | '\u{093a}'..='\u{094f}' // Devanagari
        | '\u{0e31}' | '\u{0e34}'..='\u{0e3a}' | '\u{0e47}'..='\u{0e4e}' // Thai
        | '\u{0f18}' | '\u{0f19}' | '\u{0f35}' | '\u{0f37}' | '\u{0f39}' // Tibetan
        | '\u{0f71}'..='\u{0f84}' | '\u{0f8d}'..='\u{0fbc}'
        | '\u{180b}'..='\u{180f}' // Mongolian
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | JOINER | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}'
        | '\u{1f3fb}'..='\u{1f3ff}' // skin tones
        | '\u{e0100}'..='\u{e01ef}' // variants of an ideograph, in names
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_cut_within_a_letter() {
        for (text, chars_max, expected) in [
            ("王桂兰", 3, "王桂兰"),
            ("欧阳娜娜", 3, "欧阳…"),
            ("e\u{301}te\u{301}", 4, "e\u{301}t…"),
            // བཀྲ་ཤིས: the vowel stays with its consonant.
            ("\u{f56}\u{f40}\u{fb2}\u{f0b}\u{f64}\u{f72}\u{f66}", 6, "\u{f56}\u{f40}\u{fb2}\u{f0b}…"),
            ("ab", 0, ""),
            ("ab", 1, "…"),
        ] {
            assert_eq!(shorten(text, chars_max), expected);
        }
    }
}
