//! Electronic mail by SMTP: pooled connections, TLS by rustls. Never the first thing that an SOS relies on.

use std::time::Duration;

use compact_str::CompactString;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use model::record::SendResult;
use model::{Attempt, Language, Purpose};
use tokio::runtime::Handle;

use crate::provider::{BoxFuture, Links, Provider};
use crate::request::{QUOTA_WAIT_SECONDS, RETRY_AFTER_SECONDS_DEFAULT};
use crate::{ConfigError, Credential};

/// How many connections are kept open.
const CONNECTIONS_MAX: u32 = 8;

/// How a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the first byte (port 465).
    Implicit,
    /// After STARTTLS, and not without it (port 587).
    StartTls,
    /// Not at all: only for a relay on this machine.
    None,
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpConfig {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: SmtpTls,
    /// A certificate authority of one's own, in PEM, trusted in addition.
    pub ca_pem: Option<Vec<u8>>,
    /// The account, if it asks for one.
    pub credential: Option<Credential>,
    /// The sender: `yinling@example.org` or `银铃 <yinling@example.org>`.
    pub from: String,
    /// How long a mail may take, milliseconds.
    pub timeout_ms: u64,
}

/// Electronic mail.
pub struct Smtp {
    name: String,
    /// `None` only while it is dropped.
    transport: Option<AsyncSmtpTransport<Tokio1Executor>>,
    from: Mailbox,
    timeout: Duration,
    runtime: Handle,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        // The pool closes its connections in a task, and panics where there is no runtime: at the end of a process.
        let _runtime = self.runtime.enter();
        drop(self.transport.take());
    }
}

/// Looks whether a configuration can be used; connects to nothing.
///
/// # Errors
/// When the sender is no address, or the certificate cannot be read.
pub fn check(config: &SmtpConfig) -> Result<(), ConfigError> {
    sender(config)?;
    tls(config).map(drop)
}

impl Smtp {
    /// Checks the configuration and sets the pool up; connects to nothing yet.
    ///
    /// # Errors
    /// When the sender is no address, the certificate cannot be read, or there is no runtime around it.
    pub fn new(name: &str, config: &SmtpConfig) -> Result<Smtp, ConfigError> {
        let (from, tls) = (sender(config)?, tls(config)?);
        let runtime = Handle::try_current().map_err(|error| ConfigError::Client(error.to_string()))?;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(Duration::from_millis(config.timeout_ms.max(1))))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS_MAX));
        if let Some(credential) = &config.credential {
            let secret = String::from_utf8_lossy(credential.secret()).into_owned();
            builder = builder.credentials(Credentials::new(credential.id().to_owned(), secret));
        }
        let timeout = Duration::from_millis(config.timeout_ms.max(1));
        Ok(Smtp { name: name.to_owned(), transport: Some(builder.build()), from, timeout, runtime })
    }

    async fn deliver(&self, attempt: &Attempt) -> SendResult {
        let (Some(transport), message) = (&self.transport, build(attempt, &self.from)) else {
            return SendResult::Unknown { detail: "it is being closed".into() };
        };
        let message = match message {
            Ok(message) => message,
            Err(detail) => return SendResult::Final { detail },
        };
        // The transport's own time-out ends with the connection's coming up: a server that is silent would hold us.
        match tokio::time::timeout(self.timeout, transport.send(message)).await {
            Ok(Ok(_)) => SendResult::Accepted,
            Ok(Err(error)) => classify(&Trouble::of(&error)),
            Err(_) => classify(&Trouble::TimedOut),
        }
    }
}

impl Provider for Smtp {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, attempt: &'a Attempt, _links: &'a Links) -> BoxFuture<'a, SendResult> {
        Box::pin(self.deliver(attempt))
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let Some(transport) = &self.transport else { return Ok(()) };
            match tokio::time::timeout(self.timeout, transport.test_connection()).await {
                Ok(Ok(true)) => Ok(()),
                Ok(Ok(false)) | Err(_) => Err("the mail server does not answer".to_owned()),
                Ok(Err(_)) => Err("the mail server cannot be reached, or refuses us".to_owned()),
            }
        })
    }
}

fn sender(config: &SmtpConfig) -> Result<Mailbox, ConfigError> {
    config.from.parse().map_err(|_| ConfigError::Sender(config.from.clone()))
}

fn tls(config: &SmtpConfig) -> Result<Tls, ConfigError> {
    Ok(match config.tls {
        SmtpTls::None => Tls::None,
        SmtpTls::Implicit => Tls::Wrapper(tls_parameters(config)?),
        SmtpTls::StartTls => Tls::Required(tls_parameters(config)?),
    })
}

fn tls_parameters(config: &SmtpConfig) -> Result<TlsParameters, ConfigError> {
    let wrong = |error: smtp::Error| ConfigError::Client(error.to_string());
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(pem) = &config.ca_pem {
        builder = builder.add_root_certificate(Certificate::from_pem(pem).map_err(wrong)?);
    }
    builder.build_rustls().map_err(wrong)
}

/// The mail for one attempt. Its Message-ID is the same at every resend, so that a mailbox can show it once.
///
/// # Errors
/// When the address is none.
pub fn build(attempt: &Attempt, from: &Mailbox) -> Result<Message, CompactString> {
    let to: Mailbox = attempt.to.0.parse().map_err(|_| "it is not an address for mail")?;
    let about = attempt.incident.map_or_else(String::new, |incident| format!(".{incident}"));
    let id = format!("<{}{about}@{}>", attempt.id, from.email.domain());
    Message::builder()
        .from(from.clone())
        .to(to)
        .subject(subject(attempt))
        .message_id(Some(id))
        .date(std::time::UNIX_EPOCH + Duration::from_millis(attempt.created_at.millis().max(0).unsigned_abs()))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .header(ContentType::TEXT_PLAIN)
        .body(attempt.text.clone())
        .map_err(|_| "the mail cannot be put together".into())
}

/// No name stands in it: subjects show on locked screens.
fn subject(attempt: &Attempt) -> &'static str {
    match (attempt.lang, attempt.purpose) {
        (Language::ZhCn, Purpose::Alert) => "银铃提醒：需要您的关注",
        (Language::ZhCn, Purpose::Reminder) => "银铃再次提醒：仍需有人前往",
        (Language::ZhCn, Purpose::Taken) => "银铃：已有人接警",
        (Language::ZhCn, Purpose::Ended) => "银铃：已处理完毕",
        (Language::ZhCn, Purpose::Position) => "银铃：位置有更新",
        (Language::ZhCn, Purpose::Test) => "银铃：测试",
        (Language::ZhCn, Purpose::Welfare) => "银铃：今天好吗",
        (Language::ZhCn, Purpose::Code) => "银铃：验证码",
        (Language::En, Purpose::Alert) => "Silver bell: your attention is needed",
        (Language::En, Purpose::Reminder) => "Silver bell: somebody still has to go",
        (Language::En, Purpose::Taken) => "Silver bell: somebody has taken it",
        (Language::En, Purpose::Ended) => "Silver bell: it has ended",
        (Language::En, Purpose::Position) => "Silver bell: found somewhere else",
        (Language::En, Purpose::Test) => "Silver bell: a test",
        (Language::En, Purpose::Welfare) => "Silver bell: how are you today",
        (Language::En, Purpose::Code) => "Silver bell: a code",
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// What went wrong with a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    /// The server refused with this code.
    Refused(u16),
    /// It took too long.
    TimedOut,
    /// No connection came up, or TLS did not.
    NotThere,
    /// It broke half-way.
    Broken,
}

impl Trouble {
    fn of(error: &smtp::Error) -> Trouble {
        if let Some(code) = error.status() {
            return Trouble::Refused(u16::from(code));
        }
        if error.is_timeout() {
            return Trouble::TimedOut;
        }
        let text = error.to_string().to_ascii_lowercase();
        if error.is_tls() || text.contains("connection error") { Trouble::NotThere } else { Trouble::Broken }
    }
}

fn classify(trouble: &Trouble) -> SendResult {
    let retry = |detail: String, after_seconds| SendResult::Retry { detail: detail.into(), after_seconds };
    match trouble {
        Trouble::Refused(code @ (421 | 450 | 451)) => retry(format!("SMTP {code}"), RETRY_AFTER_SECONDS_DEFAULT),
        Trouble::Refused(code @ 400..=499) => retry(format!("SMTP {code}"), QUOTA_WAIT_SECONDS),
        Trouble::Refused(code @ (530 | 534 | 535 | 538)) => {
            SendResult::Final { detail: format!("SMTP {code}: correct the configuration").into() }
        }
        Trouble::Refused(code) => SendResult::Final { detail: format!("SMTP {code}").into() },
        Trouble::TimedOut => SendResult::Unknown { detail: "no answer in time".into() },
        Trouble::NotThere => retry("cannot connect".to_owned(), RETRY_AFTER_SECONDS_DEFAULT),
        Trouble::Broken => SendResult::Unknown { detail: "the connection broke before an answer came".into() },
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::samples::{attempt, told};

    #[test]
    fn the_mail_to_the_byte() {
        let mut attempt = attempt();
        attempt.to = model::Destination("g1@example.org".into());
        let from: Mailbox = "银铃 <yinling@example.org>".parse().unwrap();
        let mail = |attempt: &Attempt| String::from_utf8(build(attempt, &from).unwrap().formatted()).unwrap();
        expect![[r#"
            From: =?utf-8?b?6ZO26ZOD?= <yinling@example.org>
            To: g1@example.org
            Subject: =?utf-8?b?6ZO26ZOD5o+Q6YaS77ya6ZyA6KaB5oKo55qE5YWz5rOo?=
            Message-ID: <a1a.i7@example.org>
            Date: Thu, 01 Jan 1970 00:00:00 +0000
            Auto-Submitted: auto-generated
            X-Auto-Response-Suppress: All
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: base64

            6ZO25p2P56S+5Yy65o+Q6YaSOueOi+ahguWFsOS6jjA4OjAw5oyJ5LiL5rGC5Yqp6ZSu44CCPOWb
            nuWkjTHnoa7orqTliY3lvoA+"#]]
        .assert_eq(&mail(&attempt).replace('\r', ""));
        assert_eq!(mail(&attempt), mail(&attempt));
        attempt.to = model::Destination("nobody".into());
        assert!(build(&attempt, &from).is_err());
        attempt.to = model::Destination("g1@example.org\r\nBcc: x@example.org".into());
        assert!(build(&attempt, &from).is_err());
    }

    #[test]
    fn troubles_are_classed() {
        for (trouble, expected) in [
            (Trouble::Refused(421), "retry in 2: SMTP 421"),
            (Trouble::Refused(452), "retry in 60: SMTP 452"),
            (Trouble::Refused(535), "final: SMTP 535: correct the configuration"),
            (Trouble::Refused(550), "final: SMTP 550"),
            (Trouble::TimedOut, "unknown: no answer in time"),
            (Trouble::NotThere, "retry in 2: cannot connect"),
            (Trouble::Broken, "unknown: the connection broke before an answer came"),
        ] {
            assert_eq!(told(&classify(&trouble)), expected);
        }
    }
}
