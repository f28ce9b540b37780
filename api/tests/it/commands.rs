//! Commands: what reaches the engine, and what its decision looks like outside.

use model::reply::{Problem, ProblemCode};
use model::{
    CaseAction, CaseState, DownCommandKind, Entity, EventKind, IncidentAction, IncidentId, IncidentState, PersonId,
    Reply, Role, StaffCommand,
};
use reqwest::Method;
use serde_json::json;

use crate::house::{Answer, House, text};
use crate::samples::{SHUSHAN, YINXING, case, incident, raised};

async fn house() -> House {
    let house = House::furnished().await;
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w1", YINXING)).await;
    house.engine.tell(EventKind::IncidentRaised, SHUSHAN, raised(2, "w9", SHUSHAN)).await;
    let filed = Entity::Case(Box::new(case(1, YINXING, CaseState::Filed)));
    house.engine.tell(EventKind::CaseFiled, YINXING, filed).await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_reaches_the_engine_whole_and_the_incident_comes_back() {
    let house = house().await;
    let acknowledged = incident(1, "w1", YINXING, IncidentState::Acknowledged);
    house.engine.reply_with(Reply::Done(Some(Entity::Incident(Box::new(acknowledged)))));
    let request = house
        .request("desk", Method::POST, "/api/v1/incidents/i1/actions/acknowledge")
        .header("idempotency-key", "k-1")
        .header("if-match", "\"3\"")
        .body(r#"{"note":"女儿来电","on_behalf_of":"g1"}"#);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["state"], "acknowledged");
    assert_eq!(answer.header("etag"), "\"3\"");
    let (actor, key, command) = house.engine.asked().remove(0);
    assert_eq!((actor.person, actor.role), (PersonId::new("t-desk"), Role::Desk));
    assert_eq!(key.as_deref(), Some("k-1"));
    assert_eq!(
        command,
        StaffCommand::Incident {
            id: IncidentId::new(0, 1),
            action: IncidentAction::Acknowledge,
            if_match: Some(3),
            note: Some("女儿来电".to_owned()),
            disposition: None,
            on_behalf_of: Some(PersonId::new("g1")),
        }
    );
    assert_eq!(house.engine.looks(), ["t-desk incidents/i1 position,explain,occurrences"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_has_its_address() {
    let house = house().await;
    for action in ["acknowledge", "extend", "arrive", "resolve", "escalate", "reopen", "note"] {
        let answer = house.post("desk", &format!("/api/v1/incidents/i1/actions/{action}"), "{}").await;
        assert_eq!(answer.status, 204, "{action}: {}", answer.text);
    }
    for action in [
        "reject",
        "dispatch",
        "accept",
        "reassign",
        "arrive",
        "feedback",
        "return",
        "verify",
        "close",
        "reopen",
        "merge",
        "whistle",
        "note",
        "rate",
        "check_in",
        "voice",
        "hand_over",
        "hand_off",
    ] {
        let answer = house.post("desk", &format!("/api/v1/cases/c1/actions/{action}"), "").await;
        assert_eq!(answer.status, 204, "{action}: {}", answer.text);
    }
    let actions: Vec<String> = house
        .engine
        .asked()
        .into_iter()
        .map(|(_, _, command)| match command {
            StaffCommand::Incident { action, .. } => format!("{action:?}"),
            StaffCommand::Case { request, .. } => format!("{:?}", request.action),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(actions.len(), 25);
    assert!(actions.contains(&format!("{:?}", CaseAction::Whistle)));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_keep_their_status_and_say_what_would_be_possible() {
    let house = house().await;
    for (code, expected) in [
        (ProblemCode::NotFound, "404 not-found"),
        (ProblemCode::IllegalInState, "409 illegal-in-state"),
        (ProblemCode::NotAllowed, "403 not-allowed"),
        (ProblemCode::Stale, "412 stale"),
        (ProblemCode::VersionRequired, "428 version-required"),
        (ProblemCode::Invalid, "422 invalid /disposition"),
        (ProblemCode::KeyReused, "409 key-reused"),
        (ProblemCode::LimitReached, "429 limit-reached"),
    ] {
        let mut problem = Problem::new(code, "so it is", "就是这样");
        if code == ProblemCode::Invalid {
            problem = problem.at("/disposition", "say how it ended", "请填写处置结果");
        }
        problem.allowed_actions = vec!["accept".into()];
        problem.holder = Some(PersonId::new("s1"));
        problem.version = Some(7);
        assert_eq!(expected, format!("{} {}", code.status(), code.name()) + &expected[4 + code.name().len()..]);
        house.engine.reply_with(Reply::Refused(problem));
        let answer = house.post("desk", "/api/v1/cases/c1/actions/close", r#"{"disposition":"helped"}"#).await;
        assert_eq!(answer.problem(), expected);
        assert_eq!(answer.json()["holder"], "s1");
        assert_eq!(answer.json()["version"], 7);
        if code == ProblemCode::Invalid {
            assert_eq!(answer.json()["errors"][0]["detail_zh"], "请填写处置结果");
        }
        let is_told = answer.json().get("allowed_actions").is_some();
        assert_eq!(is_told, code == ProblemCode::IllegalInState);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_outside_the_scope_is_not_there() {
    let house = house().await;
    for (who, path) in [
        ("elsewhere", "incidents/i1/actions/note"),
        ("desk", "incidents/i2/actions/note"),
        ("elsewhere", "cases/c1/actions/note"),
        ("elsewhere", "devices/b1/commands"),
        ("desk", "devices/spare/commands"),
    ] {
        let body = if path.starts_with("devices") { r#"{"kind":"ring"}"# } else { "{}" };
        assert_eq!(house.post(who, &format!("/api/v1/{path}"), body).await.problem(), "404 not-found", "{who} {path}");
    }
    assert_eq!(
        house.post("elsewhere", "/api/v1/cases/c1/actions/merge", r#"{"into":"c1"}"#).await.problem(),
        "404 not-found"
    );
    assert!(house.engine.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_read_or_refused() {
    let house = house().await;
    let long = "k".repeat(129);
    for (name, value) in
        [("if-match", "*"), ("if-match", "W/\"1\""), ("idempotency-key", ""), ("idempotency-key", &long)]
    {
        let request = house.request("desk", Method::POST, "/api/v1/cases/c1/actions/close").header(name, value);
        assert_eq!(Answer::of(request).await.problem(), "400 bad-header", "{name}: {value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_command_is_made_found_and_listed() {
    let house = house().await;
    for (body, kind) in [
        (r#"{"kind":"locate"}"#, DownCommandKind::Locate),
        (r#"{"kind":"set_interval","seconds":10}"#, DownCommandKind::SetInterval { seconds: 10 }),
        (r#"{"kind":"measure_again"}"#, DownCommandKind::MeasureAgain),
        (r#"{"kind":"ring","time_to_live_seconds":30}"#, DownCommandKind::Ring),
        (r#"{"kind":"help_is_coming"}"#, DownCommandKind::HelpIsComing { text: "有人正在赶来".to_owned() }),
        (r#"{"kind":"help_is_coming","text":"马上到"}"#, DownCommandKind::HelpIsComing { text: "马上到".to_owned() }),
        (
            r#"{"kind":"configuration","settings":{"volume":"3"}}"#,
            DownCommandKind::Configuration { settings: vec![("volume".into(), "3".into())] },
        ),
    ] {
        let answer = house.post("admin", "/api/v1/devices/b1/commands", body).await;
        assert_eq!(answer.status, 201, "{body}: {}", answer.text);
        let StaffCommand::Device { kind: asked, time_to_live_seconds, .. } = house.engine.asked().remove(0).2 else {
            panic!("another command")
        };
        assert_eq!(asked, kind);
        assert_eq!(time_to_live_seconds, body.contains("time_to_live").then_some(30));
        // What was just made can be read at once.
        let found = house.get("desk", answer.header("location")).await;
        assert_eq!(found.json(), answer.json());
        assert_eq!(found.json()["state"], "queued");
        assert_eq!(house.get("elsewhere", answer.header("location")).await.problem(), "404 not-found");
    }
    let listed = house.get("desk", "/api/v1/devices/b1/commands").await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 7);
    assert_eq!(listed["data"][0]["kind"], json!({"configuration": {"settings": [["volume", "3"]]}}));
    assert_eq!(house.get("elsewhere", "/api/v1/devices/b1/commands").await.problem(), "404 not-found");
    let configure = r#"{"kind":"set_interval","seconds":60}"#;
    assert_eq!(house.post("desk", "/api/v1/devices/b1/commands", configure).await.problem(), "403 not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_works_and_is_listed_without_its_secret() {
    let house = house().await;
    let body = r#"{"label":"街道平台","role":"street","scope":"/luyang/"}"#;
    let answer = house.post("admin", "/api/v1/tokens", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let (id, token) = (text(&answer.json()["id"]), text(&answer.json()["token"]));
    assert!(token.starts_with(&format!("yl_{id}_")) && token.len() > 40);
    let StaffCommand::CreateToken(kept) = house.engine.asked().remove(0).2 else { panic!("another command") };
    assert_eq!(kept.secret_sha256, api::token::sha256(&token));
    // It sees what its scope holds.
    assert_eq!(house.get(&token, "/api/v1/incidents").await.ids(), ["i1"]);
    let listed = house.get("admin", "/api/v1/tokens").await;
    assert_eq!(listed.json()["data"][0]["label"], "街道平台");
    assert!(!listed.text.contains(&token[token.len() - 20..]) && !listed.text.contains("sha256"));
    let request = house.request("admin", Method::DELETE, &format!("/api/v1/tokens/{id}"));
    assert_eq!(Answer::of(request).await.status, 204);
    let request = house.request("admin", Method::DELETE, "/api/v1/tokens/nobody");
    assert_eq!(Answer::of(request).await.problem(), "404 not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_token_above_themselves() {
    let house = house().await;
    let post = async |who: &str, scope: &str| {
        let body = format!(r#"{{"label":"x","role":"admin","scope":"{scope}"}}"#);
        house.post(who, "/api/v1/tokens", &body).await
    };
    assert_eq!(post("desk", "/luyang/xinghua/").await.problem(), "403 not-allowed");
    assert_eq!(post("guardian", "/luyang/xinghua/").await.problem(), "403 not-allowed");
    assert_eq!(post("district", "/").await.problem(), "422 invalid /scope");
    assert_eq!(post("district", "/shushan/").await.problem(), "422 invalid /scope");
    assert_eq!(post("district", "/luyang/xinghua/").await.status, 201);
    // The tokens of others' scopes are not theirs to see or end.
    let root = post("admin", "/").await;
    assert_eq!(house.get("district", "/api/v1/tokens").await.json()["data"].as_array().unwrap().len(), 1);
    let path = format!("/api/v1/tokens/{}", text(&root.json()["id"]));
    assert_eq!(Answer::of(house.request("district", Method::DELETE, &path)).await.problem(), "404 not-found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_engine_is_said_to_be_stopping() {
    let house = house().await;
    house.engine.stop();
    for (path, body) in [
        ("incidents/i1/actions/note", "{}"),
        ("cases/c1/actions/note", "{}"),
        ("devices/b1/commands", r#"{"kind":"ring"}"#),
        ("tokens", r#"{"label":"x","role":"desk"}"#),
        ("import", "ok"),
    ] {
        let answer = house.post("admin", &format!("/api/v1/{path}"), body).await;
        assert_eq!(answer.problem(), "503 unavailable", "{path}");
        assert_eq!(answer.header("retry-after"), "5");
    }
}
