//! What the watchdog sent of its own while the engine was silent, as the engine hears of it.

use alerting::Input;
use expect_test::expect;
use model::{Attempt, AttemptId, AttemptState, Channel, IncidentId};

use crate::ward::{Home, Ward};

/// A message of the watchdog's: like the newest to `like` over this channel, but to somebody else, some seconds ago.
fn sent(ward: &Ward, channel: Channel, like: &str, to: &str, ago: i64) -> Attempt {
    let model = ward.alerting.attempt(ward.latest(channel, like)).unwrap();
    let contact = ward.home.guardians.iter().find(|guardian| guardian.person.as_str() == to).unwrap();
    let mut attempt = model.clone();
    attempt.id = AttemptId::new(63, 40);
    attempt.callee.person = contact.person.clone();
    attempt.to = contact.phone.clone().unwrap();
    attempt.state = AttemptState::Accepted;
    attempt.created_at = ward.now.plus_millis(-ago * 1_000);
    attempt.reference = Some("CA1".into());
    attempt
}

fn hears_of(ward: &mut Ward, attempt: &Attempt) {
    ward.handle(Input::StoodIn { incident: IncidentId::new(0, 1), attempt });
}

#[test]
fn whom_the_watchdog_called_is_left_alone_for_the_gap_and_stands_in_the_story() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; wait 1s; busy g1");
    let called = sent(&ward, Channel::Voice, "g2", "g3", 20);
    hears_of(&mut ward, &called);
    hears_of(&mut ward, &called);
    // g3 would be next, but was rung 20 s ago; g1's phone has rested first.
    ward.play("busy g2; wait 50s; busy g1; wait 10s");
    expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:01  g1 call failed (busy) | call g2
        00:01  call g3
        00:01  g2 call failed (busy)
        00:11  g3 call failed (noanswer)
        00:41  call g3
        01:00  call g1
    "#]]
    .assert_eq(&ward.told());
    assert_eq!(ward.latest(Channel::Voice, "g3"), AttemptId::new(0, 41), "no later one has its number");
}

#[test]
fn a_key_from_its_call_counts_and_a_call_beside_somebody_who_goes_is_hung_up() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; wait 1s");
    let called = sent(&ward, Channel::Voice, "g1", "g3", 5);
    hears_of(&mut ward, &called);
    ward.play("key g3 1");
    expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:01  call g3
        00:01  g3 confirmed | ACKNOWLEDGED by g3 (voice) | cancel-call g1 | text-taken g1 g2 desk d1 | bracelet: help_is_coming
    "#]].assert_eq(&ward.told());
    for story in ["sos; acknowledge by g2", "sos; resolve by s1 helped"] {
        let mut ward = Ward::new(Home::default());
        ward.play("sos");
        let called = sent(&ward, Channel::Voice, "g1", "g3", 5);
        ward.play(story.trim_start_matches("sos; "));
        hears_of(&mut ward, &called);
        assert_eq!(ward.alerting.attempt(called.id).unwrap().state, AttemptState::Cancelled, "{story}");
    }
}

#[test]
fn what_the_engine_was_about_to_send_is_not_sent_beside_it() {
    for (channel, ago, doubles) in [
        (Channel::Voice, 10, false),
        // That call is long over.
        (Channel::Voice, 100, true),
        (Channel::Sms, 100, false),
    ] {
        let mut ward = Ward::new(Home::default());
        ward.play("providers hold; sos");
        let called = sent(&ward, channel, "g1", "g1", ago);
        hears_of(&mut ward, &called);
        let waits = ward.alerting.pending_attempts().any(|a| a.channel == channel && a.callee.person.as_str() == "g1");
        assert_eq!(waits, doubles, "{channel:?} {ago} s ago");
    }
    // It is the watchdog's call whose turn it is now: its bad news, or a key from it, count.
    for (news, next) in [("wait 1s; busy g1", "call g2"), ("wait 1s; key g1 1", "ACKNOWLEDGED by g1 (voice)")] {
        let mut ward = Ward::new(Home::default());
        ward.play("providers hold; sos");
        let called = sent(&ward, Channel::Voice, "g1", "g1", 10);
        hears_of(&mut ward, &called);
        assert_eq!(ward.latest(Channel::Voice, "g1"), called.id);
        ward.play(news);
        let told = ward.told();
        assert!(told.lines().last().unwrap().contains(next), "{news}: {told}");
    }
}

#[test]
fn what_its_provider_did_not_take_is_nothing() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos");
    let mut called = sent(&ward, Channel::Voice, "g1", "g3", 5);
    called.state = AttemptState::Pending;
    hears_of(&mut ward, &called);
    assert_eq!(ward.alerting.attempt(called.id), None);
}
