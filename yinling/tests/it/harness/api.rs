//! The REST API as another system uses it.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;

/// One runtime for every client of every story.
fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

/// A caller with a token.
#[derive(Clone)]
pub struct Api {
    base: String,
    token: String,
    client: reqwest::Client,
}

/// What was answered.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `ETag`, without quotes.
    pub etag: Option<String>,
    /// The `Content-Type`.
    pub content_type: String,
    /// The body; null when it is not JSON.
    pub body: Value,
}

impl Reply {
    /// The problem's `code`.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Api {
    /// A caller at `http` with a bearer token.
    pub fn new(http: SocketAddr, token: &str) -> Api {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(150)).no_proxy().build().unwrap();
        Api { base: format!("http://{http}"), token: token.to_owned(), client }
    }

    /// The bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same caller with another token.
    pub fn with_token(&self, token: &str) -> Api {
        Api { token: token.to_owned(), ..self.clone() }
    }

    /// `DELETE /api/v1{path}`.
    pub fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], None).unwrap_or_else(|e| panic!("DELETE {path}: {e}"))
    }

    /// `DELETE /api/v1{path}` with headers.
    pub fn delete_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.send("DELETE", path, headers, None).unwrap_or_else(|e| panic!("DELETE {path}: {e}"))
    }

    /// `GET /api/v1{path}`.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None).unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// `PATCH /api/v1{path}` with headers and a JSON body.
    pub fn patch(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.send("PATCH", path, headers, Some(body.to_string())).unwrap_or_else(|e| panic!("PATCH {path}: {e}"))
    }

    /// `PUT /api/v1{path}` with headers and a JSON body.
    pub fn put(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.send("PUT", path, headers, Some(body.to_string())).unwrap_or_else(|e| panic!("PUT {path}: {e}"))
    }

    /// `POST /api/v1{path}` with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, &[], body)
    }

    /// `POST /api/v1{path}` with headers and a JSON body.
    pub fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.try_post(path, headers, body).unwrap_or_else(|e| panic!("POST {path}: {e}"))
    }

    /// The same for a caller that expects the server to die under it.
    pub fn try_post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Reply, reqwest::Error> {
        self.send("POST", path, headers, Some(body.to_string()))
    }

    /// `GET` for a caller that expects the server to die under it.
    pub fn try_get(&self, path: &str) -> Result<Reply, reqwest::Error> {
        self.send("GET", path, &[], None)
    }

    /// Any method to `/api/v1{path}`.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let sent = self.send(method, path, &[], body.map(Value::to_string));
        sent.unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// Any method to `/api/v1{path}` with headers and whatever body.
    pub fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Reply {
        self.send(method, path, headers, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// A body of another type to `POST /api/v1{path}`.
    pub fn post_as(&self, path: &str, content_type: &str, body: &str) -> Reply {
        self.send("POST", path, &[("content-type", content_type)], Some(body.to_owned())).unwrap()
    }

    /// Any body to `POST /api/v1{path}`.
    pub fn post_raw(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[], Some(body.to_owned())).unwrap()
    }

    /// Any bytes to `POST /api/v1{path}`.
    pub fn post_bytes(&self, path: &str, bytes: Vec<u8>) -> Reply {
        let request = self.client.post(format!("{}/api/v1{path}", self.base)).bearer_auth(&self.token).body(bytes);
        runtime().block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
            let (etag, content_type) = (header("etag"), header("content-type").unwrap_or_default());
            let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
            Reply { status, etag, content_type, body }
        })
    }

    /// Status, `Content-Type` and bytes of `GET /api/v1{path}`.
    pub fn get_bytes(&self, path: &str) -> (u16, String, Vec<u8>) {
        let request = self.client.get(format!("{}/api/v1{path}", self.base)).bearer_auth(&self.token);
        runtime().block_on(async {
            let response = request.send().await.unwrap();
            let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
            let (status, content_type) = (response.status().as_u16(), content_type.unwrap_or_default().to_owned());
            (status, content_type, response.bytes().await.unwrap().to_vec())
        })
    }

    /// `PUT /api/v1{path}` with headers and a JSON body.
    pub fn put_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        self.send("PUT", path, headers, Some(body.to_string())).unwrap_or_else(|e| panic!("PUT {path}: {e}"))
    }

    /// The text at a path outside `/api/v1`, e.g. `/metrics`.
    pub fn text_at(&self, path: &str) -> String {
        self.status_and_text_at(path).1
    }

    /// Status and text at a path outside `/api/v1`, e.g. `/readyz`.
    pub fn status_and_text_at(&self, path: &str) -> (u16, String) {
        let request = self.client.get(format!("{}{path}", self.base)).bearer_auth(&self.token);
        runtime().block_on(async {
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        })
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Reply, reqwest::Error> {
        let method = method.parse().unwrap();
        let url = format!("{}/api/v1{path}", self.base);
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body);
        }
        runtime().block_on(async {
            let response = request.send().await?;
            let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
            let (etag, content_type) = (header("etag"), header("content-type").unwrap_or_default());
            let status = response.status().as_u16();
            let text = response.text().await?;
            let etag = etag.map(|etag| etag.trim_matches('"').to_owned());
            Ok(Reply { status, etag, content_type, body: serde_json::from_str(&text).unwrap_or(Value::Null) })
        })
    }
}

/// Posts a JSON body to an absolute URL without any credentials: what a gateway does with its callback.
pub fn post_url(url: &str, body: &Value) -> Result<u16, reqwest::Error> {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let client = CLIENT.get_or_init(|| {
        reqwest::Client::builder()
            .timeout(Duration::from_secs(150))
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap()
    });
    let request = client.post(url).header("content-type", "application/json").body(body.to_string());
    runtime().block_on(async { Ok(request.send().await?.status().as_u16()) })
}

/// Posts a form to an absolute URL without any credentials: what Twilio does, but for its signature.
pub fn post_form(url: &str, form: &str) -> u16 {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(150)).no_proxy().build().unwrap();
    let request = client.post(url).header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    runtime().block_on(async { request.send().await.unwrap().status().as_u16() })
}
