//! Push messages by JPush (极光), v3. "Accepted" does not mean that anybody saw it. A resend may show twice: JPush's
//! own guard against that, `cid`, has to be fetched beforehand, and a second request is a second thing that can fail.

use compact_str::CompactString;
use model::{Attempt, Priority, Purpose};
use serde_json::{Value, json};

use crate::Credential;
use crate::aliyun_sms::unreadable;
use crate::ntfy::title;
use crate::provider::Links;
use crate::request::{
    Class, Heard, HttpAnswer, HttpRequest, QUOTA_WAIT_SECONDS, Seal, Vendor, class_of_status, look_up,
};
use crate::template::shorten;

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://api.jpush.cn";
/// The longest message, characters.
const TEXT_CHARS_MAX: usize = 500;
/// How long it is kept for a phone that is off, seconds.
const TIME_TO_LIVE_SECONDS: u32 = 86_400;

/// JPush's codes, from its list of error codes.
const CODES: &[(&str, Class)] = &[
    ("1000", Class::Unknown),
    ("1001", Class::Ours),
    ("1002", Class::Ours),
    ("1003", Class::Never),
    ("1004", Class::Ours),
    ("1005", Class::Never),
    ("1008", Class::Ours),
    ("1011", Class::Never),
    ("1012", Class::Ours),
    ("1020", Class::Ours),
    ("1030", Class::Unknown),
    ("2002", Class::Later(QUOTA_WAIT_SECONDS)),
    ("2003", Class::Ours),
    ("2004", Class::Ours),
];

/// Push messages by JPush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jpush {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// App key and master secret.
    pub credential: Credential,
    /// Whether iPhones get it from Apple's production service (and not the developers').
    pub apns_production: bool,
}

impl Vendor for Jpush {
    fn kind(&self) -> &'static str {
        "jpush"
    }

    fn request(&self, attempt: &Attempt, _links: &Links, _seal: &Seal) -> Result<HttpRequest, CompactString> {
        let text = shorten(&attempt.text, TEXT_CHARS_MAX);
        let urgent =
            matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder) && attempt.priority == Priority::High;
        let extras = json!({"attempt": attempt.id.to_string(), "incident": attempt.incident.map(|incident| incident.to_string())});
        let body = json!({
            "platform": "all",
            "audience": {"registration_id": [attempt.to.0.as_str()]},
            "notification": {
                "alert": text,
                "android": {
                    "alert": text, "title": title(attempt.lang), "priority": if urgent { 2 } else { 0 },
                    "alert_type": 7, "extras": extras,
                },
                "ios": {
                    "alert": {"title": title(attempt.lang), "body": text}, "sound": "default",
                    "interruption-level": if urgent { "time-sensitive" } else { "active" }, "extras": extras,
                },
            },
            "options": {"time_to_live": TIME_TO_LIVE_SECONDS, "apns_production": self.apns_production},
        });
        let url = format!("{}/v3/push", self.endpoint);
        Ok(HttpRequest::json(url, &body).with("authorization", self.credential.basic()))
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        let Ok(told) = serde_json::from_slice::<Value>(answer.body) else { return unreadable(answer) };
        if answer.status == 200 {
            return match &told["msg_id"] {
                Value::Null => unreadable(answer),
                id => Heard { result: Class::Taken.of(""), reference: Some(id.to_string().trim_matches('"').into()) },
            };
        }
        let code = told["error"]["code"].to_string();
        let class = look_up(CODES, &code).unwrap_or_else(|| class_of_status(answer.status, answer.retry_after));
        class.of(&format!("{} {code}", answer.status)).into()
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::samples::{LINKS, attempt, class, seal, show};

    fn jpush() -> Jpush {
        Jpush { endpoint: ENDPOINT.to_owned(), credential: Credential::new("key", "secret"), apns_production: true }
    }

    #[test]
    fn the_request_to_the_byte() {
        let mut attempt = attempt();
        attempt.to = model::Destination("1a0018970a8".into());
        expect![[r#"
            POST https://api.jpush.cn/v3/push
            content-type: application/json; charset=utf-8
            authorization: Basic a2V5OnNlY3JldA==

            {"audience":{"registration_id":["1a0018970a8"]},"notification":{"alert":"银杏社区提醒:王桂兰于08:00按下求助键。<回复1确认前往>","android":{"alert":"银杏社区提醒:王桂兰于08:00按下求助键。<回复1确认前往>","alert_type":7,"extras":{"attempt":"a1a","incident":"i7"},"priority":2,"title":"银铃"},"ios":{"alert":{"body":"银杏社区提醒:王桂兰于08:00按下求助键。<回复1确认前往>","title":"银铃"},"extras":{"attempt":"a1a","incident":"i7"},"interruption-level":"time-sensitive","sound":"default"}},"options":{"apns_production":true,"time_to_live":86400},"platform":"all"}"#]]
        .assert_eq(&show(&jpush().request(&attempt, &LINKS(), &seal()).unwrap(), ""));
    }

    #[test]
    fn answers_are_classed() {
        for (status, body, expected) in [
            (200, r#"{"sendno":"0","msg_id":"1828256757"}"#, "accepted 1828256757"),
            (200, "{}", "unknown: an answer that cannot be read"),
            (400, r#"{"error":{"code":1011,"message":"cannot find user by this audience"}}"#, "final: 400 1011"),
            (401, r#"{"error":{"code":1004,"message":"authen failed"}}"#, "final: 401 1004: correct the configuration"),
            (429, r#"{"error":{"code":2002}}"#, "retry in 60: 429 2002"),
            (503, r#"{"error":{"code":1030}}"#, "unknown: 503 1030"),
            (400, r#"{"error":{"code":1999}}"#, "final: 400 1999"),
        ] {
            assert_eq!(class(&jpush(), status, body), expected, "{status} {body}");
        }
    }
}
