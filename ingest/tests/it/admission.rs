//! News, repeats and clocks.

use ingest::{Admission, Admitted, Measured};
use model::{Report, Timestamp};
use proptest::prelude::*;

use crate::generate::report;
use crate::json;

/// 2026-11-22T08:00:00+08:00 and so many seconds.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_305_600_000 + seconds * 1000)
}

fn decoded(payload: &str) -> Report {
    json(payload.as_bytes())[0].clone().unwrap()
}

/// Admits payloads, each received a second after the one before; `+` is news, `=` a repeat.
fn story(payloads: &[&str]) -> String {
    let mut admission = Admission::default();
    let admit = |(second, payload): (usize, &&str)| match admission.admit(&decoded(payload), at(second as i64)) {
        Admitted::Fresh(_) => '+',
        Admitted::Repeat => '=',
    };
    payloads.iter().enumerate().map(admit).collect()
}

#[test]
fn a_repeat_has_the_same_type_id_and_time() {
    let sos = r#"{"type":"sos","id":"1","t":"2026-11-22T08:00:00+08:00"}"#;
    assert_eq!(story(&[sos, sos, sos]), "+==");
    let same_instant = r#"{"t":1795305600000,"type":"sos","id":1}"#;
    assert_eq!(story(&[sos, same_instant]), "+=");
    let other_time = r#"{"type":"sos","id":"1","t":"2026-11-22T08:00:01+08:00"}"#;
    let other_id = r#"{"type":"sos","id":"2","t":"2026-11-22T08:00:00+08:00"}"#;
    let other_type = r#"{"type":"fall","id":"1","t":"2026-11-22T08:00:00+08:00"}"#;
    assert_eq!(story(&[sos, other_time, other_id, other_type]), "++++");
    let better_position = r#"{"type":"sos","id":"1","t":"2026-11-22T08:00:00+08:00","lat":31.8,"lon":117.2}"#;
    assert_eq!(story(&[sos, better_position]), "+=");
}

#[test]
fn without_an_id_the_content_tells() {
    let beat = r#"{"type":"heart_rate","t":1795305600000,"bpm":72}"#;
    let other = r#"{"type":"heart_rate","t":1795305600000,"bpm":73}"#;
    assert_eq!(story(&[beat, other, beat, other]), "++==");
}

#[test]
fn without_a_time_the_id_and_the_content_tell() {
    assert_eq!(story(&[r#"{"type":"sos","id":"1"}"#, r#"{"type":"sos","id":"1"}"#]), "+=");
    assert_eq!(story(&[r#"{"type":"steps","id":"1","count":5}"#, r#"{"type":"steps","id":"1","count":6}"#]), "++");
}

#[test]
fn a_second_press_is_a_second_press() {
    assert_eq!(story(&[r#"{"type":"sos"}"#, r#"{"type":"sos"}"#]), "++");
    // A device whose clock and counter began anew says the same, but for times that mean nothing.
    assert_eq!(story(&[r#"{"type":"sos","id":"1","t":5000}"#, r#"{"type":"sos","id":"1","t":9000}"#]), "++");
    assert_eq!(story(&[r#"{"type":"sos","id":"1","t":5000}"#, r#"{"type":"sos","id":"1","t":5000}"#]), "+=");
}

#[test]
fn a_button_that_counts_from_one_again_is_a_repeat_for_an_hour_and_a_press_after_two() {
    let admit = |payload: &str, seconds: &[i64]| -> Vec<bool> {
        let (mut admission, report) = (Admission::default(), decoded(payload));
        seconds.iter().map(|second| admission.admit(&report, at(*second)) != Admitted::Repeat).collect()
    };
    // 08:00 is the beginning of an hour: 08:30 and 09:29 are in two of them.
    let seconds = [1_800, 1_801, 5_399, 5_400 + 1_799, 1_800 + 7_200];
    for (payload, expected) in [
        (r#"{"type":"sos","id":"1"}"#, [true, false, false, false, true]),
        (r#"{"type":"fall","id":"1"}"#, [true, false, false, false, true]),
        // What says when it was is told apart by that, and what alarms nobody has no need to.
        (r#"{"type":"sos","id":"1","t":1795305600000}"#, [true, false, false, false, false]),
        (r#"{"type":"steps","id":"1","count":5}"#, [true, false, false, false, false]),
    ] {
        assert_eq!(admit(payload, &seconds), expected, "{payload}");
    }
    // One that comes again each hour is sent by somebody who presses.
    assert_eq!(admit(r#"{"type":"sos","id":"1"}"#, &[0, 3_599, 3_600, 7_200]), [true, false, false, true]);
}

#[test]
fn clocks() {
    for (t, expected) in [
        ("null", Measured { at: at(0), late: false, skew_ms: 0, clamped: false }),
        ("\"2026-11-22T08:00:00+08:00\"", Measured { at: at(0), late: false, skew_ms: 0, clamped: false }),
        ("\"2026-11-22T07:58:00+08:00\"", Measured { at: at(-120), late: false, skew_ms: -120_000, clamped: false }),
        ("\"2026-11-22T07:57:59+08:00\"", Measured { at: at(-121), late: true, skew_ms: -121_000, clamped: false }),
        ("\"2026-11-22T08:00:01+08:00\"", Measured { at: at(0), late: false, skew_ms: 1000, clamped: true }),
        ("\"2026-11-22T16:00:00+08:00\"", Measured { at: at(0), late: false, skew_ms: 28_800_000, clamped: true }),
        (
            "\"2024-11-22T08:00:00+08:00\"",
            Measured { at: at(-63_072_000), late: true, skew_ms: -63_072_000_000, clamped: false },
        ),
        // An alarm's clock that was never set means now.
        ("\"1970-01-01T00:00:09Z\"", Measured { at: at(0), late: false, skew_ms: 0, clamped: false }),
    ] {
        let report = decoded(&format!(r#"{{"type":"sos","t":{t}}}"#));
        assert_eq!(Admission::default().admit(&report, at(0)), Admitted::Fresh(expected), "{t}");
    }
    let beat = decoded(r#"{"type":"heart_rate","bpm":72,"t":9000}"#);
    let Admitted::Fresh(measured) = Admission::default().admit(&beat, at(0)) else { panic!("the first is news") };
    assert_eq!((measured.at, measured.late), (Timestamp::from_millis(9000), true), "telemetry is history");
}

/// Of reports `(received, age)` in seconds: how old each is held to be, a `!` where it is late.
fn ages(reports: &[(i64, i64)]) -> String {
    let mut admission = Admission::default();
    let age = |(number, (second, age)): (usize, &(i64, i64))| {
        let t = at(second - age).millis();
        let report = decoded(&format!(r#"{{"type":"heart_rate","bpm":72,"id":"{number}","t":{t}}}"#));
        let Admitted::Fresh(measured) = admission.admit(&report, at(*second)) else { panic!("each is news") };
        format!("{}{}", at(*second).millis_since(measured.at) / 1000, if measured.late { "!" } else { "" })
    };
    reports.iter().enumerate().map(age).collect::<Vec<_>>().join(" ")
}

const DAY: i64 = 86_400;

#[test]
fn a_clock_that_is_behind_is_known_after_ten_minutes() {
    let minutes = |from: i64, to: i64, behind: i64| (from..to).map(move |minute| (minute * 60, behind + minute % 2));
    let day: Vec<_> = minutes(0, 13, DAY).collect();
    assert_eq!(
        ages(&day),
        "86400! 86401! 86400! 86401! 86400! 86401! 86400! 86401! 86400! 86401! 0 1 0",
        "what is old by the same for ten minutes is not old"
    );
    // Without coverage for an hour, and then what was stored, newest first, a hundred a second: that is history.
    let stored = (0..60).map(|minute| (80 * 60 + minute / 100, DAY + minute * 60));
    let told = ages(&day.iter().copied().chain(stored).collect::<Vec<_>>());
    let told: Vec<&str> = told.split(' ').skip(13).collect();
    assert_eq!((told[..4].join(" "), told[59]), ("0 60 120 180!".to_owned(), "3540!"));
    // Somebody sets it right; or to what is behind by an hour; or further behind.
    let set = |to: i64| ages(&day.iter().copied().chain(minutes(13, 26, to)).collect::<Vec<_>>());
    let after = |to: i64| set(to).split(' ').skip(13).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(after(3)[..3], ["4", "3", "4"]);
    let hour = after(3600);
    assert_eq!((hour[0].as_str(), hour[9].as_str(), hour[12].as_str()), ("3601!", "3600!", "1"));
    let years = after(1_700_000_000);
    assert_eq!(
        (years[0].as_str(), years[12].as_str()),
        ("1699913601!", "1"),
        "behind by a day at least, until it is sure"
    );
}

#[test]
fn seconds_since_1970_are_understood_where_they_are_near_now() {
    let admit = |admission: &mut Admission, t: i64, received: Timestamp| match admission
        .admit(&decoded(&format!(r#"{{"type":"heart_rate","bpm":72,"t":{t}}}"#)), received)
    {
        Admitted::Fresh(measured) => measured,
        Admitted::Repeat => panic!("{t} is news"),
    };
    let now = at(0).millis() / 1000;
    for (claimed, expected) in [
        (now - 7, "7"),
        (now - 3600, "3600!"),
        (now + 8 * 3600, "0"),
        (now - 30 * DAY, "2592000!"),
        (now - 30 * DAY - 1, "1793512886!"),
        (now + DAY + 1, "1793510207!"),
        (7, "1795305599!"),
    ] {
        let measured = admit(&mut Admission::default(), claimed, at(0));
        let age = at(0).millis_since(measured.at) / 1000;
        assert_eq!(format!("{age}{}", if measured.late { "!" } else { "" }), expected, "{claimed}");
    }
    // A clock that began at 1970, and has run for as many milliseconds as there are seconds now, is none of these.
    let mut admission = Admission::default();
    let began = at(0).plus_millis(-now);
    for minute in (0..31_000).step_by(5) {
        let received = began.plus_seconds(minute * 60);
        let measured = admit(&mut admission, received.millis_since(began), received);
        assert_eq!(measured.late, minute < 10, "after {minute} minutes");
    }
}

#[test]
fn how_wrong_a_clock_is_is_known() {
    let mut admission = Admission::default();
    let mut say = |second: i64, ahead: i64| {
        let t = at(second + ahead).millis();
        admission.admit(&decoded(&format!(r#"{{"type":"alive","t":{t}}}"#)), at(second));
        admission.clock_ahead_seconds()
    };
    assert_eq!((say(0, 3600), say(60, 0), say(120, -DAY)), (3600, 0, 0), "one old report is no clock");
    assert_eq!((3..14).map(|minute| say(minute * 60, -DAY)).last(), Some(-DAY));
    assert_eq!(say(15 * 60, -2), 0);
}

#[test]
fn a_backlog_stays_history_however_slowly_it_comes() {
    // A day of one report every five minutes, oldest first and newest first, sent one a second, or one every four minutes.
    for every in [1, 240] {
        for newest_first in [false, true] {
            let report = |n: i64| {
                let measured = if newest_first { -n * 300 } else { -DAY + n * 300 };
                (n * every, n * every - measured)
            };
            let told = ages(&(1..280).map(report).collect::<Vec<_>>());
            assert!(told.split(' ').all(|age| age.ends_with('!') || age.len() < 4), "{every} {newest_first}: {told}");
        }
    }
    // And one fresh report among old ones says that the clock is right.
    let mixed: Vec<_> = (0..40).map(|n| (n * 30, if n % 10 == 9 { 1 } else { DAY })).collect();
    assert!(ages(&mixed).split(' ').all(|age| age == "1" || age == "86400!"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_order_each_report_is_news_once(
        reports in prop::collection::vec(report(), 1..30),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..90),
    ) {
        // With an id or a time there is something to tell a repeat by.
        let reports: Vec<Report> = reports.into_iter().filter(|r| r.event_id.is_some() || r.measured.is_some()).collect();
        prop_assume!(!reports.is_empty());
        let key = |r: &Report| {
            let content = (r.event_id.is_none() || r.measured.is_none()).then_some(r.content_hash);
            (r.kind(), r.event_id.clone(), r.measured, content)
        };
        let mut sent: Vec<&Report> = reports.iter().collect();
        sent.extend(order.iter().map(|index| index.get(&reports)));
        sent.rotate_left(reports.len().min(7));
        let mut admission = Admission::default();
        let news = sent.iter().enumerate().filter(|(i, r)| admission.admit(r, at(*i as i64)) != Admitted::Repeat).count();
        let different: std::collections::BTreeSet<_> = reports.iter().map(key).collect();
        prop_assert_eq!(news, different.len());
    }

    #[test]
    fn a_checkpoint_remembers_what_was_known(reports in prop::collection::vec(report(), 1..60), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(reports.len());
        let (mut live, mut before) = (Admission::default(), Admission::default());
        for (i, report) in reports.iter().enumerate() {
            live.admit(report, at(i as i64));
            if i < cut {
                before.admit(report, at(i as i64));
            }
        }
        let config = bincode::config::standard();
        let bytes = bincode::serde::encode_to_vec(&before, config).unwrap();
        let mut restored: Admission = bincode::serde::decode_from_slice(&bytes, config).unwrap().0;
        prop_assert_eq!(&restored, &before);
        for (i, report) in reports.iter().enumerate().skip(cut) {
            restored.admit(report, at(i as i64));
        }
        prop_assert_eq!(restored, live);
    }
}
