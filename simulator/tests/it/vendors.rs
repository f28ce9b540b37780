//! Our imitation of the providers, held against the providers: their own SDKs call it, check what it posts, and are
//! refused when the secret is wrong. `./test.sh` installs the SDKs; where they are missing this fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::routing::post;
use model::{AttemptOutcome, Channel};
use serde_json::Value;
use simulator::clock::RunningClock;
use simulator::phones::{Accounts, Button, CallScript, Entry, Fault, Options, Phones, RING_MS, Receipts, TextScript};
use tokio::sync::mpsc;

const PHONE: &str = "+8613800000001";
const WITHIN: Duration = Duration::from_secs(60);

/// A Python that has the SDKs: `YINLING_PYTHON`, else the project's virtual environment, else the system's.
fn python() -> PathBuf {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/python3"));
    match std::env::var_os("YINLING_PYTHON") {
        Some(python) => python.into(),
        None if own.exists() => own,
        None => "python3".into(),
    }
}

/// Runs the script and gives what each step said.
async fn sdks(arguments: &[&str]) -> BTreeMap<String, Value> {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let run = move || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/vendor_sdks.py");
        Command::new(python()).arg(script).args(arguments).env("no_proxy", "127.0.0.1").output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let faults = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "the SDKs (does {} have them? ./test.sh installs them): {faults}",
        python().display()
    );
    told.lines()
        .map(|line| {
            let told: Value = serde_json::from_str(line).unwrap();
            (told["step"].as_str().unwrap().to_owned(), told)
        })
        .collect()
}

async fn phones(text_script: TextScript) -> Phones {
    let entry = Entry {
        number: PHONE.to_owned(),
        person: "g1".to_owned(),
        name: "王芳".to_owned(),
        relation: ["女儿".to_owned(), "daughter".to_owned()],
        family: "王桂兰".to_owned(),
        call_scripts: vec![CallScript::ByHand],
        text_script,
    };
    let options = Options {
        listen: ([127, 0, 0, 1], 0).into(),
        secret: String::new(),
        clock: Arc::new(RunningClock::from(now())),
        ring_ms: RING_MS,
        entries: vec![entry],
        listener: None,
    };
    Phones::start(options).await.unwrap()
}

/// The SDKs take the time from the system, and so must their peer.
fn now() -> model::Timestamp {
    let output = Command::new("date").arg("+%s").output().unwrap();
    let seconds: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    model::Timestamp::from_millis(seconds * 1_000)
}

fn accounts(report_to: &str) -> Accounts {
    let pair = |id: &str, secret: &str| (id.to_owned(), secret.to_owned());
    Accounts {
        aliyun: pair("LTAI5t", "tulip"),
        tencent: pair("AKID", "rose"),
        twilio: pair("AC0123", "12345"),
        report_to: [Channel::Sms, Channel::Voice].map(|channel| (channel, report_to.to_owned())).into(),
    }
}

/// What was posted: path and query, headers, body.
type Posted = (String, HeaderMap, String);

/// A customer's server that takes everything.
async fn customer() -> (String, mpsc::UnboundedReceiver<Posted>) {
    async fn take(State(seen): State<mpsc::UnboundedSender<Posted>>, uri: Uri, headers: HeaderMap, body: String) {
        let _ = seen.send((uri.to_string(), headers, body));
    }
    let (seen, posted) = mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().fallback(post(take)).with_state(seen);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/reports"), posted)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_own_sdks_reach_our_phones() {
    let phones = phones(TextScript::Reads).await;
    let (url, _posted) = customer().await;
    phones.open_accounts(accounts(&url));
    let told = sdks(&["send", &phones.vendor_url(), "tulip", "rose", "12345"]).await;
    let said = |step: &str| {
        let told = told.get(step).unwrap_or_else(|| panic!("{step} is not in {told:?}"));
        told["code"].as_str().or(told["error"].as_str()).unwrap_or_default().to_owned()
    };
    for (step, expected) in [
        ("aliyun sms", "OK"),
        ("aliyun books", "OK"),
        ("aliyun sms to nobody", "isv.MOBILE_NUMBER_ILLEGAL"),
        ("aliyun sms with a link", "isv.PARAM_NOT_SUPPORT_URL"),
        ("aliyun ivr", "OK"),
        ("aliyun tts", "OK"),
        ("tencent sms", "Ok"),
        ("tencent books", "Ok"),
        ("tencent sms to nobody", "InvalidParameterValue.IncorrectPhoneNumber"),
        ("tencent voice", "Ok"),
        ("twilio sms", "queued"),
        ("twilio books", "queued"),
        ("twilio sms to nobody", "21211"),
        ("twilio voice", "queued"),
        ("twilio calls off", "canceled"),
        ("twilio calls off what was never made", "20404"),
    ] {
        assert_eq!(said(step), expected, "{step}: {told:#?}");
    }
    let (texts, calls) = phones.look(|book| {
        let phone = book.phone(PHONE).unwrap();
        let texts: Vec<String> = phone.texts.iter().map(|text| text.text.clone()).collect();
        (texts, phone.calls.len())
    });
    assert_eq!(
        texts,
        ["[SMS_1] name=王桂兰 place=31.82061,117.22720", "[449739] 王桂兰 按下求助键", "王桂兰按下求助键 <1>"]
    );
    assert_eq!(calls, 5, "two by Aliyun, two by Twilio, one by Tencent; all but the first find it busy");
    phones.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_reaches_nobody() {
    let phones = phones(TextScript::Reads).await;
    phones.open_accounts(accounts(""));
    let told = sdks(&["send", &phones.vendor_url(), "thorn", "thorn", "thorn"]).await;
    for (step, told) in &told {
        let error = told["error"].as_str().unwrap_or_else(|| panic!("{step}: {told}"));
        let fits = match step.split(' ').next().unwrap() {
            "aliyun" => error == "SignatureDoesNotMatch",
            "tencent" => error == "AuthFailure.SignatureFailure",
            // The SDK has no code for a list that it is refused.
            _ if step == "twilio books" => error == "TwilioException",
            _ => error == "20003",
        };
        assert!(fits, "{step}: {error}");
    }
    assert_eq!(told.len(), 16);
    assert!(phones.look(|book| book.phone(PHONE).unwrap().calls.is_empty()), "nothing rang");
    phones.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_posts_is_what_its_own_validator_takes() {
    let phones = phones(TextScript::Reads).await;
    phones.open_accounts(accounts(""));
    let (url, mut posted) = customer().await;
    let url = format!("{url}?attempt=a1a&lang=zh-CN");
    let escaped = url.replace('&', "&amp;");
    let twiml = format!("<Response><Gather action=\"{escaped}\"><Say>王桂兰 &amp; co</Say></Gather></Response>");
    let order = |token: &'static str| {
        let form = [("To", PHONE), ("From", "+12025550199"), ("Twiml", &twiml), ("StatusCallback", &url)];
        let client = reqwest::Client::new();
        let to = format!("{}/2010-04-01/Accounts/AC0123/Calls.json", phones.vendor_url());
        client.post(to).basic_auth("AC0123", Some(token)).form(&form).send()
    };
    assert_eq!(order("wrong").await.unwrap().status(), 401);
    assert_eq!(order("12345").await.unwrap().status(), 201);
    let call = phones.wait_ringing(PHONE, WITHIN).await.unwrap();
    assert_eq!(call.text, "王桂兰 & co");
    phones.press(PHONE, &Button::Key('1'));
    let mut keys = 0;
    for _ in 0..2 {
        let (path, headers, body) = tokio::time::timeout(WITHIN, posted.recv()).await.unwrap().unwrap();
        let origin = url.split("/reports").next().unwrap();
        let signature = headers["x-twilio-signature"].to_str().unwrap();
        let told = sdks(&["verify", "12345", &format!("{origin}{path}"), signature, &body]).await;
        assert_eq!(told["verify"]["valid"], true, "{path} {body}");
        let told = sdks(&["verify", "54321", &format!("{origin}{path}"), signature, &body]).await;
        assert_eq!(told["verify"]["valid"], false);
        keys += usize::from(body.contains("Digits=1"));
    }
    assert_eq!(keys, 1);
    phones.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_come_late_twice_or_never_and_a_vendor_refuses_in_its_own_words() {
    let phones = phones(TextScript::Replies { text: "1".to_owned(), after_ms: 1 }).await;
    let (url, mut posted) = customer().await;
    phones.open_accounts(accounts(&url));
    let send = async |times, delay_ms| {
        phones.set_receipts(Channel::Sms, Receipts { delay_ms, times });
        sdks(&["send", &phones.vendor_url(), "tulip", "thorn", "thorn"]).await
    };
    let mut next = async || loop {
        let (_, _, body) = tokio::time::timeout(WITHIN, posted.recv()).await.unwrap().unwrap();
        let told: Value = serde_json::from_str(&body).unwrap();
        match (told[0]["content"].is_string(), told[0]["biz_id"].is_string()) {
            (true, _) => return "reply",
            (_, true) => return "receipt",
            _ => {} // about one of the calls
        }
    };
    send(2, 0).await;
    let mut told = [next().await, next().await, next().await, next().await];
    told.sort_unstable();
    assert_eq!(told, ["receipt", "receipt", "reply", "reply"]);
    send(1, 3_000).await;
    assert_eq!([next().await, next().await], ["reply", "receipt"], "it comes late");
    send(0, 0).await;
    assert_eq!(next().await, "reply", "the receipt never comes");
    phones.set_fault(Channel::Sms, Some(Fault::Code("isv.BUSINESS_LIMIT_CONTROL")));
    let told = send(1, 0).await;
    assert_eq!(told["aliyun sms"]["code"], "isv.BUSINESS_LIMIT_CONTROL");
    assert!(phones.posted().iter().any(|posted| posted.outcome == AttemptOutcome::Delivered));
    phones.shutdown().await;
}
