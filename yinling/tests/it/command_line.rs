//! The lines that scripts rely on.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::registry::{BRACELET, SECRET, household, patient_plan, up};
use crate::harness::server::{YINLING, run_with_input, run_within};
use crate::harness::{House, PATIENCE, Phones, Wire};

fn yinling(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(YINLING);
    command.args(arguments);
    run_within(command, PATIENCE)
}

#[test]
fn serve_without_init_says_so_and_exits_78() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let output =
        yinling(&["serve", "--data", data.to_str().unwrap(), "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("init"), "{said}");
    assert!(!data.exists(), "it left nothing behind");
}

#[test]
fn a_second_init_and_a_second_serve_are_refused() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let data = house.data();
    let again = yinling(&["init", "--data", data.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(78), "{again:?}");
    let server = house.serve();
    let second = run_within(house.serve_command(), PATIENCE);
    assert_eq!(second.status.code(), Some(78), "{second:?}");
    server.kill();
    // The lock of a process that is gone stops nobody.
    house.serve().stop();
}

#[test]
fn check_names_every_fault_at_once_and_exits_78() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("yinling.toml");
    let text = "zone = \"Asia/Shangai\"\n[mqtt]\nlisten = \"0.0.0.0:1883\"\nrecieve_max = 9\n[channels.sms]\nkind = \"gateway\"\n";
    std::fs::write(&file, text).unwrap();
    let output = yinling(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    for expected in ["Asia/Shanghai", "allow_plaintext", "receive_max", "url", "secret"] {
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
}

#[test]
fn what_is_set_up_wrong_is_named_all_at_once_by_check_and_by_serve() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let (data, file) = (house.data(), house.file("wrong.toml"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    std::fs::write(&file, "[tls]\ncertificate = \"/nowhere/a.pem\"\nkey = \"/nowhere/b.pem\"\n").unwrap();
    let (data, file, address) = (data.to_str().unwrap(), file.to_str().unwrap(), address.to_string());
    let of_serve = yinling(&["serve", "--config", file, "--data", data, "--http", &address, "--mqtt", &address]);
    std::fs::remove_file(house.data().join("keys/pepper")).unwrap();
    std::fs::write(file, std::fs::read_to_string(file).unwrap() + "[mqtt]\nrecieve_max = 9\n").unwrap();
    let of_check = yinling(&["check", "--config", file, "--data", data]);
    for (output, expected) in [
        (of_serve, ["/nowhere/a.pem", "/nowhere/b.pem", "http.listen", "mqtt.listen", "another yinling?"]),
        (of_check, ["/nowhere/a.pem", "/nowhere/b.pem", "receive_max", "pepper", "4 faults"]),
    ] {
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        for expected in expected {
            assert!(said.contains(expected), "{expected} is not in:\n{said}");
        }
    }
}

#[test]
fn the_journal_can_be_dumped_while_somebody_serves_and_while_nobody_does() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    server.import(&household(patient_plan()));
    let mut device = Wire::login(server.mqtt, BRACELET, SECRET, 4).unwrap();
    device.report(&up(BRACELET), br#"{"type":"heart_rate","id":"h1","bpm":71}"#);
    let alive = house.dump(Some("report"));
    assert_eq!(alive.len(), 1, "{alive:?}");
    assert_eq!(alive[0]["device"], BRACELET);
    assert_eq!(alive[0]["report"]["bpm"], 71);
    assert_eq!(alive[0]["report"]["id"], "h1");
    server.kill();
    assert_eq!(house.dump(Some("report")), alive);
    let everything = house.dump_text(None);
    assert!(everything.lines().count() > 1);
    let shown = yinling(&["journal", "dump", "--data", house.data().to_str().unwrap()]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(everything.contains("$argon2id$") && !shown.contains("$argon2"), "what a password was hashed to");
    for hashed in ["password_hash", "secret_sha256", "secret_hmac"] {
        assert!(shown.contains(&format!("\"{hashed}\":\"…\"")), "{hashed} in {shown}");
        assert!(!shown.contains(&format!("\"{hashed}\":[")), "{hashed}");
    }
    assert!(!everything.contains(SECRET), "a secret is on disk as it is");
    assert!(!everything.contains(&house.token), "the administrator's token is on disk as it is");
    std::fs::remove_dir_all(house.data().join("state")).unwrap();
    assert_eq!(house.dump(Some("report")), alive, "neither the lock nor sled is needed");
}

#[test]
fn what_is_no_data_directory_is_said_to_be_none() {
    for arguments in [&["journal", "dump"][..], &["audit", "verify"], &["backup", "--to", "./nowhere"]] {
        let output = yinling(&[arguments, &["--data", "./nope"]].concat());
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("./nope is not an initialised data directory; run: yinling init"), "{said}");
    }
}

#[test]
fn the_command_lines_import_checks_and_imports() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    let file = house.file("registry.json");
    std::fs::write(&file, household(patient_plan()).to_string()).unwrap();
    let url = format!("http://{}", server.http);
    let import = |more: &[&str]| {
        let mut command = Command::new(YINLING);
        command.arg("import").arg(&file).args(["--server", &url]).args(more).env("YINLING_TOKEN", &house.token);
        run_within(command, PATIENCE)
    };
    let dry = import(&["--dry-run"]);
    assert!(dry.status.success(), "{dry:?}");
    assert!(Wire::login(server.mqtt, BRACELET, SECRET, 4).is_err());
    let real = import(&[]);
    assert!(real.status.success(), "{real:?}");
    assert!(Wire::login(server.mqtt, BRACELET, SECRET, 4).is_ok());
    let mut faulty = household(patient_plan());
    faulty["people"][0]["phone"] = Value::from("12");
    std::fs::write(&file, faulty.to_string()).unwrap();
    let refused = import(&[]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert!(said.contains("/people/0/phone"), "{said}");
    // A table by its name, or from stdin by how it begins.
    let table = house.file("people.csv");
    std::fs::write(&table, "id,role,name,phone\nn1,guardian,孙一,+8613800000031\n").unwrap();
    let import_table = |file: &str, stdin: Stdio| {
        let mut command = Command::new(YINLING);
        command.args(["import", file, "--server", &url]).env("YINLING_TOKEN", &house.token);
        run_with_input(command, stdin, PATIENCE)
    };
    let imported = import_table(table.to_str().unwrap(), Stdio::null());
    assert!(imported.status.success(), "{imported:?}");
    assert_eq!(server.api().get("/people/n1").body["name"], "孙一");
    std::fs::write(&table, "id,role,name,phone\nn2,guardian,孙二,+8613800000032\nn3,wizard,x,138\n").unwrap();
    let refused = import_table("-", std::fs::File::open(&table).unwrap().into());
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("/rows/2/role") && said.contains("/rows/2/phone"), "{said}");
    assert_eq!(server.api().get("/people/n2").status, 404, "all or nothing");
}

#[test]
fn completions_and_help_are_there() {
    for arguments in [&["completions", "bash"][..], &["--help"], &["serve", "--help"], &["--version"]] {
        let output = yinling(arguments);
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
    assert_eq!(yinling(&["seve"]).status.code(), Some(2));
}
