//! One elder, their people, their phones, and a clock that a story moves.
//!
//! A story is a line of orders, `sos; wait 15s; no_answer g1`, and is told as what was decided at each time. Beside
//! the engine under test stands a twin that only recovers: it must be equal after every single decision.

use std::collections::BTreeMap;

use alerting::{Alerting, Household, Input, Output};
use expect_test::Expect;
use model::duty::WATCH_SECONDS;
use model::incident::{IncidentKind, IncidentState};
use model::record::SendResult;
use model::registry::{Role, WearerMode};
use model::{
    Actor, Attempt, AttemptId, AttemptOutcome, Change, Channel, Contact, Counters, Destination, DeviceId, EventKind,
    Explain, Finding, IncidentAction, IncidentId, Language, OrgPath, PersonId, Plan, Position, Priority, Thresholds,
    Timestamp, Watch, Wearer, WearerId,
};

/// Who is there.
#[derive(Debug, Clone)]
pub struct Home {
    pub guardians: Vec<Contact>,
    pub doctor: Option<Contact>,
    pub desk: Vec<Contact>,
    pub group: Option<Contact>,
    pub plan: Plan,
    pub mode: WearerMode,
}

pub fn contact(id: &str, name: &str, phone: &str) -> Contact {
    Contact {
        person: PersonId::new(id),
        name: name.to_owned(),
        phone: (!phone.is_empty()).then(|| Destination(phone.into())),
        push: None,
        email: None,
        robot: None,
        lang: Language::ZhCn,
        available: Vec::new(),
    }
}

impl Default for Home {
    fn default() -> Home {
        let mut guardians = vec![
            contact("g1", "王芳", "+8613800000001"),
            contact("g2", "王强", "+8613800000002"),
            contact("g3", "李梅", "+8613800000003"),
        ];
        guardians[0].push = Some(Destination("ntfy:wangfang".into()));
        Home {
            guardians,
            doctor: Some(contact("d1", "于医生", "+8613800000009")),
            desk: vec![contact("desk", "银杏社区", "+8613800000010"), contact("s1", "张敏", "+8613800000011")],
            group: None,
            plan: Plan::default(),
            mode: WearerMode::Normal,
        }
    }
}

impl Home {
    pub fn guardians(mut self, phones: &[&str]) -> Home {
        let named = |(i, phone): (usize, &&str)| contact(&format!("g{}", i + 1), &format!("监护人{}", i + 1), phone);
        self.guardians = phones.iter().enumerate().map(named).collect();
        self
    }

    pub fn no_desk(mut self) -> Home {
        self.desk.clear();
        self
    }
}

pub const START: &str = "2026-11-22T08:00:00+08:00";

pub struct Ward {
    pub alerting: Alerting,
    twin: Alerting,
    pub counters: Counters,
    pub now: Timestamp,
    pub home: Home,
    wearer: Wearer,
    /// Whether providers take what they are given by themselves.
    pub providers_accept: bool,
    /// Calls that are to be handed over later, and when.
    put_off: Vec<(Timestamp, AttemptId)>,
    /// Every attempt that was started, in order.
    pub started: Vec<Attempt>,
    /// Every output, with its time.
    pub outputs: Vec<(Timestamp, Output)>,
    lines: Vec<(i64, Vec<String>)>,
}

/// Plays a story in the default home.
pub fn check(story: &str, expected: Expect) {
    check_at(Home::default(), story, expected);
}

/// Plays a story in another home.
pub fn check_at(home: Home, story: &str, expected: Expect) {
    let mut ward = Ward::new(home);
    ward.play(story);
    expected.assert_eq(&ward.told());
}

impl Ward {
    pub fn new(home: Home) -> Ward {
        let wearer = Wearer {
            id: WearerId::new("w1"),
            name: "王桂兰".to_owned(),
            org: OrgPath::new("/luyang/xinghua/yinxing/"),
            birth_year: Some(1943),
            consents: Vec::new(),
            lives_alone: false,
            phone: None,
            availability: Vec::new(),
            mode: home.mode.clone(),
            guardians: home.guardians.iter().map(|g| g.person.clone()).collect(),
            doctor: home.doctor.as_ref().map(|d| d.person.clone()),
            fences: Vec::new(),
            thresholds: Thresholds::default(),
            plan: home.plan,
            suspension: None,
        };
        Ward {
            alerting: Alerting::default(),
            twin: Alerting::default(),
            counters: Counters::default(),
            now: Timestamp::parse(START).unwrap(),
            home,
            wearer,
            providers_accept: true,
            put_off: Vec::new(),
            started: Vec::new(),
            outputs: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Carries out the orders of a story.
    pub fn play(&mut self, story: &str) {
        for order in story.split([';', '\n']).map(str::trim).filter(|order| !order.is_empty()) {
            let words: Vec<&str> = order.split_whitespace().collect();
            self.order(&words, order);
        }
    }

    fn order(&mut self, words: &[&str], order: &str) {
        match words {
            ["wait", time] => self.wait(seconds(time)),
            ["sos" | "fall" | "exit" | "wander" | "notice" | "back" | "bp" | "battery" | "late_sos"] => {
                self.find(words[0], "w1")
            }
            [what @ ("sos" | "fall" | "exit" | "wander" | "notice" | "bp" | "battery"), wearer] => {
                self.find(what, wearer)
            }
            [
                outcome @ ("no_answer" | "busy" | "declined" | "unreachable" | "failed" | "ended" | "answered"),
                person,
            ] => {
                let attempt = self.latest(Channel::Voice, person);
                self.callback(attempt, outcome_named(outcome), None, None);
            }
            ["key", person, key] => {
                let attempt = self.latest(Channel::Voice, person);
                self.callback(attempt, AttemptOutcome::Key, Some(key), None);
            }
            ["tap", person] => {
                let attempt = self.latest(Channel::Push, person);
                self.callback(attempt, AttemptOutcome::Key, Some("1"), None);
            }
            ["reply", person, text @ ..] => {
                let attempt = self.latest(Channel::Sms, person);
                self.callback(attempt, AttemptOutcome::Reply, None, Some(&text.join(" ")));
            }
            ["receipt", outcome, person] => {
                let attempt = self.latest(Channel::Sms, person);
                self.callback(attempt, outcome_named(outcome), None, None);
            }
            ["providers", "hold"] => self.providers_accept = false,
            ["providers", "accept"] => self.providers_accept = true,
            // `sent voice g1 final`, from one of several providers `sent voice g1 final at a left`.
            ["sent", channel, person, result @ .., "at", provider, "left"] => {
                let attempt = self.latest(channel_named(channel), person);
                let result = send_result(result);
                self.handle(Input::Sent { attempt, result: &result, provider, others_left: true, reference: None });
            }
            ["sent", channel, person, result @ ..] => {
                let attempt = self.latest(channel_named(channel), person);
                self.sent(attempt, &send_result(result));
            }
            ["household"] => self.household(),
            ["located", lat, lon] => {
                let position = Position::new(lat.parse().unwrap(), lon.parse().unwrap()).unwrap();
                let wearer = self.wearer.id.clone();
                self.handle(Input::Located { wearer: &wearer, position });
            }
            ["watch", person, org] => self.watch(person, org),
            ["restart"] => self.restart(),
            [action, "by", rest @ ..] => self.act(action, rest),
            _ => panic!("no such order: {order}"),
        }
    }

    /// Lets time pass, stopping wherever something is due.
    pub fn wait(&mut self, seconds: i64) {
        let until = self.now.plus_millis(seconds * 1000);
        let mut stops = 0;
        loop {
            let put_off = self.put_off.iter().map(|(at, _)| *at);
            let Some(due) = self.alerting.next_due().into_iter().chain(put_off).min().filter(|due| *due <= until)
            else {
                break;
            };
            self.now = self.now.max(due);
            self.take_put_off();
            let outputs = self.alerting.advance(self.now, &mut self.counters);
            self.decided(outputs);
            stops += 1;
            assert!(stops < 100_000, "time stands still at {}", self.now);
        }
        self.now = until;
    }

    pub fn find(&mut self, what: &str, wearer: &str) {
        let finding = self.finding(what, wearer);
        let (home, mut registered) = (self.home.clone(), self.wearer.clone());
        registered.id = WearerId::new(wearer);
        let household = || Household {
            wearer: &registered,
            community_name: "银杏社区",
            guardians: home.guardians.clone(),
            doctor: home.doctor.clone(),
            desk: home.desk.clone(),
            group: home.group.clone(),
        };
        self.handle(Input::Finding { finding: &finding, household: &household });
    }

    /// A console with its sound on gives a sign of life.
    fn watch(&mut self, person: &str, org: &str) {
        let watch = Watch {
            person: PersonId::new(person),
            role: Role::Desk,
            org: OrgPath::new(org),
            since: self.now,
            until: self.now.plus_seconds(WATCH_SECONDS),
        };
        self.alerting.apply_watch(watch.clone(), self.now);
        self.twin.apply_watch(watch, self.now);
    }

    /// The registry was written: every open incident hears who is there now.
    fn household(&mut self) {
        let (home, wearer) = (self.home.clone(), self.wearer.clone());
        let household = || Household {
            wearer: &wearer,
            community_name: "银杏社区",
            guardians: home.guardians.clone(),
            doctor: home.doctor.clone(),
            desk: home.desk.clone(),
            group: home.group.clone(),
        };
        let ids: Vec<_> = self.alerting.open_incidents_of(&wearer.id).map(|incident| incident.id).collect();
        for incident in ids {
            self.handle(Input::Household { incident, household: &household });
        }
    }

    fn finding(&self, what: &str, wearer: &str) -> Finding {
        let (kind, priority, zh, en) = match what {
            "sos" | "late_sos" => (IncidentKind::Sos, Priority::High, "求助键被按下", "The SOS button was pressed"),
            "fall" => (IncidentKind::Fall, Priority::High, "跌倒后60秒无动静", "No sign of life for 60 s after a fall"),
            "wander" => {
                (IncidentKind::Wandering, Priority::High, "夜间仍在家庭围栏外", "Outside the home fence by night")
            }
            "notice" => (IncidentKind::BloodPressureWatch, Priority::Low, "血压偏高", "Blood pressure somewhat high"),
            "exit" | "back" => (IncidentKind::FenceExit, Priority::Medium, "在围栏外52米", "52 m outside the fence"),
            "bp" => (IncidentKind::BloodPressureHigh, Priority::High, "血压186/121", "Blood pressure 186/121"),
            _ => (IncidentKind::BatteryLow, Priority::Low, "电量10%", "Battery at 10 %"),
        };
        let late = what == "late_sos";
        Finding {
            kind,
            change: if what == "back" { Change::Cleared } else { Change::Raised },
            wearer: WearerId::new(wearer),
            device: DeviceId::new(if what == "bp" { "cuff" } else { "bracelet" }),
            priority,
            at: self.now,
            measured: if late { self.now.plus_millis(-3_600_000) } else { self.now },
            late,
            confirmed: true,
            position: Position::new(31.8206, 117.2272),
            explain: Explain {
                rule: what.into(),
                rule_version: 1,
                readings: Vec::new(),
                zh: zh.to_owned(),
                en: en.to_owned(),
            },
        }
    }

    /// The newest attempt to a person over a channel.
    pub fn latest(&self, channel: Channel, person: &str) -> AttemptId {
        let to = |a: &&Attempt| a.channel == channel && a.callee.person.as_str() == person;
        self.started.iter().rev().find(to).unwrap_or_else(|| panic!("{person} was never reached by {channel:?}")).id
    }

    pub fn callback(&mut self, attempt: AttemptId, outcome: AttemptOutcome, key: Option<&str>, text: Option<&str>) {
        self.handle(Input::Callback { attempt, outcome, key, text });
    }

    /// An order about a text message that need not be the newest: `receipt delivered g1`, `sent sms g1 …`, `reply g1 1`.
    pub fn callback_of(&mut self, attempt: AttemptId, order: &str) {
        match order.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["receipt", outcome, _] => self.callback(attempt, outcome_named(outcome), None, None),
            ["sent", "sms", _, result @ ..] => self.sent(attempt, &send_result(result)),
            ["reply", _, text] => self.callback(attempt, AttemptOutcome::Reply, None, Some(text)),
            _ => panic!("no such order: {order}"),
        }
    }

    pub fn sent(&mut self, attempt: AttemptId, result: &SendResult) {
        self.handle(Input::Sent { attempt, result, provider: "a", others_left: false, reference: None });
    }

    /// `acknowledge by g1`, `resolve by s1 helped`, `arrive by s1 for g2`, `note by s1 any words`, `… v3`.
    fn act(&mut self, action: &str, words: &[&str]) {
        let action = match action {
            "acknowledge" => IncidentAction::Acknowledge,
            "extend" => IncidentAction::Extend,
            "arrive" => IncidentAction::Arrive,
            "resolve" => IncidentAction::Resolve,
            "escalate" => IncidentAction::Escalate,
            "reopen" => IncidentAction::Reopen,
            "note" => IncidentAction::Note,
            "take_order" => IncidentAction::TakeOrder,
            "exhaust" => IncidentAction::Exhaust,
            other => panic!("no such action: {other}"),
        };
        let (person, rest) = words.split_first().expect("somebody acts");
        let (on_behalf_of, rest) = match rest {
            ["for", whom, rest @ ..] => (Some(PersonId::new(whom)), rest),
            rest => (None, rest),
        };
        let version = rest.last().and_then(|word| word.strip_prefix('v')).and_then(|v| v.parse().ok());
        let text = rest[..rest.len() - usize::from(version.is_some())].join(" ");
        let actor = actor(person);
        let resolves = action == IncidentAction::Resolve;
        let id = self.alerting.open_incidents().next().map_or(IncidentId::new(0, 1), |incident| incident.id);
        self.handle(Input::Action {
            id,
            actor: &actor,
            action,
            if_match: version,
            note: (!resolves && !text.is_empty()).then_some(text.as_str()),
            disposition: (resolves && !text.is_empty()).then_some(text.as_str()),
            on_behalf_of: on_behalf_of.as_ref(),
            name: "",
        });
    }

    /// The engine stops and starts from a checkpoint.
    fn restart(&mut self) {
        let bytes = bincode::serde::encode_to_vec(self.alerting.snapshot(), bincode::config::standard()).unwrap();
        let (snapshot, _) = bincode::serde::decode_from_slice(&bytes, bincode::config::standard()).unwrap();
        self.alerting = Alerting::restore(snapshot);
        assert_eq!(self.alerting, self.twin, "a checkpoint holds everything");
        self.handle(Input::Restarted);
    }

    pub fn handle(&mut self, input: Input<'_>) {
        let outputs = self.alerting.handle(input, self.now, &mut self.counters);
        self.decided(outputs);
    }

    /// Calls that were to wait until now are handed over.
    fn take_put_off(&mut self) {
        let due: Vec<AttemptId> = self.put_off.extract_if(.., |(at, _)| *at <= self.now).map(|(_, id)| id).collect();
        for id in due {
            if self.alerting.attempt(id).is_some_and(Attempt::wants_sending) {
                self.sent(id, &SendResult::Accepted);
            }
        }
    }

    fn decided(&mut self, outputs: Vec<Output>) {
        for output in &outputs {
            match output.clone() {
                Output::Incident { incident, .. } => self.twin.apply_incident(incident),
                Output::Escalation(escalation) => self.twin.apply_escalation(escalation),
                Output::Attempt { attempt, .. } => self.twin.apply_attempt(attempt),
                Output::Down { .. } | Output::Refused(_) => {}
            }
        }
        // The comparison grows with the story; of a long one every sixteenth decision is looked at.
        if self.outputs.len() < 200 || self.counters.attempt.is_multiple_of(16) {
            assert!(self.twin == self.alerting, "recovery differs after {outputs:?}");
        }
        self.check_promises(&outputs);
        self.tell(&outputs);
        let mut fresh = Vec::new();
        for output in outputs {
            if let Output::Attempt { kind: EventKind::AttemptStarted, attempt, .. } = &output {
                self.started.push(attempt.clone());
                match attempt.channel == Channel::Voice && attempt.not_before > self.now {
                    true => self.put_off.push((attempt.not_before, attempt.id)),
                    false => fresh.push(attempt.id),
                }
            }
            self.outputs.push((self.now, output));
        }
        if self.providers_accept {
            for id in fresh {
                // It may have been cancelled in the same breath.
                if self.alerting.attempt(id).is_some_and(Attempt::wants_sending) {
                    self.sent(id, &SendResult::Accepted);
                }
            }
        }
    }

    /// What holds whatever happens.
    fn check_promises(&self, outputs: &[Output]) {
        let refused = outputs.iter().any(|output| matches!(output, Output::Refused(_)));
        assert!(!refused || outputs.len() == 1, "a refusal stands alone");
        for incident in self.alerting.open_incidents() {
            let calling = self.alerting.escalation(incident.id).expect("every incident has its calling");
            let waits = incident.state != IncidentState::OnSite;
            assert!(calling.next_due.is_some() || !waits, "{} {:?}", incident.id, incident.state);
            if let Some(due) = calling.next_due {
                assert!(
                    due > self.now || !outputs.iter().any(|o| is_about(o, incident.id)),
                    "{} stands still",
                    incident.id
                );
            }
            let is_allowed = |guardian: Option<usize>| match incident.state {
                IncidentState::Acknowledged => false,
                // Another press beside whoever is there rings the desk.
                IncidentState::OnSite => guardian.is_none() && incident.occurrence_count > 1,
                _ => true,
            };
            let allowed = calling.calls.iter().all(|call| is_allowed(call.guardian));
            assert!(allowed, "no call is open while somebody holds {}", incident.id);
        }
        for attempt in self.alerting.pending_attempts() {
            assert!(attempt.wants_sending());
        }
    }

    fn tell(&mut self, outputs: &[Output]) {
        let mut phrases: Vec<String> = Vec::new();
        let mut groups: BTreeMap<String, usize> = BTreeMap::new();
        for output in outputs {
            let (group, who) = crate::tale::phrase(output, self.now);
            match (group.is_empty(), who) {
                (true, _) => {}
                (false, None) => phrases.push(group),
                (false, Some(who)) => match groups.get(&group) {
                    Some(index) => {
                        phrases[*index].push(' ');
                        phrases[*index].push_str(&who);
                    }
                    None => {
                        groups.insert(group.clone(), phrases.len());
                        phrases.push(format!("{group} {who}"));
                    }
                },
            }
        }
        if phrases.is_empty() {
            return;
        }
        let elapsed = self.now.millis_since(Timestamp::parse(START).unwrap()) / 1000;
        self.lines.push((elapsed, phrases));
    }

    /// The story as it was told.
    pub fn told(&self) -> String {
        let line = |(at, phrases): &(i64, Vec<String>)| {
            format!("{:02}:{:02}  {}\n", at.div_euclid(60), at.rem_euclid(60), phrases.join(" | "))
        };
        self.lines.iter().map(line).collect()
    }

    /// When a person's phone began to ring, in seconds since the beginning.
    pub fn rung(&self, person: &str) -> Vec<i64> {
        let calls = self.started.iter().filter(|a| a.channel == Channel::Voice && a.callee.person.as_str() == person);
        calls.map(|a| a.not_before.millis_since(Timestamp::parse(START).unwrap()) / 1000).collect()
    }
}

fn is_about(output: &Output, id: IncidentId) -> bool {
    matches!(output, Output::Escalation(escalation) if escalation.incident == id)
}

/// Guardians are g…, doctors d…, grid workers w…, `outsider` belongs elsewhere, the rest is the desk.
pub fn actor(person: &str) -> Actor {
    let role = match person.as_bytes()[0] {
        b'g' => Role::Guardian,
        b'd' => Role::Doctor,
        b'w' => Role::GridWorker,
        _ => Role::Desk,
    };
    let scope = OrgPath::new(if person == "outsider" { "/baohe/" } else { "/luyang/" });
    Actor { person: PersonId::new(person), role, scope }
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

pub fn outcome_named(name: &str) -> AttemptOutcome {
    match name {
        "delivered" => AttemptOutcome::Delivered,
        "answered" => AttemptOutcome::Answered,
        "no_answer" => AttemptOutcome::NoAnswer,
        "busy" => AttemptOutcome::Busy,
        "declined" => AttemptOutcome::Declined,
        "unreachable" => AttemptOutcome::Unreachable,
        "failed" => AttemptOutcome::Failed,
        "ended" => AttemptOutcome::Ended,
        _ => panic!("no such outcome: {name}"),
    }
}

fn channel_named(name: &str) -> Channel {
    if name == "voice" { Channel::Voice } else { Channel::Sms }
}

fn send_result(words: &[&str]) -> SendResult {
    match words {
        ["accepted"] => SendResult::Accepted,
        ["shown"] => SendResult::Shown,
        ["unknown"] => SendResult::Unknown { detail: "time-out".into() },
        ["final"] => SendResult::Final { detail: "bad number".into() },
        ["retry", after] => SendResult::Retry { detail: "busy".into(), after_seconds: seconds(after) as u32 },
        _ => panic!("no such result: {words:?}"),
    }
}
