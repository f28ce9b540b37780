//! From the button to the key over the providers' own APIs: the real binary signs as Aliyun, Tencent and Twilio want it,
//! phones of the simulator (whose checks the vendors' SDKs confirm) ring, and what they post back is believed, or not.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use model::{Channel, Timestamp};
use serde_json::json;
use simulator::clock::RunningClock;
use simulator::phones::{self, Accounts, Button, CallScript, CallState, Entry, Options, RING_MS, TextScript};

use crate::harness::registry::{BRACELET, G1, G2, SECRET, household, patient_plan, up};
use crate::harness::server::{YINLING, run_within};
use crate::harness::{House, Phones, Server, Wire, eventually};

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
        let people = [("g1", G1), ("g2", G2), ("g3", "+8613800000003"), ("abroad", "+12025550100")];
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
            let output = channel_command(house, &["url", channel]);
            let url = String::from_utf8(output.stdout).unwrap();
            url.trim().replace("http://yinling.invalid", &format!("http://{http}"))
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

fn now() -> Timestamp {
    let output = Command::new("date").arg("+%s").output().unwrap();
    let seconds: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    Timestamp::from_millis(seconds * 1_000)
}

fn channel_command(house: &House, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(YINLING);
    command.arg("channel").args(arguments).arg("--data").arg(house.data()).arg("--config").arg(house.file("yinling.toml"));
    let output = run_within(command, Duration::from_secs(60));
    assert!(output.status.success(), "channel {arguments:?}: {output:?}");
    output
}

const ALERT: &str = r#"alert = { code = "T1", params = ["name", "time", "event", "place"] }"#;
const TAKEN: &str = r#"taken = { code = "T2", params = ["name", "event", "holder"] }"#;

fn aliyun(channel: &str, endpoint: &str, more: &str) -> String {
    format!(
        "[channels.{channel}]\nkind = \"aliyun\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"LTAI5t\"\n\
         access_key_secret_env = \"ALIYUN_SECRET\"\n{more}\ntemplates = {{ {ALERT_AND_TAKEN} }}\n",
        ALERT_AND_TAKEN = format!("{}, {}", inline(ALERT), inline(TAKEN)),
    )
}

fn tencent(channel: &str, endpoint: &str, more: &str) -> String {
    let templates = format!("{}, {}", inline(ALERT), inline(TAKEN));
    format!(
        "[channels.{channel}]\nkind = \"tencent\"\nendpoint = \"{endpoint}\"\nsecret_id = \"AKID\"\nsecret_key = \"rose\"\n\
         app_id = \"1400006666\"\n{more}\ntemplates = {{ {templates} }}\n"
    )
}

fn inline(entry: &str) -> &str {
    entry
}

/// A served house whose texts and calls go by `sms` and `voice`, with the household's SOS just pressed.
fn pressed(vendors: &Vendors, sms: &str, voice: &str) -> (House, Server) {
    let boxes = Phones::start();
    let house = House::new(&boxes, "");
    let config = format!("[http]\npublic_url = \"http://yinling.invalid\"\n{sms}{voice}");
    std::fs::write(house.file("yinling.toml"), &config).unwrap();
    let mut command = house.serve_command();
    command.env("ALIYUN_SECRET", "tulip");
    let server = Server::start(command, &house.token, &house.file("serve.log"));
    vendors.report_to(&house, server.http);
    server.import(&household(patient_plan()));
    let mut wire = Wire::connect(server.mqtt, BRACELET, SECRET);
    wire.publish(&up(BRACELET), br#"{"type":"sos"}"#);
    (house, server)
}
