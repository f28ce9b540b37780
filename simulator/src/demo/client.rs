//! The little of the REST API that the demo uses, as any integrator would.

use std::net::SocketAddr;

use anyhow::Context;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use serde::Deserialize;
use serde_json::Value;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// How many events are fetched at a time.
const EVENTS_PER_PAGE: usize = 200;

/// A caller with a token, or somebody who signed in.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    who: HeaderMap,
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
        let who = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse()?)]);
        Ok(Client { http, base: format!("http://{address}/api/v1"), who })
    }

    /// The same for somebody with an account, under whose name things are then done.
    pub(crate) async fn sign_in(&self, account: &str, password: &str) -> anyhow::Result<Client> {
        // What a browser says of a page of the server's own.
        let ours = (SEC_FETCH_SITE, HeaderValue::from_static("same-origin"));
        let body = serde_json::json!({ "account": account, "password": password });
        let request =
            self.http.post(format!("{}/session", self.base)).header(ours.0.clone(), ours.1.clone()).json(&body);
        let answer = request.send().await?;
        let set = answer.headers().get(SET_COOKIE).and_then(|set| set.to_str().ok()).unwrap_or_default();
        let cookie = set.split(';').next().unwrap_or_default().parse()?;
        said(answer).await.context("an account could not sign in")?;
        Ok(Client { who: HeaderMap::from_iter([(COOKIE, cookie), ours]), ..self.clone() })
    }

    pub(crate) async fn import(&self, registry: &Value) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}/import", self.base)).headers(self.who.clone()).json(registry);
        said(request.send().await?).await.context("the registry was not taken").map(drop)
    }

    /// Makes an account for somebody who signs in to the console.
    pub(crate) async fn account(&self, account: &Value) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}/accounts", self.base)).headers(self.who.clone()).json(account);
        said(request.send().await?).await.context("an account was not made").map(drop)
    }

    pub(crate) async fn events(&self, after: Option<&str>) -> anyhow::Result<EventPage> {
        let mut request =
            self.http.get(format!("{}/events?limit={EVENTS_PER_PAGE}", self.base)).headers(self.who.clone());
        if let Some(cursor) = after {
            request = request.query(&[("after", cursor)]);
        }
        Ok(serde_json::from_value(said(request.send().await?).await?)?)
    }

    /// Acts on a case or an incident as it is now; the version that was seen goes with it.
    pub(crate) async fn act(&self, entity: &str, action: &str, body: Value) -> anyhow::Result<Value> {
        let seen = self.http.get(format!("{}/{entity}", self.base)).headers(self.who.clone()).send().await?;
        let version = said(seen).await?["version"].as_u64().unwrap_or_default();
        let request = self
            .http
            .post(format!("{}/{entity}/actions/{action}", self.base))
            .headers(self.who.clone())
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
