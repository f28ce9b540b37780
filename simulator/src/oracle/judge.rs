//! The judgement at the end of a run.

use hdrhistogram::Histogram;
use model::{Channel, IncidentKind};

use crate::scenario::{Deed, Expect, Never, channel_name};
use crate::town::truth::{MINUTE, Ms, SECOND};

use super::report::{Case, Figures, Verdict};
use super::{Fault, FaultKind, Oracle, Raise, Told};

/// A call may be on its way when somebody else presses 1.
const ON_THE_WAY: Ms = 3 * SECOND;
/// After an SOS or a fall the first phone knows within this.
const FIRST_PHONE: Ms = 5 * SECOND;
/// The longest latency that is told apart, milliseconds: a month.
const LATENCY_MS_MAX: u64 = 31 * 86_400_000;
/// A month of the thresholds, days.
const MONTH_DAYS: f64 = 30.0;

impl Oracle {
    /// Judges the run. `reports`: how many the devices sent.
    #[must_use]
    pub fn judge(mut self, reports: u64) -> Verdict {
        self.judge_dues();
        self.judge_calls();
        let mut cases: Vec<Case> = Vec::new();
        for expect in &self.scenario.expects.clone() {
            cases.push(self.judge_expect(expect));
        }
        for never in &self.scenario.nevers.clone() {
            cases.push(self.judge_never(never));
        }
        if self.unreadable > 0 {
            let detail = format!("{} envelopes of the feed could not be read", self.unreadable);
            self.fault(FaultKind::Broken, IncidentKind::Sos, "feed", 0, detail);
        }
        let figures = self.figures();
        let allowed = self.scenario.thresholds.false_exits_per_elder_month.is_some();
        let false_exits_per_elder_month = allowed.then(|| self.false_exits_per_elder_month());
        let broken = self.broken_thresholds(&figures);
        // What a threshold counts is not a fault by itself.
        let faults = self.faults.into_iter().filter(|fault| !(allowed && is_false_exit(fault))).collect();
        Verdict {
            scenario: self.scenario.name,
            seed: self.seed,
            elders: self.elders,
            virtual_seconds: self.scenario.duration_s,
            reports,
            cases,
            figures,
            faults,
            false_exits_per_elder_month,
            broken,
        }
    }

    fn judge_dues(&mut self) {
        let mut faults = Vec::new();
        for due in &self.dues {
            let Some(must_by) = due.must_by else { continue };
            let what = match due.raised.first() {
                None => FaultKind::Missed,
                Some(first) if *first > must_by => FaultKind::Late,
                Some(_) => continue,
            };
            let detail = match due.raised.first() {
                None => format!("so since {}, to be found by {}", clock(due.onset), clock(must_by)),
                Some(first) => format!("{} s after {}", (first - must_by) / SECOND, clock(must_by)),
            };
            faults.push(Fault { what, kind: due.kind, who: due.who.clone(), at: due.onset, detail });
        }
        self.faults.append(&mut faults);
    }

    /// The promises about calls: somebody knows at once, and after "I am going" no phone rings.
    fn judge_calls(&mut self) {
        let disturbed = self.scenario.acts.iter().any(|act| matches!(act.deed, Deed::Provider { .. }));
        let mut faults = Vec::new();
        for (id, known) in &self.incidents {
            let fault = |what, at, detail: String| Fault { what, kind: known.kind, who: known.who.clone(), at, detail };
            let began = known.states.first().map_or(0, |(at, _)| *at);
            let first = self.told.iter().filter(|told| told.incident == *id).map(|told| told.at).min();
            if known.kind.opens_case() && !disturbed && !self.outages.down.touches(began, began + FIRST_PHONE) {
                match first {
                    Some(first) if first - began <= FIRST_PHONE => {}
                    first => {
                        let when = first.map_or("never".to_owned(), |first| clock(first).to_string());
                        faults.push(fault(FaultKind::Broken, began, format!("the first phone knew of {id} {when}")));
                    }
                }
            }
            for told in self.told.iter().filter(|told| told.incident == *id && told.channel == Channel::Voice) {
                let last = known.calls_until.iter().rev().find(|(at, _)| *at <= told.at);
                if let Some((since, false)) = last.filter(|(since, _)| told.at - since > ON_THE_WAY) {
                    let detail =
                        format!("{} rang for {id}, {} s after it was settled", told.person, (told.at - since) / 1000);
                    faults.push(fault(FaultKind::Broken, told.at, detail));
                }
            }
        }
        self.faults.append(&mut faults);
    }

    fn judge_expect(&self, expect: &Expect) -> Case {
        // All that it says: a CI tells lines apart by their names.
        let mut name = format!("{} {} by {} s", expect.who, name_of(expect.kind), expect.by_s);
        if expect.after_s > 0.0 {
            name += &format!(", after {} s", expect.after_s);
        }
        if !expect.told.is_empty() {
            name += &format!(", tells {} by {} s", expect.told.join(", "), expect.told_by_s.unwrap_or(expect.by_s));
        }
        if let Some(state) = expect.state {
            let by = expect.state_by_s.map(|by| format!(" by {by} s")).unwrap_or_default();
            name += &format!(", {state:?}{by}").to_lowercase();
        }
        let by = expect.case_by_s.map(|by| format!(" by {by} s")).unwrap_or_default();
        if let Some(state) = expect.case {
            name += &format!(", case {state:?}{by}").to_lowercase();
        }
        if let Some(level) = expect.case_level {
            name += &format!(", case whistled to {level:?}{by}").to_lowercase();
        }
        Case { name, failure: self.miss(expect) }
    }

    /// What is missing, if anything is.
    fn miss(&self, expect: &Expect) -> Option<String> {
        let (after, by) = (millis(expect.after_s), millis(expect.by_s));
        let fits = |raise: &&Raise| raise.who == expect.who && raise.kind == expect.kind && raise.at >= after;
        let Some(raise) = self.raises.iter().find(fits) else { return Some("it was not raised".to_owned()) };
        if raise.at > by {
            return Some(format!("it was raised at {}, too late", clock(raise.at)));
        }
        let of_incident = || self.raises.iter().filter(|other| other.incident == raise.incident);
        if let Some(priority) = expect.priority.filter(|p| !of_incident().any(|other| other.priority == *p)) {
            return Some(format!("it was raised as {:?}, not {priority:?}", raise.priority));
        }
        if expect.late.is_some_and(|late| late != raise.late) {
            return Some(format!("marked late: {}", raise.late));
        }
        let told_by = expect.told_by_s.map_or(by, millis);
        for who in &expect.told {
            let first = self.first_told(who, Some(&raise.incident), after, Ms::MAX);
            match first {
                None => return Some(format!("{who}: was not told")),
                Some(at) if at > told_by => return Some(format!("{who}: told only at {}", clock(at))),
                Some(_) => {}
            }
        }
        let known = self.incidents.get(&raise.incident)?;
        if let Some(state) = expect.state {
            let limit = expect.state_by_s.map_or(Ms::MAX, millis);
            if !known.states.iter().any(|(at, reached)| *reached == state && *at <= limit) {
                let reached: Vec<String> =
                    known.states.iter().map(|(at, s)| format!("{s:?} at {}", clock(*at))).collect();
                return Some(format!("did not become {state:?}: {}", reached.join(", ")));
            }
        }
        if let Some(missing) = self.miss_of_case(expect, &raise.incident) {
            return Some(missing);
        }
        if let Some(least) = expect.occurrences.filter(|least| known.occurrences < *least) {
            return Some(format!("happened {} times in this incident, and should {least} times", known.occurrences));
        }
        if expect.cleared.is_some_and(|cleared| cleared != known.cleared) {
            return Some(format!("over: {}", known.cleared));
        }
        None
    }

    /// What is missing of the case about an incident.
    fn miss_of_case(&self, expect: &Expect, incident: &str) -> Option<String> {
        let limit = expect.case_by_s.map_or(Ms::MAX, millis);
        let steps = self.cases.get(incident).map(Vec::as_slice).unwrap_or_default();
        let in_time = || steps.iter().filter(|(at, _, _)| *at <= limit);
        let told = || {
            let steps: Vec<String> =
                steps.iter().map(|(at, state, level)| format!("{state:?} ({level:?}) at {}", clock(*at))).collect();
            if steps.is_empty() { "there was none".to_owned() } else { steps.join(", ") }
        };
        if let Some(wanted) = expect.case.filter(|wanted| !in_time().any(|(_, state, _)| state == wanted)) {
            return Some(format!("its case did not become {wanted:?}: {}", told()));
        }
        let wanted = expect.case_level.filter(|wanted| !in_time().any(|(_, _, level)| level >= wanted))?;
        Some(format!("its case was not whistled up to {wanted:?}: {}", told()))
    }

    fn judge_never(&self, never: &Never) -> Case {
        let (from, to) = (millis(never.from_s), never.to_s.map_or(Ms::MAX, millis));
        let about = |who: &str| never.who.as_deref().is_none_or(|wanted| wanted == who);
        let within = |at: Ms| (from..=to).contains(&at);
        let mut name = format!("never {}", never.who.as_deref().unwrap_or("anybody"));
        let mut failure = None;
        if let Some(kind) = never.kind {
            name = format!("{name} {}", name_of(kind));
            let found = self.raises.iter().find(|raise| raise.kind == kind && about(&raise.who) && within(raise.at));
            failure = found.map(|raise| format!("raised at {} about {}", clock(raise.at), raise.who));
        }
        if let Some(who) = &never.told {
            name = format!("{name} tells {who}");
            let first = self.first_told(who, None, from, to);
            failure = failure.or(first.map(|at| format!("told at {}", clock(at))));
        }
        // A CI tells lines apart by their names.
        if never.from_s > 0.0 {
            name += &format!(" from {} s", never.from_s);
        }
        if let Some(to) = never.to_s {
            name += &format!(" to {to} s");
        }
        if never.kind.is_none() && never.told.is_none() {
            let found = self.raises.iter().find(|raise| about(&raise.who) && within(raise.at));
            failure = found.map(|raise| format!("{} at {}", name_of(raise.kind), clock(raise.at)));
        }
        Case { name, failure }
    }

    /// When somebody (`person channel`) was first told.
    fn first_told(&self, who: &str, incident: Option<&str>, from: Ms, to: Ms) -> Option<Ms> {
        let (person, channel) = who.split_once(' ').unwrap_or((who, ""));
        let fits = |told: &&Told| {
            let same = channel.is_empty() || channel == channel_name(told.channel);
            told.person == person
                && same
                && incident.is_none_or(|id| id == told.incident)
                && (from..=to).contains(&told.at)
        };
        self.told.iter().find(fits).map(|told| told.at)
    }

    fn figures(&self) -> Vec<Figures> {
        let figures = |kind: &IncidentKind| {
            let dues: Vec<_> = self.dues.iter().filter(|due| due.kind == *kind).collect();
            let count = |what| self.faults.iter().filter(|f| f.kind == *kind && f.what == what).count();
            let mut latency_ms = Histogram::<u64>::new_with_bounds(1, LATENCY_MS_MAX, 3).ok()?;
            for due in dues.iter().filter(|due| due.must_by.is_some()) {
                if let Some(first) = due.raised.first() {
                    latency_ms.saturating_record(u64::try_from(first - due.onset).unwrap_or(0).max(1));
                }
            }
            let raised = self.raises.iter().filter(|raise| raise.kind == *kind).count();
            let must = dues.iter().filter(|due| due.must_by.is_some()).count();
            let figures = Figures {
                kind: *kind,
                must,
                raised,
                missed: count(FaultKind::Missed),
                late: count(FaultKind::Late),
                false_alarms: count(FaultKind::False),
                doubled: count(FaultKind::Doubled),
                latency_ms,
            };
            (must + raised > 0 || !figures.is_clean()).then_some(figures)
        };
        IncidentKind::ALL.iter().filter_map(figures).collect()
    }

    fn false_exits_per_elder_month(&self) -> f64 {
        let months = f64::from(self.scenario.duration_s) / 86_400.0 / MONTH_DAYS * self.elders.max(1) as f64;
        self.faults.iter().filter(|fault| is_false_exit(fault)).count() as f64 / months
    }

    fn broken_thresholds(&self, figures: &[Figures]) -> Vec<String> {
        let limits = &self.scenario.thresholds;
        let of = |kind| figures.iter().find(|figures| figures.kind == kind);
        let mut broken = Vec::new();
        if let Some(limit) = limits.false_exits_per_elder_month {
            let rate = self.false_exits_per_elder_month();
            if rate > limit {
                broken.push(format!("{rate:.2} false exits per elder-month, at most {limit}"));
            }
        }
        let mut slow = |kind, quantile: f64, limit: Option<u64>, unit_ms: u64, name: &str| {
            let (Some(limit), Some(figures)) = (limit, of(kind)) else { return };
            let value = figures.latency_ms.value_at_quantile(quantile);
            if value > limit * unit_ms {
                broken.push(format!(
                    "{name} is {:.3} s, at most {:.3}",
                    value as f64 / 1e3,
                    (limit * unit_ms) as f64 / 1e3
                ));
            }
        };
        slow(IncidentKind::Sos, 0.99, limits.sos_p99_ms, 1, "sos p99");
        slow(IncidentKind::FenceExit, 0.5, limits.exit_p50_s, 1000, "exit p50");
        slow(IncidentKind::FenceExit, 0.99, limits.exit_p99_s, 1000, "exit p99");
        broken
    }
}

fn is_false_exit(fault: &Fault) -> bool {
    fault.what == FaultKind::False && matches!(fault.kind, IncidentKind::FenceExit | IncidentKind::Wandering)
}

fn millis(seconds: f64) -> Ms {
    (seconds * 1000.0) as Ms
}

/// A kind as the feed names it.
#[must_use]
pub(super) fn name_of(kind: IncidentKind) -> String {
    serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// `1:02:03` since the beginning.
pub(super) fn clock(at: Ms) -> String {
    let (hours, minutes, seconds) = (at / (60 * MINUTE), at / MINUTE % 60, at / SECOND % 60);
    format!("{hours}:{minutes:02}:{seconds:02}")
}
