//! Speaking to a running engine over its API.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How long a connection may take to be made, seconds.
const CONNECT_SECONDS_MAX: u64 = 5;
/// How long an answer may take: a large import is checked as a whole, seconds.
const ANSWER_SECONDS_MAX: u64 = 300;

/// Which engine, and who asks.
#[derive(Debug, Args)]
pub struct Server {
    /// Where the engine's API is
    #[arg(long, value_name = "URL", env = "YINLING_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// The API token, as `yinling init` or `yinling token create` showed it
    #[arg(long, value_name = "TOKEN", env = "YINLING_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A certificate (PEM) to trust beside those that the system does: that of `yinling init --self-signed` lies at
    /// tls/certificate.pem in the data directory
    #[arg(long, value_name = "FILE", env = "YINLING_CA")]
    ca: Option<PathBuf>,
}

/// A connection to the API.
pub struct Client {
    base: Url,
    token: String,
    http: reqwest::Client,
}

/// A problem document (RFC 9457), as far as it is shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    errors: Vec<Remark>,
    trace_id: String,
}

/// One remark about a place in what was sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Remark {
    /// JSON pointer.
    pub pointer: String,
    /// What is wrong, or worth knowing.
    pub detail: String,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.detail),
            pointer => write!(f, "{pointer}: {}", self.detail),
        }
    }
}

impl Server {
    /// Runs one conversation with the engine.
    ///
    /// # Errors
    /// Whatever the conversation ends with; that there is no token, or that the URL is none.
    pub fn talk<T>(&self, conversation: impl AsyncFnOnce(&Client) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let client = Client::new(self)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(conversation(&client))
    }
}

impl Client {
    fn new(server: &Server) -> anyhow::Result<Client> {
        let Some(token) = server.token.as_deref().map(str::trim).filter(|token| !token.is_empty()) else {
            bail!("no API token: give --token or set YINLING_TOKEN (`yinling init` showed the first one)");
        };
        let base = server.server.trim_end_matches('/');
        let base = Url::parse(&format!("{base}/")).with_context(|| format!("--server {base} is no URL"))?;
        if !matches!(base.scheme(), "http" | "https") {
            bail!("--server {base} is neither http:// nor https://");
        }
        let mut http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .timeout(Duration::from_secs(ANSWER_SECONDS_MAX))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("yinling/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = &server.ca {
            let pem = std::fs::read(ca).with_context(|| format!("--ca {}", ca.display()))?;
            let found =
                reqwest::Certificate::from_pem_bundle(&pem).with_context(|| format!("--ca {}", ca.display()))?;
            anyhow::ensure!(!found.is_empty(), "--ca {} holds no certificate in PEM", ca.display());
            http = found.into_iter().fold(http, reqwest::ClientBuilder::add_root_certificate);
        }
        let http = http.build()?;
        Ok(Client { base, token: token.to_owned(), http })
    }

    /// Sends a request and reads the JSON that answers it. `path` is relative to `/api/v1/`.
    ///
    /// # Errors
    /// Nobody answers, the engine refuses (with its reasons), or the answer cannot be read.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<T> {
        self.ask_as(method, path, "application/json", body).await
    }

    /// The same with a body of another kind than JSON.
    ///
    /// # Errors
    /// As [`ask`](Client::ask).
    pub async fn ask_as<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<Vec<u8>>,
    ) -> anyhow::Result<T> {
        let answer = self.send(method, path, body.map(|body| (content_type, body))).await?;
        let text = answer.text().await.context("reading the engine's answer")?;
        serde_json::from_str(&text).with_context(|| format!("{path} answered with something else than expected"))
    }

    /// Sends a request whose answer holds nothing of interest.
    ///
    /// # Errors
    /// Nobody answers, or the engine refuses.
    pub async fn tell(&self, method: Method, path: &str) -> anyhow::Result<()> {
        self.send(method, path, None).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> anyhow::Result<Response> {
        let url = self.base.join(&format!("api/v1/{path}"))?;
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                let error = innermost(&error);
                bail!(
                    "nobody answers at {} ({error}); is `yinling serve` running there? --server names another",
                    self.base
                );
            }
            Err(error) if error.is_timeout() => bail!("{} did not answer in time", self.base),
            Err(error) => return Err(error).with_context(|| format!("asking {}", self.base)),
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.unwrap_or_default();
        bail!("{}", refusal(status, &text))
    }
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// What the engine says against it, row by row.
fn refusal(status: StatusCode, body: &str) -> String {
    let Ok(problem) = serde_json::from_str::<Problem>(body) else {
        return format!("the engine answered {status} without saying why; is that really a yinling API?");
    };
    let mut said = match (problem.detail.as_str(), problem.title.as_str()) {
        ("", "") => format!("the engine refused it ({status})"),
        ("", title) => format!("{title} ({status})"),
        (detail, _) => format!("{detail} ({status})"),
    };
    if status == StatusCode::UNAUTHORIZED {
        said.push_str("; give another token with --token or YINLING_TOKEN");
    }
    for remark in &problem.errors {
        let _ = write!(said, "\n  {remark}");
    }
    if status.is_server_error() && !problem.trace_id.is_empty() {
        let _ = write!(said, "\n  (trace id {}, see the engine's log)", problem.trace_id);
    }
    said
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::refusal;

    #[test]
    fn refusals_are_told_row_by_row() {
        let body = r#"{"type":"about:blank","title":"Invalid","detail":"2 faults; nothing was written","errors":[
            {"pointer":"/people/0/phone","detail":"not E.164","detail_zh":"…"},{"detail":"not JSON"}]}"#;
        expect_test::expect![[r#"
            2 faults; nothing was written (422 Unprocessable Entity)
              /people/0/phone: not E.164
              not JSON"#]]
        .assert_eq(&refusal(StatusCode::UNPROCESSABLE_ENTITY, body));
        let unknown = refusal(StatusCode::UNAUTHORIZED, r#"{"title":"Who are you?"}"#);
        assert!(unknown.starts_with("Who are you? (401 Unauthorized); give another token"), "{unknown}");
        assert!(refusal(StatusCode::NOT_FOUND, "<html>").contains("is that really a yinling API?"));
    }
}
