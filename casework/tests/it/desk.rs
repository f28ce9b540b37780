//! A community desk with its cases and a clock that a story moves. Beside the engine under test stands a twin that
//! only recovers: it must be equal after every decision.

use casework::{Casework, Input, Output, Visited};
use expect_test::Expect;
use model::case::{
    Answer, CaseFiling, CasePlace, CaseRequest, PatrolOrder, PatrolWho, Photo, PhotoType, Question, QuestionKind,
    Receipt, Spot,
};
use model::duty::{DutyUnit, Shift};
use model::incident::Condition;
use model::registry::{Role, WeeklyWindow};
use model::{
    Actor, CaseAction, CaseId, CaseKind, Counters, Datum, DeviceId, DutyRoster, Explain, Incident, IncidentId,
    IncidentKind, IncidentState, Occurrence, OrgPath, PersonId, Position, Priority, Timestamp, WearerId,
};

pub const START: &str = "2026-11-22T08:00:00+08:00";

pub struct Desk {
    pub casework: Casework,
    twin: Casework,
    pub counters: Counters,
    pub now: Timestamp,
    pub outputs: Vec<Output>,
    lines: Vec<(i64, Vec<String>)>,
}

/// Plays a story; it is told as what was decided at each time.
pub fn check(story: &str, expected: Expect) {
    let mut desk = Desk::new();
    desk.play(story);
    expected.assert_eq(&desk.told());
}

impl Desk {
    pub fn new() -> Desk {
        Desk {
            casework: Casework::default(),
            twin: Casework::default(),
            counters: Counters::default(),
            now: Timestamp::parse(START).unwrap(),
            outputs: Vec::new(),
            lines: Vec::new(),
        }
    }

    pub fn play(&mut self, story: &str) {
        for order in story.split(';').map(str::trim).filter(|order| !order.is_empty()) {
            self.order(order);
        }
    }

    fn order(&mut self, order: &str) {
        let words: Vec<&str> = order.split_whitespace().collect();
        match words.as_slice() {
            ["wait", time] => self.wait(seconds(time)),
            [kind @ ("sos" | "fall" | "exit"), number] => {
                let incident = incident(kind, number.parse().unwrap(), self.now);
                self.handle(Input::Incident(&incident));
            }
            ["resolved", number] => {
                self.handle(Input::IncidentResolved(IncidentId::new(0, number.parse().unwrap())));
            }
            ["restart"] => {
                self.casework = Casework::restore(self.casework.snapshot());
                assert!(self.casework == self.twin, "a checkpoint holds everything");
            }
            ["report", by] => {
                let filing = filing(CaseKind::Report);
                let org = OrgPath::new("/luyang/xinghua/yinxing/");
                self.handle(Input::Report { actor: &actor(by), filing: &filing, org: Some(&org) });
            }
            ["handoff", kind, number, "by", who] => {
                let incident = incident(kind, number.parse().unwrap(), self.now);
                self.handle(Input::FileFor { actor: &actor(who), incident: &incident, text: "请社区跟进" });
            }
            ["patrol", "by", who, wearers @ ..] => {
                let visited = wearers.iter().map(|id| Visited {
                    wearer: WearerId::new(id),
                    org: OrgPath::new("/luyang/xinghua/yinxing/"),
                    place: None,
                });
                let (visited, actor) = (visited.collect(), actor(who));
                let outputs = self.casework.patrol(&actor, &order_of_patrol(), visited, self.now, &mut self.counters);
                self.decided(outputs);
            }
            ["duty", org, "by", who, level, people @ ..] => self.duty(org, who, level, people),
            ["receipt", case, "by", who, status, number, remark @ ..] => {
                self.receipt(case, who, status, number, remark);
            }
            [action, case, "by", who, rest @ ..] => self.act(action, case, who, rest),
            _ => panic!("no such order: {order}"),
        }
    }

    /// `dispatch c1 by s1 to w1 v1 any remark`, `close c1 by s1 as helped v5`, `rate c1 by g1 5`, `merge c2 by s1 into c1`.
    fn act(&mut self, action: &str, case: &str, who: &str, rest: &[&str]) {
        let action =
            *CaseAction::ALL.iter().find(|a| a.name() == action).unwrap_or_else(|| panic!("no such action: {action}"));
        let id: CaseId = case.parse().unwrap();
        let (mut handler, mut disposition, mut into, mut rating) = (None, None, None, None);
        let (mut spot, mut with, mut system, mut photo) = (None, None, None, None);
        let mut answers = Vec::new();
        // `v` alone: the version as it is now.
        let mut if_match = None;
        let mut remark = Vec::new();
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            match *word {
                "to" => handler = words.next().map(|person| PersonId::new(person)),
                "as" => disposition = words.next().map(|word| (*word).to_owned()),
                "with" => with = words.next().map(|word| (*word).to_owned()),
                "system" => system = words.next().map(|word| (*word).into()),
                "photo" => photo = words.next().map(|hash| photo_of(hash)),
                // Metres north of the case's place.
                "at" => spot = words.next().map(|metres| spot_at(metres.parse().unwrap())),
                "answer" => {
                    let (id, value) = words.next().unwrap().split_once('=').unwrap();
                    answers.push(Answer { id: id.into(), value: value.to_owned() });
                }
                "into" => into = words.next().map(|case| case.parse().unwrap()),
                "v" => if_match = self.casework.case(id).map(|case| case.version),
                word if word.len() == 1 && word.parse::<u8>().is_ok() => rating = word.parse().ok(),
                word => match word.strip_prefix('v').and_then(|version| version.parse().ok()) {
                    Some(version) => if_match = Some(version),
                    None => remark.push(word),
                },
            }
        }
        let actor = actor(who);
        let mut request = CaseRequest::new(action);
        request.note = Some(remark.join(" ")).filter(|remark| !remark.is_empty());
        (request.handler, request.disposition, request.into) = (handler, disposition, into);
        (request.rating, request.spot, request.with, request.system) = (rating, spot, with, system);
        request.answers = answers;
        request.photo = photo;
        self.handle(Input::Action { id, actor: &actor, if_match, request: &request });
    }

    /// `receipt c1 by x1 accepted #7 any remark`.
    fn receipt(&mut self, case: &str, who: &str, status: &str, number: &str, remark: &[&str]) {
        let receipt = Receipt {
            system: "platform".into(),
            external_case_id: number.into(),
            status: serde_json::from_value(status.into()).unwrap(),
            note: Some(remark.join(" ")).filter(|remark| !remark.is_empty()),
            disposition: None,
        };
        self.handle(Input::Receipt { id: case.parse().unwrap(), actor: &actor(who), receipt: &receipt });
    }

    /// A roster with one department at a level, on duty from 08:00 to 20:00 every day.
    fn duty(&mut self, org: &str, who: &str, level: &str, people: &[&str]) {
        let window = WeeklyWindow { days: 0b111_1111, from_minute: 480, to_minute: 1_200 };
        let shift = Shift { people: people.iter().map(|person| PersonId::new(person)).collect(), window };
        let level = serde_json::from_value(level.into()).unwrap();
        let unit = DutyUnit { id: "office".into(), name: "值班室".to_owned(), level, shifts: vec![shift] };
        let roster = DutyRoster {
            org: OrgPath::new(org),
            version: 0,
            units: vec![unit],
            changed_by: PersonId::new(who),
            changed_at: self.now,
        };
        self.handle(Input::Duty { actor: &actor(who), if_match: None, roster: &roster });
    }

    pub fn wait(&mut self, seconds: i64) {
        let until = self.now.plus_millis(seconds * 1000);
        while let Some(due) = self.casework.next_due().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            let outputs = self.casework.advance(self.now, &mut self.counters);
            assert!(!outputs.is_empty(), "time stands still at {}", self.now);
            self.decided(outputs);
        }
        self.now = until;
    }

    pub fn handle(&mut self, input: Input<'_>) {
        let outputs = self.casework.handle(input, self.now, &mut self.counters);
        self.decided(outputs);
    }

    fn decided(&mut self, outputs: Vec<Output>) {
        let mut phrases = Vec::new();
        for output in &outputs {
            match output {
                Output::Case { kind, case, .. } => {
                    let name = kind.name().strip_prefix("case.").unwrap();
                    let step = case.steps.last().unwrap();
                    let by = step.by.as_ref().map_or("itself".to_owned(), ToString::to_string);
                    let handler = case.handler.as_ref().map(|h| format!(", with {h}")).unwrap_or_default();
                    phrases.push(format!("{} {name} by {by} [{:?} {:?}{handler}]", case.id, case.state, case.level));
                    self.twin.apply_case((**case).clone());
                }
                Output::Patrol(patrol) => {
                    let passed_over = patrol.passed_over;
                    phrases.push(format!("{} of {} visits, {passed_over} passed over", patrol.id, patrol.cases.len()));
                }
                Output::Duty(roster) => {
                    phrases.push(format!("duty of {} v{}", roster.org, roster.version));
                    self.twin.apply_roster(roster.clone());
                }
                Output::Refused(problem) => {
                    assert_eq!(outputs.len(), 1, "a refusal stands alone");
                    let holder = problem.holder.as_ref().map(|h| format!(", held by {h}")).unwrap_or_default();
                    assert!(problem.errors.iter().all(|fault| !fault.detail_zh.is_ascii()), "{problem:?}");
                    let pointers: Vec<&str> = problem.errors.iter().map(|fault| fault.pointer.as_str()).collect();
                    let pointers = if pointers.is_empty() { String::new() } else { format!(" {}", pointers.join(" ")) };
                    phrases.push(format!("refused {} {}{pointers}{holder}", problem.code.status(), problem.detail));
                }
            }
        }
        assert!(self.twin == self.casework, "recovery differs after {outputs:?}");
        for case in self.casework.open_cases() {
            assert!(case.due_at.is_some_and(|due| due > self.now), "an open case has its clock: {case:?}");
        }
        if !phrases.is_empty() {
            let elapsed = self.now.millis_since(Timestamp::parse(START).unwrap()) / 1000;
            self.lines.push((elapsed, phrases));
        }
        self.outputs.extend(outputs);
    }

    pub fn told(&self) -> String {
        let line = |(at, phrases): &(i64, Vec<String>)| {
            format!("{:02}:{:02}  {}\n", at.div_euclid(60), at.rem_euclid(60), phrases.join(" | "))
        };
        self.lines.iter().map(line).collect()
    }
}

/// Grid workers are w…, volunteers v…, guardians g…, the street is t…, another system x…, `outsider` belongs elsewhere, the rest the desk.
pub fn actor(who: &str) -> Actor {
    let role = match who.as_bytes()[0] {
        b'w' => Role::GridWorker,
        b'v' => Role::Volunteer,
        b'g' => Role::Guardian,
        b't' => Role::Street,
        b'x' => Role::Integration,
        _ => Role::Desk,
    };
    let scope = OrgPath::new(if who == "outsider" { "/baohe/" } else { "/luyang/" });
    Actor { person: PersonId::new(who), role, scope }
}

pub fn incident(kind: &str, number: u64, now: Timestamp) -> Incident {
    let kind = match kind {
        "sos" => IncidentKind::Sos,
        "fall" => IncidentKind::Fall,
        _ => IncidentKind::FenceExit,
    };
    let explain =
        Explain { rule: "sos".into(), rule_version: 1, readings: Vec::new(), zh: String::new(), en: String::new() };
    Incident {
        id: IncidentId::new(0, number),
        version: 1,
        wearer: WearerId::new("w1"),
        org: OrgPath::new("/luyang/xinghua/yinxing/"),
        kind,
        priority: Priority::High,
        state: IncidentState::Raised,
        condition: Condition::Present,
        late: false,
        raised_at: now,
        changed_at: now,
        position: Some(HOME),
        explain: String::new(),
        explain_en: String::new(),
        occurrences: vec![Occurrence {
            kind,
            priority: Priority::High,
            device: DeviceId::new("bracelet"),
            at: now,
            measured: now,
            late: false,
            confirmed: true,
            position: None,
            explain,
        }],
        occurrence_count: 1,
        acknowledged_by: None,
        on_site_by: None,
        resolution: None,
        case: None,
        unreachable: false,
        console_until: None,
        contacts_to_fix: Vec::new(),
        notes: Vec::new(),
        doctor_order: None,
        test: false,
    }
}

const HOME: Position = Position { lat: 31.8206, lon: 117.2272 };

/// A phone, good to 20 m, some metres north of home; a degree of latitude is 111 195 m.
fn spot_at(metres: f64) -> Spot {
    Spot {
        position: Position { lat: HOME.lat + metres / 111_195.0, lon: HOME.lon },
        datum: Datum::Wgs84,
        accuracy_m: 20.0,
    }
}

fn photo_of(hash: &str) -> Photo {
    let (by, at) = (PersonId::new("nobody"), Timestamp::EPOCH);
    Photo { hash: hash.into(), bytes: 1, media: PhotoType::Jpeg, by, at }
}

fn filing(kind: CaseKind) -> CaseFiling {
    CaseFiling {
        incident: None,
        wearer: None,
        org: None,
        kind,
        priority: Priority::Medium,
        text: "楼道堆物".to_owned(),
        place: Some(CasePlace { position: Some(HOME), text: "3 栋".to_owned() }),
        datum: Datum::Wgs84,
    }
}

fn order_of_patrol() -> PatrolOrder {
    let question = |id: &str, kind, required| Question {
        id: id.into(),
        label: "情况".to_owned(),
        kind,
        choices: vec!["好".to_owned(), "差".to_owned()],
        required,
    };
    PatrolOrder {
        name: "独居巡访".to_owned(),
        org: OrgPath::new("/luyang/"),
        who: PatrolWho::Listed,
        wearers: Vec::new(),
        form: vec![question("seen", QuestionKind::YesNo, true), question("mood", QuestionKind::Choice, false)],
    }
}

fn seconds(time: &str) -> i64 {
    let (number, unit) = time.split_at(time.len() - 1);
    let number: i64 = number.parse().unwrap();
    match unit {
        "s" => number,
        "m" => number * 60,
        "h" => number * 3600,
        _ => panic!("no such unit: {time}"),
    }
}
