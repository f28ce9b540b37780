//! Where somebody is, when nothing has happened, is behind glass.

use model::{EventKind, IncidentState, StaffCommand};

use crate::house::House;
use crate::samples::{YINXING, incident, raised};

#[tokio::test(flavor = "multi_thread")]
async fn where_somebody_is_shows_on_account_of_something_or_for_a_reason() {
    let house = House::furnished().await;
    house.engine.put_up_glass();
    let track = "/api/v1/wearers/w1/track";
    assert_eq!(house.get("desk", track).await.problem(), "403 behind-glass");
    assert_eq!(house.engine.looks(), [""; 0], "nothing was shown");
    assert_eq!(house.get("desk", "/api/v1/wearers/w1/latest").await.status, 200, "how she is, not where");
    assert_eq!(house.get("admin", track).await.status, 200);
    // Nobody is told to break what they may not.
    for (who, address) in [("volunteer", track), ("volunteer", "/api/v1/wearers/w1/fences")] {
        let refused = house.get(who, address).await;
        assert_eq!(refused.problem(), "403 not-allowed", "{address}");
        assert!(!refused.text.contains("break-glass"), "{}", refused.text);
    }
    // Something happens: whoever is there for it sees.
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w1", YINXING)).await;
    assert_eq!(house.get("desk", track).await.status, 200);
    let over = model::Entity::Incident(Box::new(incident(1, "w1", YINXING, IncidentState::Resolved)));
    house.engine.tell(EventKind::IncidentResolved, YINXING, over).await;
    assert_eq!(house.get("desk", track).await.problem(), "403 behind-glass");
    // A reason is a command of its own; outside of one's part of the tree there is nothing to break.
    house.engine.asked();
    let broken = house.post("desk", "/api/v1/wearers/w1/break-glass", r#"{"reason":"not at the clinic"}"#).await;
    assert_eq!(broken.status, 200, "{}", broken.text);
    let asked = house.engine.asked();
    assert!(
        matches!(&asked[0].2, StaffCommand::BreakGlass { wearer, reason }
            if wearer.as_str() == "w1" && reason == "not at the clinic"),
        "{asked:?}"
    );
    let elsewhere = house.post("desk", "/api/v1/wearers/w9/break-glass", r#"{"reason":"curious"}"#).await;
    assert_eq!(elsewhere.problem(), "404 not-found");
    for (body, expected) in [("{}", "422 invalid"), (r#"{"reason":7}"#, "422 invalid /reason")] {
        assert_eq!(house.post("desk", "/api/v1/wearers/w1/break-glass", body).await.problem(), expected, "{body}");
    }
    assert!(house.engine.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_took_their_consent_back_is_seen_while_something_is_open_and_else_by_their_doctor() {
    let house = House::furnished().await;
    house.engine.put_up_glass();
    let (track, vitals) = ("/api/v1/wearers/w2/track", "/api/v1/wearers/w2/vitals?kind=heart_rate");
    assert_eq!(house.get("guardian", track).await.problem(), "403 no-consent");
    assert_eq!(house.get("guardian", vitals).await.problem(), "403 no-consent");
    // Staff is told that a reason opens it.
    assert_eq!(house.get("admin", track).await.problem(), "403 behind-glass");
    assert_eq!(house.get("guardian", "/api/v1/wearers/w1/track").await.status, 200, "of w1 nothing is written down");
    let latest = house.get("guardian", "/api/v1/wearers/w2/latest").await;
    assert!(latest.json()["position"].is_null() && latest.json()["vitals"] == serde_json::json!([]), "{}", latest.text);
    house.engine.tell(EventKind::IncidentRaised, YINXING, raised(1, "w2", YINXING)).await;
    for address in [track, vitals] {
        assert_eq!(house.get("guardian", address).await.status, 200, "{address}");
    }
    let over = model::Entity::Incident(Box::new(incident(1, "w2", YINXING, IncidentState::Resolved)));
    house.engine.tell(EventKind::IncidentResolved, YINXING, over).await;
    assert_eq!(house.get("guardian", track).await.problem(), "403 no-consent");
    let wearer = house.get("admin", "/api/v1/wearers/w2").await.json();
    assert_eq!(wearer["consents"][0]["to"], "location");
    assert_eq!(wearer["consents"][0]["withdrawn_at"], "1970-01-01T00:00:00.000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_is_known_to_whom_it_concerns_and_their_contacts_too() {
    let house = House::furnished().await;
    let watch = "/api/v1/duty/watch";
    assert_eq!(house.get("desk", watch).await.json()["data"], serde_json::json!([]));
    let on = house.post("desk", watch, r#"{"on":true}"#).await.json();
    assert_eq!((&on["data"][0]["person"], &on["data"][0]["org"]), (&"t-desk".into(), &"/luyang/xinghua/".into()));
    assert_eq!(house.get("admin", watch).await.json()["data"][0]["person"], "t-desk");
    assert_eq!(house.get("elsewhere", watch).await.json()["data"], serde_json::json!([]));
    assert_eq!(house.post("guardian", watch, r#"{"on":true}"#).await.problem(), "403 not-allowed");
    assert_eq!(house.post("desk", watch, "{}").await.problem(), "422 invalid");
    assert_eq!(house.post("desk", watch, r#"{"on":false}"#).await.json()["data"], serde_json::json!([]));
    let reach = house.get("desk", "/api/v1/wearers/w1/reach").await.json();
    assert_eq!(reach["data"][0], serde_json::json!({"person": "g1", "reached_at": "1970-01-01T00:00:00.000Z"}));
    assert_eq!(house.get("admin", "/api/v1/channels").await.json()["data"][0]["settings"][0]["value"], "***");
    assert_eq!(house.get("desk", "/api/v1/channels").await.problem(), "403 not-allowed");
}
