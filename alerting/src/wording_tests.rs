//! The words themselves.

use expect_test::{Expect, expect};

use super::cases::CaseFacts;
use super::*;
use model::CaseKind;
use model::case::WhistleLevel;

fn facts<'a>(explain: &'a str, at: &str) -> Facts<'a> {
    Facts {
        entered: false,
        asked_for_help: false,
        and_fell: false,
        kind: IncidentKind::Sos,
        wearer_name: "王桂兰",
        community_name: "银杏社区",
        happened_at: Timestamp::parse(at).unwrap(),
        position: Position::new(31.82061, 117.2272),
        explain,
        explain_en: "The button on the bracelet was pressed",
        time: LocalTime { now: Timestamp::parse("2026-11-22T08:00:30+08:00").unwrap(), utc_offset_minutes: 480 },
    }
}

fn check(lang: Language, expected: Expect) {
    let facts = facts("手环上的求助键被按下。", "2026-11-22T08:00:00+08:00");
    let messages = [
        alert_text(lang, &facts, true),
        alert_text(lang, &facts, false),
        alert_voice(lang, &facts),
        lease_ended(lang, &facts, "王芳", Lost::NotArrived, true),
        lease_ended(lang, &facts, "王芳", Lost::CannotGo, true),
        lease_ended(lang, &facts, "王芳", Lost::NotThere, true),
        lease_ended(lang, &facts, "王芳", Lost::Relieved, true),
        desk_text(lang, &facts, false),
        desk_text(lang, &facts, true),
        taken(lang, &facts, Taken::Going("王芳")),
        taken(lang, &facts, Taken::Arrived("王芳")),
        taken(lang, &facts, Taken::Already("王芳")),
        ended(lang, &facts, "false_alarm"),
    ];
    expected.assert_eq(&messages.map(|message| message.said_over(Channel::Sms)).join("\n"));
}

#[test]
fn in_chinese() {
    check(
        Language::ZhCn,
        expect![[r#"
            银杏社区提醒：王桂兰于08:00按下求助键。位置 31.82061,117.22720。回复1确认前往。
            银杏社区提醒：王桂兰于08:00按下求助键。位置 31.82061,117.22720。
            这里是银杏社区。王桂兰于08:00按下求助键，位置见短信。确认并前往请按 1；无法处理请按 2；重听请按 3。
            银杏社区提醒：王桂兰于08:00按下求助键，王芳已接警但尚未到场，仍需有人前往。回复1确认前往。
            银杏社区提醒：王桂兰于08:00按下求助键，王芳接警后表示无法前往，仍需有人前往。回复1确认前往。
            银杏社区提醒：王桂兰于08:00按下求助键，王芳表示不在现场，仍需有人前往。回复1确认前往。
            银杏社区提醒：王桂兰于08:00按下求助键，王芳接警后被改派，不再前往，仍需有人前往。回复1确认前往。
            银杏社区紧急：王桂兰于08:00按下求助键，联系人未能处理，请立即前往。位置 31.82061,117.22720。回复1确认前往。
            银杏社区再次提醒：王桂兰于08:00按下求助键，联系人未能处理，请立即前往。位置 31.82061,117.22720。回复1确认前往。
            银杏社区：王桂兰按下求助键，王芳 已接警，正在赶去。
            银杏社区：王桂兰按下求助键，王芳 已到场。
            银杏社区：王桂兰按下求助键，已由 王芳 确认，无需重复确认。谢谢。
            银杏社区：王桂兰于08:00按下求助键，现已处理完毕：误报。"#]],
    );
}

#[test]
fn in_english() {
    check(
        Language::En,
        expect![[r#"
            银杏社区: 王桂兰 pressed the SOS button at 08:00. Position 31.82061,117.22720. Reply 1 if you are going.
            银杏社区: 王桂兰 pressed the SOS button at 08:00. Position 31.82061,117.22720.
            This is 银杏社区. 王桂兰 pressed the SOS button at 08:00; the place is in the text message. If you are going, press 1; if you cannot, press 2; to hear this again, press 3.
            银杏社区: 王桂兰 pressed the SOS button at 08:00. 王芳 took it but has not arrived; somebody still has to go. Reply 1 if you are going.
            银杏社区: 王桂兰 pressed the SOS button at 08:00. 王芳 took it and cannot go after all; somebody still has to go. Reply 1 if you are going.
            银杏社区: 王桂兰 pressed the SOS button at 08:00. 王芳 says that they are not there; somebody still has to go. Reply 1 if you are going.
            银杏社区: 王桂兰 pressed the SOS button at 08:00. 王芳 took it, and it was given to somebody else; somebody still has to go. Reply 1 if you are going.
            银杏社区, urgent: 王桂兰 pressed the SOS button at 08:00. No contact can see to it; please act now. Position 31.82061,117.22720. Reply 1 if you are going.
            银杏社区, again: 王桂兰 pressed the SOS button at 08:00. No contact can see to it; please act now. Position 31.82061,117.22720. Reply 1 if you are going.
            银杏社区: 王桂兰 pressed the SOS button. 王芳 has taken it and is going.
            银杏社区: 王桂兰 pressed the SOS button. 王芳 is there.
            银杏社区: 王桂兰 pressed the SOS button. 王芳 has taken it already. Thank you.
            银杏社区: 王桂兰 pressed the SOS button at 08:00. It has ended: false alarm."#]],
    );
}

#[test]
fn the_day_is_told_when_it_is_not_today() {
    let time = facts("", "2026-11-22T00:00:00Z").time;
    let tell = |lang, at| time_of_day(lang, Timestamp::parse(at).unwrap(), time);
    assert_eq!(tell(Language::ZhCn, "2026-11-22T00:00:00+08:00"), "00:00");
    assert_eq!(tell(Language::ZhCn, "2026-11-21T23:59:59+08:00"), "昨天23:59");
    assert_eq!(tell(Language::En, "2026-11-20T08:00:00+08:00"), "08:00 2 days ago");
    assert_eq!(tell(Language::ZhCn, "2026-11-23T08:00:00+08:00"), "08:00", "a device's clock that runs ahead");
}

#[test]
fn a_long_explanation_is_shortened_and_the_rest_kept() {
    let long = "很长的说明".repeat(200);
    let facts = Facts { kind: IncidentKind::Fall, ..facts(&long, "2026-11-22T08:00:00+08:00") };
    let message = alert_text(Language::ZhCn, &facts, true);
    assert!((SMS_CHARS_MAX - 2..=SMS_CHARS_MAX).contains(&message.said_over(Channel::Sms).chars().count()));
    assert!(
        message.said_over(Channel::Sms).ends_with("位置 31.82061,117.22720。回复1确认前往。"),
        "{}",
        message.said_over(Channel::Sms)
    );
    assert_eq!(shorten("王桂兰", 2), "王…");
}

/// Names of many scripts, as long as an import takes them: a text stays within its length, keeps its end, which says how
/// to answer, and parts no letter from its marks.
#[test]
fn a_name_in_any_script_leaves_room_for_how_to_answer() {
    let explain = "该消息迟到1小时。".repeat(60);
    for (name, spoken) in [
        ("阿卜杜热合曼·麦麦提吐尔逊·买合木提", "阿卜杜热合曼·麦麦提吐尔逊·买合木提"),
        ("ئابدۇراخمان تۇرسۇن", "ئابدۇراخمان تۇرسۇن"),
        ("བཀྲ་ཤིས་བདེ་ལེགས་བཀྲ་ཤིས་བདེ་ལེགས་བཀྲ་ཤིས", "བཀྲ་ཤིས་བདེ་ལེགས་བཀྲ་ཤིས་བདེ་ལེ…"),
        (
            "𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷",
            "𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷𠮷…",
        ),
    ] {
        for lang in [Language::ZhCn, Language::En] {
            let at = "2026-11-22T08:00:00+08:00";
            let facts = Facts { wearer_name: name, explain_en: &explain, ..facts(&explain, at) };
            let text = alert_text(lang, &facts, true).said_over(Channel::Sms);
            assert!(text.chars().count() <= SMS_CHARS_MAX, "{} characters: {text}", text.chars().count());
            assert!(text.contains(spoken), "{text}");
            assert!(text.ends_with(reply_to_go(lang).trim()), "{text}");
        }
    }
}

#[test]
fn an_sos_says_once_that_the_button_was_pressed() {
    for (zh, expected) in [
        ("按下了求救键。", "银杏社区提醒：王桂兰于08:00按下求助键。位置 31.82061,117.22720。"),
        (
            "按下了求救键。该消息迟到1小时。",
            "银杏社区提醒：王桂兰于08:00按下求助键。该消息迟到1小时。位置 31.82061,117.22720。",
        ),
        ("求助键被按下", "银杏社区提醒：王桂兰于08:00按下求助键。位置 31.82061,117.22720。"),
    ] {
        let facts = facts(zh, "2026-11-22T08:00:00+08:00");
        assert_eq!(alert_text(Language::ZhCn, &facts, false).text, expected);
    }
    let facts = facts("", "2026-11-22T08:00:00+08:00");
    let late = Facts { explain_en: "The SOS button was pressed. It reached us 1 h late.", ..facts };
    let text = alert_text(Language::En, &late, false).text;
    assert_eq!(
        text,
        "银杏社区: 王桂兰 pressed the SOS button at 08:00. It reached us 1 h late. Position 31.82061,117.22720."
    );
}

#[test]
fn what_the_event_says_is_not_said_again_by_its_explanation() {
    use IncidentKind as K;
    for (kind, zh, expected) in [
        (
            K::BloodPressureHigh,
            "血压过高：186/121 mmHg（警戒线 180/110），2 次测量的平均值。",
            "血压过高。186/121 mmHg（警戒线 180/110），2 次测量的平均值。",
        ),
        (K::HeartRateLow, "心率过慢：38 次/分。", "心率过慢。38 次/分。"),
        (K::BloodPressureWatch, "血压偏高：150/95 mmHg，请医生关注。", "血压偏高。150/95 mmHg，请医生关注。"),
        (K::BatteryLow, "设备电量剩余 10%，请尽快充电。", "设备电量不足。设备电量剩余 10%，请尽快充电。"),
        // It happened together with something that gave the incident its kind.
        (K::Fall, "血压过高：186/121 mmHg。", "疑似跌倒。血压过高：186/121 mmHg。"),
    ] {
        let facts = Facts { kind, position: None, ..facts(zh, "2026-11-22T08:00:00+08:00") };
        let text = alert_text(Language::ZhCn, &facts, false).text;
        assert_eq!(text, format!("银杏社区提醒：王桂兰于08:00{expected}位置未知。"));
    }
}

#[test]
fn a_doctor_is_asked_for_the_order_where_it_is_theirs() {
    let facts = facts("血压186/121。", "2026-11-22T08:00:00+08:00");
    let reading = Facts { kind: IncidentKind::BloodPressureHigh, ..facts };
    assert!(doctor_text(Language::ZhCn, &reading).said_over(Channel::Sms).ends_with("回复1接单。"));
    assert!(!doctor_text(Language::ZhCn, &facts).said_over(Channel::Sms).contains("回复"));
    assert!(order_waits(Language::ZhCn, &reading).text.contains("尚无医生接单"));
}

#[test]
fn quiet_hours_end_on_the_minute() {
    let at = |text| LocalTime { now: Timestamp::parse(text).unwrap(), utc_offset_minutes: 480 };
    let night = DailyWindow { from_minute: 22 * 60, to_minute: 7 * 60 };
    for (now, end) in [
        ("2026-11-22T22:00:00+08:00", Some("2026-11-23T07:00:00+08:00")),
        ("2026-11-22T23:59:59.500+08:00", Some("2026-11-23T07:00:00+08:00")),
        ("2026-11-22T06:59:59+08:00", Some("2026-11-22T07:00:00+08:00")),
        ("2026-11-22T07:00:00+08:00", None),
        ("2026-11-22T21:59:59+08:00", None),
    ] {
        assert_eq!(at(now).end_of(night), end.map(|end| Timestamp::parse(end).unwrap()), "{now}");
    }
    // A Sunday.
    assert_eq!(at("2026-11-22T08:05:00+08:00").weekday_and_minute(), (6, 485));
    assert_eq!(at("2026-11-22T23:30:00Z").weekday_and_minute(), (0, 450));
}

#[test]
fn a_case_whose_alarm_has_ended_is_not_told_as_one_that_is_on() {
    let time = LocalTime { now: Timestamp::parse("2026-11-22T08:30:00+08:00").unwrap(), utc_offset_minutes: 480 };
    let told = |kind, lang| {
        let facts = CaseFacts {
            kind,
            is_on: false,
            wearer_name: "王桂兰",
            community_name: "银杏社区",
            filed_at: Timestamp::parse("2026-11-22T08:00:00+08:00").unwrap(),
            position: None,
            place: "3 栋",
            text: "",
            time,
        };
        case_whistled(lang, &facts, WhistleLevel::Street).text
    };
    let sos = CaseKind::Incident(IncidentKind::Sos);
    assert!(told(sos, Language::ZhCn).contains("警情已结束，工单尚未办结"), "{}", told(sos, Language::ZhCn));
    assert!(told(sos, Language::En).contains("the alarm has ended"), "{}", told(sos, Language::En));
    assert!(!told(CaseKind::Report, Language::ZhCn).contains("已结束"), "{}", told(CaseKind::Report, Language::ZhCn));
}

#[test]
fn who_went_into_the_river_has_not_left_the_safe_area() {
    let zh = "进入禁入区“river”：界内 6 米。";
    let facts = Facts { kind: IncidentKind::FenceExit, entered: true, ..facts(zh, "2026-11-22T08:00:00+08:00") };
    for text in [alert_text(Language::ZhCn, &facts, true).text, alert_voice(Language::ZhCn, &facts).text] {
        assert!(text.contains("进入禁入区域") && !text.contains("离开"), "{text}");
    }
    assert!(alert_voice(Language::En, &facts).text.contains("went into an area to be kept out of"));
}

#[test]
fn a_welfare_call_that_nobody_took_is_no_cry_for_help() {
    let facts = facts("", "2026-11-22T08:00:00+08:00");
    for (asked_for_help, zh, en) in
        [(true, "在问候电话中求助", "asked for help in"), (false, "未接听问候电话", "did not answer")]
    {
        let facts = Facts { kind: IncidentKind::WelfareCall, asked_for_help, ..facts };
        let text = alert_voice(Language::ZhCn, &facts).text;
        assert!(text.contains(&format!("于08:00{zh}，")), "{text}");
        let text = alert_voice(Language::En, &facts).text;
        assert!(text.contains(&format!("{en} the welfare call at 08:00")), "{text}");
    }
}
