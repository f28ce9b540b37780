//! Traps that other systems fell into (reference, "Traps seen in other systems"): each must not close again. Those of
//! the door, the fence and the rules are tried where they would be built.

use expect_test::expect;
use model::{AttemptState, Channel, EventKind, Purpose};

use crate::ward::{Home, Ward, check, check_at};

fn texts(ward: &Ward, purpose: Purpose) -> usize {
    ward.started.iter().filter(|a| a.channel == Channel::Sms && a.purpose == purpose).count()
}

#[test]
fn an_sos_older_than_the_last_position_calls() {
    let mut ward = Ward::new(Home::default());
    ward.play("located 31.83 117.23; late_sos");
    assert_eq!(ward.rung("g1"), [0]);
}

#[test]
fn an_sos_right_after_an_sos_is_no_repeat() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; sos");
    let incident = ward.alerting.open_incidents().next().unwrap();
    assert_eq!((incident.occurrence_count, incident.occurrences.len()), (2, 2), "nor hidden in the first");
    assert_eq!(texts(&ward, Purpose::Alert), 10, "everybody hears of both");
}

#[test]
fn a_button_that_is_held_down_does_not_use_up_what_providers_let_a_number_have() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; wait 1s; sos; wait 1s; sos; wait 1s; sos; wait 1s; sos");
    let incident = ward.alerting.open_incidents().next().unwrap();
    assert_eq!((incident.occurrence_count, incident.occurrences.len()), (5, 5), "each stands in it");
    assert_eq!(texts(&ward, Purpose::Alert), 15, "everybody is texted of three");
    ward.play("wait 60s; sos");
    assert_eq!(texts(&ward, Purpose::Alert), 20, "and of one a minute later");
    ward.play("acknowledge by g2; sos");
    assert_eq!(texts(&ward, Purpose::Alert), 25, "that it undoes an acknowledgement is told at once");
}

#[test]
fn an_event_of_an_hour_ago_is_told_with_its_own_time() {
    let mut ward = Ward::new(Home::default());
    ward.play("late_sos");
    let text = &ward.started[0].text;
    assert!(text.contains("07:00"), "when it was measured, not when it came: {text}");
}

#[test]
fn a_cap_is_told_and_not_only_logged() {
    // A number that is used up passes its contact over; the incident goes on to the desk, in the feed.
    let mut ward = Ward::new(Home::default());
    ward.play("exit w2; wait 2m; exit w3; wait 1s");
    let exhausted = |o: &alerting::Output| {
        matches!(o, alerting::Output::Incident { kind: EventKind::IncidentExhausted, incident, .. }
            if incident.wearer.as_str() == "w3")
    };
    assert!(ward.outputs.iter().any(|(_, output)| exhausted(output)));
}

#[test]
fn a_message_is_tried_for_half_an_hour_not_for_thirty_seconds() {
    let mut ward = Ward::new(Home::default());
    ward.play("providers hold; sos; acknowledge by g2");
    let id = ward.latest(Channel::Sms, "g1");
    let mut tries = 0;
    while let Some(attempt) = ward.alerting.attempt(id).filter(|attempt| attempt.wants_sending()) {
        ward.now = ward.now.max(attempt.not_before);
        ward.play("sent sms g1 retry 1s");
        tries += 1;
    }
    assert_eq!(tries, alerting::MESSAGE_SENDS_MAX);
    assert!(ward.now.millis_since(model::Timestamp::parse(crate::ward::START).unwrap()) > 1_200_000);
}

#[test]
fn the_first_sos_is_not_grouped_with_anything() {
    let mut ward = Ward::new(Home::default());
    ward.play("battery; exit; sos");
    let first = ward.started.iter().filter(|a| a.kind == model::IncidentKind::Sos);
    assert!(first.clone().count() >= 7 && first.clone().all(|a| a.not_before == ward.now));
    assert!(first.clone().all(|a| a.lane == model::Lane::Alarm));
    let others = ward.started.iter().filter(|a| a.kind != model::IncidentKind::Sos);
    assert!(others.clone().count() > 0 && others.clone().all(|a| a.lane == model::Lane::Routine));
}

#[test]
fn a_call_whose_time_went_by_unsent_is_sent_all_the_same() {
    let mut ward = Ward::new(Home::default().guardians(&["+8613800000001"]));
    ward.play("providers hold; sos; wait 40s");
    let call = ward.alerting.attempt(ward.latest(Channel::Voice, "g1")).unwrap();
    assert_eq!(call.state, AttemptState::Pending);
}

#[test]
fn an_empty_step_waits_for_nothing() {
    check_at(
        Home::default().guardians(&["", "not a number", "+8613800000003"]),
        "sos; busy g3",
        expect![[r#"
        00:00  RAISED Sos High | text g3 desk d1 | NOTIFYING | call g3 | bracelet: locate
        00:00  g3 call failed (busy)
    "#]],
    );
}

#[test]
fn a_restart_pauses_nothing() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; wait 10s; restart; wait 5s; restart; wait 15s; restart; wait 4m");
    let mut same = Ward::new(Home::default());
    same.play("sos; wait 10s; wait 5s; wait 15s; wait 4m");
    assert_eq!(ward.told(), same.told());
}

#[test]
fn nothing_alerts_after_the_acknowledgement() {
    check(
        "providers hold; sos; wait 1s; sent voice g1 accepted; key g1 1; wait 9m",
        expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:01  g1 confirmed | ACKNOWLEDGED by g1 (voice) | cancel-text g1 g2 g3 desk d1 | cancel-push g1 | text-taken g2 g3 desk d1 | bracelet: help_is_coming
    "#]],
    );
}

#[test]
fn people_who_share_a_phone_are_told_once() {
    let mut ward = Ward::new(Home::default().guardians(&["+8613800000001", "+8613800000001", "+8613800000001"]));
    ward.play("sos; wait 59s");
    let to_it = |channel| ward.started.iter().filter(|a| a.channel == channel && a.to.0 == "+8613800000001").count();
    assert_eq!((to_it(Channel::Sms), to_it(Channel::Voice)), (1, 1));
}

#[test]
fn late_receipts_never_move_an_attempt_backwards() {
    let orders =
        ["receipt delivered g1", "receipt failed g1", "sent sms g1 accepted", "sent sms g1 unknown", "reply g1 1"];
    for i in 0..orders.len() {
        for j in 0..orders.len() {
            for k in 0..orders.len() {
                let mut ward = Ward::new(Home::default());
                ward.play("sos");
                let id = ward.latest(Channel::Sms, "g1");
                let mut rank = 0;
                for order in [i, j, k].map(|n| orders[n]) {
                    ward.callback_of(id, order);
                    let now = ward.alerting.attempt(id).unwrap().state.rank();
                    assert!(now >= rank, "{} after {order}", orders[i]);
                    rank = now;
                }
            }
        }
    }
}
