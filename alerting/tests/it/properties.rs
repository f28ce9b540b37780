//! What holds for any story. `Ward` checks after every decision that recovery equals the live state and that every
//! open incident has its due time; here stories are made up at random.

use model::attempt::CalleeRole;
use model::incident::{IncidentKind, IncidentState};
use model::{Channel, EventKind, Purpose};
use proptest::prelude::*;

use crate::ward::{Home, Ward};

fn order() -> impl Strategy<Value = String> {
    let person = prop_oneof![Just("g1"), Just("g2"), Just("g3"), Just("s1"), Just("desk")];
    let call = prop_oneof![
        Just("no_answer"),
        Just("busy"),
        Just("declined"),
        Just("unreachable"),
        Just("failed"),
        Just("ended"),
        Just("answered")
    ];
    prop_oneof![
        6 => (1..400u32).prop_map(|s| format!("wait {s}s")),
        1 => (1..4u32).prop_map(|h| format!("wait {h}h")),
        2 => prop_oneof![Just("sos"), Just("fall"), Just("bp"), Just("exit"), Just("back"), Just("battery"), Just("late_sos")]
            .prop_map(str::to_owned),
        5 => (call, person.clone()).prop_map(|(outcome, person)| format!("{outcome} {person}")),
        2 => (prop_oneof![Just("1"), Just("2"), Just("3")], person.clone()).prop_map(|(key, p)| format!("key {p} {key}")),
        1 => (prop_oneof![Just("1"), Just("2"), Just("好的")], person.clone()).prop_map(|(t, p)| format!("reply {p} {t}")),
        2 => (
            prop_oneof![Just("voice"), Just("sms")],
            person.clone(),
            prop_oneof![Just("accepted"), Just("unknown"), Just("final"), Just("retry 20s"), Just("shown")]
        )
            .prop_map(|(channel, person, result)| format!("sent {channel} {person} {result}")),
        1 => prop_oneof![Just("providers hold"), Just("providers accept"), Just("restart")].prop_map(str::to_owned),
        3 => (
            prop_oneof![
                Just("acknowledge"), Just("extend"), Just("arrive"), Just("escalate"), Just("reopen"), Just("note")
            ],
            person
        )
            .prop_map(|(action, person)| format!("{action} by {person}")),
        1 => Just("resolve by s1 helped".to_owned()),
    ]
}

/// Orders that speak about an attempt which was never made are left out.
fn play(ward: &mut Ward, orders: &[String]) {
    for order in orders {
        let words: Vec<&str> = order.split_whitespace().collect();
        let (channel, person) = match words.as_slice() {
            ["reply", person, ..] | ["sent", "sms", person, ..] => (Channel::Sms, *person),
            ["key", person, _] | ["sent", "voice", person, ..] => (Channel::Voice, *person),
            [outcome, person] if !matches!(*outcome, "wait" | "providers") => (Channel::Voice, *person),
            _ => {
                ward.play(order);
                continue;
            }
        };
        if ward.started.iter().any(|a| a.channel == channel && a.callee.person.as_str() == person) {
            ward.play(order);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_story_recovers_and_stays_due(orders in prop::collection::vec(order(), 1..40), desk in any::<bool>()) {
        let home = if desk { Home::default() } else { Home::default().no_desk() };
        let mut ward = Ward::new(home);
        play(&mut ward, &orders);
        // Only a person ends an incident.
        let ended = ward.outputs.iter().filter(|(_, o)| is_event(o, EventKind::IncidentResolved)).count();
        let by_people = orders.iter().filter(|o| o.starts_with("resolve")).count();
        prop_assert!(ended <= by_people);
        // No guardian's phone rings sooner than the gap after it last began to ring.
        let mut rung = std::collections::BTreeMap::new();
        for attempt in ward.started.iter().filter(|a| a.channel == Channel::Voice && a.callee.role == CalleeRole::Guardian) {
            let last = rung.insert((attempt.incident, attempt.to.clone()), attempt.created_at);
            prop_assert!(last.is_none_or(|last| attempt.created_at >= last.plus_seconds(60)), "{attempt:?}");
        }
        // An attempt's state never moves backwards.
        let mut ranks = std::collections::BTreeMap::new();
        for (_, output) in &ward.outputs {
            if let alerting::Output::Attempt { attempt, .. } = output {
                let rank = ranks.insert(attempt.id, attempt.state.rank()).unwrap_or(0);
                prop_assert!(attempt.state.rank() >= rank, "{attempt:?}");
            }
        }
    }

    #[test]
    fn after_an_acknowledgement_no_call_starts_until_it_is_void(orders in prop::collection::vec(order(), 1..40)) {
        let mut ward = Ward::new(Home::default());
        play(&mut ward, &orders);
        let mut held = std::collections::BTreeMap::new();
        for (at, output) in &ward.outputs {
            match output {
                alerting::Output::Incident { incident, .. } => {
                    held.insert(incident.id, incident.state);
                }
                alerting::Output::Attempt { kind: EventKind::AttemptStarted, attempt, .. }
                    if attempt.channel == Channel::Voice =>
                {
                    let is_allowed = match held[&attempt.incident.unwrap()] {
                        IncidentState::Acknowledged | IncidentState::Resolved => false,
                        // Another press beside whoever is there.
                        IncidentState::OnSite => attempt.callee.role == CalleeRole::Desk,
                        _ => true,
                    };
                    prop_assert!(is_allowed, "a call to {} at {at}", attempt.callee.person);
                    prop_assert!(matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder));
                }
                _ => {}
            }
        }
    }

    #[test]
    fn an_emergency_rings_somebody_every_ten_minutes_until_somebody_answers(
        orders in prop::collection::vec(order(), 0..30)
    ) {
        let mut ward = Ward::new(Home::default());
        play(&mut ward, &orders);
        ward.play("providers accept; sos");
        // Whatever went before: with nobody answering, the longest silence is a lease or the desk's page.
        // (Other incidents may have used up what the providers let them ring: those calls are kept for SOS and fall.)
        let emergencies = ward.alerting.open_incidents().filter(|incident| {
            incident.occurrences.iter().any(|occurrence| matches!(occurrence.kind, IncidentKind::Sos | IncidentKind::Fall))
        });
        let held = emergencies.map(|incident| incident.state).all(|state| state == IncidentState::OnSite);
        ward.started.clear();
        ward.play("wait 10m; wait 1s");
        prop_assert!(held || ward.started.iter().any(|a| a.channel == Channel::Voice));
    }

    #[test]
    fn a_split_run_equals_a_whole_one(orders in prop::collection::vec(order(), 1..40), cut in 0..40usize) {
        let (mut whole, mut split) = (Ward::new(Home::default()), Ward::new(Home::default()));
        play(&mut whole, &orders);
        let cut = cut.min(orders.len());
        play(&mut split, &orders[..cut]);
        split.play("restart");
        play(&mut split, &orders[cut..]);
        prop_assert_eq!(whole.told(), split.told());
        prop_assert!(whole.alerting == split.alerting);
    }
}

fn is_event(output: &alerting::Output, wanted: EventKind) -> bool {
    matches!(output, alerting::Output::Incident { kind, .. } if *kind == wanted)
}

#[test]
fn many_open_incidents_cost_only_what_is_due() {
    // The twin and the promises would make this quadratic: the engine alone.
    let mut alerting = alerting::Alerting::default();
    let mut ward = Ward::new(Home::default().guardians(&["+8613800000001"]));
    ward.play("exit");
    let (incident, calling) = {
        let incident = ward.alerting.open_incidents().next().unwrap();
        (incident.clone(), ward.alerting.escalation(incident.id).unwrap().clone())
    };
    let count = 100_000u64;
    for i in 1..=count {
        let (mut incident, mut calling) = (incident.clone(), calling.clone());
        incident.id = model::IncidentId::new(0, i);
        incident.wearer = model::WearerId::new(&format!("w{i}"));
        calling.incident = incident.id;
        calling.calls.clear();
        calling.turn = None;
        calling.guardians[0].phone = Some(model::Destination(format!("+8613800{i:06}").into()));
        let due = ward.now.plus_millis(60_000 + i as i64);
        (calling.next_step_at, calling.next_due) = (Some(due), Some(due));
        alerting.apply_incident(incident);
        alerting.apply_escalation(calling);
    }
    let mut counters = model::Counters { incident: count, attempt: 10, ..model::Counters::default() };
    let mut steps = 0;
    while let Some(due) = alerting.next_due().filter(|due| *due <= ward.now.plus_millis(61_000)) {
        let outputs = alerting.advance(due, &mut counters);
        assert!(outputs.len() <= 4, "one incident is due at a time");
        steps += 1;
    }
    assert_eq!(steps, 1_000);
}

#[test]
fn an_incident_that_stays_the_desks_for_days_does_not_grow_without_bound() {
    let mut ward = Ward::new(Home::default().guardians(&[]));
    ward.play("sos; wait 48h");
    assert!(ward.started.len() > alerting::ATTEMPTS_PER_INCIDENT_MAX);
    let held = ward.started.iter().filter(|a| ward.alerting.attempt(a.id).is_some()).count();
    assert_eq!(held, alerting::ATTEMPTS_PER_INCIDENT_MAX);
    ward.play("key s1 1");
    assert!(ward.told().trim_end().ends_with("help_is_coming"), "the newest call still counts");
}
