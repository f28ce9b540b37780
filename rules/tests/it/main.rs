//! What rules find, as stories: one line an observation, and what came of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod blood_pressure;
mod falls;
mod fence;
mod sos;

use expect_test::Expect;
use model::{
    Change, Crossing, CrossingDirection, DeviceId, FenceId, Finding, Located, Position, Report, ReportBody, Thresholds,
    Timestamp, WearerId,
};
use rules::{Findings, Observation, Subject, WearerState};

/// 2026-11-22T08:00:00+08:00
const START_MILLIS: i64 = 1_795_305_600_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START_MILLIS + seconds * 1000)
}

/// A wearer with a bracelet, and what was found so far.
struct World {
    wearer: WearerId,
    thresholds: Thresholds,
    fall_window_seconds: u32,
    state: WearerState,
    findings: Vec<Finding>,
}

impl World {
    fn new() -> World {
        World {
            wearer: WearerId::new("w1"),
            thresholds: Thresholds::default(),
            fall_window_seconds: 60,
            state: WearerState::default(),
            findings: Vec::new(),
        }
    }

    /// Lets time pass: timers fire when they are due, not later.
    fn pass(&mut self, until: i64) {
        while let Some(due) = rules::next_due(&self.state).filter(|due| *due <= at(until)) {
            let nobody = DeviceId::default();
            let found = self.with_subject(&nobody, |state, subject| rules::advance(state, subject, due));
            assert!(rules::next_due(&self.state).is_none_or(|next| next > due), "what is due is done");
            self.findings.extend(found);
        }
    }

    fn observe(&mut self, device: &str, observation: Observation<'_>, measured: i64, now: i64) {
        self.pass(now);
        let (measured, now) = (at(measured), at(now));
        let late = now.millis_since(measured) > 120_000;
        let device = DeviceId::new(device);
        let found = self
            .with_subject(&device, |state, subject| rules::handle(state, subject, observation, measured, late, now));
        assert!(found.iter().all(|finding| finding.at == now));
        self.findings.extend(found);
    }

    fn report(&mut self, device: &str, body: ReportBody, measured: i64, now: i64) {
        let report = Report { event_id: None, measured: Some(at(measured)), body, content_hash: 0 };
        self.observe(device, Observation::Report { report: &report, located: None }, measured, now);
    }

    fn with_subject(
        &mut self,
        device: &DeviceId,
        act: impl FnOnce(&mut WearerState, &Subject<'_>) -> Findings,
    ) -> Findings {
        let subject = Subject {
            wearer: &self.wearer,
            device,
            thresholds: &self.thresholds,
            fall_window_seconds: self.fall_window_seconds,
            position: Some(Position { lat: 31.8, lon: 117.2 }),
        };
        act(&mut self.state, &subject)
    }

    /// One step of a story: `10s sos`, `10s fall`, `25s watch: cancel`, `40s steps 120`, `90s pressure 185/95`,
    /// `90s pressure 185/95 moved`; `10s→500s fall` was measured at 10 s and came at 500 s; `90s` only waits.
    fn step(&mut self, step: &str) {
        let mut words = step.split_whitespace().peekable();
        let time = words.next().unwrap();
        let seconds = |text: &str| text.strip_suffix('s').unwrap().parse::<i64>().unwrap();
        let (measured, now) = time.split_once('→').unwrap_or((time, time));
        let (measured, now) = (seconds(measured), seconds(now));
        let device = words.next_if(|word| word.ends_with(':')).unwrap_or("bracelet:").trim_end_matches(':').to_owned();
        let Some(what) = words.next() else {
            self.pass(now);
            return;
        };
        let body = match what {
            "sos" => ReportBody::Sos { fix: None },
            "fall" => ReportBody::Fall { confidence: None, fix: None },
            "cancel" => ReportBody::FallCancel,
            "steps" => ReportBody::Steps { count: words.next().unwrap().parse().unwrap() },
            "pressure" => {
                let (systolic, diastolic) = words.next().unwrap().split_once('/').unwrap();
                let flags = if words.next() == Some("moved") { 1 } else { 0 };
                let (systolic, diastolic) = (systolic.parse().unwrap(), diastolic.parse().unwrap());
                ReportBody::BloodPressure { systolic, diastolic, pulse: None, flags }
            }
            other => panic!("{other} is no observation"),
        };
        self.report(&device, body, measured, now);
    }

    fn told(&self) -> String {
        self.findings.iter().map(told).collect::<Vec<_>>().join("\n")
    }
}

fn told(finding: &Finding) -> String {
    let seconds = |time: Timestamp| time.millis_since(at(0)) / 1000;
    let change = match finding.change {
        Change::Raised => "",
        Change::Cleared => " over",
    };
    let marks = [(finding.late, " late"), (!finding.confirmed, " unconfirmed")];
    let marks: String = marks.into_iter().filter_map(|(is_so, mark)| is_so.then_some(mark)).collect();
    let (kind, priority, device) = (finding.kind, finding.priority, &finding.device);
    let (now, measured) = (seconds(finding.at), seconds(finding.measured));
    let explain = format!("{} {}", finding.explain.zh, finding.explain.en);
    format!("{now}s {priority:?} {kind:?}{change}{marks} of {measured}s by {device}: {explain}")
}

fn run(mut world: World, story: &str) -> World {
    story.split(';').for_each(|step| world.step(step.trim()));
    world
}

fn check(story: &str, expected: Expect) {
    expected.assert_eq(&run(World::new(), story).told());
}
