//! What leaves for a gateway, byte for byte, and what its answers and callbacks mean.

use expect_test::expect;

use super::*;
use crate::samples;

fn attempt() -> Attempt {
    Attempt {
        channel: Channel::Voice,
        text: "这里是银杏社区。王桂兰于 08:00 按下 SOS。".to_owned(),
        params: vec![("name".into(), "王桂兰".to_owned()), ("time".into(), "08:00".to_owned())],
        ..samples::attempt()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_780_000_000_000 + seconds * 1000 + 999)
}

fn links() -> Links {
    Links { callback: "http://127.0.0.1:8080/api/v1/callbacks/a1a/t0ken".to_owned(), provider: String::new() }
}

#[test]
fn the_request_is_the_contract_to_the_byte() {
    let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let request = build_request(&attempt(), &links(), &secret, at(0));
    let headers: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let text = format!("{}\n\n{}", headers.join("\n"), String::from_utf8(request.body.clone()).unwrap());
    expect![[r#"
        content-type: application/json
        webhook-id: a1a
        webhook-timestamp: 1780000000
        webhook-signature: v1,NayccLrmxHvmrsyguKf1vwt76Fp8R1ScjRdalZH1OQs=

        {"attempt":"a1a","channel":"voice","to":"+8613800000001","person":"g1","lang":"zh-CN","incident":"i7","kind":"sos","priority":"high","text":"这里是银杏社区。王桂兰于 08:00 按下 SOS。","params":{"name":"王桂兰","time":"08:00"},"callback":"http://127.0.0.1:8080/api/v1/callbacks/a1a/t0ken"}"#]]
    .assert_eq(&text);
    let signature = &request.headers[3].1;
    assert!(secret.verify("a1a", 1_780_000_000, &request.body, signature));
    // A resend has the same id, so that the box can tell, and a signature of its own time.
    let again = build_request(&attempt(), &links(), &secret, at(60));
    assert_eq!(again.headers[1], request.headers[1]);
    assert_ne!(again.headers[3], request.headers[3]);
    assert_eq!(again.body, request.body);
}

#[test]
fn answers_are_classed() {
    let class = |status, header: Option<&str>| match classify(status, header.and_then(crate::wire::seconds_of)) {
        SendResult::Accepted => "accepted".to_owned(),
        SendResult::Retry { after_seconds, .. } => format!("retry in {after_seconds}"),
        SendResult::Final { .. } => "final".to_owned(),
        other => format!("{other:?}"),
    };
    for (status, retry_after, expected) in [
        (200, None, "accepted"),
        (202, Some("9"), "accepted"),
        (204, None, "accepted"),
        (301, None, "final"),
        (302, None, "retry in 2"),
        (400, None, "final"),
        (401, None, "final"),
        (404, None, "final"),
        (408, None, "retry in 2"),
        (422, None, "final"),
        (425, None, "retry in 2"),
        (429, Some("17"), "retry in 17"),
        (429, Some(" 17 "), "retry in 17"),
        (500, None, "retry in 2"),
        (503, Some("0"), "retry in 1"),
        (503, Some("86400"), "retry in 300"),
        (503, Some("Wed, 21 Oct 2026 07:28:00 GMT"), "retry in 2"),
        (503, Some("-3"), "retry in 2"),
        (599, None, "retry in 2"),
        (100, None, "final"),
        (999, None, "final"),
    ] {
        assert_eq!(class(status, retry_after), expected, "HTTP {status}, Retry-After {retry_after:?}");
    }
}

#[test]
fn callbacks_are_read_or_refused() {
    let read = |body: &str| match parse_callback(body.as_bytes()) {
        Ok(Callback { attempt, outcome, key, text }) => format!("{attempt} {outcome:?} {key:?} {text:?}"),
        Err(error) => error.to_string(),
    };
    let told: Vec<String> = [
        r#"{"attempt":"a1a","outcome":"delivered"}"#,
        r#"{"attempt":"a1a","outcome":"answered","key":null,"text":null}"#,
        r#"{"attempt":"a1a","outcome":"no_answer"}"#,
        r#"{"attempt":"a1a","outcome":"key","key":"1"}"#,
        r#"{"attempt":"a1a","outcome":"key","key":1,"call_id":"x9"}"#,
        r##"{"attempt":"a1a","outcome":"key","key":" 1# "}"##,
        r#"{"attempt":"a1a","outcome":"reply","text":"收到"}"#,
        r#"{"attempt":"a1a","outcome":"key"}"#,
        r#"{"attempt":"a1a","outcome":"key","key":""}"#,
        r#"{"attempt":"a1a","outcome":"key","key":"one"}"#,
        r#"{"attempt":"a1a","outcome":"key","key":true}"#,
        r#"{"attempt":"a1a","outcome":"reply"}"#,
        r#"{"attempt":"a1a","outcome":"exploded"}"#,
        r#"{"attempt":"i1a","outcome":"busy"}"#,
        r#"{"outcome":"busy"}"#,
        r#"{"attempt":"a1a"}"#,
        r#"{"attempt":"a1a","outcome":"key","key":"2","key":"1"}"#,
        r#"{"attempt":"a1a","outcome":"busy""#,
        r#"{"attempt":"a1a","outcome":"busy"} x"#,
        "[]",
        "",
        "\u{0}",
    ]
    .into_iter()
    .map(|body| format!("{body} → {}", read(body)))
    .collect();
    expect![[r#"
        {"attempt":"a1a","outcome":"delivered"} → a1a Delivered None None
        {"attempt":"a1a","outcome":"answered","key":null,"text":null} → a1a Answered None None
        {"attempt":"a1a","outcome":"no_answer"} → a1a NoAnswer None None
        {"attempt":"a1a","outcome":"key","key":"1"} → a1a Key Some("1") None
        {"attempt":"a1a","outcome":"key","key":1,"call_id":"x9"} → a1a Key Some("1") None
        {"attempt":"a1a","outcome":"key","key":" 1# "} → a1a Key Some("1#") None
        {"attempt":"a1a","outcome":"reply","text":"收到"} → a1a Reply None Some("收到")"#]]
    .assert_eq(&told[..7].join("\n"));
    for (line, why) in told[7..].iter().zip([
        "needs `key`",
        "needs `key`",
        "needs `key`",
        "wrong type",
        "needs `text`",
        "`outcome` is none of delivered, ",
        "wrong type",
        "`attempt` is missing",
        "`outcome` is missing",
        "wrong type",
        "ends in the middle",
        "not JSON",
        "`attempt` is missing",
        "ends in the middle",
        "not JSON",
    ]) {
        assert!(line.contains(" → not a callback") || line.contains(" → outcome"), "{line}");
        assert!(line.contains(why), "{line} should say {why}");
    }
}

#[test]
fn a_long_reply_is_cut_at_a_character_and_deep_nesting_is_refused() {
    let text = "好".repeat(1_000);
    let callback =
        parse_callback(format!(r#"{{"attempt":"a1","outcome":"reply","text":"{text}"}}"#).as_bytes()).unwrap();
    assert_eq!(callback.text.unwrap().len(), 1_998);
    let deep = format!(r#"{{"attempt":"a1","outcome":"busy","x":{}"#, "[".repeat(20_000));
    assert!(parse_callback(deep.as_bytes()).is_err());
}

#[test]
fn a_bad_configuration_says_what_is_wrong_and_keeps_the_secret() {
    struct Still;
    impl Clock for Still {
        fn now(&self) -> Timestamp {
            at(0)
        }
    }
    let why = |url: &str, secret: &str| {
        let config = GatewayConfig { url: url.to_owned(), secret: secret.to_owned(), timeout_ms: 5_000 };
        assert!(!format!("{config:?}").contains("s3cret"));
        Gateway::new("sms", config, Arc::new(Still)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(why("http://127.0.0.1:9/sms", "s3cret"), "");
    assert!(why("127.0.0.1:9", "s3cret").starts_with("url: "));
    assert!(why("ftp://box/", "s3cret").starts_with("url: "));
    assert!(why("http://box/", "").starts_with("secret: "));
    assert!(why("http://box/", "whsec_!").starts_with("secret: "));
}
