//! What is truly so of one elder from the beginning to the end: where they are, how their heart beats, whether the
//! bracelet is on the wrist and can be heard. Free of noise, made before anything is measured. Devices see it through
//! their faults; the oracle sees it as it is.

use crate::neighbourhood::Offset;

/// Milliseconds from the beginning of the scenario.
pub type Ms = i64;

/// A second.
pub const SECOND: Ms = 1_000;
/// A minute.
pub const MINUTE: Ms = 60 * SECOND;
/// An hour.
pub const HOUR: Ms = 60 * MINUTE;
/// How long one entry of the table of steps and battery levels holds.
pub const BUCKET: Ms = 10 * MINUTE;

/// Times at which something is so, in order and apart from each other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spans(Vec<(Ms, Ms)>);

impl Spans {
    /// Adds a span; one that overlaps or touches others becomes one with them.
    pub fn add(&mut self, from: Ms, to: Ms) {
        let (mut from, mut to) = (from, to);
        self.0.retain(|&(a, b)| {
            let apart = b < from || a > to;
            if !apart {
                (from, to) = (from.min(a), to.max(b));
            }
            apart
        });
        let place = self.0.partition_point(|span| span.0 < from);
        self.0.insert(place, (from, to));
    }

    /// Whether it is so at a time; the end is no more part of it.
    #[must_use]
    pub fn contains(&self, at: Ms) -> bool {
        self.span_at(at).is_some()
    }

    /// The span around a time.
    #[must_use]
    pub fn span_at(&self, at: Ms) -> Option<(Ms, Ms)> {
        self.0.iter().copied().find(|&(from, to)| from <= at && at < to)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Ms, Ms)> + '_ {
        self.0.iter().copied()
    }

    /// Whether it is so at any time between.
    #[must_use]
    pub fn touches(&self, from: Ms, to: Ms) -> bool {
        self.0.iter().any(|&(a, b)| a < to && b > from)
    }
}

/// A value that is at its usual level but for some times.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The usual one.
    pub usual: f64,
    over: Vec<(Ms, Ms, f64)>,
}

impl Level {
    /// Usually this.
    #[must_use]
    pub fn new(usual: f64) -> Level {
        Level { usual, over: Vec::new() }
    }

    /// For a time it is something else.
    pub fn set(&mut self, from: Ms, to: Ms, value: f64) {
        self.over.push((from, to, value));
    }

    /// What is special at a time.
    #[must_use]
    pub fn special(&self, at: Ms) -> Option<f64> {
        self.over.iter().rev().find(|(from, to, _)| *from <= at && at < *to).map(|(_, _, value)| *value)
    }

    /// The special times.
    pub fn specials(&self) -> impl Iterator<Item = (Ms, Ms, f64)> + '_ {
        self.over.iter().copied()
    }
}

/// A way through time: straight lines between places.
#[derive(Debug, Clone, PartialEq)]
pub struct Path(Vec<(Ms, Offset)>);

impl Path {
    /// Stays where it begins.
    #[must_use]
    pub fn new(at: Offset) -> Path {
        Path(vec![(0, at)])
    }

    /// Stays until `from`, then goes straight to a place; when it is there.
    pub fn go(&mut self, from: Ms, to: Offset, metres_per_second: f64) -> Ms {
        let (last, place) = self.0[self.0.len() - 1];
        let from = from.max(last);
        if from > last {
            self.0.push((from, place));
        }
        let there = from + (place.to(to) / metres_per_second * 1000.0).ceil() as Ms;
        if there > from {
            self.0.push((there, to));
        }
        there
    }

    /// Forgets everything that was to come after a time: whoever it is stands still there.
    pub fn cut(&mut self, at: Ms) {
        let place = self.at(at);
        self.0.retain(|(time, _)| *time < at);
        self.0.push((at, place));
    }

    /// Where at a time.
    #[must_use]
    pub fn at(&self, at: Ms) -> Offset {
        let next = self.0.partition_point(|(time, _)| *time <= at);
        let Some(&(end, to)) = self.0.get(next) else { return self.0[self.0.len() - 1].1 };
        let Some(&(begin, from)) = next.checked_sub(1).and_then(|before| self.0.get(before)) else { return to };
        from.towards(to, from.to(to) * (at - begin) as f64 / (end - begin) as f64)
    }

    /// Whether on the way at a time.
    #[must_use]
    pub fn is_moving(&self, at: Ms) -> bool {
        let next = self.0.partition_point(|(time, _)| *time <= at);
        next > 0 && self.0.get(next).is_some_and(|(_, to)| self.0[next - 1].1 != *to)
    }

    /// When the next way begins after a time.
    #[must_use]
    pub fn next_departure(&self, after: Ms) -> Option<Ms> {
        self.0.windows(2).find(|pair| pair[0].0 > after && pair[0].1 != pair[1].1).map(|pair| pair[0].0)
    }

    /// The last time at which anything changes.
    #[must_use]
    pub fn end(&self) -> Ms {
        self.0[self.0.len() - 1].0
    }

    /// The ways: from when, from where, until when, to where.
    pub fn ways(&self) -> impl Iterator<Item = (Ms, Offset, Ms, Offset)> + '_ {
        self.0.windows(2).map(|pair| (pair[0].0, pair[0].1, pair[1].0, pair[1].1))
    }
}

/// Something that happens at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// When.
    pub at: Ms,
    /// What.
    pub what: Happens,
}

/// The things that happen at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Happens {
    /// The button is pressed.
    Press,
    /// A fall, and nobody gets up.
    Fall,
    /// The bracelet takes something for a fall.
    FalseFall {
        /// Its wearer says so after this long; otherwise they walk on.
        cancelled_after: Option<Ms>,
    },
    /// A cuff is put on.
    Cuff(Reading),
    /// Somebody at the bedside looks.
    Bedside {
        /// Breaths a minute.
        per_minute: u8,
        /// Newly confused, or worse.
        confused: bool,
    },
}

/// What a cuff would show if it sat right.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// mmHg.
    pub systolic: u16,
    /// mmHg.
    pub diastolic: u16,
    /// It sits wrong.
    pub badly: bool,
    /// The pulse is irregular.
    pub irregular: bool,
    /// Taken after standing up.
    pub standing: bool,
    /// Taken sitting or lying.
    pub sitting: bool,
}

/// All that is so of one elder.
#[derive(Debug, Clone)]
pub struct Truth {
    /// Where, in metres from home.
    pub path: Path,
    /// Beats a minute at rest.
    pub heart: Level,
    /// Percent.
    pub oxygen: Level,
    /// °C.
    pub temperature: Level,
    /// The bracelet is not on the wrist.
    pub off_wrist: Spans,
    /// It is on the charger.
    pub charging: Spans,
    /// It has no coverage, or no power.
    pub unheard: Spans,
    /// It has no power.
    pub dead: Spans,
    /// It sees no satellite.
    pub no_fix: Spans,
    /// Its wearer lies or sits still, and pursues nothing.
    pub still: Spans,
    /// Steps taken up to the beginning of each bucket, ways not counted.
    pub pottering: Vec<f64>,
    /// The battery at the beginning of each bucket, percent.
    pub battery: Vec<f64>,
    /// What happens at one moment, in order.
    pub moments: Vec<Moment>,
}

impl Truth {
    /// Steps since the beginning.
    #[must_use]
    pub fn steps(&self, at: Ms) -> f64 {
        const STEP_M: f64 = 0.6;
        let walked = |(from, a, to, b): (Ms, Offset, Ms, Offset)| {
            let share = (at.min(to) - from).max(0) as f64 / (to - from).max(1) as f64;
            // Who rides a bus counts none.
            if a.to(b) / ((to - from).max(1) as f64 / 1000.0) > 3.0 { 0.0 } else { a.to(b) * share }
        };
        let walked: f64 = self.path.ways().take_while(|way| way.0 < at).map(walked).sum();
        walked / STEP_M + interpolate(&self.pottering, at)
    }

    /// The battery, percent.
    #[must_use]
    pub fn battery(&self, at: Ms) -> f64 {
        interpolate(&self.battery, at)
    }

    /// Beats a minute, effort included.
    #[must_use]
    pub fn heart_rate(&self, at: Ms, asleep: bool) -> f64 {
        let effort = if self.path.is_moving(at) { 22.0 } else { 0.0 };
        let usual = self.heart.usual + effort - if asleep { 8.0 } else { 0.0 };
        self.heart.special(at).unwrap_or(usual)
    }

    /// Whether any motion can be noticed between two times.
    #[must_use]
    pub fn moves_between(&self, from: Ms, to: Ms) -> bool {
        let way = self.path.ways().any(|(begin, a, end, b)| a != b && begin < to && end > from);
        way || interpolate(&self.pottering, to) - interpolate(&self.pottering, from) >= 5.0
    }

    /// Whether the bracelet can measure its wearer.
    #[must_use]
    pub fn is_worn(&self, at: Ms) -> bool {
        !self.off_wrist.contains(at) && !self.dead.contains(at)
    }
}

fn interpolate(table: &[f64], at: Ms) -> f64 {
    let place = (at.max(0) / BUCKET) as usize;
    let here = table.get(place).or(table.last()).copied().unwrap_or_default();
    let next = table.get(place + 1).copied().unwrap_or(here);
    here + (next - here) * (at.max(0) % BUCKET) as f64 / BUCKET as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_touch_are_one() {
        let mut spans = Spans::default();
        spans.add(10, 20);
        spans.add(40, 50);
        spans.add(20, 30);
        assert_eq!(spans.iter().collect::<Vec<_>>(), [(10, 30), (40, 50)]);
        assert!(spans.contains(10) && !spans.contains(30) && spans.touches(0, 11) && !spans.touches(30, 40));
    }

    #[test]
    fn a_path_is_where_it_should_be_at_any_time() {
        let mut path = Path::new(Offset::default());
        let there = path.go(10 * SECOND, Offset { east: 100.0, north: 0.0 }, 1.0);
        assert_eq!(there, 110 * SECOND);
        assert_eq!(path.at(60 * SECOND).east, 50.0);
        assert!(!path.is_moving(5 * SECOND) && path.is_moving(10 * SECOND) && !path.is_moving(110 * SECOND));
        assert_eq!(path.next_departure(0), Some(10 * SECOND));
        path.cut(60 * SECOND);
        assert_eq!((path.at(HOUR).east, path.is_moving(61 * SECOND)), (50.0, false));
    }
}
