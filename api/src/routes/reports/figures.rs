//! The figures of one row, counted and as they are shown.

use model::{Case, CaseAction, CaseState, EventKind, Incident, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// The telecare standard: 97.5 % of alarms are answered within 60 s, 99 % within 180 s (EN 50134, TSA's code).
const ANSWERED_SECONDS: [i64; 2] = [60, 180];
/// Somebody is there within 45, and within 60 minutes.
const ON_SITE_SECONDS: [i64; 2] = [45 * 60, 60 * 60];
/// The disposition of a false alarm.
const FALSE_ALARM: &str = "false_alarm";

/// What was counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    alarms: u64,
    /// Milliseconds until each alarm was answered.
    answered: Vec<i64>,
    /// Milliseconds until somebody was there, of each alarm that anybody came to.
    attended: Vec<i64>,
    cases: u64,
    accepted: u64,
    /// Milliseconds from filing until somebody was there.
    on_site: Vec<i64>,
    closed: u64,
    rejected: u64,
    merged: u64,
    false_alarms: u64,
    whistled: u64,
    open: u64,
}

/// What is shown of it: counts, rates (0–1; null when there is nothing to divide by) and seconds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReportFigures)]
pub(super) struct Shown {
    alarms: Alarms,
    cases: Cases,
}

/// Alarms: answered is when the first person took it on, was there, or ended it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlarmFigures)]
struct Alarms {
    count: u64,
    answered: u64,
    answered_60s: u64,
    answered_60s_rate: Option<f64>,
    answered_180s: u64,
    answered_180s_rate: Option<f64>,
    answer_seconds_median: Option<f64>,
    answer_seconds_p90: Option<f64>,
    on_site: u64,
    on_site_45min: u64,
    on_site_45min_rate: Option<f64>,
    on_site_60min: u64,
    on_site_60min_rate: Option<f64>,
}

/// Cases, by when they were filed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CaseFigures)]
struct Cases {
    count: u64,
    open: u64,
    accepted: u64,
    accepted_rate: Option<f64>,
    on_site: u64,
    on_site_45min: u64,
    on_site_45min_rate: Option<f64>,
    on_site_60min: u64,
    on_site_60min_rate: Option<f64>,
    closed: u64,
    closed_rate: Option<f64>,
    rejected: u64,
    merged: u64,
    false_alarms: u64,
    false_alarm_rate: Option<f64>,
    whistled: u64,
    whistle_rate: Option<f64>,
}

impl Figures {
    /// One alarm: answered is when the first person took it on, was there, or ended it.
    pub(super) fn alarm(&mut self, incident: &Incident, story: &[(EventKind, Timestamp)], case: Option<&Case>) {
        self.alarms += 1;
        let first = |kinds: &[EventKind]| story.iter().find(|(kind, _)| kinds.contains(kind)).map(|(_, at)| *at);
        let answered = [EventKind::IncidentAcknowledged, EventKind::IncidentOnSite, EventKind::IncidentResolved];
        let answers = [first(&answered), case.and_then(accepted_at)];
        self.answered.extend(answers.into_iter().flatten().min().map(|at| at.millis_since(incident.raised_at)));
        let there = [first(&[EventKind::IncidentOnSite]), case.and_then(on_site_at)];
        self.attended.extend(there.into_iter().flatten().min().map(|at| at.millis_since(incident.raised_at)));
    }

    /// One case.
    pub(super) fn case(&mut self, case: &Case) {
        self.cases += 1;
        self.accepted += u64::from(accepted_at(case).is_some());
        self.on_site.extend(on_site_at(case).map(|at| at.millis_since(case.filed_at)));
        self.whistled += u64::from(case.steps.iter().any(|step| step.action == CaseAction::Whistle));
        self.false_alarms += u64::from(case.disposition.as_deref() == Some(FALSE_ALARM));
        match case.state {
            CaseState::Closed | CaseState::Rated => self.closed += 1,
            CaseState::Rejected => self.rejected += 1,
            CaseState::Merged => self.merged += 1,
            CaseState::Filed
            | CaseState::Dispatched
            | CaseState::Accepted
            | CaseState::OnSite
            | CaseState::Feedback
            | CaseState::Verified => self.open += 1,
        }
    }

    pub(super) fn add(&mut self, other: &Figures) {
        self.alarms += other.alarms;
        self.answered.extend_from_slice(&other.answered);
        self.attended.extend_from_slice(&other.attended);
        self.cases += other.cases;
        self.accepted += other.accepted;
        self.on_site.extend_from_slice(&other.on_site);
        self.closed += other.closed;
        self.rejected += other.rejected;
        self.merged += other.merged;
        self.false_alarms += other.false_alarms;
        self.whistled += other.whistled;
        self.open += other.open;
    }

    pub(super) fn shown(&self) -> Shown {
        let within =
            |times: &[i64], seconds: i64| times.iter().filter(|millis| **millis <= seconds * 1_000).count() as u64;
        let [quick, slow] = ANSWERED_SECONDS.map(|seconds| within(&self.answered, seconds));
        let [soon, late] = ON_SITE_SECONDS.map(|seconds| within(&self.attended, seconds));
        let [case_soon, case_late] = ON_SITE_SECONDS.map(|seconds| within(&self.on_site, seconds));
        // What became part of another case is counted there.
        let own = self.cases - self.merged;
        let alarms = Alarms {
            count: self.alarms,
            answered: self.answered.len() as u64,
            answered_60s: quick,
            answered_60s_rate: rate(quick, self.alarms),
            answered_180s: slow,
            answered_180s_rate: rate(slow, self.alarms),
            answer_seconds_median: quantile(&self.answered, 50),
            answer_seconds_p90: quantile(&self.answered, 90),
            on_site: self.attended.len() as u64,
            on_site_45min: soon,
            on_site_45min_rate: rate(soon, self.alarms),
            on_site_60min: late,
            on_site_60min_rate: rate(late, self.alarms),
        };
        let cases = Cases {
            count: self.cases,
            open: self.open,
            accepted: self.accepted,
            accepted_rate: rate(self.accepted, own),
            on_site: self.on_site.len() as u64,
            on_site_45min: case_soon,
            on_site_45min_rate: rate(case_soon, own),
            on_site_60min: case_late,
            on_site_60min_rate: rate(case_late, own),
            closed: self.closed,
            closed_rate: rate(self.closed, own),
            rejected: self.rejected,
            merged: self.merged,
            false_alarms: self.false_alarms,
            false_alarm_rate: rate(self.false_alarms, self.closed + self.rejected),
            whistled: self.whistled,
            whistle_rate: rate(self.whistled, own),
        };
        Shown { alarms, cases }
    }
}

impl Shown {
    /// Names and values, in the order of the JSON: `alarms_answered_60s`. Empty for what cannot be said.
    pub(super) fn columns(&self) -> Vec<(String, String)> {
        let mut columns = Vec::new();
        // Two structs of numbers: the conversion cannot fail.
        for (group, value) in
            [("alarms", serde_json::to_value(&self.alarms)), ("cases", serde_json::to_value(&self.cases))]
        {
            let Ok(Value::Object(members)) = value else { continue };
            for (name, value) in members {
                let value = if value.is_null() { String::new() } else { value.to_string() };
                columns.push((format!("{group}_{name}"), value));
            }
        }
        columns
    }
}

/// When somebody first took a case.
fn accepted_at(case: &Case) -> Option<Timestamp> {
    case.steps.iter().find(|step| step.action == CaseAction::Accept).map(|step| step.at)
}

/// When somebody was first on the spot.
fn on_site_at(case: &Case) -> Option<Timestamp> {
    let arrived = case.steps.iter().find(|step| step.action == CaseAction::Arrive).map(|step| step.at);
    let checked_in = case.check_ins.iter().find(|check_in| check_in.is_there == Some(true)).map(|c| c.at);
    [arrived, checked_in].into_iter().flatten().min()
}

/// Four digits are as many as anybody reads.
fn rate(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0)
}

/// The nearest rank, in seconds.
fn quantile(millis: &[i64], percent: usize) -> Option<f64> {
    let mut sorted = millis.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map(|millis| *millis as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_ranks_are_what_they_say() {
        assert_eq!(rate(0, 0), None);
        assert_eq!(rate(1, 3), Some(0.3333));
        assert_eq!(quantile(&[], 50), None);
        assert_eq!(quantile(&[4_000, 1_000, 3_000, 2_000], 50), Some(2.0));
        assert_eq!(quantile(&[4_000, 1_000, 3_000, 2_000], 90), Some(4.0));
    }
}
