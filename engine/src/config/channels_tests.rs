//! Stories of `[channels.…]`: every provider, where its secrets come from, and what is said when it is wrong.

use ::channels::{ProviderConfig, ProviderSettings};
use expect_test::expect;
use model::Channel;

use super::Config;
use super::tests::{check_faults, load};

/// One of each, with secrets from all three sources.
const EVERY: &str = r#"
[http]
public_url = "https://yinling.example.org"
[channels.sms]
kind = "aliyun"
access_key_id = "LTAI5t"
access_key_secret_file = "SECRET_FILE"
sign_name = "银铃"
sends_per_minute = 600
callback_from = ["203.0.113.7", "2001:db8::7"]
[channels.sms.templates]
alert = { code = "SMS_1", params = ["name", "time", "event", "place"] }
reminder = { code = "SMS_4", params = ["name", "time", "event"] }
taken = { code = "SMS_2", params = ["name", "event", "holder"] }
ended = { code = "SMS_3", params = ["name", "event", "disposition"] }
[channels.sms.backup]
kind = "tencent"
secret_id = "AKID"
secret_key_env = "TENCENT_KEY"
app_id = "1400006666"
sign_name = "银铃"
param_chars_max = 12
callback_from = ["203.0.113.8"]
templates = { alert = { code = "449739", params = ["name", "time", "event"] }, taken = { code = "1" }, ended = { code = "2" } }

[channels.voice]
kind = "aliyun"
access_key_id = "LTAI5t"
access_key_secret = "tulip"
show_number = "05510000000"
keys = { 1 = "TTS_2", 2 = "TTS_3" }
callback_from = ["203.0.113.7"]
[channels.voice.templates]
alert = { code = "TTS_1", params = ["community", "name", "time", "event"] }
test = { code = "TTS_5", params = ["community", "name", "wearer"] }
welfare = { code = "TTS_6", params = ["community", "name"] }
[channels.voice.backup]
kind = "twilio"
account_sid = "AC0123"
token = "tulip"
from = "+12025550199"

[channels.push]
kind = "ntfy"
endpoint = "https://ntfy.example.org/"
token_env = "NTFY_TOKEN"
[channels.push.bark]
[channels.push.jpush]
app_key = "k"
master_secret = "tulip"

[channels.email]
kind = "smtp"
host = "mail.example.org"
user = "yinling"
password = "tulip"
from = "银铃 <yinling@example.org>"

[channels.robot]
kind = "dingtalk"
token = "tulip"
secret = "SECtulip"
[channels.robot.groups.yinxing]
kind = "wecom"
token = "tulip"

[watchdog]
public_url = "https://yinling.example.org:8444"
"#;

fn every() -> Config {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secret");
    std::fs::write(&path, "rose\n").unwrap();
    let file = EVERY.replace("SECRET_FILE", path.to_str().unwrap());
    let (_dir, config) = load(&file, &["TENCENT_KEY=violet", "NTFY_TOKEN=tk_x", "YINLING__CHANNELS__PUSH__KIND=ntfy"]);
    config.unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn every_provider_is_taken_as_written_with_its_secrets_from_wherever_they_are() {
    let config = every();
    let kinds: Vec<String> = config
        .channels
        .iter()
        .map(|(channel, settings)| {
            let kind = |one: &ProviderSettings| {
                let serves = one.serves.as_ref().map(|whom| format!(" for {whom}")).unwrap_or_default();
                format!("{}{serves}", one.provider.kind())
            };
            let kinds: Vec<String> = settings.providers.iter().map(kind).collect();
            format!("{channel:?}: {}", kinds.join(", "))
        })
        .collect();
    expect![[r#"
        Sms: aliyun, tencent
        Voice: aliyun, twilio
        Push: ntfy for ntfy, bark for bark, jpush for jpush
        Email: smtp
        Robot: dingtalk, wecom for yinxing"#]]
    .assert_eq(&kinds.join("\n"));
    let sms = &config.channels[&Channel::Sms].providers;
    assert_eq!((sms[0].sends_per_minute, sms[0].callback_from.len()), (Some(600), 2));
    let ProviderConfig::AliyunSms(aliyun) = &sms[0].provider else { panic!() };
    assert_eq!(aliyun.credential.secret(), b"rose");
    assert_eq!(aliyun.templates.alert.params, ["name", "time", "event", "place"]);
    let ProviderConfig::TencentSms(tencent) = &sms[1].provider else { panic!() };
    assert_eq!((tencent.credential.secret(), tencent.templates.param_chars_max), (b"violet".as_slice(), 12));
    let ProviderConfig::AliyunVoice(voice) = &config.channels[&Channel::Voice].providers[0].provider else { panic!() };
    assert_eq!(voice.keys, [('1', "TTS_2".to_owned()), ('2', "TTS_3".to_owned())]);
    let ProviderConfig::Ntfy(ntfy) = &config.channels[&Channel::Push].providers[0].provider else { panic!() };
    assert_eq!((ntfy.endpoint.as_str(), ntfy.token.as_ref().unwrap().reveal()), ("https://ntfy.example.org", "tk_x"));
    let ProviderConfig::Smtp(smtp) = &config.channels[&Channel::Email].providers[0].provider else { panic!() };
    assert_eq!((smtp.host.as_str(), smtp.port), ("mail.example.org", 465));
    assert_eq!(config.warnings(), Vec::<String>::new());
}

#[test]
fn no_secret_is_printed_or_logged() {
    let config = every();
    let printed = config.print();
    let logged = format!("{config:?}");
    for secret in ["tulip", "rose", "violet", "tk_x"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
        assert!(!logged.contains(secret), "{secret} in {logged}");
    }
    for kept in ["access_key_secret = \"***\"", "secret_key_env = \"TENCENT_KEY\"", "kind = \"twilio\"", "TTS_2"] {
        assert!(printed.contains(kept), "{kept} not in {printed}");
    }
}

#[test]
fn every_fault_is_told_at_once_with_its_place_and_the_nearest_name() {
    let file = r#"
[channels.sms]
kind = "aliyn"

[channels.voice]
kind = "aliyun"
acess_key_id = "x"
access_key_secret_env = "NO_SUCH"
access_key_secret_file = "no/such/file"
keys = { 2 = "TTS_3" }
[channels.voice.templates]
alert = { code = "TTS_1", params = ["nmae", "holder"] }
takn = { code = "x" }

[channels.push]
kind = "ntfy"
endpoint = "ntfy.example.org"
callback_from = ["1.2.3.4"]
[channels.push.backup]
kind = "gateway"
url = "http://127.0.0.1:9000/"
secret = "whsec_!"

[channels.email]
kind = "smtp"
host = "mail.example.org"
tls = "none"
from = "nobody"

[channels.robot]
kind = "feishu"
token_file = "no/such/token"

[channels.voice.backup]
kind = "twilio"
account_sid = "AC0123"
token = ""
from = "02025550199"
callback_from = ["localhost"]
"#;
    check_faults(
        file,
        &["ROSE=1"],
        expect![[r#"
            the configuration has 18 faults:
              yinling.toml line 3: channels.sms.kind: "aliyn" is none of gateway, aliyun, tencent, twilio; did you mean `aliyun`?
              yinling.toml line 5: channels.voice.access_key_secret: access_key_secret_file and access_key_secret_env: only one of them
              yinling.toml line 9: channels.voice.access_key_secret_file: no/such/file cannot be read: No such file or directory (os error 2)
              yinling.toml line 12: channels.voice.templates.alert.params: no message has a parameter "nmae"; there are community, name, time, event, explain, place, holder, disposition, wearer, code; did you mean `name`?
              yinling.toml line 12: channels.voice.templates.alert.params: a message of this purpose has no "holder"; it always has community, name, time, event, place, code
              yinling.toml line 13: channels.voice.templates.takn: "takn" is not known here; did you mean `taken`?
              yinling.toml line 5: channels.voice.show_number: `show_number` is required
              yinling.toml line 10: channels.voice.keys.1: `1` is required
              yinling.toml line 7: channels.voice.acess_key_id: "acess_key_id" is not known here; did you mean `access_key_id`?
              yinling.toml line 37: channels.voice.backup.token: `token` is empty
              yinling.toml line 38: channels.voice.backup.from: "02025550199" is not a number in E.164, like "+12025550100"
              yinling.toml line 39: channels.voice.backup.callback_from.0: is not an address, like "203.0.113.7"
              yinling.toml line 17: channels.push.endpoint: is not a URL with http:// or https:// and a host
              yinling.toml line 18: channels.push.callback_from: "callback_from" is not known here; known are backup, gateway, ntfy, bark, jpush, kind, timeout_ms, concurrency, sends_per_minute, token, token_file, token_env, endpoint
              yinling.toml line 22: channels.push.backup.secret: secret: what follows `whsec_` is not base64 with padding
              yinling.toml line 27: channels.email.tls: mail would go over the network without encryption; set "implicit" or "starttls"
              yinling.toml line 24: channels.email: from: "nobody" is no address for mail, like "银铃 <yinling@example.org>"
              yinling.toml line 32: channels.robot.token_file: no/such/token cannot be read: No such file or directory (os error 2)"#]],
    );
}

#[test]
fn what_is_allowed_but_worth_saying() {
    let file = r#"
[channels.sms]
kind = "tencent"
secret_id = "AKID"
secret_key = "x"
app_id = "1400006666"
sign_name = "银铃"
templates = { alert = { code = "449739", params = ["name", "place"] } }
"#;
    let (_dir, config) = load(file, &[]);
    expect![[r#"
        no channel is configured for voice, push: those messages are shown on the console and in the log only; [channels.…] configures one
        channels.sms.templates has no `reminder`: the alert's is used, with a dash for what a reminder does not tell
        channels.sms.templates has no `taken` or no `ended`: relatives are not told by this channel that somebody goes, or how it ended
        channels.sms.callback_from is empty: tencent signs nothing, so a list of the addresses it posts from is one more lock
        http.public_url is not set: links in messages, and the callbacks of gateways, begin with the bound address http://127.0.0.1:8080, which phones and providers elsewhere cannot open
        http.public_url is not set: tencent cannot tell us what became of a message, and no key or reply arrives"#]].assert_eq(&config.unwrap().warnings().join("\n"));
}

#[test]
fn apps_and_groups_stand_beside_each_other_without_a_first_one() {
    let file = r#"
[channels.push.ntfy]
[channels.push.bark]
[channels.robot.groups.yinxing]
kind = "wecom"
token = "x"
[channels.robot.groups.guihua]
kind = "feishu"
token = "y"
"#;
    let (_dir, config) = load(file, &[]);
    let config = config.unwrap();
    let names = |channel| {
        let providers: &Vec<ProviderSettings> = &config.channels[&channel].providers;
        providers.iter().map(|one| one.serves.clone().unwrap_or_default().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(Channel::Push), ["ntfy", "bark"]);
    assert_eq!(names(Channel::Robot), ["guihua", "yinxing"]);
    let reach = config.reach();
    assert!(reach.pushes_to("bark") && !reach.pushes_to("jpush") && reach.speaks_in("guihua"));
    assert!(!reach.speaks_in("xinghua"));
    // What is printed means the same when it is read again.
    let printed = config.print();
    assert!(!printed.contains("kind = \"ntfy\""), "{printed}");
    check_faults(
        "[channels.push.brak]\n[channels.robot.groups.\"a b\"]\nkind = \"wecom\"\ntoken = \"x\"\n",
        &[],
        expect![[r#"
            the configuration has 2 faults:
              yinling.toml line 1: channels.push.kind: `kind` is required; there are "gateway", "ntfy", "bark", "jpush"
              yinling.toml line 2: channels.robot.groups.a b: "a b" is no name for a group: letters, digits, - and _"#]],
    );
}

#[test]
fn somebody_calls_on_wherever_somebody_can_be_called() {
    let sms = "[channels.sms]\nkind = \"gateway\"\nurl = \"http://127.0.0.1:1/\"\nsecret = \"whsec_bWVudHVhbGx5IHJpbmdpbmcgYmVsbHMgMTIz\"\n";
    let watchdog = |file: &str| load(file, &[]).1.unwrap().watchdog.is_some();
    assert!(!watchdog(""), "nobody could be called");
    assert!(watchdog(sms));
    assert!(!watchdog(&format!("{sms}[watchdog]\nenabled = false\n")));
    let said = load(&format!("{sms}[watchdog]\nenabled = false\n"), &[]).1.unwrap().warnings().join("\n");
    assert!(said.contains("watchdog.enabled is false"), "{said}");
}
