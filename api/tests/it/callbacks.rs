//! What providers report: the address is the only key, and the answer comes after the commit.

use model::reply::Problem;
use model::{AttemptId, AttemptOutcome, Reply};

use crate::house::{CALLBACK_TOKEN, House};

const KEY_ONE: &str = r#"{"attempt":"a1a","outcome":"key","key":"1"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_key_press_is_saved_without_any_other_credential() {
    let house = House::open().await;
    let answer = house.post("", &format!("/api/v1/callbacks/a1a/{CALLBACK_TOKEN}"), KEY_ONE).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, r#"{"status":"saved"}"#));
    let called = house.engine.called_back();
    assert_eq!(called[0].attempt, AttemptId::new(0, 42));
    assert_eq!((called[0].outcome, called[0].key.as_deref()), (AttemptOutcome::Key, Some("1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_looks_like_none() {
    let house = House::open().await;
    for path in ["a1a/wrong", "a1a/%00", "i1a/c4llback", "a/c4llback", "%ff/c4llback", "a1a/c4llback%ff"] {
        let answer = house.post("", &format!("/api/v1/callbacks/{path}"), KEY_ONE).await;
        assert_eq!(answer.status, 404, "{path} {}", answer.text);
        answer.problem();
    }
    for (body, expected) in
        [("{", "422 invalid"), ("", "422 invalid"), (r#"{"attempt":"a1b"}"#, "422 invalid /attempt")]
    {
        let answer = house.post("", &format!("/api/v1/callbacks/a1a/{CALLBACK_TOKEN}"), body).await;
        assert_eq!(answer.problem(), expected, "{body}");
    }
    assert!(house.engine.called_back().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_2xx_without_a_commit() {
    let house = House::open().await;
    house.engine.reply_with(Reply::Refused(Problem::not_found("attempt a1a")));
    let path = format!("/api/v1/callbacks/a1a/{CALLBACK_TOKEN}");
    assert_eq!(house.post("", &path, KEY_ONE).await.problem(), "404 not-found");
    house.engine.stop();
    let answer = house.post("", &path, KEY_ONE).await;
    assert_eq!(answer.problem(), "503 unavailable");
    assert_eq!(answer.header("retry-after"), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_own_words_are_taken_at_its_channels_address() {
    let house = House::open().await;
    let path = format!("/api/v1/providers/voice/{CALLBACK_TOKEN}?attempt=a1a");
    let answer = house.post("", &path, KEY_ONE).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/xml"));
    assert_eq!(answer.text, format!("voice {path} Some(127.0.0.1)"));
    assert_eq!(house.engine.called_back().len(), 1);
    assert_eq!(house.post("", "/api/v1/providers/voice/wrong", KEY_ONE).await.problem(), "404 not-found");
    assert_eq!(house.post("", &path, "{").await.problem(), "422 invalid");
    house.engine.stop();
    assert_eq!(house.post("", &path, KEY_ONE).await.problem(), "503 unavailable");
}
