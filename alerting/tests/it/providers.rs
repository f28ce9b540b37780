//! Several providers for one channel, and how often one number may be called.

use expect_test::expect;
use model::{AttemptState, Channel};

use crate::ward::{Home, Ward, check};

#[test]
fn a_call_that_one_provider_refuses_goes_to_the_next_at_once() {
    check(
        "providers hold; sos; sent voice g1 retry 60s at a left; sent voice g1 final at b left; \
         sent voice g1 accepted; wait 14s; sent voice g1 accepted",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:00  call-retry-in-0s g1
            00:00  call-retry-in-0s g1
        "#]],
    );
    // None is left: the next contact.
    check(
        "providers hold; sos; sent voice g1 retry 60s at a left; sent voice g1 final",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:00  call-retry-in-0s g1
        00:00  g1 call failed (failed) | call g2
    "#]],
    );
}

#[test]
fn the_desk_is_rung_again_soon_where_its_call_was_refused_for_now() {
    check(
        "sos; key g1 2; key g2 2; providers hold; key g3 2; sent voice desk retry 5s; wait 61s; sent voice desk accepted",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:00  g1 declined | call g2
            00:00  g2 declined | call g3
            00:00  g3 declined | EXHAUSTED | text desk s1 | call desk s1
            00:00  desk call failed (failed) | call desk
        "#]],
    );
    check(
        "sos; key g1 2; key g2 2; providers hold; key g3 2; sent voice desk final; wait 61s",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:00  g1 declined | call g2
        00:00  g2 declined | call g3
        00:00  g3 declined | EXHAUSTED | text desk s1 | call desk s1
        00:00  desk call failed (failed)
    "#]],
    );
}

#[test]
fn an_unknown_end_is_tried_once_more_with_the_same_provider_before_another_is() {
    let mut ward = Ward::new(Home::default());
    ward.play("providers hold; sos");
    let id = ward.latest(Channel::Voice, "g1");
    let passed_over = |ward: &Ward| {
        let attempt = ward.alerting.attempt(id).unwrap();
        (attempt.sends, attempt.passed_over.join(" "))
    };
    ward.play("sent voice g1 unknown at a left");
    assert_eq!(passed_over(&ward), (1, String::new()));
    ward.play("sent voice g1 unknown at a left");
    assert_eq!(passed_over(&ward), (2, "a".to_owned()));
    ward.play("sent voice g1 unknown");
    assert_eq!(passed_over(&ward), (3, "a".to_owned()));
    ward.play("sent voice g1 unknown");
    assert_eq!(ward.alerting.attempt(id).unwrap().state, AttemptState::Failed);
    assert_eq!(ward.rung("g2"), [0], "and the next contact is rung");
}

#[test]
fn a_call_whose_answers_were_lost_may_ring_all_the_same_and_a_key_from_it_counts() {
    let mut ward = Ward::new(Home::default());
    ward.play("providers hold; sos; sent voice g1 unknown; sent voice g1 unknown");
    let id = ward.latest(Channel::Voice, "g1");
    assert_eq!(ward.alerting.attempt(id).unwrap().state, AttemptState::Failed);
    ward.play("wait 6s; key g1 1");
    assert_eq!(ward.alerting.attempt(id).unwrap().state, AttemptState::Confirmed);
    // One that its provider refused cannot ring: what claims to come from it counts for nothing.
    let mut ward = Ward::new(Home::default());
    ward.play("providers hold; sos; sent voice g1 final; wait 6s; key g1 1");
    let id = ward.latest(Channel::Voice, "g1");
    assert_eq!(ward.alerting.attempt(id).unwrap().state, AttemptState::Failed);
}

#[test]
fn a_text_asks_every_provider_before_it_waits() {
    let mut ward = Ward::new(Home::default());
    ward.play("providers hold; sos; sent sms g1 retry 5s at a left; sent sms g1 retry 5s");
    let attempt = ward.alerting.attempt(ward.latest(Channel::Sms, "g1")).unwrap();
    assert_eq!(attempt.not_before, ward.now.plus_seconds(5));
    assert!(attempt.passed_over.is_empty(), "from the first one again");
}

#[test]
fn what_is_no_emergency_rings_a_number_twice_an_hour_at_most() {
    let mut ward = Ward::new(Home::default());
    ward.play("bp; wait 50m; exit; wait 5m");
    for person in ["g1", "g2", "g3", "desk", "s1"] {
        assert_eq!(ward.rung(person).len(), 2, "{person}");
    }
    // The desk is told all the same, by text.
    let texts = ward.started.iter().filter(|a| a.channel == Channel::Sms && a.callee.person.as_str() == "s1");
    assert!(texts.count() >= 5);
    // After the hour it may ring again.
    ward.play("wait 60m");
    assert!(ward.rung("s1").len() > 2);
}

#[test]
fn what_an_sos_rang_is_not_missing_to_a_blood_pressure_crisis() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; wait 5m; acknowledge by g2");
    let before = ward.rung("g1").len();
    assert!(before >= 2);
    ward.play("resolve by s1 helped; bp; wait 5m");
    assert_eq!(ward.rung("g1").len(), before + 2, "an SOS uses nothing up of what routine may ring");
}

#[test]
fn an_sos_that_comes_after_more_than_an_incident_shows_is_one_all_the_same() {
    let mut ward = Ward::new(Home::default());
    ward.play(&vec!["bp"; model::incident::OCCURRENCES_MAX + 1].join("; "));
    ward.play("sos; wait 1s");
    let incident = ward.alerting.open_incidents().next().unwrap();
    assert!(incident.occurrences.iter().all(|occurrence| !occurrence.kind.opens_case()), "it is not shown");
    assert!(incident.is_emergency());
}

#[test]
fn the_cap_counts_over_all_wearers_and_never_stops_an_sos_or_a_fall() {
    let mut ward = Ward::new(Home::default());
    ward.play("exit w2; wait 3m; exit w3; wait 1s");
    assert_eq!(ward.rung("g1").len(), 2, "the second wearer's fence finds the number used up");
    ward.play("sos; wait 5m");
    assert_eq!(ward.rung("g1").len(), 7);
    ward.play("fall w4; wait 1s");
    assert_eq!(ward.rung("g1").len(), 8);
}
