//! The guardian's page as HTML: large, plain, works without JavaScript, loads nothing from anywhere.

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::registry::{FenceKind, Shape};
use model::step_up::CODE_SECONDS;
use model::{Fence, IncidentState, Language, Located, Timestamp, Wearer};
use sha2::{Digest, Sha256};

use super::audit::LookJson;
use super::guardian::{Community, GuardianView, Link};
use super::guardian_clock::{Clock, time};
use super::guardian_map;
use crate::problem::{Code, Fault};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1.5rem/1.5 system-ui,'Noto Sans CJK SC','PingFang SC',sans-serif;margin:0 auto;max-width:40rem;padding:1rem;\
color:#111;background:#fff}\
h1{font-size:2rem;margin:.5rem 0}h2{font-size:1.625rem;margin:1.5rem 0 .5rem}\
.state{border-left:.5rem solid #b00020;padding:.25rem .75rem;font-weight:600}\
.state.taken{border-color:#0b6b2f}.state.over{border-color:#555}\
.said{background:#fff3cd;color:#4d3800;padding:.75rem;border-radius:.5rem}\
form{margin:.75rem 0}\
button,a.call{display:block;box-sizing:border-box;width:100%;min-height:64px;font:inherit;font-weight:600;border:0;\
border-radius:.75rem;padding:.75rem;text-align:center;text-decoration:none;cursor:pointer}\
button{background:#e7e7e7;color:#111}button.go{background:#b00020;color:#fff}form:has(.stick){position:sticky;bottom:0;margin:.5rem -1rem;padding:.5rem 1rem;background:#fff}\
a.call{background:#0b57d0;color:#fff;margin:.75rem 0}a.call.more{background:#e7e7e7;color:#111}\
input{box-sizing:border-box;width:100%;min-height:64px;font:inherit;font-size:2rem;letter-spacing:.3em;text-align:center;\
border:2px solid #555;border-radius:.75rem;margin:.25rem 0 .75rem;background:transparent;color:inherit}summary{min-height:60px;\
cursor:pointer;padding:.75rem 0;font-weight:600}summary:focus-visible,button:focus-visible,a:focus-visible,input:focus-visible\
{outline:3px solid #0b57d0;outline-offset:2px}\
.again a{display:inline-block;padding:.75rem 0}\
svg{display:block;width:100%;border:1px solid #888;border-radius:.75rem;background:#f4f7f9}\
.fence{fill:#0b57d01c;stroke:#0b57d0;stroke-width:2;stroke-dasharray:6 5}.place{fill:#b00020;stroke:#fff;stroke-width:3}\
.scale{fill:none;stroke:#111;stroke-width:2}text{font-size:24px}\
dl{margin:1rem 0}dt{color:#555}dd{margin:0 0 .5rem;overflow-wrap:anywhere}\
@media (prefers-color-scheme:dark){body{color:#eee;background:#111}dt{color:#aaa}button{background:#333;color:#eee}\
button.go{background:#b00020;color:#fff}form:has(.stick){background:#111}a.call.more{background:#333;color:#eee}input{border-color:#aaa}.said{background:#3a2f14;color:#ffe9b0}a{color:#8ab4f8}\
a.call{color:#fff}svg{background:#182028}.scale{stroke:#eee}text{fill:#eee}.fence{stroke:#8ab4f8;fill:#8ab4f81c}}.fence.way{fill:none}";

/// Everything that a link opens.
pub(super) fn whole(token: &str, view: &GuardianView, fault: Option<&Fault>, clock: Clock) -> Response {
    let lang = view.lang;
    let mut body = String::new();
    let explain = if lang == Language::ZhCn { &view.incident.explain } else { &view.incident.explain_en };
    body.push_str(&format!("<h1>{}</h1>", escaped(&view.wearer.name)));
    if let Some(fault) = fault {
        body.push_str(&said(lang, fault));
    }
    if view.is_declined {
        let said = say(
            lang,
            "已记下：您去不了。我们会继续联系其他人；若您改变主意，仍可按下面的按钮。",
            "Noted: you cannot go. We go on calling the others; if you can after all, press the button below.",
        );
        body.push_str(&format!("<p class=\"said\" role=\"status\">{said}</p>"));
    }
    body.push_str(&format!("<p class=\"state {}\">{}</p>", class(view), escaped(&state(lang, view))));
    body.push_str(&as_of(token, lang, clock));
    let mut map = String::new();
    let mut facts = vec![
        (say(lang, "发生了什么", "What happened"), escaped(explain)),
        (say(lang, "何时", "When"), time(lang, view.incident.raised_at, clock)),
    ];
    if let Some(position) = view.incident.position {
        let (lat, lon) = (position.lat, position.lon);
        map = guardian_map::drawing(lang, position, &view.fences);
        map.push_str(&format!(
            "<a class=\"call more\" href=\"geo:{lat:.6},{lon:.6}\">{}</a>",
            say(lang, "在地图应用中打开", "Open in a map app")
        ));
        facts.push((say(lang, "位置", "Where"), format!("{lat:.6}, {lon:.6}")));
    }
    let rows: String = facts.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    body.push_str(&format!("<dl>{rows}</dl>{map}"));
    // The one button that matters stays in sight while the page is scrolled.
    let is_first = |action: &&&str| matches!(**action, "acknowledge" | "arrive");
    for action in view.actions.iter().filter(|action| is_first(action)) {
        body.push_str(&form(token, action, " class=\"go stick\"", button(lang, action, view.incident.state)));
    }
    body.push_str(&call(lang, &view.community));
    for action in view.actions.iter().filter(|action| !is_first(action)) {
        body.push_str(&form(token, action, "", button(lang, action, view.incident.state)));
    }
    let more = say(lang, "位置、轨迹与围栏（需验证手机）", "Places, track and fences (with a code)");
    body.push_str(&format!("<a class=\"call more\" href=\"/g/{}/elder\">{more}</a>", escaped(token)));
    body.push_str(&looks(lang, &view.looks, clock));
    let until = say(lang, "此链接有效至", "This link holds until");
    body.push_str(&format!("<p>{until} {}</p>", clock.words(lang, view.expires_at)));
    document(fault.map_or(StatusCode::OK, Fault::status), lang, &view.wearer.name, &body, Dress::Plain)
}

/// What a guardian sees of their elder, once they entered the code.
pub(super) struct Elder<'a> {
    pub(super) lang: Language,
    pub(super) wearer: &'a Wearer,
    /// Where they were last, and when.
    pub(super) place: Option<(Located, Timestamp)>,
    pub(super) until: Timestamp,
    pub(super) looks: &'a [LookJson],
    pub(super) community: &'a Community,
}

/// The guardian's pages. A script puts a map, the track and the fence editor into their places; without one there is
/// the last place, drawn, and the list.
pub(super) fn elder(token: &str, elder: &Elder<'_>, clock: Clock) -> Response {
    let (lang, wearer) = (elder.lang, elder.wearer);
    let back = say(lang, "‹ 返回", "‹ Back");
    let place = match &elder.place {
        None => format!("<p>{}</p>", say(lang, "还没有收到过位置", "No position was ever heard")),
        Some((located, at)) => {
            let (lat, lon, metres) = (located.position.lat, located.position.lon, located.accuracy_m.round());
            let about = say(lang, "误差约", "give or take");
            let unit = say(lang, "米", "m");
            let drawing = guardian_map::drawing(lang, located.position, &wearer.fences);
            format!(
                "<p id=\"place\">{} · <a href=\"geo:{lat:.6},{lon:.6}\">{lat:.5}, {lon:.5}</a> · {about} {metres} {unit}</p>\
                 <div id=\"drawing\">{drawing}</div>",
                time(lang, *at, clock)
            )
        }
    };
    let fences: String = wearer.fences.iter().map(|one| format!("<li>{}</li>", fence(lang, one))).collect();
    let fences = if fences.is_empty() {
        say(lang, "还没有围栏", "There is none yet").to_owned()
    } else {
        format!("<ul>{fences}</ul>")
    };
    let nobody = format!("<p>{}</p>", say(lang, "除您以外，没有人查看过", "Nobody but you"));
    let (title, id) = (escaped(&wearer.name), escaped(token));
    let body = format!(
        "<p><a class=\"call more\" href=\"/g/{id}\">{back}</a></p><h1>{title}</h1>\
         <section><h2>{}</h2>{place}<div id=\"live\" data-token=\"{id}\"></div></section>\
         <section id=\"vitals\" hidden><h2>{}</h2><div></div></section>\
         <section><h2>{}</h2><div id=\"fences\">{fences}</div></section>\
         <section><h2>{}</h2>{}</section>{}<p>{} {}</p>",
        say(lang, "在哪里，去过哪里", "Where they are and were"),
        say(lang, "身体状况", "How they are"),
        say(lang, "围栏", "Fences"),
        say(lang, "谁查看过", "Who looked"),
        if elder.looks.is_empty() { nobody } else { looks(lang, elder.looks, clock) },
        call(lang, elder.community),
        say(lang, "此页面有效至", "These pages are open until"),
        clock.words(lang, elder.until),
    );
    document(StatusCode::OK, lang, &wearer.name, &body, Dress::Map)
}

fn fence(lang: Language, fence: &Fence) -> String {
    let kind = match fence.kind {
        FenceKind::Inclusion => say(lang, "不应走出", "to stay inside"),
        FenceKind::Exclusion => say(lang, "不应进入", "to stay out of"),
    };
    let shape = match &fence.shape {
        Shape::Circle { radius_m, .. } => {
            format!("{} {radius_m:.0} {}", say(lang, "圆形，半径", "circle of"), say(lang, "米", "m"))
        }
        _ => say(lang, "多边形", "polygon").to_owned(),
    };
    format!("<b>{}</b> · {kind} · {shape}", escaped(fence.id.as_str()))
}

/// Asks for the code that was sent, or offers to send one to the number that is registered.
pub(super) fn code(token: &str, link: &Link, phone: Option<&str>, is_sent: bool, fault: Option<&Fault>) -> Response {
    let lang = link.attempt.lang;
    let title = say(lang, "先验证手机", "A code first");
    let mut body = format!("<h1>{title}</h1>");
    if let Some(fault) = fault {
        body.push_str(&said(lang, fault));
    }
    let Some(phone) = phone else {
        body.push_str(&format!(
            "<p>{}</p>",
            say(lang, "没有登记您的手机号，请联系社区。", "No number of yours is registered: call the community.")
        ));
        body.push_str(&call(lang, &link.community));
        return document(StatusCode::CONFLICT, lang, title, &body, Dress::Plain);
    };
    let why = say(
        lang,
        "位置、轨迹与围栏只给监护人本人看。验证码发到您登记的手机：",
        "Places, track and fences are for the guardian alone. The code goes to your registered phone:",
    );
    body.push_str(&format!("<p>{why} <b>{}</b></p>", escaped(phone)));
    if is_sent {
        let minutes = CODE_SECONDS / 60;
        let label = match lang {
            Language::ZhCn => format!("6 位验证码（{minutes} 分钟内有效）"),
            Language::En => format!("The six digits (they hold for {minutes} minutes)"),
        };
        body.push_str(&format!(
            "<form method=\"post\" action=\"/g/{}/enter\"><label for=\"code\">{label}</label>\
             <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" pattern=\"[0-9 ]*\" \
             maxlength=\"8\" required autofocus><button class=\"go\">{}</button></form>",
            escaped(token),
            say(lang, "打开", "Open"),
        ));
    }
    let again = if is_sent {
        say(lang, "重新发送验证码", "Send another code")
    } else {
        say(lang, "发送验证码", "Send the code")
    };
    body.push_str(&form(token, "code", if is_sent { "" } else { " class=\"go\"" }, again));
    body.push_str(&format!(
        "<a class=\"call more\" href=\"/g/{}\">{}</a>",
        escaped(token),
        say(lang, "‹ 返回", "‹ Back")
    ));
    document(fault.map_or(StatusCode::OK, Fault::status), lang, title, &body, Dress::Plain)
}

/// A link of ours that opens nothing now: whom to call, and a button to have it sent again.
///
/// `is_sent`: it was sent again a moment ago.
pub(super) fn refused(token: &str, link: &Link, fault: &Fault, is_sent: bool) -> Response {
    let lang = link.attempt.lang;
    let title = say(lang, "链接已失效", "This link is over");
    let told = if is_sent {
        let sent = say(
            lang,
            "新链接已发到您登记的手机，请打开最新的一条消息。",
            "Another link is on its way to your registered phone: open the newest message.",
        );
        format!("<p class=\"said\" role=\"status\">{sent}</p>")
    } else {
        said(lang, fault)
    };
    let mut body = format!("<h1>{title}</h1>{told}{}", call(lang, &link.community));
    if fault.code() == Code::LinkExpired {
        body.push_str(&form(token, "resend", "", button(lang, "resend", IncidentState::Resolved)));
    }
    document(fault.status(), lang, title, &body, Dress::Plain)
}

/// A link that is none of ours, in both languages: nobody knows who reads it.
pub(super) fn unknown(fault: &Fault) -> Response {
    let (zh, en) = (escaped(fault.detail(Language::ZhCn)), escaped(fault.detail(Language::En)));
    let body = format!(
        "<h1>链接无效 · No such link</h1>\
         <p>{zh}。请从消息里重新点开完整的链接，或直接致电老人所在的社区；情况紧急请拨打 120。</p>\
         <p lang=\"en\">{en}: open the whole link from the message again, or call the elder's community; in an emergency \
         call 120.</p>"
    );
    document(fault.status(), Language::ZhCn, "链接无效", &body, Dress::Plain)
}

fn state(lang: Language, view: &GuardianView) -> String {
    let taken = view.incident.acknowledged_by.as_ref();
    match (lang, view.incident.state, taken) {
        (Language::ZhCn, IncidentState::Acknowledged, _) if view.incident.is_yours => "您已确认前往".to_owned(),
        (Language::En, IncidentState::Acknowledged, _) if view.incident.is_yours => "You are going".to_owned(),
        (Language::ZhCn, IncidentState::Acknowledged, Some(taken)) => format!("已由 {} 确认，正在赶去", taken.name),
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

fn button(lang: Language, action: &str, state: IncidentState) -> &'static str {
    match action {
        "acknowledge" => say(lang, "我已知晓，马上去", "I know, I am going"),
        "extend" => say(lang, "还在路上，请再等等", "Still on my way"),
        "arrive" => say(lang, "我已到场", "I am there"),
        "cannot" if state == IncidentState::OnSite => say(lang, "我不在现场", "I am not there"),
        "cannot" => say(lang, "我去不了", "I cannot go"),
        _ => say(lang, "重新发送链接", "Send the link again"),
    }
}

/// Who looked: the guardian is told, and of broken glass with the reason.
fn looks(lang: Language, looks: &[LookJson], clock: Clock) -> String {
    if looks.is_empty() {
        return String::new();
    }
    let rows = looks.iter().map(|look| {
        let why = match (look.action.as_str(), &look.purpose) {
            ("glass.break", Some(reason)) => format!("{}{reason}", say(lang, "紧急查看位置：", "broke the glass: ")),
            (_, Some(purpose)) => reason(lang, purpose),
            (_, None) => {
                look.fields.iter().map(|field| shown(lang, field)).collect::<Vec<_>>().join(say(lang, "、", ", "))
            }
        };
        let (who, role) = (escaped(&look.who), role(lang, &look.role));
        format!("<dt>{} · {who} ({role})</dt><dd>{}</dd>", time(lang, look.at, clock), escaped(&why))
    });
    let summary = say(lang, "谁查看过这些信息", "Who has looked at this");
    format!("<details><summary>{summary}</summary><dl>{}</dl></details>", rows.collect::<String>())
}

/// Why somebody looked: what our own pages give as a reason is said in the reader's language, the rest as it was written.
fn reason(lang: Language, purpose: &str) -> String {
    let known = match purpose {
        "guardian link" => say(lang, "通过消息中的链接", "by the link in a message"),
        "elder page" => say(lang, "查看老人页面", "the elder's page"),
        "track replay" => say(lang, "轨迹回放", "the track, replayed"),
        "trend" => say(lang, "查看体征趋势", "the trends"),
        "fences" => say(lang, "查看围栏", "the fences"),
        "export" => say(lang, "导出轨迹", "the track, exported"),
        "thresholds" => say(lang, "试算阈值", "trying thresholds"),
        other => match other.strip_prefix("incident ") {
            Some(id) => return format!("{} {id}", say(lang, "处理报警", "seeing to alert")),
            None => other,
        },
    };
    known.to_owned()
}

/// A role, as the reader calls it.
fn role(lang: Language, role: &str) -> String {
    let zh = match role {
        "admin" => "管理员",
        "operator" => "运维",
        "desk" => "社区值班",
        "grid_worker" => "网格员",
        "street" => "街道",
        "department" => "部门",
        "volunteer" => "志愿者",
        "doctor" => "医生",
        "guardian" => "监护人",
        "integration" => "对接系统",
        other => other,
    };
    if lang == Language::ZhCn { escaped(zh) } else { escaped(&role.replace('_', " ")) }
}

/// What was shown of somebody, as the reader calls it.
fn shown(lang: Language, field: &str) -> String {
    let zh = match field {
        "position" | "place" => "位置",
        "vitals" => "体征",
        "explain" => "事件说明",
        "occurrences" => "事件经过",
        "fences" => "围栏",
        "photo" => "照片",
        "text" | "params" => "通知内容",
        "check_ins" => "打卡",
        other => other,
    };
    if lang == Language::ZhCn { zh.to_owned() } else { field.replace('_', " ") }
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

/// Which moment the page shows, and a way to the next: it has no script that would follow.
fn as_of(token: &str, lang: Language, clock: Clock) -> String {
    let (moment, token) = (clock.words(lang, clock.now), escaped(token));
    let (before, again) = (say(lang, "截至", "As of"), say(lang, "刷新", "Refresh"));
    format!("<p class=\"again\">{before} {moment} · <a href=\"/g/{token}\">{again}</a></p>")
}

/// What a page looks like, and what may run in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dress {
    /// Large and plain; nothing is loaded.
    Plain,
    /// With the console's stylesheet and the script that draws the map, where there is a console.
    Map,
}

fn document(status: StatusCode, lang: Language, title: &str, body: &str, dress: Dress) -> Response {
    let code = if lang == Language::ZhCn { "zh-CN" } else { "en" };
    let has_map = dress == Dress::Map && cfg!(feature = "console");
    let (style, root) = if has_map {
        let links = "<link rel=\"stylesheet\" href=\"/console/vendor/leaflet.css\">\
             <link rel=\"stylesheet\" href=\"/console/vendor/uplot.css\">\
             <link rel=\"stylesheet\" href=\"/console/console.css\">\
             <script type=\"module\" src=\"/console/guardian.js\"></script>";
        (links.to_owned(), " class=\"guardian\"")
    } else {
        (format!("<style>{STYLE}</style>"), "")
    };
    let page = format!(
        "<!doctype html><html lang=\"{code}\"{root}><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">\
         <title>{} · 银铃</title>{style}</head><body><main>{body}</main></body></html>",
        escaped(title)
    );
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let sources = if has_map {
        "script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:".to_owned()
    } else {
        format!("style-src 'sha256-{style}'; img-src data:")
    };
    let policy = format!("default-src 'none'; {sources}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
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
