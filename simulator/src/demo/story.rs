//! The lines of the story, from the feed, the phones and the bracelets, put into the order in which they happened.

use model::Timestamp;
use parking_lot::Mutex;

use crate::phones::time_of_day;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    at: Timestamp,
    /// Whether it follows from something on the feed: a phone that rings, a bracelet that shows something.
    follows: bool,
    words: String,
}

/// Lines that wait for the feed's.
#[derive(Debug, Default)]
pub(super) struct Story(Mutex<Vec<Line>>);

impl Line {
    /// A line of the feed.
    pub(super) fn new(at: Timestamp, words: String) -> Line {
        Line { at, follows: false, words }
    }

    /// `08:00:00 ☎ …`
    pub(super) fn text(&self) -> String {
        format!("{} {}", time_of_day(self.at), self.words)
    }
}

impl Story {
    pub(super) fn add(&self, at: Timestamp, words: String) {
        self.0.lock().push(Line { at, follows: true, words });
    }

    pub(super) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock())
    }

    /// What happened before the newest of these lines: it is told with them, not after them.
    pub(super) fn take_before(&self, newest: &[Line]) -> Vec<Line> {
        let Some(until) = newest.iter().map(|line| line.at).max() else { return Vec::new() };
        self.0.lock().extract_if(.., |line| line.at < until).collect()
    }
}

/// By time; what happened in the same millisecond: the feed before what follows from it.
pub(super) fn in_order(lines: &mut [Line]) {
    lines.sort_by_key(|line| (line.at, line.follows));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_told_before_its_effect() {
        let at = |millis| Timestamp::from_millis(millis);
        let story = Story::default();
        story.add(at(1_000), "☎ rings".to_owned());
        story.add(at(1_003), "☎ rings elsewhere".to_owned());
        let mut lines = story.take();
        lines.extend([Line::new(at(1_000), "🔔 SOS".to_owned()), Line::new(at(1_000), "▣ case".to_owned())]);
        in_order(&mut lines);
        let words: Vec<&str> = lines.iter().map(|line| line.words.as_str()).collect();
        assert_eq!(words, ["🔔 SOS", "▣ case", "☎ rings", "☎ rings elsewhere"]);
        assert!(story.take().is_empty());

        story.add(at(2_000), "☎ presses 1".to_owned());
        story.add(at(2_002), "⌚ help is coming".to_owned());
        let mut lines = vec![Line::new(at(2_001), "✔ is going".to_owned())];
        lines.extend(story.take_before(&lines));
        in_order(&mut lines);
        let words: Vec<&str> = lines.iter().map(|line| line.words.as_str()).collect();
        assert_eq!(words, ["☎ presses 1", "✔ is going"]);
        assert_eq!(story.take().len(), 1, "what came later is told later");
    }
}
