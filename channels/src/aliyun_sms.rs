//! Text messages by Aliyun (dysmsapi, 2017-05-25), signed with ACS3.

use compact_str::CompactString;
use model::{Attempt, AttemptOutcome, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::acs3::{self, Action};
use crate::callback::{Evidence, Post, Refusal};
use crate::phone::E164;
use crate::provider::Links;
use crate::request::{
    Asked, Class, Heard, HttpAnswer, HttpRequest, QUOTA_WAIT_SECONDS, Seal, Vendor, by_status, found_as, look_up,
    not_found,
};
use crate::template::Templates;
use crate::{Credential, read};

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://dysmsapi.aliyuncs.com";
/// What a receipt is answered with; anything else makes Aliyun say it again.
pub const ANSWER: &str = r#"{"code":0,"msg":"接收成功"}"#;

/// Aliyun's codes, from its list of error codes; shared with voice, whose codes begin alike.
pub(crate) const CODES: &[(&str, Class)] = &[
    ("OK", Class::Taken),
    ("isp.SYSTEM_ERROR", Class::Unknown),
    ("isp.GATEWAY_ERROR", Class::Unknown),
    ("isp.UNKNOWN_ERROR", Class::Unknown),
    ("Throttling*", Class::Unknown),
    ("ServiceUnavailable", Class::Unknown),
    ("InternalError", Class::Unknown),
    ("isv.BUSINESS_LIMIT_CONTROL", Class::Later(QUOTA_WAIT_SECONDS)),
    ("isv.DAY_LIMIT_CONTROL", Class::Later(QUOTA_WAIT_SECONDS)),
    ("isv.MONTH_LIMIT_CONTROL", Class::Later(QUOTA_WAIT_SECONDS)),
    ("isv.FLOW_LIMIT", Class::Later(QUOTA_WAIT_SECONDS)),
    ("isv.OUT_OF_SERVICE", Class::Later(QUOTA_WAIT_SECONDS)),
    ("isv.AMOUNT_NOT_ENOUGH", Class::Later(QUOTA_WAIT_SECONDS)),
    ("isv.ACCOUNT_ABNORMAL", Class::Later(QUOTA_WAIT_SECONDS)),
    ("isv.MOBILE_NUMBER_ILLEGAL", Class::Never),
    ("isv.MOBILE_COUNT_OVER_LIMIT", Class::Never),
    ("isv.INVALID_PARAMETERS", Class::Never),
    ("isp.RAM_PERMISSION_DENY", Class::Ours),
    ("SignatureDoesNotMatch", Class::Ours),
    ("InvalidAccessKeyId*", Class::Ours),
    ("SignatureNonceUsed", Class::Unknown),
    ("InvalidTimeStamp*", Class::Ours),
    ("isv.SMS_TEMPLATE_ILLEGAL", Class::Ours),
    ("isv.SMS_SIGNATURE_ILLEGAL", Class::Ours),
    ("isv.TEMPLATE_MISSING_PARAMETERS", Class::Ours),
    ("isv.TEMPLATE_PARAMS_ILLEGAL", Class::Ours),
    ("isv.PARAM_LENGTH_LIMIT", Class::Ours),
    ("isv.PARAM_NOT_SUPPORT_URL", Class::Ours),
    ("isv.BLACK_KEY_CONTROL_LIMIT", Class::Ours),
    ("isv.INVALID_JSON_PARAM", Class::Ours),
    ("isv.PRODUCT_UN_SUBSCRIPT", Class::Ours),
    ("isv.PRODUCT_UNSUBSCRIBE", Class::Ours),
];

/// Text messages by Aliyun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliyunSms {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// Access key id and secret.
    pub credential: Credential,
    /// The approved signature, without its brackets.
    pub sign_name: String,
    /// The approved messages.
    pub templates: Templates,
}

impl Vendor for AliyunSms {
    fn kind(&self) -> &'static str {
        "aliyun"
    }

    fn request(&self, attempt: &Attempt, _links: &Links, seal: &Seal) -> Result<HttpRequest, CompactString> {
        let phone = E164::parse(&attempt.to.0).ok_or("the number is not in E.164")?;
        let (template, values) = self.templates.fill(attempt)?;
        let query = [
            ("PhoneNumbers", phone.bare().to_owned()),
            ("SignName", self.sign_name.clone()),
            ("TemplateCode", template.code.clone()),
            ("TemplateParam", json_object(&values)),
            ("OutId", attempt.id.to_string()),
        ];
        let query: Vec<(String, String)> = query.map(|(name, value)| (name.to_owned(), value)).into();
        let action = Action { endpoint: &self.endpoint, name: "SendSms", version: "2017-05-25", query: &query };
        Ok(acs3::request(&action, &self.credential, seal))
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        classify(answer)
    }

    /// By number and day: the identifier that would name it was in the answer that was lost.
    fn question(&self, asked: &Asked<'_>, seal: &Seal) -> Option<HttpRequest> {
        let phone = E164::parse(&asked.attempt.to.0)?;
        let query = [
            ("PhoneNumber", phone.bare().to_owned()),
            ("SendDate", day_in_china(asked.sent_at)),
            ("PageSize", "50".to_owned()),
            ("CurrentPage", "1".to_owned()),
        ];
        let query: Vec<(String, String)> = query.map(|(name, value)| (name.to_owned(), value)).into();
        let action =
            Action { endpoint: &self.endpoint, name: "QuerySendDetails", version: "2017-05-25", query: &query };
        Some(acs3::request(&action, &self.credential, seal))
    }

    fn found(&self, asked: &Asked<'_>, answer: &HttpAnswer<'_>) -> Heard {
        let Ok(told) = serde_json::from_slice::<Value>(answer.body) else { return not_found() };
        let ours = asked.attempt.id.to_string();
        let details = told["SmsSendDetailDTOs"]["SmsSendDetailDTO"].as_array();
        let is_there = details.is_some_and(|details| details.iter().any(|detail| detail["OutId"] == ours.as_str()));
        // Its name for it stands in the receipt, which bears our own.
        if is_there { found_as(None) } else { not_found() }
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn listen(&self, post: &Post<'_>) -> Result<Vec<Evidence>, Refusal> {
        let items: Vec<Receipt> = serde_json::from_slice(post.body).map_err(|_| Refusal::Malformed)?;
        Ok(items.into_iter().filter_map(Receipt::evidence).collect())
    }

    fn answer(&self, _post: &Post<'_>) -> (&'static str, String) {
        ("application/json", ANSWER.to_owned())
    }
}

/// `20261122`: the day of its books, which are kept in China's time.
fn day_in_china(at: Timestamp) -> String {
    at.plus_seconds(8 * 3_600).to_string().chars().filter(char::is_ascii_digit).take(8).collect()
}

/// `{"name":"王桂兰",…}`, in the template's order, every value a text.
pub(crate) fn json_object(values: &[(&str, String)]) -> String {
    let object: Map<String, Value> =
        values.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    Value::Object(object).to_string()
}

/// What any of Aliyun's answers means: a `Code`, also where the status says that it failed.
pub(crate) fn classify(answer: &HttpAnswer<'_>) -> Heard {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        code: String,
        #[serde(default)]
        biz_id: Option<CompactString>,
        #[serde(default)]
        call_id: Option<CompactString>,
    }
    let Ok(told) = serde_json::from_slice::<Answer>(answer.body) else { return unreadable(answer) };
    match look_up(CODES, &told.code) {
        Some(Class::Taken) => Heard { result: Class::Taken.of(""), reference: told.biz_id.or(told.call_id) },
        Some(class) => class.of(&told.code).into(),
        // A code that is on no list of ours: its status decides, and 200 is no success without `OK`.
        None if answer.status < 300 => Class::Never.of(&told.code).into(),
        None => crate::request::class_of_status(answer.status, answer.retry_after).of(&told.code).into(),
    }
}

/// An answer that is not the provider's JSON, from a proxy perhaps: 200 says nothing then.
pub(crate) fn unreadable(answer: &HttpAnswer<'_>) -> Heard {
    if answer.status < 300 {
        Class::Unknown.of("an answer that cannot be read").into()
    } else {
        by_status(answer).into()
    }
}

/// A delivery receipt or a reply, told apart by what they have.
#[derive(Deserialize)]
struct Receipt {
    phone_number: CompactString,
    #[serde(default)]
    success: Option<bool>,
    #[serde(default)]
    biz_id: Option<CompactString>,
    #[serde(default)]
    out_id: Option<CompactString>,
    #[serde(default)]
    content: Option<String>,
    /// A reply's own number: two equal replies are two.
    #[serde(default)]
    sequence_id: Option<Value>,
}

impl Receipt {
    fn evidence(self) -> Option<Evidence> {
        let phone = Some(self.phone_number);
        if let Some(content) = self.content {
            let reference = self.sequence_id.map(|id| CompactString::from(format!("reply {id}")));
            let text = Some(read::cut(content, read::REPLY_BYTES_MAX));
            return Some(Evidence { phone, reference, text, ..Evidence::of(AttemptOutcome::Reply) });
        }
        let outcome = if self.success? { AttemptOutcome::Delivered } else { AttemptOutcome::Failed };
        let attempt = self.out_id.and_then(|id| id.parse().ok());
        Some(Evidence { phone, attempt, reference: self.biz_id, ..Evidence::of(outcome) })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::samples::{LINKS, attempt, class, evidence, found, seal, show, templates};

    fn sms() -> AliyunSms {
        AliyunSms {
            endpoint: ENDPOINT.to_owned(),
            credential: Credential::new("testid", "testsecret"),
            sign_name: "银铃".to_owned(),
            templates: templates("SMS_1", 20),
        }
    }

    #[test]
    fn the_request_to_the_byte() {
        expect![[r#"
            POST https://dysmsapi.aliyuncs.com/?OutId=a1a&PhoneNumbers=13800000001&SignName=%E9%93%B6%E9%93%83&TemplateCode=SMS_1&TemplateParam=%7B%22name%22%3A%22%E7%8E%8B%E6%A1%82%E5%85%B0%22%2C%22place%22%3A%2231.82061%2C117.22720%22%7D
            x-acs-action: SendSms
            x-acs-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
            x-acs-date: 2026-05-28T20:26:40Z
            x-acs-signature-nonce: 07070707070707070707070707070707
            x-acs-version: 2017-05-25
            authorization: ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=…
        "#]]
        .assert_eq(&show(&sms().request(&attempt(), &LINKS(), &seal()).unwrap(), "Signature="));
        let mut odd = attempt();
        odd.to = model::Destination("13800000001".into());
        assert_eq!(sms().request(&odd, &LINKS(), &seal()), Err("the number is not in E.164".into()));
        let mut taken = attempt();
        taken.purpose = model::Purpose::Taken;
        assert!(sms().request(&taken, &LINKS(), &seal()).unwrap_err().contains("no template"));
    }

    #[test]
    fn answers_are_classed() {
        for (status, body, expected) in [
            (200, r#"{"Code":"OK","BizId":"900619746936498440^0","RequestId":"x"}"#, "accepted 900619746936498440^0"),
            (
                200,
                r#"{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"触发小时级流控"}"#,
                "retry in 60: isv.BUSINESS_LIMIT_CONTROL",
            ),
            (200, r#"{"Code":"isv.AMOUNT_NOT_ENOUGH"}"#, "retry in 60: isv.AMOUNT_NOT_ENOUGH"),
            (200, r#"{"Code":"isv.MOBILE_NUMBER_ILLEGAL"}"#, "final: isv.MOBILE_NUMBER_ILLEGAL"),
            (200, r#"{"Code":"isp.SYSTEM_ERROR"}"#, "unknown: isp.SYSTEM_ERROR"),
            (503, r#"{"Code":"Throttling.User"}"#, "unknown: Throttling.User"),
            (400, r#"{"Code":"SignatureDoesNotMatch"}"#, "final: SignatureDoesNotMatch: correct the configuration"),
            (
                200,
                r#"{"Code":"isv.SMS_TEMPLATE_ILLEGAL"}"#,
                "final: isv.SMS_TEMPLATE_ILLEGAL: correct the configuration",
            ),
            (200, r#"{"Code":"isv.NEW_TROUBLE"}"#, "final: isv.NEW_TROUBLE"),
            (500, r#"{"Code":"NewTrouble"}"#, "unknown: NewTrouble"),
            (200, "<html>", "unknown: an answer that cannot be read"),
            (502, "<html>", "unknown: HTTP 502"),
            (429, "", "retry in 2: HTTP 429"),
            (403, "", "final: HTTP 403: correct the configuration"),
        ] {
            assert_eq!(class(&sms(), status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_lost_answer_is_asked_for_by_number_and_day() {
        let attempt = attempt();
        // 23:59:30 in London is the next morning in China.
        let sent_at = Timestamp::parse("2026-11-22T23:59:30Z").unwrap();
        let asked = Asked { attempt: &attempt, sent_at };
        let question = show(&sms().question(&asked, &seal()).unwrap(), "Signature=");
        assert!(
            question.contains("/?CurrentPage=1&PageSize=50&PhoneNumber=13800000001&SendDate=20261123\n")
                && question.contains("x-acs-action: QuerySendDetails"),
            "{question}"
        );
        for (status, body, expected) in [
            (
                200,
                r#"{"Code":"OK","TotalCount":"1","SmsSendDetailDTOs":{"SmsSendDetailDTO":[{"OutId":"a1b","SendStatus":3},{"OutId":"a1a","SendStatus":1}]}}"#,
                "accepted",
            ),
            (
                200,
                r#"{"Code":"OK","SmsSendDetailDTOs":{"SmsSendDetailDTO":[{"OutId":"a1b","SendStatus":3}]}}"#,
                "unknown: no trace of it at the provider",
            ),
            (200, r#"{"Code":"OK","SmsSendDetailDTOs":{}}"#, "unknown: no trace of it at the provider"),
            (503, r#"{"Code":"Throttling.User"}"#, "unknown: no trace of it at the provider"),
            (502, "<html>", "unknown: no trace of it at the provider"),
        ] {
            assert_eq!(found(&sms(), &asked, status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn receipts_and_replies_are_read() {
        for (body, expected) in [
            (
                r#"[{"phone_number":"13800000001","send_time":"2026-11-22 08:00:00","report_time":"2026-11-22 08:00:03","success":true,"err_code":"DELIVERED","err_msg":"用户接收成功","sms_size":"1","biz_id":"9^0","out_id":"a1a"}]"#,
                "Delivered a1a 9^0 13800000001",
            ),
            (
                r#"[{"phone_number":"13800000001","success":false,"err_code":"MOBILE_NOT_ON_SERVICE","biz_id":"9^0"},
                    {"phone_number":"13800000002","success":true,"biz_id":"8^0","out_id":"nonsense"}]"#,
                "Failed - 9^0 13800000001; Delivered - 8^0 13800000002",
            ),
            (
                r#"[{"phone_number":"13800000001","send_time":"x","content":"1","sign_name":"银铃","dest_code":"0001","sequence_id":1234567890}]"#,
                "Reply - reply 1234567890 13800000001 \"1\"",
            ),
            ("[]", ""),
            (r#"[{"phone_number":"13800000001"}]"#, ""),
            ("{}", "it is not what this provider posts"),
            ("", "it is not what this provider posts"),
            (r#"[{"phone_number":13800000001}]"#, "it is not what this provider posts"),
        ] {
            assert_eq!(evidence(&sms(), "https://y.example/", None, body), expected, "{body}");
        }
    }
}
