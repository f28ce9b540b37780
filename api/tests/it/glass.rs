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
