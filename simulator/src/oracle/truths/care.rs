//! What is found from several things that are so: a score, a bad day after a bad day, a call that nobody takes, a
//! carrier that fails.

use std::collections::BTreeSet;

use model::IncidentKind;

use crate::scenario::{Deed, PhoneHabit, Scenario};
use crate::town::deeds::concerns;
use crate::town::gadget;
use crate::town::truth::{HOUR, Happens, MINUTE, Ms, Reading, SECOND};
use crate::town::{Elder, Town};

use super::{AFTERMATH, BAD_CELL, Due, HELD, MASS, Outages, SILENT, TOGETHER, View};

/// NEWS2 counts what is no older than this beside the newest.
const FRESH: Ms = HOUR;
/// So many points are a finding.
const POINTS: u8 = 5;
/// How long a call lasts that comes to nothing.
const VAIN_CALL: Ms = 45 * SECOND;

/// From which value on how many points.
type Bands = &'static [(f64, u8)];

impl View<'_> {
    /// On a second bad day the doctor is told, whatever was said on the first.
    pub(super) fn bad_day(&self, before: &[(Ms, Reading)], (at, reading): (Ms, Reading), arrives: Ms) -> Due {
        let day = |at: Ms| (self.start + at + 8 * HOUR).div_euclid(24 * HOUR);
        let is_watched = |r: &Reading| !r.badly && (r.systolic >= 143 || r.diastolic >= 92);
        let days: BTreeSet<Ms> = before.iter().filter(|(_, r)| is_watched(r)).map(|(at, _)| day(*at)).collect();
        let is_grade_3 = reading.systolic >= 176 || reading.diastolic >= 107;
        let is_second = days.len() == 1 && !days.contains(&day(at));
        let must = is_watched(&reading) && is_second && !is_grade_3 && self.is_followed(at, at + MINUTE);
        self.due(IncidentKind::BloodPressureWatch, at, must.then_some(arrives), self.duration)
    }

    /// NEWS2, where somebody at the bedside has looked and everything else is measured within the hour.
    pub(super) fn scores(&self, dues: &mut Vec<Due>) {
        let looks = self.elder.truth.moments.iter().filter_map(|moment| match moment.what {
            Happens::Bedside { per_minute, confused } => Some((moment.at, per_minute, confused)),
            _ => None,
        });
        let is_measured = gadget::measures_vitals(self.elder);
        for (at, per_minute, confused) in looks {
            // Three points of what nothing else is about.
            if confused || !(9..25).contains(&per_minute) {
                let must = self.is_followed(at, at + MINUTE).then_some(at + 5 * SECOND + self.slack());
                dues.push(self.due(IncidentKind::News2High, at, must, at + 2 * FRESH));
            }
            if !is_measured {
                continue;
            }
            let cuffs = self.cuffs();
            let near = cuffs.iter().filter(|(other, r)| (other - at).abs() < FRESH && !r.badly);
            for (cuff, reading) in near {
                let known = at.max(*cuff);
                let by = known + HOUR / 2 + 2 * MINUTE + self.slack();
                let seen = (f64::from(per_minute), confused, f64::from(reading.systolic));
                let points = [known, by].map(|time| self.points(time, seen));
                let (least, most) = (points[0].0.min(points[1].0), points[0].1.max(points[1].1));
                if most < POINTS {
                    continue;
                }
                let must = least >= POINTS && cuff > &at && by < at + FRESH && self.is_followed(at, by);
                let due = self.due(IncidentKind::News2High, known, must.then_some(by), at.min(*cuff) + 2 * FRESH);
                dues.push(Due { from: at.min(*cuff), ..due });
            }
        }
    }

    /// The least and the most points that noise leaves possible: breaths, confusion and systolic pressure as seen.
    fn points(&self, at: Ms, (breaths, confused, systolic): (f64, bool, f64)) -> (u8, u8) {
        let truth = &self.elder.truth;
        let pulse = truth.heart_rate(at, crate::town::day::is_asleep(self.start, at));
        // Value, noise, and from where on which points: bands of the Royal College's chart.
        let rows: [(f64, f64, Bands); 5] = [
            (breaths, 0.0, &[(0.0, 3), (9.0, 1), (12.0, 0), (21.0, 2), (25.0, 3)]),
            (truth.oxygen.special(at).unwrap_or(truth.oxygen.usual), 2.0, &[(0.0, 3), (92.0, 2), (94.0, 1), (96.0, 0)]),
            (systolic, 3.0, &[(0.0, 3), (91.0, 2), (101.0, 1), (111.0, 0), (220.0, 3)]),
            (pulse, 5.0, &[(0.0, 3), (41.0, 1), (51.0, 0), (91.0, 1), (111.0, 2), (131.0, 3)]),
            (
                truth.temperature.special(at).unwrap_or(truth.temperature.usual),
                0.25,
                &[(0.0, 3), (35.1, 1), (36.1, 0), (38.1, 1), (39.1, 2)],
            ),
        ];
        let of =
            |bands: &[(f64, u8)], value: f64| bands.iter().rfind(|(from, _)| value >= *from).map_or(3, |row| row.1);
        let start = u8::from(confused) * 3;
        rows.iter().fold((start, start), |(least, most), (value, noise, bands)| {
            let possible = [-noise, 0.0, *noise].map(|off| of(bands, value + off));
            (least + possible.iter().min().unwrap_or(&0), most + possible.iter().max().unwrap_or(&0))
        })
    }

    /// The house calls and asks: who says so needs help, and so may who cannot be asked.
    pub(super) fn calls(&self, scenario: &Scenario, dues: &mut Vec<Due>) {
        let Some(habit) = self.elder.phone else { return };
        for act in scenario.acts.iter().filter(|act| concerns(act, self.elder)) {
            let Deed::WelfareCalls { tries, gap_s } = act.deed else { continue };
            let at = (act.at_s * 1000.0) as Ms;
            let wait = match habit {
                PhoneHabit::Answers => continue,
                PhoneHabit::CannotCome => 30 * SECOND,
                _ => Ms::from(tries) * (VAIN_CALL + (gap_s * 1000.0) as Ms),
            };
            dues.push(self.due(IncidentKind::WelfareCall, at, Some(at + wait), at + wait + AFTERMATH));
        }
    }
}

/// Where those of one carrier fall silent in several communities it is the carrier: one incident above them all.
pub(super) fn carriers_silence(town: &Town, duration: Ms, outages: &Outages, dues: &mut Vec<Due>) {
    let carriers: BTreeSet<&String> = town.elders.iter().filter_map(|elder| elder.carrier.as_ref()).collect();
    for carrier in carriers {
        let theirs: Vec<&Elder> = town.elders.iter().filter(|elder| elder.carrier.as_ref() == Some(carrier)).collect();
        let mut silences: Vec<(Ms, Ms, &str)> = Vec::new();
        for elder in &theirs {
            let view = View { elder, start: town.start.millis(), duration, outages };
            let long = view.silences().into_iter().filter(|(from, to)| to - from >= SILENT - gadget::SPARSE);
            silences.extend(long.map(|(from, to)| (from, to, elder.org.as_str())));
        }
        silences.sort_unstable();
        for (place, &(from, to, _)) in silences.iter().enumerate() {
            let close = silences[place..].iter().take_while(|(other, ..)| other - from <= TOGETHER + gadget::SPARSE);
            let members: Vec<_> = close.copied().collect();
            let communities: BTreeSet<&str> = members.iter().map(|(_, _, org)| *org).collect();
            if members.len() < MASS || communities.len() < 2 {
                continue;
            }
            let last = members.iter().map(|(_, until, _)| *until).max().unwrap_or(to);
            let is_lasting =
                |(a, b, _): &&(Ms, Ms, &str)| b - a >= SILENT + HELD + MINUTE && a - from <= TOGETHER - gadget::SPARSE;
            let lasting: Vec<_> = members.iter().filter(is_lasting).collect();
            // Where five of one community are silent it may be found to be that community's.
            let here = |org: &str| lasting.iter().filter(|(_, _, other)| *other == org).count();
            let is_nobodys = place == 0 && communities.iter().all(|org| here(org) < MASS);
            let fifth = lasting.get(MASS - 1).filter(|_| is_nobodys).map(|(begin, ..)| *begin);
            let must_by = fifth.map(|fifth| fifth + SILENT + 30 * SECOND + BAD_CELL);
            for due in dues.iter_mut().filter(|due| due.onset >= from - TOGETHER && due.onset <= last) {
                let is_theirs = || theirs.iter().any(|elder| elder.id == due.who);
                if due.kind == IncidentKind::MassSilence || (due.kind == IncidentKind::Silence && is_theirs()) {
                    due.must_by = None;
                }
            }
            dues.push(Due {
                who: format!("area:/yl/{carrier}"),
                kind: IncidentKind::MassSilence,
                onset: from,
                from,
                must_by: must_by.filter(|by| *by < duration && !outages.down.touches(from, *by)),
                until: last + AFTERMATH,
                each: false,
                raised: Vec::new(),
            });
            break;
        }
    }
}
