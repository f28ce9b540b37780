//! Push messages to iPhones by Bark: an emergency rings for half a minute, through silence too.

use compact_str::CompactString;
use model::{Attempt, Priority, Purpose};
use serde_json::{Value, json};

use crate::aliyun_sms::unreadable;
use crate::ntfy::title;
use crate::provider::Links;
use crate::request::{Class, Heard, HttpAnswer, HttpRequest, Seal, Vendor, class_of_status};
use crate::template::shorten;

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://api.day.app";
/// The longest message, characters (APNs takes 4 096 bytes in all).
const TEXT_CHARS_MAX: usize = 800;

/// Push messages by Bark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bark {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
}

impl Vendor for Bark {
    fn kind(&self) -> &'static str {
        "bark"
    }

    fn request(&self, attempt: &Attempt, _links: &Links, _seal: &Seal) -> Result<HttpRequest, CompactString> {
        let urgent = matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder);
        let mut body = json!({
            "device_key": attempt.to.0.as_str(),
            "title": title(attempt.lang),
            "body": shorten(&attempt.text, TEXT_CHARS_MAX),
            "group": "yinling",
            "level": "active",
        });
        if urgent {
            let loud = attempt.priority == Priority::High;
            body["level"] = Value::from(if loud { "critical" } else { "timeSensitive" });
            if loud {
                body["call"] = Value::from("1");
                body["volume"] = Value::from(10);
            }
        }
        Ok(HttpRequest::json(format!("{}/push", self.endpoint), &body))
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        let told: Option<Value> = serde_json::from_slice(answer.body).ok();
        match told.as_ref().and_then(|told| told["code"].as_u64()) {
            Some(200) => Class::Taken.of("").into(),
            Some(400) => Class::Never.of("400 no such device key").into(),
            Some(code) => {
                let status = u16::try_from(code).unwrap_or(answer.status);
                let class = match class_of_status(status, answer.retry_after) {
                    Class::Taken => Class::Never,
                    class => class,
                };
                class.of(&code.to_string()).into()
            }
            None => unreadable(answer),
        }
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

    #[test]
    fn the_request_to_the_byte() {
        let bark = Bark { endpoint: ENDPOINT.to_owned() };
        let mut attempt = attempt();
        attempt.to = model::Destination("kEy".into());
        expect![[r#"
            POST https://api.day.app/push
            content-type: application/json; charset=utf-8

            {"body":"银杏社区提醒:王桂兰于08:00按下求助键。<回复1确认前往>","call":"1","device_key":"kEy","group":"yinling","level":"critical","title":"银铃","volume":10}"#]]
        .assert_eq(&show(&bark.request(&attempt, &LINKS(), &seal()).unwrap(), ""));
        attempt.purpose = Purpose::Taken;
        let calm = bark.request(&attempt, &LINKS(), &seal()).unwrap();
        assert!(!String::from_utf8(calm.body).unwrap().contains("critical"));
    }

    #[test]
    fn answers_are_classed() {
        let bark = Bark { endpoint: ENDPOINT.to_owned() };
        for (status, body, expected) in [
            (200, r#"{"code":200,"message":"success","timestamp":1}"#, "accepted"),
            (400, r#"{"code":400,"message":"failed to get device token"}"#, "final: 400 no such device key"),
            (500, r#"{"code":500,"message":"push failed"}"#, "unknown: 500"),
            (200, "", "unknown: an answer that cannot be read"),
            (502, "<html>", "unknown: HTTP 502"),
        ] {
            assert_eq!(class(&bark, status, body), expected, "{status} {body}");
        }
    }
}
