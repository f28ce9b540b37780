//! The description as a page: plain HTML, written once at the start, without a script and without a request to
//! anywhere.

use serde_json::Value;

use super::METHODS;

const HEAD: &str = include_str!("head.html");

/// The whole page.
pub(super) fn render(document: &Value) -> String {
    let mut html = HEAD.to_owned();
    let info = &document["info"];
    html.push_str(&format!(
        "<h1>{} <small>{}</small></h1>\n",
        escaped(text(info, "title")),
        escaped(text(info, "version"))
    ));
    for paragraph in text(info, "description").split("\n\n") {
        html.push_str(&format!("<p>{}</p>\n", marked(paragraph)));
    }
    html.push_str("<p><a href=\"/api/v1/openapi.json\">openapi.json</a></p>\n");
    let operations = operations(document);
    let mut tags: Vec<&str> = Vec::new();
    for operation in &operations {
        if !tags.contains(&operation.tag) {
            tags.push(operation.tag);
        }
    }
    html.push_str("<nav>");
    for tag in &tags {
        html.push_str(&format!("<a href=\"#{0}\">{0}</a> ", escaped(tag)));
    }
    html.push_str("</nav>\n");
    for tag in tags {
        html.push_str(&format!("<h2 id=\"{0}\">{0}</h2>\n", escaped(tag)));
        for operation in operations.iter().filter(|operation| operation.tag == tag) {
            section(&mut html, operation);
        }
    }
    tables(&mut html, &document["x-transitions"]);
    html.push_str("<h2 id=\"schemas\">数据结构 · Schemas</h2>\n");
    for (name, schema) in members(&document["components"]["schemas"]) {
        let summary = format!("<summary id=\"schema-{0}\"><code>{0}</code></summary>", escaped(name));
        html.push_str(&format!("<details>{summary}{}</details>\n", pretty(schema)));
    }
    html.push_str("</main></html>\n");
    html
}

struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    tag: &'a str,
    value: &'a Value,
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    for (path, item) in members(&document["paths"]) {
        for (method, value) in members(item).filter(|(method, _)| METHODS.contains(method)) {
            let tag = value["tags"][0].as_str().unwrap_or("other");
            found.push(Operation { method, path, tag, value });
        }
    }
    found
}

fn section(html: &mut String, operation: &Operation<'_>) {
    let Operation { method, path, value, .. } = operation;
    html.push_str(&format!(
        "<details><summary><b class=\"{0}\">{0}</b> <code>{1}</code> <span>{2}</span></summary>\n",
        escaped(method),
        escaped(path),
        marked(text(value, "summary")),
    ));
    if let Some(more) = value["description"].as_str() {
        html.push_str(&format!("<p>{}</p>\n", marked(more)));
    }
    let parameters = value["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        html.push_str("<table><tr><th>参数 · parameter</th><th></th><th></th></tr>\n");
        for parameter in parameters {
            let required = if parameter["required"] == true { "必填 · required" } else { "" };
            html.push_str(&format!(
                "<tr><td><code>{}</code></td><td>{} {required}</td><td>{} {}</td></tr>\n",
                escaped(text(parameter, "name")),
                escaped(text(parameter, "in")),
                marked(text(parameter, "description")),
                brief(&parameter["schema"]),
            ));
        }
        html.push_str("</table>\n");
    }
    if let Some(body) = value.get("requestBody") {
        html.push_str(&format!("<h4>请求体 · Body</h4><p>{}</p>\n", marked(text(body, "description"))));
        contents(html, &body["content"]);
    }
    html.push_str("<h4>响应 · Answers</h4>\n");
    for (status, response) in members(&value["responses"]) {
        html.push_str(&format!("<p><b>{}</b> {}</p>\n", escaped(status), marked(text(response, "description"))));
        contents(html, &response["content"]);
    }
    html.push_str("</details>\n");
}

fn contents(html: &mut String, content: &Value) {
    for (kind, media) in members(content) {
        html.push_str(&format!("<p class=\"media\"><code>{}</code> {}</p>\n", escaped(kind), brief(&media["schema"])));
    }
}

fn tables(html: &mut String, tables: &Value) {
    html.push_str("<h2 id=\"transitions\">状态与操作 · States and actions</h2>\n");
    for (name, rows) in members(tables) {
        html.push_str(&format!("<details><summary><code>{}</code></summary><table>\n", escaped(name)));
        html.push_str(
            "<tr><th>状态 · from</th><th>操作 · action</th><th>到 · to</th><th>事件 · event</th><th>角色 · who</th></tr>\n",
        );
        for row in rows.as_array().map_or(&[][..], Vec::as_slice) {
            let who: Vec<&str> = row["who"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            html.push_str(&format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escaped(text(row, "from")),
                escaped(text(row, "action")),
                escaped(text(row, "to")),
                escaped(text(row, "event")),
                escaped(&who.join(", ")),
            ));
        }
        html.push_str("</table></details>\n");
    }
}

/// A schema in a few words: a link to a named one, or what it is.
fn brief(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().map(brief).filter(|choice| !choice.is_empty()).collect::<Vec<_>>().join(" | ");
    }
    if let Some(names) = schema["enum"].as_array() {
        let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
        return format!("<code>{}</code>", escaped(&names.join(" | ")));
    }
    match &schema["type"] {
        Value::String(kind) => escaped(kind),
        Value::Array(kinds) => escaped(
            &kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect::<Vec<_>>().join(" | "),
        ),
        _ => String::new(),
    }
}

fn pretty(schema: &Value) -> String {
    format!("<pre>{}</pre>", escaped(&serde_json::to_string_pretty(schema).unwrap_or_default()))
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, member)| (name.as_str(), member))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Escaped, with `words` between backticks as code.
fn marked(text: &str) -> String {
    let mut html = String::new();
    for (place, piece) in text.split('`').enumerate() {
        let piece = escaped(piece);
        html.push_str(&if place % 2 == 1 { format!("<code>{piece}</code>") } else { piece });
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_description_is_taken_for_html() {
        assert_eq!(marked("a `<b>` & \"c\""), "a <code>&lt;b&gt;</code> &amp; &quot;c&quot;");
        let schema = serde_json::json!({"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/A"}]});
        assert_eq!(brief(&schema), "null | <a href=\"#schema-A\">A</a>");
    }
}
