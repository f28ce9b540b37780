//! Calling in turn, line by line of the plan.

use expect_test::expect;
use model::{AttemptOutcome, Channel};

use crate::ward::{Home, START, Ward, check, check_at};

#[test]
fn an_sos_tells_everybody_at_once_and_rings_the_first() {
    check(
        "sos",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
    "#]],
    );
}

#[test]
fn without_news_the_next_phone_rings_too() {
    check(
        "sos; wait 45s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:30  g1 call failed (noanswer) | call g3
        00:45  g2 call failed (noanswer)
    "#]],
    );
}

#[test]
fn bad_news_brings_the_next_at_once() {
    check(
        "sos; wait 3s; no_answer g1; wait 2s; busy g2; wait 1s; unreachable g3; wait 1m",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:03  g1 call failed (noanswer) | call g2
        00:05  g2 call failed (busy) | call g3
        00:06  g3 call failed (unreachable)
        01:00  call g1
    "#]],
    );
    check(
        "sos; wait 3s; declined g1; wait 2s; failed g2; wait 1s; key g3 2",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:03  g1 declined | call g2
        00:05  g2 call failed (failed) | call g3
        00:06  g3 declined
    "#]],
    );
}

#[test]
fn each_contact_hands_over_once() {
    // g2 rings since 0:15 because g1 said nothing: that g1 is busy at 0:20 calls nobody else in.
    check(
        "sos; wait 20s; busy g1; wait 12s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:20  g1 call failed (busy)
        00:30  call g3
    "#]],
    );
}

#[test]
fn picking_up_is_no_acknowledgement() {
    // A voicemail: it answers, talks, and hangs up.
    check(
        "sos; wait 4s; answered g1; wait 6s; ended g1; wait 1s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:04  g1 answered
        00:10  g1 ended | call g2
    "#]],
    );
    // A person who listens for long may still press 1, and the next phone rings meanwhile.
    check(
        "sos; wait 4s; answered g1; wait 40s; key g1 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:04  g1 answered
        00:15  call g2
        00:30  call g3
        00:44  g1 confirmed | ACKNOWLEDGED by g1 (voice) | cancel-call g2 g3 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
    // An answered call that no provider ends is listened to for a named time.
    check(
        "sos; wait 4s; answered g1; wait 12s; busy g2; wait 1s; key g3 2; wait 43s; wait 2m; wait 4s; key g1 1",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:04  g1 answered
            00:15  call g2
            00:16  g2 call failed (busy) | call g3
            00:17  g3 declined
            01:04  call g1
            01:19  call g2
            01:34  g1 call failed (noanswer) | call g3
            01:49  g2 call failed (noanswer)
            02:04  g3 call failed (noanswer) | call g1
            02:19  call g2
            02:34  g1 call failed (noanswer) | call g3
            02:49  g2 call failed (noanswer)
            03:04  g1 ended | g3 call failed (noanswer) | call g1
            03:04  g1 confirmed | ACKNOWLEDGED by g1 (voice) | text-taken g2 g3 desk d1 | bracelet: help_is_coming
        "#]],
    );
}

#[test]
fn a_machine_that_answers_does_not_keep_the_desk_waiting() {
    let mut ward = Ward::new(Home::default().guardians(&["+8613800000001"]));
    // It picks up after 4 s every time, and no provider says when it has hung up.
    ward.play("sos");
    for _ in 0..400 {
        ward.wait(1);
        let id = ward.latest(Channel::Voice, "g1");
        let attempt = ward.alerting.attempt(id).unwrap();
        if attempt.state == model::AttemptState::Accepted && ward.now >= attempt.created_at.plus_seconds(4) {
            ward.play("answered g1");
        }
    }
    assert_eq!(ward.rung("g1"), [0, 64, 128, 192, 256]);
    assert_eq!(ward.rung("desk"), [271]);
}

#[test]
fn a_key_from_any_call_that_has_not_ended_counts() {
    check(
        "sos; wait 31s; key g2 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:30  g1 call failed (noanswer) | call g3
        00:31  g2 confirmed | ACKNOWLEDGED by g2 (voice) | cancel-call g3 | text-taken g1 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
    // g1 rang out at 0:30 for us, but nobody said that the call ended.
    check(
        "sos; wait 33s; key g1 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:30  g1 call failed (noanswer) | call g3
        00:33  g1 confirmed | ACKNOWLEDGED by g1 (voice) | cancel-call g2 g3 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
    // Its provider said that it ended: too late.
    check(
        "sos; wait 3s; no_answer g1; wait 1s; key g1 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:03  g1 call failed (noanswer) | call g2
    "#]],
    );
    check(
        "sos; wait 3s; answered g1; ended g1; key g1 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:03  g1 answered
        00:03  g1 ended | call g2
    "#]],
    );
    // Pressed 2, thought better of it; but not after hanging up.
    check(
        "sos; wait 3s; key g1 2; wait 2s; key g1 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:03  g1 declined | call g2
        00:05  g1 confirmed | ACKNOWLEDGED by g1 (voice) | cancel-call g2 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
    check(
        "sos; wait 3s; key g1 2; wait 2s; ended g1; key g1 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:03  g1 declined | call g2
        00:05  g1 ended
    "#]],
    );
    // Any other key: somebody is there and hears it again.
    check(
        "sos; wait 3s; key g1 3; wait 20s; key g1 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:03  g1 answered
        00:15  call g2
        00:23  g1 confirmed | ACKNOWLEDGED by g1 (voice) | cancel-call g2 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
}

#[test]
fn the_same_phone_is_left_alone_for_the_gap() {
    check_at(
        Home::default().guardians(&["+8613800000001"]),
        "sos; busy g1; wait 3m",
        expect![[r#"
        00:00  RAISED Sos High | text g1 desk d1 | NOTIFYING | call g1 | bracelet: locate
        00:00  g1 call failed (busy)
        01:00  call g1
        01:30  g1 call failed (noanswer)
        02:00  call g1
        02:30  g1 call failed (noanswer)
        03:00  call g1
    "#]],
    );
    let mut ward = Ward::new(Home::default().guardians(&["+8613800000001", "+8613800000001"]));
    ward.play("sos; busy g1; wait 10m");
    let mut rung = [ward.rung("g1"), ward.rung("g2")].concat();
    rung.sort_unstable();
    assert!(rung.windows(2).all(|pair| pair[1] - pair[0] >= 60), "one phone, two guardians: {rung:?}");
}

#[test]
fn after_the_rounds_it_is_the_desks_until_a_person_ends_it() {
    let mut home = Home::default();
    home.plan.cycles = 2;
    check_at(
        home,
        "sos; wait 22m; key s1 1; wait 1m; arrive by s1; wait 1h; resolve by s1 helped; wait 2h",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:15  call g2
            00:30  g1 call failed (noanswer) | call g3
            00:45  g2 call failed (noanswer)
            01:00  g3 call failed (noanswer) | call g1
            01:15  call g2
            01:30  g1 call failed (noanswer) | call g3
            01:45  g2 call failed (noanswer) | EXHAUSTED | text desk s1 | call desk s1
            02:00  g3 call failed (noanswer)
            02:15  desk call failed (noanswer) | s1 call failed (noanswer)
            11:45  text-again desk s1 | call-again desk s1
            12:15  desk call failed (noanswer) | s1 call failed (noanswer)
            21:45  text-again desk s1 | call-again desk s1
            22:00  s1 confirmed | ACKNOWLEDGED by s1 (voice) | cancel-call-again desk | text-taken g1 g2 g3 desk d1 | bracelet: help_is_coming
            23:00  ON_SITE s1
            83:00  RESOLVED | text-ended g1 g2 g3 desk d1 s1
        "#]],
    );
}

#[test]
fn a_phone_of_the_desk_that_is_busy_is_rung_again_before_the_next_page() {
    let mut home = Home::default().guardians(&[]);
    home.plan.cycles = 1;
    let mut ward = Ward::new(home);
    ward.play("sos; wait 1s; no_answer desk");
    let first = ward.latest(Channel::Voice, "s1");
    ward.callback(first, AttemptOutcome::Busy, None, None);
    ward.callback(first, AttemptOutcome::Busy, None, None);
    assert_eq!(ward.rung("s1"), [0, 61], "what is told twice is heard once");
    // Each time it has rung for a second.
    ward.play("wait 61s; busy s1; wait 63s; busy s1; wait 126s; busy s1; wait 252s; busy s1; wait 98s");
    assert_eq!(ward.rung("s1"), [0, 61, 124, 250, 502, 600], "the last is the next page");
    assert_eq!(ward.rung("desk"), [0, 600], "who does not answer is not busy");
    ward.play("busy s1; key desk 1; wait 9m");
    assert_eq!(ward.rung("s1").len(), 7);
    let later = ward.started.last().unwrap();
    let put_off = ward.alerting.attempt(later.id);
    assert!(put_off.is_none_or(|attempt| !attempt.wants_sending()), "somebody goes: {put_off:?}");
}

#[test]
fn contacts_without_a_usable_number_cost_no_time_and_are_flagged() {
    let home = Home::default().guardians(&["", "12", "+8613800000003"]);
    let mut ward = Ward::new(home);
    ward.play("sos");
    assert_eq!(ward.rung("g3"), [0]);
    let incident = ward.alerting.open_incidents().next().unwrap();
    assert_eq!(format!("{:?}", incident.contacts_to_fix), r#"["g1", "g2"]"#);
    assert!(!incident.unreachable);
}

#[test]
fn without_guardians_the_desk_is_called_at_once() {
    check_at(
        Home::default().guardians(&[]),
        "sos; wait 10m",
        expect![[r#"
        00:00  RAISED Sos High | text desk d1 s1 | NOTIFYING | EXHAUSTED | call desk s1 | bracelet: locate
        00:30  desk call failed (noanswer) | s1 call failed (noanswer)
        10:00  text-again desk s1 | call-again desk s1
    "#]],
    );
    check_at(
        Home::default().guardians(&["", "110"]),
        "sos",
        expect![[r#"
        00:00  RAISED Sos High | text desk d1 s1 | NOTIFYING | EXHAUSTED | call desk s1 | bracelet: locate
    "#]],
    );
}

#[test]
fn the_console_of_whoever_watches_rings_before_the_desks_phones() {
    let desk = |story: &str| {
        let mut ward = Ward::new(Home::default().guardians(&[]));
        ward.play(story);
        let start = model::Timestamp::parse(START).unwrap();
        let calls = ward.started.iter().filter(|attempt| attempt.channel == Channel::Voice);
        calls.map(|a| format!("{} {}", a.callee.person, a.created_at.millis_since(start) / 1000)).collect::<Vec<_>>()
    };
    for (story, calls) in [
        ("sos; wait 60s", &["desk 0", "s1 0"][..]),
        ("watch s9 /luyang/; sos; wait 60s", &["desk 30", "s1 30"]),
        ("watch s9 /luyang/xinghua/jinghu/; sos; wait 60s", &["desk 0", "s1 0"]),
        ("watch s9 /luyang/; wait 61s; sos; wait 60s", &["desk 61", "s1 61"]),
        ("watch s9 /luyang/; sos; wait 29s; acknowledge by s9; wait 120s", &[]),
        ("watch s9 /luyang/; sos; wait 10s; restart; wait 60s", &["desk 30", "s1 30"]),
        ("watch s9 /luyang/; sos; wait 11m", &["desk 30", "s1 30", "desk 630", "s1 630"]),
    ] {
        assert_eq!(desk(story), calls, "{story}");
    }
    // Who hands it to the desk has it before them already: `latest` fails where nobody was rung.
    let mut ward = Ward::new(Home::default());
    ward.play("watch s9 /luyang/; sos; escalate by s9");
    ward.latest(Channel::Voice, "desk");
}

#[test]
fn without_a_desk_it_says_so_and_tries_the_guardians_again() {
    let mut home = Home::default().guardians(&["+8613800000001", "+8613800000002"]).no_desk();
    home.plan.cycles = 1;
    check_at(
        home,
        "sos; wait 11m; key g2 1",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 d1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:30  g1 call failed (noanswer) | EXHAUSTED, UNREACHABLE
        00:45  g2 call failed (noanswer)
        10:30  text-again g1 g2 | call g1 g2
        11:00  g1 call failed (noanswer) | g2 call failed (noanswer)
        11:00  g2 confirmed | ACKNOWLEDGED by g2 (voice) | text-taken g1 d1 | bracelet: help_is_coming
    "#]],
    );
    check_at(
        Home::default().guardians(&[]).no_desk(),
        "sos; wait 21m",
        expect![[r#"
        00:00  RAISED Sos High | text d1 | NOTIFYING | EXHAUSTED, UNREACHABLE | bracelet: locate
    "#]],
    );
}

#[test]
fn the_fourth_phone_rings_within_45_seconds_whatever_the_first_three_do() {
    let phones = ["+8613800000001", "+8613800000002", "+8613800000003", "+8613800000004"];
    // What a dead phone does, and after how many seconds.
    let deaths = [
        ("busy", 1),
        ("no_answer", 14),
        ("no_answer", 29),
        ("declined", 15),
        ("unreachable", 16),
        ("voicemail", 7),
        ("silent", 0),
        ("provider final", 0),
        ("provider retry", 0),
        ("provider unknown", 5),
    ];
    for first in &deaths {
        for second in &deaths {
            for third in &deaths {
                let mut ward = Ward::new(Home::default().guardians(&phones));
                ward.providers_accept = false;
                ward.play("sos");
                let mut done = [false; 3];
                for second_passed in 0..=45 {
                    // All that is due at this second, also what its own news brings.
                    for _ in 0..3 {
                        for (i, (death, after)) in [first, second, third].into_iter().enumerate() {
                            let person = format!("g{}", i + 1);
                            let Some(rung_at) = ward.rung(&person).first().copied() else { continue };
                            if done[i] || second_passed < rung_at + after {
                                continue;
                            }
                            done[i] = true;
                            match *death {
                                "silent" => {}
                                "voicemail" => {
                                    ward.play(&format!("sent voice {person} accepted; answered {person}"));
                                    ward.play(&format!("ended {person}"));
                                }
                                "provider final" => ward.play(&format!("sent voice {person} final")),
                                "provider retry" => ward.play(&format!("sent voice {person} retry 60s")),
                                "provider unknown" => {
                                    ward.play(&format!("sent voice {person} unknown; sent voice {person} unknown"));
                                }
                                outcome => ward.play(&format!("sent voice {person} accepted; {outcome} {person}")),
                            }
                        }
                    }
                    ward.wait(1);
                }
                let rung = ward.rung("g4");
                assert!(
                    rung.first().is_some_and(|at| *at <= 45),
                    "{first:?} {second:?} {third:?}: g4 rang at {rung:?}"
                );
            }
        }
    }
}

#[test]
fn a_provider_that_does_not_take_a_call_brings_the_next_at_once() {
    check(
        "providers hold; sos; sent voice g1 retry 30s; sent voice g2 final",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:00  g1 call failed (failed) | call g2
        00:00  g2 call failed (failed) | call g3
    "#]],
    );
    // Not known whether it was taken: again once, then the next.
    check(
        "providers hold; sos; wait 5s; sent voice g1 unknown; wait 6s; sent voice g1 unknown",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:05  call-retry-in-1s g1
        00:11  g1 call failed (unknown) | call g2
    "#]],
    );
}

#[test]
fn a_call_that_was_never_sent_waits_on_and_nobody_waits_for_it() {
    let mut ward = Ward::new(Home::default());
    ward.play("providers hold; sos; wait 70s");
    let pending = |ward: &Ward| {
        let calls = ward.alerting.pending_attempts().filter(|a| a.channel == Channel::Voice);
        calls.map(|a| (a.callee.person.to_string(), a.cycle)).collect::<Vec<_>>()
    };
    // The second round replaced g1's call of the first: one is enough when the provider is back.
    assert_eq!(pending(&ward), [("g2".to_owned(), 1), ("g3".to_owned(), 1), ("g1".to_owned(), 2)]);
    ward.play("key g2 1");
    assert_eq!(pending(&ward), []);
}

#[test]
fn a_text_that_a_provider_refuses_for_now_is_sent_again() {
    check(
        "providers hold; sos; sent sms g1 retry 30s; wait 2s; sent sms g1 unknown; wait 2s; sent sms g1 accepted; \
         receipt delivered g1; receipt failed g1; receipt delivered g1; sent sms g2 final; sent sms g2 accepted",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:00  text-retry-in-30s g1
            00:02  text-retry-in-2s g1
            00:04  g1 delivered
            00:04  g1 text failed (failed)
            00:04  g2 text failed (failed)
        "#]],
    );
    let mut ward = Ward::new(Home::default());
    ward.play("providers hold; sos");
    for _ in 0..alerting::MESSAGE_SENDS_MAX {
        ward.play("sent sms g1 unknown");
    }
    let id = ward.latest(Channel::Sms, "g1");
    assert_eq!(ward.alerting.attempt(id).unwrap().state, model::AttemptState::Failed, "not for ever");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    check(
        "sos; wait 16s; restart; wait 30s; restart; key g3 1; restart; wait 10m; restart",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:30  g1 call failed (noanswer) | call g3
        00:45  g2 call failed (noanswer)
        00:46  g3 confirmed | ACKNOWLEDGED by g3 (voice) | text-taken g1 g2 desk d1 | bracelet: help_is_coming
        10:46  LEASE_EXPIRED | text-again g1 g2 g3 desk d1 | push-again g1 | call g1
    "#]],
    );
    let mut ward = Ward::new(Home::default());
    ward.play("providers hold; sos");
    // Twenty minutes later, in one step: everything that was due is due once, not forty times.
    ward.now = ward.now.plus_seconds(1_200);
    let outputs = ward.alerting.advance(ward.now, &mut ward.counters);
    let calls = outputs
        .iter()
        .filter(|o| matches!(o, alerting::Output::Attempt { kind: model::EventKind::AttemptStarted, .. }));
    assert_eq!(calls.count(), 1);
}
