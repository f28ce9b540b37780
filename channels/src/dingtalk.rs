//! Group robots of DingTalk (钉钉): 20 messages a minute; one more, and it is deaf for ten minutes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::credential::Secret;
use crate::phone::E164;
use crate::request::{Class, Heard, HttpAnswer, HttpRequest, Seal, hmac_sha256, percent};
use crate::robot::GroupVendor;
use crate::wecom::class_of_errcode;

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://oapi.dingtalk.com";
/// The longest text, bytes; not published, and its peers' are no shorter.
const TEXT_BYTES_MAX: usize = 2_048;
/// How long it takes nothing after too many, seconds.
const BLOCKED_SECONDS: u32 = 600;

/// DingTalk's codes, from its page about robots.
const CODES: &[(&str, Class)] = &[
    ("0", Class::Taken),
    ("-1", Class::Unknown),
    ("130101", Class::Later(BLOCKED_SECONDS)),
    ("410100", Class::Later(BLOCKED_SECONDS)),
    ("430101", Class::Ours),
    ("310000", Class::Ours),
    ("300001", Class::Ours),
    ("300005", Class::Ours),
    ("400013", Class::Ours),
];

/// A DingTalk robot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DingTalk {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// The robot's token, from its webhook address.
    pub token: Secret,
    /// What it is signed with, `SEC…`; `None` for a robot that goes by keyword or address.
    pub secret: Option<Secret>,
}

impl GroupVendor for DingTalk {
    fn kind(&self) -> &'static str {
        "dingtalk"
    }

    fn message(&self, text: &str, mention: Option<E164<'_>>, seal: &Seal) -> HttpRequest {
        let mobiles: Vec<&str> = mention.iter().map(|phone| phone.bare()).collect();
        let body =
            json!({"msgtype": "text", "text": {"content": text}, "at": {"atMobiles": mobiles, "isAtAll": false}});
        let mut url = format!("{}/robot/send?access_token={}", self.endpoint, percent(self.token.reveal()));
        if let Some(secret) = &self.secret {
            let millis = seal.now.millis();
            url.push_str(&format!("&timestamp={millis}&sign={}", percent(&sign(secret.reveal(), millis))));
        }
        HttpRequest::json(url, &body)
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        class_of_errcode(answer, CODES)
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn text_bytes_max(&self) -> usize {
        TEXT_BYTES_MAX
    }
}

fn sign(secret: &str, millis: i64) -> String {
    STANDARD.encode(hmac_sha256(secret.as_bytes(), format!("{millis}\n{secret}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::robot::samples::group_class;
    use crate::samples::{seal, show};

    #[test]
    fn the_request_to_the_byte_and_the_answers() {
        let robot =
            DingTalk { endpoint: ENDPOINT.to_owned(), token: Secret::new("t"), secret: Some(Secret::new("SECx")) };
        // The signature's own test: the same computed by Python's hmac module.
        expect![[r#"
            POST https://oapi.dingtalk.com/robot/send?access_token=t&timestamp=1780000000999&sign=PTxt76TITGsCylQJOK6WIxpkM40tfXPDaj1VsForwf0%3D
            content-type: application/json; charset=utf-8

            {"at":{"atMobiles":[],"isAtAll":false},"msgtype":"text","text":{"content":"王桂兰按下求助键"}}"#]]
        .assert_eq(&show(&robot.message("王桂兰按下求助键", None, &seal()), ""));
        let plain = DingTalk { secret: None, ..robot.clone() };
        assert!(plain.message("x", None, &seal()).url.ends_with("access_token=t"));
        for (status, body, expected) in [
            (200, r#"{"errcode":0,"errmsg":"ok"}"#, "accepted"),
            (200, r#"{"errcode":130101,"errmsg":"send too fast"}"#, "retry in 600: errcode 130101"),
            (
                200,
                r#"{"errcode":310000,"errmsg":"sign not match"}"#,
                "final: errcode 310000: correct the configuration",
            ),
            (200, r#"{"errcode":300001}"#, "final: errcode 300001: correct the configuration"),
            (500, "", "unknown: HTTP 500"),
        ] {
            assert_eq!(group_class(&robot, status, body), expected, "{status} {body}");
        }
    }
}
