//! Every address, in one place. One file per noun below.

mod callbacks;
mod campaigns;
mod cases;
mod commands;
mod events;
mod front;
mod health;
mod history;
mod import;
mod incidents;
mod providers;
mod quarantine;
mod registry;
mod registry_write;
mod stream;
mod tasks;
mod tokens;
mod wearers;
mod webhooks;

use std::sync::Arc;

use axum::extract::Request;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use events::SNAPSHOTS;
use registry_write as entry;

use crate::openapi;
use crate::problem::{Code, Fault};
use crate::shared::Shared;

/// The one route with a time-out of its own.
pub(crate) const IMPORT_PATH: &str = "/api/v1/import";

/// Pages for people are added with `route`, everything else with `routes!`, so that it stands in OpenAPI (a test holds
/// this).
pub(crate) fn all() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .route("/", get(front::page))
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
        .routes(routes!(cases::list))
        .routes(routes!(cases::one))
        .routes(routes!(cases::act))
        .routes(routes!(commands::one))
        .routes(routes!(registry::devices))
        .routes(routes!(entry::device, entry::put_device, entry::patch_device, entry::delete_device))
        .routes(routes!(commands::list, commands::send))
        .routes(routes!(wearers::list))
        .routes(routes!(entry::wearer, entry::put_wearer, entry::patch_wearer, entry::delete_wearer))
        .routes(routes!(history::latest))
        .routes(routes!(history::track))
        .routes(routes!(history::vitals))
        .routes(routes!(registry::people))
        .routes(routes!(entry::person, entry::put_person, entry::patch_person, entry::delete_person))
        .routes(routes!(registry::orgs))
        .routes(routes!(entry::org, entry::put_org, entry::patch_org, entry::delete_org))
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
        "此地址不存在;可访问 / 查看入口",
    )
}

pub(crate) async fn wrong_method(request: Request) -> Fault {
    let method = request.method();
    Fault::new(
        Code::MethodNotAllowed,
        format!("{method} is not taken here; the Allow header says what is"),
        format!("此地址不支持 {method};请参阅 Allow 响应头"),
    )
}
