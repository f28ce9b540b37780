//! The little of the REST API that the demo uses, as any integrator would.

use std::net::SocketAddr;

use anyhow::Context;
use serde::Deserialize;
use serde_json::Value;

/// How many events are fetched at a time.
const EVENTS_PER_PAGE: usize = 200;

/// A caller with a token.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// A page of the feed.
#[derive(Debug, Deserialize)]
pub(crate) struct EventPage {
    pub(crate) data: Vec<Value>,
    pub(crate) next_cursor: String,
    pub(crate) has_more: bool,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, token: &str) -> anyhow::Result<Client> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Client { http, base: format!("http://{address}/api/v1"), token: token.to_owned() })
    }

    pub(crate) async fn import(&self, registry: &Value) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}/import", self.base)).bearer_auth(&self.token).json(registry);
        said(request.send().await?).await.context("the registry was not taken").map(drop)
    }

    pub(crate) async fn events(&self, after: Option<&str>) -> anyhow::Result<EventPage> {
        let mut request =
            self.http.get(format!("{}/events?limit={EVENTS_PER_PAGE}", self.base)).bearer_auth(&self.token);
        if let Some(cursor) = after {
            request = request.query(&[("after", cursor)]);
        }
        Ok(serde_json::from_value(said(request.send().await?).await?)?)
    }

    /// Acts on a case or an incident as it is now; the version that was seen goes with it.
    pub(crate) async fn act(&self, entity: &str, action: &str, body: Value) -> anyhow::Result<Value> {
        let seen = self.http.get(format!("{}/{entity}", self.base)).bearer_auth(&self.token).send().await?;
        let version = said(seen).await?["version"].as_u64().unwrap_or_default();
        let request = self
            .http
            .post(format!("{}/{entity}/actions/{action}", self.base))
            .bearer_auth(&self.token)
            .header("if-match", format!("\"{version}\""))
            .json(&body);
        said(request.send().await?).await
    }
}

/// The body of a good answer; of another the problem that it names.
async fn said(answer: reqwest::Response) -> anyhow::Result<Value> {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap_or(Value::Null);
    anyhow::ensure!(status.is_success(), "{status}: {body}");
    Ok(body)
}
