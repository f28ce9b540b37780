//! Every address, in one place. One file per noun below.

mod accounts;
mod audit;
mod callbacks;
mod campaigns;
mod case_bodies;
mod cases;
mod commands;
mod duty;
mod events;
mod fences;
mod front;
mod glass;
mod guardian;
mod guardian_page;
mod health;
mod history;
mod import;
mod incidents;
mod observations;
mod patrols;
mod photos;
mod preview;
mod providers;
mod quarantine;
mod registry;
mod reports;
mod session;
mod stream;
mod tasks;
mod tokens;
mod wearers;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::{delete, get, post};

use crate::problem::{Code, Fault};
use crate::shared::Shared;

/// One route with a time-out of its own.
pub(crate) const IMPORT_PATH: &str = "/api/v1/import";
/// The other one: a photo comes over a telephone's network.
pub(crate) const PHOTOS_PATH: &str = "/api/v1/cases/{id}/photos";

pub(crate) fn all() -> Router<Arc<Shared>> {
    let router = Router::new();
    #[cfg(feature = "console")]
    let router = router
        .route("/console", get(crate::console::home))
        .route("/console/", get(crate::console::index))
        .route("/console/{*path}", get(crate::console::file));
    router
        .route("/", get(front::page))
        .route("/api/v1/console", get(front::settings))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route(IMPORT_PATH, post(import::import))
        .route("/api/v1/events", get(events::poll))
        .route("/api/v1/events/stream", get(stream::follow))
        .route("/api/v1/incidents", get(incidents::list))
        .route("/api/v1/incidents/{id}", get(incidents::one))
        .route("/api/v1/incidents/{id}/attempts", get(incidents::attempts))
        .route("/api/v1/incidents/{id}/actions/{action}", post(incidents::act))
        .route("/api/v1/attempts/{id}", get(incidents::attempt))
        .route("/api/v1/cases", get(cases::list).post(cases::file))
        .route("/api/v1/cases/{id}", get(cases::one))
        .route("/api/v1/cases/{id}/actions/{action}", post(cases::act))
        .route("/api/v1/cases/{id}/receipts", post(cases::receipt))
        .route(PHOTOS_PATH, post(photos::add))
        .route("/api/v1/photos/{hash}", get(photos::one))
        .route("/api/v1/reports/response", get(reports::response))
        .route("/api/v1/duty", get(duty::one).put(duty::write))
        .route("/api/v1/patrols", get(patrols::list).post(patrols::start))
        .route("/api/v1/patrols/{id}", get(patrols::one))
        .route("/api/v1/commands/{id}", get(commands::one))
        .route("/api/v1/devices", get(registry::devices))
        .route("/api/v1/devices/{id}", get(registry::device))
        .route("/api/v1/devices/{id}/commands", get(commands::list).post(commands::send))
        .route("/api/v1/wearers", get(wearers::list))
        .route("/api/v1/wearers/{id}", get(wearers::one))
        .route("/api/v1/wearers/{id}/fences", get(fences::export))
        .route("/api/v1/wearers/{id}/observations", post(observations::note))
        .route("/api/v1/wearers/{id}/preview", post(preview::preview))
        .route("/api/v1/wearers/{id}/latest", get(history::latest))
        .route("/api/v1/wearers/{id}/track", get(history::track))
        .route("/api/v1/wearers/{id}/vitals", get(history::vitals))
        .route("/api/v1/wearers/{id}/break-glass", post(glass::break_it))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/people", get(registry::people))
        .route("/api/v1/people/{id}", get(registry::person))
        .route("/api/v1/orgs", get(registry::orgs))
        .route("/g/{token}", get(guardian::page))
        .route("/g/{token}/{action}", post(guardian::act))
        .route("/api/v1/guardian/{token}", get(guardian::json))
        .route("/api/v1/session", get(session::show).post(session::begin).delete(session::end))
        .route("/api/v1/accounts", get(accounts::list).post(accounts::create))
        .route("/api/v1/accounts/{id}", get(accounts::one).patch(accounts::change).delete(accounts::remove))
        .route("/api/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/api/v1/tokens/{id}", delete(tokens::revoke))
        .route("/api/v1/tasks", get(tasks::list))
        .route("/api/v1/tasks/{id}", get(tasks::one))
        .route("/api/v1/tasks/{id}/actions/done", post(tasks::done))
        .route("/api/v1/campaigns", get(campaigns::list).post(campaigns::create))
        .route("/api/v1/campaigns/{id}", get(campaigns::one))
        .route("/api/v1/campaigns/{id}/calls", get(campaigns::calls))
        .route("/api/v1/quarantine", get(quarantine::list))
        .route("/api/v1/callbacks/{attempt}/{token}", post(callbacks::take))
        .route("/api/v1/providers/{channel}/{token}", post(providers::take))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
}

async fn nothing_here() -> Fault {
    Fault::new(
        Code::NoSuchPath,
        "there is nothing at this address; GET / says where to look",
        "此地址不存在;可访问 / 查看入口",
    )
}

async fn wrong_method(request: Request) -> Fault {
    let method = request.method();
    Fault::new(
        Code::MethodNotAllowed,
        format!("{method} is not taken here; the Allow header says what is"),
        format!("此地址不支持 {method};请参阅 Allow 响应头"),
    )
}
