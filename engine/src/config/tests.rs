//! Stories of configurations, right and wrong.

use std::path::{Path, PathBuf};

use ::channels::ProviderConfig;
use expect_test::{Expect, expect};
use model::{Channel, Language};

use super::{Config, ConfigFaults, Overrides, Sources};

/// Loads a file with this text, and the environment given as `NAME=value`.
pub(super) fn load(file: &str, environment: &[&str]) -> (tempfile::TempDir, Result<Config, ConfigFaults>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("yinling.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|pair| pair.split_once('=').unwrap());
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let loaded = Config::load(&Sources { file: Some(path), environment, overrides: Overrides::default() });
    (dir, loaded)
}

pub(super) fn check_faults(file: &str, environment: &[&str], expected: Expect) {
    let (dir, loaded) = load(file, environment);
    let said = loaded.unwrap_err().to_string().replace(&format!("{}/", dir.path().display()), "");
    expected.assert_eq(&said);
}

#[test]
fn without_anything_it_is_loopback_and_messages_are_shown() {
    let config = Config::load(&Sources::default()).unwrap();
    assert_eq!(config, Config::default());
    assert!(config.http.listen.ip().is_loopback() && config.mqtt.listen.ip().is_loopback());
    assert_eq!(
        config.warnings(),
        [
            "no channel is configured for sms, voice, push: those messages are shown on the console and in the log only; \
          [channels.…] configures one"
        ]
    );
}

#[test]
fn a_full_file_is_taken_as_written() {
    let file = r#"
        data = "/var/lib/yinling"
        zone = "Asia/Urumqi"
        language = "en"
        [http]
        listen = "0.0.0.0:80"
        allow_plaintext = true
        public_url = "https://yinling.example.org/"
        [mqtt]
        receive_maximum = 100
        [journal]
        retain_days = 30
        [channels.sms]
        kind = "gateway"
        url = "http://10.0.0.7:9000/sms?line=1"
        secret = "whsec_c2VjcmV0"
        [channels.voice]
        kind = "gateway"
        url = "http://127.0.0.1:9000/voice"
        secret = "loose"
        timeout_ms = 2000
    "#;
    let (_dir, config) = load(file, &[]);
    let config = config.unwrap();
    assert_eq!(config.data, PathBuf::from("/var/lib/yinling"));
    assert_eq!((config.zone.name(), config.language), ("Asia/Urumqi", Language::En));
    assert_eq!(config.http.public_url.as_deref(), Some("https://yinling.example.org"));
    assert_eq!((config.mqtt.receive_maximum, config.journal.retain_days), (100, 30));
    let gateway = |channel| match &config.channels[&channel].providers[0].provider {
        ProviderConfig::Gateway(gateway) => gateway.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(gateway(Channel::Sms).secret, "whsec_c2VjcmV0");
    assert_eq!((gateway(Channel::Sms).timeout_ms, gateway(Channel::Voice).timeout_ms), (5_000, 2_000));
    let warnings = config.warnings().join("\n");
    expect![[r#"
        no channel is configured for push: those messages are shown on the console and in the log only; [channels.…] configures one
        channels.sms.url is plain http beyond this machine: names and phones go unencrypted
        watchdog.public_url is not set: when the watchdog calls on, providers beyond this machine cannot tell it which key was pressed, and it goes on calling
        http listens on 0.0.0.0:80 without encryption (allow_plaintext)"#]]
    .assert_eq(&warnings);
    assert!(!format!("{config:?}").contains("whsec"));
}

#[test]
fn later_layers_win_and_environment_text_becomes_numbers() {
    let environment = [
        "YINLING__HTTP__LISTEN=127.0.0.1:2",
        "YINLING__MQTT__LISTEN=127.0.0.1:3",
        "YINLING__MQTT__RECEIVE_MAXIMUM=7",
        "YINLING__HTTP__ALLOW_PLAINTEXT=true",
        "YINLING__CHANNELS__SMS__SECRET=00123",
        "YINLING__WEBHOOKS__ALLOW=[\"10.0.0.0/8\", \"fd00::/8\"]",
        "HOME=/root",
        "YINLING_LOG=debug",
    ];
    let file =
        "[http]\nlisten = \"127.0.0.1:1\"\n[channels.sms]\nkind = \"gateway\"\nurl = \"https://box.example.org\"\n";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("yinling.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|pair| pair.split_once('=').unwrap());
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let overrides = Overrides { data: Some("elsewhere".into()), http: None, mqtt: Some(([127, 0, 0, 1], 4).into()) };
    let config = Config::load(&Sources { file: Some(path), environment, overrides }).unwrap();
    assert_eq!((config.http.listen.port(), config.mqtt.listen.port()), (2, 4));
    assert_eq!((config.mqtt.receive_maximum, config.http.allow_plaintext), (7, true));
    let ProviderConfig::Gateway(gateway) = &config.channels[&Channel::Sms].providers[0].provider else { panic!() };
    assert_eq!(gateway.secret, "00123");
    assert_eq!(config.data, Path::new("elsewhere"));
    let allowed: Vec<String> = config.webhooks.allow.iter().map(ToString::to_string).collect();
    assert_eq!(allowed, ["10.0.0.0/8", "fd00::/8"]);
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let file = r#"
zone = "Asia/Shangai"
langage = "en"

[http]
listn = "127.0.0.1:1"
public_url = "yinling.example.org"

[mqtt]
listen = "0.0.0.0:1883"
packet_bytes_max = "many"

[channels.smss]
kind = "gateway"

[channels.voice]
kind = "gatway"
secret = ""
timeout_ms = 5
"#;
    check_faults(
        file,
        &["YINLING__JOURNAL__RETAIN_DAYS=0", "YINLING__HTTP__PORT=80"],
        expect![[r#"
            the configuration has 10 faults:
              yinling.toml line 2: zone: "Asia/Shangai" is no zone of the IANA database (they look like "Asia/Shanghai"); did you mean "Asia/Shanghai"?
              yinling.toml line 7: http.public_url: is not a URL with http:// or https:// and a host
              yinling.toml line 6: http.listn: "listn" is not known here; did you mean `listen`?
              environment YINLING__HTTP__PORT: http.port: "port" is not known here; known are allow_plaintext, listen, tls_listen, public_url, tiles_attribution, tiles_url
              yinling.toml line 10: mqtt.listen: 0.0.0.0:1883 can be reached from outside, without encryption; set `tls_listen` instead, listen on 127.0.0.1 behind a proxy that does TLS, or set `allow_plaintext = true` under [mqtt]
              yinling.toml line 11: mqtt.packet_bytes_max: "many" is not a whole number from 1024 to 16777216
              environment YINLING__JOURNAL__RETAIN_DAYS: journal.retain_days: "0" is not a whole number from 1 to 3650
              yinling.toml line 17: channels.voice.kind: "gatway" is none of gateway, aliyun, tencent, twilio; did you mean `gateway`?
              yinling.toml line 13: channels.smss: "smss" is not known here; did you mean `sms`?
              yinling.toml line 3: langage: "langage" is not known here; did you mean `language`?"#]],
    );
}

#[test]
fn files_that_are_no_configuration_say_so() {
    check_faults(
        "listen =",
        &[],
        expect![[r#"
        the configuration has 1 fault:
          yinling.toml: is not TOML: TOML parse error at line 1, column 9
          |
        1 | listen =
          |         ^
        string values must be quoted, expected literal string
    "#]],
    );
    check_faults(
        "http = 3",
        &[],
        expect![[r#"
        the configuration has 1 fault:
          yinling.toml line 1: http: expected an object, found 3"#]],
    );
    let missing = Sources { file: Some("no/such/yinling.toml".into()), ..Sources::default() };
    expect![[r#"
        the configuration has 1 fault:
          no/such/yinling.toml: cannot be read: No such file or directory (os error 2); --config names it"#]]
    .assert_eq(&Config::load(&missing).unwrap_err().to_string());
}

#[test]
fn what_is_printed_can_be_read_again_and_holds_no_secret() {
    let file = "[channels.push]\nkind = \"gateway\"\nurl = \"https://box.example.org/push\"\nsecret = \"tulip\"\n";
    let (_dir, config) = load(file, &["YINLING__HTTP__PUBLIC_URL=https://yinling.example.org"]);
    let config = config.unwrap();
    let printed = config.print();
    assert!(!printed.contains("tulip"));
    let (_dir, again) = load(&printed, &[]);
    let mut again = again.unwrap();
    let push = again.channels.get_mut(&Channel::Push).unwrap();
    let ProviderConfig::Gateway(gateway) = &mut push.providers[0].provider else { panic!() };
    assert_eq!(std::mem::replace(&mut gateway.secret, "tulip".to_owned()), "***");
    assert_eq!(push.providers, config.channels[&Channel::Push].providers);
    expect![[r#"
        data = "./data"
        language = "zh-CN"
        zone = "Asia/Shanghai"

        [api]
        body_bytes_max = 262144
        import_bytes_max = 8388608
        streams_max = 4096

        [casework]
        days_off = []
        days_on = []
        working_hours = "mon,tue,wed,thu,fri 08:30-17:30"

        [casework.sla.emergency]
        accept_s = 300
        close_s = 86400
        dispatch_s = 120
        feedback_s = 14400
        on_site_s = 1200
        verify_s = 86400
        working = false

        [casework.sla.other]
        accept_s = 14400
        close_s = 259200
        dispatch_s = 7200
        feedback_s = 86400
        on_site_s = 86400
        verify_s = 259200
        working = false

        [casework.sla.routine]
        accept_s = 28800
        close_s = 86400
        dispatch_s = 14400
        feedback_s = 57600
        on_site_s = 57600
        verify_s = 86400
        working = true

        [channels.push]
        concurrency = 64
        kind = "gateway"
        secret = "***"
        timeout_ms = 5000
        url = "https://box.example.org/push"

        [history]
        device_days = 30
        events = 2000000
        positions_days = 30
        vitals_days = 92

        [http]
        allow_plaintext = false
        listen = "127.0.0.1:8080"
        public_url = "https://yinling.example.org"

        [journal]
        checkpoint_records = 2000000
        disk_reserve_bytes = 1073741824
        retain_bytes = 8589934592
        retain_days = 7
        segment_bytes = 67108864

        [mqtt]
        allow_plaintext = false
        array_items_max = 1000
        connect_seconds_max = 10
        connections_max = 65536
        held_bytes_max = 262144
        keep_alive_seconds_max = 1200
        listen = "127.0.0.1:1883"
        packet_bytes_max = 262144
        receive_maximum = 1024

        [webhooks]
        allow = []
    "#]]
    .assert_eq(&printed);
}
