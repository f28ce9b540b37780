//! Text messages by Tencent Cloud (sms, 2021-01-11), signed with TC3.

use compact_str::CompactString;
use model::{Attempt, AttemptOutcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aliyun_sms::unreadable;
use crate::callback::{Evidence, Post, Refusal};
use crate::phone::E164;
use crate::provider::Links;
use crate::request::{
    Asked, Class, Heard, HttpAnswer, HttpRequest, QUOTA_WAIT_SECONDS, Seal, Vendor, found_as, look_up, not_found,
};
use crate::tc3::{self, Action};
use crate::template::Templates;
use crate::{Credential, read};

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://sms.tencentcloudapi.com";
/// What a receipt is answered with; anything else makes Tencent say it again.
pub const ANSWER: &str = r#"{"result":0,"errmsg":"OK"}"#;

/// Tencent's codes, from its lists of error codes; shared with voice, whose codes are alike.
pub(crate) const CODES: &[(&str, Class)] = &[
    ("Ok", Class::Taken),
    ("InternalError*", Class::Unknown),
    ("RequestLimitExceeded*", Class::Later(2)),
    ("LimitExceeded*", Class::Later(QUOTA_WAIT_SECONDS)),
    ("FailedOperation.InsufficientBalance*", Class::Later(QUOTA_WAIT_SECONDS)),
    ("FailedOperation.PhoneNumberInBlacklist", Class::Never),
    ("FailedOperation.PhoneNumberOnBlacklist", Class::Never),
    ("FailedOperation.ContainSensitiveWord", Class::Ours),
    ("FailedOperation.ForbidAddMarketingTemplates", Class::Ours),
    ("FailedOperation.MarketingSendTimeConstraint", Class::Ours),
    ("FailedOperation.MissingSignature*", Class::Ours),
    ("FailedOperation.SignatureIncorrectOrUnapproved", Class::Ours),
    ("FailedOperation.Template*", Class::Ours),
    ("FailedOperation*", Class::Unknown),
    ("InvalidParameterValue.IncorrectPhoneNumber", Class::Never),
    ("InvalidParameterValue.CalledNumberVerifyFail", Class::Never),
    ("InvalidParameterValue*", Class::Ours),
    ("AuthFailure*", Class::Ours),
    ("UnauthorizedOperation*", Class::Ours),
    ("UnsupportedOperation*", Class::Ours),
    ("MissingParameter*", Class::Ours),
];

/// Text messages by Tencent Cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TencentSms {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// Secret id and key.
    pub credential: Credential,
    /// `ap-guangzhou`.
    pub region: String,
    /// The application's id, `1400006666`.
    pub app_id: String,
    /// The approved signature.
    pub sign_name: String,
    /// The approved messages.
    pub templates: Templates,
}

impl Vendor for TencentSms {
    fn kind(&self) -> &'static str {
        "tencent"
    }

    fn request(&self, attempt: &Attempt, _links: &Links, seal: &Seal) -> Result<HttpRequest, CompactString> {
        let phone = E164::parse(&attempt.to.0).ok_or("the number is not in E.164")?;
        let (template, values) = self.templates.fill(attempt)?;
        let values: Vec<String> = values.into_iter().map(|(_, value)| value).collect();
        let body = json!({
            "PhoneNumberSet": [phone.with_plus()],
            "SmsSdkAppId": self.app_id,
            "SignName": self.sign_name,
            "TemplateId": template.code,
            "TemplateParamSet": values,
            "SessionContext": attempt.id.to_string(),
        });
        let action = Action {
            endpoint: &self.endpoint,
            service: "sms",
            name: "SendSms",
            version: "2021-01-11",
            region: &self.region,
        };
        Ok(tc3::request(&action, &body, &self.credential, seal))
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        classify(answer)
    }

    /// By number and time. Its answer bears our own id only where Tencent has switched that on for the account.
    fn question(&self, asked: &Asked<'_>, seal: &Seal) -> Option<HttpRequest> {
        let phone = E164::parse(&asked.attempt.to.0)?;
        let body = json!({
            "BeginTime": asked.sent_at.millis().div_euclid(1_000),
            "EndTime": seal.seconds() + 1,
            "Offset": 0,
            "Limit": 100,
            "PhoneNumber": phone.with_plus(),
            "SmsSdkAppId": self.app_id,
        });
        let action = Action {
            endpoint: &self.endpoint,
            service: "sms",
            name: "PullSmsSendStatusByPhoneNumber",
            version: "2021-01-11",
            region: &self.region,
        };
        Some(tc3::request(&action, &body, &self.credential, seal))
    }

    fn found(&self, asked: &Asked<'_>, answer: &HttpAnswer<'_>) -> Heard {
        let Ok(told) = serde_json::from_slice::<Value>(answer.body) else { return not_found() };
        let ours = asked.attempt.id.to_string();
        let statuses = told["Response"]["PullSmsSendStatusSet"].as_array();
        match statuses.into_iter().flatten().find(|status| status["SessionContext"] == ours.as_str()) {
            Some(status) => found_as(status["SerialNo"].as_str().map(Into::into)),
            None => not_found(),
        }
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn listen(&self, post: &Post<'_>) -> Result<Vec<Evidence>, Refusal> {
        match serde_json::from_slice(post.body).map_err(|_| Refusal::Malformed)? {
            Told::Receipts(receipts) => Ok(receipts.into_iter().map(Receipt::evidence).collect()),
            Told::Reply { mobile, text, time } => Ok(vec![Evidence {
                phone: Some(mobile),
                reference: time.map(|time| CompactString::from(format!("reply {time}"))),
                text: Some(read::cut(text, read::REPLY_BYTES_MAX)),
                ..Evidence::of(AttemptOutcome::Reply)
            }]),
        }
    }

    fn answer(&self, _post: &Post<'_>) -> (&'static str, String) {
        ("application/json", ANSWER.to_owned())
    }
}

/// What any of Tencent's answers means: an error, or the status of the one message or call.
pub(crate) fn classify(answer: &HttpAnswer<'_>) -> Heard {
    let Ok(told) = serde_json::from_slice::<Value>(answer.body) else { return unreadable(answer) };
    let response = &told["Response"];
    if let Some(code) = response["Error"]["Code"].as_str() {
        return class_of(code).of(code).into();
    }
    let text = |value: &Value| value.as_str().map(CompactString::from);
    let sms = &response["SendStatusSet"][0];
    if let Some(code) = sms["Code"].as_str() {
        let class = class_of(code);
        return Heard { result: class.of(code), reference: text(&sms["SerialNo"]).filter(|_| class == Class::Taken) };
    }
    match text(&response["SendStatus"]["CallId"]) {
        Some(call) => Heard { result: Class::Taken.of(""), reference: Some(call) },
        None => unreadable(answer),
    }
}

fn class_of(code: &str) -> Class {
    look_up(CODES, code).unwrap_or(Class::Never)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Receipts(Vec<Receipt>),
    Reply {
        mobile: CompactString,
        text: String,
        #[serde(default)]
        time: Option<Value>,
    },
}

#[derive(Deserialize)]
struct Receipt {
    mobile: CompactString,
    #[serde(default)]
    nationcode: Option<CompactString>,
    report_status: CompactString,
    #[serde(default)]
    sid: Option<CompactString>,
}

impl Receipt {
    fn evidence(self) -> Evidence {
        let delivered = self.report_status.eq_ignore_ascii_case("SUCCESS");
        let outcome = if delivered { AttemptOutcome::Delivered } else { AttemptOutcome::Failed };
        let phone = read::with_country(self.nationcode.as_deref(), &self.mobile);
        Evidence { reference: self.sid, phone: Some(phone), ..Evidence::of(outcome) }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::samples::{LINKS, attempt, class, evidence, found, seal, show, templates};

    fn sms() -> TencentSms {
        TencentSms {
            endpoint: ENDPOINT.to_owned(),
            credential: Credential::new("testid", "testsecret"),
            region: "ap-guangzhou".to_owned(),
            app_id: "1400006666".to_owned(),
            sign_name: "银铃".to_owned(),
            templates: templates("449739", 20),
        }
    }

    #[test]
    fn the_request_to_the_byte() {
        expect![[r#"
            POST https://sms.tencentcloudapi.com/
            content-type: application/json; charset=utf-8
            x-tc-action: SendSms
            x-tc-version: 2021-01-11
            x-tc-region: ap-guangzhou
            x-tc-timestamp: 1780000000
            authorization: TC3-HMAC-SHA256 Credential=testid/2026-05-28/sms/tc3_request, SignedHeaders=content-type;host, Signature=…

            {"PhoneNumberSet":["+8613800000001"],"SessionContext":"a1a","SignName":"银铃","SmsSdkAppId":"1400006666","TemplateId":"449739","TemplateParamSet":["王桂兰","31.82061,117.22720"]}"#]]
        .assert_eq(&show(&sms().request(&attempt(), &LINKS(), &seal()).unwrap(), "Signature="));
    }

    #[test]
    fn answers_are_classed() {
        let status =
            |code: &str| format!(r#"{{"Response":{{"SendStatusSet":[{{"SerialNo":"5000:1","Code":"{code}"}}]}}}}"#);
        let error =
            |code: &str| format!(r#"{{"Response":{{"Error":{{"Code":"{code}","Message":"m"}},"RequestId":"r"}}}}"#);
        for (body, expected) in [
            (status("Ok"), "accepted 5000:1"),
            (
                status("LimitExceeded.PhoneNumberThirtySecondLimit"),
                "retry in 60: LimitExceeded.PhoneNumberThirtySecondLimit",
            ),
            (status("InvalidParameterValue.IncorrectPhoneNumber"), "final: InvalidParameterValue.IncorrectPhoneNumber"),
            (status("FailedOperation.PhoneNumberInBlacklist"), "final: FailedOperation.PhoneNumberInBlacklist"),
            (
                status("FailedOperation.TemplateIncorrectOrUnapproved"),
                "final: FailedOperation.TemplateIncorrectOrUnapproved: correct the configuration",
            ),
            (status("NewTrouble"), "final: NewTrouble"),
            (error("AuthFailure.SignatureFailure"), "final: AuthFailure.SignatureFailure: correct the configuration"),
            (error("RequestLimitExceeded"), "retry in 2: RequestLimitExceeded"),
            (error("InternalError.Timeout"), "unknown: InternalError.Timeout"),
            ("{}".to_owned(), "unknown: an answer that cannot be read"),
            (r#"{"Response":{"SendStatusSet":[]}}"#.to_owned(), "unknown: an answer that cannot be read"),
        ] {
            assert_eq!(class(&sms(), 200, &body), expected, "{body}");
        }
    }

    #[test]
    fn a_lost_answer_is_asked_for_by_number_and_time() {
        let attempt = attempt();
        let asked = Asked { attempt: &attempt, sent_at: model::Timestamp::from_millis(1_779_999_990_500) };
        let question = show(&sms().question(&asked, &seal()).unwrap(), "Signature=");
        assert!(question.contains("x-tc-action: PullSmsSendStatusByPhoneNumber"), "{question}");
        assert!(
            question.ends_with(
                r#"{"BeginTime":1779999990,"EndTime":1780000001,"Limit":100,"Offset":0,"PhoneNumber":"+8613800000001","SmsSdkAppId":"1400006666"}"#
            ),
            "{question}"
        );
        for (body, expected) in [
            (
                r#"{"Response":{"PullSmsSendStatusSet":[{"SerialNo":"5000:1","SessionContext":"a1b"},{"SerialNo":"5000:2","SessionContext":"a1a","ReportStatus":"SUCCESS"}]}}"#,
                "accepted 5000:2",
            ),
            // Without the session nobody can tell which message it was.
            (
                r#"{"Response":{"PullSmsSendStatusSet":[{"SerialNo":"5000:2","SessionContext":""}]}}"#,
                "unknown: no trace of it at the provider",
            ),
            (r#"{"Response":{"Error":{"Code":"InternalError"}}}"#, "unknown: no trace of it at the provider"),
        ] {
            assert_eq!(found(&sms(), &asked, 200, body), expected, "{body}");
        }
    }

    #[test]
    fn receipts_and_replies_are_read() {
        for (body, expected) in [
            (
                r#"[{"user_receive_time":"2026-11-22 08:00:03","nationcode":"86","mobile":"13800000001","report_status":"SUCCESS","errmsg":"DELIVRD","description":"用户短信送达成功","sid":"5000:1"}]"#,
                "Delivered - 5000:1 +8613800000001",
            ),
            (
                r#"[{"mobile":"13800000001","report_status":"FAIL","errmsg":"x","sid":"5000:1"}]"#,
                "Failed - 5000:1 13800000001",
            ),
            (
                r#"{"extend":"01","mobile":"13800000001","nationcode":"86","sign":"银铃","text":"收到","time":1457336869}"#,
                "Reply - reply 1457336869 13800000001 \"收到\"",
            ),
            ("7", "it is not what this provider posts"),
            (r#"[{"mobile":"1"}]"#, "it is not what this provider posts"),
        ] {
            assert_eq!(evidence(&sms(), "https://y.example/", None, body), expected, "{body}");
        }
    }
}
