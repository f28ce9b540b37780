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
    ];
    let rest = prop_oneof![
        3 => Just("to w1 as helped into c2 3 v 理由"),
        1 => Just("to w2 as helped into c1 9 v 电话确认"),
        1 => Just(""),
    ];
    prop_oneof![
        2 => (prop_oneof![Just("sos"), Just("fall"), Just("exit")], 1..4u8).prop_map(|(kind, i)| format!("{kind} {i}")),
        2 => (1..2000u32).prop_map(|s| format!("wait {s}s")),
        1 => (1..60u32).prop_map(|h| format!("wait {h}h")),
        1 => (1..4u8).prop_map(|i| format!("resolved {i}")),
        1 => Just("restart".to_owned()),
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
            if let Some(before) = states.insert(case.id, case.state) {
                let row = CASE_TABLE.iter().any(|r| r.from == before && r.to == case.state && r.event == Some(*kind));
                prop_assert!(row, "{:?} from {before:?} to {:?}", kind, case.state);
            }
            prop_assert_eq!(of_incident.entry(case.incident).or_insert(case.id), &case.id, "one case an incident");
        }
    }
}

#[test]
fn whatever_has_a_clock_may_whistle() {
    for state in CASE_TABLE.iter().map(|row| row.from).filter(|state| state.is_open()) {
        assert!(CaseAction::Whistle.in_state(state).is_some(), "{state:?}");
    }
}
