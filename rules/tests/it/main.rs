//! What rules find, as stories: one line an observation, and what came of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod area;
mod blood_pressure;
mod device;
mod doctor;
mod falls;
mod fence;
mod home_readings;
mod order;
mod sos;
mod table;
mod vitals;
mod whereabouts;

use expect_test::Expect;
use model::{
    Change, Crossing, CrossingDirection, DeviceId, FenceId, Finding, Fix, Located, Position, Report, ReportBody,
    Suspension, Thresholds, Timestamp, WearerId,
};
use rules::{Bedside, Findings, Home, Observation, Placement, Subject, WearerState};

/// 2026-11-22T08:00:00+08:00
const START_MILLIS: i64 = 1_795_305_600_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(START_MILLIS + seconds * 1000)
}

/// The wearer's home, and about how many degrees of latitude a metre is.
const HOME: Position = Position { lat: 31.82, lon: 117.22 };
const DEGREES_PER_METRE: f64 = 1.0 / 111_195.0;

/// A wearer with a bracelet, and what was found so far.
struct World {
    wearer: WearerId,
    thresholds: Thresholds,
    fall_window_seconds: u32,
    suspension: Option<Suspension>,
    home: Option<Home>,
    listening_since: Timestamp,
    fix_before: Option<(Timestamp, Located)>,
    /// Whether being absent is told, too: most stories are not about it.
    tells_absence: bool,
    state: WearerState,
    findings: Vec<Finding>,
}

impl World {
    fn new() -> World {
        World {
            wearer: WearerId::new("w1"),
            thresholds: Thresholds::default(),
            fall_window_seconds: 60,
            suspension: None,
            home: Some(Home { fence: FenceId::new("home"), centre: Some(HOME) }),
            listening_since: Timestamp::EPOCH,
            fix_before: None,
            tells_absence: false,
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
            self.tell(found);
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
        self.tell(found);
    }

    fn report(&mut self, device: &str, body: ReportBody, measured: i64, now: i64) {
        let report = Report { event_id: None, measured: Some(at(measured)), body, content_hash: 0 };
        let located =
            report.fix().map(|fix| Located { position: fix.position, accuracy_m: fix.accuracy_m.unwrap_or(50.0) });
        self.observe(device, Observation::Report { report: &report, located }, measured, now);
        if let Some(located) = located {
            self.fix_before = Some((at(measured), located));
        }
    }

    /// Left the home fence, or came back.
    fn cross(&mut self, direction: CrossingDirection, distance_m: f64, measured: i64) {
        let located = Located { position: HOME, accuracy_m: 8.0 };
        let (fence, measured_at) = (FenceId::new("home"), at(measured));
        let crossing =
            Crossing { fence, direction, distance_m, margin_m: 30.0, fixes: 2, located, measured: measured_at };
        self.observe("bracelet", Observation::Crossing(&crossing), measured, measured);
    }

    fn with_subject(
        &mut self,
        device: &DeviceId,
        act: impl FnOnce(&mut WearerState, &Subject<'_>) -> Findings,
    ) -> Findings {
        let subject = Subject {
            wearer: &self.wearer,
            device,
            placement: Placement::of_kind(device.as_str()),
            thresholds: &self.thresholds,
            suspension: self.suspension.as_ref(),
            fall_window_seconds: self.fall_window_seconds,
            position: Some(Position { lat: 31.8, lon: 117.2 }),
            fix_before: self.fix_before,
            home: self.home.as_ref(),
            utc_offset_minutes: 480,
            listening_since: self.listening_since,
        };
        act(&mut self.state, &subject)
    }

    /// One step of a story: `10s sos`, `10s fall`, `25s watch: cancel`, `40s steps 120`, `90s pressure 185/95`,
    /// `90s pressure 185/95 moved`, `1h walk 1600` (so many metres north of home),
    /// `1h breaths 18`, `1h breaths 18 confused`; `10s→500s fall` was measured at 10 s
    /// and came at 500 s; `90s` only waits. Times are in seconds, minutes, hours or days, or such together: `2h5m`.
    fn step(&mut self, step: &str) {
        let mut words = step.split_whitespace().peekable();
        let time = words.next().unwrap();
        let (measured, now) = time.split_once('→').unwrap_or((time, time));
        let (measured, now) = (seconds(measured), seconds(now));
        let device = words.next_if(|word| word.ends_with(':')).unwrap_or("bracelet:").trim_end_matches(':').to_owned();
        let Some(what) = words.next() else {
            self.pass(now);
            return;
        };
        let body = match what {
            "sos" => ReportBody::Sos { fix: None },
            "fall" => ReportBody::Fall { confidence: words.next().map(|word| word.parse().unwrap()), fix: None },
            "pulse" => ReportBody::HeartRate { bpm: words.next().unwrap().parse().unwrap() },
            "oxygen" => ReportBody::Spo2 { percent: words.next().unwrap().parse().unwrap() },
            "warm" => ReportBody::Temperature { celsius: words.next().unwrap().parse().unwrap() },
            "battery" => ReportBody::Battery { percent: words.next().unwrap().parse().unwrap() },
            "on" => ReportBody::Wear { on: true },
            "off" => ReportBody::Wear { on: false },
            "alive" => ReportBody::Alive,
            "walk" => {
                let metres: f64 = words.next().unwrap().parse().unwrap();
                let position = Position { lat: HOME.lat + metres * DEGREES_PER_METRE, ..HOME };
                ReportBody::Location(Fix { position, datum: None, accuracy_m: Some(8.0) })
            }
            "breaths" => {
                let respiration_per_minute = words.next().map(|word| word.parse().unwrap());
                let is_alert = Some(words.next().is_none());
                let bedside = Bedside { respiration_per_minute, is_alert, known: &[] };
                return self.observe(&device, Observation::Bedside(&bedside), measured, now);
            }
            "out" | "home" => {
                let (direction, distance_m) = match what {
                    "out" => (CrossingDirection::Exit, 84.6),
                    _ => (CrossingDirection::Return, -12.3),
                };
                return self.cross(direction, distance_m, now);
            }
            "cancel" => ReportBody::FallCancel,
            "steps" => ReportBody::Steps { count: words.next().unwrap().parse().unwrap() },
            "pressure" => {
                let (systolic, diastolic) = words.next().unwrap().split_once('/').unwrap();
                let (mut flags, mut pulse) = (0, None);
                for word in words {
                    match word {
                        "moved" => flags |= 1,
                        "irregular" => flags |= 1 << 2,
                        "standing" => flags |= 1 << 8,
                        "seated" => flags |= 1 << 9,
                        other => pulse = Some(other.parse().unwrap()),
                    }
                }
                let (systolic, diastolic) = (systolic.parse().unwrap(), diastolic.parse().unwrap());
                ReportBody::BloodPressure { systolic, diastolic, pulse, flags }
            }
            other => panic!("{other} is no observation"),
        };
        self.report(&device, body, measured, now);
    }

    fn told(&self) -> String {
        self.findings.iter().map(told).collect::<Vec<_>>().join("\n")
    }

    fn tell(&mut self, found: Findings) {
        let is_absence = |finding: &Finding| finding.kind == model::IncidentKind::Silence;
        self.findings.extend(found.into_iter().filter(|finding| self.tells_absence || !is_absence(finding)));
    }
}

/// `90s`, `5m`, `2h5m30s`, `1d`.
fn seconds(text: &str) -> i64 {
    text.split_inclusive(char::is_alphabetic)
        .map(|part| {
            let (number, unit) = part.split_at(part.len() - 1);
            number.parse::<i64>().unwrap()
                * match unit {
                    "s" => 1,
                    "m" => 60,
                    "h" => 3600,
                    "d" => 86_400,
                    _ => panic!("{text}"),
                }
        })
        .sum()
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
