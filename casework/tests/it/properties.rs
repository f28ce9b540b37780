//! What holds for any story. `Desk` checks after every decision that recovery equals the live state and that every
//! open case has its clock.

use model::case::CASE_TABLE;
use model::{CaseAction, CaseId, CaseState};
use proptest::prelude::*;

use crate::desk::Desk;

fn order() -> impl Strategy<Value = String> {
    let who = prop_oneof![Just("s1"), Just("s2"), Just("w1"), Just("w2"), Just("v1"), Just("g1"), Just("t1")];
    let case = prop_oneof![Just("c1"), Just("c2"), Just("c3")];
    let action = prop_oneof![
        Just("reject"),
        Just("dispatch"),
        Just("accept"),
        Just("reassign"),
        Just("arrive"),
        Just("feedback"),
        Just("return"),
        Just("verify"),
        Just("close"),
        Just("reopen"),
        Just("merge"),
        Just("whistle"),
        Just("note"),
        Just("rate"),
        Just("check_in"),
        Just("voice"),
        Just("hand_over"),
        Just("hand_off"),
        Just("photo"),
    ];
    let rest = prop_oneof![
        3 => Just("to w1 as helped into c2 3 v 理由"),
        2 => Just("to w2 as helped into c1 3 v at 100 理由"),
        1 => Just("with 她 system platform v at 9000 photo aa 安好"),
        1 => Just(""),
    ];
    prop_oneof![
        2 => (prop_oneof![Just("sos"), Just("fall"), Just("exit")], 1..4u8).prop_map(|(kind, i)| format!("{kind} {i}")),
        2 => (1..2000u32).prop_map(|s| format!("wait {s}s")),
        1 => (1..60u32).prop_map(|h| format!("wait {h}h")),
        1 => (1..4u8).prop_map(|i| format!("resolved {i}")),
        1 => Just("restart".to_owned()),
        1 => Just("report v1".to_owned()),
        1 => Just("patrol by s1 e1 e2".to_owned()),
        1 => (1..4u8).prop_map(|i| format!("handoff exit {i} by s1")),
        3 => (case.clone(), prop_oneof![
            Just("received"), Just("accepted"), Just("on_site"), Just("feedback"), Just("closed"), Just("returned")
        ]).prop_map(|(case, status)| format!("receipt {case} by x1 {status} #1 说明")),
        10 => (action, case, who, rest).prop_map(|(action, case, who, rest)| format!("{action} {case} by {who} {rest}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_story_follows_the_table(orders in prop::collection::vec(order(), 1..60)) {
        let mut desk = Desk::new();
        for order in &orders {
            desk.play(order);
        }
        let mut states: std::collections::BTreeMap<CaseId, CaseState> = std::collections::BTreeMap::new();
        let mut of_incident = std::collections::BTreeMap::new();
        for output in &desk.outputs {
            let casework::Output::Case { kind, case, .. } = output else { continue };
            if !case.state.is_open() && case.kind.is_emergency() && case.state != CaseState::Merged {
                prop_assert!(casework::seen_to(case).is_some(), "ended unseen: {:?}", case);
            }
            if let Some(before) = states.insert(case.id, case.state) {
                let row = CASE_TABLE.iter().any(|r| r.from == before && r.to == case.state && r.event == Some(*kind));
                prop_assert!(row, "{:?} from {before:?} to {:?}", kind, case.state);
            }
            let Some(incident) = case.incident else { continue };
            let of_it: &mut std::collections::BTreeSet<CaseId> = of_incident.entry(incident).or_default();
            of_it.insert(case.id);
            let open = of_it.iter().filter(|id| states[id].is_open()).count();
            prop_assert!(open <= 1, "one open case an incident: {of_it:?}");
        }
    }
}

#[test]
fn whatever_has_a_clock_may_whistle() {
    for state in CASE_TABLE.iter().map(|row| row.from).filter(|state| state.is_open()) {
        assert!(CaseAction::Whistle.in_state(state).is_some(), "{state:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// 接单: whoever comes first has it, whoever else asks is told who does.
    #[test]
    fn two_people_cannot_both_take_a_case(
        takers in prop::collection::vec(prop_oneof![Just("w1"), Just("w2"), Just("v1"), Just("v2"), Just("s1"), Just("t1")], 2..8),
        is_dispatched: bool,
    ) {
        let mut desk = Desk::new();
        desk.play("sos 1");
        if is_dispatched {
            desk.play("dispatch c1 by s1 to w2 v");
        }
        let mut holder: Option<String> = None;
        for taker in takers {
            let count = desk.outputs.len();
            desk.play(&format!("accept c1 by {taker}"));
            match (&desk.outputs[count], &holder) {
                (casework::Output::Case { case, .. }, None) => holder = case.handler.as_ref().map(|h| h.to_string()),
                (casework::Output::Case { .. }, Some(first)) => prop_assert!(false, "{taker} took what {first} has"),
                (casework::Output::Refused(problem), holder) => {
                    prop_assert_eq!(problem.code.status(), 409);
                    let expected = holder.clone().unwrap_or_else(|| "w2".to_owned());
                    prop_assert_eq!(problem.holder.as_ref().map(|h| h.to_string()), Some(expected));
                }
                (other, _) => prop_assert!(false, "{other:?}"),
            }
        }
    }
}

/// Whoever follows the feed knows from an event's name which state a case has entered.
#[test]
fn the_feed_tells_each_row_of_the_table_by_its_name() {
    let name = |state: CaseState| serde_json::to_value(state).unwrap().as_str().unwrap().to_owned();
    for row in CASE_TABLE {
        let told = row.event.unwrap().name().strip_prefix("case.").unwrap();
        let by_action = match row.action {
            CaseAction::Return => "returned",
            CaseAction::Reassign => "reassigned",
            CaseAction::Reopen => "reopened",
            CaseAction::HandOff => "handed_off",
            _ => "",
        };
        if by_action.is_empty() && row.from != row.to {
            assert_eq!(told, name(row.to), "{row:?}");
        } else {
            assert!(told == by_action || row.from == row.to, "{row:?}");
        }
    }
    // And what stays where it is does not pretend to have moved.
    for row in CASE_TABLE.iter().filter(|row| row.from == row.to) {
        let told = row.event.unwrap().name().strip_prefix("case.").unwrap();
        assert!(CaseState::ALL.iter().all(|state| told != name(*state)), "{row:?}");
    }
}
