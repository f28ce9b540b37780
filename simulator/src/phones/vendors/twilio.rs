//! Twilio's messages and calls: forms with basic authentication; what it posts is signed with the auth token.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use model::{AttemptOutcome, Channel};
use serde_json::json;
use sha1::Sha1;

use super::{Issued, Order, Refusal, Report, Vendor, carry_out, header};
use crate::phones::Shared;
use crate::phones::words::Callback;

/// The longest text, characters.
const BODY_CHARS_MAX: usize = 1_600;

pub(super) async fn take(
    State(shared): State<Arc<Shared>>,
    Path((account, what)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(sid) = customer(&shared, &account, &headers) else { return refuse("20003") };
    let fields = fields_of(&body);
    let order = match order_of(&fields, &what) {
        Ok(order) => order,
        Err(code) => return refuse(code),
    };
    match carry_out(&shared, order).await {
        Ok(reference) => {
            (StatusCode::CREATED, axum::Json(json!({"sid": reference, "status": "queued", "account_sid": sid})))
                .into_response()
        }
        Err(Refusal::Code(code)) => refuse(code),
        Err(Refusal::Status(status)) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
    }
}

/// A call is changed: all that is known here is to call one off that rings.
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Path((account, call)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(account) = customer(&shared, &account, &headers) else { return refuse("20003") };
    let asked = fields_of(&body);
    if !asked.iter().any(|(name, value)| name == "Status" && value == "canceled") {
        return refuse("21218");
    }
    let sid = call.trim_end_matches(".json");
    match shared.call_off(sid) {
        true => axum::Json(json!({"sid": sid, "account_sid": account, "status": "canceled"})).into_response(),
        false => refuse("20404"),
    }
}

/// The newest messages or calls to a number.
pub(super) async fn books(
    State(shared): State<Arc<Shared>>,
    Path((account, what)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if customer(&shared, &account, &headers).is_none() {
        return refuse("20003");
    }
    let (channel, name) = match what.as_str() {
        "Messages.json" => (Channel::Sms, "messages"),
        "Calls.json" => (Channel::Voice, "calls"),
        _ => return refuse("20404"),
    };
    let asked = fields_of(uri.query().unwrap_or_default().as_bytes());
    let to = asked.iter().find(|(known, _)| known == "To").map_or("", |(_, to)| to.as_str());
    let vendors = shared.vendors.lock();
    let entries = vendors.books(Vendor::Twilio, channel, to);
    let list: Vec<serde_json::Value> = entries
        .into_iter()
        .rev()
        .map(|(sid, issued, text, at)| {
            let created = at.to_utc().format("%a, %d %b %Y %H:%M:%S +0000").to_string();
            json!({"sid": sid, "to": issued.number, "date_created": created, "status": "queued", "body": text})
        })
        .collect();
    axum::Json(json!({ name: list, "page": 0, "page_size": 50, "next_page_uri": null })).into_response()
}

/// The account, if it is one, and the token is its own.
fn customer(shared: &Shared, account: &str, headers: &HeaderMap) -> Option<String> {
    let vendors = shared.vendors.lock();
    let (sid, token) = vendors.accounts.as_ref().map(|accounts| accounts.twilio.clone())?;
    let expected = format!("Basic {}", STANDARD.encode(format!("{sid}:{token}")));
    (!sid.is_empty() && account == sid && header(headers, "authorization") == expected).then_some(sid)
}

fn refuse(code: &str) -> Response {
    let status = match code {
        "20003" => StatusCode::UNAUTHORIZED,
        "20404" => StatusCode::NOT_FOUND,
        "20429" => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::BAD_REQUEST,
    };
    let number: u32 = code.parse().unwrap_or(0);
    let body = json!({"code": number, "message": "refused", "more_info": "", "status": status.as_u16()});
    (status, axum::Json(body)).into_response()
}

fn fields_of(body: &[u8]) -> Vec<(String, String)> {
    let url = reqwest::Url::parse(&format!("http://phones/?{}", String::from_utf8_lossy(body)));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}

fn order_of(fields: &[(String, String)], what: &str) -> Result<Order, &'static str> {
    let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let number = field("To").filter(|to| to.starts_with('+')).ok_or("21211")?.to_owned();
    field("From").ok_or("21603")?;
    let status_url = field("StatusCallback").unwrap_or_default().to_owned();
    let (channel, text, keys_url) = match what {
        "Messages.json" => {
            let text = field("Body").filter(|body| !body.is_empty()).ok_or("21602")?;
            if text.chars().count() > BODY_CHARS_MAX {
                return Err("21617");
            }
            (Channel::Sms, text.to_owned(), String::new())
        }
        "Calls.json" => {
            let twiml = field("Twiml").ok_or("21205")?;
            (Channel::Voice, spoken(twiml), attribute(twiml, "action").unwrap_or_default())
        }
        _ => return Err("20404"),
    };
    Ok(Order { vendor: Vendor::Twilio, channel, number, text, out_id: String::new(), status_url, keys_url })
}

/// What a caller hears first.
fn spoken(twiml: &str) -> String {
    let said = twiml.split("<Say").nth(1).and_then(|rest| rest.split_once('>'));
    let said = said.and_then(|(_, rest)| rest.split("</Say>").next()).unwrap_or_default();
    unescape(said)
}

fn attribute(twiml: &str, name: &str) -> Option<String> {
    let value = twiml.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
    Some(unescape(value))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

pub(super) fn report(issued: &Issued, callback: &Callback, account: &(String, String)) -> Option<Report> {
    let mut fields = vec![("AccountSid", account.0.clone()), ("ApiVersion", "2010-04-01".to_owned())];
    let mut url = issued.status_url.clone();
    if issued.channel == Channel::Voice {
        fields.extend([("CallSid", callback.attempt.clone()), ("To", issued.number.clone())]);
        let (status, sip) = match callback.outcome {
            AttemptOutcome::Key => {
                fields.push(("Digits", callback.key.map(String::from).unwrap_or_default()));
                url.clone_from(&issued.keys_url);
                ("in-progress", None)
            }
            AttemptOutcome::Answered => ("in-progress", None),
            AttemptOutcome::Ended => ("completed", Some("200")),
            AttemptOutcome::Busy => ("busy", Some("486")),
            AttemptOutcome::Declined => ("busy", Some("603")),
            AttemptOutcome::NoAnswer => ("no-answer", Some("487")),
            AttemptOutcome::Unreachable => ("failed", Some("404")),
            _ => ("failed", None),
        };
        fields.push(("CallStatus", status.to_owned()));
        fields.extend(sip.map(|code| ("SipResponseCode", code.to_owned())));
    } else if callback.outcome == AttemptOutcome::Reply {
        let reply = format!("{}R", callback.attempt);
        fields.extend([("MessageSid", reply), ("From", issued.number.clone())]);
        fields.push(("Body", callback.text.clone().unwrap_or_default()));
    } else {
        let status = if callback.outcome == AttemptOutcome::Delivered { "delivered" } else { "undelivered" };
        fields.extend([("MessageSid", callback.attempt.clone()), ("To", issued.number.clone())]);
        fields.push(("MessageStatus", status.to_owned()));
    }
    let mut encoded = reqwest::Url::parse("http://phones/").ok()?;
    encoded.query_pairs_mut().extend_pairs(&fields);
    let headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("x-twilio-signature", sign(&account.1, &url, fields)),
    ];
    Some(Report { url, headers, body: encoded.query().unwrap_or_default().to_owned() })
}

fn sign(token: &str, url: &str, mut fields: Vec<(&str, String)>) -> String {
    fields.sort();
    let joined: String = fields.into_iter().map(|(name, value)| format!("{name}{value}")).collect();
    #[allow(clippy::expect_used)] // HMAC takes keys of any length
    let mut mac = <Hmac<Sha1> as Mac>::new_from_slice(token.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{url}{joined}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}
