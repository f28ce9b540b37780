//! What a guardian's link opens, and what it does not.

use model::{
    AttemptId, AttemptOutcome, AttemptState, Channel, Entity, EventKind, IncidentAction, IncidentState, Role,
    StaffCommand,
};
use reqwest::{Method, StatusCode};

use crate::house::{Answer, CODE, House, LINK_PROOF, NOW, text};
use crate::samples::{YINXING, attempt, incident};

/// A house with an open SOS of w1, of which g1 was told.
async fn house(state: IncidentState) -> (House, String) {
    let house = House::furnished().await;
    let incident = Entity::Incident(Box::new(incident(1, "w1", YINXING, state)));
    house.engine.tell(EventKind::IncidentRaised, YINXING, incident).await;
    let told = Entity::Attempt(Box::new(attempt(1, 1, YINXING)));
    house.engine.tell(EventKind::AttemptStarted, YINXING, told).await;
    house.engine.looks();
    (house, format!("{}-{LINK_PROOF}", AttemptId::new(0, 1)))
}

/// A button pressed in a browser without JavaScript.
async fn press(house: &House, token: &str, action: &str) -> Answer {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    Answer::of(client.post(house.url(&format!("/g/{token}/{action}"))).header("content-length", "0")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_happened_and_looking_changes_nothing() {
    let (house, token) = house(IncidentState::Notifying).await;
    let page = house.get("", &format!("/g/{token}")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for part in [
        "王桂兰",
        "按下 SOS",
        "还没有人确认前往",
        "31.820600, 117.227200",
        "tel:+8613800000010",
        "我已知晓，马上去",
        "我去不了",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    assert!(!page.text.contains("<script"), "it works without JavaScript");
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    let json = house.get("", &format!("/api/v1/guardian/{token}")).await.json();
    assert_eq!(json["actions"], serde_json::json!(["acknowledge", "cannot"]));
    assert_eq!((text(&json["wearer"]["id"]), text(&json["you"]["id"])), ("w1".into(), "g1".into()));
    assert_eq!(json["incident"]["position"]["lat"], 31.8206);
    // Looked at, and written down: with nothing else asked of the engine.
    assert_eq!(house.engine.looks(), ["g1 incidents/i1 position,explain,occurrences (guardian link)"; 2]);
    assert_eq!(house.engine.asked(), []);
    assert_eq!(house.engine.called_back(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_button_is_the_guardians_own_command_and_leads_back() {
    let (house, token) = house(IncidentState::Notifying).await;
    for action in [IncidentAction::Acknowledge, IncidentAction::Extend, IncidentAction::Arrive] {
        let answer = press(&house, &token, action.name()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        assert_eq!(answer.header("location"), format!("/g/{token}"));
        let asked = house.engine.asked();
        let [(actor, None, StaffCommand::Incident { id, action: done, .. })] = asked.as_slice() else {
            panic!("{asked:?}")
        };
        assert_eq!((actor.person.as_str(), actor.role, actor.scope.as_str()), ("g1", Role::Guardian, YINXING));
        assert_eq!((id.to_string().as_str(), *done), ("i1", action));
    }
    assert_eq!(press(&house, &token, "cannot").await.status, StatusCode::SEE_OTHER);
    let said = house.engine.called_back();
    assert_eq!((said.len(), said[0].attempt, said[0].key.as_deref()), (1, AttemptId::new(0, 1), Some("2")));
    for action in ["resolve", "note", "reopen", "escalate", "take_order", "ACKNOWLEDGE", "x"] {
        let page = press(&house, &token, action).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{action}");
        assert!(page.text.contains("没有此操作") && page.text.contains("我已知晓"), "{}", page.text);
    }
    assert_eq!(house.engine.asked(), []);
    // Nothing happens by looking.
    let get = house.get("", &format!("/g/{token}/acknowledge")).await;
    assert_eq!(get.problem(), "405 method-not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_rejects_a_call_has_not_said_that_they_cannot_go() {
    for (outcome, has_said) in
        [(AttemptOutcome::Declined, false), (AttemptOutcome::Key, true), (AttemptOutcome::Reply, true)]
    {
        let (house, token) = house(IncidentState::Notifying).await;
        let mut call = attempt(2, 1, YINXING);
        (call.channel, call.state, call.outcome) = (Channel::Voice, AttemptState::Declined, Some(outcome));
        house.engine.tell(EventKind::AttemptDeclined, YINXING, Entity::Attempt(Box::new(call))).await;
        let page = house.get("", &format!("/g/{token}")).await;
        assert_eq!(page.text.contains("已记下：您去不了"), has_said, "{outcome:?}");
        assert_eq!(page.text.contains("我去不了"), !has_said, "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_over_after_a_day_and_can_be_sent_again_a_few_times() {
    let (house, token) = house(IncidentState::Notifying).await;
    house.engine.set_now(NOW + 86_400_000);
    let page = house.get("", &format!("/g/{token}")).await;
    assert_eq!(page.status, StatusCode::GONE);
    for part in ["银杏社区", "tel:+8613800000010", "重新发送链接"] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    assert!(!page.text.contains("王桂兰") && !page.text.contains("31.82"), "{}", page.text);
    let json = house.get("", &format!("/api/v1/guardian/{token}")).await;
    assert_eq!(json.problem(), "410 link-expired");
    assert!(json.text.contains("+8613800000010"));
    assert_eq!(press(&house, &token, "acknowledge").await.status, StatusCode::GONE);
    assert_eq!(house.engine.asked(), []);
    for _ in 0..3 {
        assert_eq!(press(&house, &token, "resend").await.status, StatusCode::SEE_OTHER);
    }
    let asked = house.engine.asked();
    assert!(matches!(&asked[0].2, StaffCommand::SendLink(attempt) if attempt.id == AttemptId::new(0, 1)), "{asked:?}");
    assert_eq!(asked.len(), 3);
    assert_eq!(press(&house, &token, "resend").await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(house.engine.asked(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_links_open_nothing() {
    let (house, token) = house(IncidentState::Notifying).await;
    let doctor = {
        let mut told = attempt(2, 1, YINXING);
        told.callee.role = model::attempt::CalleeRole::Doctor;
        Entity::Attempt(Box::new(told))
    };
    house.engine.tell(EventKind::AttemptStarted, YINXING, doctor).await;
    let stranger = {
        let mut told = attempt(3, 1, YINXING);
        told.callee.person = model::PersonId::new("g9");
        Entity::Attempt(Box::new(told))
    };
    house.engine.tell(EventKind::AttemptStarted, YINXING, stranger).await;
    let long = format!("a1-{}", "x".repeat(5_000));
    let doctors = format!("a2-{LINK_PROOF}");
    let strangers = format!("a3-{LINK_PROOF}");
    let unknown = format!("a9-{LINK_PROOF}");
    let shortened = &token[..token.len() - 1];
    for forged in ["a1-", "a1", "-", "%00", "a1-0123456789abcdeF", shortened, &long, &unknown, &doctors, &strangers] {
        let json = house.get("", &format!("/api/v1/guardian/{forged}")).await;
        assert_eq!(json.problem(), "404 not-found", "{forged}");
        let page = house.get("", &format!("/g/{forged}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{forged}");
        assert!(!page.text.contains("王桂兰"));
        assert_eq!(press(&house, forged, "acknowledge").await.status, StatusCode::NOT_FOUND, "{forged}");
    }
    // A link is no token, and a token no link.
    assert_eq!(house.get(&token, "/api/v1/incidents").await.problem(), "401 unauthenticated");
    let delete = Answer::of(house.request("", Method::DELETE, &format!("/g/{token}"))).await;
    assert_eq!(delete.problem(), "405 method-not-allowed");
    assert!(house.engine.asked().is_empty() && house.engine.looks().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_elder_is_shows_only_while_it_is_open_and_after_its_look() {
    let (resolved, token) = house(IncidentState::Resolved).await;
    let json = resolved.get("", &format!("/api/v1/guardian/{token}")).await.json();
    assert_eq!((&json["incident"]["position"], &json["actions"]), (&serde_json::Value::Null, &serde_json::json!([])));
    let (house, token) = house(IncidentState::Notifying).await;
    house.engine.refuse_looks();
    let page = house.get("", &format!("/g/{token}")).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!page.text.contains("31.82") && !page.text.contains("按下"), "{}", page.text);
}

/// A form sent by a browser without JavaScript, with what it holds of cookies.
async fn fill(house: &House, path: &str, form: &str, cookie: &str) -> Answer {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let request = client.post(house.url(path)).header("cookie", cookie).body(form.to_owned());
    Answer::of(request.header("content-type", "application/x-www-form-urlencoded")).await
}

async fn look(house: &House, path: &str, cookie: &str) -> Answer {
    Answer::of(reqwest::Client::new().get(house.url(path)).header("cookie", cookie)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_to_the_own_phone_opens_the_guardians_pages_in_one_browser_for_a_while() {
    let (house, token) = house(IncidentState::Notifying).await;
    let (page, data) = (format!("/g/{token}/elder"), format!("/api/v1/guardian/{token}/elder"));
    let closed = look(&house, &page, "").await;
    assert_eq!(closed.status, StatusCode::OK);
    assert!(closed.text.contains("发送验证码") && closed.text.contains("+86138****0001"), "{}", closed.text);
    assert!(!closed.text.contains("31.82") && !closed.text.contains("name=\"code\""), "{}", closed.text);
    for path in
        [&data, &format!("/api/v1/guardian/{token}/track"), &format!("/api/v1/guardian/{token}/vitals?kind=spo2")]
    {
        assert_eq!(look(&house, path, "").await.problem(), "403 code-needed", "{path}");
    }
    assert_eq!(house.engine.looks(), [""; 0], "nothing was shown");

    // Nothing is entered before something is sent.
    assert_eq!(fill(&house, &format!("/g/{token}/enter"), "code=123456", "").await.status, 429);
    let sent = fill(&house, &format!("/g/{token}/code"), "", "").await;
    assert_eq!((sent.status, sent.header("location")), (StatusCode::SEE_OTHER, page.as_str()));
    let asked = house.engine.asked();
    assert!(matches!(&asked[0].2, StaffCommand::SendCode(link) if link.id == AttemptId::new(0, 1)), "{asked:?}");
    assert!(look(&house, &page, "").await.text.contains("name=\"code\""));
    let wrong = fill(&house, &format!("/g/{token}/enter"), "code=000000", "").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.text.contains("验证码不正确"), "{}", wrong.text);
    let right = fill(&house, &format!("/g/{token}/enter"), &format!("code={CODE}"), "").await;
    assert_eq!(right.status, StatusCode::SEE_OTHER, "{}", right.text);
    let set = right.header("set-cookie");
    assert!(set.starts_with("__Host-yinling-a1=") && set.contains("; Path=/; Secure; HttpOnly;"), "{set}");
    let cookie = set.split(';').next().unwrap().to_owned();

    let open = look(&house, &page, &cookie).await;
    assert!(open.status == 200 && open.text.contains("谁查看过") && open.text.contains("home"), "{}", open.text);
    let elder = look(&house, &data, &cookie).await;
    let tag = elder.header("etag");
    let elder = elder.json();
    assert!(text(&elder["wearer"]["id"]) == "w1" && elder["drawn"].is_object(), "{elder}");
    assert!(elder["wearer"].get("guardians").is_none() && elder["wearer"].get("phone").is_none(), "{elder}");
    assert_eq!(look(&house, &format!("/api/v1/guardian/{token}/track"), &cookie).await.status, 200);
    let looks = house.engine.looks();
    assert!(looks.iter().all(|look| look.starts_with("g1 wearers/w1")) && looks.len() == 3, "{looks:?}");

    // It is this link's cookie, this browser's, and it ends.
    let other = cookie.replace('=', "=x");
    assert_eq!(look(&house, &data, &other).await.problem(), "403 code-needed");
    let put = |tag: &str| {
        let client = reqwest::Client::new();
        let request = client.put(house.url(&format!("/api/v1/guardian/{token}/fences"))).header("cookie", &cookie);
        let request = if tag.is_empty() { request } else { request.header("if-match", tag) };
        Answer::of(request.header("content-type", "application/json").body("{\"fences\":[]}"))
    };
    assert_eq!(put("").await.problem(), "428 version-required");
    house.engine.asked();
    put(tag).await;
    house.engine.set_now(NOW + 1_800_000);
    assert_eq!(look(&house, &data, &cookie).await.problem(), "403 code-needed");
    for _ in 0..3 {
        fill(&house, &format!("/g/{token}/code"), "", "").await;
    }
    assert_eq!(fill(&house, &format!("/g/{token}/code"), "", "").await.status, StatusCode::TOO_MANY_REQUESTS);
}
