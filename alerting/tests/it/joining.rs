//! What joins, what begins anew, what ends a condition.

use expect_test::expect;

use crate::ward::{Home, Ward, check};

#[test]
fn a_second_press_joins_and_pages_again() {
    check(
        "sos; wait 5s; sos; wait 10s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  RECURRED Sos ×2 | text g1 g2 g3 desk d1 | push g1 | bracelet: locate
        00:15  call g2
    "#]],
    );
}

#[test]
fn a_press_while_somebody_is_on_the_way_calls_again() {
    check(
        "sos; wait 5s; key g1 1; wait 20s; sos; wait 15s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  g1 confirmed | ACKNOWLEDGED by g1 (voice) | text-taken g2 g3 desk d1 | bracelet: help_is_coming
        00:25  RECURRED Sos ×2 | text g1 g2 g3 desk d1 | push g1 | call g2 | bracelet: locate
        00:40  call g3
    "#]],
    );
    check(
        "sos; wait 5s; arrive by s1; wait 20s; sos; wait 15s",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:05  ON_SITE s1 | cancel-call g1 | text-taken g1 g2 g3 desk d1
            00:25  RECURRED Sos ×2 | text g1 g2 g3 desk d1 | push g1 | call desk | bracelet: locate
        "#]],
    );
    check(
        "sos; wait 5s; arrive by s1; wait 29m; sos; wait 1m; wait 2m; sos; wait 20s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  ON_SITE s1 | cancel-call g1 | text-taken g1 g2 g3 desk d1
        29:05  RECURRED Sos ×2 | text g1 g2 g3 desk d1 | push g1 | call desk | bracelet: locate
        29:35  desk call failed (noanswer)
        32:05  LEASE_EXPIRED | RECURRED Sos ×3 | text g1 g2 g3 desk d1 | push g1 | call g1 | bracelet: locate
        32:20  call g2
    "#]],
    );
    crate::ward::check_at(
        Home::default().no_desk(),
        "sos; wait 5s; acknowledge by g2; arrive by g2; wait 1m; sos; wait 15s",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:05  ACKNOWLEDGED by g2 (api) | cancel-call g1 | text-taken g1 g3 d1 | bracelet: help_is_coming
            00:05  ON_SITE g2
            01:05  RECURRED Sos ×2 | text g1 g2 g3 d1 | push g1 | LEASE_EXPIRED | call g1 | bracelet: locate
            01:20  call g2
        "#]],
    );
    // What began anew after it was over, while somebody was there, and what goes on after they must have left.
    check(
        "exit; acknowledge by g2; arrive by g2; back; wait 1m; exit; exit; wait 15s",
        expect![[r#"
            00:00  RAISED FenceExit Medium | text g1 g2 g3 desk | push g1 | NOTIFYING | call g1
            00:00  ACKNOWLEDGED by g2 (api) | cancel-call g1 | text-taken g1 g3 desk | bracelet: help_is_coming
            00:00  ON_SITE g2
            00:00  CLEARED
            01:00  RECURRED FenceExit ×2 | text g1 g2 g3 desk | push g1 | call desk s1
            01:00  updated FenceExit ×3
        "#]],
    );
    check(
        "bp; acknowledge by g2; arrive by g2; wait 10m; bp; wait 21m; bp; wait 15s",
        expect![[r#"
            00:00  RAISED BloodPressureHigh High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1
            00:00  ACKNOWLEDGED by g2 (api) | cancel-call g1 | text-taken g1 g3 desk d1 | cuff: help_is_coming
            00:00  ON_SITE g2
            10:00  updated BloodPressureHigh ×2
            30:00  text-again d1
            31:00  LEASE_EXPIRED | RECURRED BloodPressureHigh ×3 | text g1 g2 g3 desk d1 | push g1 | call g1
            31:15  call g2
        "#]],
    );
    let mut home = Home::default();
    home.plan.cycles = 1;
    crate::ward::check_at(
        home,
        "sos; wait 50s; wait 60s; sos; wait 15s",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:15  call g2
            00:30  g1 call failed (noanswer) | call g3
            00:45  g2 call failed (noanswer) | EXHAUSTED | text desk s1 | call desk s1
            01:00  g3 call failed (noanswer)
            01:15  desk call failed (noanswer) | s1 call failed (noanswer)
            01:50  RECURRED Sos ×2 | text g1 g2 g3 desk s1 d1 | push g1 | call desk s1 g1 | bracelet: locate
            02:05  call g2
        "#]],
    );
}

#[test]
fn emergencies_within_ten_minutes_are_one_incident_of_the_gravest_kind() {
    check(
        "bp; wait 9m; fall; wait 1m; sos",
        expect![[r#"
            00:00  RAISED BloodPressureHigh High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1
            00:15  call g2
            00:30  g1 call failed (noanswer) | call g3
            00:45  g2 call failed (noanswer)
            01:00  g3 call failed (noanswer) | call g1
            01:15  call g2
            01:30  g1 call failed (noanswer) | call g3
            01:45  g2 call failed (noanswer) | EXHAUSTED | text desk s1 | call desk s1
            02:00  g3 call failed (noanswer)
            02:15  desk call failed (noanswer) | s1 call failed (noanswer)
            09:00  RECURRED Fall ×2 | text g1 g2 g3 desk s1 d1 | push g1 | call desk s1 g1
            09:15  call g2
            09:30  desk call failed (noanswer) | s1 call failed (noanswer) | g1 call failed (noanswer) | call g3
            09:45  g2 call failed (noanswer)
            10:00  g3 call failed (noanswer) | call g1
            10:00  RECURRED Sos ×3 | text g1 g2 g3 desk s1 d1 | push g1 | bracelet: locate
        "#]],
    );
    let mut ward = Ward::new(Home::default());
    ward.play("bp; wait 601s; fall");
    assert_eq!(ward.alerting.open_incidents().count(), 2);
    // The next SOS is closer to the fall.
    ward.play("sos; sos");
    let kinds: Vec<_> = ward.alerting.open_incidents().map(|i| (i.kind, i.occurrence_count)).collect();
    expect!["[(BloodPressureHigh, 1), (Sos, 3)]"].assert_eq(&format!("{kinds:?}"));
}

#[test]
fn the_same_kind_joins_however_late_and_pages_only_for_emergencies() {
    check(
        "exit; wait 5s; acknowledge by g1; wait 9m; exit; back; exit",
        expect![[r#"
        00:00  RAISED FenceExit Medium | text g1 g2 g3 desk | push g1 | NOTIFYING | call g1
        00:05  ACKNOWLEDGED by g1 (api) | cancel-call g1 | text-taken g2 g3 desk | bracelet: help_is_coming
        09:05  updated FenceExit ×2
        09:05  CLEARED
        09:05  updated FenceExit ×3
    "#]],
    );
}

#[test]
fn being_back_ends_the_condition_only() {
    check(
        "exit; wait 20s; back; wait 10s; back",
        expect![[r#"
        00:00  RAISED FenceExit Medium | text g1 g2 g3 desk | push g1 | NOTIFYING | call g1
        00:15  call g2
        00:20  CLEARED
        00:30  g1 call failed (noanswer) | call g3
    "#]],
    );
}

#[test]
fn low_priority_calls_nobody_and_stays_until_a_person_ends_it() {
    check(
        "battery; wait 25h; reply g1 1; wait 25h; resolve by s1 helped",
        expect![[r#"
        00:00  RAISED BatteryLow Low | text g1 g2 g3 | push g1 | NOTIFYING
        1440:00  text-again g1 g2 g3 | push-again g1
        1500:00  g1 confirmed | ACKNOWLEDGED by g1 (sms) | text-taken g2 g3
        2940:00  LEASE_EXPIRED | text-again g1 g2 g3 | push-again g1
        3000:00  RESOLVED | text-ended g1 g2 g3
    "#]],
    );
    // When it turns grave, it calls.
    let mut ward = Ward::new(Home::default());
    ward.play("battery; wait 1h; sos");
    assert_eq!(ward.alerting.open_incidents().count(), 2, "a battery is no emergency to join");
}

#[test]
fn a_late_sos_calls_like_any_other() {
    check(
        "late_sos",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
    "#]],
    );
}

#[test]
fn incidents_of_two_wearers_do_not_touch() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos w1; sos w2; key g1 1");
    let states: Vec<_> = ward.alerting.open_incidents().map(|i| (i.wearer.as_str().to_owned(), i.state)).collect();
    expect![[r#"[("w1", Notifying), ("w2", Acknowledged)]"#]].assert_eq(&format!("{states:?}"));
}

#[test]
fn reopening_gives_way_to_what_is_open() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; resolve by s1 test; sos; resolve by s1 test; reopen by s1");
    ward.play("sos");
    let kinds: Vec<_> = ward.alerting.open_incidents().map(|i| i.id.to_string()).collect();
    assert_eq!(kinds, ["i1"], "the reopened one takes the next press");
}

#[test]
fn a_fall_that_joins_an_sos_is_said() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; wait 20s; fall; wait 20s");
    let begun = model::Timestamp::parse(crate::ward::START).unwrap();
    let alerts = ward.started.iter().filter(|attempt| attempt.purpose == model::Purpose::Alert);
    let (before, after): (Vec<_>, Vec<_>) = alerts.partition(|a| a.created_at.millis_since(begun) < 20_000);
    assert!(before.iter().all(|attempt| !attempt.text.contains("跌倒")), "{before:?}");
    let said = |text: &str| text.contains("求助键") && text.contains("设备还报告疑似跌倒");
    assert!(after.iter().any(|attempt| said(&attempt.text)), "{after:?}");
}

#[test]
fn reopening_is_refused_while_another_of_its_kind_is_open() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; resolve by s1 test; sos");
    let count = ward.outputs.len();
    ward.handle(alerting::Input::Action {
        id: model::IncidentId::new(0, 1),
        actor: &crate::ward::actor("s1"),
        action: model::IncidentAction::Reopen,
        if_match: None,
        note: None,
        disposition: None,
        on_behalf_of: None,
        name: "",
    });
    let alerting::Output::Refused(problem) = &ward.outputs[count].1 else { panic!("reopened beside i2") };
    assert_eq!(problem.code.status(), 409);
    assert!(problem.detail.contains("i2"), "{}", problem.detail);
}

#[test]
fn leaving_the_fence_and_wandering_are_one_way() {
    check(
        "exit; wander; wait 1m",
        expect![[r#"
        00:00  RAISED FenceExit Medium | text g1 g2 g3 desk | push g1 | NOTIFYING | call g1
        00:00  RECURRED Wandering ×2 | text g1 g2 g3 desk | push g1
        00:15  call g2
        00:30  g1 call failed (noanswer) | call g3
        00:45  g2 call failed (noanswer)
        01:00  g3 call failed (noanswer) | call g1
    "#]],
    );
    check(
        "wander; wait 5s; exit; wait 1m",
        expect![[r#"
        00:00  RAISED Wandering High | text g1 g2 g3 desk | push g1 | NOTIFYING | call g1
        00:05  updated Wandering ×2
        00:15  call g2
        00:30  g1 call failed (noanswer) | call g3
        00:45  g2 call failed (noanswer)
        01:00  g3 call failed (noanswer) | call g1
    "#]],
    );
}

#[test]
fn a_notice_is_for_the_doctor_and_calls_and_reminds_nobody() {
    check(
        "notice; wait 48h; notice; wait 24h",
        expect![[r#"
        00:00  RAISED BloodPressureWatch Low | text d1 | NOTIFYING
        2880:00  updated BloodPressureWatch ×2
    "#]],
    );
    let home = Home { doctor: None, ..Home::default() };
    crate::ward::check_at(
        home,
        "notice; wait 1h",
        expect![[r#"
        00:00  RAISED BloodPressureWatch Low | text g1 g2 g3 | push g1 | NOTIFYING
    "#]],
    );
}
