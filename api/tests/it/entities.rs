//! Incidents, cases and attempts: who sees which, in pages, with a look on record.

use model::{CaseState, Entity, EventKind, IncidentState};

use crate::house::{House, text};
use crate::samples::{SHUSHAN, YINXING, attempt, case, incident, raised};

async fn house() -> House {
    let house = House::furnished().await;
    for (number, wearer, org, state) in [
        (1, "w1", YINXING, IncidentState::Notifying),
        (2, "w9", SHUSHAN, IncidentState::Notifying),
        (3, "w2", YINXING, IncidentState::Resolved),
        (4, "w1", YINXING, IncidentState::Acknowledged),
        (5, "w9", SHUSHAN, IncidentState::Exhausted),
    ] {
        let entity = Entity::Incident(Box::new(incident(number, wearer, org, state)));
        house.engine.tell(EventKind::IncidentRaised, org, entity).await;
    }
    for (number, org, state) in
        [(1, YINXING, CaseState::Filed), (2, SHUSHAN, CaseState::Closed), (3, YINXING, CaseState::Closed)]
    {
        house.engine.tell(EventKind::CaseFiled, org, Entity::Case(Box::new(case(number, org, state)))).await;
    }
    let sent = Entity::Attempt(Box::new(attempt(1, 1, YINXING)));
    house.engine.tell(EventKind::AttemptStarted, YINXING, sent).await;
    house
}

/// Follows `next` to the end.
async fn all(house: &House, who: &str, path: &str) -> Vec<String> {
    let (mut ids, mut url) = (Vec::new(), path.to_owned());
    loop {
        let page = house.get(who, &url).await;
        assert_eq!(page.status, 200, "{url}: {}", page.text);
        ids.extend(page.ids());
        let next = text(&page.json()["next"]);
        if next.is_empty() {
            assert_eq!(page.header("link"), "");
            return ids;
        }
        assert_eq!(page.header("link"), format!("<{next}>; rel=\"next\""));
        url = next;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_scoped_filtered_and_paged() {
    let house = house().await;
    for (who, path, expected) in [
        ("admin", "incidents?", vec!["i5", "i4", "i3", "i2", "i1"]),
        ("desk", "incidents?", vec!["i4", "i3", "i1"]),
        ("elsewhere", "incidents?", vec!["i5", "i2"]),
        ("desk", "incidents?state=open&", vec!["i4", "i1"]),
        ("desk", "incidents?state=resolved&", vec!["i3"]),
        ("desk", "incidents?wearer=w1&", vec!["i4", "i1"]),
        ("desk", "incidents?wearer=w9&", vec![]),
        ("admin", "incidents?kind=sos&state=exhausted&", vec!["i5"]),
        ("admin", "incidents?kind=fall&", vec![]),
        ("desk", "cases?", vec!["c3", "c1"]),
        ("desk", "cases?state=open&", vec!["c1"]),
        ("admin", "cases?state=closed&", vec!["c3", "c2"]),
        ("admin", "cases?handler=s1&", vec![]),
    ] {
        for limit in [1, 2, 500] {
            assert_eq!(
                all(&house, who, &format!("/api/v1/{path}limit={limit}")).await,
                expected,
                "{who} {path} {limit}"
            );
        }
    }
    for query in ["state=closed", "kind=boom", "after=c1", "after=i", "limit=0", "color=red"] {
        assert_eq!(
            house.get("admin", &format!("/api/v1/incidents?{query}")).await.problem(),
            "400 bad-parameter",
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_each_is_there_for_those_who_may_see_it() {
    let house = house().await;
    for path in ["incidents/i1", "incidents/i1/attempts", "attempts/a1", "cases/c1"] {
        let answer = house.get("desk", &format!("/api/v1/{path}")).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let outside = house.get("elsewhere", &format!("/api/v1/{path}")).await;
        assert_eq!(outside.problem(), "404 not-found", "{path}");
    }
    // What is not visible and what is not there look the same.
    let invisible = house.get("elsewhere", "/api/v1/incidents/i1").await.json();
    let absent = house.get("elsewhere", "/api/v1/incidents/i7").await.json();
    assert_eq!(text(&invisible["detail"]).replace("i1", "i7"), text(&absent["detail"]));
    assert_eq!(house.get("desk", "/api/v1/incidents/i1").await.header("etag"), "\"3\"");
    assert_eq!(house.get("desk", "/api/v1/incidents/i1/attempts").await.json()["data"][0]["to"], "+86138****0001");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_look_is_on_record_before_the_first_byte() {
    let house = house().await;
    let expected = [
        ("incidents/i1", "t-desk incidents/i1 position,explain,occurrences"),
        ("incidents", "t-desk incidents/i4,i3,i1 position,explain,occurrences"),
        ("cases/c1", "t-desk cases/c1 place,text,check_ins"),
        ("cases", "t-desk cases/c3,c1 place,text,check_ins"),
        ("incidents/i1/attempts", "t-desk incidents/i1/attempts text,params"),
        ("attempts/a1", "t-desk attempts/a1 text,params"),
        ("wearers/w1", "t-desk wearers/w1 fences"),
        ("wearers", "t-desk wearers/w1,w2 fences"),
        ("wearers/w1/latest?purpose=call", "t-desk wearers/w1/latest position,vitals (call)"),
        ("wearers/w1/track", "t-desk wearers/w1/track 2026-11-21T08:00:00.001Z/2026-11-22T08:00:00.001Z position"),
        (
            "wearers/w1/vitals?kind=heart_rate&from=2026-11-22T00:00:00Z&to=2026-11-22T08:00:00Z",
            "t-desk wearers/w1/vitals 2026-11-22T00:00:00.000Z/2026-11-22T08:00:00.000Z vitals",
        ),
    ];
    for (path, look) in expected {
        assert_eq!(house.get("desk", &format!("/api/v1/{path}")).await.status, 200, "{path}");
        assert_eq!(house.engine.looks(), [look], "{path}");
    }
    for path in ["devices", "people", "orgs", "incidents?state=exhausted"] {
        house.get("desk", &format!("/api/v1/{path}")).await;
        assert_eq!(house.engine.looks(), Vec::<String>::new(), "{path} shows no position");
    }
    house.engine.refuse_looks();
    for (path, _) in expected {
        let answer = house.get("desk", &format!("/api/v1/{path}")).await;
        assert_eq!(answer.problem(), "503 unavailable", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_and_the_feed_from_its_cursor_miss_nothing() {
    let house = house().await;
    let list = house.get("desk", "/api/v1/incidents").await;
    let cursor = text(&list.json()["as_of_cursor"]);
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(6, "w1", YINXING)).await;
    let feed = house.get("desk", &format!("/api/v1/events?after={cursor}")).await.json();
    assert_eq!(feed["data"].as_array().unwrap().len(), 1);
    assert_eq!(feed["data"][0]["subject"], "incidents/i6");
}
