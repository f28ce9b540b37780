//! What staff and guardians do over the API.

use expect_test::expect;
use model::IncidentAction;
use model::incident::{INCIDENT_TABLE, IncidentState};

use crate::ward::{Home, Ward, actor, check};

#[test]
fn a_whole_response_over_the_api() {
    check(
        "sos; wait 5s; acknowledge by s1; note by s1 打电话未接; extend by s1; arrive by s1; wait 1h; resolve by s1 helped; \
         reopen by s1 又按了一次; wait 15s; escalate by g1; wait 10m; resolve by s1 handed_to_120",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:05  ACKNOWLEDGED by s1 (api) | cancel-call g1 | text-taken g1 g2 g3 desk d1 | bracelet: help_is_coming
            00:05  noted '打电话未接'
            00:05  ACKNOWLEDGED by s1 (api)
            00:05  ON_SITE s1
            60:05  RESOLVED | text-ended g1 g2 g3 desk d1
            60:05  REOPENED | text g1 g2 g3 desk d1 | push g1 | call g1
            60:20  call g2
            60:20  EXHAUSTED | text desk s1 | call desk s1
            60:35  g1 call failed (noanswer)
            60:50  g2 call failed (noanswer) | desk call failed (noanswer) | s1 call failed (noanswer)
            70:20  text-again desk s1 | call-again desk s1
            70:20  RESOLVED | cancel-call-again desk s1 | text-ended g1 g2 g3 desk d1 s1
        "#]],
    );
}

#[test]
fn the_desk_acknowledges_on_behalf_of_a_daughter() {
    check(
        "sos; acknowledge by s1 for g1; wait 1s; acknowledge by g2",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:00  ACKNOWLEDGED by g1 (api) | cancel-call g1 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
        00:01  refused 409 已由 王芳 确认, held by g1
    "#]],
    );
}

#[test]
fn what_the_table_forbids_is_refused_with_what_it_allows() {
    check(
        "sos; extend by s1; reopen by s1; exhaust by s1; resolve by g1 helped; note by s1; resolve by s1",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:00  refused 409 当前状态下不能执行此操作
            00:00  refused 409 当前状态下不能执行此操作
            00:00  refused 403 您的角色无权执行此操作
            00:00  refused 403 您的角色无权执行此操作
            00:00  refused 422 请求内容不符合要求，详见各项 /note
            00:00  refused 422 请求内容不符合要求，详见各项 /disposition
        "#]],
    );
    check(
        "sos; arrive by s1; acknowledge by g1; arrive by g1; resolve by s1 helped; resolve by s1 helped",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:00  ON_SITE s1 | cancel-call g1 | text-taken g1 g2 g3 desk d1
            00:00  refused 409 张敏 已到场, held by s1
            00:00  refused 409 张敏 已到场, held by s1
            00:00  RESOLVED | text-ended g1 g2 g3 desk d1
            00:00  refused 409 事件已结束
        "#]],
    );
    check(
        "sos; acknowledge by outsider; acknowledge by g9",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:00  refused 404 the incident 不存在或无权查看
        00:00  refused 404 the incident 不存在或无权查看
    "#]],
    );
}

#[test]
fn a_stale_view_matters_only_where_it_could_harm() {
    check(
        "sos; acknowledge by s1 v1; resolve by s1 helped v1; arrive by s1 v2; arrive by s1 v3",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:00  ACKNOWLEDGED by s1 (api) | cancel-call g1 | text-taken g1 g2 g3 desk d1 | bracelet: help_is_coming
            00:00  refused 412 您看到的是版本 1，现为 3，请刷新后再操作
            00:00  refused 412 您看到的是版本 2，现为 3，请刷新后再操作
            00:00  ON_SITE s1
        "#]],
    );
}

#[test]
fn every_row_of_the_table_is_followed_and_nothing_else() {
    let states = [
        (IncidentState::Notifying, "sos"),
        (IncidentState::Acknowledged, "sos; acknowledge by s1"),
        (IncidentState::OnSite, "sos; arrive by s1"),
        (IncidentState::Exhausted, "sos; escalate by s1"),
        (IncidentState::Resolved, "sos; resolve by s1 test"),
    ];
    let actions = [
        (IncidentAction::Acknowledge, "acknowledge by s1"),
        (IncidentAction::Extend, "extend by s1"),
        (IncidentAction::Arrive, "arrive by s1"),
        (IncidentAction::Resolve, "resolve by s1 test"),
        (IncidentAction::Escalate, "escalate by s1"),
        (IncidentAction::Reopen, "reopen by s1"),
        (IncidentAction::Note, "note by s1 一句话"),
    ];
    for (state, way_there) in states {
        for (action, order) in actions {
            let mut ward = Ward::new(Home::default());
            ward.play(way_there);
            let id = model::IncidentId::new(0, 1);
            assert_eq!(ward.alerting.incident(id).unwrap().state, state);
            let count = ward.outputs.len();
            ward.play(order);
            let row = INCIDENT_TABLE.iter().find(|row| row.from == state && row.action == action);
            match (row, &ward.outputs[count].1) {
                (None, alerting::Output::Refused(problem)) => {
                    assert_eq!(problem.code.status(), 409, "{state:?} {action:?}");
                    let allowed = IncidentAction::allowed(state, actor("s1").role);
                    assert_eq!(problem.allowed_actions, allowed.iter().map(|a| a.name()).collect::<Vec<_>>());
                }
                (Some(row), alerting::Output::Incident { kind, incident, .. }) => {
                    assert_eq!((incident.state, Some(*kind)), (row.to, row.event), "{state:?} {action:?}");
                }
                (row, output) => panic!("{state:?} {action:?}: {row:?} gave {output:?}"),
            }
        }
    }
}

#[test]
fn a_case_and_a_better_position_are_kept_with_the_incident() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; located 31.8300 117.2300; located 31.8300 117.2300");
    let id = model::IncidentId::new(0, 1);
    ward.handle(alerting::Input::CaseFiled { incident: id, case: model::CaseId::new(0, 7) });
    ward.handle(alerting::Input::CaseFiled { incident: id, case: model::CaseId::new(0, 7) });
    let incident = ward.alerting.incident(id).unwrap();
    assert_eq!(incident.version, 4, "raised, notifying, located once, filed once");
    assert_eq!(incident.case, Some(model::CaseId::new(0, 7)));
    assert_eq!(incident.position, model::Position::new(31.83, 117.23));
}

#[test]
fn what_was_resolved_is_let_go_of_in_time() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; resolve by s1 test; wait 2h; exit w2");
    let first = model::IncidentId::new(0, 1);
    assert!(ward.alerting.incident(first).is_some());
    assert!(ward.started.iter().filter(|a| a.incident == Some(first)).all(|a| ward.alerting.attempt(a.id).is_none()));
    ward.play("reopen by s1; resolve by s1 test; resolve by s1 test; wait 168h; sos w3");
    assert!(ward.alerting.incident(first).is_none());
}
