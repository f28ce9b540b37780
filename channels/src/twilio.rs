//! Text messages and calls by Twilio (2010-04-01), for relatives abroad: it does not reach mainland phones
//! (voice ended there on 2023-11-30, and texts cannot be answered).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compact_str::CompactString;
use hmac::{Hmac, Mac};
use model::{Attempt, AttemptId, AttemptOutcome, Channel, Language, Purpose};
use serde::Deserialize;
use serde_json::Value;
use sha1::Sha1;
use subtle::ConstantTimeEq;

use crate::callback::{Evidence, Post, Refusal};
use crate::phone::E164;
use crate::provider::Links;
use crate::request::{
    Asked, Class, Heard, HttpAnswer, HttpRequest, QUOTA_WAIT_SECONDS, Seal, Vendor, class_of_status, found_as, look_up,
    not_found, percent,
};
use crate::template::shorten;
use crate::{Credential, aliyun_sms, read};

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://api.twilio.com";
/// The longest text that it takes, characters.
const TEXT_CHARS_MAX: usize = 1_600;
/// The longest text that is spoken, characters (TwiML may have 4 000 characters in all, and we say it twice).
const SPOKEN_CHARS_MAX: usize = 500;
/// How long a phone rings, seconds.
const RING_SECONDS: &str = "30";

/// Twilio's codes, from its list of errors and warnings.
const CODES: &[(&str, Class)] = &[
    ("20001", Class::Never),
    ("20003", Class::Ours),
    ("20005", Class::Later(QUOTA_WAIT_SECONDS)),
    ("20404", Class::Ours),
    ("20429", Class::Later(2)),
    ("20500", Class::Unknown),
    ("20503", Class::Later(2)),
    ("21210", Class::Ours),
    ("21211", Class::Never),
    ("21214", Class::Never),
    ("21215", Class::Ours),
    ("21217", Class::Never),
    ("21219", Class::Ours),
    ("21408", Class::Ours),
    ("21606", Class::Ours),
    ("21610", Class::Never),
    ("21611", Class::Later(QUOTA_WAIT_SECONDS)),
    ("21612", Class::Ours),
    ("21614", Class::Never),
    ("21617", Class::Never),
    ("14107", Class::Later(2)),
];

/// Text messages or calls by Twilio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Twilio {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// Account SID and auth token. The token also signs what Twilio posts to us.
    pub credential: Credential,
    /// The number that it sends from, in E.164.
    pub from: String,
    /// Texts or calls.
    pub channel: Channel,
}

impl Vendor for Twilio {
    fn kind(&self) -> &'static str {
        "twilio"
    }

    fn request(&self, attempt: &Attempt, links: &Links, _seal: &Seal) -> Result<HttpRequest, CompactString> {
        let phone = E164::parse(&attempt.to.0).ok_or("the number is not in E.164")?;
        if phone.mainland().is_some() {
            return Err("this provider does not reach mainland numbers".into());
        }
        let to = phone.with_plus();
        let (what, fields) = match self.channel {
            Channel::Voice => ("Calls", self.call(attempt, links)),
            _ => (
                "Messages",
                vec![("Body", shorten(&attempt.text, TEXT_CHARS_MAX)), ("StatusCallback", links.provider.clone())],
            ),
        };
        let mut all = vec![("To", to.as_str()), ("From", self.from.as_str())];
        all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
        let account = percent(self.credential.id());
        let url = format!("{}/2010-04-01/Accounts/{account}/{what}.json", self.endpoint);
        Ok(HttpRequest::form(url, &all).with("authorization", self.credential.basic()))
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            sid: Option<CompactString>,
            #[serde(default)]
            code: Option<Value>,
        }
        let Ok(told) = serde_json::from_slice::<Answer>(answer.body) else { return aliyun_sms::unreadable(answer) };
        if (200..300).contains(&answer.status) {
            return match told.sid {
                Some(sid) => Heard { result: Class::Taken.of(""), reference: Some(sid) },
                None => aliyun_sms::unreadable(answer),
            };
        }
        let code = told.code.map_or_else(String::new, |code| code.to_string());
        let class = look_up(CODES, &code).unwrap_or_else(|| class_of_status(answer.status, answer.retry_after));
        class.of(&format!("{} {code}", answer.status)).into()
    }

    /// The newest of its books to this number: the name that would have found it was in the answer that was lost.
    fn question(&self, asked: &Asked<'_>, _seal: &Seal) -> Option<HttpRequest> {
        let to = E164::parse(&asked.attempt.to.0)?.with_plus();
        let what = if self.channel == Channel::Voice { "Calls" } else { "Messages" };
        let (account, to, from) = (percent(self.credential.id()), percent(&to), percent(&self.from));
        let url =
            format!("{}/2010-04-01/Accounts/{account}/{what}.json?To={to}&From={from}&PageSize=20", self.endpoint);
        let headers = vec![("authorization", self.credential.basic())];
        Some(HttpRequest { method: "GET", url, headers, body: Vec::new() })
    }

    /// Ours is what was made since it went out, to the second; of texts, with the same words.
    fn found(&self, asked: &Asked<'_>, answer: &HttpAnswer<'_>) -> Heard {
        let Ok(told) = serde_json::from_slice::<Value>(answer.body) else { return not_found() };
        let what = if self.channel == Channel::Voice { "calls" } else { "messages" };
        let sent_at = asked.sent_at.millis().div_euclid(1_000);
        let text = shorten(&asked.attempt.text, TEXT_CHARS_MAX);
        let is_ours = |made: &&Value| {
            let since = made["date_created"].as_str().and_then(read::seconds_of_rfc_2822);
            since.is_some_and(|seconds| seconds >= sent_at)
                && (self.channel == Channel::Voice || made["body"].as_str() == Some(&text))
        };
        match told[what].as_array().into_iter().flatten().find(is_ours) {
            Some(made) => found_as(made["sid"].as_str().map(Into::into)),
            None => not_found(),
        }
    }

    /// Ends what is queued or rings; whoever has picked up hears it to the end.
    fn hanging_up(&self, reference: &str) -> Option<HttpRequest> {
        let (account, call) = (percent(self.credential.id()), percent(reference));
        let url = format!("{}/2010-04-01/Accounts/{account}/Calls/{call}.json", self.endpoint);
        let request = HttpRequest::form(url, &[("Status", "canceled")]);
        (self.channel == Channel::Voice).then(|| request.with("authorization", self.credential.basic()))
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn listen(&self, post: &Post<'_>) -> Result<Vec<Evidence>, Refusal> {
        let fields = read::form(post.body);
        if !verify(self.credential.secret(), post.url, &fields, post.signature.unwrap_or_default()) {
            return Err(Refusal::Signature);
        }
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let attempt: Option<AttemptId> = in_query(post.url, "attempt").and_then(|id| id.parse().ok());
        let evidence = |outcome, reference: Option<&str>, phone: Option<&str>| Evidence {
            attempt,
            reference: reference.map(Into::into),
            phone: phone.map(Into::into),
            ..Evidence::of(outcome)
        };
        if let (None, Some(body)) = (field("MessageStatus"), field("Body")) {
            // A reply names its own message, and comes from the callee.
            let reference = field("MessageSid").map(|sid| format!("reply {sid}"));
            let text = Some(read::cut(body.to_owned(), read::REPLY_BYTES_MAX));
            let heard = evidence(AttemptOutcome::Reply, reference.as_deref(), field("From"));
            return Ok(vec![Evidence { attempt: None, text, ..heard }]);
        }
        if let Some(status) = field("MessageStatus") {
            let heard = |outcome| vec![evidence(outcome, field("MessageSid"), field("To"))];
            return Ok(message_outcome(status).map(heard).unwrap_or_default());
        }
        let Some(call) = field("CallSid") else { return Err(Refusal::Malformed) };
        if let Some(digits) = field("Digits") {
            let key = read::key(digits);
            let heard = evidence(AttemptOutcome::Key, Some(call), field("To"));
            return Ok(key.map(|key| vec![Evidence { key: Some(key), ..heard }]).unwrap_or_default());
        }
        let outcome = call_outcome(field("CallStatus").unwrap_or_default(), field("SipResponseCode"));
        Ok(outcome.map(|outcome| vec![evidence(outcome, Some(call), field("To"))]).unwrap_or_default())
    }

    /// After a key, thanks; after any other, what the keys are. Status callbacks need no words.
    fn answer(&self, post: &Post<'_>) -> (&'static str, String) {
        let fields = read::form(post.body);
        let digits = fields.iter().find(|(name, _)| name == "Digits").map(|(_, digits)| digits.trim());
        let english = in_query(post.url, "lang") == Some("en");
        let asks = in_query(post.url, "asks");
        let said = match (digits, english) {
            (Some("1" | "2"), false) => say(Language::ZhCn, "已记录，谢谢。"),
            (Some("1" | "2"), true) => say(Language::En, "Noted. Thank you."),
            (Some(_), false) => gather(
                post.url,
                Language::ZhCn,
                match asks {
                    Some("welfare") => "一切都好请按1，需要帮助请按2。",
                    Some("test") => "听到请按1。",
                    _ => "确认并前往请按1，无法处理请按2。",
                },
            ),
            (Some(_), true) => gather(
                post.url,
                Language::En,
                match asks {
                    Some("welfare") => "If you are well, press 1. If you need help, press 2.",
                    Some("test") => "If you hear this, press 1.",
                    _ => "If you are going, press 1. If you cannot, press 2.",
                },
            ),
            (None, _) => String::new(),
        };
        ("text/xml; charset=utf-8", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{said}</Response>"))
    }
}

impl Twilio {
    fn call(&self, attempt: &Attempt, links: &Links) -> Vec<(&'static str, String)> {
        let lang = if attempt.lang == Language::En { "en" } else { "zh-CN" };
        let (asks, what) = match attempt.purpose {
            Purpose::Alert | Purpose::Reminder => (true, ""),
            Purpose::Test => (true, "&asks=test"),
            Purpose::Welfare => (true, "&asks=welfare"),
            Purpose::Taken | Purpose::Ended | Purpose::Position | Purpose::Code => (false, ""),
        };
        let url = format!("{}&lang={lang}{what}", links.provider);
        let text = shorten(&attempt.text, SPOKEN_CHARS_MAX);
        // Said twice: the first time many are still putting the phone to their ear.
        let once = if asks { gather(&url, attempt.lang, &text) } else { say(attempt.lang, &text) };
        vec![
            ("Twiml", format!("<Response>{once}{once}</Response>")),
            ("Timeout", RING_SECONDS.to_owned()),
            ("StatusCallback", url),
            ("StatusCallbackEvent", "answered".to_owned()),
            ("StatusCallbackEvent", "completed".to_owned()),
        ]
    }
}

fn gather(url: &str, lang: Language, text: &str) -> String {
    format!("<Gather numDigits=\"1\" timeout=\"8\" action=\"{}\">{}</Gather>", xml(url), say(lang, text))
}

fn say(lang: Language, text: &str) -> String {
    let lang = if lang == Language::En { "en-US" } else { "zh-CN" };
    format!("<Say language=\"{lang}\">{}</Say>", xml(text))
}

/// Text as it may stand in XML: escaped, and without what XML 1.0 does not have.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

fn in_query<'u>(url: &'u str, name: &str) -> Option<&'u str> {
    let query = url.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(known, _)| *known == name).map(|(_, value)| value))
}

fn message_outcome(status: &str) -> Option<AttemptOutcome> {
    match status {
        "delivered" | "read" => Some(AttemptOutcome::Delivered),
        "undelivered" | "failed" => Some(AttemptOutcome::Failed),
        _ => None,
    }
}

fn call_outcome(status: &str, sip: Option<&str>) -> Option<AttemptOutcome> {
    match (status, sip) {
        ("in-progress", _) => Some(AttemptOutcome::Answered),
        ("completed", _) => Some(AttemptOutcome::Ended),
        ("busy", Some("603")) => Some(AttemptOutcome::Declined),
        ("busy", _) => Some(AttemptOutcome::Busy),
        ("no-answer", _) | ("failed", Some("480")) => Some(AttemptOutcome::NoAnswer),
        ("failed", Some("404" | "484")) => Some(AttemptOutcome::Unreachable),
        ("failed" | "canceled", _) => Some(AttemptOutcome::Failed),
        _ => None,
    }
}

/// Whether a form was posted by whoever holds the auth token: base64 of the HMAC-SHA-1 of the URL, then every field's
/// name and value in the order of the names. Constant time in the signature.
fn verify(token: &[u8], url: &str, fields: &[(String, String)], signature: &str) -> bool {
    sign(token, url, fields).as_bytes().ct_eq(signature.as_bytes()).into()
}

fn sign(token: &[u8], url: &str, fields: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort();
    // HMAC takes keys of any length, so the second branch cannot be taken.
    let mut mac = Hmac::<Sha1>::new_from_slice(token).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::samples::{LINKS, attempt, class, evidence, found, seal, show};
    use model::Timestamp;
    use serde_json::json;

    fn twilio(channel: Channel) -> Twilio {
        Twilio {
            endpoint: ENDPOINT.to_owned(),
            credential: Credential::new("AC0123", "12345"),
            from: "+12025550199".to_owned(),
            channel,
        }
    }

    fn abroad() -> Attempt {
        let mut attempt = attempt();
        attempt.to = model::Destination("+12025550100".into());
        attempt
    }

    /// The example of Twilio's own description of the signature.
    #[test]
    fn the_published_vector() {
        let fields = [
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+12349013030"),
            ("Digits", "1234"),
            ("From", "+12349013030"),
            ("To", "+18005551212"),
        ];
        let mut fields: Vec<(String, String)> = fields.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
        fields.reverse();
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        assert_eq!(sign(b"12345", url, &fields), "0/KCTR6DLpKmkAf8muzZqo1nDgQ=");
        assert!(verify(b"12345", url, &fields, "0/KCTR6DLpKmkAf8muzZqo1nDgQ="));
        assert!(!verify(b"12345", "https://mycompany.com/myapp.php?foo=1", &fields, "0/KCTR6DLpKmkAf8muzZqo1nDgQ="));
        assert!(!verify(b"12345", url, &fields, ""));
    }

    #[test]
    fn the_requests_to_the_byte() {
        expect![[r#"
            POST https://api.twilio.com/2010-04-01/Accounts/AC0123/Messages.json
            content-type: application/x-www-form-urlencoded
            authorization: Basic …

            To=%2B12025550100&From=%2B12025550199&Body=%E9%93%B6%E6%9D%8F%E7%A4%BE%E5%8C%BA%E6%8F%90%E9%86%92%3A%E7%8E%8B%E6%A1%82%E5%85%B0%E4%BA%8E08%3A00%E6%8C%89%E4%B8%8B%E6%B1%82%E5%8A%A9%E9%94%AE%E3%80%82%3C%E5%9B%9E%E5%A4%8D1%E7%A1%AE%E8%AE%A4%E5%89%8D%E5%BE%80%3E&StatusCallback=https%3A%2F%2Fy.example%2Fapi%2Fv1%2Fproviders%2Fvoice%2Fs3cret%3Fattempt%3Da1a"#]]
        .assert_eq(&show(&twilio(Channel::Sms).request(&abroad(), &LINKS(), &seal()).unwrap(), "Basic "));
        let call = twilio(Channel::Voice).request(&abroad(), &LINKS(), &seal()).unwrap();
        let fields = read::form(&call.body);
        let lines: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        expect![[r#"
            To: +12025550100
            From: +12025550199
            Twiml: <Response><Gather numDigits="1" timeout="8" action="https://y.example/api/v1/providers/voice/s3cret?attempt=a1a&amp;lang=zh-CN"><Say language="zh-CN">银杏社区提醒:王桂兰于08:00按下求助键。&lt;回复1确认前往&gt;</Say></Gather><Gather numDigits="1" timeout="8" action="https://y.example/api/v1/providers/voice/s3cret?attempt=a1a&amp;lang=zh-CN"><Say language="zh-CN">银杏社区提醒:王桂兰于08:00按下求助键。&lt;回复1确认前往&gt;</Say></Gather></Response>
            Timeout: 30
            StatusCallback: https://y.example/api/v1/providers/voice/s3cret?attempt=a1a&lang=zh-CN
            StatusCallbackEvent: answered
            StatusCallbackEvent: completed"#]]
        .assert_eq(&lines.join("\n"));
        let mainland = twilio(Channel::Voice).request(&attempt(), &LINKS(), &seal());
        assert_eq!(mainland, Err("this provider does not reach mainland numbers".into()));
    }

    #[test]
    fn a_ringing_call_is_hung_up() {
        expect![[r#"
            POST https://api.twilio.com/2010-04-01/Accounts/AC0123/Calls/CA1.json
            content-type: application/x-www-form-urlencoded
            authorization: Basic QUMwMTIzOjEyMzQ1

            Status=canceled"#]]
        .assert_eq(&show(&twilio(Channel::Voice).hanging_up("CA1").unwrap(), ""));
        assert_eq!(twilio(Channel::Sms).hanging_up("SM1"), None);
    }

    #[test]
    fn answers_are_classed() {
        for (status, body, expected) in [
            (201, r#"{"sid":"SM1","status":"queued"}"#, "accepted SM1"),
            (201, "{}", "unknown: an answer that cannot be read"),
            (400, r#"{"code":21211,"message":"Invalid 'To' Phone Number","status":400}"#, "final: 400 21211"),
            (400, r#"{"code":21610}"#, "final: 400 21610"),
            (401, r#"{"code":20003}"#, "final: 401 20003: correct the configuration"),
            (429, r#"{"code":20429}"#, "retry in 2: 429 20429"),
            (400, r#"{"code":29999}"#, "final: 400 29999"),
            (500, r#"{"code":20500}"#, "unknown: 500 20500"),
            (503, "", "retry in 2: HTTP 503"),
        ] {
            assert_eq!(class(&twilio(Channel::Sms), status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_welfare_call_asks_for_keys_too() {
        for (purpose, what) in [(Purpose::Welfare, "asks=welfare"), (Purpose::Test, "asks=test")] {
            let call = Attempt { purpose, ..abroad() };
            let call = twilio(Channel::Voice).request(&call, &LINKS(), &seal()).unwrap();
            let fields = read::form(&call.body);
            let twiml = &fields.iter().find(|(name, _)| name == "Twiml").unwrap().1;
            assert!(twiml.contains("<Gather") && twiml.contains(what), "{twiml}");
        }
    }

    #[test]
    fn a_lost_answer_is_looked_up_by_number_time_and_words() {
        let attempt = abroad();
        let sent_at = Timestamp::parse("2026-11-22T08:00:00.400Z").unwrap();
        let asked = Asked { attempt: &attempt, sent_at };
        expect![[r#"
            GET https://api.twilio.com/2010-04-01/Accounts/AC0123/Calls.json?To=%2B12025550100&From=%2B12025550199&PageSize=20
            authorization: Basic …
        "#]]
        .assert_eq(&show(&twilio(Channel::Voice).question(&asked, &seal()).unwrap(), "Basic "));
        let call = |at: &str| format!(r#"{{"calls":[{{"sid":"CA2","date_created":"Sun, 22 Nov 2026 {at} +0000"}}]}}"#);
        let text = |body: &str| {
            let made = json!({"sid": "SM2", "date_created": "Sun, 22 Nov 2026 08:00:01 +0000", "body": body});
            json!({"messages": [made]}).to_string()
        };
        for (channel, body, expected) in [
            (Channel::Voice, call("08:00:00"), "accepted CA2"),
            (Channel::Voice, call("07:59:59"), "unknown: no trace of it at the provider"),
            (
                Channel::Voice,
                r#"{"calls":[{"sid":"CA2","date_created":"yesterday"}]}"#.to_owned(),
                "unknown: no trace of it at the provider",
            ),
            (Channel::Sms, text(&attempt.text), "accepted SM2"),
            (Channel::Sms, text("another one"), "unknown: no trace of it at the provider"),
            (Channel::Sms, "{}".to_owned(), "unknown: no trace of it at the provider"),
        ] {
            assert_eq!(found(&twilio(channel), &asked, 200, &body), expected, "{body}");
        }
    }

    #[test]
    fn only_what_is_signed_is_read() {
        let url = "https://y.example/api/v1/providers/voice/s3cret?attempt=a1a&lang=en";
        let read = |channel, body: &str| {
            let signature = sign(b"12345", url, &read::form(body.as_bytes()));
            evidence(&twilio(channel), url, Some(&signature), body)
        };
        for (channel, body, expected) in [
            (
                Channel::Voice,
                "CallSid=CA1&To=%2B12025550100&Digits=1&CallStatus=in-progress",
                "Key a1a CA1 +12025550100 key 1",
            ),
            (Channel::Voice, "CallSid=CA1&To=%2B12025550100&CallStatus=in-progress", "Answered a1a CA1 +12025550100"),
            (Channel::Voice, "CallSid=CA1&CallStatus=failed&SipResponseCode=480", "NoAnswer a1a CA1 -"),
            (Channel::Voice, "CallSid=CA1&CallStatus=busy&SipResponseCode=486", "Busy a1a CA1 -"),
            (Channel::Voice, "CallSid=CA1&CallStatus=completed", "Ended a1a CA1 -"),
            (Channel::Voice, "CallSid=CA1&CallStatus=ringing", ""),
            (
                Channel::Sms,
                "MessageSid=SM1&MessageStatus=delivered&To=%2B12025550100",
                "Delivered a1a SM1 +12025550100",
            ),
            (Channel::Sms, "MessageSid=SM1&MessageStatus=sent", ""),
            (Channel::Sms, "MessageSid=SM2&From=%2B12025550100&Body=1", "Reply - reply SM2 +12025550100 \"1\""),
            (Channel::Sms, "x=1", "it is not what this provider posts"),
        ] {
            assert_eq!(read(channel, body), expected, "{body}");
        }
        let forged = evidence(&twilio(Channel::Voice), url, Some("AAAA"), "CallSid=CA1&Digits=1");
        assert_eq!(forged, "its signature does not fit");
        assert_eq!(evidence(&twilio(Channel::Voice), url, None, "CallSid=CA1&Digits=1"), "its signature does not fit");
    }

    #[test]
    fn after_a_key_it_says_so() {
        let answer = |url: &str, body: &str| {
            twilio(Channel::Voice).answer(&Post { url, signature: None, body: body.as_bytes() }).1
        };
        assert!(answer("https://y/?lang=en", "Digits=1").contains("<Say language=\"en-US\">Noted."));
        assert!(answer("https://y/?lang=zh-CN", "Digits=3").contains("<Gather numDigits=\"1\""));
        assert!(answer("https://y/?lang=zh-CN&asks=welfare", "Digits=3").contains("需要帮助请按2"));
        assert!(answer("https://y/?lang=en&asks=test", "Digits=9").contains("If you hear this"));
        assert!(answer("https://y/?lang=zh-CN", "CallStatus=completed").ends_with("<Response></Response>"));
    }
}
