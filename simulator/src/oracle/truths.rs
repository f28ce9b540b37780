//! What must be raised, what may be, and by when: from the truth of each elder, never from what a device said or from
//! the rules' code. The numbers are those of clinical.md; between "must" and "must not" lies what noise may decide.

mod care;

use model::IncidentKind;

use crate::scenario::{Deed, Scenario};
use crate::town::day::local_minute;
use crate::town::gadget;
use crate::town::truth::{BUCKET, HOUR, Happens, MINUTE, Ms, Reading, SECOND, Spans};
use crate::town::{Elder, Town};

/// The margin of every fence, metres.
const MARGIN_M: f64 = 30.0;
/// So far beyond edge and margin nobody's receiver is in doubt, metres.
const SURELY_M: f64 = 30.0;
/// An exit that was seen is told within this (clinical.md asks for a minute), and the way of a report to us.
const EXIT_WITHIN: Ms = 75 * SECOND;
/// How long after the fact something may still be found: a device is waited for, a report is under way.
const AFTERMATH: Ms = 11 * MINUTE;
/// What a report's way takes where the carrier is bad.
const BAD_CELL: Ms = 100 * SECOND;
/// What an alarm's way takes.
const ALARM_WAY: Ms = 8 * SECOND;
/// Sending everything that was stored.
const FORWARDING: Ms = 40 * SECOND;
/// Without contact for so long is silence, and so long it is waited for others.
const SILENT: Ms = 1_380 * SECOND;
const HELD: Ms = 120 * SECOND;
/// So many silent at once in one community are one incident.
const MASS: usize = 5;
const TOGETHER: Ms = 600 * SECOND;
/// How long a clock that is behind is taken for a device that sends what is old.
const CLOCK_LEARNT: Ms = 15 * MINUTE;

/// Something that is so, and is to be found.
#[derive(Debug, Clone)]
pub struct Due {
    /// About whom.
    pub who: String,
    /// As what.
    pub kind: IncidentKind,
    /// Since when: latencies count from here.
    pub onset: Ms,
    /// Not before.
    pub from: Ms,
    /// By when it must be found; `None`: it may be.
    pub must_by: Option<Ms>,
    /// Until when it may be found.
    pub until: Ms,
    /// Whether each needs an occurrence of its own: presses and falls.
    pub each: bool,
    /// When it was.
    pub raised: Vec<Ms>,
}

/// When the house cannot take anything in, or no telemetry.
#[derive(Debug, Clone, Default)]
pub struct Outages {
    /// It is down.
    pub down: Spans,
    /// It takes alarms only.
    pub alarms_only: Spans,
}

impl Outages {
    /// As the scenario says.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Outages {
        let mut outages = Outages::default();
        for act in &scenario.acts {
            let at = (act.at_s * 1000.0) as Ms;
            match act.deed {
                Deed::Restart { down_s } => outages.down.add(at, at + (down_s * 1000.0) as Ms),
                Deed::DiskNearlyFull { for_s } => outages.alarms_only.add(at, at + (for_s * 1000.0) as Ms),
                _ => {}
            }
        }
        outages
    }
}

/// Everything that is to be found of a town.
#[must_use]
pub fn of(town: &Town, scenario: &Scenario) -> Vec<Due> {
    let outages = Outages::of(scenario);
    let mut dues = Vec::new();
    for elder in &town.elders {
        let view = View { elder, start: town.start.millis(), duration: scenario.duration_ms(), outages: &outages };
        view.moments(&mut dues);
        view.pressures(&mut dues);
        view.exits(&mut dues);
        view.vitals(&mut dues);
        view.absences(&mut dues);
        view.batteries(&mut dues);
        view.stillness(&mut dues);
        view.scores(&mut dues);
        view.calls(scenario, &mut dues);
    }
    mass_silence(town, scenario.duration_ms(), &outages, &mut dues);
    care::carriers_silence(town, scenario.duration_ms(), &outages, &mut dues);
    dues
}

struct View<'a> {
    elder: &'a Elder,
    start: i64,
    duration: Ms,
    outages: &'a Outages,
}

impl View<'_> {
    fn due(&self, kind: IncidentKind, onset: Ms, must_by: Option<Ms>, until: Ms) -> Due {
        let (who, each) = (self.elder.id.clone(), matches!(kind, IncidentKind::Sos | IncidentKind::Fall));
        let must_by = must_by.filter(|by| *by < self.duration);
        Due { who, kind, onset, from: onset, must_by, until, each, raised: Vec::new() }
    }

    /// When what is said at a time can be here: at once, or when there is coverage and somebody listens again.
    fn arrives(&self, at: Ms) -> (Ms, Ms) {
        let (mut here, mut way) = (at, ALARM_WAY);
        for spans in [&self.elder.truth.unheard, &self.outages.down] {
            if let Some((_, end)) = spans.span_at(here) {
                (here, way) = (end, FORWARDING);
            }
        }
        (here, way)
    }

    /// Whether telemetry of a time is here while it is fresh.
    fn is_followed(&self, from: Ms, to: Ms) -> bool {
        let truth = &self.elder.truth;
        let blind = [&truth.unheard, &truth.dead, &self.outages.down, &self.outages.alarms_only];
        // What is measured long ago by its own clock is history, until it is known that it is the clock.
        let since = self.elder.faults.skew.iter().rev().find(|(since, _)| *since <= from);
        let is_behind = since.is_some_and(|(since, skew)| *skew < -MINUTE && from - since < CLOCK_LEARNT);
        !is_behind && !blind.iter().any(|spans| spans.touches(from - SECOND, to))
    }

    fn slack(&self) -> Ms {
        if self.elder.has_bad_cell { BAD_CELL } else { 0 }
    }

    fn moments(&self, dues: &mut Vec<Due>) {
        let seconds = |key: &str| self.elder.plan.as_ref().and_then(|plan| plan.get(key)?.as_i64());
        let window = seconds("fall_window_s").unwrap_or(60) * SECOND;
        for moment in &self.elder.truth.moments {
            if self.elder.truth.dead.contains(moment.at) {
                continue;
            }
            let (here, way) = self.arrives(moment.at);
            let due = |kind, wait| {
                let due = self.due(kind, here, Some(here + wait + way), here + wait + way + AFTERMATH);
                Due { from: moment.at, ..due }
            };
            match moment.what {
                Happens::Press => dues.push(due(IncidentKind::Sos, 0)),
                Happens::Fall => dues.push(due(IncidentKind::Fall, window)),
                // Too late a cancel, or one that comes after its fall's window, is no cancel.
                Happens::FalseFall { cancelled_after: Some(after) } if after >= window - 5 * SECOND => {
                    dues.push(Due { must_by: None, ..due(IncidentKind::Fall, window) });
                }
                Happens::FalseFall { .. } | Happens::Cuff(_) | Happens::Bedside { .. } => {}
            }
        }
    }

    fn cuffs(&self) -> Vec<(Ms, Reading)> {
        let reading = |moment: &crate::town::truth::Moment| match moment.what {
            Happens::Cuff(reading) => Some((moment.at, reading)),
            _ => None,
        };
        self.elder.truth.moments.iter().filter_map(reading).collect()
    }

    fn pressures(&self, dues: &mut Vec<Due>) {
        const REPEAT: Ms = 300 * SECOND;
        let cuffs = self.cuffs();
        for (place, (at, reading)) in cuffs.iter().enumerate() {
            let (here, way) = self.arrives(*at);
            let others = || cuffs.iter().filter(|(other, r)| other != at && (other - at).abs() <= REPEAT && !r.badly);
            let (systolic, diastolic) = (reading.systolic, reading.diastolic);
            let is_followed = self.is_followed(*at, at + MINUTE);
            if reading.badly {
                // What such a cuff shows counts for nothing if somebody measures again.
                if others().next().is_none() && (systolic + 40 >= 178 || diastolic + 20 >= 108) {
                    let until = here + REPEAT + way + AFTERMATH;
                    dues.push(self.due(IncidentKind::BloodPressureHigh, *at, None, until));
                }
                continue;
            }
            if systolic >= 176 || diastolic >= 107 {
                let is_high = |r: &Reading| r.systolic >= 183 || r.diastolic >= 112;
                let confirming = cuffs[..place].iter().rev().find(|(o, r)| at - o <= REPEAT && !r.badly && is_high(r));
                let is_alone = others().next().is_none();
                let must_by = match (is_high(reading), confirming) {
                    (true, _) if systolic >= 223 => Some(here + way),
                    (true, Some(_)) => Some(here + way),
                    (true, None) if is_alone => Some(here + REPEAT + way),
                    _ => None,
                };
                let due = self.due(
                    IncidentKind::BloodPressureHigh,
                    here,
                    must_by.filter(|_| is_followed),
                    here + REPEAT + way + AFTERMATH,
                );
                dues.push(Due { from: *at, ..due });
            }
            if systolic < 92 {
                let before = cuffs[..place].iter().any(|(o, r)| at - o <= REPEAT && !r.badly && r.systolic < 87);
                let must_by = (before && systolic < 87 && is_followed).then_some(here + way);
                dues.push(self.due(IncidentKind::BloodPressureLow, *at, must_by, here + REPEAT + way + AFTERMATH));
            }
            if reading.irregular {
                dues.push(self.due(IncidentKind::IrregularPulse, *at, None, self.duration));
            }
            let sat = cuffs[..place].iter().rev().find(|(o, r)| r.sitting && at - o <= 10 * MINUTE);
            if let Some((_, sat)) = sat.filter(|_| reading.standing) {
                let drop = (sat.systolic as i32 - systolic as i32, sat.diastolic as i32 - diastolic as i32);
                if drop.0 >= 17 || drop.1 >= 8 {
                    let must_by = (drop.0 >= 24 && is_followed).then_some(here + way);
                    dues.push(self.due(IncidentKind::OrthostaticDrop, *at, must_by, here + way + AFTERMATH));
                }
            }
            if systolic >= 135 || diastolic >= 85 {
                dues.push(self.bad_day(&cuffs[..place], (*at, *reading), here + way));
            }
        }
    }

    /// When they are beyond a distance from home.
    fn beyond(&self, metres: f64) -> Spans {
        let mut spans = Spans::default();
        let path = &self.elder.truth.path;
        for (from, a, to, b) in path.ways().filter(|(_, a, _, b)| a.length().max(b.length()) > metres) {
            if a == b {
                spans.add(from, to);
                continue;
            }
            let mut at = from;
            while at < to {
                let end = (at + SECOND).min(to);
                if path.at(at).length() > metres {
                    spans.add(at, end);
                }
                at = end;
            }
        }
        if path.at(path.end()).length() > metres {
            spans.add(path.end(), self.duration);
        }
        spans
    }

    fn exits(&self, dues: &mut Vec<Due>) {
        let radius = self.elder.fence_radius_m;
        let (out, sure) = (self.beyond(radius), self.beyond(radius + MARGIN_M + SURELY_M));
        let beyond_margin = self.beyond(radius + MARGIN_M);
        let is_night = |at: Ms| !(5 * 60..22 * 60).contains(&local_minute(self.start, at));
        for (from, to) in out.iter() {
            let onset = beyond_margin.iter().map(|(a, _)| a).find(|a| (from..=to).contains(a)).unwrap_or(from);
            let seen = |is_so: &dyn Fn(Ms) -> bool| self.seen_within(&sure, (from, to), is_so);
            let must_by = seen(&|_| true).map(|at| at + EXIT_WITHIN + self.slack());
            let until = to + AFTERMATH + self.slack();
            dues.push(Due { from, ..self.due(IncidentKind::FenceExit, onset, must_by, until) });
            let night = (from..to + MINUTE).step_by(MINUTE as usize).find(|at| is_night(*at));
            if let Some(night) = night {
                let must_by = seen(&is_night).map(|at| at + EXIT_WITHIN + self.slack());
                let onset = onset.max(night);
                dues.push(Due { from, ..self.due(IncidentKind::Wandering, onset, must_by, until) });
            }
        }
        for (from, to) in self.beyond(1_400.0).iter() {
            dues.push(self.due(IncidentKind::Wandering, from, None, to + AFTERMATH));
        }
        for (at, by_m, fixes) in &self.elder.faults.jumps {
            // Wild fixes that agree with each other are believed, or whoever sits in a bus is lost.
            if *fixes > 1 && *by_m > radius {
                dues.push(self.due(IncidentKind::FenceExit, *at, None, at + AFTERMATH));
            }
        }
    }

    /// The first time from which they are surely out, and followed, for long enough to be noticed.
    fn seen_within(&self, sure: &Spans, (from, to): (Ms, Ms), is_so: &dyn Fn(Ms) -> bool) -> Option<Ms> {
        let sees = |at: Ms| self.is_followed(at, at + SECOND) && !self.elder.truth.no_fix.contains(at) && is_so(at);
        for (begin, end) in sure.iter().filter(|(begin, end)| *begin < to && *end > from) {
            let (mut at, mut since) = (begin.max(from), None);
            while at < end.min(to) {
                since = if sees(at) { since.or(Some(at)) } else { None };
                if let Some(since) = since.filter(|since| at - since >= EXIT_WITHIN) {
                    return Some(since);
                }
                at += 5 * SECOND;
            }
        }
        None
    }

    fn vitals(&self, dues: &mut Vec<Due>) {
        use IncidentKind::{HeartRateHigh, HeartRateLow, Spo2Low, TemperatureHigh, TemperatureLow};
        let truth = &self.elder.truth;
        let follows = |from, wait| self.is_followed(from, from + wait) && !truth.off_wrist.touches(from, from + wait);
        let mut push = |kind, (from, to): (Ms, Ms), wait: Option<Ms>, may: bool| {
            let wait = wait.filter(|wait| from + wait <= to + MINUTE && follows(from, *wait));
            if may {
                let must_by = wait.map(|wait| from + wait + self.slack());
                dues.push(self.due(kind, from, must_by, to + 15 * MINUTE + self.slack()));
            }
        };
        for (from, to, bpm) in truth.heart.specials() {
            // Who sleeps is measured less often.
            let is_asleep = |at| crate::town::day::is_asleep(self.start, at);
            let is_night = is_asleep(from - gadget::HEART_BY_NIGHT) || is_asleep(from + 15 * MINUTE);
            let beat = if is_night { gadget::HEART_BY_NIGHT } else { gadget::HEART_BY_DAY };
            let at_rest = !truth.moves_between(from - 10 * MINUTE, from + 16 * MINUTE);
            let severe = 2 * beat + 40 * SECOND;
            let sustained = 600 * SECOND + 2 * beat + 40 * SECOND;
            let wait = |is_severe: bool, is_sustained: bool| match (is_severe, is_sustained && at_rest) {
                (true, _) => Some(severe),
                (false, true) => Some(sustained),
                _ => None,
            };
            push(HeartRateHigh, (from, to), wait(bpm >= 136.0, bpm >= 125.0), bpm >= 116.0);
            push(HeartRateLow, (from, to), wait(bpm <= 35.0, false), bpm <= 45.0);
        }
        let look = gadget::VITALS_SPECIAL;
        for (from, to, percent) in truth.oxygen.specials() {
            let wait = (percent <= 90.0).then_some(120 * SECOND + 2 * look + 40 * SECOND);
            push(Spo2Low, (from, to), wait, percent <= 95.0);
        }
        for (from, to, celsius) in truth.temperature.specials() {
            push(TemperatureHigh, (from, to), (celsius >= 39.4).then_some(look + 40 * SECOND), celsius >= 38.8);
            push(TemperatureLow, (from, to), (celsius <= 34.7).then_some(2 * look + 40 * SECOND), celsius <= 35.3);
        }
    }

    /// Nothing is heard, or the bracelet lies about.
    fn absences(&self, dues: &mut Vec<Due>) {
        let truth = &self.elder.truth;
        for (from, to) in self.silences() {
            let long = to - from;
            if long < SILENT - gadget::SPARSE - 30 * SECOND {
                continue;
            }
            let charged = truth.off_wrist.touches(from - HOUR, to) || truth.charging.touches(from - HOUR, to);
            let must = long >= SILENT + HELD + MINUTE && !charged && !self.outages.down.touches(from, to);
            let due = self.due(
                IncidentKind::Silence,
                from,
                must.then_some(from + SILENT + HELD + 30 * SECOND + self.slack()),
                to + HELD + 2 * MINUTE + self.slack(),
            );
            dues.push(due);
        }
        for (from, to) in truth.off_wrist.iter() {
            let must = to - from >= 32 * MINUTE && !truth.charging.touches(from - HOUR, to);
            let must = must && self.is_followed(from, from + 32 * MINUTE);
            if to - from >= 28 * MINUTE {
                let must_by = must.then_some(from + 32 * MINUTE + self.slack());
                let due = self.due(IncidentKind::DeviceRemoved, from, must_by, to + 3 * MINUTE + self.slack());
                dues.push(due);
            }
        }
    }

    /// When nothing of this elder comes in, whoever's fault it is.
    fn silences(&self) -> Vec<(Ms, Ms)> {
        let mut quiet = self.elder.truth.unheard.clone();
        for (from, to) in self.outages.alarms_only.iter() {
            quiet.add(from, to);
        }
        quiet.iter().map(|(from, to)| (from, to.min(self.duration))).collect()
    }

    fn batteries(&self, dues: &mut Vec<Due>) {
        let truth = &self.elder.truth;
        let (mut low, mut surely) = (Spans::default(), Spans::default());
        let mut at = 0;
        while at < self.duration {
            if truth.battery(at) < 15.9 {
                low.add(at, at + MINUTE);
            }
            if truth.battery(at) < 15.0 {
                surely.add(at, at + MINUTE);
            }
            at += MINUTE;
        }
        for (from, to) in low.iter() {
            let sure = surely.iter().find(|(begin, _)| (from..to).contains(begin));
            let within = gadget::BATTERY + 30 * SECOND;
            let must = sure.filter(|(a, b)| b - a >= within + MINUTE && self.is_followed(*a, a + within));
            let must_by = must.map(|(begin, _)| begin + within + self.slack());
            let onset = sure.map_or(from, |(begin, _)| begin);
            let until = to + gadget::BATTERY + AFTERMATH;
            dues.push(Due { from, ..self.due(IncidentKind::BatteryLow, onset, must_by, until) });
        }
    }

    fn stillness(&self, dues: &mut Vec<Due>) {
        const LONG: Ms = 6 * HOUR;
        let truth = &self.elder.truth;
        let mut since = 0;
        let mut at = 0;
        while at <= self.duration {
            let moved = truth.moves_between(at, at + BUCKET);
            if moved || at + BUCKET > self.duration {
                if at - since >= LONG - 40 * MINUTE {
                    let due = self.due(IncidentKind::Immobility, since, None, at + 30 * MINUTE);
                    dues.push(due);
                }
                since = at + BUCKET;
            }
            at += BUCKET;
        }
        for (from, to) in truth.still.iter().filter(|(from, to)| to - from >= LONG + 40 * MINUTE) {
            let is_day = |at| (7 * 60 + 30..21 * 60 + 30).contains(&local_minute(self.start, at));
            let must = is_day(from) && is_day(from + LONG + 40 * MINUTE) && self.is_followed(from, to);
            let must_by = must.then_some(from + LONG + 40 * MINUTE);
            dues.push(self.due(IncidentKind::Immobility, from, must_by, to + 30 * MINUTE));
        }
    }
}

/// Where many fall silent at once it is the cell: one incident, and nobody is told one by one.
fn mass_silence(town: &Town, duration: Ms, outages: &Outages, dues: &mut Vec<Due>) {
    for org in &town.orgs {
        let here = town.elders.iter().filter(|elder| elder.org == *org);
        let mut silences: Vec<(Ms, Ms)> = here
            .flat_map(|elder| View { elder, start: town.start.millis(), duration, outages }.silences())
            .filter(|(from, to)| to - from >= SILENT - gadget::SPARSE)
            .collect();
        silences.sort_unstable();
        for (place, &(from, to)) in silences.iter().enumerate() {
            // Who is heard every six minutes falls silent up to so long after.
            let close = silences[place..].iter().take_while(|(other, _)| other - from <= TOGETHER + gadget::SPARSE);
            let members: Vec<(Ms, Ms)> = close.copied().collect();
            if members.len() < MASS {
                continue;
            }
            let lasting = |(a, b): &&(Ms, Ms)| b - a >= SILENT + HELD + MINUTE && a - from <= TOGETHER - gadget::SPARSE;
            let sure: Vec<Ms> = members.iter().filter(lasting).map(|(a, _)| *a).collect();
            let must_by = sure.get(MASS - 1).map(|fifth| fifth + SILENT + 30 * SECOND + BAD_CELL);
            let last = members.iter().map(|(_, b)| *b).max().unwrap_or(to);
            dues.push(Due {
                who: format!("area:{org}"),
                kind: IncidentKind::MassSilence,
                onset: from,
                from,
                must_by: must_by.filter(|by| *by < duration && !outages.down.touches(from, *by)),
                until: last + AFTERMATH,
                each: false,
                raised: Vec::new(),
            });
            let elders: Vec<&str> = town.elders.iter().filter(|e| e.org == *org).map(|e| e.id.as_str()).collect();
            for due in dues.iter_mut().filter(|due| due.kind == IncidentKind::Silence) {
                if elders.contains(&due.who.as_str()) && due.onset >= from - TOGETHER && due.onset <= last {
                    due.must_by = None;
                }
            }
            break;
        }
    }
}
