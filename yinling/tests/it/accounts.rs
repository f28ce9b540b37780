//! People with accounts, by the command line and curl.

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::harness::server::{Server, YINLING, run_within};
use crate::harness::{House, Phones};

/// curl, without any configuration of its own; its body and the headers that it got.
fn curl(arguments: &[&str]) -> (u16, String, String) {
    let mut command = Command::new("curl");
    command.args(["-q", "-s", "-i", "--max-time", "30"]).args(arguments).stdin(Stdio::null());
    let output = run_within(command, Duration::from_secs(60));
    let text = String::from_utf8(output.stdout).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, head.to_owned(), body.to_owned())
}

fn user(server: &Server, token: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(YINLING);
    command.arg("user").args(arguments);
    command.env("YINLING_SERVER", format!("http://{}", server.http)).env("YINLING_TOKEN", token);
    let output = run_within(command, Duration::from_secs(60));
    assert!(output.status.success(), "user {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_first_administrator_and_a_desk_sign_in_and_stay_signed_in_over_a_crash() {
    let phones = Phones::start();
    let house = House::new(&phones, "");
    let server = house.serve();
    let url = format!("http://{}/api/v1/session", server.http);
    let sign_in = |url: &str, account: &str, password: &str| {
        let body = serde_json::json!({"account": account, "password": password}).to_string();
        curl(&["--data-binary", &body, url])
    };
    let (status, _, body) = sign_in(&url, "admin", &house.password);
    assert_eq!(status, 200, "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["role"], "admin");

    let made = user(&server, &house.token, &["add", "desk1", "--role", "desk", "--scope", "/luyang/"]);
    let password = made.lines().find_map(|line| line.strip_prefix("password: ")).unwrap().to_owned();
    assert!(user(&server, &house.token, &["list"]).contains("desk1\tactive\tdesk\t/luyang/\tdesk1"));
    assert_eq!(sign_in(&url, "desk1", "not its password").0, 401);
    let (status, head, body) = sign_in(&url, "desk1", &password);
    assert_eq!(status, 200, "{body}");
    let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = format!("cookie: {}", set.split(';').next().unwrap());

    server.kill();
    let server = house.serve();
    let url = format!("http://{}/api/v1/session", server.http);
    let (status, _, body) = curl(&["-H", &cookie, &url]);
    assert_eq!(status, 200, "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["account"], "desk1");
    assert_eq!(curl(&["-H", &cookie, "-X", "DELETE", &url]).0, 403, "not from a page of ours");
    user(&server, &house.token, &["disable", "desk1"]);
    assert_eq!(curl(&["-H", &cookie, &url]).0, 401);
    server.stop();

    let everything = house.dump_text(None);
    for secret in [password.as_str(), &house.password, cookie.split('=').nth(1).unwrap()] {
        assert!(!everything.contains(secret), "a secret is on disk as it is");
    }
    let log = std::fs::read_to_string(house.file("serve.log")).unwrap();
    assert!(!log.contains(&password), "a password is in the log");
}
