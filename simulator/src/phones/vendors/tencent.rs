//! Tencent Cloud's text messages and calls: JSON actions, signed with TC3-HMAC-SHA256.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use model::{AttemptOutcome, Channel, Timestamp};
use serde_json::{Value, json};

use super::{
    Issued, Order, Refusal, Report, Vendor, carry_out, e164, header, hex, keyed, member, sha256_hex, signed_lines, wall,
};
use crate::phones::Shared;
use crate::phones::words::Callback;

/// How far a request's time may lie from ours, seconds.
const AGE_SECONDS_MAX: i64 = 300;

pub(super) async fn take(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Response {
    let action = header(headers, "x-tc-action");
    if action == "PullSmsSendStatusByPhoneNumber" {
        return match check(shared, headers, body) {
            Ok(()) => statuses(shared, body),
            Err(code) => error(code),
        };
    }
    let order = match check(shared, headers, body).and_then(|()| order_of(body, action)) {
        Ok(order) => order,
        Err(code) => return error(code),
    };
    let (channel, number, out_id) = (order.channel, order.number.clone(), order.out_id.clone());
    let told = match carry_out(shared, order).await {
        Ok(reference) => Ok(reference),
        Err(Refusal::Code(code)) => Err(code),
        Err(Refusal::Status(status)) => {
            return StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response();
        }
    };
    match (channel, told) {
        (Channel::Voice, Ok(call)) => answer(&json!({"SendStatus": {"CallId": call, "SessionContext": out_id}})),
        // A call that is refused is an error, a text that is refused is a status among statuses.
        (Channel::Voice, Err(code)) => error(code),
        (_, told) => {
            let (code, serial) = told.map_or_else(|code| (code, String::new()), |serial| ("Ok", serial));
            answer(&json!({"SendStatusSet": [{
                "SerialNo": serial, "PhoneNumber": number, "Fee": 1, "SessionContext": out_id, "Code": code,
                "Message": "", "IsoCode": "CN",
            }]}))
        }
    }
}

/// What was texted to a number in a time.
fn statuses(shared: &Shared, body: &[u8]) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return error("InvalidParameter") };
    let (Some(number), Some(begin), Some(_), Some(0)) =
        (body["PhoneNumber"].as_str(), body["BeginTime"].as_i64(), body["Limit"].as_i64(), body["Offset"].as_i64())
    else {
        return error("MissingParameter");
    };
    let end = body["EndTime"].as_i64().unwrap_or(i64::MAX);
    let vendors = shared.vendors.lock();
    let books = vendors.books(Vendor::Tencent, Channel::Sms, &e164(number));
    let in_time = books.iter().filter(|(.., at)| (begin..=end).contains(&(at.millis() / 1_000)));
    let list: Vec<Value> = in_time
        .map(|(serial, issued, _, at)| {
            json!({
                "UserReceiveTime": at.millis() / 1_000, "CountryCode": "86", "PhoneNumber": issued.number,
                "SubscriberNumber": issued.number.trim_start_matches("+86"), "SerialNo": serial,
                "ReportStatus": "SUCCESS", "Description": "DELIVERED", "SessionContext": issued.out_id,
            })
        })
        .collect();
    answer(&json!({ "PullSmsSendStatusSet": list }))
}

fn answer(response: &Value) -> Response {
    let mut response = response.clone();
    response["RequestId"] = Value::from("r");
    axum::Json(json!({ "Response": response })).into_response()
}

fn error(code: &str) -> Response {
    answer(&json!({"Error": {"Code": code, "Message": "refused"}}))
}

fn check(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
    let authorization = header(headers, "authorization");
    let vendors = shared.vendors.lock();
    let (id, key) = vendors.accounts.as_ref().map(|accounts| accounts.tencent.clone()).unwrap_or_default();
    let credential = member(authorization, "Credential").unwrap_or_default();
    let parts: Vec<&str> = credential.split('/').collect();
    let [told_id, day, service, "tc3_request"] = parts[..] else { return Err("AuthFailure.SignatureFailure") };
    if id.is_empty() || told_id != id {
        return Err("AuthFailure.SecretIdNotFound");
    }
    let names = member(authorization, "SignedHeaders").unwrap_or_default();
    if !["content-type", "host"].iter().all(|name| names.split(';').any(|signed| signed == *name)) {
        return Err("AuthFailure.SignatureFailure");
    }
    let lines = signed_lines(headers, names).ok_or("AuthFailure.SignatureFailure")?;
    let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", sha256_hex(body));
    let time = header(headers, "x-tc-timestamp");
    let text = format!("TC3-HMAC-SHA256\n{time}\n{day}/{service}/tc3_request\n{}", sha256_hex(canonical.as_bytes()));
    let mut secret = format!("TC3{key}").into_bytes();
    for part in [day, service, "tc3_request"] {
        secret = keyed(&secret, part.as_bytes());
    }
    if member(authorization, "Signature") != Some(&hex(&keyed(&secret, text.as_bytes()))) {
        return Err("AuthFailure.SignatureFailure");
    }
    let seconds: i64 = time.parse().map_err(|_| "AuthFailure.SignatureExpire")?;
    let utc_day = Timestamp::from_millis(seconds * 1_000).to_string();
    if (shared.clock.now().millis() / 1_000 - seconds).abs() > AGE_SECONDS_MAX || !utc_day.starts_with(day) {
        return Err("AuthFailure.SignatureExpire");
    }
    Ok(())
}

fn order_of(body: &[u8], action: &str) -> Result<Order, &'static str> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "InvalidParameter")?;
    let need = |name: &str| body[name].as_str().filter(|text| !text.is_empty()).ok_or("MissingParameter");
    let (channel, number) = match action {
        "SendSms" => {
            need("SmsSdkAppId")?;
            need("SignName")?;
            (Channel::Sms, body["PhoneNumberSet"][0].as_str().ok_or("MissingParameter")?)
        }
        "SendTtsVoice" => {
            need("VoiceSdkAppid")?;
            (Channel::Voice, need("CalledNumber")?)
        }
        _ => return Err("InvalidAction"),
    };
    let params: Vec<&str> =
        body["TemplateParamSet"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if params.iter().any(|param| param.contains("://")) {
        return Err("InvalidParameterValue.ProhibitedUseUrlInTemplateParameter");
    }
    Ok(Order {
        vendor: Vendor::Tencent,
        channel,
        number: e164(number),
        text: format!("[{}] {}", need("TemplateId")?, params.join(" ")),
        out_id: body["SessionContext"].as_str().unwrap_or_default().to_owned(),
        status_url: String::new(),
        keys_url: String::new(),
    })
}

pub(super) fn report(issued: &Issued, callback: &Callback, to: &str, now: Timestamp) -> Option<Report> {
    let mobile = issued.number.trim_start_matches("+86");
    let about = |mut more: Value| {
        more["callid"] = Value::from(callback.attempt.as_str());
        more["mobile"] = Value::from(mobile);
        more["nationcode"] = Value::from("86");
        more["call_from"] = Value::from("");
        more
    };
    let seconds = (now.millis() / 1_000).to_string();
    let body = match (issued.channel, callback.outcome) {
        (Channel::Voice, AttemptOutcome::Key) => {
            json!({"voicekey_callback": about(json!({"keypress": callback.key.map(String::from)}))})
        }
        (Channel::Voice, AttemptOutcome::Ended) => {
            json!({"voiceprompt_callback": about(json!({"result": "0", "accept_time": seconds, "fee": "1"}))})
        }
        (Channel::Voice, AttemptOutcome::NoAnswer) => {
            json!({"voiceprompt_callback": about(json!({"result": "1", "accept_time": "0", "fee": "0"}))})
        }
        (Channel::Voice, AttemptOutcome::Answered) => return None,
        (Channel::Voice, _) => {
            json!({"voice_failure_callback": about(json!({"failure_code": 8, "failure_reason": "无法接通"}))})
        }
        (_, AttemptOutcome::Reply) => json!({
            "extend": "", "mobile": mobile, "nationcode": "86", "sign": "银铃", "text": callback.text,
            "time": now.millis() / 1_000,
        }),
        (_, outcome) => json!([{
            "user_receive_time": wall(now), "nationcode": "86", "mobile": mobile, "sid": callback.attempt,
            "report_status": if outcome == AttemptOutcome::Delivered { "SUCCESS" } else { "FAIL" }, "errmsg": "",
        }]),
    };
    let headers = vec![("content-type", "application/json".to_owned())];
    Some(Report { url: to.to_owned(), headers, body: body.to_string() })
}
