//! The same scenario, devices and oracle against a real engine: over MQTT, the feed, and the gateway channel.

use std::net::SocketAddr;

use simulator::live::{self, Options};
use simulator::scenario::Scenario;

const SHORT: &str = r#"
title = "An SOS in real time"
title_zh = "实时求救"
duration_s = 20

[[elder]]
id = "w1"
guardians = ["listens", "answers"]

[[elder]]
id = "w2"

[[act]]
at_s = 2
who = "w2"
does = "forge"

[[act]]
at_s = 3
who = "w1"
does = "sos"

[[expect]]
who = "w1"
kind = "sos"
by_s = 10
told = ["w1a sms", "w1a voice"]

[[never]]
who = "w2"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_scenario_holds_against_a_real_engine() {
    let scenario = Scenario::parse("short", SHORT).unwrap();
    let options = Options {
        server: None,
        phones: SocketAddr::from(([127, 0, 0, 1], 0)),
        secret: "whsec_eWlubGluZy1zaW0tcGhvbmVz".to_owned(),
    };
    let verdict = live::run(&scenario, 1, None, &options, |_, _| {}).await.unwrap();
    assert_eq!(verdict.exit_code(), 0, "{}", verdict.table());
}

#[tokio::test]
async fn what_only_a_virtual_house_can_stage_is_refused_by_name() {
    let scenario = Scenario::open("disk_nearly_full").unwrap();
    let options = Options { server: None, phones: SocketAddr::from(([127, 0, 0, 1], 0)), secret: "s".to_owned() };
    let refused = live::run(&scenario, 1, None, &options, |_, _| {}).await.unwrap_err();
    assert!(refused.to_string().contains("needs virtual time"), "{refused}");
}
