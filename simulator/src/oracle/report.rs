//! What the oracle says: as a table, as JSON, as JUnit.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use model::IncidentKind;
use serde_json::{Value, json};

use crate::town::truth::Ms;

use super::judge::{clock, name_of};

/// The exit code when something was missed, false, doubled, or a promise was broken.
pub const EXIT_MISS: u8 = 1;
/// The exit code when only a threshold was broken.
pub const EXIT_THRESHOLD: u8 = 99;
/// How many faults are told in words.
const FAULTS_TOLD_MAX: usize = 20;

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// It was so, and was never found.
    Missed,
    /// It was found too late.
    Late,
    /// It was found and is not so.
    False,
    /// It was found twice.
    Doubled,
    /// Something that always holds did not.
    Broken,
}

impl FaultKind {
    fn name(self) -> &'static str {
        match self {
            FaultKind::Missed => "missed",
            FaultKind::Late => "late",
            FaultKind::False => "false",
            FaultKind::Doubled => "doubled",
            FaultKind::Broken => "broken promise",
        }
    }
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What.
    pub what: FaultKind,
    /// About what kind of incident.
    pub kind: IncidentKind,
    /// About whom.
    pub who: String,
    /// When.
    pub at: Ms,
    /// In words.
    pub detail: String,
}

/// One line of the scenario that was to hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The line.
    pub name: String,
    /// Why it does not hold.
    pub failure: Option<String>,
}

/// The figures of one kind.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Which.
    pub kind: IncidentKind,
    /// How many had to be found.
    pub must: usize,
    /// How often something was found.
    pub raised: usize,
    /// Never found.
    pub missed: usize,
    /// Found too late.
    pub late: usize,
    /// Found and not so.
    pub false_alarms: usize,
    /// Found twice.
    pub doubled: usize,
    /// From when it was so (an alarm: from when it could be heard) to the feed, milliseconds of the run's time.
    pub latency_ms: Histogram<u64>,
}

impl Figures {
    pub(super) fn is_clean(&self) -> bool {
        self.missed + self.late + self.false_alarms + self.doubled == 0
    }
}

/// The judgement on a run.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Which scenario.
    pub scenario: String,
    /// By which seed.
    pub seed: u64,
    /// How many elders lived there.
    pub elders: usize,
    /// How long it lasted, virtual seconds.
    pub virtual_seconds: u32,
    /// How many reports their devices sent.
    pub reports: u64,
    /// The scenario's own lines.
    pub cases: Vec<Case>,
    /// Per kind.
    pub figures: Vec<Figures>,
    /// What went wrong, the scenario's own lines apart.
    pub faults: Vec<Fault>,
    /// Exits of a fence that nobody made, per elder and 30 days, where a threshold counts them.
    pub false_exits_per_elder_month: Option<f64>,
    /// Thresholds that do not hold.
    pub broken: Vec<String>,
}

impl Verdict {
    /// 0, [`EXIT_MISS`] or [`EXIT_THRESHOLD`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.holds(), self.broken.is_empty()) {
            (false, _) => EXIT_MISS,
            (true, false) => EXIT_THRESHOLD,
            (true, true) => 0,
        }
    }

    /// Whether everything that had to be was, and nothing else.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.faults.is_empty() && self.cases.iter().all(|case| case.failure.is_none())
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let hours = f64::from(self.virtual_seconds) / 3600.0;
        let _ = writeln!(
            out,
            "{} · seed {} · {} elder{} · {hours:.1} h · {} reports",
            self.scenario,
            self.seed,
            self.elders,
            if self.elders == 1 { "" } else { "s" },
            self.reports
        );
        let _ = writeln!(
            out,
            "{:<22}{:>6}{:>8}{:>8}{:>6}{:>7}{:>9}{:>10}{:>10}{:>10}{:>10}",
            "kind", "must", "raised", "missed", "late", "false", "doubled", "p50 s", "p99 s", "p99.9 s", "max s"
        );
        for figures in &self.figures {
            let at = |quantile| {
                let value = figures.latency_ms.value_at_quantile(quantile) as f64 / 1000.0;
                if figures.latency_ms.is_empty() { "–".to_owned() } else { format!("{value:.2}") }
            };
            let _ = writeln!(
                out,
                "{:<22}{:>6}{:>8}{:>8}{:>6}{:>7}{:>9}{:>10}{:>10}{:>10}{:>10}",
                name_of(figures.kind),
                figures.must,
                figures.raised,
                figures.missed,
                figures.late,
                figures.false_alarms,
                figures.doubled,
                at(0.5),
                at(0.99),
                at(0.999),
                at(1.0)
            );
        }
        if self.figures.is_empty() && self.cases.is_empty() {
            let _ = writeln!(out, "nothing had to be found, nothing was forbidden, and nothing was raised");
        }
        for case in &self.cases {
            let mark = if case.failure.is_none() { "ok  " } else { "FAIL" };
            let why = case.failure.as_deref().map(|why| format!(" — {why}")).unwrap_or_default();
            let _ = writeln!(out, "{mark} {}{why}", case.name);
        }
        for fault in self.faults.iter().take(FAULTS_TOLD_MAX) {
            let _ = writeln!(out, "FAIL {}", in_words(fault));
        }
        if self.faults.len() > FAULTS_TOLD_MAX {
            let _ = writeln!(out, "     … and {} more", self.faults.len() - FAULTS_TOLD_MAX);
        }
        if let Some(rate) = self.false_exits_per_elder_month {
            let _ = writeln!(out, "{rate:.2} false exits per elder-month");
        }
        for broken in &self.broken {
            let _ = writeln!(out, "OVER {broken}");
        }
        out
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let figures = |f: &Figures| {
            // Of nothing there is no latency: 0 would be a good one.
            let at = |quantile| (!f.latency_ms.is_empty()).then(|| f.latency_ms.value_at_quantile(quantile));
            json!({
                "kind": f.kind, "must": f.must, "raised": f.raised, "missed": f.missed, "late": f.late,
                "false": f.false_alarms, "doubled": f.doubled,
                "latency_ms": {"p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0)},
            })
        };
        json!({
            "scenario": self.scenario, "seed": self.seed, "elders": self.elders,
            "virtual_seconds": self.virtual_seconds, "reports": self.reports, "holds": self.holds(),
            "kinds": self.figures.iter().map(figures).collect::<Vec<_>>(),
            "lines": self.cases.iter().map(|c| json!({"name": c.name, "failure": c.failure})).collect::<Vec<_>>(),
            "faults": self.faults.iter().map(|fault| json!({
                "what": fault.what.name(), "kind": fault.kind, "who": fault.who, "at_ms": fault.at,
                "detail": fault.detail,
            })).collect::<Vec<_>>(),
            "false_exits_per_elder_month": self.false_exits_per_elder_month,
            "broken_thresholds": self.broken,
        })
    }

    /// For a CI: one test case for each line of the scenario and each kind. They are judged together, so only the suite
    /// has a time: how long the run took.
    #[must_use]
    pub fn junit(&self, took: Duration) -> String {
        let is_told = |kind: &IncidentKind| {
            self.figures.iter().any(|figures| figures.kind == *kind) || self.faults.iter().any(|f| f.kind == *kind)
        };
        let kinds = IncidentKind::ALL.iter().filter(|kind| is_told(kind)).map(|kind| {
            let faults: Vec<String> = self.faults.iter().filter(|fault| fault.kind == *kind).map(in_words).collect();
            Case { name: name_of(*kind), failure: (!faults.is_empty()).then(|| faults.join("\n")) }
        });
        let limits =
            self.broken.iter().map(|broken| Case { name: "threshold".to_owned(), failure: Some(broken.clone()) });
        let cases: Vec<Case> = self.cases.iter().cloned().chain(kinds).chain(limits).collect();
        let failures = cases.iter().filter(|case| case.failure.is_some()).count();
        let suite = format!("{} seed {}", self.scenario, self.seed);
        let mut out = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" time=\"{:.3}\">\n",
            escaped(&suite),
            cases.len(),
            took.as_secs_f64()
        );
        for case in &cases {
            let name = escaped(&case.name);
            let _ = match &case.failure {
                None => writeln!(out, "  <testcase classname=\"{}\" name=\"{name}\"/>", escaped(&self.scenario)),
                Some(why) => writeln!(
                    out,
                    "  <testcase classname=\"{}\" name=\"{name}\"><failure>{}</failure></testcase>",
                    escaped(&self.scenario),
                    escaped(why)
                ),
            };
        }
        out.push_str("</testsuite>\n");
        out
    }
}

fn in_words(fault: &Fault) -> String {
    let Fault { what, kind, who, at, detail } = fault;
    format!("{} {} of {who} at {}: {detail}", what.name(), name_of(*kind), clock(*at))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
