//! The feed by polling: nothing is skipped, nothing is told twice, and whoever fell out is told so.

use api::cursor::Cursor;
use model::{Entity, EventKind};
use serde_json::Value;

use crate::house::{Answer, House, NOW, text};
use crate::samples::{SHUSHAN, YINXING, attempt, case, raised};

fn seqs(answer: &Answer) -> Vec<u64> {
    answer.json()["data"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect()
}

fn next(answer: &Answer) -> String {
    let cursor = text(&answer.json()["next_cursor"]);
    assert!(Cursor::parse(&cursor).is_some(), "{}", answer.text);
    cursor
}

/// Seven events: incidents, a case and an attempt here, two things elsewhere.
async fn told(house: &House) {
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w1", YINXING)).await;
    house.engine.tell(EventKind::IncidentRaised, SHUSHAN, raised(2, "w9", SHUSHAN)).await;
    house.engine.tell(EventKind::AttemptStarted, YINXING, Entity::Attempt(Box::new(attempt(1, 1, YINXING)))).await;
    let filed = Entity::Case(Box::new(case(1, YINXING, model::CaseState::Filed)));
    house.engine.tell(EventKind::CaseFiled, YINXING, filed).await;
    house.engine.set_now(NOW + 60_000);
    house.engine.tell(EventKind::IncidentAcknowledged, YINXING, raised(1, "w1", YINXING)).await;
    house.engine.tell(EventKind::IncidentResolved, SHUSHAN, raised(2, "w9", SHUSHAN)).await;
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(3, "w2", YINXING)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_feed_has_a_cursor_too() {
    let house = House::open().await;
    for after in ["", "?after=latest", "?since=2020-01-01T00:00:00Z"] {
        let answer = house.get("admin", &format!("/api/v1/events{after}")).await;
        assert_eq!(answer.json()["data"], Value::Array(Vec::new()), "{}", answer.text);
        assert_eq!(answer.json()["has_more"], false);
        let cursor = next(&answer);
        house.engine.looks();
        let again = house.get("admin", &format!("/api/v1/events?after={cursor}")).await;
        assert_eq!(next(&again), cursor);
    }
    assert!(house.engine.looks().is_empty(), "nothing was shown, so nobody looked");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_join_and_each_sees_their_own() {
    let house = House::open().await;
    told(&house).await;
    for (who, types, expected) in [
        ("admin", "", vec![1, 2, 3, 4, 5, 6, 7]),
        ("desk", "", vec![1, 3, 4, 5, 7]),
        ("elsewhere", "", vec![2, 6]),
        ("admin", "incident.*", vec![1, 2, 5, 6, 7]),
        ("desk", "incident.raised,case.*", vec![1, 4, 7]),
        ("desk", "attempt.started", vec![3]),
        ("desk", "device.*", vec![]),
    ] {
        for limit in [1, 2, 500] {
            let (mut seen, mut after) = (Vec::new(), String::new());
            loop {
                let cursor = if after.is_empty() { String::new() } else { format!("&after={after}") };
                let filter = if types.is_empty() { String::new() } else { format!("&types={types}") };
                let answer = house.get(who, &format!("/api/v1/events?limit={limit}{cursor}{filter}")).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                let page = seqs(&answer);
                assert!(page.len() <= limit);
                seen.extend(page);
                after = next(&answer);
                if answer.json()["has_more"] == false {
                    break;
                }
            }
            assert_eq!(seen, expected, "{who} {types} by {limit}");
            // Past everything, what is not for the caller included: nothing is looked at again.
            assert_eq!(Cursor::parse(&after).unwrap(), Cursor { epoch: 1, seq: 7 });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_can_begin_now_or_at_a_time() {
    let house = House::open().await;
    told(&house).await;
    let latest = house.get("admin", "/api/v1/events?after=latest").await;
    assert_eq!(seqs(&latest), Vec::<u64>::new());
    house.engine.tell(EventKind::IncidentNoted, YINXING, raised(1, "w1", YINXING)).await;
    let then = house.get("admin", &format!("/api/v1/events?after={}", next(&latest))).await;
    assert_eq!(seqs(&then), [8]);
    let since = house.get("admin", "/api/v1/events?since=2026-11-22T16:00:30%2B08:00").await;
    assert_eq!(seqs(&since), [5, 6, 7, 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_is_cloudevents_and_masks_numbers() {
    let house = House::open().await;
    told(&house).await;
    let answer = house.get("desk", "/api/v1/events?limit=2").await.json();
    let event = &answer["data"][0];
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["id"], "1-1");
    assert_eq!(event["type"], "incident.raised");
    assert_eq!(event["subject"], "incidents/i1");
    assert_eq!(event["data"]["wearer"], "w1");
    assert_eq!(event["data"]["changed"], Value::Array(Vec::new()));
    assert_eq!(answer["data"][1]["data"]["to"], "+86138****0001");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fell_out_of_the_feed_is_told_where_to_look() {
    let house = House::open().await;
    told(&house).await;
    let old = house.get("admin", "/api/v1/events?limit=1").await;
    house.engine.set_epoch(2);
    for cursor in [next(&old), Cursor { epoch: 2, seq: 8 }.to_string(), Cursor { epoch: 2, seq: u64::MAX }.to_string()]
    {
        let answer = house.get("admin", &format!("/api/v1/events?after={cursor}")).await;
        assert_eq!(answer.problem(), "410 cursor-expired");
        let snapshots = answer.json()["snapshots"].as_array().unwrap().clone();
        assert!(snapshots.contains(&Value::from("/api/v1/incidents")));
        // Every one of them is there, and says as of when.
        for url in snapshots {
            let snapshot = house.get("admin", &text(&url)).await;
            assert_eq!(text(&snapshot.json()["as_of_cursor"]), Cursor { epoch: 2, seq: 7 }.to_string(), "{url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_refused_in_words() {
    let house = House::open().await;
    for (query, expected) in [
        ("after=", "400 bad-cursor"),
        ("after=xyz", "400 bad-cursor"),
        ("after=%00%ff", "400 bad-parameter"),
        ("after=latest&since=2026-11-22T08:00:00Z", "400 bad-parameter"),
        ("since=yesterday", "400 bad-parameter"),
        ("since=2026-11-22T16:00:30+08:00", "400 bad-parameter"),
        ("limit=0", "400 bad-parameter"),
        ("limit=501", "400 bad-parameter"),
        ("limit=many", "400 bad-parameter"),
        ("limit=-1", "400 bad-parameter"),
        ("limit=99999999999999999999", "400 bad-parameter"),
        ("types=incident", "400 bad-parameter"),
        ("types=", "400 bad-parameter"),
        ("types=bad.*", "400 bad-parameter"),
        ("wher=here", "400 bad-parameter"),
        ("limit=1&limit=2", "400 bad-parameter"),
    ] {
        let answer = house.get("admin", &format!("/api/v1/events?{query}")).await;
        if query == "after=%00%ff" {
            assert_eq!(answer.status, 400, "{}", answer.text);
            answer.problem();
        } else {
            assert_eq!(answer.problem(), expected, "{query}: {}", answer.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_shows_positions_is_on_record_before_it_leaves() {
    let house = House::open().await;
    told(&house).await;
    house.get("desk", "/api/v1/events?limit=5").await;
    assert_eq!(house.engine.looks(), ["t-desk events/incidents/i1,i3 position,explain,occurrences"]);
    house.get("desk", "/api/v1/events?types=case.*").await;
    assert_eq!(house.engine.looks(), ["t-desk events/incidents/i1 position,explain,occurrences"], "a case has a place");
    house.engine.refuse_looks();
    let answer = house.get("desk", "/api/v1/events").await;
    assert_eq!(answer.problem(), "503 unavailable");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(!answer.text.contains("31.82"));
}
