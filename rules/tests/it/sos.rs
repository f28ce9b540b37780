//! The button.

use expect_test::expect;
use model::{Fix, Located, Position, Report, ReportBody};
use rules::{Observation, WearerState};

use crate::{World, check};

#[test]
fn at_once_and_every_time() {
    check(
        "0s sos; 1s sos; 2s watch: sos",
        expect![[r#"
        0s High Sos of 0s by bracelet: 按下了求救键。 The SOS button was pressed.
        1s High Sos of 1s by bracelet: 按下了求救键。 The SOS button was pressed.
        2s High Sos of 2s by watch: 按下了求救键。 The SOS button was pressed."#]],
    );
}

#[test]
fn however_late() {
    check(
        "0s→121s sos; 0s→90000s sos; 0s→900000s sos",
        expect![[r#"
        121s High Sos late of 0s by bracelet: 按下了求救键。报告晚到了 2 分钟。 The SOS button was pressed. The report came 2 min late.
        90000s High Sos late of 0s by bracelet: 按下了求救键。报告晚到了 25 小时。 The SOS button was pressed. The report came 25 h late.
        900000s High Sos late of 0s by bracelet: 按下了求救键。报告晚到了 10 天。 The SOS button was pressed. The report came 10 days late."#]],
    );
}

#[test]
fn its_own_position_before_the_last_known() {
    let mut world = World::new();
    let own = Position { lat: 31.9, lon: 117.3 };
    let body = ReportBody::Sos { fix: Some(Fix { position: own, datum: None, accuracy_m: None }) };
    let report = Report { event_id: None, measured: None, body, content_hash: 0 };
    let located = Some(Located { position: own, accuracy_m: 50.0 });
    world.observe("bracelet", Observation::Report { report: &report, located }, 0, 0);
    world.observe("bracelet", Observation::Report { report: &report, located: None }, 1, 1);
    let positions: Vec<_> = world.findings.iter().map(|finding| finding.position.unwrap().lat).collect();
    assert_eq!(positions, [31.9, 31.8]);
}

#[test]
fn what_is_remembered_of_the_quiet_is_small() {
    assert!(size_of::<WearerState>() <= 192, "{}", size_of::<WearerState>());
}

/// Who is at home and well has nothing pending: no box, no timer but the one that misses them.
#[test]
fn of_the_quiet_nothing_is_pending() {
    let mut world = World::new();
    for minute in 0..300_i64 {
        let fix = Fix { position: Position { lat: 31.8201, lon: 117.22 }, datum: None, accuracy_m: Some(8.0) };
        world.report("bracelet", ReportBody::Location(fix), minute * 60, minute * 60);
        world.report("bracelet", ReportBody::HeartRate { bpm: 72 }, minute * 60 + 20, minute * 60 + 20);
        world.report("bracelet", ReportBody::Battery { percent: 80 }, minute * 60 + 30, minute * 60 + 30);
    }
    let state = format!("{:?}", world.state);
    for pending in ["falls", "pressure", "steps", "vitals", "place", "news"] {
        assert!(state.contains(&format!("{pending}: None")), "{pending} in {state}");
    }
    assert_eq!(world.findings, []);
}
