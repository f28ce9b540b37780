//! Over what people are told: mail for the doctor and for who has no number, and the community's group by its robot.

use expect_test::expect;
use model::registry::DailyWindow;
use model::{Channel, Destination, Language};

use crate::ward::{Home, Ward, check_at, contact};

/// The first guardian has a number, the second only a mail address; the doctor has both; the community has a group.
fn home() -> Home {
    let mut home = Home::default();
    home.guardians[0].push = None;
    home.guardians[0].email = Some(Destination("g1@example.org".into()));
    home.guardians[1] = contact("g2", "王强", "");
    home.guardians[1].email = Some(Destination("g2@example.org".into()));
    home.guardians.truncate(2);
    if let Some(doctor) = &mut home.doctor {
        doctor.email = Some(Destination("d1@example.org".into()));
    }
    let mut group = contact("group", "银杏社区", "");
    group.robot = Some(Destination("yinxing".into()));
    home.group = Some(group);
    home
}

#[test]
fn a_mail_reaches_who_has_no_number_and_the_doctor_and_the_group_hears_it_all() {
    check_at(
        home(),
        "bp; wait 16s; key g1 1; wait 10m; arrive by s1; resolve by s1 helped",
        expect![[r#"
            00:00  RAISED BloodPressureHigh High | text g1 desk d1 | mail g2 d1 | robot group | NOTIFYING | call g1
            00:16  g1 confirmed | ACKNOWLEDGED by g1 (voice) | mail-taken g2 | text-taken desk d1 | robot-taken group | cuff: help_is_coming
            10:16  LEASE_EXPIRED | text-again g1 desk d1 | mail-again g2 d1 | robot-again group | call g1
            10:16  ON_SITE s1 | cancel-call g1 | text-taken g1 desk d1 | mail-taken g2 | robot-taken group
            10:16  RESOLVED | text-ended g1 desk d1 | mail-ended g2 | robot-ended group
        "#]],
    );
}

#[test]
fn a_mail_is_never_the_first_way_of_an_alarm_where_there_is_another() {
    let mut ward = Ward::new(home());
    ward.play("sos");
    let order: Vec<Channel> = ward.started.iter().map(|attempt| attempt.channel).collect();
    let first = |channel| order.iter().position(|c| *c == channel).unwrap();
    assert!(first(Channel::Sms) < first(Channel::Email) && first(Channel::Sms) < first(Channel::Robot), "{order:?}");
    // Who can be rung is rung although the others are only written to.
    assert_eq!(ward.rung("g1"), [0]);
    assert!(ward.rung("g2").is_empty());
}

#[test]
fn what_cannot_be_answered_does_not_ask_for_an_answer() {
    for lang in [Language::ZhCn, Language::En] {
        let mut home = home();
        for contact in home.guardians.iter_mut().chain(&mut home.doctor).chain(&mut home.group) {
            contact.lang = lang;
        }
        let mut ward = Ward::new(home);
        ward.play("bp; wait 40m; key g1 1; wait 20m");
        let asks = |text: &str| text.contains("回复1") || text.contains("Reply 1");
        let (mut written, mut texted) = (0, 0);
        for attempt in &ward.started {
            match attempt.channel {
                Channel::Email | Channel::Robot => {
                    written += 1;
                    assert!(!asks(&attempt.text), "{}", attempt.text);
                }
                Channel::Sms => texted += usize::from(asks(&attempt.text)),
                Channel::Voice | Channel::Push => {}
            }
        }
        assert!(written > 4 && texted > 4, "{written} {texted}");
    }
}

#[test]
fn a_low_battery_goes_to_the_group_in_its_own_time_and_a_notice_not_at_all() {
    let mut home = home();
    // The stories begin at 08:00.
    home.plan.quiet = Some(DailyWindow { from_minute: 21 * 60, to_minute: 9 * 60 });
    check_at(
        home.clone(),
        "battery",
        expect![[r#"
        00:00  RAISED BatteryLow Low | text g1 | mail g2 | robot group | NOTIFYING
    "#]],
    );
    let mut ward = Ward::new(home);
    ward.play("battery; notice");
    let robots: Vec<_> = ward.started.iter().filter(|attempt| attempt.channel == Channel::Robot).collect();
    assert_eq!(robots.len(), 1);
    assert_eq!(robots[0].not_before.millis_since(robots[0].created_at), 3_600_000, "after the quiet hours");
    assert_eq!(robots[0].lane, model::Lane::Routine);
}

#[test]
fn the_desk_pages_the_group_too_and_a_group_that_comes_later_is_picked_up() {
    let mut early = home();
    early.group = None;
    let mut ward = Ward::new(early);
    ward.play("sos");
    assert!(ward.started.iter().all(|attempt| attempt.channel != Channel::Robot));
    ward.home = home();
    ward.play("household; escalate by s1");
    let robots: Vec<&str> =
        ward.started.iter().filter(|a| a.channel == Channel::Robot).map(|attempt| attempt.text.as_str()).collect();
    assert_eq!(robots.len(), 1, "{robots:?}");
    assert!(robots[0].contains("联系人未能处理"), "{robots:?}");
}
