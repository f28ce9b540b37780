//! An SOS among ten thousand low batteries whose provider hangs over each of their messages.
//!
//! By order, not by time: the first message of the SOS is with its provider while nearly all of the notices still wait.
//! How long it took is printed (`--nocapture`), for the figures in `docs/performance.md`.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::phones::Manner;
use crate::harness::registry::{COMMUNITY, patient_plan, street, up};
use crate::harness::{House, Phones, Wire};

/// `YINLING_NOTICES` sets another number.
const NOTICES: usize = 10_000;
/// How many devices report at a time.
const REPORTERS: usize = 8;
/// How many messages of a kind may be with a provider at a time: the rest must still wait when the SOS comes.
const HANGING_MAX: usize = 100;

/// How often it is looked whether all are decided on, a tenth of a second apart.
const DECIDED_LOOKS_MAX: usize = 1_200;

#[test]
fn a_provider_that_hangs_over_ten_thousand_notices_delays_no_sos() {
    let notices = std::env::var("YINLING_NOTICES").map_or(NOTICES, |text| text.parse().expect("a number"));
    let phones = Phones::start();
    phones.behave(Manner::HangsOver("battery_low"));
    let config = "[watchdog]\nenabled = false\n";
    let house = House::new(&phones, config);
    let server = house.serve();
    // At night the notices would wait for the morning, and nothing would hang.
    let mut plan = patient_plan();
    plan["quiet"] = json!("none");
    let registry = street(notices + 1, &plan);
    let (wearers, devices) = (&registry["wearers"], &registry["devices"]);
    server.import(&json!({"orgs": registry["orgs"], "people": registry["people"]}));
    for (wearers, devices) in wearers.as_array().unwrap().chunks(5_000).zip(devices.as_array().unwrap().chunks(5_000)) {
        server.import(&json!({"wearers": wearers, "devices": devices}));
    }
    let door = server.mqtt;
    std::thread::scope(|scope| {
        for part in 0..REPORTERS {
            scope.spawn(move || {
                for n in (part..notices).step_by(REPORTERS) {
                    let name = format!("dev{n}");
                    let mut wire = Wire::login(door, &name, &format!("secret-{name}"), 5).unwrap();
                    wire.report(&up(&name), br#"{"type":"battery","id":"b","pct":3}"#);
                }
            });
        }
    });
    // Each is three messages; an unoptimised engine on a busy machine takes its time over them.
    let decided = (0..DECIDED_LOOKS_MAX).any(|_| {
        std::thread::park_timeout(Duration::from_millis(100));
        server.metric("yinling_outbox_attempts", "") >= (notices * 3 - HANGING_MAX) as f64
    });
    assert!(decided, "the notices are still not decided on");
    assert!(phones.hung() > 0, "the provider hangs over some of them");
    let mut presser = Wire::login(server.mqtt, &format!("dev{notices}"), &format!("secret-dev{notices}"), 5).unwrap();
    let pressed = Instant::now();
    presser.report(&up(&format!("dev{notices}")), br#"{"type":"sos","id":"s"}"#);
    let first = phones.expect("the first message of the SOS", |message| message.channel != "robot");
    let after = first.came.saturating_duration_since(pressed);
    let waiting = server.metric("yinling_outbox_attempts", "");
    println!("SOS in {COMMUNITY}: first message {after:?} after its publish, {waiting} notices waiting");
    assert!(waiting >= (notices * 3 - HANGING_MAX) as f64, "{waiting} wait: the SOS waited for the notices");
    // Its end would wait for what hangs.
    server.kill();
}
