//! Mail to a server that is not ours (aiosmtpd, which `./test.sh` installs; where it is missing this fails): pooled,
//! encrypted, refused in time.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use channels::smtp::{Smtp, SmtpConfig, SmtpTls};
use channels::{Credential, Links, Provider};
use model::Channel;
use model::record::SendResult;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::python;
use crate::sample::attempt;

const MAILS: usize = 10;
const WITHIN: Duration = Duration::from_secs(60);

struct MailServer {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    port: u16,
    dir: tempfile::TempDir,
}

impl MailServer {
    async fn start(manner: &str) -> MailServer {
        let python = python();
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(&python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mail_server.py")).arg(manner).arg(dir.path());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (sender, mut lines) = mpsc::unbounded_channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
        let first = tokio::time::timeout(WITHIN, lines.recv()).await.unwrap();
        let first = first.unwrap_or_else(|| panic!("does {} have aiosmtpd? ./test.sh installs it", python.display()));
        let port = first.strip_prefix("port ").unwrap().parse().unwrap();
        MailServer { child, lines, port, dir }
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(WITHIN, self.lines.recv()).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn config(&self, tls: SmtpTls) -> SmtpConfig {
        SmtpConfig {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            tls,
            ca_pem: std::fs::read(self.dir.path().join("ca.pem")).ok(),
            credential: None,
            from: "银铃 <yinling@example.org>".to_owned(),
            timeout_ms: 20_000,
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn send(smtp: &Smtp, to: &str) -> SendResult {
    let links = Links { callback: String::new(), provider: String::new() };
    smtp.send(&attempt(Channel::Email, to), &links).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_arrives_over_a_connection_that_is_kept() {
    let mut server = MailServer::start("plain").await;
    let smtp = Smtp::new("email", &server.config(SmtpTls::None)).unwrap();
    assert_eq!(smtp.probe().await, Ok(()));
    let mut peers = BTreeSet::new();
    for _ in 0..MAILS {
        assert_eq!(send(&smtp, "g1@example.org").await, SendResult::Accepted);
        let mail = server.next().await;
        assert_eq!(mail["to"][0], "g1@example.org");
        assert_eq!(mail["from"], "银铃 <yinling@example.org>");
        assert_eq!(mail["subject"], "银铃提醒：需要您的关注");
        assert_eq!(mail["text"].as_str().unwrap().trim(), "请前往");
        assert_eq!(mail["id"], "<a1a.i7@example.org>", "the same at every resend");
        assert_eq!(mail["auto"], "auto-generated");
        peers.insert(mail["peer"].to_string());
    }
    // A connection goes back into the pool a moment after its mail is taken, so the next mail may open another one.
    assert!(peers.len() < MAILS, "no connection was used twice: {peers:?}");
    for (to, expected) in [("refused@example.org", "SMTP 550"), ("nobody", "it is not an address for mail")] {
        assert_eq!(send(&smtp, to).await, SendResult::Final { detail: expected.into() });
    }
    let later = send(&smtp, "later@example.org").await;
    assert_eq!(later, SendResult::Retry { detail: "SMTP 451".into(), after_seconds: 2 });
    assert_eq!(send(&smtp, "g1@example.org").await, SendResult::Accepted, "a refusal ends nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_encrypted_and_signed_in_or_does_not_go() {
    let mut server = MailServer::start("starttls").await;
    let config = server.config(SmtpTls::StartTls);
    let signed_in = SmtpConfig { credential: Some(Credential::new("yinling", "tulip")), ..config.clone() };
    let smtp = Smtp::new("email", &signed_in).unwrap();
    assert_eq!(send(&smtp, "g1@example.org").await, SendResult::Accepted);
    assert_eq!(server.next().await["tls"], true);

    let wrong = SmtpConfig { credential: Some(Credential::new("yinling", "thorn")), ..config.clone() };
    let result = send(&Smtp::new("email", &wrong).unwrap(), "g1@example.org").await;
    assert_eq!(result, SendResult::Final { detail: "SMTP 535: correct the configuration".into() });

    let stranger = SmtpConfig { ca_pem: None, ..signed_in.clone() };
    let result = send(&Smtp::new("email", &stranger).unwrap(), "g1@example.org").await;
    assert!(matches!(result, SendResult::Retry { .. }), "a certificate that nobody vouches for: {result:?}");

    let plain = SmtpConfig { tls: SmtpTls::None, ..config };
    let result = send(&Smtp::new("email", &plain).unwrap(), "g1@example.org").await;
    assert!(!matches!(result, SendResult::Accepted), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_or_gone_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = SmtpConfig {
        host: "127.0.0.1".to_owned(),
        port: silent.local_addr().unwrap().port(),
        tls: SmtpTls::None,
        ca_pem: None,
        credential: None,
        from: "yinling@example.org".to_owned(),
        timeout_ms: 300,
    };
    let smtp = Arc::new(Smtp::new("email", &config).unwrap());
    let result = tokio::time::timeout(WITHIN, send(&smtp, "g1@example.org")).await.unwrap();
    assert!(matches!(result, SendResult::Unknown { .. } | SendResult::Retry { .. }), "{result:?}");
    drop(silent);
    let result = tokio::time::timeout(WITHIN, send(&smtp, "g1@example.org")).await.unwrap();
    assert_eq!(result, SendResult::Retry { detail: "cannot connect".into(), after_seconds: 2 });
    assert!(smtp.probe().await.is_err());
}
