//! How far it is: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::note;

/// How often a plain line is printed.
const PLAIN_EVERY: Duration = Duration::from_secs(15);

/// Shows how far a run is.
pub(super) struct Screen {
    bar: Option<ProgressBar>,
    name: String,
    total_s: u64,
    said: Instant,
}

impl Screen {
    /// For a run of so many seconds of whatever time it is in; 0: nobody knows how many.
    pub(super) fn new(name: &str, total_s: u64) -> Screen {
        let bar = (total_s > 0 && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{msg:<30} [{bar:40}] {percent:>3} %  {eta} left");
            let bar = ProgressBar::new(total_s);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(name.to_owned());
            bar
        });
        Screen { bar, name: name.to_owned(), total_s, said: Instant::now() }
    }

    /// So far.
    pub(super) fn at(&mut self, seconds: u64, reports: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(seconds.min(self.total_s)),
            None if self.said.elapsed() >= PLAIN_EVERY => {
                self.said = Instant::now();
                let of = if self.total_s > 0 { format!(" of {}", self.total_s) } else { String::new() };
                note(&format!("{}: {seconds}{of} s, {reports} reports", self.name));
            }
            None => {}
        }
    }

    /// Done.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
