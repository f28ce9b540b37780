//! Push messages by ntfy, hosted anywhere: loud, and with buttons that answer.

use compact_str::CompactString;
use model::{Attempt, Language, Priority, Purpose};
use serde_json::{Value, json};

use crate::credential::Secret;
use crate::provider::Links;
use crate::request::{Heard, HttpAnswer, HttpRequest, Seal, Vendor, by_status};
use crate::template::shorten;

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://ntfy.sh";
/// The longest message, characters (ntfy turns what is over 4 096 bytes into an attachment).
const TEXT_CHARS_MAX: usize = 1_000;

/// Push messages by ntfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ntfy {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// An access token, if the topics are protected.
    pub token: Option<Secret>,
}

impl Vendor for Ntfy {
    fn kind(&self) -> &'static str {
        "ntfy"
    }

    fn request(&self, attempt: &Attempt, links: &Links, _seal: &Seal) -> Result<HttpRequest, CompactString> {
        let topic = attempt.to.0.as_str();
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if topic.is_empty() || topic.len() > 64 || !topic.chars().all(good) {
            return Err("the topic is not one of ntfy's: 1 to 64 letters, digits, - and _".into());
        }
        let mut body = json!({
            "topic": topic,
            "title": title(attempt.lang),
            "message": shorten(&attempt.text, TEXT_CHARS_MAX),
            "priority": level(attempt),
            "tags": [if attempt.purpose == Purpose::Alert { "rotating_light" } else { "bell" }],
        });
        if matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder) {
            body["actions"] = Value::Array(buttons(attempt, links));
        }
        let mut request = HttpRequest::json(format!("{}/", self.endpoint), &body);
        if let Some(token) = &self.token {
            request = request.with("authorization", format!("Bearer {}", token.reveal()));
        }
        Ok(request)
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        by_status(answer).into()
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

/// What stands above a push message.
pub(crate) fn title(lang: Language) -> &'static str {
    if lang == Language::En { "Silver bell" } else { "银铃" }
}

/// 5 rings until it is looked at, 3 is ordinary.
fn level(attempt: &Attempt) -> u8 {
    match (attempt.purpose, attempt.priority) {
        (Purpose::Alert | Purpose::Reminder, Priority::High) => 5,
        (Purpose::Alert | Purpose::Reminder, _) => 4,
        _ => 3,
    }
}

/// "I am going" and "I cannot": each posts what a pressed key would, to the attempt's own address.
fn buttons(attempt: &Attempt, links: &Links) -> Vec<Value> {
    let labels = if attempt.lang == Language::En { ["I am going", "I cannot"] } else { ["我去", "去不了"] };
    let button = |(label, key): (&str, &str)| {
        let body = json!({"attempt": attempt.id.to_string(), "outcome": "key", "key": key}).to_string();
        json!({
            "action": "http", "label": label, "url": links.callback, "method": "POST",
            "headers": {"content-type": "application/json"}, "body": body, "clear": true,
        })
    };
    [(labels[0], "1"), (labels[1], "2")].map(button).into()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::samples::{LINKS, attempt, class, seal, show};

    #[test]
    fn the_request_to_the_byte() {
        let ntfy = Ntfy { endpoint: ENDPOINT.to_owned(), token: Some(Secret::new("tk_x")) };
        let mut attempt = attempt();
        attempt.to = model::Destination("yinling-g1".into());
        expect![[r#"
            POST https://ntfy.sh/
            content-type: application/json; charset=utf-8
            authorization: Bearer …

            {"actions":[{"action":"http","body":"{\"attempt\":\"a1a\",\"key\":\"1\",\"outcome\":\"key\"}","clear":true,"headers":{"content-type":"application/json"},"label":"我去","method":"POST","url":"https://y.example/api/v1/callbacks/a1a/t0ken"},{"action":"http","body":"{\"attempt\":\"a1a\",\"key\":\"2\",\"outcome\":\"key\"}","clear":true,"headers":{"content-type":"application/json"},"label":"去不了","method":"POST","url":"https://y.example/api/v1/callbacks/a1a/t0ken"}],"message":"银杏社区提醒:王桂兰于08:00按下求助键。<回复1确认前往>","priority":5,"tags":["rotating_light"],"title":"银铃","topic":"yinling-g1"}"#]]
        .assert_eq(&show(&ntfy.request(&attempt, &LINKS(), &seal()).unwrap(), "Bearer "));
        attempt.purpose = Purpose::Ended;
        let told = ntfy.request(&attempt, &LINKS(), &seal()).unwrap();
        assert!(!String::from_utf8(told.body).unwrap().contains("t0ken"), "what is only told has no buttons");
        attempt.to = model::Destination("a/b".into());
        assert!(ntfy.request(&attempt, &LINKS(), &seal()).is_err());
    }

    #[test]
    fn answers_are_classed() {
        let ntfy = Ntfy { endpoint: ENDPOINT.to_owned(), token: None };
        for (status, expected) in [
            (200, "accepted"),
            (401, "final: HTTP 401: correct the configuration"),
            (413, "final: HTTP 413"),
            (429, "retry in 2: HTTP 429"),
            (502, "unknown: HTTP 502"),
            (301, "final: HTTP 301"),
        ] {
            assert_eq!(class(&ntfy, status, "{}"), expected);
        }
    }
}
