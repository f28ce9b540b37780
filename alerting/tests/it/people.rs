//! Who can be called at this hour, the doctor's part, and people who come while an incident is open.

use expect_test::expect;
use model::registry::{DailyWindow, WearerMode, WeeklyWindow};
use model::{Channel, Contact, Destination, PersonId, Plan, Purpose, Timestamp};

use crate::ward::{Home, Ward, check, check_at, contact};

/// The stories begin on a Sunday at 08:00.
const WEEKEND: WeeklyWindow = WeeklyWindow { days: 0b110_0000, from_minute: 0, to_minute: 1_440 };
const WORKDAYS: WeeklyWindow = WeeklyWindow { days: 0b001_1111, from_minute: 480, to_minute: 1_080 };

fn home_with_hours(hours: [&[WeeklyWindow]; 3]) -> Home {
    let mut home = Home::default();
    for (guardian, windows) in home.guardians.iter_mut().zip(hours) {
        guardian.available = windows.to_vec();
    }
    home
}

#[test]
fn who_can_be_called_at_this_hour_comes_first_and_nobody_is_left_out() {
    check_at(
        home_with_hours([&[WORKDAYS], &[], &[WEEKEND]]),
        "sos; busy g2; busy g3; busy g1; wait 60s",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g2 | bracelet: locate
            00:00  g2 call failed (busy) | call g3
            00:00  g3 call failed (busy) | call g1
            00:00  g1 call failed (busy)
            01:00  call g2
        "#]],
    );
    // Nobody can: as registered.
    let order = |hours| {
        let mut ward = Ward::new(home_with_hours(hours));
        ward.play("sos; wait 44s");
        let calls = ward.started.iter().filter(|a| a.channel == Channel::Voice);
        calls.map(|a| a.callee.person.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order([&[WORKDAYS], &[WORKDAYS], &[WORKDAYS]]), "g1 g2 g3");
    assert_eq!(order([&[WORKDAYS], &[WORKDAYS], &[WORKDAYS, WEEKEND]]), "g3 g1 g2");
}

#[test]
fn the_order_follows_the_clock_from_round_to_round() {
    // From 08:01 on the first guardian is at home, and first; that early in the round they were rung just now.
    let from_one_past = WeeklyWindow { days: 0b111_1111, from_minute: 481, to_minute: 1_440 };
    let mut ward = Ward::new(home_with_hours([&[from_one_past], &[], &[]]));
    ward.play("sos; wait 104s");
    let calls = ward.started.iter().filter(|a| a.channel == Channel::Voice);
    let calls: Vec<_> = calls.map(|a| format!("{}:{}", a.cycle, a.callee.person)).collect();
    assert_eq!(calls.join(" "), "1:g2 1:g3 1:g1 2:g2 2:g3 3:g1");
}

#[test]
fn the_doctors_order_stops_the_doctors_reminders_and_nobody_elses_calls() {
    check(
        "bp; wait 1m; take_order by d1; wait 14s; key g2 1; wait 2h",
        expect![[r#"
        00:00  RAISED BloodPressureHigh High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1
        00:15  call g2
        00:30  g1 call failed (noanswer) | call g3
        00:45  g2 call failed (noanswer)
        01:00  g3 call failed (noanswer) | call g1
        01:00  ORDER_TAKEN
        01:14  g2 confirmed | ACKNOWLEDGED by g2 (voice) | cancel-call g1 | text-taken g1 g3 desk d1 | cuff: help_is_coming
        11:14  LEASE_EXPIRED | text-again g1 g2 g3 desk | push-again g1 | call g2
        11:29  call g3
        11:44  g2 call failed (noanswer) | EXHAUSTED | text desk s1 | call desk s1
        11:59  g3 call failed (noanswer)
        12:14  desk call failed (noanswer) | s1 call failed (noanswer)
        21:44  text-again desk s1 | call-again desk s1
        22:14  desk call failed (noanswer) | s1 call failed (noanswer)
        31:44  text-again desk s1
        41:44  text-again desk s1
        51:44  text-again desk s1
        61:44  text-again desk s1
        71:44  text-again desk s1
        81:44  text-again desk s1 | call-again desk s1
        82:14  desk call failed (noanswer) | s1 call failed (noanswer)
        91:44  text-again desk s1 | call-again desk s1
        92:14  desk call failed (noanswer) | s1 call failed (noanswer)
        101:44  text-again desk s1
        111:44  text-again desk s1
    "#]],
    );
    check(
        "bp; reply d1 收到; reply d1 收到; wait 15s",
        expect![[r#"
        00:00  RAISED BloodPressureHigh High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1
        00:00  d1 confirmed | ORDER_TAKEN
        00:00  noted '收到'
        00:15  call g2
    "#]],
    );
}

#[test]
fn a_doctor_is_reminded_until_somebody_takes_the_order() {
    let mut ward = Ward::new(Home::default());
    ward.play("bp; arrive by s1; wait 24h");
    let reminder = |a: &&model::Attempt| a.callee.person.as_str() == "d1" && a.purpose == Purpose::Reminder;
    let reminders = |ward: &Ward| ward.started.iter().filter(reminder).count();
    assert_eq!(reminders(&ward), usize::from(alerting::DOCTOR_REMINDERS_MAX));
    let mut ward = Ward::new(Home::default());
    ward.play("bp; arrive by s1; wait 70m; take_order by d1; wait 24h");
    assert_eq!(reminders(&ward), 2);
    // An SOS is not a doctor's to judge, a fence even less.
    for story in ["sos; arrive by s1; wait 24h", "fall; arrive by s1; wait 24h"] {
        let mut ward = Ward::new(Home::default());
        ward.play(story);
        assert_eq!(reminders(&ward), 0, "{story}");
    }
}

#[test]
fn only_doctors_take_orders_and_doctors_do_not_stop_calls() {
    check(
        "bp; acknowledge by d1; take_order by g1; take_order by s1",
        expect![[r#"
        00:00  RAISED BloodPressureHigh High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1
        00:00  refused 403 您的角色无权执行此操作
        00:00  refused 403 您的角色无权执行此操作
        00:00  refused 403 您的角色无权执行此操作
    "#]],
    );
}

#[test]
fn a_contact_who_comes_while_it_is_open_is_called_in_turn() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; wait 16s");
    ward.home.guardians.push(contact("g4", "赵磊", "+8613800000004"));
    ward.home.guardians[1].phone = Some(model::Destination("+8613800000022".into()));
    ward.play("household; household; wait 30s");
    expect![[r#"
        00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        00:15  call g2
        00:16  text g2 g4
        00:30  g1 call failed (noanswer) | call g3
        00:45  g2 call failed (noanswer) | call g4
    "#]]
    .assert_eq(&ward.told());
}

#[test]
fn a_desk_that_comes_while_nobody_can_be_reached_is_called_at_once() {
    let mut ward = Ward::new(Home::default().guardians(&[]).no_desk());
    ward.play("sos; wait 5m");
    ward.home.desk = vec![contact("desk", "银杏社区", "+8613800000010")];
    ward.play("household; wait 11m");
    ward.home.guardians = vec![contact("g1", "王芳", "+8613800000001")];
    ward.play("household; key g1 1");
    expect![[r#"
        00:00  RAISED Sos High | text d1 | NOTIFYING | EXHAUSTED, UNREACHABLE | bracelet: locate
        05:00  updated Sos ×1 | text desk | call desk
        05:30  desk call failed (noanswer)
        15:00  text-again desk | call-again desk
        15:30  desk call failed (noanswer)
        16:00  text g1 | call g1
        16:00  g1 confirmed | ACKNOWLEDGED by g1 (voice) | text-taken d1 desk | bracelet: help_is_coming
    "#]]
    .assert_eq(&ward.told());
}

#[test]
fn a_list_that_is_emptied_leaves_the_plan_that_runs_as_it_was() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos");
    ward.home.guardians.clear();
    ward.home.doctor = None;
    ward.home.desk.clear();
    ward.play("household; wait 5m");
    assert_eq!(ward.rung("g3").len(), 5);
    assert_eq!(ward.rung("s1").len(), 1, "the desk as it was");
}

#[test]
fn who_is_no_guardian_any_more_is_not_reached_while_another_one_is() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos");
    ward.home.guardians.remove(1);
    ward.play("household; wait 5m");
    assert_eq!((ward.rung("g2").len(), ward.rung("g3").len()), (0, 5));
    let told = ward.told();
    ward.play("resolve by s1 helped");
    assert!(!ward.told()[told.len()..].contains("g2"), "{}", ward.told());
}

#[test]
fn nobody_new_is_told_of_what_is_held() {
    let mut ward = Ward::new(Home::default());
    ward.play("sos; acknowledge by g1");
    let before = ward.started.len();
    ward.home.guardians.push(contact("g4", "赵磊", "+8613800000004"));
    ward.play("household");
    assert_eq!(ward.started.len(), before);
    // But when the lease runs out, they are in turn.
    ward.play("wait 11m");
    assert_eq!(ward.rung("g4").len(), 1);
}

#[test]
fn quiet_hours_hold_back_what_may_wait_and_nothing_else() {
    let night = |quiet| Home { plan: Plan { quiet, ..Plan::default() }, ..Home::default() };
    let at_night = DailyWindow { from_minute: 7 * 60, to_minute: 9 * 60 };
    let mut ward = Ward::new(night(Some(at_night)));
    ward.play("battery; exit; sos");
    let when = |kind| {
        let of_kind = ward.started.iter().filter(|a| a.kind == kind).map(|a| a.not_before);
        of_kind.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    };
    let time = |text| Timestamp::parse(text).unwrap();
    assert_eq!(when(model::IncidentKind::BatteryLow), [time("2026-11-22T09:00:00+08:00")]);
    assert_eq!(when(model::IncidentKind::FenceExit), [time("2026-11-22T08:00:00+08:00")]);
    assert_eq!(when(model::IncidentKind::Sos), [time("2026-11-22T08:00:00+08:00")]);
    for quiet in [None, Some(DailyWindow { from_minute: 22 * 60, to_minute: 7 * 60 })] {
        let mut ward = Ward::new(night(quiet));
        ward.play("battery");
        assert!(ward.started.iter().all(|a| a.not_before == a.created_at), "{quiet:?}");
    }
    // What was seen to before the morning is not sent any more.
    let mut ward = Ward::new(night(Some(at_night)));
    ward.play("providers hold; battery; acknowledge by g1");
    let pending: Vec<_> = ward.alerting.pending_attempts().map(|a| a.purpose).collect();
    assert_eq!(pending, [Purpose::Taken; 2]);
}

#[test]
fn a_test_press_is_written_down_and_calls_nobody() {
    let until = Timestamp::parse("2026-11-22T08:30:00+08:00").unwrap();
    let home = Home { mode: WearerMode::Test { by: PersonId::new("s1"), until }, ..Home::default() };
    check_at(
        home,
        "sos; wait 29m; sos; wait 1m; sos; wait 15s",
        expect![[r#"
        00:00  RAISED Sos High | bracelet: help_is_coming | RESOLVED
        29:00  RAISED Sos High | bracelet: help_is_coming | RESOLVED
        30:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
        30:15  call g2
    "#]],
    );
}

#[test]
fn a_better_position_reaches_everybody_who_goes() {
    check(
        "sos; located 31.8210 117.2272; wait 61s; located 31.8300 117.2300; located 31.8400 117.2300; wait 61s; \
         located 31.8400 117.2301; acknowledge by g2; wait 61s; located 31.8500 117.2301; arrive by g2; wait 61s; \
         located 31.8600 117.2301",
        expect![[r#"
            00:00  RAISED Sos High | text g1 g2 g3 desk d1 | push g1 | NOTIFYING | call g1 | bracelet: locate
            00:00  updated Sos ×1
            00:15  call g2
            00:30  g1 call failed (noanswer) | call g3
            00:45  g2 call failed (noanswer)
            01:00  g3 call failed (noanswer) | call g1
            01:01  updated Sos ×1 | text-position g1 g2 g3 desk | push-position g1
            01:01  updated Sos ×1
            01:15  call g2
            01:30  g1 call failed (noanswer) | call g3
            01:45  g2 call failed (noanswer)
            02:00  g3 call failed (noanswer) | call g1
            02:02  updated Sos ×1 | text-position g1 g2 g3 desk | push-position g1
            02:02  ACKNOWLEDGED by g2 (api) | cancel-call g1 | text-taken g1 g3 desk d1 | bracelet: help_is_coming
            03:03  updated Sos ×1 | text-position g1 g2 g3 desk | push-position g1
            03:03  ON_SITE g2
            04:04  updated Sos ×1
        "#]],
    );
    let mut ward = Ward::new(Home::default());
    ward.play("bp; wait 61s; located 31.9 117.3");
    assert!(ward.started.iter().all(|a| a.purpose != Purpose::Position), "nobody looks for a blood pressure");
}

/// A desk of four: s1 is on duty at the weekend, s2 on workdays, s3 on no roster. It has a phone of its own or not.
fn home_with_roster(own_phone: bool) -> Home {
    let mut home = Home::default().guardians(&[]);
    home.doctor = None;
    let mut people = vec![
        contact("desk", "银杏社区", "+8613800000010"),
        contact("s1", "张敏", "+8613800000011"),
        contact("s2", "李军", "+8613800000012"),
        contact("s3", "赵宁", "+8613800000013"),
    ];
    people[1].available = vec![WEEKEND];
    people[2].available = vec![WORKDAYS];
    home.desk = people.split_off(usize::from(!own_phone));
    home
}

#[test]
fn whoever_is_on_duty_is_called_first_and_the_others_when_nobody_of_them_takes_it() {
    // Without news the others are called after as long as a phone rings.
    check_at(
        home_with_roster(true),
        "sos; wait 11m",
        expect![[r#"
            00:00  RAISED Sos High | text desk s1 | NOTIFYING | EXHAUSTED | call desk s1 | bracelet: locate
            00:30  desk call failed (noanswer) | s1 call failed (noanswer) | text s2 s3 | call s2 s3
            01:00  s2 call failed (noanswer) | s3 call failed (noanswer)
            10:30  text-again desk s1 | call-again desk s1
            11:00  desk call failed (noanswer) | s1 call failed (noanswer) | text-again s2 s3 | call-again s2 s3
        "#]],
    );
    // The community's group hears it once, and not again with the others.
    let group = Contact { robot: Some(Destination("yinxing".into())), ..contact("group", "银杏社区", "") };
    check_at(
        Home { group: Some(group), ..home_with_roster(true) },
        "sos; wait 31s",
        expect![[r#"
        00:00  RAISED Sos High | text desk s1 | robot group | NOTIFYING | EXHAUSTED | call desk s1 | bracelet: locate
        00:30  desk call failed (noanswer) | s1 call failed (noanswer) | text s2 s3 | call s2 s3
    "#]],
    );
    // Bad news of everybody on duty brings them at once; of one of two it does not.
    check_at(
        home_with_roster(true),
        "sos; wait 5s; busy desk; wait 2s; no_answer s1; wait 1m",
        expect![[r#"
            00:00  RAISED Sos High | text desk s1 | NOTIFYING | EXHAUSTED | call desk s1 | bracelet: locate
            00:05  desk call failed (busy) | call desk
            00:07  s1 call failed (noanswer) | text s2 s3 | call s2 s3
            00:37  s2 call failed (noanswer) | s3 call failed (noanswer)
        "#]],
    );
    // Who takes it spares the others.
    check_at(
        home_with_roster(false),
        "sos; wait 5s; key s1 1; wait 9m",
        expect![[r#"
        00:00  RAISED Sos High | text s1 | NOTIFYING | EXHAUSTED | call s1 | bracelet: locate
        00:05  s1 confirmed | ACKNOWLEDGED by s1 (voice) | bracelet: help_is_coming
    "#]],
    );
}

#[test]
fn a_roster_that_has_nobody_who_can_be_rung_keeps_nobody_waiting() {
    // Nobody is on duty at this hour: everybody is called.
    let mut nobody = home_with_roster(false);
    nobody.desk[0].available = vec![WORKDAYS];
    check_at(
        nobody,
        "sos; wait 1m",
        expect![[r#"
        00:00  RAISED Sos High | text s1 s2 s3 | NOTIFYING | EXHAUSTED | call s1 s2 s3 | bracelet: locate
        00:30  s1 call failed (noanswer) | s2 call failed (noanswer) | s3 call failed (noanswer)
    "#]],
    );
    // Who is on duty has no number.
    let mut without = home_with_roster(false);
    without.desk[0].phone = None;
    check_at(
        without,
        "sos; wait 1m",
        expect![[r#"
        00:00  RAISED Sos High | NOTIFYING | EXHAUSTED | text s2 s3 | call s2 s3 | bracelet: locate
        00:30  s2 call failed (noanswer) | s3 call failed (noanswer)
    "#]],
    );
}

#[test]
fn the_next_shift_is_called_as_soon_as_it_is_theirs() {
    // s1 until 08:10, then s3.
    let mut home = home_with_roster(false);
    home.desk[0].available = vec![WeeklyWindow { days: 0b111_1111, from_minute: 0, to_minute: 490 }];
    home.desk[2].available = vec![WeeklyWindow { days: 0b111_1111, from_minute: 490, to_minute: 1_440 }];
    let mut ward = Ward::new(home);
    ward.play("sos; wait 12m");
    assert_eq!([ward.rung("s1"), ward.rung("s2"), ward.rung("s3")], [vec![0, 660], vec![30, 660], vec![30, 630]]);
    // A roster that is written meanwhile counts from the next call on.
    let mut ward = Ward::new(home_with_roster(false));
    ward.play("sos; wait 1m");
    ward.home.desk.swap(0, 1);
    (ward.home.desk[0].available, ward.home.desk[1].available) = (vec![WEEKEND], vec![WORKDAYS]);
    ward.play("household; wait 10m");
    assert_eq!([ward.rung("s1"), ward.rung("s2"), ward.rung("s3")], [vec![0, 660], vec![30, 630], vec![30, 660]]);
}

#[test]
fn whoever_is_on_duty_and_busy_keeps_nobody_waiting_and_is_rung_again() {
    let mut ward = Ward::new(home_with_roster(true));
    ward.play("sos; wait 1s; busy s1; wait 1s; no_answer desk");
    assert_eq!((ward.rung("s2"), ward.rung("s3")), (vec![2], vec![2]), "nobody's phone rang any more");
    ward.play("wait 2m");
    assert_eq!((ward.rung("s1"), ward.rung("s2")), (vec![0, 61], vec![2]));
}

#[test]
fn a_watched_console_rings_before_whoever_is_on_duty() {
    let mut ward = Ward::new(home_with_roster(false));
    ward.play("watch s9 /luyang/; sos; wait 29s; restart; wait 2m");
    assert_eq!([ward.rung("s1"), ward.rung("s2"), ward.rung("s3")], [vec![30], vec![60], vec![60]]);
}
