//! One attempt, and how tests show what providers make of it.

use model::attempt::{Callee, CalleeRole, Destination};
use model::record::SendResult;
use model::{
    Attempt, AttemptId, AttemptState, Channel, IncidentId, IncidentKind, Lane, Language, OrgPath, PersonId, Priority,
    Purpose, Timestamp, WearerId,
};

use crate::callback::Post;
use crate::provider::Links;
use crate::request::{Asked, HttpAnswer, HttpRequest, Seal, Vendor};
use crate::template::{Template, Templates};

#[allow(non_snake_case, reason = "reads as the constant that it would be if it could")]
pub(crate) fn LINKS() -> Links {
    Links {
        callback: "https://y.example/api/v1/callbacks/a1a/t0ken".to_owned(),
        provider: "https://y.example/api/v1/providers/voice/s3cret?attempt=a1a".to_owned(),
    }
}

pub(crate) fn seal() -> Seal {
    Seal { now: Timestamp::from_millis(1_780_000_000_999), nonce: [7; 16] }
}

pub(crate) fn attempt() -> Attempt {
    Attempt {
        id: AttemptId::new(0, 42),
        version: 1,
        incident: Some(IncidentId::new(0, 7)),
        campaign: None,
        case: None,
        kind: IncidentKind::Sos.into(),
        priority: Priority::High,
        wearer: WearerId::new("w1"),
        org: OrgPath::new("/luyang/"),
        channel: Channel::Sms,
        callee: Callee { person: PersonId::new("g1"), role: CalleeRole::Guardian },
        to: Destination("+8613800000001".into()),
        lang: Language::ZhCn,
        purpose: Purpose::Alert,
        lane: Lane::Alarm,
        cycle: 1,
        text: "银杏社区提醒:王桂兰于08:00按下求助键。<回复1确认前往>".to_owned(),
        params: vec![
            ("community".into(), "银杏社区".to_owned()),
            ("name".into(), "王桂兰".to_owned()),
            ("time".into(), "08:00".to_owned()),
            ("event".into(), "按下求助键".to_owned()),
            ("place".into(), "位置 31.82061,117.22720".to_owned()),
        ],
        state: AttemptState::Pending,
        outcome: None,
        created_at: Timestamp::EPOCH,
        changed_at: Timestamp::EPOCH,
        not_before: Timestamp::EPOCH,
        sends: 0,
        passed_over: Vec::new(),
        reference: None,
    }
}

/// An alert of name and place, and nothing for the other purposes.
pub(crate) fn templates(code: &str, param_chars_max: usize) -> Templates {
    let alert = Template { code: code.to_owned(), params: vec!["name".to_owned(), "place".to_owned()] };
    Templates {
        alert,
        reminder: None,
        taken: None,
        ended: None,
        test: None,
        welfare: None,
        verify: None,
        param_chars_max,
    }
}

/// A request as text; what follows `secret` in a header is left out.
pub(crate) fn show(request: &HttpRequest, secret: &str) -> String {
    let mut text = format!("{} {}\n", request.method, request.url);
    for (name, value) in &request.headers {
        let value = value
            .find(secret)
            .filter(|_| !secret.is_empty())
            .map_or_else(|| value.clone(), |at| format!("{}…", &value[..at + secret.len()]));
        text.push_str(&format!("{name}: {value}\n"));
    }
    if !request.body.is_empty() {
        text.push_str(&format!("\n{}", String::from_utf8_lossy(&request.body)));
    }
    text
}

pub(crate) fn told(result: &SendResult) -> String {
    match result {
        SendResult::Accepted => "accepted".to_owned(),
        SendResult::Unknown { detail } => format!("unknown: {detail}"),
        SendResult::Retry { detail, after_seconds } => format!("retry in {after_seconds}: {detail}"),
        SendResult::Final { detail } => format!("final: {detail}"),
        SendResult::Shown => "shown".to_owned(),
    }
}

/// Every provider that posts back.
fn posting() -> Vec<Box<dyn Vendor>> {
    use crate::{Credential, aliyun_sms, aliyun_voice, tencent_sms, tencent_voice, twilio};
    let (endpoint, credential) = (String::new(), Credential::new("id", "secret"));
    let (sign_name, app_id, region) = (String::new(), String::new(), String::new());
    vec![
        Box::new(aliyun_sms::AliyunSms {
            endpoint: endpoint.clone(),
            credential: credential.clone(),
            sign_name: sign_name.clone(),
            templates: templates("T", 20),
        }),
        Box::new(aliyun_voice::AliyunVoice {
            endpoint: endpoint.clone(),
            credential: credential.clone(),
            show_number: String::new(),
            templates: templates("T", 20),
            keys: Vec::new(),
            bye_code: None,
        }),
        Box::new(tencent_sms::TencentSms {
            endpoint: endpoint.clone(),
            credential: credential.clone(),
            region: region.clone(),
            app_id: app_id.clone(),
            sign_name,
            templates: templates("T", 20),
        }),
        Box::new(tencent_voice::TencentVoice {
            endpoint: endpoint.clone(),
            credential: credential.clone(),
            region,
            app_id,
            templates: templates("T", 20),
        }),
        Box::new(twilio::Twilio { endpoint, credential, from: String::new(), channel: Channel::Voice }),
    ]
}

proptest::proptest! {
    /// Whatever is posted or answered, nothing panics, and no key comes out that is none.
    #[test]
    fn nothing_that_is_posted_panics(body in POSTS, flip in 0_usize..400, to: u8, status in 100_u16..=599) {
        let mut body = body.as_bytes().to_vec();
        if let Some(byte) = body.get_mut(flip) {
            *byte = to;
        }
        for vendor in posting() {
            let post = Post { url: "https://y.example/?attempt=a1a", signature: Some("x"), body: &body };
            for evidence in vendor.listen(&post).unwrap_or_default() {
                let key = evidence.key.unwrap_or_default();
                proptest::prop_assert!(key.chars().all(|c| c.is_ascii_digit() || "*#".contains(c)) && key.len() <= 16);
            }
            vendor.answer(&post);
            let answer = HttpAnswer { status, retry_after: None, body: &body };
            vendor.classify(&answer);
            let attempt = attempt();
            vendor.found(&Asked { attempt: &attempt, sent_at: Timestamp::EPOCH }, &answer);
        }
    }

    /// Whatever stands in a value, it comes out within its length, of one line, and not empty.
    #[test]
    fn every_value_fits(value in ".*", chars_max in 4_usize..=100) {
        let fitted = crate::template::fit(&value, chars_max);
        let length = fitted.chars().count();
        proptest::prop_assert!((1..=chars_max).contains(&length), "{fitted:?}");
        proptest::prop_assert!(!fitted.contains(['\n', '\r', '【', '】']) && !fitted.contains("://"), "{fitted:?}");
    }
}

/// What providers post, to be spoilt.
const POSTS: &str = concat!(
    r#"(\[\{"phone_number":"1","success":true,"biz_id":"9","out_id":"a1a","content":"1"\}\]"#,
    r#"|\[\{"call_id":"c","status_code":"300000","dtmf":"[0-9#*x]{0,20}","out_id":"a1a"\}\]"#,
    r#"|\{"voicekey_callback":\{"callid":"c","mobile":"1","keypress":"[0-9#*x]{0,20}"\}\}"#,
    r#"|\{"mobile":"1","text":"1","time":1\}|CallSid=CA1&Digits=%3[0-9]&Body=\+|.{0,200})"#,
);

/// What a vendor makes of an answer.
pub(crate) fn class(vendor: &dyn Vendor, status: u16, body: &str) -> String {
    let heard = vendor.classify(&HttpAnswer { status, retry_after: None, body: body.as_bytes() });
    let reference = heard.reference.map(|reference| format!(" {reference}")).unwrap_or_default();
    told(&heard.result) + &reference
}

/// What a vendor makes of the answer to a question about a lost one.
pub(crate) fn found(vendor: &dyn Vendor, asked: &Asked<'_>, status: u16, body: &str) -> String {
    let heard = vendor.found(asked, &HttpAnswer { status, retry_after: None, body: body.as_bytes() });
    let reference = heard.reference.map(|reference| format!(" {reference}")).unwrap_or_default();
    told(&heard.result) + &reference
}

/// What a vendor makes of a post.
pub(crate) fn evidence(vendor: &dyn Vendor, url: &str, signature: Option<&str>, body: &str) -> String {
    let heard = match vendor.listen(&Post { url, signature, body: body.as_bytes() }) {
        Ok(heard) => heard,
        Err(refusal) => return refusal.to_string(),
    };
    let line = |e: crate::callback::Evidence| {
        let mut parts = vec![
            format!("{:?}", e.outcome),
            e.attempt.map_or("-".to_owned(), |id| id.to_string()),
            e.reference.map_or("-".to_owned(), |reference| reference.to_string()),
            e.phone.map_or("-".to_owned(), |phone| phone.to_string()),
        ];
        parts.extend(e.key.map(|key| format!("key {key}")));
        parts.extend(e.text.map(|text| format!("{text:?}")));
        parts.join(" ")
    };
    heard.into_iter().map(line).collect::<Vec<_>>().join("; ")
}
