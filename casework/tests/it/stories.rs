//! What the community does with a case.

use expect_test::expect;
use model::case::CASE_TABLE;
use model::{Case, CaseAction, CaseId, CaseState};

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
fn what_happens_again_after_its_case_was_closed_has_another_one() {
    check(
        "sos 1; dispatch c1 by s1 to w1 v; accept c1 by w1; arrive c1 by w1; feedback c1 by w1 已扶起; verify c1 by s1; \
         close c1 by s1 as helped v; sos 1; sos 1; rate c1 by g1 5; sos 1; reopen c1 by s1 又来; wait 2m",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  c1 dispatched by s1 [Dispatched Community, with w1]
            00:00  c1 accepted by w1 [Accepted Community, with w1]
            00:00  c1 on_site by w1 [OnSite Community, with w1]
            00:00  c1 feedback by w1 [Feedback Community, with w1]
            00:00  c1 verified by s1 [Verified Community, with w1]
            00:00  c1 closed by s1 [Closed Community, with w1]
            00:00  c2 filed by itself [Filed Community]
            00:00  c1 rated by g1 [Rated Community, with w1]
            00:00  refused 409 case c2 of the same incident is open; act on that one
            02:00  c2 whistled by itself [Filed Street]
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
    // Whoever once had a hand in it does not verify it, whoever holds it now: it was sent to s2, w3 took it, t1 was there.
    check(
        "sos 1; dispatch c1 by s1 to s2 v; return c1 by s2 病了; accept c1 by s1 to w3; reassign c1 by s1 to w1 v 更近; \
         accept c1 by w1; check_in c1 by t1 at 0; arrive c1 by w1 at 0; feedback c1 by w1 已扶起; verify c1 by s2; \
         verify c1 by t1; close c1 by t1 as helped v; verify c1 by s1; close c1 by s2 as helped v; reopen c1 by s1 又按了; \
         accept c1 by w3; arrive c1 by w3; feedback c1 by w3 无事; verify c1 by s2; verify c1 by s1",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  c1 dispatched by s1 [Dispatched Community, with s2]
            00:00  c1 returned by s2 [Filed Community]
            00:00  c1 accepted by s1 [Accepted Community, with w3]
            00:00  c1 reassigned by s1 [Dispatched Community, with w1]
            00:00  c1 accepted by w1 [Accepted Community, with w1]
            00:00  c1 checked_in by t1 [Accepted Community, with w1]
            00:00  c1 on_site by w1 [OnSite Community, with w1]
            00:00  c1 feedback by w1 [Feedback Community, with w1]
            00:00  refused 403 who handled a case does not verify it
            00:00  refused 403 who handled a case does not verify it
            00:00  refused 403 who handled a case closes it only after another verified it
            00:00  c1 verified by s1 [Verified Community, with w1]
            00:00  c1 closed by s2 [Closed Community, with w1]
            00:00  c1 reopened by s1 [Filed Community]
            00:00  c1 accepted by w3 [Accepted Community, with w3]
            00:00  c1 on_site by w3 [OnSite Community, with w3]
            00:00  c1 feedback by w3 [Feedback Community, with w3]
            00:00  refused 403 who handled a case does not verify it
            00:00  c1 verified by s1 [Verified Community, with w3]
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
fn an_sos_ends_only_after_somebody_saw_or_spoke_to_the_wearer() {
    check(
        "sos 1; reject c1 by s1 误报; accept c1 by w1; feedback c1 by w1 无人应门; close c1 by s1 as helped v; \
         voice c1 by s1 在女儿家; voice c1 by s1 with 王桂兰; wait 10s; voice c1 by s1 with 王桂兰 在女儿家; \
         close c1 by s1 as helped v; wait 1m; reopen c1 by s1 又按了; wait 10s; \
         accept c1 by w1; feedback c1 by w1; close c1 by s1 as helped v; check_in c1 by w1; hand_over c1 by w1 with 急救 意识清醒; \
         close c1 by s1 as helped v",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  refused 422 an SOS or a fall ends only with an on-site or voice confirmation on record: `arrive` or `check_in` at the place, or `voice` with whom you spoke and what was said
            00:00  c1 accepted by w1 [Accepted Community, with w1]
            00:00  c1 feedback by w1 [Feedback Community, with w1]
            00:00  refused 422 an SOS or a fall ends only with an on-site or voice confirmation on record: `arrive` or `check_in` at the place, or `voice` with whom you spoke and what was said
            00:00  refused 422 the request is not complete /with
            00:00  refused 422 the request is not complete /note
            00:10  c1 recorded by s1 [Feedback Community, with w1]
            00:10  c1 closed by s1 [Closed Community, with w1]
            01:10  c1 reopened by s1 [Filed Community]
            01:20  c1 accepted by w1 [Accepted Community, with w1]
            01:20  c1 feedback by w1 [Feedback Community, with w1]
            01:20  refused 422 an SOS or a fall ends only with an on-site or voice confirmation on record: `arrive` or `check_in` at the place, or `voice` with whom you spoke and what was said
            01:20  refused 409 check_in is not possible now; the case is with w1, held by w1
            01:20  c1 recorded by w1 [Feedback Community, with w1]
            01:20  refused 422 an SOS or a fall ends only with an on-site or voice confirmation on record: `arrive` or `check_in` at the place, or `voice` with whom you spoke and what was said
        "#]],
    );
    check(
        "sos 1; voice c1 by s1 with 王桂兰 误触; reject c1 by s1 误报",
        expect![[r#"
        00:00  c1 filed by itself [Filed Community]
        00:00  c1 recorded by s1 [Filed Community]
        00:00  c1 rejected by s1 [Rejected Community]
    "#]],
    );
}

#[test]
fn a_check_in_counts_at_the_place_and_is_kept_elsewhere() {
    check(
        "sos 1; check_in c1 by w1 at 0; accept c1 by w1; check_in c1 by w2 at 0; check_in c1 by w1 at 5000; arrive c1 by w1 at 5000; \
         feedback c1 by w1; close c1 by s1 as helped v; return c1 by s1 再去; wait 1s; check_in c1 by w1 at 150; arrive c1 by w1 at 150; \
         close c1 by w1 as helped v; close c1 by s1 as helped v",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  refused 409 check_in is not possible now
            00:00  c1 accepted by w1 [Accepted Community, with w1]
            00:00  refused 409 the case is with w1, held by w1
            00:00  c1 checked_in by w1 [Accepted Community, with w1]
            00:00  refused 422 that is 5000 m from the case's place; arrive without a place if the wearer is somewhere else /position
            00:00  c1 feedback by w1 [Feedback Community, with w1]
            00:00  refused 422 an SOS or a fall ends only with an on-site or voice confirmation on record: `arrive` or `check_in` at the place, or `voice` with whom you spoke and what was said
            00:00  c1 returned by s1 [Accepted Community, with w1]
            00:01  c1 checked_in by w1 [Accepted Community, with w1]
            00:01  c1 on_site by w1 [OnSite Community, with w1]
            00:01  refused 403 who handled a case closes it only after another verified it
            00:01  c1 closed by s1 [Closed Community, with w1]
        "#]],
    );
}

#[test]
fn a_report_of_a_person_and_an_incident_that_is_handed_over_become_cases() {
    check(
        "report v1; accept c1 by v1; photo c1 by v1 photo aa; photo c1 by v1 photo aa; arrive c1 by v1; feedback c1 by v1 已清理; close c1 by v1 as done v; \
         close c1 by s1 as done v; handoff exit 7 by s1; handoff exit 7 by s2; sos 8; handoff sos 8 by s1; report outsider",
        expect![[r#"
            00:00  c1 filed by v1 [Filed Community]
            00:00  c1 accepted by v1 [Accepted Community, with v1]
            00:00  c1 photo_added by v1 [Accepted Community, with v1]
            00:00  c1 on_site by v1 [OnSite Community, with v1]
            00:00  c1 feedback by v1 [Feedback Community, with v1]
            00:00  refused 403 your role may not do this to a case
            00:00  c1 closed by s1 [Closed Community, with v1]
            00:00  c2 filed by s1 [Filed Community]
            00:00  c3 filed by itself [Filed Community]
            00:00  refused 422 say where it belongs: an organisation, or a wearer who is registered /org
        "#]],
    );
}

#[test]
fn a_patrol_is_a_visit_for_each_with_a_form_to_answer() {
    check(
        "patrol by w1 w7; patrol by s1 w7 w8; patrol by s1 w8 w9; patrol by outsider w7; patrol by s1; accept c1 by v1; \
         feedback c1 by v1; feedback c1 by v1 answer seen=maybe answer mood=好 answer weight=9; \
         feedback c1 by v1 answer seen=true answer mood=好; close c1 by s1 as visited v",
        expect![[r#"
            00:00  refused 403 your role may not begin patrols
            00:00  r1 of 2 visits, 0 passed over | c1 filed by s1 [Filed Community] | c2 filed by s1 [Filed Community]
            00:00  r2 of 1 visits, 1 passed over | c3 filed by s1 [Filed Community]
            00:00  refused 404 the organisation is not there, or not visible to you
            00:00  refused 422 there is nobody to visit
            00:00  c1 accepted by v1 [Accepted Community, with v1]
            00:00  refused 422 the request is not complete /answers/seen
            00:00  refused 422 the request is not complete /answers/0 /answers/2
            00:00  c1 feedback by v1 [Feedback Community, with v1]
            00:00  c1 closed by s1 [Closed Community, with v1]
        "#]],
    );
}

#[test]
fn those_on_duty_join_when_it_is_whistled() {
    check(
        "duty /luyang/xinghua/ by s1 street t1 t2; duty /luyang/ by s1 department z1; duty /luyang/ by s1 department z1; \
         duty /luyang/ by w1 department z1; duty /luyang/ by outsider department z1; sos 1; wait 3m; whistle c1 by s1; restart",
        expect![[r#"
            00:00  duty of /luyang/xinghua/ v1
            00:00  duty of /luyang/ v1
            00:00  refused 428 If-Match with the version that you saw is required to replace a duty roster
            00:00  refused 403 your role may not write duty rosters
            00:00  refused 404 the organisation is not there, or not visible to you
            00:00  c1 filed by itself [Filed Community]
            02:00  c1 whistled by itself [Filed Street]
            03:00  c1 whistled by s1 [Filed Department]
        "#]],
    );
    let mut desk = Desk::new();
    desk.play("duty /luyang/xinghua/ by s1 street t1 t2; sos 1; wait 5m; wait 12h; sos 2; wait 3m");
    let joined = |id: u64| {
        let case = desk.casework.case(model::CaseId::new(0, id)).unwrap();
        case.joined.iter().map(|j| format!("{:?} {} {:?}", j.level, j.org, j.people)).collect::<Vec<_>>().join("; ")
    };
    expect![[r#"Street /luyang/xinghua/ ["t1", "t2"]; Department /luyang/xinghua/ []"#]].assert_eq(&joined(1));
    expect!["Street /luyang/xinghua/ []"].assert_eq(&joined(2));
}

#[test]
fn another_system_takes_a_case_and_its_receipts_drive_it() {
    check(
        "sos 1; hand_off c1 by s1 v; hand_off c1 by s1 system platform v; hand_off c1 by s1 system platform v; \
         receipt c1 by x1 accepted #7; receipt c1 by x1 accepted #7; receipt c1 by x1 received #7; receipt c1 by x1 closed #7 已处理; \
         receipt c1 by x1 on_site #8; receipt c1 by w1 on_site #7; receipt c1 by x1 on_site #7; receipt c1 by x1 closed #7 已处理; receipt c1 by x1 closed #7",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  refused 422 the request is not complete /system
            00:00  c1 handed_off by s1 [Dispatched Community, with platform]
            00:00  c1 receipt by x1 [Dispatched Community, with platform] | c1 accepted by x1 [Accepted Community, with platform]
            00:00  refused 422 an SOS or a fall ends only with an on-site or voice confirmation on record: `arrive` or `check_in` at the place, or `voice` with whom you spoke and what was said
            00:00  refused 409 it is known there under another external_case_id, held by platform
            00:00  refused 403 your role may not do this to a case
            00:00  c1 receipt by x1 [Accepted Community, with platform] | c1 on_site by x1 [OnSite Community, with platform]
            00:00  c1 receipt by x1 [OnSite Community, with platform] | c1 closed by x1 [Closed Community, with platform]
        "#]],
    );
    check(
        "report v1; receipt c1 by x1 on_site #1; receipt c1 by x1 returned #1 非本辖区; accept c1 by w1; receipt c1 by x1 closed #1 完成; \
         report v1; hand_off c2 by s1 system platform v; receipt c2 by x1 returned #2; receipt c2 by x1 returned #2 非本辖区",
        expect![[r#"
            00:00  c1 filed by v1 [Filed Community]
            00:00  c1 receipt by x1 [Filed Community] | c1 accepted by x1 [Accepted Community, with platform] | c1 on_site by x1 [OnSite Community, with platform]
            00:00  refused 409 what was begun on site is not given back; send feedback or closed, held by platform
            00:00  refused 409 accept is not possible now; the case is with platform, held by platform
            00:00  c1 receipt by x1 [OnSite Community, with platform] | c1 closed by x1 [Closed Community, with platform]
            00:00  c2 filed by v1 [Filed Community]
            00:00  c2 handed_off by s1 [Dispatched Community, with platform]
            00:00  refused 422 the request is not complete /note
            00:00  c2 receipt by x1 [Dispatched Community, with platform] | c2 returned by x1 [Filed Community]
        "#]],
    );
}

#[test]
fn duplicates_are_merged() {
    check(
        "sos 1; fall 2; merge c2 by s1 into c1 同一事件; note c2 by s1 再看; accept c1 by w1; sos 3; merge c3 by s1 into c2 重复; report v1; merge c1 by s1 into c4 重复; merge c4 by s1 into c1 重复",
        expect![[r#"
            00:00  c1 filed by itself [Filed Community]
            00:00  c2 filed by itself [Filed Community]
            00:00  c2 merged by s1 [Merged Community] | c1 noted by s1 [Filed Community]
            00:00  refused 409 note is not possible now
            00:00  c1 accepted by w1 [Accepted Community, with w1]
            00:00  c3 filed by itself [Filed Community]
            00:00  refused 409 the case to merge into has ended
            00:00  c4 filed by v1 [Filed Community]
            00:00  refused 422 an SOS or a fall is not merged into what is none; merge the other one into this /into
            00:00  c4 merged by s1 [Merged Community] | c1 noted by s1 [Accepted Community, with w1]
        "#]],
    );
}

/// However many were merged one into the other, all are found, and the newest first.
#[test]
fn a_long_chain_of_merged_cases_is_followed() {
    const LINKS: u64 = 20_000;
    let mut casework = casework::Casework::default();
    let mut desk = Desk::new();
    desk.play("sos 1");
    let first = desk.casework.open_cases().next().unwrap().clone();
    for n in 1..=LINKS {
        let mut case = Case { id: CaseId::new(0, n), incident: Some(model::IncidentId::new(0, n)), ..first.clone() };
        if n > 1 {
            let mut step = case.steps[0].clone();
            step.action = CaseAction::Merge;
            step.note = Some(format!("{} 并入 / merged", CaseId::new(0, n - 1)));
            case.steps.push(step);
        }
        if n < LINKS {
            case.state = CaseState::Merged;
        }
        casework.apply_case(case);
    }
    let last = casework.case(CaseId::new(0, LINKS)).unwrap();
    let merged: Vec<CaseId> = casework.merged_into(last).iter().map(|case| case.id).collect();
    assert_eq!(merged, (1..LINKS).rev().map(|n| CaseId::new(0, n)).collect::<Vec<_>>());
    assert_eq!(casework.goes_on_in(model::IncidentId::new(0, 1)).map(|case| case.id), Some(last.id));
}

#[test]
fn the_table_is_followed_row_by_row() {
    let ways = [
        (CaseState::Filed, ""),
        (CaseState::Rejected, "voice c1 by s1 with 她 好; reject c1 by s1 误报"),
        (CaseState::Dispatched, "dispatch c1 by s1 to w1 v"),
        (CaseState::Accepted, "accept c1 by s1 to w1"),
        (CaseState::OnSite, "accept c1 by s1 to w1; arrive c1 by s1"),
        (CaseState::Feedback, "accept c1 by s1 to w1; arrive c1 by s1; feedback c1 by s1"),
        (CaseState::Verified, "accept c1 by s1 to w1; arrive c1 by s1; feedback c1 by s1; verify c1 by s1"),
        (CaseState::Closed, "accept c1 by s1 to w1; arrive c1 by s1; close c1 by s1 as helped v"),
        (CaseState::Rated, "accept c1 by s1 to w1; arrive c1 by s1; close c1 by s1 as helped v; rate c1 by s1 4"),
        (CaseState::Merged, "merge c1 by s1 into c2 重复"),
    ];
    let order = |action: CaseAction| match action {
        CaseAction::Dispatch => "to w2 v".to_owned(),
        CaseAction::Reassign => "to w2 v 理由".to_owned(),
        CaseAction::Close => "as helped v".to_owned(),
        CaseAction::Merge => "into c2 理由".to_owned(),
        CaseAction::Rate => "3".to_owned(),
        CaseAction::Voice | CaseAction::HandOver => "with 她 好".to_owned(),
        CaseAction::HandOff => "system platform v".to_owned(),
        CaseAction::Photo => "photo aa".to_owned(),
        _ => "理由".to_owned(),
    };
    for (state, way_there) in ways {
        for action in CaseAction::ALL.iter().copied().filter(|action| *action != CaseAction::Receipt) {
            let mut desk = Desk::new();
            desk.play("sos 1; fall 2");
            desk.play(way_there);
            let id = model::CaseId::new(0, 1);
            assert_eq!(desk.casework.case(id).unwrap().state, state);
            if state == CaseState::Filed && action == CaseAction::Reject {
                desk.play("voice c1 by s1 with 她 好");
            }
            let count = desk.outputs.len();
            desk.play(&format!("{} c1 by s1 {}", action.name(), order(action)));
            let row = CASE_TABLE.iter().find(|row| row.from == state && row.action == action);
            match (row, &desk.outputs[count]) {
                (None, casework::Output::Refused(problem)) => {
                    assert_eq!(problem.code.status(), 409, "{state:?} {action:?}");
                    let mut allowed = CaseAction::allowed(state, actor("s1").role);
                    allowed.retain(|action| action.is_command());
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
    desk.play("sos 1; voice c1 by s1 with 她 好; reject c1 by s1 误报; wait 700h; sos 2; restart");
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
    assert!(steps(&desk) <= casework::STEPS_MAX, "{}", steps(&desk));
    desk.play("arrive c1 by w1; close c1 by s1 as helped v");
    assert_eq!(desk.casework.case(model::CaseId::new(0, 1)).unwrap().state, CaseState::Closed);
}

#[test]
fn a_desk_has_the_roster_of_its_own_departments() {
    let mut desk = Desk::new();
    desk.play("duty /luyang/xinghua/ by s1 street t1 t2; duty /luyang/ by s1 department z1");
    let of = |path: &str| {
        let roster = desk.casework.desk_roster(&model::OrgPath::new(path));
        roster.into_iter().map(|(person, hours)| (person.to_string(), hours.len())).collect::<Vec<_>>()
    };
    assert_eq!(of("/luyang/xinghua/"), [("t1".to_owned(), 1), ("t2".to_owned(), 1)]);
    assert_eq!(of("/luyang/xinghua/yinxing/"), [], "each desk has its own");
    assert_eq!(of("/luyang/"), [], "who sees to cases is not rung for alarms");
}
