//! Group robots of WeCom (企业微信): 20 messages a minute, no more.

use serde_json::{Value, json};

use crate::aliyun_sms::unreadable;
use crate::credential::Secret;
use crate::phone::E164;
use crate::request::{Class, Heard, HttpAnswer, HttpRequest, QUOTA_WAIT_SECONDS, Seal, look_up, percent};
use crate::robot::GroupVendor;

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://qyapi.weixin.qq.com";
/// The longest text, bytes.
const TEXT_BYTES_MAX: usize = 2_048;

/// WeCom's codes, from its list of global return codes.
const CODES: &[(&str, Class)] = &[
    ("0", Class::Taken),
    ("-1", Class::Unknown),
    ("45009", Class::Later(QUOTA_WAIT_SECONDS)),
    ("45033", Class::Later(2)),
    ("93000", Class::Ours),
    ("93004", Class::Ours),
    ("93008", Class::Ours),
    ("40058", Class::Never),
    ("44004", Class::Never),
];

/// A WeCom robot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeCom {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// The robot's key, from its webhook address.
    pub key: Secret,
}

impl GroupVendor for WeCom {
    fn kind(&self) -> &'static str {
        "wecom"
    }

    fn message(&self, text: &str, mention: Option<E164<'_>>, _seal: &Seal) -> HttpRequest {
        let mut content = json!({"content": text});
        if let Some(phone) = mention {
            content["mentioned_mobile_list"] = json!([phone.bare()]);
        }
        let url = format!("{}/cgi-bin/webhook/send?key={}", self.endpoint, percent(self.key.reveal()));
        HttpRequest::json(url, &json!({"msgtype": "text", "text": content}))
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

/// An answer that is `{"errcode":…}`.
pub(crate) fn class_of_errcode(answer: &HttpAnswer<'_>, codes: &[(&str, Class)]) -> Heard {
    let told: Option<Value> = serde_json::from_slice(answer.body).ok();
    let code = told.as_ref().map(|told| &told["errcode"]).filter(|code| code.is_i64());
    match code.map(Value::to_string) {
        Some(code) => look_up(codes, &code).unwrap_or(Class::Never).of(&format!("errcode {code}")).into(),
        None => unreadable(answer),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::robot::samples::group_class;
    use crate::samples::{seal, show};

    #[test]
    fn the_request_to_the_byte_and_the_answers() {
        let robot = WeCom { endpoint: ENDPOINT.to_owned(), key: Secret::new("693a91f6") };
        expect![[r#"
            POST https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6
            content-type: application/json; charset=utf-8

            {"msgtype":"text","text":{"content":"王桂兰按下求助键","mentioned_mobile_list":["13800000001"]}}"#]]
        .assert_eq(&show(&robot.message("王桂兰按下求助键", E164::parse("+8613800000001"), &seal()), ""));
        for (status, body, expected) in [
            (200, r#"{"errcode":0,"errmsg":"ok"}"#, "accepted"),
            (200, r#"{"errcode":45009,"errmsg":"api freq out of limit"}"#, "retry in 60: errcode 45009"),
            (
                200,
                r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#,
                "final: errcode 93000: correct the configuration",
            ),
            (200, r#"{"errcode":-1}"#, "unknown: errcode -1"),
            (200, r#"{"errcode":12345}"#, "final: errcode 12345"),
            (200, "<html>", "unknown: an answer that cannot be read"),
            (502, "", "unknown: HTTP 502"),
        ] {
            assert_eq!(group_class(&robot, status, body), expected, "{status} {body}");
        }
    }
}
