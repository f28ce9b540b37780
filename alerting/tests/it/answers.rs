//! What people answer, and what follows.

use expect_test::expect;
use model::{AttemptId, AttemptOutcome, Channel};

use crate::ward::{Home, Ward, check};

#[test]
fn a_key_takes_the_lease_and_stops_the_calls() {
    check(
        "sos; wait 16s; key g2 1; wait 9m",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:16  g2 confirmed | ACKNOWLEDGED by g2 (voice) | cancel-call g1 | text-taken g1 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
}

#[test]
fn a_reply_or_a_tap_acknowledges() {
    check(
        "sos; wait 5s; reply g2 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  g2 confirmed | ACKNOWLEDGED by g2 (sms) | cancel-call g1 | text-taken g1 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
    check(
        "sos; wait 5s; reply g3 \u{ff11}。",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  g3 confirmed | ACKNOWLEDGED by g3 (sms) | cancel-call g1 | text-taken g1 g2 desk d1 | bracelet: help_is_coming
    "#]],
    );
    check(
        "sos; wait 5s; tap g1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  g1 confirmed | ACKNOWLEDGED by g1 (push) | cancel-call g1 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
    check(
        "sos; wait 5s; reply desk 收到",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  desk confirmed | ACKNOWLEDGED by desk (sms) | cancel-call g1 | text-taken g1 g2 g3 d1 | bracelet: help_is_coming
    "#]],
    );
}

#[test]
fn other_replies_are_remarks() {
    check(
        "sos; wait 5s; reply g2 我在外地,让老王去; reply g3 2; reply d1 收到; reply g1",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:05  noted '我在外地,让老王去'
            00:05  g3 declined | noted '2'
            00:05  d1 confirmed | ORDER_TAKEN
        "#]],
    );
}

#[test]
fn whoever_writes_that_they_cannot_go_is_not_rung_on_and_the_next_one_is_rung_at_once() {
    check(
        "sos; wait 3s; reply g1 2; wait 1s; reply g3 2; wait 20s; key g1 1",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:03  g1 declined | cancel-call g1 | call g2 | noted '2'
            00:04  g3 declined | noted '2'
            00:24  g1 confirmed | ACKNOWLEDGED by g1 (voice) | cancel-call g2 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
        "#]],
    );
}

#[test]
fn who_says_before_their_turn_that_they_cannot_go_has_had_it_and_is_rung_last_from_then_on() {
    // g2 is passed over in this round, and comes after the others in the next one.
    check(
        "sos; wait 3s; reply g2 2; wait 1s; busy g1; wait 1s; busy g3; wait 57s; busy g1; wait 4s; busy g3; wait 1s",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:03  g2 declined | noted '2'
            00:04  g1 call failed (busy) | call g3
            00:05  g3 call failed (busy)
            01:00  call g1
            01:02  g1 call failed (busy)
            01:04  call g3
            01:06  g3 call failed (busy) | call g2
        "#]],
    );
    // So does who pressed 2, but not who only rejected the call.
    check(
        "sos; wait 3s; key g1 2; wait 1s; declined g2; wait 1s; busy g3; wait 58s; busy g2; wait 2s; busy g3; wait 1s",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:03  g1 declined | call g2
            00:04  g2 declined | call g3
            00:05  g3 call failed (busy)
            01:03  call g2
            01:03  g2 call failed (busy)
            01:04  call g3
            01:05  g3 call failed (busy) | call g1
        "#]],
    );
    // It happened again, or nobody came: they are asked anew, and rung as registered.
    check(
        "sos; wait 3s; reply g1 2; wait 2s; key g2 1; wait 10m; wait 1s; busy g3; wait 1s; busy g1",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:03  g1 declined | cancel-call g1 | call g2 | noted '2'
            00:05  g2 confirmed | ACKNOWLEDGED by g2 (voice) | text-taken g1 g3 desk d1 | bracelet: help_is_coming
            10:05  LEASE_EXPIRED | text-again g1 g2 g3 desk d1 | push-again g1 | call g3
            10:06  g3 call failed (busy) | call g1
            10:07  g1 call failed (busy) | call g2
        "#]],
    );
    check(
        "sos; wait 3s; reply g1 2; wait 2s; key g2 1; wait 5s; sos; busy g3; wait 60s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:03  g1 declined | cancel-call g1 | call g2 | noted '2'
        00:05  g2 confirmed | ACKNOWLEDGED by g2 (voice) | text-taken g1 g3 desk d1 | bracelet: help_is_coming
        00:10  RECURRED Sos ×2 | text g1 g2 g3 desk d1 | push g1 | call g3 | bracelet: locate
        00:10  g3 call failed (busy)
        01:00  call g1
    "#]],
    );
}

#[test]
fn when_everybody_says_that_they_cannot_go_it_is_the_desks_at_once() {
    check(
        "sos; wait 3s; reply g2 2; wait 1s; key g1 2; wait 2s; reply g3 2; wait 10s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:03  g2 declined | noted '2'
        00:04  g1 declined | call g3
        00:06  g3 declined | cancel-call g3 | EXHAUSTED | text desk s1 | call desk s1 | noted '2'
    "#]],
    );
    // Also from the last of whom anything was hoped, while the phones rest.
    check(
        "sos; key g1 2; wait 1s; key g2 2; wait 1s; busy g3; wait 5s; reply g3 2",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:00  g1 declined | call g2
        00:01  g2 declined | call g3
        00:02  g3 call failed (busy)
        00:07  g3 declined | EXHAUSTED | text desk s1 | call desk s1 | noted '2'
    "#]],
    );
    // Where nobody is on a desk, they are rung all the same.
    crate::ward::check_at(
        Home::default().guardians(&["+8613800000001"]).no_desk(),
        "sos; wait 3s; key g1 2; ended g1; wait 58s",
        expect![[r#"
            00:00  RAISED Sos High | text g1 d1 | NOTIFYING | call g1 | bracelet: locate
            00:03  g1 declined
            00:03  g1 ended
            01:00  call g1
        "#]],
    );
}

#[test]
fn a_second_acknowledgement_hears_who_holds_it() {
    check(
        "sos; wait 20s; key g2 1; wait 1s; key g1 1; key g1 1; reply g3 1; reply g3 1; acknowledge by s1",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:15  call g2
            00:20  g2 confirmed | ACKNOWLEDGED by g2 (voice) | cancel-call g1 | text-taken g1 g3 desk d1 | bracelet: help_is_coming
            00:21  g1 confirmed | text-taken g1
            00:21  g3 confirmed
            00:21  refused 409 已由 王强 确认, held by g2
        "#]],
    );
    // The holder needs not be told.
    check(
        "sos; wait 2s; key g1 1; reply g1 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:02  g1 confirmed | ACKNOWLEDGED by g1 (voice) | text-taken g2 g3 desk d1 | bracelet: help_is_coming
        00:02  g1 confirmed
    "#]],
    );
}

#[test]
fn a_lease_that_runs_out_goes_on_with_the_next() {
    check(
        "sos; wait 16s; key g2 1; wait 10m; wait 16s; key g3 1; wait 9m; extend by g3; wait 9m; arrive by g3; wait 1h",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:15  call g2
            00:16  g2 confirmed | ACKNOWLEDGED by g2 (voice) | cancel-call g1 | text-taken g1 g3 desk d1 | bracelet: help_is_coming
            10:16  LEASE_EXPIRED | text-again g1 g2 g3 desk d1 | push-again g1 | call g3
            10:31  call g1
            10:32  g3 confirmed | ACKNOWLEDGED by g3 (voice) | cancel-call g1 | text-taken g1 g2 desk d1 | bracelet: help_is_coming
            19:32  ACKNOWLEDGED by g3 (voice)
            28:32  ON_SITE g3
        "#]],
    );
}

#[test]
fn a_lease_of_the_desk_that_runs_out_begins_new_rounds() {
    let mut home = Home::default();
    home.plan.cycles = 1;
    crate::ward::check_at(
        home,
        "sos; wait 46s; key s1 1; wait 10m; wait 46s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:30  g1 call failed (noanswer) | call g3
        00:45  g2 call failed (noanswer) | EXHAUSTED | text desk s1 | call desk s1
        00:46  s1 confirmed | ACKNOWLEDGED by s1 (voice) | cancel-call g3 desk | text-taken g1 g2 g3 desk d1 | bracelet: help_is_coming
        10:46  LEASE_EXPIRED | text-again g1 g2 g3 desk d1 s1 | push-again g1 | call g1
        11:01  call g2
        11:16  g1 call failed (noanswer) | call g3
        11:31  g2 call failed (noanswer) | EXHAUSTED | text desk s1 | call desk s1
    "#]],
    );
}

#[test]
fn late_receipts_never_move_an_attempt_backwards() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; wait 5s; answered g1; wait 1s; key g1 1");
    let before = ward.alerting.clone();
    ward.play("answered g1; ended g1; no_answer g1; busy g1; declined g1; receipt delivered d1; receipt delivered d1");
    let id = ward.latest(Channel::Voice, "g1");
    assert_eq!(ward.alerting.attempt(id), before.attempt(id));
    assert_eq!(ward.alerting.incident(before.attempt(id).unwrap().incident.unwrap()), before.open_incidents().next());
    // Of an attempt that nobody knows nothing comes.
    let count = ward.outputs.len();
    ward.callback(AttemptId::new(0, 999), AttemptOutcome::Key, Some("1"), None);
    ward.callback(id, AttemptOutcome::Key, None, None);
    assert_eq!(ward.outputs.len(), count);
}

#[test]
fn nothing_acknowledges_what_has_ended() {
    check(
        "sos; wait 5s; resolve by s1 false_alarm; key g1 1; reply g2 1; wait 1h",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  RESOLVED | cancel-call g1 | text-ended g1 g2 g3 desk d1
        00:05  noted '1'
    "#]],
    );
}

#[test]
fn a_callback_may_come_before_the_provider_has_answered() {
    check(
        "providers hold; sos; answered g1; key g1 1; sent voice g1 accepted; wait 1m",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:00  g1 answered
        00:00  g1 confirmed | ACKNOWLEDGED by g1 (voice) | cancel-text g1 g2 g3 desk d1 | cancel-push g1 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
}

#[test]
fn who_answers_while_several_alarms_wait_is_asked_which_one() {
    // Both mothers pressed. A bare 1 takes neither; the code takes the one that is meant, whichever was told last.
    check(
        "sos; wait 1s; sos w2; wait 4s; reply g2 1; wait 3s; reply g2 1; wait 2s; reply g2 1 i1; wait 1s; reply g2 1",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:01  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:05  noted '1' | text-again g2 g2
            00:08  noted '1'
            00:10  g2 confirmed | ACKNOWLEDGED by g2 (sms) | cancel-call g1 | text-taken g1 g3 desk d1 | bracelet: help_is_coming
            00:11  noted '1'
        "#]],
    );
    // A doctor takes the order that they name, and a desk that they go; a code of somebody else's alarm is a remark.
    check(
        "bp; bp w2; reply d1 收到; reply d1 收到i2; reply d1 收到; reply desk 1 i9",
        expect![[r#"
        00:00  RAISED BloodPressureHigh High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1
        00:00  RAISED BloodPressureHigh High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1
        00:00  noted '收到' | text-again d1 d1
        00:00  d1 confirmed | ORDER_TAKEN
        00:00  d1 confirmed | ORDER_TAKEN
        00:00  noted '1 i9'
    "#]],
    );
    // "Received", to the message that somebody else goes to the one, says nothing about the other.
    check(
        "sos; sos w2; wait 1s; reply g1 1i2; reply g2 收到; reply g3 1i1",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:01  g1 confirmed | ACKNOWLEDGED by g1 (sms) | cancel-call g1 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
            00:01  noted '收到' | text-again g2
            00:01  g3 confirmed | ACKNOWLEDGED by g3 (sms) | cancel-call g1 | text-taken g1 g2 desk d1 | bracelet: help_is_coming
        "#]],
    );
}

#[test]
fn a_battery_of_last_week_keeps_nobody_from_answering() {
    check(
        "battery w2; wait 11m; sos; reply g2 1",
        expect![[r#"
        00:00  RAISED BatteryLow Low | text g1 g2 g3 | push g1 | NOTIFYING
        11:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        11:00  g2 confirmed | ACKNOWLEDGED by g2 (sms) | cancel-call g1 | text-taken g1 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
    check(
        "battery w2; wait 9m; sos; reply g2 1",
        expect![[r#"
        00:00  RAISED BatteryLow Low | text g1 g2 g3 | push g1 | NOTIFYING
        09:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        09:00  noted '1' | text-again g2 g2
    "#]],
    );
}

#[test]
fn a_phone_that_answers_every_text_is_asked_once_for_each_alert() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; sos w2");
    for _ in 0..20 {
        ward.play("reply g2 收到; wait 2s");
    }
    let asked = |a: &&model::Attempt| a.callee.person.as_str() == "g2" && a.text.contains("请回复“1 i");
    assert_eq!(ward.started.iter().filter(asked).count(), 2, "the answer to a question is not asked about");
}

#[test]
fn who_stands_on_many_alarms_is_asked_about_the_gravest() {
    let mut ward = Ward::new(Home::default());
    for n in 2..9 {
        ward.play(&format!("exit w{n}"));
    }
    ward.play("sos; reply desk 1");
    let asked: Vec<_> = ward.started.iter().filter(|a| a.text.contains("请回复“1 i")).collect();
    assert_eq!(asked.len(), alerting::ASKED_MAX);
    assert_eq!(asked[0].kind, model::IncidentKind::Sos);
    assert!(asked[0].text.contains(&asked[0].incident.unwrap().to_string()), "{}", asked[0].text);
}

#[test]
fn who_said_that_they_are_going_can_take_it_back() {
    let stories = [
        "sos; wait 5s; key g1 1; wait 20s; key g1 2; wait 15s",
        "sos; wait 5s; reply g2 1; wait 20s; reply g2 2; wait 1s",
        "sos; wait 16s; key g1 1; wait 20s; key g2 2; reply g2 2; wait 1s",
        "sos; wait 5s; key g1 1; arrive by g1; wait 20s; key g1 2; wait 1s",
    ];
    let told = stories.map(|story| {
        let mut ward = Ward::new(Home::default());
        ward.play(story);
        ward.told()
    });
    expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  g1 confirmed | ACKNOWLEDGED by g1 (voice) | text-taken g2 g3 desk d1 | bracelet: help_is_coming
        00:25  LEASE_EXPIRED | text-again g2 g3 desk d1 | call g2
        00:40  call g3

        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  g2 confirmed | ACKNOWLEDGED by g2 (sms) | cancel-call g1 | text-taken g1 g3 desk d1 | bracelet: help_is_coming
        00:25  LEASE_EXPIRED | text-again g1 g3 desk d1 | push-again g1 | call g3 | noted '2'

        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:16  g1 confirmed | ACKNOWLEDGED by g1 (voice) | cancel-call g2 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
        00:36  g2 declined
        00:36  g2 declined | noted '2'

        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  g1 confirmed | ACKNOWLEDGED by g1 (voice) | text-taken g2 g3 desk d1 | bracelet: help_is_coming
        00:05  ON_SITE g1
        00:25  LEASE_EXPIRED | text-again g2 g3 desk d1 | call g2
    "#]].assert_eq(&told.join("\n"));
}
