//! 100 000 armed timers: how late they fire. `cargo bench -p alerting --bench timers`.
//!
//! Measured is the core itself in real time: 100 000 open incidents, each with its next step at a time of its own
//! within ten seconds, and a loop that sleeps until the next one as the engine's does. Every step that fires rings a
//! phone and arms two new timers, so that the set is changed all the time. Beside it a binary heap of bare times, as
//! the cheapest structure that could do it: what is beyond its lateness is the price of the core.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use alerting::{Alerting, Household, Input};
use model::{
    Change, Contact, Counters, Destination, DeviceId, Explain, Finding, IncidentId, IncidentKind, Language, OrgPath,
    PersonId, Plan, Priority, Thresholds, Timestamp, Wearer, WearerId,
};

const TIMERS: u64 = 100_000;
const SPREAD_MS: u64 = 10_000;
const P99_MS_MAX: f64 = 10.0;

fn main() {
    let heap = heap();
    let core = core();
    println!("{TIMERS} timers armed over {} s; lateness in ms", SPREAD_MS / 1_000);
    println!("                 p50      p99      max");
    for (name, mut late) in [("binary heap", heap), ("alerting", core)] {
        late.sort_by(f64::total_cmp);
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
        println!("{name:<12} {:>7.3}  {:>7.3}  {:>7.3}   ({} fired)", at(0.5), at(0.99), at(1.0), late.len());
        if name == "alerting" && at(0.99) > P99_MS_MAX {
            println!("p99 is over {P99_MS_MAX} ms");
            std::process::exit(1);
        }
    }
}

/// Times that follow no pattern and are the same in every run.
fn delays() -> impl Iterator<Item = u64> {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        500 + state % SPREAD_MS
    })
}

fn heap() -> Vec<f64> {
    let mut heap: BinaryHeap<_> = delays().take(TIMERS as usize).map(std::cmp::Reverse).collect();
    let begun = Instant::now();
    let mut late = Vec::new();
    while let Some(std::cmp::Reverse(due)) = heap.pop() {
        let due = Duration::from_millis(due);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        late.push(millis(begun.elapsed().saturating_sub(due)));
    }
    late
}

fn core() -> Vec<f64> {
    let start = Timestamp::from_millis(1_800_000_000_000);
    let (mut alerting, mut counters) = (Alerting::default(), Counters::default());
    let mut due_at = std::collections::BTreeMap::new();
    for (n, delay) in (1..=TIMERS).zip(delays()) {
        raise(&mut alerting, &mut counters, n, start);
        let id = IncidentId::new(0, n);
        let mut calling = alerting.escalation(id).unwrap().clone();
        calling.calls.clear();
        calling.turn = None;
        let due = start.plus_millis(delay as i64);
        (calling.next_step_at, calling.next_due) = (Some(due), Some(due));
        due_at.insert(id, due);
        alerting.apply_escalation(calling);
    }
    let end = start.plus_millis((SPREAD_MS + 500) as i64);
    let begun = Instant::now();
    let now = || start.plus_millis(begun.elapsed().as_millis() as i64);
    let mut late = Vec::new();
    while let Some(due) = alerting.next_due().filter(|due| *due <= end) {
        let wait = Duration::from_millis(due.millis_since(start).max(0) as u64);
        std::thread::sleep(wait.saturating_sub(begun.elapsed()));
        for output in alerting.advance(now(), &mut counters) {
            if let alerting::Output::Escalation(calling) = output
                && let Some(due) = due_at.remove(&calling.incident)
            {
                let due = Duration::from_millis(due.millis_since(start) as u64);
                late.push(millis(begun.elapsed().saturating_sub(due)));
            }
        }
    }
    assert_eq!(late.len() as u64, TIMERS, "every one of them fired, once");
    late
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn raise(alerting: &mut Alerting, counters: &mut Counters, n: u64, now: Timestamp) {
    let wearer = Wearer {
        id: WearerId::new(&format!("w{n}")),
        name: "王桂兰".to_owned(),
        org: OrgPath::new("/luyang/xinghua/yinxing/"),
        birth_year: None,
        consents: Vec::new(),
        lives_alone: false,
        phone: None,
        guardians: Vec::new(),
        doctor: None,
        fences: Vec::new(),
        thresholds: Thresholds::default(),
        plan: Plan::default(),
        suspension: None,
        availability: Vec::new(),
        mode: model::registry::WearerMode::Normal,
    };
    let finding = Finding {
        kind: IncidentKind::Sos,
        change: Change::Raised,
        wearer: wearer.id.clone(),
        device: DeviceId::new("b1"),
        priority: Priority::High,
        at: now,
        measured: now,
        late: false,
        confirmed: true,
        position: None,
        explain: Explain {
            rule: "sos".into(),
            rule_version: 1,
            readings: Vec::new(),
            zh: String::new(),
            en: String::new(),
        },
    };
    let contact = |person: &str, phone: String| Contact {
        person: PersonId::new(person),
        name: person.to_owned(),
        phone: Some(Destination(phone.into())),
        push: None,
        email: None,
        robot: None,
        lang: Language::ZhCn,
        available: Vec::new(),
    };
    let household = || Household {
        wearer: &wearer,
        community_name: "银杏社区",
        guardians: vec![contact("g1", format!("+8613800{n:06}")), contact("g2", format!("+8613801{n:06}"))],
        doctor: None,
        desk: Vec::new(),
        group: None,
    };
    alerting.handle(Input::Finding { finding: &finding, household: &household }, now, counters);
}
