//! What the crates count by themselves (`metrics::counter!` and its like), for `/metrics`. One recorder for the process,
//! as `metrics` has it.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to count. Calling it again changes nothing.
pub fn begin() {
    handle();
}

/// Everything that was counted, as Prometheus text.
#[must_use]
pub fn render() -> String {
    handle().map(PrometheusHandle::render).unwrap_or_default()
}

/// To be called every few seconds: what was measured is put together, so that it does not pile up.
pub fn tidy() {
    if let Some(handle) = handle() {
        handle.run_upkeep();
    }
}

fn handle() -> Option<&'static PrometheusHandle> {
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Whoever embeds the engine may have a recorder of its own: then these show there.
        metrics::set_global_recorder(recorder).is_ok().then_some(handle)
    };
    HANDLE.get_or_init(install).as_ref()
}
