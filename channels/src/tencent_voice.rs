//! Calls by Tencent Cloud (vms, 2020-09-02), signed with TC3. Which keys are asked for stands in the template.

use compact_str::CompactString;
use model::{Attempt, AttemptOutcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::callback::{Evidence, Post, Refusal};
use crate::phone::E164;
use crate::provider::Links;
use crate::request::{Heard, HttpAnswer, HttpRequest, Seal, Vendor};
use crate::tc3::{self, Action};
use crate::template::Templates;
use crate::tencent_sms::{ANSWER, classify};
use crate::{Credential, read};

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://vms.tencentcloudapi.com";
/// How often the message is spoken: 1 to 3.
const PLAY_TIMES: u8 = 3;

/// Calls by Tencent Cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TencentVoice {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// Secret id and key.
    pub credential: Credential,
    /// `ap-guangzhou`.
    pub region: String,
    /// The application's id, `1400006666`.
    pub app_id: String,
    /// The approved messages.
    pub templates: Templates,
}

impl Vendor for TencentVoice {
    fn kind(&self) -> &'static str {
        "tencent"
    }

    fn request(&self, attempt: &Attempt, _links: &Links, seal: &Seal) -> Result<HttpRequest, CompactString> {
        let phone = E164::parse(&attempt.to.0).ok_or("the number is not in E.164")?;
        let (template, values) = self.templates.fill(attempt)?;
        let values: Vec<String> = values.into_iter().map(|(_, value)| value).collect();
        let body = json!({
            "CalledNumber": phone.with_plus(),
            "VoiceSdkAppid": self.app_id,
            "TemplateId": template.code,
            "TemplateParamSet": values,
            "PlayTimes": PLAY_TIMES,
            "SessionContext": attempt.id.to_string(),
        });
        let action = Action {
            endpoint: &self.endpoint,
            service: "vms",
            name: "SendTtsVoice",
            version: "2020-09-02",
            region: &self.region,
        };
        Ok(tc3::request(&action, &body, &self.credential, seal))
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        classify(answer)
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn listen(&self, post: &Post<'_>) -> Result<Vec<Evidence>, Refusal> {
        let told: Told = serde_json::from_slice(post.body).map_err(|_| Refusal::Malformed)?;
        let (about, outcome) = match told {
            Told { voicekey_callback: Some(about), .. } => (about, AttemptOutcome::Key),
            Told { voiceprompt_callback: Some(about), .. } => {
                let outcome = match about.result.as_ref().map(plain).as_deref() {
                    Some("0") => AttemptOutcome::Ended,
                    Some("1") => AttemptOutcome::NoAnswer,
                    Some("2") => AttemptOutcome::Failed,
                    _ => return Err(Refusal::Malformed),
                };
                (about, outcome)
            }
            Told { voice_failure_callback: Some(about), .. } => {
                let outcome = failure(about.failure_code.as_ref().map(plain).as_deref().unwrap_or_default());
                (about, outcome)
            }
            Told { .. } => return Err(Refusal::Malformed),
        };
        let key = about.keypress.as_deref().and_then(read::key);
        if outcome == AttemptOutcome::Key && key.is_none() {
            return Ok(Vec::new());
        }
        let phone = read::with_country(about.nationcode.as_deref(), &about.mobile);
        Ok(vec![Evidence { reference: Some(about.callid), phone: Some(phone), key, ..Evidence::of(outcome) }])
    }

    fn answer(&self, _post: &Post<'_>) -> (&'static str, String) {
        ("application/json", ANSWER.to_owned())
    }
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    voicekey_callback: Option<About>,
    #[serde(default)]
    voiceprompt_callback: Option<About>,
    #[serde(default)]
    voice_failure_callback: Option<About>,
}

#[derive(Deserialize)]
struct About {
    callid: CompactString,
    mobile: CompactString,
    #[serde(default)]
    nationcode: Option<CompactString>,
    #[serde(default)]
    keypress: Option<CompactString>,
    #[serde(default)]
    result: Option<Value>,
    #[serde(default)]
    failure_code: Option<Value>,
}

/// A number that is written as a number or as a text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Tencent's reason for a call that reached nobody. Only 8, a number that nobody has, is published; any other is a
/// failure, which brings the next contact just as fast.
fn failure(code: &str) -> AttemptOutcome {
    if code == "8" { AttemptOutcome::Unreachable } else { AttemptOutcome::Failed }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::samples::{LINKS, attempt, class, evidence, seal, show, templates};

    fn voice() -> TencentVoice {
        TencentVoice {
            endpoint: ENDPOINT.to_owned(),
            credential: Credential::new("testid", "testsecret"),
            region: "ap-guangzhou".to_owned(),
            app_id: "1400006666".to_owned(),
            templates: templates("449740", 20),
        }
    }

    #[test]
    fn the_request_to_the_byte() {
        expect![[r#"
            POST https://vms.tencentcloudapi.com/
            content-type: application/json; charset=utf-8
            x-tc-action: SendTtsVoice
            x-tc-version: 2020-09-02
            x-tc-region: ap-guangzhou
            x-tc-timestamp: 1780000000
            authorization: TC3-HMAC-SHA256 Credential=testid/2026-05-28/vms/tc3_request, SignedHeaders=content-type;host, Signature=…

            {"CalledNumber":"+8613800000001","PlayTimes":3,"SessionContext":"a1a","TemplateId":"449740","TemplateParamSet":["王桂兰","31.82061,117.22720"],"VoiceSdkAppid":"1400006666"}"#]]
        .assert_eq(&show(&voice().request(&attempt(), &LINKS(), &seal()).unwrap(), "Signature="));
    }

    #[test]
    fn answers_are_classed() {
        for (body, expected) in [
            (
                r#"{"Response":{"SendStatus":{"CallId":"6e96","SessionContext":"a1a"},"RequestId":"r"}}"#,
                "accepted 6e96",
            ),
            (
                r#"{"Response":{"Error":{"Code":"LimitExceeded.DeliveryFrequencyLimit"}}}"#,
                "retry in 60: LimitExceeded.DeliveryFrequencyLimit",
            ),
            (
                r#"{"Response":{"Error":{"Code":"InvalidParameterValue.CalledNumberVerifyFail"}}}"#,
                "final: InvalidParameterValue.CalledNumberVerifyFail",
            ),
            (r#"{"Response":{}}"#, "unknown: an answer that cannot be read"),
        ] {
            assert_eq!(class(&voice(), 200, body), expected, "{body}");
        }
    }

    #[test]
    fn callbacks_are_read() {
        for (body, expected) in [
            (
                r#"{"voicekey_callback":{"call_from":"","callid":"6e96","keypress":"1","mobile":"13800000001","nationcode":"86"}}"#,
                "Key - 6e96 +8613800000001 key 1",
            ),
            (r#"{"voicekey_callback":{"callid":"6e96","keypress":"","mobile":"13800000001"}}"#, ""),
            (
                r#"{"voiceprompt_callback":{"result":"0","callid":"6e96","mobile":"13800000001","nationcode":"86"}}"#,
                "Ended - 6e96 +8613800000001",
            ),
            (
                r#"{"voiceprompt_callback":{"result":1,"callid":"6e96","mobile":"13800000001"}}"#,
                "NoAnswer - 6e96 13800000001",
            ),
            (
                r#"{"voice_failure_callback":{"callid":"6e96","failure_code":8,"failure_reason":"空号","mobile":"13800000001"}}"#,
                "Unreachable - 6e96 13800000001",
            ),
            (
                r#"{"voiceprompt_callback":{"result":"9","callid":"6e96","mobile":"1"}}"#,
                "it is not what this provider posts",
            ),
            (r#"{"voicecode_callback":{}}"#, "it is not what this provider posts"),
            ("[]", "it is not what this provider posts"),
        ] {
            assert_eq!(evidence(&voice(), "https://y.example/", None, body), expected, "{body}");
        }
    }
}
