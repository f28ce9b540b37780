//! What the community does with a case.

use expect_test::expect;
use model::case::CASE_TABLE;
use model::{CaseAction, CaseState};

use crate::desk::{Desk, actor, check};

#[test]
fn a_case_from_filed_to_rated() {
    check(
        "sos 1; wait 1m; dispatch c1 by s1 to w1 v; wait 2m; accept c1 by w1; wait 9m; arrive c1 by w1; \
         wait 30m; feedback c1 by w1 已扶起; verify c1 by s1; close c1 by s1 as helped v; rate c1 by g1 5",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            01:00  c1 dispatched by s1 [Dispatched Community, with w1]
            03:00  c1 accepted by w1 [Accepted Community, with w1]
            12:00  c1 on_site by w1 [OnSite Community, with w1]
            42:00  c1 feedback by w1 [Feedback Community, with w1]
            42:00  c1 verified by s1 [Verified Community, with w1]
            42:00  c1 closed by s1 [Closed Community, with w1]
            42:00  c1 rated by g1 [Rated Community, with w1]
        "#]],
    );
}

#[test]
fn an_incident_is_filed_once_and_only_for_emergencies() {
    check(
        "sos 1; sos 1; fall 2; exit 3; resolved 1; resolved 3; resolved 9",
        expect![[r#"
        00:00  c1 filed by itself [Filed Community]
        00:00  c2 filed by itself [Filed Community]
        00:00  c1 noted by itself [Filed Community]
    "#]],
    );
}

#[test]
fn a_late_stage_whistles_by_itself_level_by_level() {
    check(
        "sos 1; wait 2h",
        expect![[r#"
        00:00  c1 filed by itself [Filed Community]
        02:00  c1 whistled by itself [Filed Street]
        04:00  c1 whistled by itself [Filed Department]
        06:00  c1 whistled by itself [Filed Department]
        66:00  c1 whistled by itself [Filed Department]
    "#]],
    );
    check(
        "sos 1; wait 3m; accept c1 by v1; wait 19m; wait 1m; arrive c1 by v1; wait 5h",
        expect![[r#"
        00:00  c1 filed by itself [Filed Community]
        02:00  c1 whistled by itself [Filed Street]
        03:00  c1 accepted by v1 [Accepted Street, with v1]
        23:00  c1 whistled by itself [Accepted Department, with v1]
        23:00  c1 on_site by v1 [OnSite Department, with v1]
        263:00  c1 whistled by itself [OnSite Department, with v1]
    "#]],
    );
}

#[test]
fn a_whistle_by_hand_leaves_the_clock_running() {
    check(
        "sos 1; wait 1m; whistle c1 by w1; whistle c1 by s1; whistle c1 by s1; wait 61s",
        expect![[r#"
        00:00  c1 filed by itself [Filed Community]
        01:00  c1 whistled by w1 [Filed Street]
        01:00  c1 whistled by s1 [Filed Department]
        01:00  refused 409 the case is at the highest level already
        02:00  c1 whistled by itself [Filed Department]
    "#]],
    );
}

#[test]
fn what_could_harm_needs_the_version_that_was_seen() {
    check(
        "sos 1; dispatch c1 by s1 to w1; dispatch c1 by s1 to w1 v9; dispatch c1 by s1 to w1 v1; \
         dispatch c1 by s2 to w2 v1; reassign c1 by s2 to w2 太远; reassign c1 by s2 to w2 v1 太远; \
         reassign c1 by s2 to w2 v2 太远; note c1 by g1 v1 谢谢; close c1 by s1 as helped v",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  refused 428 If-Match with the version that you saw is required here
            00:00  refused 412 you saw version 9, it is at 1 now; look again
            00:00  c1 dispatched by s1 [Dispatched Community, with w1]
            00:00  refused 409 dispatch is not possible now; the case is with w1, held by w1
            00:00  refused 428 If-Match with the version that you saw is required here
            00:00  refused 412 you saw version 1, it is at 2 now; look again, held by w1
            00:00  c1 reassigned by s2 [Dispatched Community, with w2]
            00:00  c1 noted by s2 [Dispatched Community, with w2]
            00:00  refused 409 close is not possible now; the case is with w2, held by w2
        "#]],
    );
}

#[test]
fn reasons_and_people_are_asked_for() {
    check(
        "sos 1; reject c1 by s1; dispatch c1 by s1 v; note c1 by s1; merge c1 by s1 into c1; merge c1 by s1 into c9 重复; \
         dispatch c1 by s1 to w1 v; reassign c1 by s1 to w1 v 换人; return c1 by w1; accept c1 by w1; arrive c1 by w1; \
         close c1 by s1 v; close c1 by s1 as false_alarm v; close c1 by s1 as false_alarm v 误触; rate c1 by g1; rate c1 by g1 6; \
         reopen c1 by s1; reopen c1 by s1 又有情况",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  refused 422 the request is not complete /note
            00:00  refused 422 the request is not complete /handler
            00:00  refused 422 the request is not complete /note
            00:00  refused 422 the request is not complete /note /into
            00:00  refused 422 the case to merge into is not there /into
            00:00  c1 dispatched by s1 [Dispatched Community, with w1]
            00:00  refused 422 the request is not complete /handler
            00:00  refused 422 the request is not complete /note
            00:00  c1 accepted by w1 [Accepted Community, with w1]
            00:00  c1 on_site by w1 [OnSite Community, with w1]
            00:00  refused 422 the request is not complete /disposition
            00:00  refused 422 the request is not complete /note
            00:00  c1 closed by s1 [Closed Community, with w1]
            00:00  refused 422 the request is not complete /rating
            00:00  refused 422 the request is not complete /rating
            00:00  refused 422 the request is not complete /note
            00:00  c1 reopened by s1 [Filed Community]
        "#]],
    );
}

#[test]
fn roles_and_holders_are_respected() {
    check(
        "sos 1; dispatch c1 by g1 to w1 v; dispatch c1 by w1 to w1 v; dispatch c1 by outsider to w1 v; dispatch c7 by s1 to w1 v; \
         dispatch c1 by s1 to w1 v; accept c1 by w2; accept c1 by v1; accept c1 by w1; arrive c1 by w2; arrive c1 by w1; \
         feedback c1 by w1; verify c1 by w1; verify c1 by s1; close c1 by w2 as helped v; close c1 by s1 as helped v",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  refused 403 your role may not do this to a case
            00:00  refused 403 your role may not do this to a case
            00:00  refused 404 the case is not there, or not visible to you
            00:00  refused 404 the case is not there, or not visible to you
            00:00  c1 dispatched by s1 [Dispatched Community, with w1]
            00:00  refused 409 the case is with w1, held by w1
            00:00  refused 409 the case is with w1, held by w1
            00:00  c1 accepted by w1 [Accepted Community, with w1]
            00:00  refused 409 the case is with w1, held by w1
            00:00  c1 on_site by w1 [OnSite Community, with w1]
            00:00  c1 feedback by w1 [Feedback Community, with w1]
            00:00  refused 403 who handled a case does not verify it
            00:00  c1 verified by s1 [Verified Community, with w1]
            00:00  refused 409 the case is with w1, held by w1
            00:00  c1 closed by s1 [Closed Community, with w1]
        "#]],
    );
    // Staff answer for whom the case was dispatched to.
    check(
        "sos 1; dispatch c1 by s1 to w1 v; accept c1 by t1; return c1 by t1 人手不够; accept c1 by t1 to w3",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  c1 dispatched by s1 [Dispatched Community, with w1]
            00:00  c1 accepted by t1 [Accepted Community, with w1]
            00:00  c1 returned by t1 [Filed Community]
            00:00  c1 accepted by t1 [Accepted Community, with w3]
        "#]],
    );
}

#[test]
fn an_sos_is_closed_only_after_somebody_saw_or_spoke_to_the_wearer() {
    check(
        "sos 1; accept c1 by w1; feedback c1 by w1 无人应门; close c1 by s1 as helped v; wait 10s; \
         note c1 by s1 电话确认 老人在女儿家; close c1 by s1 as helped v; wait 1m; reopen c1 by s1 又按了; wait 10s; \
         accept c1 by w1; feedback c1 by w1; close c1 by s1 as helped v; \
         close c1 by s1 as helped v Voice confirmation: she is well",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  c1 accepted by w1 [Accepted Community, with w1]
            00:00  c1 feedback by w1 [Feedback Community, with w1]
            00:00  refused 422 an SOS or a fall is closed after somebody was on site, or with a note that begins with 'voice confirmation'
            00:10  c1 noted by w1 [Feedback Community, with w1]
            00:10  c1 closed by s1 [Closed Community, with w1]
            01:10  c1 reopened by s1 [Filed Community]
            01:20  c1 accepted by w1 [Accepted Community, with w1]
            01:20  c1 feedback by w1 [Feedback Community, with w1]
            01:20  refused 422 an SOS or a fall is closed after somebody was on site, or with a note that begins with 'voice confirmation'
            01:20  c1 closed by s1 [Closed Community, with w1]
        "#]],
    );
}

#[test]
fn duplicates_are_merged() {
    check(
        "sos 1; fall 2; merge c2 by s1 into c1 同一事件; note c2 by s1 再看; accept c1 by w1; sos 3; merge c3 by s1 into c2 重复",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  c2 filed by itself [Filed Community]
            00:00  c2 merged by s1 [Merged Community] | c1 noted by s1 [Filed Community]
            00:00  refused 409 note is not possible now
            00:00  c1 accepted by w1 [Accepted Community, with w1]
            00:00  c3 filed by itself [Filed Community]
            00:00  refused 409 the case to merge into has ended
        "#]],
    );
}

#[test]
fn the_table_is_followed_row_by_row() {
    let ways = [
        (CaseState::Filed, ""),
        (CaseState::Rejected, "reject c1 by s1 误报"),
        (CaseState::Dispatched, "dispatch c1 by s1 to w1 v"),
        (CaseState::Accepted, "accept c1 by s1 to w1"),
        (CaseState::OnSite, "accept c1 by s1 to w1; arrive c1 by s1"),
        (CaseState::Feedback, "accept c1 by s1 to w1; arrive c1 by s1; feedback c1 by s1"),
        (CaseState::Verified, "accept c1 by s1 to w1; arrive c1 by s1; feedback c1 by s1; verify c1 by s1"),
        (CaseState::Closed, "accept c1 by s1 to w1; arrive c1 by s1; close c1 by s1 as helped v"),
        (CaseState::Rated, "accept c1 by s1 to w1; arrive c1 by s1; close c1 by s1 as helped v; rate c1 by s1 4"),
        (CaseState::Merged, "merge c1 by s1 into c2 重复"),
    ];
    let orders = [
        (CaseAction::File, "file c1 by s1"),
        (CaseAction::Reject, "reject c1 by s1 理由"),
        (CaseAction::Dispatch, "dispatch c1 by s1 to w2 v"),
        (CaseAction::Accept, "accept c1 by s1"),
        (CaseAction::Reassign, "reassign c1 by s1 to w2 v 理由"),
        (CaseAction::Arrive, "arrive c1 by s1"),
        (CaseAction::Feedback, "feedback c1 by s1"),
        (CaseAction::Return, "return c1 by s1 理由"),
        (CaseAction::Verify, "verify c1 by s1"),
        (CaseAction::Close, "close c1 by s1 as helped v"),
        (CaseAction::Reopen, "reopen c1 by s1 理由"),
        (CaseAction::Merge, "merge c1 by s1 into c2 理由"),
        (CaseAction::Whistle, "whistle c1 by s1"),
        (CaseAction::Note, "note c1 by s1 一句话"),
        (CaseAction::Rate, "rate c1 by s1 3"),
    ];
    for (state, way_there) in ways {
        for (action, order) in orders {
            let mut desk = Desk::new();
            desk.play("sos 1; fall 2");
            desk.play(way_there);
            let id = model::CaseId::new(0, 1);
            assert_eq!(desk.casework.case(id).unwrap().state, state);
            let count = desk.outputs.len();
            desk.play(order);
            let row = CASE_TABLE.iter().find(|row| row.from == state && row.action == action);
            match (row, &desk.outputs[count]) {
                (None, casework::Output::Refused(problem)) => {
                    assert_eq!(problem.code.status(), 409, "{state:?} {action:?}");
                    let allowed = CaseAction::allowed(state, actor("s1").role);
                    assert_eq!(problem.allowed_actions, allowed.iter().map(|a| a.name()).collect::<Vec<_>>());
                }
                (Some(row), casework::Output::Case { kind, case, .. }) => {
                    assert_eq!((case.state, Some(*kind)), (row.to, row.event), "{state:?} {action:?}");
                    let step = case.steps.last().unwrap();
                    let signed = (step.action, step.by.as_ref().map(|by| by.as_str()), step.role.is_some());
                    let expected = (action, Some("s1"), true);
                    assert!(action == CaseAction::Note || signed == expected, "{step:?}");
                }
                (row, output) => panic!("{state:?} {action:?}: {row:?} gave {output:?}"),
            }
        }
    }
}

#[test]
fn what_has_ended_is_let_go_of_in_time() {
    let mut desk = Desk::new();
    desk.play("sos 1; reject c1 by s1 误报; wait 700h; sos 2; restart");
    assert!(desk.casework.case(model::CaseId::new(0, 1)).is_some());
    desk.play("wait 24h; sos 3");
    assert!(desk.casework.case(model::CaseId::new(0, 1)).is_none());
    assert!(desk.casework.case_of(model::IncidentId::new(0, 1)).is_none());
}

#[test]
fn a_case_that_nobody_closes_stays_open_and_bounded() {
    let mut desk = Desk::new();
    desk.play("sos 1");
    for _ in 0..casework::STEPS_MAX {
        desk.play("accept c1 by w1; return c1 by w1 不在本片区");
    }
    let steps = |desk: &Desk| desk.casework.case(model::CaseId::new(0, 1)).unwrap().steps.len();
    assert_eq!(steps(&desk), casework::STEPS_MAX);
    desk.play("whistle c1 by w1; resolved 1; wait 48h");
    assert!(steps(&desk) <= casework::STEPS_MAX + 1, "{}", steps(&desk));
    desk.play("arrive c1 by w1; close c1 by s1 as helped v");
    assert_eq!(desk.casework.case(model::CaseId::new(0, 1)).unwrap().state, CaseState::Closed);
}
