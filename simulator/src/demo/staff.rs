//! The community's staff, by script: takes each case through to its end, so that the stories complete by themselves.
//! The family that is left to the person at the page keeps its case.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use crate::neighbourhood::Neighbourhood;

/// The grid worker who goes.
const GRID_WORKER: &str = "s4";
/// How long the staff takes for each step of a case, in seconds, and what it does.
const STEPS: &[(u64, &str)] =
    &[(12, "dispatch"), (6, "accept"), (14, "arrive"), (12, "feedback"), (6, "verify"), (6, "close")];

pub(super) struct Staff {
    client: Client,
    neighbourhood: Arc<Neighbourhood>,
}

impl Staff {
    pub(super) fn new(client: Client, neighbourhood: Arc<Neighbourhood>) -> Staff {
        Staff { client, neighbourhood }
    }

    /// Looks for new cases among events.
    pub(super) fn notice(&mut self, events: &[Value]) {
        for event in events.iter().filter(|event| event["type"] == "case.filed") {
            let data = &event["data"];
            if data["wearer"] == self.neighbourhood.yours().id.as_str() {
                continue;
            }
            let (Some(case), incident) = (data["id"].as_str(), data["incident"].as_str()) else { continue };
            let story = see_through(self.client.clone(), case.to_owned(), incident.map(str::to_owned));
            tokio::spawn(async move {
                if let Err(error) = story.await {
                    tracing::debug!(%error, "the staff left a case as it was");
                }
            });
        }
    }
}

async fn see_through(client: Client, case: String, incident: Option<String>) -> anyhow::Result<()> {
    for (seconds, action) in STEPS {
        tokio::time::sleep(Duration::from_secs(*seconds)).await;
        let body = match *action {
            "dispatch" => json!({"handler": GRID_WORKER}),
            "arrive" => {
                if let Some(incident) = &incident {
                    // A guardian may have arrived before: then this is refused, and nothing is lost.
                    let _ = client.act(&format!("incidents/{incident}"), "arrive", json!({})).await;
                }
                json!({"note": "到场,老人清醒"})
            }
            "feedback" => json!({"note": "已协助老人,家属在旁"}),
            "close" => json!({"disposition": "helped", "note": "家属接手,无需送医"}),
            _ => json!({}),
        };
        client.act(&format!("cases/{case}"), action, body).await?;
    }
    if let Some(incident) = incident {
        let body = json!({"disposition": "helped", "note": "现场核实,老人平安"});
        client.act(&format!("incidents/{incident}"), "resolve", body).await?;
    }
    Ok(())
}
