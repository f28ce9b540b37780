//! From the button to the key over the providers' own APIs: the real binary signs as Aliyun, Tencent and Twilio want it,
//! phones of the simulator (whose checks the vendors' SDKs confirm) ring, and what they post back is believed, or not.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use model::Channel;
use serde_json::{Value, json};
use simulator::clock::RunningClock;
use simulator::phones::{
    self, Accounts, Button, CallScript, CallState, Ending, Entry, Fault, Options, RING_MS, TextScript,
};

use crate::harness::api::{post_form, post_url};
use crate::harness::registry::{BRACELET, G1, G2, SECRET, household, patient_plan, up};
use crate::harness::server::{YINLING, run_within};
use crate::harness::{House, Phones, Server, Wire, eventually, now};

/// A relative's phone abroad: a number set aside for fiction.
const ABROAD: &str = "+12025550100";
const ABROAD_TOO: &str = "+12025550101";
const WITHIN: Duration = Duration::from_secs(60);

/// Phones that are reached by the providers' own APIs, with a runtime of their own.
struct Vendors {
    runtime: tokio::runtime::Runtime,
    phones: phones::Phones,
}

impl Vendors {
    fn start() -> Vendors {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let entry = |(person, number): (&str, &str)| Entry {
            number: number.to_owned(),
            person: person.to_owned(),
            name: person.to_owned(),
            relation: ["女儿".to_owned(), "daughter".to_owned()],
            family: "王桂兰".to_owned(),
            call_scripts: vec![CallScript::ByHand],
            text_script: TextScript::Reads,
        };
        let people = [("g1", G1), ("g2", G2), ("g3", "+8613800000003"), ("abroad", ABROAD), ("abroad2", ABROAD_TOO)];
        let options = Options {
            listen: ([127, 0, 0, 1], 0).into(),
            secret: String::new(),
            clock: Arc::new(RunningClock::from(now())),
            ring_ms: RING_MS,
            entries: people.map(entry).into(),
            listener: None,
        };
        let phones = runtime.block_on(phones::Phones::start(options)).unwrap();
        Vendors { runtime, phones }
    }

    /// Becomes a customer, whose server is at this address.
    fn report_to(&self, house: &House, http: SocketAddr) {
        let url = |channel: &str| {
            let output = channel_command(house, http, &["url", channel]);
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        let pair = |id: &str, secret: &str| (id.to_owned(), secret.to_owned());
        self.phones.open_accounts(Accounts {
            aliyun: pair("LTAI5t", "tulip"),
            tencent: pair("AKID", "rose"),
            twilio: pair("AC0123", "12345"),
            report_to: [(Channel::Sms, url("sms")), (Channel::Voice, url("voice"))].into(),
        });
    }

    fn wait_ringing(&self, number: &str) -> phones::Call {
        self.runtime.block_on(self.phones.wait_ringing(number, WITHIN)).unwrap()
    }

    fn wait_text(&self, number: &str, part: &str) -> phones::Text {
        self.runtime.block_on(self.phones.wait_text(number, part, WITHIN)).unwrap()
    }

    fn press(&self, number: &str, button: &Button) {
        let _runtime = self.runtime.enter();
        self.phones.press(number, button);
    }
}

fn channel_command(house: &House, http: SocketAddr, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(YINLING);
    command
        .arg("channel")
        .args(arguments)
        .arg("--data")
        .arg(house.data())
        .arg("--config")
        .arg(house.file("yinling.toml"));
    command.env("ALIYUN_SECRET", "tulip").env("YINLING__HTTP__PUBLIC_URL", format!("http://{http}"));
    let output = run_within(command, Duration::from_secs(60));
    assert!(output.status.success(), "channel {arguments:?}: {output:?}");
    output
}

const TEMPLATES: &str = r#"
alert = { code = "T1", params = ["name", "time", "event", "place"] }
taken = { code = "T2", params = ["name", "event", "holder"] }
"#;

fn aliyun(channel: &str, endpoint: &str, more: &str) -> String {
    format!(
        "[channels.{channel}]\nkind = \"aliyun\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"LTAI5t\"\n\
         access_key_secret_env = \"ALIYUN_SECRET\"\n{more}\n[channels.{channel}.templates]{TEMPLATES}"
    )
}

fn aliyun_voice(endpoint: &str) -> String {
    aliyun("voice", endpoint, "show_number = \"05510000000\"\nkeys = { 1 = \"T3\", 2 = \"T4\" }")
}

fn tencent(channel: &str, endpoint: &str, more: &str) -> String {
    format!(
        "[channels.{channel}]\nkind = \"tencent\"\nendpoint = \"{endpoint}\"\nsecret_id = \"AKID\"\n\
         secret_key = \"rose\"\napp_id = \"1400006666\"\n{more}\n[channels.{channel}.templates]{TEMPLATES}"
    )
}

/// Serves, and tells the providers where.
fn serve(vendors: &Vendors, house: &House) -> Server {
    let mut command = house.serve_command();
    command.env("ALIYUN_SECRET", "tulip");
    let server = Server::start(command, &house.token, &house.file("serve.log"));
    vendors.report_to(house, server.http);
    server
}

/// A served house with these channels, in which the household's SOS was just pressed.
fn pressed(vendors: &Vendors, channels: &str, registry: &Value) -> (House, Server) {
    let house = House::new(&Phones::start(), "");
    std::fs::write(house.file("yinling.toml"), channels).unwrap();
    let server = serve(vendors, &house);
    server.import(registry);
    let mut wire = Wire::login(server.mqtt, BRACELET, SECRET, 5).unwrap();
    wire.report(&up(BRACELET), br#"{"type":"sos"}"#);
    (house, server)
}

#[test]
fn aliyun_carries_an_sos_and_only_the_real_key_ends_it() {
    let vendors = Vendors::start();
    let url = vendors.phones.vendor_url();
    let channels = aliyun("sms", &url, "sign_name = \"银铃\"") + &aliyun_voice(&url);
    let (house, server) = pressed(&vendors, &channels, &household(patient_plan()));
    let mut feed = server.feed();
    let text = vendors.wait_text(G2, "王桂兰");
    assert!(text.text.starts_with("[T1] ") && text.text.contains("event=按下求助键"), "{}", text.text);
    let call = vendors.wait_ringing(G1);
    assert!(call.text.starts_with("[T1] "), "{}", call.text);

    // Whoever knows no more than what calls look like silences nothing.
    let secret = String::from_utf8(channel_command(&house, server.http, &["url", "voice"]).stdout).unwrap();
    let attempt =
        feed.wait_until("the call", |event| event["type"] == "attempt.accepted" && event["data"]["channel"] == "voice")
            ["data"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
    let key = |call: &str, attempt: &str| json!([{"call_id": call, "status_code": "300000", "dtmf": "1", "status_time": "", "out_id": attempt}]);
    let forged = format!("http://{}/api/v1/providers/voice/00000000000000000000000000", server.http);
    assert_eq!(post_url(&forged, &key(&call.attempt, &attempt)).unwrap(), 404, "without the secret in the address");
    for (body, reason) in [
        (key("900619746936498440^999", &attempt), "unknown"),
        (key(&call.attempt, "a1zzz"), "unknown"),
        (json!([{"call_id": call.attempt, "callee": "13800000002", "status_code": "200000"}]), "wrong_callee"),
    ] {
        let before = server.metric("yinling_callbacks_refused_total", reason);
        assert_eq!(post_url(secret.trim(), &body).unwrap(), 200, "answered, so that it is not said again: {body}");
        assert_eq!(server.metric("yinling_callbacks_refused_total", reason), before + 1.0, "{body}");
    }
    assert_eq!(post_url(secret.trim(), &json!({"status": "1"})).unwrap(), 422);
    let channels = server.api().get("/channels").body["data"].clone();
    let voice = channels.as_array().unwrap().iter().find(|one| one["channel"] == "voice").unwrap();
    let shown =
        voice["callbacks_refused"].as_array().unwrap().iter().map(|one| format!("{} {}", one["reason"], one["count"]));
    assert_eq!(shown.collect::<Vec<_>>(), [r#""unknown" 2"#, r#""wrong_callee" 1"#, r#""malformed" 1"#]);
    feed.catch_up();
    assert!(!feed.seen.iter().any(|event| event["type"] == "incident.acknowledged"), "nothing of it was believed");
    assert_eq!(vendors.wait_ringing(G1).state, CallState::Ringing, "and it rings on");

    vendors.press(G1, &Button::Key('1'));
    let acknowledged = feed.wait_for("incident.acknowledged");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g1");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["channel"], "voice");
    let taken = vendors.wait_text(G2, "[T2]");
    assert!(taken.text.contains("holder=王芳"), "{}", taken.text);

    // The key once more, word for word: it changes nothing and is counted.
    let told = key(&call.attempt, &attempt);
    assert_eq!(post_url(secret.trim(), &told).unwrap(), 200);
    eventually("the repeat is counted", || {
        (server.metric("yinling_callbacks_refused_total", "repeated") >= 1.0).then_some(())
    });
    let log = server.log();
    for hidden in ["tulip", "13800000001", "王桂兰", secret.trim()] {
        assert!(!log.contains(hidden), "{hidden} stands in the log");
    }
}

#[test]
fn a_key_from_a_call_of_before_the_crash_counts_after_it() {
    for aliyun_calls in [true, false] {
        let vendors = Vendors::start();
        let url = vendors.phones.vendor_url();
        let voice = if aliyun_calls { aliyun_voice(&url) } else { tencent("voice", &url, "") };
        let channels = aliyun("sms", &url, "sign_name = \"银铃\"") + &voice;
        let (house, server) = pressed(&vendors, &channels, &household(patient_plan()));
        let mut feed = server.feed();
        vendors.wait_ringing(G1);
        feed.wait_until("the call", |event| event["type"] == "attempt.accepted" && event["data"]["channel"] == "voice");
        server.kill();
        let server = serve(&vendors, &house);
        // The name that the provider gave the call is known after the crash too: another one is no call of ours.
        let url = String::from_utf8(channel_command(&house, server.http, &["url", "voice"]).stdout).unwrap();
        let forged = match aliyun_calls {
            true => {
                json!([{"call_id": "900619746936498440^999", "status_code": "300000", "dtmf": "1", "callee": "13800000001"}])
            }
            false => json!({"voicekey_callback": {"callid": "5000:999", "keypress": "1", "mobile": "13800000001"}}),
        };
        assert_eq!(post_url(url.trim(), &forged).unwrap(), 200);
        assert_eq!(server.metric("yinling_callbacks_refused_total", "unknown"), 1.0, "aliyun: {aliyun_calls}");
        vendors.press(G1, &Button::Key('1'));
        let acknowledged = server.feed().wait_for("incident.acknowledged");
        assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g1", "aliyun: {aliyun_calls}");
    }
}

#[test]
fn a_lost_answer_is_asked_for_and_nobody_is_told_twice() {
    for (name, channels) in [
        ("aliyun", (|url: &str| aliyun("sms", url, "sign_name = \"银铃\"")) as fn(&str) -> String),
        ("tencent", |url| tencent("sms", url, "sign_name = \"银铃\"")),
    ] {
        let vendors = Vendors::start();
        vendors.phones.set_fault(Channel::Sms, Some(Fault::AnswerLost));
        let channels = channels(&vendors.phones.vendor_url());
        let (_house, server) = pressed(&vendors, &channels, &household(patient_plan()));
        let mut feed = server.feed();
        // A receipt may come before the question; either way nobody is told again.
        let mut found = BTreeSet::new();
        while found.len() < 3 {
            let event = feed.wait_until("a text that was found in the provider's books", |event| {
                // Only the guardians' are numbers that there are.
                let is_text = event["data"]["channel"] == "sms" && event["data"]["callee"]["role"] == "guardian";
                is_text && event["type"] != "attempt.started"
            });
            assert_ne!(event["type"], "attempt.retrying", "{name}: {event}");
            found.insert(event["subject"].as_str().unwrap().to_owned());
        }
        let texts = vendors.phones.look(|book| book.phone(G2).unwrap().texts.len());
        assert_eq!(texts, 1, "{name}");
    }
}

#[test]
fn tencent_carries_an_sos_and_a_reply_ends_it() {
    let vendors = Vendors::start();
    let url = vendors.phones.vendor_url();
    let channels = tencent("sms", &url, "sign_name = \"银铃\"") + &tencent("voice", &url, "");
    let (_house, server) = pressed(&vendors, &channels, &household(patient_plan()));
    let mut feed = server.feed();
    vendors.wait_ringing(G1);
    vendors.press(G1, &Button::Decline);
    vendors.wait_ringing(G2);
    vendors.wait_text(G2, "[T1] 王桂兰");
    vendors.press(G2, &Button::Reply("\u{ff11} ".to_owned()));
    let acknowledged = feed.wait_for("incident.acknowledged");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g2");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["channel"], "sms");
}

#[test]
fn who_lives_abroad_is_called_by_the_provider_that_steps_in() {
    let vendors = Vendors::start();
    let url = vendors.phones.vendor_url();
    let twilio = format!(
        "[channels.voice.backup]\nkind = \"twilio\"\nendpoint = \"{url}\"\naccount_sid = \"AC0123\"\n\
         token = \"12345\"\nfrom = \"+12025550199\"\n"
    );
    let channels = aliyun("sms", &url, "sign_name = \"银铃\"") + &aliyun_voice(&url) + &twilio;
    let mut registry = household(patient_plan());
    registry["people"][0]["phone"] = json!(ABROAD);
    let (house, server) = pressed(&vendors, &channels, &registry);
    let mut feed = server.feed();
    let call = vendors.wait_ringing(ABROAD);
    assert!(call.attempt.starts_with("CA") && call.text.contains("请按 1"), "{} {}", call.attempt, call.text);
    // The same key without Twilio's signature.
    let url = String::from_utf8(channel_command(&house, server.http, &["url", "voice"]).stdout).unwrap();
    let unsigned = post_form(&format!("{}?attempt=a1", url.trim()), &format!("CallSid={}&Digits=1", call.attempt));
    assert_eq!(unsigned, 403);
    // Somebody else answers their text: Twilio lets a phone that rings be hung up.
    vendors.press(G2, &Button::Reply("1".to_owned()));
    let acknowledged = feed.wait_for("incident.acknowledged");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g2");
    eventually("the phone abroad stops ringing", || {
        let ended = vendors.phones.look(|book| book.phone(ABROAD).unwrap().calls[0].state);
        assert!(matches!(ended, CallState::Ringing | CallState::Ended(Ending::HungUp)), "{ended:?}");
        (ended != CallState::Ringing).then_some(())
    });

    let tried = channel_command(&house, server.http, &["test", "voice", "--to", ABROAD]);
    assert!(String::from_utf8(tried.stdout).unwrap().starts_with("voice.backup: the provider took it"));
    let tried = channel_command(&house, server.http, &["test", "sms", "--to", "+8613800000003"]);
    assert!(String::from_utf8(tried.stdout).unwrap().starts_with("sms: the provider took it"));
    vendors.wait_text("+8613800000003", "name=测试");
}

#[test]
fn the_watchdog_hangs_up_what_the_engine_had_ringing_when_somebody_goes() {
    let vendors = Vendors::start();
    let url = vendors.phones.vendor_url();
    let channels = format!(
        "[watchdog]\nafter_s = 2\n[channels.voice]\nkind = \"twilio\"\nendpoint = \"{url}\"\naccount_sid = \"AC0123\"\n\
         token = \"12345\"\nfrom = \"+12025550199\"\n"
    );
    let mut plan = patient_plan();
    plan["next_after_s"] = json!(4);
    plan["ring_s"] = json!(30);
    let mut registry = household(plan);
    registry["people"][0]["phone"] = json!(ABROAD);
    registry["people"][1]["phone"] = json!(ABROAD_TOO);
    let (_house, server) = pressed(&vendors, &channels, &registry);
    let mut feed = server.feed();
    vendors.wait_ringing(ABROAD);
    feed.wait_until("the call", |event| event["type"] == "attempt.accepted" && event["data"]["channel"] == "voice");
    server.signal("STOP");
    vendors.wait_ringing(ABROAD_TOO);
    vendors.press(ABROAD_TOO, &Button::Key('1'));
    eventually("the first phone stops ringing", || {
        let ended = vendors.phones.look(|book| book.phone(ABROAD).unwrap().calls[0].state);
        assert!(matches!(ended, CallState::Ringing | CallState::Ended(Ending::HungUp)), "{ended:?}");
        (ended != CallState::Ringing).then_some(())
    });
    server.signal("CONT");
    let acknowledged = feed.wait_for("incident.acknowledged");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["person"], "g2");
    assert_eq!(acknowledged["data"]["acknowledged_by"]["channel"], "voice");
}
