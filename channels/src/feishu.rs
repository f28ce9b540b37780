//! Group robots of Feishu (飞书): 100 messages a minute.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::aliyun_sms::unreadable;
use crate::credential::Secret;
use crate::phone::E164;
use crate::request::{Class, Heard, HttpAnswer, HttpRequest, QUOTA_WAIT_SECONDS, Seal, hmac_sha256, look_up, percent};
use crate::robot::GroupVendor;

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://open.feishu.cn";
/// The longest text, bytes (Feishu takes 20 KB in all; nobody reads that much).
const TEXT_BYTES_MAX: usize = 4_096;

/// Feishu's codes, from its page about robots.
const CODES: &[(&str, Class)] = &[
    ("0", Class::Taken),
    ("9499", Class::Never),
    ("11232", Class::Later(QUOTA_WAIT_SECONDS)),
    ("99991400", Class::Later(2)),
    ("19001", Class::Ours),
    ("19021", Class::Ours),
    ("19022", Class::Ours),
    ("19024", Class::Ours),
];

/// A Feishu robot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feishu {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// The robot's token, the last part of its webhook address.
    pub token: Secret,
    /// What it is signed with; `None` for a robot that goes by keyword or address.
    pub secret: Option<Secret>,
}

impl GroupVendor for Feishu {
    fn kind(&self) -> &'static str {
        "feishu"
    }

    /// Feishu mentions people by its own ids, not by their phones: nobody is mentioned.
    fn message(&self, text: &str, _mention: Option<E164<'_>>, seal: &Seal) -> HttpRequest {
        let mut body = json!({"msg_type": "text", "content": {"text": text}});
        if let Some(secret) = &self.secret {
            body["timestamp"] = Value::from(seal.seconds().to_string());
            body["sign"] = Value::from(sign(secret.reveal(), seal.seconds()));
        }
        HttpRequest::json(format!("{}/open-apis/bot/v2/hook/{}", self.endpoint, percent(self.token.reveal())), &body)
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        let told: Option<Value> = serde_json::from_slice(answer.body).ok();
        let code = told.as_ref().and_then(|told| told["code"].as_i64().or(told["StatusCode"].as_i64()));
        match code.map(|code| code.to_string()) {
            Some(code) => look_up(CODES, &code).unwrap_or(Class::Never).of(&format!("code {code}")).into(),
            None => unreadable(answer),
        }
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn text_bytes_max(&self) -> usize {
        TEXT_BYTES_MAX
    }
}

/// The key is time and secret, and the message is empty: that is how Feishu has it.
fn sign(secret: &str, seconds: i64) -> String {
    STANDARD.encode(hmac_sha256(format!("{seconds}\n{secret}").as_bytes(), b""))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::robot::samples::group_class;
    use crate::samples::{seal, show};

    #[test]
    fn the_published_vector() {
        assert_eq!(sign("xxx", 1_661_860_880), "QnWVTSBe6FmQDE0bG6X0mURbI+DnvVyu1h+j5dHOjrU=");
    }

    #[test]
    fn the_request_to_the_byte_and_the_answers() {
        let robot = Feishu { endpoint: ENDPOINT.to_owned(), token: Secret::new("t"), secret: None };
        expect![[r#"
            POST https://open.feishu.cn/open-apis/bot/v2/hook/t
            content-type: application/json; charset=utf-8

            {"content":{"text":"王桂兰按下求助键"},"msg_type":"text"}"#]]
        .assert_eq(&show(&robot.message("王桂兰按下求助键", None, &seal()), ""));
        let signed = Feishu { secret: Some(Secret::new("xxx")), ..robot.clone() }.message("x", None, &seal());
        assert!(String::from_utf8(signed.body).unwrap().contains(r#""timestamp":"1780000000""#));
        for (status, body, expected) in [
            (200, r#"{"code":0,"msg":"success","data":{}}"#, "accepted"),
            (200, r#"{"StatusCode":0,"StatusMessage":"success"}"#, "accepted"),
            (200, r#"{"code":11232,"msg":"frequency limited"}"#, "retry in 60: code 11232"),
            (200, r#"{"code":19021,"msg":"sign match fail"}"#, "final: code 19021: correct the configuration"),
            (200, r#"{"code":9499,"msg":"Bad Request"}"#, "final: code 9499"),
            (200, "", "unknown: an answer that cannot be read"),
        ] {
            assert_eq!(group_class(&robot, status, body), expected, "{status} {body}");
        }
    }
}
