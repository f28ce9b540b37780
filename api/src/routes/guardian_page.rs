//! The guardian's page as HTML: large, plain, works without JavaScript, loads nothing from anywhere.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{IncidentState, Language, Timestamp};
use sha2::{Digest, Sha256};

use super::guardian::{Community, GuardianView, Link};
use crate::problem::{Code, Fault};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1.25rem/1.5 system-ui,'Noto Sans CJK SC','PingFang SC',sans-serif;margin:0 auto;max-width:40rem;padding:1rem;\
color:#111;background:#fff}\
h1{font-size:1.75rem;margin:.5rem 0}\
.state{border-left:.5rem solid #b00020;padding:.25rem .75rem;font-weight:600}\
.state.taken{border-color:#0b6b2f}.state.over{border-color:#555}\
.said{background:#fff3cd;color:#4d3800;padding:.75rem;border-radius:.5rem}\
form{margin:.75rem 0}\
button,a.call{display:block;box-sizing:border-box;width:100%;min-height:64px;font:inherit;font-weight:600;border:0;\
border-radius:.75rem;padding:.75rem;text-align:center;text-decoration:none;cursor:pointer}\
button{background:#e7e7e7;color:#111}button.go{background:#b00020;color:#fff;position:sticky;bottom:.5rem}\
a.call{background:#0b57d0;color:#fff;margin:.75rem 0}\
dl{margin:1rem 0}dt{color:#555}dd{margin:0 0 .5rem}\
@media (prefers-color-scheme:dark){body{color:#eee;background:#111}dt{color:#aaa}button{background:#333;color:#eee}}";

/// Everything that a link opens.
pub(super) fn whole(token: &str, view: &GuardianView, fault: Option<&Fault>, now: Timestamp) -> Response {
    let lang = view.lang;
    let mut body = String::new();
    let explain = if lang == Language::ZhCn { &view.incident.explain } else { &view.incident.explain_en };
    body.push_str(&format!("<h1>{}</h1>", escaped(&view.wearer.name)));
    if let Some(fault) = fault {
        body.push_str(&said(lang, fault));
    }
    body.push_str(&format!("<p class=\"state {}\">{}</p>", class(view), escaped(&state(lang, view))));
    let mut facts = vec![
        (say(lang, "发生了什么", "What happened"), escaped(explain)),
        (say(lang, "何时", "When"), time(lang, view.incident.raised_at, now)),
    ];
    if let Some(position) = view.incident.position {
        let (lat, lon) = (position.lat, position.lon);
        let place = format!("<a href=\"geo:{lat:.6},{lon:.6}\">{lat:.6}, {lon:.6}</a> (WGS-84)");
        facts.push((say(lang, "位置", "Where"), place));
    }
    let rows: String = facts.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    body.push_str(&format!("<dl>{rows}</dl>"));
    body.push_str(&call(lang, &view.community));
    for action in view.actions.iter().rev() {
        let class = if *action == "acknowledge" || *action == "arrive" { " class=\"go\"" } else { "" };
        body.push_str(&form(token, action, class, button(lang, action)));
    }
    body.push_str(&looks(lang, view, now));
    let until = say(lang, "此链接有效至", "This link holds until");
    body.push_str(&format!("<p>{until} {}</p>", time(lang, view.expires_at, now)));
    document(fault.map_or(StatusCode::OK, Fault::status), lang, &view.wearer.name, &body)
}

/// A link of ours that opens nothing now: whom to call, and a button to have it sent again.
pub(super) fn refused(token: &str, link: &Link, fault: &Fault) -> Response {
    let lang = link.attempt.lang;
    let title = say(lang, "链接已失效", "This link is over");
    let mut body = format!("<h1>{title}</h1>{}{}", said(lang, fault), call(lang, &link.community));
    if fault.code() == Code::LinkExpired {
        body.push_str(&form(token, "resend", "", button(lang, "resend")));
    }
    document(fault.status(), lang, title, &body)
}

/// A link that is none of ours, in both languages: nobody knows who reads it.
pub(super) fn unknown(fault: &Fault) -> Response {
    let body = format!(
        "<h1>链接无效 · No such link</h1><p>{}</p><p lang=\"en\">{}</p>",
        escaped(fault.detail(Language::ZhCn)),
        escaped(fault.detail(Language::En))
    );
    document(fault.status(), Language::ZhCn, "链接无效", &body)
}

fn state(lang: Language, view: &GuardianView) -> String {
    let taken = view.incident.acknowledged_by.as_ref();
    match (lang, view.incident.state, taken) {
        (Language::ZhCn, IncidentState::Acknowledged, _) if view.incident.is_yours => "您已确认前往".to_owned(),
        (Language::En, IncidentState::Acknowledged, _) if view.incident.is_yours => "You are going".to_owned(),
        (Language::ZhCn, IncidentState::Acknowledged, Some(taken)) => format!("已由 {} 确认,正在赶去", taken.name),
        (Language::En, IncidentState::Acknowledged, Some(taken)) => format!("{} is going", taken.name),
        (Language::ZhCn, IncidentState::OnSite, _) => "已有人到场".to_owned(),
        (Language::En, IncidentState::OnSite, _) => "Somebody is there".to_owned(),
        (Language::ZhCn, IncidentState::Resolved, _) => "已处理完毕".to_owned(),
        (Language::En, IncidentState::Resolved, _) => "It is over".to_owned(),
        (Language::ZhCn, _, _) => "还没有人确认前往".to_owned(),
        (Language::En, _, _) => "Nobody has said yet that they are going".to_owned(),
    }
}

fn class(view: &GuardianView) -> &'static str {
    match view.incident.state {
        IncidentState::Acknowledged | IncidentState::OnSite => "taken",
        IncidentState::Resolved => "over",
        _ => "open",
    }
}

fn button(lang: Language, action: &str) -> &'static str {
    match action {
        "acknowledge" => say(lang, "我已知晓,马上去", "I know, I am going"),
        "extend" => say(lang, "还在路上,请再等等", "Still on my way"),
        "arrive" => say(lang, "我已到场", "I am there"),
        "cannot" => say(lang, "我去不了", "I cannot go"),
        _ => say(lang, "重新发送链接", "Send the link again"),
    }
}

/// Who looked: the guardian is told, and of broken glass with the reason.
fn looks(lang: Language, view: &GuardianView, now: Timestamp) -> String {
    if view.looks.is_empty() {
        return String::new();
    }
    let rows = view.looks.iter().map(|look| {
        let why = match (look.action.as_str(), &look.purpose) {
            ("glass.break", Some(reason)) => format!("{}:{reason}", say(lang, "紧急查看位置", "broke the glass")),
            (_, Some(purpose)) => purpose.clone(),
            (_, None) => look.fields.join(", "),
        };
        let (who, role) = (escaped(&look.who), escaped(&look.role));
        format!("<dt>{} · {who} ({role})</dt><dd>{}</dd>", time(lang, look.at, now), escaped(&why))
    });
    let summary = say(lang, "谁查看过这些信息", "Who has looked at this");
    format!("<details><summary>{summary}</summary><dl>{}</dl></details>", rows.collect::<String>())
}

fn form(token: &str, action: &str, class: &str, label: &str) -> String {
    let (token, action) = (escaped(token), escaped(action));
    format!("<form method=\"post\" action=\"/g/{token}/{action}\"><button{class}>{label}</button></form>")
}

fn call(lang: Language, community: &Community) -> String {
    let Some(phone) = &community.phone else { return String::new() };
    let (name, phone) = (escaped(&community.name), escaped(phone));
    format!("<a class=\"call\" href=\"tel:{phone}\">{} {name} {phone}</a>", say(lang, "致电", "Call"))
}

fn said(lang: Language, fault: &Fault) -> String {
    format!("<p class=\"said\" role=\"status\">{}</p>", escaped(fault.detail(lang)))
}

fn say(lang: Language, zh: &'static str, en: &'static str) -> &'static str {
    if lang == Language::ZhCn { zh } else { en }
}

/// "3 分钟前", with the instant itself for machines.
fn time(lang: Language, at: Timestamp, now: Timestamp) -> String {
    let minutes = now.millis_since(at) / 60_000;
    let words = match (lang, minutes) {
        (Language::ZhCn, ..0) => format!("{} 后", span(lang, -minutes)),
        (Language::En, ..0) => format!("in {}", span(lang, -minutes)),
        (Language::ZhCn, 0) => "刚刚".to_owned(),
        (Language::En, 0) => "just now".to_owned(),
        (Language::ZhCn, _) => format!("{}前", span(lang, minutes)),
        (Language::En, _) => format!("{} ago", span(lang, minutes)),
    };
    format!("<time datetime=\"{at}\">{words}</time>")
}

fn span(lang: Language, minutes: i64) -> String {
    let zh = lang == Language::ZhCn;
    match minutes {
        ..120 if zh => format!("{minutes} 分钟"),
        ..120 => format!("{minutes} min"),
        _ if zh => format!("{} 小时", minutes / 60),
        _ => format!("{} h", minutes / 60),
    }
}

fn document(status: StatusCode, lang: Language, title: &str, body: &str) -> Response {
    let code = if lang == Language::ZhCn { "zh-CN" } else { "en" };
    let page = format!(
        "<!doctype html><html lang=\"{code}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <title>{} · 银铃</title><style>{STYLE}</style></head><body><main>{body}</main></body></html>",
        escaped(title)
    );
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut response = (status, page).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// A text as HTML shows it.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_becomes_markup() {
        assert_eq!(escaped("<b a='1'>\"&\"</b>"), "&lt;b a=&#39;1&#39;&gt;&quot;&amp;&quot;&lt;/b&gt;");
    }
}
