//! Under what conditions a number came about: how busy the processors were, how much of them somebody else had, and what
//! the disk and loopback cost at the time.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use engine::clock::SystemClock;
use hdrhistogram::Histogram;
use model::Clock;

use crate::disk::time_syncs;
use crate::loopback::time_round_trips;

/// Commits of the disk that are timed before a section and after it.
const SYNCS: u64 = 500;

/// The processors' time since the machine started, in ticks.
#[derive(Debug, Clone, Copy, Default)]
struct Ticks {
    all: u64,
    idle: u64,
    stolen: u64,
}

/// How the processors spent a span of time, in shares of all of it, 0–1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    /// Nobody wanted them, or all waited for the disk.
    pub(crate) idle: f64,
    /// The host gave them to somebody else.
    pub(crate) stolen: f64,
}

/// A span of time that is being looked at.
pub(crate) struct Watch(Ticks);

impl Watch {
    pub(crate) fn begin() -> Watch {
        Watch(ticks())
    }

    pub(crate) fn so_far(&self) -> Spent {
        let (before, now) = (self.0, ticks());
        let all = now.all.saturating_sub(before.all).max(1) as f64;
        let share = |before: u64, now: u64| now.saturating_sub(before) as f64 / all;
        Spent { idle: share(before.idle, now.idle), stolen: share(before.stolen, now.stolen) }
    }
}

/// `12 % idle, 3 % stolen`.
impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} % idle, {:.0} % stolen", self.idle * 100.0, self.stolen * 100.0)
    }
}

fn ticks() -> Ticks {
    parse(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// The first line of `/proc/stat`: user, nice, system, idle, waiting for the disk, interrupts (2), stolen, guests (in
/// user and nice, too).
fn parse(stat: &str) -> Ticks {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let mut fields = line.split_whitespace().map_while(|field| field.parse::<u64>().ok());
    let fields: [u64; 8] = std::array::from_fn(|_| fields.next().unwrap_or(0));
    Ticks { all: fields.iter().sum(), idle: fields[3] + fields[4], stolen: fields[7] }
}

/// What is noted beside a section's numbers.
pub(crate) struct Conditions {
    place: PathBuf,
    taken: String,
    begun: Instant,
    watch: Watch,
    disk: Histogram<u64>,
    loopback: Histogram<u64>,
}

impl Conditions {
    /// Times disk and loopback once before. `place`: a directory on the disk that the servers write to.
    pub(crate) fn begin(place: &Path) -> anyhow::Result<Conditions> {
        let taken = SystemClock::new(None).now().to_string();
        Ok(Conditions {
            place: place.to_owned(),
            taken: taken.get(..16).unwrap_or(&taken).replace('T', " "),
            begun: Instant::now(),
            disk: time_syncs(place, SYNCS)?,
            loopback: time_round_trips()?,
            watch: Watch::begin(),
        })
    }

    /// Times disk and loopback once more, and says it all in one line.
    pub(crate) fn end(mut self) -> anyhow::Result<String> {
        let spent = self.watch.so_far();
        let took = self.begun.elapsed().as_secs();
        self.disk.add(time_syncs(&self.place, SYNCS)?)?;
        self.loopback.add(time_round_trips()?)?;
        let two = |times: &Histogram<u64>| {
            let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1e6;
            format!("{:.2} and {:.2} ms", ms(0.5), ms(0.99))
        };
        Ok(format!(
            "Taken {} UTC in {took} s; processors {spent}. A commit of the disk took {}, a round trip over loopback {} \
             (p50 and p99).",
            self.taken,
            two(&self.disk),
            two(&self.loopback),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_the_disk_is_idle_and_guests_do_not_count_twice() {
        let ticks = parse("cpu  100 5 50 700 40 1 4 100 99 98\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
        assert_eq!((ticks.all, ticks.idle, ticks.stolen), (1_000, 740, 100));
        assert_eq!(parse("").all, 0);
    }
}
