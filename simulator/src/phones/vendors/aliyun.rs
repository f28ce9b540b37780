//! Aliyun's text messages and calls: RPC actions in the query, signed with ACS3-HMAC-SHA256.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::{AttemptOutcome, Channel, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    Issued, Order, Refusal, Report, Vendor, carry_out, e164, header, hex, keyed, member, sha256_hex, signed_lines, wall,
};
use crate::phones::Shared;
use crate::phones::words::Callback;

/// How far a request's time may lie from ours, milliseconds.
const AGE_MS_MAX: i64 = 15 * 60 * 1_000;
/// The longest value of a template's variable, characters.
const PARAM_CHARS_MAX: usize = 35;
/// The longest `OutId` of a call, bytes.
const OUT_ID_BYTES_MAX: usize = 15;

pub(super) async fn take(shared: &Shared, target: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    let query = query_of(target);
    if header(headers, "x-acs-action") == "QuerySendDetails" {
        return match check(shared, &query, headers, body) {
            Ok(()) => details(shared, &query),
            Err(code) => refuse(code),
        };
    }
    let order =
        match check(shared, &query, headers, body).and_then(|()| order_of(&query, header(headers, "x-acs-action"))) {
            Ok(order) => order,
            Err(code) => return refuse(code),
        };
    let channel = order.channel;
    match carry_out(shared, order).await {
        Ok(reference) if channel == Channel::Voice => {
            axum::Json(json!({"Code": "OK", "Message": "OK", "RequestId": "r", "CallId": reference})).into_response()
        }
        Ok(reference) => {
            axum::Json(json!({"Code": "OK", "Message": "OK", "RequestId": "r", "BizId": reference})).into_response()
        }
        Err(Refusal::Code(code)) => refuse(code),
        Err(Refusal::Status(status)) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
    }
}

/// What was texted to a number on a day.
fn details(shared: &Shared, query: &BTreeMap<String, String>) -> Response {
    let need = |name: &str| query.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let (Some(number), Some(day), Some(_), Some(_)) =
        (need("PhoneNumber"), need("SendDate"), need("PageSize"), need("CurrentPage"))
    else {
        return refuse("isv.INVALID_PARAMETERS");
    };
    let vendors = shared.vendors.lock();
    let books = vendors.books(Vendor::Aliyun, Channel::Sms, &e164(number));
    let china = |at: Timestamp| wall(at.plus_seconds(8 * 3_600));
    let of_day = books.iter().filter(|(.., at)| china(*at).replace('-', "").starts_with(day));
    let list: Vec<Value> = of_day
        .map(|(_, issued, text, at)| {
            json!({
                "OutId": issued.out_id, "PhoneNum": number, "SendStatus": 3, "ErrCode": "DELIVERED", "Content": text,
                "SendDate": china(*at), "ReceiveDate": china(*at), "TemplateCode": "",
            })
        })
        .collect();
    let total = list.len().to_string();
    axum::Json(json!({
        "Code": "OK", "Message": "OK", "RequestId": "r", "TotalCount": total,
        "SmsSendDetailDTOs": {"SmsSendDetailDTO": list},
    }))
    .into_response()
}

/// What the gateway in front refuses comes as an error, what the service refuses as 200.
fn refuse(code: &'static str) -> Response {
    let status = match code {
        "InvalidAccessKeyId.NotFound" => StatusCode::NOT_FOUND,
        code if code.starts_with("is") => StatusCode::OK,
        code if code.starts_with("Throttling") => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    (status, axum::Json(json!({"Code": code, "Message": "refused", "RequestId": "r"}))).into_response()
}

fn query_of(target: &str) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://phones{target}"));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

fn check(
    shared: &Shared,
    query: &BTreeMap<String, String>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), &'static str> {
    let authorization = header(headers, "authorization");
    let mut vendors = shared.vendors.lock();
    let (id, secret) = vendors.accounts.as_ref().map(|accounts| accounts.aliyun.clone()).unwrap_or_default();
    if id.is_empty() || member(authorization, "Credential") != Some(&id) {
        return Err("InvalidAccessKeyId.NotFound");
    }
    let names = member(authorization, "SignedHeaders").unwrap_or_default();
    let needed =
        ["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"];
    if !authorization.starts_with("ACS3-HMAC-SHA256 ")
        || !needed.iter().all(|name| names.split(';').any(|n| n == *name))
    {
        return Err("IncompleteSignature");
    }
    let lines = signed_lines(headers, names).ok_or("IncompleteSignature")?;
    let hashed = sha256_hex(body);
    if header(headers, "x-acs-content-sha256") != hashed {
        return Err("SignatureDoesNotMatch");
    }
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    let canonical = format!("POST\n/\n{}\n{lines}\n{names}\n{hashed}", pairs.join("&"));
    let text = format!("ACS3-HMAC-SHA256\n{}", sha256_hex(canonical.as_bytes()));
    if member(authorization, "Signature") != Some(&hex(&keyed(secret.as_bytes(), text.as_bytes()))) {
        return Err("SignatureDoesNotMatch");
    }
    let sent = Timestamp::parse(header(headers, "x-acs-date")).ok_or("InvalidTimeStamp.Format")?;
    if shared.clock.now().millis_since(sent).abs() > AGE_MS_MAX {
        return Err("InvalidTimeStamp.Expired");
    }
    if !vendors.is_new(header(headers, "x-acs-signature-nonce")) {
        return Err("SignatureNonceUsed");
    }
    Ok(())
}

fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn order_of(query: &BTreeMap<String, String>, action: &str) -> Result<Order, &'static str> {
    let value = |name: &str| query.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let need = |name: &str| value(name).ok_or("isv.INVALID_PARAMETERS");
    let (channel, number, code, params) = match action {
        "SendSms" => {
            value("SignName").ok_or("isv.SMS_SIGNATURE_ILLEGAL")?;
            (
                Channel::Sms,
                need("PhoneNumbers")?,
                value("TemplateCode").ok_or("isv.SMS_TEMPLATE_ILLEGAL")?,
                "TemplateParam",
            )
        }
        "SingleCallByTts" => (Channel::Voice, need("CalledNumber")?, need("TtsCode")?, "TtsParam"),
        "IvrCall" => {
            need("CalledShowNumber")?;
            need("MenuKeyMap.1.Key")?;
            (Channel::Voice, need("CalledNumber")?, need("StartCode")?, "StartTtsParams")
        }
        _ => return Err("InvalidAction.NotFound"),
    };
    let out_id = value("OutId").unwrap_or_default();
    if channel == Channel::Voice && out_id.len() > OUT_ID_BYTES_MAX {
        return Err("isv.INVALID_PARAMETERS");
    }
    let spoken = match value(params) {
        None => String::new(),
        Some(text) => spoken_params(text)?,
    };
    Ok(Order {
        vendor: Vendor::Aliyun,
        channel,
        number: e164(number),
        text: format!("[{code}] {spoken}"),
        out_id: out_id.to_owned(),
        status_url: String::new(),
        keys_url: String::new(),
    })
}

/// The variables as one line, refused as Aliyun does.
fn spoken_params(text: &str) -> Result<String, &'static str> {
    let params: Map<String, Value> = serde_json::from_str(text).map_err(|_| "isv.INVALID_JSON_PARAM")?;
    let mut spoken = Vec::new();
    for (name, value) in params {
        let value = value.as_str().ok_or("isv.INVALID_JSON_PARAM")?;
        match value {
            "" => return Err("isv.TEMPLATE_MISSING_PARAMETERS"),
            value if value.contains("://") => return Err("isv.PARAM_NOT_SUPPORT_URL"),
            value if value.chars().count() > PARAM_CHARS_MAX => return Err("isv.PARAM_LENGTH_LIMIT"),
            value => spoken.push(format!("{name}={value}")),
        }
    }
    Ok(spoken.join(" "))
}

pub(super) fn report(issued: &Issued, callback: &Callback, to: &str, now: Timestamp) -> Option<Report> {
    let number = issued.number.trim_start_matches("+86");
    let at = wall(now);
    let body = match (issued.channel, callback.outcome) {
        (Channel::Voice, AttemptOutcome::Key) => json!([{
            "call_id": callback.attempt, "status_code": "300000", "dtmf": callback.key.map(String::from),
            "status_time": at, "out_id": issued.out_id,
        }]),
        (Channel::Voice, outcome) => json!([{
            "call_id": callback.attempt, "callee": number, "start_time": at, "end_time": at, "duration": "1",
            "status_code": status_code(outcome)?, "status_msg": "", "out_id": issued.out_id, "dtmf": "",
        }]),
        (_, AttemptOutcome::Reply) => json!([{
            "phone_number": number, "send_time": at, "content": callback.text, "sign_name": "银铃", "dest_code": "01",
            "sequence_id": now.millis(),
        }]),
        (_, outcome) => json!([{
            "phone_number": number, "send_time": at, "report_time": at, "sms_size": "1", "biz_id": callback.attempt,
            "success": outcome == AttemptOutcome::Delivered, "err_code": "DELIVERED", "out_id": issued.out_id,
        }]),
    };
    let headers = vec![("content-type", "application/json".to_owned())];
    Some(Report { url: to.to_owned(), headers, body: body.to_string() })
}

fn status_code(outcome: AttemptOutcome) -> Option<&'static str> {
    Some(match outcome {
        AttemptOutcome::Ended => "200001",
        AttemptOutcome::Busy => "200002",
        AttemptOutcome::NoAnswer => "200003",
        AttemptOutcome::Declined => "200005",
        AttemptOutcome::Unreachable => "200010",
        AttemptOutcome::Failed => "200121",
        // That somebody picked up it does not tell.
        _ => return None,
    })
}
