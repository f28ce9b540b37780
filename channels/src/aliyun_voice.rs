//! Calls by Aliyun (dyvmsapi, 2017-05-25): `IvrCall` where a key is asked for, `SingleCallByTts` where something is
//! only told. Both are signed with ACS3.

use compact_str::CompactString;
use model::{Attempt, AttemptOutcome, Purpose};
use serde::Deserialize;

use crate::acs3::{self, Action};
use crate::aliyun_sms::{ANSWER, classify, json_object};
use crate::callback::{Evidence, Post, Refusal};
use crate::phone::E164;
use crate::provider::Links;
use crate::request::{Heard, HttpAnswer, HttpRequest, Seal, Vendor};
use crate::template::Templates;
use crate::{Credential, read};

/// Where it is, unless configured.
pub const ENDPOINT: &str = "https://dyvmsapi.aliyuncs.com";
/// The longest `OutId` that `IvrCall` takes, bytes.
const OUT_ID_BYTES_MAX: usize = 15;
/// How often the message is spoken: 1 to 3.
const PLAY_TIMES: &str = "3";
/// How long a key is waited for, milliseconds.
const KEY_WAIT_MS: &str = "10000";

/// Calls by Aliyun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliyunVoice {
    /// Without a slash at its end; [`ENDPOINT`].
    pub endpoint: String,
    /// Access key id and secret.
    pub credential: Credential,
    /// The number that is shown to the callee, one of those bought.
    pub show_number: String,
    /// The approved messages, as text-to-speech templates.
    pub templates: Templates,
    /// The template (without variables) that is spoken after a key, by key, e.g. `1` → `TTS_3`; `None` for a channel
    /// that only tells and never asks for a key.
    pub keys: Vec<(char, String)>,
    /// The template (without variables) that is spoken at the end.
    pub bye_code: Option<String>,
}

impl Vendor for AliyunVoice {
    fn kind(&self) -> &'static str {
        "aliyun"
    }

    fn request(&self, attempt: &Attempt, _links: &Links, seal: &Seal) -> Result<HttpRequest, CompactString> {
        let phone = E164::parse(&attempt.to.0).ok_or("the number is not in E.164")?;
        let called = phone.mainland().ok_or("this provider calls mainland numbers only")?;
        let (template, values) = self.templates.fill(attempt)?;
        let out_id = attempt.id.to_string();
        if out_id.len() > OUT_ID_BYTES_MAX {
            return Err("the attempt's id is longer than this provider takes".into());
        }
        let waits_for_a_key =
            matches!(attempt.purpose, Purpose::Alert | Purpose::Reminder | Purpose::Test | Purpose::Welfare);
        let asks = waits_for_a_key && !self.keys.is_empty();
        let params = json_object(&values);
        let mut query = vec![
            ("CalledNumber".to_owned(), called.to_owned()),
            ("CalledShowNumber".to_owned(), self.show_number.clone()),
            ("PlayTimes".to_owned(), PLAY_TIMES.to_owned()),
            ("OutId".to_owned(), out_id),
        ];
        let name = if asks {
            query.push(("StartCode".to_owned(), template.code.clone()));
            query.push(("StartTtsParams".to_owned(), params));
            query.push(("Timeout".to_owned(), KEY_WAIT_MS.to_owned()));
            for (index, (key, code)) in self.keys.iter().enumerate() {
                query.push((format!("MenuKeyMap.{}.Key", index + 1), key.to_string()));
                query.push((format!("MenuKeyMap.{}.Code", index + 1), code.clone()));
            }
            query.extend(self.bye_code.as_ref().map(|code| ("ByeCode".to_owned(), code.clone())));
            "IvrCall"
        } else {
            query.push(("TtsCode".to_owned(), template.code.clone()));
            query.push(("TtsParam".to_owned(), params));
            "SingleCallByTts"
        };
        let action = Action { endpoint: &self.endpoint, name, version: "2017-05-25", query: &query };
        Ok(acs3::request(&action, &self.credential, seal))
    }

    fn classify(&self, answer: &HttpAnswer<'_>) -> Heard {
        classify(answer)
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn listen(&self, post: &Post<'_>) -> Result<Vec<Evidence>, Refusal> {
        let items: Vec<Report> = serde_json::from_slice(post.body).map_err(|_| Refusal::Malformed)?;
        Ok(items.into_iter().flat_map(Report::evidence).collect())
    }

    fn answer(&self, _post: &Post<'_>) -> (&'static str, String) {
        ("application/json", ANSWER.to_owned())
    }
}

/// `VoiceCallReport`, while the call goes on, and `VoiceReport`, at its end.
#[derive(Deserialize)]
struct Report {
    call_id: CompactString,
    status_code: CompactString,
    #[serde(default)]
    dtmf: Option<CompactString>,
    #[serde(default)]
    out_id: Option<CompactString>,
    /// Only in `VoiceReport`.
    #[serde(default)]
    callee: Option<CompactString>,
}

impl Report {
    /// What it tells. The last report has the key once more: it counts also where the first was lost or never entered.
    fn evidence(self) -> Vec<Evidence> {
        let pressed = self.dtmf.as_deref().and_then(read::key);
        let told = |outcome| Evidence {
            attempt: self.out_id.as_deref().and_then(|id| id.parse().ok()),
            reference: Some(self.call_id.clone()),
            phone: self.callee.clone().filter(|callee| !callee.is_empty()),
            ..Evidence::of(outcome)
        };
        let state = outcome(&self.status_code);
        let is_key = self.status_code == "300000" || state == Some(AttemptOutcome::Ended);
        let key = pressed.filter(|_| is_key).map(|key| Evidence { key: Some(key), ..told(AttemptOutcome::Key) });
        key.into_iter().chain(state.map(told)).collect()
    }
}

/// Aliyun's call states; those that tell nothing (it rings, it is being placed) are `None`.
fn outcome(code: &str) -> Option<AttemptOutcome> {
    Some(match code {
        "200000" | "200001" | "200008" => AttemptOutcome::Ended,
        "200002" => AttemptOutcome::Busy,
        "200003" => AttemptOutcome::NoAnswer,
        "200004" | "200005" | "200007" | "200010" | "200011" | "200009" | "200012" => AttemptOutcome::Unreachable,
        "200118" | "200121" => AttemptOutcome::Failed,
        "200100" | "200101" | "200102" => return None,
        // Every other end of a call is bad news, and bad news brings the next contact at once.
        code if code.len() == 6 && code.starts_with('2') => AttemptOutcome::Failed,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::samples::{LINKS, attempt, class, evidence, seal, show, templates};

    fn voice() -> AliyunVoice {
        AliyunVoice {
            endpoint: ENDPOINT.to_owned(),
            credential: Credential::new("testid", "testsecret"),
            show_number: "05510000000".to_owned(),
            templates: templates("TTS_1", 20),
            keys: vec![('1', "TTS_2".to_owned()), ('2', "TTS_3".to_owned())],
            bye_code: None,
        }
    }

    #[test]
    fn the_request_to_the_byte() {
        expect![[r#"
            POST https://dyvmsapi.aliyuncs.com/?CalledNumber=13800000001&CalledShowNumber=05510000000&MenuKeyMap.1.Code=TTS_2&MenuKeyMap.1.Key=1&MenuKeyMap.2.Code=TTS_3&MenuKeyMap.2.Key=2&OutId=a1a&PlayTimes=3&StartCode=TTS_1&StartTtsParams=%7B%22name%22%3A%22%E7%8E%8B%E6%A1%82%E5%85%B0%22%2C%22place%22%3A%2231.82061%2C117.22720%22%7D&Timeout=10000
            x-acs-action: IvrCall
            x-acs-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
            x-acs-date: 2026-05-28T20:26:40Z
            x-acs-signature-nonce: 07070707070707070707070707070707
            x-acs-version: 2017-05-25
            authorization: ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=…
        "#]]
        .assert_eq(&show(&voice().request(&attempt(), &LINKS(), &seal()).unwrap(), "Signature="));
    }

    #[test]
    fn what_is_only_told_asks_for_no_key_and_nobody_abroad_is_called() {
        let mut told = attempt();
        told.purpose = Purpose::Taken;
        let mut voice = voice();
        voice.templates.taken = Some(voice.templates.alert.clone());
        let request = voice.request(&told, &LINKS(), &seal()).unwrap();
        assert!(request.headers.contains(&("x-acs-action", "SingleCallByTts".to_owned())));
        assert!(request.url.contains("&TtsCode=TTS_1&TtsParam=") && !request.url.contains("MenuKeyMap"));
        let mut abroad = attempt();
        abroad.to = model::Destination("+12025550100".into());
        assert_eq!(voice.request(&abroad, &LINKS(), &seal()), Err("this provider calls mainland numbers only".into()));
    }

    #[test]
    fn answers_are_classed() {
        for (status, body, expected) in [
            (
                200,
                r#"{"Code":"OK","CallId":"116012354148^102813140148","Message":"OK"}"#,
                "accepted 116012354148^102813140148",
            ),
            (200, r#"{"Code":"isv.BUSINESS_LIMIT_CONTROL"}"#, "retry in 60: isv.BUSINESS_LIMIT_CONTROL"),
            (200, r#"{"Code":"isv.MOBILE_NUMBER_ILLEGAL"}"#, "final: isv.MOBILE_NUMBER_ILLEGAL"),
        ] {
            assert_eq!(class(&voice(), status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn reports_are_read() {
        let report = |code: &str, dtmf: &str| {
            let body = format!(
                r#"[{{"call_id":"c^1","status_code":"{code}","dtmf":"{dtmf}","status_time":"2026-11-22 08:00:20","out_id":"a1a"}}]"#
            );
            evidence(&voice(), "https://y.example/", None, &body)
        };
        for (code, dtmf, expected) in [
            ("300000", "1", "Key a1a c^1 - key 1"),
            ("300000", "", ""),
            ("200000", "", "Ended a1a c^1 -"),
            ("200001", "", "Ended a1a c^1 -"),
            ("200002", "", "Busy a1a c^1 -"),
            ("200003", "", "NoAnswer a1a c^1 -"),
            ("200004", "", "Unreachable a1a c^1 -"),
            ("200010", "", "Unreachable a1a c^1 -"),
            ("200118", "", "Failed a1a c^1 -"),
            ("200299", "", "Failed a1a c^1 -"),
            ("200100", "", ""),
            ("nonsense", "", ""),
        ] {
            assert_eq!(report(code, dtmf), expected, "{code} {dtmf}");
        }
        let end = r#"[{"call_id":"c^1","callee":"13800000001","status_code":"200000","duration":"10","dtmf":"1","out_id":"a1a"}]"#;
        assert_eq!(
            evidence(&voice(), "https://y.example/", None, end),
            "Key a1a c^1 13800000001 key 1; Ended a1a c^1 13800000001",
            "the key, also where it was not told before"
        );
    }
}
