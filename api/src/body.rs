//! Bodies: read within a limit, parsed with the place of every fault.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_LENGTH;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::Segment;

use crate::problem::{Code, Fault};
use crate::shared::Shared;

/// A JSON body; nothing at all counts as `{}`. Unknown members are refused by the types' `deny_unknown_fields`.
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Json<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Json<T>, Fault> {
        let bytes = read(request, shared.config.body_bytes_max).await?;
        let given: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        parse(given).map(Json)
    }
}

/// The whole body.
pub(crate) async fn read(request: Request, bytes_max: usize) -> Result<Bytes, Fault> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let mut body = request.into_body();
    let mut kept = Vec::with_capacity(announced.unwrap_or(0).min(bytes_max));
    while let Some(frame) = next_frame(&mut body).await? {
        if kept.len() + frame.len() <= bytes_max {
            kept.extend_from_slice(&frame);
            continue;
        }
        return Err(Fault::new(
            Code::TooLarge,
            format!("the body may have {bytes_max} bytes at most"),
            format!("请求体最多 {bytes_max} 字节"),
        ));
    }
    Ok(Bytes::from(kept))
}

async fn next_frame(body: &mut Body) -> Result<Option<Bytes>, Fault> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(_)) => {
                return Err(Fault::new(
                    Code::BadBody,
                    "the body broke off, or is not encoded as its headers say",
                    "请求体中断，或编码与请求头不符",
                ));
            }
        }
    }
}

/// Parses a JSON object; a fault names its place as a JSON pointer.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        // serde would take an array for a struct, member by member: not a thing to send by accident.
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| fault("", &error))?;
        return Err(Fault::invalid("", "the body must be a JSON object", "请求体须为 JSON 对象"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let pointer = pointer(error.path());
        fault(&pointer, error.inner())
    })?;
    deserializer.end().map_err(|error| fault("", &error))?;
    Ok(value)
}

fn fault(pointer: &str, error: &serde_json::Error) -> Fault {
    match error.classify() {
        Category::Data => {
            let text = error.to_string();
            // serde's sentence without its line and column: the pointer says where.
            let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(sentence, _)| sentence);
            let place = if pointer.is_empty() { "请求体" } else { pointer };
            let zh = format!("{place} 不符合要求：{detail}");
            Fault::invalid(pointer, detail, zh)
        }
        Category::Syntax | Category::Eof | Category::Io => Fault::new(
            Code::MalformedJson,
            format!("{error}"),
            format!("第 {} 行第 {} 列附近不是有效的 JSON", error.line(), error.column()),
        ),
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // read by serde only
    struct Sample {
        name: String,
        #[serde(default)]
        rows: Vec<Row>,
        #[serde(default)]
        settings: BTreeMap<String, u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)] // read by serde only
    struct Row {
        n: u8,
    }

    #[test]
    fn faults_say_where_they_are() {
        let told: Vec<String> = [
            r#"{"name":7}"#,
            r#"{"name":"a","rows":[{"n":1},{"n":300}]}"#,
            r#"{"name":"a","rows":[{"n":1,"m":2}]}"#,
            r#"{"name":"a","settings":{"a/b~c":"x"}}"#,
            r#"{"nmae":"a"}"#,
            r#"{}"#,
            r#"["a"]"#,
            r#" 7 "#,
            r#"[["#,
            "",
            r#"{"name":"a""#,
            r#"{"name":"a"}}"#,
        ]
        .into_iter()
        .map(|body| match parse::<Sample>(body.as_bytes()) {
            Ok(sample) => format!("{sample:?}"),
            Err(fault) => fault.to_string(),
        })
        .collect();
        expect_test::expect![[r#"
            invalid /name: invalid type: integer `7`, expected a string
            invalid /rows/1/n: invalid value: integer `300`, expected u8
            invalid /rows/0/m: unknown field `m`, expected `n`
            invalid /settings/a~1b~0c: invalid type: string "x", expected u8
            invalid /nmae: unknown field `nmae`, expected one of `name`, `rows`, `settings`
            invalid : missing field `name`
            invalid : the body must be a JSON object
            invalid : the body must be a JSON object
            malformed-json: EOF while parsing a list at line 1 column 2
            malformed-json: EOF while parsing a value at line 1 column 0
            malformed-json: EOF while parsing an object at line 1 column 11
            malformed-json: trailing characters at line 1 column 13"#]]
        .assert_eq(&told.join("\n"));
    }
}
