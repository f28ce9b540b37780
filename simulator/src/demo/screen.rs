//! What the demo shows in the terminal: steps with a spinner, lines, and one line of figures that is renewed. Where
//! output is not a terminal, plain lines.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::Language;

/// How often the spinner turns, in milliseconds.
const SPIN_MS: u64 = 100;

/// The terminal, or a pipe.
pub struct Screen {
    language: Language,
    bar: Option<ProgressBar>,
}

/// A step of the start.
pub(super) struct Step<'a> {
    screen: &'a Screen,
    name: String,
    begun: Instant,
}

impl Screen {
    /// Finds out what standard output is.
    #[must_use]
    pub fn new(language: Language) -> Screen {
        let bar = std::io::stdout().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(SPIN_MS));
            bar
        });
        Screen { language, bar }
    }

    /// A screen that shows nothing, for tests.
    #[must_use]
    pub fn dark() -> Screen {
        Screen { language: Language::En, bar: Some(ProgressBar::hidden()) }
    }

    pub(super) fn language(&self) -> Language {
        self.language
    }

    /// One of two sentences.
    pub(super) fn say(&self, zh: &str, en: &str) -> String {
        (if self.language == Language::ZhCn { zh } else { en }).to_owned()
    }

    pub(super) fn begin(&self, zh: &str, en: &str) -> Step<'_> {
        let name = self.say(zh, en);
        match &self.bar {
            Some(bar) => bar.set_message(name.clone()),
            None => self.text(&[format!("… {name}")]),
        }
        Step { screen: self, name, begun: Instant::now() }
    }

    pub(super) fn text(&self, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        match &self.bar {
            Some(bar) => bar.println(lines.join("\n")),
            None => {
                let mut out = std::io::stdout().lock();
                for line in lines {
                    let _ = writeln!(out, "{line}"); // a reader that went away is no reason to stop
                }
                let _ = out.flush();
            }
        }
    }

    /// Renews the line of figures; prints it where nothing can be renewed, if it is `due` there.
    pub(super) fn figures(&self, figures: &str, due: bool) {
        match &self.bar {
            Some(bar) => bar.set_message(figures.to_owned()),
            None if due => self.text(&[format!("· {figures}")]),
            None => {}
        }
    }
}

impl Step<'_> {
    pub(super) fn progress(&self, done: usize, all: usize) {
        if let Some(bar) = &self.screen.bar {
            bar.set_message(format!("{} {done}/{all}", self.name));
        }
    }

    pub(super) fn done(self, detail: &str) {
        let millis = self.begun.elapsed().as_millis();
        self.screen.text(&[format!("✔ {} · {detail} ({millis} ms)", self.name)]);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
