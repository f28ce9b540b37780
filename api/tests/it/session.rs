//! People sign in, act, and sign out; others do not act for them.

use model::{Role, StaffCommand};
use reqwest::{Method, StatusCode};

use crate::house::{Answer, House, text};
use crate::samples::SHUSHAN;

const PASSWORD: &str = "bell tower at eight";

async fn with_account(id: &str, role: &str, scope: &str) -> House {
    let house = House::furnished().await;
    let body = format!(r#"{{"id":"{id}","password":"{PASSWORD}","role":"{role}","scope":"{scope}","name":"值班员"}}"#);
    let made = house.post("admin", "/api/v1/accounts", &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert!(!made.text.contains("hash") && !made.text.contains(PASSWORD), "{}", made.text);
    house
}

async fn sign_in(house: &House, account: &str, password: &str) -> Answer {
    let body = serde_json::json!({"account": account, "password": password}).to_string();
    house.post("", "/api/v1/session", &body).await
}

fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

/// A request as a page of ours makes it.
fn page(house: &House, cookie: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
    house.request("", method, path).header("cookie", cookie).header("sec-fetch-site", "same-origin")
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_works_and_signs_out() {
    let house = with_account("desk1", "desk", "/luyang/xinghua/").await;
    let answer = sign_in(&house, "desk1", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let set = answer.header("set-cookie");
    assert!(set.starts_with("__Host-yinling="), "{set}");
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(set.contains(part), "{part} is not in {set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    let who = answer.json();
    assert_eq!(
        (text(&who["account"]), text(&who["role"]), text(&who["org"]), text(&who["person"]), text(&who["name"])),
        ("desk1".into(), "desk".into(), "/luyang/xinghua/".into(), "desk1".into(), "值班员".into())
    );
    let cookie = cookie_of(&answer);
    let shown = Answer::of(page(&house, &cookie, Method::GET, "/api/v1/session")).await;
    assert_eq!(shown.json(), who);
    // The cookie is the desk of xinghua, and no more.
    let seen = Answer::of(page(&house, &cookie, Method::GET, "/api/v1/wearers")).await;
    assert_eq!(seen.ids(), ["w1", "w2"]);
    let outside = Answer::of(page(&house, &cookie, Method::GET, "/api/v1/wearers/w9")).await;
    assert_eq!(outside.problem(), "404 not-found");
    let accounts = Answer::of(page(&house, &cookie, Method::GET, "/api/v1/accounts")).await;
    assert_eq!(accounts.problem(), "403 not-allowed");
    let own = Answer::of(page(&house, &cookie, Method::GET, "/api/v1/accounts/desk1")).await;
    assert_eq!(text(&own.json()["id"]), "desk1");

    let out = Answer::of(page(&house, &cookie, Method::DELETE, "/api/v1/session")).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    let after = Answer::of(page(&house, &cookie, Method::GET, "/api/v1/session")).await;
    assert_eq!(after.problem(), "401 unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cookie_acts_for_our_own_pages_only() {
    let house = with_account("desk1", "desk", "/").await;
    let cookie = cookie_of(&sign_in(&house, "desk1", PASSWORD).await);
    let command = |with: &[(&str, &str)]| {
        let mut request = house.request("", Method::POST, "/api/v1/devices/b1/commands").header("cookie", &cookie);
        for (name, value) in with {
            request = request.header(*name, *value);
        }
        request.body(r#"{"kind":"ring"}"#)
    };
    for (with, expected) in [
        (vec![("sec-fetch-site", "same-origin")], 201),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![], 403),
        (vec![("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], 400),
        (vec![("sec-fetch-site", "same-origin"), ("cookie", "__Host-yinling=forged")], 401),
    ] {
        house.engine.asked();
        let answer = Answer::of(command(&with)).await;
        assert_eq!(answer.status.as_u16(), expected, "{with:?}: {}", answer.text);
        assert_eq!(house.engine.asked().len(), usize::from(expected == 201), "{with:?}");
    }
    // Nor does another site sign anybody in.
    let body = serde_json::json!({"account": "desk1", "password": PASSWORD}).to_string();
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
        let login = house.request("", Method::POST, "/api/v1/session").header(name, value).body(body.clone());
        let answer = Answer::of(login).await;
        assert_eq!(answer.problem(), "403 cross-site");
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_itself_and_with_what_it_rests_on() {
    let house = with_account("desk1", "desk", "/").await;
    let signed_in = async || cookie_of(&sign_in(&house, "desk1", PASSWORD).await);
    let works = async |cookie: &str| {
        Answer::of(page(&house, cookie, Method::GET, "/api/v1/session")).await.status == StatusCode::OK
    };
    let change = async |body: &'static str| {
        let request = house.request("admin", Method::PATCH, "/api/v1/accounts/desk1").body(body);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    };
    let cookie = signed_in().await;
    change(r#"{"role":"street","scope":"/luyang/"}"#).await;
    let who = Answer::of(page(&house, &cookie, Method::GET, "/api/v1/session")).await.json();
    assert_eq!((text(&who["role"]), text(&who["org"])), ("street".into(), "/luyang/".into()), "at once");
    change(r#"{"end_sessions":true}"#).await;
    assert!(!works(&cookie).await);
    let cookie = signed_in().await;
    change(r#"{"disabled":true}"#).await;
    assert!(!works(&cookie).await);
    assert_eq!(sign_in(&house, "desk1", PASSWORD).await.problem(), "401 wrong-password");
    change(r#"{"disabled":false}"#).await;
    assert!(!works(&cookie).await);
    let cookie = signed_in().await;
    change(r#"{"password":"another bell tower"}"#).await;
    assert!(!works(&cookie).await);
    let cookie = cookie_of(&sign_in(&house, "desk1", "another bell tower").await);
    assert!(works(&cookie).await);
    house.engine.set_now(crate::house::NOW + 12 * 3_600_000);
    assert!(!works(&cookie).await, "a session does not outlive its twelve hours");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_anew_leaves_no_session_behind() {
    let house = with_account("desk1", "desk", "/").await;
    let works = async |cookie: &str| {
        Answer::of(page(&house, cookie, Method::GET, "/api/v1/session")).await.status == StatusCode::OK
    };
    let elsewhere = cookie_of(&sign_in(&house, "desk1", PASSWORD).await);
    let old = cookie_of(&sign_in(&house, "desk1", PASSWORD).await);
    let again = async |password: &str| {
        let body = serde_json::json!({"account": "desk1", "password": password}).to_string();
        Answer::of(house.request("", Method::POST, "/api/v1/session").header("cookie", &old).body(body)).await
    };
    assert_eq!(again("guess").await.problem(), "401 wrong-password");
    assert!(works(&old).await, "a wrong password ends nothing");
    let new = cookie_of(&again(PASSWORD).await);
    assert!(works(&new).await && !works(&old).await);
    assert!(works(&elsewhere).await, "another browser stays signed in");
    assert!(works(&cookie_of(&again(PASSWORD).await)).await, "one that has ended is no hindrance");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_change_their_own_password_and_nothing_else() {
    let house = with_account("desk1", "desk", "/luyang/").await;
    let cookie = cookie_of(&sign_in(&house, "desk1", PASSWORD).await);
    let change = async |id: &str, body: String| {
        let path = format!("/api/v1/accounts/{id}");
        Answer::of(page(&house, &cookie, Method::PATCH, &path).body(body)).await
    };
    for (id, body, expected) in [
        ("desk1", r#"{"role":"admin"}"#.to_owned(), "403 not-allowed"),
        ("desk1", r#"{"scope":"/"}"#.to_owned(), "403 not-allowed"),
        ("desk1", r#"{"disabled":false}"#.to_owned(), "403 not-allowed"),
        ("admin", r#"{"password":"a new password"}"#.to_owned(), "403 not-allowed"),
        ("desk1", r#"{"password":"a new password"}"#.to_owned(), "422 invalid /current_password"),
        ("desk1", format!(r#"{{"password":"short","current_password":"{PASSWORD}"}}"#), "422 invalid /password"),
    ] {
        assert_eq!(change(id, body.clone()).await.problem(), expected, "{id} {body}");
    }
    let done = change("desk1", format!(r#"{{"password":"a new password","current_password":"{PASSWORD}"}}"#)).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert_eq!(sign_in(&house, "desk1", PASSWORD).await.problem(), "401 wrong-password");
    assert_eq!(sign_in(&house, "desk1", "a new password").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_ends_after_a_few_tries_and_says_for_how_long() {
    let house = with_account("desk1", "desk", "/").await;
    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.push(sign_in(&house, "desk1", "guess").await);
    }
    let wrong = answers.iter().filter(|answer| answer.problem() == "401 wrong-password").count();
    assert_eq!(wrong, 10);
    let limited = answers.last().unwrap();
    assert_eq!(limited.problem(), "429 limit-reached");
    assert_eq!(limited.header("retry-after"), "900");
    assert_eq!(sign_in(&house, "desk1", PASSWORD).await.problem(), "429 limit-reached", "from an unknown place");
    // An account that is not there looks the same as a wrong password.
    assert_eq!(sign_in(&house, "nobody", PASSWORD).await.problem(), "401 wrong-password");
    assert_eq!(sign_in(&house, "no body", PASSWORD).await.problem(), "401 wrong-password");
    house.engine.set_now(crate::house::NOW + 901_000);
    assert_eq!(sign_in(&house, "desk1", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_kept_within_the_keepers_part_of_the_tree() {
    let house = with_account("far1", "desk", SHUSHAN).await;
    let body = |scope: &str, role: &str| {
        format!(r#"{{"id":"near1","password":"{PASSWORD}","role":"{role}","scope":"{scope}"}}"#)
    };
    for (who, body, expected) in [
        ("district", body("/", "admin"), "422 invalid /scope"),
        ("district", body(SHUSHAN, "desk"), "422 invalid /scope"),
        ("district", body("/luyang/", "guardian"), "422 invalid /role"),
        ("district", body("/luyang/", "integration"), "422 invalid /role"),
        ("desk", body("/luyang/", "desk"), "403 not-allowed"),
        ("admin", r#"{"id":"a b","password":"long enough","role":"desk"}"#.to_owned(), "422 invalid /id"),
        ("admin", r#"{"id":"a","password":"too short","role":"desk"}"#.to_owned(), "422 invalid /password"),
        ("admin", r#"{"id":"a","password":"long enough","role":"desk","hash":"x"}"#.to_owned(), "422 invalid /hash"),
    ] {
        assert_eq!(house.post(who, "/api/v1/accounts", &body).await.problem(), expected, "{who} {body}");
    }
    assert_eq!(house.get("district", "/api/v1/accounts/far1").await.problem(), "404 not-found");
    let change = house.request("district", Method::PATCH, "/api/v1/accounts/far1").body(r#"{"disabled":true}"#);
    assert_eq!(Answer::of(change).await.problem(), "404 not-found");
    let remove = house.request("district", Method::DELETE, "/api/v1/accounts/far1");
    assert_eq!(Answer::of(remove).await.problem(), "404 not-found");
    assert_eq!(house.get("district", "/api/v1/accounts").await.ids(), [""; 0]);
    let made = house.post("district", "/api/v1/accounts", &body("/luyang/", "desk")).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.header("location"), "/api/v1/accounts/near1");
    assert_eq!(house.get("district", "/api/v1/accounts").await.ids(), ["near1"]);
    let (asked, ..) = (house.engine.asked(), ());
    let created = asked.iter().filter(|(_, _, command)| matches!(command, StaffCommand::CreateAccount(_))).count();
    assert_eq!(created, 2);
    assert!(asked.iter().all(|(actor, _, _)| actor.role == Role::Admin));
    assert!(!format!("{asked:?}").contains(&format!("{PASSWORD:?}")), "a password left the API in clear");
}
