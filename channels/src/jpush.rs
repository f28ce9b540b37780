//! Push messages by JPush (极光), v3. "Accepted" does not mean that anybody saw it. A `cid` makes a resend harmless: JPush
//! answers it with the result of the first and shows nothing twice. It is valid for a day and has to come from JPush's
//! own pool, so a few are fetched beforehand ([`once`](crate::once)).
//! Source: docs.jiguang.cn, Push API v3 and "获取推送唯一标识(cid)" of its advanced functions, 2022-08-09.

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

/// How many `cid`s are fetched at a time: as many as every application may.
const CIDS_FETCHED: usize = 10;
/// The longest `cid` that is believed, bytes: application key (24), a hyphen and a UUID are 61.
const CID_BYTES_MAX: usize = 128;

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

    fn keys(&self) -> Option<HttpRequest> {
        let url = format!("{}/v3/push/cid?count={CIDS_FETCHED}&type=push", self.endpoint);
        let request = HttpRequest { method: "GET", url, headers: Vec::new(), body: Vec::new() };
        Some(request.with("authorization", self.credential.basic()))
    }

    fn keys_in(&self, answer: &HttpAnswer<'_>) -> Vec<String> {
        let told = serde_json::from_slice::<Value>(answer.body).unwrap_or_default();
        let cids = told["cidlist"].as_array().filter(|_| answer.status == 200);
        let cids = cids.into_iter().flatten().filter_map(Value::as_str);
        cids.filter(|cid| !cid.is_empty() && cid.len() <= CID_BYTES_MAX).map(str::to_owned).collect()
    }

    fn with_key(&self, mut request: HttpRequest, key: &str) -> HttpRequest {
        if let Ok(Value::Object(mut body)) = serde_json::from_slice(&request.body) {
            body.insert("cid".to_owned(), key.into());
            request.body = Value::Object(body).to_string().into_bytes();
        }
        request
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
    fn a_cid_is_asked_for_and_put_in() {
        expect![[r#"
            GET https://api.jpush.cn/v3/push/cid?count=10&type=push
            authorization: Basic a2V5OnNlY3JldA==
        "#]]
        .assert_eq(&show(&jpush().keys().unwrap(), ""));
        let cids =
            |status, body: &str| jpush().keys_in(&HttpAnswer { status, retry_after: None, body: body.as_bytes() });
        // As in JPush's documentation.
        let told = r#"{"cidlist":["8103a4c628a0b98994ec1949-128eeb45-471c-49f3-b442-a05c20c9ed56",
                       "8103a4c628a0b98994ec1949-6e44d7f1-89f5-48a8-bec4-e359c15b13e5"]}"#;
        assert_eq!(cids(200, told).len(), 2);
        for (status, body) in [(401, told), (200, "{}"), (200, "not JSON"), (200, r#"{"cidlist":[7,""]}"#)] {
            assert_eq!(cids(status, body), Vec::<String>::new(), "{status} {body}");
        }
        let request = jpush().request(&attempt(), &LINKS(), &seal()).unwrap();
        let keyed = jpush().with_key(request.clone(), &cids(200, told)[0]);
        let body = |request: &HttpRequest| serde_json::from_slice::<Value>(&request.body).unwrap();
        let mut expected = body(&request);
        expected["cid"] = "8103a4c628a0b98994ec1949-128eeb45-471c-49f3-b442-a05c20c9ed56".into();
        assert_eq!(body(&keyed), expected);
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
