//! What we post to a group's robot is what apprise posts (`./test.sh` installs it; where it is missing this fails).

use std::process::Command;

use channels::Secret;
use channels::dingtalk::{self, DingTalk};
use channels::feishu::{self, Feishu};
use channels::request::{HttpRequest, Seal, percent};
use channels::robot::GroupVendor;
use channels::wecom::{self, WeCom};
use model::Timestamp;
use serde_json::Value;

use crate::python;

const TEXT: &str = "银杏社区提醒:王桂兰于08:00按下求助键。";

#[test]
fn apprise_posts_the_same() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/apprise_robots.py");
    let output = Command::new(python()).args([script, TEXT]).output().unwrap();
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "apprise (does {} have it? ./test.sh installs it): {faults}", python().display());
    let told: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), 3);
    for theirs in told {
        let text = |name: &str| theirs[name].as_str().unwrap_or_default().to_owned();
        let millis: i64 = text("timestamp").parse().unwrap_or(0);
        let seal = Seal { now: Timestamp::from_millis(millis), nonce: [0; 16] };
        let ours = ours(&text("kind"), &seal);
        let mut url = text("url");
        if millis > 0 {
            url = format!("{url}&timestamp={millis}&sign={}", percent(&text("sign")));
        }
        assert_eq!(ours.url, url);
        assert_eq!(serde_json::from_slice::<Value>(&ours.body).unwrap(), theirs["body"]);
    }
}

fn ours(kind: &str, seal: &Seal) -> HttpRequest {
    let robot: Box<dyn GroupVendor> = match kind {
        "wecom" => Box::new(WeCom {
            endpoint: wecom::ENDPOINT.to_owned(),
            key: Secret::new("693a91f6-7acc-4bc4-97a0-0ec2c1f55aaa"),
        }),
        "dingtalk" => Box::new(DingTalk {
            endpoint: dingtalk::ENDPOINT.to_owned(),
            token: Secret::new("token123"),
            secret: Some(Secret::new("SECtulip")),
        }),
        _ => Box::new(Feishu {
            endpoint: feishu::ENDPOINT.to_owned(),
            token: Secret::new("token1234567890"),
            secret: None,
        }),
    };
    robot.message(TEXT, None, seal)
}
