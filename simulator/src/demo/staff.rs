//! The community's staff, by script: takes each case through to its end, and ends what needs no case once somebody has
//! looked after it, so that the stories complete by themselves. The family that is left to the person at the page
//! keeps its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::client::Client;
use crate::neighbourhood::Neighbourhood;

/// The grid worker who goes.
const GRID_WORKER: &str = "s4";
/// The steps of a case, each with the seconds that the staff takes for it.
const STEPS: &[(u64, &str)] =
    &[(12, "dispatch"), (6, "accept"), (14, "arrive"), (12, "feedback"), (6, "verify"), (6, "close")];
/// How long after an acknowledgement a guardian is there, and how long they stay, in seconds.
const VISIT_SECONDS: [u64; 2] = [35, 25];

/// Who is signed in.
#[derive(Debug, Clone)]
pub(super) struct People {
    pub(super) desk: Client,
    pub(super) grid: Client,
}

pub(super) struct Staff {
    /// The desk, and the grid worker who goes: each does what is theirs under their own name.
    people: People,
    neighbourhood: Arc<Neighbourhood>,
    /// Incidents without a case that somebody looks after.
    visited: BTreeSet<String>,
    /// Ended with the demo.
    work: JoinSet<()>,
}

impl Staff {
    pub(super) fn new(people: People, neighbourhood: Arc<Neighbourhood>) -> Staff {
        Staff { people, neighbourhood, visited: BTreeSet::new(), work: JoinSet::new() }
    }

    /// Looks for something to do among events.
    pub(super) fn notice(&mut self, events: &[Value]) {
        let neighbourhood = Arc::clone(&self.neighbourhood);
        for event in events.iter().filter(|event| event["data"]["wearer"] != neighbourhood.yours().id.as_str()) {
            let data = &event["data"];
            let Some(id) = data["id"].as_str().map(str::to_owned) else { continue };
            match event["type"].as_str() {
                Some("case.filed") => {
                    let incident = data["incident"].as_str().map(str::to_owned);
                    self.begin(see_through(self.people.clone(), id, incident));
                }
                // Who walked out of the fence is looked after until they are back inside.
                Some("incident.acknowledged") if data["case"].is_null() && data["kind"] != "fence_exit" => {
                    self.visit(id);
                }
                Some("incident.cleared") if data["case"].is_null() && data["kind"] == "fence_exit" => self.visit(id),
                _ => {}
            }
        }
    }

    fn visit(&mut self, incident: String) {
        if self.visited.insert(incident.clone()) {
            self.begin(visit(self.people.clone(), incident));
        }
    }

    fn begin(&mut self, work: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        while self.work.try_join_next().is_some() {} // what is done needs no memory
        self.work.spawn(async {
            if let Err(error) = work.await {
                tracing::debug!(%error, "the staff left something as it was");
            }
        });
    }
}

async fn see_through(people: People, case: String, incident: Option<String>) -> anyhow::Result<()> {
    for (seconds, action) in STEPS {
        tokio::time::sleep(Duration::from_secs(*seconds)).await;
        let body = match *action {
            "dispatch" => json!({"handler": GRID_WORKER}),
            "arrive" => json!({"note": "到场，老人清醒"}),
            "feedback" => json!({"note": "已协助老人，家属在旁"}),
            "close" => json!({"disposition": "helped", "note": "家属接手，无需送医"}),
            _ => json!({}),
        };
        let client = if matches!(*action, "accept" | "arrive" | "feedback") { &people.grid } else { &people.desk };
        client.act(&format!("cases/{case}"), action, body).await?;
    }
    if let Some(incident) = incident {
        // It ended with its case, unless the button was pressed once more meanwhile: most often this is refused.
        let _ = resolve(&people.desk, &incident).await;
    }
    Ok(())
}

async fn visit(people: People, incident: String) -> anyhow::Result<()> {
    tokio::time::sleep(Duration::from_secs(VISIT_SECONDS[0])).await;
    people.grid.act(&format!("incidents/{incident}"), "arrive", json!({})).await?;
    tokio::time::sleep(Duration::from_secs(VISIT_SECONDS[1])).await;
    resolve(&people.desk, &incident).await
}

async fn resolve(client: &Client, incident: &str) -> anyhow::Result<()> {
    let body = json!({"disposition": "helped", "note": "现场核实，老人平安"});
    client.act(&format!("incidents/{incident}"), "resolve", body).await.map(drop)
}
