//! Stories on a phone, with a clock that the test moves.

use std::fmt::Write;

use expect_test::{Expect, expect};
use model::{IncidentKind, Language, Priority};

use super::*;
use crate::phones::narrate;

const NUMBER: &str = "+8613800000001";

fn at(seconds: u32) -> Timestamp {
    Timestamp::parse("2026-11-22T00:00:00Z").unwrap().plus_seconds(seconds)
}

fn message(attempt: &str, channel: Channel) -> Message {
    Message {
        attempt: attempt.to_owned(),
        channel,
        to: if channel == Channel::Push { "ntfy:wangfang".to_owned() } else { NUMBER.to_owned() },
        person: "g1".to_owned(),
        incident: "i1".to_owned(),
        kind: IncidentKind::Sos.into(),
        priority: Priority::High,
        text: "王桂兰按下 SOS".to_owned(),
        callback: format!("http://engine/{attempt}"),
    }
}

fn book(calls: Vec<CallScript>, texts: TextScript) -> PhoneBook {
    let mut book = PhoneBook::new(30_000);
    assert!(book.add(Entry {
        number: NUMBER.to_owned(),
        person: "g1".to_owned(),
        name: "王芳".to_owned(),
        relation: ["女儿".to_owned(), "daughter".to_owned()],
        family: "王桂兰".to_owned(),
        call_scripts: calls,
        text_script: texts,
    }));
    book
}

/// What a bystander sees and what the engine hears (`→`), after everything due by `until` has happened.
fn tell(mut outputs: Vec<Output>, book: &mut PhoneBook, until: u32) -> String {
    while let Some(due) = book.next_due().filter(|due| *due <= at(until)) {
        outputs.extend(book.advance(due));
    }
    let mut story = String::new();
    for output in outputs {
        match output {
            Output::Happened(happening) => writeln!(story, "{}", narrate(&happening, Language::En)).unwrap(),
            Output::Callback(c) => {
                let word = serde_json::to_string(&c.outcome).unwrap();
                let detail = c.key.map(String::from).or(c.text).unwrap_or_default();
                writeln!(story, "  → {} {} {detail}", c.attempt, word.trim_matches('"')).unwrap();
            }
        }
    }
    story.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn check(script: CallScript, expected: Expect) {
    let mut book = book(vec![script], TextScript::Reads);
    let outputs = book.deliver(message("a1", Channel::Voice), at(0)).unwrap();
    expected.assert_eq(&tell(outputs, &mut book, 600));
    assert_eq!(book.next_due(), None, "nothing is left over");
    assert!(book.phone(NUMBER).unwrap().open_call().is_none());
}

#[test]
fn scripted_calls() {
    check(
        CallScript::ByHand,
        expect![[r#"
            08:00:00 ☎ 王芳 rings: 王桂兰按下 SOS
            08:00:30 ☎ 王芳 does not answer
              → a1 no_answer
        "#]],
    );
    check(
        CallScript::no_answer_after(8),
        expect![[r#"
            08:00:00 ☎ 王芳 rings: 王桂兰按下 SOS
            08:00:08 ☎ 王芳 does not answer
              → a1 no_answer
        "#]],
    );
    check(
        CallScript::Busy,
        expect![[r#"
            08:00:00 ☎ 王芳 is busy
              → a1 busy
        "#]],
    );
    check(
        CallScript::Declines { after_ms: 2_000 },
        expect![[r#"
            08:00:00 ☎ 王芳 rings: 王桂兰按下 SOS
            08:00:02 ☎ 王芳 rejects the call
              → a1 declined
        "#]],
    );
    check(
        CallScript::Voicemail { after_ms: 20_000, ends_after_ms: 15_000 },
        expect![[r#"
            08:00:00 ☎ 王芳 rings: 王桂兰按下 SOS
            08:00:20 ☎ 王芳's mailbox answers
              → a1 answered
            08:00:35 ☎ 王芳: the call is over
              → a1 ended
        "#]],
    );
    check(
        CallScript::presses_1_after(3),
        expect![[r#"
            08:00:00 ☎ 王芳 rings: 王桂兰按下 SOS
            08:00:03 ☎ 王芳 answers
              → a1 answered
            08:00:04 ☎ 王芳 presses 1
              → a1 key 1
            08:00:06 ☎ 王芳: the call is over
              → a1 ended
        "#]],
    );
}

#[test]
fn a_person_answers_listens_and_presses_and_what_makes_no_sense_does_nothing() {
    let mut book = book(Vec::new(), TextScript::Reads);
    let mut outputs = book.press(NUMBER, &Button::Key('1'), at(0));
    outputs.extend(book.deliver(message("a1", Channel::Voice), at(0)).unwrap());
    outputs.extend(book.press(NUMBER, &Button::Answer, at(5)));
    outputs.extend(book.press(NUMBER, &Button::Answer, at(6)));
    outputs.extend(book.press(NUMBER, &Button::Key('2'), at(7)));
    outputs.extend(book.press(NUMBER, &Button::Key('1'), at(8)));
    outputs.extend(book.press(NUMBER, &Button::HangUp, at(9)));
    outputs.extend(book.press(NUMBER, &Button::HangUp, at(10)));
    expect![[r#"
        08:00:00 ☎ 王芳 rings: 王桂兰按下 SOS
        08:00:05 ☎ 王芳 answers
          → a1 answered
        08:00:07 ☎ 王芳 presses 2
          → a1 key 2
        08:00:08 ☎ 王芳 presses 1
          → a1 key 1
        08:00:09 ☎ 王芳: the call is over
          → a1 ended
    "#]]
    .assert_eq(&tell(outputs, &mut book, 600));
}

#[test]
fn an_engaged_phone_is_busy_and_a_repeated_attempt_rings_once() {
    let mut book = book(vec![CallScript::no_answer_after(10)], TextScript::Reads);
    let mut outputs = book.deliver(message("a1", Channel::Voice), at(0)).unwrap();
    outputs.extend(book.deliver(message("a1", Channel::Voice), at(1)).unwrap());
    outputs.extend(book.deliver(message("a2", Channel::Voice), at(2)).unwrap());
    expect![[r#"
        08:00:00 ☎ 王芳 rings: 王桂兰按下 SOS
        08:00:02 ☎ 王芳 is busy
          → a2 busy
        08:00:10 ☎ 王芳 does not answer
          → a1 no_answer
    "#]]
    .assert_eq(&tell(outputs, &mut book, 600));
}

#[test]
fn scripts_are_used_in_turn_and_the_last_one_stays() {
    let mut book = book(vec![CallScript::Busy, CallScript::Unreachable], TextScript::Reads);
    let mut outputs = Vec::new();
    for (seconds, attempt) in [(0, "a1"), (60, "a2"), (120, "a3")] {
        outputs.extend(book.deliver(message(attempt, Channel::Voice), at(seconds)).unwrap());
    }
    expect![[r#"
        08:00:00 ☎ 王芳 is busy
          → a1 busy
        08:01:00 ☎ 王芳 cannot be reached
          → a2 unreachable
        08:02:00 ☎ 王芳 cannot be reached
          → a3 unreachable
    "#]]
    .assert_eq(&tell(outputs, &mut book, 600));
}

#[test]
fn texts_arrive_and_are_answered_by_script_or_by_hand() {
    let replies = TextScript::Replies { text: "收到".to_owned(), after_ms: 4_000 };
    let mut book = book(Vec::new(), replies);
    let mut outputs = book.deliver(message("a1", Channel::Sms), at(0)).unwrap();
    outputs.extend(book.deliver(message("a2", Channel::Push), at(0)).unwrap());
    outputs.extend(book.press(NUMBER, &Button::Reply("1".to_owned()), at(2)));
    outputs.extend(book.deliver(message("a3", Channel::Sms), at(3)).unwrap());
    expect![[r#"
        08:00:00 ✉ 王芳 gets a text: 王桂兰按下 SOS
          → a1 delivered
        08:00:00 ✉ 王芳 gets a push message: 王桂兰按下 SOS
          → a2 delivered
        08:00:02 ✉ 王芳 writes back: 1
          → a1 reply 1
        08:00:03 ✉ 王芳 gets a text: 王桂兰按下 SOS
          → a3 delivered
        08:00:07 ✉ 王芳 writes back: 收到
          → a3 reply 收到
    "#]]
    .assert_eq(&tell(outputs, &mut book, 600));
}

#[test]
fn only_invented_numbers_ring() {
    let mut book = book(Vec::new(), TextScript::Reads);
    let unknown = Message { to: "+8613800000099".to_owned(), ..message("a1", Channel::Voice) };
    assert_eq!(book.deliver(unknown, at(0)), Err(Refused::UnknownNumber));
    let entry = book.phone(NUMBER).unwrap().entry.clone();
    assert!(!book.add(Entry { number: "+8613912345678".to_owned(), ..entry }));
}
