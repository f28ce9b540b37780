//! REST and its live feed, under `/api/v1`.
//!
//! The API decides nothing and writes nothing itself: what changes something goes through [`Host::command`] and is
//! answered after the commit; what is read comes from the [`State`], which is projected from the journal.
//! Every query asks [`scope::visible_to`] whether the caller may see the answer; what is outside is 404. Every
//! answer that shows a position or a vital sign is preceded by a committed [`Look`](model::staff::Look).

mod address;
mod auth;
mod body;
#[cfg(feature = "console")]
mod console;
pub mod cursor;
mod exact;
mod headers;
mod host;
mod leftover;
mod login;
mod look;
mod middleware;
pub mod once;
mod openapi;
mod page;
mod params;
mod patience;
mod photo;
mod problem;
mod recent;
mod registry_json;
mod routes;
pub mod scope;
mod serve;
mod shared;
pub mod token;

use std::sync::Arc;

use axum::Router;
use store::State;

pub use host::{
    BoxFuture, Callback, CallbacksRefused, ChannelSetting, ChannelState, Check, Committed, ConsoleSettings, DemoSignIn,
    FenceFormat, Health, Host, Import, Preview, PreviewFault, PreviewRequest, ProviderAnswer, ProviderPost,
    ProviderRefusal, ProviderState, Remains, RowError, Tile, Unavailable,
};
pub use routes::SNAPSHOTS;
pub use serve::{TlsSource, Turnstile, serve, serve_tls};

/// The limits of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiConfig {
    /// The largest body of anything but an import.
    pub body_bytes_max: usize,
    /// The largest import.
    pub import_bytes_max: usize,
    /// How long a request may take, its body included.
    pub request_seconds_max: u64,
    /// How long an import may take, its upload included.
    pub import_seconds_max: u64,
    /// How many live streams at once.
    pub streams_max: usize,
    /// How often a live stream says that it is alive.
    pub heartbeat_millis: u64,
}

impl Default for ApiConfig {
    fn default() -> ApiConfig {
        ApiConfig {
            body_bytes_max: 64 * 1024,
            import_bytes_max: 8 * 1024 * 1024,
            request_seconds_max: 30,
            import_seconds_max: 300,
            streams_max: 4_096,
            heartbeat_millis: 15_000,
        }
    }
}

/// Every route, with authentication, limits and problem documents; hand it to [`serve`].
pub fn router(host: Arc<dyn Host>, state: Arc<State>, config: ApiConfig) -> Router {
    let shared = shared::Shared::new(host, state, config);
    let (router, document) = routes::all().split_for_parts();
    router
        .fallback(routes::nothing_here)
        .method_not_allowed_fallback(routes::wrong_method)
        .layer(axum::Extension(Arc::new(openapi::Published::new(document))))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&shared), middleware::observe))
        .with_state(shared)
}
