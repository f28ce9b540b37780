//! What came back, with the questions that tests ask of it.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use super::text;

/// An answer, read whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The ids of a list's entries.
    pub fn ids(&self) -> Vec<String> {
        self.json()["data"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect()
    }

    /// The status and code of a problem document, after checking that it is a whole one.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.text);
        let document = self.json();
        for member in ["type", "title", "title_zh", "detail", "detail_zh", "code", "trace_id"] {
            assert!(!text(&document[member]).is_empty(), "{member} is missing: {}", self.text);
        }
        assert_eq!(document["status"], self.status.as_u16());
        assert_eq!(self.header("trace-id"), text(&document["trace_id"]));
        let pointers: Vec<String> =
            document["errors"].as_array().into_iter().flatten().map(|error| text(&error["pointer"])).collect();
        format!("{} {} {}", self.status.as_u16(), text(&document["code"]), pointers.join(" ")).trim_end().to_owned()
    }
}
