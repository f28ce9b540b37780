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
    // What is no JSON is told below, with its place.
    if let Ok((_, twice)) = crate::once::read(bytes)
        && let Some(pointer) = twice.first()
    {
        return Err(Fault::invalid(
            pointer,
            "this member stands there twice; send it once",
            "此项出现两次，请只保留一个",
        ));
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
            Fault::invalid(pointer, detail, in_chinese(detail))
        }
        Category::Syntax | Category::Eof | Category::Io => Fault::new(
            Code::MalformedJson,
            format!("{error}"),
            format!("第 {} 行第 {} 列附近不是有效的 JSON", error.line(), error.column()),
        ),
    }
}

/// serde's sentence in Chinese, without the English words in it; a sentence that is not known says at least where.
fn in_chinese(detail: &str) -> String {
    let names = || detail.split('`').skip(1).step_by(2).collect::<Vec<_>>();
    let (first, others) = names().split_first().map(|(first, rest)| (*first, rest.join("、"))).unwrap_or_default();
    let known = if others.is_empty() { String::new() } else { format!("，可用的有 {others}") };
    let (head, rest) = detail.split_once(": ").unwrap_or((detail, ""));
    let (found, expected) = rest.split_once(", expected ").unwrap_or((rest, ""));
    match detail.split_whitespace().take(2).collect::<Vec<_>>().as_slice() {
        ["unknown", "field"] => format!("此处没有 `{first}` 这一项{known}"),
        ["unknown", "variant"] => format!("`{first}` 不在可选值之中{known}"),
        ["missing", "field"] => format!("缺少必填项 `{first}`"),
        ["duplicate", "field"] => format!("`{first}` 出现两次，请只保留一个"),
        _ => match head {
            "invalid type" => format!("类型不符：{}{}", found_in_chinese(found), expected_in_chinese(expected)),
            "invalid value" => format!("取值不符：{}{}", found_in_chinese(found), expected_in_chinese(expected)),
            "invalid length" => "项数不符".to_owned(),
            _ => "取值不符合要求".to_owned(),
        },
    }
}

fn found_in_chinese(found: &str) -> String {
    let shown = found.split_once(['`', '"']).map(|(_, value)| value.trim_end_matches(['`', '"'])).unwrap_or_default();
    let kind = match found.split_whitespace().next().unwrap_or_default() {
        "integer" => "整数",
        "floating" => "小数",
        "string" | "character" => "文本",
        "boolean" => "布尔值",
        "null" | "unit" => "空值",
        "sequence" => "列表",
        "map" => "对象",
        _ => "这个值",
    };
    let shown = if shown.is_empty() { String::new() } else { format!(" `{shown}`") };
    format!("不能是{kind}{shown}")
}

fn expected_in_chinese(expected: &str) -> &'static str {
    match expected {
        "a string" | "string" => "，应为文本",
        "a boolean" => "，应为 true 或 false",
        "a sequence" => "，应为列表",
        "u8" | "u16" | "u32" | "u64" | "usize" => "，应为范围内的非负整数",
        "i8" | "i16" | "i32" | "i64" => "，应为范围内的整数",
        "f32" | "f64" => "，应为数值",
        other if other == "a map" || other.starts_with("struct ") => "，应为对象",
        _ => "",
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
    fn what_serde_says_is_said_in_chinese_without_its_words() {
        let told: Vec<String> = [
            r#"{"name":7}"#,
            r#"{"name":"a","rows":[{"n":300}]}"#,
            r#"{"name":"a","rows":{}}"#,
            r#"{"name":["a"]}"#,
            r#"{"nmae":"a"}"#,
            r#"{"name":"a","rows":[{"n":1,"m":2}]}"#,
            r#"{"name":"a","settings":{"a":"x"}}"#,
            r#"{}"#,
        ]
        .into_iter()
        .map(|body| serde_json::from_str::<Sample>(body).unwrap_err().to_string())
        .map(|error| in_chinese(error.rsplit_once(" at line ").unwrap().0))
        .collect();
        expect_test::expect![[r#"
            类型不符：不能是整数 `7`，应为文本
            取值不符：不能是整数 `300`，应为范围内的非负整数
            类型不符：不能是对象，应为列表
            类型不符：不能是列表，应为文本
            此处没有 `nmae` 这一项，可用的有 name、rows、settings
            此处没有 `m` 这一项，可用的有 n
            类型不符：不能是文本 `x`，应为范围内的非负整数
            缺少必填项 `name`"#]]
        .assert_eq(&told.join("\n"));
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
            r#"{"name":"a","settings":{"x":1,"x":2}}"#,
            r#"{"name":"a","name":"b"}"#,
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
            invalid /settings/x: this member stands there twice; send it once
            invalid /name: this member stands there twice; send it once
            invalid : the body must be a JSON object
            invalid : the body must be a JSON object
            malformed-json: EOF while parsing a list at line 1 column 2
            malformed-json: EOF while parsing a value at line 1 column 0
            malformed-json: EOF while parsing an object at line 1 column 11
            malformed-json: trailing characters at line 1 column 13"#]]
        .assert_eq(&told.join("\n"));
    }
}
