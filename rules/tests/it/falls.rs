//! Falls, their window, and signs of life.

use std::collections::BTreeSet;

use expect_test::expect;
use model::{Finding, ReportBody};
use proptest::prelude::*;
use rules::WearerState;

use crate::{World, check, run};

#[test]
fn a_fall_waits_for_a_sign_of_life_and_then_no_longer() {
    check(
        "0s fall; 59s; 60s",
        expect![
            "60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
    check("0s fall; 30s cancel; 600s", expect![[""]]);
    check(
        "0s→40s fall; 600s",
        expect![
            "60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
}

#[test]
fn a_cancel_may_come_before_its_fall() {
    check("20s→21s cancel; 10s→22s fall; 600s", expect![[""]]);
    check("20s→21s cancel; 21s→22s fall; 600s", expect![[""]]);
    check(
        "100s→101s cancel; 10s→102s fall; 600s",
        expect![
            "102s High Fall late of 10s by bracelet: 检测到跌倒。报告晚到了 92 秒。 A fall was detected. The report came 92 s late."
        ],
    );
    check(
        "0s cancel; 10s fall; 600s",
        expect![
            "70s High Fall of 10s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
}

#[test]
fn a_cancel_is_for_its_own_device_and_for_what_was_before_it() {
    check(
        "0s fall; 30s watch: cancel; 600s",
        expect![
            "60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
    check(
        "0s fall; 20s fall; 10s→30s cancel; 600s",
        expect![
            "80s High Fall of 20s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
}

#[test]
fn a_cancel_after_the_alarm_ends_the_condition() {
    check(
        "0s fall; 90s cancel; 95s cancel",
        expect![[r#"
        60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked.
        90s Low Fall over of 90s by bracelet: 佩戴者取消了跌倒报警。 The wearer cancelled the fall."#]],
    );
    check(
        "0s fall; 4000s cancel",
        expect![
            "60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
}

#[test]
fn a_late_fall_is_raised_at_once() {
    check(
        "0s→60s fall",
        expect![
            "60s High Fall late of 0s by bracelet: 检测到跌倒。报告晚到了 60 秒。 A fall was detected. The report came 60 s late."
        ],
    );
    check(
        "0s→86400s fall; 30s→86401s cancel",
        expect![[r#"
        86400s High Fall late of 0s by bracelet: 检测到跌倒。报告晚到了 24 小时。 A fall was detected. The report came 24 h late.
        86401s Low Fall over late of 30s by bracelet: 佩戴者取消了跌倒报警。报告晚到了 23 小时。 The wearer cancelled the fall. The report came 23 h late."#]],
    );
    check("30s→86400s cancel; 0s→86401s fall", expect![[""]]);
}

#[test]
fn steps_are_a_sign_of_life_if_they_were_taken_since() {
    check("0s fall; 10s steps 100; 40s steps 110; 600s", expect![[""]]);
    check(
        "0s fall; 10s steps 100; 40s steps 109; 600s",
        expect![
            "60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
    check(
        "0s fall; 40s steps 500; 600s",
        expect![
            "60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
    // 150 steps in the minute before the fall are possible, 200 are not.
    check(
        "0s steps 100; 60s fall; 90s steps 250; 600s",
        expect![
            "120s High Fall of 60s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
    check("0s steps 100; 60s fall; 90s steps 300; 600s", expect![[""]]);
    check(
        "0s fall; 10s watch: steps 100; 40s steps 200; 600s",
        expect![
            "60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
    check("0s fall; 40s steps 110; 10s→45s steps 100; 600s", expect![[""]]);
    check("20s steps 100; 0s→25s fall; 40s steps 110; 600s", expect![[""]]);
    check(
        "0s fall; 10s steps 5000; 40s steps 3; 600s",
        expect![
            "60s High Fall of 0s by bracelet: 检测到跌倒，60 秒内没有取消，也没有走动。 A fall was detected; within 60 s nobody cancelled it or walked."
        ],
    );
}

#[test]
fn a_window_of_the_plan() {
    let world = World { fall_window_seconds: 0, ..World::new() };
    expect!["0s High Fall of 0s by bracelet: 检测到跌倒。 A fall was detected."]
        .assert_eq(&run(world, "0s fall").told());
    let world = World { fall_window_seconds: 5, ..World::new() };
    expect!["15s High Fall of 10s by bracelet: 检测到跌倒，5 秒内没有取消，也没有走动。 A fall was detected; within 5 s nobody cancelled it or walked."].assert_eq(&run(world, "0s fall; 4s cancel; 10s fall; 20s").told());
}

#[test]
fn more_falls_than_can_wait_are_raised_at_once() {
    let mut world = World::new();
    for second in 0..9 {
        world.report("bracelet", ReportBody::Fall { confidence: Some(0.9), fix: None }, second, 10);
    }
    expect!["10s High Fall of 8s by bracelet: 检测到跌倒（把握 90%）。 A fall was detected (90 % sure)."]
        .assert_eq(&world.told());
    world.pass(600);
    assert_eq!(world.findings.len(), 9);
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Sos,
    Fall,
    Cancel,
}

impl Said {
    fn body(&self) -> ReportBody {
        match self {
            Said::Sos => ReportBody::Sos { fix: None },
            Said::Fall => ReportBody::Fall { confidence: None, fix: None },
            Said::Cancel => ReportBody::FallCancel,
        }
    }
}

/// What was said within half a minute, each thing once: `ingest` lets no repeat through.
fn said() -> impl Strategy<Value = Vec<(i64, &'static str, Said)>> {
    let kind = prop::sample::select(vec![Said::Sos, Said::Fall, Said::Fall, Said::Cancel]);
    let device = prop::sample::select(vec!["bracelet", "watch"]);
    prop::collection::btree_set((0..30i64, device, kind), 1..9).prop_map(|set: BTreeSet<_>| set.into_iter().collect())
}

/// A finding without when it was decided on.
fn essence(finding: &Finding) -> String {
    format!("{:?} {:?} {} {:?}", finding.kind, finding.change, finding.measured, finding.device)
}

proptest! {
    /// However they are shuffled on the way, as long as all are there before the first window ends.
    #[test]
    fn the_order_of_arrival_makes_no_difference(
        said in said().prop_flat_map(|said| (Just(said.clone()), Just(said).prop_shuffle())),
        delays in prop::collection::vec(0..25i64, 9),
    ) {
        let found = |order: &[(i64, &'static str, Said)], delays: &[i64]| {
            let mut world = World::new();
            // Received one after another, the first when the last was measured.
            let mut now = 30;
            for ((measured, device, said), delay) in order.iter().zip(delays) {
                now = (now + delay / 9).min(59);
                world.report(device, said.body(), *measured, now);
            }
            world.pass(1000);
            let mut found: Vec<_> = world.findings.iter().map(essence).collect();
            found.sort();
            found
        };
        let (in_order, shuffled) = said;
        prop_assert_eq!(found(&in_order, &[0; 9]), found(&shuffled, &delays));
    }

    /// A run that is split at any point, its state written down and read back, goes on as if it had not been.
    #[test]
    fn a_checkpoint_is_as_good_as_going_on(said in said(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(said.len());
        let run = |is_split: bool| {
            let mut world = World::new();
            for (i, (measured, device, said)) in said.iter().enumerate() {
                if is_split && i == cut {
                    let config = bincode::config::standard();
                    let bytes = bincode::serde::encode_to_vec(&world.state, config).unwrap();
                    let (state, _): (WearerState, usize) = bincode::serde::decode_from_slice(&bytes, config).unwrap();
                    assert_eq!(state, world.state);
                    world.state = state;
                }
                world.report(device, said.body(), *measured, *measured);
            }
            world.pass(1000);
            world.findings
        };
        prop_assert_eq!(run(true), run(false));
    }
}
