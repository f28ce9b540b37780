//! Every address, in one place. One file per noun below.

mod accounts;
mod audit;
mod callbacks;
mod campaigns;
mod case_bodies;
mod cases;
mod channels;
mod commands;
mod duty;
mod erasures;
mod events;
mod fences;
mod front;
mod glass;
mod guardian;
mod guardian_clock;
mod guardian_elder;
mod guardian_map;
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
mod reach;
mod registry;
mod registry_entry;
mod registry_write;
mod reports;
mod session;
mod step_up;
mod stream;
mod tasks;
mod tiles;
mod tokens;
mod watch;
mod wearers;
mod webhooks;

use std::sync::Arc;

use axum::extract::Request;
use axum::routing::{get, post};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use events::SNAPSHOTS;
use registry_write as entry;

use crate::openapi;
use crate::problem::{Code, Fault};
use crate::shared::Shared;

/// One route with a time-out of its own.
pub(crate) const IMPORT_PATH: &str = "/api/v1/import";
/// The other one: a photo comes over a telephone's network.
pub(crate) const PHOTOS_PATH: &str = "/api/v1/cases/{id}/photos";

/// Pages for people are added with `route`, everything else with `routes!`, so that it stands in OpenAPI (a test holds
/// this).
pub(crate) fn all() -> OpenApiRouter<Arc<Shared>> {
    let router = OpenApiRouter::with_openapi(openapi::frame());
    #[cfg(feature = "console")]
    let router = router
        .route("/console", get(crate::console::home))
        .route("/console/", get(crate::console::index))
        .route("/console/{*path}", get(crate::console::file));
    router
        .route("/", get(front::page))
        .route("/g/{token}", get(guardian::page))
        .route("/g/{token}/elder", get(step_up::page))
        .route("/g/{token}/code", post(step_up::send))
        .route("/g/{token}/enter", post(step_up::enter))
        .route("/g/{token}/{action}", post(guardian::act))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .routes(routes!(import::import))
        .routes(routes!(events::poll))
        .routes(routes!(stream::follow))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::one))
        .routes(routes!(incidents::attempts))
        .routes(routes!(incidents::act))
        .routes(routes!(incidents::attempt))
        .routes(routes!(cases::list, cases::file))
        .routes(routes!(cases::one))
        .routes(routes!(cases::act))
        .routes(routes!(cases::receipt))
        .routes(routes!(photos::add))
        .routes(routes!(photos::one))
        .routes(routes!(reports::response))
        .routes(routes!(duty::one, duty::write))
        .routes(routes!(watch::list, watch::set))
        .routes(routes!(channels::list))
        .routes(routes!(patrols::list, patrols::start))
        .routes(routes!(patrols::one))
        .routes(routes!(commands::one))
        .routes(routes!(registry::devices))
        .routes(routes!(entry::device, entry::put_device, entry::patch_device, entry::delete_device))
        .routes(routes!(commands::list, commands::send))
        .routes(routes!(wearers::list))
        .routes(routes!(entry::wearer, entry::put_wearer, entry::patch_wearer, entry::delete_wearer))
        .routes(routes!(fences::export))
        .routes(routes!(reach::of_wearer))
        .routes(routes!(observations::note))
        .routes(routes!(preview::preview))
        .routes(routes!(glass::break_it))
        .routes(routes!(audit::list))
        .routes(routes!(history::latest))
        .routes(routes!(history::track))
        .routes(routes!(history::vitals))
        .routes(routes!(registry::people))
        .routes(routes!(entry::person, entry::put_person, entry::patch_person, entry::delete_person))
        .routes(routes!(registry::orgs))
        .routes(routes!(entry::org, entry::put_org, entry::patch_org, entry::delete_org))
        .routes(routes!(erasures::list))
        .routes(routes!(erasures::one))
        .routes(routes!(guardian::json))
        .routes(routes!(guardian_elder::show))
        .routes(routes!(guardian_elder::track))
        .routes(routes!(guardian_elder::vitals))
        .routes(routes!(guardian_elder::draw))
        .routes(routes!(front::settings))
        .routes(routes!(tiles::one))
        .routes(routes!(tiles::guardians))
        .routes(routes!(session::show, session::begin, session::end))
        .routes(routes!(accounts::list, accounts::create))
        .routes(routes!(accounts::one, accounts::change, accounts::remove))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks::one))
        .routes(routes!(tasks::done))
        .routes(routes!(campaigns::list, campaigns::create))
        .routes(routes!(campaigns::one))
        .routes(routes!(campaigns::calls))
        .routes(routes!(quarantine::list))
        .routes(routes!(callbacks::take))
        .routes(routes!(providers::take))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::one, webhooks::change, webhooks::end))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(openapi::document))
        .routes(routes!(openapi::page))
}

pub(crate) async fn nothing_here() -> Fault {
    Fault::new(
        Code::NoSuchPath,
        "there is nothing at this address; GET / says where to look",
        "此地址不存在；可访问 / 查看入口",
    )
}

pub(crate) async fn wrong_method(request: Request) -> Fault {
    let method = request.method();
    Fault::new(
        Code::MethodNotAllowed,
        format!("{method} is not taken here; the Allow header says what is"),
        format!("此地址不支持 {method}；请参阅 Allow 响应头"),
    )
}
