//! A community desk with its cases and a clock that a story moves. Beside the engine under test stands a twin that
//! only recovers: it must be equal after every decision.

use casework::{Casework, Input, Output};
use expect_test::Expect;
use model::incident::Condition;
use model::registry::Role;
use model::{
    Actor, CaseAction, CaseId, Counters, DeviceId, Explain, Incident, IncidentId, IncidentKind, IncidentState,
    Occurrence, OrgPath, PersonId, Priority, Timestamp, WearerId,
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
            [action, case, "by", who, rest @ ..] => self.act(action, case, who, rest),
            _ => panic!("no such order: {order}"),
        }
    }

    /// `dispatch c1 by s1 to w1 v1 any remark`, `close c1 by s1 as helped v5`, `rate c1 by g1 5`, `merge c2 by s1 into c1`.
    fn act(&mut self, action: &str, case: &str, who: &str, rest: &[&str]) {
        let all = [
            CaseAction::File,
            CaseAction::Reject,
            CaseAction::Dispatch,
            CaseAction::Accept,
            CaseAction::Reassign,
            CaseAction::Arrive,
            CaseAction::Feedback,
            CaseAction::Return,
            CaseAction::Verify,
            CaseAction::Close,
            CaseAction::Reopen,
            CaseAction::Merge,
            CaseAction::Whistle,
            CaseAction::Note,
            CaseAction::Rate,
        ];
        let action = *all.iter().find(|a| a.name() == action).unwrap_or_else(|| panic!("no such action: {action}"));
        let id: CaseId = case.parse().unwrap();
        let (mut handler, mut disposition, mut into, mut rating) = (None, None, None, None);
        // `v` alone: the version as it is now.
        let mut if_match = None;
        let mut remark = Vec::new();
        let mut words = rest.iter();
        while let Some(word) = words.next() {
            match *word {
                "to" => handler = words.next().map(|person| PersonId::new(person)),
                "as" => disposition = words.next().copied(),
                "into" => into = words.next().map(|case| case.parse().unwrap()),
                "v" => if_match = self.casework.case(id).map(|case| case.version),
                word if word.len() == 1 && word.parse::<u8>().is_ok() => rating = word.parse().ok(),
                word => match word.strip_prefix('v').and_then(|version| version.parse().ok()) {
                    Some(version) => if_match = Some(version),
                    None => remark.push(word),
                },
            }
        }
        let (actor, remark) = (actor(who), remark.join(" "));
        self.handle(Input::Action {
            id,
            actor: &actor,
            action,
            if_match,
            note: (!remark.is_empty()).then_some(remark.as_str()),
            handler: handler.as_ref(),
            disposition,
            into,
            rating,
        });
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
                    self.twin.apply_case(case.clone());
                }
                Output::Refused(problem) => {
                    assert_eq!(outputs.len(), 1, "a refusal stands alone");
                    let holder = problem.holder.as_ref().map(|h| format!(", held by {h}")).unwrap_or_default();
                    let pointers: Vec<&str> = problem.errors.iter().map(|(pointer, _)| pointer.as_str()).collect();
                    let pointers = if pointers.is_empty() { String::new() } else { format!(" {}", pointers.join(" ")) };
                    phrases.push(format!("refused {} {}{pointers}{holder}", problem.code.status(), problem.detail));
                }
            }
        }
        assert!(self.twin == self.casework, "recovery differs after {outputs:?}");
        for case in self.casework.open_cases() {
            assert!(
                case.due_at.is_some() || case.steps.len() > casework::STEPS_MAX,
                "an open case has its clock: {case:?}"
            );
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

/// Grid workers are w…, volunteers v…, guardians g…, the street is t…, `outsider` belongs elsewhere, the rest the desk.
pub fn actor(who: &str) -> Actor {
    let role = match who.as_bytes()[0] {
        b'w' => Role::GridWorker,
        b'v' => Role::Volunteer,
        b'g' => Role::Guardian,
        b't' => Role::Street,
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
        position: None,
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
        contacts_to_fix: Vec::new(),
        notes: Vec::new(),
        doctor_order: None,
        test: false,
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
